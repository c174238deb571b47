// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "ktap.h"

static unsigned long long rnd_state = 20101122;

bool ktap_no(const char *file, int line, const char *cond)
{
	const char *name = strrchr(file, '/');

	printf("# %s:%d: not so: %s\n", name ? name + 1 : file, line, cond);
	return false;
}

void rnd_seed(unsigned long long seed)
{
	rnd_state = seed * 0x9e3779b97f4a7c15ULL + 1;
}

unsigned int rnd(unsigned int below)
{
	rnd_state = rnd_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(rnd_state >> 33) % below;
}

/* Return: the exit status. */
int ktap_run(const struct ktap_case *cases, unsigned int nr)
{
	unsigned int i, failed = 0;
	bool ok;

	/* What has run is on record when the next case crashes. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%u\n", nr);
	for (i = 0; i < nr; i++) {
		ok = cases[i].run();
		failed += !ok;
		printf("%sok %u %s\n", ok ? "" : "not ", i + 1, cases[i].name);
	}
	printf("# Totals: pass:%u fail:%u xfail:0 xpass:0 skip:0 error:0\n",
	       nr - failed, failed);
	return failed ? 1 : 0;
}
