/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hooks of the page allocator, of reclaim and of whoever allocates: what is a loan,
 * who borrows, when, and who makes room.  Each is behind one static key.
 */
#ifndef _MM_LEND_CMA_H
#define _MM_LEND_CMA_H

#include <linux/gfp.h>
#include <linux/jump_label.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mmzone.h>
#include <linux/page-isolation.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/rt.h>

#include "internal.h"
#include "range_cma.h"

struct alloc_context;
struct cma;

#ifdef CONFIG_CMA_LEND

DECLARE_STATIC_KEY_FALSE(cma_active_key);
DECLARE_STATIC_KEY_FALSE(cma_file_key);

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

struct cma *cma_find_area(unsigned long pfn);
bool __cma_is_lent(const struct page *page);
bool __cma_keeps_isolated(const struct page *page, int migratetype);
struct folio *__cma_borrow_for_file(gfp_t gfp);
bool cma_has_room_for_shmem(void);
bool cma_has_io_limits(const struct address_space *mapping);
unsigned long __cma_balance(struct pglist_data *pgdat, int highest_zoneidx);
bool __cma_make_room(gfp_t gfp, unsigned int order, unsigned int *alloc_flags,
		     const struct alloc_context *ac, unsigned int tries);
unsigned long __cma_reclaimable(struct zone *zone, unsigned int alloc_flags,
				unsigned long reclaimable);

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
 * Who borrows only what nobody else can be moved into, see cma_makes_room().
 *
 * Memory with MMU notifiers: whoever unmaps it waits for those that mirror its page
 * tables, and a GPU's driver waits there for jobs of user space's.  What a real-time
 * task has locked: moving it delays the task.  By priority, which is one comparison:
 * who inherited it borrows last for as long.
 */
static inline bool cma_borrows_last(void)
{
	struct mm_struct *mm = current->mm;

	if (!mm)
		return false;
	if (mm_has_notifiers(mm))
		return true;
	/* Racy: a hint, and who locks is mostly this task. */
	return rt_or_dl_task(current) && data_race(mm->locked_vm);
}

/* Hook in gfp_to_alloc_flags_cma(): is this a borrower? */
static inline bool cma_may_borrow(gfp_t gfp)
{
	if (!static_branch_unlikely(&cma_active_key))
		return true;
	return cma_is_borrower(gfp) && !cma_borrows_last();
}

/* May it be locked for as long as it is filled, if it was a loan? */
static inline bool cma_may_fill(const struct address_space *mapping, gfp_t gfp)
{
	return !static_branch_unlikely(&cma_active_key) ||
	       !(gfp & __GFP_CMA) || !cma_has_io_limits(mapping);
}

/*
 * Hooks where file folios are allocated: large ones are not lent, a dirty one
 * can't be split everywhere.  Small ones may come from areas that lend to page
 * cache only.
 */
static inline struct folio *
cma_alloc_file_folio(const struct address_space *mapping, gfp_t gfp,
		     unsigned int order)
{
	struct folio *folio;

	if (order || !cma_may_fill(mapping, gfp))
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
	return cma_alloc_file_folio(mapping, gfp, order);
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

static inline struct folio *
cma_alloc_file_folio(const struct address_space *mapping, gfp_t gfp,
		     unsigned int order)
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

static inline void cma_noborrow_restore(unsigned int saved)
{
}

static inline bool cma_is_lent(const struct page *page)
{
	return false;
}

#endif /* CONFIG_CMA_LEND */
#endif /* _MM_LEND_CMA_H */
