// SPDX-License-Identifier: GPL-2.0
/* cma_choose() with any bitmap and any request: the first pick is first fit's. */
#include "fuzz.h"
#include "kernel.h"

#include "../../../mm/range_cma.h"

#define NBITS	128UL

struct input {
	unsigned long map[NBITS / (8 * sizeof(long))];
	unsigned long count;
	unsigned long offset;
	unsigned char nbits;
	unsigned char align;
	unsigned char nr_avoid;
	unsigned char avoid[CMA_AVOID_MAX];
};

static bool fits_at(const struct input *in, unsigned long nbits,
		    const struct cma_fit *fit, unsigned long start)
{
	unsigned long i, j;

	if (start >= nbits || fit->count > nbits - start ||
	    ((start + fit->offset) & fit->mask))
		return false;
	for (i = start; i < start + fit->count; i++) {
		if (bit(in->map, i))
			return false;
		for (j = 0; j < fit->nr_avoid; j++)
			if (fit->avoid[j] == i)
				return false;
	}
	return true;
}

static unsigned long first_fit(const struct input *in, unsigned long nbits,
			       const struct cma_fit *fit)
{
	unsigned long start;

	for (start = 0; start < nbits; start++)
		if (fits_at(in, nbits, fit, start))
			return start;
	return CMA_NOWHERE;
}

int fuzz_one(const unsigned char *data, size_t size)
{
	unsigned long picks[CMA_PICKS_MAX], nbits;
	struct input in = {};
	struct cma_fit fit;
	unsigned int i, n;

	memcpy(&in, data, min(size, sizeof(in)));
	nbits = 1 + in.nbits % NBITS;
	/* As cma_init_request() makes them. */
	fit.count = max(in.count, 1UL);
	fit.mask = (1UL << in.align % BITS_PER_LONG) - 1;
	fit.offset = in.offset & fit.mask;
	fit.nr_avoid = in.nr_avoid % (CMA_AVOID_MAX + 1);
	for (i = 0; i < fit.nr_avoid; i++)
		fit.avoid[i] = in.avoid[i];
	n = cma_choose(in.map, nbits, &fit, picks);
	MUST(n <= CMA_PICKS_MAX);
	MUST((n ? picks[0] : CMA_NOWHERE) == first_fit(&in, nbits, &fit));
	for (i = 0; i < n; i++)
		MUST(fits_at(&in, nbits, &fit, picks[i]));
	return 0;
}
