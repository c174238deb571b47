// SPDX-License-Identifier: GPL-2.0
/*
 * mm/range_cma.h in user space, under ASan and UBSan: random requests to random
 * small areas, each answer compared with a slow reference.  Runs on the host;
 * prints KTAP.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BITS_PER_LONG	(8 * (int)sizeof(long))

/* What the header needs of the kernel. */
static unsigned int min(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

static unsigned int __ffs(unsigned long word)
{
	return __builtin_ctzl(word);
}

static bool bit(const unsigned long *map, unsigned long nr)
{
	return map[nr / BITS_PER_LONG] >> (nr % BITS_PER_LONG) & 1;
}

static unsigned long find_from(const unsigned long *map, unsigned long size,
			       unsigned long pos, bool value)
{
	while (pos < size && bit(map, pos) != value)
		pos++;
	return pos < size ? pos : size;
}

static unsigned long find_next_bit(const unsigned long *map,
				   unsigned long size, unsigned long pos)
{
	return find_from(map, size, pos, true);
}

static unsigned long find_next_zero_bit(const unsigned long *map,
					unsigned long size, unsigned long pos)
{
	return find_from(map, size, pos, false);
}

#include "../../../../mm/range_cma.h"

#define AREA_BITS	256
#define ROUNDS		200000

static unsigned int passed, failed;

static void report(bool ok, const char *name)
{
	ok ? passed++ : failed++;
	printf("%s %u %s\n", ok ? "ok" : "not ok", passed + failed, name);
}

static uint32_t rnd(uint32_t below)
{
	static uint64_t state = 20101122;

	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(state >> 33) % below;
}

/* Could the request begin at @start? */
static bool fits_at(const unsigned long *map, unsigned long nbits,
		    const struct cma_fit *fit, unsigned long start)
{
	unsigned long i, j;

	if (start + fit->count > nbits || ((start + fit->offset) & fit->mask))
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
			map[pos / BITS_PER_LONG] |= 1UL << (pos % BITS_PER_LONG);
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

static void test_choose(void)
{
	unsigned int i;
	bool ok = true;

	for (i = 0; i < ROUNDS && ok; i++)
		ok = choose_once();
	report(ok, "choose agrees with the reference");
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

static void test_chunks(void)
{
	unsigned int i;
	bool ok = true;

	for (i = 0; i < ROUNDS / 10 && ok; i++)
		ok = chunks_once();
	report(ok, "chunks tile a range");
}

static void test_hist(void)
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
	report(ok, "histogram buckets hold what they say");
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

static void test_percentile(void)
{
	unsigned int i;
	bool ok = true;

	for (i = 0; i < ROUNDS && ok; i++)
		ok = percentile_once();
	report(ok, "percentiles are bounds of buckets");
}

int main(void)
{
	printf("TAP version 13\n1..4\n");
	test_choose();
	test_chunks();
	test_hist();
	test_percentile();
	printf("# Totals: pass:%u fail:%u xfail:0 xpass:0 skip:0 error:0\n",
	       passed, failed);
	return failed ? 1 : 0;
}
