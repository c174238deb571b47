// SPDX-License-Identifier: GPL-2.0
/*
 * A requester killed at any moment of a request, while the area is lent to
 * memory in use: it dies soon, and nothing of the area is lost.
 *
 * Usage: kill_test [ROUNDS]
 */
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cma_load.h"
#include "cma_util.h"

#define DEATH_LIMIT_MS	30000

static atomic_ulong *requests;

static void request_for_ever(void)
{
	int dev = cma_dev_open();
	struct cma_test_alloc req;
	uint64_t pages = MIB_PAGES(4);
	uint32_t held = 0;

	while (dev >= 0) {
		/* One block is held always: death must give it back, too. */
		if (!cma_request(dev, AREA_TEST, pages, 0, CMA_TEST_NO_WARN,
				 &req)) {
			(*requests)++;
			if (held)
				cma_give_dev(dev, held);
			held = req.handle;
		}
		pages = pages < MIB_PAGES(32) ? pages * 2 : MIB_PAGES(4);
	}
	_exit(1);
}

static bool area_unused(void *data)
{
	return !cma_debugfs(data, "used");
}

static int kill_one(unsigned int delay_ms)
{
	struct cma_test_share s;
	uint64_t start;
	pid_t pid;

	cma_share(AREA_TEST, &s);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		request_for_ever();
	cma_sleep_ms(delay_ms);
	start = cma_now_ns();
	kill(pid, SIGKILL);
	if (!cma_reap(pid, DEATH_LIMIT_MS, NULL))
		return -ETIMEDOUT;
	if (!cma_wait(area_unused, AREA_TEST, 5000))
		return -EBUSY;
	ksft_print_msg("row kill delay_ms=%u death_us=%.0f anon=%.1f file=%.1f\n",
		       delay_ms, (cma_now_ns() - start) / 1000.0,
		       100.0 * s.anon / s.count, 100.0 * s.file / s.count);
	return 0;
}

/* A new borrower for every round: what was moved out doesn't come back. */
static int one_round(unsigned int delay_ms)
{
	struct cma_load anon;
	int err;

	err = cma_load_start(&anon, LOAD_ANON, cma_mem_total() * 55 / 100);
	if (err)
		return err;
	err = -EAGAIN;
	if (cma_load_ready(&anon, 60000))
		err = kill_one(delay_ms);
	if (!cma_load_alive(&anon))
		err = err ?: -ESRCH;
	if (cma_load_stop(&anon))
		err = err ?: -EILSEQ;
	return err;
}

static bool kill_many(unsigned int rounds)
{
	uint64_t state = 42;
	unsigned int i;

	for (i = 0; i < rounds; i++) {
		int err = one_round(1 + cma_random(&state) % 300);

		if (!err)
			continue;
		ksft_print_msg("round %u: %s, %llu pages used\n", i,
			       strerror(-err), cma_debugfs(AREA_TEST, "used"));
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? atoi(argv[1]) : 20;

	cma_start(3);
	requests = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (requests == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	ksft_test_result(kill_many(rounds),
			 "%u requesters die, borrowers and area intact\n",
			 rounds);
	ksft_test_result(*requests > 0, "%lu requests served meanwhile\n",
			 atomic_load(requests));
	ksft_test_result(cma_is_whole(AREA_TEST), "the area is whole again\n");
	ksft_finished();
}
