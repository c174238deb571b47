// SPDX-License-Identifier: GPL-2.0
/*
 * The server of cma_fuse.h, in the protocol of /dev/fuse itself: enough of it
 * to mount, find, open and stat one file of zeros.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cma_fuse.h"

#define FILE_NODE	2
#define WRITE_MOST	(128 * 1024)
#define READ_MOST	(1024 * 1024)
#define VALID_SECONDS	10000

/**
 * struct server - what it knows
 * @dev: /dev/fuse
 * @file_size: bytes of its file
 * @reads: READ is answered
 * @owed: bytes of requests that are not
 * @unique: the request that it looks at
 */
struct server {
	int dev;
	size_t file_size;
	bool reads;
	atomic_ullong *owed;
	uint64_t unique;
};

/* In the test, as root. Returns the descriptor that the server reads. */
int cma_fuse_mount(const char *dir, uid_t uid)
{
	int err, dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[128];

	if (dev < 0)
		return -errno;
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40755,user_id=%u,group_id=%u,allow_other",
		 dev, uid, uid);
	if ((mkdir(dir, 0755) && errno != EEXIST) ||
	    mount("cma", dir, "fuse", MS_NOSUID | MS_NODEV, options)) {
		err = -errno;
		close(dev);
		return err;
	}
	return dev;
}

/* By force: what waits for the server wakes up with an error. */
void cma_fuse_umount(const char *dir)
{
	if (!umount2(dir, MNT_FORCE) || !umount2(dir, MNT_DETACH))
		rmdir(dir);
}

static int answer(struct server *s, int error, const void *data, size_t len)
{
	struct fuse_out_header head = {
		.len = sizeof(head) + len,
		.error = error,
		.unique = s->unique,
	};
	struct iovec iov[] = {
		{ &head, sizeof(head) }, { (void *)data, len },
	};

	/* Nobody waits any more for a request that was interrupted. */
	if (writev(s->dev, iov, len ? 2 : 1) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

static int do_init(struct server *s, const struct fuse_init_in *in)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = in->max_readahead,
		.flags = FUSE_ASYNC_READ | FUSE_ASYNC_DIO | FUSE_BIG_WRITES |
			 FUSE_MAX_PAGES,
		.max_background = 65535,
		.congestion_threshold = 65535,
		.max_write = WRITE_MOST,
		.max_pages = 256,
		.time_gran = 1,
	};

	return answer(s, 0, &out, sizeof(out));
}

static void fill_attr(struct server *s, uint64_t node, struct fuse_attr *attr)
{
	bool file = node == FILE_NODE;

	attr->ino = node;
	attr->size = file ? s->file_size : 4096;
	attr->mode = file ? S_IFREG | 0666 : S_IFDIR | 0755;
	attr->nlink = file ? 1 : 2;
	attr->blksize = 4096;
}

static int do_lookup(struct server *s, const char *name)
{
	struct fuse_entry_out out = {
		.nodeid = FILE_NODE,
		.entry_valid = VALID_SECONDS,
		.attr_valid = VALID_SECONDS,
	};

	if (strcmp(name, CMA_FUSE_FILE))
		return answer(s, -ENOENT, NULL, 0);
	fill_attr(s, FILE_NODE, &out.attr);
	return answer(s, 0, &out, sizeof(out));
}

static int do_getattr(struct server *s, uint64_t node)
{
	struct fuse_attr_out out = { .attr_valid = VALID_SECONDS };

	fill_attr(s, node, &out.attr);
	return answer(s, 0, &out, sizeof(out));
}

static int do_read(struct server *s, const struct fuse_read_in *in)
{
	static const char zeros[READ_MOST];

	if (s->reads)
		return answer(s, 0, zeros,
			      in->size < READ_MOST ? in->size : READ_MOST);
	*s->owed += in->size;
	return 0;
}

static int do_write(struct server *s, const struct fuse_write_in *in)
{
	*s->owed += in->size;
	return 0;
}

static int handle(struct server *s, const struct fuse_in_header *in)
{
	static const struct fuse_open_out opened;
	const void *body = in + 1;

	s->unique = in->unique;
	switch (in->opcode) {
	case FUSE_INIT:
		return do_init(s, body);
	case FUSE_LOOKUP:
		return do_lookup(s, body);
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		return do_getattr(s, in->nodeid);
	case FUSE_OPEN:
		return answer(s, 0, &opened, sizeof(opened));
	case FUSE_READ:
		return do_read(s, body);
	case FUSE_WRITE:
		return do_write(s, body);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return 0;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		return answer(s, 0, NULL, 0);
	default:
		return answer(s, -EOPNOTSUPP, NULL, 0);
	}
}

/* Counts the bytes it owes in *@unanswered; returns only with an error. */
int cma_fuse_serve(int dev, size_t file_size, bool reads,
		   atomic_ullong *unanswered)
{
	static uint64_t buf[(WRITE_MOST + 65536) / sizeof(uint64_t)];
	struct server s = { dev, file_size, reads, unanswered, 0 };
	ssize_t n;
	int err = 0;

	while (!err) {
		n = read(dev, buf, sizeof(buf));
		if (n < 0 && (errno == EINTR || errno == ENOENT))
			continue;
		if (n < (ssize_t)sizeof(struct fuse_in_header))
			return n < 0 ? -errno : -EIO;
		err = handle(&s, (struct fuse_in_header *)buf);
	}
	return err;
}
