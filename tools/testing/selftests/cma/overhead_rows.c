// SPDX-License-Identifier: GPL-2.0
/*
 * The operations that are measured: page faults, reads, pins, processes, files.
 * A pass is one go over a few MiB, or a few calls; what it times is nothing but
 * the operation. Files are on ext4, or in tmpfs; the device of O_DIRECT is
 * null_blk, which answers at once and moves no data.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cma_load.h"
#include "cma_util.h"
#include "overhead.h"
#include "../../../../mm/gup_test.h"

#define FOLL_WRITE	0x1
#define GUP_TEST_PATH	"/sys/kernel/debug/gup_test"
#define CLOCK_LOOPS	500000UL
#define GUP_PAGES	16384UL
#define LENT_GUP_PAGES	4096UL
#define FAULT_PAGES	(FAULT_BYTES / PAGE)
#define THP_BYTES	(4 * HUGE)
#define FILE_BYTES	(256 * PAGE)
#define FILE_PAGES	(FILE_BYTES / PAGE)
#define HOLES_BYTES	(1024 * PAGE)
#define DIRECT_BYTES	(1024 * PAGE)
#define FORKS		16
#define CREATES		128

#define LENT		SET(INSIDE)
#define PLAIN		(SET(OUTSIDE) | SET(NONE))

/* What a kind keeps between begin and end. */
static char *mem, *buf;
static size_t mem_bytes, buf_bytes, file_bytes;
static int fd = -1, fd2 = -1;
static int pipes[2] = { -1, -1 };

static void close_fd(int *file)
{
	if (*file >= 0)
		close(*file);
	*file = -1;
}

static void end(const struct row *r)
{
	if (mem)
		munmap(mem, mem_bytes);
	if (buf)
		munmap(buf, buf_bytes);
	mem = NULL;
	buf = NULL;
	close_fd(&fd);
	close_fd(&fd2);
	close_fd(&pipes[0]);
	close_fd(&pipes[1]);
}

static bool begin_nothing(const struct row *r)
{
	return true;
}

/* Memory. */

/* Page tables cost the same whenever the place is the same. */
char *overhead_map(int place, size_t bytes, int advice)
{
	char *at = (char *)0x200000000000UL + place * (1UL << 32);

	at = mmap(at, bytes, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	madvise(at, bytes, advice);
	return at;
}

void overhead_touch(char *at, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes; i += PAGE)
		at[i] = 1;
}

static char *touched(int place, size_t bytes)
{
	char *at = overhead_map(place, bytes, MADV_NOHUGEPAGE);

	if (at)
		overhead_touch(at, bytes);
	return at;
}

static bool begin_memory(size_t bytes)
{
	mem = touched(0, bytes);
	mem_bytes = bytes;
	return mem;
}

static bool where_memory(const struct row *r, struct cma_frames *f)
{
	return cma_add_frames(f, mem, mem_bytes);
}

/* The clock itself: two instructions a round. */

static bool pass_clock(const struct row *r, struct sample *x)
{
	uint64_t from = cma_now_ns();
	unsigned long n = CLOCK_LOOPS;

	asm volatile("1: dec %0\n\tjnz 1b" : "+r" (n));
	x->ns += cma_now_ns() - from;
	return true;
}

static const struct kind clock_itself = {
	begin_nothing, NULL, pass_clock, end
};

/* get_user_pages() and relatives. */

static bool begin_gup(const struct row *r)
{
	fd = open(GUP_TEST_PATH, O_RDWR);
	return fd >= 0 && begin_memory(r->ops * PAGE);
}

static bool call_gup(const struct row *r, unsigned int flags, struct sample *x)
{
	struct gup_test g = {
		.addr = (uintptr_t)mem,
		.size = r->ops * PAGE,
		.nr_pages_per_call = r->arg,
		.gup_flags = flags,
	};

	if (ioctl(fd, r->cmd, &g) || g.size != r->ops * PAGE)
		return false;
	x->ns += (g.get_delta_usec + g.put_delta_usec) * 1000;
	x->part_ns += g.get_delta_usec * 1000;
	return true;
}

static bool pass_gup(const struct row *r, struct sample *x)
{
	return call_gup(r, FOLL_WRITE, x);
}

static const struct kind gup = { begin_gup, where_memory, pass_gup, end };

/* Page faults, and the end of the memory. */

static bool fault(struct sample *x, size_t bytes, int advice)
{
	char *at = overhead_map(0, bytes, advice);
	uint64_t from = cma_now_ns();
	bool ok;

	if (!at)
		return false;
	overhead_touch(at, bytes);
	x->ns += cma_now_ns() - from;
	ok = cma_add_frames(&x->frames, at, bytes);
	from = cma_now_ns();
	munmap(at, bytes);
	x->part_ns += cma_now_ns() - from;
	return ok;
}

static bool pass_fault(const struct row *r, struct sample *x)
{
	return fault(x, FAULT_BYTES, MADV_NOHUGEPAGE);
}

static bool pass_thp(const struct row *r, struct sample *x)
{
	long long from = cma_keyed("/proc/vmstat", "thp_fault_alloc");

	return fault(x, THP_BYTES, MADV_HUGEPAGE) &&
	       cma_keyed("/proc/vmstat", "thp_fault_alloc") - from == r->ops;
}

static const struct kind faults = { begin_nothing, NULL, pass_fault, end };
static const struct kind thp = { begin_nothing, NULL, pass_thp, end };

/* Processes. */

/*
 * Who writes first after fork() has pages copied, so it must not depend on the
 * scheduler's mood: a process of this policy runs until it waits.
 */
static bool set_policy(int policy, int priority)
{
	struct sched_param p = { .sched_priority = priority };

	return !sched_setscheduler(0, policy, &p);
}

/* RCU has freed what is left of the last process: the next one reuses it. */
static bool fork_and_wait(struct sample *x)
{
	uint64_t from;
	pid_t pid;

	cma_sleep_ms(20);
	from = cma_now_ns();
	pid = fork();
	if (!pid)
		_exit(0);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		return false;
	x->ns += cma_now_ns() - from;
	return true;
}

static bool pass_fork(const struct row *r, struct sample *x)
{
	bool ok = set_policy(SCHED_FIFO, 1);
	unsigned int i;

	for (i = 0; i < FORKS && ok; i++)
		ok = fork_and_wait(x);
	return set_policy(SCHED_OTHER, 0) && ok;
}

static bool begin_exit(const struct row *r)
{
	buf = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	buf_bytes = PAGE;
	return buf != MAP_FAILED;
}

static void die_with_memory(struct sample *last)
{
	char *at = touched(0, FAULT_BYTES);

	memset(last, 0, sizeof(*last));
	if (!at || !cma_add_frames(&last->frames, at, FAULT_BYTES))
		_exit(1);
	last->ns = cma_now_ns();
	_exit(0);
}

/* From the child's last system call to the parent's knowing of it. */
static bool pass_exit(const struct row *r, struct sample *x)
{
	struct sample *last = (struct sample *)buf;
	pid_t pid = fork();
	int status;

	if (!pid)
		die_with_memory(last);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		return false;
	x->ns += cma_now_ns() - last->ns;
	x->frames = last->frames;
	return true;
}

static const struct kind forks = { begin_nothing, NULL, pass_fork, end };
static const struct kind exits = { begin_exit, NULL, pass_exit, end };

/* Files. */

/* Without a name: nothing is left behind whatever happens. */
static int ext4_file(void)
{
	const char *dir = cma_data_dir();
	char path[256];
	int file;

	if (!dir)
		return -1;
	snprintf(path, sizeof(path), "%s/cma.XXXXXX", dir);
	file = mkstemp(path);
	if (file >= 0)
		unlink(path);
	return file;
}

/*
 * A time of access in the future: otherwise what a read costs depends on
 * whether a second began between the last write and the first read.
 */
static bool quiet_file(int file)
{
	const struct timespec times[2] = {
		{ .tv_sec = 1L << 32 }, { .tv_nsec = UTIME_OMIT }
	};

	return !futimens(file, times) && !fsync(file);
}

/* With content that is in the cache and clean. */
static bool fill_file(int file)
{
	static char page[PAGE];

	for (file_bytes = 0; file_bytes < FILE_BYTES; file_bytes += PAGE)
		if (pwrite(file, page, PAGE, file_bytes) != (ssize_t)PAGE)
			return false;
	return quiet_file(file);
}

static bool begin_file(const struct row *r, int file)
{
	fd = file;
	buf = touched(1, r->arg);
	buf_bytes = r->arg;
	return fd >= 0 && buf && fill_file(fd);
}

static bool begin_ext4(const struct row *r)
{
	return begin_file(r, ext4_file());
}

static bool begin_tmpfs(const struct row *r)
{
	return begin_file(r, memfd_create("cma", 0));
}

/* Looks at a mapping of the file, whose pages are all in the cache. */
static bool where_file(const struct row *r, struct cma_frames *f)
{
	char *at = mmap(NULL, file_bytes, PROT_READ,
			MAP_SHARED | MAP_POPULATE, fd, 0);
	bool ok;

	if (at == MAP_FAILED)
		return false;
	ok = cma_add_frames(f, at, file_bytes);
	munmap(at, file_bytes);
	return ok;
}

static bool read_all(const struct row *r, char *to, size_t step,
		     struct sample *x)
{
	uint64_t from = cma_now_ns();
	size_t at;

	for (at = 0; at < file_bytes; at += r->arg, to += step)
		if (pread(fd, to, r->arg, at) != (ssize_t)r->arg)
			return false;
	x->ns += cma_now_ns() - from;
	return true;
}

static bool pass_read(const struct row *r, struct sample *x)
{
	return cma_add_frames(&x->frames, buf, buf_bytes) &&
	       read_all(r, buf, 0, x);
}

/* Into memory that read() itself has to fault in. */
static bool pass_read_untouched(const struct row *r, struct sample *x)
{
	char *to = overhead_map(2, FILE_BYTES, MADV_NOHUGEPAGE);
	bool ok = to && read_all(r, to, r->arg, x);

	if (to)
		munmap(to, FILE_BYTES);
	return ok;
}

static const struct kind read_ext4 = {
	begin_ext4, where_file, pass_read, end
};

static const struct kind read_tmpfs = {
	begin_tmpfs, where_file, pass_read, end
};

static const struct kind read_untouched = {
	begin_ext4, where_file, pass_read_untouched, end
};

/* A file of holes: its cache is filled without a device to wait for. */
static bool begin_holes(const struct row *r)
{
	fd = ext4_file();
	buf = touched(1, r->arg);
	buf_bytes = r->arg;
	file_bytes = HOLES_BYTES;
	return fd >= 0 && buf && !ftruncate(fd, file_bytes) && quiet_file(fd);
}

static bool pass_read_uncached(const struct row *r, struct sample *x)
{
	if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		return false;
	return pass_read(r, x) && where_file(r, &x->frames);
}

static const struct kind read_uncached = {
	begin_holes, NULL, pass_read_uncached, end
};

static bool begin_splice(const struct row *r)
{
	fd2 = open("/dev/null", O_WRONLY);
	return fd2 >= 0 && !pipe(pipes);
}

static bool begin_splice_ext4(const struct row *r)
{
	return begin_splice(r) && begin_ext4(r);
}

static bool begin_splice_tmpfs(const struct row *r)
{
	return begin_splice(r) && begin_tmpfs(r);
}

static bool pass_splice(const struct row *r, struct sample *x)
{
	ssize_t n = r->arg, want = n;
	uint64_t from = cma_now_ns();
	loff_t at = 0;

	while (at < (loff_t)file_bytes && n == want) {
		n = splice(fd, &at, pipes[1], NULL, want, 0);
		if (n == want)
			n = splice(pipes[0], NULL, fd2, NULL, want, 0);
	}
	x->ns += cma_now_ns() - from;
	return n == want;
}

static const struct kind splice_ext4 = {
	begin_splice_ext4, where_file, pass_splice, end
};

static const struct kind splice_tmpfs = {
	begin_splice_tmpfs, where_file, pass_splice, end
};

/* Clean pages become dirty; their blocks are there already. */
static bool pass_shared(const struct row *r, struct sample *x)
{
	uint64_t from;
	char *at;

	if (fdatasync(fd))
		return false;
	at = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return false;
	from = cma_now_ns();
	overhead_touch(at, FILE_BYTES);
	x->ns += cma_now_ns() - from;
	munmap(at, FILE_BYTES);
	return true;
}

static const struct kind shared = { begin_ext4, where_file, pass_shared, end };

static bool pass_create(const struct row *r, struct sample *x)
{
	const char *dir = cma_data_dir();
	char path[256];
	uint64_t from;
	int file, i;

	snprintf(path, sizeof(path), "%s/cma-created", dir ? dir : "");
	from = cma_now_ns();
	for (i = 0; i < CREATES; i++) {
		file = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
		if (file < 0 || close(file) || unlink(path))
			return false;
	}
	x->ns += cma_now_ns() - from;
	return dir;
}

static const struct kind creates = { begin_nothing, NULL, pass_create, end };

/* What a device that sends pages of a file does: they are read only. */

static bool begin_gup_file(const struct row *r)
{
	fd2 = open(GUP_TEST_PATH, O_RDWR);
	fd = ext4_file();
	if (fd2 < 0 || fd < 0 || !fill_file(fd))
		return false;
	mem = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED | MAP_POPULATE,
		   fd, 0);
	mem_bytes = FILE_BYTES;
	close_fd(&fd);
	fd = fd2;
	fd2 = -1;
	return mem != MAP_FAILED;
}

static bool pass_gup_file(const struct row *r, struct sample *x)
{
	return call_gup(r, 0, x);
}

static const struct kind gup_file = {
	begin_gup_file, where_memory, pass_gup_file, end
};

/* O_DIRECT. */

/*
 * Neighbours in memory that are no neighbours as frames: how many happen to be
 * decides how many segments a request has.
 */
static bool begin_direct(const struct row *r)
{
	size_t i, n = DIRECT_BYTES / PAGE;

	fd = open("/dev/nullb0", O_RDONLY | O_DIRECT);
	mem = overhead_map(0, DIRECT_BYTES, MADV_NOHUGEPAGE);
	mem_bytes = DIRECT_BYTES;
	for (i = 0; mem && i < n; i++)
		overhead_touch(mem + i * 389 % n * PAGE, PAGE);
	return fd >= 0 && mem;
}

static bool pass_direct(const struct row *r, struct sample *x)
{
	uint64_t from = cma_now_ns();
	size_t at;

	for (at = 0; at < DIRECT_BYTES; at += r->arg)
		if (pread(fd, mem + at, r->arg, at) != (ssize_t)r->arg)
			return false;
	x->ns += cma_now_ns() - from;
	return true;
}

static const struct kind direct = {
	begin_direct, where_memory, pass_direct, end
};

/* The table. An operation is a page, a huge page, a call or a process. */

#define GUP(name, cmd, per_call)					\
	{ name "_" #per_call, "_get", PLAIN, GUP_PAGES, &gup, per_call, cmd }
#define FIRST(name, ops, kind, ...)					\
	{ name, "_first", LENT, ops, kind, __VA_ARGS__, .first = true }

const struct row overhead_rows[] = {
	{ "clock", NULL, PLAIN | LENT, 2 * CLOCK_LOOPS, &clock_itself },
	GUP("gup_fast", GUP_FAST_BENCHMARK, 1),
	GUP("gup_fast", GUP_FAST_BENCHMARK, 16),
	GUP("gup_fast", GUP_FAST_BENCHMARK, 512),
	GUP("pin_fast", PIN_FAST_BENCHMARK, 1),
	GUP("pin_fast", PIN_FAST_BENCHMARK, 16),
	GUP("pin_fast", PIN_FAST_BENCHMARK, 512),
	GUP("gup_slow", GUP_BASIC_TEST, 1),
	GUP("gup_slow", GUP_BASIC_TEST, 16),
	GUP("gup_slow", GUP_BASIC_TEST, 512),
	GUP("pin_slow", PIN_BASIC_TEST, 1),
	GUP("pin_slow", PIN_BASIC_TEST, 16),
	GUP("pin_slow", PIN_BASIC_TEST, 512),
	{ "anon_fault", "_unmap", PLAIN | LENT, FAULT_PAGES, &faults },
	{ "thp_fault", "_unmap", PLAIN | LENT, THP_BYTES / HUGE, &thp },
	{ "exit", NULL, PLAIN | LENT, FAULT_PAGES, &exits },
	{ "fork_exit", NULL, PLAIN, FORKS, &forks },
	{ "read_ext4_4k", NULL, PLAIN | LENT, FILE_PAGES, &read_ext4, 4096 },
	{ "read_ext4_64k", NULL, PLAIN | LENT, FILE_PAGES, &read_ext4, 65536 },
	{ "read_tmpfs_4k", NULL, PLAIN | LENT, FILE_PAGES, &read_tmpfs, 4096 },
	{ "read_tmpfs_64k", NULL, PLAIN, FILE_PAGES, &read_tmpfs, 65536 },
	{ "read_uncached", NULL, PLAIN | LENT, HOLES_BYTES / PAGE,
	  &read_uncached, 65536 },
	{ "splice_ext4", NULL, PLAIN, FILE_PAGES, &splice_ext4, 65536 },
	{ "splice_tmpfs", NULL, PLAIN, FILE_PAGES, &splice_tmpfs, 65536 },
	{ "shared_fault", NULL, PLAIN | LENT, FILE_PAGES, &shared, 4096 },
	{ "create_unlink", NULL, PLAIN, CREATES, &creates },
	{ "direct_4k", NULL, PLAIN, DIRECT_BYTES / PAGE, &direct, 4096 },
	{ "direct_64k", NULL, PLAIN, DIRECT_BYTES / PAGE, &direct, 65536 },
	FIRST("read_untouched", FILE_PAGES, &read_untouched, 65536),
	FIRST("direct_4k", DIRECT_BYTES / PAGE, &direct, 4096),
	FIRST("direct_64k", DIRECT_BYTES / PAGE, &direct, 65536),
	FIRST("splice_ext4", FILE_PAGES, &splice_ext4, 65536),
	FIRST("gup_fast", LENT_GUP_PAGES, &gup, 512, GUP_FAST_BENCHMARK),
	FIRST("pin_fast", LENT_GUP_PAGES, &gup, 512, PIN_FAST_BENCHMARK),
	FIRST("gup_slow", LENT_GUP_PAGES, &gup, 512, GUP_BASIC_TEST),
	FIRST("file_gup_fast", FILE_PAGES, &gup_file, 512, GUP_FAST_BENCHMARK),
};

const unsigned int overhead_nr_rows = ARRAY_SIZE(overhead_rows);
