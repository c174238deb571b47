/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hogs: borrowers that fill memory to the brim and keep it; and swap, for those
 * tests where there is some.
 */
#ifndef CMA_HOG_H
#define CMA_HOG_H

#include <stdbool.h>
#include <stddef.h>

#include "cma_block.h"

enum cma_swap {
	CMA_SWAP_NONE,
	CMA_SWAP_ZRAM,
	CMA_SWAP_FILE,
	CMA_SWAPS
};

extern const char * const cma_swap_names[CMA_SWAPS];

/* Hogs by name; the last one has none. Their bytes are what they leave free. */
extern const struct cma_block_kind cma_hogs[];
/* Holds its bytes, in memory that is no borrower's. */
extern const struct cma_block_kind cma_pipes;

unsigned long long cma_vmstat(const char *key);
unsigned long long cma_reclaimed(void);
size_t cma_bytes_free(void);
size_t cma_bytes_outside(void);
void cma_empty_memory(void);
const struct cma_block_kind *cma_hog_find(const char *name);
bool cma_hog_start(struct cma_block *hog, const struct cma_block_kind *kind,
		   size_t leave);

int cma_swap_on(enum cma_swap swap);
int cma_swap_on_path(const char *path);
void cma_swap_off(void);

#endif /* CMA_HOG_H */
