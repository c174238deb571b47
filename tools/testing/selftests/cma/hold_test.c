// SPDX-License-Identifier: GPL-2.0
/*
 * One loan that can't come back, held by the test device: what a request does
 * then, to the page and to the count. And what needs no blocker to be seen:
 * whose the loans of an area are, who refers to them, and what a request costs
 * where nothing is lent.
 *
 * Only one area lends here, a small one, and only what is said here borrows from
 * it in numbers. No case depends on how fast the machine is, but for bounds that
 * are several times what they should be.
 *
 * Usage: hold_test [CASE...]; the keys of the cases stand at the end of this file
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cma_block.h"
#include "cma_hog.h"
#include "cma_inject.h"
#include "cma_load.h"
#include "cma_nullb.h"
#include "cma_util.h"

#define AREA		AREA_WHOLE
#define PAGES		MIB_PAGES(16)
#define STEP		(512 * 1024UL)
#define BALLOON		(12 * BLOCK_CHUNK)
#define ROOM		(64 * BLOCK_CHUNK)
#define ENOUGH		(PAGES / 64)
#define RECLAIMED	1024	/* pages: memory is full */
#define STEPS		256	/* to lend that much */
#define LIMIT_MS	60000
#define SETTLES		50
#define MORE		3	/* rounds, where one may be bad luck */
#define SETTLE_MS	100
/*
 * Who makes room takes up to 64 free pages of the area at a time, as targets: kswapd,
 * and a task or two.  They are nobody's then.
 */
#define TARGETS		(3 * 64)
/* Time limits of requests: one that is met, and one that is not. */
#define SOON_MS		2000U
#define LATE_MS		50000U
#define FAR_MS		(10 * LATE_MS)
/* Late beyond doubt, but nothing that a busy machine could do to SOON_MS. */
#define TOO_LATE_MS	10000U

#define SYSFS		"/sys/kernel/mm/cma/"
#define KSM		"/sys/kernel/mm/ksm/"
#define TRACING		"/sys/kernel/tracing/"
#define EVENT		TRACING "events/cma_lend/cma_lend_blocked/enable"

#define RECALL		"cma_recall_range"

/* Memory that borrows. */

static int data_fd = -1, shmem_fd = -1;
static char *mine;
static bool alike;
static size_t mine_bytes, shmem_bytes;
/* Of pages that nothing moves: it must not be what is lent. */
static struct cma_block balloon;

static void make_balloon(void)
{
	cma_expect(!cma_block_start(&balloon, &cma_pipes, BALLOON, false) &&
		   cma_block_ready(&balloon, cma_slow(LIMIT_MS)), "balloon");
}

static void free_balloon(void)
{
	cma_block_stop(&balloon);
}

static void free_mine(void)
{
	if (mine)
		munmap(mine, ROOM);
	mine = NULL;
	mine_bytes = 0;
	if (shmem_fd >= 0)
		close(shmem_fd);
	shmem_fd = -1;
	shmem_bytes = 0;
}

/* Round and round a file that is as large as memory: always new page cache. */
static void read_some(void)
{
	static char buf[STEP];
	static size_t at;

	if (pread(data_fd, buf, STEP, at) <= 0)
		at = 0;
	at = (at + STEP) % (cma_mem_total() / STEP * STEP);
}

/* Every page differs, or none. */
static uint64_t word_of(size_t at)
{
	return (alike ? 1 : at / BLOCK_PAGE + 1) * 0x9e3779b97f4a7c15ULL;
}

static void touch_some(void)
{
	size_t end = mine_bytes + STEP;

	if (end > ROOM)
		return;
	for (; mine_bytes < end; mine_bytes += BLOCK_PAGE)
		*(uint64_t *)(mine + mine_bytes) = word_of(mine_bytes);
}

static bool mine_is_intact(void)
{
	size_t at;

	for (at = 0; at < mine_bytes; at += BLOCK_PAGE)
		if (*(uint64_t *)(mine + at) != word_of(at))
			return false;
	return true;
}

static void write_some(void)
{
	static char buf[STEP];

	if (shmem_bytes + STEP <= ROOM &&
	    pwrite(shmem_fd, buf, STEP, shmem_bytes) == (ssize_t)STEP)
		shmem_bytes += STEP;
}

static uint64_t lent(uint32_t kind)
{
	struct cma_test_share s;

	cma_expect(!cma_share(AREA, &s), "share");
	return kind == CMA_TEST_ANON ? s.anon :
	       kind == CMA_TEST_SHMEM ? s.shmem : s.file;
}

/* Until enough is lent to that kind; a look costs more than a step. */
static void lend_to(uint32_t kind)
{
	unsigned int steps = 0;

	while (steps < STEPS && (steps % 8 || lent(kind) < ENOUGH)) {
		if (kind == CMA_TEST_ANON)
			touch_some();
		else if (kind == CMA_TEST_SHMEM)
			write_some();
		/* Now and then, in case there is memory outside after all. */
		if (kind == CMA_TEST_FILE || steps % 8 == 7)
			read_some();
		steps++;
	}
	cma_expect(lent(kind) >= ENOUGH, "only %llu pages are lent",
		   (unsigned long long)lent(kind));
}

static uint32_t take_area(void)
{
	struct cma_test_alloc req;
	int err = cma_take(AREA, PAGES, 0, &req);

	cma_expect(!err, "whole area: %s", strerror(-err));
	return req.handle;
}

static void empty_area(void)
{
	cma_give(take_area());
}

/* Memory outside is full of page cache; what of the area is free stays so. */
static void fill_with_cache(void)
{
	uint32_t handle = take_area();
	unsigned long long before = cma_reclaimed();
	size_t done;

	/* More than what is under way already, from before. */
	for (done = 0; done < 2 * cma_mem_total() &&
	     cma_reclaimed() < before + RECLAIMED; done += STEP)
		read_some();
	cma_give(handle);
}

/* The same, but for a balloon: what comes next borrows. */
static void fill_outside(void)
{
	empty_area();
	make_balloon();
	mine = cma_block_map(ROOM);
	shmem_fd = memfd_create("cma", 0);
	cma_expect(mine && shmem_fd >= 0, "memory");
	fill_with_cache();
}

/* Settings. */

static void set_area(const char *file, unsigned int value)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), SYSFS AREA "/%s", file);
	snprintf(text, sizeof(text), "%u", value);
	cma_expect(!cma_write_text(path, text), "%s", path);
}

static bool has_symbol(const char *symbol)
{
	FILE *symbols = fopen("/proc/kallsyms", "r");
	bool found = false;
	char name[512];

	while (symbols && !found &&
	       fscanf(symbols, "%*x %*c %511s%*[^\n]", name) == 1)
		found = !strcmp(name, symbol);
	if (symbols)
		fclose(symbols);
	return found;
}

static void set_lend(const char *policy)
{
	cma_expect(!cma_set_lend(AREA, policy), "%s", policy);
}

/* Debug kernels take ten times as long: with KASAN, or with lockdep. */
static void set_deadline(unsigned int ms)
{
	static int factor;

	if (!factor)
		factor = has_symbol("kasan_report") ||
			 has_symbol("print_circular_bug") ? 10 : 1;
	set_area("deadline_ms", ms / factor);
}

/* Counters. */

/**
 * struct counts - what requests of the area came to
 * @ok: served
 * @fail: refused, by reason
 */
struct counts {
	unsigned long long ok;
	unsigned long long fail[CMA_FAIL_REASONS];
};

static void count(struct counts *c)
{
	unsigned int i;

	c->ok = cma_sysfs(AREA, "alloc_requests_success");
	for (i = 0; i < CMA_FAIL_REASONS; i++)
		cma_expect(!cma_table(AREA, "alloc_requests_fail",
				      cma_fail_reasons[i], &c->fail[i]), "%s",
			   cma_fail_reasons[i]);
}

/* Since then, @ok were served, and one was refused, unless @reason is NULL. */
static void expect_counted(const struct counts *before, unsigned int ok,
			   const char *reason)
{
	struct counts now;
	unsigned int i;

	count(&now);
	cma_expect(now.ok == before->ok + ok, "%llu more were served",
		   now.ok - before->ok);
	for (i = 0; i < CMA_FAIL_REASONS; i++)
		cma_expect(now.fail[i] == before->fail[i] +
			   (reason && !strcmp(reason, cma_fail_reasons[i])),
			   "%llu more are %s", now.fail[i] - before->fail[i],
			   cma_fail_reasons[i]);
}

/* Traces. */

static bool trace_ready(void)
{
	if (access(TRACING "trace", F_OK))
		mount("tracefs", TRACING, "tracefs", 0, NULL);
	return !access(TRACING "trace", W_OK);
}

/* Emptied by being opened: the trace, or a list. */
static void clear_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	cma_expect(fd >= 0, "%s: %m", path);
	close(fd);
}

static void clear_trace(void)
{
	clear_file(TRACING "trace");
}

/* How many lines have the word. */
static unsigned int traced(const char *word)
{
	FILE *trace = fopen(TRACING "trace", "r");
	char line[1024];
	unsigned int n = 0;

	while (trace && fgets(line, sizeof(line), trace))
		n += line[0] != '#' && strstr(line, word);
	if (trace)
		fclose(trace);
	return n;
}

/* Holds. */

static struct cma_test_hold hold;

static int try_hold(uint64_t pfn, uint32_t kind, uint32_t mode)
{
	/* Others may want their own locked page, and wait for it. */
	int fd = mode == CMA_TEST_BY_REF || kind == CMA_TEST_ANON ? -1 :
		 kind == CMA_TEST_SHMEM ? shmem_fd : data_fd;

	hold = (struct cma_test_hold) {
		.area = AREA, .pfn = pfn, .kinds = kind, .mode = mode, .fd = fd,
	};
	return ioctl(cma_dev, CMA_TEST_HOLD, &hold) ? -errno : 0;
}

static void hold_one(uint64_t pfn, uint32_t kind, uint32_t mode)
{
	int err = try_hold(pfn, kind, mode);

	cma_expect(!err, "hold: %s", strerror(-err));
}

static void let_go(void)
{
	struct cma_test_unhold req = { .handle = hold.handle };

	cma_expect(!ioctl(cma_dev, CMA_TEST_UNHOLD, &req), "let go: %m");
}

static void walk(struct cma_test_walk *w)
{
	memset(w, 0, sizeof(*w));
	snprintf(w->area, sizeof(w->area), "%s", AREA);
	cma_expect(!ioctl(cma_dev, CMA_TEST_WALK, w), "%m");
}

/* Requests of another process. */

/**
 * struct requester - a process that makes one request, and ends
 * @pid: the process
 * @done: the request is over
 * @err: what it came to
 * @ns: how long it took
 */
static struct requester {
	pid_t pid;
	atomic_int done;
	int err;
	uint64_t ns;
} *requester;

static void request_once(uint64_t pages, bool inject)
{
	struct cma_test_alloc req;
	int dev;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dev = cma_dev_open();
	if (inject && cma_inject_me())
		_exit(1);
	requester->err = cma_request(dev, AREA, pages, 0, 0, &req);
	requester->ns = req.latency_ns;
	requester->done = 1;
	_exit(0);
}

static void start_request(uint64_t pages, bool inject)
{
	pid_t pid;

	requester->done = 0;
	pid = fork();
	cma_expect(pid >= 0, "fork: %m");
	/* What is shared is not the child's to write: it has 0 for its number. */
	if (!pid)
		request_once(pages, inject);
	requester->pid = pid;
}

static void expect_end(void)
{
	pid_t pid = requester->pid;

	cma_expect(cma_reap(pid, cma_slow(TOO_LATE_MS), NULL),
		   "the requester is there");
	requester->pid = 0;
}

/* All but the page that is held are free, and claimed. */
static bool has_all_but_one(void *data)
{
	struct cma_test_share s;

	return requester->done || (!cma_share(AREA, &s) &&
		s.free == PAGES - 1 && cma_debugfs(AREA, "used") == PAGES);
}

static void expect_waiting(void)
{
	cma_expect(cma_wait(has_all_but_one, NULL, cma_slow(LATE_MS)),
		   "not recalled");
	cma_expect(!requester->done, "it didn't wait: %s",
		   strerror(-requester->err));
}

static struct cma_block block;
static unsigned long long granted_before;
static pid_t spinner, toucher;

static unsigned long long granted(void)
{
	return cma_sysfs(AREA, "guard_failed") - granted_before;
}

static bool run_on(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	return !sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void run_anywhere(void)
{
	cpu_set_t cpus;

	memset(&cpus, 0xff, sizeof(cpus));
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void end_child(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		cma_reap(*pid, LIMIT_MS, NULL);
	}
	*pid = 0;
}

/* Undoes what a case that failed has left; its holds went with the device. */
static void begin(void)
{
	end_child(&requester->pid);
	end_child(&spinner);
	end_child(&toucher);
	run_anywhere();
	cma_unspare_all();
	cma_inject_stop();
	cma_block_stop(&block);
	free_balloon();
	free_mine();
	alike = false;
	set_lend("all");
	set_area("oom", 1);
	set_deadline(LATE_MS);
	granted_before = cma_sysfs(AREA, "guard_failed");
}

/* Failures. */

/* Refused at its deadline, for the page that is held, and told so everywhere. */
static void expect_refused(int log, uint64_t ns, unsigned int deadline,
			   const char *reason)
{
	char last[1024] = "", word[96];
	uint64_t ms = ns / 1000000;
	int lines;

	ksft_print_msg("row refused pfn=%#llx ms=%llu\n", hold.pfn,
		       (unsigned long long)ms);
	/* Ticks stand still while the host runs something else. */
	cma_expect(ms >= deadline * 9 / 10, "after %llu ms", (unsigned long long)ms);
	cma_expect(ms < TOO_LATE_MS, "after %llu ms", (unsigned long long)ms);
	lines = cma_log_count(log, "cma: " AREA ": alloc failed", last,
			      sizeof(last));
	close(log);
	cma_expect(lines == 1, "%d lines in the log", lines);
	cma_expect(strstr(last, reason), "%s", last);
	snprintf(word, sizeof(word), "pfn %#llx of ", hold.pfn);
	cma_expect(!hold.pfn || strstr(last, word), "%s", last);
	cma_expect(traced("cma_lend_blocked: name=" AREA " ") == 1, "%u events",
		   traced("cma_lend_blocked"));
	snprintf(word, sizeof(word), "cma_lend_blocked: name=" AREA " pfn=%#llx ",
		 hold.pfn);
	cma_expect(!hold.pfn || traced(word) == 1, "not %s", word);
}

/*
 * All but the page that is held come back, and stay: then the deadline has nothing else
 * to be met by.
 */
static void recall_all_others(void)
{
	struct cma_test_share s;

	set_area("oom", 0);
	set_deadline(FAR_MS);
	start_request(PAGES, false);
	expect_waiting();
	set_lend("none");
	kill(requester->pid, SIGKILL);
	expect_end();
	cma_expect(!cma_share(AREA, &s) && s.free == PAGES - 1, "%llu free", s.free);
}

static int refused(uint32_t kind, uint32_t mode)
{
	struct cma_test_alloc req;
	struct counts before;
	int log, err;

	begin();
	if (!trace_ready())
		return KSFT_SKIP;
	fill_outside();
	lend_to(kind);
	hold_one(0, kind, mode);
	/* There is memory for all others. */
	free_balloon();
	recall_all_others();
	cma_write_text(EVENT, "1");
	clear_trace();
	log = cma_log_open();
	cma_expect(log >= 0, "%m");
	set_deadline(SOON_MS);
	count(&before);
	err = cma_request(cma_dev, AREA, PAGES, 0, 0, &req);
	cma_write_text(EVENT, "0");
	cma_expect(err == -ENOMEM, "%s", strerror(-err));
	expect_counted(&before, 0, "busy");
	expect_refused(log, req.latency_ns, SOON_MS,
		       "a loan did not come back in time");
	let_go();
	set_lend("all");
	set_deadline(LATE_MS);
	cma_expect(cma_is_whole(AREA), "not whole when it is let go");
	cma_expect(mine_is_intact(), "memory has changed");
	return KSFT_PASS;
}

static int file_ref(void)
{
	return refused(CMA_TEST_FILE, CMA_TEST_BY_REF);
}

static int anon_ref(void)
{
	return refused(CMA_TEST_ANON, CMA_TEST_BY_REF);
}

static int shmem_ref(void)
{
	return refused(CMA_TEST_SHMEM, CMA_TEST_BY_REF);
}

static int file_lock(void)
{
	return refused(CMA_TEST_FILE, CMA_TEST_BY_LOCK);
}

static int shmem_lock(void)
{
	return refused(CMA_TEST_SHMEM, CMA_TEST_BY_LOCK);
}

static int file_writeback(void)
{
	return refused(CMA_TEST_FILE, CMA_TEST_BY_WRITEBACK);
}

/* The first page of cache from @pfn on, as soon as there is one. */
static void hold_from(uint64_t pfn)
{
	unsigned int steps;
	int err = -ENOENT;

	for (steps = 0; err && steps < STEPS; steps++) {
		read_some();
		err = try_hold(pfn, CMA_TEST_FILE, CMA_TEST_BY_REF);
	}
	cma_expect(!err, "hold from %#llx: %s", (unsigned long long)pfn,
		   strerror(-err));
}

/* A page in each quarter, or behind it: one of them is where it looks first. */
static int served_elsewhere(void)
{
	static const uint64_t offsets[] = {
		0, PAGES / 4, PAGES / 2, PAGES - PAGES / 4
	};
	struct cma_test_alloc req;
	struct counts before;
	struct cma_area a;
	unsigned int i;
	int err;

	begin();
	fill_outside();
	cma_expect(!cma_area_get(AREA, &a), "geometry");
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		lend_to(CMA_TEST_FILE);
		hold_from(a.base + offsets[i]);
		count(&before);
		err = cma_request(cma_dev, AREA, PAGES / 2, 0, 0, &req);
		cma_expect(!err, "%s", strerror(-err));
		cma_give(req.handle);
		ksft_print_msg("row elsewhere held=%#llx served=%#llx ms=%llu\n",
			       hold.pfn - a.base, req.pfn - a.base,
			       req.latency_ns / 1000000);
		cma_expect(hold.pfn - req.pfn >= PAGES / 2, "the page itself");
		expect_counted(&before, 1, NULL);
		let_go();
	}
	return KSFT_PASS;
}

/* A request for the whole area waits for one page. */
static void make_wait(struct counts *before)
{
	begin();
	set_area("oom", 0);
	set_deadline(FAR_MS);
	fill_outside();
	lend_to(CMA_TEST_FILE);
	hold_one(0, CMA_TEST_FILE, CMA_TEST_BY_REF);
	free_balloon();
	count(before);
	start_request(PAGES, false);
	expect_waiting();
}

static int served_when_let_go(void)
{
	struct cma_test_share s;
	struct counts before;
	size_t done;

	make_wait(&before);
	/* What came back is nobody's to have meanwhile. */
	for (done = 0; done < 2 * BALLOON; done += STEP)
		read_some();
	cma_expect(!cma_share(AREA, &s), "share");
	cma_expect(s.free == PAGES - 1, "%llu free", s.free);
	cma_expect(!requester->done, "it didn't wait");
	let_go();
	expect_end();
	cma_expect(requester->done && !requester->err, "%s",
		   strerror(-requester->err));
	expect_counted(&before, 1, NULL);
	return KSFT_PASS;
}

static int killed_while_it_waits(void)
{
	struct counts before;

	make_wait(&before);
	kill(requester->pid, SIGKILL);
	expect_end();
	expect_counted(&before, 0, "killed");
	cma_expect(!cma_debugfs(AREA, "used"), "it left a claim");
	let_go();
	cma_expect(cma_is_whole(AREA), "not whole");
	return KSFT_PASS;
}

/*
 * Every page that a loan could be moved to is refused; there is no swap.  Fails at the
 * deadline for @reason, which the log has in more words.
 */
static int refuse_memory(unsigned int deadline, const char *reason,
			 const char *words)
{
	struct counts before;
	int log;

	if (!cma_can_inject() || !trace_ready())
		return KSFT_SKIP;
	fill_outside();
	lend_to(CMA_TEST_ANON);
	free_balloon();
	cma_expect(!cma_inject_below(RECALL, 100), "injection");
	set_deadline(deadline);
	cma_write_text(EVENT, "1");
	clear_trace();
	log = cma_log_open();
	count(&before);
	hold.pfn = 0;
	start_request(PAGES, true);
	expect_end();
	cma_inject_stop();
	cma_write_text(EVENT, "0");
	cma_expect(cma_injected(), "nothing was injected");
	cma_expect(requester->done && requester->err == -ENOMEM, "%d",
		   requester->err);
	expect_counted(&before, 0, reason);
	expect_refused(log, requester->ns, deadline, words);
	cma_expect(mine_is_intact(), "memory has changed");
	set_deadline(LATE_MS);
	cma_expect(cma_is_whole(AREA), "not whole when there is memory");
	return KSFT_PASS;
}

static int no_memory(void)
{
	begin();
	set_area("oom", 0);
	return refuse_memory(SOON_MS, "no_memory", "no memory to move loans to");
}

/* The OOM killer is asked when half of the time is over. */
static int no_victim(void)
{
	unsigned long long kills = cma_vmstat("oom_kill");
	int ret;

	begin();
	cma_spare_all();
	ret = refuse_memory(3 * SOON_MS, "no_victim", "nobody to kill for it");
	cma_unspare_all();
	cma_expect(cma_vmstat("oom_kill") == kills, "somebody was killed");
	return ret;
}

static int no_range(void)
{
	struct cma_test_alloc req;
	struct counts before;
	uint32_t all;
	int err;

	begin();
	all = take_area();
	count(&before);
	err = cma_request(cma_dev, AREA, 1, 0, 0, &req);
	cma_expect(err == -ENOMEM, "%s", strerror(-err));
	cma_expect(req.latency_ns < TOO_LATE_MS * 1000000ULL, "late");
	expect_counted(&before, 0, "no_range");
	cma_give(all);
	return KSFT_PASS;
}

/* What no area could serve is no request. */
static int nonsense(void)
{
	static const struct {
		uint64_t pages;
		uint32_t align;
	} bad[] = {
		{ 0, 0 }, { PAGES + 1, 0 }, { ~0ULL, 0 }, { 1ULL << 52, 0 },
		{ 1, 64 }, { 1, 1000 },
	};
	struct cma_test_alloc req;
	struct counts before;
	unsigned int i;
	int err;

	begin();
	count(&before);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		err = cma_request(cma_dev, AREA, bad[i].pages, bad[i].align, 0,
				  &req);
		cma_expect(err == -ENOMEM, "%u: %s", i, strerror(-err));
		cma_expect(req.latency_ns < TOO_LATE_MS * 1000000ULL, "late");
	}
	expect_counted(&before, 0, NULL);
	return KSFT_PASS;
}

/* Where nothing is lent. */

#define ROUNDS		20
#define EVENTS		ARRAY_SIZE(events)

/* What is sent or queued in the requester's name. */
static const char * const events[] = {
	"ipi/ipi_send_cpu", "ipi/ipi_send_cpumask",
	"workqueue/workqueue_queue_work",
};

static void enable_events(const char *on)
{
	char path[128];
	unsigned int i;

	clear_file(TRACING "set_event_pid");
	snprintf(path, sizeof(path), "%d", getpid());
	if (on[0] == '1')
		cma_write_text(TRACING "set_event_pid", path);
	for (i = 0; i < EVENTS; i++) {
		snprintf(path, sizeof(path), TRACING "events/%s/enable",
			 events[i]);
		if (cma_write_text(path, on) && on[0] == '1')
			ksft_print_msg("no event %s\n", events[i]);
	}
}

/* Interrupts that processors send one another, all together. */
static unsigned long long cross_calls(void)
{
	FILE *f = fopen("/proc/interrupts", "r");
	unsigned long long sum = 0;
	char line[1024], *at, *end;

	while (f && fgets(line, sizeof(line), f)) {
		at = strchr(line, ':');
		if (!at || (!strstr(line, "CAL:") && !strstr(line, "TLB:")))
			continue;
		for (at++; ; at = end) {
			unsigned long long n = strtoull(at, &end, 10);

			if (end == at)
				break;
			sum += n;
		}
	}
	if (f)
		fclose(f);
	return sum;
}

static long sleeps(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw;
}

static void request_sizes(void)
{
	static const struct {
		uint64_t pages;
		uint32_t align;
		uint32_t flags;
	} sizes[] = {
		{ 1, 0, 0 }, { 2, 0, 0 }, { 3, 2, 0 }, { 17, 0, 0 },
		{ 64, 6, 0 }, { 0, 4, CMA_TEST_FOLIO }, { 0, 9, CMA_TEST_FOLIO },
		{ 513, 0, 0 }, { PAGES / 2, 0, 0 }, { PAGES, 0, 0 },
	};
	struct cma_test_alloc req;
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		err = cma_request(cma_dev, AREA, sizes[i].pages, sizes[i].align,
				  sizes[i].flags, &req);
		cma_expect(!err && !cma_give(req.handle), "%u: %s", i,
			   strerror(-err));
	}
}

/*
 * Timers send interrupts and queue work in the name of whom they interrupt, to
 * wake somebody up. What a recall would do has other names.
 */
static unsigned int drains_and_broadcasts(void)
{
	static const char * const names[] = {
		"cma_drain_work_fn", "lru_add_drain", "smp_call_function_many",
		"on_each_cpu",
	};
	unsigned int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		n += traced(names[i]);
	return n;
}

/* Nobody slept, or had other processors do something. */
static bool is_quiet(void)
{
	unsigned long long calls;
	unsigned int told;
	long slept;

	clear_trace();
	calls = cross_calls();
	slept = sleeps();
	request_sizes();
	slept = sleeps() - slept;
	calls = cross_calls() - calls;
	told = drains_and_broadcasts();
	if (calls || slept || told)
		ksft_print_msg("row costs calls=%llu sleeps=%ld drains=%u\n",
			       calls, slept, told);
	return !slept && !told;
}

/*
 * Whoever else is at work may interrupt, so that a round may not be quiet. But if
 * requests did what they should not, none would be.
 */
static int empty_costs_nothing(void)
{
	static const char * const costs[] = {
		"pages_moved", "pages_dropped", "pages_reclaimed",
		"pages_swapped", "oom_kills", "rescans",
	};
	unsigned long long before[ARRAY_SIZE(costs)];
	unsigned int i, quiet = 0;
	struct cma_test_share s;

	begin();
	if (!trace_ready())
		return KSFT_SKIP;
	/* Memory is plenty outside: nobody borrows. */
	cma_write_text("/proc/sys/vm/drop_caches", "3");
	empty_area();
	for (i = 0; i < ARRAY_SIZE(costs); i++)
		before[i] = cma_sysfs(AREA, costs[i]);
	enable_events("1");
	for (i = 0; i < ROUNDS; i++) {
		cma_expect(!cma_share(AREA, &s), "share");
		cma_expect(s.free == PAGES, "%llu pages are lent",
			   PAGES - s.free);
		quiet += is_quiet();
	}
	enable_events("0");
	ksft_print_msg("row quiet rounds=%u of=%u\n", quiet, ROUNDS);
	for (i = 0; i < ARRAY_SIZE(costs); i++)
		cma_expect(before[i] != ~0ULL &&
			   cma_sysfs(AREA, costs[i]) == before[i], "%s",
			   costs[i]);
	cma_expect(quiet, "no round was quiet");
	return KSFT_PASS;
}

/* Whose the loans are, and who refers to them. */

static bool may_borrow(const char *name)
{
	static const char * const names[] = {
		"btrfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "squashfs",
		"ubifs", "vfat", "xfs", "tmpfs", "devtmpfs",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static bool sees_nobody(const struct cma_test_walk *w)
{
	return w->other_lasting <= TARGETS && w->excess_lasting <= granted();
}

static bool sees_one(const struct cma_test_walk *w)
{
	return w->excess_lasting == 1;
}

/* Excess of a moment may last for two looks. */
static void walk_until(struct cma_test_walk *w,
		       bool (*settled)(const struct cma_test_walk *w))
{
	unsigned int tries;

	for (tries = 0; tries < SETTLES; tries++) {
		walk(w);
		if (settled(w))
			break;
		cma_sleep_ms(SETTLE_MS);
	}
}

static void expect_borrowers(const char *who)
{
	struct cma_test_walk w;
	unsigned int i;

	walk_until(&w, sees_nobody);
	ksft_print_msg("row walk after=%s anon=%llu shmem=%llu file=%llu other=%llu\n",
		       who, w.anon, w.shmem, w.file, w.other);
	ksft_print_msg("row held by=%s excess=%llu lasting=%llu granted=%llu\n",
		       who, w.excess, w.excess_lasting, granted());
	cma_expect(w.other_lasting <= TARGETS, "%s: %llu pages are nobody's, first %#llx",
		   who, w.other_lasting, w.other_pfn);
	cma_expect(w.excess_lasting <= granted(),
		   "%s: %llu pages, first %#llx: refs %d of %d",
		   who, w.excess_lasting, w.excess_pfn, w.refs, w.expected);
	cma_expect(w.nr_owners <= CMA_TEST_MAX_OWNERS, "%u owners", w.nr_owners);
	for (i = 0; i < w.nr_owners; i++)
		cma_expect(may_borrow(w.owners[i].name), "%s: %llu pages of %s",
			   who, w.owners[i].pages, w.owners[i].name);
}

/* The walk sees what it is there to see. */
static int walk_sees_references(void)
{
	struct cma_test_walk w;
	unsigned int i;
	bool ext4 = false;

	begin();
	fill_outside();
	lend_to(CMA_TEST_FILE);
	hold_one(0, CMA_TEST_FILE, CMA_TEST_BY_REF);
	walk_until(&w, sees_one);
	let_go();
	cma_expect(sees_one(&w) && w.excess_pfn == hold.pfn,
		   "%llu pages, first %#llx", w.excess_lasting, w.excess_pfn);
	cma_expect(w.refs == w.expected + 1, "%d of %d", w.refs, w.expected);
	for (i = 0; i < w.nr_owners && i < CMA_TEST_MAX_OWNERS; i++)
		ext4 |= !strcmp(w.owners[i].name, "ext4") &&
			w.owners[i].pages > 0;
	cma_expect(ext4, "the file is nobody's");
	expect_borrowers("nobody");
	return KSFT_PASS;
}

/* Memory is full, the area is free: and then somebody wants some for @kind. */
static void tempt(const struct cma_block_kind *kind)
{
	fill_with_cache();
	cma_expect(kind && !cma_block_start(&block, kind, 8 * BLOCK_CHUNK, false),
		   "no blocker");
	cma_expect(cma_block_ready(&block, cma_slow(LIMIT_MS)), "not ready");
	expect_borrowers(kind->name);
	cma_expect(cma_block_stop(&block), "can't be stopped");
}

static int only_borrowers_borrow(void)
{
	static const char * const names[] = {
		"fuse-read", "aio-ring",
	};
	struct cma_test_walk w;
	unsigned int i;

	begin();
	fill_outside();
	tempt(&cma_pipes);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		tempt(cma_block_find(names[i]));
	lend_to(CMA_TEST_ANON);
	lend_to(CMA_TEST_SHMEM);
	lend_to(CMA_TEST_FILE);
	expect_borrowers("all");
	walk(&w);
	cma_expect(w.anon && w.shmem && w.file, "nobody borrows");
	return KSFT_PASS;
}

/*
 * They may borrow, and want to hold what they have: that is moved out first. How many
 * are granted what they have depends on how soon there is memory: few of them, and
 * each is counted.
 */
static int nobody_holds_loans(void)
{
	static const char * const names[] = {
		"vmsplice", "splice-file", "splice-tmpfs", "gup-pin",
		"odirect-fuse",
	};
	unsigned long long moved, before = cma_sysfs(AREA, "guard_pages_moved");
	unsigned int i, rounds = 0;

	begin();
	fill_outside();
	/* Who waited in vain does not wait again for a while: that may fill a round. */
	do {
		for (i = 0; i < ARRAY_SIZE(names); i++)
			tempt(cma_block_find(names[i]));
		moved = cma_sysfs(AREA, "guard_pages_moved") - before;
	} while (granted() > moved && ++rounds < MORE);
	ksft_print_msg("row guard moved=%llu granted=%llu\n", moved, granted());
	cma_expect(moved, "they met no loan");
	cma_expect(granted() <= moved, "%llu loans were granted, %llu moved",
		   granted(), moved);
	return KSFT_PASS;
}

static void write_byte(size_t at, bool mapped)
{
	char byte = 'w', *map;

	if (!mapped) {
		cma_expect(pwrite(data_fd, &byte, 1, at) == 1, "write: %m");
		return;
	}
	map = mmap(NULL, BLOCK_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, data_fd,
		   at);
	cma_expect(map != MAP_FAILED, "mmap: %m");
	*map = byte;
	munmap(map, BLOCK_PAGE);
}

static void expect_written(size_t at)
{
	char page[BLOCK_PAGE];

	cma_expect(pread(data_fd, page, sizeof(page), at) == sizeof(page), "%m");
	cma_expect(page[0] == 'w' && !page[1], "data at %#zx", at);
}

/* Write to loans of the file, one after the other. Return: to how many. */
static unsigned int write_to_loans(size_t *where, unsigned int most)
{
	uint64_t pfn = 0;
	unsigned int n;

	for (n = 0; n < most; n++) {
		if (try_hold(pfn, CMA_TEST_FILE, CMA_TEST_BY_LOCK))
			break;
		let_go();
		pfn = hold.pfn + 1;
		where[n] = hold.index * BLOCK_PAGE;
		write_byte(where[n], n % 2);
	}
	return n;
}

/* Who writes to a loan has it moved out first, be it by a call or by a mapping. */
static int file_loans_are_clean(void)
{
	unsigned long long moved = cma_sysfs(AREA, "guard_pages_moved");
	static size_t where[2 * ENOUGH];
	struct cma_test_walk w;
	unsigned int i, n;

	begin();
	fill_outside();
	lend_to(CMA_TEST_FILE);
	n = write_to_loans(where, ARRAY_SIZE(where));
	walk(&w);
	moved = cma_sysfs(AREA, "guard_pages_moved") - moved;
	ksft_print_msg("row written=%u moved=%llu left=%llu granted=%llu\n", n,
		       moved, w.written, granted());
	cma_expect(n >= ENOUGH / 2, "only %u loans of the file", n);
	cma_expect(w.written <= granted(), "%llu loans are written", w.written);
	cma_expect(moved && moved + granted() >= n / 2, "%llu loans were moved", moved);
	for (i = 0; i < n; i++)
		expect_written(where[i]);
	return KSFT_PASS;
}

static unsigned long long ksm(const char *file)
{
	unsigned long long value;
	char path[96];

	snprintf(path, sizeof(path), KSM "%s", file);
	return cma_read_number(path, &value) ? 0 : value;
}

static bool ksm_is_round(void *data)
{
	return ksm("full_scans") >= *(unsigned long long *)data;
}

/*
 * ksmd refers to pages while it waits for mmap_lock, for as long as user space likes.
 * So it does not look at loans: those that are all alike stay what they are.
 */
static int ksm_leaves_loans_alone(void)
{
	unsigned long long rounds, before, after, sharing;
	bool round;

	begin();
	if (cma_write_text(KSM "pages_to_scan", "10000"))
		return KSFT_SKIP;
	cma_write_text(KSM "sleep_millisecs", "0");
	fill_outside();
	alike = true;
	cma_expect(!madvise(mine, ROOM, MADV_MERGEABLE), "madvise: %m");
	lend_to(CMA_TEST_ANON);
	free_balloon();
	before = lent(CMA_TEST_ANON);
	rounds = ksm("full_scans") + 4;
	cma_write_text(KSM "run", "1");
	round = cma_wait(ksm_is_round, &rounds, cma_slow(LIMIT_MS));
	after = lent(CMA_TEST_ANON);
	sharing = ksm("pages_sharing");
	ksft_print_msg("row ksm lent=%llu before=%llu sharing=%llu\n", after,
		       before, sharing);
	cma_write_text(KSM "run", "0");
	cma_expect(round && sharing, "ksmd has not come round, or merges nothing");
	cma_expect(after > before / 2, "loans are merged");
	cma_expect(cma_is_whole(AREA), "loans are held");
	cma_expect(mine_is_intact(), "memory has changed");
	return KSFT_PASS;
}

/*
 * A group at its limit.  Nobody waits for it with a loan in hand: one is charged beyond
 * it, and paid for before the next.  So the limit is what it was.
 */

#define GROUP		"/sys/fs/cgroup/cma-hold"
#define GROUP_MAX	(16 * BLOCK_CHUNK)
#define GROUP_BEYOND	(64 * BLOCK_PAGE)
#define GROUP_READS	(48 * BLOCK_CHUNK)

static int group_fd = -1;

static unsigned long long group_number(const char *file)
{
	unsigned long long value = ~0ULL;
	char path[64];

	snprintf(path, sizeof(path), GROUP "/%s", file);
	cma_read_number(path, &value);
	return value;
}

static long long group_kills(void)
{
	return cma_keyed(GROUP "/memory.events", "oom_kill");
}

static bool make_group(void)
{
	char max[16];

	rmdir(GROUP);
	snprintf(max, sizeof(max), "%lu", GROUP_MAX);
	return !mkdir(GROUP, 0755) && !cma_write_text(GROUP "/memory.max", max);
}

/* New page cache, three times what the group may have. */
static void read_in_group(void)
{
	static char buf[STEP];
	size_t at;

	for (at = 0; at < GROUP_READS; at += STEP)
		if (pread(group_fd, buf, STEP, at) != (ssize_t)STEP)
			_exit(1);
	_exit(0);
}

/* Nothing to reclaim: it has to be ended. */
static void touch_in_group(void)
{
	_exit(cma_block_memory(2 * GROUP_MAX) ? 0 : 1);
}

static int status_of(void (*work)(void))
{
	pid_t pid = fork();
	int status = -1;

	cma_expect(pid >= 0, "fork: %m");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		cma_write_text("/proc/self/oom_score_adj", "1000");
		if (cma_write_text(GROUP "/cgroup.procs", "0"))
			_exit(2);
		work();
	}
	cma_expect(cma_reap(pid, cma_slow(LIMIT_MS), &status), "it does not end");
	return status;
}

static void expect_limit(const char *what)
{
	unsigned long long peak = group_number("memory.peak");

	ksft_print_msg("row group %s beyond_pages=%lld lent_file=%llu lent_anon=%llu\n",
		       what, (long long)(peak - GROUP_MAX) / (long long)BLOCK_PAGE,
		       (unsigned long long)lent(CMA_TEST_FILE),
		       (unsigned long long)lent(CMA_TEST_ANON));
	cma_expect(peak <= GROUP_MAX + GROUP_BEYOND, "%llu bytes in the group", peak);
}

static int group_pays_for_its_loans(void)
{
	int status;

	begin();
	if (!make_group())
		return KSFT_SKIP;
	group_fd = cma_sparse_file(GROUP_READS);
	cma_expect(group_fd >= 0, "file");
	fill_outside();
	status = status_of(read_in_group);
	cma_expect(!status, "status %#x", status);
	expect_limit("reads");
	cma_expect(lent(CMA_TEST_FILE) >= ENOUGH, "it did not borrow");
	close(group_fd);
	cma_expect(!group_kills(), "a reader was killed");
	status = status_of(touch_in_group);
	cma_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		   "status %#x", status);
	expect_limit("touches");
	cma_expect(group_kills() == 1, "%lld kills", group_kills());
	cma_expect(cma_is_whole(AREA), "not whole");
	rmdir(GROUP);
	return KSFT_PASS;
}

#define FRAME	(~0ULL >> 9)	/* in an entry of pagemap */

static uint64_t frame_of(const char *mem)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (pread(fd, &entry, sizeof(entry), (uintptr_t)mem / BLOCK_PAGE * 8) !=
	    sizeof(entry))
		entry = 0;
	close(fd);
	return entry & FRAME;
}

/* A cgroup's reads wait for as long as its io.max says: no loan is filled by them. */

#define LIMITED_DIR	P_tmpdir "/cma-limited"
/* What one fault reads, at most. */
#define AROUND		(32 * BLOCK_PAGE)

/* Of holes.  On a disk of its own: what is said of that can't be taken back. */
static int limited_file(size_t size)
{
	static const struct cma_nullb_setting settings[] = {
		{ "size", "16" }, { "memory_backed", "1" }, { NULL, NULL }
	};
	int fd;

	cma_expect(!cma_nullb_mount(settings, LIMITED_DIR), "null_blk and ext4");
	fd = open(LIMITED_DIR "/f", O_RDWR | O_CREAT, 0600);
	cma_expect(fd >= 0 && !ftruncate(fd, size), "file: %m");
	return fd;
}

/* What is read before it is looked at may have been moved in since. */
static bool is_read_into_loan(const struct cma_area *a, char *mem)
{
	unsigned char cached = 1;

	mincore(mem, BLOCK_PAGE, &cached);
	__atomic_load_n(mem, __ATOMIC_RELAXED);
	return !(cached & 1) && frame_of(mem) - a->base < a->count;
}

/* Read on from there, until enough is lent.  Return: pages that are, more or less. */
static unsigned int read_mapped(char *map, size_t *at, size_t end)
{
	struct cma_area a;
	unsigned int n = 0;

	cma_expect(!cma_area_get(AREA, &a), "no area");
	for (; *at < end && n < ENOUGH; *at += AROUND)
		n += is_read_into_loan(&a, map + *at) * (AROUND / BLOCK_PAGE);
	return n;
}

/* More than anybody reads; a group has to exist, and be nobody's. */
static void limit_disk(int fd)
{
	struct stat st;
	char text[64];

	cma_expect(!fstat(fd, &st) && !mkdir(GROUP, 0755), "%m");
	snprintf(text, sizeof(text), "%u:%u rbps=1099511627776",
		 major(st.st_dev), minor(st.st_dev));
	cma_expect(!cma_write_text(GROUP "/io.max", text), "io.max: %m");
	rmdir(GROUP);
}

static int limited_disk(void)
{
	size_t at = 0, size = 2 * cma_mem_total();
	unsigned int before, after;
	char *map;
	int fd;

	begin();
	fd = limited_file(size);
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	cma_expect(map != MAP_FAILED, "%m");
	fill_outside();
	before = read_mapped(map, &at, size / 2);
	limit_disk(fd);
	empty_area();
	after = read_mapped(map, &at, at + at / 2 + ROOM / 4);
	ksft_print_msg("row limited before=%u after=%u bytes=%zu\n", before, after, at);
	cma_expect(before >= ENOUGH && !after, "%u pages were lent, then %u",
		   before, after);
	/* There was some to be had all the time. */
	lend_to(CMA_TEST_FILE);
	munmap(map, size);
	close(fd);
	cma_nullb_umount(LIMITED_DIR);
	return KSFT_PASS;
}

/*
 * One processor has no time for anybody, and what others have in their LRU batches comes
 * back all the same.
 */

#define FAIR_SERVER	"/sys/kernel/debug/sched/fair_server/cpu2/runtime"
#define REQUESTS	3

enum { OWN_CPU, TOUCH_CPU, STUCK_CPU };

static void spin(void)
{
	struct sched_param first = { .sched_priority = 99 };

	if (!run_on(STUCK_CPU) || sched_setscheduler(0, SCHED_FIFO, &first))
		return;
	requester->done = 1;
	for (;;)
		;
}

/* Until a page is lent: that one stays in the batch. */
static void touch_few(void)
{
	char *mem = cma_block_map(ROOM);
	struct cma_area a;
	size_t at;

	if (!mem || cma_area_get(AREA, &a) || !run_on(TOUCH_CPU))
		return;
	for (at = 0; at < ROOM; at += BLOCK_PAGE) {
		mem[at] = 1;
		if (frame_of(mem + at) - a.base < a.count)
			break;
	}
	requester->done = at < ROOM;
	pause();
}

static bool is_done(void *data)
{
	return requester->done;
}

static pid_t start_child(void (*work)(void))
{
	pid_t pid;

	requester->done = 0;
	pid = fork();
	cma_expect(pid >= 0, "fork: %m");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		work();
		_exit(1);
	}
	cma_expect(cma_wait(is_done, NULL, cma_slow(LIMIT_MS)), "it is not there");
	return pid;
}

static int stuck_processor(void)
{
	unsigned int i;

	begin();
	if (cma_write_text(FAIR_SERVER, "0"))
		return KSFT_SKIP;
	fill_outside();
	/* Nothing of the area is in a batch of that processor. */
	set_lend("none");
	cma_expect(run_on(OWN_CPU), "%m");
	spinner = start_child(spin);
	set_lend("all");
	for (i = 0; i < REQUESTS; i++) {
		toucher = start_child(touch_few);
		empty_area();
		end_child(&toucher);
	}
	end_child(&spinner);
	run_anywhere();
	return KSFT_PASS;
}

/*
 * Who unmaps a page waits for those that mirror the memory of its owner.  So that is lent
 * last: not while there is other memory to be moved in, nor is it moved in to make room.
 */

#define MIRRORED	(16 * BLOCK_CHUNK)
#define PRESSURE	(8 * BLOCK_CHUNK)

static pid_t parent;

static void touch_mirrored(void)
{
	char *mem = cma_block_map(MIRRORED);
	struct cma_test_mirror mirror = {
		.start = (uintptr_t)mem, .end = (uintptr_t)mem + MIRRORED,
		.pid = parent,
	};
	size_t at;

	if (!mem || ioctl(cma_dev, CMA_TEST_MIRROR, &mirror))
		return;
	for (at = 0; at < MIRRORED; at += BLOCK_PAGE)
		mem[at] = 1;
	requester->done = 1;
	pause();
}

static uint64_t unmapped(void)
{
	uint64_t n = 0;

	cma_expect(!ioctl(cma_dev, CMA_TEST_UNMAPPED, &n), "%m");
	return n;
}

static int mirrored_memory(void)
{
	unsigned long long moved_in = cma_sysfs(AREA, "pages_moved_in");
	uint64_t before;

	begin();
	parent = getpid();
	fill_outside();
	toucher = start_child(touch_mirrored);
	/* Memory outside is wanted, and what is free is the area. */
	cma_expect(!cma_block_start(&block, &cma_pipes, PRESSURE, false) &&
		   cma_block_ready(&block, cma_slow(LIMIT_MS)), "no pressure");
	lend_to(CMA_TEST_FILE);
	moved_in = cma_sysfs(AREA, "pages_moved_in") - moved_in;
	/* What compaction does meanwhile, outside, is nobody's business. */
	before = unmapped();
	empty_area();
	ksft_print_msg("row mirror unmapped=%llu moved_in=%llu\n",
		       (unsigned long long)(unmapped() - before), moved_in);
	cma_expect(unmapped() == before, "%llu pages of it were lent",
		   (unsigned long long)(unmapped() - before));
	cma_block_stop(&block);
	end_child(&toucher);
	return KSFT_PASS;
}

static const struct cma_case cases[] = {
	/* First, before memory is full. */
	{ "an empty area costs nothing", empty_costs_nothing, true, "empty" },
	{ "no range", no_range, true, "range" },
	{ "nonsense is not counted", nonsense, true, "nonsense" },
	{ "a walk sees references and owners", walk_sees_references, true, "walk" },
	{ "page cache with a reference", file_ref, true, "file-ref" },
	{ "anonymous memory with a reference", anon_ref, true, "anon-ref" },
	{ "shmem with a reference", shmem_ref, true, "shmem-ref" },
	{ "page cache that is locked", file_lock, true, "file-lock" },
	{ "shmem that is locked", shmem_lock, true, "shmem-lock" },
	{ "page cache under writeback", file_writeback, true, "writeback" },
	{ "no memory to move to", no_memory, true, "memory" },
	{ "and nobody to be killed", no_victim, true, "victim" },
	{ "half of the area is served elsewhere", served_elsewhere, true, "elsewhere" },
	{ "served when the page is let go", served_when_let_go, true, "let-go" },
	{ "killed while it waits", killed_while_it_waits, true, "killed" },
	{ "only borrowers borrow", only_borrowers_borrow, true, "borrowers" },
	{ "a file's loans are clean", file_loans_are_clean, true, "clean" },
	{ "a group pays for its loans", group_pays_for_its_loans, true, "group" },
	{ "a limited disk is not read into loans", limited_disk, true, "limited" },
	{ "one processor is stuck", stuck_processor, true, "stuck" },
	{ "mirrored memory is lent last", mirrored_memory, true, "mirror" },
	{ "ksmd leaves loans alone", ksm_leaves_loans_alone, true, "ksm" },
	{ "nobody holds loans", nobody_holds_loans, true, "holders" },
};

static void restore(void)
{
	cma_unspare_all();
	cma_nullb_umount(LIMITED_DIR);
	cma_lend_others(AREA, "all");
	cma_set_lend(AREA, "all");
	rmdir(GROUP);
	cma_write_text(SYSFS AREA "/deadline_ms", "5000");
	cma_write_text(SYSFS AREA "/oom", "1");
	cma_write_text(KSM "run", "0");
	cma_inject_stop();
	cma_block_settings(true);
}

int main(int argc, char **argv)
{
	cma_write_text("/proc/self/oom_score_adj", "-1000");
	requester = mmap(NULL, sizeof(*requester), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	data_fd = cma_sparse_file(cma_mem_total());
	if (requester == MAP_FAILED || data_fd < 0)
		ksft_exit_skip("no ext4 for a file\n");
	cma_block_settings(false);
	atexit(restore);
	cma_lend_others(AREA, "none");
	cma_run_chosen(cases, ARRAY_SIZE(cases), argv + 1);
}
