/* SPDX-License-Identifier: GPL-2.0 */
/* What fuzzers share.  The Makefile gives fuzz_one() the name that libFuzzer calls. */
#ifndef CMA_FUZZ_H
#define CMA_FUZZ_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

int fuzz_one(const unsigned char *data, size_t size);

#define MUST(cond)	((cond) ? (void)0 : must_not(__LINE__, #cond))

static inline void must_not(int line, const char *cond)
{
	fprintf(stderr, "line %d: not so: %s\n", line, cond);
	abort();
}

#endif /* CMA_FUZZ_H */
