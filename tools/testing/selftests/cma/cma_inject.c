// SPDX-License-Identifier: GPL-2.0
/*
 * Page allocations that fail on purpose: the kernel's fault injection, set up
 * by its files in debugfs, with the addresses from /proc/kallsyms.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cma_inject.h"
#include "cma_util.h"

#define FAIL_DIR	"/sys/kernel/debug/fail_page_alloc/"
/* As often as it is asked for; the kernel counts down. */
#define TIMES		"2000000000"

/* Where the function begins, and where the next symbol does. */
static int function_bounds(const char *function, unsigned long *start,
			   unsigned long *end)
{
	FILE *symbols = fopen("/proc/kallsyms", "r");
	unsigned long at;
	char name[512];

	*start = 0;
	*end = ULONG_MAX;
	while (symbols &&
	       fscanf(symbols, "%lx %*c %511s%*[^\n]", &at, name) == 2) {
		if (!strcmp(name, function))
			*start = at;
		else if (*start && at > *start && at < *end)
			*end = at;
	}
	if (symbols)
		fclose(symbols);
	return *start && *end != ULONG_MAX ? 0 : -ENOENT;
}

static int set_text(const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), FAIL_DIR "%s", file);
	return cma_write_text(path, text);
}

static int set_number(const char *file, unsigned long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", value);
	return set_text(file, text);
}

/* Every page, whoever could wait for it, and as often as it is asked for. */
static int fail_all_sorts(void)
{
	static const char * const values[][2] = {
		{ "task-filter", "Y" }, { "verbose", "0" }, { "interval", "1" },
		{ "space", "0" }, { "min-order", "0" },
		{ "ignore-gfp-wait", "N" }, { "ignore-gfp-highmem", "N" },
		{ "times", TIMES }, { "stacktrace-depth", "32" },
	};
	unsigned int i;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(values) && !err; i++)
		err = set_text(values[i][0], values[i][1]);
	return err;
}

/**
 * cma_inject_below() - let allocations of marked processes fail
 * @function: only of those that this function of the kernel asked for
 * @percent: how many of them
 *
 * Return: 0, or a negative error.
 */
int cma_inject_below(const char *function, unsigned int percent)
{
	unsigned long start, end;
	int err;

	cma_inject_stop();
	err = function_bounds(function, &start, &end);
	if (!err)
		err = fail_all_sorts();
	if (!err)
		err = set_number("require-start", start);
	if (!err)
		err = set_number("require-end", end);
	if (!err)
		err = set_number("probability", percent);
	return err;
}

/* Only debug kernels can. */
bool cma_can_inject(void)
{
	return !access(FAIL_DIR, F_OK);
}

/* How many allocations failed since cma_inject_below(). */
unsigned long long cma_injected(void)
{
	unsigned long long left;

	if (cma_read_number(FAIL_DIR "times", &left))
		return 0;
	return strtoull(TIMES, NULL, 10) - left;
}

void cma_inject_stop(void)
{
	set_number("probability", 0);
}

/* Marks the calling process, and those that it will fork. */
int cma_inject_me(void)
{
	return cma_write_text("/proc/self/make-it-fail", "1");
}
