/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every CMA selftest needs: the test device, the areas' files, bounded
 * waits, samples and the loop over a test's cases.
 *
 * Functions that report through KTAP are inline here, because kselftest.h
 * counts results in a static variable of the file that includes it.
 */
#ifndef CMA_UTIL_H
#define CMA_UTIL_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest.h"
#include "../../../../mm/tests/cma_test_dev.h"

/* Areas that scripts/guest/selftest expects on the kernel's command line. */
#define AREA_TEST	"test"
#define AREA_WHOLE	"whole"
#define AREA_BITS	"bits"
/* The base kernel's own, where it is told to have one. */
#define AREA_DEFAULT	"reserved"

#define CMA_AREAS	3
#define CMA_BOOT_OPTION	"cma_test=test:128M,whole:16M,bits:32M/4"

#define MIB_PAGES(mib)	((unsigned long)(mib) * 1024 / 4)

/* Pages that programs at work may hold at any moment, and nobody asked for. */
#define CMA_FEW_PAGES	64

/**
 * struct cma_area - geometry of an area
 * @name: its name
 * @base: first page frame
 * @count: pages
 * @order_per_bit: granularity of its bookkeeping
 */
struct cma_area {
	const char *name;
	uint64_t base;
	uint64_t count;
	uint64_t order_per_bit;
};

/* Why requests fail, in the order of alloc_requests_fail. */
enum cma_fail_reason {
	CMA_NO_RANGE,
	CMA_BUSY,
	CMA_NO_MEMORY,
	CMA_NO_VICTIM,
	CMA_KILLED,
	CMA_FAIL_REASONS
};

extern const char * const cma_fail_reasons[CMA_FAIL_REASONS];

/**
 * struct cma_samples - a growing set of durations
 * @v: nanoseconds
 * @n: how many
 * @room: how many fit
 */
struct cma_samples {
	uint64_t *v;
	size_t n;
	size_t room;
};

/**
 * struct cma_case - one case of a test
 * @name: KTAP description
 * @run: returns KSFT_PASS, KSFT_FAIL or KSFT_SKIP
 * @lend_only: the base kernel's allocator corrupts memory or has no such file
 * @key: how it is called on the command line, where cases can be chosen
 */
struct cma_case {
	const char *name;
	int (*run)(void);
	bool lend_only;
	const char *key;
};

extern int cma_dev;	/* the test device, opened by cma_start() */
extern jmp_buf cma_case_end;
extern const char * const cma_areas[CMA_AREAS];

__noreturn __printf(4, 5)
void cma_fail(const char *file, int line, const char *what,
	      const char *fmt, ...);

int cma_dev_open(void);
int cma_request(int dev, const char *area, uint64_t count, uint32_t align,
		uint32_t flags, struct cma_test_alloc *req);
int cma_take(const char *area, uint64_t count, uint32_t align,
	     struct cma_test_alloc *req);
int cma_give_dev(int dev, uint32_t handle);
int cma_give(uint32_t handle);
int cma_pages_valid(const char *area, uint64_t pfn, uint64_t count);
int cma_release_raw(const char *area, uint64_t pfn, uint64_t count, bool mine);
int cma_fill(int dev, uint32_t handle, uint64_t seed);
bool cma_intact(int dev, uint32_t handle, uint64_t seed);
int cma_share(const char *area, struct cma_test_share *share);
double cma_lent_percent(const char *area);
long cma_largest(const char *area);
int cma_area_get(const char *name, struct cma_area *area);
bool cma_is_whole(const char *area);
bool cma_empty_area(const char *area);
int cma_set_lend(const char *area, const char *policy);
int cma_lend_others(const char *area, const char *policy);
void cma_spare_all(void);
void cma_unspare_all(void);

bool cma_is_lend(void);
unsigned int cma_slow(unsigned int limit);
int cma_read_text(const char *path, char *buf, size_t size);
int cma_write_text(const char *path, const char *text);
int cma_read_number(const char *path, unsigned long long *value);
unsigned long long cma_sysfs(const char *area, const char *file);
unsigned long long cma_debugfs(const char *area, const char *file);
int cma_debugfs_write(const char *area, const char *file, const char *text);
int cma_table(const char *area, const char *file, const char *key,
	      unsigned long long *value);
long long cma_keyed(const char *path, const char *key);

int cma_log_open(void);
int cma_log_count(int log, const char *word, char *last, size_t size);

uint64_t cma_now_ns(void);
void cma_sleep_ms(unsigned int ms);
bool cma_wait(bool (*done)(void *data), void *data, unsigned int limit_ms);
uint64_t cma_random(uint64_t *state);
int cma_add_sample(struct cma_samples *s, uint64_t ns);
void cma_print_us(struct cma_samples *s);
double cma_percentile_us(struct cma_samples *s, unsigned int percent);

/**
 * cma_start() - open the device
 * @cases: cases planned
 *
 * Without the device or an area the test has failed: skipped, it would be taken for
 * one that had nothing to say.
 */
static inline void cma_start(unsigned int cases)
{
	struct cma_area area;
	unsigned int i;

	ksft_print_header();
	cma_dev = cma_dev_open();
	if (cma_dev < 0)
		ksft_exit_fail_msg("%s: %s (CONFIG_CMA_TEST, root, debugfs)\n",
				   CMA_TEST_PATH, strerror(-cma_dev));
	for (i = 0; i < CMA_AREAS; i++)
		if (cma_area_get(cma_areas[i], &area))
			ksft_exit_fail_msg("no area %s: boot with %s\n",
					   cma_areas[i], CMA_BOOT_OPTION);
	ksft_print_msg("allocator %s\n", cma_is_lend() ? "lend" : "mainline");
	ksft_set_plan(cases);
}

/**
 * cma_report() - report a case
 * @ret: KSFT_PASS, KSFT_FAIL or KSFT_SKIP
 * @fmt: its name
 *
 * What the base kernel's allocator fails at is measured: no verdict of ours.
 */
static inline __printf(2, 3) void cma_report(int ret, const char *fmt, ...)
{
	char name[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	if (ret == KSFT_FAIL && !cma_is_lend())
		ksft_test_result_skip("%s: measured only\n", name);
	else
		ksft_test_result_report(ret, "%s\n", name);
}

#define cma_result(ok, fmt, ...)					\
	cma_report((ok) ? KSFT_PASS : KSFT_FAIL, fmt, ##__VA_ARGS__)

/* A failed case may hold blocks: closing the device gives them back. */
static inline int cma_run_case(const struct cma_case *c)
{
	if (!setjmp(cma_case_end))
		return c->run();
	close(cma_dev);
	cma_dev = cma_dev_open();
	return KSFT_FAIL;
}

static inline void cma_run_one(const struct cma_case *c)
{
	if (c->lend_only && !cma_is_lend())
		ksft_test_result_skip("%s: only with CMA_LEND\n", c->name);
	else
		cma_report(cma_run_case(c), "%s", c->name);
}

/**
 * cma_run() - run the cases and end the program
 * @cases: what to run
 * @n: how many
 */
static inline __noreturn void cma_run(const struct cma_case *cases,
				      unsigned int n)
{
	unsigned int i;

	cma_start(n);
	for (i = 0; i < n; i++)
		cma_run_one(&cases[i]);
	ksft_finished();
}

/* @n if no case is called that. */
static inline unsigned int cma_find_case(const struct cma_case *cases,
					 unsigned int n, const char *key)
{
	unsigned int i;

	for (i = 0; i < n && strcmp(cases[i].key, key); i++)
		;
	return i;
}

/**
 * cma_run_chosen() - run the cases that are named, in that order, or all
 * @cases: the cases, with keys
 * @n: how many
 * @keys: arguments of the program: which; none for all
 */
static inline __noreturn void cma_run_chosen(const struct cma_case *cases,
					     unsigned int n, char **keys)
{
	unsigned int i, chosen = 0;

	if (!*keys)
		cma_run(cases, n);
	while (keys[chosen])
		if (cma_find_case(cases, n, keys[chosen++]) == n)
			ksft_exit_fail_msg("%s: no such case\n",
					   keys[chosen - 1]);
	cma_start(chosen);
	for (i = 0; i < chosen; i++)
		cma_run_one(&cases[cma_find_case(cases, n, keys[i])]);
	ksft_finished();
}

/* Ends the case that uses it as failed, and says where and why. */
#define cma_expect(cond, fmt, ...) do {					\
	if (!(cond))							\
		cma_fail(__FILE__, __LINE__, #cond, fmt, ##__VA_ARGS__);\
} while (0)

#endif /* CMA_UTIL_H */
