/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Blockers: processes that hold memory in one of the ways in which the base
 * kernel can't move it, and prove all the time that they still do. The ways
 * are in block_*.c, one family a file; what is here starts and stops them.
 */
#ifndef CMA_BLOCK_H
#define CMA_BLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BLOCK_PAGE	4096UL
#define BLOCK_CHUNK	(1024 * 1024UL)
/* Threads that sleep in the kernel, and what each costs by itself. */
#define BLOCK_THREADS	1024U
#define BLOCK_THREAD	(32 * 1024UL)

/* What a blocker needs, or does to others. */
#define BLOCK_ROOT	0x1	/* can't be done by an ordinary user */
#define BLOCK_NODES	0x2	/* needs two memory nodes */
#define BLOCK_HANGS	0x4	/* requests of the base kernel never return */
#define BLOCK_ALONE	0x8	/* not among "everything" */
#define BLOCK_GUARDED	0x10	/* what it wants to hold is moved out, or copied */
#define BLOCK_OUTSIDE	0x20	/* nothing of it may be lent */

/**
 * struct cma_block_state - what a blocker tells its parent
 * @ready: it has taken hold
 * @rounds: how often it looked at what it holds
 * @claim: bytes it held when it was ready
 * @held: bytes it held at the last look
 * @error: why it ended
 * @where: what failed
 * @count: for the processes of the blocker among themselves
 */
struct cma_block_state {
	atomic_int ready;
	atomic_ulong rounds;
	atomic_ullong claim;
	atomic_ullong held;
	atomic_int error;
	char where[64];
	atomic_ullong count;
};

struct cma_block;

/**
 * struct cma_block_kind - one way of holding memory
 * @name: how users call it
 * @setup: optional, in the test, as root: descriptors, mounts, settings
 * @run: in the blocker; reports for ever, returns only with an error
 * @undo: optional, in the test: takes back what setup did, and wakes what
 *        sleeps in the kernel; called when all processes were killed
 * @most: bytes beyond which it makes no sense, 0 for none
 * @flags: BLOCK_*
 */
struct cma_block_kind {
	const char *name;
	int (*setup)(struct cma_block *b);
	int (*run)(struct cma_block *b);
	void (*undo)(struct cma_block *b);
	size_t most;
	unsigned int flags;
};

/**
 * struct cma_block - one blocker
 * @kind: what it does
 * @bytes: memory it is to hold
 * @nobody: it runs as an ordinary user
 * @pid: its first process, 0 when it isn't running
 * @group: its process group, 0 when it never ran
 * @fd: from setup to run and undo
 * @until: round that has to be over before its claim is proved
 * @state: shared with it
 */
struct cma_block {
	const struct cma_block_kind *kind;
	size_t bytes;
	bool nobody;
	pid_t pid;
	pid_t group;
	int fd;
	unsigned long until;
	struct cma_block_state *state;
};

/* The families; each ends with an entry that has no name. */
extern const struct cma_block_kind cma_stream_blocks[];
extern const struct cma_block_kind cma_fault_blocks[];
extern const struct cma_block_kind cma_fuse_blocks[];
extern const struct cma_block_kind cma_pin_blocks[];
extern const struct cma_block_kind cma_file_blocks[];
extern const struct cma_block_kind cma_page_blocks[];
extern const struct cma_block_kind cma_group_blocks[];

/* For tests. */
const struct cma_block_kind *cma_block_at(unsigned int index);
const struct cma_block_kind *cma_block_find(const char *name);
void cma_block_settings(bool restore);
int cma_block_start(struct cma_block *b, const struct cma_block_kind *kind,
		    size_t bytes, bool nobody);
bool cma_block_alive(struct cma_block *b);
bool cma_block_ready(struct cma_block *b, unsigned int limit_ms);
unsigned int cma_blocks_lost(struct cma_block *b, unsigned int n,
			     unsigned int limit_ms);
bool cma_block_holds(struct cma_block *b, unsigned int limit_ms);
bool cma_block_stop(struct cma_block *b);
void cma_block_close(struct cma_block *b);

/* For the families, in the blocker. */
int cma_block_failed(struct cma_block *b, const char *where);
void cma_block_report(struct cma_block *b, size_t held);
void cma_block_sleep(void);
pid_t cma_block_fork(struct cma_block *b);
unsigned int cma_block_sleepers(struct cma_block *b);
unsigned int cma_block_waiting(void);
int cma_block_threads(unsigned int n, void *(*work)(void *), void *each,
		      size_t size);
void *cma_block_map(size_t bytes);
void *cma_block_memory(size_t bytes);
int cma_block_huge_on(struct cma_block *b);
void cma_block_huge_off(struct cma_block *b);
size_t cma_block_huge(void);
size_t cma_block_resident(void *map, size_t bytes);
int cma_block_cached_file(size_t bytes, bool shmem);

#endif /* CMA_BLOCK_H */
