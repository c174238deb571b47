/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pure arithmetic of the contiguous memory allocator: where in an area a
 * request goes, how a run of pages falls into buddy chunks, how much memory is
 * short, and how latencies fall into a histogram.  No locks, no struct page: the
 * same file is compiled in user space under ASan and UBSan (tools/testing/cma).
 *
 * Positions are granules: one granule is one bit of an area's bitmap, that is
 * 1 << order_per_bit pages.
 */
#ifndef _MM_RANGE_CMA_H
#define _MM_RANGE_CMA_H

#ifdef __KERNEL__
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/types.h>
#endif

#define CMA_NOWHERE	ULONG_MAX
#define CMA_AVOID_MAX	64	/* culprits that one request remembers */
#define CMA_PICKS_MAX	4	/* equal placements whose cost is compared */
#define CMA_LOOK_ON	64	/* runs to look at for those, beyond the first that fits */
#define CMA_HIST_BUCKETS 26	/* log2 us: the last one begins at 16.8 s */

/**
 * struct cma_run - granules [start, end)
 * @start: first granule
 * @end: one past the last granule
 */
struct cma_run {
	unsigned long start;
	unsigned long end;
};

/**
 * struct cma_fit - what a request asks of a place
 * @count: granules wanted, at least 1
 * @mask: alignment in granules minus one
 * @offset: granules by which the area's base misses that alignment
 * @nr_avoid: entries of @avoid in use
 * @avoid: granules that must not be part of the place
 */
struct cma_fit {
	unsigned long count;
	unsigned long mask;
	unsigned long offset;
	unsigned int nr_avoid;
	unsigned long avoid[CMA_AVOID_MAX];
};

/**
 * cma_fit_low() - lowest aligned place in a run
 * @fit: the request
 * @run: where to look
 *
 * Return: first granule of the place, or CMA_NOWHERE.
 */
static inline unsigned long cma_fit_low(const struct cma_fit *fit,
					struct cma_run run)
{
	unsigned long sum = run.start + fit->offset;
	unsigned long start = ((sum + fit->mask) & ~fit->mask) - fit->offset;

	if (sum + fit->mask < sum || start > run.end ||
	    run.end - start < fit->count)
		return CMA_NOWHERE;
	return start;
}

/**
 * cma_fit_high() - highest aligned place in a run
 * @fit: the request
 * @run: where to look
 *
 * Return: first granule of the place, or CMA_NOWHERE.
 */
static inline unsigned long cma_fit_high(const struct cma_fit *fit,
					 struct cma_run run)
{
	unsigned long last;

	if (run.end - run.start < fit->count)
		return CMA_NOWHERE;
	last = (run.end - fit->count + fit->offset) & ~fit->mask;
	if (last < run.start + fit->offset)
		return CMA_NOWHERE;
	return last - fit->offset;
}

/* The first granule that @fit avoids in [@start, @end), else @end. */
static inline unsigned long cma_next_avoided(const struct cma_fit *fit,
					     unsigned long start,
					     unsigned long end)
{
	unsigned int i;

	for (i = 0; i < fit->nr_avoid; i++)
		if (fit->avoid[i] >= start && fit->avoid[i] < end)
			end = fit->avoid[i];
	return end;
}

/**
 * cma_next_gap() - next run that no device holds and the request does not avoid
 * @bitmap: granules held by devices
 * @nbits: granules of the area
 * @fit: the request
 * @pos: granule to begin at
 * @gap: result; one that is too short for the request may have what it avoids
 *
 * Return: whether there is one.
 */
static inline bool cma_next_gap(const unsigned long *bitmap,
				unsigned long nbits, const struct cma_fit *fit,
				unsigned long pos, struct cma_run *gap)
{
	do {
		gap->start = find_next_zero_bit(bitmap, nbits, pos);
		if (gap->start >= nbits)
			return false;
		gap->end = find_next_bit(bitmap, nbits, gap->start);
		/* What is too short as it is, is soon passed over. */
		if (gap->end - gap->start >= fit->count)
			gap->end = cma_next_avoided(fit, gap->start, gap->end);
		pos = gap->start + 1;
	} while (gap->start == gap->end);
	return true;
}

/* The longest part of @run that is left beside a block in it. */
static inline unsigned long cma_left_over(const struct cma_fit *fit,
					  struct cma_run run,
					  unsigned long start)
{
	return max(start - run.start, run.end - fit->count - start);
}

/*
 * The two ends of a device-free area: where both leave as much in one piece, let
 * cost decide.  An odd count does not reach up to the end.
 */
static inline unsigned int cma_choose_ends(const struct cma_fit *fit,
					   struct cma_run all,
					   unsigned long *picks)
{
	picks[0] = cma_fit_low(fit, all);
	if (picks[0] == CMA_NOWHERE)
		return 0;
	picks[1] = cma_fit_high(fit, all);
	if (picks[0] == picks[1] || cma_left_over(fit, all, picks[1]) <
				    cma_left_over(fit, all, picks[0]))
		return 1;
	return 2;
}

/**
 * cma_choose() - places for a request, best first
 * @bitmap: granules held by devices
 * @nbits: granules of the area
 * @fit: the request
 * @picks: result, room for CMA_PICKS_MAX
 *
 * First fit, as in the base kernel: device blocks never move, and over random
 * traffic first fit keeps a larger run than best fit.  Where runs of the same
 * size would serve as well, those are returned that are not far: the caller takes the
 * cheapest, and the first if that is free.  It runs under a spinlock.
 *
 * Return: number of places in @picks, 0 if nothing fits.
 */
static inline unsigned int cma_choose(const unsigned long *bitmap,
				      unsigned long nbits,
				      const struct cma_fit *fit,
				      unsigned long *picks)
{
	struct cma_run gap = { 0, 0 };
	unsigned long len = 0, start;
	unsigned int n = 0, more = CMA_LOOK_ON;

	while (n < CMA_PICKS_MAX && more &&
	       cma_next_gap(bitmap, nbits, fit, gap.end, &gap)) {
		if (gap.end - gap.start == nbits)
			return cma_choose_ends(fit, gap, picks);
		more -= n > 0;
		start = cma_fit_low(fit, gap);
		if (start == CMA_NOWHERE || (n && gap.end - gap.start != len))
			continue;
		picks[n++] = start;
		len = gap.end - gap.start;
	}
	return n;
}

/**
 * cma_bitmap_held() - are all granules of a run held by devices?
 * @bitmap: granules held by devices
 * @run: the run, inside the area
 *
 * Return: true if no bit of the run is clear.
 */
static inline bool cma_bitmap_held(const unsigned long *bitmap,
				   struct cma_run run)
{
	return find_next_zero_bit(bitmap, run.end, run.start) >= run.end;
}

/**
 * cma_chunk_order() - largest buddy chunk at the start of a pfn range
 * @pfn: first page
 * @end: one past the last page, above @pfn
 * @max: largest order of the buddy allocator
 *
 * Return: order of the largest naturally aligned block inside [@pfn, @end).
 */
static inline unsigned int cma_chunk_order(unsigned long pfn,
					   unsigned long end, unsigned int max)
{
	unsigned int order = pfn ? __ffs(pfn) : max;

	order = min(order, max);
	while ((1UL << order) > end - pfn)
		order--;
	return order;
}

/**
 * cma_short_of() - how far free memory is below a mark
 * @mark: pages that are to be free
 * @free: pages that are free
 * @kept: pages of these that don't count
 *
 * The numbers are not of the same moment: @kept may be above @free.
 *
 * Return: pages, 0 if there are enough.
 */
static inline unsigned long cma_short_of(unsigned long mark, unsigned long free,
					 unsigned long kept)
{
	mark += kept;
	return mark > free ? mark - free : 0;
}

/**
 * cma_hist_bucket() - histogram bucket of a latency
 * @us: latency in microseconds
 *
 * Bucket 0 holds less than 1 us, bucket n holds [2^(n-1), 2^n) us, the last
 * one everything above.
 *
 * Return: index below CMA_HIST_BUCKETS.
 */
static inline unsigned int cma_hist_bucket(unsigned long long us)
{
	unsigned int n = 0;

	while (us && n < CMA_HIST_BUCKETS - 1) {
		us >>= 1;
		n++;
	}
	return n;
}

/**
 * cma_hist_percentile() - upper bound of a percentile of a histogram
 * @hist: counts, CMA_HIST_BUCKETS of them
 * @pct: percentile, 1 to 100
 *
 * Return: the microseconds below which @pct percent of the entries lie, as the
 * upper bound of their bucket; 0 for an empty histogram.
 */
static inline unsigned long long
cma_hist_percentile(const unsigned long long *hist, unsigned int pct)
{
	unsigned long long total = 0, seen = 0;
	unsigned int i;

	for (i = 0; i < CMA_HIST_BUCKETS; i++)
		total += hist[i];
	if (!total)
		return 0;
	for (i = 0; i < CMA_HIST_BUCKETS - 1; i++) {
		seen += hist[i];
		if (seen * 100 >= total * pct)
			break;
	}
	return 1ULL << i;
}

#endif /* _MM_RANGE_CMA_H */
