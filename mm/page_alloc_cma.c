// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the contiguous memory allocator
 *
 * An area is a run of pages that is reserved at boot for devices.  While no
 * device needs it, its pageblocks are MIGRATE_CMA and the buddy allocator lends
 * their pages to movable allocations.  cma_alloc() recalls a range: it claims
 * a place that no device holds, takes what is free there, and where that is not
 * all, isolates the pageblocks and has the loans moved or dropped.
 *
 * This file owns the requests: the cma_* API of include/linux/cma.h, from the claim
 * to the hand-over, and what is counted for them.  area_cma.c has the areas,
 * place_cma.c chooses a place, migrate_cma.c does the recall of one range.
 *
 * Requests for disjoint ranges run in parallel.  A claim is a run of bits in
 * cma->bitmap, set under cma->lock; whoever set them owns these pages.  The bits
 * are set in cma->held as well once the block is handed over.
 */
#define pr_fmt(fmt) "cma: " fmt

#define CREATE_TRACE_POINTS

#include <linux/alloc_tag.h>
#include <linux/bitmap.h>
#include <linux/cma_lend.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/ratelimit.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/vmstat.h>
#include <trace/events/cma.h>

#include "cma_compat.h"
#include "internal.h"
#include "page_alloc_cma.h"
#include "place_cma.h"

#include <trace/events/cma_lend.h>

/* Before another try to isolate. */
#define CMA_ISOLATE_PAUSE_US	1000UL
/* So many blocks are named where devices hold too much. */
#define CMA_REPORT_HOLDERS	3

/* A page of the place never comes back.  Return: as for cma_recall(). */
static int cma_poisoned(struct cma_request *req)
{
	req->err = -EHWPOISON;
	return cma_avoid_poisoned(req) ? -EAGAIN : -EHWPOISON;
}

/*
 * Recall the isolated range, for as long as this place is the one to have: what
 * is evacuated stays so meanwhile.
 */
static int cma_recall_here(struct cma_request *req)
{
	struct cma_recall *rc = &req->rc;
	int ret;

	rc->deadline = req->deadline;
	for (;;) {
		rc->patience = req->patience;
		rc->hasty = cma_may_be_hopeless(req);
		ret = cma_recall_range(rc);
		if (!ret || ret == -EINTR || time_after_eq(jiffies, req->deadline))
			return ret;
		if (ret == -EHWPOISON)
			return cma_poisoned(req);
		req->err = ret;
		if (cma_should_move_on(req))
			return -EAGAIN;
		if (cma_may_be_hopeless(req))
			return ret;
	}
}

/*
 * A pageblock could not be isolated: others have it, or what they free and allocate
 * was in the way.  Neither lasts.  Return: as below.
 */
static int cma_not_isolated(struct cma_request *req)
{
	req->rc.first_busy = req->rc.taken;
	req->rc.stuck_since = jiffies;
	req->err = -EBUSY;
	req->hope = true;
	if (!gfpflags_allow_blocking(req->rc.gfp) ||
	    time_after_eq(jiffies, req->deadline))
		return -EBUSY;
	if (fatal_signal_pending(current))
		return -EINTR;
	usleep_range_state(CMA_ISOLATE_PAUSE_US, 2 * CMA_ISOLATE_PAUSE_US,
			   TASK_KILLABLE);
	return -EAGAIN;
}

/*
 * Take the claimed range, with recall where it is not free.  Return: 0, -EAGAIN
 * where another place, or this one, should be tried, or why the request fails.
 */
static int cma_recall(struct cma_request *req)
{
	struct cma_recall *rc = &req->rc;
	int ret = -EBUSY;

	if (cma_take_free(rc))
		return 0;
	if (req->isolated < rc->end)
		return cma_recall_here(req);
	if (gfpflags_allow_blocking(rc->gfp))
		ret = cma_isolate(req->cma, rc->taken, rc->end);
	if (ret)
		return cma_not_isolated(req);
	req->isolated = rc->taken;
	return cma_recall_here(req);
}

/* Is all that was taken fit to be handed over?  Return: as for cma_recall(). */
static int cma_check_taken(struct cma_request *req)
{
	unsigned long pfn = cma_find_poison(&req->rc);

	if (pfn == CMA_NOWHERE)
		return 0;
	req->rc.first_busy = pfn;
	req->rc.last_busy = pfn;
	return cma_poisoned(req);
}

/* The isolation of [@isolated, @rc->end) is over. */
static void cma_unisolate_place(struct cma *cma, const struct cma_recall *rc,
				unsigned long isolated)
{
	if (isolated < rc->end)
		cma_unisolate(cma, isolated, rc->end);
}

/*
 * Go on to another place.  What is part of both stays isolated, so that what was
 * evacuated there is nobody's meanwhile.  Return: false if there is none.
 */
static bool cma_go_on(struct cma_request *req)
{
	unsigned long isolated = req->isolated;
	struct cma_recall *rc = &req->rc, old = *rc;
	struct cma_run own = req->own;

	trace_cma_alloc_busy_retry(req->cma->name, rc->start,
				   pfn_to_page(rc->start), req->pages, req->align);
	if (!cma_claim_other(req))
		return false;
	/* If not, it is tried again, and what is free meanwhile may be lent. */
	if (gfpflags_allow_blocking(rc->gfp) &&
	    !cma_isolate(req->cma, rc->start, rc->end))
		req->isolated = rc->start;
	cma_untake(&old);
	cma_unisolate_place(req->cma, &old, isolated);
	cma_leave(req, own);
	return true;
}

/* The block is the caller's, or nobody's. */
static void cma_end_claim(struct cma_request *req, bool served)
{
	cma_unisolate_place(req->cma, &req->rc, req->isolated);
	if (served)
		alloc_hooks(cma_hand_over(&req->rc, req->pages));
	else
		cma_untake(&req->rc);
	cma_settle(req, served);
}

/* Try places until one is had. */
static int cma_serve(struct cma_request *req)
{
	int ret;

	do {
		ret = cma_claim_or_wait(req);
		if (ret)
			return ret == -ENOSPC && req->err ? req->err : ret;
		do {
			ret = cma_recall(req) ?: cma_check_taken(req);
		} while (ret == -EAGAIN && cma_go_on(req));
		cma_end_claim(req, !ret);
	} while (ret == -EAGAIN);
	return ret;
}

static enum cma_failure cma_failure(const struct cma_request *req, int err)
{
	switch (err) {
	case -EINTR:
		return CMA_FAIL_KILLED;
	case -ENOMEM:
		return req->rc.no_victim ? CMA_FAIL_NO_VICTIM :
					   CMA_FAIL_NO_MEMORY;
	case -ENOSPC:
		return CMA_FAIL_NO_RANGE;
	default:
		return CMA_FAIL_BUSY;
	}
}

static void cma_account(struct cma_request *req, int err, u64 us)
{
	struct cma_stats *stats = get_cpu_ptr(req->cma->stats);

	if (err) {
		stats->fail[cma_failure(req, err)]++;
		stats->pages_fail += req->pages;
		count_vm_event(CMA_ALLOC_FAIL);
	} else {
		stats->success++;
		stats->pages_success += req->pages;
		count_vm_event(CMA_ALLOC_SUCCESS);
	}
	stats->hist[cma_hist_bucket(us)]++;
	stats->sum_us += us;
	stats->max_us = max(stats->max_us, us);
	stats->moved += req->rc.moved;
	stats->dropped += req->rc.dropped;
	stats->reclaimed += req->rc.reclaimed;
	stats->swapped += req->rc.swapped;
	stats->killed += req->rc.killed;
	stats->rescans += req->rc.rescans;
	put_cpu_ptr(req->cma->stats);
}

static const char * const cma_failure_text[] = {
	[CMA_FAIL_NO_RANGE] = "devices hold too much of the area",
	[CMA_FAIL_BUSY] = "a loan did not come back in time",
	[CMA_FAIL_NO_MEMORY] = "no memory to move loans to",
	[CMA_FAIL_NO_VICTIM] = "no memory to move loans to, and nobody to kill for it",
	[CMA_FAIL_KILLED] = "the caller was killed",
};

/* Say for which page the request gave up. */
static void cma_report_culprit(const struct cma_request *req, int err)
{
	struct cma_culprit culprit;

	cma_describe(&culprit, req->rc.first_busy);
	culprit.ms = jiffies_to_msecs(jiffies - req->rc.stuck_since);
	trace_cma_lend_blocked(req->cma->name, &culprit);
	if (req->rc.gfp & __GFP_NOWARN)
		return;
	pr_err_ratelimited("%s: alloc failed, req-size: %lu pages, ret: %d: %s: pfn %#lx of %s, refs %d, expected %d, blocked %u ms, flags %pGp\n",
			   req->cma->name, req->pages, err,
			   cma_failure_text[cma_failure(req, err)], culprit.pfn,
			   culprit.owner, culprit.refs, culprit.expected,
			   culprit.ms, &culprit.flags);
}

/* "450 pages by v4l2-ctl (123) for 7 s", and so on. */
static void cma_print_holders(struct cma *cma, char *text, size_t size)
{
	struct cma_holder largest[CMA_REPORT_HOLDERS], *h;
	time64_t now;
	int len = 0;

	cma_largest_holders(cma, largest, ARRAY_SIZE(largest));
	now = ktime_get_boottime_seconds();
	text[0] = '\0';
	for (h = largest; h < largest + ARRAY_SIZE(largest) && h->count; h++)
		len += scnprintf(text + len, size - len,
				 "%s %lu pages by %s (%d) for %lld s",
				 len ? "," : ":", h->count, h->comm, h->pid,
				 now - h->since);
}

/* Not on the stack of a recall. */
static noinline void cma_report_no_culprit(const struct cma_request *req, int err)
{
	static DEFINE_RATELIMIT_STATE(limit, DEFAULT_RATELIMIT_INTERVAL,
				      DEFAULT_RATELIMIT_BURST);
	enum cma_failure reason = cma_failure(req, err);
	char holders[CMA_REPORT_HOLDERS * 80] = "";

	if (!__ratelimit(&limit))
		return;
	if (reason == CMA_FAIL_NO_RANGE)
		cma_print_holders(req->cma, holders, sizeof(holders));
	pr_err("%s: alloc failed, req-size: %lu pages, ret: %d: %s%s\n",
	       req->cma->name, req->pages, err, cma_failure_text[reason], holders);
}

/* The one line that a failure prints, unless the caller asked for none. */
static void cma_report(const struct cma_request *req, int err)
{
	if (req->rc.first_busy)
		cma_report_culprit(req, err);
	else if (!(req->rc.gfp & __GFP_NOWARN))
		cma_report_no_culprit(req, err);
}

static void cma_reset_tags(struct page *page, unsigned long pages)
{
	unsigned long i;

	for (i = 0; i < pages; i++)
		page_kasan_tag_reset(nth_page(page, i));
}

static struct page *cma_request(struct cma *cma, unsigned long pages,
				unsigned int align, gfp_t gfp,
				unsigned long timeout)
{
	struct cma_request req = {};
	struct page *page = NULL;
	u64 begin;
	int ret;

	trace_cma_alloc_start(cma ? cma->name : NULL, pages, align);
	/* The counters are what activation allocates last. */
	if (!cma || !cma->count || !cma->stats ||
	    !cma_init_request(&req, cma, pages, align, gfp, timeout))
		return NULL;

	begin = ktime_get_ns();
	ret = cma_serve(&req);
	if (!ret) {
		page = pfn_to_page(req.rc.start);
		/* Chunks have tags of their own; the block has one owner. */
		cma_reset_tags(page, pages);
		cma_note_holder(cma, req.rc.start, pages);
	}
	cma_account(&req, ret, div_u64(ktime_get_ns() - begin, NSEC_PER_USEC));
	if (ret)
		cma_report(&req, ret);
	trace_cma_alloc_finish(cma->name, req.rc.start, page, pages, align, ret);
	return page;
}

/**
 * cma_alloc() - get a contiguous block of an area
 * @cma: the area, or NULL
 * @count: pages
 * @align: log2 of the alignment of its physical address, in pages
 * @no_warn: print nothing where the request fails
 *
 * Context: process context, may sleep; memalloc_nofs_save() and
 * memalloc_noio_save() are honoured.
 * Return: the first page, each page with a reference of its own, or NULL.
 */
struct page *cma_alloc(struct cma *cma, unsigned long count, unsigned int align,
		       bool no_warn)
{
	return cma_alloc_timeout(cma, count, align, no_warn,
				 MAX_SCHEDULE_TIMEOUT);
}

/**
 * cma_alloc_timeout() - get a contiguous block of an area, or give up in time
 * @cma: the area, or NULL
 * @count: pages
 * @align: log2 of the alignment of its physical address, in pages
 * @no_warn: print nothing where the request fails
 * @timeout: jiffies; the area's own deadline counts where that is sooner.  With
 *	0, what is free is taken, and what page cache gives back at once.
 *
 * Context: as for cma_alloc().
 * Return: the first page, each page with a reference of its own, or NULL.
 */
struct page *cma_alloc_timeout(struct cma *cma, unsigned long count,
			       unsigned int align, bool no_warn, long timeout)
{
	return cma_request(cma, count, align,
			   GFP_KERNEL | (no_warn ? __GFP_NOWARN : 0),
			   max(timeout, 0L));
}

/**
 * cma_alloc_folio() - get a large folio of an area
 * @cma: the area, or NULL
 * @order: log2 of its pages, at least 1; it is naturally aligned
 * @gfp: what may be entered on the caller's behalf, and __GFP_COMP
 *
 * Context: as @gfp says.
 * Return: the folio, or NULL.
 */
struct folio *cma_alloc_folio(struct cma *cma, int order, gfp_t gfp)
{
	struct page *page;

	if (WARN_ON(!order || !(gfp & __GFP_COMP)))
		return NULL;
	page = cma_request(cma, 1UL << order, order, gfp, MAX_SCHEDULE_TIMEOUT);
	return page ? page_folio(page) : NULL;
}

/**
 * cma_pages_valid() - does a block belong to an area?
 * @cma: the area, or NULL
 * @pages: first page of the block, or NULL
 * @count: pages; only the first one is looked at
 *
 * Return: true if it does.
 */
bool cma_pages_valid(struct cma *cma, const struct page *pages,
		     unsigned long count)
{
	return cma && pages && cma_area_has(cma, page_to_pfn(pages));
}

/* Does a block of small pages end where a granule does, or before its padding? */
static bool cma_ends_granule(const struct cma *cma, unsigned long end)
{
	unsigned long mask = (1UL << cma->order_per_bit) - 1;

	return page_ref_count(pfn_to_page(end - 1)) &&
	       (!((end - cma->base_pfn) & mask) ||
		!page_ref_count(pfn_to_page(end)));
}

/*
 * Is this a block, or a part of one, that a device holds?  Then it is not held
 * any more, and a second release finds nothing.
 */
static bool cma_unhold(struct cma *cma, unsigned long pfn, unsigned long count)
{
	unsigned long mask = (1UL << cma->order_per_bit) - 1;
	unsigned long flags, room = cma->base_pfn + cma->count - pfn;
	struct folio *folio = pfn_folio(pfn);
	struct cma_run run;
	bool held;

	if (!count || count > room || (pfn - cma->base_pfn) & mask)
		return false;

	run = cma_pages_to_run(cma, pfn, count);
	spin_lock_irqsave(&cma->lock, flags);
	held = cma_bitmap_held(cma->held, run);
	/* Folios come and go whole. */
	if (held && folio_test_large(folio))
		held = folio_pfn(folio) == pfn && folio_nr_pages(folio) == count;
	else if (held)
		held = cma_ends_granule(cma, pfn + count);
	if (held) {
		cma_unhold_run(cma, run);
		cma_forget_holder(cma, pfn, count);
	}
	spin_unlock_irqrestore(&cma->lock, flags);
	return held;
}

/* Give back a block that a device held. */
static void cma_release_block(struct cma *cma, unsigned long pfn,
			      unsigned long count)
{
	struct cma_run run = cma_pages_to_run(cma, pfn, count);
	unsigned long flags, in_use = cma_give_back(pfn, count);

	WARN_ONCE(in_use, "cma: %s: %lu pages are still in use\n", cma->name,
		  in_use);
	cma_put_padding(pfn + count, cma_granule_pfn(cma, run.end));

	spin_lock_irqsave(&cma->lock, flags);
	bitmap_clear(cma->bitmap, run.start, run.end - run.start);
	spin_unlock_irqrestore(&cma->lock, flags);
	cma_wake_turn(cma);

	this_cpu_add(cma->stats->pages_released, count);
	trace_cma_release(cma->name, pfn, pfn_to_page(pfn), count);
}

/**
 * cma_release() - give a block back
 * @cma: the area, or NULL
 * @pages: first page of the block
 * @count: pages
 *
 * A block that was given back already, or was never handed out, is left alone
 * with a warning; the answer is still true, because callers free what is not of
 * the area by other means.
 *
 * Context: any.
 * Return: whether the block belongs to the area.
 */
bool cma_release(struct cma *cma, const struct page *pages, unsigned long count)
{
	unsigned long pfn;

	if (!cma_pages_valid(cma, pages, count))
		return false;

	pfn = page_to_pfn(pages);
	if (!WARN_ONCE(!cma_unhold(cma, pfn, count),
		       "cma: %s: pfn %#lx, %lu pages: not a block that was handed out\n",
		       cma->name, pfn, count))
		cma_release_block(cma, pfn, count);
	return true;
}

/**
 * cma_free_folio() - give a large folio back
 * @cma: the area, or NULL
 * @folio: the folio
 *
 * Return: true, or false if it is not one that the area handed out.  It may
 * still lie in the area, as a loan: hugetlb asks for every folio that it frees.
 */
bool cma_free_folio(struct cma *cma, const struct folio *folio)
{
	unsigned long pages = folio_nr_pages(folio);
	unsigned long pfn = page_to_pfn(&folio->page);

	if (WARN_ON(!folio_test_large(folio)))
		return false;
	if (!cma_pages_valid(cma, &folio->page, pages) ||
	    !cma_unhold(cma, pfn, pages))
		return false;
	cma_release_block(cma, pfn, pages);
	return true;
}
