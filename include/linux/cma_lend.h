/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the lending contiguous allocator offers beyond include/linux/cma.h.
 */
#ifndef _LINUX_CMA_LEND_H
#define _LINUX_CMA_LEND_H

#include <linux/init.h>

#ifdef CONFIG_CMA_LEND
void __init cma_check_boot_option(const char *option);
#else
static inline void cma_check_boot_option(const char *option)
{
}
#endif

#endif /* _LINUX_CMA_LEND_H */
