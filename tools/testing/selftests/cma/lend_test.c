// SPDX-License-Identifier: GPL-2.0
/*
 * To whom an area lends: to all, to page cache only, to nobody; what it says about
 * that; and who borrows last.
 *
 * Usage: lend_test [CASE...]; the keys of the cases stand at the end of this file
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cma_block.h"
#include "cma_hog.h"
#include "cma_load.h"
#include "cma_place.h"
#include "cma_util.h"

#define LIMIT_MS	120000
#define MOSTLY		75		/* percent of the area */
#define LEFT		(8 * BLOCK_CHUNK)
#define CACHE		(64 * BLOCK_CHUNK)
#define SPARES		16
#define RT_BYTES	(48 * BLOCK_CHUNK)
#define TOGGLES		100
/* What per-CPU counters hide. */
#define DRIFT_KIB	1024
#define REQUESTS	10
#define REQUEST_PAGES	MIB_PAGES(16)
/* Room for a request, and for what recall leaves to others. */
#define REQUEST_LEFT	(32 * BLOCK_CHUNK)

static struct cma_block hog, task;

static int set_lend(const char *policy)
{
	return cma_set_lend(AREA_TEST, policy);
}

static int set_oom(const char *value)
{
	return cma_write_text("/sys/kernel/mm/cma/" AREA_TEST "/oom", value);
}

static bool lend_is(const char *shown)
{
	char buf[64];

	cma_read_text("/sys/kernel/mm/cma/" AREA_TEST "/lend", buf, sizeof(buf));
	return !strncmp(buf, shown, strlen(shown));
}

static unsigned long long lent(const char *what)
{
	unsigned long long n = ~0ULL;

	cma_table(AREA_TEST, "pages_lent", what, &n);
	return n;
}

static unsigned long long percent_of_area(unsigned long long pages)
{
	struct cma_area area;

	cma_expect(!cma_area_get(AREA_TEST, &area), "no area");
	return pages * 100 / area.count;
}

static int policy_is_settable(void)
{
	static const char * const bad[] = { "al", "nobody", "file none", "1" };
	unsigned int i;

	cma_expect(lend_is("[all] file none"), "default");
	cma_expect(!set_lend("file\n"), "file");
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		cma_expect(set_lend(bad[i]) == -EINVAL, "\"%s\" is taken", bad[i]);
	cma_expect(lend_is("all [file] none"), "changed");
	cma_expect(!set_lend("none") && lend_is("all file [none]"), "none");
	cma_expect(!set_lend("none") && !set_lend("all"), "all");
	return KSFT_PASS;
}

/* Anonymous memory as far as it goes without reclaim. */
static void fill_outside(void)
{
	cma_expect(cma_hog_start(&hog, cma_hog_find("anon"), LEFT),
		   "no hog");
}

/* Several times what is left outside. */
static void read_cache(void)
{
	static char buf[BLOCK_CHUNK];
	int fd = cma_sparse_file(CACHE);
	size_t at;

	cma_expect(fd >= 0, "file");
	for (at = 0; at < CACHE; at += sizeof(buf))
		cma_expect(pread(fd, buf, sizeof(buf), at) == sizeof(buf), "%m");
	close(fd);
}

/* From here on nothing is lent that the policy forbids. */
static void begin(const char *policy)
{
	cma_block_stop(&hog);
	cma_expect(!set_lend("all"), "all");
	cma_empty_memory();
	cma_expect(!set_lend(policy), "%s", policy);
	cma_expect(cma_is_whole(AREA_TEST), "the area isn't whole");
}

static void end(void)
{
	cma_block_stop(&hog);
	cma_expect(!set_lend("all"), "all");
	cma_expect(cma_is_whole(AREA_TEST), "the area isn't whole");
}

static int none_lends_nothing(void)
{
	unsigned long long moved;
	struct cma_test_alloc req;

	begin("none");
	fill_outside();
	read_cache();
	cma_expect(!lent("anon") && !lent("file") && !lent("shmem"),
		   "anon %llu, file %llu", lent("anon"), lent("file"));
	moved = cma_sysfs(AREA_TEST, "pages_moved");
	cma_expect(!cma_take(AREA_TEST, MIB_PAGES(128), 0, &req), "request");
	cma_expect(!cma_give(req.handle), "release");
	cma_expect(cma_sysfs(AREA_TEST, "pages_moved") == moved, "moved");
	end();
	return KSFT_PASS;
}

static int file_lends_to_cache(void)
{
	struct cma_test_alloc req;

	begin("file");
	fill_outside();
	cma_lend_out(AREA_TEST, MOSTLY + 10, cma_slow(LIMIT_MS));
	cma_expect(!lent("anon") && !lent("shmem"), "anon %llu, shmem %llu",
		   lent("anon"), lent("shmem"));
	cma_expect(percent_of_area(lent("file")) >= MOSTLY, "%llu of cache",
		   lent("file"));
	cma_expect(!cma_take(AREA_TEST, MIB_PAGES(64), 0, &req), "request");
	cma_expect(!cma_give(req.handle), "release");
	end();
	return KSFT_PASS;
}

static int all_lends_to_all(void)
{
	begin("all");
	fill_outside();
	cma_expect(percent_of_area(lent("anon")) >= MOSTLY, "%llu anonymous",
		   lent("anon"));
	end();
	return KSFT_PASS;
}

static long long lent_kib_of(const char *area)
{
	static const char * const kinds[] = { "anon", "file", "shmem", "other" };
	unsigned long long n, pages = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		cma_expect(!cma_table(area, "pages_lent", kinds[i], &n), "%s of %s",
			   kinds[i], area);
		pages += n;
	}
	return pages * 4;
}

/* All areas, by walks over each. */
static long long lent_kib(void)
{
	DIR *dir = opendir("/sys/kernel/mm/cma");
	struct dirent *entry;
	long long kib = 0;

	cma_expect(dir, "%m");
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			kib += lent_kib_of(entry->d_name);
	closedir(dir);
	return kib;
}

/* Between two walks that agree; others borrow and give back all the time. */
static void expect_meminfo(void)
{
	long long before, kib, after;
	int tries = 100;

	do {
		before = lent_kib();
		kib = cma_keyed("/proc/meminfo", "CmaLent");
		after = lent_kib();
	} while (llabs(after - before) > DRIFT_KIB && --tries);
	ksft_print_msg("row meminfo before=%lld kib=%lld after=%lld\n", before,
		       kib, after);
	cma_expect(tries, "it never rests");
	cma_expect(llabs(kib - after) <= 2 * DRIFT_KIB,
		   "CmaLent %lld kB, %lld lent", kib, after);
}

static int meminfo_says_what_is_lent(void)
{
	begin("all");
	cma_expect(cma_lend_out(AREA_TEST, 95, cma_slow(LIMIT_MS)) > 90, "lend");
	expect_meminfo();
	cma_expect(!set_lend("none"), "none");
	expect_meminfo();
	end();
	return KSFT_PASS;
}

/* Shared memory that neither swap nor a kill of somebody else can free. */

static int run_writer(struct cma_block *b)
{
	static char buf[256 * 1024];
	int fd = memfd_create("cma", 0);

	if (fd < 0)
		return cma_block_failed(b, "memfd_create");
	cma_block_report(b, 1);
	while (write(fd, buf, sizeof(buf)) == sizeof(buf))
		b->state->count += sizeof(buf);
	return cma_block_failed(b, "write");
}

static const struct cma_block_kind writer = {
	.name = "writer", .run = run_writer,
};

/*
 * What a victim wrote is freed when its files are closed, after the OOM killer has
 * lost sight of it: these are next, before anybody who is needed.
 */
static void start_spares(pid_t *pids)
{
	unsigned int i;

	for (i = 0; i < SPARES; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		cma_write_text("/proc/self/oom_score_adj", "999");
		for (;;)
			pause();
	}
}

static void stop_spares(const pid_t *pids)
{
	unsigned int i;

	for (i = 0; i < SPARES; i++) {
		if (pids[i] <= 0)
			continue;
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

static bool has_ended(void *data)
{
	return !cma_block_alive(data);
}

/* Return: what is written until it is refused, or the writer killed. */
static unsigned long long most_shared(const char *policy)
{
	pid_t spares[SPARES];

	begin(policy);
	start_spares(spares);
	cma_expect(!cma_block_start(&hog, &writer, 0, false) &&
		   cma_block_ready(&hog, cma_slow(LIMIT_MS)), "no writer");
	cma_expect(cma_wait(has_ended, &hog, cma_slow(LIMIT_MS)),
		   "memory has no end");
	stop_spares(spares);
	return hog.state->count;
}

static int shared_memory_is_not_less(void)
{
	unsigned long long without, with;

	/* With lockdep it takes seconds to free what the victim wrote. */
	if (!access("/proc/lockdep_stats", F_OK))
		return KSFT_SKIP;
	without = most_shared("none");
	with = most_shared("all");

	ksft_print_msg("row shared without_mib=%llu with_mib=%llu\n",
		       without >> 20, with >> 20);
	cma_expect(with >= without - without / 50, "less than without the area");
	end();
	return KSFT_PASS;
}

/* Policies change while memory is full and requests run. */

static atomic_bool toggles;
static atomic_uint toggled;

static void *toggle(void *data)
{
	static const char * const policies[] = { "none", "file", "all" };
	unsigned int i;

	for (i = 0; toggles; i = (i + 1) % 3) {
		toggled += !set_lend(policies[i]);
		cma_sleep_ms(20);
	}
	return data;
}

static int policy_may_change(void)
{
	struct cma_test_alloc req;
	unsigned int failed = 0, n;
	pthread_t thread;

	begin("all");
	cma_expect(cma_hog_start(&hog, cma_hog_find("anon"), REQUEST_LEFT),
		   "no hog");
	/* Who has other ways would not wait for memory, and nobody is to die. */
	cma_expect(!set_oom("0"), "oom");
	toggles = true;
	toggled = 0;
	cma_expect(!pthread_create(&thread, NULL, toggle, NULL), "thread");
	for (n = 0; toggled < TOGGLES || n < REQUESTS; n++) {
		cma_lend_out(AREA_TEST, 50, 100);
		if (cma_request(cma_dev, AREA_TEST, REQUEST_PAGES, 0, 0, &req))
			failed++;
		else
			cma_give(req.handle);
	}
	toggles = false;
	pthread_join(thread, NULL);
	cma_expect(!set_oom("1"), "oom");
	ksft_print_msg("row toggle requests=%u failed=%u\n", n, failed);
	cma_expect(n && !failed, "%u of %u failed", failed, n);
	end();
	return KSFT_PASS;
}

/* Memory that a real-time task locks is lent last. */

static int run_locker(struct cma_block *b)
{
	struct sched_param rt = { .sched_priority = 1 };
	char *mem = cma_block_map(b->bytes);
	struct cma_frames f = {};

	if (!mem || mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) ||
	    sched_setscheduler(0, SCHED_FIFO, &rt))
		return cma_block_failed(b, "mlockall or SCHED_FIFO");
	memset(mem, 1, b->bytes);
	if (!cma_add_frames(&f, mem, b->bytes))
		return cma_block_failed(b, "pagemap");
	for (;;) {
		b->state->count = f.inside;
		cma_block_report(b, b->bytes);
		cma_block_sleep();
	}
}

static const struct cma_block_kind locker = {
	.name = "locker", .run = run_locker,
};

/* Others are moved in for it. */
static int locked_memory_is_last(void)
{
	begin("all");
	cma_place_init();
	cma_expect(cma_hog_start(&hog, cma_hog_find("anon"), 2 * RT_BYTES),
		   "no hog");
	cma_expect(!cma_block_start(&task, &locker, RT_BYTES, false) &&
		   cma_block_ready(&task, cma_slow(LIMIT_MS)), "no task");
	ksft_print_msg("row locked inside=%llu of=%lu\n", task.state->count,
		       RT_BYTES / BLOCK_PAGE);
	cma_expect(task.state->count < RT_BYTES / BLOCK_PAGE / 20,
		   "%llu pages are lent", task.state->count);
	cma_block_stop(&task);
	end();
	return KSFT_PASS;
}

/* It gets area pages when nothing else is left, before anybody has to go. */
static int locked_memory_is_lent(void)
{
	unsigned long long kills = cma_vmstat("oom_kill");
	size_t most;

	begin("all");
	cma_place_init();
	most = (cma_bytes_free() - cma_bytes_outside()) / 2 + cma_bytes_outside();
	cma_expect(!cma_block_start(&task, &locker, most, false) &&
		   cma_block_ready(&task, cma_slow(LIMIT_MS)), "no task");
	ksft_print_msg("row locked inside=%llu of=%zu\n", task.state->count,
		       most / BLOCK_PAGE);
	cma_expect(task.state->count, "nothing was lent");
	cma_expect(cma_vmstat("oom_kill") == kills, "somebody was killed");
	cma_block_stop(&task);
	end();
	return KSFT_PASS;
}

static const struct cma_case cases[] = {
	{ "a policy can be set",
	  policy_is_settable, true, "set" },
	{ "all lends to anonymous memory",
	  all_lends_to_all, true, "all" },
	{ "file lends to page cache only",
	  file_lends_to_cache, true, "file" },
	{ "none lends nothing",
	  none_lends_nothing, true, "none" },
	{ "CmaLent says what is lent",
	  meminfo_says_what_is_lent, true, "meminfo" },
	{ "shared memory is no less than without the area",
	  shared_memory_is_not_less, true, "shared" },
	{ "policies change while requests run",
	  policy_may_change, true, "change" },
	{ "what real-time tasks lock is lent last",
	  locked_memory_is_last, true, "locked-last" },
	{ "what real-time tasks lock is lent",
	  locked_memory_is_lent, true, "locked" },
};

static void restore(void)
{
	set_lend("all");
	set_oom("1");
	cma_block_settings(true);
}

int main(int argc, char **argv)
{
	cma_write_text("/proc/self/oom_score_adj", "-1000");
	cma_block_settings(false);
	atexit(restore);
	cma_run_chosen(cases, ARRAY_SIZE(cases), argv + 1);
}
