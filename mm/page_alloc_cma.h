/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Private header of the contiguous memory allocator: what an area is, and who may
 * touch which field.  No patched kernel file includes it; calls run one way:
 *
 *   hook -> lend_cma.h, guard_cma.h -> lend_cma.c, guard_cma.c
 *   driver -> page_alloc_cma.c -> place_cma.c, area_cma.c, holder_cma.c
 *   all of them -> migrate_cma.c -> the kernel's own migration
 *                  migrate_cma.c -> reclaim_cma.c -> the kernel's own reclaim
 *
 * Lock order: cma->isolate_lock, then zone->lock.  cma->lock is a leaf, but for what
 * kfree() takes.
 */
#ifndef _MM_PAGE_ALLOC_CMA_H
#define _MM_PAGE_ALLOC_CMA_H

#include <linux/cma.h>
#include <linux/cma_lend.h>
#include <linux/debugfs.h>
#include <linux/kobject.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "lend_cma.h"
#include "range_cma.h"

/* Why a request failed; the names stand in sysfs. */
enum cma_failure {
	CMA_FAIL_NO_RANGE,	/* devices hold too much of the area */
	CMA_FAIL_BUSY,		/* a loan did not come back by the deadline */
	CMA_FAIL_NO_MEMORY,	/* nowhere to move the loans to */
	CMA_FAIL_NO_VICTIM,	/* nor anybody to be killed for it */
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
 * @reclaimed: loans that were page cache, written out and reclaimed in place
 * @swapped: loans that were swapped out and reclaimed in place
 * @killed: victims of the OOM killer
 * @rescans: times a range had to be scanned again
 * @guard_hits: times somebody wanted to hold a loan
 * @guard_moved: pages moved out for that
 * @guard_copied: pages copied because they could not be moved
 * @guard_failed: times somebody got a loan to hold, because it could not be moved
 * @moved_in: pages moved into the area to make room outside
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
	u64 reclaimed;
	u64 swapped;
	u64 killed;
	u64 rescans;
	u64 guard_hits;
	u64 guard_moved;
	u64 guard_copied;
	u64 guard_failed;
	u64 moved_in;
};

/* To whom an area lends; the names stand in sysfs. */
enum cma_lend {
	CMA_LEND_ALL,		/* to all borrowers */
	CMA_LEND_FILE,		/* to page cache only */
	CMA_LEND_NONE,		/* to nobody */
	CMA_LEND_POLICIES,
};

/**
 * struct cma_lent - what an area lends at a moment, in pages
 * @anon: anonymous memory
 * @file: page cache
 * @shmem: tmpfs, and memory that processes share
 * @other: loans between allocation and use, or on their way back
 */
struct cma_lent {
	unsigned long anon;
	unsigned long file;
	unsigned long shmem;
	unsigned long other;
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
 * @deadline_ms: what bounds a request of up to 64 MiB; written by sysfs, read
 *	once by each request
 * @oom: recall may ask the OOM killer for victims; written by sysfs
 * @lend: to whom it lends; written under cma_lend_lock
 * @stats: counters, per CPU
 * @lock: guards @bitmap, @held, @nr_held, @claims and @holders; taken with
 *	interrupts off
 * @bitmap: granules held by devices, or claimed by requests in progress
 * @held: granules held by devices
 * @nr_held: how many these are; read without the lock
 * @claims: requests in progress that have claimed a place
 * @holders: struct cma_holder by @pfn: who holds the blocks, as far as is known
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
	unsigned int deadline_ms;
	bool oom;
	enum cma_lend lend;
	struct cma_stats __percpu *stats;

	spinlock_t lock;		/* guards the fields up to holders */
	unsigned long *bitmap;
	unsigned long *held;
	unsigned long nr_held;
	unsigned int claims;
	struct rb_root holders;
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

#define CMA_HOLDER_FRAMES	8

/**
 * struct cma_holder - a note of who holds a block, or what is left of one
 * @node: in cma->holders; under cma->lock, like all of it
 * @pfn: first page
 * @count: pages
 * @since: when it was handed over, in seconds since boot
 * @pid: to which task, that may be gone since
 * @comm: its name, as it was then
 * @nr_frames: how many of @frames there are
 * @frames: through which functions, innermost first
 */
struct cma_holder {
	struct rb_node node;
	unsigned long pfn;
	unsigned long count;
	time64_t since;
	pid_t pid;
	char comm[TASK_COMM_LEN];
#ifdef CONFIG_CMA_DEBUGFS
	unsigned int nr_frames;
	unsigned long frames[CMA_HOLDER_FRAMES];
#endif
};

#define CMA_OWNER_LEN	16

/**
 * struct cma_culprit - the page for which a request gave up, as it was then
 * @pfn: the page
 * @flags: its page flags
 * @refs: references to its folio
 * @expected: references that are accounted for: page tables, page cache, buffers
 * @ms: for how long nothing had gone, in milliseconds
 * @owner: whose page it is: "anon", "ksm", the type of a file system, or
 *	"none" while it is being freed or allocated
 */
struct cma_culprit {
	unsigned long pfn;
	unsigned long flags;
	int refs;
	int expected;
	unsigned int ms;
	char owner[CMA_OWNER_LEN];
};

extern struct cma cma_areas[MAX_CMA_AREAS];
extern unsigned int cma_area_count;

static inline bool cma_area_has(const struct cma *cma, unsigned long pfn)
{
	return pfn - cma->base_pfn < cma->count;
}

/* Granules in an area. */
static inline unsigned long cma_granules(const struct cma *cma)
{
	return cma->count >> cma->order_per_bit;
}

/* Pages of an area that no device holds. */
static inline unsigned long cma_lendable(const struct cma *cma)
{
	return cma->count - (READ_ONCE(cma->nr_held) << cma->order_per_bit);
}

/* The granule that a page of the area belongs to. */
static inline unsigned long cma_granule_of(const struct cma *cma,
					   unsigned long pfn)
{
	return (pfn - cma->base_pfn) >> cma->order_per_bit;
}

/* Does a device hold the page? */
static inline bool cma_page_is_held(const struct cma *cma, unsigned long pfn)
{
	return test_bit(cma_granule_of(cma, pfn), cma->held);
}

/**
 * struct cma_recall - one recall of one pfn range
 * @start: first page of the range
 * @end: one past its last page
 * @taken: pages [@start, @taken) have left the buddy allocator
 * @gfp: what recall may enter on the caller's behalf
 * @deadline: in jiffies; recall gives up then
 * @patience: in jiffies; it gives up when nothing has gone for so long
 * @half: in jiffies; half of the request's time is over then
 * @may_kill: the OOM killer may be asked for a victim
 * @no_victim: it was, and there was none
 * @no_memory: the last scan that had time found no memory for targets
 * @hasty: it gives up at once where nothing can come of waiting
 * @hopeless: result of a failure: that is so, as far as this range goes; before,
 *	of the range that was tried last
 * @first_busy: result of a failure: the first page that stood in the way
 * @last_busy: result of a failure: the last one
 * @stuck_since: result of a failure: in jiffies, when something went last
 * @moved: result: pages migrated out
 * @dropped: result: pages of clean cache dropped
 * @reclaimed: result: pages of cache written out and reclaimed in place
 * @swapped: result: pages swapped out and reclaimed in place
 * @killed: result: victims of the OOM killer
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
	unsigned long half;
	bool may_kill;
	bool no_victim;
	bool no_memory;
	bool hasty;
	bool hopeless;
	unsigned long first_busy;
	unsigned long last_busy;
	unsigned long stuck_since;
	unsigned long moved;
	unsigned long dropped;
	unsigned long reclaimed;
	unsigned long swapped;
	unsigned long killed;
	unsigned long rescans;
};

/* reclaim_cma.c */
void __init cma_init_reclaimers(void);
bool cma_has_reclaimers(void);
bool cma_write_loans(struct list_head *folios, unsigned long until,
		     unsigned long *freed);
bool cma_reclaim_elsewhere(struct zonelist *zones, gfp_t gfp, unsigned long until,
			   unsigned long *freed);

/* migrate_cma.c */
bool cma_take_free(struct cma_recall *rc);
bool cma_take_any(struct cma_recall *rc, struct zone *zone, unsigned long most);
bool cma_take_isolated(struct cma_recall *rc, struct zone *zone,
		       bool (*may_take)(unsigned long pfn));
int cma_recall_range(struct cma_recall *rc);
void cma_untake(struct cma_recall *rc);
void cma_put_padding(unsigned long pfn, unsigned long end);
unsigned long cma_find_poison(const struct cma_recall *rc);
struct page *cma_hand_over(struct cma_recall *rc, unsigned long nr_pages);
unsigned long cma_give_back(unsigned long pfn, unsigned long nr_pages);
unsigned long cma_range_cost(unsigned long start, unsigned long end,
			     unsigned long limit);
void cma_describe(struct cma_culprit *culprit, unsigned long pfn);
bool cma_isolate_loan(struct folio *folio, struct list_head *folios);
void __init cma_init_drains(void);
void cma_drain_batches(unsigned long limit);
unsigned int cma_move_out(struct list_head *folios, gfp_t gfp,
			  struct folio *paid);
bool cma_any_spare(unsigned long pages);
bool cma_moved_out_lately(unsigned long pfn);
int cma_expected_refs(const struct folio *folio);

/* area_cma.c */
int cma_isolate(struct cma *cma, unsigned long start, unsigned long end);
void cma_unisolate(struct cma *cma, unsigned long start, unsigned long end);
int cma_keep(struct cma *cma, bool keep);

/* holder_cma.c */
void cma_note_holder(struct cma *cma, unsigned long pfn, unsigned long count);
void cma_forget_holder(struct cma *cma, unsigned long pfn, unsigned long count);
bool cma_next_holder(struct cma *cma, unsigned long pfn, struct cma_holder *holder);
void cma_largest_holders(struct cma *cma, struct cma_holder *largest, unsigned int nr);

/* lend_cma.c */
extern const char * const cma_lend_names[CMA_LEND_POLICIES];

int cma_set_lend(struct cma *cma, enum cma_lend lend);
void __init cma_init_lending(void);
void cma_count_lent(const struct cma *cma, struct cma_lent *lent);

/* option_cma.c */
void __init cma_set_boot_lending(void);

#endif /* _MM_PAGE_ALLOC_CMA_H */
