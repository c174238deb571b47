// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a blocker: its settings, its process group, its user, and the
 * proof that it holds what it claims. It dies with its parent, and is the OOM
 * killer's first choice.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cma_block.h"
#include "cma_inject.h"
#include "cma_load.h"
#include "cma_util.h"

#define NOBODY		65534
#define ROUND_MS	50
#define STACK		16384

static const struct cma_block_kind * const families[] = {
	cma_stream_blocks, cma_pin_blocks, cma_fault_blocks, cma_file_blocks,
	cma_page_blocks, cma_group_blocks, cma_fuse_blocks,
};

/* NULL behind the last one. */
const struct cma_block_kind *cma_block_at(unsigned int index)
{
	const struct cma_block_kind *kind;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(families); i++)
		for (kind = families[i]; kind->name; kind++)
			if (!index--)
				return kind;
	return NULL;
}

const struct cma_block_kind *cma_block_find(const char *name)
{
	const struct cma_block_kind *kind;
	unsigned int i;

	for (i = 0; (kind = cma_block_at(i)); i++)
		if (!strcmp(kind->name, name))
			return kind;
	return NULL;
}

/* Settings: limits of an ordinary user that a small machine sets low. */

static struct {
	const char *path;
	const char *value;
	char old[32];
} settings[] = {
	{ "/proc/sys/fs/pipe-user-pages-soft", "0", "" },
	{ "/proc/sys/fs/pipe-user-pages-hard", "0", "" },
	{ "/proc/sys/fs/aio-max-nr", "100000000", "" },
	{ "/proc/sys/net/core/wmem_max", "16777216", "" },
	{ "/proc/sys/net/core/optmem_max", "16777216", "" },
	{ "/proc/sys/net/ipv4/tcp_mem", "1000000 1000000 1000000", "" },
	{ "/proc/sys/vm/unprivileged_userfaultfd", "1", "" },
	{ "/proc/sys/kernel/threads-max", "20000", "" },
	/* Some sleep for as long as they run; requests have limits of their own. */
	{ "/proc/sys/kernel/hung_task_timeout_secs", "0", "" },
};

/* Those that a kernel doesn't have are not needed there. */
void cma_block_settings(bool restore)
{
	unsigned int i;

	/* What a killed blocker leaves behind is reaped by the test. */
	prctl(PR_SET_CHILD_SUBREAPER, !restore);
	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		if (restore) {
			cma_write_text(settings[i].path, settings[i].old);
			continue;
		}
		cma_read_text(settings[i].path, settings[i].old,
			      sizeof(settings[i].old));
		cma_write_text(settings[i].path, settings[i].value);
	}
}

/*
 * Huge pages are off where memory is little. What would be kept free for them makes
 * it another machine.
 */
#define HUGE_PAGES	"/sys/kernel/mm/transparent_hugepage/enabled"
#define MIN_FREE	"/proc/sys/vm/min_free_kbytes"

static bool huge_were_off;

int cma_block_huge_on(struct cma_block *b)
{
	char enabled[64] = "", min_free[32];
	int err;

	if (cma_read_text(HUGE_PAGES, enabled, sizeof(enabled)) < 0)
		return cma_block_failed(b, HUGE_PAGES);
	huge_were_off = strstr(enabled, "[never]");
	if (!huge_were_off)
		return 0;
	cma_read_text(MIN_FREE, min_free, sizeof(min_free));
	err = cma_write_text(HUGE_PAGES, "madvise");
	cma_write_text(MIN_FREE, min_free);
	return err;
}

void cma_block_huge_off(struct cma_block *b)
{
	if (huge_were_off)
		cma_write_text(HUGE_PAGES, "never");
}

/* In the blocker. */

/* Keeps errno and the place for the parent's message. */
int cma_block_failed(struct cma_block *b, const char *where)
{
	int err = errno ? errno : EIO;

	snprintf(b->state->where, sizeof(b->state->where), "%s", where);
	return -err;
}

/* The first report is the claim that later ones are compared with. */
void cma_block_report(struct cma_block *b, size_t held)
{
	b->state->held = held;
	if (!b->state->ready) {
		b->state->claim = held;
		b->state->ready = 1;
	}
	b->state->rounds++;
}

void cma_block_sleep(void)
{
	cma_sleep_ms(ROUND_MS);
}

/* One more process of the group; it goes when the one that made it goes. */
pid_t cma_block_fork(struct cma_block *b)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return cma_block_failed(b, "fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

/* How many threads fit, if each holds next to nothing. */
unsigned int cma_block_sleepers(struct cma_block *b)
{
	size_t n = b->bytes / BLOCK_THREAD;

	return n < BLOCK_THREADS ? n : BLOCK_THREADS;
}

/* Threads of this process in state D: if a signal wakes them, it is SIGKILL. */
unsigned int cma_block_waiting(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int n = 0;
	struct dirent *e;
	char path[300], buf[256], *state;

	while (dir && (e = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/stat",
			 e->d_name);
		if (e->d_name[0] == '.' ||
		    cma_read_text(path, buf, sizeof(buf)) < 0)
			continue;
		state = strrchr(buf, ')');
		n += state && state[1] == ' ' && state[2] == 'D';
	}
	if (dir)
		closedir(dir);
	return n;
}

/* Thread number i gets the address of element i of @each. */
int cma_block_threads(unsigned int n, void *(*work)(void *), void *each,
		      size_t size)
{
	pthread_attr_t attr;
	pthread_t thread;
	unsigned int i;
	int err = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (i = 0; i < n && !err; i++)
		err = pthread_create(&thread, &attr, work,
				     (char *)each + i * size);
	errno = err;
	return -err;
}

/* Addresses only; NULL if there are none. */
void *cma_block_map(size_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		return NULL;
	madvise(map, bytes, MADV_NOHUGEPAGE);
	return map;
}

/* Anonymous base pages, each touched. */
void *cma_block_memory(size_t bytes)
{
	char *mem = cma_block_map(bytes);
	size_t at;

	for (at = 0; mem && at < bytes; at += BLOCK_PAGE)
		mem[at] = 1;
	return mem;
}

/* Bytes of the caller's memory that are in huge pages. */
size_t cma_block_huge(void)
{
	long long kib = cma_keyed("/proc/self/smaps_rollup", "AnonHugePages");

	return kib < 0 ? 0 : kib * 1024;
}

/* Bytes of the mapping that are in memory. */
size_t cma_block_resident(void *map, size_t bytes)
{
	static unsigned char vec[4096];
	size_t at, part, i, resident = 0;

	for (at = 0; at < bytes; at += part) {
		part = bytes - at;
		if (part > sizeof(vec) * BLOCK_PAGE)
			part = sizeof(vec) * BLOCK_PAGE;
		if (mincore((char *)map + at, part, vec))
			break;
		for (i = 0; i < part / BLOCK_PAGE; i++)
			resident += vec[i] & 1;
	}
	return resident * BLOCK_PAGE;
}

/* A file whose pages are in the page cache: holes, or content of tmpfs. */
int cma_block_cached_file(size_t bytes, bool shmem)
{
	static char buf[65536];
	int fd = shmem ? memfd_create("cma", 0) : cma_sparse_file(bytes);
	ssize_t done = 1;
	size_t at;

	if (fd < 0)
		return shmem ? -errno : fd;
	for (at = 0; at < bytes && done > 0; at += sizeof(buf))
		done = shmem ? pwrite(fd, buf, sizeof(buf), at) :
			       pread(fd, buf, sizeof(buf), at);
	if (done <= 0) {
		close(fd);
		return -ENOSPC;
	}
	/* Only its owner may ask which pages of it are in memory. */
	if (fchown(fd, NOBODY, NOBODY)) {
		close(fd);
		return -errno;
	}
	return fd;
}

static void raise_limits(void)
{
	struct rlimit many = { 1 << 16, 1 << 16 };
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_NOFILE, &many);
	setrlimit(RLIMIT_NPROC, &all);
	setrlimit(RLIMIT_MEMLOCK, &all);
}

/* Without root's capabilities, but open to others of the same user. */
static int become_nobody(void)
{
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		return -errno;
	return prctl(PR_SET_DUMPABLE, 1) ? -errno : 0;
}

static void run_block(struct cma_block *b, pid_t parent)
{
	int err = 0;

	setpgid(0, 0);
	cma_write_text("/proc/self/oom_score_adj", "1000");
	raise_limits();
	/* Only where a test asks for failures. */
	cma_inject_me();
	if (b->nobody)
		err = become_nobody();
	/* Changing the user forgets this. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	errno = 0;
	b->state->error = err ? err : b->kind->run(b);
	_exit(1);
}

/* In the test. */

static void print_end(struct cma_block *b, int status)
{
	ksft_print_msg("blocker %s ended: status %#x, %s: %s\n",
		       b->kind->name, status, b->state->where,
		       strerror(-b->state->error));
}

int cma_block_start(struct cma_block *b, const struct cma_block_kind *kind,
		    size_t bytes, bool nobody)
{
	pid_t parent = getpid();
	int err;

	if (kind->most && bytes > kind->most)
		bytes = kind->most;
	*b = (struct cma_block) {
		.kind = kind, .nobody = nobody, .fd = -1,
		.bytes = bytes / BLOCK_CHUNK * BLOCK_CHUNK,
	};
	b->state = mmap(NULL, BLOCK_PAGE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (b->state == MAP_FAILED) {
		b->state = NULL;
		return -errno;
	}
	err = kind->setup ? kind->setup(b) : 0;
	if (!err) {
		b->pid = fork();
		if (!b->pid)
			run_block(b, parent);
		if (b->pid < 0)
			err = -errno;
		b->group = b->pid;
	}
	b->state->error = err;
	if (err) {
		b->pid = 0;
		print_end(b, 0);
		cma_block_stop(b);
	}
	return err;
}

bool cma_block_alive(struct cma_block *b)
{
	int status;

	if (b->pid <= 0)
		return false;
	if (!waitpid(b->pid, &status, WNOHANG))
		return true;
	print_end(b, status);
	b->pid = 0;
	return false;
}

static bool ready_or_dead(void *data)
{
	struct cma_block *b = data;

	return b->state->ready || !cma_block_alive(b);
}

bool cma_block_ready(struct cma_block *b, unsigned int limit_ms)
{
	cma_wait(ready_or_dead, b, limit_ms);
	if (b->pid > 0 && !b->state->ready)
		ksft_print_msg("blocker %s: not ready after %u ms, %s\n",
			       b->kind->name, limit_ms, b->state->where);
	return b->pid > 0 && b->state->ready;
}

static bool looked_or_dead(void *data)
{
	struct cma_block *b = data;

	return (long)(b->state->rounds - b->until) >= 0 || !cma_block_alive(b);
}

static bool keeps_claim(struct cma_block *b, unsigned int limit_ms)
{
	if (!cma_wait(looked_or_dead, b, limit_ms) || b->pid <= 0)
		return false;
	if (b->state->claim && b->state->held * 10 >= b->state->claim * 9)
		return true;
	ksft_print_msg("blocker %s holds %llu KiB of %llu\n", b->kind->name,
		       b->state->held >> 10, b->state->claim >> 10);
	return false;
}

/*
 * Each looked again, from beginning to end, and still holds nine tenths of what
 * it once held: those that let go and take hold in turns are never complete.
 * Return: the first that doesn't, or @n.
 */
unsigned int cma_blocks_lost(struct cma_block *b, unsigned int n,
			     unsigned int limit_ms)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (!cma_block_alive(&b[i]))
			return i;
		b[i].until = b[i].state->rounds + 2;
	}
	for (i = 0; i < n && keeps_claim(&b[i], limit_ms); i++)
		;
	return i;
}

bool cma_block_holds(struct cma_block *b, unsigned int limit_ms)
{
	return cma_blocks_lost(b, 1, limit_ms) == 1;
}

static bool group_is_gone(void *data)
{
	pid_t *group = data;

	while (waitpid(-*group, NULL, WNOHANG) > 0)
		;
	return kill(-*group, 0) && errno == ESRCH;
}

/* For undo, where something waits for that; stopping does it in any case. */
void cma_block_close(struct cma_block *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}

/* False if a process of it can't be ended. */
bool cma_block_stop(struct cma_block *b)
{
	bool gone = true;

	if (!b->state)
		return true;
	if (b->group > 0)
		kill(-b->group, SIGKILL);
	if (b->kind->undo)
		b->kind->undo(b);
	if (b->group > 0) {
		/* It may not have been a group yet. */
		kill(b->group, SIGKILL);
		gone = cma_wait(group_is_gone, &b->group,
				cma_slow(60000));
	}
	cma_block_close(b);
	b->pid = 0;
	b->group = 0;
	munmap(b->state, BLOCK_PAGE);
	b->state = NULL;
	return gone;
}
