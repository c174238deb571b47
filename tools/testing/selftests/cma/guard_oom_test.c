// SPDX-License-Identifier: GPL-2.0
/*
 * What the guard must not do to others: kill, stall, or give an error that the base
 * kernel does not know.
 *
 *   direct   direct reads into all of a process's memory, more than fits outside of
 *            the area, without swap: nobody is killed
 *   remote   others read a process's memory and environment, which are lent, while
 *            the area is recalled and the process maps and unmaps: nothing is moved
 *            for them, and nobody waits for long
 *   stack    read() from a file that is lent into stack that has not grown yet
 *
 * For the base kernel's allocator a row is a measurement: a case that fails there is
 * reported as skipped. Usage: guard_oom_test [CASE...]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cma_block.h"
#include "cma_hog.h"
#include "cma_load.h"
#include "cma_util.h"

#define LIMIT_MS	60000
#define LENT		50.0	/* percent of the area */
#define SPARE		(12 * BLOCK_CHUNK)
#define REMOTE_BYTES	(32 * BLOCK_CHUNK)
#define REQUESTS	5
#define STALL_MS	2000
#define LONE_READS	4

static struct cma_block block, hog;

/* Only ours has to do as well as that. */
static int verdict(bool ok)
{
	if (ok)
		return KSFT_PASS;
	return cma_is_lend() ? KSFT_FAIL : KSFT_SKIP;
}

static unsigned long long guard_counter(const char *name)
{
	return cma_is_lend() ? cma_sysfs(AREA_TEST, name) : 0;
}

static size_t least_free(void)
{
	unsigned long long min_kib = 0;

	cma_read_number("/proc/sys/vm/min_free_kbytes", &min_kib);
	return SPARE + 2 * 1024 * min_kib;
}

/* Direct reads. */

static uint64_t content[BLOCK_CHUNK / sizeof(uint64_t)];

/* A file on a disk, with a block that is not zero. */
static int direct_file(void)
{
	char path[64];
	int fd = cma_data_file();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(content); i++)
		content[i] = i * 0x9e3779b97f4a7c15ULL + 1;
	if (fd < 0 || write(fd, content, BLOCK_CHUNK) != (ssize_t)BLOCK_CHUNK ||
	    fsync(fd))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_DIRECT);
}

/* Return: bytes of @mem that are in use now. */
static size_t touch(char *mem)
{
	size_t at, leave = least_free();

	for (at = 0; cma_bytes_free() > leave; at += BLOCK_CHUNK)
		memset(mem + at, 1, BLOCK_CHUNK);
	return at;
}

static bool all_read(const char *mem, size_t bytes)
{
	size_t at;

	for (at = 0; at < bytes; at += BLOCK_CHUNK)
		if (memcmp(mem + at, content, BLOCK_CHUNK))
			return false;
	return true;
}

/* Has its memory when @count is 1, reads when it is 2. */
static int run_direct(struct cma_block *b)
{
	char *mem = cma_block_map(cma_mem_total());
	int fd = direct_file();
	size_t at, bytes;

	if (!mem || fd < 0)
		return cma_block_failed(b, "file");
	bytes = touch(mem);
	b->state->held = bytes;
	b->state->count = 1;
	while (b->state->count == 1)
		cma_sleep_ms(1);
	for (at = 0; at < bytes; at += BLOCK_CHUNK) {
		if (pread(fd, mem + at, BLOCK_CHUNK, 0) != (ssize_t)BLOCK_CHUNK)
			return cma_block_failed(b, "pread");
		b->state->rounds++;
	}
	if (!all_read(mem, bytes))
		return cma_block_failed(b, "content");
	for (;;) {
		cma_block_report(b, bytes);
		cma_block_sleep();
	}
}

static const struct cma_block_kind direct_kind = {
	.name = "direct", .run = run_direct,
};

static bool is_full(void *data)
{
	return block.state->count == 1 || !cma_block_alive(&block);
}

static int direct_reads(void)
{
	unsigned long long kills = cma_vmstat("oom_kill");
	unsigned long long moved = guard_counter("guard_pages_moved");
	unsigned long long failed = guard_counter("guard_failed");
	uint64_t ms;
	double lent;
	bool ok;

	cma_empty_memory();
	cma_expect(!cma_block_start(&block, &direct_kind, BLOCK_CHUNK, false),
		   "does not start");
	cma_expect(cma_wait(is_full, NULL, cma_slow(LIMIT_MS)) && cma_block_alive(&block),
		   "no memory");
	lent = cma_lent_percent(AREA_TEST);
	ksft_print_msg("%llu MiB touched, %.0f %% of the area lent\n",
		       block.state->held >> 20, lent);
	ms = cma_now_ns();
	block.state->count = 2;
	ok = cma_block_ready(&block, cma_slow(LIMIT_MS));
	ms = (cma_now_ns() - ms) / 1000000;
	kills = cma_vmstat("oom_kill") - kills;
	ksft_print_msg("row guard-direct mib=%llu read=%lu lent=%.0f ok=%d",
		       block.state->held >> 20, block.state->rounds, lent, ok);
	printf(" kills=%llu ms=%llu moved=%llu failed=%llu\n", kills,
	       (unsigned long long)ms,
	       guard_counter("guard_pages_moved") - moved,
	       guard_counter("guard_failed") - failed);
	cma_block_stop(&block);
	return verdict(ok && !kills && lent >= LENT);
}

/* Memory of others. */

/**
 * struct remote - what those who read a process tell
 * @pid: the process
 * @mem: its memory
 * @longest_us: the longest of their reads
 */
struct remote {
	pid_t pid;
	char *mem;
	atomic_ullong longest_us;
};

static struct remote *remote;

static ssize_t read_of(pid_t pid, const char *what, uintptr_t at, size_t bytes)
{
	static char buf[BLOCK_CHUNK];
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -1;
	n = pread(fd, buf, bytes, at);
	close(fd);
	return n;
}

/* All of the memory, and the environment. Return: whether that worked. */
static bool read_all_of(const struct remote *r)
{
	size_t at;

	for (at = 0; at < REMOTE_BYTES; at += BLOCK_CHUNK)
		if (read_of(r->pid, "mem", (uintptr_t)r->mem + at,
			    BLOCK_CHUNK) != (ssize_t)BLOCK_CHUNK)
			return false;
	return read_of(r->pid, "environ", 0, BLOCK_PAGE) >= 0 &&
	       read_of(r->pid, "cmdline", 0, BLOCK_PAGE) >= 0;
}

static void read_for_ever(struct remote *r)
{
	uint64_t start, us;

	for (;;) {
		start = cma_now_ns();
		if (!read_all_of(r))
			_exit(1);
		us = (cma_now_ns() - start) / 1000;
		if (us > r->longest_us)
			r->longest_us = us;
	}
}

/* One that reads, one that is read and maps and unmaps all the time. */
static int run_remote(struct cma_block *b)
{
	pid_t reader;
	char *mem;

	remote->pid = getpid();
	remote->mem = cma_block_memory(REMOTE_BYTES);
	if (!remote->mem)
		return cma_block_failed(b, "mmap");
	b->state->count = 1;
	while (b->state->count == 1)
		cma_sleep_ms(1);
	reader = cma_block_fork(b);
	if (!reader)
		read_for_ever(remote);
	while (!waitpid(reader, NULL, WNOHANG)) {
		mem = cma_block_map(BLOCK_CHUNK);
		if (!mem || munmap(mem, BLOCK_CHUNK))
			return cma_block_failed(b, "mmap");
		cma_block_report(b, REMOTE_BYTES);
	}
	return cma_block_failed(b, "read");
}

static const struct cma_block_kind remote_kind = {
	.name = "remote", .run = run_remote,
};

/* The process's memory is lent: others have what is outside. */
static void start_remote(void)
{
	cma_empty_memory();
	cma_expect(cma_hog_start(&hog, cma_hog_find("anon"),
				 2 * REMOTE_BYTES), "no hog");
	remote = mmap(NULL, BLOCK_PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cma_expect(remote != MAP_FAILED, "mmap");
	cma_expect(!cma_block_start(&block, &remote_kind, REMOTE_BYTES, false),
		   "does not start");
	cma_expect(cma_wait(is_full, NULL, cma_slow(LIMIT_MS)) && cma_block_alive(&block),
		   "no memory");
}

static void stop_remote(void)
{
	cma_block_stop(&block);
	cma_block_stop(&hog);
	munmap(remote, BLOCK_PAGE);
}

static unsigned int serve_some(void)
{
	unsigned int i, served = 0;
	struct cma_test_alloc req;

	for (i = 0; i < REQUESTS; i++) {
		if (cma_take(AREA_TEST, MIB_PAGES(16), 0, &req))
			continue;
		served++;
		cma_give(req.handle);
	}
	return served;
}

static int remote_reads(void)
{
	unsigned long long hits, stalled;
	unsigned int i, served;
	double lent;
	bool alive;

	start_remote();
	lent = cma_lent_percent(AREA_TEST);
	hits = guard_counter("guard_hits");
	for (i = 0; i < LONE_READS; i++)
		cma_expect(read_all_of(remote), "can't be read");
	hits = guard_counter("guard_hits") - hits;
	block.state->count = 2;
	cma_expect(cma_block_ready(&block, cma_slow(LIMIT_MS)), "not ready");
	served = serve_some();
	cma_sleep_ms(STALL_MS);
	stalled = remote->longest_us / 1000;
	alive = cma_block_holds(&block, cma_slow(LIMIT_MS));
	ksft_print_msg("row guard-remote lent=%.0f hits=%llu served=%u/%u",
		       lent, hits, served, REQUESTS);
	printf(" longest_ms=%llu alive=%d\n", stalled, alive);
	stop_remote();
	return verdict(!hits && alive && served == REQUESTS && lent >= LENT);
}

/* Stack. */

#ifdef __x86_64__

#define DEEP	0x100000	/* bytes below the stack pointer */

/* Makes room and enters the kernel, without anything touched in between. */
static long read_deep(int fd, size_t at)
{
	register long from asm("r10") = at;
	long n = SYS_pread64;

	asm volatile("sub %[deep], %%rsp\n\t"
		     "mov %%rsp, %%rsi\n\t"
		     "syscall\n\t"
		     "add %[deep], %%rsp"
		     : "+a" (n)
		     : [deep] "i" (DEEP), "D" (fd), "d" (BLOCK_PAGE), "r" (from)
		     : "rcx", "rsi", "r11", "cc", "memory");
	return n;
}

/* The main thread of a process of its own, whose stack has not grown. */
static long read_in_child(int fd, size_t at)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		long n = read_deep(fd, at);

		_exit(n == (long)BLOCK_PAGE ? 0 : -n);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -ECHILD;
	if (!WIFEXITED(status))
		return -EINTR;
	return WEXITSTATUS(status) ? -WEXITSTATUS(status) : (long)BLOCK_PAGE;
}

/* Reads the file until a good part of the area is lent, and of what it read last. */
static size_t lend_file(int fd, size_t bytes)
{
	static char buf[BLOCK_CHUNK];
	size_t at;

	for (at = 0; at < bytes; at += BLOCK_CHUNK) {
		cma_expect(pread(fd, buf, BLOCK_CHUNK, at) ==
			   (ssize_t)BLOCK_CHUNK, "pread");
		if (cma_lent_percent(AREA_TEST) >= LENT)
			break;
	}
	return at;
}

static int grown_stack(void)
{
	size_t at, bytes = 2 * cma_mem_total();
	int fd;
	long n;

	cma_empty_memory();
	fd = cma_sparse_file(bytes);
	cma_expect(fd >= 0, "file");
	at = lend_file(fd, bytes);
	n = read_in_child(fd, at);
	ksft_print_msg("row guard-stack lent=%.0f read=%ld\n",
		       cma_lent_percent(AREA_TEST), n);
	close(fd);
	return verdict(n == (long)BLOCK_PAGE && at < bytes);
}

#else

static int grown_stack(void)
{
	return KSFT_SKIP;
}

#endif

static const struct cma_case cases[] = {
	{ "read() into stack that has not grown",
	  grown_stack, false, "stack" },
	{ "memory of others, read while it is recalled",
	  remote_reads, false, "remote" },
	{ "direct reads into memory that does not fit outside",
	  direct_reads, false, "direct" },
};

static void restore(void)
{
	cma_block_settings(true);
}

int main(int argc, char **argv)
{
	cma_write_text("/proc/self/oom_score_adj", "-1000");
	cma_block_settings(false);
	atexit(restore);
	cma_run_chosen(cases, ARRAY_SIZE(cases), argv + 1);
}
