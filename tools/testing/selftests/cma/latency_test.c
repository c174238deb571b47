// SPDX-License-Identifier: GPL-2.0
/*
 * How long a bare cma_alloc() takes, by size and by what the area holds. For
 * the instruction clock (qemu -icount), where runs agree within percents. Each
 * row prints the share lent, because a few loans change the figure by three.
 *
 * idle is a machine with IDLE_USED percent of its memory in use, whatever is lent
 * then.
 *
 * Usage: latency_test [TRIES] [empty|cache|anon|thp|idle|all]
 */
#include "cma_load.h"
#include "cma_util.h"

#define LENT_AT_LEAST	30	/* percent, for a try against borrowers */

#define IDLE_USED	30

static const uint64_t sizes[] = { 1, 256, 4096, 16384, 32000 };

/**
 * struct row - one line of the table
 * @ns: latencies of requests served
 * @tries: requests made
 * @lent_max: largest share lent just before, percent
 * @lent_min: smallest
 */
struct row {
	struct cma_samples ns;
	unsigned int tries;
	double lent_max, lent_min;
};

static unsigned int tries = 20;

static bool measure(struct row *r, uint64_t pages)
{
	double lent = cma_lent_percent(AREA_TEST);
	struct cma_test_alloc req;

	if (!r->tries++ || lent < r->lent_min)
		r->lent_min = lent;
	if (lent > r->lent_max)
		r->lent_max = lent;
	if (cma_take(AREA_TEST, pages, 0, &req))
		return false;
	cma_add_sample(&r->ns, req.latency_ns);
	return !cma_give(req.handle);
}

static void print_row(const char *holds, uint64_t pages, struct row *r)
{
	ksft_print_msg("row pages=%llu holds=%s tries=%u ok=%zu",
		       (unsigned long long)pages, holds, r->tries, r->ns.n);
	printf(" lent_min=%.1f lent_max=%.1f", r->lent_min, r->lent_max);
	cma_print_us(&r->ns);
	free(r->ns.v);
}

static bool fill_empty(void)
{
	return cma_empty_area(AREA_TEST);
}

static bool fill_cache(void)
{
	return cma_lend_out(AREA_TEST, 90, 60000) >= LENT_AT_LEAST;
}

/*
 * Memory for the borrower: what the machine has beside the request and some
 * room, so that the pages have somewhere to go.
 */
static size_t borrower_bytes(uint64_t pages)
{
	long long room = cma_keyed("/proc/meminfo", "MemAvailable") * 1024LL -
			 (long long)pages * 4096 - (96LL << 20);

	return room > 0 ? room : 0;
}

static bool measure_many(const char *holds, uint64_t pages, unsigned int n,
			 bool (*fill)(void))
{
	struct row r = { .tries = 0 };
	bool ok = true;
	unsigned int i;

	for (i = 0; i < n && ok; i++)
		ok = fill() && measure(&r, pages);
	print_row(holds, pages, &r);
	return ok && r.lent_max >= r.lent_min && r.ns.n == n;
}

static void all_sizes(const char *holds, unsigned int n, bool (*fill)(void))
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		cma_result(measure_many(holds, sizes[i], n, fill),
			   "%llu pages, area holds %s",
			   (unsigned long long)sizes[i], holds);
}

/* A new borrower for every try: what was moved out doesn't come back. */
static bool against(enum cma_load_kind kind, uint64_t pages, struct row *r)
{
	struct cma_load load;
	bool ok;

	if (cma_load_start(&load, kind, borrower_bytes(pages)))
		return false;
	ok = cma_load_ready(&load, cma_slow(120000)) && measure(r, pages) &&
	     cma_load_alive(&load);
	return !cma_load_stop(&load) && ok;
}

static void borrower_row(enum cma_load_kind kind, uint64_t pages)
{
	unsigned int i, n = tries / 4 ? tries / 4 : 1;
	struct row r = { .tries = 0 };
	bool ok = true;

	for (i = 0; i < n && ok; i++)
		ok = against(kind, pages, &r);
	ok = ok && r.lent_min >= LENT_AT_LEAST;
	print_row(cma_load_name(kind), pages, &r);
	cma_result(ok, "%llu pages, area holds %s",
		   (unsigned long long)pages, cma_load_name(kind));
}

/* What is missing to IDLE_USED percent. */
static size_t idle_bytes(void)
{
	size_t total = cma_mem_total(), want = total / 100 * IDLE_USED;
	size_t used = total - cma_keyed("/proc/meminfo", "MemAvailable") * 1024;

	return want > used ? want - used : 0;
}

/* The user stays, and so does what was moved out for the first request. */
static void idle_rows(void)
{
	static const uint64_t idle_sizes[] = { 1, 256, 16384 };
	struct cma_load load;
	bool ready;
	unsigned int s, i;

	fill_empty();
	ready = !cma_load_start(&load, LOAD_ANON, idle_bytes()) &&
		cma_load_ready(&load, cma_slow(120000));
	for (s = 0; s < ARRAY_SIZE(idle_sizes); s++) {
		struct row r = { .tries = 0 };
		bool ok = ready;

		for (i = 0; i < tries && ok; i++)
			ok = measure(&r, idle_sizes[s]);
		print_row("idle", idle_sizes[s], &r);
		cma_result(ok, "%llu pages, idle machine",
			   (unsigned long long)idle_sizes[s]);
	}
	cma_load_stop(&load);
}

static bool chosen(const char *which, const char *name)
{
	return !strcmp(which, "all") || !strcmp(which, name);
}

int main(int argc, char **argv)
{
	const char *which = argc > 2 ? argv[2] : "all";
	unsigned int plan = 5 * (chosen(which, "empty") +
				 chosen(which, "cache")) +
			    2 * (chosen(which, "anon") + chosen(which, "thp")) +
			    3 * chosen(which, "idle");

	if (argc > 1)
		tries = atoi(argv[1]);
	if (!tries || !plan)
		ksft_exit_fail_msg("usage: latency_test [TRIES] [empty|cache|anon|thp|idle|all]\n");
	cma_start(plan);
	if (chosen(which, "empty"))
		all_sizes("nothing", tries, fill_empty);
	if (chosen(which, "cache"))
		all_sizes("cache", tries / 4 ? tries / 4 : 1, fill_cache);
	if (chosen(which, "anon")) {
		borrower_row(LOAD_ANON, 256);
		borrower_row(LOAD_ANON, 16384);
	}
	if (chosen(which, "thp")) {
		borrower_row(LOAD_THP, 256);
		borrower_row(LOAD_THP, 16384);
	}
	if (chosen(which, "idle"))
		idle_rows();
	ksft_finished();
}
