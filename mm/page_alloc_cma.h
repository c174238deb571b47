/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Private header of the contiguous memory allocator: what an area is, who may
 * touch which field, and the calls that patched kernel files make, each behind
 * one static key.  Calls run one way:
 *
 *   hook -> page_alloc_cma.c, guard_cma.c, lend_cma.c -> place_cma.c,
 *   migrate_cma.c -> the kernel's own migration
 *
 * Lock order: cma->isolate_lock, then zone->lock.  cma->lock is a leaf.
 */
#ifndef _MM_PAGE_ALLOC_CMA_H
#define _MM_PAGE_ALLOC_CMA_H

#include <linux/cma.h>
#include <linux/cma_lend.h>
#include <linux/debugfs.h>
#include <linux/jump_label.h>
#include <linux/kobject.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/mutex.h>
#include <linux/page-isolation.h>
#include <linux/pagemap.h>
#include <linux/percpu.h>
#include <linux/resume_user_mode.h>
#include <linux/sched/mm.h>
#include <linux/sched/rt.h>
#include <linux/spinlock.h>
#include <linux/uio.h>
#include <linux/wait.h>

#include "range_cma.h"

#include "internal.h"

struct alloc_context;
struct folio_batch;

/*
 * In mapping->flags, where the base kernel's own end before: a loan was in this
 * page cache.  It stays set for as long as the inode is in memory.
 */
#define AS_CMA_LENT	15

/* What follow_page_mask() says of a loan that the caller wants to hold. */
#define CMA_REFUSED	ERR_PTR(-EUCLEAN)
/* What the guard says of one that can't be moved: take it. */
#define CMA_GRANTED	ERR_PTR(-EXFULL)

/* Beside the internal FOLL_* of the base kernel: the next page was granted. */
#define FOLL_GRANTED	BIT(23)

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
 * @lock: guards @bitmap, @held, @nr_held and @claims; taken with interrupts off
 * @bitmap: granules held by devices, or claimed by requests in progress
 * @held: granules held by devices
 * @nr_held: how many these are; read without the lock
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
	unsigned int deadline_ms;
	bool oom;
	enum cma_lend lend;
	struct cma_stats __percpu *stats;

	spinlock_t lock;		/* guards the fields up to claims */
	unsigned long *bitmap;
	unsigned long *held;
	unsigned long nr_held;
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

/**
 * struct cma_bounds - all areas lie in here
 * @first: struct page of the first page of the lowest area, as a number
 * @size: bytes of struct pages up to the end of the highest area
 *
 * Pages are compared by the address of their struct page, where that grows with
 * the pfn: hot paths have no instructions to spare.  Written at boot.
 */
struct cma_bounds {
	unsigned long first;
	unsigned long size;
};

extern struct cma_bounds cma_bounds;

/* Granules in an area. */
static inline unsigned long cma_granules(const struct cma *cma)
{
	return cma->count >> cma->order_per_bit;
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

/* migrate_cma.c */
bool cma_take_free(struct cma_recall *rc);
bool cma_take_any(struct cma_recall *rc, struct zone *zone, unsigned long most);
bool cma_take_isolated(struct cma_recall *rc, struct zone *zone,
		       bool (*may_take)(unsigned long pfn));
int cma_recall_range(struct cma_recall *rc);
void cma_untake(struct cma_recall *rc);
void cma_put_padding(unsigned long pfn, unsigned long end);
struct page *cma_hand_over(struct cma_recall *rc, unsigned long nr_pages);
unsigned long cma_give_back(unsigned long pfn, unsigned long nr_pages);
unsigned long cma_range_cost(unsigned long start, unsigned long end,
			     unsigned long limit);
void cma_describe(struct cma_culprit *culprit, unsigned long pfn);
bool cma_isolate_loan(struct folio *folio, struct list_head *folios);
void cma_drain_batches(unsigned long limit);
unsigned int cma_move_out(struct list_head *folios, gfp_t gfp,
			  struct folio *paid);
bool cma_any_spare(unsigned long pages);
bool cma_moved_out_lately(unsigned long pfn);
int cma_expected_refs(const struct folio *folio);

/* page_alloc_cma.c */
DECLARE_STATIC_KEY_FALSE(cma_active_key);

struct cma *cma_find_area(unsigned long pfn);
int cma_keep(struct cma *cma, bool keep);
bool __cma_keeps_isolated(const struct page *page, int migratetype);

/* lend_cma.c */
DECLARE_STATIC_KEY_FALSE(cma_file_key);
extern const char * const cma_lend_names[CMA_LEND_POLICIES];

int cma_set_lend(struct cma *cma, enum cma_lend lend);
void __init cma_init_lending(void);
unsigned long __cma_balance(struct pglist_data *pgdat, int highest_zoneidx);
bool __cma_make_room(gfp_t gfp, unsigned int order, unsigned int *alloc_flags,
		     const struct alloc_context *ac, unsigned int tries);
unsigned long __cma_reclaimable(struct zone *zone, unsigned int alloc_flags,
				unsigned long reclaimable);
bool cma_has_room_for_shmem(void);
struct folio *__cma_borrow_for_file(gfp_t gfp);
void cma_count_lent(const struct cma *cma, struct cma_lent *lent);

/* option_cma.c */
void __init cma_set_boot_lending(void);

/* guard_cma.c */
bool __cma_is_lent(const struct page *page);
bool __cma_outside_is_short(void);
struct page *__cma_guard_gup(struct vm_area_struct *vma, unsigned long addr,
			     unsigned long nr_pages, unsigned int flags,
			     int *locked);
int __cma_guard_batch(struct address_space *mapping,
		      struct folio_batch *fbatch);
int __cma_guard_folio(struct address_space *mapping, struct folio **folio);
size_t __cma_read_folio(struct folio *folio, size_t offset, size_t *bytes,
			struct iov_iter *iter, struct folio_batch *fbatch);
size_t __cma_read_page(struct page *page, size_t offset, size_t *bytes,
		       struct iov_iter *iter);
bool cma_take_hold(struct vm_fault *vmf, struct folio **folio);
bool __cma_guard_write(struct folio *folio, fgf_t fgp_flags, gfp_t gfp,
		       bool *waited);
vm_fault_t __cma_guard_mkwrite(struct vm_fault *vmf, struct folio *folio);
void __cma_pay_charge(struct mem_cgroup *memcg, gfp_t gfp);
void __cma_put_back(struct folio *folio);
bool __cma_may_receive(struct address_space *mapping,
		       const struct folio *newfolio, const struct folio *folio);

/* Is an area active, and may the page be in one? */
static __always_inline bool cma_within_bounds(const struct page *page)
{
	if (!static_branch_unlikely(&cma_active_key))
		return false;
	return unlikely((unsigned long)page - cma_bounds.first <
			cma_bounds.size);
}

/*
 * Hooks in compaction: areas are neither its targets nor its sources.
 */
static inline bool cma_in_area(const struct page *page)
{
	return cma_within_bounds(page) && cma_find_area(page_to_pfn(page));
}

static inline bool cma_may_use(unsigned int alloc_flags)
{
	return !static_branch_unlikely(&cma_active_key) ||
	       alloc_flags & ALLOC_CMA;
}

static inline unsigned int cma_compaction_flags(void)
{
	return static_branch_unlikely(&cma_active_key) ? 0 : ALLOC_CMA;
}

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
 * In current->memcg_nr_pages_over_high: a loan was charged beyond the limit.  Until the
 * task has paid, it does not borrow: it is one page that its group is beyond for it.
 */
#define CMA_OWES	BIT(31)

/* Is the task about to sleep for its memory cgroup, with the page in hand? */
static inline bool cma_owes_reclaim(void)
{
#ifdef CONFIG_MEMCG
	return current->memcg_nr_pages_over_high;
#else
	return false;
#endif
}

static inline bool cma_is_borrower(gfp_t gfp)
{
	return gfp & __GFP_CMA && !(current->flags & PF_MEMALLOC_NOCMA) &&
	       !cma_owes_reclaim();
}

/*
 * Moving what a real-time task has locked delays the task: others go first, see
 * cma_makes_room().  By priority, which is one comparison: who inherited it borrows
 * last for as long.
 */
static inline bool cma_borrows_last(void)
{
	if (!rt_or_dl_task(current) || !current->mm)
		return false;
	/* Racy: a hint, and who locks is mostly this task. */
	return data_race(current->mm->locked_vm);
}

/* Hook in gfp_to_alloc_flags_cma(): is this a borrower? */
static inline bool cma_may_borrow(gfp_t gfp)
{
	if (!static_branch_unlikely(&cma_active_key))
		return true;
	return cma_is_borrower(gfp) && !cma_borrows_last();
}

/*
 * Hooks where file folios are allocated: large ones are not lent, a dirty one
 * can't be split everywhere.  Small ones may come from areas that lend to page
 * cache only.
 */
static inline struct folio *cma_alloc_file_folio(gfp_t gfp, unsigned int order)
{
	struct folio *folio;

	if (order)
		return filemap_alloc_folio(gfp & ~__GFP_CMA, order);
	if (static_branch_unlikely(&cma_file_key)) {
		folio = __cma_borrow_for_file(gfp);
		if (folio)
			return folio;
	}
	return filemap_alloc_folio(gfp, 0);
}

/*
 * A file's loan is clean: whoever looks a folio up to lock it is about to change it,
 * but for file systems that can't be written to.
 */
static inline bool cma_is_for_write(const struct address_space *mapping,
				    fgf_t fgp_flags)
{
	return fgp_flags & FGP_LOCK && !sb_rdonly(mapping->host->i_sb);
}

/* Hook in __filemap_get_folio(): what is written to is not borrowed. */
static inline struct folio *
cma_alloc_folio_for(const struct address_space *mapping, fgf_t fgp_flags,
		    gfp_t gfp, unsigned int order)
{
	if (static_branch_unlikely(&cma_active_key) &&
	    cma_is_for_write(mapping, fgp_flags))
		return filemap_alloc_folio(gfp & ~__GFP_CMA, order);
	return cma_alloc_file_folio(gfp, order);
}

/* Hooks where shmem allocates and swaps in: beyond what fits outside, it is no borrower. */
static inline gfp_t cma_shmem_gfp(gfp_t gfp)
{
	if (!static_branch_unlikely(&cma_active_key) || !(gfp & __GFP_CMA) ||
	    cma_has_room_for_shmem())
		return gfp;
	return gfp & ~__GFP_CMA;
}

/*
 * Hooks where pages are freed and per-CPU lists are refilled: area pages stay
 * off these lists, which serve whoever comes.  The types are ordered.
 */
static inline bool cma_bypasses_pcp(int migratetype)
{
	return migratetype >= MIGRATE_CMA;
}

static inline unsigned int cma_pcp_flags(unsigned int alloc_flags)
{
	if (!static_branch_unlikely(&cma_active_key))
		return alloc_flags;
	return alloc_flags & ~ALLOC_CMA;
}

/*
 * Pages by which a zone is below @mark without what its areas have free, and
 * without what is kept for atomic requests.
 */
static inline unsigned long cma_shortfall(struct zone *zone, unsigned long mark)
{
	return cma_short_of(mark, zone_page_state(zone, NR_FREE_PAGES),
			    zone_page_state(zone, NR_FREE_CMA_PAGES) +
			    READ_ONCE(zone->nr_free_highatomic));
}

/*
 * What kswapd keeps free, and what is kept for those who can't use a higher zone:
 * as borrowers can.
 */
static inline unsigned long cma_lend_mark(struct zone *zone)
{
	return high_wmark_pages(zone) + zone->lowmem_reserve[ZONE_MOVABLE] + 1;
}

/* Is memory outside of the areas down to that? */
static inline bool cma_zone_is_short(struct zone *zone)
{
	return zone_page_state(zone, NR_FREE_CMA_PAGES) &&
	       cma_shortfall(zone, cma_lend_mark(zone));
}

/*
 * Hooks in __rmqueue_pcplist() and __rmqueue(): once free memory outside of the
 * areas is down to what kswapd keeps free, borrowers use the areas, before anybody
 * has to reclaim for them.
 */
static inline bool cma_lends_now(struct zone *zone, unsigned int alloc_flags)
{
	if (!static_branch_unlikely(&cma_active_key))
		return false;
	return alloc_flags & ALLOC_CMA && cma_zone_is_short(zone);
}

/*
 * Hook in __rmqueue(), where areas have free pages, but no chunk of that size: the
 * watermark that let the request pass counted them.  Is what lies outside for others?
 */
static inline bool cma_leaves_rest(struct zone *zone, unsigned int order)
{
	return order && cma_shortfall(zone, min_wmark_pages(zone) + (1UL << order));
}

/* Hook in __rmqueue(): the base kernel's rule is not ours. */
static inline bool cma_shares_evenly(unsigned int alloc_flags)
{
	return false;
}

/* Hook in balance_pgdat(): what need not be reclaimed, in pages. */
static inline unsigned long cma_balance(struct pglist_data *pgdat,
					int highest_zoneidx)
{
	if (!static_branch_unlikely(&cma_active_key))
		return 0;
	return __cma_balance(pgdat, highest_zoneidx);
}

/*
 * Hook in the slow path, before direct reclaim: is it worth trying again?  Who
 * borrows last gets ALLOC_CMA when there is nothing left to move.
 */
static inline bool cma_makes_room(gfp_t gfp, unsigned int order,
				  unsigned int *alloc_flags,
				  const struct alloc_context *ac,
				  unsigned int tries)
{
	if (!static_branch_unlikely(&cma_active_key) || *alloc_flags & ALLOC_CMA)
		return false;
	return __cma_make_room(gfp, order, alloc_flags, ac, tries);
}

/* Hook in should_reclaim_retry(): what is reclaimed in vain does not count. */
static inline unsigned long cma_reclaimable(struct zone *zone,
					    unsigned int alloc_flags,
					    unsigned long reclaimable)
{
	if (!static_branch_unlikely(&cma_active_key))
		return reclaimable;
	return __cma_reclaimable(zone, alloc_flags, reclaimable);
}

/* What the current task allocates from here on is not borrowed. */
static inline unsigned int cma_noborrow_save_if(unsigned int condition)
{
	if (!static_branch_unlikely(&cma_active_key) || !condition)
		return 0;
	return memalloc_flags_save(PF_MEMALLOC_NOCMA);
}

static inline unsigned int cma_noborrow_save(void)
{
	return cma_noborrow_save_if(1);
}

/*
 * Hook in faultin_page(): what GUP faults in to hold it is not borrowed, unless
 * memory outside is short.  The guard has the last word.
 */
static inline unsigned int cma_gup_noborrow(unsigned int foll_flags)
{
	if (!static_branch_unlikely(&cma_active_key))
		return 0;
	return cma_noborrow_save_if(foll_flags & (FOLL_GET | FOLL_PIN) &&
				    !(foll_flags & FOLL_LENT) &&
				    !__cma_outside_is_short());
}

static inline void cma_noborrow_restore(unsigned int saved)
{
	if (static_branch_unlikely(&cma_active_key))
		memalloc_flags_restore(saved);
}

/* Is this page a loan?  The caller sees to it that it is not freed meanwhile. */
static __always_inline bool cma_is_lent(const struct page *page)
{
	return cma_within_bounds(page) && __cma_is_lent(page);
}

#ifdef CONFIG_MEMCG
/*
 * Hook in charge_memcg(): nobody reclaims for a limit with a loan in hand.  Who asks for
 * a large folio goes on with small ones.  Kernel threads don't come to pay.
 */
static inline gfp_t cma_charge_gfp(const struct folio *folio, gfp_t gfp)
{
	if (!cma_is_lent(&folio->page) || !gfpflags_allow_blocking(gfp) ||
	    current->flags & PF_KTHREAD)
		return gfp;
	gfp &= ~__GFP_DIRECT_RECLAIM;
	return folio_test_large(folio) ? gfp : gfp | __GFP_HIGH | __GFP_CMA;
}

/* Hook in try_charge_memcg(), where a charge goes beyond the limit: is it for a loan? */
static inline void cma_charge_forced(gfp_t gfp)
{
	gfp_t loan = __GFP_HIGH | __GFP_CMA;

	if ((gfp & loan) != loan)
		return;
	current->memcg_nr_pages_over_high |= CMA_OWES;
	set_notify_resume(current);
}

/* Hook in mem_cgroup_handle_over_high().  Return: what there is to be done but for that. */
static inline unsigned int cma_pay_charge(struct mem_cgroup *memcg,
					  unsigned int nr_pages, gfp_t gfp)
{
	if (nr_pages & CMA_OWES)
		__cma_pay_charge(memcg, gfp);
	return nr_pages & ~CMA_OWES;
}
#endif

/*
 * Hooks in follow_page_mask() and in GUP-fast: a loan that the caller wants to hold
 * for longer than a moment.
 */
static __always_inline bool cma_refuses(const struct page *page,
					unsigned int foll_flags)
{
	return cma_is_lent(page) && foll_flags & (FOLL_GET | FOLL_PIN) &&
	       !(foll_flags & (FOLL_LENT | FOLL_GRANTED));
}

/*
 * Hook in __get_user_pages(): one test for what is nearly always true, before
 * those for the kinds of errors, pays for the hooks in follow_page_mask().
 */
static __always_inline bool cma_gup_found(const struct page *page)
{
	return !IS_ERR_OR_NULL(page);
}

/*
 * Hook in __get_user_pages(), where @page is an error: CMA_REFUSED or CMA_GRANTED if
 * it is to be looked up again; else how to go on.  By value: it lives in a register.
 */
static inline struct page *cma_guard_gup(struct page *page,
					 struct vm_area_struct *vma,
					 unsigned long addr,
					 unsigned long nr_pages,
					 unsigned int foll_flags, int *locked)
{
	if (page != CMA_REFUSED)
		return page;
	return __cma_guard_gup(vma, addr, nr_pages, foll_flags, locked);
}

/* What a grant adds to the FOLL_* of the caller; for one page. */
static __always_inline unsigned int cma_granted(const struct page *page)
{
	return page == CMA_GRANTED ? FOLL_GRANTED : 0;
}

/* Hooks where folios enter a page cache: a mapping remembers that it had a loan. */
static inline void cma_note_lent(struct address_space *mapping,
				 const struct folio *folio)
{
	if (cma_within_bounds(&folio->page) &&
	    !test_bit(AS_CMA_LENT, &mapping->flags) &&
	    __cma_is_lent(&folio->page))
		set_bit(AS_CMA_LENT, &mapping->flags);
}

/* Hook in __folio_migrate_mapping(): the same for folios that come by migration. */
static inline bool cma_may_receive(struct address_space *mapping,
				   const struct folio *newfolio,
				   const struct folio *folio)
{
	return !cma_within_bounds(&newfolio->page) ||
	       __cma_may_receive(mapping, newfolio, folio);
}

/*
 * Hook in filemap_splice_read(): an error, or 0 to go on with what is in the batch;
 * if that is nothing, it has to be looked up again.
 */
static inline int cma_guard_batch(struct address_space *mapping,
				  struct folio_batch *fbatch)
{
	if (!static_branch_unlikely(&cma_active_key) ||
	    !test_bit(AS_CMA_LENT, &mapping->flags))
		return 0;
	return __cma_guard_batch(mapping, fbatch);
}

/* Hook in shmem_file_splice_read(): the same for one folio, which becomes NULL. */
static inline int cma_guard_folio(struct address_space *mapping,
				  struct folio **folio)
{
	return cma_is_lent(&(*folio)->page) ?
	       __cma_guard_folio(mapping, folio) : 0;
}

/*
 * Hook in filemap_read(): copy to user memory, without page faults from folios of
 * a batch in which there may be loans.  Where it has to fault, the batch is empty
 * afterwards, and @bytes is what was tried.
 */
static inline size_t cma_read_folio(const struct address_space *mapping,
				    struct folio *folio, size_t offset,
				    size_t *bytes, struct iov_iter *iter,
				    struct folio_batch *fbatch)
{
	if (static_branch_unlikely(&cma_active_key) &&
	    test_bit(AS_CMA_LENT, &mapping->flags) && user_backed_iter(iter))
		return __cma_read_folio(folio, offset, bytes, iter, fbatch);
	return copy_folio_to_iter(folio, offset, *bytes, iter);
}

/* Hook in shmem_file_read_iter(): the same, and the reference is given up. */
static inline size_t cma_read_page(struct page *page, size_t offset,
				   size_t *bytes, struct iov_iter *iter)
{
	size_t copied;

	if (cma_is_lent(page) && user_backed_iter(iter))
		return __cma_read_page(page, offset, bytes, iter);
	copied = copy_page_to_iter(page, offset, *bytes, iter);
	put_page(page);
	return copied;
}

/*
 * Hook in filemap_read(): who owes reclaim would sleep for it in read-ahead, with a
 * batch of folios in hand.
 */
static inline void cma_pay_first(const struct kiocb *iocb,
				 const struct address_space *mapping)
{
	if (static_branch_unlikely(&cma_active_key) && cma_owes_reclaim() &&
	    test_bit(AS_CMA_LENT, &mapping->flags) &&
	    !(iocb->ki_flags & IOCB_NOWAIT))
		mem_cgroup_handle_over_high(GFP_KERNEL);
}

/*
 * Hook in wp_page_copy(): true if the reference to the folio is gone until there is
 * a page to copy it to, see cma_take_hold().
 */
static inline bool cma_let_go(struct folio **folio)
{
	if (!*folio || !cma_is_lent(&(*folio)->page))
		return false;
	folio_put(*folio);
	*folio = NULL;
	return true;
}

/*
 * Hook in __filemap_get_folio(): true if the folio was about to be written to, and
 * has to be looked up again, without the reference to it.  @waited is false at first.
 */
static inline bool cma_guard_write(const struct address_space *mapping,
				   struct folio *folio, fgf_t fgp_flags,
				   gfp_t gfp, bool *waited)
{
	if (!static_branch_unlikely(&cma_active_key) ||
	    !test_bit(AS_CMA_LENT, &mapping->flags) ||
	    !cma_is_lent(&folio->page) || !cma_is_for_write(mapping, fgp_flags))
		return false;
	return __cma_guard_write(folio, fgp_flags, gfp, waited);
}

/*
 * Hook before do_page_mkwrite(): if it is not 0, the fault ends like this, and the
 * reference to the folio is gone.
 */
static inline vm_fault_t cma_guard_mkwrite(struct vm_fault *vmf,
					   struct folio *folio)
{
	return cma_is_lent(&folio->page) ? __cma_guard_mkwrite(vmf, folio) : 0;
}

/* Hooks in KSM: what it leaves alone. */
static inline bool cma_ksm_skips(const struct folio *folio)
{
	return folio_is_zone_device(folio) || cma_is_lent(&folio->page);
}

/*
 * Hook in do_pages_move(): is the folio that was queued last a loan?  Then it is
 * to be moved now, before the others.
 */
static inline bool cma_lent_comes_first(struct list_head *folios)
{
	struct folio *last = list_last_entry(folios, struct folio, lru);

	if (!cma_is_lent(&last->page))
		return false;
	list_move(&last->lru, folios);
	return true;
}

/*
 * Hook in migrate_pages_sync(): a loan that could not be moved does not stay isolated
 * while others are waited for.  One folio is moved at a time.
 */
static inline void cma_put_back_last(struct list_head *folios)
{
	struct folio *last;

	if (!static_branch_unlikely(&cma_active_key) || list_empty(folios))
		return;
	last = list_last_entry(folios, struct folio, lru);
	if (cma_is_lent(&last->page))
		__cma_put_back(last);
}

/* Hook in migrate_folio_add(): loans are migrated first. */
static inline void cma_queue(struct folio *folio, struct list_head *folios)
{
	if (cma_is_lent(&folio->page))
		list_add(&folio->lru, folios);
	else
		list_add_tail(&folio->lru, folios);
}

#else /* !CONFIG_CMA_LEND */

static inline bool cma_in_area(const struct page *page)
{
	return false;
}

static inline bool cma_may_use(unsigned int alloc_flags)
{
	return true;
}

static inline unsigned int cma_compaction_flags(void)
{
	return ALLOC_CMA;
}

static inline bool cma_keeps_isolated(const struct page *page, int migratetype)
{
	return false;
}

static inline bool cma_may_borrow(gfp_t gfp)
{
	return true;
}

static inline struct folio *cma_alloc_file_folio(gfp_t gfp, unsigned int order)
{
	return filemap_alloc_folio(gfp, order);
}

static inline struct folio *
cma_alloc_folio_for(const struct address_space *mapping, fgf_t fgp_flags,
		    gfp_t gfp, unsigned int order)
{
	return filemap_alloc_folio(gfp, order);
}

static inline gfp_t cma_shmem_gfp(gfp_t gfp)
{
	return gfp;
}

static inline bool cma_bypasses_pcp(int migratetype)
{
	return is_migrate_isolate(migratetype);
}

static inline unsigned int cma_pcp_flags(unsigned int alloc_flags)
{
	return alloc_flags;
}

static inline bool cma_lends_now(struct zone *zone, unsigned int alloc_flags)
{
	return false;
}

static inline bool cma_leaves_rest(struct zone *zone, unsigned int order)
{
	return false;
}

static inline bool cma_shares_evenly(unsigned int alloc_flags)
{
	return alloc_flags & ALLOC_CMA;
}

static inline unsigned long cma_balance(struct pglist_data *pgdat,
					int highest_zoneidx)
{
	return 0;
}

static inline bool cma_makes_room(gfp_t gfp, unsigned int order,
				  unsigned int *alloc_flags,
				  const struct alloc_context *ac,
				  unsigned int tries)
{
	return false;
}

static inline unsigned long cma_reclaimable(struct zone *zone,
					    unsigned int alloc_flags,
					    unsigned long reclaimable)
{
	return reclaimable;
}

static inline unsigned int cma_noborrow_save_if(unsigned int condition)
{
	return 0;
}

static inline unsigned int cma_noborrow_save(void)
{
	return 0;
}

static inline unsigned int cma_gup_noborrow(unsigned int foll_flags)
{
	return 0;
}

static inline void cma_noborrow_restore(unsigned int saved)
{
}

static inline bool cma_is_lent(const struct page *page)
{
	return false;
}

static inline bool cma_refuses(const struct page *page, unsigned int foll_flags)
{
	return false;
}

static inline bool cma_gup_found(const struct page *page)
{
	return false;
}

static inline struct page *cma_guard_gup(struct page *page,
					 struct vm_area_struct *vma,
					 unsigned long addr,
					 unsigned long nr_pages,
					 unsigned int foll_flags, int *locked)
{
	return page;
}

static inline unsigned int cma_granted(const struct page *page)
{
	return 0;
}

static inline void cma_note_lent(struct address_space *mapping,
				 const struct folio *folio)
{
}

static inline bool cma_may_receive(struct address_space *mapping,
				   const struct folio *newfolio,
				   const struct folio *folio)
{
	return true;
}

static inline int cma_guard_batch(struct address_space *mapping,
				  struct folio_batch *fbatch)
{
	return 0;
}

static inline int cma_guard_folio(struct address_space *mapping,
				  struct folio **folio)
{
	return 0;
}

static inline size_t cma_read_folio(const struct address_space *mapping,
				    struct folio *folio, size_t offset,
				    size_t *bytes, struct iov_iter *iter,
				    struct folio_batch *fbatch)
{
	return copy_folio_to_iter(folio, offset, *bytes, iter);
}

static inline size_t cma_read_page(struct page *page, size_t offset,
				   size_t *bytes, struct iov_iter *iter)
{
	size_t copied = copy_page_to_iter(page, offset, *bytes, iter);

	put_page(page);
	return copied;
}

static inline void cma_pay_first(const struct kiocb *iocb,
				 const struct address_space *mapping)
{
}

static inline bool cma_let_go(struct folio **folio)
{
	return false;
}

static inline bool cma_take_hold(struct vm_fault *vmf, struct folio **folio)
{
	return true;
}

static inline bool cma_guard_write(const struct address_space *mapping,
				   struct folio *folio, fgf_t fgp_flags,
				   gfp_t gfp, bool *waited)
{
	return false;
}

static inline vm_fault_t cma_guard_mkwrite(struct vm_fault *vmf,
					   struct folio *folio)
{
	return 0;
}

static inline gfp_t cma_charge_gfp(const struct folio *folio, gfp_t gfp)
{
	return gfp;
}

static inline void cma_charge_forced(gfp_t gfp)
{
}

static inline unsigned int cma_pay_charge(struct mem_cgroup *memcg,
					  unsigned int nr_pages, gfp_t gfp)
{
	return nr_pages;
}

static inline bool cma_ksm_skips(const struct folio *folio)
{
	return folio_is_zone_device(folio);
}

static inline bool cma_lent_comes_first(struct list_head *folios)
{
	return false;
}

static inline void cma_put_back_last(struct list_head *folios)
{
}

static inline void cma_queue(struct folio *folio, struct list_head *folios)
{
	list_add_tail(&folio->lru, folios);
}

#endif /* CONFIG_CMA_LEND */
#endif /* _MM_PAGE_ALLOC_CMA_H */
