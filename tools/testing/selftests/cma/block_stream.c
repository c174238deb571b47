// SPDX-License-Identifier: GPL-2.0
/*
 * Blockers that leave memory in a pipe or a socket which nobody reads: the
 * buffer holds a reference to each page. All of them are open to ordinary
 * users.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cma_block.h"

#define PAIRS		8192	/* of BLOCK_CHUNK each */
#define PAIR_SOCKETS	64
#define SOCKET_BYTES	(8 * BLOCK_CHUNK)

#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY	0x4000000
#endif
#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY	60
#endif

/**
 * struct pairs - what holds the memory
 * @fd: read or receiving end, write or sending end
 * @n: how many
 * @question: ioctl that tells how much is in one
 * @end: which end to ask
 */
struct pairs {
	int fd[PAIRS][2];
	unsigned int n;
	unsigned long question;
	int end;
};

static struct pairs pairs;

static int new_pipe(int fd[2])
{
	if (pipe(fd))
		return -1;
	return fcntl(fd[1], F_SETPIPE_SZ, BLOCK_CHUNK) < 0 ? -1 : 0;
}

static size_t bytes_in_pairs(void)
{
	unsigned int i;
	size_t sum = 0;
	int n;

	for (i = 0; i < pairs.n; i++)
		if (!ioctl(pairs.fd[i][pairs.end], pairs.question, &n))
			sum += n;
	return sum;
}

static int hold_pairs(struct cma_block *b)
{
	if (!bytes_in_pairs())
		return cma_block_failed(b, "nothing is in the pipes");
	for (;;) {
		cma_block_report(b, bytes_in_pairs());
		cma_block_sleep();
	}
}

/* Moves @len bytes at @at of @fd into a pipe or socket, as far as they fit. */
static int send_chunk(int fd, int to, size_t at,
		      ssize_t (*send)(int fd, int to, loff_t *at, size_t len))
{
	loff_t pos = at;
	ssize_t n = 1;

	while (n > 0 && (size_t)pos < at + BLOCK_CHUNK)
		n = send(fd, to, &pos, at + BLOCK_CHUNK - pos);
	return (size_t)pos > at ? 0 : -1;
}

static int fill_pairs(struct cma_block *b, int fd, int (*make)(int fd[2]),
		      ssize_t (*send)(int fd, int to, loff_t *at, size_t len))
{
	size_t at;

	if (fd < 0) {
		errno = -fd;
		return cma_block_failed(b, "file");
	}
	pairs.question = FIONREAD;
	for (at = 0; at < b->bytes && pairs.n < PAIRS; at += BLOCK_CHUNK) {
		if (make(pairs.fd[pairs.n]))
			return cma_block_failed(b, "pipe or socket");
		if (send_chunk(fd, pairs.fd[pairs.n++][1], at, send))
			return cma_block_failed(b, "splice or sendfile");
	}
	return 0;
}

static ssize_t send_splice(int fd, int to, loff_t *at, size_t len)
{
	return splice(fd, at, to, NULL, len, SPLICE_F_NONBLOCK);
}

static ssize_t send_file(int fd, int to, loff_t *at, size_t len)
{
	return sendfile(to, fd, at, len);
}

static int run_vmsplice(struct cma_block *b)
{
	char *mem = cma_block_memory(b->bytes);
	struct iovec iov = { mem, BLOCK_CHUNK };

	if (!mem)
		return cma_block_failed(b, "mmap");
	pairs.question = FIONREAD;
	while ((char *)iov.iov_base < mem + b->bytes && pairs.n < PAIRS) {
		if (new_pipe(pairs.fd[pairs.n]))
			return cma_block_failed(b, "pipe");
		if (vmsplice(pairs.fd[pairs.n++][1], &iov, 1,
			     SPLICE_F_NONBLOCK) <= 0)
			return cma_block_failed(b, "vmsplice");
		iov.iov_base = (char *)iov.iov_base + BLOCK_CHUNK;
	}
	return hold_pairs(b);
}

static int setup_file(struct cma_block *b)
{
	b->fd = cma_block_cached_file(b->bytes, false);
	return b->fd < 0 ? b->fd : 0;
}

static int run_splice_file(struct cma_block *b)
{
	int err = fill_pairs(b, b->fd, new_pipe, send_splice);

	return err ? err : hold_pairs(b);
}

static int run_splice_tmpfs(struct cma_block *b)
{
	int fd = cma_block_cached_file(b->bytes, true);
	int err = fill_pairs(b, fd, new_pipe, send_splice);

	return err ? err : hold_pairs(b);
}

static int drain(int fd)
{
	static char buf[65536];
	ssize_t n;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	do {
		n = read(fd, buf, sizeof(buf));
	} while (n > 0);
	return errno == EAGAIN ? 0 : -1;
}

/* The pipe that was filled first is emptied: only the copy holds. */
static int tee_one(int fd[2])
{
	int to[2];

	if (new_pipe(to))
		return -1;
	if (tee(fd[0], to[1], BLOCK_CHUNK, SPLICE_F_NONBLOCK) <= 0)
		return -1;
	if (drain(fd[0]))
		return -1;
	close(fd[0]);
	close(fd[1]);
	fd[0] = to[0];
	fd[1] = to[1];
	return 0;
}

static int run_tee(struct cma_block *b)
{
	int err = fill_pairs(b, b->fd, new_pipe, send_splice);
	unsigned int i;

	for (i = 0; i < pairs.n && !err; i++)
		if (tee_one(pairs.fd[i]))
			err = cma_block_failed(b, "tee");
	return err ? err : hold_pairs(b);
}

static int new_socketpair(int fd[2])
{
	int size = 4 * BLOCK_CHUNK;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
		return -1;
	setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return fcntl(fd[1], F_SETFL, O_NONBLOCK);
}

static int run_sendfile(struct cma_block *b)
{
	int err = fill_pairs(b, b->fd, new_socketpair, send_file);

	return err ? err : hold_pairs(b);
}

/* TCP over loopback. The receiver takes little, the rest stays unsent. */

static int listen_on_loopback(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0), small = 4096;

	memset(addr, 0, sizeof(*addr));
	addr->sin_family = AF_INET;
	addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (fd < 0 || bind(fd, (struct sockaddr *)addr, len) ||
	    listen(fd, PAIR_SOCKETS) ||
	    getsockname(fd, (struct sockaddr *)addr, &len))
		return -1;
	return fd;
}

static int new_connection(int listener, struct sockaddr_in *addr, int fd[2])
{
	int one = 1, size = SOCKET_BYTES * 2;

	fd[1] = socket(AF_INET, SOCK_STREAM, 0);
	if (fd[1] < 0 || connect(fd[1], (struct sockaddr *)addr, sizeof(*addr)))
		return -1;
	if (setsockopt(fd[1], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)))
		return -1;
	setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	fcntl(fd[1], F_SETFL, O_NONBLOCK);
	fd[0] = accept(listener, NULL, NULL);
	return fd[0] < 0 ? -1 : 0;
}

static void send_zerocopy(int fd, char *mem, size_t len)
{
	size_t at = 0;
	ssize_t n = 1;

	while (at < len && n > 0) {
		n = send(fd, mem + at, BLOCK_CHUNK / 16, MSG_ZEROCOPY);
		if (n > 0)
			at += n;
	}
}

/*
 * What was delivered over loopback has been copied, and is acknowledged: the
 * pages of the data not yet sent are what the kernel refers to.
 */
static int run_zerocopy(struct cma_block *b)
{
	char *mem = cma_block_memory(b->bytes);
	struct sockaddr_in addr;
	int listener = listen_on_loopback(&addr);
	size_t at;

	if (!mem || listener < 0)
		return cma_block_failed(b, "memory or socket");
	pairs.question = SIOCOUTQNSD;
	pairs.end = 1;
	for (at = 0; at + SOCKET_BYTES <= b->bytes; at += SOCKET_BYTES) {
		if (pairs.n == PAIR_SOCKETS)
			break;
		if (new_connection(listener, &addr, pairs.fd[pairs.n]))
			return cma_block_failed(b, "connection");
		send_zerocopy(pairs.fd[pairs.n++][1], mem + at, SOCKET_BYTES);
	}
	return hold_pairs(b);
}

const struct cma_block_kind cma_stream_blocks[] = {
	{ .name = "vmsplice", .run = run_vmsplice,
	  .flags = BLOCK_GUARDED },
	{ .name = "splice-file", .setup = setup_file, .run = run_splice_file,
	  .flags = BLOCK_GUARDED },
	{ .name = "splice-tmpfs", .run = run_splice_tmpfs },
	{ .name = "tee", .setup = setup_file, .run = run_tee,
	  .flags = BLOCK_GUARDED },
	{ .name = "sendfile-unix", .setup = setup_file, .run = run_sendfile,
	  .flags = BLOCK_GUARDED },
	{ .name = "zerocopy", .run = run_zerocopy, .most = 160 * BLOCK_CHUNK,
	  .flags = BLOCK_GUARDED },
	{ .name = NULL }
};
