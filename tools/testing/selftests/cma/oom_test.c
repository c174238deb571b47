// SPDX-License-Identifier: GPL-2.0
/*
 * Memory is full and nothing is left to swap to: who is killed for a request, and
 * who is not.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cma_block.h"
#include "cma_hog.h"
#include "cma_inject.h"
#include "cma_load.h"
#include "cma_util.h"

#define LIMIT_MS	60000
#define LENT		90		/* percent of the area */
#define STEP		(512 * 1024UL)
#define REQUEST_PAGES	MIB_PAGES(64)
#define CACHE_BYTES	(96 * BLOCK_CHUNK)
#define PAUSE_MS	10
#define DEADLINE_MS	5000
/* A scan may begin just before the deadline, and emulators are slow. */
#define SLACK_MS	2000
/* Who has other ways, where nothing can come of waiting. */
#define SOON_MS		(DEADLINE_MS / 4)
/* As a network card asks for its rings, and has other ways. */
#define RING_PAGES	16
#define RINGS		20
/* Debug kernels have more time. */
#define DEBUG_FACTOR	10

/* Raises the watermarks in full memory: ordinary allocations then fail as well. */
#define BOOST		"/proc/sys/vm/watermark_boost_factor"
#define BOOST_DEFAULT	"15000"

static struct cma_block hog, reader;

static int set_file(const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/mm/cma/" AREA_TEST "/%s", file);
	return cma_write_text(path, text);
}

static int set_deadline(unsigned int ms)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", ms);
	return set_file("deadline_ms", text);
}

static unsigned long long failures(const char *reason)
{
	unsigned long long n = 0;

	cma_expect(!cma_table(AREA_TEST, "alloc_requests_fail", reason, &n),
		   "no counter");
	return n;
}

static void fill_memory_with(const char *kind, size_t leave)
{
	cma_block_stop(&hog);
	cma_empty_memory();
	cma_expect(cma_hog_start(&hog, cma_hog_find(kind), leave), "no hog");
	cma_expect(cma_lend_out(AREA_TEST, LENT, LIMIT_MS) >= LENT ||
		   !cma_is_lend(), "lend");
}

static void fill_memory(size_t leave)
{
	fill_memory_with("anon", leave);
}

/* The request fails, as it has to, by then, and nobody is killed. */
static void expect_refusal(uint32_t flags, const char *reason,
			   unsigned int limit_ms)
{
	unsigned long long kills = cma_vmstat("oom_kill");
	unsigned long long before = failures(reason);
	struct cma_test_alloc req;
	uint64_t ms = cma_now_ns();

	if (cma_can_inject())
		cma_expect(!set_deadline(DEADLINE_MS / DEBUG_FACTOR), "deadline");
	cma_expect(cma_request(cma_dev, AREA_TEST, REQUEST_PAGES, 0, flags, &req),
		   "served");
	ms = (cma_now_ns() - ms) / 1000000;
	cma_expect(!set_deadline(DEADLINE_MS), "deadline");
	ksft_print_msg("row refusal flags=%#x ms=%llu\n", flags,
		       (unsigned long long)ms);
	cma_expect(ms <= limit_ms, "after %llu ms", (unsigned long long)ms);
	cma_expect(failures(reason) == before + 1, "not counted as %s", reason);
	cma_expect(cma_vmstat("oom_kill") == kills, "somebody was killed");
	cma_expect(cma_block_holds(&hog, LIMIT_MS), "the hog lost memory");
}

static void expect_service(unsigned long long most_kills)
{
	unsigned long long kills = cma_vmstat("oom_kill");
	struct cma_test_alloc req;

	cma_expect(!cma_request(cma_dev, AREA_TEST, REQUEST_PAGES, 0, 0, &req),
		   "refused");
	cma_expect(!cma_give(req.handle), "release");
	kills = cma_vmstat("oom_kill") - kills;
	cma_expect(kills <= most_kills, "%llu kills", kills);
}

static int area_may_forbid(void)
{
	fill_memory(0);
	cma_expect(!set_file("oom", "0"), "oom");
	expect_refusal(0, "no_memory", DEADLINE_MS + SLACK_MS);
	cma_expect(!set_file("oom", "1"), "oom");
	expect_service(1);
	return KSFT_PASS;
}

static int no_warn_kills_nobody(void)
{
	fill_memory(0);
	expect_refusal(CMA_TEST_NO_WARN, "no_memory", SOON_MS);
	return KSFT_PASS;
}

static int nofs_kills_nobody(void)
{
	fill_memory(0);
	expect_refusal(CMA_TEST_NOFS, "no_memory", SOON_MS);
	return KSFT_PASS;
}

static int nobody_is_eligible(void)
{
	fill_memory(0);
	cma_spare_all();
	expect_refusal(0, "no_victim", DEADLINE_MS + SLACK_MS);
	cma_block_stop(&hog);
	expect_service(0);
	return KSFT_PASS;
}

/* Memory is locked full: how long does it take to say no? */
static int refused_at_once(void)
{
	unsigned long long kills = cma_vmstat("oom_kill");
	struct cma_samples us = {};
	unsigned int i, served = 0;
	struct cma_test_alloc req;
	uint64_t start;

	fill_memory_with("mlock", 0);
	for (i = 0; i < RINGS; i++) {
		start = cma_now_ns();
		served += !cma_request(cma_dev, AREA_TEST, RING_PAGES, 0,
				       CMA_TEST_NO_WARN, &req);
		cma_add_sample(&us, cma_now_ns() - start);
	}
	ksft_print_msg("row refused-at-once pages=%u lent=%.1f tries=%u served=%u",
		       RING_PAGES, cma_lent_percent(AREA_TEST), RINGS, served);
	cma_print_us(&us);
	if (!cma_is_lend())
		return KSFT_SKIP;
	cma_expect(cma_percentile_us(&us, 50) < SOON_MS * 1000, "late");
	cma_expect(cma_vmstat("oom_kill") == kills, "somebody was killed");
	return KSFT_PASS;
}

/* Half of it in the area, where the request wants it, and half outside. */
static int cache_goes_first(void)
{
	fill_memory(CACHE_BYTES);
	expect_service(0);
	cma_expect(cma_block_holds(&hog, LIMIT_MS), "the hog lost memory");
	return KSFT_PASS;
}

/* Page cache that is read again, but not so fast that it takes all there is. */

static int run_reader(struct cma_block *b)
{
	static char buf[STEP];
	size_t at, total = cma_mem_total() / STEP * STEP;
	int fd = cma_sparse_file(total);

	if (fd < 0)
		return cma_block_failed(b, "file");
	for (at = 0; ; at = (at + STEP) % total) {
		if (pread(fd, buf, STEP, at) < 0)
			return cma_block_failed(b, "pread");
		cma_block_report(b, STEP);
		cma_sleep_ms(PAUSE_MS);
	}
}

static int run_eater(struct cma_block *b)
{
	size_t at, most = 2 * cma_mem_total();
	char *mem = cma_block_map(most);

	if (!mem)
		return cma_block_failed(b, "mmap");
	cma_block_report(b, STEP);
	for (at = 0; at < most; at += STEP)
		memset(mem + at, 1, STEP);
	return 0;
}

static const struct cma_block_kind reader_kind = {
	.name = "reader", .run = run_reader,
};

static const struct cma_block_kind eater_kind = {
	.name = "eater", .run = run_eater,
};

static bool is_gone(void *data)
{
	return !cma_block_alive(data);
}

/*
 * Only page cache can have what is reclaimed in the area: for anybody else that is
 * no progress, and there has to be a victim.
 */
static int nothing_is_reclaimed_in_vain(void)
{
	unsigned long long kills = cma_vmstat("oom_kill");

	cma_block_stop(&hog);
	cma_empty_memory();
	cma_expect(!set_file("lend", "file"), "lend");
	cma_expect(!cma_block_start(&reader, &reader_kind, STEP, false), "reader");
	cma_expect(!cma_block_start(&hog, &eater_kind, STEP, false), "eater");
	cma_expect(cma_wait(is_gone, &hog, DEBUG_FACTOR * LIMIT_MS), "livelock");
	cma_expect(cma_vmstat("oom_kill") > kills, "it just ended");
	return KSFT_PASS;
}

static const struct cma_case cases[] = {
	{ "an area may forbid victims", area_may_forbid, true },
	{ "who wants no warning kills nobody", no_warn_kills_nobody, true },
	{ "who may not enter file systems kills nobody", nofs_kills_nobody, true },
	{ "who has other ways is refused at once", refused_at_once, false },
	{ "nobody may be killed", nobody_is_eligible, true },
	{ "page cache goes before anybody", cache_goes_first, true },
	{ "nothing is reclaimed in vain", nothing_is_reclaimed_in_vain, true },
};

static void restore(void)
{
	cma_block_stop(&reader);
	cma_block_stop(&hog);
	set_deadline(DEADLINE_MS);
	set_file("oom", "1");
	set_file("lend", "all");
	cma_block_settings(true);
	cma_write_text(BOOST, BOOST_DEFAULT);
	cma_unspare_all();
}

int main(void)
{
	cma_write_text("/proc/self/oom_score_adj", "-1000");
	cma_block_settings(false);
	cma_write_text(BOOST, "0");
	atexit(restore);
	cma_run(cases, ARRAY_SIZE(cases));
}
