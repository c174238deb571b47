/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where memory lies: in the test areas or outside of them, and how to have new
 * memory lie in an area, on every allocator.
 */
#ifndef CMA_PLACE_H
#define CMA_PLACE_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct cma_frames - page frames looked at
 * @all: how many
 * @inside: those that belong to an area
 */
struct cma_frames {
	unsigned long all;
	unsigned long inside;
};

unsigned long cma_place_init(void);
bool cma_add_frames(struct cma_frames *f, const void *mem, size_t bytes);
double cma_inside_percent(const struct cma_frames *f);
bool cma_fill_outside(void);
void cma_shrink_hog(size_t bytes);

#endif /* CMA_PLACE_H */
