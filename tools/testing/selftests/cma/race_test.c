// SPDX-License-Identifier: GPL-2.0
/*
 * Eight requesters at once, of random sizes and alignments, against borrowers
 * that verify their memory and files all the time, and against somebody who
 * allocates gigantic pages: blocks never overlap (the device records them),
 * never hold a page in use, and nobody's data changes.
 *
 * Usage: race_test [SECONDS]
 */
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cma_load.h"
#include "cma_util.h"

#define REQUESTERS	8

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

static void race(unsigned int id, uint64_t end)
{
	uint64_t state = 1000 + id;
	int dev = cma_dev_open();
	struct cma_area a;

	if (dev < 0 || cma_area_get(AREA_TEST, &a))
		_exit(1);
	while (cma_now_ns() < end)
		one_request(dev, &racers[id], &state, a.count);
	close(dev);
	_exit(0);
}

/* The large sizes fail on ranges that hold areas, and must leave those alone. */
static void churn(uint64_t end)
{
	static const uint64_t sizes[] = { 512, 32768, 2048, 16384, 600 };
	struct racer *me = &racers[REQUESTERS];
	int dev = cma_dev_open();
	unsigned int i;

	if (dev < 0)
		_exit(1);
	for (i = 0; cma_now_ns() < end; i++) {
		struct cma_test_foreign req = {
			.nr_pages = sizes[i % ARRAY_SIZE(sizes)], .nid = -1,
		};

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

static void start_racers(unsigned int seconds)
{
	uint64_t end = cma_now_ns() + seconds * 1000000000ULL;
	unsigned int i;

	for (i = 0; i <= REQUESTERS; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		if (i == REQUESTERS)
			churn(end);
		race(i, end);
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
		ok &= cma_load_ready(&loads[i], 120000);
	return ok;
}

static bool borrowers_alive(void)
{
	bool ok = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(loads); i++)
		ok &= cma_load_moves(&loads[i], 120000);
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

/* Samples the share lent while the race runs, then collects everybody. */
static bool watch(unsigned int seconds)
{
	uint64_t end = cma_now_ns() + seconds * 1000000000ULL;
	double lent = 0, most = 0;
	unsigned int i, n = 0;
	bool ok = true;
	int status;

	while (cma_now_ns() < end) {
		double now = cma_lent_percent(AREA_TEST);

		lent += now;
		most = now > most ? now : most;
		n++;
		cma_sleep_ms(500);
	}
	ksft_print_msg("row race lent_avg=%.1f lent_max=%.1f\n",
		       n ? lent / n : 0, most);
	for (i = 0; i <= REQUESTERS; i++)
		ok &= cma_reap(pids[i], 120000, &status) && !status;
	return ok;
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

static void report_failures(struct racer *sum)
{
	/* The base kernel promises less: its figure is printed above. */
	if (cma_is_lend())
		ksft_test_result(!sum->failed, "no request failed\n");
	else
		ksft_test_result_skip("no request failed: only with CMA_LEND\n");
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? atoi(argv[1]) : 60;
	static struct racer sum;
	struct racer *foreign;

	cma_start(9);
	racers = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (racers == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	foreign = &racers[REQUESTERS];
	ksft_test_result(start_borrowers(), "borrowers run\n");
	start_racers(seconds);
	ksft_test_result(watch(seconds), "requesters end in time\n");
	total(&sum);
	ksft_print_msg("row foreign served=%lu failed=%lu broken=%lu\n",
		       atomic_load(&foreign->served),
		       atomic_load(&foreign->failed),
		       atomic_load(&foreign->broken));
	ksft_test_result(!sum.broken, "blocks are whole and unshared\n");
	ksft_test_result(everyone_served(), "every requester was served\n");
	report_failures(&sum);
	ksft_test_result(foreign->served + foreign->failed > 0 &&
			 !foreign->broken, "foreign ranges avoid areas\n");
	ksft_test_result(borrowers_alive(), "borrowers live\n");
	ksft_test_result(borrowers_intact(), "borrowers' data is intact\n");
	ksft_test_result(cma_is_whole(AREA_TEST), "the area is whole again\n");
	ksft_finished();
}
