// SPDX-License-Identifier: GPL-2.0
/*
 * Frames by pagemap, and a hog: memory that fills what is outside of the areas
 * and, without swap, stays, so that whatever comes next must borrow. The hog
 * grows while a device holds the whole area; otherwise it would borrow itself.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cma_load.h"
#include "cma_place.h"
#include "cma_util.h"

#define PAGE		4096UL
#define PM_PRESENT	(~0ULL << 63)
#define PM_FRAME	(~0ULL >> 9)

/**
 * struct zone - the zone that the areas are in, in pages
 * @free: free, areas included
 * @free_cma: free in areas
 * @low: watermark that wakes kswapd
 * @high: watermark
 * @cma: all areas
 */
struct zone {
	unsigned long free, free_cma, low, high, cma;
};

static struct cma_area areas[CMA_AREAS];
static unsigned int nr_areas;
static char *hog;
static size_t hog_bytes;

/* Returns how many pages the areas have: none is fine. */
unsigned long cma_place_init(void)
{
	unsigned long pages = 0;
	unsigned int i;

	nr_areas = 0;
	for (i = 0; cma_dev >= 0 && i < CMA_AREAS; i++)
		if (!cma_area_get(cma_areas[i], &areas[nr_areas]))
			pages += areas[nr_areas++].count;
	return pages;
}

/* Frames. */

static bool is_inside(uint64_t pfn)
{
	unsigned int i;

	for (i = 0; i < nr_areas; i++)
		if (pfn - areas[i].base < areas[i].count)
			return true;
	return false;
}

static void add_entries(struct cma_frames *f, const uint64_t *entry, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		/* The frame reads as zero for those who may not know it. */
		if (!(entry[i] & PM_PRESENT) || !(entry[i] & PM_FRAME))
			continue;
		f->all++;
		f->inside += is_inside(entry[i] & PM_FRAME);
	}
}

/* Adds what is mapped at @mem; false if that is nothing, or can't be told. */
bool cma_add_frames(struct cma_frames *f, const void *mem, size_t bytes)
{
	static uint64_t entries[512];
	int fd = open("/proc/self/pagemap", O_RDONLY);
	size_t at = (uintptr_t)mem / PAGE, end = at + bytes / PAGE, n;
	unsigned long before = f->all;
	bool ok = fd >= 0;

	while (ok && at < end) {
		n = end - at < ARRAY_SIZE(entries) ? end - at :
						     ARRAY_SIZE(entries);
		ok = pread(fd, entries, n * 8, at * 8) == (ssize_t)(n * 8);
		if (ok)
			add_entries(f, entries, n);
		at += n;
	}
	if (fd >= 0)
		close(fd);
	return ok && f->all > before;
}

double cma_inside_percent(const struct cma_frames *f)
{
	return f->all ? 100.0 * f->inside / f->all : 0;
}

/* The zone. */

static void zone_line(struct zone *z, const char *line)
{
	const struct {
		const char *format;
		unsigned long *to;
	} keys[] = {
		{ " pages free %lu", &z->free },
		{ " low %lu", &z->low },
		{ " high %lu", &z->high },
		{ " cma %lu", &z->cma },
		{ " nr_free_cma %lu", &z->free_cma },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (sscanf(line, keys[i].format, keys[i].to) == 1)
			return;
}

static bool read_zone(struct zone *z)
{
	static char buf[65536];
	char *line, *rest = buf;

	memset(z, 0, sizeof(*z));
	if (cma_read_text("/proc/zoneinfo", buf, sizeof(buf)) < 0)
		return false;
	while ((line = strsep(&rest, "\n"))) {
		if (!strncmp(line, "Node", 4) && z->cma)
			break;
		if (!strncmp(line, "Node", 4))
			memset(z, 0, sizeof(*z));
		zone_line(z, line);
	}
	return z->cma;
}

/*
 * Pages above the mark, which lies a quarter of the way from the high watermark
 * down to the low one: there both allocators let borrowers use the area, and
 * kswapd sleeps.
 */
static long too_many(const struct zone *z)
{
	return (long)(z->free - z->free_cma) - (long)z->high +
	       (long)(z->high - z->low) / 4;
}

/* What processors keep for themselves makes the counters lag. */
static bool is_full(const struct zone *z)
{
	return too_many(z) <= 64 &&
	       too_many(z) >= -(long)(z->high - z->low) / 4;
}

/* The hog. */

static bool map_hog(void)
{
	size_t room = cma_mem_total();

	if (hog)
		return true;
	/* Pages of a hog could be swapped out. */
	if (cma_keyed("/proc/meminfo", "SwapTotal"))
		return false;
	hog = mmap(NULL, room, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (hog == MAP_FAILED)
		hog = NULL;
	/* Children would inherit its page tables. */
	return hog && !madvise(hog, room, MADV_NOHUGEPAGE) &&
	       !madvise(hog, room, MADV_DONTFORK);
}

static void grow_hog(size_t pages)
{
	while (pages--) {
		hog[hog_bytes] = 1;
		hog_bytes += PAGE;
	}
}

void cma_shrink_hog(size_t bytes)
{
	bytes = bytes < hog_bytes ? bytes : hog_bytes;
	hog_bytes -= bytes;
	madvise(hog + hog_bytes, bytes, MADV_DONTNEED);
}

static bool grow_to_mark(void)
{
	struct zone z;

	while (read_zone(&z) && too_many(&z) > 0)
		grow_hog(too_many(&z) / 2 + 1);
	return z.cma;
}

/* Callers hold no lent memory that they want to keep: it would move. */
static bool grow_outside(void)
{
	struct cma_test_alloc req;
	unsigned int tries;
	int err = -EBUSY;
	bool ok;

	for (tries = 0; tries < 8 && err; tries++) {
		sync();
		err = cma_take(areas[0].name, areas[0].count, 0, &req);
		/* The area has got some of it, to make room outside. */
		if (err)
			cma_shrink_hog(areas[0].count * PAGE);
	}
	if (err) {
		ksft_print_msg("%s: whole area: %s\n", areas[0].name,
			       strerror(-err));
		return false;
	}
	ok = grow_to_mark();
	return !cma_give(req.handle) && ok;
}

/* Free memory outside of the areas goes down, or up, to the high watermark. */
bool cma_fill_outside(void)
{
	unsigned int tries;
	struct zone z;

	if (!nr_areas || !map_hog())
		return false;
	for (tries = 0; tries < 8 && read_zone(&z); tries++) {
		if (is_full(&z))
			return true;
		if (too_many(&z) < 0)
			cma_shrink_hog(-too_many(&z) * PAGE);
		else if (!grow_outside())
			return false;
	}
	ksft_print_msg("%ld pages too many are free outside\n", too_many(&z));
	return false;
}
