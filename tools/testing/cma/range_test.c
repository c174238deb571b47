// SPDX-License-Identifier: GPL-2.0
/*
 * mm/range_cma.h in user space, under ASan and UBSan: random requests to random
 * small areas, each answer compared with a slow reference.
 */
#include "kernel.h"
#include "ktap.h"

#include "../../../mm/range_cma.h"

#define AREA_BITS	256
#define ROUNDS		200000

/* Could the request begin at @start? */
static bool fits_at(const unsigned long *map, unsigned long nbits,
		    const struct cma_fit *fit, unsigned long start)
{
	unsigned long i, j;

	if (start >= nbits || fit->count > nbits - start ||
	    ((start + fit->offset) & fit->mask))
		return false;
	for (i = start; i < start + fit->count; i++) {
		if (bit(map, i))
			return false;
		for (j = 0; j < fit->nr_avoid; j++)
			if (fit->avoid[j] == i)
				return false;
	}
	return true;
}

/* First fit, slowly. */
static unsigned long reference(const unsigned long *map, unsigned long nbits,
			       const struct cma_fit *fit)
{
	unsigned long start;

	for (start = 0; start < nbits; start++)
		if (fits_at(map, nbits, fit, start))
			return start;
	return CMA_NOWHERE;
}

static void random_area(unsigned long *map, unsigned long nbits)
{
	unsigned long pos = 0, len;

	memset(map, 0, AREA_BITS / 8);
	while (pos < nbits) {
		pos += rnd(40);
		for (len = rnd(20); len && pos < nbits; len--, pos++)
			bitmap_set(map, pos, 1);
	}
}

static void random_fit(struct cma_fit *fit, unsigned long nbits)
{
	unsigned int i;

	memset(fit, 0, sizeof(*fit));
	fit->count = 1 + rnd(rnd(4) ? 24 : nbits);
	fit->mask = (1UL << rnd(6)) - 1;
	fit->offset = rnd(64);
	fit->nr_avoid = rnd(CMA_AVOID_MAX + 1);
	for (i = 0; i < fit->nr_avoid; i++)
		fit->avoid[i] = rnd(nbits);
}

/* The best pick is what the reference says; every pick fits. */
static bool choose_once(void)
{
	unsigned long map[AREA_BITS / (8 * sizeof(long))];
	unsigned long picks[CMA_PICKS_MAX];
	unsigned long nbits = 1 + rnd(AREA_BITS);
	struct cma_fit fit;
	unsigned int n, i;

	random_area(map, nbits);
	random_fit(&fit, nbits);
	n = cma_choose(map, nbits, &fit, picks);
	if (n > CMA_PICKS_MAX)
		return false;
	for (i = 0; i < n; i++)
		if (!fits_at(map, nbits, &fit, picks[i]))
			return false;
	return (n ? picks[0] : CMA_NOWHERE) == reference(map, nbits, &fit);
}

static bool test_choose(void)
{
	unsigned int i;
	bool ok = true;

	for (i = 0; i < ROUNDS && ok; i++)
		ok = choose_once();
	return ok;
}

/*
 * It runs with interrupts off: once there is a place, the area's size does not matter,
 * and runs that are too short cost no look at what is avoided.
 */
static bool test_bound(void)
{
	unsigned long map[AREA_BITS / (8 * sizeof(long))] = { 0 };
	unsigned long picks[CMA_PICKS_MAX], i;
	struct cma_fit fit = { .count = 1 };

	/* One run of three, and then as many of one as there can be. */
	for (i = 3; i < AREA_BITS; i += 2)
		bitmap_set(map, i, 1);
	finds = 0;
	if (!CHECK(cma_choose(map, AREA_BITS, &fit, picks) == 1) ||
	    !CHECK(!picks[0]) || !CHECK(finds <= 2 * (CMA_LOOK_ON + 1)))
		return false;
	/* Runs of the same size are found nearby, as many as are asked for. */
	bitmap_set(map, 0, 3);
	return CHECK(cma_choose(map, AREA_BITS, &fit, picks) == CMA_PICKS_MAX);
}

/* Chunks tile the range, aligned, and none could be larger. */
static bool chunks_once(void)
{
	unsigned long start = rnd(5000), end = start + 1 + rnd(5000), pfn = start;
	unsigned int order;

	while (pfn < end) {
		order = cma_chunk_order(pfn, end, 10);
		if (order > 10 || pfn & ((1UL << order) - 1) ||
		    pfn + (1UL << order) > end)
			return false;
		if (order < 10 && !(pfn & ((2UL << order) - 1)) &&
		    pfn + (2UL << order) <= end)
			return false;
		pfn += 1UL << order;
	}
	return pfn == end;
}

static bool test_chunks(void)
{
	unsigned int i;
	bool ok = true;

	for (i = 0; i < ROUNDS / 10 && ok; i++)
		ok = chunks_once();
	return ok;
}

static bool test_hist(void)
{
	unsigned long long us, bound;
	unsigned int i, n;
	bool ok = true;

	for (i = 0; i < ROUNDS && ok; i++) {
		us = ((unsigned long long)rnd(1U << 31) << 31 | rnd(1U << 31)) >>
		     rnd(62);
		n = cma_hist_bucket(us);
		bound = 1ULL << n;
		ok = n < CMA_HIST_BUCKETS &&
		     (n == CMA_HIST_BUCKETS - 1 || us < bound) &&
		     (!n || us >= bound >> 1);
	}
	return ok;
}

/* A percentile is the least bound with enough entries below it. */
static bool percentile_once(void)
{
	unsigned long long hist[CMA_HIST_BUCKETS], total = 0, seen = 0;
	unsigned int pct = 1 + rnd(100), i;

	for (i = 0; i < CMA_HIST_BUCKETS; i++) {
		hist[i] = rnd(3) ? 0 : rnd(50);
		total += hist[i];
	}
	if (!total)
		return cma_hist_percentile(hist, pct) == 0;
	for (i = 0; i < CMA_HIST_BUCKETS - 1; i++) {
		seen += hist[i];
		if (100 * seen >= total * pct)
			break;
	}
	return cma_hist_percentile(hist, pct) == 1ULL << i;
}

static bool test_percentile(void)
{
	unsigned int i;
	bool ok = true;

	for (i = 0; i < ROUNDS && ok; i++)
		ok = percentile_once();
	return ok;
}

/* Free as many as it says, and memory is not short any more; one less is too few. */
static bool short_once(void)
{
	unsigned long mark = rnd(1000), free = rnd(3000), kept = rnd(2000);
	unsigned long n = cma_short_of(mark, free, kept);

	return CHECK(!cma_short_of(mark, free + n, kept)) &&
	       CHECK(!n || cma_short_of(mark, free + n - 1, kept) == 1) &&
	       CHECK(n || (free >= kept && free - kept >= mark));
}

static bool test_short(void)
{
	unsigned int i;

	for (i = 0; i < ROUNDS; i++)
		if (!short_once())
			return false;
	return CHECK(cma_short_of(0, 0, 0) == 0) &&
	       CHECK(cma_short_of(100, 100, 0) == 0) &&
	       CHECK(cma_short_of(100, 99, 0) == 1) &&
	       CHECK(cma_short_of(100, 150, 100) == 50) &&
	       CHECK(cma_short_of(1, 0, 5) == 6);
}

static const struct ktap_case cases[] = {
	{ "choose agrees with the reference", test_choose },
	{ "a look at a bounded number of runs", test_bound },
	{ "chunks tile a range", test_chunks },
	{ "histogram buckets hold what they say", test_hist },
	{ "percentiles are bounds of buckets", test_percentile },
	{ "what is short is what is missing", test_short },
};

int main(void)
{
	return ktap_run(cases, ARRAY_SIZE(cases));
}
