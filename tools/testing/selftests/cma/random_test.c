// SPDX-License-Identifier: GPL-2.0
/*
 * Thousands of random allocations and releases from a fixed seed: how large a
 * request can be served after them? The "# largest" lines are for a host to
 * compare allocators. The sequence is the same on both: what one refuses holds
 * its slot as if it were granted.
 *
 * Usage: random_test [OPERATIONS [SEED]]
 */
#include "cma_util.h"

#define SLOTS		64
#define CHECKPOINTS	10
#define SEED		20100810ULL
#define REFUSED		UINT32_MAX

static uint32_t slots[SLOTS];
static unsigned long refused, wrongly, granted;

/* From 1 page to an eighth of the area, small ones as likely as large ones. */
static uint64_t random_size(uint64_t *state, uint64_t area)
{
	unsigned int orders = 63 - __builtin_clzll(area / 8);
	uint64_t low = 1ULL << cma_random(state) % orders;

	return low + cma_random(state) % low;
}

/* Wherever the largest free run begins. */
static bool fits(uint64_t pages, unsigned int align)
{
	return cma_largest(AREA_TEST) >= (long)(pages + (1U << align) - 1);
}

static int allocate(uint64_t *state, uint64_t area, uint32_t *slot)
{
	uint64_t pages = random_size(state, area);
	unsigned int align = cma_random(state) % 4;
	struct cma_test_alloc req;
	int err = cma_take(AREA_TEST, pages, align, &req);

	if (err == -ENOMEM) {
		refused++;
		wrongly += fits(pages, align);
	} else if (!err) {
		granted++;
	}
	*slot = err ? REFUSED : req.handle;
	return err == -ENOMEM ? 0 : err;
}

static int step(uint64_t *state, uint64_t area)
{
	uint32_t *slot = &slots[cma_random(state) % SLOTS];
	int err = 0;

	if (!*slot)
		return allocate(state, area, slot);
	if (*slot != REFUSED)
		err = cma_give(*slot);
	*slot = 0;
	return err;
}

static int release_all(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < SLOTS; i++)
		if (slots[i] && slots[i] != REFUSED)
			err = cma_give(slots[i]) ?: err;
	return err;
}

static void checkpoint(unsigned long done)
{
	ksft_print_msg("row random ops=%lu used=%llu largest=%ld\n", done,
		       cma_debugfs(AREA_TEST, "used"), cma_largest(AREA_TEST));
}

static int run_steps(unsigned long ops, uint64_t state)
{
	struct cma_area a;
	unsigned long i;
	int err = cma_area_get(AREA_TEST, &a);

	for (i = 1; !err && i <= ops; i++) {
		err = step(&state, a.count);
		if (err)
			ksft_print_msg("operation %lu: %s\n", i,
				       strerror(-err));
		if (!(i % (ops / CHECKPOINTS)))
			checkpoint(i);
	}
	return err;
}

int main(int argc, char **argv)
{
	unsigned long ops = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : SEED;

	if (ops < CHECKPOINTS)
		ksft_exit_fail_msg("usage: random_test [OPERATIONS >= %d [SEED]]\n",
				   CHECKPOINTS);
	cma_start(4);
	cma_empty_area(AREA_TEST);
	cma_result(!run_steps(ops, seed), "%lu random operations", ops);
	ksft_print_msg("row random granted=%lu refused=%lu wrongly=%lu\n", granted,
		       refused, wrongly);
	ksft_print_msg("largest %ld pages\n", cma_largest(AREA_TEST));
	cma_result(granted && (!wrongly || !cma_is_lend()),
		   "nothing that fits is refused");
	cma_result(!release_all(), "all blocks are released");
	cma_result(cma_is_whole(AREA_TEST), "the area is whole again");
	ksft_finished();
}
