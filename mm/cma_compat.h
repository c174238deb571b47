/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every difference between the kernels we build on stands here, each with its
 * reason, and nowhere else.  Tested by feature, never by version.
 */
#ifndef _MM_CMA_COMPAT_H
#define _MM_CMA_COMPAT_H

#include <linux/gfp.h>
#include <linux/page-isolation.h>

/*
 * Isolation overwrites the migratetype here, so whoever ends it has to say
 * what the blocks were.  Kernels where isolation is a bit of its own
 * (init_pageblock_migratetype() came with it) take no type.
 */
static inline int cma_isolate_pages(unsigned long start, unsigned long end)
{
	return start_isolate_page_range(start, end, MIGRATE_CMA, 0, GFP_KERNEL);
}

static inline void cma_unisolate_pages(unsigned long start, unsigned long end)
{
	undo_isolate_page_range(start, end, MIGRATE_CMA);
}

#endif /* _MM_CMA_COMPAT_H */
