// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the guard
 *
 * A page of an area that is lent comes back by migration, and migration needs
 * that nobody but the page tables and the page cache refers to it.  So nobody
 * should refer to a loan for longer than the kernel decides: whoever would (GUP, a
 * pipe, read() into memory that stalls, whoever writes to a file)
 * is held up here, while the loan is moved out of the area, and looks the page
 * up again.  No reference is held while it is moved, so two tasks that want the
 * same page do not stand in each other's way.
 *
 * Nobody pays for that with more than a moment.  A target is memory that is free;
 * where there is none, reclaim is asked a few times, with nothing held, and the OOM
 * killer never.  What can't be moved at once is waited for, killably, only where mmap_lock
 * can be given up, and not for long.  After that the caller gets a copy, or the
 * loan, and a counter says so: recall could not have moved it either.
 *
 * This file owns what the hooks in gup.c, filemap.c, shmem.c, memory.c and memcontrol.c
 * call.  It has no state but counters, and what tasks remember of their last waits.
 */
#include <linux/cma_lend.h>
#include <linux/file.h>
#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/highmem.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/pagewalk.h>
#include <linux/percpu.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "guard_cma.h"
#include "internal.h"
#include "memcontrol-v1.h"
#include "page_alloc_cma.h"

/* Pages that one call of the guard moves for GUP, with one TLB flush. */
#define CMA_GUARD_BATCH		512UL
/* Pauses before a page that could not be moved is looked at again grow from here, */
#define CMA_GUARD_PAUSE_US	500U
/* up to here where somebody holds the page, */
#define CMA_GUARD_SHORT_US	4000U
/* or here where the kernel itself does, or has memory: a quarter of a second in all. */
#define CMA_GUARD_LAST_US	128000U
/* So many times as long as it waited in vain, a task does not wait again. */
#define CMA_GUARD_REST		4
/* Tasks whose last waits are remembered. */
#define CMA_WAIT_BITS		8
/* For how long to wait for a flush of all LRU batches, in jiffies. */
#define CMA_GUARD_DRAIN		(HZ / 20)
/* What a copy for a pipe may cost: its size is the pipe's owner's to account for. */
#define CMA_COPY_GFP		(GFP_HIGHUSER | __GFP_ACCOUNT | __GFP_NOWARN)
/*
 * Bytes that read() copies through the stack, where user memory is not there: the
 * fault brings in a page, so the rest of it is copied without.
 */
#define CMA_GUARD_BOUNCE	256UL

static_assert(AS_INACCESSIBLE < AS_CMA_LENT && AS_CMA_LENT < AS_FOLIO_ORDER_MIN);

static void cma_count_guard(const struct page *page, unsigned int moved,
			    unsigned int copied)
{
	const struct cma *cma = cma_find_area(page_to_pfn(page));

	this_cpu_inc(cma->stats->guard_hits);
	this_cpu_add(cma->stats->guard_moved, moved);
	this_cpu_add(cma->stats->guard_copied, copied);
}

/* Recall could not have moved it either. */
static void cma_count_failed(const struct page *page)
{
	cma_count_guard(page, 0, 0);
	this_cpu_inc(cma_find_area(page_to_pfn(page))->stats->guard_failed);
}

/*
 * Targets are paid for with nothing isolated and nothing locked.  Neither of the two
 * calls the OOM killer; and where the page goes is not for the caller's cpuset to
 * say, for it may be somebody else's.
 */
#define CMA_TARGET_GFP	(GFP_NOWAIT | __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_NOWARN)
#define CMA_PAY_GFP	(GFP_KERNEL | __GFP_HIGHMEM | __GFP_MOVABLE | \
			 __GFP_NORETRY | __GFP_NOWARN)

/* Is there a page near @nid?  It is free again afterwards, or on this CPU's list. */
static bool cma_has_target(int nid)
{
	struct page *page = alloc_pages_node(nid, CMA_TARGET_GFP, 0);

	if (page)
		__free_page(page);
	return page;
}

/* usleep_range_state() would spin once the task is to die. */
static void cma_guard_sleep(unsigned int us)
{
	ktime_t time = ns_to_ktime(us * NSEC_PER_USEC);

	set_current_state(TASK_KILLABLE);
	schedule_hrtimeout_range(&time, us * NSEC_PER_USEC, HRTIMER_MODE_REL);
}

/* GUP. */

/**
 * __cma_outside_is_short() - is memory outside of the areas down to what wakes
 *	kswapd, in a zone with an area?
 *
 * Context: any.
 * Return: true if so; who can't be served from there should borrow.
 */
bool __cma_outside_is_short(void)
{
	struct zone *zone;

	for_each_populated_zone(zone)
		if (zone_cma_pages(zone) &&
		    cma_shortfall(zone, low_wmark_pages(zone) +
				  zone->lowmem_reserve[ZONE_MOVABLE] + 1))
			return true;
	return false;
}

/* The loan that is mapped at @addr, if any; by now it may be another one. */
static struct page *cma_loan_at(struct vm_area_struct *vma, unsigned long addr)
{
	struct page *page = NULL;
	struct folio_walk fw;

	if (!folio_walk_start(&fw, vma, addr, 0))
		return NULL;
	if (cma_is_lent(fw.page))
		page = fw.page;
	folio_walk_end(&fw, vma);
	return page;
}

/* Nobody else has to do with it; a guess. */
static bool cma_is_quiet(const struct folio *folio)
{
	return !folio_test_locked(folio) && !folio_test_writeback(folio) &&
	       folio_ref_count(folio) == cma_expected_refs(folio);
}

/*
 * Isolate the loans that are mapped at [@addr, @end), if the first one can be: it
 * is the one that was asked for.
 */
static void cma_collect_mapped(struct vm_area_struct *vma, unsigned long addr,
			       unsigned long end, struct list_head *folios)
{
	unsigned long pages;
	struct folio_walk fw;
	struct folio *folio;
	bool first = true;

	for (; addr < end; addr += pages << PAGE_SHIFT) {
		pages = 1;
		folio = folio_walk_start(&fw, vma, addr, 0);
		if (!folio && first)
			return;
		if (!folio)
			continue;
		if (fw.level != FW_LEVEL_PTE)
			pages = folio_nr_pages(folio) -
				folio_page_idx(folio, fw.page);
		if (cma_is_lent(fw.page) && cma_is_quiet(folio))
			cma_isolate_loan(folio, folios);
		folio_walk_end(&fw, vma);
		if (list_empty(folios))
			return;
	}
}

/*
 * One try to move the loans that are mapped at [@addr, @end).  Return: true where
 * no loan is at @addr any more.
 */
static bool cma_move_mapped(struct vm_area_struct *vma, unsigned long addr,
			    unsigned long end)
{
	struct page *page = cma_loan_at(vma, addr);
	unsigned int moved;
	LIST_HEAD(folios);

	if (!page)
		return true;
	if (!cma_has_target(page_to_nid(page)))
		return false;
	cma_collect_mapped(vma, addr, end, &folios);
	if (list_empty(&folios))
		return false;
	moved = cma_move_out(&folios, CMA_TARGET_GFP, NULL);
	putback_movable_pages(&folios);
	cma_count_guard(page, moved, 0);
	return !cma_loan_at(vma, addr);
}

/*
 * The loan at @addr first: where that goes nowhere, all others would be isolated and
 * put back in vain for each page that is granted.  Return: as above.
 */
static bool cma_move_with_others(struct vm_area_struct *vma, unsigned long addr,
				 unsigned long nr_pages)
{
	unsigned long pages = min(nr_pages, CMA_GUARD_BATCH);
	unsigned long next = addr + PAGE_SIZE;
	unsigned long end = min(vma->vm_end, addr + (pages << PAGE_SHIFT));

	if (!cma_move_mapped(vma, addr, next))
		return false;
	if (next < end)
		cma_move_mapped(vma, next, end);
	return true;
}

/*
 * One try to move a loan that nobody holds for us: it may be another one by now, or
 * free.  @target is used, or freed.  Return: false if it stays.
 */
static bool cma_move_frame(struct page *page, struct folio *target)
{
	struct folio *folio = page_folio(page);
	bool there = folio_try_get(folio);
	unsigned int moved;
	LIST_HEAD(folios);

	if (there) {
		if (page_folio(page) == folio && cma_is_lent(page))
			cma_isolate_loan(folio, &folios);
		folio_put(folio);
	}
	moved = cma_move_out(&folios, CMA_TARGET_GFP, target);
	putback_movable_pages(&folios);
	if (moved)
		cma_count_guard(page, moved, 0);
	return moved || (!there && PageBuddy(page));
}

/* Does the kernel itself keep the page?  A guess: nobody holds it for us. */
static bool cma_in_transit(const struct page *page)
{
	unsigned long flags = READ_ONCE(page_folio(page)->flags);

	return flags & (BIT(PG_locked) | BIT(PG_writeback)) ||
	       !(flags & BIT(PG_lru));
}

/* What keeps a loan from being moved. */
enum cma_obstacle {
	CMA_MOVED,
	CMA_NO_TARGET,	/* no memory outside of the areas */
	CMA_HELD,	/* somebody who refers to it */
	NR_CMA_OBSTACLES
};

/* Is what is waited for on its way, because the kernel itself keeps it? */
static bool cma_will_end(const struct page *page, bool has_target)
{
	return has_target ? cma_in_transit(page) : cma_any_spare(1);
}

/* Wait for memory, and for whoever keeps the page from moving, with nothing held. */
static enum cma_obstacle cma_wait_and_move(struct page *page)
{
	struct folio *target;
	unsigned int us;
	bool paid;

	for (us = CMA_GUARD_PAUSE_US; ; us *= 2) {
		target = __folio_alloc(CMA_PAY_GFP, 0, page_to_nid(page), NULL);
		paid = target;
		if (paid && cma_move_frame(page, target))
			return CMA_MOVED;
		/* A batch may have the reference that keeps it here. */
		if (us == CMA_GUARD_PAUSE_US)
			cma_drain_batches(CMA_GUARD_DRAIN);
		if (us > (cma_will_end(page, paid) ? CMA_GUARD_LAST_US :
						     CMA_GUARD_SHORT_US) ||
		    fatal_signal_pending(current))
			return paid ? CMA_HELD : CMA_NO_TARGET;
		cma_guard_sleep(us);
	}
}

/**
 * struct cma_wait - what a task remembers of its last wait
 * @task: who waited
 * @pfn: for which page
 * @rest: by what it waited for, in jiffies_64: it was in vain, and nobody here waits
 *	for that again until then
 *
 * Several tasks may share one, and nothing is locked: at worst somebody waits once
 * more or less, or not at all.
 */
struct cma_wait {
	const struct task_struct *task;
	unsigned long pfn;
	u64 rest[NR_CMA_OBSTACLES];
};

static struct cma_wait cma_waits[1 << CMA_WAIT_BITS];

static struct cma_wait *cma_my_wait(void)
{
	return &cma_waits[hash_ptr(current, CMA_WAIT_BITS)];
}

/* Who wants to hold much that can't be moved does not wait for each page. */
static void cma_wait_for(struct page *page)
{
	struct cma_wait *wait = cma_my_wait();
	u64 start = get_jiffies_64();
	enum cma_obstacle obstacle;

	WRITE_ONCE(wait->task, current);
	WRITE_ONCE(wait->pfn, page_to_pfn(page));
	obstacle = cma_wait_and_move(page);
	if (obstacle != CMA_MOVED)
		WRITE_ONCE(wait->rest[obstacle], start +
			   (CMA_GUARD_REST + 1) * (get_jiffies_64() - start) + 1);
}

/* For this page; or nobody knows, because others have waited since. */
static bool cma_may_have_waited(const struct page *page)
{
	const struct cma_wait *wait = cma_my_wait();

	return READ_ONCE(wait->task) != current ||
	       READ_ONCE(wait->pfn) == page_to_pfn(page);
}

/*
 * Who waited in vain for a page that somebody holds may still wait for memory: that
 * is reclaimed for him, as for anybody.
 */
static bool cma_rests(const struct page *page)
{
	enum cma_obstacle obstacle = cma_has_target(page_to_nid(page)) ?
				     CMA_HELD : CMA_NO_TARGET;

	return time_before64(get_jiffies_64(),
			     READ_ONCE(cma_my_wait()->rest[obstacle]));
}

/*
 * Never with mmap_lock held: somebody who holds the page may wait for it.  And once
 * for a page: FOLL_TRIED says that the lock was given up since the request began.
 */
static bool cma_may_wait(const struct page *page, unsigned int foll_flags)
{
	if (!(foll_flags & FOLL_UNLOCKABLE) ||
	    foll_flags & (FOLL_NOWAIT | FOLL_NOFAULT))
		return false;
	if (foll_flags & FOLL_TRIED && cma_may_have_waited(page))
		return false;
	return !cma_rests(page);
}

/* What FOLL_LONGTERM gets is moved by its own rules, or given up. */
static struct page *cma_grant(const struct page *page, unsigned int foll_flags)
{
	if (foll_flags & FOLL_LONGTERM)
		cma_count_guard(page, 0, 0);
	else
		cma_count_failed(page);
	return CMA_GRANTED;
}

/**
 * __cma_guard_gup() - move out what GUP wants to hold
 * @vma: where it is mapped
 * @addr: user address of the page that was refused
 * @nr_pages: pages that are wanted from there on
 * @foll_flags: FOLL_*
 * @locked: as for __get_user_pages()
 *
 * Context: mmap_lock held; may sleep, but waits for nobody unless it gives the lock
 *	up before.
 * Return: CMA_REFUSED to look the page up again, CMA_GRANTED to do so and take it
 *	whatever it is, NULL to return what there is so far.
 */
struct page *__cma_guard_gup(struct vm_area_struct *vma, unsigned long addr,
			     unsigned long nr_pages, unsigned int foll_flags,
			     int *locked)
{
	struct page *page;

	addr &= PAGE_MASK;
	if (cma_move_with_others(vma, addr, nr_pages))
		return CMA_REFUSED;
	/* This CPU's batch may have the reference that kept it here. */
	lru_add_drain();
	if (cma_move_with_others(vma, addr, nr_pages))
		return CMA_REFUSED;

	page = cma_loan_at(vma, addr);
	if (!page)
		return CMA_REFUSED;
	if (!cma_may_wait(page, foll_flags))
		return cma_grant(page, foll_flags);
	mmap_read_unlock(vma->vm_mm);
	*locked = 0;
	cma_wait_for(page);
	return NULL;
}

/* Pipes. */

/*
 * Only small folios: a large one may be split when it can't be moved, and the
 * caller would go on with another folio than it looked up.  No large file folio
 * is lent anyway.
 */
static bool cma_isolate_held(struct folio *folio, struct list_head *folios)
{
	if (folio_test_large(folio))
		return false;
	/* What was read a moment ago sits in this CPU's batch. */
	if (!folio_test_lru(folio))
		lru_add_drain();
	return cma_isolate_loan(folio, folios);
}

/*
 * Move the folios on @folios, to each of which the caller has a reference beside
 * the isolation's.  Where none can be moved, the caller has them all as before.
 */
static unsigned int cma_move_held(struct list_head *folios)
{
	struct folio *folio;
	unsigned int moved;
	struct page *first;

	folio = list_first_entry(folios, struct folio, lru);
	first = &folio->page;
	list_for_each_entry(folio, folios, lru)
		folio_put(folio);
	moved = cma_move_out(folios, CMA_TARGET_GFP, NULL);
	if (!moved)
		list_for_each_entry(folio, folios, lru)
			folio_get(folio);
	putback_movable_pages(folios);
	cma_count_guard(first, moved, 0);
	return moved;
}

/*
 * A copy of a folio of a page cache.  It looks like a folio that was truncated a
 * moment ago, which pipes know how to handle.  A pipe has no say in when its bytes
 * are taken from the file: these are what they were when they were spliced.
 */
static void cma_fill_copy(struct folio *copy, struct folio *folio)
{
	folio_copy(copy, folio);
	copy->index = folio->index;
	__folio_mark_uptodate(copy);
	cma_count_guard(&folio->page, 0, 1);
}

/* A copy in exchange for the caller's reference; NULL if that takes reclaim. */
static struct folio *cma_exchange_for_copy(struct folio *folio)
{
	struct folio *copy = folio_alloc(CMA_COPY_GFP & ~__GFP_DIRECT_RECLAIM,
					 0);

	if (!copy)
		return NULL;
	cma_fill_copy(copy, folio);
	folio_put(folio);
	return copy;
}

/*
 * A copy of what is at @index by the time that there is memory for it: nothing is
 * held while that is reclaimed, from others or from the caller's group.  Return:
 * NULL to look it up again, or an error.
 */
static struct folio *cma_copy_at(struct address_space *mapping, pgoff_t index)
{
	struct folio *copy, *folio;
	bool use;

	copy = folio_alloc(CMA_COPY_GFP | __GFP_RETRY_MAYFAIL, 0);
	if (!copy)
		return ERR_PTR(-ENOMEM);
	folio = filemap_get_folio(mapping, index);
	use = !IS_ERR(folio) && folio_test_uptodate(folio) &&
	      !folio_test_large(folio) && cma_is_lent(&folio->page);
	if (use)
		cma_fill_copy(copy, folio);
	else
		folio_put(copy);
	if (!IS_ERR(folio))
		folio_put(folio);
	return use ? copy : NULL;
}

/* Release what is in the batch from @from on. */
static void cma_cut_batch(struct folio_batch *fbatch, unsigned int from)
{
	release_pages(fbatch->folios + from, fbatch->nr - from);
	fbatch->nr = from;
}

/*
 * Exchange the loans of a batch for copies.  It ends before the first one for which
 * there is no memory at once; if that is the first of all, it is waited for.
 */
static int cma_copy_batch(struct address_space *mapping,
			  struct folio_batch *fbatch)
{
	struct folio *copy;
	unsigned int i;
	pgoff_t index;

	for (i = 0; i < fbatch->nr; i++) {
		if (!cma_is_lent(&fbatch->folios[i]->page) ||
		    WARN_ON_ONCE(folio_test_large(fbatch->folios[i])))
			continue;
		copy = cma_exchange_for_copy(fbatch->folios[i]);
		if (!copy)
			break;
		fbatch->folios[i] = copy;
	}
	if (i) {
		cma_cut_batch(fbatch, i);
		return 0;
	}
	index = fbatch->folios[0]->index;
	cma_cut_batch(fbatch, 0);
	copy = cma_copy_at(mapping, index);
	if (!IS_ERR_OR_NULL(copy))
		folio_batch_add(fbatch, copy);
	return PTR_ERR_OR_ZERO(copy);
}

static bool cma_batch_has_loan(const struct folio_batch *fbatch)
{
	unsigned int i;

	for (i = 0; i < fbatch->nr; i++)
		if (cma_is_lent(&fbatch->folios[i]->page))
			return true;
	return false;
}

/* Move the loans of a batch out.  Return: true if the batch is released. */
static bool cma_move_batch(struct folio_batch *fbatch)
{
	struct folio_batch rest;
	LIST_HEAD(folios);
	unsigned int i;

	folio_batch_init(&rest);
	for (i = 0; i < folio_batch_count(fbatch); i++) {
		struct folio *folio = fbatch->folios[i];

		if (!cma_is_lent(&folio->page) ||
		    !cma_isolate_held(folio, &folios))
			folio_batch_add(&rest, folio);
	}
	if (list_empty(&folios) || !cma_move_held(&folios))
		return false;
	cma_cut_batch(&rest, 0);
	folio_batch_init(fbatch);
	return true;
}

/**
 * __cma_guard_batch() - move out what a splice wants to put into a pipe
 * @mapping: the page cache
 * @fbatch: folios of it, with a reference each; where loans can't be moved, copies
 *	take their places, perhaps of fewer folios
 *
 * Context: may sleep.
 * Return: 0 if there are no loans in it now; it is empty if it has to be looked up
 *	again.  -ENOMEM if there is no memory for a copy, and it is empty.
 */
int __cma_guard_batch(struct address_space *mapping,
		      struct folio_batch *fbatch)
{
	/* Nearly always: they were moved the first time. */
	if (!cma_batch_has_loan(fbatch) || cma_move_batch(fbatch))
		return 0;
	return cma_copy_batch(mapping, fbatch);
}

/* Move one folio out.  Return: true if it was, and the reference is gone. */
static bool cma_move_folio(struct folio *folio)
{
	LIST_HEAD(folios);

	return cma_isolate_held(folio, &folios) && cma_move_held(&folios);
}

/**
 * __cma_guard_folio() - move out what a splice wants to put into a pipe
 * @mapping: the page cache
 * @folio: a loan of it, with a reference; where it can't be moved, a copy takes its
 *	place
 *
 * Context: may sleep.
 * Return: 0, and @folio is NULL if it has to be looked up again.  -ENOMEM if there
 *	is no memory for a copy, and @folio is NULL.
 */
int __cma_guard_folio(struct address_space *mapping, struct folio **folio)
{
	struct folio_batch fbatch;
	int err;

	folio_batch_init(&fbatch);
	folio_batch_add(&fbatch, *folio);
	err = __cma_guard_batch(mapping, &fbatch);
	*folio = fbatch.nr ? fbatch.folios[0] : NULL;
	return err;
}

/**
 * cma_page_to_hold() - a page of a page cache that user space may make us keep
 * @page: with a reference, which is given up if it is a loan; or an error
 *
 * Context: may sleep.
 * Return: @page, or a copy of it as it is now, with a reference; or an error.
 */
struct page *cma_page_to_hold(struct page *page)
{
	struct folio *copy;

	if (IS_ERR(page) || !cma_is_lent(page))
		return page;
	/* For a moment, and for one page: no group is charged. */
	copy = folio_alloc((CMA_COPY_GFP & ~__GFP_ACCOUNT) | __GFP_RETRY_MAYFAIL,
			   0);
	if (copy)
		cma_fill_copy(copy, page_folio(page));
	put_page(page);
	return copy ? folio_page(copy, 0) : ERR_PTR(-ENOMEM);
}

/* read(). */

static size_t cma_copy_present(struct folio *folio, size_t offset, size_t bytes,
			       struct iov_iter *iter)
{
	size_t copied;

	pagefault_disable();
	copied = copy_folio_to_iter(folio, offset, bytes, iter);
	pagefault_enable();
	return copied;
}

/*
 * The rest of @bytes, from @copied on, where user memory is not there: as much as
 * has room on the stack, and with page faults once nothing is held.  What is missing
 * after that is memory that does not exist: the answer is the base kernel's.
 */
static noinline size_t cma_copy_bounced(struct folio *folio, size_t offset,
					size_t copied, size_t *bytes,
					struct iov_iter *iter,
					struct folio_batch *fbatch)
{
	size_t rest = min(*bytes - copied, CMA_GUARD_BOUNCE);
	u8 bounce[CMA_GUARD_BOUNCE];

	memcpy_from_folio(bounce, folio, offset + copied, rest);
	if (fbatch)
		cma_cut_batch(fbatch, 0);
	else
		folio_put(folio);
	*bytes = copied + rest;
	return copied + copy_to_iter(bounce, rest, iter);
}

/**
 * __cma_read_folio() - copy from a page cache to user memory, holding no loan
 *	while user memory stalls
 * @folio: where from, one of @fbatch
 * @offset: bytes from its start
 * @bytes: how much; result: how much of that was tried
 * @iter: where to
 * @fbatch: released, where user memory was not there
 *
 * Nothing is faulted in beforehand, and nothing is tried again: the faults are
 * those that the base kernel would take, at the same addresses.
 *
 * Context: may sleep for as long as user space likes, but then holds no folio.
 * Return: bytes copied; less than @bytes where memory can't be written to.
 */
size_t __cma_read_folio(struct folio *folio, size_t offset, size_t *bytes,
			struct iov_iter *iter, struct folio_batch *fbatch)
{
	size_t copied = cma_copy_present(folio, offset, *bytes, iter);

	if (copied == *bytes)
		return copied;
	return cma_copy_bounced(folio, offset, copied, bytes, iter, fbatch);
}

/**
 * __cma_read_page() - the same for one page, whose reference is given up
 * @page: where from, a loan
 * @offset: bytes from its start
 * @bytes: how much; result: how much of that was tried
 * @iter: where to
 *
 * Context: may sleep for as long as user space likes, but then holds no folio.
 * Return: bytes copied; less than @bytes where memory can't be written to.
 */
size_t __cma_read_page(struct page *page, size_t offset, size_t *bytes,
		       struct iov_iter *iter)
{
	struct folio *folio = page_folio(page);
	size_t copied;

	offset += folio_page_idx(folio, page) << PAGE_SHIFT;
	copied = cma_copy_present(folio, offset, *bytes, iter);
	if (copied < *bytes)
		return cma_copy_bounced(folio, offset, copied, bytes, iter,
					NULL);
	folio_put(folio);
	return copied;
}

/* Write faults. */

/**
 * cma_take_hold() - take the reference again that cma_let_go() gave up
 * @vmf: a write fault that copies; vmf->page is what it copies from
 * @folio: result: the folio of vmf->page, with a reference
 *
 * Context: mmap_lock or the VMA's lock held; takes the page table's lock.
 * Return: false if something else is mapped by now, or nothing.
 */
bool cma_take_hold(struct vm_fault *vmf, struct folio **folio)
{
	pte_t *pte = pte_offset_map_lock(vmf->vma->vm_mm, vmf->pmd,
					 vmf->address, &vmf->ptl);
	bool same;

	if (!pte)
		return false;
	/* What is mapped is not freed under the lock. */
	same = pte_same(ptep_get(pte), vmf->orig_pte);
	if (same) {
		*folio = page_folio(vmf->page);
		folio_get(*folio);
	}
	pte_unmap_unlock(pte, vmf->ptl);
	return same;
}

/*
 * A file's loan is clean, so that none is ever written back, journalled, or kept by a
 * file system that is frozen: all of these last for as long as a device or its user
 * likes.  One that could not be moved is written to where it is, and counted.
 */
static bool cma_is_written(const struct folio *folio)
{
	return folio_test_dirty(folio) || folio_test_writeback(folio);
}

/* What else the caller has locked must not be waited for. */
static unsigned int cma_scope_of(fgf_t fgp_flags, gfp_t gfp)
{
	unsigned int scope = 0;

	if (fgp_flags & FGP_NOFS || !(gfp & __GFP_FS))
		scope |= PF_MEMALLOC_NOFS;
	if (!(gfp & __GFP_IO))
		scope |= PF_MEMALLOC_NOIO;
	return scope;
}

/**
 * __cma_guard_write() - move out what is about to be written to
 * @folio: a loan of a page cache, with a reference
 * @fgp_flags: FGP_*
 * @gfp: what the caller would allocate with; 0 if it would not
 * @waited: whether there was a wait for this look-up; one is enough
 *
 * Context: may sleep, for a moment, and waits if @gfp may; the caller may be in a
 *	transaction, and have other folios locked.
 * Return: true if the reference is gone, and the page has to be looked up again.
 */
bool __cma_guard_write(struct folio *folio, fgf_t fgp_flags, gfp_t gfp,
		       bool *waited)
{
	struct page *page = &folio->page;
	unsigned int saved;

	if (cma_is_written(folio))
		return false;
	if (cma_move_folio(folio))
		return true;
	if (*waited || fgp_flags & FGP_NOWAIT || !gfpflags_allow_blocking(gfp) ||
	    cma_rests(page)) {
		cma_count_failed(page);
		return false;
	}
	*waited = true;
	folio_put(folio);
	saved = memalloc_flags_save(cma_scope_of(fgp_flags, gfp));
	cma_wait_for(page);
	memalloc_flags_restore(saved);
	return true;
}

/**
 * __cma_guard_mkwrite() - move out what is about to be written to
 * @vmf: a write fault, about to call page_mkwrite()
 * @folio: the loan that it is about, with a reference
 *
 * Context: mmap_lock or the VMA's lock held; waits only where it can give that up.
 * Return: 0 to go on; VM_FAULT_NOPAGE or VM_FAULT_RETRY if the reference is gone and
 *	the fault has to begin anew.
 */
vm_fault_t __cma_guard_mkwrite(struct vm_fault *vmf, struct folio *folio)
{
	struct page *page = &folio->page;
	struct file *file;

	if (cma_is_written(folio))
		return 0;
	if (cma_move_folio(folio))
		return VM_FAULT_NOPAGE;
	file = cma_rests(page) ? NULL : maybe_unlock_mmap_for_io(vmf, NULL);
	if (!file) {
		cma_count_failed(page);
		return 0;
	}
	folio_put(folio);
	cma_wait_for(page);
	fput(file);
	return VM_FAULT_RETRY;
}

/* Charges. */

#ifdef CONFIG_MEMCG
/**
 * __cma_pay_charge() - make up for a loan that was charged beyond a limit
 * @memcg: the group of the current task, which had it charged
 * @gfp: what may be entered
 *
 * What a charge does that finds its group at the limit: it reclaims, and ends somebody
 * of the group if there is no other way.  Who can't pay goes on without loans.
 *
 * Context: may sleep.
 */
void __cma_pay_charge(struct mem_cgroup *memcg, gfp_t gfp)
{
	if (try_charge(memcg, gfp, 1))
		current->memcg_nr_pages_over_high |= CMA_OWES;
	else
		mem_cgroup_cancel_charge(memcg, 1);
}
#endif

/* Migration. */

/**
 * __cma_put_back() - put a loan back on the LRU that could not be migrated
 * @folio: an isolated folio, on the caller's list
 *
 * Context: any.
 */
void __cma_put_back(struct folio *folio)
{
	LIST_HEAD(folios);

	list_move(&folio->lru, &folios);
	putback_movable_pages(&folios);
}

/**
 * __cma_may_receive() - may a page cache get this folio by migration?
 * @mapping: the page cache, or that of swap
 * @newfolio: the folio, perhaps of an area
 * @folio: the folio in whose place it goes
 *
 * The file may have changed hands since @folio was chosen, and @folio may have been
 * written to.  A mapping remembers that it had a loan, whichever way the loan got
 * there.
 *
 * Context: under the xarray's lock.
 * Return: false if the mapping's pages may not be lent.
 */
bool __cma_may_receive(struct address_space *mapping,
		       const struct folio *newfolio, const struct folio *folio)
{
	if (folio_test_swapcache(folio) || !cma_find_area(page_to_pfn(&newfolio->page)))
		return true;
	if (!(mapping_gfp_mask(mapping) & __GFP_CMA))
		return false;
	if (!folio_test_swapbacked(folio) && cma_is_written(folio))
		return false;
	set_bit(AS_CMA_LENT, &mapping->flags);
	return true;
}
