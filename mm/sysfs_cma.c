// SPDX-License-Identifier: GPL-2.0
/*
 * Counters of the contiguous memory allocator in /sys/kernel/mm/cma/<area>/:
 * the base kernel's three files, and beside them what each request came to,
 * how long it took and what it cost the borrowers.  One value or one table a
 * file; see Documentation/ABI/testing/sysfs-kernel-mm-cma-lend.
 */
#include <linux/cma.h>
#include <linux/kobject.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "page_alloc_cma.h"

/* No request is worth more than ten minutes. */
#define CMA_DEADLINE_MAX_MS	600000

#define CMA_ATTR_RO(_name) \
	static struct kobj_attribute _name##_attr = __ATTR_RO(_name)

static struct cma *cma_from_kobj(struct kobject *kobj)
{
	return container_of(kobj, struct cma_kobject, kobj)->cma;
}

/* Add up all CPUs; an area that could not be activated has counted nothing. */
static void cma_sum_stats(const struct cma *cma, struct cma_stats *sum)
{
	unsigned int cpu, i;

	memset(sum, 0, sizeof(*sum));
	if (!cma->stats)
		return;
	for_each_possible_cpu(cpu) {
		const struct cma_stats *stats = per_cpu_ptr(cma->stats, cpu);

		sum->success += stats->success;
		sum->sum_us += stats->sum_us;
		sum->max_us = max(sum->max_us, stats->max_us);
		sum->pages_success += stats->pages_success;
		sum->pages_fail += stats->pages_fail;
		sum->pages_released += stats->pages_released;
		sum->moved += stats->moved;
		sum->dropped += stats->dropped;
		sum->reclaimed += stats->reclaimed;
		sum->swapped += stats->swapped;
		sum->killed += stats->killed;
		sum->rescans += stats->rescans;
		sum->guard_hits += stats->guard_hits;
		sum->guard_moved += stats->guard_moved;
		sum->guard_copied += stats->guard_copied;
		sum->guard_failed += stats->guard_failed;
		sum->moved_in += stats->moved_in;
		for (i = 0; i < CMA_FAIL_REASONS; i++)
			sum->fail[i] += stats->fail[i];
		for (i = 0; i < CMA_HIST_BUCKETS; i++)
			sum->hist[i] += stats->hist[i];
	}
	/* A target that was not used is taken back, perhaps on another CPU. */
	sum->moved_in = max_t(s64, sum->moved_in, 0);
}

/* A file that shows one field of struct cma_stats. */
#define CMA_STAT_RO(_name, _field)					\
static ssize_t _name##_show(struct kobject *kobj,			\
			    struct kobj_attribute *attr, char *buf)	\
{									\
	struct cma_stats sum;						\
									\
	cma_sum_stats(cma_from_kobj(kobj), &sum);			\
	return sysfs_emit(buf, "%llu\n", sum._field);			\
}									\
CMA_ATTR_RO(_name)

CMA_STAT_RO(alloc_pages_success, pages_success);
CMA_STAT_RO(alloc_pages_fail, pages_fail);
CMA_STAT_RO(release_pages_success, pages_released);
CMA_STAT_RO(alloc_requests_success, success);
CMA_STAT_RO(pages_moved, moved);
CMA_STAT_RO(pages_dropped, dropped);
CMA_STAT_RO(pages_reclaimed, reclaimed);
CMA_STAT_RO(pages_swapped, swapped);
CMA_STAT_RO(oom_kills, killed);
CMA_STAT_RO(rescans, rescans);
CMA_STAT_RO(guard_hits, guard_hits);
CMA_STAT_RO(guard_pages_moved, guard_moved);
CMA_STAT_RO(guard_pages_copied, guard_copied);
CMA_STAT_RO(guard_failed, guard_failed);
CMA_STAT_RO(pages_moved_in, moved_in);

static const char * const cma_fail_names[] = {
	[CMA_FAIL_NO_RANGE] = "no_range",
	[CMA_FAIL_BUSY] = "busy",
	[CMA_FAIL_NO_MEMORY] = "no_memory",
	[CMA_FAIL_NO_VICTIM] = "no_victim",
	[CMA_FAIL_KILLED] = "killed",
};

static ssize_t alloc_requests_fail_show(struct kobject *kobj,
					struct kobj_attribute *attr, char *buf)
{
	struct cma_stats sum;
	unsigned int i;
	int len = 0;

	cma_sum_stats(cma_from_kobj(kobj), &sum);
	for (i = 0; i < CMA_FAIL_REASONS; i++)
		len += sysfs_emit_at(buf, len, "%s %llu\n", cma_fail_names[i],
				     sum.fail[i]);
	return len;
}
CMA_ATTR_RO(alloc_requests_fail);

static ssize_t alloc_latency_us_show(struct kobject *kobj,
				     struct kobj_attribute *attr, char *buf)
{
	struct cma_stats sum;
	u64 count = 0;
	unsigned int i;

	cma_sum_stats(cma_from_kobj(kobj), &sum);
	for (i = 0; i < CMA_HIST_BUCKETS; i++)
		count += sum.hist[i];
	/* A percentile is its bucket's bound: never above what was measured. */
	return sysfs_emit(buf, "count %llu\nsum %llu\np50 %llu\np99 %llu\nmax %llu\n",
			  count, sum.sum_us,
			  min(cma_hist_percentile(sum.hist, 50), sum.max_us),
			  min(cma_hist_percentile(sum.hist, 99), sum.max_us),
			  sum.max_us);
}
CMA_ATTR_RO(alloc_latency_us);

static ssize_t alloc_latency_hist_show(struct kobject *kobj,
				       struct kobj_attribute *attr, char *buf)
{
	struct cma_stats sum;
	unsigned int i;
	int len = 0;

	cma_sum_stats(cma_from_kobj(kobj), &sum);
	for (i = 0; i < CMA_HIST_BUCKETS - 1; i++)
		len += sysfs_emit_at(buf, len, "<%llu %llu\n", 1ULL << i,
				     sum.hist[i]);
	len += sysfs_emit_at(buf, len, ">=%llu %llu\n",
			     1ULL << (CMA_HIST_BUCKETS - 2),
			     sum.hist[CMA_HIST_BUCKETS - 1]);
	return len;
}
CMA_ATTR_RO(alloc_latency_hist);

static ssize_t deadline_ms_show(struct kobject *kobj,
				struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  READ_ONCE(cma_from_kobj(kobj)->deadline_ms));
}

static ssize_t deadline_ms_store(struct kobject *kobj,
				 struct kobj_attribute *attr, const char *buf,
				 size_t count)
{
	unsigned int ms;
	int ret = kstrtouint(buf, 10, &ms);

	if (ret)
		return ret;
	if (!ms || ms > CMA_DEADLINE_MAX_MS)
		return -EINVAL;
	WRITE_ONCE(cma_from_kobj(kobj)->deadline_ms, ms);
	return count;
}

static struct kobj_attribute deadline_ms_attr = __ATTR_RW(deadline_ms);

static ssize_t oom_show(struct kobject *kobj, struct kobj_attribute *attr,
			char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(cma_from_kobj(kobj)->oom));
}

static ssize_t oom_store(struct kobject *kobj, struct kobj_attribute *attr,
			 const char *buf, size_t count)
{
	unsigned int oom;

	/* Not kstrtobool(), which takes whatever begins with y or n for an answer. */
	if (kstrtouint(buf, 10, &oom) || oom > 1)
		return -EINVAL;
	WRITE_ONCE(cma_from_kobj(kobj)->oom, oom);
	return count;
}

static struct kobj_attribute oom_attr = __ATTR_RW(oom);

static ssize_t lend_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	enum cma_lend i, lend = READ_ONCE(cma_from_kobj(kobj)->lend);
	int len = 0;

	for (i = 0; i < CMA_LEND_POLICIES; i++)
		len += sysfs_emit_at(buf, len, i == lend ? "%s[%s]" : "%s%s",
				     i ? " " : "", cma_lend_names[i]);
	return len + sysfs_emit_at(buf, len, "\n");
}

static ssize_t lend_store(struct kobject *kobj, struct kobj_attribute *attr,
			  const char *buf, size_t count)
{
	int ret = __sysfs_match_string(cma_lend_names, CMA_LEND_POLICIES, buf);

	if (ret >= 0)
		ret = cma_set_lend(cma_from_kobj(kobj), ret);
	return ret ? ret : count;
}

static struct kobj_attribute lend_attr = __ATTR_RW(lend);

static ssize_t pages_lent_show(struct kobject *kobj,
			       struct kobj_attribute *attr, char *buf)
{
	struct cma_lent lent;

	cma_count_lent(cma_from_kobj(kobj), &lent);
	return sysfs_emit(buf, "anon %lu\nfile %lu\nshmem %lu\nother %lu\n",
			  lent.anon, lent.file, lent.shmem, lent.other);
}
CMA_ATTR_RO(pages_lent);

static ssize_t total_pages_show(struct kobject *kobj,
				struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", cma_from_kobj(kobj)->count);
}
CMA_ATTR_RO(total_pages);

static ssize_t available_pages_show(struct kobject *kobj,
				    struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", cma_lendable(cma_from_kobj(kobj)));
}
CMA_ATTR_RO(available_pages);

static struct attribute *cma_attrs[] = {
	&total_pages_attr.attr,
	&available_pages_attr.attr,
	&alloc_pages_success_attr.attr,
	&alloc_pages_fail_attr.attr,
	&release_pages_success_attr.attr,
	&alloc_requests_success_attr.attr,
	&alloc_requests_fail_attr.attr,
	&alloc_latency_us_attr.attr,
	&alloc_latency_hist_attr.attr,
	&pages_moved_attr.attr,
	&pages_dropped_attr.attr,
	&pages_reclaimed_attr.attr,
	&pages_swapped_attr.attr,
	&oom_kills_attr.attr,
	&rescans_attr.attr,
	&guard_hits_attr.attr,
	&guard_pages_moved_attr.attr,
	&guard_pages_copied_attr.attr,
	&guard_failed_attr.attr,
	&pages_moved_in_attr.attr,
	&deadline_ms_attr.attr,
	&oom_attr.attr,
	&lend_attr.attr,
	&pages_lent_attr.attr,
	NULL,
};
ATTRIBUTE_GROUPS(cma);

static void cma_kobj_release(struct kobject *kobj)
{
	struct cma_kobject *cma_kobj = container_of(kobj, struct cma_kobject,
						    kobj);

	cma_kobj->cma->kobj = NULL;
	kfree(cma_kobj);
}

static const struct kobj_type cma_ktype = {
	.release = cma_kobj_release,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = cma_groups,
};

static int __init cma_sysfs_add(struct cma *cma, void *data)
{
	struct kobject *root = data;
	struct cma_kobject *cma_kobj;
	int ret;

	cma_kobj = kzalloc(sizeof(*cma_kobj), GFP_KERNEL);
	if (!cma_kobj)
		return -ENOMEM;
	cma_kobj->cma = cma;
	cma->kobj = cma_kobj;
	ret = kobject_init_and_add(&cma_kobj->kobj, &cma_ktype, root, "%s",
				   cma->name);
	if (ret)
		kobject_put(&cma_kobj->kobj);
	return ret;
}

static int __init cma_sysfs_remove(struct cma *cma, void *data)
{
	if (cma->kobj)
		kobject_put(&cma->kobj->kobj);
	return 0;
}

static int __init cma_sysfs_init(void)
{
	struct kobject *root = kobject_create_and_add("cma", mm_kobj);
	int ret;

	if (!root)
		return -ENOMEM;
	ret = cma_for_each_area(cma_sysfs_add, root);
	if (ret) {
		cma_for_each_area(cma_sysfs_remove, NULL);
		kobject_put(root);
	}
	return ret;
}
subsys_initcall(cma_sysfs_init);
