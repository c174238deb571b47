// SPDX-License-Identifier: GPL-2.0
/*
 * Who holds the blocks of an area: for each a note of when it was handed over, to whom,
 * and through which functions.  Nothing depends on it: where there is no memory for a
 * note, nobody is known to hold the block.
 */
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/stacktrace.h>
#include <linux/string.h>

#include "page_alloc_cma.h"

/* Ours: cma_note_holder() and cma_request(). */
#define CMA_OWN_FRAMES	2

static struct cma_holder *cma_to_holder(struct rb_node *node)
{
	return rb_entry(node, struct cma_holder, node);
}

static bool cma_holder_less(struct rb_node *a, const struct rb_node *b)
{
	return cma_to_holder(a)->pfn < rb_entry(b, struct cma_holder, node)->pfn;
}

/* The first note of what ends beyond @pfn, or NULL. */
static struct cma_holder *cma_find_holder(const struct cma *cma, unsigned long pfn)
{
	struct rb_node *node = cma->holders.rb_node;
	struct cma_holder *found = NULL;

	lockdep_assert_held(&cma->lock);

	while (node) {
		struct cma_holder *h = cma_to_holder(node);

		if (h->pfn + h->count > pfn) {
			found = h;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

/* Ten times as dear as all the rest of a note, and debugfs alone shows it. */
static void cma_trace_holder(struct cma_holder *h)
{
#if defined(CONFIG_CMA_DEBUGFS) && defined(CONFIG_STACKTRACE)
	h->nr_frames = stack_trace_save(h->frames, ARRAY_SIZE(h->frames),
					CMA_OWN_FRAMES);
#endif
}

/**
 * cma_note_holder() - note that the caller has got a block
 * @cma: the area
 * @pfn: first page
 * @count: pages
 *
 * Context: any; takes cma->lock.  Before the block is the caller's, who may give it back.
 */
void cma_note_holder(struct cma *cma, unsigned long pfn, unsigned long count)
{
	struct cma_holder *h = kzalloc(sizeof(*h), GFP_NOWAIT | __GFP_NOWARN |
					__GFP_NOMEMALLOC);
	unsigned long flags;

	if (!h)
		return;
	h->pfn = pfn;
	h->count = count;
	h->since = ktime_get_boottime_seconds();
	h->pid = task_pid_nr(current);
	/* One's own name needs no lock. */
	strscpy(h->comm, current->comm);
	cma_trace_holder(h);
	spin_lock_irqsave(&cma->lock, flags);
	rb_add(&h->node, &cma->holders, cma_holder_less);
	spin_unlock_irqrestore(&cma->lock, flags);
}

/*
 * [@start, @end) is a part of the block, or reaches beyond it.  Of what is given back in
 * its midst the larger part keeps the note: for another there may be no memory.
 */
static void cma_cut_holder(struct cma *cma, struct cma_holder *h,
			   unsigned long start, unsigned long end)
{
	unsigned long last = h->pfn + h->count;
	unsigned long front = start > h->pfn ? start - h->pfn : 0;
	unsigned long back = last > end ? last - end : 0;

	if (!front && !back) {
		rb_erase(&h->node, &cma->holders);
		kfree(h);
		return;
	}
	if (back > front)
		h->pfn = end;
	h->count = max(front, back);
}

/**
 * cma_forget_holder() - a block, or a part of one, is nobody's any more
 * @cma: the area
 * @pfn: first page
 * @count: pages
 *
 * Context: any; under cma->lock.
 */
void cma_forget_holder(struct cma *cma, unsigned long pfn, unsigned long count)
{
	unsigned long end = pfn + count;
	struct cma_holder *h;

	lockdep_assert_held(&cma->lock);

	while ((h = cma_find_holder(cma, pfn)) && h->pfn < end)
		cma_cut_holder(cma, h, pfn, end);
}

/**
 * cma_next_holder() - who holds the next block?
 * @cma: the area
 * @pfn: look from here on
 * @holder: result: a copy of the note
 *
 * Context: any; takes cma->lock.
 * Return: false if nobody is known to hold anything from there on.
 */
bool cma_next_holder(struct cma *cma, unsigned long pfn, struct cma_holder *holder)
{
	const struct cma_holder *h;
	unsigned long flags;

	spin_lock_irqsave(&cma->lock, flags);
	h = cma_find_holder(cma, pfn);
	if (h)
		*holder = *h;
	spin_unlock_irqrestore(&cma->lock, flags);
	return h;
}

/* Among the largest, largest first, if it is one of them. */
static void cma_weigh_holder(struct cma_holder *largest, unsigned int nr,
			     const struct cma_holder *h)
{
	unsigned int i;

	for (i = nr; i > 0 && largest[i - 1].count < h->count; i--)
		if (i < nr)
			largest[i] = largest[i - 1];
	if (i < nr)
		largest[i] = *h;
}

/**
 * cma_largest_holders() - who holds the largest blocks?
 * @cma: the area
 * @largest: result: copies of their notes, largest first; those with no pages are none
 * @nr: how many
 *
 * Context: any; takes cma->lock, for each block anew.
 */
void cma_largest_holders(struct cma *cma, struct cma_holder *largest, unsigned int nr)
{
	unsigned long pfn = cma->base_pfn;
	struct cma_holder h;

	memset(largest, 0, nr * sizeof(*largest));
	while (cma_next_holder(cma, pfn, &h)) {
		cma_weigh_holder(largest, nr, &h);
		pfn = h.pfn + h.count;
	}
}
