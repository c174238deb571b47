// SPDX-License-Identifier: GPL-2.0
/*
 * The table of successes: 64 MiB of an area of 128 MiB, and 8 MiB from five
 * requesters in parallel, under ordinary loads. A try counts only if the load
 * is alive and the area is lent just before it; the share is printed, because
 * a carve-out that lends nothing would succeed always.
 *
 * Usage: load_test [TRIES]
 */
#include <sys/mman.h>
#include <unistd.h>

#include "cma_load.h"
#include "cma_util.h"

#define LENT_TARGET	95	/* percent to fill the area to before a try */
#define LENT_AT_LEAST	70	/* percent that must be left when it begins */
#define PARALLEL	5

/**
 * struct table - one row
 * @tries: tries that count
 * @ok: requests served
 * @requests: requests made in tries that count
 * @lent_min: smallest share lent before a try, percent
 * @lent_sum: for the mean
 * @us: latencies of all requests
 */
struct table {
	unsigned int tries, ok, requests;
	double lent_min, lent_sum;
	struct cma_samples us;
};

/**
 * struct answer - what one of several requesters got
 * @error: 0 when served
 * @ns: how long it took
 */
struct answer {
	atomic_int error;
	atomic_ullong ns;
};

static struct answer *answers;
static unsigned int wanted_tries = 10;

static void add_request(struct table *t, int err, uint64_t ns)
{
	t->requests++;
	t->ok += !err;
	cma_add_sample(&t->us, ns);
}

static void one_large(struct table *t)
{
	struct cma_test_alloc req;
	int err = cma_take(AREA_TEST, MIB_PAGES(64), 0, &req);

	add_request(t, err, req.latency_ns);
	if (!err)
		cma_give(req.handle);
}

static void request_in_child(struct answer *a, uint64_t start)
{
	struct cma_test_alloc req;
	int dev = cma_dev_open();

	while (cma_now_ns() < start)
		;
	a->error = cma_request(dev, AREA_TEST, MIB_PAGES(8), 0,
			       CMA_TEST_NO_WARN, &req);
	a->ns = req.latency_ns;
	/* All five blocks are held together for a moment. */
	cma_sleep_ms(300);
	_exit(0);
}

static void five_in_parallel(struct table *t)
{
	uint64_t start = cma_now_ns() + 100000000;
	pid_t pids[PARALLEL];
	int i;

	for (i = 0; i < PARALLEL; i++) {
		answers[i].error = -ETIMEDOUT;
		pids[i] = fork();
		if (!pids[i])
			request_in_child(&answers[i], start);
	}
	for (i = 0; i < PARALLEL; i++) {
		cma_reap(pids[i], cma_slow(120000), NULL);
		add_request(t, answers[i].error, answers[i].ns);
	}
}

/*
 * Refills what the last try emptied; false if this try can't count. The refill
 * comes last: a load that frees what it borrowed leaves a share that depends on
 * the instant, and a try wants the most there is.
 */
static bool prepare(struct table *t, struct cma_load *load)
{
	double lent;

	if (!cma_load_moves(load, cma_slow(60000)))
		return false;
	lent = cma_lend_out(AREA_TEST, LENT_TARGET, 30000);
	if (lent < LENT_AT_LEAST || !cma_load_alive(load))
		return false;
	t->tries++;
	t->lent_sum += lent;
	if (t->tries == 1 || lent < t->lent_min)
		t->lent_min = lent;
	return true;
}

static bool load_again(struct cma_load *load, enum cma_load_kind kind,
		       size_t bytes)
{
	if (load->pid > 0 && cma_load_alive(load))
		return true;
	return !cma_load_start(load, kind, bytes) &&
	       cma_load_ready(load, cma_slow(60000));
}

static void print_row(const char *name, struct table *t)
{
	ksft_print_msg("row load=%s tries=%u requests=%u ok=%u", name,
		       t->tries, t->requests, t->ok);
	printf(" lent_min=%.1f lent_avg=%.1f", t->lent_min,
	       t->tries ? t->lent_sum / t->tries : 0);
	cma_print_us(&t->us);
}

static void under_load(const char *name, enum cma_load_kind kind, size_t mib,
		       void (*attempt)(struct table *t))
{
	struct cma_load load = { .pid = 0 };
	struct table t = { .tries = 0 };

	/* However long it takes to have the area lent: the test's limit ends it. */
	while (t.tries < wanted_tries) {
		if (!load_again(&load, kind, mib << 20))
			break;
		if (prepare(&t, &load))
			attempt(&t);
	}
	if (load.pid > 0)
		cma_load_stop(&load);
	print_row(name, &t);
	if (t.tries < wanted_tries)
		cma_report(KSFT_FAIL, "%s: only %u tries count", name, t.tries);
	else
		cma_result(t.ok == t.requests, "%s: %u of %u served",
			   name, t.ok, t.requests);
	free(t.us.v);
}

int main(int argc, char **argv)
{
	size_t all = cma_mem_total() >> 20;

	if (argc > 1)
		wanted_tries = atoi(argv[1]);
	cma_start(7);
	answers = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (answers == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	under_load("cache", LOAD_CACHE, all, one_large);
	under_load("reread", LOAD_REREAD, all, one_large);
	under_load("fork", LOAD_FORK, 32, one_large);
	under_load("madvise", LOAD_MADVISE, 64, one_large);
	under_load("dirty", LOAD_DIRTY, 48, one_large);
	under_load("parallel5-cache", LOAD_CACHE, all, five_in_parallel);
	under_load("parallel5-fork", LOAD_FORK, 32, five_in_parallel);
	ksft_finished();
}
