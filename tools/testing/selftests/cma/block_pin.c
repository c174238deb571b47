// SPDX-License-Identifier: GPL-2.0
/*
 * Blockers that let the kernel pin their anonymous memory: direct I/O to a
 * device that answers late, access from another process, long-term pins.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../../mm/gup_test.h"
#include "cma_block.h"
#include "cma_nullb.h"
#include "cma_util.h"

/*
 * Direct reads of a device that takes five seconds for each. A read is one
 * request of that device, or there would not be tags for all of them.
 */

#define READ_BYTES	(512 * 1024UL)
#define READS_MOST	2048
#define READ_NS		5000000000ULL
#define HALF_READ_MS	2500

static void undo_slow(struct cma_block *b)
{
	cma_block_close(b);
	/* The device waits for its last requests. */
	cma_nullb_remove();
}

static int setup_slow(struct cma_block *b)
{
	static const struct cma_nullb_setting settings[] = {
		{ "size", "1024" }, { "irqmode", "2" },
		{ "completion_nsec", "5000000000" }, { "no_sched", "1" },
		{ "hw_queue_depth", "2048" }, { "submit_queues", "1" },
		{ "max_sectors", "1024" },
		{ NULL, NULL }
	};

	if (cma_nullb_make(settings))
		return cma_block_failed(b, "null_blk in configfs");
	b->fd = open(CMA_NULLB, O_RDONLY | O_DIRECT);
	return b->fd < 0 ? cma_block_failed(b, "null_blk") : 0;
}

/**
 * struct reads - asynchronous reads, each started again when it is over
 * @ctx: AIO context
 * @cb: one for each
 * @since: when each began
 * @n: how many
 */
struct reads {
	aio_context_t ctx;
	struct iocb cb[READS_MOST];
	uint64_t since[READS_MOST];
	unsigned int n;
};

static struct reads reads;

static int submit(struct iocb *cb)
{
	/* Before: a call that has to wait for its turn holds nothing yet. */
	reads.since[cb - reads.cb] = cma_now_ns();
	return syscall(SYS_io_submit, reads.ctx, 1, &cb) == 1 ? 0 : -1;
}

static int submit_all(struct cma_block *b, char *mem)
{
	struct iocb *cb;
	size_t at;

	for (at = 0; at < b->bytes && reads.n < READS_MOST; at += READ_BYTES) {
		cb = &reads.cb[reads.n++];
		cb->aio_lio_opcode = IOCB_CMD_PREAD;
		cb->aio_fildes = b->fd;
		cb->aio_buf = (uintptr_t)mem + at;
		cb->aio_nbytes = READ_BYTES;
		cb->aio_offset = at;
		if (submit(cb))
			return cma_block_failed(b, "io_submit");
	}
	return 0;
}

/* Two read each buffer: what is younger than a read takes can't be over. */
static size_t bytes_in_flight(void)
{
	uint64_t now = cma_now_ns();
	unsigned int i, n = 0;

	for (i = 0; i < reads.n; i++)
		n += now - reads.since[i] < READ_NS;
	return n * READ_BYTES / 2;
}

/* Waits a round's time and starts again what came back. */
static int submit_again(void)
{
	static struct io_event events[READS_MOST];
	struct timespec limit = { 0, 100000000 };
	struct iocb *cb;
	long i, n;

	n = syscall(SYS_io_getevents, reads.ctx, 1, READS_MOST, events, &limit);
	for (i = 0; i < n; i++) {
		cb = (struct iocb *)(uintptr_t)events[i].obj;
		errno = EIO;
		if (events[i].res != (long long)READ_BYTES || submit(cb))
			return -1;
	}
	return n < 0 ? -1 : 0;
}

static int run_odirect_slow(struct cma_block *b)
{
	char *mem = cma_block_memory(b->bytes);
	int err;

	if (!mem || syscall(SYS_io_setup, READS_MOST, &reads.ctx))
		return cma_block_failed(b, "io_setup");
	err = submit_all(b, mem);
	/* One read is in its midst when the other ends and begins again. */
	cma_sleep_ms(HALF_READ_MS);
	if (!err)
		err = submit_all(b, mem);
	while (!err) {
		cma_block_report(b, bytes_in_flight());
		if (submit_again())
			err = cma_block_failed(b, "io_getevents");
	}
	return err;
}

/* Memory of another process, read in a loop: its pages are pinned in turns. */

#define PVM_READERS	8
#define PVM_PARTS	1024

/* One call for all of it: the kernel pins 1024 pages, copies, pins the next. */
static int read_parent(struct cma_block *b, char *mem)
{
	static char buf[BLOCK_CHUNK];
	static struct iovec local[PVM_PARTS];
	struct iovec remote = { mem, b->bytes };
	size_t i, n = b->bytes / BLOCK_CHUNK;
	pid_t parent = getppid();

	for (i = 0; i < n && i < PVM_PARTS; i++)
		local[i] = (struct iovec) { buf, BLOCK_CHUNK };
	while (process_vm_readv(parent, local, i, &remote, 1, 0) ==
	       (ssize_t)b->bytes)
		b->state->count++;
	return cma_block_failed(b, "process_vm_readv");
}

static int run_pvm(struct cma_block *b)
{
	char *mem = cma_block_memory(b->bytes);
	unsigned long long before = 0;
	pid_t pid = 1;
	int i;

	if (!mem || madvise(mem, b->bytes, MADV_DONTFORK))
		return cma_block_failed(b, "mmap");
	for (i = 0; i < PVM_READERS && pid > 0; i++) {
		pid = cma_block_fork(b);
		if (!pid)
			_exit(-read_parent(b, mem));
	}
	while (pid > 0 && !waitpid(-1, NULL, WNOHANG)) {
		/* All of it was read again since the last look. */
		if (b->state->count != before)
			cma_block_report(b, cma_block_resident(mem, b->bytes));
		before = b->state->count;
		cma_block_sleep();
	}
	return -ECHILD;
}

/* Pins without an end, as drivers that map user memory take them. */

static int setup_gup(struct cma_block *b)
{
	b->fd = open("/sys/kernel/debug/gup_test", O_RDWR);
	return b->fd < 0 ? cma_block_failed(b, "CONFIG_GUP_TEST") : 0;
}

static int run_gup(struct cma_block *b)
{
	char *mem = cma_block_memory(b->bytes);
	struct pin_longterm_test pin = {
		.addr = (uintptr_t)mem,
		.size = b->bytes,
		.flags = PIN_LONGTERM_TEST_FLAG_USE_WRITE,
	};

	if (!mem)
		return cma_block_failed(b, "mmap");
	if (ioctl(b->fd, PIN_LONGTERM_TEST_START, &pin))
		return cma_block_failed(b, "PIN_LONGTERM_TEST_START");
	for (;;) {
		cma_block_report(b, cma_block_resident(mem, b->bytes));
		cma_block_sleep();
	}
}

const struct cma_block_kind cma_pin_blocks[] = {
	{ .name = "odirect-slow", .setup = setup_slow,
	  .run = run_odirect_slow, .undo = undo_slow,
	  .flags = BLOCK_GUARDED },
	{ .name = "pvm-readv", .run = run_pvm,
	  .flags = BLOCK_GUARDED },
	{ .name = "gup-pin", .setup = setup_gup, .run = run_gup,
	  .flags = BLOCK_GUARDED },
	{ .name = NULL }
};
