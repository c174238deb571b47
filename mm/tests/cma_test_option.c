// SPDX-License-Identifier: GPL-2.0
/*
 * Areas for tests, by the boot option
 * cma_test=NAME:SIZE[@BASE][/ORDER_PER_BIT][%NID],...
 *
 * The same file is compiled in user space under ASan and UBSan, and fuzzed
 * (tools/testing/cma).
 */
#define pr_fmt(fmt) "cma_test: " fmt

#ifdef __KERNEL__
#include <linux/cma.h>
#include <linux/cma_test.h>
#include <linux/ctype.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/mmzone.h>
#include <linux/numa.h>
#include <linux/printk.h>
#include <linux/string.h>
#endif

static char cma_test_option[512] __initdata;

static int __init cma_test_setup(char *arg)
{
	if (!arg || strscpy(cma_test_option, arg) < 0) {
		pr_err("option empty or longer than %zu characters, ignored\n",
		       sizeof(cma_test_option) - 1);
		cma_test_option[0] = '\0';
	}
	return 0;
}
early_param("cma_test", cma_test_setup);

/**
 * struct cma_test_spec - one area of the boot option
 * @name: its name
 * @base: physical address, 0 for any
 * @size: bytes
 * @order_per_bit: granularity
 * @nid: node or NUMA_NO_NODE
 */
struct cma_test_spec {
	const char *name;
	phys_addr_t base;
	phys_addr_t size;
	unsigned long order_per_bit;
	long nid;
};

static int __init cma_test_same_name(struct cma *cma, void *name)
{
	return !strcmp(cma_get_name(cma), name);
}

static bool __init cma_test_good_name(char *name)
{
	const char *c;

	for (c = name; *c; c++)
		if (!isalnum(*c) && *c != '_' && *c != '-')
			return false;
	if (c == name || c - name >= CMA_MAX_NAME)
		return false;
	return !cma_for_each_area(cma_test_same_name, name);
}

/* Takes "CHAR NUMBER" off @arg when it starts with @mark. */
static unsigned long long __init cma_test_number(char **arg, char mark,
						 unsigned long long otherwise)
{
	char *start = *arg + 1;
	unsigned long long value;

	if (**arg != mark)
		return otherwise;
	value = memparse(start, arg);
	/* A unit alone would do for memparse(). */
	if (!isdigit(*start))
		*arg = (char *)"?";
	return value;
}

static int __init cma_test_parse(char *arg, struct cma_test_spec *spec)
{
	char *rest = strchr(arg, ':');

	if (!rest)
		return -EINVAL;
	*rest = '\0';
	spec->name = arg;
	if (!cma_test_good_name(arg))
		return -EINVAL;
	*rest = ':';
	spec->size = cma_test_number(&rest, ':', 0);
	spec->base = cma_test_number(&rest, '@', 0);
	spec->order_per_bit = cma_test_number(&rest, '/', 0);
	spec->nid = cma_test_number(&rest, '%', NUMA_NO_NODE);
	if (*rest || !spec->size || spec->order_per_bit > MAX_PAGE_ORDER)
		return -EINVAL;
	if (spec->nid != NUMA_NO_NODE && (u64)spec->nid >= MAX_NUMNODES)
		return -EINVAL;
	*strchr(arg, ':') = '\0';
	return 0;
}

static int __init cma_test_declare(char *arg)
{
	struct cma_test_spec spec;
	struct cma *cma;
	int err;

	err = cma_test_parse(arg, &spec);
	if (err)
		return err;
	return cma_declare_contiguous_nid(spec.base, spec.size, 0, 0,
					  spec.order_per_bit, spec.base != 0,
					  spec.name, &cma, spec.nid);
}

/**
 * cma_test_reserve() - declare the areas of the cma_test= boot option
 *
 * An area that can't be had costs one line; the others and the boot go on.
 *
 * Context: once, while memblock still serves.
 */
void __init cma_test_reserve(void)
{
	char *rest = cma_test_option;
	char *arg;

	while ((arg = strsep(&rest, ",")) != NULL) {
		int err;

		if (!*arg)
			continue;
		err = cma_test_declare(arg);
		if (err)
			pr_err("area '%s' refused: %d\n", arg, err);
	}
}
