// SPDX-License-Identifier: GPL-2.0
/*
 * Recall of one pfn range: the loans in it are moved or dropped, and its free
 * pages are taken from the buddy allocator.
 *
 * The caller has claimed the range (nobody else recalls these pages) and, but
 * for cma_take_free(), isolated its pageblocks.  Nothing here waits for one
 * folio: locks are tried, migration is asynchronous, and what did not move is
 * found again by the next scan, after a pause that grows, until the deadline.
 * No state outlives a call, but for the workers that flush LRU batches and notes
 * of where pages went, and of ours only reclaim_cma.c is called from here.
 */
#include <linux/atomic.h>
#include <linux/backing-dev.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mutex.h>
#include <linux/oom.h>
#include <linux/pagemap.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/suspend.h>
#include <linux/swap.h>
#include <linux/vmstat.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "cma_compat.h"
#include "internal.h"
#include "page_alloc_cma.h"

/* Pages per migrate_pages() call: what it unmaps with one TLB flush. */
#define CMA_EVACUATE_BATCH	512UL
/* Free chunks per hold of zone->lock. */
#define CMA_TAKE_BATCH		64
/* Pauses between scans that found nothing to do, in us. */
#define CMA_PAUSE_MIN_US	50UL
#define CMA_PAUSE_MAX_US	10000UL
/* At most so many idle scans between two flushes of every CPU's LRU batches. */
#define CMA_DRAIN_EVERY		16
/* How long to wait for such a flush, in jiffies. */
#define CMA_DRAIN_LIMIT		(HZ / 10)

/* For how long to wait for a device at a time, late in a request, in jiffies. */
#define CMA_DEVICE_WAIT		(HZ / 10)

/* Free chunks of a size to look at for one that may be taken. */
#define CMA_LOOK_AT		8

/* Scans without any progress, for want of memory, before a victim is asked for. */
#define CMA_KILL_IDLE		8
/* What a victim has to be gone, in jiffies. */
#define CMA_KILL_WAIT		HZ

/* When a victim was last asked for, in jiffies; under oom_lock. */
static unsigned long cma_last_kill = INITIAL_JIFFIES - CMA_KILL_WAIT - 1;

/*
 * Pages that were targets lately.  What the guard moves out is moved for somebody
 * who has yet to look it up: moved in again before that, neither would get on.
 */
#define CMA_TARGETS_ORDER	12
#define CMA_TARGET_TIME		HZ

/**
 * struct cma_target_note - a page that something was moved to
 * @pfn: the page
 * @when: in jiffies
 *
 * Written without a lock, and overwritten by others: a hint.
 */
struct cma_target_note {
	unsigned long pfn;
	unsigned long when;
};

static struct cma_target_note cma_targets[1 << CMA_TARGETS_ORDER];

/**
 * struct cma_drain - a CPU's flush of its LRU batches
 * @work: does it, on that CPU
 * @done: the last round whose flush is over; written by @work
 */
struct cma_drain {
	struct work_struct work;
	int done;
};

static DEFINE_PER_CPU(struct cma_drain, cma_drains);
/* Flushes that were asked for, and who waits for one. */
static atomic_t cma_drain_round;
static DECLARE_WAIT_QUEUE_HEAD(cma_drained);

/**
 * struct cma_scan - what one scan of a range found
 * @folios: folios isolated from the LRU
 * @nr: pages in @folios
 * @first_busy: first page that stood in the way, 0 if none
 * @last_busy: last one
 * @in_batch: a page in use is not on the LRU, or has references too many; it
 *	may sit in a CPU's batch
 * @no_memory: a target could not be allocated
 * @lacking: nor for a loan that could not just be dropped
 * @writing: something is being written, or about to be
 * @spare: there is something to be had elsewhere, sooner or later
 * @poisoned: the page that stands in the way never comes back
 */
struct cma_scan {
	struct list_head folios;
	unsigned long nr;
	unsigned long first_busy;
	unsigned long last_busy;
	bool in_batch;
	bool no_memory;
	bool lacking;
	bool writing;
	bool spare;
	bool poisoned;
};

static struct zone *cma_recall_zone(const struct cma_recall *rc)
{
	return page_zone(pfn_to_page(rc->start));
}

/* Head of the free chunk that holds @pfn, or NULL if @pfn is not free. */
static struct page *cma_free_chunk(struct zone *zone, unsigned long pfn)
{
	unsigned int order;

	lockdep_assert_held(&zone->lock);

	for (order = 0; order <= MAX_PAGE_ORDER; order++) {
		struct page *head = pfn_to_page(ALIGN_DOWN(pfn, 1UL << order));

		if (PageBuddy(head) && buddy_order(head) >= order)
			return head;
	}
	return NULL;
}

/* Return pages that are off the free lists, and nowhere else, to them. */
static void cma_put_back(struct zone *zone, unsigned long pfn,
			 unsigned long end)
{
	unsigned int order;

	lockdep_assert_held(&zone->lock);

	for (; pfn < end; pfn += 1UL << order) {
		struct page *page = pfn_to_page(pfn);

		order = cma_chunk_order(pfn, end, MAX_PAGE_ORDER);
		__putback_isolated_page(page, order,
					get_pageblock_migratetype(page));
	}
}

/* Remember in each taken chunk how large it is, for cma_hand_over(). */
static void cma_mark_taken(unsigned long pfn, unsigned long end)
{
	unsigned int order;

	for (; pfn < end; pfn += 1UL << order) {
		order = cma_chunk_order(pfn, end, MAX_PAGE_ORDER);
		set_page_private(pfn_to_page(pfn), order);
	}
}

/* Take the free chunk at rc->taken; what lies outside of the range stays. */
static bool cma_take_chunk(struct cma_recall *rc, struct zone *zone)
{
	struct page *head = cma_free_chunk(zone, rc->taken);
	unsigned long pfn, end, stop;
	unsigned int order;

	if (!head)
		return false;

	order = buddy_order(head);
	pfn = page_to_pfn(head);
	end = pfn + (1UL << order);
	stop = min(end, rc->end);

	/* Refused where the zone is below its watermark and not isolated. */
	if (!__isolate_free_page(head, order))
		return false;

	cma_put_back(zone, pfn, rc->taken);
	cma_put_back(zone, stop, end);
	cma_mark_taken(rc->taken, stop);
	rc->taken = stop;
	return true;
}

/**
 * cma_take_free() - take the free pages at the head of a range
 * @rc: the recall; rc->taken advances to the first page that is not free
 *
 * Needs no isolation: a page that was taken is out of everybody's reach.
 *
 * Context: any; takes zone->lock.
 * Return: true if the whole range is taken.
 */
bool cma_take_free(struct cma_recall *rc)
{
	struct zone *zone = cma_recall_zone(rc);
	unsigned long flags;
	bool more = true;
	int n;

	while (more && rc->taken < rc->end) {
		spin_lock_irqsave(&zone->lock, flags);
		for (n = 0; n < CMA_TAKE_BATCH && rc->taken < rc->end; n++) {
			more = cma_take_chunk(rc, zone);
			if (!more)
				break;
		}
		spin_unlock_irqrestore(&zone->lock, flags);
	}
	return rc->taken == rc->end;
}

/* The smallest free chunk that an area of the zone lends, or NULL. */
static struct page *cma_smallest_free(struct zone *zone)
{
	struct list_head *list;
	unsigned int order;

	lockdep_assert_held(&zone->lock);

	for (order = 0; order < NR_PAGE_ORDERS; order++) {
		list = &zone->free_area[order].free_list[MIGRATE_CMA];
		if (!list_empty(list))
			return list_first_entry(list, struct page, buddy_list);
	}
	return NULL;
}

/* Take up to @most pages of a free chunk; none if @page is NULL. */
static bool cma_take_from(struct cma_recall *rc, struct zone *zone,
			  struct page *page, unsigned long most)
{
	lockdep_assert_held(&zone->lock);

	if (!page)
		return false;
	rc->start = page_to_pfn(page);
	rc->taken = rc->start;
	rc->end = rc->start + min(most, 1UL << buddy_order(page));
	return cma_take_chunk(rc, zone);
}

/**
 * cma_take_any() - take free pages of an area, wherever there are some
 * @rc: result: [rc->start, rc->end) is taken
 * @zone: zone of the area
 * @most: pages that are wanted at most
 *
 * Not from ranges under recall: what is isolated is on other lists.
 *
 * Context: any; takes zone->lock.
 * Return: false if there are none, or none above the zone's min watermark.
 */
bool cma_take_any(struct cma_recall *rc, struct zone *zone, unsigned long most)
{
	unsigned long flags;
	bool taken;

	spin_lock_irqsave(&zone->lock, flags);
	taken = cma_take_from(rc, zone, cma_smallest_free(zone), most);
	spin_unlock_irqrestore(&zone->lock, flags);
	return taken;
}

/*
 * Look at a few chunks of each size, the smallest first.  What may not be taken
 * goes to the end of its list: the next one sees others.
 */
static struct page *cma_find_isolated(struct zone *zone,
				      bool (*may_take)(unsigned long pfn))
{
	unsigned int order, n;
	struct list_head *list;
	struct page *page;

	lockdep_assert_held(&zone->lock);

	for (order = 0; order < NR_PAGE_ORDERS; order++) {
		list = &zone->free_area[order].free_list[MIGRATE_ISOLATE];
		for (n = 0; n < CMA_LOOK_AT && !list_empty(list); n++) {
			page = list_first_entry(list, struct page, buddy_list);
			if (may_take(page_to_pfn(page)))
				return page;
			list_move_tail(&page->buddy_list, list);
		}
	}
	return NULL;
}

/**
 * cma_take_isolated() - take a free page that is isolated
 * @rc: result: [rc->start, rc->end) is taken
 * @zone: zone of the page
 * @may_take: which pages may be taken; called under zone->lock
 *
 * Context: any; takes zone->lock.
 * Return: false if none was found.
 */
bool cma_take_isolated(struct cma_recall *rc, struct zone *zone,
		       bool (*may_take)(unsigned long pfn))
{
	unsigned long flags;
	bool taken;

	spin_lock_irqsave(&zone->lock, flags);
	taken = cma_take_from(rc, zone, cma_find_isolated(zone, may_take), 1);
	spin_unlock_irqrestore(&zone->lock, flags);
	return taken;
}

/* Put prepared pages on the free lists, as chunks as large as can be. */
static void cma_put_run(unsigned long pfn, unsigned long end)
{
	unsigned long flags, stop;

	/* There may be no page at @end. */
	for (; pfn < end; pfn = stop) {
		struct zone *zone = page_zone(pfn_to_page(pfn));

		stop = min(end, ALIGN(pfn + 1, MAX_ORDER_NR_PAGES));
		spin_lock_irqsave(&zone->lock, flags);
		cma_put_back(zone, pfn, stop);
		spin_unlock_irqrestore(&zone->lock, flags);
	}
}

/*
 * Return pages that were taken, and not handed over, to the free lists, but for
 * those that were poisoned meanwhile.
 */
static void cma_put_taken(unsigned long pfn, unsigned long end)
{
	unsigned long run = pfn;

	for (; pfn < end; pfn++) {
		struct page *page = pfn_to_page(pfn);

		set_page_private(page, 0);
		if (!PageHWPoison(page))
			continue;
		cma_put_run(run, pfn);
		run = pfn + 1;
	}
	cma_put_run(run, end);
}

/**
 * cma_untake() - give up: return what a failed recall took
 * @rc: the recall; rc->taken goes back to rc->start
 *
 * Context: any; takes zone->lock.
 */
void cma_untake(struct cma_recall *rc)
{
	cma_put_taken(rc->start, rc->taken);
	rc->taken = rc->start;
}

/**
 * cma_put_padding() - return what was taken with a block, but not handed over
 * @pfn: one past the last page of the block
 * @end: where its last granule ends
 *
 * Does nothing where that is free already, because whoever held the block gave it
 * back by other means.
 *
 * Context: any; takes zone->lock.
 */
void cma_put_padding(unsigned long pfn, unsigned long end)
{
	if (pfn < end && !is_free_buddy_page(pfn_to_page(pfn)))
		cma_put_taken(pfn, end);
}

/**
 * cma_find_poison() - is a taken page poisoned?
 * @rc: a recall that took its whole range
 *
 * While it is taken, nobody who finds its memory broken can do anything but say so.
 *
 * Return: the first one, or CMA_NOWHERE.
 */
unsigned long cma_find_poison(const struct cma_recall *rc)
{
	unsigned long pfn;

	for (pfn = rc->start; pfn < rc->taken; pfn++)
		if (PageHWPoison(pfn_to_page(pfn)))
			return pfn;
	return CMA_NOWHERE;
}

/* One compound page: the range is naturally aligned, the caller saw to that. */
static void cma_hand_over_folio(struct cma_recall *rc, unsigned long nr_pages)
{
	struct page *head = pfn_to_page(rc->start);
	unsigned int order = ilog2(nr_pages);

	post_alloc_hook(head, order, rc->gfp);
	set_page_refcounted(head);
	prep_compound_page(head, order);
}

/* Order of the taken chunk at @pfn, which is cut where it goes beyond @end. */
static unsigned int cma_cut_taken(unsigned long pfn, unsigned long end)
{
	unsigned long stop = pfn + (1UL << page_private(pfn_to_page(pfn)));

	if (stop > end) {
		cma_mark_taken(pfn, end);
		cma_mark_taken(end, stop);
	}
	return page_private(pfn_to_page(pfn));
}

/**
 * cma_hand_over() - make the taken range what the caller of cma_alloc() expects
 * @rc: a recall that took its whole range
 * @nr_pages: pages to hand over; what is behind stays taken, see cma_put_padding()
 *
 * Pages are prepared as any allocation (initialised, unpoisoned, owned) and
 * get a reference each, or one together where rc->gfp has __GFP_COMP.
 *
 * Context: any; within alloc_hooks(), which says whose pages they are.
 * Return: the first page.
 */
struct page *cma_hand_over(struct cma_recall *rc, unsigned long nr_pages)
{
	unsigned long pfn, end = rc->start + nr_pages;
	unsigned int order;

	VM_WARN_ON_ONCE(rc->taken != rc->end);
	if (rc->gfp & __GFP_COMP) {
		cma_hand_over_folio(rc, nr_pages);
		return pfn_to_page(rc->start);
	}
	for (pfn = rc->start; pfn < end; pfn += 1UL << order) {
		struct page *page = pfn_to_page(pfn);

		order = cma_cut_taken(pfn, end);
		post_alloc_hook(page, order, rc->gfp);
		set_page_refcounted(page);
		if (order)
			split_page(page, order);
	}
	return pfn_to_page(rc->start);
}

/*
 * A lookup that raced with the recall may hold a reference for an instant
 * before it sees that the page is not what it looked for: no reason to warn.
 */
static bool cma_sole_owner(struct page *page)
{
	int tries;

	for (tries = 0; page_ref_count(page) > 1 && tries < 100; tries++)
		cpu_relax();
	return page_ref_count(page) == 1;
}

/**
 * cma_give_back() - return a block to the buddy allocator
 * @pfn: first page
 * @nr_pages: pages of the block, each with a reference of its own; or one
 *	compound page of that size
 *
 * Goes past the per-CPU lists, so that free pages of an area can be found.
 * Pages are prepared one by one, as they were allocated: a poisoned one stays
 * out, its neighbours go back.
 *
 * Context: any; takes zone->lock.
 * Return: pages that somebody else still holds; they become free with the last
 *	reference.
 */
unsigned long cma_give_back(unsigned long pfn, unsigned long nr_pages)
{
	struct folio *folio = pfn_folio(pfn);
	unsigned long end = pfn + nr_pages, run = pfn, held = 0;

	if (folio_test_large(folio)) {
		held = cma_sole_owner(&folio->page) ? 0 : nr_pages;
		folio_put(folio);
		return held;
	}
	for (; pfn < end; pfn++) {
		struct page *page = pfn_to_page(pfn);

		held += !cma_sole_owner(page);
		if (put_page_testzero(page) && free_pages_prepare(page, 0))
			continue;
		count_vm_events(PGFREE, pfn - run);
		cma_put_run(run, pfn);
		run = pfn + 1;
	}
	count_vm_events(PGFREE, end - run);
	cma_put_run(run, end);
	return held;
}

/* Pages of the free chunk at @page, read without the lock: only a hint. */
static unsigned long cma_free_hint(struct page *page)
{
	unsigned long order = buddy_order_unsafe(page);

	return order <= MAX_PAGE_ORDER ? 1UL << order : 1;
}

/* The folio of @page with a reference, or NULL while it is free or in transit. */
static struct folio *cma_get_folio(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (!folio_try_get(folio))
		return NULL;
	/* The page may have been split, or freed and allocated, meanwhile. */
	if (page_folio(page) == folio)
		return folio;
	folio_put(folio);
	return NULL;
}

/*
 * May this folio be touched in the caller's scope?  Without __GFP_FS only what
 * needs no file system: anonymous memory, and clean cache without private data.
 */
static bool cma_scope_allows(const struct cma_recall *rc, struct folio *folio)
{
	if (rc->gfp & __GFP_FS || folio_test_anon(folio))
		return true;
	return !folio_test_dirty(folio) && !folio_test_writeback(folio) &&
	       !folio_needs_release(folio);
}

/**
 * cma_isolate_loan() - take a folio off the LRU
 * @folio: the folio, with a reference of the caller's or under its page table's
 *	lock
 * @folios: the list to put it on
 *
 * Context: any.
 * Return: true if it is isolated, with a reference of its own.
 */
bool cma_isolate_loan(struct folio *folio, struct list_head *folios)
{
	if (!folio_isolate_lru(folio))
		return false;
	node_stat_mod_folio(folio, NR_ISOLATED_ANON + folio_is_file_lru(folio),
			    folio_nr_pages(folio));
	list_add_tail(&folio->lru, folios);
	return true;
}

/* Put the folio on the list of what is to be evacuated. */
static bool cma_isolate_folio(struct cma_recall *rc, struct cma_scan *scan,
			      struct folio *folio)
{
	if (!folio_test_lru(folio)) {
		scan->in_batch = true;
		return false;
	}
	if (!cma_scope_allows(rc, folio) ||
	    !cma_isolate_loan(folio, &scan->folios))
		return false;
	scan->nr += folio_nr_pages(folio);
	return true;
}

/* A large folio may begin before the range: what counts is what is inside. */
static void cma_note_busy(const struct cma_recall *rc, struct cma_scan *scan,
			  unsigned long pfn)
{
	pfn = max(pfn, rc->start);
	if (!scan->first_busy || pfn < scan->first_busy)
		scan->first_busy = pfn;
	scan->last_busy = max(scan->last_busy, pfn);
}

/* Look at one page, and return where to look next. */
static unsigned long cma_scan_page(struct cma_recall *rc,
				   struct cma_scan *scan, unsigned long pfn)
{
	struct page *page = pfn_to_page(pfn);
	struct folio *folio;
	unsigned long next;

	if (PageBuddy(page))
		return pfn + cma_free_hint(page);
	if (PageHWPoison(page)) {
		scan->poisoned = true;
		scan->first_busy = pfn;
		scan->last_busy = pfn;
		return rc->end;
	}

	folio = cma_get_folio(page);
	if (!folio) {
		cma_note_busy(rc, scan, pfn);
		return pfn + 1;
	}
	/* A large folio may begin before the range and end behind it. */
	next = folio_pfn(folio) + folio_nr_pages(folio);
	if (!cma_isolate_folio(rc, scan, folio))
		cma_note_busy(rc, scan, pfn);
	folio_put(folio);
	return max(next, pfn + 1);
}

/* Cache that can be dropped; a guess, where the folio is not locked. */
static bool cma_is_clean(struct folio *folio)
{
	return folio_is_file_lru(folio) && !folio_test_dirty(folio) &&
	       !folio_test_unevictable(folio);
}

/*
 * Clean cache that is cheaper to drop than to move.  Mapped pages are in use
 * right now: they are dropped only where there is no memory to move them to.
 */
static bool cma_droppable(const struct cma_scan *scan, struct folio *folio)
{
	return cma_is_clean(folio) && (scan->no_memory || !folio_mapped(folio));
}

static void cma_drop_clean(struct cma_recall *rc, struct cma_scan *scan)
{
	struct folio *folio, *next;
	LIST_HEAD(clean);

	list_for_each_entry_safe(folio, next, &scan->folios, lru)
		if (cma_droppable(scan, folio))
			list_move_tail(&folio->lru, &clean);
	if (list_empty(&clean))
		return;
	rc->dropped += reclaim_clean_pages_from_list(cma_recall_zone(rc), &clean);
	list_splice_tail(&clean, &scan->folios);
}

/**
 * struct cma_target - where loans go
 * @gfp: what the allocation of a page may do
 * @paid: a page that is there already, or NULL
 * @rc: for a recall: its batches end with it, and it does not leave others without
 * @no_memory: result: there was no page for one of them
 * @lacking: result: nor for one that could not just be dropped
 */
struct cma_target {
	gfp_t gfp;
	struct folio *paid;
	const struct cma_recall *rc;
	bool no_memory;
	bool lacking;
};

static struct cma_target_note *cma_target_note(unsigned long pfn)
{
	return &cma_targets[pfn & (ARRAY_SIZE(cma_targets) - 1)];
}

static void cma_note_target(unsigned long pfn)
{
	struct cma_target_note *note = cma_target_note(pfn);

	WRITE_ONCE(note->when, jiffies);
	WRITE_ONCE(note->pfn, pfn);
}

/**
 * cma_moved_out_lately() - was something moved out to this page a moment ago?
 * @pfn: the page
 *
 * Context: any.
 * Return: true if so; a hint.
 */
bool cma_moved_out_lately(unsigned long pfn)
{
	const struct cma_target_note *note = cma_target_note(pfn);

	return READ_ONCE(note->pfn) == pfn &&
	       time_before(jiffies, READ_ONCE(note->when) + CMA_TARGET_TIME);
}

/* Pages of a zone that are free, or could be if they were reclaimed. */
static unsigned long cma_droppable_pages(struct zone *zone)
{
	unsigned long nr = zone_page_state(zone, NR_FREE_PAGES) +
			   zone_page_state(zone, NR_ZONE_INACTIVE_FILE) +
			   zone_page_state(zone, NR_ZONE_ACTIVE_FILE);

	if (get_nr_swap_pages() > 0)
		nr += zone_page_state(zone, NR_ZONE_INACTIVE_ANON) +
		      zone_page_state(zone, NR_ZONE_ACTIVE_ANON);
	return nr;
}

/*
 * The last of page cache is what runs: without it, and with nothing free, others
 * are killed.  What a node has to keep, free or to be reclaimed, is twice what
 * kswapd keeps free.  Are there @pages beside?  Of all its zones, for who finds
 * one of them short takes from the next.
 */
static bool cma_has_spare(int nid, unsigned long pages)
{
	struct zone *zones = NODE_DATA(nid)->node_zones, *zone;

	for (zone = zones; zone < zones + MAX_NR_ZONES; zone++)
		pages += min(zone_managed_pages(zone), 2 * high_wmark_pages(zone) +
			     zone->lowmem_reserve[ZONE_MOVABLE]);
	for (zone = zones; zone < zones + MAX_NR_ZONES; zone++)
		pages -= min(pages, cma_droppable_pages(zone));
	return !pages;
}

/**
 * cma_any_spare() - is there memory to be had, free or by reclaim?
 * @pages: how much, beside what others need
 *
 * Context: any.
 * Return: true if so, on any node; a guess.
 */
bool cma_any_spare(unsigned long pages)
{
	int nid;

	for_each_node_state(nid, N_MEMORY)
		if (cma_has_spare(nid, pages))
			return true;
	return false;
}

/* Is there enough left on the node of @dst, and some of it free in its zone? */
static bool cma_leaves_enough(const struct folio *dst)
{
	struct zone *zone = folio_zone(dst);

	return !cma_shortfall(zone, low_wmark_pages(zone) +
			      zone->lowmem_reserve[ZONE_MOVABLE]) &&
	       cma_has_spare(zone_to_nid(zone), 0);
}

static bool cma_recall_ends(const struct cma_recall *rc)
{
	return fatal_signal_pending(current) ||
	       time_after_eq(jiffies, rc->deadline);
}

/*
 * Targets lie outside of every area: they are movable, but no borrower's.  For a
 * large folio nothing is compacted, migrate_pages() splits it instead.
 */
static struct folio *cma_alloc_target(struct folio *src,
				      const struct cma_target *target)
{
	gfp_t gfp = target->gfp | __GFP_HIGHMEM | __GFP_MOVABLE;
	struct folio *dst;

	if (folio_test_large(src))
		gfp = (gfp & ~__GFP_DIRECT_RECLAIM) | __GFP_COMP;
	dst = __folio_alloc(gfp, folio_order(src), folio_nid(src), NULL);
	if (dst && target->rc && !cma_leaves_enough(dst)) {
		folio_put(dst);
		dst = NULL;
	}
	return dst;
}

static struct folio *cma_new_folio(struct folio *src, unsigned long private)
{
	struct cma_target *target = (void *)private;
	struct folio *dst;

	/* For a large one, migrate_pages() would split it and go on. */
	if (target->rc && cma_recall_ends(target->rc) && !folio_test_large(src))
		return NULL;
	if (target->paid && !folio_test_large(src)) {
		dst = target->paid;
		target->paid = NULL;
	} else {
		dst = cma_alloc_target(src, target);
	}
	if (dst) {
		cma_note_target(folio_pfn(dst));
	} else if (!folio_test_large(src)) {
		target->no_memory = true;
		target->lacking |= !cma_is_clean(src);
	}
	return dst;
}

static unsigned int cma_move_to(struct list_head *folios,
				struct cma_target *target)
{
	unsigned int moved = 0;

	if (list_empty(folios))
		return 0;
	migrate_pages(folios, cma_new_folio, NULL, (unsigned long)target,
		      MIGRATE_ASYNC, MR_CONTIG_RANGE, &moved);
	return moved;
}

/**
 * cma_move_out() - migrate isolated folios out of the areas
 * @folios: the folios; those that could not be moved stay on the list
 * @gfp: what the allocation of targets may do
 * @paid: a target of one page that is there already, or NULL; it is used, or freed
 *
 * Waits for no folio: locks are tried, what is under writeback stays.
 *
 * Context: process context, may sleep.
 * Return: pages moved.
 */
unsigned int cma_move_out(struct list_head *folios, gfp_t gfp,
			  struct folio *paid)
{
	struct cma_target target = { .gfp = gfp, .paid = paid };
	unsigned int moved = cma_move_to(folios, &target);

	if (target.paid)
		folio_put(target.paid);
	return moved;
}

/*
 * Fails fast, and before others do: who can't wait, or has nothing to reclaim, is
 * not to be killed because recall took the last page.  Return: is there enough
 * memory for them?
 */
static bool cma_move(struct cma_recall *rc, struct cma_scan *scan)
{
	struct cma_target target = {
		.gfp = (rc->gfp & __GFP_KSWAPD_RECLAIM) | __GFP_NOWARN |
		       __GFP_NOMEMALLOC,
		.rc = rc,
	};

	if (cma_recall_ends(rc))
		return true;
	rc->moved += cma_move_to(&scan->folios, &target);
	scan->lacking |= target.lacking;
	return !target.no_memory;
}

/*
 * What can't go now has to be seen by the next scan: on the LRU, not in this
 * CPU's batch.  Another CPU's batch may hold the reference that kept it here.
 */
static void cma_put_rest(struct cma_recall *rc, struct cma_scan *scan)
{
	struct folio *folio;

	if (list_empty(&scan->folios))
		return;
	list_for_each_entry(folio, &scan->folios, lru)
		cma_note_busy(rc, scan, folio_pfn(folio));
	putback_movable_pages(&scan->folios);
	lru_add_drain();
	scan->in_batch = true;
}

/* Both file systems and swap, and not while the machine is suspended. */
static bool cma_may_write(const struct cma_recall *rc)
{
	gfp_t both = __GFP_FS | __GFP_IO;

	return (rc->gfp & both) == both && !pm_suspended_storage() &&
	       cma_has_reclaimers();
}

/* Without free swap, what is swap-backed would only be made active. */
static bool cma_can_write(struct folio *folio)
{
	if (folio_test_unevictable(folio) || folio_test_mlocked(folio))
		return false;
	return folio_is_file_lru(folio) || get_nr_swap_pages() > 0;
}

/*
 * Compressed, what is swapped out needs memory, and what becomes free is the
 * range's.  Is there some outside, beside the last reserves?
 */
static bool cma_can_compress(const struct cma_recall *rc)
{
	struct zone *zones = NODE_DATA(zone_to_nid(cma_recall_zone(rc)))->node_zones;
	struct zone *zone;

	for (zone = zones; zone < zones + MAX_NR_ZONES; zone++)
		if (managed_zone(zone) &&
		    !cma_shortfall(zone, min_wmark_pages(zone)))
			return true;
	return false;
}

/*
 * Until when to wait for a device.  From half of the time on, a victim may be had, or what
 * one has left.
 */
static unsigned long cma_patience_for_devices(const struct cma_recall *rc)
{
	unsigned long soon = jiffies + CMA_DEVICE_WAIT;

	if (time_before(jiffies, rc->half))
		return rc->half;
	return time_before(soon, rc->deadline) ? soon : rc->deadline;
}

static void cma_swap_out(struct cma_recall *rc, struct cma_scan *scan,
			 struct list_head *folios)
{
	while (!list_empty(folios) && !cma_recall_ends(rc)) {
		if (!cma_write_loans(folios, cma_patience_for_devices(rc),
				     &rc->swapped)) {
			scan->writing = true;
			break;
		}
	}
}

/*
 * Written out, a loan needs no target but swap.  Anonymous memory and shmem are
 * written by workers, dirty cache by the flushers; what is written is reclaimed by a
 * later scan.  Return: true if pages were freed, or will be without more being done.
 */
static bool cma_write_out(struct cma_recall *rc, struct cma_scan *scan)
{
	bool swap = cma_can_compress(rc);
	unsigned long before = rc->reclaimed + rc->swapped;
	struct folio *folio, *next;
	LIST_HEAD(cache);
	LIST_HEAD(anon);

	if (!cma_may_write(rc))
		return false;
	list_for_each_entry_safe(folio, next, &scan->folios, lru) {
		bool file = folio_is_file_lru(folio);

		if (!cma_can_write(folio) || !(file || swap))
			continue;
		cma_note_busy(rc, scan, folio_pfn(folio));
		scan->writing |= folio_test_dirty(folio) && file;
		/* Whoever puts it back counts it no more. */
		if (file)
			node_stat_mod_folio(folio, NR_ISOLATED_FILE,
					    -folio_nr_pages(folio));
		list_move_tail(&folio->lru, file ? &cache : &anon);
	}
	if (list_empty(&cache) && list_empty(&anon))
		return false;
	if (scan->writing)
		wakeup_flusher_threads(WB_REASON_VMSCAN);
	rc->reclaimed += reclaim_pages(&cache);
	lru_add_drain();
	cma_swap_out(rc, scan, &anon);
	list_splice(&anon, &scan->folios);
	scan->writing |= global_node_page_state(NR_WRITEBACK) > 0;
	return scan->writing || rc->reclaimed + rc->swapped > before;
}

/* Memory for the next batch, from elsewhere: what is left of this one needs some. */
static void cma_reclaim(const struct cma_recall *rc, struct cma_scan *scan)
{
	struct zonelist *zones = node_zonelist(zone_to_nid(cma_recall_zone(rc)),
					       GFP_KERNEL);
	unsigned long sum = 0, before;

	if (current->flags & PF_MEMALLOC)
		return;
	/* Where kswapd has lost hope, it may have some again. */
	NODE_DATA(zone_to_nid(cma_recall_zone(rc)))->kswapd_failures = 0;
	do {
		before = sum;
		if (!cma_any_spare(0) || cma_recall_ends(rc))
			break;
		scan->writing |= !cma_reclaim_elsewhere(zones, rc->gfp,
							cma_patience_for_devices(rc),
							&sum);
	} while (sum > before && sum < CMA_EVACUATE_BATCH);
	/* On per-CPU lists, what was freed does not even help others. */
	drain_all_pages(NULL);
	scan->spare = cma_any_spare(CMA_EVACUATE_BATCH);
}

/*
 * Move what can be moved; where there is no memory for that, go down the ladder.  What
 * reclaims elsewhere has nothing isolated meanwhile.
 */
static void cma_evacuate(struct cma_recall *rc, struct cma_scan *scan)
{
	bool more = false;

	scan->nr = 0;
	cma_drop_clean(rc, scan);
	if (!cma_move(rc, scan)) {
		scan->no_memory = true;
		cma_drop_clean(rc, scan);
		more = !list_empty(&scan->folios) &&
		       (!cma_write_out(rc, scan) || !list_empty(&scan->folios));
	}
	cma_put_rest(rc, scan);
	if (more)
		cma_reclaim(rc, scan);
}

/* Has the caller been killed, or has its time run out? */
static int cma_recall_over(const struct cma_recall *rc,
			   const struct cma_scan *scan)
{
	if (scan->poisoned)
		return -EHWPOISON;
	if (fatal_signal_pending(current))
		return -EINTR;
	if (time_after_eq(jiffies, rc->deadline))
		return rc->no_memory ? -ENOMEM : -EBUSY;
	return 0;
}

/* Is a victim still on its way?  The OOM reaper ends that, for better or worse. */
static bool cma_victim_in_flight(void)
{
	struct task_struct *p;
	bool found = false;

	lockdep_assert_held(&oom_lock);

	rcu_read_lock();
	for_each_process(p) {
		found = tsk_is_oom_victim(p) &&
			!test_bit(MMF_OOM_SKIP, &p->signal->oom_mm->flags);
		if (found)
			break;
	}
	rcu_read_unlock();
	return found;
}

/* As for sysrq, which never panics: that is what the order says. */
static void cma_kill_now(struct cma_recall *rc)
{
	struct oom_control oc = {
		.zonelist = node_zonelist(zone_to_nid(cma_recall_zone(rc)),
					  GFP_KERNEL),
		.gfp_mask = GFP_KERNEL,
		.order = -1,
	};

	lockdep_assert_held(&oom_lock);

	cma_last_kill = jiffies;
	if (!out_of_memory(&oc))
		rc->no_victim = true;
	else if (oc.chosen)
		rc->killed++;
}

/*
 * The last rung: one victim.  A victim of anybody that is still on its way is not
 * joined by another one.
 */
static void cma_kill_one(struct cma_recall *rc)
{
	/* Whoever has it is about to kill somebody. */
	if (!mutex_trylock(&oom_lock))
		return;
	if (time_after(jiffies, cma_last_kill + CMA_KILL_WAIT) &&
	    !cma_victim_in_flight())
		cma_kill_now(rc);
	mutex_unlock(&oom_lock);
}

/* May the OOM killer be asked, and is there hope that it finds somebody? */
static bool cma_may_kill(const struct cma_recall *rc)
{
	return rc->may_kill && !rc->no_victim && cma_may_write(rc);
}

/*
 * There is no memory to be had without a victim, or no time to wait for it.  But
 * nobody is killed for a request that will be over before he is gone.
 */
static bool cma_needs_victim(const struct cma_recall *rc,
			     const struct cma_scan *scan, unsigned int idle)
{
	if (!scan->no_memory || !cma_may_kill(rc) ||
	    time_after(jiffies + CMA_KILL_WAIT, rc->deadline))
		return false;
	return time_after_eq(jiffies, rc->half) ||
	       (idle >= CMA_KILL_IDLE && !scan->writing && !scan->spare);
}

/* Has somebody just been killed, or is about to be? */
static bool cma_victim_is_near(void)
{
	bool near = true;

	if (mutex_trylock(&oom_lock)) {
		near = cma_victim_in_flight();
		mutex_unlock(&oom_lock);
	}
	return near;
}

/*
 * Nothing is to be had elsewhere, and nobody to be asked: who wants no warning has other
 * ways to get memory, and who may not enter file systems has no victims.
 */
static bool cma_is_hopeless(const struct cma_recall *rc,
			    const struct cma_scan *scan)
{
	if (!(rc->gfp & __GFP_NOWARN) && cma_may_write(rc))
		return false;
	return scan->lacking && !scan->writing && !cma_any_spare(1) &&
	       !cma_victim_is_near();
}

/*
 * Nothing has gone since @since, in @idle scans; the first two drain.  Who was hopeless
 * elsewhere is soon done with.
 */
static int cma_recall_stuck(struct cma_recall *rc, const struct cma_scan *scan,
			    unsigned int idle, unsigned long since)
{
	if (idle > (rc->hopeless ? 1 : 2)) {
		rc->hopeless = rc->hasty && cma_is_hopeless(rc, scan);
		if (rc->hopeless)
			return -ENOMEM;
	}
	if (idle <= 2 || time_before(jiffies, since + rc->patience))
		return 0;
	/* Elsewhere there is no more memory than here: a victim may have some. */
	if (scan->no_memory && cma_may_kill(rc))
		return 0;
	return scan->no_memory ? -ENOMEM : -EBUSY;
}

/* Scan what is not taken yet and evacuate what can go now. */
static void cma_scan_range(struct cma_recall *rc, struct cma_scan *scan)
{
	unsigned long pfn = rc->taken;

	while (pfn < rc->end) {
		pfn = cma_scan_page(rc, scan, pfn);
		if (scan->nr >= CMA_EVACUATE_BATCH) {
			cma_evacuate(rc, scan);
			cond_resched();
			if (cma_recall_over(rc, scan))
				return;
		}
	}
	cma_evacuate(rc, scan);
}

/*
 * Whoever asked before this began has the pages in the batches that it flushes.  Of
 * what a CPU keeps back beside those, buffers of block devices, nothing is lent.
 */
static void cma_drain_work_fn(struct work_struct *work)
{
	struct cma_drain *drain = container_of(work, struct cma_drain, work);
	int round = atomic_read(&cma_drain_round);

	lru_add_drain();
	WRITE_ONCE(drain->done, round);
	wake_up_all(&cma_drained);
}

/**
 * cma_init_drains() - get ready for cma_drain_batches()
 *
 * Context: early boot, before anything is lent.
 */
void __init cma_init_drains(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		INIT_WORK(&per_cpu(cma_drains, cpu).work, cma_drain_work_fn);
}

/* Who comes online has nothing in its batches, or soon flushes them. */
static bool cma_all_drained(int round)
{
	unsigned int cpu;

	for_each_online_cpu(cpu)
		if (READ_ONCE(per_cpu(cma_drains, cpu).done) - round < 0)
			return false;
	return true;
}

/**
 * cma_drain_batches() - flush the LRU batches of every CPU
 * @limit: jiffies to wait for that
 *
 * A CPU that is busy with real-time tasks may not get to it for a long time.  It
 * keeps what it has, but the others are flushed; of lru_add_drain_all() there is
 * one at a time, and everybody would wait for that CPU.
 *
 * Context: process context, may sleep.
 */
void cma_drain_batches(unsigned long limit)
{
	int round = atomic_inc_return(&cma_drain_round);
	unsigned int cpu;

	for_each_online_cpu(cpu)
		queue_work_on(cpu, mm_percpu_wq, &per_cpu(cma_drains, cpu).work);
	wait_event_killable_timeout(cma_drained, cma_all_drained(round), limit);
}

/* For how long a recall may wait for a flush, in jiffies. */
static unsigned long cma_drain_limit(const struct cma_recall *rc)
{
	long left = rc->deadline - jiffies;

	return clamp(left, 1L, (long)CMA_DRAIN_LIMIT);
}

/*
 * Do what the scan called for (folios may wait in LRU batches), and once that
 * did not help, let time pass.
 */
static void cma_pause(struct cma_recall *rc, const struct cma_scan *scan,
		      unsigned int idle)
{
	unsigned long us;

	if (scan->in_batch && idle && (is_power_of_2(idle) ||
				       idle % CMA_DRAIN_EVERY == 0))
		cma_drain_batches(cma_drain_limit(rc));
	else if (scan->in_batch)
		lru_add_drain();
	if (!idle)
		return;
	us = min(CMA_PAUSE_MIN_US << min(idle, 8U), CMA_PAUSE_MAX_US);
	usleep_range_state(us, us * 2, TASK_KILLABLE);
}

/* Grows with whatever a scan gets done. */
static unsigned long cma_progress(const struct cma_recall *rc)
{
	return rc->taken + rc->moved + rc->dropped + rc->reclaimed + rc->swapped;
}

/**
 * cma_recall_range() - evacuate a range and take its pages
 * @rc: the recall: its first six fields are set, and the pageblocks from
 *	rc->taken on are isolated
 *
 * On failure what was taken stays taken: see cma_untake().
 *
 * Context: process context, may sleep.
 * Return: 0, or -EBUSY (a loan did not come back), -ENOMEM (nowhere to move
 *	loans to), -EINTR (killed), -EHWPOISON; rc->first_busy and
 * rc->last_busy say where.
 */
int cma_recall_range(struct cma_recall *rc)
{
	unsigned long before = cma_progress(rc), since = jiffies;
	unsigned int idle = 0;
	int ret;

	might_sleep();
	while (!cma_take_free(rc)) {
		struct cma_scan scan = {
			.folios = LIST_HEAD_INIT(scan.folios),
		};

		cma_scan_range(rc, &scan);
		/* A scan that is cut off may not have come to ask for memory. */
		rc->no_memory = scan.no_memory ||
				(rc->no_memory && cma_recall_ends(rc));
		if (cma_progress(rc) != before) {
			before = cma_progress(rc);
			since = jiffies;
			idle = 0;
		}
		ret = cma_recall_over(rc, &scan) ?:
		      cma_recall_stuck(rc, &scan, idle, since);
		if (ret) {
			rc->first_busy = scan.first_busy;
			rc->last_busy = scan.last_busy;
			rc->stuck_since = since;
			/* What the last scan did may have been enough. */
			return cma_take_free(rc) ? 0 : ret;
		}
		if (cma_needs_victim(rc, &scan, idle))
			cma_kill_one(rc);
		cma_pause(rc, &scan, idle++);
		rc->rescans++;
	}
	return 0;
}

/* Where the free chunk ends that holds @pfn, or @pfn itself; only a hint. */
static unsigned long cma_skip_free(unsigned long pfn)
{
	unsigned long order, head;

	for (order = 0; order <= MAX_PAGE_ORDER; order++) {
		struct page *page;

		head = ALIGN_DOWN(pfn, 1UL << order);
		page = pfn_to_page(head);
		if (PageBuddy(page) && cma_free_hint(page) > pfn - head)
			return head + cma_free_hint(page);
	}
	return pfn;
}

/*
 * What it costs to get this page back; see cma_range_cost().  Page flags, not
 * folio flags: without a reference, a head may become a tail any time.
 */
static unsigned long cma_page_cost(struct page *page)
{
	bool file = !test_bit(PG_swapbacked, &compound_head(page)->flags);

	if (!page_count(page))
		return 1;
	if (!PageLRU(page) || PageLocked(page) || PageWriteback(page))
		return 64;
	if (PageDirty(page) && file)
		return 8;
	return file ? 2 : 4;
}

/**
 * cma_range_cost() - what it would cost to recall a range
 * @start: first page
 * @end: one past the last page
 * @limit: stop counting here
 *
 * Free pages cost nothing, then come clean cache, anonymous memory, dirty
 * cache, and pages that are locked, under writeback or off the LRU.  Read
 * without locks: a guess.
 *
 * Return: the cost in arbitrary units, or something above @limit.
 */
unsigned long cma_range_cost(unsigned long start, unsigned long end,
			     unsigned long limit)
{
	/* The range may begin in the middle of a free chunk. */
	unsigned long pfn = cma_skip_free(start), cost = 0;

	while (pfn < end && cost <= limit) {
		struct page *page = pfn_to_page(pfn);

		if (PageBuddy(page)) {
			pfn += cma_free_hint(page);
			continue;
		}
		cost += cma_page_cost(page);
		pfn++;
	}
	return cost;
}

/**
 * cma_expected_refs() - references to a folio that migration accounts for
 * @folio: the folio
 *
 * Context: any; a guess where the folio is not locked.
 * Return: those of page tables, page cache, swap cache and buffers.
 */
int cma_expected_refs(const struct folio *folio)
{
	int refs = folio_mapcount(folio);

	if (folio_test_anon(folio))
		return refs + (folio_test_swapcache(folio) ?
			       folio_nr_pages(folio) : 0);
	if (folio->mapping)
		refs += folio_nr_pages(folio) + folio_test_private(folio);
	return refs;
}

/* Under RCU: a mapping that is still the folio's has an inode that is not freed. */
static void cma_describe_owner(struct cma_culprit *culprit, struct folio *folio)
{
	struct address_space *mapping;
	const char *owner = "none";

	rcu_read_lock();
	mapping = READ_ONCE(folio->mapping);
	if ((unsigned long)mapping & PAGE_MAPPING_FLAGS)
		owner = folio_test_ksm(folio) ? "ksm" : "anon";
	else if (mapping && mapping->host)
		owner = mapping->host->i_sb->s_type->name;
	strscpy(culprit->owner, owner, sizeof(culprit->owner));
	rcu_read_unlock();
}

/**
 * cma_describe() - who keeps a page from coming back?
 * @culprit: result, all but the time
 * @pfn: the page
 *
 * Context: any.
 */
void cma_describe(struct cma_culprit *culprit, unsigned long pfn)
{
	struct page *page = pfn_to_page(pfn);
	struct folio *folio = cma_get_folio(page);

	culprit->pfn = pfn;
	culprit->flags = page->flags;
	culprit->refs = 0;
	culprit->expected = 0;
	strscpy(culprit->owner, "none", sizeof(culprit->owner));
	if (!folio)
		return;
	culprit->refs = folio_ref_count(folio) - 1;
	culprit->expected = cma_expected_refs(folio);
	cma_describe_owner(culprit, folio);
	folio_put(folio);
}
