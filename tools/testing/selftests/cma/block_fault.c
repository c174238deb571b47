// SPDX-License-Identifier: GPL-2.0
/*
 * Blockers whose threads sleep in the kernel in a page fault that nobody
 * resolves, while they refer to other memory. The fault goes to userfaultfd,
 * which also proves that the thread sleeps: it has told of its address.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fsverity.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cma_block.h"
#include "cma_load.h"
#include "cma_util.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY	1
#endif

/* What one read(), one process_vm_readv() and one move_pages() hold. */
#define BATCH_BYTES	(31 * BLOCK_PAGE)
#define PVM_BYTES	(1024 * BLOCK_PAGE)
#define MOVE_PAGES	1024UL

/**
 * struct sleepers - threads that wait for pages that don't come
 * @region: where they fault, @stride bytes apart
 * @stride: see @region
 * @uffd: descriptor that gets the faults
 * @fd: file that is read, or memory file
 * @step: offset in it from thread to thread
 * @mem: other memory of theirs
 * @n: how many
 * @asleep: which of them sleep
 * @count: how many that are
 */
struct sleepers {
	char *region;
	size_t stride;
	int uffd;
	int fd;
	size_t step;
	char *mem;
	unsigned int n;
	unsigned char asleep[BLOCK_THREADS];
	unsigned int count;
};

static struct sleepers sleepers;
static unsigned int indices[BLOCK_THREADS];

static int open_uffd(int flags)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_NONBLOCK | O_CLOEXEC | flags);

	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int watch(int uffd, void *start, size_t len)
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)start, len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	return ioctl(uffd, UFFDIO_REGISTER, &reg);
}

static void look_for_faults(void)
{
	struct uffd_msg msg;
	size_t i;

	while (read(sleepers.uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		if (msg.event != UFFD_EVENT_PAGEFAULT)
			continue;
		i = msg.arg.pagefault.address - (uintptr_t)sleepers.region;
		i /= sleepers.stride;
		if (i >= sleepers.n || sleepers.asleep[i])
			continue;
		sleepers.asleep[i] = 1;
		sleepers.count++;
	}
}

static bool all_asleep(void *data)
{
	look_for_faults();
	return sleepers.count == sleepers.n;
}

/* Starts them; a few that don't get there are not waited for. */
static int start_sleepers(struct cma_block *b, void *(*work)(void *))
{
	unsigned int i;

	for (i = 0; i < sleepers.n; i++)
		indices[i] = i;
	if (cma_block_threads(sleepers.n, work, indices, sizeof(*indices)))
		return cma_block_failed(b, "threads");
	cma_wait(all_asleep, NULL, cma_slow(30000));
	if (sleepers.count < sleepers.n / 2) {
		errno = ETIMEDOUT;
		return cma_block_failed(b, "threads don't fault");
	}
	return 0;
}

static __noreturn void hold_sleepers(struct cma_block *b, size_t each)
{
	for (;;) {
		look_for_faults();
		cma_block_report(b, sleepers.count * each);
		cma_block_sleep();
	}
}

/* @n threads that fault at @stride from each other. */
static int make_region(struct cma_block *b, unsigned int n, size_t stride,
		       int flags)
{
	sleepers.n = n < BLOCK_THREADS ? n : BLOCK_THREADS;
	sleepers.stride = stride;
	sleepers.uffd = open_uffd(flags);
	if (sleepers.uffd < 0)
		return cma_block_failed(b, "userfaultfd");
	sleepers.region = cma_block_map(sleepers.n * stride);
	if (!sleepers.region ||
	    watch(sleepers.uffd, sleepers.region, sleepers.n * stride))
		return cma_block_failed(b, "UFFDIO_REGISTER");
	return 0;
}

/* read(): a batch of folios is referenced while the copy faults. */

static void *read_file(void *data)
{
	size_t i = *(unsigned int *)data;

	pread(sleepers.fd, sleepers.region + i * sleepers.stride, BATCH_BYTES,
	      i * sleepers.step);
	return NULL;
}

/* Only what is in memory can be held. */
static int hold_read(struct cma_block *b, size_t each)
{
	size_t size = sleepers.n * sleepers.step, held, resident;
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, sleepers.fd, 0);

	if (map == MAP_FAILED)
		return cma_block_failed(b, "mmap of the file");
	for (;;) {
		look_for_faults();
		held = sleepers.count * each;
		resident = cma_block_resident(map, size);
		cma_block_report(b, held < resident ? held : resident);
		cma_block_sleep();
	}
}

static int setup_read(struct cma_block *b)
{
	b->fd = cma_block_cached_file(b->bytes, false);
	return b->fd < 0 ? b->fd : 0;
}

static int run_read(struct cma_block *b)
{
	int err = make_region(b, b->bytes / BATCH_BYTES, 32 * BLOCK_PAGE, 0);

	sleepers.fd = b->fd;
	sleepers.step = BATCH_BYTES;
	if (!err)
		err = start_sleepers(b, read_file);
	return err ? err : hold_read(b, BATCH_BYTES);
}

/* tmpfs holds one page of each reader's: they are spread over a file. */
static int run_read_tmpfs(struct cma_block *b)
{
	int err = make_region(b, cma_block_sleepers(b), 32 * BLOCK_PAGE, 0);

	sleepers.step = b->bytes / sleepers.n / BLOCK_PAGE * BLOCK_PAGE;
	sleepers.fd = cma_block_cached_file(b->bytes, true);
	if (sleepers.fd < 0) {
		errno = -sleepers.fd;
		return cma_block_failed(b, "tmpfs file");
	}
	if (!err)
		err = start_sleepers(b, read_file);
	return err ? err : hold_read(b, BLOCK_PAGE);
}

/* Metadata of fs-verity: one page of a file's Merkle tree for each reader. */

#define TREE_SHARE	128	/* of the file: a page has that many hashes */

/* Only a file that nobody can write to gets a tree. */
static int setup_verity(struct cma_block *b)
{
	struct fsverity_enable_arg arg = {
		.version = 1, .block_size = BLOCK_PAGE,
		.hash_algorithm = FS_VERITY_HASH_ALG_SHA256,
	};
	int fd = cma_sparse_file(b->bytes);
	char path[32];

	if (fd < 0)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	b->fd = open(path, O_RDONLY);
	close(fd);
	if (b->fd < 0 || ioctl(b->fd, FS_IOC_ENABLE_VERITY, &arg))
		return cma_block_failed(b, "FS_IOC_ENABLE_VERITY");
	/* The tree was written, so it is not lent; what is read again may be. */
	sync();
	posix_fadvise(b->fd, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}

static void *read_tree(void *data)
{
	size_t i = *(unsigned int *)data;
	struct fsverity_read_metadata_arg arg = {
		.metadata_type = FS_VERITY_METADATA_TYPE_MERKLE_TREE,
		.offset = i * BLOCK_PAGE,
		.length = BLOCK_PAGE,
		.buf_ptr = (uintptr_t)sleepers.region + i * BLOCK_PAGE,
	};

	ioctl(sleepers.fd, FS_IOC_READ_VERITY_METADATA, &arg);
	return NULL;
}

static int run_verity(struct cma_block *b)
{
	int err = make_region(b, b->bytes / BLOCK_PAGE / TREE_SHARE,
			      BLOCK_PAGE, 0);

	sleepers.fd = b->fd;
	if (!err)
		err = start_sleepers(b, read_tree);
	if (err)
		return err;
	hold_sleepers(b, BLOCK_PAGE);
}

/* A write fault of a private file: waits with the page it will copy to. */

static void *write_page(void *data)
{
	sleepers.region[*(unsigned int *)data * BLOCK_PAGE] = 1;
	return NULL;
}

static int run_cow(struct cma_block *b)
{
	size_t size = cma_block_sleepers(b) * BLOCK_PAGE;
	int err, fd = memfd_create("cma", 0);

	sleepers.n = cma_block_sleepers(b);
	sleepers.stride = BLOCK_PAGE;
	sleepers.uffd = open_uffd(UFFD_USER_MODE_ONLY);
	if (fd < 0 || ftruncate(fd, size) || sleepers.uffd < 0)
		return cma_block_failed(b, "memfd or userfaultfd");
	sleepers.region = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			       fd, 0);
	if (sleepers.region == MAP_FAILED ||
	    watch(sleepers.uffd, sleepers.region, size))
		return cma_block_failed(b, "UFFDIO_REGISTER");
	err = start_sleepers(b, write_page);
	if (err)
		return err;
	hold_sleepers(b, BLOCK_PAGE);
}

/* UFFDIO_COPY: waits with the page it copies to, on no list. */

static void *copy_page(void *data)
{
	size_t at = *(unsigned int *)data * BLOCK_PAGE;
	struct uffdio_copy copy = {
		.dst = (uintptr_t)sleepers.mem + at,
		.src = (uintptr_t)sleepers.region + at,
		.len = BLOCK_PAGE,
	};

	ioctl(sleepers.fd, UFFDIO_COPY, &copy);
	return NULL;
}

static int run_copy(struct cma_block *b)
{
	int err = make_region(b, cma_block_sleepers(b), BLOCK_PAGE, 0);
	size_t size = sleepers.n * BLOCK_PAGE;

	sleepers.fd = open_uffd(0);
	sleepers.mem = cma_block_map(size);
	if (!err && (sleepers.fd < 0 || !sleepers.mem ||
		     watch(sleepers.fd, sleepers.mem, size)))
		err = cma_block_failed(b, "second userfaultfd");
	if (!err)
		err = start_sleepers(b, copy_page);
	if (err)
		return err;
	hold_sleepers(b, BLOCK_PAGE);
}

/* process_vm_readv(): pins many pages, then faults at its own buffer. */

static void *read_process(void *data)
{
	size_t i = *(unsigned int *)data;
	struct iovec local = {
		sleepers.region + i * BLOCK_PAGE, BLOCK_PAGE,
	};
	struct iovec remote = { sleepers.mem + i * PVM_BYTES, PVM_BYTES };

	process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
	return NULL;
}

static int run_pvm(struct cma_block *b)
{
	int err = make_region(b, b->bytes / PVM_BYTES, BLOCK_PAGE, 0);

	sleepers.mem = cma_block_memory(b->bytes);
	if (!sleepers.mem)
		return cma_block_failed(b, "mmap");
	if (!err)
		err = start_sleepers(b, read_process);
	if (err)
		return err;
	hold_sleepers(b, PVM_BYTES);
}

/*
 * move_pages() from node 1 to node 0: isolates pages, then faults at the
 * second page of its list of nodes.
 */

static void *move_pages(void *data)
{
	size_t i = *(unsigned int *)data, page;
	int *nodes = (int *)(sleepers.region + i * sleepers.stride);
	int *status = calloc(MOVE_PAGES + 1, sizeof(*status));
	void **pages = calloc(MOVE_PAGES + 1, sizeof(*pages));

	if (!pages || !status)
		return NULL;
	for (page = 0; page < MOVE_PAGES + 1; page++)
		pages[page] = sleepers.mem + (i * MOVE_PAGES + page) *
			      BLOCK_PAGE;
	syscall(SYS_move_pages, 0, MOVE_PAGES + 1, pages, nodes, status,
		MPOL_MF_MOVE);
	return NULL;
}

static int run_move(struct cma_block *b)
{
	size_t each = MOVE_PAGES * BLOCK_PAGE, n = b->bytes / each, i;
	unsigned long node1 = 2;
	int err;

	if (syscall(SYS_set_mempolicy, MPOL_BIND, &node1, 8))
		return cma_block_failed(b, "set_mempolicy");
	sleepers.mem = cma_block_memory(b->bytes + BLOCK_PAGE);
	if (!sleepers.mem)
		return cma_block_failed(b, "mmap");
	err = make_region(b, n, 2 * BLOCK_PAGE, 0);
	for (i = 0; i < n && !err; i++) {
		struct uffdio_zeropage zero = {
			.range = { (uintptr_t)sleepers.region +
				   i * 2 * BLOCK_PAGE, BLOCK_PAGE },
		};

		if (ioctl(sleepers.uffd, UFFDIO_ZEROPAGE, &zero))
			err = cma_block_failed(b, "UFFDIO_ZEROPAGE");
	}
	if (!err)
		err = start_sleepers(b, move_pages);
	if (err)
		return err;
	hold_sleepers(b, each);
}

const struct cma_block_kind cma_fault_blocks[] = {
	{ .name = "read-uffd", .setup = setup_read, .run = run_read,
	  .most = BLOCK_THREADS * BATCH_BYTES },
	{ .name = "read-uffd-tmpfs", .run = run_read_tmpfs,
	  .most = 64 * BLOCK_CHUNK },
	{ .name = "verity-uffd", .setup = setup_verity, .run = run_verity,
	  .most = 128 * BLOCK_CHUNK },
	{ .name = "cow-uffd", .run = run_cow,
	  .most = BLOCK_THREADS * BLOCK_THREAD },
	{ .name = "uffd-copy", .run = run_copy,
	  .most = BLOCK_THREADS * BLOCK_THREAD,
	  .flags = BLOCK_OUTSIDE },
	{ .name = "pvm-readv-uffd", .run = run_pvm,
	  .flags = BLOCK_GUARDED },
	{ .name = "move-pages", .run = run_move, .most = 256 * BLOCK_CHUNK,
	  .flags = BLOCK_NODES | BLOCK_ALONE },
	{ .name = NULL }
};
