// SPDX-License-Identifier: GPL-2.0
/*
 * Blockers that use an ext4 file system itself: its buffers, writers that wait
 * until a frozen one is thawed, and writers that are faster than their disk.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cma_block.h"
#include "cma_load.h"
#include "cma_nullb.h"
#include "cma_util.h"

/* Directories: each block of metadata is a buffer head's page. */

#define DIRS		2000
#define DIRS_A_ROUND	100

static char dirs_path[128];

static void dir_name(char *name, size_t size, unsigned int i)
{
	snprintf(name, size, "d%u", i);
}

static int setup_dirs(struct cma_block *b)
{
	const char *data = cma_data_dir();

	snprintf(dirs_path, sizeof(dirs_path), "%s/cma-dirs.XXXXXX",
		 data ? data : "/tmp");
	if (!mkdtemp(dirs_path) || chown(dirs_path, 65534, 65534))
		return cma_block_failed(b, "mkdtemp");
	b->fd = open(dirs_path, O_RDONLY | O_DIRECTORY);
	return b->fd < 0 ? cma_block_failed(b, "open") : 0;
}

static void undo_dirs(struct cma_block *b)
{
	char name[16];
	unsigned int i;

	for (i = 0; i < DIRS; i++) {
		dir_name(name, sizeof(name), i);
		unlinkat(b->fd, name, AT_REMOVEDIR);
	}
	rmdir(dirs_path);
}

/* Takes some away and makes them again: the journal goes on holding buffers. */
static int renew_dirs(struct cma_block *b, unsigned int *next)
{
	unsigned int i;
	char name[16];

	for (i = 0; i < DIRS_A_ROUND; i++) {
		dir_name(name, sizeof(name), *next);
		*next = (*next + 1) % DIRS;
		if (unlinkat(b->fd, name, AT_REMOVEDIR) ||
		    mkdirat(b->fd, name, 0755))
			return cma_block_failed(b, "mkdir again");
	}
	return 0;
}

static int run_dirs(struct cma_block *b)
{
	unsigned int i, next = 0;
	char name[16];
	int err = 0;

	for (i = 0; i < DIRS; i++) {
		dir_name(name, sizeof(name), i);
		if (mkdirat(b->fd, name, 0755))
			return cma_block_failed(b, "mkdir");
	}
	while (!err) {
		cma_block_report(b, DIRS * BLOCK_PAGE);
		err = renew_dirs(b, &next);
		cma_block_sleep();
	}
	return err;
}

/* A frozen file system: write faults wait in page_mkwrite. */

#define FROZEN_DIR	P_tmpdir "/cma-frozen"
#define FROZEN_BYTES	(32 * BLOCK_CHUNK)

static struct {
	int loop;
	pid_t guard;
} frozen = { .loop = -1 };

static int frozen_ioctl(unsigned long cmd)
{
	int fd = open(FROZEN_DIR, O_RDONLY | O_DIRECTORY);
	int ret = fd < 0 ? -1 : ioctl(fd, cmd, 0);

	if (fd >= 0)
		close(fd);
	return ret;
}

/* Threads that wait for the thaw can't be killed: somebody must be left. */
static pid_t start_guard(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	setsid();
	while (getppid() == parent)
		cma_sleep_ms(200);
	frozen_ioctl(FITHAW);
	_exit(0);
}

static void undo_frozen(struct cma_block *b)
{
	int tries;

	frozen_ioctl(FITHAW);
	cma_block_close(b);
	if (frozen.guard > 0) {
		kill(frozen.guard, SIGKILL);
		waitpid(frozen.guard, NULL, 0);
	}
	frozen.guard = 0;
	/* Busy until the last of the writers is gone. */
	for (tries = 0; tries < 300 && umount(FROZEN_DIR) &&
	     errno == EBUSY; tries++)
		cma_sleep_ms(100);
	if (frozen.loop >= 0) {
		ioctl(frozen.loop, LOOP_CLR_FD, 0);
		close(frozen.loop);
	}
	frozen.loop = -1;
}

static int loop_device(char *path, size_t size)
{
	int control = open("/dev/loop-control", O_RDWR);
	int number = ioctl(control, LOOP_CTL_GET_FREE);
	int loop, file = cma_data_file();

	close(control);
	snprintf(path, size, "/dev/loop%d", number);
	loop = open(path, O_RDWR);
	if (loop < 0 || file < 0 || ftruncate(file, 2 * FROZEN_BYTES) ||
	    ioctl(loop, LOOP_SET_FD, file)) {
		close(loop);
		loop = -1;
	}
	close(file);
	return loop;
}

static int setup_frozen(struct cma_block *b)
{
	char path[32];
	static char zeros[BLOCK_CHUNK];
	size_t at;

	frozen.loop = loop_device(path, sizeof(path));
	if (frozen.loop < 0)
		return cma_block_failed(b, "loop device");
	mkdir(FROZEN_DIR, 0755);
	if (cma_make_ext(path) || mount(path, FROZEN_DIR, "ext4", 0, NULL))
		return cma_block_failed(b, "mke2fs and mount");
	b->fd = open(FROZEN_DIR "/f", O_RDWR | O_CREAT, 0666);
	for (at = 0; at < FROZEN_BYTES; at += sizeof(zeros))
		if (write(b->fd, zeros, sizeof(zeros)) != sizeof(zeros))
			return cma_block_failed(b, "write");
	if (fsync(b->fd))
		return cma_block_failed(b, "fsync");
	frozen.guard = start_guard();
	return 0;
}

static void *write_byte(void *data)
{
	**(char **)data = 1;
	return NULL;
}

static bool all_wait(void *data)
{
	return cma_block_waiting() == cma_block_sleepers(data);
}

static int run_frozen(struct cma_block *b)
{
	static char *where[BLOCK_THREADS];
	char *map = mmap(NULL, FROZEN_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED, b->fd, 0);
	unsigned int i, n = cma_block_sleepers(b);

	if (map == MAP_FAILED || frozen_ioctl(FIFREEZE))
		return cma_block_failed(b, "FIFREEZE");
	for (i = 0; i < n; i++)
		where[i] = map + FROZEN_BYTES / BLOCK_THREADS * i;
	if (cma_block_threads(n, write_byte, where, sizeof(*where)))
		return cma_block_failed(b, "threads");
	cma_wait(all_wait, b, 20000);
	for (;;) {
		cma_block_report(b, cma_block_waiting() * BLOCK_PAGE);
		cma_block_sleep();
	}
}

/* A slow disk: who writes to its page cache is made to wait. */

#define SLOW_DIR	P_tmpdir "/cma-slow"
#define SLOW_BYTES	(32 * BLOCK_CHUNK)
#define SLOW_THREADS	512U
#define SLOW_WAITING	(SLOW_THREADS / 2)	/* at any time, at least */
#define SLOW_PART	(SLOW_BYTES / SLOW_THREADS)
#define SLOW_WRITTEN	(SLOW_BYTES / 4)	/* to the disk at any time, at least */

/* How much may be dirty; of each pair, one setting clears the other. */
static struct {
	const char *path;
	const char *value;
	const char *other;
	char old[32];
} dirty[] = {
	{ "/proc/sys/vm/dirty_bytes", "524288",
	  "/proc/sys/vm/dirty_ratio", "" },
	{ "/proc/sys/vm/dirty_background_bytes", "262144",
	  "/proc/sys/vm/dirty_background_ratio", "" },
};

static void undo_slow(struct cma_block *b)
{
	cma_block_close(b);
	cma_nullb_umount(SLOW_DIR);
}

static void undo_throttled(struct cma_block *b)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		cma_write_text(dirty[i].other, dirty[i].old);
	undo_slow(b);
}

static int make_slow(struct cma_block *b,
		     const struct cma_nullb_setting *settings)
{
	if (cma_nullb_mount(settings, SLOW_DIR))
		return cma_block_failed(b, "null_blk, mke2fs and mount");
	b->fd = open(SLOW_DIR "/f", O_RDWR | O_CREAT, 0666);
	/* Only its owner may ask which pages of it are in memory. */
	if (b->fd < 0 || ftruncate(b->fd, SLOW_BYTES) ||
	    fchown(b->fd, 65534, 65534))
		return cma_block_failed(b, "file");
	return 0;
}

static int setup_throttled(struct cma_block *b)
{
	static const struct cma_nullb_setting settings[] = {
		{ "size", "64" }, { "memory_backed", "1" }, { "mbps", "2" },
		{ "max_sectors", "64" },
		{ NULL, NULL }
	};
	unsigned int i;

	for (i = 0; i < 2; i++) {
		cma_read_text(dirty[i].other, dirty[i].old,
			      sizeof(dirty[i].old));
		cma_write_text(dirty[i].path, dirty[i].value);
	}
	return make_slow(b, settings);
}

/* Over and over: a page that was written back is read-only again. */
static void *write_part(void *data)
{
	char *part = *(char **)data;
	size_t at;

	for (;;)
		for (at = 0; at < SLOW_PART; at += BLOCK_PAGE)
			__atomic_add_fetch(part + at, 1, __ATOMIC_RELAXED);
	return NULL;
}

static bool most_wait(void *data)
{
	return cma_block_waiting() >= SLOW_WAITING;
}

static int run_throttled(struct cma_block *b)
{
	static char *where[SLOW_THREADS];
	char *map = mmap(NULL, SLOW_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED, b->fd, 0);
	unsigned int i, n;

	if (map == MAP_FAILED)
		return cma_block_failed(b, "mmap");
	for (i = 0; i < SLOW_THREADS; i++)
		where[i] = map + SLOW_PART * i;
	if (cma_block_threads(SLOW_THREADS, write_part, where, sizeof(*where)))
		return cma_block_failed(b, "threads");
	/* Until each has written its part once, and is in its second round. */
	while (cma_block_resident(map, SLOW_BYTES) < SLOW_BYTES)
		cma_block_sleep();
	if (!cma_wait(most_wait, NULL, 60000))
		return cma_block_failed(b, "writers don't wait");
	/* More wait at times, but that is no claim. */
	for (;;) {
		n = cma_block_waiting();
		cma_block_report(b, BLOCK_PAGE * (n < SLOW_WAITING ?
						  n : SLOW_WAITING));
		cma_block_sleep();
	}
}

/* Much of a file is on its way to the disk, and takes long. */

static int setup_written(struct cma_block *b)
{
	static const struct cma_nullb_setting settings[] = {
		{ "size", "64" }, { "memory_backed", "1" }, { "mbps", "2" },
		{ "max_sectors", "64" }, { "hw_queue_depth", "1024" },
		{ NULL, NULL }
	};

	return make_slow(b, settings);
}

static void *write_file(void *data)
{
	static char buf[BLOCK_CHUNK];
	int fd = *(int *)data;
	size_t at = 0;

	while (pwrite(fd, buf, sizeof(buf), at) == sizeof(buf) &&
	       !sync_file_range(fd, at, sizeof(buf), SYNC_FILE_RANGE_WRITE))
		at = (at + sizeof(buf)) % SLOW_BYTES;
	return NULL;
}

static size_t bytes_under_way(void)
{
	return cma_keyed("/proc/vmstat", "nr_writeback") * BLOCK_PAGE;
}

static bool enough_is_under_way(void *data)
{
	return bytes_under_way() >= SLOW_WRITTEN;
}

static int run_written(struct cma_block *b)
{
	size_t bytes;

	if (cma_block_threads(1, write_file, &b->fd, 0))
		return cma_block_failed(b, "thread");
	if (!cma_wait(enough_is_under_way, NULL, 60000))
		return cma_block_failed(b, "nothing is written");
	for (;;) {
		bytes = bytes_under_way();
		cma_block_report(b, bytes < SLOW_WRITTEN ? bytes : SLOW_WRITTEN);
		cma_block_sleep();
	}
}

const struct cma_block_kind cma_file_blocks[] = {
	{ .name = "mkdir", .setup = setup_dirs, .run = run_dirs,
	  .undo = undo_dirs, .most = DIRS * BLOCK_PAGE },
	{ .name = "freeze-mkwrite", .setup = setup_frozen, .run = run_frozen,
	  .undo = undo_frozen, .most = BLOCK_THREADS * BLOCK_THREAD,
	  .flags = BLOCK_ROOT },
	{ .name = "throttle-mkwrite", .setup = setup_throttled,
	  .run = run_throttled, .undo = undo_throttled, .most = SLOW_BYTES,
	  .flags = BLOCK_ALONE },
	{ .name = "slow-disk-write", .setup = setup_written,
	  .run = run_written, .undo = undo_slow, .most = SLOW_BYTES,
	  .flags = BLOCK_ALONE },
	{ .name = NULL }
};
