/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What the CMA test device and the selftests say to each other: ioctl numbers
 * and their structures. Shared with user space by relative include, so it
 * holds nothing but UAPI types.
 */
#ifndef _MM_TESTS_CMA_TEST_DEV_H
#define _MM_TESTS_CMA_TEST_DEV_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define CMA_TEST_PATH		"/sys/kernel/debug/cma_test"
#define CMA_TEST_NAME_LEN	64
#define CMA_TEST_MAX_AREAS	32
#define CMA_TEST_NO_BAD		(~0ULL)

/* Flags of struct cma_test_alloc. */
#define CMA_TEST_NO_WARN	0x1
#define CMA_TEST_FOLIO		0x2	/* order in align, count ignored */
#define CMA_TEST_NOFS		0x4
#define CMA_TEST_NOIO		0x8
#define CMA_TEST_RESUME		0x10	/* as a device does that resumes */
#define CMA_TEST_ALL_FLAGS	0x1f

/*
 * Values of cma_test_alloc.error beside -ENOMEM: the first two mean that the
 * allocator under test broke its contract, not that it had no memory.
 */
#define CMA_TEST_EOVERLAP	(-17)	/* a block overlaps one handed out */
#define CMA_TEST_EINUSE		(-117)	/* a page of the block is in use */

/**
 * struct cma_test_alloc - one request
 * @area: name of the area, "" to pass NULL to the allocator
 * @count: pages
 * @align: order of the alignment; order of the folio with CMA_TEST_FOLIO
 * @flags: CMA_TEST_* above
 * @error: out: 0, -ENOMEM, CMA_TEST_EOVERLAP or CMA_TEST_EINUSE
 * @handle: out: names the block in later calls on the same open file
 * @pfn: out: first page frame
 * @latency_ns: out: duration of the bare allocator call
 */
struct cma_test_alloc {
	char area[CMA_TEST_NAME_LEN];
	__u64 count;
	__u32 align;
	__u32 flags;
	__s32 error;
	__u32 handle;
	__u64 pfn;
	__u64 latency_ns;
};

/**
 * struct cma_test_release - give one block back
 * @handle: from struct cma_test_alloc
 * @result: out: what cma_release() or cma_free_folio() returned
 * @latency_ns: out: duration of the bare call
 */
struct cma_test_release {
	__u32 handle;
	__u32 result;
	__u64 latency_ns;
};

/**
 * struct cma_test_range - pages named directly, for bad input
 * @area: name of the area, "" to pass NULL
 * @pfn: first page frame; it must exist
 * @count: pages
 * @result: out: what the called function returned
 * @mine: a valid release: an end of a block of this file, which then loses it
 */
struct cma_test_range {
	char area[CMA_TEST_NAME_LEN];
	__u64 pfn;
	__u64 count;
	__u32 result;
	__u32 mine;
};

/**
 * struct cma_test_for_each - walk the areas
 * @stop_after: the callback stops the walk after so many areas, 0 for never
 * @ret: out: what cma_for_each_area() returned
 * @nr: out: areas visited
 * @pad: zero
 * @names: out: their names
 */
struct cma_test_for_each {
	__u32 stop_after;
	__s32 ret;
	__u32 nr;
	__u32 pad;
	char names[CMA_TEST_MAX_AREAS][CMA_TEST_NAME_LEN];
};

/**
 * struct cma_test_fill - write or verify a pattern in every page of a block
 * @handle: from struct cma_test_alloc
 * @pad: zero
 * @seed: what makes this pattern differ from others
 * @bad: out: byte offset of the first wrong word, or CMA_TEST_NO_BAD
 */
struct cma_test_fill {
	__u32 handle;
	__u32 pad;
	__u64 seed;
	__u64 bad;
};

/**
 * struct cma_test_info - geometry of an area, by the public API
 * @area: its name
 * @base_pfn: out: first page frame
 * @count: out: pages
 */
struct cma_test_info {
	char area[CMA_TEST_NAME_LEN];
	__u64 base_pfn;
	__u64 count;
};

/**
 * struct cma_test_foreign - what allocators of gigantic pages do
 * @nr_pages: pages to take and give back at once
 * @nid: node, -1 for the caller's
 * @error: out: 0, -ENOMEM, or CMA_TEST_EINUSE when pages of an area came
 * @pfn: out: first page frame
 */
struct cma_test_foreign {
	__u64 nr_pages;
	__s32 nid;
	__s32 error;
	__u64 pfn;
};

/**
 * struct cma_test_largest - largest request that succeeds right now
 * @area: name of the area
 * @align: order of the alignment
 * @pad: zero
 * @pages: out: its size
 */
struct cma_test_largest {
	char area[CMA_TEST_NAME_LEN];
	__u32 align;
	__u32 pad;
	__u64 pages;
};

/**
 * struct cma_test_share - who holds the pages of an area
 * @area: name of the area
 * @count: out: pages of the area
 * @device: out: pages of blocks handed out by this device
 * @free: out: free, by reference count
 * @anon: out: lent to anonymous memory
 * @shmem: out: lent to tmpfs and the like
 * @file: out: lent to page cache
 * @other: out: none of the above
 */
struct cma_test_share {
	char area[CMA_TEST_NAME_LEN];
	__u64 count;
	__u64 device;
	__u64 free;
	__u64 anon;
	__u64 shmem;
	__u64 file;
	__u64 other;
};

/* Kinds of loans. */
#define CMA_TEST_ANON		0x1
#define CMA_TEST_SHMEM		0x2	/* tmpfs and the like */
#define CMA_TEST_FILE		0x4	/* page cache */
#define CMA_TEST_ANY		0x7

/* How a loan is held. */
#define CMA_TEST_BY_REF		0	/* a reference that nobody knows of */
#define CMA_TEST_BY_LOCK	1	/* the folio's lock */
#define CMA_TEST_BY_WRITEBACK	2	/* as if it were written: page cache only */

/**
 * struct cma_test_hold - keep one loan from coming back
 * @area: name of the area
 * @pfn: look from here on; out: the page that is held
 * @kinds: CMA_TEST_ANON and so on: loans that will do
 * @mode: CMA_TEST_BY_*
 * @fd: a file whose page it has to be, -1 for any
 * @handle: out: names the hold in CMA_TEST_UNHOLD on the same open file
 * @index: out: for a page of a file, where in it, in pages
 *
 * Small folios only. It lasts until it is told, or until the process that asked
 * for it closes the file.
 */
struct cma_test_hold {
	char area[CMA_TEST_NAME_LEN];
	__u64 pfn;
	__u32 kinds;
	__u32 mode;
	__s32 fd;
	__u32 handle;
	__u64 index;
};

/**
 * struct cma_test_unhold - let go
 * @handle: from struct cma_test_hold
 * @pad: zero
 */
struct cma_test_unhold {
	__u32 handle;
	__u32 pad;
};

#define CMA_TEST_OWNER_LEN	16
#define CMA_TEST_MAX_OWNERS	16

/**
 * struct cma_test_owner - a file system that borrows
 * @name: name of its type
 * @pages: how much
 */
struct cma_test_owner {
	char name[CMA_TEST_OWNER_LEN];
	__u64 pages;
};

/**
 * struct cma_test_walk - whose the loans of an area are, and who refers to them
 * @area: name of the area
 * @device: out: pages of blocks handed out by this device
 * @free: out: free, or on their way
 * @anon: out: lent to anonymous memory
 * @shmem: out: lent to tmpfs and the like
 * @file: out: lent to page cache
 * @written: out: of @file, what is dirty or under writeback
 * @other: out: none of the above
 * @excess: out: loans with references that migration does not account for
 * @other_lasting: out: of @other, those that still were it at a second look
 * @excess_lasting: out: the same of @excess
 * @other_pfn: out: the first of @other_lasting, 0 if there is none
 * @excess_pfn: out: the first of @excess_lasting, 0 if there is none
 * @refs: out: references to @excess_pfn at the second look
 * @expected: out: those of them that are accounted for
 * @nr_owners: out: file systems met, also those that did not fit in @owners
 * @pad: zero
 * @owners: out: of @shmem and @file
 *
 * Who looks a page up may refer to it for an instant. So there is a second look at
 * what was conspicuous, once LRU batches are flushed and RCU readers are done.
 */
struct cma_test_walk {
	char area[CMA_TEST_NAME_LEN];
	__u64 device;
	__u64 free;
	__u64 anon;
	__u64 shmem;
	__u64 file;
	__u64 written;
	__u64 other;
	__u64 excess;
	__u64 other_lasting;
	__u64 excess_lasting;
	__u64 other_pfn;
	__u64 excess_pfn;
	__s32 refs;
	__s32 expected;
	__u32 nr_owners;
	__u32 pad;
	struct cma_test_owner owners[CMA_TEST_MAX_OWNERS];
};

/**
 * struct cma_test_mirror - memory of the caller's that is mirrored, as a GPU does it
 * @start: first address
 * @end: one past the last
 * @pid: whose unmapping of it is counted
 * @pad: zero
 */
struct cma_test_mirror {
	__u64 start;
	__u64 end;
	__s32 pid;
	__u32 pad;
};

#define CMA_TEST_ALLOC		_IOWR('C', 1, struct cma_test_alloc)
#define CMA_TEST_RELEASE	_IOWR('C', 2, struct cma_test_release)
#define CMA_TEST_RELEASE_RAW	_IOWR('C', 3, struct cma_test_range)
#define CMA_TEST_PAGES_VALID	_IOWR('C', 4, struct cma_test_range)
#define CMA_TEST_FOR_EACH	_IOWR('C', 5, struct cma_test_for_each)
#define CMA_TEST_FILL		_IOWR('C', 6, struct cma_test_fill)
#define CMA_TEST_CHECK		_IOWR('C', 7, struct cma_test_fill)
#define CMA_TEST_INFO		_IOWR('C', 8, struct cma_test_info)
#define CMA_TEST_FOREIGN	_IOWR('C', 9, struct cma_test_foreign)
#define CMA_TEST_LARGEST	_IOWR('C', 10, struct cma_test_largest)
#define CMA_TEST_SHARE		_IOWR('C', 11, struct cma_test_share)
#define CMA_TEST_HOLD		_IOWR('C', 12, struct cma_test_hold)
#define CMA_TEST_UNHOLD		_IOWR('C', 13, struct cma_test_unhold)
#define CMA_TEST_WALK		_IOWR('C', 14, struct cma_test_walk)
/* Once for each open file; what is counted is told by its number, by whoever asks. */
#define CMA_TEST_MIRROR		_IOWR('C', 15, struct cma_test_mirror)
#define CMA_TEST_UNMAPPED	_IOWR('C', 16, __u64)

#endif /* _MM_TESTS_CMA_TEST_DEV_H */
