// SPDX-License-Identifier: GPL-2.0
/*
 * A gigantic page that an area has handed out can be pinned for long, where it is:
 * for a guest's devices, for RDMA, for io_uring's buffers.
 *
 * Boot with hugetlb_cma=1G, and memory beside that.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../../../mm/gup_test.h"
#include "cma_util.h"

#define AREA	"hugetlb0"
#define POOL	"/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages"
#define GUP	"/sys/kernel/debug/gup_test"
#define BYTES	(1024 * 1024 * 1024UL)
#define PAGE	4096UL
/* linux/mman.h has it, and what sys/mman.h has as well. */
#define HUGE_1GB	(30 << MAP_HUGE_SHIFT)
#define FRAME	(~0ULL >> 9)
#define LIMIT_MS	10000

static char *mem = MAP_FAILED;
static int gup = -1;

/* Return: the frame of the first page, 0 if there is none. */
static uint64_t frame(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (pread(fd, &entry, sizeof(entry), (uintptr_t)mem / PAGE * 8) !=
	    sizeof(entry))
		entry = 0;
	close(fd);
	return entry & FRAME;
}

static unsigned long long pool(void)
{
	unsigned long long pages = ~0ULL;

	cma_read_number(POOL, &pages);
	return pages;
}

/* Undoes what a case that failed has left. */
static void end(void)
{
	if (gup >= 0)
		close(gup);
	gup = -1;
	if (mem != MAP_FAILED)
		munmap(mem, BYTES);
	mem = MAP_FAILED;
	cma_write_text(POOL, "0");
}

/* A worker may have to do it. */
static bool is_back(void *data)
{
	return !pool() && !cma_debugfs(AREA, "used");
}

static void map_page(void)
{
	cma_expect(!cma_write_text(POOL, "1") && pool() == 1,
		   "no gigantic page at run time");
	mem = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | HUGE_1GB, -1, 0);
	cma_expect(mem != MAP_FAILED, "mmap: %m");
	*mem = 1;
}

static int pinned(unsigned int flags)
{
	struct pin_longterm_test pin = {
		.size = BYTES, .flags = PIN_LONGTERM_TEST_FLAG_USE_WRITE | flags,
	};
	struct cma_area a;
	uint64_t pfn;
	int err;

	end();
	if (access(GUP, F_OK) || cma_area_get(AREA, &a))
		return KSFT_SKIP;
	map_page();
	pfn = frame();
	cma_expect(pfn - a.base < a.count, "%#llx is not of the area",
		   (unsigned long long)pfn);
	gup = open(GUP, O_RDWR);
	pin.addr = (uintptr_t)mem;
	err = ioctl(gup, PIN_LONGTERM_TEST_START, &pin) ? -errno : 0;
	ksft_print_msg("row pin flags=%u err=%d moved=%d\n", flags, err,
		       frame() != pfn);
	if (!cma_is_lend())
		return KSFT_SKIP;
	cma_expect(!err, "%s", strerror(-err));
	cma_expect(frame() == pfn, "it was moved");
	/* It is the pin that keeps it, once the mapping is gone. */
	munmap(mem, BYTES);
	mem = MAP_FAILED;
	cma_write_text(POOL, "0");
	cma_expect(cma_debugfs(AREA, "used") == a.count, "it is free");
	end();
	cma_expect(cma_wait(is_back, NULL, LIMIT_MS), "it did not come back");
	return KSFT_PASS;
}

static int pinned_slowly(void)
{
	return pinned(0);
}

static int pinned_fast(void)
{
	return pinned(PIN_LONGTERM_TEST_FLAG_USE_FAST);
}

static const struct cma_case cases[] = {
	{ "a gigantic page is pinned where it is", pinned_slowly, false },
	{ "and without a lock", pinned_fast, false },
};

int main(void)
{
	atexit(end);
	cma_run(cases, ARRAY_SIZE(cases));
}
