// SPDX-License-Identifier: GPL-2.0
/*
 * What an area says about itself: sysfs, debugfs, vmstat, meminfo and trace
 * events, those of the base kernel and those that CMA_LEND adds.
 */
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cma_load.h"
#include "cma_util.h"

#define VMSTAT		"/proc/vmstat"
#define MEMINFO		"/proc/meminfo"
#define TRACING		"/sys/kernel/tracing"

/**
 * struct snapshot - counters of the base kernel for one area
 * @pages_ok: alloc_pages_success
 * @pages_fail: alloc_pages_fail
 * @pages_freed: release_pages_success
 * @vm_ok: cma_alloc_success of the whole machine
 * @vm_fail: cma_alloc_fail of the whole machine
 */
struct snapshot {
	unsigned long long pages_ok, pages_fail, pages_freed;
	long long vm_ok, vm_fail;
};

static void snap(const char *area, struct snapshot *s)
{
	s->pages_ok = cma_sysfs(area, "alloc_pages_success");
	s->pages_fail = cma_sysfs(area, "alloc_pages_fail");
	s->pages_freed = cma_sysfs(area, "release_pages_success");
	s->vm_ok = cma_keyed(VMSTAT, "cma_alloc_success");
	s->vm_fail = cma_keyed(VMSTAT, "cma_alloc_fail");
}

/* A block of 100 pages and its release are counted, each once. */
static int success_is_counted(void)
{
	struct snapshot a, b, c;
	struct cma_test_alloc req;

	snap(AREA_TEST, &a);
	cma_expect(a.pages_ok != ~0ULL && a.vm_ok >= 0, "counter missing");
	cma_expect(!cma_take(AREA_TEST, 100, 0, &req), "request");
	snap(AREA_TEST, &b);
	cma_expect(b.pages_ok == a.pages_ok + 100, "%llu", b.pages_ok);
	cma_expect(b.vm_ok == a.vm_ok + 1, "%lld", b.vm_ok);
	cma_expect(b.pages_freed == a.pages_freed, "%llu", b.pages_freed);
	cma_expect(!cma_give(req.handle), "release");
	snap(AREA_TEST, &c);
	cma_expect(c.pages_freed == a.pages_freed + 100, "%llu",
		   c.pages_freed);
	cma_expect(c.pages_ok == b.pages_ok && c.vm_ok == b.vm_ok, "twice");
	cma_expect(c.pages_fail == a.pages_fail && c.vm_fail == a.vm_fail,
		   "failure counted");
	return KSFT_PASS;
}

static int failure_is_counted(void)
{
	struct snapshot a, b;
	struct cma_test_alloc all, req;

	cma_expect(!cma_take(AREA_WHOLE, MIB_PAGES(16), 0, &all), "all");
	snap(AREA_WHOLE, &a);
	cma_expect(cma_take(AREA_WHOLE, 7, 0, &req) == -ENOMEM, "granted");
	snap(AREA_WHOLE, &b);
	cma_expect(!cma_give(all.handle), "release");
	cma_expect(b.pages_fail == a.pages_fail + 7, "%llu", b.pages_fail);
	cma_expect(b.vm_fail == a.vm_fail + 1, "%lld", b.vm_fail);
	cma_expect(b.pages_ok == a.pages_ok && b.vm_ok == a.vm_ok, "success");
	return KSFT_PASS;
}

static int total_is_the_sum(void)
{
	struct cma_test_for_each each = { .stop_after = 0 };
	long long sum = 0, total = cma_keyed(MEMINFO, "CmaTotal");
	struct cma_area a;
	unsigned int i;

	cma_expect(!ioctl(cma_dev, CMA_TEST_FOR_EACH, &each), "%m");
	cma_expect(each.nr <= CMA_TEST_MAX_AREAS, "%u areas", each.nr);
	for (i = 0; i < each.nr; i++) {
		cma_expect(!cma_area_get(each.names[i], &a), "%u", i);
		sum += a.count * 4;
	}
	cma_expect(total == sum, "CmaTotal %lld, areas %lld", total, sum);
	return KSFT_PASS;
}

#define PART	MIB_PAGES(32)

/* Free pages of all areas, each looked at. Pages on per-CPU lists are free, too. */
static long long count_free(void)
{
	struct cma_test_for_each each = { .stop_after = 0 };
	struct cma_test_share s;
	long long sum = 0;
	unsigned int i;

	cma_expect(!ioctl(cma_dev, CMA_TEST_FOR_EACH, &each), "%m");
	for (i = 0; i < each.nr; i++) {
		cma_expect(!cma_share(each.names[i], &s), "%s", each.names[i]);
		sum += s.free;
	}
	return sum;
}

struct free_pages {
	long long told;
	long long counted;
};

/* What CPUs keep to themselves is added first. */
static bool agrees(void *data)
{
	struct free_pages *f = data;

	cma_write_text("/proc/sys/vm/stat_refresh", "1");
	f->told = cma_keyed(MEMINFO, "CmaFree") / 4;
	f->counted = count_free();
	return llabs(f->told - f->counted) <= CMA_FEW_PAGES;
}

static long long free_now(void)
{
	struct free_pages f = {};

	cma_expect(cma_wait(agrees, &f, cma_slow(5000)),
		   "CmaFree %lld pages, free %lld", f.told, f.counted);
	return f.told;
}

/* CmaFree is what is free, and falls by what a device takes of an empty area. */
static int free_follows(void)
{
	struct cma_test_alloc one, two;
	long long before, first, second;

	cma_expect(cma_empty_area(AREA_TEST), "not empty");
	before = free_now();
	cma_expect(!cma_take(AREA_TEST, PART, 0, &one), "one");
	first = free_now();
	cma_expect(!cma_take(AREA_TEST, PART, 0, &two), "two");
	second = free_now();
	cma_expect(!cma_give(one.handle) && !cma_give(two.handle), "release");
	cma_expect(llabs(before - first - (long long)PART) <= 2 * CMA_FEW_PAGES,
		   "%lld to %lld", before, first);
	cma_expect(llabs(first - second - (long long)PART) <= 2 * CMA_FEW_PAGES,
		   "%lld to %lld", first, second);
	cma_expect(llabs(free_now() - before) <= 2 * CMA_FEW_PAGES,
		   "%lld before", before);
	cma_expect(before * 4 <= cma_keyed(MEMINFO, "CmaTotal"), "%lld", before);
	return KSFT_PASS;
}

static int debugfs_geometry(void)
{
	struct cma_area a;
	unsigned int i;

	for (i = 0; i < CMA_AREAS; i++) {
		cma_expect(!cma_area_get(cma_areas[i], &a), "area");
		cma_expect(cma_debugfs(a.name, "base_pfn") == a.base, "%s",
			   a.name);
		cma_expect(cma_debugfs(a.name, "count") == a.count, "%s",
			   a.name);
		cma_expect(cma_debugfs(a.name, "maxchunk") == a.count, "%s",
			   a.name);
		cma_expect(cma_debugfs(a.name, "used") == 0, "%s", a.name);
	}
	return KSFT_PASS;
}

/* Bits set in the bitmap file, which holds 32-bit words in decimal. */
static int bitmap_weight(const char *area)
{
	static char buf[65536];
	char path[128], *word, *rest = buf;
	int weight = 0;

	snprintf(path, sizeof(path), "/sys/kernel/debug/cma/%s/bitmap", area);
	if (cma_read_text(path, buf, sizeof(buf)) < 0)
		return -1;
	while ((word = strsep(&rest, "\n ")))
		weight += __builtin_popcountl(strtoul(word, NULL, 10));
	return weight;
}

static int debugfs_bookkeeping(void)
{
	struct cma_test_alloc one, two;

	cma_expect(!bitmap_weight(AREA_WHOLE), "bitmap");
	cma_expect(!cma_take(AREA_WHOLE, 1000, 0, &one), "one");
	cma_expect(!cma_take(AREA_WHOLE, 500, 0, &two), "two");
	cma_expect(cma_debugfs(AREA_WHOLE, "used") == 1500, "used");
	cma_expect(bitmap_weight(AREA_WHOLE) == 1500, "%d bits",
		   bitmap_weight(AREA_WHOLE));
	cma_expect(cma_debugfs(AREA_WHOLE, "maxchunk") <= 4096 - 1500 &&
		   cma_debugfs(AREA_WHOLE, "maxchunk") >= 2596 / 3, "maxchunk");
	cma_expect(!cma_give(one.handle) && !cma_give(two.handle), "release");
	cma_expect(!cma_take(AREA_BITS, 17, 0, &one), "bits");
	cma_expect(bitmap_weight(AREA_BITS) == 2, "%d bits",
		   bitmap_weight(AREA_BITS));
	cma_expect(!cma_give(one.handle), "release");
	cma_expect(!bitmap_weight(AREA_WHOLE) && !bitmap_weight(AREA_BITS),
		   "bitmap");
	return KSFT_PASS;
}

static int debugfs_alloc_free(void)
{
	cma_expect(!cma_debugfs_write(AREA_WHOLE, "alloc", "100"), "%m");
	cma_expect(!cma_debugfs_write(AREA_WHOLE, "alloc", "200\n"), "%m");
	cma_expect(cma_debugfs(AREA_WHOLE, "used") == 300, "used");
	cma_expect(!cma_debugfs_write(AREA_WHOLE, "free", "50"), "%m");
	cma_expect(cma_debugfs(AREA_WHOLE, "used") == 250, "used");
	/* More than is held: all of it goes back, as ever. */
	cma_expect(!cma_debugfs_write(AREA_WHOLE, "free", "1000"), "%m");
	cma_expect(!cma_debugfs(AREA_WHOLE, "used"), "used");
	return cma_is_whole(AREA_WHOLE) ? KSFT_PASS : KSFT_FAIL;
}

static int debugfs_garbage(void)
{
	static const char * const garbage[] = {
		"abc", "-1", "1x", "0x", " ", "99999999999999999999999", "--",
		"\n",
	};
	static const char * const files[] = { "alloc", "free" };
	unsigned int f, g;
	int err;

	for (f = 0; f < ARRAY_SIZE(files); f++) {
		for (g = 0; g < ARRAY_SIZE(garbage); g++) {
			err = cma_debugfs_write(AREA_WHOLE, files[f],
						garbage[g]);
			cma_expect(err == -EINVAL || err == -ERANGE,
				   "%s '%s': %d", files[f], garbage[g], err);
		}
	}
	cma_expect(cma_debugfs_write(AREA_WHOLE, "alloc", "0") == -ENOMEM ||
		   cma_is_lend(), "0 pages");
	cma_expect(cma_debugfs_write(AREA_WHOLE, "alloc", "0") < 0, "0 pages");
	cma_expect(cma_debugfs_write(AREA_WHOLE, "alloc", "5000") == -ENOMEM,
		   "more than the area");
	return cma_is_whole(AREA_WHOLE) ? KSFT_PASS : KSFT_FAIL;
}

static int success_is_silent(void)
{
	int log = cma_log_open(), i, lines;
	struct cma_test_alloc req;
	char last[512] = "";

	cma_expect(log >= 0, "%m");
	for (i = 0; i < 20; i++) {
		cma_expect(!cma_request(cma_dev, AREA_TEST, 1 + 200 * i, i % 5,
					0, &req), "request");
		cma_expect(!cma_give(req.handle), "release");
	}
	lines = cma_log_count(log, "cma", last, sizeof(last));
	close(log);
	cma_expect(!lines, "%d lines, last: %s", lines, last);
	return KSFT_PASS;
}

/* no_warn keeps a failure out of the log; without it there is a line. */
static int failure_is_told(void)
{
	struct cma_test_alloc all, req;
	int log = cma_log_open(), silent, told;
	char last[512] = "";

	cma_expect(log >= 0, "%m");
	cma_expect(!cma_take(AREA_WHOLE, MIB_PAGES(16), 0, &all), "all");
	cma_take(AREA_WHOLE, 9, 0, &req);
	silent = cma_log_count(log, "cma", last, sizeof(last));
	cma_request(cma_dev, AREA_WHOLE, 9, 0, 0, &req);
	told = cma_log_count(log, "cma", last, sizeof(last));
	close(log);
	cma_expect(!cma_give(all.handle), "release");
	cma_expect(!silent, "%d lines with no_warn", silent);
	cma_expect(told >= 1, "no line");
	cma_expect(!cma_is_lend() || strstr(last, ": 4096 pages by counters_test ("),
		   "who holds it? %s", last);
	return KSFT_PASS;
}

static bool trace_setup(const char *on)
{
	if (access(TRACING "/trace", F_OK))
		mount("tracefs", TRACING, "tracefs", 0, NULL);
	return !cma_write_text(TRACING "/events/cma/enable", on);
}

static int trace_events(void)
{
	static char buf[65536];
	struct cma_test_alloc req;

	if (!trace_setup("1"))
		return KSFT_SKIP;
	cma_expect(!close(open(TRACING "/trace", O_WRONLY | O_TRUNC)), "%m");
	cma_expect(!cma_take(AREA_WHOLE, 77, 3, &req), "request");
	cma_expect(!cma_give(req.handle), "release");
	trace_setup("0");
	cma_expect(cma_read_text(TRACING "/trace", buf, sizeof(buf)) > 0, "%m");
	cma_expect(strstr(buf, "cma_alloc_start: name=whole count=77 align=3"),
		   "%s", buf);
	cma_expect(strstr(buf, "cma_alloc_finish: name=whole pfn=0x"), "%s",
		   buf);
	cma_expect(strstr(buf, "count=77 align=3 errorno=0"), "%s", buf);
	cma_expect(strstr(buf, "cma_release: name=whole pfn=0x"), "%s", buf);
	return KSFT_PASS;
}

/* What CMA_LEND adds. */

/* Sum over the reasons, or ~0 if one is missing. */
static unsigned long long failed_requests(const char *area)
{
	unsigned long long sum = 0, value;
	unsigned int i;

	for (i = 0; i < CMA_FAIL_REASONS; i++) {
		if (cma_table(area, "alloc_requests_fail",
			      cma_fail_reasons[i], &value))
			return ~0ULL;
		sum += value;
	}
	return sum;
}

static int requests_once(void)
{
	unsigned long long ok, fail, none, none2;
	struct cma_test_alloc all, req;

	ok = cma_sysfs(AREA_WHOLE, "alloc_requests_success");
	fail = failed_requests(AREA_WHOLE);
	cma_expect(fail != ~0ULL, "alloc_requests_fail");
	cma_table(AREA_WHOLE, "alloc_requests_fail", "no_range", &none);
	cma_expect(!cma_take(AREA_WHOLE, MIB_PAGES(16), 0, &all), "all");
	cma_expect(cma_take(AREA_WHOLE, 5, 0, &req) == -ENOMEM, "granted");
	cma_expect(!cma_give(all.handle), "release");
	cma_table(AREA_WHOLE, "alloc_requests_fail", "no_range", &none2);
	cma_expect(cma_sysfs(AREA_WHOLE, "alloc_requests_success") == ok + 1,
		   "success");
	cma_expect(failed_requests(AREA_WHOLE) == fail + 1, "fail");
	cma_expect(none2 == none + 1, "no_range");
	return KSFT_PASS;
}

/* Sum of the counts of "<BOUND COUNT" lines; ~0 if a line is no such thing. */
static unsigned long long histogram(const char *area)
{
	unsigned long long bound, count, last = 0, sum = 0;
	char path[128], buf[4096], *line, *rest = buf;

	snprintf(path, sizeof(path), "/sys/kernel/mm/cma/%s/alloc_latency_hist",
		 area);
	if (cma_read_text(path, buf, sizeof(buf)) < 0)
		return ~0ULL;
	while ((line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		if (sscanf(line, "<%llu %llu", &bound, &count) == 2) {
			if (bound <= last)
				return ~0ULL;
			last = bound;
		} else if (sscanf(line, ">=%llu %llu", &bound, &count) != 2) {
			return ~0ULL;
		}
		sum += count;
	}
	return sum;
}

/* Lines of the file "holders" that say that: who, what, and through what. */
static unsigned int holder_lines(uint64_t pfn, unsigned int pages, const char *function)
{
	static char buf[65536];
	unsigned long long start, count, seconds;
	char *line, *rest = buf, comm[16];
	unsigned int lines = 0;
	int pid;

	if (cma_read_text("/sys/kernel/debug/cma/" AREA_WHOLE "/holders", buf,
			  sizeof(buf)) < 0)
		return ~0U;
	while ((line = strsep(&rest, "\n")))
		lines += sscanf(line, "%llx %llu %llu %d %15s", &start, &count,
				&seconds, &pid, comm) == 5 &&
			 start == pfn && count == pages && pid == getpid() &&
			 seconds < 3600 && !strcmp(comm, "counters_test") &&
			 strstr(line, function);
	return lines;
}

static int holders_are_known(void)
{
	uint64_t available = cma_sysfs(AREA_WHOLE, "available_pages");
	struct cma_test_alloc one, two;

	cma_expect(cma_sysfs(AREA_WHOLE, "total_pages") == MIB_PAGES(16), "total");
	cma_expect(available == MIB_PAGES(16), "%llu available",
		   (unsigned long long)available);
	cma_expect(!cma_take(AREA_WHOLE, 1000, 0, &one), "one");
	cma_expect(!cma_take(AREA_WHOLE, 500, 0, &two), "two");
	cma_expect(cma_sysfs(AREA_WHOLE, "available_pages") == available - 1500,
		   "available");
	cma_expect(holder_lines(one.pfn, 1000, "cma_test_ioctl") == 1 &&
		   holder_lines(two.pfn, 500, "cma_test_ioctl") == 1, "not there");
	cma_expect(!cma_give(one.handle), "release");
	cma_expect(!holder_lines(one.pfn, 1000, "") &&
		   holder_lines(two.pfn, 500, "") == 1, "given back");
	cma_expect(!cma_give(two.handle), "release");
	cma_expect(!holder_lines(two.pfn, 500, ""), "given back");
	return KSFT_PASS;
}

static int latency_table(void)
{
	unsigned long long count, sum, p50, p99, max, ok, hist;

	ok = cma_sysfs(AREA_WHOLE, "alloc_requests_success");
	hist = histogram(AREA_WHOLE);
#define GET(key) cma_table(AREA_WHOLE, "alloc_latency_us", #key, &(key))
	cma_expect(!GET(count) && !GET(sum) && !GET(p50) && !GET(p99) &&
		   !GET(max), "a line is missing");
#undef GET
	cma_expect(p50 <= p99, "%llu %llu", p50, p99);
	cma_expect(sum >= max && sum <= count * max, "%llu %llu", sum, max);
	cma_expect(hist == count, "%llu %llu", hist, count);
	cma_expect(failed_requests(AREA_WHOLE), "no request has failed yet");
	cma_expect(count == ok + failed_requests(AREA_WHOLE), "%llu of %llu",
		   count, ok);
	return KSFT_PASS;
}

static int latency_is_counted(void)
{
	unsigned long long before, after;
	struct cma_test_alloc req;
	int i;

	cma_expect(!cma_table(AREA_TEST, "alloc_latency_us", "count", &before),
		   "count");
	for (i = 0; i < 10; i++) {
		cma_expect(!cma_take(AREA_TEST, 1, 0, &req), "request");
		cma_expect(!cma_give(req.handle), "release");
	}
	cma_expect(!cma_table(AREA_TEST, "alloc_latency_us", "count", &after),
		   "count");
	cma_expect(after == before + 10, "%llu to %llu", before, after);
	return KSFT_PASS;
}

static const char * const costs[] = {
	"pages_moved", "pages_dropped", "pages_reclaimed", "pages_swapped"
};

static unsigned long long cost_so_far(const char *area)
{
	unsigned long long sum = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(costs); i++)
		sum += cma_sysfs(area, costs[i]);
	return sum;
}

/* Taken back by others: kswapd may be at work. */
static long long stolen(void)
{
	return cma_keyed(VMSTAT, "pgsteal_kswapd") +
	       cma_keyed(VMSTAT, "pgsteal_direct");
}

/*
 * Only this area lends while memory is filled, and then it lends no more: what a
 * request for all of it costs are the pages that are lent now, but for those that
 * are reclaimed meanwhile.
 */
static void cost_of_all(void)
{
	unsigned long long lent, cost;
	struct cma_test_share share;
	struct cma_test_alloc req;
	long long gone;

	cma_lend_out(AREA_WHOLE, 50, cma_slow(60000));
	cma_expect(!cma_set_lend(AREA_WHOLE, "none"), "none");
	gone = stolen();
	cma_expect(!cma_share(AREA_WHOLE, &share), "share");
	lent = share.count - share.free;
	cost = cost_so_far(AREA_WHOLE);
	cma_expect(lent > share.count / 4, "%llu pages lent", lent);
	cma_expect(cma_sysfs(AREA_WHOLE, "rescans") != ~0ULL, "rescans");
	cma_expect(!cma_take(AREA_WHOLE, MIB_PAGES(16), 0, &req), "request");
	cost = cost_so_far(AREA_WHOLE) - cost;
	gone = stolen() - gone;
	cma_expect(!cma_give(req.handle), "release");
	ksft_print_msg("lent %llu, cost %llu, reclaimed by others %lld\n", lent,
		       cost, gone);
	cma_expect(cost <= lent, "more than was lent");
	cma_expect(cost + gone + CMA_FEW_PAGES >= lent, "less than was lent");
}

static void lend_all(void)
{
	cma_lend_others(AREA_WHOLE, "all");
	cma_set_lend(AREA_WHOLE, "all");
}

static int cost_is_counted(void)
{
	/* Wherever it ends. */
	atexit(lend_all);
	cma_expect(!cma_lend_others(AREA_WHOLE, "none"), "none");
	cost_of_all();
	lend_all();
	return KSFT_PASS;
}

/* How many of these pages are on the free lists, or -1. */
static int free_pages(uint64_t pfn, unsigned int pages)
{
	int fd = open("/proc/kpageflags", O_RDONLY), n = 0;
	uint64_t flags;

	for (; pages && n >= 0; pages--, pfn++) {
		if (pread(fd, &flags, sizeof(flags), pfn * sizeof(flags)) !=
		    sizeof(flags))
			n = -1;
		else
			n += flags >> KPF_BUDDY & 1;
	}
	close(fd);
	return n;
}

/* What a bit of the bitmap stands for is lent whole, or not at all. */
static int granules_are_whole(void)
{
	struct cma_test_alloc req;
	uint64_t pfn;

	/* Who lends nothing has everything free, and it stays so. */
	cma_expect(!cma_set_lend(AREA_BITS, "none") && cma_is_whole(AREA_BITS),
		   "area");
	cma_expect(!cma_take(AREA_BITS, 17, 0, &req), "request");
	pfn = req.pfn;
	cma_expect(!free_pages(pfn, 32), "%d free", free_pages(pfn, 32));
	cma_expect(free_pages(pfn + 32, 16) == 16, "granule behind");
	cma_expect(!cma_give(req.handle), "release");
	cma_expect(free_pages(pfn, 32) == 32, "%d free", free_pages(pfn, 32));
	cma_expect(!cma_set_lend(AREA_BITS, "all"), "all");
	return KSFT_PASS;
}

static int deadline_is_settable(void)
{
	static const char * const bad[] = { "0", "-1", "banana", "600001" };
	char path[128];
	unsigned int i;

	snprintf(path, sizeof(path), "/sys/kernel/mm/cma/%s/deadline_ms",
		 AREA_WHOLE);
	cma_expect(cma_sysfs(AREA_WHOLE, "deadline_ms") == 5000, "default");
	cma_expect(!cma_write_text(path, "1234\n"), "write");
	cma_expect(cma_sysfs(AREA_WHOLE, "deadline_ms") == 1234, "read back");
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		cma_expect(cma_write_text(path, bad[i]) == -EINVAL,
			   "%s is not refused", bad[i]);
	cma_expect(cma_sysfs(AREA_WHOLE, "deadline_ms") == 1234, "changed");
	cma_expect(!cma_write_text(path, "5000"), "write");
	return KSFT_PASS;
}

static int oom_is_settable(void)
{
	static const char * const bad[] = { "2", "-1", "banana" };
	char path[128];
	unsigned int i;

	snprintf(path, sizeof(path), "/sys/kernel/mm/cma/%s/oom", AREA_WHOLE);
	cma_expect(cma_sysfs(AREA_WHOLE, "oom") == 1, "default");
	cma_expect(!cma_write_text(path, "0\n"), "write");
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		cma_expect(cma_write_text(path, bad[i]) == -EINVAL,
			   "%s is not refused", bad[i]);
	cma_expect(cma_sysfs(AREA_WHOLE, "oom") == 0, "changed");
	cma_expect(!cma_write_text(path, "1"), "write");
	return KSFT_PASS;
}

static const struct cma_case cases[] = {
	{ "a success is counted once", success_is_counted },
	{ "a failure is counted once", failure_is_counted },
	{ "CmaTotal is the sum of the areas", total_is_the_sum },
	{ "CmaFree follows", free_follows },
	{ "debugfs: geometry", debugfs_geometry },
	{ "debugfs: used, maxchunk, bitmap", debugfs_bookkeeping },
	{ "debugfs: alloc and free", debugfs_alloc_free },
	{ "debugfs: garbage is refused", debugfs_garbage },
	{ "success prints nothing", success_is_silent },
	{ "failure prints unless no_warn", failure_is_told },
	{ "trace events", trace_events },
	{ "requests are counted once", requests_once, true },
	{ "it is known who holds what", holders_are_known, true },
	{ "latency table and histogram", latency_table, true },
	{ "latency is counted", latency_is_counted, true },
	{ "pages moved and dropped", cost_is_counted, true },
	{ "granules are taken whole", granules_are_whole, true },
	{ "the deadline can be set", deadline_is_settable, true },
	{ "victims can be forbidden", oom_is_settable, true },
};

int main(void)
{
	cma_run(cases, ARRAY_SIZE(cases));
}
