// SPDX-License-Identifier: GPL-2.0
/*
 * Eight requesters at once, of random sizes and alignments, against borrowers
 * that verify their memory and files all the time, and against somebody who
 * allocates gigantic pages: blocks never overlap (the device records them),
 * never hold a page in use, and nobody's data changes.
 *
 * It ends when each requester has made its requests, however long that takes.
 *
 * Usage: race_test [REQUESTS]
 */
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cma_load.h"
#include "cma_util.h"

#define REQUESTERS	8
#define TRIES		50

#define BORROWER_MS	120000

/**
 * struct racer - what a requester tells its parent
 * @served: requests granted
 * @failed: requests refused for want of memory
 * @broken: blocks that overlapped, were in use or lost their content
 * @max_ns: longest request
 */
struct racer {
	atomic_ulong served;
	atomic_ulong failed;
	atomic_ulong broken;
	atomic_ullong max_ns;
};

static const struct {
	enum cma_load_kind kind;
	size_t bytes;
} borrowers[] = {
	{ LOAD_ANON, 48UL << 20 },
	{ LOAD_THP, 32UL << 20 },
	{ LOAD_TMPFS, 24UL << 20 },
	{ LOAD_FILE, 32UL << 20 },
	{ LOAD_REREAD, 256UL << 20 },
};

static struct cma_load loads[ARRAY_SIZE(borrowers)];
static struct racer *racers;
static atomic_bool *racing;
static pid_t pids[REQUESTERS + 1];

/*
 * Eight blocks of at most a twentieth of the area leave a gap for the next one
 * wherever they are: no refusal can be blamed on the others.
 */
static uint64_t random_pages(uint64_t *state, uint64_t area)
{
	uint64_t most = 1 + cma_random(state) % (area / 20);

	return 1 + cma_random(state) % most;
}

static void use_block(int dev, struct racer *me,
		      const struct cma_test_alloc *req, uint64_t seed)
{
	if (cma_fill(dev, req->handle, seed))
		me->broken++;
	if (seed % 4 == 0)
		cma_sleep_ms(seed % 50);
	if (!cma_intact(dev, req->handle, seed))
		me->broken++;
	if (cma_give_dev(dev, req->handle))
		me->broken++;
}

static void one_request(int dev, struct racer *me, uint64_t *state,
			uint64_t area)
{
	uint64_t pages = random_pages(state, area);
	unsigned int align = cma_random(state) % 10;
	struct cma_test_alloc req;
	int err = cma_request(dev, AREA_TEST, pages, align, CMA_TEST_NO_WARN,
			      &req);

	if (req.latency_ns > me->max_ns)
		me->max_ns = req.latency_ns;
	if (err == -ENOMEM) {
		me->failed++;
	} else if (err || req.pfn & ((1ULL << align) - 1)) {
		me->broken++;
	} else {
		me->served++;
		use_block(dev, me, &req, cma_random(state));
	}
}

static void race(unsigned int id, unsigned int requests)
{
	uint64_t state = 1000 + id;
	int dev = cma_dev_open();
	struct cma_area a;

	if (dev < 0 || cma_area_get(AREA_TEST, &a))
		_exit(1);
	while (requests--)
		one_request(dev, &racers[id], &state, a.count);
	close(dev);
	_exit(0);
}

/* Half of what is free outside of the areas, or is clean cache. */
static uint64_t foreign_most(void)
{
	long long kib = cma_keyed("/proc/meminfo", "MemAvailable") -
			cma_keyed("/proc/meminfo", "CmaTotal");

	return kib > 0 ? kib / 4 / 2 : 0;
}

/*
 * The large sizes fail on ranges that hold areas, and must leave those alone. None
 * is so large that loans have nowhere to go meanwhile.
 */
static void churn(void)
{
	static const uint64_t sizes[] = { 512, 32768, 2048, 16384, 600 };
	struct racer *me = &racers[REQUESTERS];
	int dev = cma_dev_open();
	unsigned int i;

	if (dev < 0)
		_exit(1);
	/* The race may be over before one of them has found its range. */
	for (i = 0; *racing || (!me->served && i < TRIES); i++) {
		struct cma_test_foreign req = {
			.nr_pages = sizes[i % ARRAY_SIZE(sizes)], .nid = -1,
		};

		if (req.nr_pages > foreign_most())
			req.nr_pages = sizes[0];
		if (ioctl(dev, CMA_TEST_FOREIGN, &req) ||
		    req.error == CMA_TEST_EINUSE)
			me->broken++;
		else if (req.error)
			me->failed++;
		else
			me->served++;
		cma_sleep_ms(20);
	}
	_exit(0);
}

static void start_racers(unsigned int requests)
{
	unsigned int i;

	*racing = true;
	for (i = 0; i <= REQUESTERS; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (i == REQUESTERS)
			churn();
		race(i, requests);
	}
}

static bool start_borrowers(void)
{
	bool ok = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(borrowers); i++)
		ok &= !cma_load_start(&loads[i], borrowers[i].kind,
				      borrowers[i].bytes);
	for (i = 0; i < ARRAY_SIZE(borrowers); i++)
		ok &= cma_load_ready(&loads[i], cma_slow(BORROWER_MS));
	return ok;
}

static bool borrowers_alive(void)
{
	bool ok = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(loads); i++)
		ok &= cma_load_moves(&loads[i], cma_slow(BORROWER_MS));
	return ok;
}

static bool borrowers_intact(void)
{
	bool ok = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(loads); i++) {
		unsigned long rounds = atomic_load(&loads[i].state->rounds);
		int bad = cma_load_stop(&loads[i]);

		ksft_print_msg("row borrower=%s rounds=%lu bad=%d\n",
			       cma_load_name(loads[i].kind), rounds, bad);
		ok &= !bad;
	}
	return ok;
}

static bool one_is_left(bool *ok)
{
	unsigned int i, left = 0;
	int status;

	for (i = 0; i < REQUESTERS; i++) {
		if (pids[i] <= 0)
			continue;
		status = 0;
		if (!waitpid(pids[i], &status, WNOHANG)) {
			left++;
			continue;
		}
		*ok &= !status;
		pids[i] = 0;
	}
	return left;
}

/* Samples the share lent while the race runs, then collects everybody. */
static bool watch(void)
{
	double lent = 0, most = 0;
	bool ok = true;
	unsigned int n = 0;
	int status;

	do {
		double now = cma_lent_percent(AREA_TEST);

		lent += now;
		most = now > most ? now : most;
		n++;
		cma_sleep_ms(200);
	} while (one_is_left(&ok));
	ksft_print_msg("row race lent_avg=%.1f lent_max=%.1f\n", lent / n,
		       most);
	*racing = false;
	waitpid(pids[REQUESTERS], &status, 0);
	return ok && !status && most > 0;
}

static void total(struct racer *sum)
{
	unsigned int i;

	for (i = 0; i < REQUESTERS; i++) {
		sum->served += racers[i].served;
		sum->failed += racers[i].failed;
		sum->broken += racers[i].broken;
		if (racers[i].max_ns > sum->max_ns)
			sum->max_ns = racers[i].max_ns;
	}
	ksft_print_msg("row race served=%lu failed=%lu broken=%lu max_us=%.0f\n",
		       atomic_load(&sum->served), atomic_load(&sum->failed),
		       atomic_load(&sum->broken), sum->max_ns / 1000.0);
}

static bool everyone_served(void)
{
	unsigned int i;

	for (i = 0; i < REQUESTERS; i++)
		if (!racers[i].served)
			return false;
	return true;
}

/* Why requests failed. */

static unsigned long long failures[CMA_FAIL_REASONS];

/* From here on, or since then. */
static void count_failures(void)
{
	unsigned long long n;
	unsigned int i;

	for (i = 0; i < CMA_FAIL_REASONS; i++)
		if (!cma_table(AREA_TEST, "alloc_requests_fail",
			       cma_fail_reasons[i], &n))
			failures[i] = n - failures[i];
		else if (cma_is_lend())
			ksft_exit_fail_msg("no counter: %s\n",
					   cma_fail_reasons[i]);
}

/*
 * There is always a place, and every loan comes back. Memory to move it to is the
 * borrowers' affair as well. The base kernel does not tell, and promises less.
 */
static void report_failures(const struct racer *sum)
{
	unsigned int i;
	bool ok;

	count_failures();
	ksft_print_msg("row race");
	for (i = 0; i < CMA_FAIL_REASONS; i++)
		printf(" %s=%llu", cma_fail_reasons[i], failures[i]);
	printf("\n");
	ok = cma_is_lend() ? !failures[CMA_NO_RANGE] && !failures[CMA_BUSY] :
			     !sum->failed;
	cma_result(ok, "no request failed for want of a place or of a loan");
}

static void *share(void)
{
	void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	return map;
}

int main(int argc, char **argv)
{
	unsigned int requests = argc > 1 ? atoi(argv[1]) : 150;
	static struct racer sum;
	struct racer *foreign;

	cma_start(9);
	racers = share();
	racing = share();
	foreign = &racers[REQUESTERS];
	cma_result(start_borrowers(), "borrowers run");
	count_failures();
	start_racers(requests);
	cma_result(watch(), "requesters end, and the area is lent meanwhile");
	total(&sum);
	ksft_print_msg("row foreign served=%lu failed=%lu broken=%lu\n",
		       atomic_load(&foreign->served),
		       atomic_load(&foreign->failed),
		       atomic_load(&foreign->broken));
	cma_result(!sum.broken, "blocks are whole and unshared");
	cma_result(everyone_served(), "every requester was served");
	report_failures(&sum);
	cma_result(foreign->served > 0 && !foreign->broken,
		   "foreign ranges avoid areas");
	cma_result(borrowers_alive(), "borrowers live");
	cma_result(borrowers_intact(), "borrowers' data is intact");
	cma_result(cma_is_whole(AREA_TEST), "the area is whole again");
	ksft_finished();
}
