// SPDX-License-Identifier: GPL-2.0
/*
 * Blockers with a FUSE server that never answers: what waits for it holds
 * locked folios, pinned buffers, or the folios of another file.
 *
 * The server is a process of its own and the only one that holds the device:
 * when it is killed, all that waits for it wakes up.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cma_block.h"
#include "cma_fuse.h"
#include "cma_util.h"

#define DIR_FORMAT	P_tmpdir "/cma-fuse-%d"
#define READERS		256
#define WINDOW		(128 * 1024UL)	/* one readahead of FUSE */
#define BATCH_BYTES	(31 * BLOCK_PAGE)

/**
 * struct reader - one thread that waits for the server
 * @b: its blocker
 * @fd: file that it reads
 * @buf: where to
 * @at: from where
 * @len: how much
 */
struct reader {
	struct cma_block *b;
	int fd;
	char *buf;
	off_t at;
	size_t len;
};

static struct reader readers[BLOCK_THREADS];
static int cached_file = -1;

/* Mounts are named by the process that makes them: the test. */

static void mount_dir(char *dir, size_t size, pid_t pid, unsigned int number)
{
	snprintf(dir, size, DIR_FORMAT "-%u", pid, number);
}

static unsigned int mount_number(struct cma_block *b)
{
	return b->kind - cma_fuse_blocks;
}

static int setup_fuse(struct cma_block *b)
{
	char dir[64];

	mount_dir(dir, sizeof(dir), getpid(), mount_number(b));
	b->fd = cma_fuse_mount(dir, b->nobody ? 65534 : 0);
	if (b->fd >= 0)
		return 0;
	errno = -b->fd;
	return cma_block_failed(b, "mount of FUSE");
}

static void undo_fuse(struct cma_block *b)
{
	char dir[64];

	cma_block_close(b);
	mount_dir(dir, sizeof(dir), getpid(), mount_number(b));
	cma_fuse_umount(dir);
}

static __noreturn void serve(struct cma_block *b, size_t size, bool reads)
{
	_exit(-cma_fuse_serve(b->fd, size, reads, &b->state->count));
}

/* Starts the server, which answers READ if @reads, and opens the file. */
static int open_fuse(struct cma_block *b, size_t size, bool reads,
		     int flags)
{
	char path[80];
	pid_t pid;
	int fd;

	pid = cma_block_fork(b);
	if (pid < 0)
		return pid;
	if (!pid)
		serve(b, size, reads);
	close(b->fd);
	b->fd = -1;
	mount_dir(path, sizeof(path), getppid(), mount_number(b));
	strcat(path, "/" CMA_FUSE_FILE);
	fd = open(path, flags);
	return fd < 0 ? cma_block_failed(b, "open of FUSE") : fd;
}

static bool owes_all(void *data)
{
	struct cma_block *b = data;

	return b->state->count >= b->bytes;
}

/* @held bytes are held for each @owed bytes that the server owes. */
static int hold_owed(struct cma_block *b, size_t held, size_t owed)
{
	cma_wait(owes_all, b, cma_slow(10000));
	if (!b->state->count) {
		errno = ETIMEDOUT;
		return cma_block_failed(b, "the server was not asked");
	}
	for (;;) {
		cma_block_report(b, b->state->count / owed * held);
		cma_block_sleep();
	}
}

static int start_readers(struct cma_block *b, unsigned int n,
			 void *(*work)(void *))
{
	if (cma_block_threads(n, work, readers, sizeof(*readers)))
		return cma_block_failed(b, "threads");
	return 0;
}

/* Readahead locks its folios until the server answers. */

static void *read_cached(void *data)
{
	struct reader *r = data;
	size_t at;

	for (at = 0; at < r->len; at += WINDOW)
		posix_fadvise(r->fd, r->at + at, WINDOW, POSIX_FADV_WILLNEED);
	pread(r->fd, r->buf, BLOCK_PAGE, r->at);
	return NULL;
}

static int run_read(struct cma_block *b)
{
	size_t each = b->bytes / READERS / WINDOW * WINDOW;
	char *buf = cma_block_map(READERS * BLOCK_PAGE);
	int i, err, fd;

	if (!each)
		each = WINDOW;
	fd = open_fuse(b, READERS * each, false, O_RDONLY);
	if (fd < 0 || !buf)
		return fd < 0 ? fd : -ENOMEM;
	for (i = 0; i < READERS; i++)
		readers[i] = (struct reader) {
			b, fd, buf + i * BLOCK_PAGE, i * each, each,
		};
	b->bytes = READERS * each;
	err = start_readers(b, READERS, read_cached);
	return err ? err : hold_owed(b, 1, 1);
}

/* Dirty pages whose writeback the server never ends. */

/* Throttled sooner or later: nothing gets written. */
static void *dirty(void *data)
{
	struct reader *r = data;
	size_t at;

	for (at = 0; at < r->len; at += BLOCK_PAGE) {
		r->buf[at] = 1;
		if ((at + BLOCK_PAGE) % WINDOW == 0)
			sync_file_range(r->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	}
	return NULL;
}

static int run_write(struct cma_block *b)
{
	int err, fd = open_fuse(b, b->bytes, true, O_RDWR);
	char *map;

	if (fd < 0)
		return fd;
	map = mmap(NULL, b->bytes, PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return cma_block_failed(b, "mmap of FUSE");
	readers[0] = (struct reader) { b, fd, map, 0, b->bytes };
	err = start_readers(b, 1, dirty);
	return err ? err : hold_owed(b, 1, 1);
}

/* O_DIRECT: the buffer is pinned until the server answers. */

static void *read_direct(void *data)
{
	struct reader *r = data;

	pread(r->fd, r->buf, r->len, r->at);
	return NULL;
}

static int run_direct(struct cma_block *b)
{
	unsigned int i, n = b->bytes / BLOCK_CHUNK;
	int err, fd = open_fuse(b, b->bytes, false, O_RDONLY | O_DIRECT);
	/* After the fork: the server has to have no part in it. */
	char *mem = cma_block_memory(b->bytes);

	if (fd < 0 || !mem || n > BLOCK_THREADS)
		return fd < 0 ? fd : -ENOMEM;
	for (i = 0; i < n; i++)
		readers[i] = (struct reader) {
			b, fd, mem + i * BLOCK_CHUNK, i * BLOCK_CHUNK,
			BLOCK_CHUNK,
		};
	err = start_readers(b, n, read_direct);
	return err ? err : hold_owed(b, 1, 1);
}

/* read() of another file into memory that the server has to provide. */

static int setup_map(struct cma_block *b)
{
	int err = setup_fuse(b);

	if (!err)
		cached_file = cma_block_cached_file(b->bytes, false);
	return err ? err : cached_file < 0 ? cached_file : 0;
}

static void undo_map(struct cma_block *b)
{
	if (cached_file >= 0)
		close(cached_file);
	cached_file = -1;
	undo_fuse(b);
}

static int run_map(struct cma_block *b)
{
	unsigned int i, n = b->bytes / BATCH_BYTES;
	int err, fd = open_fuse(b, n * WINDOW, false, O_RDWR);
	char *map;

	if (fd < 0)
		return fd;
	map = mmap(NULL, n * WINDOW, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return cma_block_failed(b, "mmap of FUSE");
	madvise(map, n * WINDOW, MADV_RANDOM);
	for (i = 0; i < n; i++)
		readers[i] = (struct reader) {
			b, cached_file, map + i * WINDOW, i * BATCH_BYTES,
			BATCH_BYTES,
		};
	b->bytes = n * BLOCK_PAGE;
	err = start_readers(b, n, read_direct);
	return err ? err : hold_owed(b, BATCH_BYTES, BLOCK_PAGE);
}

/*
 * ksmd compares a page that it refers to with one of a process whose memory map is
 * locked: by a read of /proc/self/mem that waits for the server, and an mmap() behind it.
 */

#define KSM		"/sys/kernel/mm/ksm/"
#define KSM_SCANS	3	/* until it compares */
#define KSM_PIDS	2000	/* a thread of the kernel is among the first */

static struct {
	const char *path;
	const char *value;
	char old[16];
} ksm[] = {
	{ KSM "pages_to_scan", "10000", "" },
	{ KSM "run", "1", "" },
};

static int setup_ksm(struct cma_block *b)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ksm); i++) {
		if (cma_read_text(ksm[i].path, ksm[i].old,
				  sizeof(ksm[i].old)) < 0 ||
		    cma_write_text(ksm[i].path, ksm[i].value))
			return cma_block_failed(b, ksm[i].path);
	}
	return setup_fuse(b);
}

/* ksmd is asked when nobody stops it any more. */
static void undo_ksm(struct cma_block *b)
{
	unsigned int i;

	undo_fuse(b);
	for (i = 0; i < ARRAY_SIZE(ksm); i++)
		if (ksm[i].old[0])
			cma_write_text(ksm[i].path, ksm[i].old);
}

static pid_t find_ksmd(void)
{
	char path[32], name[32];
	pid_t pid;

	for (pid = 1; pid < KSM_PIDS; pid++) {
		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		if (cma_read_text(path, name, sizeof(name)) > 0 &&
		    !strncmp(name, "ksmd", 4))
			return pid;
	}
	return 0;
}

static bool is_asleep(pid_t pid)
{
	char path[32], stat[128], *state;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (cma_read_text(path, stat, sizeof(stat)) < 0)
		return false;
	state = strrchr(stat, ')');
	return state && state[1] == ' ' && state[2] == 'D';
}

static bool is_stuck(void *data)
{
	return is_asleep(*(pid_t *)data);
}

static unsigned long long ksm_scans(void)
{
	char text[32] = "";

	cma_read_text(KSM "full_scans", text, sizeof(text));
	return strtoull(text, NULL, 10);
}

static bool was_scanned(void *data)
{
	return ksm_scans() >= *(unsigned long long *)data;
}

/* Pages that are all different: none is merged, and each compared with many. */
static bool offer_memory(size_t bytes)
{
	unsigned long long scans;
	char *mem = cma_block_map(bytes);
	size_t at;

	if (!mem || madvise(mem, bytes, MADV_MERGEABLE))
		return false;
	for (at = 0; at < bytes; at += BLOCK_PAGE)
		*(size_t *)(mem + at) = at + 1;
	scans = ksm_scans() + KSM_SCANS;
	return cma_wait(was_scanned, &scans, cma_slow(60000));
}

static void *read_own_memory(void *data)
{
	int fd = open("/proc/self/mem", O_RDONLY);
	char byte;

	pread(fd, &byte, 1, (uintptr_t)data);
	return NULL;
}

static void *map_a_page(void *data)
{
	cma_block_map(BLOCK_PAGE);
	return NULL;
}

static bool is_owed(void *data)
{
	struct cma_block *b = data;

	return b->state->count;
}

/* From here on nothing can be mapped or looked up in this process's memory. */
static __noreturn void lock_memory_map(struct cma_block *b, char *map)
{
	if (!offer_memory(b->bytes) ||
	    cma_block_threads(1, read_own_memory, map, 0) ||
	    !cma_wait(is_owed, b, cma_slow(10000)) ||
	    cma_block_threads(1, map_a_page, NULL, 0))
		_exit(1);
	for (;;)
		pause();
}

static int run_ksm(struct cma_block *b)
{
	int fd = open_fuse(b, BLOCK_PAGE, false, O_RDONLY);
	pid_t pid, ksmd = find_ksmd();
	char *map;

	if (fd < 0)
		return fd;
	map = mmap(NULL, BLOCK_PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED || !ksmd)
		return cma_block_failed(b, "mmap of FUSE, ksmd");
	pid = cma_block_fork(b);
	if (!pid)
		lock_memory_map(b, map);
	if (pid < 0 || !cma_wait(is_owed, b, cma_slow(60000)) ||
	    !cma_wait(is_stuck, &ksmd, cma_slow(10000)))
		return cma_block_failed(b, "ksmd goes on");
	for (;;) {
		cma_block_report(b, is_asleep(ksmd) ? BLOCK_PAGE : 0);
		cma_block_sleep();
	}
}

const struct cma_block_kind cma_fuse_blocks[] = {
	{ .name = "odirect-fuse", .setup = setup_fuse, .run = run_direct,
	  .undo = undo_fuse,
	  .flags = BLOCK_GUARDED },
	{ .name = "read-fuse-map", .setup = setup_map, .run = run_map,
	  .undo = undo_map, .most = BLOCK_THREADS * BATCH_BYTES },
	{ .name = "fuse-write", .setup = setup_fuse, .run = run_write,
	  .undo = undo_fuse,
	  .flags = BLOCK_OUTSIDE },
	{ .name = "fuse-read", .setup = setup_fuse, .run = run_read,
	  .undo = undo_fuse, .flags = BLOCK_OUTSIDE | BLOCK_HANGS },
	{ .name = "ksm-mmap-lock", .setup = setup_ksm, .run = run_ksm,
	  .undo = undo_ksm, .most = 160 * BLOCK_CHUNK,
	  .flags = BLOCK_ALONE },
	{ .name = NULL }
};
