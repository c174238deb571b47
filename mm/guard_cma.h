/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hooks where somebody is about to hold a loan, to write to it, or to sleep with it:
 * GUP, page cache, faults, migration, memory cgroups.  Each is behind one static key.
 */
#ifndef _MM_GUARD_CMA_H
#define _MM_GUARD_CMA_H

#include <linux/cma_lend.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/resume_user_mode.h>
#include <linux/uio.h>

#include "lend_cma.h"

struct folio_batch;

/*
 * In mapping->flags, where the base kernel's own end before: a loan was in this
 * page cache.  It stays set for as long as the inode is in memory.
 */
#define AS_CMA_LENT	15

/* What follow_page_mask() says of a loan that the caller wants to hold. */
#define CMA_REFUSED	ERR_PTR(-EUCLEAN)
/* What the guard says of one that can't be moved: take it. */
#define CMA_GRANTED	ERR_PTR(-EXFULL)

/* Beside the internal FOLL_* of the base kernel: the next page was granted. */
#define FOLL_GRANTED	BIT(23)

#ifdef CONFIG_CMA_LEND

bool __cma_outside_is_short(void);
struct page *__cma_guard_gup(struct vm_area_struct *vma, unsigned long addr,
			     unsigned long nr_pages, unsigned int flags,
			     int *locked);
int __cma_guard_batch(struct address_space *mapping,
		      struct folio_batch *fbatch);
int __cma_guard_folio(struct address_space *mapping, struct folio **folio);
size_t __cma_read_folio(struct folio *folio, size_t offset, size_t *bytes,
			struct iov_iter *iter, struct folio_batch *fbatch);
size_t __cma_read_page(struct page *page, size_t offset, size_t *bytes,
		       struct iov_iter *iter);
bool cma_take_hold(struct vm_fault *vmf, struct folio **folio);
bool __cma_guard_write(struct folio *folio, fgf_t fgp_flags, gfp_t gfp,
		       bool *waited);
vm_fault_t __cma_guard_mkwrite(struct vm_fault *vmf, struct folio *folio);
void __cma_pay_charge(struct mem_cgroup *memcg, gfp_t gfp);
void __cma_put_back(struct folio *folio);
bool __cma_may_receive(struct address_space *mapping,
		       const struct folio *newfolio, const struct folio *folio);

/*
 * Hook in faultin_page(): what GUP faults in to hold it is not borrowed, unless
 * memory outside is short.  The guard has the last word.
 */
static inline unsigned int cma_gup_noborrow(unsigned int foll_flags)
{
	if (!static_branch_unlikely(&cma_active_key))
		return 0;
	return cma_noborrow_save_if(foll_flags & (FOLL_GET | FOLL_PIN) &&
				    !(foll_flags & FOLL_LENT) &&
				    !__cma_outside_is_short());
}

#ifdef CONFIG_MEMCG
/*
 * Hook in charge_memcg(): nobody reclaims for a limit with a loan in hand.  Who asks for
 * a large folio goes on with small ones.  Kernel threads don't come to pay.
 */
static inline gfp_t cma_charge_gfp(const struct folio *folio, gfp_t gfp)
{
	if (!cma_is_lent(&folio->page) || !gfpflags_allow_blocking(gfp) ||
	    current->flags & PF_KTHREAD)
		return gfp;
	gfp &= ~__GFP_DIRECT_RECLAIM;
	return folio_test_large(folio) ? gfp : gfp | __GFP_HIGH | __GFP_CMA;
}

/* Hook in try_charge_memcg(), where a charge goes beyond the limit: is it for a loan? */
static inline void cma_charge_forced(gfp_t gfp)
{
	gfp_t loan = __GFP_HIGH | __GFP_CMA;

	if ((gfp & loan) != loan)
		return;
	current->memcg_nr_pages_over_high |= CMA_OWES;
	set_notify_resume(current);
}

/* Hook in mem_cgroup_handle_over_high().  Return: what there is to be done but for that. */
static inline unsigned int cma_pay_charge(struct mem_cgroup *memcg,
					  unsigned int nr_pages, gfp_t gfp)
{
	if (nr_pages & CMA_OWES)
		__cma_pay_charge(memcg, gfp);
	return nr_pages & ~CMA_OWES;
}
#endif

/*
 * Hooks in follow_page_mask() and in GUP-fast: a loan that the caller wants to hold
 * for longer than a moment.
 */
static __always_inline bool cma_refuses(const struct page *page,
					unsigned int foll_flags)
{
	return cma_is_lent(page) && foll_flags & (FOLL_GET | FOLL_PIN) &&
	       !(foll_flags & (FOLL_LENT | FOLL_GRANTED));
}

/*
 * Hook in __get_user_pages(): one test for what is nearly always true, before
 * those for the kinds of errors, pays for the hooks in follow_page_mask().
 */
static __always_inline bool cma_gup_found(const struct page *page)
{
	return !IS_ERR_OR_NULL(page);
}

/*
 * Hook in __get_user_pages(), where @page is an error: CMA_REFUSED or CMA_GRANTED if
 * it is to be looked up again; else how to go on.  By value: it lives in a register.
 */
static inline struct page *cma_guard_gup(struct page *page,
					 struct vm_area_struct *vma,
					 unsigned long addr,
					 unsigned long nr_pages,
					 unsigned int foll_flags, int *locked)
{
	if (page != CMA_REFUSED)
		return page;
	return __cma_guard_gup(vma, addr, nr_pages, foll_flags, locked);
}

/* What a grant adds to the FOLL_* of the caller; for one page. */
static __always_inline unsigned int cma_granted(const struct page *page)
{
	return page == CMA_GRANTED ? FOLL_GRANTED : 0;
}

/* Hooks where folios enter a page cache: a mapping remembers that it had a loan. */
static inline void cma_note_lent(struct address_space *mapping,
				 const struct folio *folio)
{
	if (cma_within_bounds(&folio->page) &&
	    !test_bit(AS_CMA_LENT, &mapping->flags) &&
	    __cma_is_lent(&folio->page))
		set_bit(AS_CMA_LENT, &mapping->flags);
}

/* Hook in __folio_migrate_mapping(): the same for folios that come by migration. */
static inline bool cma_may_receive(struct address_space *mapping,
				   const struct folio *newfolio,
				   const struct folio *folio)
{
	return !cma_within_bounds(&newfolio->page) ||
	       __cma_may_receive(mapping, newfolio, folio);
}

/*
 * Hook in filemap_splice_read(): an error, or 0 to go on with what is in the batch;
 * if that is nothing, it has to be looked up again.
 */
static inline int cma_guard_batch(struct address_space *mapping,
				  struct folio_batch *fbatch)
{
	if (!static_branch_unlikely(&cma_active_key) ||
	    !test_bit(AS_CMA_LENT, &mapping->flags))
		return 0;
	return __cma_guard_batch(mapping, fbatch);
}

/* Hook in shmem_file_splice_read(): the same for one folio, which becomes NULL. */
static inline int cma_guard_folio(struct address_space *mapping,
				  struct folio **folio)
{
	return cma_is_lent(&(*folio)->page) ?
	       __cma_guard_folio(mapping, folio) : 0;
}

/*
 * Hook in filemap_read(): copy to user memory, without page faults from folios of
 * a batch in which there may be loans.  Where it has to fault, the batch is empty
 * afterwards, and @bytes is what was tried.
 */
static inline size_t cma_read_folio(const struct address_space *mapping,
				    struct folio *folio, size_t offset,
				    size_t *bytes, struct iov_iter *iter,
				    struct folio_batch *fbatch)
{
	if (static_branch_unlikely(&cma_active_key) &&
	    test_bit(AS_CMA_LENT, &mapping->flags) && user_backed_iter(iter))
		return __cma_read_folio(folio, offset, bytes, iter, fbatch);
	return copy_folio_to_iter(folio, offset, *bytes, iter);
}

/* Hook in shmem_file_read_iter(): the same, and the reference is given up. */
static inline size_t cma_read_page(struct page *page, size_t offset,
				   size_t *bytes, struct iov_iter *iter)
{
	size_t copied;

	if (cma_is_lent(page) && user_backed_iter(iter))
		return __cma_read_page(page, offset, bytes, iter);
	copied = copy_page_to_iter(page, offset, *bytes, iter);
	put_page(page);
	return copied;
}

/*
 * Hook in filemap_read(): who owes reclaim would sleep for it in read-ahead, with a
 * batch of folios in hand.
 */
static inline void cma_pay_first(const struct kiocb *iocb,
				 const struct address_space *mapping)
{
	if (static_branch_unlikely(&cma_active_key) && cma_owes_reclaim() &&
	    test_bit(AS_CMA_LENT, &mapping->flags) &&
	    !(iocb->ki_flags & IOCB_NOWAIT))
		mem_cgroup_handle_over_high(GFP_KERNEL);
}

/*
 * Hook in wp_page_copy(): true if the reference to the folio is gone until there is
 * a page to copy it to, see cma_take_hold().
 */
static inline bool cma_let_go(struct folio **folio)
{
	if (!*folio || !cma_is_lent(&(*folio)->page))
		return false;
	folio_put(*folio);
	*folio = NULL;
	return true;
}

/*
 * Hook in __filemap_get_folio(): true if the folio was about to be written to, and
 * has to be looked up again, without the reference to it.  @waited is false at first.
 */
static inline bool cma_guard_write(const struct address_space *mapping,
				   struct folio *folio, fgf_t fgp_flags,
				   gfp_t gfp, bool *waited)
{
	if (!static_branch_unlikely(&cma_active_key) ||
	    !test_bit(AS_CMA_LENT, &mapping->flags) ||
	    !cma_is_lent(&folio->page) || !cma_is_for_write(mapping, fgp_flags))
		return false;
	return __cma_guard_write(folio, fgp_flags, gfp, waited);
}

/*
 * Hook before do_page_mkwrite(): if it is not 0, the fault ends like this, and the
 * reference to the folio is gone.
 */
static inline vm_fault_t cma_guard_mkwrite(struct vm_fault *vmf,
					   struct folio *folio)
{
	return cma_is_lent(&folio->page) ? __cma_guard_mkwrite(vmf, folio) : 0;
}

/* Hooks in KSM: what it leaves alone. */
static inline bool cma_ksm_skips(const struct folio *folio)
{
	return folio_is_zone_device(folio) || cma_is_lent(&folio->page);
}

/*
 * Hook in do_pages_move(): is the folio that was queued last a loan?  Then it is
 * to be moved now, before the others.
 */
static inline bool cma_lent_comes_first(struct list_head *folios)
{
	struct folio *last = list_last_entry(folios, struct folio, lru);

	if (!cma_is_lent(&last->page))
		return false;
	list_move(&last->lru, folios);
	return true;
}

/*
 * Hook in migrate_pages_sync(): a loan that could not be moved does not stay isolated
 * while others are waited for.  One folio is moved at a time.
 */
static inline void cma_put_back_last(struct list_head *folios)
{
	struct folio *last;

	if (!static_branch_unlikely(&cma_active_key) || list_empty(folios))
		return;
	last = list_last_entry(folios, struct folio, lru);
	if (cma_is_lent(&last->page))
		__cma_put_back(last);
}

/* Hook in migrate_folio_add(): loans are migrated first. */
static inline void cma_queue(struct folio *folio, struct list_head *folios)
{
	if (cma_is_lent(&folio->page))
		list_add(&folio->lru, folios);
	else
		list_add_tail(&folio->lru, folios);
}

#else /* !CONFIG_CMA_LEND */

static inline unsigned int cma_gup_noborrow(unsigned int foll_flags)
{
	return 0;
}

static inline bool cma_refuses(const struct page *page, unsigned int foll_flags)
{
	return false;
}

static inline bool cma_gup_found(const struct page *page)
{
	return false;
}

static inline struct page *cma_guard_gup(struct page *page,
					 struct vm_area_struct *vma,
					 unsigned long addr,
					 unsigned long nr_pages,
					 unsigned int foll_flags, int *locked)
{
	return page;
}

static inline unsigned int cma_granted(const struct page *page)
{
	return 0;
}

static inline void cma_note_lent(struct address_space *mapping,
				 const struct folio *folio)
{
}

static inline bool cma_may_receive(struct address_space *mapping,
				   const struct folio *newfolio,
				   const struct folio *folio)
{
	return true;
}

static inline int cma_guard_batch(struct address_space *mapping,
				  struct folio_batch *fbatch)
{
	return 0;
}

static inline int cma_guard_folio(struct address_space *mapping,
				  struct folio **folio)
{
	return 0;
}

static inline size_t cma_read_folio(const struct address_space *mapping,
				    struct folio *folio, size_t offset,
				    size_t *bytes, struct iov_iter *iter,
				    struct folio_batch *fbatch)
{
	return copy_folio_to_iter(folio, offset, *bytes, iter);
}

static inline size_t cma_read_page(struct page *page, size_t offset,
				   size_t *bytes, struct iov_iter *iter)
{
	size_t copied = copy_page_to_iter(page, offset, *bytes, iter);

	put_page(page);
	return copied;
}

static inline void cma_pay_first(const struct kiocb *iocb,
				 const struct address_space *mapping)
{
}

static inline bool cma_let_go(struct folio **folio)
{
	return false;
}

static inline bool cma_take_hold(struct vm_fault *vmf, struct folio **folio)
{
	return true;
}

static inline bool cma_guard_write(const struct address_space *mapping,
				   struct folio *folio, fgf_t fgp_flags,
				   gfp_t gfp, bool *waited)
{
	return false;
}

static inline vm_fault_t cma_guard_mkwrite(struct vm_fault *vmf,
					   struct folio *folio)
{
	return 0;
}

static inline gfp_t cma_charge_gfp(const struct folio *folio, gfp_t gfp)
{
	return gfp;
}

static inline void cma_charge_forced(gfp_t gfp)
{
}

static inline unsigned int cma_pay_charge(struct mem_cgroup *memcg,
					  unsigned int nr_pages, gfp_t gfp)
{
	return nr_pages;
}

static inline bool cma_ksm_skips(const struct folio *folio)
{
	return folio_is_zone_device(folio);
}

static inline bool cma_lent_comes_first(struct list_head *folios)
{
	return false;
}

static inline void cma_put_back_last(struct list_head *folios)
{
}

static inline void cma_queue(struct folio *folio, struct list_head *folios)
{
	list_add_tail(&folio->lru, folios);
}

#endif /* CONFIG_CMA_LEND */
#endif /* _MM_GUARD_CMA_H */
