// SPDX-License-Identifier: GPL-2.0
/*
 * Blockers that own pages of a kind that recall has to treat with care: huge,
 * locked into memory, poisoned, or the kernel's own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cma_block.h"
#include "cma_util.h"

static __noreturn void hold_resident(struct cma_block *b, void *mem)
{
	for (;;) {
		cma_block_report(b, cma_block_resident(mem, b->bytes));
		cma_block_sleep();
	}
}

/* Locked into memory. */
static int run_mlock(struct cma_block *b)
{
	char *mem = cma_block_memory(b->bytes);

	if (!mem || mlock(mem, b->bytes))
		return cma_block_failed(b, "mlock");
	hold_resident(b, mem);
}

/* Huge pages: a request's ends are within them. */
static int run_thp(struct cma_block *b)
{
	char *mem = cma_block_map(b->bytes);
	size_t at;

	if (!mem || madvise(mem, b->bytes, MADV_HUGEPAGE))
		return cma_block_failed(b, "MADV_HUGEPAGE");
	for (at = 0; at < b->bytes; at += BLOCK_PAGE)
		mem[at] = 1;
	/* As many as there are in fragmented memory; recall may split them later. */
	if (!cma_block_huge())
		return cma_block_failed(b, "huge pages");
	hold_resident(b, mem);
}

/* Rings of asynchronous I/O: the kernel's pages, in a file of its own. */

#define RING_EVENTS	(BLOCK_CHUNK / sizeof(struct io_event))

/* A ring is mapped where its context's number says, as long as it lives. */
static size_t rings_mapped(aio_context_t *ctx, unsigned int n)
{
	size_t sum = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		sum += cma_block_resident((void *)ctx[i],
					  BLOCK_CHUNK - BLOCK_PAGE);
	return sum;
}

static int run_aio(struct cma_block *b)
{
	static aio_context_t ctx[1024];
	unsigned int n = b->bytes / BLOCK_CHUNK, i;

	for (i = 0; i < n && i < ARRAY_SIZE(ctx); i++)
		if (syscall(SYS_io_setup, RING_EVENTS / 2, &ctx[i]))
			return cma_block_failed(b, "io_setup");
	for (;;) {
		cma_block_report(b, rings_mapped(ctx, i));
		cma_block_sleep();
	}
}

/* Poisoned pages are holes for ever, as far as the area is concerned. */

#define POISONED	8
#define POISON_WINDOW	(16UL * 256)	/* pages at the end of the area */

static void ignore(int sig)
{
}

static unsigned long pfn_of(void *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	pread(fd, &entry, sizeof(entry), (uintptr_t)addr / BLOCK_PAGE * 8);
	close(fd);
	return entry & ((1ULL << 55) - 1);
}

/*
 * Holes in the middle would make requests of half the area impossible, for any
 * allocator: those in its last part don't.
 */
static bool may_be_poisoned(unsigned long pfn, const struct cma_area *area)
{
	if (!pfn)
		return false;
	if (pfn < area->base || pfn >= area->base + area->count)
		return true;
	return pfn >= area->base + area->count - POISON_WINDOW;
}

static bool is_inside(unsigned long pfn, const struct cma_area *area)
{
	return pfn >= area->base && pfn < area->base + area->count;
}

/* Pages of the area first, then some of elsewhere. */
static unsigned int poison_some(char *mem, size_t bytes, bool inside,
				unsigned int wanted)
{
	struct cma_area area;
	unsigned int n = 0;
	size_t at;

	if (cma_area_get(AREA_TEST, &area))
		return 0;
	for (at = 0; at < bytes && n < wanted; at += BLOCK_PAGE) {
		unsigned long pfn = pfn_of(mem + at);

		if (is_inside(pfn, &area) == inside &&
		    may_be_poisoned(pfn, &area) &&
		    !madvise(mem + at, BLOCK_PAGE, MADV_HWPOISON))
			n++;
	}
	return n;
}

static int run_poison(struct cma_block *b)
{
	char *mem = cma_block_memory(b->bytes);
	unsigned int n;

	if (!mem)
		return cma_block_failed(b, "mmap");
	signal(SIGBUS, ignore);
	n = poison_some(mem, b->bytes, true, POISONED);
	snprintf(b->state->where, sizeof(b->state->where),
		 "%u poisoned in the area", n);
	n += poison_some(mem, b->bytes, false, 1);
	if (!n)
		return cma_block_failed(b, "MADV_HWPOISON");
	munmap(mem, b->bytes);
	for (;;) {
		cma_block_report(b, n * BLOCK_PAGE);
		cma_block_sleep();
	}
}

/* A core dump into a pipe that nobody reads: a page of it is held. */

#define CORE_PATTERN	"/proc/sys/kernel/core_pattern"
#define CORE_PIPE_LIMIT	"/proc/sys/kernel/core_pipe_limit"
#define CORE_DUMPERS	4

static char core_pattern[256];

static int setup_core(struct cma_block *b)
{
	cma_read_text(CORE_PATTERN, core_pattern, sizeof(core_pattern));
	if (cma_write_text(CORE_PATTERN, "|/bin/sleep 100000"))
		return cma_block_failed(b, CORE_PATTERN);
	return 0;
}

static void undo_core(struct cma_block *b)
{
	cma_write_text(CORE_PATTERN, core_pattern);
}

static void dump_core(struct cma_block *b)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	if (!cma_block_memory(b->bytes / CORE_DUMPERS))
		_exit(1);
	setrlimit(RLIMIT_CORE, &all);
	signal(SIGABRT, SIG_DFL);
	kill(getpid(), SIGABRT);
	_exit(1);
}

static bool is_dumping(pid_t pid)
{
	char path[64], buf[4096];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (cma_read_text(path, buf, sizeof(buf)) < 0)
		return false;
	return strstr(buf, "CoreDumping:\t1");
}

static int run_core(struct cma_block *b)
{
	pid_t pids[CORE_DUMPERS];
	unsigned int i, n = 0;
	uint64_t end = cma_now_ns() + 10000000000ULL;

	for (i = 0; i < CORE_DUMPERS; i++) {
		pids[i] = cma_block_fork(b);
		if (!pids[i])
			dump_core(b);
	}
	for (;;) {
		for (i = n = 0; i < CORE_DUMPERS; i++)
			n += is_dumping(pids[i]);
		if (!n && cma_now_ns() > end)
			return cma_block_failed(b, "CONFIG_ELF_CORE");
		if (n == CORE_DUMPERS || cma_now_ns() > end)
			cma_block_report(b, n * b->bytes / CORE_DUMPERS);
		cma_block_sleep();
	}
}

const struct cma_block_kind cma_page_blocks[] = {
	{ .name = "mlock", .run = run_mlock, .most = 150 * BLOCK_CHUNK },
	{ .name = "thp", .setup = cma_block_huge_on, .run = run_thp,
	  .undo = cma_block_huge_off },
	{ .name = "aio-ring", .run = run_aio },
	{ .name = "hwpoison", .run = run_poison, .flags = BLOCK_ROOT },
	{ .name = "coredump", .setup = setup_core, .run = run_core,
	  .undo = undo_core, .most = 32 * BLOCK_CHUNK,
	  .flags = BLOCK_ROOT | BLOCK_ALONE },
	{ .name = NULL }
};
