// SPDX-License-Identifier: GPL-2.0
/*
 * A guard that finds no memory to move a loan to: whoever wants to hold it gets a
 * copy, or else the loan, in time, and a counter says so; nobody is killed for it.
 *
 * Memory is short by fault injection where that has to last, and in earnest
 * once, if that is asked for.
 *
 * Usage: guard_test [earnest]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cma_block.h"
#include "cma_inject.h"
#include "cma_load.h"
#include "cma_util.h"

#define BLOCK_BYTES	(24UL << 20)
#define HOLDS_LIMIT_MS	120000
#define DEATH_LIMIT_MS	30000
#define DEADLINE_MS	"5000"
/* Ten times that in debug kernels. */
#define SOON_MS		"100"
#define SOON_LIMIT_MS	4000
#define LATE_BYTES	(96UL << 20)
#define HOG_SPARES	(12UL << 20)

static struct cma_block block;

/* The hog: memory outside of the area that is nobody's to have. */

static struct cma_block hog;

static size_t bytes_free(void)
{
	return cma_keyed("/proc/meminfo", "MemFree") * 1024ULL;
}

/* Leaves as much free as it is told, each time that it is told another number. */
static int run_hog(struct cma_block *b)
{
	size_t at = 0, spare = 0, bytes = cma_mem_total();
	char *mem = cma_block_map(bytes);

	if (!mem || mlockall(MCL_CURRENT | MCL_ONFAULT))
		return cma_block_failed(b, "mlockall");
	for (;;) {
		while (b->state->count == spare)
			cma_sleep_ms(1);
		spare = b->state->count;
		for (; at < bytes && bytes_free() > spare; at += BLOCK_CHUNK)
			memset(mem + at, 1, BLOCK_CHUNK);
		cma_block_report(b, spare);
	}
}

static const struct cma_block_kind hog_kind = {
	.name = "hog", .run = run_hog,
};

static bool hog_left(void *data)
{
	return hog.state->held == *(size_t *)data || !cma_block_alive(&hog);
}

static void hog_leaves(size_t spare)
{
	hog.state->count = spare;
	cma_expect(cma_wait(hog_left, &spare, cma_slow(HOLDS_LIMIT_MS)) &&
		   cma_block_alive(&hog), "the hog doesn't get its memory");
}

/* Below the min watermark the hog itself would be killed. */
static size_t least_spare(void)
{
	unsigned long long min_kib = 0;

	cma_read_number("/proc/sys/vm/min_free_kbytes", &min_kib);
	return 2 * 1024 * min_kib > HOG_SPARES ? 2 * 1024 * min_kib :
						 HOG_SPARES;
}

/* While the area is a device's, so that it borrows nothing. */
static void start_hog(void)
{
	struct cma_test_alloc req;
	struct cma_area area;

	cma_expect(!cma_area_get(AREA_TEST, &area), "geometry");
	cma_expect(!cma_take(AREA_TEST, area.count, 0, &req), "whole area");
	cma_expect(!cma_block_start(&hog, &hog_kind, BLOCK_CHUNK, false),
		   "hog does not start");
	hog_leaves(least_spare());
	cma_give(req.handle);
}

/*
 * Next to nothing is free outside: who allocates borrows, and who may not has the
 * hog moved into the area.
 */
static void make_borrow(void)
{
	/* The last request may have asked for a victim. */
	cma_block_stop(&hog);
	cma_write_text("/proc/sys/vm/drop_caches", "3");
	start_hog();
	cma_expect(cma_empty_area(AREA_TEST), "the area isn't empty");
}

/* Starts a blocker that finds no target; false where the kernel can't do that. */
static bool start_short(const char *name)
{
	cma_block_stop(&block);
	if (!cma_can_inject())
		return false;
	/* A look at the stack for each of the hog's pages would take minutes. */
	cma_inject_stop();
	make_borrow();
	cma_expect(!cma_inject_below(CMA_INJECT_GUARD, 100), "injection");
	cma_expect(!cma_block_start(&block, cma_block_find(name), BLOCK_BYTES,
				    false), "%s does not start", name);
	return true;
}

static unsigned long long hits(void)
{
	return cma_sysfs(AREA_TEST, "guard_hits");
}

static unsigned long long oom_kills(void)
{
	return cma_keyed("/proc/vmstat", "oom_kill");
}

static unsigned long long copied(void)
{
	return cma_sysfs(AREA_TEST, "guard_pages_copied");
}

static void expect_served(uint64_t pages)
{
	struct cma_test_alloc req;
	int err = cma_request(cma_dev, AREA_TEST, pages, 0, 0, &req);

	cma_expect(!err, "%llu pages: %s", (unsigned long long)pages,
		   strerror(-err));
	cma_give(req.handle);
}

static unsigned long long granted(void)
{
	return cma_sysfs(AREA_TEST, "guard_failed");
}

static int set_deadline(const char *ms)
{
	return cma_write_text("/sys/kernel/mm/cma/" AREA_TEST "/deadline_ms", ms);
}

/* What somebody holds does not come back: that is said in time. */
static void expect_busy(void)
{
	unsigned long long before = 0, busy = 0;
	uint64_t start = cma_now_ns(), ms;
	struct cma_test_alloc req;
	struct cma_area area;

	cma_expect(!cma_area_get(AREA_TEST, &area), "geometry");
	cma_table(AREA_TEST, "alloc_requests_fail", "busy", &before);
	cma_expect(!set_deadline(SOON_MS), "deadline");
	cma_expect(cma_take(AREA_TEST, area.count, 0, &req), "whole area");
	cma_expect(!set_deadline(DEADLINE_MS), "deadline");
	ms = (cma_now_ns() - start) / 1000000;
	cma_expect(ms < SOON_LIMIT_MS, "refused after %llu ms",
		   (unsigned long long)ms);
	cma_table(AREA_TEST, "alloc_requests_fail", "busy", &busy);
	cma_expect(busy == before + 1, "not counted as busy");
}

static void expect_death(void)
{
	uint64_t start = cma_now_ns(), ms;

	cma_expect(cma_block_stop(&block), "can't be killed");
	ms = (cma_now_ns() - start) / 1000000;
	cma_expect(ms < cma_slow(DEATH_LIMIT_MS), "died after %llu ms",
		   (unsigned long long)ms);
}

static int gup_goes_on(void)
{
	unsigned long long before = granted(), pages;

	if (!start_short("vmsplice"))
		return KSFT_SKIP;
	cma_expect(cma_block_ready(&block, cma_slow(HOLDS_LIMIT_MS)), "not ready");
	pages = granted() - before;
	ksft_print_msg("row short vmsplice granted=%llu\n", pages);
	cma_expect(pages > BLOCK_BYTES / BLOCK_PAGE / 4, "%llu grants", pages);
	expect_busy();
	expect_death();
	expect_served(MIB_PAGES(64));
	return KSFT_PASS;
}

/* The base kernel moves these pages by rules of its own, or refuses. */
static int longterm_is_not_granted(void)
{
	unsigned long long before = granted();

	if (!start_short("gup-pin"))
		return KSFT_SKIP;
	cma_expect(cma_block_ready(&block, cma_slow(HOLDS_LIMIT_MS)), "not ready");
	cma_expect(granted() == before, "granted");
	expect_served(MIB_PAGES(64));
	expect_death();
	return KSFT_PASS;
}

static int splice_copies(void)
{
	static const char * const names[] = { "splice-file", "splice-tmpfs" };
	unsigned long long before, pages;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		before = copied();
		if (!start_short(names[i]))
			return KSFT_SKIP;
		cma_expect(cma_block_ready(&block, cma_slow(HOLDS_LIMIT_MS)),
			   "%s: not ready", names[i]);
		pages = copied() - before;
		ksft_print_msg("row short %s copied=%llu\n", names[i], pages);
		cma_expect(pages > BLOCK_BYTES / BLOCK_PAGE / 4, "%s: %llu copies",
			   names[i], pages);
		expect_served(MIB_PAGES(64));
		expect_death();
	}
	return KSFT_PASS;
}

/* In earnest: the hog leaves next to nothing, in the area and outside. */

/* Has its memory before there is none, and then wants to hold it. */
static int run_late(struct cma_block *b)
{
	char *mem = cma_block_memory(b->bytes);
	struct iovec iov = { mem, b->bytes };
	int fd[2];

	if (!mem || pipe(fd) || fcntl(fd[1], F_SETPIPE_SZ, b->bytes) < 0)
		return cma_block_failed(b, "pipe");
	b->state->count = 1;
	while (b->state->count == 1)
		cma_sleep_ms(1);
	if (vmsplice(fd[1], &iov, 1, 0) != (ssize_t)b->bytes)
		return cma_block_failed(b, "vmsplice");
	for (;;) {
		cma_block_report(b, b->bytes);
		cma_block_sleep();
	}
}

static const struct cma_block_kind late_kind = {
	.name = "late", .run = run_late,
};

static bool has_memory(void *data)
{
	return block.state->count == 1 || !cma_block_alive(&block);
}

/* Nothing is in the page cache that could make room. */
static void fill_memory(void)
{
	size_t spare = least_spare();

	cma_write_text("/proc/sys/vm/drop_caches", "3");
	hog_leaves(LATE_BYTES + 2 * spare);
	cma_expect(!cma_block_start(&block, &late_kind, LATE_BYTES, false),
		   "late does not start");
	cma_expect(cma_wait(has_memory, NULL, cma_slow(HOLDS_LIMIT_MS)),
		   "no memory for it");
	hog_leaves(spare);
}

/* What can be moved is, the rest is granted; the hog would be the first victim. */
static int memory_is_short(void)
{
	unsigned long long kills = oom_kills(), before = hits(), had = granted();
	bool ready;

	cma_inject_stop();
	cma_block_stop(&block);
	cma_block_stop(&hog);
	cma_expect(!cma_block_start(&hog, &hog_kind, BLOCK_CHUNK, false),
		   "hog does not start");
	fill_memory();
	block.state->count = 2;
	ready = cma_block_ready(&block, cma_slow(HOLDS_LIMIT_MS));
	kills = oom_kills() - kills;
	ksft_print_msg("row short kills=%llu ready=%d free_kib=%zu hits=%llu granted=%llu\n",
		       kills, ready, bytes_free() >> 10, hits() - before,
		       granted() - had);
	cma_expect(hits() > before || granted() > had, "it never met a loan");
	cma_expect(!kills && cma_block_alive(&hog), "somebody was killed");
	cma_expect(ready, "not ready");
	cma_expect(cma_block_stop(&hog), "the hog can't be killed");
	expect_death();
	expect_served(MIB_PAGES(64));
	return KSFT_PASS;
}

static const struct cma_case cases[] = {
	{ "GUP without a target goes on, and is counted", gup_goes_on, true },
	{ "a long-term pin is not granted", longterm_is_not_granted, true },
	{ "splice without a target copies", splice_copies, true },
	/* The last one. */
	{ "memory is short in earnest", memory_is_short, true },
};

static void restore(void)
{
	cma_lend_others(AREA_TEST, "all");
	set_deadline(DEADLINE_MS);
	cma_inject_stop();
	cma_block_settings(true);
}

int main(int argc, char **argv)
{
	bool earnest = argc > 1 && !strcmp(argv[1], "earnest");

	cma_write_text("/proc/self/oom_score_adj", "-1000");
	cma_block_settings(false);
	atexit(restore);
	/* A blocker's first loan is to be one of the area's that is looked at. */
	cma_lend_others(AREA_TEST, "none");
	cma_run(cases, ARRAY_SIZE(cases) - !earnest);
}
