// SPDX-License-Identifier: GPL-2.0
/*
 * Does cma_choose() keep as large a run as first fit?  The same random traffic goes
 * to two areas, one that is served by it and one that is served by plain first fit.
 * Every place that it offers is as good as the first; the first is first fit's.
 */
#include "kernel.h"
#include "ktap.h"

#include "../../../mm/range_cma.h"

#define SEEDS		1000
#define OPERATIONS	10000
#define AREA_BITS	256UL
#define BLOCKS_MAX	24	/* fill the area on average */

struct area {
	unsigned long map[AREA_BITS / (8 * sizeof(long))];
	unsigned long starts[BLOCKS_MAX];
};

static unsigned long counts[BLOCKS_MAX];	/* the same for both areas */

/* First fit in the plainest way: aligned start by aligned start. */
static unsigned long first_fit(const unsigned long *map,
			       const struct cma_fit *fit)
{
	unsigned long start = -fit->offset & fit->mask, busy;

	while (start + fit->count <= AREA_BITS) {
		busy = find_next_bit(map, start + fit->count, start);
		if (busy == start + fit->count)
			return start;
		do
			start += fit->mask + 1;
		while (start <= busy);
	}
	return CMA_NOWHERE;
}

static unsigned long largest_run(const unsigned long *map)
{
	unsigned long start = 0, end, most = 0;

	for (;;) {
		start = find_next_zero_bit(map, AREA_BITS, start);
		if (start >= AREA_BITS)
			return most;
		end = find_next_bit(map, AREA_BITS, start);
		most = max(most, end - start);
		start = end;
	}
}

static unsigned long largest_after(struct area *area, unsigned long start,
				   unsigned long count)
{
	unsigned long most;

	bitmap_set(area->map, start, count);
	most = largest_run(area->map);
	bitmap_clear(area->map, start, count);
	return most;
}

static void random_fit(struct cma_fit *fit)
{
	fit->count = 1 + rnd(rnd(8) ? 16 : 64);
	fit->mask = rnd(2) ? 0 : (1UL << rnd(5)) - 1;
}

/* Frees block @i of the area. */
static void give_back(struct area *area, unsigned int i)
{
	bitmap_clear(area->map, area->starts[i], counts[i]);
}

/* Both areas are asked for the same: they answer the same. */
static bool ask_both(struct area *ours, struct area *theirs,
		     struct cma_fit *fit, unsigned int i)
{
	unsigned long picks[CMA_PICKS_MAX];
	unsigned int n;

	random_fit(fit);
	n = cma_choose(ours->map, AREA_BITS, fit, picks);
	theirs->starts[i] = first_fit(theirs->map, fit);
	ours->starts[i] = n ? picks[0] : CMA_NOWHERE;
	if (!CHECK(ours->starts[i] == theirs->starts[i]))
		return false;
	if (!n)
		return true;
	counts[i] = fit->count;
	bitmap_set(ours->map, ours->starts[i], fit->count);
	bitmap_set(theirs->map, theirs->starts[i], fit->count);
	return true;
}

static bool same_seed(unsigned long long seed)
{
	struct cma_fit fit = {};
	struct area ours = {}, theirs = {};
	unsigned int op, i;

	memset(counts, 0, sizeof(counts));
	rnd_seed(seed);
	fit.offset = rnd(4) ? 0 : rnd(16);
	for (op = 0; op < OPERATIONS; op++) {
		i = rnd(BLOCKS_MAX);
		if (counts[i]) {
			give_back(&ours, i);
			give_back(&theirs, i);
			counts[i] = 0;
		} else if (!ask_both(&ours, &theirs, &fit, i)) {
			return false;
		}
	}
	return CHECK(largest_run(ours.map) >= largest_run(theirs.map));
}

static bool first_pick_is_first_fit(void)
{
	unsigned int seed;

	for (seed = 0; seed < SEEDS; seed++)
		if (!same_seed(seed))
			return false;
	return true;
}

/* Whichever place is the cheapest: the largest run is what the first one leaves. */
static bool ask_any(struct area *area, struct cma_fit *fit, unsigned int i)
{
	unsigned long picks[CMA_PICKS_MAX], most;
	unsigned int n, k;

	random_fit(fit);
	n = cma_choose(area->map, AREA_BITS, fit, picks);
	if (!n)
		return true;
	most = largest_after(area, picks[0], fit->count);
	for (k = 1; k < n; k++)
		if (!CHECK(largest_after(area, picks[k], fit->count) >= most))
			return false;
	area->starts[i] = picks[rnd(n)];
	counts[i] = fit->count;
	bitmap_set(area->map, area->starts[i], fit->count);
	return true;
}

static bool any_seed(unsigned long long seed)
{
	struct cma_fit fit = {};
	struct area area = {};
	unsigned int op, i;

	memset(counts, 0, sizeof(counts));
	rnd_seed(seed);
	fit.offset = rnd(4) ? 0 : rnd(16);
	for (op = 0; op < OPERATIONS / 10; op++) {
		/* Now and then all is given back: an empty area has two ends. */
		for (i = 0; i < BLOCKS_MAX && !rnd(100); i++) {
			give_back(&area, i);
			counts[i] = 0;
		}
		i = rnd(BLOCKS_MAX);
		if (counts[i]) {
			give_back(&area, i);
			counts[i] = 0;
		} else if (!ask_any(&area, &fit, i)) {
			return false;
		}
	}
	return true;
}

static bool every_pick_keeps_the_largest_run(void)
{
	unsigned int seed;

	for (seed = 0; seed < SEEDS; seed++)
		if (!any_seed(seed))
			return false;
	return true;
}

/* A request, at whichever pick is the cheapest or at first fit's. */
static void ask_one(struct area *area, const struct cma_fit *fit, unsigned int i,
		    bool any)
{
	unsigned long picks[CMA_PICKS_MAX];
	unsigned int n = cma_choose(area->map, AREA_BITS, fit, picks);

	area->starts[i] = n ? picks[any ? rnd(n) : 0] : CMA_NOWHERE;
	if (n)
		bitmap_set(area->map, area->starts[i], fit->count);
}

static void give_back_one(struct area *area, unsigned int i)
{
	if (area->starts[i] != CMA_NOWHERE)
		give_back(area, i);
}

/* Adds the largest runs that are left after the same traffic. */
static void compare_seed(unsigned long long seed, unsigned long *ours,
			 unsigned long *theirs)
{
	struct area any = {}, first = {};
	struct cma_fit fit = {};
	unsigned int op, i;

	memset(counts, 0, sizeof(counts));
	rnd_seed(seed);
	for (op = 0; op < OPERATIONS / 10; op++) {
		i = rnd(BLOCKS_MAX);
		if (counts[i]) {
			give_back_one(&any, i);
			give_back_one(&first, i);
			counts[i] = 0;
			continue;
		}
		random_fit(&fit);
		counts[i] = fit.count;
		ask_one(&any, &fit, i, true);
		ask_one(&first, &fit, i, false);
	}
	*ours += largest_run(any.map);
	*theirs += largest_run(first.map);
}

/* Over many steps, choosing by cost is better here and worse there. */
static bool cost_does_not_matter_on_the_mean(void)
{
	unsigned long ours = 0, theirs = 0;
	unsigned int seed;

	for (seed = 0; seed < SEEDS; seed++)
		compare_seed(seed, &ours, &theirs);
	printf("# largest request, mean: by cost %.2f, first fit %.2f of %lu\n",
	       (double)ours / SEEDS, (double)theirs / SEEDS, AREA_BITS);
	return CHECK(ours * 100 >= theirs * 98);
}

static const struct ktap_case cases[] = {
	{ "the first pick is first fit's", first_pick_is_first_fit },
	{ "every pick keeps the largest run", every_pick_keeps_the_largest_run },
	{ "cost does not matter on the mean", cost_does_not_matter_on_the_mean },
};

int main(void)
{
	return ktap_run(cases, ARRAY_SIZE(cases));
}
