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

#include <linux/bitmap.h>
#include <linux/cma.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/ktime.h>
#include <linux/maple_tree.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/platform_device.h>
#include <linux/pm.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/suspend.h>
#include <linux/swap.h>
#include <linux/uaccess.h>
#include <linux/writeback.h>
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
 * struct cma_test_held - one loan that a file holds
 * @folio: the loan
 * @mode: CMA_TEST_BY_*
 * @ref: with a reference of its own
 * @owner: open files of the process that asked for it
 */
struct cma_test_held {
	struct folio *folio;
	u32 mode;
	bool ref;
	fl_owner_t owner;
};

/**
 * struct cma_test_mirrored - memory that a file mirrors
 * @notifier: of the memory's owner
 * @range: what of it, and whose unmapping is counted
 * @unmapped: how often that was
 */
struct cma_test_mirrored {
	struct mmu_notifier notifier;
	struct cma_test_mirror range;
	atomic64_t unmapped;
};

/**
 * struct cma_test_file - one open file
 * @lock: keeps what is found in @blocks and @holds, and guards @mirrored
 * @blocks: handle to struct cma_test_block
 * @holds: handle to struct cma_test_held
 * @mirrored: NULL if there is nothing
 */
struct cma_test_file {
	/* Not held by requests: running in parallel is what they test. */
	struct mutex lock;
	struct xarray blocks;
	struct xarray holds;
	struct cma_test_mirrored *mirrored;
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
 * A stale lookup in the page cache, or in page tables, may take a reference for
 * an instant before it sees that the page is another one now. It does so under
 * RCU, or with interrupts off: what is still there after that is a fault.
 */
static bool cma_test_sole_owner(struct page *page)
{
	if (page_ref_count(page) > 1)
		synchronize_rcu();
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

static struct page *cma_test_scoped_call(struct cma *cma,
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
 * Requests of a device that resumes: user space is frozen, and storage may not be
 * there yet.
 */

struct cma_test_resume {
	struct cma *cma;
	struct cma_test_alloc *req;
	struct page *page;
};

/* What to ask for next time; under the lock. */
static struct cma_test_resume *cma_test_on_resume;
static DEFINE_MUTEX(cma_test_suspend_lock);

static int cma_test_resume(struct device *dev)
{
	struct cma_test_resume *on = cma_test_on_resume;

	if (on)
		on->page = cma_test_scoped_call(on->cma, on->req);
	return 0;
}

static DEFINE_SIMPLE_DEV_PM_OPS(cma_test_pm_ops, NULL, cma_test_resume);

static struct platform_driver cma_test_driver = {
	.driver = {
		.name = "cma_test",
		.pm = pm_sleep_ptr(&cma_test_pm_ops),
	},
};

/* The machine resumes by itself only with what /sys/power/pm_test is set to. */
static struct page *cma_test_suspend(struct cma *cma, struct cma_test_alloc *req)
{
	struct cma_test_resume on = { .cma = cma, .req = req };
	int err;

	mutex_lock(&cma_test_suspend_lock);
	cma_test_on_resume = &on;
	err = pm_suspend(PM_SUSPEND_TO_IDLE);
	cma_test_on_resume = NULL;
	mutex_unlock(&cma_test_suspend_lock);
	return err ? ERR_PTR(err) : on.page;
}

static struct page *cma_test_request(struct cma *cma,
				     struct cma_test_alloc *req)
{
	if (req->flags & CMA_TEST_RESUME)
		return cma_test_suspend(cma, req);
	return cma_test_scoped_call(cma, req);
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
	if (IS_ERR_OR_NULL(page)) {
		kfree(block);
		req->error = -ENOMEM;
		return PTR_ERR_OR_ZERO(page);
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
	if (mapping & PAGE_MAPPING_ANON)
		return &req->anon;
	/* A device's pages have no mapping; a lookup for each page would take long. */
	if (!mapping && mtree_load(&cma_test_blocks, pfn))
		return &req->device;
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

/* Loans: kept from coming back, and looked at. */

/* The folio of a page, with a reference, or NULL while it is free or in transit. */
static struct folio *cma_test_get(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (!folio_try_get(folio))
		return NULL;
	/* The page may have been split, or freed and allocated, meanwhile. */
	if (page_folio(page) == folio)
		return folio;
	folio_put(folio);
	return NULL;
}

/* One of CMA_TEST_ANON and so on, or 0 where nobody who borrows has it. */
static u32 cma_test_kind(const struct folio *folio)
{
	unsigned long mapping = (unsigned long)READ_ONCE(folio->mapping);

	if (page_has_type(&folio->page))
		return 0;
	if ((mapping & PAGE_MAPPING_FLAGS) == PAGE_MAPPING_MOVABLE)
		return 0;
	if (mapping & PAGE_MAPPING_ANON)
		return CMA_TEST_ANON;
	if (folio_test_swapcache(folio))
		return CMA_TEST_SHMEM;
	if (!mapping)
		return 0;
	return folio_test_swapbacked(folio) ? CMA_TEST_SHMEM : CMA_TEST_FILE;
}

static bool cma_test_wanted(const struct folio *folio, u32 kinds,
			    const struct address_space *mapping)
{
	return !folio_test_large(folio) && folio_test_lru(folio) &&
	       cma_test_kind(folio) & kinds &&
	       (!mapping || READ_ONCE(folio->mapping) == mapping);
}

/* Clean, and all that writeback counts it for is there. */
static bool cma_test_start_writeback(struct folio *folio)
{
	struct address_space *mapping = folio_mapping(folio);

	if (!mapping || folio_test_anon(folio) || folio_test_swapcache(folio) ||
	    folio_test_dirty(folio) || folio_test_writeback(folio))
		return false;
	/* A file that was never written has none. */
	inode_attach_wb(mapping->host, folio);
	folio_start_writeback(folio);
	return true;
}

/*
 * Hold a folio of which the caller has a reference. What is locked or written
 * stays in the page cache without one, and that is how the kernel keeps it.
 */
static bool cma_test_grip(struct cma_test_held *held, u32 kinds,
			  const struct address_space *mapping)
{
	struct folio *folio = held->folio;
	bool ok = true;

	if (held->mode != CMA_TEST_BY_REF && !folio_trylock(folio))
		return false;
	if (!cma_test_wanted(folio, kinds, mapping))
		ok = false;
	else if (held->mode == CMA_TEST_BY_WRITEBACK)
		ok = cma_test_start_writeback(folio);
	held->ref = held->mode == CMA_TEST_BY_REF || folio_test_anon(folio) ||
		    folio_test_swapcache(folio);
	if (held->mode == CMA_TEST_BY_WRITEBACK || (held->mode && !ok))
		folio_unlock(folio);
	return ok;
}

static bool cma_test_hold_page(struct cma_test_held *held, unsigned long pfn,
			       u32 kinds, const struct address_space *mapping)
{
	struct folio *folio;
	bool ok = false;

	/* What is none of these is not even referred to. */
	folio = cma_test_get(pfn_to_page(pfn));
	if (!folio)
		return false;
	if (cma_test_wanted(folio, kinds, mapping)) {
		held->folio = folio;
		ok = cma_test_grip(held, kinds, mapping);
	}
	if (!ok || !held->ref)
		folio_put(folio);
	return ok;
}

static void cma_test_let_go(struct cma_test_held *held)
{
	if (held->mode == CMA_TEST_BY_LOCK)
		folio_unlock(held->folio);
	else if (held->mode == CMA_TEST_BY_WRITEBACK)
		folio_end_writeback(held->folio);
	if (held->ref)
		folio_put(held->folio);
	kfree(held);
}

/* The first page at or behind req->pfn that can be held. */
static int cma_test_find_hold(struct cma *cma, struct cma_test_hold *req,
			      struct cma_test_held *held,
			      const struct address_space *mapping)
{
	unsigned long base = cma_test_base(cma), end = base + cma_test_count(cma);
	unsigned long pfn = max_t(u64, req->pfn, base);

	for (; pfn < end; pfn++) {
		if (cma_test_hold_page(held, pfn, req->kinds, mapping)) {
			req->pfn = pfn;
			req->index = READ_ONCE(pfn_to_page(pfn)->index);
			return 0;
		}
		if (!(pfn % 1024))
			cond_resched();
	}
	return -ENOENT;
}

static int cma_test_hold_in(struct cma_test_file *file, struct cma *cma,
			    struct cma_test_hold *req,
			    const struct address_space *mapping)
{
	struct cma_test_held *held = kzalloc(sizeof(*held), GFP_KERNEL);
	int err;

	if (!held)
		return -ENOMEM;
	held->mode = req->mode;
	held->owner = current->files;
	/* What is in a CPU's batch is not on the LRU. */
	lru_add_drain_all();
	err = cma_test_find_hold(cma, req, held, mapping);
	if (err) {
		kfree(held);
		return err;
	}
	err = xa_alloc(&file->holds, &req->handle, held, xa_limit_31b,
		       GFP_KERNEL);
	if (err)
		cma_test_let_go(held);
	return err;
}

static int cma_test_ioctl_hold(struct cma_test_file *file, void *arg)
{
	struct cma_test_hold *req = arg;
	struct file *of = NULL;
	struct cma *cma;
	int err;

	if (!req->kinds || req->kinds & ~CMA_TEST_ANY ||
	    req->mode > CMA_TEST_BY_WRITEBACK)
		return -EINVAL;
	err = cma_test_real_area(req->area, &cma);
	if (err)
		return err;
	if (req->fd >= 0) {
		of = fget(req->fd);
		if (!of)
			return -EBADF;
	}
	err = cma_test_hold_in(file, cma, req, of ? of->f_mapping : NULL);
	if (of)
		fput(of);
	return err;
}

static int cma_test_ioctl_unhold(struct cma_test_file *file, void *arg)
{
	struct cma_test_unhold *req = arg;
	struct cma_test_held *held;

	mutex_lock(&file->lock);
	held = xa_erase(&file->holds, req->handle);
	mutex_unlock(&file->lock);
	if (!held)
		return -ENOENT;
	cma_test_let_go(held);
	return 0;
}

/**
 * struct cma_test_look - what a page is at one moment
 * @kind: CMA_TEST_ANON and so on, 0 for none of them
 * @pages: pages of its folio from this one on; 0 if it is free
 * @refs: references to its folio
 * @expected: those that migration accounts for
 * @written: dirty, or under writeback
 * @owner: type of its file system, if it has one
 */
struct cma_test_look {
	u32 kind;
	unsigned long pages;
	int refs;
	int expected;
	bool written;
	char owner[CMA_TEST_OWNER_LEN];
};

/* As migration counts them; whoever has taken it off the LRU has one, too. */
static int cma_test_expected_refs(const struct folio *folio)
{
	int refs = folio_mapcount(folio) + !folio_test_lru(folio);
	long pages = folio_nr_pages(folio);

	if (folio_test_swapcache(folio))
		refs += pages;
	if (folio_test_anon(folio))
		return refs;
	if (READ_ONCE(folio->mapping))
		refs += pages;
	return refs + folio_test_private(folio);
}

static void cma_test_look_at(struct cma_test_look *look, struct folio *folio)
{
	struct address_space *mapping;

	look->kind = cma_test_kind(folio);
	if (!look->kind)
		return;
	look->refs = folio_ref_count(folio) - 1;
	look->expected = cma_test_expected_refs(folio);
	look->written = folio_test_dirty(folio) || folio_test_writeback(folio);
	mapping = READ_ONCE(folio->mapping);
	if (look->kind != CMA_TEST_ANON && mapping && mapping->host)
		strscpy(look->owner, mapping->host->i_sb->s_type->name);
}

/*
 * Under RCU, for the sake of others who wait until such references are gone, and
 * because it keeps the inode of a mapping that is still the folio's.
 */
static void cma_test_look_up(struct cma_test_look *look, unsigned long pfn)
{
	struct folio *folio;

	*look = (struct cma_test_look) { };
	rcu_read_lock();
	folio = cma_test_get(pfn_to_page(pfn));
	if (folio) {
		look->pages = folio_pfn(folio) + folio_nr_pages(folio) - pfn;
		cma_test_look_at(look, folio);
		folio_put(folio);
	}
	rcu_read_unlock();
}

static void cma_test_count_owner(struct cma_test_walk *req,
				 const struct cma_test_look *look, u64 pages)
{
	u32 i, known = min_t(u32, req->nr_owners, CMA_TEST_MAX_OWNERS);

	for (i = 0; i < known; i++) {
		if (!strcmp(req->owners[i].name, look->owner)) {
			req->owners[i].pages += pages;
			return;
		}
	}
	req->nr_owners++;
	if (i == CMA_TEST_MAX_OWNERS)
		return;
	strscpy(req->owners[i].name, look->owner);
	req->owners[i].pages = pages;
}

/* Count a page in use; return whether it is conspicuous. */
static bool cma_test_count_look(struct cma_test_walk *req,
				const struct cma_test_look *look, u64 pages)
{
	switch (look->kind) {
	case CMA_TEST_ANON:
		req->anon += pages;
		break;
	case CMA_TEST_SHMEM:
		req->shmem += pages;
		break;
	case CMA_TEST_FILE:
		req->file += pages;
		req->written += look->written ? pages : 0;
		break;
	default:
		req->other += pages;
		return true;
	}
	if (look->owner[0])
		cma_test_count_owner(req, look, pages);
	if (look->refs <= look->expected)
		return false;
	req->excess++;
	return true;
}

static void cma_test_first_look(struct cma *cma, struct cma_test_walk *req,
				unsigned long *conspicuous)
{
	unsigned long pages, i, count = cma_test_count(cma);
	struct cma_test_look look;

	for (i = 0; i < count; i += pages) {
		unsigned long pfn = cma_test_base(cma) + i;

		pages = 1;
		if (mtree_load(&cma_test_blocks, pfn)) {
			req->device++;
			continue;
		}
		cma_test_look_up(&look, pfn);
		if (!look.pages) {
			req->free++;
			continue;
		}
		pages = min(look.pages, count - i);
		if (cma_test_count_look(req, &look, pages))
			set_bit(i, conspicuous);
		cond_resched();
	}
}

static void cma_test_second_look(struct cma *cma, struct cma_test_walk *req,
				 const unsigned long *conspicuous)
{
	unsigned long i;

	for_each_set_bit(i, conspicuous, cma_test_count(cma)) {
		unsigned long pfn = cma_test_base(cma) + i;
		struct cma_test_look look;

		cma_test_look_up(&look, pfn);
		if (!look.pages || mtree_load(&cma_test_blocks, pfn))
			continue;
		if (!look.kind) {
			if (!req->other_lasting++)
				req->other_pfn = pfn;
		} else if (look.refs > look.expected && !req->excess_lasting++) {
			req->excess_pfn = pfn;
			req->refs = look.refs;
			req->expected = look.expected;
		}
	}
}

static int cma_test_ioctl_walk(struct cma_test_file *file, void *arg)
{
	struct cma_test_walk *req = arg;
	unsigned long *conspicuous;
	struct cma *cma;
	int err;

	err = cma_test_real_area(req->area, &cma);
	if (err)
		return err;
	conspicuous = kvcalloc(BITS_TO_LONGS(cma_test_count(cma)),
			       sizeof(*conspicuous), GFP_KERNEL);
	if (!conspicuous)
		return -ENOMEM;
	memset(&req->device, 0, sizeof(*req) - sizeof(req->area));
	cma_test_first_look(cma, req, conspicuous);
	lru_add_drain_all();
	synchronize_rcu();
	cma_test_second_look(cma, req, conspicuous);
	kvfree(conspicuous);
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

/* Mirrors. */

static int cma_test_invalidate(struct mmu_notifier *notifier,
			       const struct mmu_notifier_range *range)
{
	struct cma_test_mirrored *m = container_of(notifier,
						   struct cma_test_mirrored,
						   notifier);

	if (range->start < m->range.end && range->end > m->range.start &&
	    task_pid_vnr(current) == m->range.pid)
		atomic64_inc(&m->unmapped);
	return 0;
}

static const struct mmu_notifier_ops cma_test_mirror_ops = {
	.invalidate_range_start = cma_test_invalidate,
};

static int cma_test_ioctl_mirror(struct cma_test_file *file, void *arg)
{
	struct cma_test_mirrored *m = kzalloc(sizeof(*m), GFP_KERNEL);
	int err = -EBUSY;

	if (!m)
		return -ENOMEM;
	m->range = *(struct cma_test_mirror *)arg;
	m->notifier.ops = &cma_test_mirror_ops;
	mutex_lock(&file->lock);
	if (!file->mirrored)
		err = mmu_notifier_register(&m->notifier, current->mm);
	if (!err)
		file->mirrored = m;
	mutex_unlock(&file->lock);
	if (err)
		kfree(m);
	return err;
}

static int cma_test_ioctl_unmapped(struct cma_test_file *file, void *arg)
{
	int err = -ENOENT;

	mutex_lock(&file->lock);
	if (file->mirrored) {
		*(u64 *)arg = atomic64_read(&file->mirrored->unmapped);
		err = 0;
	}
	mutex_unlock(&file->lock);
	return err;
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
	{ CMA_TEST_HOLD, cma_test_ioctl_hold },
	{ CMA_TEST_UNHOLD, cma_test_ioctl_unhold },
	{ CMA_TEST_WALK, cma_test_ioctl_walk },
	{ CMA_TEST_MIRROR, cma_test_ioctl_mirror },
	{ CMA_TEST_UNMAPPED, cma_test_ioctl_unmapped },
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
	xa_init_flags(&file->holds, XA_FLAGS_ALLOC1);
	opened->private_data = file;
	return 0;
}

/* Let go of what was held for @owner, or of all where that is NULL. */
static void cma_test_let_go_of(struct cma_test_file *file, fl_owner_t owner)
{
	struct cma_test_held *held;
	unsigned long handle;

	mutex_lock(&file->lock);
	xa_for_each(&file->holds, handle, held) {
		if (owner && held->owner != owner)
			continue;
		xa_erase(&file->holds, handle);
		cma_test_let_go(held);
	}
	mutex_unlock(&file->lock);
}

/*
 * When a process ends, its files are closed last first: that of a page which is
 * held would wait for it here for ever. This is called for all files before.
 */
static int cma_test_flush(struct file *opened, fl_owner_t owner)
{
	cma_test_let_go_of(opened->private_data, owner);
	return 0;
}

static int cma_test_close(struct inode *inode, struct file *opened)
{
	struct cma_test_file *file = opened->private_data;
	struct cma_test_block *block;
	unsigned long handle;
	u64 ns;

	if (file->mirrored)
		mmu_notifier_unregister(&file->mirrored->notifier,
					file->mirrored->notifier.mm);
	kfree(file->mirrored);
	cma_test_let_go_of(file, NULL);
	xa_destroy(&file->holds);
	xa_for_each(&file->blocks, handle, block)
		cma_test_drop(block, &ns);
	xa_destroy(&file->blocks);
	kfree(file);
	return 0;
}

static const struct file_operations cma_test_fops = {
	.owner = THIS_MODULE,
	.open = cma_test_open,
	.flush = cma_test_flush,
	.release = cma_test_close,
	.unlocked_ioctl = cma_test_ioctl,
};

static int __init cma_test_init(void)
{
	debugfs_create_file("cma_test", 0600, NULL, NULL, &cma_test_fops);
	platform_device_register_simple("cma_test", PLATFORM_DEVID_NONE, NULL, 0);
	return platform_driver_register(&cma_test_driver);
}
late_initcall(cma_test_init);
