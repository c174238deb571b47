/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the lending contiguous allocator offers beyond include/linux/cma.h: to
 * drivers, requests with a time limit; to owners of page cache, the word that
 * their pages may be lent.
 */
#ifndef _LINUX_CMA_LEND_H
#define _LINUX_CMA_LEND_H

#include <linux/bits.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/mmzone.h>
#include <linux/pagemap.h>

struct cma;
struct seq_file;

/*
 * Beside the FOLL_* of the base kernel: for callers of GUP that put the page at once,
 * and sleep on nothing of user space's meanwhile.  A page that is lent will do.
 */
#define FOLL_LENT	BIT(13)

#ifdef CONFIG_CMA_LEND
void __init cma_check_boot_option(const char *option);
struct page *cma_alloc_timeout(struct cma *cma, unsigned long count,
			       unsigned int align, bool no_warn, long timeout);
struct page *cma_page_to_hold(struct page *page);
void cma_show_meminfo(struct seq_file *m);
#else
static inline void cma_check_boot_option(const char *option)
{
}

static inline struct page *cma_page_to_hold(struct page *page)
{
	return page;
}

static inline void cma_show_meminfo(struct seq_file *m)
{
}
#endif

/*
 * Hook in cma_alloc_aligned(): the buddy allocator serves small buffers as well,
 * so their failure is no news, and nobody is killed for them.
 */
static inline bool cma_dma_no_warn(size_t size, gfp_t gfp)
{
	return gfp & __GFP_NOWARN ||
	       (IS_ENABLED(CONFIG_CMA_LEND) &&
		get_order(size) <= PAGE_ALLOC_COSTLY_ORDER);
}

/**
 * cma_lend_mapping() - the page cache of a file may be lent
 * @mapping: the file's mapping, before it has pages
 *
 * Whoever says so vouches that the kernel can move or drop every folio of it
 * without waiting for user space, and that references to them are short or go
 * through the guard.  Nothing happens if its pages are not movable, such as those of
 * directories that user space reads from.
 */
static inline void cma_lend_mapping(struct address_space *mapping)
{
	gfp_t gfp = mapping_gfp_mask(mapping);

	if (gfp & __GFP_MOVABLE)
		mapping_set_gfp_mask(mapping, gfp | __GFP_CMA);
}

/* Hook in inode_init_always_gfp(): a file system says so for all of its inodes. */
static inline void cma_lend_by_fs(struct address_space *mapping,
				  const struct super_block *sb)
{
	if (sb->s_type->fs_flags & FS_CMA_LEND)
		cma_lend_mapping(mapping);
}

#endif /* _LINUX_CMA_LEND_H */
