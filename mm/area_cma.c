// SPDX-License-Identifier: GPL-2.0
/*
 * Areas: declared and reserved while memblock owns memory, activated once the buddy
 * allocator does, found by pfn ever after.
 *
 * This file owns cma_areas[], which is written at boot only, and the isolation of
 * pageblocks.  Ranges of several requests may share a pageblock, so isolation is
 * counted, under cma->isolate_lock, and ends with its last user.
 */
#define pr_fmt(fmt) "cma: " fmt

#include <linux/bitmap.h>
#include <linux/cma_hold.h>
#include <linux/init.h>
#include <linux/kmemleak.h>
#include <linux/log2.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/mutex.h>
#include <linux/pageblock-flags.h>
#include <linux/percpu.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "cma_compat.h"
#include "internal.h"
#include "page_alloc_cma.h"

/* What bounds a request of up to 64 MiB, see cma_time_limit(). */
#define CMA_DEADLINE_MS		5000
/*
 * Pageblocks are isolated in units that free chunks can't straddle: two blocks
 * isolated one by one may merge, unlocked, into a chunk larger than either.
 */
#define CMA_ISOLATE_ORDER	max_t(unsigned int, MAX_PAGE_ORDER, pageblock_order)

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

/* In an area, and not held by a device. */
bool __cma_is_lent(const struct page *page)
{
	unsigned long pfn = page_to_pfn(page);
	const struct cma *cma = cma_find_area(pfn);

	return cma && !cma_page_is_held(cma, pfn);
}

/**
 * cma_is_held() - does a device hold the folio?
 * @folio: with a reference
 *
 * A device's pages may be mapped and pinned as it likes: gigantic pages are an
 * example.
 *
 * Context: any.
 * Return: true if an area has handed it out.
 */
bool cma_is_held(const struct folio *folio)
{
	unsigned long pfn = page_to_pfn(&folio->page);
	const struct cma *cma = cma_find_area(pfn);

	return cma && cma_page_is_held(cma, pfn);
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

	cma_init_drains();
	cma_init_reclaimers();
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
int cma_isolate(struct cma *cma, unsigned long start, unsigned long end)
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

/* Ends what cma_isolate() began. */
void cma_unisolate(struct cma *cma, unsigned long start, unsigned long end)
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
