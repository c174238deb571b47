/* SPDX-License-Identifier: GPL-2.0 */
/* A null_blk device for a test: slow in the way that the test wants. */
#ifndef CMA_NULLB_H
#define CMA_NULLB_H

#define CMA_NULLB_NAME	"cma-null"
#define CMA_NULLB	"/dev/" CMA_NULLB_NAME

int cma_nullb_make(const char * const (*values)[2]);
void cma_nullb_remove(void);

#endif /* CMA_NULLB_H */
