/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page allocations that fail on purpose: those of marked processes, below one
 * function of the kernel. Needs CONFIG_FAIL_PAGE_ALLOC and
 * CONFIG_FAULT_INJECTION_STACKTRACE_FILTER.
 */
#ifndef CMA_INJECT_H
#define CMA_INJECT_H

#include <stdbool.h>

/* What allocates targets; recall calls it too, but is never marked. */
#define CMA_INJECT_GUARD	"cma_move_out"

bool cma_can_inject(void);
int cma_inject_below(const char *function, unsigned int percent);
unsigned long long cma_injected(void);
void cma_inject_stop(void);
int cma_inject_me(void);

#endif /* CMA_INJECT_H */
