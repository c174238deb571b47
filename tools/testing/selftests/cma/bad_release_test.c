// SPDX-License-Identifier: GPL-2.0
/*
 * Releases that a broken driver makes: of pages given back already, of more
 * than was handed out, of parts that the bookkeeping can't tell apart. They are
 * left alone, and warned about once - with a kernel warning, so that this test
 * is of its own, and skipped where a warning is a panic. The base kernel frees
 * pages that it doesn't own in each of these cases.
 */
#include <fcntl.h>
#include <unistd.h>

#include "cma_util.h"

#define SEED	0x5eedULL

/*
 * A refused release changes no counter and frees no page. It may answer true:
 * callers free what is not of an area by other means.
 */
static void left_alone(const char *area, uint64_t pfn, uint64_t pages)
{
	unsigned long long used = cma_debugfs(area, "used");
	unsigned long long freed = cma_sysfs(area, "release_pages_success");

	cma_expect(cma_release_raw(area, pfn, pages, false) >= 0, "%m");
	cma_expect(cma_debugfs(area, "used") == used, "used");
	cma_expect(cma_sysfs(area, "release_pages_success") == freed,
		   "counted");
}

static int release_twice(void)
{
	struct cma_test_alloc keep, req;

	cma_expect(!cma_take(AREA_WHOLE, 300, 0, &keep), "keep");
	cma_expect(!cma_take(AREA_WHOLE, 100, 0, &req), "request");
	cma_expect(!cma_fill(cma_dev, keep.handle, SEED), "fill");
	cma_expect(!cma_give(req.handle), "once");
	left_alone(AREA_WHOLE, req.pfn, 100);
	left_alone(AREA_WHOLE, req.pfn + 50, 1);
	cma_expect(cma_intact(cma_dev, keep.handle, SEED), "content");
	cma_expect(!cma_give(keep.handle), "keep");
	return cma_is_whole(AREA_WHOLE) ? KSFT_PASS : KSFT_FAIL;
}

static int release_too_much(void)
{
	struct cma_test_alloc req;
	struct cma_area a;

	cma_expect(!cma_area_get(AREA_WHOLE, &a), "area");
	cma_expect(!cma_take(AREA_WHOLE, 100, 0, &req), "request");
	cma_expect(!cma_fill(cma_dev, req.handle, SEED), "fill");
	left_alone(AREA_WHOLE, req.pfn, 101);
	left_alone(AREA_WHOLE, req.pfn, a.count + 1);
	left_alone(AREA_WHOLE, req.pfn, 1ULL << 52);
	left_alone(AREA_WHOLE, req.pfn, ~0ULL);
	left_alone(AREA_WHOLE, req.pfn, 0);
	left_alone(AREA_WHOLE, a.base + a.count - 1, 2);
	cma_expect(cma_intact(cma_dev, req.handle, SEED), "content");
	cma_expect(!cma_give(req.handle), "release");
	return cma_is_whole(AREA_WHOLE) ? KSFT_PASS : KSFT_FAIL;
}

/* Part of a bit can't be free: the bit would lie about the rest. */
static int release_part_of_bit(void)
{
	struct cma_test_alloc req;

	cma_expect(!cma_take(AREA_BITS, 64, 0, &req), "request");
	cma_expect(!cma_fill(cma_dev, req.handle, SEED), "fill");
	left_alone(AREA_BITS, req.pfn + 8, 16);
	left_alone(AREA_BITS, req.pfn + 8, 56);
	cma_expect(cma_intact(cma_dev, req.handle, SEED), "content");
	cma_expect(cma_release_raw(AREA_BITS, req.pfn + 32, 32, true) == 1, "whole bits");
	cma_expect(cma_debugfs(AREA_BITS, "used") == 32, "used");
	cma_expect(!cma_give(req.handle), "release");
	return cma_is_whole(AREA_BITS) ? KSFT_PASS : KSFT_FAIL;
}

/* Nor can what lies behind a block in its last bit. */
static int release_wrong_end(void)
{
	struct cma_test_alloc req;

	cma_expect(!cma_take(AREA_BITS, 30, 0, &req), "request");
	cma_expect(!cma_fill(cma_dev, req.handle, SEED), "fill");
	left_alone(AREA_BITS, req.pfn, 17);
	left_alone(AREA_BITS, req.pfn, 31);
	left_alone(AREA_BITS, req.pfn, 32);
	cma_expect(cma_intact(cma_dev, req.handle, SEED), "content");
	cma_expect(!cma_give(req.handle), "release");
	return cma_is_whole(AREA_BITS) ? KSFT_PASS : KSFT_FAIL;
}

static int warned_once(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), lines;
	char last[512] = "";

	cma_expect(log >= 0, "%m");
	lines = cma_log_count(log, "not a block that was handed out", last,
			      sizeof(last));
	close(log);
	cma_expect(lines == 1, "%d lines, last: %s", lines, last);
	return KSFT_PASS;
}

static const struct cma_case cases[] = {
	{ "release twice", release_twice, true },
	{ "release too much", release_too_much, true },
	{ "release part of a bit", release_part_of_bit, true },
	{ "release up to a wrong end", release_wrong_end, true },
	{ "all that is warned about once", warned_once, true },
};

int main(void)
{
	unsigned long long panic = 0;

	cma_read_number("/proc/sys/kernel/panic_on_warn", &panic);
	if (panic)
		ksft_exit_skip("panic_on_warn is set\n");
	cma_run(cases, ARRAY_SIZE(cases));
}
