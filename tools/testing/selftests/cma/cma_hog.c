// SPDX-License-Identifier: GPL-2.0
/*
 * Memory full to the brim, of each kind that is hard to get rid of. A hog is a
 * blocker as far as its life goes; it ends when memory does, or its parent.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cma_hog.h"
#include "cma_load.h"
#include "cma_util.h"

#define STEP		(512 * 1024UL)
#define HUGE		(2 * BLOCK_CHUNK)
/* Beside watermarks: page tables, the processes themselves. */
#define SPARE		(12 * BLOCK_CHUNK)
#define READERS		2U
#define LIMIT_MS	240000

unsigned long long cma_vmstat(const char *key)
{
	long long n = cma_keyed("/proc/vmstat", key);

	return n < 0 ? 0 : n;
}

unsigned long long cma_reclaimed(void)
{
	return cma_vmstat("pgsteal_kswapd") + cma_vmstat("pgsteal_direct");
}

size_t cma_bytes_free(void)
{
	return cma_vmstat("nr_free_pages") * BLOCK_PAGE;
}

/* Free, and not in an area. */
size_t cma_bytes_outside(void)
{
	return cma_bytes_free() - cma_vmstat("nr_free_cma") * BLOCK_PAGE;
}

static bool is_calm(void *data)
{
	unsigned long long before = cma_reclaimed();

	cma_sleep_ms(200);
	return cma_reclaimed() == before;
}

/* Only ours always gets the area empty. kswapd may still be at work. */
void cma_empty_memory(void)
{
	cma_wait(is_calm, NULL, LIMIT_MS);
	cma_write_text("/proc/sys/vm/drop_caches", "3");
	cma_expect(cma_empty_area(AREA_TEST) || !cma_is_lend(),
		   "the area isn't empty");
}

/* Hogs. */

static size_t to_leave(const struct cma_block *b)
{
	unsigned long long min_kib = 0;

	cma_read_number("/proc/sys/vm/min_free_kbytes", &min_kib);
	return b->bytes + SPARE + 2 * 1024 * min_kib;
}

static void stay(struct cma_block *b, size_t held)
{
	for (;;) {
		cma_block_report(b, held);
		cma_block_sleep();
	}
}

/* Compressed, pages of this are next to nothing. */
static void put_same(char *mem, size_t bytes)
{
	memset(mem, 1, bytes);
}

/* And of this as large as before. */
static void put_noise(char *mem, size_t bytes)
{
	static uint64_t random = 1;
	uint64_t *word = (uint64_t *)mem;
	size_t i;

	for (i = 0; i < bytes / sizeof(*word); i++)
		word[i] = cma_random(&random);
}

/* Return: bytes of @mem that are in use now. */
static size_t fill_with(const struct cma_block *b, char *mem, size_t from,
			size_t step, void (*put)(char *mem, size_t bytes))
{
	size_t at, most = cma_mem_total(), leave = to_leave(b);

	for (at = from; at + step <= most && cma_bytes_free() > leave; at += step)
		put(mem + at, step);
	return at;
}

static size_t fill(const struct cma_block *b, char *mem, size_t from, size_t step)
{
	return fill_with(b, mem, from, step, put_same);
}

static int run_anon(struct cma_block *b)
{
	char *mem = cma_block_map(cma_mem_total());

	if (!mem)
		return cma_block_failed(b, "mmap");
	stay(b, fill(b, mem, 0, STEP));
	return 0;
}

static int run_noise(struct cma_block *b)
{
	char *mem = cma_block_map(cma_mem_total());

	if (!mem)
		return cma_block_failed(b, "mmap");
	stay(b, fill_with(b, mem, 0, STEP, put_noise));
	return 0;
}

static int run_mlock(struct cma_block *b)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		return cma_block_failed(b, "mlockall");
	return run_anon(b);
}

static int run_thp(struct cma_block *b)
{
	char *mem = cma_block_map(cma_mem_total() + HUGE);
	size_t held;

	if (!mem)
		return cma_block_failed(b, "mmap");
	mem = (char *)(((uintptr_t)mem + HUGE - 1) & -HUGE);
	madvise(mem, cma_mem_total(), MADV_HUGEPAGE);
	held = fill(b, mem, 0, HUGE);
	if (cma_block_huge() < held / 2)
		return cma_block_failed(b, "huge pages");
	stay(b, held);
	return 0;
}

/* What is lent of tmpfs has to fit outside: more than that is not to be had. */
static int run_tmpfs(struct cma_block *b)
{
	static uint64_t buf[STEP / sizeof(uint64_t)];
	int fd = memfd_create("cma", 0);
	size_t at, i, leave = to_leave(b), n = ARRAY_SIZE(buf);

	if (fd < 0)
		return cma_block_failed(b, "memfd_create");
	for (at = 0; cma_bytes_outside() > leave; at += sizeof(buf)) {
		for (i = 0; i < n; i++)
			buf[i] = at + i;
		if (write(fd, buf, sizeof(buf)) != sizeof(buf))
			return cma_block_failed(b, "write");
	}
	for (;;) {
		size_t good = 0;

		while (pread(fd, buf, sizeof(buf), good) == sizeof(buf)) {
			for (i = 0; i < n && buf[i] == good + i; i++)
				;
			if (i < n)
				break;
			good += sizeof(buf);
		}
		cma_block_report(b, good);
		cma_block_sleep();
	}
}

/* Reads its parent's memory, with references to 256 pages of it at a time. */
static void read_parent(char *mem, size_t bytes)
{
	static char buf[BLOCK_CHUNK];
	struct iovec to = { buf, sizeof(buf) }, from = { mem, sizeof(buf) };
	pid_t parent = getppid();
	size_t at;

	for (;;) {
		for (at = 0; at + sizeof(buf) <= bytes; at += sizeof(buf)) {
			from.iov_base = mem + at;
			process_vm_readv(parent, &to, 1, &from, 1, 0);
		}
		cma_sleep_ms(1);
	}
}

static int run_pvm(struct cma_block *b)
{
	char *mem = cma_block_map(cma_mem_total());
	size_t bytes;
	unsigned int i;
	pid_t pid;

	if (!mem)
		return cma_block_failed(b, "mmap");
	bytes = fill(b, mem, 0, STEP);
	/* One victim is enough. */
	if (madvise(mem, cma_mem_total(), MADV_DONTFORK))
		return cma_block_failed(b, "madvise");
	for (i = 0; i < READERS; i++) {
		pid = cma_block_fork(b);
		if (pid < 0)
			return pid;
		if (!pid)
			read_parent(mem, bytes);
	}
	stay(b, bytes);
	return 0;
}

/* A quarter locked, a fifth in shared memory, and the rest anonymous. */
static int run_mix(struct cma_block *b)
{
	size_t at, most = cma_mem_total();
	char *mem = cma_block_map(most);
	size_t locked = most / 4 / STEP * STEP, shared = most / 5 / STEP * STEP;
	char *shmem = mmap(NULL, shared, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (!mem || shmem == MAP_FAILED)
		return cma_block_failed(b, "mmap");
	memset(shmem, 1, shared);
	for (at = 0; at < locked; at += STEP)
		if (mlock(mem + at, STEP))
			return cma_block_failed(b, "mlock");
	stay(b, fill(b, mem, at, STEP) + shared);
	return 0;
}

const struct cma_block_kind cma_hogs[] = {
	{ .name = "anon", .run = run_anon },
	{ .name = "noise", .run = run_noise },
	{ .name = "mlock", .run = run_mlock },
	{ .name = "tmpfs", .run = run_tmpfs },
	{ .name = "thp", .setup = cma_block_huge_on, .run = run_thp,
	  .undo = cma_block_huge_off },
	{ .name = "pvm", .run = run_pvm },
	{ .name = "mix", .run = run_mix },
	{ .name = NULL }
};

/* Data in pipes: it lies in pages that the kernel allocates, and they don't borrow. */
static int run_pipe(struct cma_block *b)
{
	static char buf[BLOCK_CHUNK];
	size_t held;
	int fd[2];

	for (held = 0; held < b->bytes; held += BLOCK_CHUNK) {
		if (pipe(fd) || fcntl(fd[1], F_SETPIPE_SZ, BLOCK_CHUNK) < 0)
			return cma_block_failed(b, "pipe");
		if (write(fd[1], buf, BLOCK_CHUNK) != BLOCK_CHUNK)
			return cma_block_failed(b, "write");
	}
	stay(b, held);
	return 0;
}

const struct cma_block_kind cma_pipes = {
	.name = "pipe", .run = run_pipe,
};

const struct cma_block_kind *cma_hog_find(const char *name)
{
	const struct cma_block_kind *kind;

	for (kind = cma_hogs; kind->name; kind++)
		if (!strcmp(kind->name, name))
			return kind;
	return NULL;
}

/**
 * cma_hog_start() - fill memory
 * @hog: the hog
 * @kind: of cma_hogs
 * @leave: bytes to be left free, beside what the machine needs
 *
 * Return: false if it ended before memory was full.
 */
bool cma_hog_start(struct cma_block *hog, const struct cma_block_kind *kind,
		   size_t leave)
{
	return !cma_block_start(hog, kind, leave, false) &&
	       cma_block_ready(hog, cma_slow(LIMIT_MS));
}

/* Swap, made by busybox: headers are its business. */

const char * const cma_swap_names[CMA_SWAPS] = {
	[CMA_SWAP_NONE] = "none",
	[CMA_SWAP_ZRAM] = "zram",
	[CMA_SWAP_FILE] = "file",
};

static char swap_path[256];

/* On a file or a device, until cma_swap_off(). Return: 0 or a negative error. */
int cma_swap_on_path(const char *path)
{
	char cmd[320];

	snprintf(swap_path, sizeof(swap_path), "%s", path);
	snprintf(cmd, sizeof(cmd), "mkswap %s >/dev/null", swap_path);
	if (system(cmd))
		return -EIO;
	return swapon(swap_path, 0) ? -errno : 0;
}

static int swap_on_zram(size_t bytes)
{
	char size[32];
	int err;

	cma_write_text("/sys/block/zram0/reset", "1");
	snprintf(size, sizeof(size), "%zu", bytes);
	err = cma_write_text("/sys/block/zram0/disksize", size);
	return err ? err : cma_swap_on_path("/dev/zram0");
}

static int swap_on_file(size_t bytes)
{
	const char *dir = cma_data_dir();
	char path[sizeof(swap_path)];
	int fd, err;

	if (!dir)
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/cma.swap", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		return -errno;
	err = posix_fallocate(fd, 0, bytes);
	close(fd);
	if (!err)
		return cma_swap_on_path(path);
	unlink(path);
	return -err;
}

int cma_swap_on(enum cma_swap swap)
{
	size_t bytes = cma_mem_total() / 2;

	switch (swap) {
	case CMA_SWAP_ZRAM:
		return swap_on_zram(bytes);
	case CMA_SWAP_FILE:
		return swap_on_file(bytes);
	default:
		return 0;
	}
}

void cma_swap_off(void)
{
	if (!swap_path[0])
		return;
	swapoff(swap_path);
	if (strncmp(swap_path, "/dev/", 5))
		unlink(swap_path);
	swap_path[0] = '\0';
}
