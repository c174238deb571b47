/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What mm/option_cma.c and mm/tests/cma_test_option.c need: areas that exist, and a
 * record of what the parsers ask for and complain about.
 */
#ifndef CMA_OPTION_H
#define CMA_OPTION_H

#include <ctype.h>
#include <errno.h>

#include "kernel.h"

#define CMA_MAX_NAME	64
#define MAX_PAGE_ORDER	10
#define MAX_NUMNODES	64
#define NUMA_NO_NODE	(-1)

#define phys_addr_t	u64
#define __init
#define __initdata
#define early_param(name, fn)						\
	static inline const char *fn##_name(void)			\
	{								\
		return fn(NULL) ? NULL : name;				\
	}

static unsigned int complaints;

/* The arguments are read, as printk() would. */
static void complain(const char *fmt, ...)
{
	char line[2048];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	complaints++;
}

#define pr_err(fmt, ...)	complain(fmt, ##__VA_ARGS__)
#define pr_info(fmt, ...)	((void)snprintf(NULL, 0, fmt, ##__VA_ARGS__))

#define strscpy(to, from)	copy_string(to, from, sizeof(to))

static inline long copy_string(char *to, const char *from, size_t size)
{
	size_t len = strnlen(from, size);

	if (len == size)
		len--;
	memcpy(to, from, len);
	to[len] = '\0';
	return from[len] ? -E2BIG : (long)len;
}

static inline int match_string(const char * const *strings, size_t nr,
			       const char *string)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (!strcmp(strings[i], string))
			return i;
	return -EINVAL;
}

/* The value of a digit, 99 if it is none. */
static inline unsigned int digit_value(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return isxdigit((unsigned char)c) ? (c | 0x20) - 'a' + 10 : 99;
}

/* As the kernel's: no sign, no blanks; what is too large wraps. */
static inline u64 parse_number(const char **pos)
{
	const char *p = *pos;
	unsigned int base = 10;
	u64 value = 0;

	if (p[0] == '0') {
		base = 8;
		if ((p[1] | 0x20) == 'x' && isxdigit((unsigned char)p[2])) {
			base = 16;
			p += 2;
		}
	}
	for (; digit_value(*p) < base; p++)
		value = value * base + digit_value(*p);
	*pos = p;
	return value;
}

/* As the kernel's: the suffix is read even where there is no number. */
static inline u64 memparse(const char *p, char **end)
{
	static const char suffixes[] = "kmgtpe";
	u64 value = parse_number(&p);
	const char *found;

	if (*p) {
		found = strchr(suffixes, *p | 0x20);
		if (found && isalpha((unsigned char)*p)) {
			value <<= 10 * (found - suffixes + 1);
			p++;
		}
	}
	*end = (char *)p;
	return value;
}

/* Areas. */

enum cma_lend {
	CMA_LEND_ALL,
	CMA_LEND_FILE,
	CMA_LEND_NONE,
	CMA_LEND_POLICIES,
};

static const char * const cma_lend_names[CMA_LEND_POLICIES] = {
	[CMA_LEND_ALL] = "all",
	[CMA_LEND_FILE] = "file",
	[CMA_LEND_NONE] = "none",
};

struct cma {
	char name[CMA_MAX_NAME];
	int lend;	/* as cma_lend= said, or -1 */
};

#define AREAS	4

static struct cma cma_areas[AREAS];
static const unsigned int cma_area_count = AREAS;

static inline const char *cma_get_name(const struct cma *cma)
{
	return cma->name;
}

static inline int cma_for_each_area(int (*it)(struct cma *cma, void *data),
				    void *data)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < cma_area_count && !ret; i++)
		ret = it(&cma_areas[i], data);
	return ret;
}

static inline int cma_set_lend(struct cma *cma, enum cma_lend lend)
{
	cma->lend = lend;
	return 0;
}

/* The last area that was declared. */
static struct {
	char name[CMA_MAX_NAME];
	u64 base;
	u64 size;
	unsigned int order_per_bit;
	bool fixed;
	int nid;
	unsigned int nr;
} declared;

static inline int cma_declare_contiguous_nid(u64 base, u64 size, u64 limit,
					     u64 alignment,
					     unsigned int order_per_bit,
					     bool fixed, const char *name,
					     struct cma **cma, int nid)
{
	strscpy(declared.name, name);
	declared.base = base;
	declared.size = size;
	declared.order_per_bit = order_per_bit;
	declared.fixed = fixed;
	declared.nid = nid;
	declared.nr++;
	*cma = NULL;
	return 0;
}

#include "../../../mm/option_cma.c"
#undef pr_fmt
#include "../../../mm/tests/cma_test_option.c"

static inline void reset_options(void)
{
	static const char * const names[AREAS] = {
		"reserved", "linux,cma", "camera", "all",
	};
	unsigned int i;

	for (i = 0; i < AREAS; i++) {
		strscpy(cma_areas[i].name, names[i]);
		cma_areas[i].lend = -1;
	}
	complaints = 0;
	memset(&declared, 0, sizeof(declared));
	memset(cma_test_option, 0, sizeof(cma_test_option));
}

/* A copy with nothing behind it that might be read.  Return: to be freed. */
static inline char *tight_copy(const void *text, size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		abort();
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

#endif /* CMA_OPTION_H */
