// SPDX-License-Identifier: GPL-2.0
/*
 * A device driver that lives for tests: it asks areas for contiguous blocks on
 * behalf of user space, and keeps the record against which allocators are
 * judged - every block handed out over all open files, so that a block that
 * overlaps another, or holds a page in use, is an error and not a mystery.
 *
 * It uses nothing but the interface of <linux/cma.h>, so that the same tests
 * judge any allocator behind it. Areas for tests come from a boot option, see
 * cma_test_option.c.
 */

#define pr_fmt(fmt) "cma_test: " fmt

#include <linux/cma.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/ktime.h>
#include <linux/maple_tree.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "cma_test_dev.h"

/**
 * struct cma_test_block - one block that a file holds
 * @cma: area it came from
 * @pfn: first page frame
 * @count: pages
 * @folio: give it back by cma_free_folio()
 */
struct cma_test_block {
	struct cma *cma;
	unsigned long pfn;
	unsigned long count;
	bool folio;
};

/**
 * struct cma_test_file - one open file
 * @lock: keeps a block found in @blocks
 * @blocks: handle to struct cma_test_block
 */
struct cma_test_file {
	/* Not held by requests: running in parallel is what they test. */
	struct mutex lock;
	struct xarray blocks;
};

/* Every block handed out and not yet given back, by page frame. */
static struct maple_tree cma_test_blocks =
	MTREE_INIT(cma_test_blocks, MT_FLAGS_USE_RCU);

static_assert(CMA_TEST_EOVERLAP == -EEXIST);
static_assert(CMA_TEST_EINUSE == -EUCLEAN);

/* Areas by name. */

struct cma_test_find {
	const char *name;
	struct cma *cma;
};

static int cma_test_match(struct cma *cma, void *data)
{
	struct cma_test_find *find = data;

	if (strcmp(cma_get_name(cma), find->name))
		return 0;
	find->cma = cma;
	return 1;
}

/* "" stands for a NULL area: callers do pass that, and it must be refused. */
static int cma_test_area(char *name, struct cma **cma)
{
	struct cma_test_find find = { .name = name };

	name[CMA_TEST_NAME_LEN - 1] = '\0';
	if (*name)
		cma_for_each_area(cma_test_match, &find);
	*cma = find.cma;
	return *name && !find.cma ? -ENOENT : 0;
}

static int cma_test_real_area(char *name, struct cma **cma)
{
	int err = cma_test_area(name, cma);

	if (err)
		return err;
	return *cma ? 0 : -EINVAL;
}

static unsigned long cma_test_base(const struct cma *cma)
{
	return PHYS_PFN(cma_get_base(cma));
}

static unsigned long cma_test_count(const struct cma *cma)
{
	return cma_get_size(cma) >> PAGE_SHIFT;
}

/* The record of blocks. */

static int cma_test_record(struct cma_test_block *block)
{
	int err = mtree_insert_range(&cma_test_blocks, block->pfn,
				     block->pfn + block->count - 1, block,
				     GFP_KERNEL);

	if (err == -EEXIST)
		pr_err("pages %#lx+%lu of %s overlap a block handed out\n",
		       block->pfn, block->count, cma_get_name(block->cma));
	return err;
}

/*
 * A stale lookup in the page cache may take a reference for an instant before
 * it sees that the page is another one now. Only a lasting one is a fault.
 */
static bool cma_test_sole_owner(struct page *page)
{
	int tries;

	for (tries = 0; page_ref_count(page) > 1 && tries < 100; tries++)
		usleep_range(100, 1000);
	return page_ref_count(page) == 1;
}

static bool cma_test_page_unused(struct page *page)
{
	return cma_test_sole_owner(page) && !page->mapping &&
	       !test_bit(PG_lru, &page->flags) &&
	       atomic_read(&page->_mapcount) == -1;
}

static int cma_test_verify(const struct cma_test_block *block)
{
	unsigned long pages = block->folio ? 1 : block->count;
	unsigned long i;

	for (i = 0; i < pages; i++) {
		struct page *page = pfn_to_page(block->pfn + i);

		if (cma_test_page_unused(page))
			continue;
		pr_err("page %#lx of %s in use: refs %d mapping %p flags %#lx\n",
		       block->pfn + i, cma_get_name(block->cma),
		       page_ref_count(page), page->mapping, page->flags);
		return -EUCLEAN;
	}
	return 0;
}

static bool cma_test_give_back(const struct cma_test_block *block)
{
	struct page *page = pfn_to_page(block->pfn);

	if (block->folio)
		return cma_free_folio(block->cma, page_folio(page));
	return cma_release(block->cma, page, block->count);
}

/* The record goes first: the pages are somebody else's right after. */
static bool cma_test_drop(struct cma_test_block *block, u64 *latency_ns)
{
	u64 start;
	bool ret;

	mtree_erase(&cma_test_blocks, block->pfn);
	start = ktime_get_ns();
	ret = cma_test_give_back(block);
	*latency_ns = ktime_get_ns() - start;
	kfree(block);
	return ret;
}

/* Requests. */

static struct page *cma_test_call(struct cma *cma, struct cma_test_alloc *req)
{
	bool no_warn = req->flags & CMA_TEST_NO_WARN;
	gfp_t gfp = GFP_KERNEL | __GFP_COMP | (no_warn ? __GFP_NOWARN : 0);
	struct folio *folio;
	struct page *page;
	u64 start = ktime_get_ns();

	if (req->flags & CMA_TEST_FOLIO) {
		folio = cma_alloc_folio(cma, req->align, gfp);
		page = folio ? folio_page(folio, 0) : NULL;
	} else {
		page = cma_alloc(cma, req->count, req->align, no_warn);
	}
	req->latency_ns = ktime_get_ns() - start;
	return page;
}

static struct page *cma_test_request(struct cma *cma,
				     struct cma_test_alloc *req)
{
	unsigned int nofs = 0, noio = 0;
	struct page *page;

	if (req->flags & CMA_TEST_NOFS)
		nofs = memalloc_nofs_save();
	if (req->flags & CMA_TEST_NOIO)
		noio = memalloc_noio_save();
	page = cma_test_call(cma, req);
	if (req->flags & CMA_TEST_NOIO)
		memalloc_noio_restore(noio);
	if (req->flags & CMA_TEST_NOFS)
		memalloc_nofs_restore(nofs);
	return page;
}

/*
 * A block that breaks the allocator's contract is kept out of circulation:
 * giving it back would free pages of somebody else.
 */
static int cma_test_accept(struct cma_test_file *file,
			   struct cma_test_block *block, u32 *handle)
{
	u64 ns;
	int err;

	err = cma_test_record(block);
	if (err == -ENOMEM) {
		cma_test_give_back(block);
		kfree(block);
	}
	if (err)
		return err;
	err = cma_test_verify(block);
	if (err)
		return err;
	err = xa_alloc(&file->blocks, handle, block, xa_limit_31b, GFP_KERNEL);
	if (err)
		cma_test_drop(block, &ns);
	return err;
}

static int cma_test_check_request(const struct cma_test_alloc *req)
{
	if (req->flags & ~CMA_TEST_ALL_FLAGS)
		return -EINVAL;
	/* cma_alloc_folio() answers order 0 with a kernel warning. */
	if (req->flags & CMA_TEST_FOLIO && (!req->align || req->align > 30))
		return -EINVAL;
	return 0;
}

static int cma_test_ioctl_alloc(struct cma_test_file *file, void *arg)
{
	struct cma_test_alloc *req = arg;
	struct cma_test_block *block;
	struct page *page;
	struct cma *cma;
	int err;

	err = cma_test_check_request(req) ?: cma_test_area(req->area, &cma);
	if (err)
		return err;
	block = kzalloc(sizeof(*block), GFP_KERNEL);
	if (!block)
		return -ENOMEM;
	page = cma_test_request(cma, req);
	if (!page) {
		kfree(block);
		req->error = -ENOMEM;
		return 0;
	}
	block->cma = cma;
	block->folio = req->flags & CMA_TEST_FOLIO;
	block->pfn = page_to_pfn(page);
	block->count = block->folio ? 1UL << req->align : req->count;
	req->pfn = block->pfn;
	req->error = cma_test_accept(file, block, &req->handle);
	return 0;
}

static int cma_test_ioctl_release(struct cma_test_file *file, void *arg)
{
	struct cma_test_release *req = arg;
	struct cma_test_block *block;

	mutex_lock(&file->lock);
	block = xa_erase(&file->blocks, req->handle);
	mutex_unlock(&file->lock);
	if (!block)
		return -ENOENT;
	req->result = cma_test_drop(block, &req->latency_ns);
	return 0;
}

/* Bad input: pages by number, whoever holds them. */

static bool cma_test_overlaps(const struct cma_test_block *block,
			      const struct cma_test_range *req)
{
	return req->pfn < block->pfn + block->count &&
	       block->pfn < req->pfn + req->count;
}

/*
 * Keeps the record true after an end of @block went back by number. Tests that
 * do this run alone, so nobody can have been handed the pages meanwhile.
 */
static void cma_test_trim(struct cma_test_block *block,
			  const struct cma_test_range *req)
{
	unsigned long end = block->pfn + block->count;
	unsigned long cut = min_t(u64, req->pfn + req->count, end);

	mtree_erase(&cma_test_blocks, block->pfn);
	if (req->pfn > block->pfn)
		end = req->pfn;
	else
		block->pfn = cut;
	block->count = end - block->pfn;
	if (block->count)
		cma_test_record(block);
}

static void cma_test_forget(struct cma_test_file *file,
			    const struct cma_test_range *req)
{
	struct cma_test_block *block;
	unsigned long handle;

	mutex_lock(&file->lock);
	xa_for_each(&file->blocks, handle, block) {
		if (!cma_test_overlaps(block, req))
			continue;
		cma_test_trim(block, req);
		if (!block->count) {
			xa_erase(&file->blocks, handle);
			kfree(block);
		}
	}
	mutex_unlock(&file->lock);
}

static int cma_test_range_args(struct cma_test_range *req, struct cma **cma,
			       struct page **page)
{
	int err = cma_test_area(req->area, cma);

	if (err)
		return err;
	*page = NULL;
	if (req->pfn == ~0ULL)
		return 0;
	if (req->pfn > ULONG_MAX >> PAGE_SHIFT || !pfn_valid(req->pfn))
		return -EINVAL;
	*page = pfn_to_page(req->pfn);
	return 0;
}

static int cma_test_ioctl_release_raw(struct cma_test_file *file, void *arg)
{
	struct cma_test_range *req = arg;
	struct page *page;
	struct cma *cma;
	int err;

	err = cma_test_range_args(req, &cma, &page);
	if (err)
		return err;
	req->result = cma_release(cma, page, req->count);
	if (req->result && req->mine)
		cma_test_forget(file, req);
	return 0;
}

static int cma_test_ioctl_pages_valid(struct cma_test_file *file, void *arg)
{
	struct cma_test_range *req = arg;
	struct page *page;
	struct cma *cma;
	int err;

	err = cma_test_range_args(req, &cma, &page);
	if (err)
		return err;
	req->result = cma_pages_valid(cma, page, req->count);
	return 0;
}

/* Walks. */

static int cma_test_visit(struct cma *cma, void *data)
{
	struct cma_test_for_each *req = data;

	if (req->nr < CMA_TEST_MAX_AREAS)
		strscpy(req->names[req->nr], cma_get_name(cma));
	req->nr++;
	return req->nr == req->stop_after ? (int)req->nr : 0;
}

static int cma_test_ioctl_for_each(struct cma_test_file *file, void *arg)
{
	struct cma_test_for_each *req = arg;

	req->nr = 0;
	req->ret = cma_for_each_area(cma_test_visit, req);
	return 0;
}

static int cma_test_ioctl_info(struct cma_test_file *file, void *arg)
{
	struct cma_test_info *req = arg;
	struct cma *cma;
	int err;

	err = cma_test_real_area(req->area, &cma);
	if (err)
		return err;
	req->base_pfn = cma_test_base(cma);
	req->count = cma_test_count(cma);
	return 0;
}

/*
 * A look at pages that nobody holds for us: no reference is taken, because one
 * would itself keep the page from being moved, and no checked accessor is
 * used, because the page may change kind under our eyes.
 */
static u64 *cma_test_holder(struct cma_test_share *req, unsigned long pfn)
{
	struct page *page = pfn_to_page(pfn);
	unsigned long mapping, flags;

	page = (struct page *)_compound_head(page);
	mapping = (unsigned long)READ_ONCE(page->mapping);
	flags = READ_ONCE(page->flags);
	if (!page_ref_count(page))
		return &req->free;
	if (mtree_load(&cma_test_blocks, pfn))
		return &req->device;
	if (mapping & PAGE_MAPPING_ANON)
		return &req->anon;
	if (!mapping || mapping & PAGE_MAPPING_MOVABLE)
		return &req->other;
	return test_bit(PG_swapbacked, &flags) ? &req->shmem : &req->file;
}

static int cma_test_ioctl_share(struct cma_test_file *file, void *arg)
{
	struct cma_test_share *req = arg;
	unsigned long pfn, end;
	struct cma *cma;
	int err;

	err = cma_test_real_area(req->area, &cma);
	if (err)
		return err;
	memset(&req->count, 0, sizeof(*req) - sizeof(req->area));
	req->count = cma_test_count(cma);
	end = cma_test_base(cma) + req->count;
	for (pfn = cma_test_base(cma); pfn < end; pfn++) {
		(*cma_test_holder(req, pfn))++;
		if (!(pfn % 4096))
			cond_resched();
	}
	return 0;
}

/* Patterns. */

static u64 cma_test_word(u64 seed, unsigned long offset)
{
	return (seed ^ offset) * 0x9e3779b97f4a7c15ULL + offset;
}

static void cma_test_fill_page(struct page *page, u64 seed, unsigned long at)
{
	u64 *word = kmap_local_page(page);
	unsigned long i;

	for (i = 0; i < PAGE_SIZE / sizeof(*word); i++)
		word[i] = cma_test_word(seed, at + i * sizeof(*word));
	kunmap_local(word);
}

static u64 cma_test_check_page(struct page *page, u64 seed, unsigned long at)
{
	u64 *word = kmap_local_page(page);
	u64 bad = CMA_TEST_NO_BAD;
	unsigned long i;

	for (i = 0; i < PAGE_SIZE / sizeof(*word); i++) {
		if (word[i] != cma_test_word(seed, at + i * sizeof(*word))) {
			bad = at + i * sizeof(*word);
			break;
		}
	}
	kunmap_local(word);
	return bad;
}

static void cma_test_fill_block(struct cma_test_block *block,
				struct cma_test_fill *req)
{
	unsigned long i;

	for (i = 0; i < block->count; i++) {
		cma_test_fill_page(pfn_to_page(block->pfn + i), req->seed,
				   i << PAGE_SHIFT);
		cond_resched();
	}
}

static void cma_test_check_block(struct cma_test_block *block,
				 struct cma_test_fill *req)
{
	unsigned long i;

	for (i = 0; i < block->count && req->bad == CMA_TEST_NO_BAD; i++) {
		req->bad = cma_test_check_page(pfn_to_page(block->pfn + i),
					       req->seed, i << PAGE_SHIFT);
		cond_resched();
	}
}

static int cma_test_pattern(struct cma_test_file *file,
			    struct cma_test_fill *req,
			    void (*work)(struct cma_test_block *block,
					 struct cma_test_fill *req))
{
	struct cma_test_block *block;

	req->bad = CMA_TEST_NO_BAD;
	mutex_lock(&file->lock);
	block = xa_load(&file->blocks, req->handle);
	if (block)
		work(block, req);
	mutex_unlock(&file->lock);
	return block ? 0 : -ENOENT;
}

static int cma_test_ioctl_fill(struct cma_test_file *file, void *arg)
{
	return cma_test_pattern(file, arg, cma_test_fill_block);
}

static int cma_test_ioctl_check(struct cma_test_file *file, void *arg)
{
	return cma_test_pattern(file, arg, cma_test_check_block);
}

/* Others, and how much is left. */

static int cma_test_overlaps_foreign(struct cma *cma, void *data)
{
	struct cma_test_foreign *req = data;
	unsigned long base = cma_test_base(cma);

	return req->pfn < base + cma_test_count(cma) &&
	       base < req->pfn + req->nr_pages;
}

static int cma_test_ioctl_foreign(struct cma_test_file *file, void *arg)
{
	struct cma_test_foreign *req = arg;
	int nid = req->nid == NUMA_NO_NODE ? numa_mem_id() : req->nid;
	struct page *page;

	if (nid < 0 || nid >= MAX_NUMNODES || !node_online(nid))
		return -EINVAL;
	if (!req->nr_pages || req->nr_pages > totalram_pages())
		return -EINVAL;
	page = alloc_contig_pages(req->nr_pages, GFP_KERNEL | __GFP_NOWARN,
				  nid, NULL);
	req->error = page ? 0 : -ENOMEM;
	if (!page)
		return 0;
	req->pfn = page_to_pfn(page);
	if (cma_for_each_area(cma_test_overlaps_foreign, req)) {
		pr_err("a foreign range was served from an area: %#llx+%llu\n",
		       req->pfn, req->nr_pages);
		req->error = -EUCLEAN;
	}
	free_contig_range(req->pfn, req->nr_pages);
	return 0;
}

static bool cma_test_fits(struct cma *cma, unsigned long pages, u32 align)
{
	struct page *page = cma_alloc(cma, pages, align, true);

	if (page)
		cma_release(cma, page, pages);
	return page;
}

static int cma_test_ioctl_largest(struct cma_test_file *file, void *arg)
{
	struct cma_test_largest *req = arg;
	unsigned long low = 0, high;
	struct cma *cma;
	int err;

	err = cma_test_real_area(req->area, &cma);
	if (err)
		return err;
	high = cma_test_count(cma);
	while (low < high) {
		unsigned long middle = low + (high - low + 1) / 2;

		if (fatal_signal_pending(current))
			return -EINTR;
		if (cma_test_fits(cma, middle, req->align))
			low = middle;
		else
			high = middle - 1;
	}
	req->pages = low;
	return 0;
}

/* The file. */

static const struct {
	unsigned int cmd;
	int (*call)(struct cma_test_file *file, void *arg);
} cma_test_calls[] = {
	{ CMA_TEST_ALLOC, cma_test_ioctl_alloc },
	{ CMA_TEST_RELEASE, cma_test_ioctl_release },
	{ CMA_TEST_RELEASE_RAW, cma_test_ioctl_release_raw },
	{ CMA_TEST_PAGES_VALID, cma_test_ioctl_pages_valid },
	{ CMA_TEST_FOR_EACH, cma_test_ioctl_for_each },
	{ CMA_TEST_FILL, cma_test_ioctl_fill },
	{ CMA_TEST_CHECK, cma_test_ioctl_check },
	{ CMA_TEST_INFO, cma_test_ioctl_info },
	{ CMA_TEST_FOREIGN, cma_test_ioctl_foreign },
	{ CMA_TEST_LARGEST, cma_test_ioctl_largest },
	{ CMA_TEST_SHARE, cma_test_ioctl_share },
};

static long cma_test_dispatch(struct cma_test_file *file, unsigned int i,
			      void __user *user)
{
	size_t size = _IOC_SIZE(cma_test_calls[i].cmd);
	void *arg = memdup_user(user, size);
	long err;

	if (IS_ERR(arg))
		return PTR_ERR(arg);
	err = cma_test_calls[i].call(file, arg);
	if (!err && copy_to_user(user, arg, size))
		err = -EFAULT;
	kfree(arg);
	return err;
}

static long cma_test_ioctl(struct file *opened, unsigned int cmd,
			   unsigned long arg)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cma_test_calls); i++)
		if (cma_test_calls[i].cmd == cmd)
			return cma_test_dispatch(opened->private_data, i,
						 (void __user *)arg);
	return -ENOTTY;
}

static int cma_test_open(struct inode *inode, struct file *opened)
{
	struct cma_test_file *file = kzalloc(sizeof(*file), GFP_KERNEL);

	if (!file)
		return -ENOMEM;
	mutex_init(&file->lock);
	xa_init_flags(&file->blocks, XA_FLAGS_ALLOC1);
	opened->private_data = file;
	return 0;
}

static int cma_test_close(struct inode *inode, struct file *opened)
{
	struct cma_test_file *file = opened->private_data;
	struct cma_test_block *block;
	unsigned long handle;
	u64 ns;

	xa_for_each(&file->blocks, handle, block)
		cma_test_drop(block, &ns);
	xa_destroy(&file->blocks);
	kfree(file);
	return 0;
}

static const struct file_operations cma_test_fops = {
	.owner = THIS_MODULE,
	.open = cma_test_open,
	.release = cma_test_close,
	.unlocked_ioctl = cma_test_ioctl,
};

static int __init cma_test_init(void)
{
	debugfs_create_file("cma_test", 0600, NULL, NULL, &cma_test_fops);
	return 0;
}
late_initcall(cma_test_init);
