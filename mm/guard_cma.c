// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the guard
 *
 * A page of an area that is lent comes back by migration, and migration needs
 * that nobody but the page tables and the page cache refers to it.  So nobody
 * may refer to a loan for longer than the kernel decides: whoever would (GUP, a
 * pipe, read() into memory that stalls, a write fault on a frozen file system)
 * is held up here, while the loan is moved out of the area, and looks the page
 * up again.  No reference is held while it is moved, so two tasks that want the
 * same page do not stand in each other's way.
 *
 * A target is an ordinary allocation in the caller's scope.  What can't be moved
 * at once is waited for, killably; where the caller must not wait, it is told
 * what it would be told about a page that is not there.
 *
 * This file owns the decision what is a loan, and what the hooks in gup.c,
 * filemap.c, shmem.c and memory.c call.  It has no state but counters.
 */
#include <linux/cma_lend.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/pagewalk.h>
#include <linux/percpu.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "internal.h"
#include "page_alloc_cma.h"

/* Pages that one call of the guard moves for GUP, with one TLB flush. */
#define CMA_GUARD_BATCH		512UL
/* Pause before a page that could not be moved is looked at again, in us. */
#define CMA_GUARD_PAUSE_US	500
/* For how long to wait for a flush of all LRU batches, in jiffies. */
#define CMA_GUARD_DRAIN		(HZ / 20)
/* Bytes of user memory that are faulted in for one round of read(). */
#define CMA_GUARD_READ		(PAGEVEC_SIZE * PAGE_SIZE)
/* Times that memory may be gone again before it was copied to. */
#define CMA_GUARD_READ_TRIES	100

/*
 * In an area, and not held by a device.  A device's pages may be mapped and
 * pinned as it likes: gigantic pages are an example.
 */
bool __cma_is_lent(const struct page *page)
{
	unsigned long pfn = page_to_pfn(page);
	const struct cma *cma = cma_find_area(pfn);

	return cma && !test_bit((pfn - cma->base_pfn) >> cma->order_per_bit,
				cma->held);
}

static void cma_count_guard(const struct page *page, unsigned int moved,
			    unsigned int copied)
{
	const struct cma *cma = cma_find_area(page_to_pfn(page));

	this_cpu_inc(cma->stats->guard_hits);
	this_cpu_add(cma->stats->guard_moved, moved);
	this_cpu_add(cma->stats->guard_copied, copied);
}

/*
 * What targets may cost.  No OOM killer while folios are locked and unmapped: a
 * victim may wait for one of them.
 */
static gfp_t cma_guard_gfp(unsigned int foll_flags)
{
	gfp_t gfp = GFP_HIGHUSER_MOVABLE | __GFP_NOWARN | __GFP_RETRY_MAYFAIL;

	if (foll_flags & FOLL_NOWAIT)
		return gfp & ~__GFP_DIRECT_RECLAIM;
	/* The caller holds locks that a page fault would take, and maybe reclaim. */
	if (foll_flags & FOLL_NOFAULT)
		return gfp & ~__GFP_FS;
	return gfp;
}

/*
 * Nothing could be moved: have the reasons removed that can be, then let time
 * pass.  An ordinary allocation, without anything locked, makes room for a
 * target.
 */
static void cma_guard_pause(void)
{
	struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE | __GFP_NOWARN);

	if (page)
		__free_page(page);
	cma_drain_batches(CMA_GUARD_DRAIN);
	usleep_range_state(CMA_GUARD_PAUSE_US, 2 * CMA_GUARD_PAUSE_US,
			   TASK_KILLABLE);
}

/* GUP. */

/* Isolate the loans that are mapped at [@addr, @end). Return: the first, if any. */
static struct page *cma_collect_mapped(struct vm_area_struct *vma,
				       unsigned long addr, unsigned long end,
				       struct list_head *folios)
{
	struct page *first = NULL;
	unsigned long pages;
	struct folio_walk fw;
	struct folio *folio;

	for (; addr < end; addr += pages << PAGE_SHIFT) {
		pages = 1;
		folio = folio_walk_start(&fw, vma, addr, 0);
		if (!folio)
			continue;
		if (fw.level != FW_LEVEL_PTE)
			pages = folio_nr_pages(folio) -
				folio_page_idx(folio, fw.page);
		if (cma_is_lent(fw.page)) {
			first = first ?: fw.page;
			cma_isolate_loan(folio, folios);
		}
		folio_walk_end(&fw, vma);
	}
	return first;
}

/*
 * One try to move the loans that are mapped at [@addr, @end).  Return: true
 * where something changed, or nothing had to be done.
 */
static bool cma_move_mapped(struct vm_area_struct *vma, unsigned long addr,
			    unsigned long end, gfp_t gfp)
{
	unsigned int moved;
	struct page *first;
	LIST_HEAD(folios);

	first = cma_collect_mapped(vma, addr, end, &folios);
	if (!first)
		return true;
	moved = cma_move_out(&folios, gfp);
	putback_movable_pages(&folios);
	cma_count_guard(first, moved, 0);
	return moved;
}

/*
 * Wait for whoever keeps the page from moving.  With FOLL_UNLOCKABLE that is
 * done without the lock, as after a fault that had to wait.
 */
static struct page *cma_wait_mapped(struct vm_area_struct *vma,
				    unsigned int foll_flags, int *locked)
{
	bool unlock = foll_flags & FOLL_UNLOCKABLE;

	if (unlock) {
		mmap_read_unlock(vma->vm_mm);
		*locked = 0;
	}
	cma_guard_pause();
	return unlock ? NULL : CMA_REFUSED;
}

/**
 * __cma_guard_gup() - move out what GUP wants to hold
 * @vma: where it is mapped
 * @addr: user address of the page that was refused
 * @nr_pages: pages that are wanted from there on
 * @foll_flags: FOLL_*
 * @locked: as for __get_user_pages()
 *
 * Context: mmap_lock held; may sleep, but not with FOLL_NOWAIT.
 * Return: CMA_REFUSED to look the page up again, NULL to return what there is so
 *	far, or an error.
 */
struct page *__cma_guard_gup(struct vm_area_struct *vma, unsigned long addr,
			     unsigned long nr_pages, unsigned int foll_flags,
			     int *locked)
{
	unsigned long pages = min(nr_pages, CMA_GUARD_BATCH);
	unsigned long end = min(vma->vm_end, addr + (pages << PAGE_SHIFT));
	gfp_t gfp = cma_guard_gfp(foll_flags);

	addr &= PAGE_MASK;
	if (cma_move_mapped(vma, addr, end, gfp))
		return CMA_REFUSED;
	/* This CPU's batch may have the reference that kept it here. */
	lru_add_drain();
	if (cma_move_mapped(vma, addr, end, gfp))
		return CMA_REFUSED;

	if (foll_flags & FOLL_NOWAIT)
		return NULL;
	if (foll_flags & FOLL_NOFAULT)
		return ERR_PTR(-EFAULT);
	if (fatal_signal_pending(current) ||
	    (foll_flags & FOLL_INTERRUPTIBLE && signal_pending(current)))
		return ERR_PTR(-EINTR);
	return cma_wait_mapped(vma, foll_flags, locked);
}

/* Pipes. */

/*
 * Only small folios: a large one may be split when it can't be moved, and the
 * caller would go on with another folio than it looked up.  No large file folio
 * is lent anyway.
 */
static bool cma_isolate_held(struct folio *folio, struct list_head *folios)
{
	if (folio_test_large(folio))
		return false;
	/* What was read a moment ago sits in this CPU's batch. */
	if (!folio_test_lru(folio))
		lru_add_drain();
	return cma_isolate_loan(folio, folios);
}

/*
 * Move the folios on @folios, to each of which the caller has a reference beside
 * the isolation's.  Where none can be moved, the caller has them all as before.
 */
static unsigned int cma_move_held(struct list_head *folios)
{
	struct folio *folio;
	unsigned int moved;
	struct page *first;

	folio = list_first_entry(folios, struct folio, lru);
	first = &folio->page;
	list_for_each_entry(folio, folios, lru)
		folio_put(folio);
	moved = cma_move_out(folios, cma_guard_gfp(0));
	if (!moved)
		list_for_each_entry(folio, folios, lru)
			folio_get(folio);
	putback_movable_pages(folios);
	cma_count_guard(first, moved, 0);
	return moved;
}

/*
 * A copy of a folio of a page cache, in exchange for the caller's reference.  It
 * looks like a folio that was truncated a moment ago, which pipes know how to
 * handle.  A pipe has no say in when its bytes are taken from the file: these are
 * what they were when they were spliced.  An allocation that fails would be taken
 * for the end of the file.
 */
static struct folio *cma_exchange_for_copy(struct folio *folio)
{
	struct folio *copy;

	if (WARN_ON_ONCE(folio_test_large(folio)))
		return folio;
	copy = folio_alloc(GFP_HIGHUSER | __GFP_ACCOUNT | __GFP_NOFAIL, 0);
	folio_copy(copy, folio);
	copy->index = folio->index;
	__folio_mark_uptodate(copy);
	cma_count_guard(&folio->page, 0, 1);
	folio_put(folio);
	return copy;
}

static void cma_copy_batch(struct folio_batch *fbatch)
{
	unsigned int i;

	for (i = 0; i < folio_batch_count(fbatch); i++)
		if (cma_is_lent(&fbatch->folios[i]->page))
			fbatch->folios[i] =
				cma_exchange_for_copy(fbatch->folios[i]);
}

static bool cma_batch_has_loan(const struct folio_batch *fbatch)
{
	unsigned int i;

	for (i = 0; i < fbatch->nr; i++)
		if (cma_is_lent(&fbatch->folios[i]->page))
			return true;
	return false;
}

/**
 * __cma_guard_batch() - move out what a splice wants to put into a pipe
 * @fbatch: folios of a page cache, with a reference each; where loans can't be
 *	moved, copies take their places
 *
 * Context: may sleep.
 * Return: true if the batch was released and has to be looked up again; false if
 *	there are no loans in it now.
 */
bool __cma_guard_batch(struct folio_batch *fbatch)
{
	struct folio_batch rest;
	LIST_HEAD(folios);
	unsigned int i;

	/* Nearly always: they were moved the first time. */
	if (!cma_batch_has_loan(fbatch))
		return false;

	folio_batch_init(&rest);
	for (i = 0; i < folio_batch_count(fbatch); i++) {
		struct folio *folio = fbatch->folios[i];

		if (!cma_is_lent(&folio->page) ||
		    !cma_isolate_held(folio, &folios))
			folio_batch_add(&rest, folio);
	}
	if (list_empty(&folios) || !cma_move_held(&folios)) {
		cma_copy_batch(fbatch);
		return false;
	}
	folio_batch_release(&rest);
	folio_batch_init(fbatch);
	return true;
}

/* Move one folio out.  Return: true if it was, and the reference is gone. */
static bool cma_move_folio(struct folio *folio)
{
	LIST_HEAD(folios);

	return cma_isolate_held(folio, &folios) && cma_move_held(&folios);
}

/**
 * __cma_guard_folio() - move out what a splice wants to put into a pipe
 * @folio: a loan, with a reference; where it can't be moved, a copy takes its
 *	place
 *
 * Context: may sleep.
 * Return: true if it was moved, and @folio is NULL now.
 */
bool __cma_guard_folio(struct folio **folio)
{
	if (!cma_move_folio(*folio)) {
		*folio = cma_exchange_for_copy(*folio);
		return false;
	}
	*folio = NULL;
	return true;
}

/**
 * cma_page_to_hold() - a page of a page cache that user space may make us keep
 * @page: with a reference, which is given up if it is a loan
 *
 * Context: may sleep.
 * Return: @page, or a copy of it as it is now, with a reference.
 */
struct page *cma_page_to_hold(struct page *page)
{
	if (!cma_is_lent(page))
		return page;
	return folio_page(cma_exchange_for_copy(page_folio(page)), 0);
}

/* read(). */

/**
 * __cma_copy_to_iter() - copy from a page to user memory without page faults
 * @page: the page to begin at
 * @offset: bytes from the start of @page
 * @bytes: how much
 * @iter: where to
 *
 * Return: bytes copied; less than @bytes where user memory is not there.
 */
size_t __cma_copy_to_iter(struct page *page, size_t offset, size_t bytes,
			  struct iov_iter *iter)
{
	size_t copied;

	pagefault_disable();
	copied = copy_page_to_iter(page, offset, bytes, iter);
	pagefault_enable();
	return copied;
}

/**
 * __cma_guard_read() - fault in what a copy without page faults missed
 * @iter: where the copy goes on
 * @bytes: how much it wants to copy
 * @guard: how this read() gets on
 *
 * Memory that can be faulted in, and yet not be written to, exists: after some
 * tries the answer is what the base kernel's would be.  The caller may have page
 * faults disabled, because of locks that it holds.
 *
 * Context: may sleep for as long as user space likes; no folio is held.
 * Return: 0 if there is memory to go on with, or -EFAULT.
 */
int __cma_guard_read(struct iov_iter *iter, loff_t bytes,
		     struct cma_read_guard *guard)
{
	size_t want, left = iov_iter_count(iter);

	want = min_t(u64, bytes, min(left, CMA_GUARD_READ));
	if (!want || !user_backed_iter(iter) || pagefault_disabled())
		return -EFAULT;
	if (guard->left != left)
		guard->tries = 0;
	guard->left = left;
	if (guard->tries++ == CMA_GUARD_READ_TRIES ||
	    fault_in_iov_iter_writeable(iter, want) == want)
		return -EFAULT;
	return 0;
}

/* Write faults. */

/**
 * cma_take_hold() - take the reference again that cma_let_go() gave up
 * @vmf: a write fault that copies; vmf->page is what it copies from
 * @folio: result: the folio of vmf->page, with a reference
 *
 * Context: mmap_lock or the VMA's lock held; takes the page table's lock.
 * Return: false if something else is mapped by now, or nothing.
 */
bool cma_take_hold(struct vm_fault *vmf, struct folio **folio)
{
	pte_t *pte = pte_offset_map_lock(vmf->vma->vm_mm, vmf->pmd,
					 vmf->address, &vmf->ptl);
	bool same;

	if (!pte)
		return false;
	/* What is mapped is not freed under the lock. */
	same = pte_same(ptep_get(pte), vmf->orig_pte);
	if (same) {
		*folio = page_folio(vmf->page);
		folio_get(*folio);
	}
	pte_unmap_unlock(pte, vmf->ptl);
	return same;
}

static struct super_block *cma_fault_sb(const struct vm_fault *vmf)
{
	return file_inode(vmf->vma->vm_file)->i_sb;
}

/**
 * __cma_guard_mkwrite() - hold no loan while a file system is frozen
 * @vmf: a write fault, about to call page_mkwrite()
 * @folio: the loan that it is about, with a reference
 *
 * A file system freezes by shutting out writers first, and only then page
 * faults: while we are a writer, page_mkwrite() does not sleep for that.  Where
 * the door is shut already, the folio is moved, and the fault waits with the new
 * one.
 *
 * Context: mmap_lock or the VMA's lock held; may sleep.
 * Return: 1 to go on, and to call __cma_guard_mkwrite_done() afterwards; -EAGAIN if
 *	the reference is gone and the fault has to begin anew.
 */
int __cma_guard_mkwrite(struct vm_fault *vmf, struct folio *folio)
{
	if (sb_start_write_trylock(cma_fault_sb(vmf)))
		return 1;
	if (!cma_move_folio(folio)) {
		folio_put(folio);
		cma_guard_pause();
	}
	return -EAGAIN;
}

/**
 * __cma_guard_mkwrite_done() - page_mkwrite() is over
 * @vmf: the write fault
 */
void __cma_guard_mkwrite_done(struct vm_fault *vmf)
{
	sb_end_write(cma_fault_sb(vmf));
}

/* Migration. */

/**
 * __cma_put_back() - put a loan back on the LRU that could not be migrated
 * @folio: an isolated folio, on the caller's list
 *
 * Context: any.
 */
void __cma_put_back(struct folio *folio)
{
	LIST_HEAD(folios);

	list_move(&folio->lru, &folios);
	putback_movable_pages(&folios);
}

/**
 * __cma_may_receive() - may a page cache get this folio by migration?
 * @mapping: the page cache, or that of swap
 * @newfolio: the folio, perhaps of an area
 * @folio: the folio in whose place it goes
 *
 * The file may have changed hands since @folio was chosen.  A mapping remembers
 * that it had a loan, whichever way the loan got there.
 *
 * Context: under the xarray's lock.
 * Return: false if the mapping's pages may not be lent.
 */
bool __cma_may_receive(struct address_space *mapping,
		       const struct folio *newfolio, const struct folio *folio)
{
	if (folio_test_swapcache(folio) || !cma_find_area(page_to_pfn(&newfolio->page)))
		return true;
	if (!(mapping_gfp_mask(mapping) & __GFP_CMA))
		return false;
	set_bit(AS_CMA_LENT, &mapping->flags);
	return true;
}
