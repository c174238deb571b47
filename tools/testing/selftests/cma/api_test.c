// SPDX-License-Identifier: GPL-2.0
/*
 * Every function of <linux/cma.h> that a driver can reach: what it grants, how
 * it aligns, what it refuses, and that the area is whole again afterwards.
 */
#include <sys/ioctl.h>
#include <unistd.h>

#include "cma_load.h"
#include "cma_util.h"

#define SEED	0x5eedULL

/* How much a block takes from the area's bookkeeping. */
static uint64_t rounded(const struct cma_area *a, uint64_t pages)
{
	uint64_t bit = 1ULL << a->order_per_bit;

	return (pages + bit - 1) / bit * bit;
}

static bool inside(const struct cma_area *a, uint64_t pfn, uint64_t pages)
{
	return pfn >= a->base && pfn + pages <= a->base + a->count;
}

/* Is there an address in the area that this alignment allows at all? */
static bool fits_aligned(const struct cma_area *a, uint64_t pages,
			 unsigned int order)
{
	uint64_t first = (a->base + (1ULL << order) - 1) >> order << order;

	return inside(a, first, pages);
}

/* One block: granted, inside, aligned, ours alone, accounted, given back. */
static int one_block(const struct cma_area *a, uint64_t pages,
		     unsigned int order)
{
	struct cma_test_alloc req;
	int err = cma_take(a->name, pages, order, &req);

	if (!fits_aligned(a, pages, order)) {
		cma_expect(err == -ENOMEM, "%llu pages order %u: %d",
			   (unsigned long long)pages, order, err);
		return KSFT_PASS;
	}
	cma_expect(!err, "%s: %llu pages order %u: %s", a->name,
		   (unsigned long long)pages, order, strerror(-err));
	cma_expect(inside(a, req.pfn, pages), "pfn %#llx", req.pfn);
	cma_expect(!(req.pfn & ((1ULL << order) - 1)), "pfn %#llx order %u",
		   req.pfn, order);
	cma_expect(cma_debugfs(a->name, "used") == rounded(a, pages),
		   "%llu used", cma_debugfs(a->name, "used"));
	cma_expect(!cma_fill(cma_dev, req.handle, SEED + pages), "fill");
	cma_expect(cma_intact(cma_dev, req.handle, SEED + pages), "content");
	cma_expect(!cma_give(req.handle), "release");
	cma_expect(!cma_debugfs(a->name, "used"), "used after release");
	return KSFT_PASS;
}

static int geometry(void)
{
	static const struct cma_area want[CMA_AREAS] = {
		{ .name = AREA_TEST, .count = MIB_PAGES(128) },
		{ .name = AREA_WHOLE, .count = MIB_PAGES(16) },
		{ .name = AREA_BITS, .count = MIB_PAGES(32), .order_per_bit = 4 },
	};
	struct cma_area a;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(want); i++) {
		cma_expect(!cma_area_get(want[i].name, &a), "%s", want[i].name);
		cma_expect(a.count == want[i].count, "%s", a.name);
		cma_expect(a.order_per_bit == want[i].order_per_bit, "%s",
			   a.name);
		cma_expect(a.base && !(a.base % 512), "base %#llx",
			   (unsigned long long)a.base);
	}
	return KSFT_PASS;
}

static int listed(const struct cma_test_for_each *each, const char *name)
{
	unsigned int i, found = 0;

	for (i = 0; i < each->nr && i < CMA_TEST_MAX_AREAS; i++)
		found += !strcmp(each->names[i], name);
	return found;
}

static int walk_areas(void)
{
	struct cma_test_for_each each = { .stop_after = 0 };

	cma_expect(!ioctl(cma_dev, CMA_TEST_FOR_EACH, &each), "%m");
	cma_expect(each.ret == 0 && each.nr >= 3, "%d after %u", each.ret,
		   each.nr);
	cma_expect(listed(&each, AREA_TEST) == 1, "once");
	cma_expect(listed(&each, AREA_WHOLE) == 1, "once");
	cma_expect(listed(&each, AREA_BITS) == 1, "once");
	each.stop_after = 2;
	cma_expect(!ioctl(cma_dev, CMA_TEST_FOR_EACH, &each), "%m");
	cma_expect(each.ret == 2 && each.nr == 2, "%d after %u", each.ret,
		   each.nr);
	return KSFT_PASS;
}

static int pages_valid(void)
{
	struct cma_area a;
	uint64_t end;

	cma_expect(!cma_area_get(AREA_WHOLE, &a), "area");
	end = a.base + a.count;
#define VALID(name, pfn, n) cma_pages_valid(name, pfn, n)
	cma_expect(VALID(AREA_WHOLE, a.base, 1) == 1, "first");
	cma_expect(VALID(AREA_WHOLE, end - 1, 1) == 1, "last");
	cma_expect(VALID(AREA_WHOLE, a.base, a.count) == 1, "all");
	cma_expect(VALID(AREA_WHOLE, a.base - 1, 1) == 0, "before");
	cma_expect(VALID(AREA_WHOLE, end, 1) == 0, "behind");
	cma_expect(VALID(AREA_TEST, a.base, 1) == 0, "other area");
	cma_expect(VALID(AREA_WHOLE, ~0ULL, 1) == 0, "no pages");
	cma_expect(VALID("", a.base, 1) == 0, "no area");
#undef VALID
	return KSFT_PASS;
}

static int every_size(void)
{
	static const uint64_t sizes[] = {
		1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 64, 100, 150, 255, 256, 257,
		511, 512, 513, 600, 1000, 1023, 1024, 1025, 1536, 2047, 2048,
		2049, 3000, 4000, 4095,
	};
	struct cma_area a;
	unsigned int i;

	cma_expect(!cma_area_get(AREA_WHOLE, &a), "area");
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		if (one_block(&a, sizes[i], 0))
			return KSFT_FAIL;
	return one_block(&a, a.count, 0);
}

static int every_alignment(void)
{
	static const uint64_t sizes[] = { 1, 3, 100, 513 };
	static const char * const names[] = { AREA_WHOLE, AREA_TEST };
	unsigned int i, n, order;
	struct cma_area a;

	for (n = 0; n < ARRAY_SIZE(names); n++) {
		cma_expect(!cma_area_get(names[n], &a), "area");
		for (order = 0; 1ULL << order <= a.count; order++)
			for (i = 0; i < ARRAY_SIZE(sizes); i++)
				if (one_block(&a, sizes[i], order))
					return KSFT_FAIL;
	}
	return KSFT_PASS;
}

/* Alignment is that of the physical address also beside another block. */
static int alignment_when_occupied(void)
{
	struct cma_test_alloc first, req;
	struct cma_area a;
	unsigned int order;

	cma_expect(!cma_area_get(AREA_TEST, &a), "area");
	cma_expect(!cma_take(AREA_TEST, 1, 0, &first), "first");
	for (order = 1; order <= 12; order++) {
		cma_expect(!cma_take(AREA_TEST, 5, order, &req), "order %u",
			   order);
		cma_expect(!(req.pfn & ((1ULL << order) - 1)), "pfn %#llx",
			   req.pfn);
		cma_expect(!cma_give(req.handle), "release");
	}
	cma_expect(!cma_give(first.handle), "release");
	return KSFT_PASS;
}

static int order_per_bit(void)
{
	static const uint64_t sizes[] = { 1, 15, 16, 17, 150, 8192 };
	struct cma_test_alloc one, two;
	struct cma_area a;
	unsigned int i;

	cma_expect(!cma_area_get(AREA_BITS, &a), "area");
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		if (one_block(&a, sizes[i], 0) || one_block(&a, sizes[i], 3) ||
		    one_block(&a, sizes[i], 6))
			return KSFT_FAIL;
	cma_expect(!cma_take(AREA_BITS, 1, 0, &one), "one");
	cma_expect(!cma_take(AREA_BITS, 17, 0, &two), "two");
	cma_expect(!((one.pfn - a.base) % 16), "pfn %#llx", one.pfn);
	cma_expect(!((two.pfn - a.base) % 16), "pfn %#llx", two.pfn);
	cma_expect(cma_debugfs(AREA_BITS, "used") == 48, "%llu used",
		   cma_debugfs(AREA_BITS, "used"));
	cma_expect(!cma_give(two.handle) && !cma_give(one.handle), "release");
	cma_expect(!cma_debugfs(AREA_BITS, "used"), "used");
	return KSFT_PASS;
}

/* Small blocks fill all bits of an area that is coarser than they are. */
static int order_per_bit_exhaustion(void)
{
	struct cma_test_alloc req;
	unsigned int n = 0, first = 0;

	while (!cma_take(AREA_BITS, 5, 0, &req)) {
		first = first ?: req.handle;
		n++;
	}
	cma_expect(n == MIB_PAGES(32) / 16, "%u blocks", n);
	while (n--)
		cma_expect(!cma_give(first + n), "handle %u", first + n);
	return cma_is_whole(AREA_BITS) ? KSFT_PASS : KSFT_FAIL;
}

static void one_folio(unsigned int order)
{
	struct cma_test_alloc req;
	int err = cma_request(cma_dev, AREA_TEST, 0, order,
			      CMA_TEST_FOLIO | CMA_TEST_NO_WARN, &req);

	cma_expect(!err, "order %u: %s", order, strerror(-err));
	cma_expect(!(req.pfn & ((1ULL << order) - 1)), "pfn %#llx", req.pfn);
	cma_expect(cma_debugfs(AREA_TEST, "used") == 1ULL << order, "order %u",
		   order);
	cma_expect(!cma_fill(cma_dev, req.handle, SEED), "fill");
	cma_expect(cma_intact(cma_dev, req.handle, SEED), "content");
	cma_expect(!cma_give(req.handle), "release");
	cma_expect(!cma_debugfs(AREA_TEST, "used"), "used");
}

static int folio(void)
{
	unsigned int order;

	for (order = 10; order <= 12; order++)
		one_folio(order);
	return cma_is_whole(AREA_TEST) ? KSFT_PASS : KSFT_FAIL;
}

/* The base kernel warns and fails unless a free chunk fits exactly. */
static int small_folio(void)
{
	unsigned int order;

	for (order = 1; order < 10; order++)
		one_folio(order);
	return cma_is_whole(AREA_TEST) ? KSFT_PASS : KSFT_FAIL;
}

static int scopes(void)
{
	static const uint32_t flags[] = {
		CMA_TEST_NOFS, CMA_TEST_NOIO, CMA_TEST_NOFS | CMA_TEST_NOIO
	};
	struct cma_test_alloc req;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		cma_expect(cma_empty_area(AREA_WHOLE), "not empty");
		cma_expect(!cma_request(cma_dev, AREA_WHOLE, MIB_PAGES(8), 0,
					flags[i], &req), "flags %#x", flags[i]);
		cma_expect(!cma_give(req.handle), "release");
	}
	return KSFT_PASS;
}

static void lend_all(void)
{
	cma_lend_others(AREA_TEST, "all");
}

/* Anonymous memory can be moved without entering file systems or the block layer. */
static int scopes_lent(void)
{
	static const uint32_t flags[] = { CMA_TEST_NOFS, CMA_TEST_NOIO };
	struct cma_load cache, anon;
	struct cma_test_alloc req;
	int err[ARRAY_SIZE(flags)];
	unsigned int i;
	double lent;

	/* What borrows then goes to the area that is looked at. */
	atexit(lend_all);
	cma_expect(!cma_lend_others(AREA_TEST, "none"), "none");
	lent = cma_lend_anon(AREA_TEST, &cache, &anon);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		err[i] = cma_request(cma_dev, AREA_TEST, MIB_PAGES(16), 0,
				     flags[i] | CMA_TEST_NO_WARN, &req);
		if (!err[i])
			cma_give(req.handle);
	}
	cma_expect(!cma_load_stop(&anon) && !cma_load_stop(&cache), "data");
	lend_all();
	ksft_print_msg("row scopes lent_anon=%.1f\n", lent);
	cma_expect(lent > 50, "%.1f %% lent", lent);
	for (i = 0; i < ARRAY_SIZE(flags); i++)
		cma_expect(!err[i], "flags %#x: %s", flags[i],
			   strerror(-err[i]));
	return cma_is_whole(AREA_TEST) ? KSFT_PASS : KSFT_FAIL;
}

/* What can't be served is refused, and leaves nothing behind. */
static int refused(const char *area, uint64_t pages, unsigned int order)
{
	unsigned long long used = *area ? cma_debugfs(area, "used") : 0;
	struct cma_test_alloc req;
	int err = cma_take(area, pages, order, &req);

	cma_expect(err == -ENOMEM, "'%s' %llu pages order %u: %d", area,
		   (unsigned long long)pages, order, err);
	cma_expect(!*area || cma_debugfs(area, "used") == used, "used");
	return KSFT_PASS;
}

static int bad_requests(void)
{
	return refused(AREA_WHOLE, 0, 0) ||
	       refused(AREA_WHOLE, MIB_PAGES(16) + 1, 0) ||
	       refused(AREA_WHOLE, 1ULL << 40, 0) ||
	       refused(AREA_WHOLE, 1, 30) ||
	       refused(AREA_BITS, 0, 0) ||
	       refused(AREA_BITS, MIB_PAGES(32) + 1, 0) ||
	       refused("", 1, 0) ||
	       !cma_is_whole(AREA_WHOLE) ? KSFT_FAIL : KSFT_PASS;
}

/* Numbers that overflow the base kernel's arithmetic. */
static int absurd_requests(void)
{
	return refused(AREA_WHOLE, ~0ULL, 0) ||
	       refused(AREA_BITS, ~0ULL, 0) ||
	       refused(AREA_BITS, ~0ULL - 14, 0) ||
	       refused(AREA_WHOLE, 1ULL << 63, 0) ||
	       refused(AREA_WHOLE, 1, 63) ||
	       refused(AREA_WHOLE, 1, 64) ||
	       refused(AREA_WHOLE, 1, ~0U) ||
	       !cma_is_whole(AREA_WHOLE) ? KSFT_FAIL : KSFT_PASS;
}

static int exhaustion(void)
{
	static uint32_t handle[MIB_PAGES(16) / 64 + 1];
	struct cma_test_alloc req;
	unsigned int n = 0, i;

	while (n < ARRAY_SIZE(handle) && !cma_take(AREA_WHOLE, 64, 0, &req))
		handle[n++] = req.handle;
	cma_expect(n == MIB_PAGES(16) / 64, "%u blocks", n);
	cma_expect(!refused(AREA_WHOLE, 1, 0), "full");
	cma_expect(!cma_give(handle[7]), "release");
	cma_expect(!refused(AREA_WHOLE, 65, 0), "hole of 64");
	cma_expect(!cma_take(AREA_WHOLE, 64, 0, &req), "recovery");
	handle[7] = req.handle;
	for (i = 0; i < n; i++)
		cma_expect(!cma_give(handle[i]), "block %u", i);
	return cma_is_whole(AREA_WHOLE) ? KSFT_PASS : KSFT_FAIL;
}

#define BLOCKS	48

static void shuffle(uint32_t *v, unsigned int n, uint64_t seed)
{
	while (n > 1) {
		unsigned int other = cma_random(&seed) % n--;
		uint32_t t = v[n];

		v[n] = v[other];
		v[other] = t;
	}
}

/* Contents stay while neighbours come and go. */
static int any_release_order(void)
{
	struct cma_test_alloc req;
	uint32_t handle[BLOCKS];
	uint64_t seed = 1;
	unsigned int i, j;

	for (i = 0; i < BLOCKS; i++) {
		cma_expect(!cma_take(AREA_TEST, 1 + cma_random(&seed) % 600,
				     i % 4, &req), "block %u", i);
		cma_expect(!cma_fill(cma_dev, req.handle, req.handle), "fill");
		handle[i] = req.handle;
	}
	shuffle(handle, BLOCKS, 7);
	for (i = 0; i < BLOCKS; i++) {
		for (j = i; j < BLOCKS; j++)
			cma_expect(cma_intact(cma_dev, handle[j], handle[j]),
				   "block %u after %u releases", j, i);
		cma_expect(!cma_give(handle[i]), "block %u", i);
	}
	return cma_is_whole(AREA_TEST) ? KSFT_PASS : KSFT_FAIL;
}

static int close_releases(void)
{
	struct cma_test_alloc req;
	int dev = cma_dev_open();

	cma_expect(dev >= 0, "%s", strerror(-dev));
	cma_expect(!cma_request(dev, AREA_WHOLE, 1000, 0, 0, &req), "request");
	cma_expect(cma_debugfs(AREA_WHOLE, "used") == 1000, "used");
	close(dev);
	cma_expect(!cma_debugfs(AREA_WHOLE, "used"), "used");
	return KSFT_PASS;
}

/* Pages outside the area: false, and nothing happens to them or to it. */
static int release_not_ours(void)
{
	struct cma_test_alloc req;
	struct cma_area a;

	cma_expect(!cma_area_get(AREA_WHOLE, &a), "area");
	cma_expect(!cma_take(AREA_TEST, 100, 0, &req), "request");
	cma_expect(!cma_fill(cma_dev, req.handle, SEED), "fill");
#define FOREIGN(area, pfn, n) cma_release_raw(area, pfn, n, false)
	cma_expect(!FOREIGN(AREA_WHOLE, req.pfn, 100), "another area's");
	cma_expect(!FOREIGN(AREA_WHOLE, a.base - 1, 1), "before");
	cma_expect(!FOREIGN(AREA_WHOLE, a.base + a.count, 1), "behind");
	cma_expect(!FOREIGN(AREA_WHOLE, ~0ULL, 1), "no pages");
	cma_expect(!FOREIGN("", req.pfn, 100), "no area");
#undef FOREIGN
	cma_expect(cma_intact(cma_dev, req.handle, SEED), "content");
	cma_expect(cma_debugfs(AREA_TEST, "used") == 100, "used");
	cma_expect(!cma_give(req.handle), "release");
	return cma_is_whole(AREA_WHOLE) ? KSFT_PASS : KSFT_FAIL;
}

/* Users give back ends of their blocks: debugfs' own free file does. */
static int release_in_parts(void)
{
	struct cma_test_alloc req;

	cma_expect(!cma_take(AREA_WHOLE, 1000, 0, &req), "request");
	cma_expect(!cma_fill(cma_dev, req.handle, SEED), "fill");
	cma_expect(cma_release_raw(AREA_WHOLE, req.pfn + 600, 400, true) == 1, "tail");
	cma_expect(cma_debugfs(AREA_WHOLE, "used") == 600, "used");
	cma_expect(cma_intact(cma_dev, req.handle, SEED), "content");
	cma_expect(cma_release_raw(AREA_WHOLE, req.pfn, 512, true) == 1, "head");
	cma_expect(cma_debugfs(AREA_WHOLE, "used") == 88, "used");
	cma_expect(!cma_give(req.handle), "the rest");
	return cma_is_whole(AREA_WHOLE) ? KSFT_PASS : KSFT_FAIL;
}

static const struct cma_case cases[] = {
	{ "geometry of the areas", geometry },
	{ "cma_for_each_area()", walk_areas },
	{ "cma_pages_valid()", pages_valid },
	{ "one page to the whole area", every_size },
	{ "every alignment of the area", every_alignment },
	{ "alignment beside another block", alignment_when_occupied },
	{ "order_per_bit rounds up", order_per_bit },
	{ "order_per_bit exhaustion", order_per_bit_exhaustion },
	{ "cma_alloc_folio(), cma_free_folio()", folio },
	{ "folios below the largest buddy", small_folio, true },
	{ "NOFS and NOIO on an empty area", scopes },
	{ "NOFS and NOIO on lent anonymous memory", scopes_lent, true },
	{ "bad requests are refused", bad_requests },
	{ "absurd requests are refused", absurd_requests, true },
	{ "exhaustion and recovery", exhaustion },
	{ "release in any order", any_release_order },
	{ "closing the device releases", close_releases },
	{ "release of what is not ours", release_not_ours },
	{ "release in parts", release_in_parts },
};

int main(void)
{
	cma_run(cases, ARRAY_SIZE(cases));
}
