// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite of mm/range_cma.h: known answers.  Random ones are compared with
 * a slow reference in user space, tools/testing/cma/range_test.c.
 */
#include <kunit/test.h>
#include <linux/bitmap.h>

#include "../range_cma.h"

#define NBITS 64UL

static void fit_low_aligns_up(struct kunit *test)
{
	struct cma_fit fit = { .count = 4, .mask = 7 };
	struct cma_run run = { .start = 3, .end = 20 };

	KUNIT_EXPECT_EQ(test, cma_fit_low(&fit, run), 8UL);
	run.end = 12;
	KUNIT_EXPECT_EQ(test, cma_fit_low(&fit, run), 8UL);
	run.end = 11;
	KUNIT_EXPECT_EQ(test, cma_fit_low(&fit, run), CMA_NOWHERE);
	fit.offset = 2;
	run.end = 20;
	KUNIT_EXPECT_EQ(test, cma_fit_low(&fit, run), 6UL);
}

static void fit_high_aligns_down(struct kunit *test)
{
	struct cma_fit fit = { .count = 4, .mask = 7 };
	struct cma_run run = { .start = 3, .end = 21 };

	KUNIT_EXPECT_EQ(test, cma_fit_high(&fit, run), 16UL);
	run.end = 19;
	KUNIT_EXPECT_EQ(test, cma_fit_high(&fit, run), 8UL);
	run.end = 11;
	KUNIT_EXPECT_EQ(test, cma_fit_high(&fit, run), CMA_NOWHERE);
	run.end = 5;
	KUNIT_EXPECT_EQ(test, cma_fit_high(&fit, run), CMA_NOWHERE);
}

static void fit_survives_huge_alignment(struct kunit *test)
{
	struct cma_fit fit = { .count = 1, .mask = ULONG_MAX >> 1 };
	struct cma_run run = { .start = 1, .end = NBITS };

	KUNIT_EXPECT_EQ(test, cma_fit_low(&fit, run), CMA_NOWHERE);
	KUNIT_EXPECT_EQ(test, cma_fit_high(&fit, run), CMA_NOWHERE);
	fit.mask = ULONG_MAX;
	KUNIT_EXPECT_EQ(test, cma_fit_low(&fit, run), CMA_NOWHERE);
	KUNIT_EXPECT_EQ(test, cma_fit_high(&fit, run), CMA_NOWHERE);
}

static void choose_offers_both_ends_of_a_free_area(struct kunit *test)
{
	DECLARE_BITMAP(map, NBITS) = {};
	struct cma_fit fit = { .count = 16 };
	unsigned long picks[CMA_PICKS_MAX];

	KUNIT_ASSERT_EQ(test, cma_choose(map, NBITS, &fit, picks), 2U);
	KUNIT_EXPECT_EQ(test, picks[0], 0UL);
	KUNIT_EXPECT_EQ(test, picks[1], 48UL);
	fit.count = NBITS;
	KUNIT_EXPECT_EQ(test, cma_choose(map, NBITS, &fit, picks), 1U);
	fit.count = NBITS + 1;
	KUNIT_EXPECT_EQ(test, cma_choose(map, NBITS, &fit, picks), 0U);
}

/* 17 at the last aligned place leave 40 in one piece, at the first one 47. */
static void choose_keeps_the_larger_run(struct kunit *test)
{
	DECLARE_BITMAP(map, NBITS) = {};
	struct cma_fit fit = { .count = 16, .mask = 7 };
	unsigned long picks[CMA_PICKS_MAX];

	KUNIT_EXPECT_EQ(test, cma_choose(map, NBITS, &fit, picks), 2U);
	fit.count = 17;
	KUNIT_ASSERT_EQ(test, cma_choose(map, NBITS, &fit, picks), 1U);
	KUNIT_EXPECT_EQ(test, picks[0], 0UL);
}

static void choose_is_first_fit(struct kunit *test)
{
	DECLARE_BITMAP(map, NBITS) = {};
	struct cma_fit fit = { .count = 4 };
	unsigned long picks[CMA_PICKS_MAX];

	/* Gaps: 0-2, 8-15, 24-55. */
	bitmap_set(map, 3, 5);
	bitmap_set(map, 16, 8);
	bitmap_set(map, 56, 8);
	KUNIT_ASSERT_EQ(test, cma_choose(map, NBITS, &fit, picks), 1U);
	KUNIT_EXPECT_EQ(test, picks[0], 8UL);
	fit.count = 9;
	KUNIT_ASSERT_EQ(test, cma_choose(map, NBITS, &fit, picks), 1U);
	KUNIT_EXPECT_EQ(test, picks[0], 24UL);
	fit.count = 33;
	KUNIT_EXPECT_EQ(test, cma_choose(map, NBITS, &fit, picks), 0U);
}

static void choose_offers_equal_gaps(struct kunit *test)
{
	DECLARE_BITMAP(map, NBITS) = {};
	struct cma_fit fit = { .count = 4 };
	unsigned long picks[CMA_PICKS_MAX];

	/* Gaps: 0-7, 16-23, 32-63. */
	bitmap_set(map, 8, 8);
	bitmap_set(map, 24, 8);
	KUNIT_ASSERT_EQ(test, cma_choose(map, NBITS, &fit, picks), 2U);
	KUNIT_EXPECT_EQ(test, picks[0], 0UL);
	KUNIT_EXPECT_EQ(test, picks[1], 16UL);
}

static void choose_avoids_culprits(struct kunit *test)
{
	DECLARE_BITMAP(map, NBITS) = {};
	struct cma_fit fit = { .count = 16, .nr_avoid = 2, .avoid = { 40, 5 } };
	unsigned long picks[CMA_PICKS_MAX];

	/* Runs: 0-4, 6-39, 41-63. */
	KUNIT_ASSERT_EQ(test, cma_choose(map, NBITS, &fit, picks), 1U);
	KUNIT_EXPECT_EQ(test, picks[0], 6UL);
	fit.avoid[1] = 25;
	KUNIT_ASSERT_EQ(test, cma_choose(map, NBITS, &fit, picks), 1U);
	KUNIT_EXPECT_EQ(test, picks[0], 0UL);
	fit.count = 26;
	KUNIT_EXPECT_EQ(test, cma_choose(map, NBITS, &fit, picks), 0U);
}

static void held_looks_at_every_granule(struct kunit *test)
{
	DECLARE_BITMAP(map, NBITS) = {};
	struct cma_run run = { .start = 8, .end = 16 };

	bitmap_set(map, 8, 8);
	KUNIT_EXPECT_TRUE(test, cma_bitmap_held(map, run));
	run.end = 17;
	KUNIT_EXPECT_FALSE(test, cma_bitmap_held(map, run));
	clear_bit(12, map);
	run.end = 16;
	KUNIT_EXPECT_FALSE(test, cma_bitmap_held(map, run));
}

static void chunks_are_aligned_and_inside(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, cma_chunk_order(0, 1UL << 20, 10), 10U);
	KUNIT_EXPECT_EQ(test, cma_chunk_order(0x1000, 0x1400, 10), 10U);
	KUNIT_EXPECT_EQ(test, cma_chunk_order(0x1000, 0x13ff, 10), 9U);
	KUNIT_EXPECT_EQ(test, cma_chunk_order(0x1001, 0x1400, 10), 0U);
	KUNIT_EXPECT_EQ(test, cma_chunk_order(0x1006, 0x1400, 10), 1U);
}

static void histogram_is_log2(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, cma_hist_bucket(0), 0U);
	KUNIT_EXPECT_EQ(test, cma_hist_bucket(1), 1U);
	KUNIT_EXPECT_EQ(test, cma_hist_bucket(2), 2U);
	KUNIT_EXPECT_EQ(test, cma_hist_bucket(3), 2U);
	KUNIT_EXPECT_EQ(test, cma_hist_bucket(4), 3U);
	KUNIT_EXPECT_EQ(test, cma_hist_bucket(U64_MAX), CMA_HIST_BUCKETS - 1);
}

static void percentiles_are_bucket_bounds(struct kunit *test)
{
	unsigned long long hist[CMA_HIST_BUCKETS] = {};

	KUNIT_EXPECT_EQ(test, cma_hist_percentile(hist, 50), 0ULL);
	hist[3] = 99;
	hist[10] = 1;
	KUNIT_EXPECT_EQ(test, cma_hist_percentile(hist, 50), 8ULL);
	KUNIT_EXPECT_EQ(test, cma_hist_percentile(hist, 99), 8ULL);
	KUNIT_EXPECT_EQ(test, cma_hist_percentile(hist, 100), 1024ULL);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(fit_low_aligns_up),
	KUNIT_CASE(fit_high_aligns_down),
	KUNIT_CASE(fit_survives_huge_alignment),
	KUNIT_CASE(choose_offers_both_ends_of_a_free_area),
	KUNIT_CASE(choose_keeps_the_larger_run),
	KUNIT_CASE(choose_is_first_fit),
	KUNIT_CASE(choose_offers_equal_gaps),
	KUNIT_CASE(choose_avoids_culprits),
	KUNIT_CASE(held_looks_at_every_granule),
	KUNIT_CASE(chunks_are_aligned_and_inside),
	KUNIT_CASE(histogram_is_log2),
	KUNIT_CASE(percentiles_are_bucket_bounds),
	{}
};

static struct kunit_suite suite = {
	.name = "range_cma",
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit suite of the arithmetic of the contiguous allocator");
