// SPDX-License-Identifier: GPL-2.0
/*
 * Memory is full and nothing is left to swap to: who is killed for a request, and
 * who is not.
 *
 * Usage: oom_test [CASE...]; the keys of the cases stand at the end of this file
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cma_block.h"
#include "cma_fuse.h"
#include "cma_hog.h"
#include "cma_inject.h"
#include "cma_load.h"
#include "cma_nullb.h"
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

#define PM_TEST		"/sys/power/pm_test"
#define PM_DELAY	"/sys/module/suspend/parameters/pm_test_delay"
#define PANIC		"/proc/sys/vm/panic_on_oom"
#define KILL_ASKER	"/proc/sys/vm/oom_kill_allocating_task"
/* What others may want beside the hog, and its processes. */
#define OTHERS		(8 * BLOCK_CHUNK)
#define GROUP		"/sys/fs/cgroup/cma-oom"
#define GROUP_MAX	(4 * BLOCK_CHUNK)
#define DIR		P_tmpdir "/cma-oom"

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

static void fill_memory_with(const struct cma_block_kind *kind, size_t leave)
{
	cma_block_stop(&hog);
	cma_empty_memory();
	cma_expect(cma_hog_start(&hog, kind, leave), "no hog");
	cma_expect(cma_lend_out(AREA_TEST, LENT, LIMIT_MS) >= LENT ||
		   !cma_is_lend(), "lend");
}

static void fill_memory(size_t leave)
{
	fill_memory_with(cma_hog_find("anon"), leave);
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
	int err;

	fill_memory_with(cma_hog_find("mlock"), 0);
	for (i = 0; i < RINGS; i++) {
		start = cma_now_ns();
		err = cma_request(cma_dev, AREA_TEST, RING_PAGES, 0,
				  CMA_TEST_NO_WARN, &req);
		cma_add_sample(&us, cma_now_ns() - start);
		/* What of the area is not lent may do. */
		served += !err && !cma_give(req.handle);
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

/*
 * A device that resumes asks: everybody is frozen, and nothing can be written.  Cache
 * will do, but nobody can be killed.
 */
static int suspended_machines_wait_for_nobody(void)
{
	unsigned long long kills = cma_vmstat("oom_kill");
	struct cma_test_alloc req;
	int err;

	if (cma_write_text(PM_TEST, "devices") || cma_write_text(PM_DELAY, "0"))
		return KSFT_SKIP;
	fill_memory(CACHE_BYTES);
	err = cma_request(cma_dev, AREA_TEST, REQUEST_PAGES, 0, CMA_TEST_RESUME,
			  &req);
	ksft_print_msg("row resume cache=%lu ms=%llu error=%d\n", CACHE_BYTES,
		       (unsigned long long)req.latency_ns / 1000000, err);
	cma_expect(!err && !cma_give(req.handle), "refused: %s", strerror(-err));
	fill_memory(0);
	expect_refusal(CMA_TEST_RESUME, "no_memory", SOON_MS);
	cma_expect(cma_vmstat("oom_kill") == kills, "somebody was killed");
	expect_service(1);
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

/* Whatever the administrator has said of ordinary allocations. */
static int panics_for_nobody(void)
{
	static const char * const modes[] = { "1", "2" };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		fill_memory(OTHERS);
		cma_expect(!cma_write_text(PANIC, modes[i]), PANIC);
		expect_service(1);
		cma_expect(!cma_write_text(PANIC, "0"), PANIC);
	}
	return KSFT_PASS;
}

static __noreturn void request_and_end(void)
{
	struct cma_test_alloc req;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	cma_write_text("/proc/self/oom_score_adj", "0");
	_exit(cma_request(cma_dev_open(), AREA_TEST, REQUEST_PAGES, 0, 0, &req) ?
	      1 : 0);
}

/* It is counted as killed, and leaves nothing claimed. */
static int asker_may_be_the_victim(void)
{
	unsigned long long before, kills;
	int status = 0;
	pid_t pid;

	fill_memory(0);
	before = failures("killed");
	kills = cma_vmstat("oom_kill");
	cma_expect(!cma_write_text(KILL_ASKER, "1"), KILL_ASKER);
	pid = fork();
	cma_expect(pid >= 0, "fork: %m");
	if (!pid)
		request_and_end();
	cma_expect(cma_reap(pid, LIMIT_MS, &status), "it does not end");
	cma_expect(!cma_write_text(KILL_ASKER, "0"), KILL_ASKER);
	cma_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		   "status %#x", status);
	cma_expect(failures("killed") == before + 1, "not counted as killed");
	cma_expect(cma_vmstat("oom_kill") == kills + 1, "others were killed");
	cma_expect(!cma_debugfs(AREA_TEST, "used"), "it left a claim");
	cma_expect(cma_block_holds(&hog, LIMIT_MS), "the hog lost memory");
	expect_service(1);
	return KSFT_PASS;
}

/* A memory cgroup beside, where somebody is killed all the time. */

static int setup_group(struct cma_block *b)
{
	char max[16];

	rmdir(GROUP);
	snprintf(max, sizeof(max), "%lu", GROUP_MAX);
	if (mkdir(GROUP, 0755) || cma_write_text(GROUP "/memory.max", max))
		return cma_block_failed(b, "group");
	return 0;
}

static void undo_group(struct cma_block *b)
{
	rmdir(GROUP);
}

static __noreturn void die_in_group(void)
{
	if (!cma_write_text(GROUP "/cgroup.procs", "0"))
		cma_block_memory(2 * GROUP_MAX);
	_exit(1);
}

static int run_group(struct cma_block *b)
{
	int status;
	pid_t pid;

	for (;;) {
		pid = cma_block_fork(b);
		if (!pid)
			die_in_group();
		if (pid < 0 || waitpid(pid, &status, 0) != pid ||
		    !WIFSIGNALED(status))
			return cma_block_failed(b, "nobody was killed");
		cma_block_report(b, STEP);
	}
}

static const struct cma_block_kind group_kind = {
	.name = "group", .setup = setup_group, .run = run_group,
	.undo = undo_group,
};

/* Victims of others are no reason to wait for ever, nor to fail. */
static int groups_have_victims(void)
{
	unsigned long rounds;

	cma_expect(!cma_block_start(&reader, &group_kind, STEP, false) &&
		   cma_block_ready(&reader, LIMIT_MS), "group");
	fill_memory(OTHERS);
	rounds = reader.state->rounds;
	expect_service(~0ULL);
	cma_expect(reader.state->rounds > rounds, "nobody was killed beside");
	cma_block_stop(&reader);
	return KSFT_PASS;
}

/*
 * A hog with a thread that nothing ends, as long as a server of user space does not
 * answer.
 */

static int setup_undying(struct cma_block *b)
{
	b->fd = cma_fuse_mount(DIR, 0);
	return b->fd < 0 ? cma_block_failed(b, "mount of FUSE") : 0;
}

static void undo_undying(struct cma_block *b)
{
	cma_block_close(b);
	cma_fuse_umount(DIR);
}

/* Directly: page cache would be waited for killably. */
static void *read_directly(void *data)
{
	int fd = open(DIR "/" CMA_FUSE_FILE, O_RDONLY | O_DIRECT);

	if (fd >= 0 && pread(fd, data, BLOCK_PAGE, 0) < 0)
		close(fd);
	return NULL;
}

static bool was_asked(void *data)
{
	struct cma_block *b = data;

	return b->state->count;
}

static int run_undying(struct cma_block *b)
{
	char *page = cma_block_map(BLOCK_PAGE);
	pthread_t thread;
	pid_t pid = cma_block_fork(b);

	if (!pid) {
		cma_write_text("/proc/self/oom_score_adj", "-1000");
		_exit(-cma_fuse_serve(b->fd, BLOCK_CHUNK, false,
				      &b->state->count));
	}
	cma_block_close(b);
	if (pid < 0 || !page || pthread_create(&thread, NULL, read_directly, page))
		return cma_block_failed(b, "thread");
	if (!cma_wait(was_asked, b, LIMIT_MS))
		return cma_block_failed(b, "the server was not asked");
	return cma_hog_find("anon")->run(b);
}

static const struct cma_block_kind undying_kind = {
	.name = "undying", .setup = setup_undying, .run = run_undying,
	.undo = undo_undying,
};

/* Its memory is what counts: the reaper gets that. */
static int victims_need_not_die(void)
{
	fill_memory_with(&undying_kind, 0);
	expect_service(1);
	cma_expect(cma_block_alive(&hog), "it has died");
	cma_expect(cma_block_stop(&hog), "it can't be stopped");
	return KSFT_PASS;
}

/*
 * A swap device that answers late.  What is on its way there when the request begins, or
 * that it sends there itself, comes back when the device says so.
 */

#define SWAP_MIB	"64"

static void expect_end_with_swap(const char *latency_ns, unsigned int deadline_ms,
				 bool served)
{
	const struct cma_nullb_setting settings[] = {
		{ "size", SWAP_MIB }, { "memory_backed", "1" }, { "irqmode", "2" },
		{ "completion_nsec", latency_ns }, { NULL, NULL }
	};
	unsigned long long kills, swapped;
	struct cma_test_alloc req;
	uint64_t ms;
	int err;

	cma_expect(!cma_nullb_make(settings) && !cma_swap_on_path(CMA_NULLB),
		   "no swap");
	fill_memory(0);
	kills = cma_vmstat("oom_kill");
	swapped = cma_vmstat("pswpout");
	cma_expect(!set_deadline(deadline_ms), "deadline");
	err = cma_request(cma_dev, AREA_TEST, REQUEST_PAGES, 0, 0, &req);
	/* What the test device allocates before waits for swap as anybody does. */
	ms = req.latency_ns / 1000000;
	cma_expect(!set_deadline(DEADLINE_MS), "deadline");
	if (!err)
		cma_give(req.handle);
	kills = cma_vmstat("oom_kill") - kills;
	ksft_print_msg("row late-swap ns=%s served=%d ms=%llu kills=%llu out=%llu\n",
		       latency_ns, !err, (unsigned long long)ms, kills,
		       cma_vmstat("pswpout") - swapped);
	cma_expect(!err || !served, "refused: %s", strerror(-err));
	cma_expect(ms <= deadline_ms + SLACK_MS, "after %llu ms",
		   (unsigned long long)ms);
	cma_expect(kills <= 1, "%llu kills", kills);
	cma_block_stop(&hog);
	cma_swap_off();
	cma_nullb_remove();
	expect_service(0);
}

static int swap_answers_late(void)
{
	expect_end_with_swap("3000000000", DEADLINE_MS, true);
	return KSFT_PASS;
}

/* As far as the request is concerned, never; the driver gives up after 5 s. */
static int swap_answers_too_late(void)
{
	expect_end_with_swap("4500000000", DEADLINE_MS / 3, false);
	return KSFT_PASS;
}

static const struct cma_case cases[] = {
	{ "an area may forbid victims", area_may_forbid, true, "forbid" },
	{ "who wants no warning kills nobody",
	  no_warn_kills_nobody, true, "no-warn" },
	{ "who may not enter file systems kills nobody",
	  nofs_kills_nobody, true, "nofs" },
	{ "who has other ways is refused at once",
	  refused_at_once, false, "at-once" },
	{ "nobody may be killed", nobody_is_eligible, true, "nobody" },
	{ "page cache goes before anybody", cache_goes_first, true, "cache" },
	{ "nobody panics", panics_for_nobody, true, "panic" },
	{ "who asks may be the victim",
	  asker_may_be_the_victim, true, "asker" },
	{ "a group has victims of its own",
	  groups_have_victims, true, "group" },
	{ "suspended machines wait for nobody",
	  suspended_machines_wait_for_nobody, true, "suspend" },
	{ "a victim need not die", victims_need_not_die, true, "undying" },
	{ "swap answers late", swap_answers_late, true, "late-swap" },
	{ "swap answers too late", swap_answers_too_late, true, "dead-swap" },
	{ "nothing is reclaimed in vain",
	  nothing_is_reclaimed_in_vain, true, "vain" },
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
	cma_write_text(PANIC, "0");
	cma_write_text(KILL_ASKER, "0");
	cma_write_text(PM_TEST, "none");
	cma_swap_off();
	cma_nullb_remove();
	cma_unspare_all();
}

int main(int argc, char **argv)
{
	cma_write_text("/proc/self/oom_score_adj", "-1000");
	cma_block_settings(false);
	cma_write_text(BOOST, "0");
	atexit(restore);
	cma_run_chosen(cases, ARRAY_SIZE(cases), argv + 1);
}
