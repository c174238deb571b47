// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suite of mm/page_alloc_cma.c: requests to the area "kunit", which the
 * boot option cma_test= has to declare (cma_test=kunit:16M), else the cases
 * are skipped.
 */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/cma.h>
#include <linux/cma_lend.h>
#include <linux/mm.h>
#include <linux/pageblock-flags.h>
#include <linux/sched/mm.h>
#include <linux/workqueue.h>

#include "../cma_compat.h"
#include "../guard_cma.h"
#include "../page_alloc_cma.h"

static int match_area(struct cma *cma, void *data)
{
	if (strcmp(cma_get_name(cma), "kunit"))
		return 0;
	*(struct cma **)data = cma;
	return 1;
}

static int find_area(struct kunit *test)
{
	struct cma *cma = NULL;

	cma_for_each_area(match_area, &cma);
	if (!cma || !cma->count)
		kunit_skip(test, "no area: boot with cma_test=kunit:16M");
	test->priv = cma;
	return 0;
}

static u64 count_requests(struct cma *cma)
{
	unsigned int cpu, i;
	u64 count = 0;

	for_each_possible_cpu(cpu) {
		const struct cma_stats *stats = per_cpu_ptr(cma->stats, cpu);

		for (i = 0; i < CMA_HIST_BUCKETS; i++)
			count += stats->hist[i];
	}
	return count;
}

static u64 count_failures(struct cma *cma, enum cma_failure reason)
{
	unsigned int cpu;
	u64 count = 0;

	for_each_possible_cpu(cpu)
		count += per_cpu_ptr(cma->stats, cpu)->fail[reason];
	return count;
}

static void expect_no_block(struct kunit *test, struct cma *cma)
{
	KUNIT_EXPECT_EQ(test, bitmap_weight(cma->bitmap, cma_granules(cma)), 0U);
	KUNIT_EXPECT_EQ(test, bitmap_weight(cma->held, cma_granules(cma)), 0U);
	KUNIT_EXPECT_EQ(test, cma->claims, 0U);
}

static void serves_one_page_and_all(struct kunit *test)
{
	struct cma *cma = test->priv;
	struct page *page;

	page = cma_alloc(cma, 1, 0, false);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_EQ(test, page_count(page), 1);
	KUNIT_EXPECT_TRUE(test, cma_pages_valid(cma, page, 1));
	KUNIT_EXPECT_TRUE(test, cma_release(cma, page, 1));

	page = cma_alloc(cma, cma->count, 0, false);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_EQ(test, page_to_pfn(page), cma->base_pfn);
	KUNIT_EXPECT_NULL(test, cma_alloc(cma, 1, 0, true));
	KUNIT_EXPECT_TRUE(test, cma_release(cma, page, cma->count));
	expect_no_block(test, cma);
}

static void counts_each_request_once(struct kunit *test)
{
	struct cma *cma = test->priv;
	u64 before = count_requests(cma);
	struct page *page = cma_alloc(cma, 7, 0, false);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_EQ(test, count_requests(cma), before + 1);
	cma_release(cma, page, 7);
	KUNIT_EXPECT_EQ(test, count_requests(cma), before + 1);
}

static void expect_holder(struct kunit *test, unsigned long from, unsigned long pfn,
			  unsigned long count)
{
	struct cma_holder h = {};

	KUNIT_EXPECT_TRUE(test, cma_next_holder(test->priv, from, &h));
	KUNIT_EXPECT_EQ(test, h.pfn, pfn);
	KUNIT_EXPECT_EQ(test, h.count, count);
	KUNIT_EXPECT_EQ(test, h.pid, task_pid_nr(current));
	KUNIT_EXPECT_STREQ(test, h.comm, current->comm);
}

/* Parts of a block may be given back, in any order. */
static void knows_holders(struct kunit *test)
{
	struct cma *cma = test->priv;
	struct page *page = cma_alloc(cma, 8, 0, false);
	struct page *other = cma_alloc(cma, 3, 0, false);
	struct cma_holder largest[3];
	unsigned long pfn;

	KUNIT_ASSERT_NOT_NULL(test, page);
	pfn = page_to_pfn(page);
	expect_holder(test, cma->base_pfn, pfn, 8);
	KUNIT_ASSERT_NOT_NULL(test, other);
	expect_holder(test, pfn + 8, page_to_pfn(other), 3);
	cma_largest_holders(cma, largest, 3);
	KUNIT_EXPECT_EQ(test, largest[0].count, 8);
	KUNIT_EXPECT_EQ(test, largest[1].count, 3);
	KUNIT_EXPECT_EQ(test, largest[2].count, 0);
	cma_release(cma, page + 2, 2);
	expect_holder(test, pfn, pfn + 4, 4);
	cma_release(cma, page + 4, 1);
	cma_release(cma, page + 7, 1);
	expect_holder(test, pfn, pfn + 5, 2);
	cma_release(cma, page, 2);
	cma_release(cma, page + 5, 2);
	expect_holder(test, cma->base_pfn, page_to_pfn(other), 3);
	cma_release(cma, other, 3);
	KUNIT_EXPECT_FALSE(test, cma_next_holder(cma, 0, largest));
	expect_no_block(test, cma);
}

static void refuses_nonsense(struct kunit *test)
{
	struct cma *cma = test->priv;
	u64 before = count_requests(cma);

	KUNIT_EXPECT_NULL(test, cma_alloc(NULL, 1, 0, true));
	KUNIT_EXPECT_NULL(test, cma_alloc(cma, 0, 0, true));
	KUNIT_EXPECT_NULL(test, cma_alloc(cma, cma->count + 1, 0, true));
	KUNIT_EXPECT_NULL(test, cma_alloc(cma, ULONG_MAX, 0, true));
	KUNIT_EXPECT_NULL(test, cma_alloc(cma, 1, BITS_PER_LONG, true));
	KUNIT_EXPECT_EQ(test, count_requests(cma), before);
	KUNIT_EXPECT_FALSE(test, cma_pages_valid(cma, NULL, 1));
	KUNIT_EXPECT_FALSE(test, cma_release(NULL, NULL, 1));
	KUNIT_EXPECT_FALSE(test, cma_release(cma, ZERO_PAGE(0), 1));
	expect_no_block(test, cma);
}

static void folios_come_whole(struct kunit *test)
{
	struct cma *cma = test->priv;
	struct folio *folio = cma_alloc_folio(cma, 4, GFP_KERNEL | __GFP_COMP);

	KUNIT_ASSERT_NOT_NULL(test, folio);
	KUNIT_EXPECT_EQ(test, folio_nr_pages(folio), 16L);
	KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 1);
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED(folio_pfn(folio), 16));
	KUNIT_EXPECT_TRUE(test, cma_free_folio(cma, folio));
	expect_no_block(test, cma);
}

static unsigned int count_gaps(struct cma *cma)
{
	struct cma_fit fit = {};
	struct cma_run gap = {};
	unsigned int gaps = 0;

	while (cma_next_gap(cma->bitmap, cma_granules(cma), &fit, gap.end, &gap))
		gaps++;
	return gaps;
}

/* Blocks are packed: what is left is in one piece. */
static void leaves_one_run(struct kunit *test)
{
	struct cma *cma = test->priv;
	struct page *small = cma_alloc(cma, 3, 0, false);
	struct page *large = cma_alloc(cma, pageblock_nr_pages, 0, false);

	KUNIT_ASSERT_NOT_NULL(test, small);
	KUNIT_ASSERT_NOT_NULL(test, large);
	KUNIT_EXPECT_EQ(test, count_gaps(cma), 1U);
	cma_release(cma, large, pageblock_nr_pages);
	cma_release(cma, small, 3);
	expect_no_block(test, cma);
}

/*
 * One page of the area for somebody who keeps it: free pages are taken from the
 * smallest chunk first, and while all but one page are a device's, that is it.
 */
static struct page *lend_one(struct kunit *test, struct cma *cma)
{
	struct cma_recall rc = { .gfp = GFP_KERNEL };
	struct page *most;
	bool taken;

	most = cma_alloc(cma, cma->count - 1, 0, false);
	KUNIT_ASSERT_NOT_NULL(test, most);
	taken = cma_take_any(&rc, page_zone(most), 1);
	if (taken)
		cma_hand_over(&rc, 1);
	cma_release(cma, most, cma->count - 1);
	KUNIT_ASSERT_TRUE(test, taken);
	KUNIT_ASSERT_PTR_EQ(test, cma_find_area(rc.start), cma);
	return pfn_to_page(rc.start);
}

static void expect_lending(struct kunit *test, struct cma *cma)
{
	unsigned long pfn, end = cma->base_pfn + cma->count;

	for (pfn = cma->base_pfn; pfn < end; pfn += pageblock_nr_pages)
		KUNIT_EXPECT_EQ(test, get_pageblock_migratetype(pfn_to_page(pfn)),
				MIGRATE_CMA);
}

/*
 * A loan that stays where it is, so that the request has to isolate, and gives up:
 * the counted isolation of pageblocks is over when its last user is.
 */
static void isolates_nothing_for_long(struct kunit *test)
{
	struct cma *cma = test->priv;
	struct page *page, *loan = lend_one(test, cma);
	u64 before = count_failures(cma, CMA_FAIL_BUSY);

	KUNIT_EXPECT_TRUE(test, cma_is_lent(loan));
	page = cma_alloc_timeout(cma, cma->count, 0, true, HZ / 10);
	KUNIT_EXPECT_NULL(test, page);
	if (page)
		cma_release(cma, page, cma->count);
	KUNIT_EXPECT_EQ(test, count_failures(cma, CMA_FAIL_BUSY), before + 1);
	expect_lending(test, cma);
	expect_no_block(test, cma);
	__free_page(loan);

	page = cma_alloc(cma, cma->count, 0, false);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_EQ(test, get_pageblock_migratetype(page), MIGRATE_CMA);
	cma_release(cma, page, cma->count);
	expect_lending(test, cma);
}

/**
 * struct foreigner - somebody who has isolated a pageblock for a while
 * @work: ends that
 * @loan: a page of the block, to be freed then
 */
struct foreigner {
	struct delayed_work work;
	struct page *loan;
};

static void foreigner_leaves(struct work_struct *work)
{
	struct foreigner *f = container_of(work, struct foreigner, work.work);
	unsigned long pfn = pageblock_start_pfn(page_to_pfn(f->loan));

	cma_unisolate_pages(pfn, pfn + pageblock_nr_pages);
	__free_page(f->loan);
}

/* A block that can't be isolated now can be later: no reason to refuse. */
static void waits_for_isolation(struct kunit *test)
{
	struct cma *cma = test->priv;
	struct foreigner f = { .loan = lend_one(test, cma) };
	unsigned long pfn = pageblock_start_pfn(page_to_pfn(f.loan));
	u64 before = count_failures(cma, CMA_FAIL_BUSY);
	struct page *page;

	KUNIT_ASSERT_EQ(test, cma_isolate_pages(pfn, pfn + pageblock_nr_pages), 0);
	INIT_DELAYED_WORK_ONSTACK(&f.work, foreigner_leaves);
	schedule_delayed_work(&f.work, HZ / 10);
	page = cma_alloc(cma, cma->count, 0, true);
	KUNIT_EXPECT_NOT_NULL(test, page);
	flush_delayed_work(&f.work);
	destroy_delayed_work_on_stack(&f.work);
	if (page)
		cma_release(cma, page, cma->count);
	KUNIT_EXPECT_EQ(test, count_failures(cma, CMA_FAIL_BUSY), before);
	expect_lending(test, cma);
	expect_no_block(test, cma);
}

#ifdef CONFIG_MEMORY_FAILURE
/* Whoever found the page broken while it was taken could do nothing about it. */
static void hands_no_poison_over(struct kunit *test)
{
	struct cma *cma = test->priv;
	unsigned long pfn = cma->base_pfn + 5;
	struct page *page;

	SetPageHWPoison(pfn_to_page(pfn));
	KUNIT_EXPECT_NULL(test, cma_alloc_timeout(cma, cma->count, 0, true, HZ));
	page = cma_alloc(cma, 16, 0, false);
	ClearPageHWPoison(pfn_to_page(pfn));
	/* It stayed out when its neighbours went back. */
	cma_put_padding(pfn, pfn + 1);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_GE(test, pfn - page_to_pfn(page), 16UL);
	cma_release(cma, page, 16);

	page = cma_alloc(cma, cma->count, 0, false);
	KUNIT_ASSERT_NOT_NULL(test, page);
	cma_release(cma, page, cma->count);
	expect_no_block(test, cma);
}
#endif

static void serves_without_file_systems(struct kunit *test)
{
	struct cma *cma = test->priv;
	unsigned int flags = memalloc_nofs_save();
	struct page *page = cma_alloc(cma, 16, 4, false);

	memalloc_nofs_restore(flags);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED(page_to_pfn(page), 16));
	cma_release(cma, page, 16);
}

/* No time to wait is time enough for what is free. */
static void serves_what_is_free_at_once(struct kunit *test)
{
	struct cma *cma = test->priv;
	struct page *page = cma_alloc_timeout(cma, cma->count, 0, false, 0);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_NULL(test, cma_alloc_timeout(cma, 1, 0, true, 0));
	cma_release(cma, page, cma->count);
	page = cma_alloc_timeout(cma, 1, 0, false, -1);
	KUNIT_ASSERT_NOT_NULL(test, page);
	cma_release(cma, page, 1);
}

/* A device may pin its pages and map them: they are not the guard's business. */
static void tells_loans_from_device_pages(struct kunit *test)
{
	struct cma *cma = test->priv;
	struct page *page = cma_alloc(cma, 1, 0, false);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_TRUE(test, cma_in_area(page));
	KUNIT_EXPECT_FALSE(test, cma_is_lent(page));
	cma_release(cma, page, 1);
	KUNIT_EXPECT_TRUE(test, cma_is_lent(page));
	KUNIT_EXPECT_FALSE(test, cma_in_area(ZERO_PAGE(0)));
	KUNIT_EXPECT_FALSE(test, cma_is_lent(ZERO_PAGE(0)));
}

/* Who has the mark borrows, and nobody else; a task can do without. */
static void lends_to_borrowers_only(struct kunit *test)
{
	gfp_t gfp = GFP_HIGHUSER_MOVABLE & ~__GFP_CMA;
	unsigned int flags;

	KUNIT_EXPECT_TRUE(test, cma_may_borrow(gfp | __GFP_CMA));
	KUNIT_EXPECT_FALSE(test, cma_may_borrow(gfp));
	KUNIT_EXPECT_FALSE(test, cma_may_borrow(GFP_KERNEL));
	flags = cma_noborrow_save();
	KUNIT_EXPECT_FALSE(test, cma_may_borrow(gfp | __GFP_CMA));
	cma_noborrow_restore(flags);
	flags = cma_noborrow_save_if(0);
	KUNIT_EXPECT_TRUE(test, cma_may_borrow(gfp | __GFP_CMA));
	cma_noborrow_restore(flags);
	KUNIT_EXPECT_TRUE(test, cma_may_borrow(gfp | __GFP_CMA));
}

#ifdef CONFIG_MEMCG
/* Who is about to sleep for its memory cgroup, with the page in hand. */
static void lends_nothing_to_debtors(struct kunit *test)
{
	unsigned int owed = current->memcg_nr_pages_over_high;

	current->memcg_nr_pages_over_high = 1;
	KUNIT_EXPECT_FALSE(test, cma_may_borrow(GFP_HIGHUSER_MOVABLE | __GFP_CMA));
	current->memcg_nr_pages_over_high = 0;
	KUNIT_EXPECT_TRUE(test, cma_may_borrow(GFP_HIGHUSER_MOVABLE | __GFP_CMA));
	current->memcg_nr_pages_over_high = owed;
}

/* A loan is charged beyond the limit, and its task owes it; others wait. */
static void charges_loans_without_a_wait(struct kunit *test)
{
	struct cma *cma = test->priv;
	struct folio *loan = pfn_folio(cma->base_pfn);
	struct folio *other = page_folio(ZERO_PAGE(0));
	unsigned int owed = current->memcg_nr_pages_over_high;
	gfp_t gfp;

	KUNIT_EXPECT_TRUE(test, cma_charge_gfp(loan, GFP_KERNEL) == GFP_KERNEL);
	current->flags &= ~PF_KTHREAD;
	gfp = cma_charge_gfp(loan, GFP_KERNEL);
	KUNIT_EXPECT_TRUE(test, cma_charge_gfp(other, GFP_KERNEL) == GFP_KERNEL);
	KUNIT_EXPECT_TRUE(test, cma_charge_gfp(loan, GFP_NOWAIT) == GFP_NOWAIT);
	current->flags |= PF_KTHREAD;

	KUNIT_EXPECT_FALSE(test, gfpflags_allow_blocking(gfp));
	KUNIT_EXPECT_TRUE(test, gfp & __GFP_HIGH);
	cma_charge_forced(GFP_ATOMIC);
	KUNIT_EXPECT_EQ(test, current->memcg_nr_pages_over_high, owed);
	cma_charge_forced(gfp);
	KUNIT_EXPECT_FALSE(test, cma_may_borrow(GFP_HIGHUSER_MOVABLE | __GFP_CMA));
	KUNIT_EXPECT_EQ(test, current->memcg_nr_pages_over_high, owed | CMA_OWES);
	current->memcg_nr_pages_over_high = owed;
}
#endif

/* Per-CPU lists serve whoever comes: no area page gets there, nor from there. */
static void keeps_off_shared_lists(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, cma_pcp_flags(ALLOC_CMA | ALLOC_CPUSET),
			ALLOC_CPUSET);
	KUNIT_EXPECT_EQ(test, cma_pcp_flags(ALLOC_CPUSET), ALLOC_CPUSET);
	KUNIT_EXPECT_FALSE(test, cma_bypasses_pcp(MIGRATE_UNMOVABLE));
	KUNIT_EXPECT_FALSE(test, cma_bypasses_pcp(MIGRATE_MOVABLE));
	KUNIT_EXPECT_TRUE(test, cma_bypasses_pcp(MIGRATE_CMA));
	KUNIT_EXPECT_TRUE(test, cma_bypasses_pcp(MIGRATE_ISOLATE));
	KUNIT_EXPECT_TRUE(test, cma_may_use(ALLOC_CMA));
	KUNIT_EXPECT_FALSE(test, cma_may_use(0));
	KUNIT_EXPECT_FALSE(test, cma_compaction_flags() & ALLOC_CMA);
}

/* Areas are for when memory outside is short, and for borrowers then. */
static void lends_when_short(struct kunit *test)
{
	struct cma *cma = test->priv;
	struct zone *zone = page_zone(pfn_to_page(cma->base_pfn));

	KUNIT_EXPECT_FALSE(test, cma_lends_now(zone, 0));
	KUNIT_EXPECT_EQ(test, cma_lends_now(zone, ALLOC_CMA),
			cma_zone_is_short(zone));
	KUNIT_EXPECT_EQ(test, cma_shortfall(zone, 0), 0UL);
	KUNIT_EXPECT_NE(test, cma_shortfall(zone, zone->present_pages + 1), 0UL);
	KUNIT_EXPECT_GT(test, cma_lend_mark(zone), high_wmark_pages(zone));
	KUNIT_EXPECT_FALSE(test, cma_leaves_rest(zone, 0));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(serves_one_page_and_all),
	KUNIT_CASE(counts_each_request_once),
	KUNIT_CASE(knows_holders),
	KUNIT_CASE(refuses_nonsense),
	KUNIT_CASE(folios_come_whole),
	KUNIT_CASE(leaves_one_run),
	KUNIT_CASE(isolates_nothing_for_long),
	KUNIT_CASE(waits_for_isolation),
#ifdef CONFIG_MEMORY_FAILURE
	KUNIT_CASE(hands_no_poison_over),
#endif
	KUNIT_CASE(serves_without_file_systems),
	KUNIT_CASE(serves_what_is_free_at_once),
	KUNIT_CASE(tells_loans_from_device_pages),
	KUNIT_CASE(lends_to_borrowers_only),
#ifdef CONFIG_MEMCG
	KUNIT_CASE(lends_nothing_to_debtors),
	KUNIT_CASE(charges_loans_without_a_wait),
#endif
	KUNIT_CASE(keeps_off_shared_lists),
	KUNIT_CASE(lends_when_short),
	{}
};

static struct kunit_suite suite = {
	.name = "page_alloc_cma",
	.init = find_area,
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit suite of the contiguous allocator");
