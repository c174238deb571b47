// SPDX-License-Identifier: GPL-2.0
/*
 * Blockers in a memory cgroup that is far above memory.high: whoever is charged more
 * than a batch sleeps for two seconds, in the middle of it, with what it holds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cma_block.h"
#include "cma_util.h"

#define GROUP		"/sys/fs/cgroup/cma-block"
#define GROUP_HIGH	"65536"
/* What keeps the group above that: nothing is there to swap it to. */
#define GROUP_BASE	(8 * BLOCK_CHUNK)
#define GROUP_HUGE	(2 * BLOCK_CHUNK)
#define GROUP_THREADS	16U	/* more of them, and reclaim is all that runs */

/* Opened by root, written by the blocker. */
static int procs_fd = -1, high_fd = -1;

static void undo_group(struct cma_block *b)
{
	int tries;

	if (procs_fd >= 0)
		close(procs_fd);
	if (high_fd >= 0)
		close(high_fd);
	procs_fd = -1;
	high_fd = -1;
	for (tries = 0; tries < 100 && rmdir(GROUP) && errno == EBUSY; tries++)
		cma_sleep_ms(100);
}

static void undo_huge(struct cma_block *b)
{
	cma_block_huge_off(b);
	undo_group(b);
}

static int setup_group(struct cma_block *b)
{
	if (mkdir(GROUP, 0755))
		return cma_block_failed(b, GROUP);
	procs_fd = open(GROUP "/cgroup.procs", O_WRONLY);
	high_fd = open(GROUP "/memory.high", O_WRONLY);
	if (procs_fd < 0 || high_fd < 0)
		return cma_block_failed(b, GROUP);
	return 0;
}

/* One part of the file for each thread; it is longer than a batch. */
static int setup_file(struct cma_block *b)
{
	int err = setup_group(b);

	if (err)
		return err;
	b->fd = cma_block_cached_file(GROUP_THREADS * BLOCK_CHUNK, false);
	return b->fd < 0 ? cma_block_failed(b, "file") : 0;
}

static int setup_huge(struct cma_block *b)
{
	return setup_group(b) ?: cma_block_huge_on(b);
}

static unsigned int threads_of(struct cma_block *b, size_t each)
{
	size_t n = b->bytes / each;

	return n < GROUP_THREADS ? n : GROUP_THREADS;
}

/* From here on the process pays for what it gets. */
static int enter_group(struct cma_block *b)
{
	if (write(procs_fd, "0", 1) != 1)
		return cma_block_failed(b, "cgroup.procs");
	if (!cma_block_memory(GROUP_BASE))
		return cma_block_failed(b, "mmap");
	return 0;
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

/* Each of @n threads has @each bytes in its hands while it sleeps; half of them do. */
static int hold_in_group(struct cma_block *b, unsigned int n,
			 void *(*work)(void *), char **where, size_t each)
{
	unsigned int waiting;

	errno = ENOMEM;
	if (n < 2)
		return cma_block_failed(b, "too little memory for two");
	if (cma_block_threads(n, work, where, sizeof(*where)))
		return cma_block_failed(b, "threads");
	if (write(high_fd, GROUP_HIGH, strlen(GROUP_HIGH)) < 0)
		return cma_block_failed(b, "memory.high");
	begun = true;
	if (!cma_wait(half_wait, &n, 60000))
		return cma_block_failed(b, "nobody waits");
	for (;;) {
		waiting = cma_block_waiting();
		cma_block_report(b, each * (waiting < n / 2 ? waiting : n / 2));
		cma_block_sleep();
	}
}

/* Copies of shared pages: the original is held while the copy is charged. */

static void *copy_part(void *data)
{
	char *part = *(char **)data;
	int zero = open("/dev/zero", O_RDONLY);
	size_t at;

	wait_for_others();
	for (;;) {
		madvise(part, BLOCK_CHUNK, MADV_DONTNEED);
		for (at = 0; at < BLOCK_CHUNK; at += BLOCK_PAGE)
			__atomic_load_n(part + at, __ATOMIC_RELAXED);
		if (read(zero, part, BLOCK_CHUNK) != (ssize_t)BLOCK_CHUNK)
			return NULL;
	}
}

static int run_copy(struct cma_block *b)
{
	static char *where[GROUP_THREADS];
	unsigned int i, n = threads_of(b, 2 * BLOCK_CHUNK);
	char *map = mmap(NULL, n * BLOCK_CHUNK, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE, b->fd, 0);
	int err = enter_group(b);

	if (err || map == MAP_FAILED)
		return err ?: cma_block_failed(b, "mmap");
	for (i = 0; i < n; i++)
		where[i] = map + i * BLOCK_CHUNK;
	return hold_in_group(b, n, copy_part, where, BLOCK_PAGE);
}

/* Huge pages: each is more than a batch. */

static void *touch_huge(void *data)
{
	char *at = *(char **)data;

	wait_for_others();
	for (;;) {
		__atomic_store_n(at, 1, __ATOMIC_RELAXED);
		madvise(at, GROUP_HUGE, MADV_DONTNEED);
	}
	return NULL;
}

static int run_huge(struct cma_block *b)
{
	static char *where[GROUP_THREADS];
	unsigned int i, n = threads_of(b, GROUP_HUGE);
	size_t bytes = (n + 1) * GROUP_HUGE;
	char *map = cma_block_map(bytes);
	int err = enter_group(b);

	if (err || !map || madvise(map, bytes, MADV_HUGEPAGE))
		return err ?: cma_block_failed(b, "MADV_HUGEPAGE");
	map += -(uintptr_t)map % GROUP_HUGE;
	for (i = 0; i < n; i++)
		where[i] = map + i * GROUP_HUGE;
	return hold_in_group(b, n, touch_huge, where, GROUP_HUGE);
}

const struct cma_block_kind cma_group_blocks[] = {
	{ .name = "memcg-high-thp", .setup = setup_huge, .run = run_huge,
	  .undo = undo_huge, .most = GROUP_THREADS * GROUP_HUGE,
	  .flags = BLOCK_ALONE },
	{ .name = "cow-memcg", .setup = setup_file, .run = run_copy,
	  .undo = undo_group, .most = 2 * GROUP_THREADS * BLOCK_CHUNK,
	  .flags = BLOCK_ALONE },
	{ .name = NULL }
};
