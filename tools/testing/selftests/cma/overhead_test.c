// SPDX-License-Identifier: GPL-2.0
/*
 * What memory costs those who have nothing to do with a device: times an
 * operation, for scripts/overhead to compare two kernels on the instruction
 * clock (qemu -icount), where a nanosecond is an instruction.
 *
 * A row is the lower quartile of many short samples: whatever interrupts one
 * makes it longer. A sample counts only if its pages lie where the set wants
 * them:
 *
 *   outside   an area exists, no page is in it
 *   none      no area: the same rows
 *   inside    90 % of the pages are lent ones
 *   parallel  the same, on two processors and without the instruction clock
 *
 * Usage: overhead_test SET [SAMPLES [ROW...]]
 */
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cma_util.h"
#include "cma_load.h"
#include "overhead.h"

#define LENT_AT_LEAST	90	/* percent of the pages of a sample */
#define WARM_UPS	2	/* samples that don't count, after each begin */
#define PASSES		8	/* over lent memory, the last is steady */
#define MISPLACED_MAX	8	/* in a row, until a row is given up */
#define ROOM		(24UL << 20)	/* for pages that are moved out */
#define KHUGEPAGED	"/sys/kernel/mm/transparent_hugepage/khugepaged"
#define WORKERS		2
#define ROUND_NS	100000000ULL

static const char * const set_names[SETS] = {
	[OUTSIDE] = "outside",
	[NONE] = "none",
	[INSIDE] = "inside",
	[PARALLEL] = "parallel",
};

static enum overhead_set set;
static unsigned int wanted = 31;

/**
 * struct series - what one row came to
 * @ns: of samples that count
 * @part_ns: the same for the part
 * @frames: of these samples
 * @held: memory that isn't measured
 * @begun: the kind has begun
 * @warm: samples since
 * @misplaced: samples in a row that didn't count for where they were
 */
struct series {
	struct cma_samples ns, part_ns;
	struct cma_frames frames;
	char *held;
	bool begun;
	unsigned int warm, misplaced;
};

/* Samples. */

static bool well_placed(const struct cma_frames *f)
{
	if (!f->all || set == NONE)
		return true;
	if (set == OUTSIDE)
		return !f->inside;
	return cma_inside_percent(f) >= LENT_AT_LEAST;
}

/*
 * Makes what comes next borrow. The processor has some free pages of its own
 * yet, from outside: they are used up first, and held.
 */
static bool begin_to_borrow(struct series *s)
{
	if (!cma_fill_outside())
		return false;
	s->held = overhead_map(3, HUGE, MADV_NOHUGEPAGE);
	if (s->held)
		overhead_touch(s->held, HUGE);
	return s->held;
}

static bool begin(const struct row *r, struct series *s)
{
	if (s->begun)
		return true;
	if (set == INSIDE && !begin_to_borrow(s))
		return false;
	s->begun = true;
	s->warm = 0;
	return r->kind->begin(r);
}

static void end(const struct row *r, struct series *s)
{
	if (s->begun)
		r->kind->end(r);
	if (s->held)
		munmap(s->held, HUGE);
	s->held = NULL;
	s->begun = false;
}

/*
 * There is room for what is lent to be moved to. The passes in between are
 * thrown away: pages that were moved have yet to become active again.
 */
static bool first_and_last(const struct row *r, struct sample *x)
{
	struct sample pass;
	bool ok = true;
	int i;

	cma_shrink_hog(ROOM);
	for (i = 0; i < PASSES && ok; i++) {
		memset(&pass, 0, sizeof(pass));
		ok = r->kind->pass(r, &pass);
		if (!i)
			x->part_ns = pass.ns;
	}
	x->ns = pass.ns;
	return ok;
}

static bool sample(const struct row *r, struct sample *x)
{
	if (r->kind->where && !r->kind->where(r, &x->frames))
		return false;
	if (!well_placed(&x->frames))
		return true;
	return r->first ? first_and_last(r, x) : r->kind->pass(r, x);
}

static void count_sample(const struct row *r, struct series *s,
			 const struct sample *x)
{
	if (s->warm++ < WARM_UPS && !r->first)
		return;
	cma_add_sample(&s->ns, x->ns);
	cma_add_sample(&s->part_ns, x->part_ns);
	s->frames.all += x->frames.all;
	s->frames.inside += x->frames.inside;
	s->misplaced = 0;
}

static bool one_sample(const struct row *r, struct series *s)
{
	struct sample x = { .ns = 0 };
	bool placed;

	if (!begin(r, s) || !sample(r, &x))
		return false;
	placed = well_placed(&x.frames);
	if (placed)
		count_sample(r, s, &x);
	else
		s->misplaced++;
	if (!placed || r->first)
		end(r, s);
	return s->misplaced < MISPLACED_MAX;
}

static bool measure(const struct row *r, struct series *s)
{
	unsigned int n = r->first ? wanted / 4 + 1 : wanted;
	bool ok = true;

	errno = 0;
	while (ok && s->ns.n < n)
		ok = one_sample(r, s);
	if (!ok)
		ksft_print_msg("%s: sample %zu failed, %u misplaced: %s\n",
			       r->name, s->ns.n, s->misplaced,
			       strerror(errno));
	end(r, s);
	return ok;
}

/* Output. */

static double percentile(struct cma_samples *s, unsigned int p, double ops)
{
	return cma_percentile_us(s, p) * 1000 / ops;
}

static double print_row(const struct row *r, const char *part,
			struct cma_samples *s, const struct cma_frames *f)
{
	double ns = percentile(s, 25, r->ops);
	double median = percentile(s, 50, r->ops);

	ksft_print_msg("row set=%s name=%s%s samples=%zu ns=%.3f median=%.3f",
		       set_names[set], r->name, part, s->n, ns, median);
	printf(" spread=%.2f inside=%.1f\n",
	       ns ? 100 * (median - ns) / ns : 0, cma_inside_percent(f));
	return ns;
}

/* What a nanosecond is; without it no figure means anything. */
static bool is_instruction(double ns)
{
	return ns > 0.998 && ns < 1.002;
}

static void run_row(const struct row *r)
{
	struct series s = { .begun = false };
	bool ok = measure(r, &s);
	double ns = 0;

	if (ok) {
		ns = print_row(r, "", &s.ns, &s.frames);
		if (r->part)
			print_row(r, r->part, &s.part_ns, &s.frames);
	}
	free(s.ns.v);
	free(s.part_ns.v);
	if (ok && !strcmp(r->name, "clock") && !is_instruction(ns))
		ksft_test_result_skip("no instruction clock: qemu -icount\n");
	else
		ksft_test_result(ok, "%s, %s\n", set_names[set], r->name);
}

/* Two processors. */

/**
 * struct worker - shared with a process that faults
 * @ns: how long it took, a page
 * @frames: of its first memory
 */
struct worker {
	double ns;
	struct cma_frames frames;
};

static struct worker *workers;

static void pin_to(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static bool fault_and_unmap(struct cma_frames *f)
{
	char *at = overhead_map(0, HUGE, MADV_NOHUGEPAGE);

	if (!at)
		return false;
	overhead_touch(at, HUGE);
	if (!f->all)
		cma_add_frames(f, at, HUGE);
	return !munmap(at, HUGE);
}

static void work(struct worker *w, int cpu, uint64_t start)
{
	uint64_t now = start;
	unsigned long n;

	pin_to(cpu);
	while (cma_now_ns() < start)
		;
	for (n = 0; now < start + ROUND_NS; n++) {
		if (!fault_and_unmap(&w->frames))
			_exit(1);
		now = cma_now_ns();
	}
	w->ns = (double)(now - start) / (n * HUGE / PAGE);
	_exit(0);
}

/* Returns nanoseconds a page of each worker, 0 if it didn't work out. */
static double round_of(int n, struct cma_frames *f)
{
	uint64_t start = cma_now_ns() + ROUND_NS / 4;
	double ns = 0;
	pid_t pids[WORKERS];
	int i, status;
	bool ok = true;

	memset(workers, 0, PAGE);
	for (i = 0; i < n; i++) {
		pids[i] = fork();
		if (!pids[i])
			work(&workers[i], i, start);
	}
	for (i = 0; i < n; i++) {
		ok = cma_reap(pids[i], 30000, &status) && !status && ok;
		ns += workers[i].ns / n;
		f->all += workers[i].frames.all;
		f->inside += workers[i].frames.inside;
	}
	return ok ? ns : 0;
}

static void print_best(const char *name, double value,
		       const struct cma_frames *f)
{
	ksft_print_msg("row set=%s name=%s samples=%u ns=%.3f median=0 spread=0 inside=%.1f\n",
		       set_names[set], name, wanted, value,
		       cma_inside_percent(f));
}

/* Both processors use up what they have of their own, then borrow. */
static bool make_borrow(void)
{
	struct cma_frames f;
	int tries;

	for (tries = 0; tries < MISPLACED_MAX; tries++) {
		memset(&f, 0, sizeof(f));
		if (!cma_fill_outside() || !round_of(WORKERS, &f))
			return false;
		if (well_placed(&f))
			return true;
	}
	return false;
}

/* Keeps the best of rounds that count; false if there was none to count. */
static bool one_round(double *best, struct cma_frames *all)
{
	double ns[WORKERS + 1];
	struct cma_frames f;
	int n, tries;

	for (tries = 0; tries < MISPLACED_MAX; tries++) {
		memset(&f, 0, sizeof(f));
		for (n = 1; n <= WORKERS; n++)
			ns[n] = round_of(n, &f);
		if (well_placed(&f))
			break;
		if (!make_borrow())
			return false;
	}
	for (n = 1; n <= WORKERS; n++)
		best[n] = ns[n] < best[n] ? ns[n] : best[n];
	all->all += f.all;
	all->inside += f.inside;
	return tries < MISPLACED_MAX && ns[1] && ns[WORKERS];
}

/*
 * Rounds alternate, and the best of each count: whatever the host does besides,
 * it must let both processors run in one of them.
 */
static void run_parallel(void)
{
	double best[WORKERS + 1] = { 0, 1e12, 1e12 };
	struct cma_frames f = { .all = 0 };
	unsigned int i;
	bool ok;

	workers = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ok = workers != MAP_FAILED && make_borrow();
	for (i = 0; i < wanted && ok; i++)
		ok = one_round(best, &f);
	if (ok) {
		print_best("fault_1_cpu", best[1], &f);
		print_best("fault_2_cpus", best[2], &f);
		print_best("slower_by_second", best[2] / best[1], &f);
	}
	ksft_test_result(ok, "%s, fault and unmap\n", set_names[set]);
}

/* The test. */

/*
 * What runs on its own time must not run within a sample. Processors keep few
 * free pages for themselves, so that most go through the zone's lists, and its
 * hooks. Idle time passes at once on the instruction clock: tasks seem to hang.
 */
static void quiet(void)
{
	static const struct {
		const char *path, *text;
	} settings[] = {
		{ "/proc/sys/vm/dirty_writeback_centisecs", "0" },
		{ "/proc/sys/vm/stat_interval", "3600" },
		{ "/proc/sys/kernel/hung_task_timeout_secs", "0" },
		{ "/proc/sys/vm/percpu_pagelist_high_fraction", "1000" },
		{ "/proc/sys/vm/watermark_boost_factor", "0" },
		{ "/proc/sys/vm/compaction_proactiveness", "0" },
		{ KHUGEPAGED "/scan_sleep_millisecs", "3600000" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(settings); i++)
		if (cma_write_text(settings[i].path, settings[i].text))
			ksft_print_msg("%s: %s\n", settings[i].path,
				       strerror(errno));
	sync();
}

/* Page tables and stacks at the same addresses in every boot. */
static void same_addresses(char **argv)
{
	int old = personality(0xffffffff);

	if (old & ADDR_NO_RANDOMIZE)
		return;
	personality(old | ADDR_NO_RANDOMIZE);
	execv("/proc/self/exe", argv);
}

static bool chosen(const struct row *r, char **names)
{
	bool any = *names;

	if (!(r->sets & SET(set)))
		return false;
	for (; *names; names++)
		if (!strncmp(r->name, *names, strlen(*names)))
			return true;
	return !any;
}

/*
 * Metadata of files is cached before the memory outside is filled: it would be
 * lent, and what the journal holds can't be moved out.
 */
static void rehearse(char **names)
{
	unsigned int i;

	for (i = 0; i < overhead_nr_rows; i++) {
		if (!chosen(&overhead_rows[i], names))
			continue;
		overhead_rows[i].kind->begin(&overhead_rows[i]);
		overhead_rows[i].kind->end(&overhead_rows[i]);
	}
	sync();
}

static unsigned int count_rows(char **names)
{
	unsigned int i, n = 0;

	for (i = 0; i < overhead_nr_rows; i++)
		n += chosen(&overhead_rows[i], names);
	return set == PARALLEL ? 1 : n;
}

/* Frames in areas that we don't know would count as outside. */
static void check_areas(void)
{
	long long total = cma_keyed("/proc/meminfo", "CmaTotal");
	unsigned long pages = cma_place_init();

	if (set == NONE && (pages || total > 0))
		ksft_exit_skip("an area: boot without cma= and cma_test=\n");
	if (set != NONE && !pages)
		ksft_exit_skip("no area: boot with cma_test=test:128M\n");
	if (set != NONE && pages * (PAGE / 1024) != total)
		ksft_exit_skip("areas of others: boot without cma=\n");
}

static void start(unsigned int plan)
{
	struct utsname u;

	ksft_print_header();
	if (!plan)
		ksft_exit_fail_msg("usage: overhead_test SET [SAMPLES [ROW...]]\n");
	cma_dev = cma_dev_open();
	check_areas();
	uname(&u);
	ksft_print_msg("kernel %s\n", u.release);
	ksft_set_plan(plan);
}

int main(int argc, char **argv)
{
	char **names = argc > 3 ? argv + 3 : argv + argc;
	unsigned int i, plan;

	same_addresses(argv);
	for (set = 0; argc > 1 && set < SETS; set++)
		if (!strcmp(argv[1], set_names[set]))
			break;
	if (argc > 2)
		wanted = atoi(argv[2]);
	plan = argc > 1 && set < SETS && wanted ? count_rows(names) : 0;
	start(plan);
	quiet();
	rehearse(names);
	if (set == PARALLEL)
		run_parallel();
	else
		pin_to(0);
	for (i = 0; set != PARALLEL && i < overhead_nr_rows; i++)
		if (chosen(&overhead_rows[i], names))
			run_row(&overhead_rows[i]);
	ksft_finished();
}
