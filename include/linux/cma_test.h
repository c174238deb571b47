/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The boot-time door of the CMA test device: areas declared for tests only.
 *
 * Called where the architecture's default area is reserved, because that is
 * the last moment at which memblock still hands out large ranges.
 */
#ifndef _LINUX_CMA_TEST_H
#define _LINUX_CMA_TEST_H

#include <linux/init.h>

#ifdef CONFIG_CMA_TEST
void __init cma_test_reserve(void);
#else
static inline void cma_test_reserve(void)
{
}
#endif

#endif /* _LINUX_CMA_TEST_H */
