// SPDX-License-Identifier: GPL-2.0
/*
 * Areas in /sys/kernel/debug/cma/<area>/, with the base kernel's names: where
 * an area lies, what devices hold of it, and alloc and free to try it by hand;
 * and, new, who holds it.
 */
#include <linux/bitmap.h>
#include <linux/cma.h>
#include <linux/debugfs.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "page_alloc_cma.h"

/* A block taken through the alloc file; on cma->taken. */
struct cma_block_taken {
	struct hlist_node node;
	struct page *page;
	unsigned long count;
};

static int cma_ulong_get(void *data, u64 *val)
{
	*val = *(unsigned long *)data;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(cma_ulong_fops, cma_ulong_get, NULL, "%llu\n");

static int cma_order_get(void *data, u64 *val)
{
	*val = *(unsigned int *)data;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(cma_order_fops, cma_order_get, NULL, "%llu\n");

static int cma_used_get(void *data, u64 *val)
{
	struct cma *cma = data;
	unsigned long flags;

	spin_lock_irqsave(&cma->lock, flags);
	*val = (u64)bitmap_weight(cma->bitmap, cma_granules(cma)) <<
	       cma->order_per_bit;
	spin_unlock_irqrestore(&cma->lock, flags);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(cma_used_fops, cma_used_get, NULL, "%llu\n");

static int cma_maxchunk_get(void *data, u64 *val)
{
	struct cma *cma = data;
	struct cma_fit fit = {};
	struct cma_run gap = {};
	unsigned long flags, most = 0;

	spin_lock_irqsave(&cma->lock, flags);
	while (cma_next_gap(cma->bitmap, cma_granules(cma), &fit, gap.end, &gap))
		most = max(most, gap.end - gap.start);
	spin_unlock_irqrestore(&cma->lock, flags);
	*val = (u64)most << cma->order_per_bit;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(cma_maxchunk_fops, cma_maxchunk_get, NULL, "%llu\n");

/* Where a reader of the file "holders" is; a position is a pfn. */
struct cma_holders_reader {
	struct cma *cma;
	struct cma_holder holder;
};

static void *cma_holders_start(struct seq_file *m, loff_t *pos)
{
	struct cma_holders_reader *reader = m->private;

	return cma_next_holder(reader->cma, *pos, &reader->holder) ? reader : NULL;
}

static void *cma_holders_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct cma_holders_reader *reader = v;

	*pos = reader->holder.pfn + reader->holder.count;
	return cma_holders_start(m, pos);
}

static void cma_holders_stop(struct seq_file *m, void *v)
{
}

/* One line a block: pfn, pages, seconds, task, its name, functions. */
static int cma_holders_show(struct seq_file *m, void *v)
{
	const struct cma_holder *h = &((struct cma_holders_reader *)v)->holder;
	unsigned int i;

	seq_printf(m, "%#lx %lu %lld %d ", h->pfn, h->count,
		   ktime_get_boottime_seconds() - h->since, h->pid);
	seq_escape(m, h->comm[0] ? h->comm : "-", " \t\n\\");
	for (i = 0; i < h->nr_frames; i++)
		seq_printf(m, " %ps", (void *)h->frames[i]);
	seq_putc(m, '\n');
	return 0;
}

static const struct seq_operations cma_holders_ops = {
	.start = cma_holders_start,
	.next = cma_holders_next,
	.stop = cma_holders_stop,
	.show = cma_holders_show,
};

static int cma_holders_open(struct inode *inode, struct file *file)
{
	struct cma_holders_reader *reader;

	reader = __seq_open_private(file, &cma_holders_ops, sizeof(*reader));
	if (!reader)
		return -ENOMEM;
	reader->cma = inode->i_private;
	return 0;
}

static const struct file_operations cma_holders_fops = {
	.open = cma_holders_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = seq_release_private,
};

static void cma_hold(struct cma *cma, struct cma_block_taken *held)
{
	spin_lock(&cma->taken_lock);
	hlist_add_head(&held->node, &cma->taken);
	spin_unlock(&cma->taken_lock);
}

static struct cma_block_taken *cma_unhold(struct cma *cma)
{
	struct cma_block_taken *held;

	spin_lock(&cma->taken_lock);
	held = hlist_entry_safe(cma->taken.first, struct cma_block_taken, node);
	if (held)
		hlist_del_init(&held->node);
	spin_unlock(&cma->taken_lock);
	return held;
}

static int cma_free_write(void *data, u64 count)
{
	struct cma *cma = data;
	struct cma_block_taken *held;

	if (count > INT_MAX)
		return -EINVAL;
	while (count) {
		held = cma_unhold(cma);
		if (!held)
			break;
		if (held->count > count) {
			/* A part can be given back only in whole granules. */
			if (cma->order_per_bit == 0) {
				cma_release(cma, held->page, count);
				held->page += count;
				held->count -= count;
			}
			cma_hold(cma, held);
			break;
		}
		cma_release(cma, held->page, held->count);
		count -= held->count;
		kfree(held);
	}
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(cma_free_fops, NULL, cma_free_write, "%llu\n");

static int cma_alloc_write(void *data, u64 count)
{
	struct cma *cma = data;
	struct cma_block_taken *held;

	if (count > INT_MAX)
		return -EINVAL;
	held = kzalloc(sizeof(*held), GFP_KERNEL);
	if (!held)
		return -ENOMEM;
	held->count = count;
	held->page = cma_alloc(cma, count, 0, false);
	if (!held->page) {
		kfree(held);
		return -ENOMEM;
	}
	cma_hold(cma, held);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(cma_alloc_fops, NULL, cma_alloc_write, "%llu\n");

static int __init cma_debugfs_add(struct cma *cma, void *root)
{
	struct dentry *dir;

	/* An area that could not be activated has nothing to show. */
	if (!cma->bitmap)
		return 0;
	INIT_HLIST_HEAD(&cma->taken);
	spin_lock_init(&cma->taken_lock);

	dir = debugfs_create_dir(cma->name, root);
	debugfs_create_file("alloc", 0200, dir, cma, &cma_alloc_fops);
	debugfs_create_file("free", 0200, dir, cma, &cma_free_fops);
	debugfs_create_file("base_pfn", 0444, dir, &cma->base_pfn,
			    &cma_ulong_fops);
	debugfs_create_file("count", 0444, dir, &cma->count, &cma_ulong_fops);
	debugfs_create_file("order_per_bit", 0444, dir, &cma->order_per_bit,
			    &cma_order_fops);
	debugfs_create_file("used", 0444, dir, cma, &cma_used_fops);
	debugfs_create_file("maxchunk", 0444, dir, cma, &cma_maxchunk_fops);
	debugfs_create_file("holders", 0400, dir, cma, &cma_holders_fops);

	cma->dfs_bitmap.array = (u32 *)cma->bitmap;
	cma->dfs_bitmap.n_elements = DIV_ROUND_UP(cma_granules(cma),
						  BITS_PER_BYTE * sizeof(u32));
	debugfs_create_u32_array("bitmap", 0444, dir, &cma->dfs_bitmap);
	return 0;
}

static int __init cma_debugfs_init(void)
{
	return cma_for_each_area(cma_debugfs_add,
				 debugfs_create_dir("cma", NULL));
}
late_initcall(cma_debugfs_init);
