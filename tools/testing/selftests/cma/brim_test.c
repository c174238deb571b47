// SPDX-License-Identifier: GPL-2.0
/*
 * Memory full to the brim: an area that is lent is not idle while others go
 * short.
 *
 *   first-LOAD  a borrower fills memory: how much of the area is free when the
 *               kernel reclaims the first page?
 *   room-WHO    borrowers have filled memory outside of the area, and most of the
 *               area is free: somebody who may not borrow gets 100 MiB, and
 *               nothing is swapped out or killed for that
 *   lru-WHICH   nine tenths of what may be reclaimed are lent, and nothing is free:
 *               somebody who may not borrow gets what others have outside
 *
 * What was moved into the area to make room is guarded as any loan. For the base
 * kernel's allocator a row is a measurement.
 *
 * Usage: brim_test [CASE...]; the keys of the cases stand at the end of this file
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cma_block.h"
#include "cma_hog.h"
#include "cma_load.h"
#include "cma_place.h"
#include "cma_util.h"

#define STEP		(512 * 1024UL)
#define FINE_STEP	(64 * 1024UL)	/* once nearly all is lent */
#define FINE		5.0
#define WANT		(100 * BLOCK_CHUNK)
#define LIMIT_MS	120000
#define CACHE		(8 * BLOCK_CHUNK)
#define FREE_MOST	2.0	/* percent of the area */

static double free_percent(void)
{
	struct cma_test_share s;

	if (cma_share(AREA_TEST, &s) || !s.count)
		return -1;
	return 100.0 * s.free / s.count;
}

static int verdict(bool ok)
{
	return ok ? KSFT_PASS : KSFT_FAIL;
}

/* The first page that is reclaimed. */

static size_t step(double left)
{
	return left > FINE ? STEP : FINE_STEP;
}

static int first_anon(void)
{
	unsigned long long before;
	size_t at, most = cma_mem_total();
	char *mem = cma_block_map(most);
	double left = 100;
	int cache;

	cma_expect(mem, "mmap");
	cma_empty_memory();
	/* Without anything that can be reclaimed there would be a victim. */
	cache = cma_block_cached_file(CACHE, false);
	cma_expect(cache >= 0, "file");
	before = cma_reclaimed();
	for (at = 0; at < most && cma_reclaimed() == before; at += step(left)) {
		left = free_percent();
		memset(mem + at, 1, step(left));
	}
	munmap(mem, most);
	close(cache);
	ksft_print_msg("row first-anon free_percent=%.1f\n", left);
	return verdict(left <= FREE_MOST);
}

static int first_file(void)
{
	static char buf[STEP];
	size_t at, most = cma_mem_total();
	unsigned long long before;
	double left = 100;
	int fd;

	cma_empty_memory();
	fd = cma_sparse_file(most);
	cma_expect(fd >= 0, "file");
	before = cma_reclaimed();
	for (at = 0; at < most && cma_reclaimed() == before; at += step(left)) {
		left = free_percent();
		if (pread(fd, buf, step(left), at) < 0)
			break;
	}
	close(fd);
	ksft_print_msg("row first-file free_percent=%.1f\n", left);
	return verdict(left <= FREE_MOST);
}

/* Who may not borrow. */

/* Messages in sockets: how much a message takes is the kernel's choice. */
#define MESSAGE		1024UL
#define MESSAGES	256

static size_t bytes_slab(void)
{
	return cma_keyed("/proc/meminfo", "Slab") * 1024ULL;
}

static int run_slab(struct cma_block *b)
{
	size_t before = bytes_slab();
	int size = 16 * BLOCK_CHUNK, fd[2], i;
	static char buf[MESSAGE];

	while (bytes_slab() < before + b->bytes) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) ||
		    setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)))
			return cma_block_failed(b, "socketpair");
		for (i = 0; i < MESSAGES; i++)
			if (send(fd[1], buf, MESSAGE, MSG_DONTWAIT) < 0)
				return cma_block_failed(b, "send");
	}
	for (;;) {
		cma_block_report(b, b->bytes);
		cma_block_sleep();
	}
}

static const struct cma_block_kind slab_kind = {
	.name = "slab", .run = run_slab,
};

static struct cma_block hog, block;

static unsigned long long moved_in(void)
{
	return cma_is_lend() ? cma_sysfs(AREA_TEST, "pages_moved_in") : 0;
}

#define LRU_GEN		"/sys/kernel/mm/lru_gen/enabled"
#define CLASSIC		"0"
#define GENERATIONS	"7"

static char old_lru[16];

/* A case that failed may have left something. */
static void begin(const char *lru)
{
	cma_block_stop(&block);
	cma_block_stop(&hog);
	cma_write_text(LRU_GEN, lru);
	cma_empty_memory();
}

/* Pages of @kind for those who may not borrow, beside a hog that has the rest. */
static int room_beside(const struct cma_block_kind *kind, const char *hog_name,
		       const char *lru)
{
	unsigned long long kills, swapped, split, moved = moved_in();
	double before;
	bool ok;

	begin(lru);
	cma_expect(cma_hog_start(&hog, cma_hog_find(hog_name), WANT),
		   "no hog");
	before = free_percent();
	kills = cma_vmstat("oom_kill");
	swapped = cma_vmstat("pswpout");
	split = cma_vmstat("thp_split_page");
	cma_expect(!cma_block_start(&block, kind, WANT, false),
		   "%s does not start", kind->name);
	/* Cache may be reclaimed a moment after it was read. */
	ok = cma_block_ready(&block, cma_slow(LIMIT_MS)) && cma_block_alive(&hog) &&
	     block.state->held * 10 >= WANT * 8;
	kills = cma_vmstat("oom_kill") - kills;
	swapped = cma_vmstat("pswpout") - swapped;
	ksft_print_msg("row room-%s-%s ok=%d held_mib=%llu free_before=%.1f free_after=%.1f\n",
		       kind->name, hog_name, ok, block.state->held >> 20, before,
		       free_percent());
	ksft_print_msg("row cost-%s-%s moved_in=%llu split=%llu kills=%llu swapped=%llu\n",
		       kind->name, hog_name, moved_in() - moved,
		       cma_vmstat("thp_split_page") - split, kills, swapped);
	cma_block_stop(&block);
	cma_block_stop(&hog);
	return verdict(ok && !kills && !swapped);
}

static int room_for(const struct cma_block_kind *kind)
{
	return room_beside(kind, "anon", CLASSIC);
}

static int room_pipe(void)
{
	return room_for(&cma_pipes);
}

static int room_pipe_huge(void)
{
	return room_beside(&cma_pipes, "thp", CLASSIC);
}

static int room_pipe_generations(void)
{
	return old_lru[0] ? room_beside(&cma_pipes, "anon", GENERATIONS) :
			    KSFT_SKIP;
}

static int room_slab(void)
{
	return room_for(&slab_kind);
}

static int room_fuse(void)
{
	return room_for(cma_block_find("fuse-read"));
}

static int room_pin(void)
{
	return room_for(cma_block_find("gup-pin"));
}

/*
 * Nearly all of the LRU is in the area, which has to be large for that. What is free
 * outside, with the cache there, is less than what is wanted.
 */

#define LRU_OUTSIDE	(8 * BLOCK_CHUNK)
#define LRU_FREE	(11 * BLOCK_CHUNK)
#define LRU_WANT	(9 * BLOCK_CHUNK)
#define LRU_LENT	90.0

static bool area_is_half(void)
{
	struct cma_area a;

	return !cma_area_get(AREA_TEST, &a) &&
	       2 * a.count * BLOCK_PAGE >= cma_mem_total();
}

/* Percent of the pages on the LRU lists that are lent. */
static double lru_percent(void)
{
	struct cma_test_share s = {};
	double pages = cma_vmstat("nr_active_anon") +
		       cma_vmstat("nr_inactive_anon") +
		       cma_vmstat("nr_active_file") +
		       cma_vmstat("nr_inactive_file");

	cma_share(AREA_TEST, &s);
	return 100 * (s.anon + s.shmem + s.file) / pages;
}

static int lru_in_area(const char *name, const char *lru)
{
	unsigned long long kills, moved = moved_in();
	char *mem;
	bool ok;

	if (!area_is_half())
		return KSFT_SKIP;
	begin(lru);
	mem = cma_block_memory(LRU_OUTSIDE);
	cma_expect(mem, "memory");
	cma_expect(!cma_block_start(&hog, &cma_pipes,
				    cma_bytes_outside() - LRU_FREE, false) &&
		   cma_block_ready(&hog, cma_slow(LIMIT_MS)), "no pipes");
	cma_lend_out(AREA_TEST, 98, cma_slow(LIMIT_MS));
	ksft_print_msg("row lru-%s lent=%.1f free_mib=%zu\n", name,
		       lru_percent(), cma_bytes_outside() >> 20);
	cma_expect(lru_percent() >= LRU_LENT || !cma_is_lend(), "%.1f %%",
		   lru_percent());
	kills = cma_vmstat("oom_kill");
	ok = !cma_block_start(&block, &cma_pipes, LRU_WANT, false) &&
	     cma_block_ready(&block, cma_slow(LIMIT_MS)) && cma_block_alive(&hog);
	kills = cma_vmstat("oom_kill") - kills;
	ksft_print_msg("row lru-cost-%s ok=%d moved_in=%llu kills=%llu\n", name,
		       ok, moved_in() - moved, kills);
	cma_block_stop(&block);
	cma_block_stop(&hog);
	munmap(mem, LRU_OUTSIDE);
	return verdict(ok && !kills);
}

static int lru_classic(void)
{
	return lru_in_area("classic", CLASSIC);
}

static int lru_generations(void)
{
	return old_lru[0] ? lru_in_area("generations", GENERATIONS) : KSFT_SKIP;
}

/* What was moved in is guarded as any loan. */

#define FILE_BYTES	(48 * BLOCK_CHUNK)
#define LENT_PAGES	256
#define PRESSURE	(4 * BLOCK_CHUNK)	/* more, each time */
#define PRESSURE_MOST	(32 * BLOCK_CHUNK)

static int fill_pipes(int fd)
{
	static int pipes[FILE_BYTES / BLOCK_CHUNK][2];
	loff_t at = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pipes); i++) {
		if (pipe(pipes[i]) ||
		    fcntl(pipes[i][1], F_SETPIPE_SZ, BLOCK_CHUNK) < 0)
			return -errno;
		while (splice(fd, &at, pipes[i][1], NULL, BLOCK_CHUNK,
			      SPLICE_F_NONBLOCK) > 0)
			;
	}
	return at == FILE_BYTES ? 0 : -ENOSPC;
}

/* Reads, so that pagemap knows the frame. */
static void touch(const char *mem, size_t bytes)
{
	size_t at;

	for (at = 0; at < bytes; at += BLOCK_PAGE)
		__atomic_load_n(mem + at, __ATOMIC_RELAXED);
}

/* Pages of the file that are lent. What isn't in memory stays out of it. */
static unsigned long pages_inside(int fd)
{
	static unsigned char vec[FILE_BYTES / BLOCK_PAGE];
	char *map = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	struct cma_frames f = {};
	size_t i, n;

	/* Random access leaves it as cold as it is. */
	cma_expect(map != MAP_FAILED && !mincore(map, FILE_BYTES, vec) &&
		   !madvise(map, FILE_BYTES, MADV_RANDOM), "%m");
	for (i = 0; i < sizeof(vec); i += n + 1) {
		for (n = 0; i + n < sizeof(vec) && vec[i + n] & 1; n++)
			;
		touch(map + i * BLOCK_PAGE, n * BLOCK_PAGE);
		cma_expect(cma_add_frames(&f, map + i * BLOCK_PAGE,
					  n * BLOCK_PAGE), "pagemap");
	}
	munmap(map, FILE_BYTES);
	return f.inside;
}

/* Pipes take all that is free outside, and a little more: others have to move. */
static void press(size_t bytes)
{
	cma_expect(!cma_block_start(&block, &cma_pipes, bytes, false) &&
		   cma_block_ready(&block, cma_slow(LIMIT_MS)), "no pipes");
	cma_block_stop(&block);
}

/* Whichever area its pages were moved into. */
static unsigned long long guarded(void)
{
	unsigned long long pages = 0;
	unsigned int i;

	for (i = 0; i < CMA_AREAS; i++)
		pages += cma_sysfs(cma_areas[i], "guard_pages_moved") +
			 cma_sysfs(cma_areas[i], "guard_pages_copied");
	return pages;
}

/*
 * A file that was read before anything of it was lent. What is cold is moved first:
 * how much of that is the file's is chance, so pressure rises until it is enough.
 */
static int guards_what_moved(void)
{
	unsigned long long before, first, moved;
	unsigned long inside;
	size_t more = 0;
	int fd;

	begin(CLASSIC);
	cma_place_init();
	fd = cma_block_cached_file(FILE_BYTES, false);
	cma_expect(fd >= 0, "file");
	cma_expect(!pages_inside(fd), "it was lent when it was read");
	first = moved_in();
	do {
		more += PRESSURE;
		/* What was reclaimed the last time is read again. */
		posix_fadvise(fd, 0, FILE_BYTES, POSIX_FADV_WILLNEED);
		press(cma_bytes_outside() + more);
		inside = pages_inside(fd);
		ksft_print_msg("row moved more_mib=%zu moved_in=%llu inside=%lu\n",
			       more >> 20, moved_in() - first, inside);
	} while (inside < LENT_PAGES && more < PRESSURE_MOST);
	cma_expect(inside && moved_in() > first,
		   "nothing of the file was moved in");
	before = guarded();
	cma_expect(!fill_pipes(fd), "splice");
	moved = guarded() - before;
	cma_expect(cma_is_whole(AREA_TEST), "pipes hold loans");
	cma_expect(moved + CMA_FEW_PAGES >= inside, "%llu pages of %lu guarded",
		   moved, inside);
	close(fd);
	return KSFT_PASS;
}

static const struct cma_case cases[] = {
	{ "anonymous memory uses the area before reclaim",
	  first_anon, false, "first-anon" },
	{ "page cache uses the area before reclaim",
	  first_file, false, "first-file" },
	/* First: what others leave is too fragmented for huge pages. */
	{ "room for pipe buffers beside huge pages",
	  room_pipe_huge, false, "room-huge" },
	{ "room for pipe buffers",
	  room_pipe, false, "room-pipe" },
	{ "room for slab",
	  room_slab, false, "room-slab" },
	{ "room for FUSE's cache",
	  room_fuse, false, "room-fuse" },
	{ "room for pins",
	  room_pin, false, "room-pin" },
	{ "room for pipe buffers, LRU of generations",
	  room_pipe_generations, false, "room-gen" },
	{ "most of the LRU is lent",
	  lru_classic, false, "lru-classic" },
	{ "most of the LRU is lent, LRU of generations",
	  lru_generations, false, "lru-gen" },
	{ "what was moved in is guarded",
	  guards_what_moved, true, "moved" },
};

static void restore(void)
{
	if (old_lru[0])
		cma_write_text(LRU_GEN, old_lru);
	cma_block_settings(true);
}

int main(int argc, char **argv)
{
	cma_write_text("/proc/self/oom_score_adj", "-1000");
	cma_block_settings(false);
	cma_read_text(LRU_GEN, old_lru, sizeof(old_lru));
	atexit(restore);
	cma_run_chosen(cases, ARRAY_SIZE(cases), argv + 1);
}
