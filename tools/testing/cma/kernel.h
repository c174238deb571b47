/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files under test need of the kernel, in user space.  A file under test
 * is included whole, after this one.
 */
#ifndef CMA_KERNEL_H
#define CMA_KERNEL_H

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned short u16;
typedef unsigned long long u64;

#define BITS_PER_LONG	(8 * (int)sizeof(long))
#define BITS_TO_LONGS(nr) (((nr) + BITS_PER_LONG - 1) / BITS_PER_LONG)

#define min(a, b) ({							\
	__auto_type __a = (a);						\
	__auto_type __b = (b);						\
	__a < __b ? __a : __b; })
#define max(a, b) ({							\
	__auto_type __x = (a);						\
	__auto_type __y = (b);						\
	__x > __y ? __x : __y; })
#define clamp(v, lo, hi) min(max(v, lo), hi)
#define ALIGN(x, a) ({							\
	typeof(x) __mask = (typeof(x))(a) - 1;				\
	((x) + __mask) & ~__mask; })
#define DIV_ROUND_UP(n, d) ({						\
	__auto_type __d = (d);						\
	((n) + __d - 1) / __d; })
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define READ_ONCE(x)	__atomic_load_n(&(x), __ATOMIC_RELAXED)

static inline unsigned long __ffs(unsigned long word)
{
	return __builtin_ctzl(word);
}

static inline bool bit(const unsigned long *map, unsigned long nr)
{
	return map[nr / BITS_PER_LONG] >> (nr % BITS_PER_LONG) & 1;
}

/* How often a map was searched. */
static unsigned long finds;

/* The first bit from @pos on that is set in the map or, with ~0UL, clear. */
static inline unsigned long find_from(const unsigned long *map,
				      unsigned long size, unsigned long pos,
				      unsigned long invert)
{
	unsigned long word;

	finds++;
	while (pos < size) {
		word = (map[pos / BITS_PER_LONG] ^ invert) >>
		       (pos % BITS_PER_LONG);
		if (word)
			return min(pos + __ffs(word), size);
		pos = (pos / BITS_PER_LONG + 1) * BITS_PER_LONG;
	}
	return size;
}

static inline unsigned long find_next_bit(const unsigned long *map,
					  unsigned long size, unsigned long pos)
{
	return find_from(map, size, pos, 0);
}

static inline unsigned long find_next_zero_bit(const unsigned long *map,
					       unsigned long size,
					       unsigned long pos)
{
	return find_from(map, size, pos, ~0UL);
}

static inline void bitmap_set(unsigned long *map, unsigned long start,
			      unsigned long len)
{
	for (; len; len--, start++)
		map[start / BITS_PER_LONG] |= 1UL << (start % BITS_PER_LONG);
}

static inline void bitmap_clear(unsigned long *map, unsigned long start,
				unsigned long len)
{
	for (; len; len--, start++)
		map[start / BITS_PER_LONG] &= ~(1UL << (start % BITS_PER_LONG));
}

#endif /* CMA_KERNEL_H */
