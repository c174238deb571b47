// SPDX-License-Identifier: GPL-2.0
/*
 * Requests when memory is full: of one page, of half the area and of all of it.
 * Before each, a new hog fills memory, and most of the area is lent; what is
 * still free of the area is filled with page cache.
 *
 * Usage: full_test [-r REQUESTS] [-s none|zram|file] [-l PERCENT]... HOG...
 *   -r  requests of each size (3)
 *   -s  what there is to swap to (none)
 *   -l  how full memory is (95 and more); at less, memory outside is free
 *   HOG anon, noise (anonymous, and can't be compressed), mlock, tmpfs, thp,
 *       pvm (anonymous, and read by others), mix
 *
 * For the base kernel's allocator a row is a measurement: its case is reported as
 * skipped.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cma_block.h"
#include "cma_hog.h"
#include "cma_load.h"
#include "cma_util.h"

#define LENT_AT_LEAST	90
#define LENT_WANTED	95
#define BRIM		95
#define LIMIT_MS	60000
#define LEVELS		4

/* One size under one hog. */
struct row {
	unsigned int ok;
	unsigned int void_tries;
	unsigned int lost;
	unsigned long long kills;
	unsigned long long swapped;
	double lent_min;
	struct cma_samples us;
};

static struct cma_block hog, reserve;
static unsigned int requests = 3, level = BRIM;
static enum cma_swap swap;
static const struct cma_block_kind *kind;

/* What is to be free is held while the hog fills the rest; not by a borrower. */
static bool reserve_memory(void)
{
	size_t bytes = cma_mem_total() / 100 * (100 - level);

	if (level >= BRIM)
		return true;
	return !cma_block_start(&reserve, &cma_pipes, bytes, false) &&
	       cma_block_ready(&reserve, LIMIT_MS);
}

/* Does the try count? */
static bool fill(struct row *row)
{
	double lent;
	bool full;

	cma_block_stop(&hog);
	cma_empty_memory();
	full = reserve_memory() && cma_hog_start(&hog, kind, 0);
	cma_block_stop(&reserve);
	lent = cma_lend_out(AREA_TEST, LENT_WANTED, LIMIT_MS);
	if (lent < row->lent_min)
		row->lent_min = lent;
	return full && lent >= LENT_AT_LEAST && cma_block_alive(&hog);
}

/* Those that don't share their memory lose it only with their life. */
static bool holds_all(unsigned long long killed)
{
	return killed || cma_block_holds(&hog, LIMIT_MS);
}

static void try(struct row *row, uint64_t pages)
{
	unsigned long long kills, swapped;
	struct cma_test_alloc req;
	uint64_t start;
	int err;

	if (!fill(row)) {
		row->void_tries++;
		return;
	}
	kills = cma_vmstat("oom_kill");
	swapped = cma_vmstat("pswpout");
	start = cma_now_ns();
	err = cma_request(cma_dev, AREA_TEST, pages, 0, 0, &req);
	cma_add_sample(&row->us, cma_now_ns() - start);
	kills = cma_vmstat("oom_kill") - kills;
	row->ok += !err;
	row->kills += kills;
	row->swapped += cma_vmstat("pswpout") - swapped;
	row->lost += !holds_all(kills);
	if (!err)
		cma_give(req.handle);
}

static void print_row(struct row *row, uint64_t pages)
{
	ksft_print_msg("row full hog=%s level=%u swap=%s pages=%llu", kind->name,
		       level, cma_swap_names[swap], (unsigned long long)pages);
	printf(" tries=%u void=%u ok=%u", requests - row->void_tries,
	       row->void_tries, row->ok);
	printf(" kills=%llu swapped=%llu lost=%u lent_min=%.1f", row->kills,
	       row->swapped, row->lost, row->lent_min);
	cma_print_us(&row->us);
}

/*
 * Only what can't be swapped needs a victim, and one is enough.  Swap in memory gains
 * nothing from what can't be compressed.
 */
static bool is_good(const struct row *row)
{
	bool stays = swap == CMA_SWAP_NONE || !strcmp(kind->name, "mlock") ||
		     (swap == CMA_SWAP_ZRAM && !strcmp(kind->name, "noise"));

	return row->ok == requests && !row->lost &&
	       row->kills <= (stays ? requests : 0);
}

static int run_sizes(void)
{
	struct cma_area area;
	bool ok = true;
	uint64_t pages;
	unsigned int i, r;

	cma_expect(!cma_area_get(AREA_TEST, &area), "no area");
	for (i = 0; i < 3; i++) {
		struct row row = { .lent_min = 100 };

		pages = i ? area.count / (3 - i) : 1;
		for (r = 0; r < requests; r++)
			try(&row, pages);
		print_row(&row, pages);
		ok &= is_good(&row);
	}
	cma_block_stop(&hog);
	if (!cma_is_lend())
		return KSFT_SKIP;
	return ok ? KSFT_PASS : KSFT_FAIL;
}

static void __noreturn bad_usage(void)
{
	ksft_exit_fail_msg("usage: full_test [-r REQUESTS] [-s SWAP] [-l PERCENT]... HOG...\n");
}

static unsigned int number(const char *text, unsigned int most)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || !n || n > most)
		bad_usage();
	return n;
}

static enum cma_swap find_swap(const char *name)
{
	enum cma_swap s;

	for (s = 0; s < CMA_SWAPS; s++)
		if (!strcmp(cma_swap_names[s], name))
			return s;
	bad_usage();
}

static void restore(void)
{
	cma_swap_off();
	cma_block_settings(true);
}

static void run_hogs(char **names, const unsigned int *levels, unsigned int n)
{
	unsigned int i;
	int ret;

	for (; *names; names++) {
		kind = cma_hog_find(*names);
		for (i = 0; i < n; i++) {
			level = levels[i];
			ret = setjmp(cma_case_end) ? KSFT_FAIL : run_sizes();
			cma_report(ret, "%s fills %u percent, swap %s",
				   kind->name, level,
				   cma_swap_names[swap]);
		}
	}
}

int main(int argc, char **argv)
{
	unsigned int levels[LEVELS] = { BRIM }, n = 0;
	int o, i;

	while ((o = getopt(argc, argv, "r:s:l:")) != -1) {
		if (o == 'r')
			requests = number(optarg, 1000);
		else if (o == 's')
			swap = find_swap(optarg);
		else if (o == 'l' && n < LEVELS)
			levels[n++] = number(optarg, 100);
		else
			bad_usage();
	}
	for (i = optind; i < argc; i++)
		if (!cma_hog_find(argv[i]))
			bad_usage();
	if (optind == argc)
		bad_usage();
	n = n ?: 1;
	cma_write_text("/proc/self/oom_score_adj", "-1000");
	cma_block_settings(false);
	atexit(restore);
	cma_start((argc - optind) * n);
	if (cma_swap_on(swap))
		ksft_exit_fail_msg("no swap: %s\n", cma_swap_names[swap]);
	run_hogs(argv + optind, levels, n);
	ksft_finished();
}
