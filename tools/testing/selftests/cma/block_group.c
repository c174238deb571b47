// SPDX-License-Identifier: GPL-2.0
/*
 * Blockers in a control group that has used up what it may have: whoever is charged more
 * of it sleeps, in the midst of what it does, with what it holds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cma_block.h"
#include "cma_hog.h"
#include "cma_load.h"
#include "cma_nullb.h"
#include "cma_util.h"

#define GROUP		"/sys/fs/cgroup/cma-block"
#define GROUP_THREADS	16U	/* more of them, and reclaim is all that runs */
#define PART		BLOCK_CHUNK	/* of memory or of a file, for each of them */

/**
 * struct group - the control group
 * @procs: opened by root, written by the blocker; -1 if there is no group
 * @limit: likewise, when all threads are in it
 * @text: what is written there
 */
static struct group {
	int procs, limit;
	char text[48];
} group = { .procs = -1, .limit = -1 };

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void undo_group(struct cma_block *b)
{
	int tries;

	close_fd(&group.procs);
	close_fd(&group.limit);
	for (tries = 0; tries < 100 && rmdir(GROUP) && errno == EBUSY; tries++)
		cma_sleep_ms(100);
}

static int setup_group(struct cma_block *b, const char *limit, const char *text)
{
	char path[64];

	if (mkdir(GROUP, 0755))
		return cma_block_failed(b, GROUP);
	snprintf(group.text, sizeof(group.text), "%s", text);
	snprintf(path, sizeof(path), GROUP "/%s", limit);
	group.procs = open(GROUP "/cgroup.procs", O_WRONLY);
	group.limit = open(path, O_WRONLY);
	if (group.procs < 0 || group.limit < 0)
		return cma_block_failed(b, path);
	return 0;
}

/* From here on the process pays for what it gets. */
static int enter_group(struct cma_block *b)
{
	return write(group.procs, "0", 1) == 1 ? 0 :
	       cma_block_failed(b, "cgroup.procs");
}

/**
 * struct part - what one thread works on
 * @mem: memory
 * @fd: or a file
 * @at: from there
 */
struct part {
	char *mem;
	int fd;
	off_t at;
};

static struct part parts[GROUP_THREADS];

static unsigned int threads_of(struct cma_block *b, size_t each)
{
	size_t n = b->bytes / each;

	return n < GROUP_THREADS ? n : GROUP_THREADS;
}

/* A thread pays for its stack: until all are there, nobody has to wait. */
static atomic_bool begun;

static void wait_for_others(void)
{
	while (!begun)
		cma_sleep_ms(10);
}

static bool half_wait(void *data)
{
	return cma_block_waiting() >= *(unsigned int *)data / 2;
}

/*
 * Each of @n threads has @each bytes in its hands while it waits for what the group may
 * have; half of them do so at any time.
 */
static int hold_in_group(struct cma_block *b, unsigned int n,
			 void *(*work)(void *), size_t each)
{
	unsigned int waiting;

	errno = ENOMEM;
	if (n < 2)
		return cma_block_failed(b, "too little memory for two");
	if (cma_block_threads(n, work, parts, sizeof(*parts)))
		return cma_block_failed(b, "threads");
	if (write(group.limit, group.text, strlen(group.text)) < 0)
		return cma_block_failed(b, group.text);
	begun = true;
	if (!cma_wait(half_wait, &n, 60000))
		return cma_block_failed(b, "nobody waits");
	for (;;) {
		waiting = cma_block_waiting();
		cma_block_report(b, each * (waiting < n / 2 ? waiting : n / 2));
		cma_block_sleep();
	}
}

/*
 * memory.high: whoever is charged more than a batch sleeps for two seconds. What keeps
 * the group above it can't go, for there is no swap.
 */

#define HIGH		"65536"
#define HIGH_BASE	(8 * BLOCK_CHUNK)

static int enter_high(struct cma_block *b)
{
	int err = enter_group(b);

	if (!err && !cma_block_memory(HIGH_BASE))
		err = cma_block_failed(b, "mmap");
	return err;
}

/* Copies of shared pages: the original is held while the copy is charged. */

static int setup_copy(struct cma_block *b)
{
	int err = setup_group(b, "memory.high", HIGH);

	if (err)
		return err;
	b->fd = cma_block_cached_file(GROUP_THREADS * PART, false);
	return b->fd < 0 ? cma_block_failed(b, "file") : 0;
}

/* A part is longer than a batch. */
static void *copy_part(void *data)
{
	char *mem = ((struct part *)data)->mem;
	int zero = open("/dev/zero", O_RDONLY);
	size_t at;

	wait_for_others();
	for (;;) {
		madvise(mem, PART, MADV_DONTNEED);
		for (at = 0; at < PART; at += BLOCK_PAGE)
			__atomic_load_n(mem + at, __ATOMIC_RELAXED);
		if (read(zero, mem, PART) != (ssize_t)PART)
			return NULL;
	}
}

static int run_copy(struct cma_block *b)
{
	unsigned int i, n = threads_of(b, 2 * PART);
	char *map = mmap(NULL, n * PART, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			 b->fd, 0);
	int err = enter_high(b);

	if (err || map == MAP_FAILED)
		return err ?: cma_block_failed(b, "mmap");
	for (i = 0; i < n; i++)
		parts[i].mem = map + i * PART;
	return hold_in_group(b, n, copy_part, BLOCK_PAGE);
}

/* Huge pages: each is more than a batch. */

#define HUGE		(2 * BLOCK_CHUNK)

static int setup_huge(struct cma_block *b)
{
	return setup_group(b, "memory.high", HIGH) ?: cma_block_huge_on(b);
}

static void undo_huge(struct cma_block *b)
{
	cma_block_huge_off(b);
	undo_group(b);
}

static void *touch_huge(void *data)
{
	char *mem = ((struct part *)data)->mem;

	wait_for_others();
	for (;;) {
		__atomic_store_n(mem, 1, __ATOMIC_RELAXED);
		madvise(mem, HUGE, MADV_DONTNEED);
	}
	return NULL;
}

static int run_huge(struct cma_block *b)
{
	unsigned int i, n = threads_of(b, HUGE);
	size_t bytes = (n + 1) * HUGE;
	char *map = cma_block_map(bytes);
	int err = enter_high(b);

	if (err || !map || madvise(map, bytes, MADV_HUGEPAGE))
		return err ?: cma_block_failed(b, "MADV_HUGEPAGE");
	map += -(uintptr_t)map % HUGE;
	for (i = 0; i < n; i++)
		parts[i].mem = map + i * HUGE;
	return hold_in_group(b, n, touch_huge, HUGE);
}

/*
 * memory.max: whoever is charged reclaims others' pages of the group, to a slow disk.
 */

#define MAX		"4194304"

static void undo_max(struct cma_block *b)
{
	undo_group(b);
	cma_swap_off();
	cma_nullb_remove();
}

static int setup_max(struct cma_block *b)
{
	static const struct cma_nullb_setting settings[] = {
		{ "size", "32" }, { "memory_backed", "1" }, { "mbps", "2" },
		/* What is on its way is little of what the group may have. */
		{ "max_sectors", "64" }, { "hw_queue_depth", "8" },
		{ NULL, NULL }
	};

	if (cma_nullb_make(settings) || cma_swap_on_path(CMA_NULLB))
		return cma_block_failed(b, "null_blk and swap");
	return setup_group(b, "memory.max", MAX);
}

static void *touch_part(void *data)
{
	char *mem = ((struct part *)data)->mem;
	size_t at;

	wait_for_others();
	for (;;)
		for (at = 0; at < PART; at += BLOCK_PAGE)
			__atomic_add_fetch(mem + at, 1, __ATOMIC_RELAXED);
	return NULL;
}

static int run_max(struct cma_block *b)
{
	unsigned int i, n = threads_of(b, PART);
	char *map = cma_block_map(n * PART);
	int err = enter_group(b);

	if (err || !map)
		return err ?: cma_block_failed(b, "mmap");
	for (i = 0; i < n; i++)
		parts[i].mem = map + i * PART;
	return hold_in_group(b, n, touch_part, BLOCK_PAGE);
}

/* io.max: whoever reads or writes waits until it is the group's turn. */

#define IO_BYTES	"65536"		/* a second */

/* Where it was written before: no journal has to wait for it. */
static int make_file(struct cma_block *b)
{
	static char zeros[PART];
	unsigned int i;

	b->fd = cma_data_file();
	for (i = 0; b->fd >= 0 && i < GROUP_THREADS; i++)
		if (write(b->fd, zeros, PART) != (ssize_t)PART)
			return cma_block_failed(b, "write");
	return b->fd < 0 || fsync(b->fd) ? cma_block_failed(b, "file") : 0;
}

/* Limits of the file's disk; a file system in a partition has another number. */
static void io_limits(int fd, char *text, size_t size, const char *limits)
{
	struct stat st = {};

	fstat(fd, &st);
	snprintf(text, size, "%u:%u %s", major(st.st_dev), minor(st.st_dev),
		 limits);
}

static int setup_io(struct cma_block *b, const char *limits)
{
	char text[sizeof(group.text)];
	int err = make_file(b);

	if (err)
		return err;
	io_limits(b->fd, text, sizeof(text), limits);
	return setup_group(b, "io.max", text);
}

static int setup_io_read(struct cma_block *b)
{
	return setup_io(b, "rbps=" IO_BYTES);
}

static int setup_io_write(struct cma_block *b)
{
	return setup_io(b, "wbps=" IO_BYTES);
}

/* What waits can't be taken back: it is read and written, in no time. */
static void undo_io(struct cma_block *b)
{
	char text[sizeof(group.text)];

	io_limits(b->fd, text, sizeof(text), "rbps=max wbps=max");
	if (group.limit >= 0)
		write(group.limit, text, strlen(text));
	cma_block_close(b);
	undo_group(b);
}

static void *read_part(void *data)
{
	struct part *p = data;
	char *buf = cma_block_map(PART);

	wait_for_others();
	do {
		posix_fadvise(p->fd, p->at, PART, POSIX_FADV_DONTNEED);
	} while (buf && pread(p->fd, buf, PART, p->at) == (ssize_t)PART);
	return NULL;
}

static void *write_part(void *data)
{
	struct part *p = data;
	char *buf = cma_block_map(PART);

	wait_for_others();
	while (buf && pwrite(p->fd, buf, PART, p->at) == (ssize_t)PART &&
	       !sync_file_range(p->fd, p->at, PART,
				SYNC_FILE_RANGE_WRITE |
				SYNC_FILE_RANGE_WAIT_AFTER))
		;
	return NULL;
}

static int run_io(struct cma_block *b, void *(*work)(void *))
{
	int err = enter_group(b);
	unsigned int i;

	for (i = 0; i < GROUP_THREADS; i++)
		parts[i] = (struct part) { .fd = b->fd, .at = i * PART };
	return err ?: hold_in_group(b, GROUP_THREADS, work, BLOCK_PAGE);
}

static int run_io_read(struct cma_block *b)
{
	return run_io(b, read_part);
}

static int run_io_write(struct cma_block *b)
{
	return run_io(b, write_part);
}

/* cpu.max: whoever has used its time up stops, be it in the midst of a read(). */

#define CPU_MAX		"1000 1000000"	/* so many microseconds of each so many */
#define CPU_THREADS	64U
#define CPU_BYTES	(31 * BLOCK_PAGE)	/* of one read() */
#define CPU_RUN_MS	1000	/* until each is in the midst of one */
#define CPU_REST_MS	3000	/* without a stop, and nobody is stopped any more */

static int setup_cpu(struct cma_block *b)
{
	b->fd = cma_block_cached_file(CPU_THREADS * CPU_BYTES, false);
	if (b->fd < 0)
		return cma_block_failed(b, "file");
	return setup_group(b, "cpu.max", CPU_MAX);
}

/* Else they would take for ever to die. */
static void undo_cpu(struct cma_block *b)
{
	if (group.limit >= 0)
		write(group.limit, "max", 3);
	undo_group(b);
}

/* Into memory that is not there: each page takes time. */
static void *read_slowly(void *data)
{
	struct part *p = data;
	char *buf = cma_block_map(CPU_BYTES);

	while (buf && pread(p->fd, buf, CPU_BYTES, p->at) > 0)
		madvise(buf, CPU_BYTES, MADV_DONTNEED);
	return NULL;
}

/* The process that is stopped; who looks after it is not in the group. */
static __noreturn void run_stopped(struct cma_block *b)
{
	static struct part readers[CPU_THREADS];
	unsigned int i;

	for (i = 0; i < CPU_THREADS; i++)
		readers[i] = (struct part) { .fd = b->fd, .at = i * CPU_BYTES };
	if (enter_group(b) || cma_block_threads(CPU_THREADS, read_slowly, readers,
						sizeof(*readers)))
		_exit(1);
	b->state->count = CPU_THREADS;
	pause();
	_exit(1);
}

static bool is_reading(void *data)
{
	struct cma_block *b = data;

	return b->state->count;
}

static long long times_stopped(void)
{
	return cma_keyed(GROUP "/cpu.stat", "nr_throttled");
}

static bool was_stopped(void *data)
{
	return times_stopped() > 0;
}

static int run_cpu(struct cma_block *b)
{
	long long times, last = 0;
	uint64_t since = 0;
	pid_t pid = cma_block_fork(b);

	if (!pid)
		run_stopped(b);
	if (pid < 0 || !cma_wait(is_reading, b, cma_slow(10000)))
		return cma_block_failed(b, "readers");
	cma_sleep_ms(CPU_RUN_MS);
	if (write(group.limit, group.text, strlen(group.text)) < 0 ||
	    !cma_wait(was_stopped, NULL, cma_slow(10000)))
		return cma_block_failed(b, "nobody is stopped");
	for (;;) {
		times = times_stopped();
		if (times != last)
			since = cma_now_ns();
		last = times;
		cma_block_report(b, cma_now_ns() - since < CPU_REST_MS * 1000000ULL ?
				 CPU_THREADS * BLOCK_PAGE : 0);
		cma_block_sleep();
	}
}

const struct cma_block_kind cma_group_blocks[] = {
	{ .name = "memcg-high-thp", .setup = setup_huge, .run = run_huge,
	  .undo = undo_huge, .most = GROUP_THREADS * HUGE,
	  .flags = BLOCK_ALONE },
	{ .name = "cow-memcg", .setup = setup_copy, .run = run_copy,
	  .undo = undo_group, .most = 2 * GROUP_THREADS * PART,
	  .flags = BLOCK_ALONE },
	{ .name = "memcg-max", .setup = setup_max, .run = run_max,
	  .undo = undo_max, .most = GROUP_THREADS * PART,
	  .flags = BLOCK_ALONE },
	{ .name = "io-max-read", .setup = setup_io_read, .run = run_io_read,
	  .undo = undo_io, .most = GROUP_THREADS * PART,
	  .flags = BLOCK_ALONE },
	{ .name = "io-max-write", .setup = setup_io_write, .run = run_io_write,
	  .undo = undo_io, .most = GROUP_THREADS * PART,
	  .flags = BLOCK_ALONE },
	{ .name = "cpu-max-readers", .setup = setup_cpu, .run = run_cpu,
	  .undo = undo_cpu, .most = CPU_THREADS * CPU_BYTES,
	  .flags = BLOCK_ALONE },
	{ .name = NULL }
};
