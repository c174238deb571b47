/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What overhead_rows.c measures and overhead_test.c repeats: rows, each of a
 * kind. Times are nanoseconds; on the instruction clock they are instructions.
 */
#ifndef OVERHEAD_H
#define OVERHEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "cma_place.h"

#define PAGE		4096UL
#define HUGE		(2UL << 20)
#define FAULT_BYTES	(5 * HUGE)

enum overhead_set { OUTSIDE, NONE, INSIDE, PARALLEL, SETS };

#define SET(set)	(0x1 << (set))

/**
 * struct sample - one measurement
 * @ns: of the whole sample
 * @part_ns: of the part that has a row of its own
 * @frames: where the memory was
 */
struct sample {
	uint64_t ns, part_ns;
	struct cma_frames frames;
};

struct row;

/**
 * struct kind - how to measure
 * @begin: makes what the passes need
 * @where: adds the frames that a pass will use; NULL if @pass does that
 * @pass: adds its time
 * @end: undoes @begin, also after it failed
 */
struct kind {
	bool (*begin)(const struct row *r);
	bool (*where)(const struct row *r, struct cma_frames *f);
	bool (*pass)(const struct row *r, struct sample *x);
	void (*end)(const struct row *r);
};

/**
 * struct row - one line of the table, or two
 * @name: of the figure
 * @part: what to add for the second figure, if there is one
 * @sets: mask of where it is measured
 * @ops: operations in a pass
 * @kind: how
 * @arg: bytes or pages a call
 * @cmd: of gup_test
 * @first: the first pass over lent memory is the part, the last the figure
 */
struct row {
	const char *name, *part;
	unsigned int sets;
	unsigned long ops;
	const struct kind *kind;
	unsigned long arg, cmd;
	bool first;
};

extern const struct row overhead_rows[];
extern const unsigned int overhead_nr_rows;

char *overhead_map(int place, size_t bytes, int advice);
void overhead_touch(char *at, size_t bytes);

#endif /* OVERHEAD_H */
