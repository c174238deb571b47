/* SPDX-License-Identifier: GPL-2.0 */
/* Results as KTAP, and numbers that are random and the same each time. */
#ifndef CMA_KTAP_H
#define CMA_KTAP_H

#include <stdbool.h>

/**
 * struct ktap_case - one case
 * @name: what must be so
 * @run: true if it is
 */
struct ktap_case {
	const char *name;
	bool (*run)(void);
};

int ktap_run(const struct ktap_case *cases, unsigned int nr);

bool ktap_no(const char *file, int line, const char *cond);
void rnd_seed(unsigned long long seed);
unsigned int rnd(unsigned int below);

/* Is it so?  If not, say where. */
#define CHECK(cond)	((cond) || ktap_no(__FILE__, __LINE__, #cond))

#endif /* CMA_KTAP_H */
