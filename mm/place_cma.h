/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where in its area a request goes: private to page_alloc_cma.c and place_cma.c.
 * Compiled in user space as well (tools/testing/cma), where others say what an
 * area and a recall are.
 */
#ifndef _MM_PLACE_CMA_H
#define _MM_PLACE_CMA_H

#ifdef __KERNEL__
#include "page_alloc_cma.h"
#endif

#include "range_cma.h"

/**
 * struct cma_request - one call of cma_alloc()
 * @cma: the area
 * @pages: pages wanted
 * @align: log2 of the alignment wanted, in pages
 * @fit: the same in granules, and the places to avoid
 * @nr_poisoned: the first entries of fit.avoid never come back
 * @deadline: end of the request, in jiffies
 * @patience: how long to bear with a place where nothing goes, while there are
 *	others, in jiffies
 * @own: the granules that it has claimed; none if that is empty
 * @isolated: [@isolated, @rc.end) is isolated
 * @claims: other requests in progress when a place was sought last
 * @hope: a place was given up that may be had yet
 * @err: why the last place was given up
 * @rc: the recall in progress, and the sums of all
 */
struct cma_request {
	struct cma *cma;
	unsigned long pages;
	unsigned int align;
	struct cma_fit fit;
	unsigned int nr_poisoned;
	unsigned long deadline;
	unsigned long patience;
	struct cma_run own;
	unsigned long isolated;
	unsigned int claims;
	bool hope;
	int err;
	struct cma_recall rc;
};

/* The granules of a block. */
static inline struct cma_run cma_pages_to_run(const struct cma *cma,
					      unsigned long pfn,
					      unsigned long pages)
{
	unsigned long start = cma_granule_of(cma, pfn);

	return (struct cma_run) {
		.start = start,
		.end = start + (ALIGN(pages, 1UL << cma->order_per_bit) >>
				cma->order_per_bit),
	};
}

/* The first page of a granule. */
static inline unsigned long cma_granule_pfn(const struct cma *cma,
					    unsigned long nr)
{
	return cma->base_pfn + (nr << cma->order_per_bit);
}

bool cma_init_request(struct cma_request *req, struct cma *cma,
		      unsigned long pages, unsigned int align, gfp_t gfp,
		      unsigned long timeout);
int cma_claim_or_wait(struct cma_request *req);
bool cma_claim_other(struct cma_request *req);
void cma_leave(struct cma_request *req, struct cma_run old);
bool cma_may_be_hopeless(const struct cma_request *req);
bool cma_should_move_on(struct cma_request *req);
bool cma_avoid_poisoned(struct cma_request *req);
void cma_settle(struct cma_request *req, bool held);
void cma_unhold_run(struct cma *cma, struct cma_run run);
void cma_wake_turn(struct cma *cma);

#endif /* _MM_PLACE_CMA_H */
