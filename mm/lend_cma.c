// SPDX-License-Identifier: GPL-2.0
/*
 * Lending: to whom an area lends, what it lends now, and making room.
 *
 * An area lends to all borrowers, to page cache only, or to nobody.  Where it does
 * not lend to all, its pageblocks stay isolated: no free page of it is on a list
 * or in a count that others use, and page cache fetches its pages from here.
 *
 * What areas have free is of no use to those who may not borrow.  When they are
 * short, pages of borrowers are moved from outside into the areas, before anything
 * is reclaimed, swapped out or killed.  This file chooses what is moved in: pages
 * of borrowers only, cold ones first, and quiet ones only (nobody holds, locks or
 * writes them).  A walk over the zone that is short finds them, from where the last
 * walk ended.
 *
 * Nothing here allocates or reclaims, and nothing waits for a folio: folio locks are
 * tried, and targets are free pages of the areas.
 */
#define pr_fmt(fmt) "cma: " fmt

#include <linux/alloc_tag.h>
#include <linux/blkdev.h>
#include <linux/cma.h>
#include <linux/cma_lend.h>
#include <linux/cpuset.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mmzone.h>
#include <linux/pagemap.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/vmstat.h>
#include <linux/wait.h>

#include "internal.h"
#include "page_alloc_cma.h"

/* Pages that are moved with one TLB flush. */
#define CMA_ROOM_BATCH		64U
/* With fewer than this from a pageblock's worth of cold pages, others will do. */
#define CMA_ROOM_FEW		16U
/* Pages to look at before it is somebody else's turn. */
#define CMA_ROOM_SCAN		(64 * pageblock_nr_pages)
/* How long to wait for a turn. */
#define CMA_ROOM_WAIT		(HZ / 10)
/* Rest after a round of a whole zone that found nothing. */
#define CMA_ROOM_REST		(HZ / 4)
/* For how long what goes last is moved, once there was nothing else. */
#define CMA_ROOM_LAST		(10 * HZ)
/* Who has had room made so often without getting a page has to reclaim. */
#define CMA_ROOM_TRIES		16

/**
 * struct cma_walk - where the walk over a zone stands
 * @lock: one walks at a time: those who wait profit from what is moved meanwhile,
 *	and so few pages are isolated that reclaim does not miss them.  Taken where
 *	memory may be reclaimed; what is taken under it is what reclaim takes
 * @turn: those who wait for @lock, for a while
 * @pfn: where it goes on; under @lock, like the fields below
 * @seen: pages looked at since something was moved
 * @last: in 64-bit jiffies: what goes last is moved as well until then, because
 *	there was nothing else
 * @rest: in 64-bit jiffies: there is nothing to be found until then
 */
struct cma_walk {
	struct mutex lock;	/* taken where memory may be reclaimed */
	wait_queue_head_t turn;
	unsigned long pfn;
	unsigned long seen;
	u64 last;
	u64 rest;
};

/* One for each zone of each node; NULL before they are ready. */
static struct cma_walk *cma_walks __ro_after_init;

/**
 * struct cma_need - who is short of memory
 * @zone: the zone that is short
 * @gfp: what may be entered on the caller's behalf
 * @order: of the allocation
 * @highest_zoneidx: the highest zone that would do as well
 *
 * On its caller's stack, like the next one.
 */
struct cma_need {
	struct zone *zone;
	gfp_t gfp;
	unsigned int order;
	int highest_zoneidx;
};

/**
 * struct cma_room - one batch of pages to be moved in
 * @need: for whom
 * @cold: pages that were in use lately are left alone
 * @last: what is locked into memory, or huge, is not
 * @targets: free pages of areas, with a reference each
 * @nr_targets: pages in @targets at first
 * @sources: folios isolated from the LRU
 * @nr: pages in @sources
 * @large: where the last large folio of @sources begins, 0 if there is none
 */
struct cma_room {
	const struct cma_need *need;
	bool cold;
	bool last;
	struct list_head targets;
	unsigned int nr_targets;
	struct list_head sources;
	unsigned int nr;
	unsigned long large;
};

/* What cma_bypasses_pcp() compares. */
static_assert(MIGRATE_PCPTYPES <= MIGRATE_CMA && MIGRATE_CMA < MIGRATE_ISOLATE);

/* To whom an area lends. */

DEFINE_STATIC_KEY_FALSE(cma_file_key);
static DEFINE_MUTEX(cma_lend_lock);	/* guards cma->lend and cma_file_key */

const char * const cma_lend_names[CMA_LEND_POLICIES] = {
	[CMA_LEND_ALL] = "all",
	[CMA_LEND_FILE] = "file",
	[CMA_LEND_NONE] = "none",
};

static void cma_count_lend(enum cma_lend old, enum cma_lend new)
{
	if (new == CMA_LEND_FILE)
		static_branch_inc(&cma_file_key);
	if (old == CMA_LEND_FILE)
		static_branch_dec(&cma_file_key);
}

/**
 * cma_set_lend() - choose to whom an area lends
 * @cma: the area
 * @lend: to whom
 *
 * What is lent already stays so until it is given back or recalled.
 *
 * Context: may sleep.
 * Return: 0, or -EBUSY if others have isolated pages of the area.
 */
int cma_set_lend(struct cma *cma, enum cma_lend lend)
{
	bool keep = lend != CMA_LEND_ALL, kept;
	int ret = 0;

	mutex_lock(&cma_lend_lock);
	kept = cma->lend != CMA_LEND_ALL;
	if (keep != kept)
		ret = cma_keep(cma, keep);
	if (!ret) {
		cma_count_lend(cma->lend, lend);
		WRITE_ONCE(cma->lend, lend);
	}
	mutex_unlock(&cma_lend_lock);
	return ret;
}

#ifdef CONFIG_NUMA
static bool cma_has_mempolicy(void)
{
	return current->mempolicy;
}
#else
static bool cma_has_mempolicy(void)
{
	return false;
}
#endif

/* May page cache have this page?  Not if a request is about to. */
static bool cma_lends_to_file(unsigned long pfn)
{
	struct cma *cma = cma_find_area(pfn);

	return cma && READ_ONCE(cma->lend) == CMA_LEND_FILE &&
	       !test_bit(cma_granule_of(cma, pfn), cma->bitmap);
}

/**
 * cma_has_io_limits() - may who reads a file have to wait for its cgroup's turn?
 * @mapping: the file's
 *
 * So it is once somebody has set io.max for the disk, to whatever.  Folios stay locked
 * until it is the cgroup's turn, and when that is, user space says.  Disks below a
 * device mapper are not looked at.
 *
 * Context: any.
 * Return: true if so.
 */
bool cma_has_io_limits(const struct address_space *mapping)
{
#ifdef CONFIG_BLK_DEV_THROTTLING
	struct block_device *bdev = mapping->host->i_sb->s_bdev;

	return bdev && READ_ONCE(bdev_get_queue(bdev)->td);
#else
	return false;
#endif
}

/**
 * __cma_borrow_for_file() - a page of an area that lends to page cache only
 * @gfp: what the page cache would allocate with
 *
 * From the local node, once memory outside of the areas is short in all zones
 * that may be used; whoever has a policy of its own goes without.
 *
 * Context: any; takes zone->lock.
 * Return: a folio with a reference, or NULL.
 */
struct folio *__cma_borrow_for_file(gfp_t gfp)
{
	struct zone *zones = NODE_DATA(numa_mem_id())->node_zones;
	struct cma_recall rc = { .gfp = gfp & ~__GFP_COMP };
	int i;

	if (!cma_is_borrower(gfp) || cpuset_do_page_mem_spread() ||
	    cma_has_mempolicy())
		return NULL;
	for (i = gfp_zone(gfp); i >= 0; i--) {
		if (!managed_zone(&zones[i]))
			continue;
		if (!cma_shortfall(&zones[i], cma_lend_mark(&zones[i])) ||
		    !cpuset_zone_allowed(&zones[i], gfp))
			return NULL;
		if (cma_take_isolated(&rc, &zones[i], cma_lends_to_file)) {
			alloc_hooks(cma_hand_over(&rc, 1));
			return pfn_folio(rc.start);
		}
	}
	return NULL;
}

/**
 * cma_has_room_for_shmem() - may shmem borrow?
 *
 * Without swap, nothing frees tmpfs: all shmem together has to fit into memory
 * outside of the areas, beside what is neither free nor on the LRU lists.  There is
 * enough of it if this says no: others can have the areas.  What areas keep from all
 * is not counted as free; those that lend to page cache may have lent everything.
 *
 * Context: any.
 * Return: true if so.
 */
bool cma_has_room_for_shmem(void)
{
	long room = global_zone_page_state(NR_FREE_PAGES) +
		    global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B) +
		    get_nr_swap_pages();
	enum lru_list lru;
	unsigned int i;

	for_each_lru(lru)
		room += global_node_page_state(NR_LRU_BASE + lru);
	for (i = 0; i < cma_area_count; i++)
		if (READ_ONCE(cma_areas[i].lend) != CMA_LEND_NONE)
			room -= cma_lendable(&cma_areas[i]);
	/* Recall leaves as much, and as much again. */
	room -= 2 * totalreserve_pages;
	return room > (long)global_node_page_state(NR_SHMEM);
}

/* What an area lends. */

/* Without a reference: the folio may become anything, and a tail of anything. */
static void cma_count_folio(struct folio *folio, struct cma_lent *lent)
{
	unsigned long mapping = (unsigned long)READ_ONCE(folio->mapping);

	if (mapping & PAGE_MAPPING_ANON)
		lent->anon++;
	else if (!mapping)
		lent->other++;
	else if (test_bit(PG_swapbacked, &folio->flags))
		lent->shmem++;
	else
		lent->file++;
}

/* The page at @pfn, or the free chunk that begins there.  Return: its pages. */
static unsigned long cma_count_page(const struct cma *cma, unsigned long pfn,
				    struct cma_lent *lent)
{
	struct page *page = pfn_to_page(pfn);
	unsigned int order;

	if (PageBuddy(page)) {
		order = buddy_order_unsafe(page);
		return order <= MAX_PAGE_ORDER ? 1UL << order : 1;
	}
	if (!cma_page_is_held(cma, pfn))
		cma_count_folio(page_folio(page), lent);
	return 1;
}

/**
 * cma_count_lent() - count what an area lends
 * @cma: the area
 * @lent: result
 *
 * A walk without locks: what changes hands meanwhile may be missed, or counted
 * for what it was.
 *
 * Context: may sleep.
 */
void cma_count_lent(const struct cma *cma, struct cma_lent *lent)
{
	unsigned long pfn = cma->base_pfn, end = pfn + cma->count;

	*lent = (struct cma_lent) { };
	while (pfn < end) {
		pfn += cma_count_page(cma, pfn, lent);
		if (!(pfn % pageblock_nr_pages))
			cond_resched();
	}
}

static unsigned long cma_count_loans(const struct cma *cma)
{
	struct cma_lent lent;

	cma_count_lent(cma, &lent);
	return lent.anon + lent.file + lent.shmem + lent.other;
}

/* Loans of a zone's areas that lend to page cache only, and of those that lend to all. */
static void cma_count_zone_loans(struct zone *zone, unsigned long *file,
				 unsigned long *all)
{
	unsigned long free = zone_page_state(zone, NR_FREE_CMA_PAGES);
	unsigned int i;

	*file = 0;
	*all = 0;
	for (i = 0; i < cma_area_count; i++) {
		struct cma *cma = &cma_areas[i];

		if (!cma->count || page_zone(pfn_to_page(cma->base_pfn)) != zone)
			continue;
		if (READ_ONCE(cma->lend) == CMA_LEND_ALL)
			*all += cma_lendable(cma);
		else if (static_branch_unlikely(&cma_file_key))
			*file += cma_count_loans(cma);
	}
	*all -= min(*all, free);
}

/**
 * __cma_reclaimable() - how much of what a zone may reclaim helps an allocation?
 * @zone: the zone
 * @alloc_flags: ALLOC_* of the allocation
 * @reclaimable: pages that could be reclaimed
 *
 * Loans of page cache that only page cache can have help nobody.  Who may not
 * borrow gets at most what is on the LRU lists outside of the areas, be it
 * reclaimed or moved to where loans were reclaimed.
 *
 * Context: the allocator's slow path, may sleep.
 * Return: pages.
 */
unsigned long __cma_reclaimable(struct zone *zone, unsigned int alloc_flags,
				unsigned long reclaimable)
{
	unsigned long file, all, outside = 0;
	enum lru_list lru;

	cma_count_zone_loans(zone, &file, &all);
	reclaimable -= min(reclaimable, file);
	if (alloc_flags & ALLOC_CMA)
		return reclaimable;
	/* What is locked counts on both sides: loans are, too. */
	for_each_lru(lru)
		outside += zone_page_state(zone, NR_ZONE_LRU_BASE + lru);
	outside -= min(outside, file + all);
	return min(reclaimable, outside);
}

/**
 * cma_show_meminfo() - the line of /proc/meminfo that says what is lent
 * @m: the file
 *
 * Where an area lends to all, what is neither free nor held is lent.
 *
 * Context: may sleep.
 */
void cma_show_meminfo(struct seq_file *m)
{
	unsigned long lendable = 0, free, loans = 0;
	unsigned int i;

	for (i = 0; i < cma_area_count; i++) {
		if (READ_ONCE(cma_areas[i].lend) == CMA_LEND_ALL)
			lendable += cma_lendable(&cma_areas[i]);
		else
			loans += cma_count_loans(&cma_areas[i]);
	}
	free = global_zone_page_state(NR_FREE_CMA_PAGES);
	loans += lendable - min(lendable, free);
	seq_put_decimal_ull_width(m, "CmaLent:        ", K(loans), 8);
	seq_puts(m, " kB\n");
}

/* Targets. */

/* Return: pages taken. */
static unsigned int cma_add_targets(struct cma_room *room, struct zone *zone)
{
	struct cma_recall rc = { .gfp = GFP_HIGHUSER_MOVABLE & ~__GFP_RECLAIM };
	unsigned long pfn;

	if (!cma_take_any(&rc, zone, CMA_ROOM_BATCH - room->nr_targets))
		return 0;
	alloc_hooks(cma_hand_over(&rc, rc.end - rc.start));
	for (pfn = rc.start; pfn < rc.end; pfn++)
		list_add_tail(&pfn_to_page(pfn)->lru, &room->targets);
	return rc.end - rc.start;
}

/*
 * A batch, if there are so many.  Who may have a page of the zone may have one of a
 * lower zone.
 */
static void cma_find_targets(struct cma_room *room)
{
	struct zone *zone = room->need->zone;
	struct zone *zones = zone->zone_pgdat->node_zones;
	unsigned int taken;
	int i;

	for (i = zone_idx(zone); i >= 0; i--) {
		if (!managed_zone(&zones[i]))
			continue;
		do {
			if (room->nr_targets == CMA_ROOM_BATCH)
				return;
			taken = cma_add_targets(room, &zones[i]);
			room->nr_targets += taken;
		} while (taken);
	}
}

static void cma_count_moved_in(unsigned long pfn, int nr)
{
	struct cma *cma = cma_find_area(pfn);

	if (cma)
		this_cpu_add(cma->stats->moved_in, nr);
}

/* Small ones only: without a target, migrate_pages() splits what is large. */
static struct folio *cma_next_target(struct folio *src, unsigned long private)
{
	struct cma_room *room = (struct cma_room *)private;
	struct page *page = list_first_entry_or_null(&room->targets,
						     struct page, lru);

	if (!page || folio_test_large(src))
		return NULL;
	list_del(&page->lru);
	cma_count_moved_in(page_to_pfn(page), 1);
	return page_folio(page);
}

/* It was not used: for the next one. */
static void cma_keep_target(struct folio *dst, unsigned long private)
{
	struct cma_room *room = (struct cma_room *)private;

	cma_count_moved_in(folio_pfn(dst), -1);
	list_add(&dst->lru, &room->targets);
}

static void cma_free_targets(struct cma_room *room)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &room->targets, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

/* Sources. */

/* The owner of page cache may be about to go: inodes are freed by RCU. */
static bool cma_is_borrowers(const struct cma_room *room, struct folio *folio)
{
	struct address_space *mapping;
	unsigned long kind;
	bool ok;

	rcu_read_lock();
	mapping = READ_ONCE(folio->mapping);
	kind = (unsigned long)mapping & PAGE_MAPPING_FLAGS;
	if (kind || !mapping)
		ok = kind == PAGE_MAPPING_ANON;
	else
		ok = mapping_gfp_mask(mapping) & __GFP_CMA &&
		     room->need->gfp & __GFP_FS &&
		     (!folio_test_swapbacked(folio) || cma_has_room_for_shmem());
	rcu_read_unlock();
	return ok;
}

/* A hint: the folio may change lists any time. */
static bool cma_is_cold(struct folio *folio)
{
	bool active = folio_test_active(folio);
	int gen;

	if (folio_test_unevictable(folio) || folio_test_referenced(folio))
		return false;
	if (lru_gen_enabled()) {
		gen = folio_lru_gen(folio);
		rcu_read_lock();
		active = gen < 0 || lru_gen_is_active(folio_lruvec(folio), gen);
		rcu_read_unlock();
	}
	return !active;
}

/*
 * Moving what is locked into memory delays whoever locked it, and that may be a
 * real-time task: others go first, and on real-time kernels nobody follows.
 */
static bool cma_may_fault(const struct cma_room *room, struct folio *folio)
{
	if (!folio_test_unevictable(folio) && !folio_test_mlocked(folio))
		return true;
	return room->last && !IS_ENABLED(CONFIG_PREEMPT_RT);
}

/* May whatever could be moved be moved for it? */
static bool cma_needs_all(const struct cma_need *need)
{
	return need->gfp & __GFP_FS && !(need->gfp & __GFP_NORETRY) &&
	       need->order <= PAGE_ALLOC_COSTLY_ORDER;
}

/*
 * A batch has no room for a huge page: its owner loses it for good when it is split
 * and moved in parts.  Still better than to be killed, but not for who has other
 * ways.  Large folios of files are dropped at little cost.
 */
static bool cma_may_split(const struct cma_room *room, struct folio *folio)
{
	if (!folio_test_large(folio))
		return true;
	return room->last && cma_needs_all(room->need) &&
	       folio_test_anon(folio) && folio_mapped(folio);
}

static bool cma_find_mirror(struct folio *folio, struct vm_area_struct *vma,
			    unsigned long address, void *found)
{
	*(bool *)found = mm_has_notifiers(vma->vm_mm);
	return !*(bool *)found;
}

/* Has anybody who maps it MMU notifiers?  Where that can't be told, too. */
static bool cma_has_mirror(struct folio *folio)
{
	bool found = false;
	struct rmap_walk_control walk = {
		.arg = &found,
		.try_lock = true,
		.rmap_one = cma_find_mirror,
		.anon_lock = folio_lock_anon_vma_read,
	};

	if (!IS_ENABLED(CONFIG_MMU_NOTIFIER) || !folio_test_anon(folio))
		return false;
	if (!folio_trylock(folio))
		return true;
	rmap_walk(folio, &walk);
	folio_unlock(folio);
	return found || walk.contended;
}

/* With a reference of ours. */
static bool cma_may_move_in(const struct cma_room *room, struct folio *folio)
{
	if (folio_test_locked(folio) || folio_test_writeback(folio))
		return false;
	if (folio_test_dirty(folio) && !folio_test_swapbacked(folio))
		return false;
	return cma_is_borrowers(room, folio) && cma_may_fault(room, folio) &&
	       cma_may_split(room, folio) &&
	       !cma_moved_out_lately(folio_pfn(folio)) &&
	       folio_ref_count(folio) == cma_expected_refs(folio) + 1 &&
	       (!room->cold || cma_is_cold(folio)) && !cma_has_mirror(folio);
}

static void cma_add_source(struct cma_room *room, struct page *page)
{
	struct folio *folio = folio_get_nontail_page(page);

	if (!folio)
		return;
	if (folio_test_lru(folio) && cma_may_move_in(room, folio) &&
	    cma_isolate_loan(folio, &room->sources)) {
		room->nr += folio_nr_pages(folio);
		if (folio_test_large(folio))
			room->large = folio_pfn(folio);
	}
	folio_put(folio);
}

/* Pages from @page on that are of one chunk or folio; only a hint. */
static unsigned long cma_skip(struct page *page)
{
	unsigned long order = 0;

	if (PageBuddy(page))
		order = buddy_order_unsafe(page);
	else if (PageHead(page))
		order = compound_order(page);
	return order <= MAX_PAGE_ORDER ? 1UL << order : 1;
}

/* Walk from @pfn to @end, within a pageblock.  Return: where the walk ended. */
static unsigned long cma_scan_pages(struct cma_room *room, unsigned long pfn,
				    unsigned long end)
{
	while (pfn < end && room->nr < room->nr_targets) {
		struct page *page = pfn_to_page(pfn);

		if (PageLRU(page) && !PageTail(page))
			cma_add_source(room, page);
		pfn += cma_skip(page);
	}
	return min(pfn, end);
}

/*
 * The rest of a pageblock: cold pages, or what there is.  An area is passed over.
 * Return: where the walk goes on.
 */
static unsigned long cma_scan_block(struct cma_room *room, unsigned long pfn)
{
	struct zone *zone = room->need->zone;
	unsigned long end = min(pageblock_end_pfn(pfn), zone_end_pfn(zone));
	struct cma *cma = cma_find_area(pfn);
	unsigned long next;

	if (cma)
		return cma->base_pfn + cma->count;
	if (!pageblock_pfn_to_page(pfn, end, zone))
		return end;
	room->cold = true;
	next = cma_scan_pages(room, pfn, end);
	if (room->nr >= min(CMA_ROOM_FEW, room->nr_targets))
		return next;
	room->cold = false;
	return cma_scan_pages(room, pfn, end);
}

static struct cma_walk *cma_zone_walk(struct zone *zone)
{
	return &cma_walks[zone_to_nid(zone) * MAX_NR_ZONES + zone_idx(zone)];
}

static bool cma_moves_last(const struct cma_walk *walk)
{
	lockdep_assert_held(&walk->lock);

	return time_before64(get_jiffies_64(), walk->last);
}

/*
 * A round of the zone in which nobody moved anything: what goes last comes next, and
 * after that a rest.
 */
static void cma_note_walk(const struct cma_need *need, struct cma_walk *walk,
			  unsigned long seen, unsigned int moved)
{
	lockdep_assert_held(&walk->lock);

	if (moved) {
		walk->seen = 0;
		return;
	}
	/* Who leaves something alone does not speak for the others. */
	if (!cma_needs_all(need))
		return;
	walk->seen += seen;
	if (walk->seen < need->zone->spanned_pages)
		return;
	walk->seen = 0;
	if (cma_moves_last(walk))
		walk->rest = get_jiffies_64() + CMA_ROOM_REST;
	else
		walk->last = get_jiffies_64() + CMA_ROOM_LAST;
}

/*
 * Look for a batch from where the last walk ended, for one turn.  Return: pages
 * looked at.
 */
static unsigned long cma_find_sources(struct cma_room *room,
				      struct cma_walk *walk)
{
	struct zone *zone = room->need->zone;
	unsigned long pfn = walk->pfn, next, seen = 0;

	lockdep_assert_held(&walk->lock);

	room->last = cma_moves_last(walk);
	while (room->nr < room->nr_targets && seen < CMA_ROOM_SCAN) {
		if (!zone_spans_pfn(zone, pfn))
			pfn = zone->zone_start_pfn;
		next = cma_scan_block(room, pfn);
		seen += next - pfn;
		pfn = next;
		cond_resched();
	}
	walk->pfn = pfn;
	return seen;
}

/* One batch after the other. */

/* Return: pages moved in. */
static unsigned int cma_migrate_in(struct cma_room *room)
{
	unsigned int noreclaim, moved = 0;

	noreclaim = memalloc_noreclaim_save();
	migrate_pages(&room->sources, cma_next_target, cma_keep_target,
		      (unsigned long)room, MIGRATE_ASYNC, MR_COMPACTION, &moved);
	memalloc_noreclaim_restore(noreclaim);
	/* On this CPU's lists, what became free helps nobody. */
	lru_add_drain_cpu_zone(room->need->zone);
	return moved;
}

/*
 * One turn: move a batch, and add to @sum.  Return: true if another turn is worth
 * it, because something was moved or not all of the zone was looked at.
 */
static bool cma_move_in(const struct cma_need *need, struct cma_walk *walk,
			unsigned long *sum)
{
	struct cma_room room = {
		.need = need,
		.sources = LIST_HEAD_INIT(room.sources),
		.targets = LIST_HEAD_INIT(room.targets),
	};
	unsigned int moved = 0;
	unsigned long seen;

	if (time_before64(get_jiffies_64(), walk->rest))
		return false;
	cma_find_targets(&room);
	if (!room.nr_targets)
		return false;
	seen = cma_find_sources(&room, walk);
	if (room.nr)
		moved = cma_migrate_in(&room);
	/* Its other parts are next. */
	if (moved && room.large)
		walk->pfn = room.large;
	putback_movable_pages(&room.sources);
	cma_free_targets(&room);
	cma_note_walk(need, walk, seen, moved);
	*sum += moved;
	if (moved)
		return true;
	/* Where small ones would not move, others have to help. */
	return (!room.nr || room.large) && cma_needs_all(need);
}

/* Is anything free in areas that pages of @zone may be moved to? */
static bool cma_has_room(struct zone *zone)
{
	struct zone *zones = zone->zone_pgdat->node_zones;
	int i;

	for (i = zone_idx(zone); i >= 0; i--)
		if (zone_page_state(&zones[i], NR_FREE_CMA_PAGES))
			return true;
	return false;
}

/* Pages by which the zone is below what @mark means for the one in need. */
static unsigned long cma_lack(const struct cma_need *need, unsigned long mark)
{
	struct zone *zone = need->zone;

	if (!managed_zone(zone))
		return 0;
	return cma_shortfall(zone, mark +
			     zone->lowmem_reserve[need->highest_zoneidx]);
}

/* An order that is free nowhere, in a zone with plenty, is no shortage. */
static bool cma_is_short(const struct cma_need *need)
{
	return cma_lack(need, high_wmark_pages(need->zone) + (1UL << need->order));
}

/* Is there a shortage that moving pages in could relieve? */
static bool cma_is_relievable(const struct cma_need *need)
{
	return cma_is_short(need) && cma_has_room(need->zone);
}

/* Who is not to wait does not.  Others do, but not for long. */
static bool cma_begin_turn(struct cma_walk *walk, gfp_t gfp)
{
	if (mutex_trylock(&walk->lock))
		return true;
	if (gfp & __GFP_NORETRY)
		return false;
	return wait_event_killable_timeout(walk->turn,
					   mutex_trylock(&walk->lock),
					   CMA_ROOM_WAIT) > 0;
}

static void cma_end_turn(struct cma_walk *walk)
{
	mutex_unlock(&walk->lock);
	if (wq_has_sleeper(&walk->turn))
		wake_up(&walk->turn);
}

/*
 * Move @nr pages in, while the zone is short.  Return: pages moved in, or 1 if
 * others have ended the shortage meanwhile.
 */
static unsigned long cma_relieve(const struct cma_need *need, unsigned long nr)
{
	struct cma_walk *walk;
	unsigned long sum = 0;
	bool more;

	if (!cma_walks || !cma_is_relievable(need))
		return 0;
	walk = cma_zone_walk(need->zone);
	do {
		if (fatal_signal_pending(current) ||
		    !cma_begin_turn(walk, need->gfp))
			break;
		more = cma_is_relievable(need) && cma_move_in(need, walk, &sum);
		cma_end_turn(walk);
	} while (more && sum < nr);
	/* The node is not hopeless. */
	if (sum)
		need->zone->zone_pgdat->kswapd_failures = 0;
	return sum ?: !cma_is_short(need);
}

/**
 * __cma_balance() - kswapd's share: make room up to the high watermarks
 * @pgdat: the node
 * @highest_zoneidx: up to this zone
 *
 * Context: kswapd.
 * Return: pages that need not be reclaimed; all, where nothing is missing while
 *	areas have room.
 */
unsigned long __cma_balance(struct pglist_data *pgdat, int highest_zoneidx)
{
	struct cma_need need = {
		.gfp = GFP_KERNEL,
		.highest_zoneidx = highest_zoneidx,
	};
	unsigned long sum = 0;
	bool enough = false;
	int i;

	for (i = 0; i <= highest_zoneidx; i++) {
		need.zone = &pgdat->node_zones[i];
		if (!managed_zone(need.zone))
			continue;
		/* Others may eat it up as fast as it comes. */
		sum += cma_relieve(&need, 2 * high_wmark_pages(need.zone));
		enough |= cma_has_room(need.zone) && !cma_is_short(&need);
	}
	return enough ? ULONG_MAX : sum;
}

/* Room in the zones that @ac allows, the first that can give some. */
static bool cma_make_room_in(gfp_t gfp, unsigned int order,
			     unsigned int alloc_flags,
			     const struct alloc_context *ac)
{
	struct cma_need need = {
		.gfp = gfp,
		.order = order,
		.highest_zoneidx = ac->highest_zoneidx,
	};
	struct zoneref *z;

	for_each_zone_zonelist_nodemask(need.zone, z, ac->zonelist,
					ac->highest_zoneidx, ac->nodemask) {
		if (cpusets_enabled() && alloc_flags & ALLOC_CPUSET &&
		    !__cpuset_zone_allowed(need.zone, gfp))
			continue;
		/* What is below the watermark is not to be had. */
		if (cma_relieve(&need, cma_lack(&need, min_wmark_pages(need.zone)) +
				max(CMA_ROOM_BATCH, 1U << order)))
			return true;
	}
	return false;
}

/**
 * __cma_make_room() - make room for an allocation that may not borrow
 * @gfp: the allocation
 * @order: its order
 * @alloc_flags: ALLOC_*; who borrows last gets ALLOC_CMA if there is no room
 * @ac: where it may come from
 * @tries: times that room was made for it before
 *
 * Context: the allocator's slow path, may sleep.
 * Return: true if it is worth trying again: pages were moved into areas, from
 *	zones that @ac allows, or @alloc_flags has changed.
 */
bool __cma_make_room(gfp_t gfp, unsigned int order, unsigned int *alloc_flags,
		     const struct alloc_context *ac, unsigned int tries)
{
	unsigned int most = CMA_ROOM_TRIES;

	if (gfp & __GFP_NORETRY || order > PAGE_ALLOC_COSTLY_ORDER)
		most = 1;
	if (tries < most && cma_make_room_in(gfp, order, *alloc_flags, ac))
		return true;
	if (ac->migratetype != MIGRATE_MOVABLE || !cma_is_borrower(gfp) ||
	    !cma_borrows_last())
		return false;
	*alloc_flags |= ALLOC_CMA;
	return true;
}

/**
 * cma_init_lending() - get ready, and lend as the boot options say
 *
 * Context: boot.
 */
void __init cma_init_lending(void)
{
	unsigned int i, n = nr_node_ids * MAX_NR_ZONES;

	cma_walks = kcalloc(n, sizeof(*cma_walks), GFP_KERNEL);
	for (i = 0; cma_walks && i < n; i++) {
		mutex_init(&cma_walks[i].lock);
		init_waitqueue_head(&cma_walks[i].turn);
	}
	cma_set_boot_lending();
}
