/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Private header of the contiguous memory allocator: what an area is, who may
 * touch which field, and the calls that patched kernel files make, each behind
 * one static key.  Calls run one way:
 *
 *   hook -> page_alloc_cma.c -> migrate_cma.c -> the kernel's own migration
 *
 * Lock order: cma->isolate_lock, then zone->lock.  cma->lock is a leaf.
 */
#ifndef _MM_PAGE_ALLOC_CMA_H
#define _MM_PAGE_ALLOC_CMA_H

#include <linux/cma.h>
#include <linux/debugfs.h>
#include <linux/jump_label.h>
#include <linux/kobject.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "range_cma.h"

struct page;

#ifdef CONFIG_CMA_LEND

/* Why a request failed; the names stand in sysfs. */
enum cma_failure {
	CMA_FAIL_NO_RANGE,	/* devices hold too much of the area */
	CMA_FAIL_BUSY,		/* a loan did not come back by the deadline */
	CMA_FAIL_NO_MEMORY,	/* nowhere to move the loans to */
	CMA_FAIL_KILLED,	/* the caller was killed while it waited */
	CMA_FAIL_REASONS,
};

/**
 * struct cma_stats - what requests of an area did, one per CPU
 * @success: requests served
 * @fail: requests refused, by reason
 * @hist: requests by latency, log2 microseconds
 * @sum_us: latency of all requests together
 * @max_us: longest request
 * @pages_success: pages of requests served
 * @pages_fail: pages of requests refused
 * @pages_released: pages given back by devices
 * @moved: loans migrated out
 * @dropped: loans that were clean cache and were dropped
 * @rescans: times a range had to be scanned again
 *
 * Written by its CPU only, with this_cpu_*() or preemption off; readers add up
 * all CPUs and may miss what is being counted meanwhile.
 */
struct cma_stats {
	u64 success;
	u64 fail[CMA_FAIL_REASONS];
	u64 hist[CMA_HIST_BUCKETS];
	u64 sum_us;
	u64 max_us;
	u64 pages_success;
	u64 pages_fail;
	u64 pages_released;
	u64 moved;
	u64 dropped;
	u64 rescans;
};

/* kobjects outlive their owner and cma_areas is static: they stand apart. */
struct cma_kobject {
	struct kobject kobj;
	struct cma *cma;
};

/**
 * struct cma - one area
 * @base_pfn: first page; fixed at boot, like all fields without a lock
 * @count: pages; 0 if the area could not be activated
 * @order_per_bit: log2 of the pages that one bit of @bitmap stands for
 * @reserve_pages_on_error: keep the pages out of the buddy allocator when the
 *	area can't be activated
 * @name: name in sysfs, debugfs and trace events
 * @stats: counters, per CPU
 * @lock: guards @bitmap, @held and @claims; taken with interrupts off
 * @bitmap: granules held by devices, or claimed by requests in progress
 * @held: granules held by devices
 * @claims: requests in progress that have claimed a place
 * @turn: requests that find no place while @claims is not 0
 * @isolate_lock: guards @isolated and the isolation that it counts
 * @isolated: per isolation unit, how many recalls want it isolated
 * @taken: blocks taken through debugfs
 * @taken_lock: guards @taken
 * @dfs_bitmap: @bitmap as debugfs shows it
 * @kobj: the area in sysfs
 */
struct cma {
	unsigned long base_pfn;
	unsigned long count;
	unsigned int order_per_bit;
	bool reserve_pages_on_error;
	char name[CMA_MAX_NAME];
	struct cma_stats __percpu *stats;

	spinlock_t lock;		/* guards bitmap, held and claims */
	unsigned long *bitmap;
	unsigned long *held;
	unsigned int claims;
	wait_queue_head_t turn;

	struct mutex isolate_lock;	/* guards isolated */
	u16 *isolated;

#ifdef CONFIG_CMA_DEBUGFS
	struct hlist_head taken;
	spinlock_t taken_lock;		/* guards taken */
	struct debugfs_u32_array dfs_bitmap;
#endif
#ifdef CONFIG_CMA_SYSFS
	struct cma_kobject *kobj;
#endif
};

extern struct cma cma_areas[MAX_CMA_AREAS];
extern unsigned int cma_area_count;

/* Granules in an area. */
static inline unsigned long cma_granules(const struct cma *cma)
{
	return cma->count >> cma->order_per_bit;
}

/**
 * struct cma_recall - one recall of one pfn range
 * @start: first page wanted
 * @end: one past the last page wanted
 * @taken: pages [@start, @taken) have left the buddy allocator
 * @gfp: what recall may enter on the caller's behalf
 * @deadline: in jiffies; recall gives up then
 * @patience: in jiffies; it gives up when nothing has gone for so long
 * @first_busy: result of a failure: the first page that stood in the way
 * @last_busy: result of a failure: the last one
 * @moved: result: pages migrated out
 * @dropped: result: pages of clean cache dropped
 * @rescans: result: times the range was scanned again
 *
 * Belongs to one task and needs no lock.
 */
struct cma_recall {
	unsigned long start;
	unsigned long end;
	unsigned long taken;
	gfp_t gfp;
	unsigned long deadline;
	unsigned long patience;
	unsigned long first_busy;
	unsigned long last_busy;
	unsigned long moved;
	unsigned long dropped;
	unsigned long rescans;
};

/* migrate_cma.c */
bool cma_take_free(struct cma_recall *rc);
int cma_recall_range(struct cma_recall *rc);
void cma_untake(struct cma_recall *rc);
void cma_hand_over(struct cma_recall *rc);
unsigned long cma_give_back(unsigned long pfn, unsigned long nr_pages);
unsigned long cma_range_cost(unsigned long start, unsigned long end,
			     unsigned long limit);

DECLARE_STATIC_KEY_FALSE(cma_active_key);

bool __cma_keeps_isolated(const struct page *page, int migratetype);
bool __cma_under_recall(struct page *page);

/*
 * Hook in unset_migratetype_isolate(): a foreign alloc_contig_range() that
 * fails must leave alone what it did not isolate.
 */
static inline bool cma_keeps_isolated(const struct page *page, int migratetype)
{
	if (!static_branch_unlikely(&cma_active_key))
		return false;
	return __cma_keeps_isolated(page, migratetype);
}

/*
 * Hook in suitable_migration_target(): compaction must not take the free pages
 * of a range that recall is assembling.
 */
static inline bool cma_under_recall(struct page *page)
{
	if (!static_branch_unlikely(&cma_active_key))
		return false;
	return __cma_under_recall(page);
}

/*
 * Hook in __rmqueue(): once free memory outside of the areas is down to the high
 * watermark, borrowers use the areas, before anybody has to reclaim for them.
 */
static inline bool cma_lend_first(struct zone *zone)
{
	unsigned long inside;

	if (!static_branch_unlikely(&cma_active_key))
		return false;
	inside = zone_page_state(zone, NR_FREE_CMA_PAGES);
	return inside && zone_page_state(zone, NR_FREE_PAGES) <=
			 inside + high_wmark_pages(zone);
}

#else /* !CONFIG_CMA_LEND */

static inline bool cma_lend_first(struct zone *zone)
{
	return false;
}

static inline bool cma_keeps_isolated(const struct page *page, int migratetype)
{
	return false;
}

static inline bool cma_under_recall(struct page *page)
{
	return false;
}

#endif /* CONFIG_CMA_LEND */
#endif /* _MM_PAGE_ALLOC_CMA_H */
