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
 * This file owns the areas and the cma_* API of include/linux/cma.h.  place_cma.c
 * chooses a place, migrate_cma.c does the recall of one range.
 *
 * Requests for disjoint ranges run in parallel.  A claim is a run of bits in
 * cma->bitmap, set under cma->lock; whoever set them owns these pages.  The bits
 * are set in cma->held as well once the block is handed over.  Ranges of several
 * requests may share a pageblock, so isolation is counted, under
 * cma->isolate_lock, and ends with its last user.
 */
#define pr_fmt(fmt) "cma: " fmt

#define CREATE_TRACE_POINTS

#include <linux/alloc_tag.h>
#include <linux/bitmap.h>
#include <linux/cma_lend.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kmemleak.h>
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/pageblock-flags.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmstat.h>
#include <trace/events/cma.h>

#include "cma_compat.h"
#include "internal.h"
#include "page_alloc_cma.h"
#include "place_cma.h"

#include <trace/events/cma_lend.h>

/* What bounds a request of up to 64 MiB, see cma_time_limit(). */
#define CMA_DEADLINE_MS		5000
/* Before another try to isolate. */
#define CMA_ISOLATE_PAUSE_US	1000UL
/*
 * Pageblocks are isolated in units that free chunks can't straddle: two blocks
 * isolated one by one may merge, unlocked, into a chunk larger than either.
 */
#define CMA_ISOLATE_ORDER	max_t(unsigned int, MAX_PAGE_ORDER, pageblock_order)

/* What cma_bypasses_pcp() compares. */
static_assert(MIGRATE_PCPTYPES <= MIGRATE_CMA && MIGRATE_CMA < MIGRATE_ISOLATE);

static_assert(AS_INACCESSIBLE < AS_CMA_LENT && AS_CMA_LENT < AS_FOLIO_ORDER_MIN);

struct cma cma_areas[MAX_CMA_AREAS];
unsigned int cma_area_count;

struct cma_bounds cma_bounds __read_mostly;

DEFINE_STATIC_KEY_FALSE(cma_active_key);

/**
 * cma_get_base() - where an area begins
 * @cma: the area
 *
 * Return: physical address in bytes.
 */
phys_addr_t cma_get_base(const struct cma *cma)
{
	return PFN_PHYS(cma->base_pfn);
}

/**
 * cma_get_size() - how large an area is
 * @cma: the area
 *
 * Return: size in bytes, 0 if it could not be activated.
 */
unsigned long cma_get_size(const struct cma *cma)
{
	return cma->count << PAGE_SHIFT;
}

/**
 * cma_get_name() - what an area is called
 * @cma: the area
 *
 * Return: the name, as in sysfs.
 */
const char *cma_get_name(const struct cma *cma)
{
	return cma->name;
}

/**
 * cma_for_each_area() - call a function for every area
 * @it: the function; anything but 0 ends the walk
 * @data: passed to @it
 *
 * Return: what the last call of @it returned.
 */
int cma_for_each_area(int (*it)(struct cma *cma, void *data), void *data)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < cma_area_count && !ret; i++)
		ret = it(&cma_areas[i], data);
	return ret;
}

static bool cma_area_has(const struct cma *cma, unsigned long pfn)
{
	return pfn - cma->base_pfn < cma->count;
}

/* Isolation units of an area; the first and the last may be cut off. */
static unsigned long cma_unit(const struct cma *cma, unsigned long pfn)
{
	return (pfn >> CMA_ISOLATE_ORDER) - (cma->base_pfn >> CMA_ISOLATE_ORDER);
}

static unsigned long cma_unit_start(const struct cma *cma, unsigned long unit)
{
	unsigned long pfn = ((cma->base_pfn >> CMA_ISOLATE_ORDER) + unit) <<
			    CMA_ISOLATE_ORDER;

	return clamp(pfn, cma->base_pfn, cma->base_pfn + cma->count);
}

/**
 * cma_find_area() - the area that a page belongs to
 * @pfn: the page
 *
 * Membership is a pfn test: isolation hides the migratetype.
 *
 * Return: the area, or NULL.
 */
struct cma *cma_find_area(unsigned long pfn)
{
	unsigned int i;

	for (i = 0; i < cma_area_count; i++)
		if (cma_area_has(&cma_areas[i], pfn))
			return &cma_areas[i];
	return NULL;
}

bool __cma_keeps_isolated(const struct page *page, int migratetype)
{
	return migratetype != MIGRATE_CMA && cma_find_area(page_to_pfn(page));
}

/* Who borrows. */

/*
 * Their folios can be moved or dropped without asking user space, and their
 * metadata is not in the page cache of files.
 */
static const char * const cma_lendable_filesystems[] = {
	"btrfs", "erofs", "exfat", "ext4", "f2fs", "squashfs", "ubifs", "vfat",
	"xfs",
};

/**
 * cma_mark_filesystem() - decide whether a file system's page cache may be lent
 * @fs: a file system that is about to be registered
 */
void cma_mark_filesystem(struct file_system_type *fs)
{
	if (match_string(cma_lendable_filesystems,
			 ARRAY_SIZE(cma_lendable_filesystems), fs->name) >= 0)
		fs->fs_flags |= FS_CMA_LEND;
}

/* Boot: reserve and activate. */

static int __init cma_check_zone(const struct cma *cma)
{
	unsigned long pfn, end = cma->base_pfn + cma->count;
	struct zone *zone = NULL;

	for (pfn = cma->base_pfn; pfn < end; pfn++) {
		if (!pfn_valid(pfn))
			return -EINVAL;
		if (!zone)
			zone = page_zone(pfn_to_page(pfn));
		if (page_zone(pfn_to_page(pfn)) != zone)
			return -EINVAL;
	}
	return 0;
}

static int __init cma_alloc_metadata(struct cma *cma)
{
	unsigned long units = cma_unit(cma, cma->base_pfn + cma->count - 1) + 1;

	cma->bitmap = bitmap_zalloc(cma_granules(cma), GFP_KERNEL);
	cma->held = bitmap_zalloc(cma_granules(cma), GFP_KERNEL);
	cma->isolated = kcalloc(units, sizeof(*cma->isolated), GFP_KERNEL);
	cma->stats = alloc_percpu(struct cma_stats);
	if (!cma->bitmap || !cma->held || !cma->isolated || !cma->stats)
		return -ENOMEM;
	return 0;
}

static void __init cma_free_metadata(struct cma *cma)
{
	bitmap_free(cma->bitmap);
	cma->bitmap = NULL;
	bitmap_free(cma->held);
	cma->held = NULL;
	kfree(cma->isolated);
	cma->isolated = NULL;
	free_percpu(cma->stats);
	cma->stats = NULL;
}

/* The memory is of no use as an area: let everybody have it. */
static void __init cma_dissolve_area(struct cma *cma)
{
	unsigned long pfn, end = cma->base_pfn + cma->count;

	cma_free_metadata(cma);
	if (!cma->reserve_pages_on_error)
		for (pfn = cma->base_pfn; pfn < end; pfn++)
			if (pfn_valid(pfn))
				free_reserved_page(pfn_to_page(pfn));
	totalcma_pages -= cma->count;
	cma->count = 0;
	pr_err("CMA area %s could not be activated\n", cma->name);
}

static void __init cma_widen_bounds(const struct cma *cma)
{
	unsigned long first = (unsigned long)pfn_to_page(cma->base_pfn);
	unsigned long end = (unsigned long)(pfn_to_page(cma->base_pfn) +
					    cma->count);

	if (cma_bounds.size) {
		end = max(end, cma_bounds.first + cma_bounds.size);
		first = min(first, cma_bounds.first);
	}
	cma_bounds.first = first;
	cma_bounds.size = end - first;
}

/* Gives the area the means to serve requests, or gives it up. */
static void __init cma_prepare_area(struct cma *cma)
{
	spin_lock_init(&cma->lock);
	mutex_init(&cma->isolate_lock);
	init_waitqueue_head(&cma->turn);
	if (cma_check_zone(cma) || cma_alloc_metadata(cma)) {
		cma_dissolve_area(cma);
		return;
	}
	cma_widen_bounds(cma);
}

static void __init cma_activate_area(struct cma *cma)
{
	unsigned long pfn, end = cma->base_pfn + cma->count;

	for (pfn = cma->base_pfn; pfn < end; pfn += pageblock_nr_pages)
		init_cma_reserved_pageblock(pfn_to_page(pfn));
}

static int __init cma_init_reserved_areas(void)
{
	unsigned int i;

	for (i = 0; i < cma_area_count; i++)
		cma_prepare_area(&cma_areas[i]);
	/* The hooks look at all areas from here on, and before any is lent. */
	if (cma_bounds.size)
		static_branch_enable(&cma_active_key);
	for (i = 0; i < cma_area_count; i++)
		cma_activate_area(&cma_areas[i]);
	cma_init_lending();
	return 0;
}
core_initcall(cma_init_reserved_areas);

/**
 * cma_reserve_pages_on_error() - keep an area's pages if it can't be activated
 * @cma: the area
 */
void __init cma_reserve_pages_on_error(struct cma *cma)
{
	cma->reserve_pages_on_error = true;
}

/**
 * cma_init_reserved_mem() - make an area of memory that is already reserved
 * @base: physical address, pageblock-aligned
 * @size: bytes, a multiple of a pageblock
 * @order_per_bit: log2 of the pages that one bit of the bitmap stands for
 * @name: name of the area, or NULL for "cmaN"
 * @res_cma: the new area
 *
 * Return: 0, -ENOSPC (no slot left) or -EINVAL.
 */
int __init cma_init_reserved_mem(phys_addr_t base, phys_addr_t size,
				 unsigned int order_per_bit, const char *name,
				 struct cma **res_cma)
{
	struct cma *cma;

	if (cma_area_count == ARRAY_SIZE(cma_areas)) {
		pr_err("%s: no room for more than %zu areas\n",
		       name ?: "unnamed area", ARRAY_SIZE(cma_areas));
		return -ENOSPC;
	}
	if (!size || !memblock_is_region_reserved(base, size))
		return -EINVAL;
	if (!IS_ALIGNED(base | size, CMA_MIN_ALIGNMENT_BYTES))
		return -EINVAL;

	cma = &cma_areas[cma_area_count];
	if (name)
		strscpy(cma->name, name, sizeof(cma->name));
	else
		snprintf(cma->name, sizeof(cma->name), "cma%u", cma_area_count);
	cma->deadline_ms = CMA_DEADLINE_MS;
	cma->oom = true;
	cma->base_pfn = PFN_DOWN(base);
	cma->count = size >> PAGE_SHIFT;
	cma->order_per_bit = order_per_bit;
	cma_area_count++;
	totalcma_pages += cma->count;
	*res_cma = cma;
	return 0;
}

/* Reserve exactly [@base, @base + @size). */
static int __init cma_reserve_fixed(phys_addr_t base, phys_addr_t size,
				    phys_addr_t highmem)
{
	if (base < highmem && base + size > highmem)
		return -EINVAL;
	/* memblock reserves holes as well. */
	if (!memblock_is_region_memory(base, size))
		return -EINVAL;
	if (memblock_is_region_reserved(base, size) ||
	    memblock_reserve(base, size) < 0)
		return -EBUSY;
	return 0;
}

/*
 * Above 4 GiB, from the bottom up: out of the way of zones that devices with
 * narrow masks need, and where compaction moves pages out of, not into.
 */
static phys_addr_t __init cma_find_above_4g(phys_addr_t size, phys_addr_t align,
					    phys_addr_t limit, int nid)
{
	phys_addr_t addr;

	if (!IS_ENABLED(CONFIG_PHYS_ADDR_T_64BIT) || memblock_bottom_up() ||
	    memblock_end_of_DRAM() < SZ_4G + size)
		return 0;
	memblock_set_bottom_up(true);
	addr = memblock_alloc_range_nid(size, align, SZ_4G, limit, nid, true);
	memblock_set_bottom_up(false);
	return addr;
}

/*
 * Anywhere in [@base, @limit), but on one side of the highmem boundary: an area
 * lies in one zone.
 */
static phys_addr_t __init cma_reserve_floating(phys_addr_t base,
					       phys_addr_t size,
					       phys_addr_t align,
					       phys_addr_t limit,
					       phys_addr_t highmem, int nid)
{
	phys_addr_t addr = cma_find_above_4g(size, align, limit, nid);

	if (!addr && base < highmem && limit > highmem) {
		addr = memblock_alloc_range_nid(size, align, highmem, limit,
						nid, true);
		limit = highmem;
	}
	if (!addr)
		addr = memblock_alloc_range_nid(size, align, base, limit, nid,
						true);
	/* Not mapped for kmemleak to scan, once the pages are lent. */
	if (addr)
		kmemleak_ignore_phys(addr);
	return addr;
}

static int __init cma_check_declaration(phys_addr_t size, phys_addr_t base,
					phys_addr_t align,
					unsigned int order_per_bit, bool fixed)
{
	if (!size || (align && !is_power_of_2(align)))
		return -EINVAL;
	align = max_t(phys_addr_t, align, CMA_MIN_ALIGNMENT_BYTES);
	if (fixed && !IS_ALIGNED(base, align))
		return -EINVAL;
	if (order_per_bit >= BITS_PER_LONG ||
	    !IS_ALIGNED(ALIGN(size, align) >> PAGE_SHIFT, 1UL << order_per_bit))
		return -EINVAL;
	if (ALIGN(size, align) < size || ALIGN(base, align) < base)
		return -EINVAL;
	return 0;
}

/* Reserve memory for an area: its address comes back in @base. */
static int __init cma_reserve(phys_addr_t *base, phys_addr_t size,
			      phys_addr_t limit, phys_addr_t align, bool fixed,
			      int nid)
{
	/* high_memory itself has no linear address: add the last byte. */
	phys_addr_t highmem = __pa(high_memory - 1) + 1;
	phys_addr_t end = memblock_end_of_DRAM();

	if (!limit || limit > end)
		limit = end;
	if (*base + size > limit || *base + size < size)
		return -EINVAL;
	if (fixed)
		return cma_reserve_fixed(*base, size, highmem);
	*base = cma_reserve_floating(*base, size, align, limit, highmem, nid);
	return *base ? 0 : -ENOMEM;
}

/**
 * cma_declare_contiguous_nid() - reserve memory and make an area of it
 * @base: physical address; exact where @fixed, else the lowest one (0: any)
 * @size: bytes, rounded up to @alignment
 * @limit: highest address plus one, 0 for any
 * @alignment: bytes, a power of two or 0; at least a pageblock is used
 * @order_per_bit: log2 of the pages that one bit of the bitmap stands for
 * @fixed: @base is where it has to be
 * @name: name of the area, see cma_init_reserved_mem()
 * @res_cma: the new area
 * @nid: NUMA node to take it from, NUMA_NO_NODE for any
 *
 * For architecture code, once memblock knows all memory.
 *
 * Return: 0, -EINVAL, -ENOSPC, -EBUSY (reserved by others), -ENOMEM; one line
 * in the log says what was refused.
 */
int __init cma_declare_contiguous_nid(phys_addr_t base, phys_addr_t size,
				      phys_addr_t limit, phys_addr_t alignment,
				      unsigned int order_per_bit, bool fixed,
				      const char *name, struct cma **res_cma,
				      int nid)
{
	phys_addr_t align = max_t(phys_addr_t, alignment,
				  CMA_MIN_ALIGNMENT_BYTES);
	int ret;

	/* cma_init_reserved_mem() says so, but only once memory is reserved. */
	if (cma_area_count == ARRAY_SIZE(cma_areas)) {
		ret = -ENOSPC;
		goto err;
	}
	ret = cma_check_declaration(size, base, alignment, order_per_bit, fixed);
	if (ret)
		goto err;

	base = ALIGN(base, align);
	size = ALIGN(size, align);
	ret = cma_reserve(&base, size, limit & ~(align - 1), align,
			  fixed && base, IS_ENABLED(CONFIG_NUMA) ? nid : NUMA_NO_NODE);
	if (ret)
		goto err;
	ret = cma_init_reserved_mem(base, size, order_per_bit, name, res_cma);
	if (ret) {
		memblock_phys_free(base, size);
		goto err;
	}
	pr_info("Reserved %lu MiB at %pa on node %d\n",
		(unsigned long)(size / SZ_1M), &base, nid);
	return 0;
err:
	pr_err("Failed to reserve area %s: %pa bytes at %pa on node %d, error %d\n",
	       name ?: "(unnamed)", &size, &base, nid, ret);
	return ret;
}

/* Isolation, counted: ranges of several requests may share a unit. */

static void cma_drop_units(struct cma *cma, unsigned long unit,
			   unsigned long end)
{
	lockdep_assert_held(&cma->isolate_lock);

	for (; unit < end; unit++)
		if (!--cma->isolated[unit])
			cma_unisolate_pages(cma_unit_start(cma, unit),
					    cma_unit_start(cma, unit + 1));
}

/* Isolate the pageblocks of [@start, @end), or none. */
static int cma_isolate(struct cma *cma, unsigned long start, unsigned long end)
{
	unsigned long first = cma_unit(cma, start);
	unsigned long last = cma_unit(cma, end - 1) + 1;
	unsigned long unit;
	int ret = 0;

	mutex_lock(&cma->isolate_lock);
	for (unit = first; unit < last; unit++) {
		if (!cma->isolated[unit])
			ret = cma_isolate_pages(cma_unit_start(cma, unit),
						cma_unit_start(cma, unit + 1));
		if (ret)
			break;
		cma->isolated[unit]++;
	}
	if (ret)
		cma_drop_units(cma, first, unit);
	mutex_unlock(&cma->isolate_lock);
	return ret;
}

static void cma_unisolate(struct cma *cma, unsigned long start,
			  unsigned long end)
{
	mutex_lock(&cma->isolate_lock);
	cma_drop_units(cma, cma_unit(cma, start), cma_unit(cma, end - 1) + 1);
	mutex_unlock(&cma->isolate_lock);
}

/**
 * cma_keep() - keep an area's free pages from borrowers, or lend them again
 * @cma: the area
 * @keep: which of the two
 *
 * What is isolated is lent to nobody, and nobody counts it as free memory.
 *
 * Context: may sleep.
 * Return: 0, or -EBUSY if others have isolated pages of the area.
 */
int cma_keep(struct cma *cma, bool keep)
{
	unsigned long end = cma->base_pfn + cma->count;

	if (!cma->count)
		return 0;
	if (keep)
		return cma_isolate(cma, cma->base_pfn, end);
	cma_unisolate(cma, cma->base_pfn, end);
	return 0;
}

/* Requests. */

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
		req->err = ret;
		if (ret == -EHWPOISON)
			return cma_avoid_poisoned(req) ? -EAGAIN : ret;
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
	unsigned long start;
	int ret;

	if (cma_take_free(rc))
		return 0;

	start = rc->taken;
	ret = -EBUSY;
	if (gfpflags_allow_blocking(rc->gfp))
		ret = cma_isolate(req->cma, start, rc->end);
	if (!ret) {
		ret = cma_recall_here(req);
		cma_unisolate(req->cma, start, rc->end);
	} else {
		ret = cma_not_isolated(req);
	}
	if (ret)
		cma_untake(rc);
	return ret;
}

/* Try places until one is had. */
static int cma_serve(struct cma_request *req)
{
	struct cma *cma = req->cma;
	struct cma_recall *rc = &req->rc;
	int ret;

	for (;;) {
		ret = cma_claim_or_wait(req);
		if (ret == -ENOSPC && req->err)
			return req->err;
		if (ret)
			return ret;
		ret = cma_recall(req);
		if (!ret) {
			alloc_hooks(cma_hand_over(rc, req->pages));
			cma_settle(cma, rc->start, req->pages, true);
			return 0;
		}
		cma_settle(cma, rc->start, req->pages, false);
		if (ret != -EAGAIN)
			return ret;
		trace_cma_alloc_busy_retry(cma->name, rc->start,
					   pfn_to_page(rc->start), req->pages,
					   req->align);
	}
}

static enum cma_failure cma_failure(int err)
{
	switch (err) {
	case -EINTR:
		return CMA_FAIL_KILLED;
	case -ENOMEM:
		return CMA_FAIL_NO_MEMORY;
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
		stats->fail[cma_failure(err)]++;
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
			   cma_failure_text[cma_failure(err)], culprit.pfn,
			   culprit.owner, culprit.refs, culprit.expected,
			   culprit.ms, &culprit.flags);
}

/* The one line that a failure prints, unless the caller asked for none. */
static void cma_report(const struct cma_request *req, int err)
{
	if (req->rc.first_busy)
		cma_report_culprit(req, err);
	else if (!(req->rc.gfp & __GFP_NOWARN))
		pr_err_ratelimited("%s: alloc failed, req-size: %lu pages, ret: %d: %s\n",
				   req->cma->name, req->pages, err,
				   cma_failure_text[cma_failure(err)]);
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
	if (held)
		cma_unhold_run(cma, run);
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
