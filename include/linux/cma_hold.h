/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What linux/mm.h asks of the lending contiguous allocator; apart from cma_lend.h,
 * which needs linux/mm.h itself.
 */
#ifndef _LINUX_CMA_HOLD_H
#define _LINUX_CMA_HOLD_H

#include <linux/types.h>

struct folio;

#ifdef CONFIG_CMA_LEND
bool cma_is_held(const struct folio *folio);
#else
static inline bool cma_is_held(const struct folio *folio)
{
	return false;
}
#endif

#endif /* _LINUX_CMA_HOLD_H */
