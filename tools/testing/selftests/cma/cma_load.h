/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Borrowers: processes that hold or churn memory while a test makes requests,
 * and verify that what they stored is still there.
 */
#ifndef CMA_LOAD_H
#define CMA_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum cma_load_kind {
	LOAD_ANON,	/* base pages, pattern verified all the time */
	LOAD_THP,	/* the same in huge pages where there are some */
	LOAD_TMPFS,	/* shared memory file, verified */
	LOAD_FILE,	/* ext4 file, rewritten, re-read and verified */
	LOAD_CACHE,	/* clean page cache, read once, then held */
	LOAD_REREAD,	/* clean page cache, read in a loop */
	LOAD_FORK,	/* processes that are born, touch memory and die */
	LOAD_MADVISE,	/* memory touched and dropped in a loop */
	LOAD_DIRTY,	/* ext4 file written in a loop */
	LOAD_KINDS
};

/**
 * struct cma_load_state - what a load tells its parent
 * @ready: it holds what it claims
 * @bad: verifications that failed
 * @rounds: how often it went round
 * @error: why it ended
 * @pause_ms: its parent's wish: rest after each round
 */
struct cma_load_state {
	atomic_int ready;
	atomic_int bad;
	atomic_ulong rounds;
	atomic_int error;
	atomic_uint pause_ms;
};

/**
 * struct cma_load - one running load
 * @kind: what it does
 * @bytes: memory it claims
 * @pid: its process, 0 when it isn't running
 * @state: shared with it
 */
struct cma_load {
	enum cma_load_kind kind;
	size_t bytes;
	pid_t pid;
	struct cma_load_state *state;
};

const char *cma_load_name(enum cma_load_kind kind);
int cma_load_start(struct cma_load *load, enum cma_load_kind kind,
		   size_t bytes);
bool cma_load_ready(struct cma_load *load, unsigned int limit_ms);
bool cma_load_alive(struct cma_load *load);
bool cma_load_moves(struct cma_load *load, unsigned int limit_ms);
int cma_load_stop(struct cma_load *load);
bool cma_reap(pid_t pid, unsigned int limit_ms, int *status);
const char *cma_data_dir(void);
int cma_data_file(void);
int cma_sparse_file(size_t bytes);
size_t cma_mem_total(void);
double cma_lend_out(const char *area, double percent, unsigned int limit_ms);
double cma_lend_anon(const char *area, struct cma_load *cache,
		     struct cma_load *anon);

#endif /* CMA_LOAD_H */
