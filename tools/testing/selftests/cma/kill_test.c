// SPDX-License-Identifier: GPL-2.0
/*
 * A requester killed in the midst of a request, while the area is lent to memory
 * in use: it dies soon, and nothing of the area is lost.
 *
 * The moment is a random part of what a request has taken so far, so that most of
 * the kills hit one, on slow machines, too.
 *
 * Usage: kill_test [ROUNDS]
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cma_load.h"
#include "cma_util.h"

#define DEATH_LIMIT_MS	30000
#define START_MS	60000
#define GIVE_BACK_MS	5000
#define MORE		5	/* times as many rounds at most */
#define LENT_AT_LEAST	50	/* percent of the area */

/**
 * struct seen - what requesters tell their parent
 * @requests: requests served
 * @ns: how long these took
 */
struct seen {
	atomic_ulong requests;
	atomic_ullong ns;
};

static struct seen *seen;

static void request_for_ever(void)
{
	int dev = cma_dev_open();
	struct cma_test_alloc req;
	uint64_t pages = MIB_PAGES(4);
	uint32_t held = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (dev >= 0) {
		/* One block is held always: death must give it back, too. */
		if (!cma_request(dev, AREA_TEST, pages, 0, CMA_TEST_NO_WARN,
				 &req)) {
			seen->ns += req.latency_ns;
			seen->requests++;
			if (held)
				cma_give_dev(dev, held);
			held = req.handle;
		}
		pages = pages < MIB_PAGES(32) ? pages * 2 : MIB_PAGES(4);
	}
	_exit(1);
}

static bool has_requested(void *before)
{
	return seen->requests > *(unsigned long *)before;
}

static bool area_unused(void *data)
{
	return !cma_debugfs(data, "used");
}

/* The next request is under way: it takes as long as those before, or longer. */
static unsigned int some_us(uint64_t *random)
{
	return cma_random(random) % (seen->ns / seen->requests / 1000 + 1);
}

static int kill_one(uint64_t *random)
{
	unsigned long before = seen->requests;
	unsigned int delay_us = 0;
	uint64_t start;
	bool begun;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid)
		request_for_ever();
	begun = cma_wait(has_requested, &before, cma_slow(START_MS));
	if (begun) {
		delay_us = some_us(random);
		usleep(delay_us);
	}
	start = cma_now_ns();
	kill(pid, SIGKILL);
	if (!cma_reap(pid, cma_slow(DEATH_LIMIT_MS), NULL))
		return -ETIMEDOUT;
	if (!cma_wait(area_unused, AREA_TEST, cma_slow(GIVE_BACK_MS)))
		return -EBUSY;
	ksft_print_msg("row kill delay_us=%u death_us=%.0f requests=%lu\n",
		       delay_us, (cma_now_ns() - start) / 1000.0,
		       seen->requests - before);
	return begun ? 0 : -ETIME;
}

/*
 * New borrowers for every round: what was moved out doesn't come back.  Return: 0, or
 * -ENODATA where too little was lent for the round to count, or what is wrong.
 */
static int one_round(uint64_t *random)
{
	struct cma_load cache, anon;
	double lent = cma_lend_anon(AREA_TEST, &cache, &anon);
	int err = 0;

	ksft_print_msg("row kill lent_anon=%.1f\n", lent);
	if (lent < LENT_AT_LEAST)
		err = -ENODATA;
	if (!err)
		err = kill_one(random);
	if (!cma_load_alive(&anon))
		err = err ?: -ESRCH;
	if (cma_load_stop(&anon) || cma_load_stop(&cache))
		err = err ?: -EILSEQ;
	return err;
}

static unsigned long long killed(void)
{
	unsigned long long n = 0;

	cma_table(AREA_TEST, "alloc_requests_fail", "killed", &n);
	return n;
}

/*
 * A kill may come between two requests: until there was one midway, there are more
 * rounds.
 */
static bool kill_many(unsigned int rounds)
{
	unsigned long long before = killed();
	unsigned int i, done = 0;
	uint64_t random = 42;

	for (i = 0; i < MORE * rounds &&
	     (done < rounds || killed() == before); i++) {
		int err = one_round(&random);

		done += !err;
		if (!err || err == -ENODATA)
			continue;
		ksft_print_msg("round %u: %s, %llu pages used\n", i,
			       strerror(-err), cma_debugfs(AREA_TEST, "used"));
		return false;
	}
	return done >= rounds;
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? atoi(argv[1]) : 20;
	unsigned long long hits;

	cma_start(3);
	seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	hits = killed();
	cma_result(kill_many(rounds),
		   "%u requesters die, borrowers and area intact", rounds);
	hits = killed() - hits;
	ksft_print_msg("row kill rounds=%u hits=%llu requests=%lu\n", rounds,
		       hits, atomic_load(&seen->requests));
	cma_result(hits, "requests were killed midway");
	cma_result(cma_is_whole(AREA_TEST), "the area is whole again");
	ksft_finished();
}
