// SPDX-License-Identifier: GPL-2.0
/*
 * Borrowers: each load is a process of its own, dies with its parent, is the
 * OOM killer's first choice, and tells by shared memory how far it is.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cma_load.h"
#include "cma_util.h"

#define PAGE		4096UL
#define CHUNK		(256 * 1024UL)

/* Files. */

static bool is_ext4(const char *dir)
{
	struct statfs fs;

	return dir && !statfs(dir, &fs) && fs.f_type == EXT4_SUPER_MAGIC &&
	       !access(dir, W_OK);
}

/* Where files of a real file system go; NULL if there is no such place. */
const char *cma_data_dir(void)
{
	static const char * const dirs[] = { "/data", "/var/tmp", "/tmp", "/" };
	const char *dir = getenv("CMA_DATA");
	unsigned int i;

	if (is_ext4(dir))
		return dir;
	for (i = 0; i < ARRAY_SIZE(dirs); i++)
		if (is_ext4(dirs[i]))
			return dirs[i];
	return NULL;
}

/* A file without a name: nothing is left behind whatever happens. */
int cma_data_file(void)
{
	const char *dir = cma_data_dir();
	char path[256];
	int fd;

	if (!dir)
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/cma.XXXXXX", dir);
	fd = mkstemp(path);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

/* Reading holes fills the page cache without any device to wait for. */
int cma_sparse_file(size_t bytes)
{
	int fd = cma_data_file();

	if (fd >= 0 && ftruncate(fd, bytes)) {
		close(fd);
		return -errno;
	}
	return fd;
}

static int read_range(int fd, size_t from, size_t to)
{
	static char buf[CHUNK];
	size_t at;

	for (at = from; at < to; at += CHUNK)
		if (pread(fd, buf, CHUNK, at) < 0)
			return -errno;
	return 0;
}

/* Patterns: every page differs, and from page to page every word. */

static void fill_page(uint64_t *word, uint64_t page)
{
	unsigned int i;

	for (i = 0; i < PAGE / sizeof(*word); i++)
		word[i] = page * 0x9e3779b97f4a7c15ULL + i;
}

static bool page_intact(const uint64_t *word, uint64_t page)
{
	unsigned int i;

	for (i = 0; i < PAGE / sizeof(*word); i++)
		if (word[i] != page * 0x9e3779b97f4a7c15ULL + i)
			return false;
	return true;
}

static int write_pages(int fd, size_t from, size_t to)
{
	static uint64_t buf[PAGE / sizeof(uint64_t)];
	size_t at;

	for (at = from; at < to; at += PAGE) {
		fill_page(buf, at / PAGE);
		if (pwrite(fd, buf, PAGE, at) != (ssize_t)PAGE)
			return errno ? -errno : -ENOSPC;
	}
	return 0;
}

static int verify_pages(int fd, size_t bytes, atomic_int *bad)
{
	static uint64_t buf[CHUNK / sizeof(uint64_t)];
	size_t at, page;

	for (at = 0; at < bytes; at += CHUNK) {
		if (pread(fd, buf, CHUNK, at) != (ssize_t)CHUNK)
			return errno ? -errno : -EIO;
		for (page = 0; page < CHUNK / PAGE; page++)
			if (!page_intact(buf + page * PAGE / sizeof(*buf),
					 at / PAGE + page))
				(*bad)++;
	}
	return 0;
}

/* Loads: each returns only with an error. */

static void round_done(struct cma_load_state *state)
{
	state->rounds++;
	state->ready = 1;
	if (state->pause_ms)
		cma_sleep_ms(state->pause_ms);
}

static int run_memory(struct cma_load_state *state, size_t bytes, int advice)
{
	uint64_t *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t page, n = bytes / PAGE, words = PAGE / sizeof(*mem);

	if (mem == MAP_FAILED)
		return -errno;
	madvise(mem, bytes, advice);
	for (page = 0; page < n; page++)
		fill_page(mem + page * words, page);
	for (;;) {
		round_done(state);
		for (page = 0; page < n; page++)
			if (!page_intact(mem + page * words, page))
				state->bad++;
	}
}

static int run_anon(struct cma_load_state *state, size_t bytes)
{
	return run_memory(state, bytes, MADV_NOHUGEPAGE);
}

static int run_thp(struct cma_load_state *state, size_t bytes)
{
	return run_memory(state, bytes, MADV_HUGEPAGE);
}

static int run_verified(struct cma_load_state *state, int fd, size_t bytes,
			bool rewrite)
{
	size_t part = 0, step = bytes / 8;
	int err;

	if (fd < 0)
		return -errno;
	err = write_pages(fd, 0, bytes);
	while (!err) {
		err = verify_pages(fd, bytes, &state->bad);
		if (!err && rewrite)
			err = write_pages(fd, part * step, (part + 1) * step);
		part = (part + 1) % 8;
		round_done(state);
	}
	return err;
}

static int run_tmpfs(struct cma_load_state *state, size_t bytes)
{
	return run_verified(state, memfd_create("cma", 0), bytes, false);
}

static int run_file(struct cma_load_state *state, size_t bytes)
{
	return run_verified(state, cma_data_file(), bytes, true);
}

static int run_cache(struct cma_load_state *state, size_t bytes)
{
	int fd = cma_sparse_file(bytes);
	int err = fd < 0 ? fd : read_range(fd, 0, bytes);

	while (!err) {
		round_done(state);
		cma_sleep_ms(20);
	}
	return err;
}

static int run_reread(struct cma_load_state *state, size_t bytes)
{
	int fd = cma_sparse_file(bytes);
	int err = fd < 0 ? fd : 0;

	while (!err) {
		err = read_range(fd, 0, bytes);
		round_done(state);
	}
	return err;
}

static void touch(size_t bytes)
{
	char *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t at;

	if (mem == MAP_FAILED)
		return;
	for (at = 0; at < bytes; at += PAGE)
		mem[at] = 1;
	munmap(mem, bytes);
}

static int run_fork(struct cma_load_state *state, size_t bytes)
{
	unsigned int i;
	pid_t pid;

	for (;;) {
		for (i = 0; i < 8; i++) {
			pid = fork();
			if (!pid) {
				touch(bytes / 8);
				_exit(0);
			}
		}
		while (wait(NULL) > 0)
			;
		round_done(state);
	}
	return 0;
}

static int run_madvise(struct cma_load_state *state, size_t bytes)
{
	char *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t at;

	if (mem == MAP_FAILED)
		return -errno;
	for (;;) {
		for (at = 0; at < bytes; at += PAGE)
			mem[at] = 1;
		madvise(mem, bytes / 2, MADV_DONTNEED);
		madvise(mem + bytes / 2, bytes / 2, MADV_FREE);
		round_done(state);
	}
}

static int run_dirty(struct cma_load_state *state, size_t bytes)
{
	int fd = cma_data_file();
	int err = fd < 0 ? fd : 0;

	while (!err) {
		err = write_pages(fd, 0, bytes);
		round_done(state);
	}
	return err;
}

static const struct {
	const char *name;
	int (*run)(struct cma_load_state *state, size_t bytes);
} loads[LOAD_KINDS] = {
	[LOAD_ANON] = { "anon", run_anon },
	[LOAD_THP] = { "thp", run_thp },
	[LOAD_TMPFS] = { "tmpfs", run_tmpfs },
	[LOAD_FILE] = { "file", run_file },
	[LOAD_CACHE] = { "cache", run_cache },
	[LOAD_REREAD] = { "reread", run_reread },
	[LOAD_FORK] = { "fork", run_fork },
	[LOAD_MADVISE] = { "madvise", run_madvise },
	[LOAD_DIRTY] = { "dirty", run_dirty },
};

const char *cma_load_name(enum cma_load_kind kind)
{
	return loads[kind].name;
}

/* Life of a load. */

static void run_load(struct cma_load *load)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	cma_write_text("/proc/self/oom_score_adj", "1000");
	load->state->error = loads[load->kind].run(load->state, load->bytes);
	_exit(1);
}

int cma_load_start(struct cma_load *load, enum cma_load_kind kind,
		   size_t bytes)
{
	load->state = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (load->state == MAP_FAILED)
		return -errno;
	load->kind = kind;
	load->bytes = bytes / (8 * CHUNK) * (8 * CHUNK);
	load->pid = fork();
	if (!load->pid)
		run_load(load);
	return load->pid < 0 ? -errno : 0;
}

bool cma_load_alive(struct cma_load *load)
{
	int status;

	if (load->pid <= 0)
		return false;
	if (!waitpid(load->pid, &status, WNOHANG))
		return true;
	ksft_print_msg("load %s ended: status %#x, %s\n",
		       cma_load_name(load->kind), status,
		       strerror(-load->state->error));
	load->pid = 0;
	return false;
}

static bool ready_or_dead(void *data)
{
	struct cma_load *load = data;

	return load->state->ready || !cma_load_alive(load);
}

bool cma_load_ready(struct cma_load *load, unsigned int limit_ms)
{
	cma_wait(ready_or_dead, load, limit_ms);
	return load->pid > 0 && load->state->ready;
}

struct moves {
	struct cma_load *load;
	unsigned long from;
};

static bool moved_or_dead(void *data)
{
	struct moves *m = data;

	return m->load->state->rounds != m->from || !cma_load_alive(m->load);
}

/* It doesn't only exist: it went round once more. */
bool cma_load_moves(struct cma_load *load, unsigned int limit_ms)
{
	struct moves m = { load, load->state->rounds };

	return cma_wait(moved_or_dead, &m, limit_ms) && load->pid > 0;
}

static bool reaped(void *data)
{
	int *pid_status = data;

	return waitpid(pid_status[0], &pid_status[1], WNOHANG) != 0;
}

bool cma_reap(pid_t pid, unsigned int limit_ms, int *status)
{
	int pid_status[2] = { pid, 0 };
	bool done = cma_wait(reaped, pid_status, limit_ms);

	if (status)
		*status = pid_status[1];
	return done;
}

/* Returns how many verifications failed, or a negative error. */
int cma_load_stop(struct cma_load *load)
{
	int bad = load->state->bad;

	if (load->pid > 0) {
		kill(-load->pid, SIGKILL);
		kill(load->pid, SIGKILL);
		if (!cma_reap(load->pid, cma_slow(30000), NULL))
			bad = -ETIMEDOUT;
	}
	load->pid = 0;
	munmap(load->state, PAGE);
	return bad;
}

size_t cma_mem_total(void)
{
	return cma_keyed("/proc/meminfo", "MemTotal") * 1024ULL;
}

/*
 * Reads page cache until @percent of the area is lent, because a request that
 * meets an empty area proves nothing. Returns the share reached. The file stays
 * open: the cache of one without a name dies with its last descriptor.
 */
double cma_lend_out(const char *area, double percent, unsigned int limit_ms)
{
	uint64_t end = cma_now_ns() + limit_ms * 1000000ULL;
	size_t total = cma_mem_total() / CHUNK * CHUNK;
	double lent = cma_lent_percent(area);
	static int fd = -1;
	static size_t at;

	if (fd < 0)
		fd = cma_sparse_file(total);
	while (fd >= 0 && lent < percent && cma_now_ns() < end) {
		if (read_range(fd, at, at + 16 * CHUNK))
			break;
		at += 16 * CHUNK;
		if (at + 16 * CHUNK > total)
			at = 0;
		lent = cma_lent_percent(area);
	}
	return lent;
}

#define OUTSIDE		(64UL << 20)
#define START_MS	60000
#define PAUSE_MS	100

/* What is free outside of the areas, and three quarters of what they have. */
static size_t anon_bytes(void)
{
	return (cma_keyed("/proc/meminfo", "MemFree") -
		cma_keyed("/proc/meminfo", "CmaFree") / 4) * 1024;
}

/**
 * cma_lend_anon() - lend areas to anonymous memory that stays in use
 * @area: the area that is looked at
 * @cache: page cache outside of the areas: what can make room for loans; to be
 *	stopped in any case
 * @anon: who borrows; the same
 *
 * Return: percent of the area that is lent to anonymous memory.
 */
double cma_lend_anon(const char *area, struct cma_load *cache,
		     struct cma_load *anon)
{
	struct cma_test_share s;

	cma_write_text("/proc/sys/vm/drop_caches", "3");
	if (!cma_load_start(cache, LOAD_CACHE, OUTSIDE))
		cma_load_ready(cache, cma_slow(START_MS));
	if (!cma_load_start(anon, LOAD_ANON, anon_bytes())) {
		/* Others need the CPU, too. */
		anon->state->pause_ms = PAUSE_MS;
		cma_load_ready(anon, cma_slow(START_MS));
	}
	return cma_share(area, &s) ? 0 : 100.0 * s.anon / s.count;
}
