// SPDX-License-Identifier: GPL-2.0
/*
 * Boot options: what is wrong with cma=, and cma_lend=.
 *
 * The same file is compiled in user space under ASan and UBSan, and fuzzed
 * (tools/testing/cma).
 */
#define pr_fmt(fmt) "cma: " fmt

#ifdef __KERNEL__
#include <linux/cma_lend.h>
#include <linux/ctype.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/string.h>

#include "page_alloc_cma.h"
#endif

/* A number with or without a unit.  Return: what stands behind it. */
static const char *__init cma_skip_number(const char *pos)
{
	char *end;

	/* memparse() takes a unit alone for zero of it. */
	if (!isdigit(*pos))
		return pos;
	memparse(pos, &end);
	return end;
}

/* SIZE[@BASE[-LIMIT]].  Return: the first part that can't be read, or "". */
static const char *__init cma_skip_size(const char *pos)
{
	const char *end = cma_skip_number(pos), *mark;

	for (mark = "@-"; end != pos && *mark && *end == *mark; mark++) {
		pos = end + 1;
		end = cma_skip_number(pos);
		if (end == pos)
			return pos - 1;
	}
	return end;
}

/**
 * cma_check_boot_option() - say in one line what is wrong with cma=
 * @option: what stands behind cma=: SIZE[@BASE[-LIMIT]]
 *
 * Changes nothing: the base kernel reserves what it understood.
 */
void __init cma_check_boot_option(const char *option)
{
	const char *end = cma_skip_size(option);
	char *unused;

	if (*end || end == option)
		pr_err("cma=%s: can't read \"%s\", want SIZE[@BASE[-LIMIT]]\n",
		       option, end);
	else if (!memparse(option, &unused))
		pr_info("cma=%s: no default area\n", option);
}

static char *cma_lend_option __initdata;

static int __init cma_save_lend_option(char *option)
{
	cma_lend_option = option;
	return 0;
}
early_param("cma_lend", cma_save_lend_option);

static void __init cma_set_boot_lend(const char *area, const char *policy)
{
	int i, lend = match_string(cma_lend_names, CMA_LEND_POLICIES, policy);
	unsigned int found = 0;

	for (i = 0; i < cma_area_count && lend >= 0; i++) {
		if (area && strcmp(area, cma_areas[i].name))
			continue;
		cma_set_lend(&cma_areas[i], lend);
		found++;
	}
	if (lend < 0)
		pr_err("cma_lend=: can't read \"%s\", want [AREA:]all|file|none\n",
		       policy);
	else if (!found)
		pr_err("cma_lend=: no area \"%s\"\n", area ?: "");
}

/* The area whose name @option begins with, before a colon.  Names have commas. */
static const char *__init cma_parse_area(const char *option)
{
	size_t len;
	int i;

	for (i = 0; i < cma_area_count; i++) {
		len = strlen(cma_areas[i].name);
		if (!strncmp(option, cma_areas[i].name, len) &&
		    option[len] == ':')
			return cma_areas[i].name;
	}
	return NULL;
}

/* One policy of cma_lend=: for one area, or for all.  @option goes on after it. */
static void __init cma_parse_lend(char **option)
{
	const char *area = cma_parse_area(*option);
	char *policy;

	if (area)
		*option += strlen(area) + 1;
	policy = strsep(option, ",");
	if (!area && strchr(policy, ':'))
		area = strsep(&policy, ":");
	cma_set_boot_lend(area, policy);
}

/**
 * cma_set_boot_lending() - do what cma_lend= says
 *
 * Context: boot, once the areas are active.
 */
void __init cma_set_boot_lending(void)
{
	while (cma_lend_option)
		cma_parse_lend(&cma_lend_option);
}
