// SPDX-License-Identifier: GPL-2.0
/*
 * Requests while somebody holds lent memory in a way in which the base kernel
 * can't move it. A try counts only if the area is lent and the blocker proves,
 * just before it, that it holds what it claims; meanwhile other processes
 * verify what they have stored in lent memory and in a file.
 *
 * With CMA_LEND every request has to be served, and where the guard moves or copies
 * what a blocker wants to hold, it has to have done so. How long requests take is
 * printed, and judged with -t: on a host that others use it is not ours.
 *
 * Usage: blocker_test [-ut] [-r REQUESTS] [-l SECONDS] [-m MIB] [-s FACTOR]
 *                     [-b SECONDS] [-k requester|borrower] [-f PERCENT]
 *                     NAME...|all-rows|everything
 *   -u  the blocker is an ordinary user without capabilities
 *   -t  judge times
 *   -r  requests of each size (5)
 *   -l  seconds after which a request is killed, and counts as failed (10)
 *   -m  memory that a blocker holds at most (what fits outside of the area)
 *   -s  factor for all limits, for debug kernels (1)
 *   -b  what a row may take until its last request has begun (600), times nothing
 *   -k  kill the requester, or everybody who borrows or blocks, in the midst of
 *       each request but the first: it ends soon, and the area has lost nothing
 *   -f  so many percent of the guard's allocations fail
 */
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cma_block.h"
#include "cma_inject.h"
#include "cma_load.h"
#include "cma_util.h"

#define LENT_TARGET	95	/* percent to fill the area to before a try */
#define LENT_AT_LEAST	90	/* percent that must be lent when it begins */
#define VERIFIED_MIB	8	/* of each load that verifies */
#define RESERVE_MIB	80	/* what else needs memory outside of the area */
#define BLOCK_MIB	300
#define FILL_LIMIT	3000	/* ms, then the blocker has another look */
#define RESTARTS	2	/* of a blocker that loses its hold */
#define REAP_LIMIT	5000	/* ms, then it hangs */
#define OUTSIDE_LIMIT	5000	/* ms, until pages on their way have arrived */
#define DEADLINE_US	5000000
#define P99_US		1000000
#define VERIFY_PAUSE	100	/* ms between rounds: others need the CPU */
#define KILLS_ENOUGH	5	/* of requests that take SLOW_US: some have to hit */
#define SLOW_US		2000
#define MOST_BLOCKS	32
#define SIZES		3

/**
 * struct answer - what a requester got
 * @begun: it is about to ask
 * @done: it has returned
 * @error: 0 when served
 * @intact: the block kept what was written to it
 * @ns: how long it took, by the clock on the wall
 */
struct answer {
	atomic_int begun;
	atomic_int done;
	atomic_int error;
	atomic_int intact;
	atomic_ullong ns;
};

/**
 * struct size_row - requests of one size
 * @pages: the size
 * @tries: tries that count
 * @ok: requests served
 * @lent_min: smallest share lent before a try, percent
 * @held_min: least memory that the blockers held before a try
 * @lent: to whom, before the last try
 * @hung: a request that couldn't be killed
 * @kills: requests during which somebody was to be killed
 * @hits: those that had not returned yet
 * @us: latencies
 * @whole: of those that returned by themselves
 */
struct size_row {
	uint64_t pages;
	unsigned int tries, ok;
	double lent_min;
	size_t held_min;
	struct cma_test_share lent;
	bool hung;
	unsigned int kills, hits;
	struct cma_samples us;
	struct cma_samples whole;
};

/**
 * struct row - one case
 * @name: as it was asked for
 * @blocks: the blockers that run
 * @kinds: what they do
 * @n: how many
 * @loads: borrowers that verify
 * @sizes: results
 * @bad: verifications that failed
 * @guarded: pages that the guard had moved or copied before
 * @granted: times that somebody had got a loan to hold before
 * @skipped: tries that didn't count
 * @restarts: how often a blocker was started again
 * @end: when the row's budget is used up, in ns
 * @why: why it has failed, if its tries don't tell
 */
struct row {
	const char *name;
	struct cma_block blocks[MOST_BLOCKS];
	const struct cma_block_kind *kinds[MOST_BLOCKS];
	unsigned int n;
	struct cma_load loads[2];
	struct size_row sizes[SIZES];
	int bad;
	unsigned long long guarded;
	unsigned long long granted;
	unsigned int skipped, restarts;
	uint64_t end;
	char why[128];
};

/* Whom -k names. */
enum victim { NO_VICTIM, REQUESTER, BORROWER };

static enum victim victim;
static unsigned int wanted_tries = 5;
static unsigned int fail_percent;
static unsigned int request_limit_ms = 10000;
static unsigned int slowness = 1;
static unsigned int budget_s = 600;
static bool judge_times;
static size_t wanted_mib;
static bool nobody;
static struct answer *answer;

static bool has_two_nodes(void)
{
	return !access("/sys/devices/system/node/node1", F_OK);
}

/* Why a kind can't be run here; NULL if it can. */
static const char *unfit(const struct cma_block_kind *kind)
{
	if (nobody && kind->flags & BLOCK_ROOT)
		return "needs privilege";
	if (kind->flags & BLOCK_NODES && !has_two_nodes())
		return "needs two memory nodes";
	return NULL;
}

/* What fits outside of the area, and no more than is asked for. */
static size_t bytes_for(struct row *row)
{
	size_t total = cma_mem_total() >> 20, most = wanted_mib;
	struct cma_area area;
	size_t taken = RESERVE_MIB + 2 * VERIFIED_MIB;

	if (!cma_area_get(AREA_TEST, &area))
		taken += area.count / MIB_PAGES(1);
	if (!most)
		most = BLOCK_MIB;
	if (total < taken + most)
		most = total > taken + 16 ? total - taken : 16;
	return (most << 20) / row->n;
}

/* Life of the processes of a row. */

static unsigned int left_ms(const struct row *row)
{
	uint64_t now = cma_now_ns();

	return now < row->end ? (row->end - now) / 1000000 : 0;
}

/* The first reason is the one that counts. */
static __printf(2, 3) void give_up(struct row *row, const char *fmt, ...)
{
	va_list args;

	if (row->why[0])
		return;
	va_start(args, fmt);
	vsnprintf(row->why, sizeof(row->why), fmt, args);
	va_end(args);
}

/* What a blocker that isn't ready did last, or where in the kernel it sleeps. */
static void give_up_on(struct row *row, const struct cma_block *b)
{
	char path[64], where[64] = "it ended";

	if (!b->state) {
		snprintf(where, sizeof(where), "setup");
	} else if (b->state->where[0]) {
		snprintf(where, sizeof(where), "%s", b->state->where);
	} else if (b->pid > 0) {
		snprintf(path, sizeof(path), "/proc/%d/wchan", b->pid);
		cma_read_text(path, where, sizeof(where));
	}
	give_up(row, "%s not ready, last: %s", b->kind->name, where);
}

static bool start_block(struct row *row, unsigned int i)
{
	struct cma_block *b = &row->blocks[i];

	if (!cma_block_start(b, row->kinds[i], bytes_for(row), nobody) &&
	    cma_block_ready(b, left_ms(row)))
		return true;
	give_up_on(row, b);
	return false;
}

static bool start_load(struct row *row, unsigned int i)
{
	static const enum cma_load_kind kinds[] = { LOAD_ANON, LOAD_FILE };

	if (cma_load_start(&row->loads[i], kinds[i], VERIFIED_MIB << 20))
		return false;
	row->loads[i].state->pause_ms = slowness * VERIFY_PAUSE;
	if (cma_load_ready(&row->loads[i], left_ms(row)))
		return true;
	give_up(row, "%s not ready", cma_load_name(kinds[i]));
	return false;
}

/*
 * Memory is full of page cache first, and then the area is emptied: so a blocker
 * finds next to no free memory outside of the area, and borrows.
 */
static bool start_row(struct row *row)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(row->loads); i++)
		if (!start_load(row, i))
			return false;
	cma_lend_out(AREA_TEST, LENT_TARGET, left_ms(row));
	cma_is_whole(AREA_TEST);
	for (i = 0; i < row->n; i++)
		if (!start_block(row, i))
			return false;
	return true;
}

/* False if something can't be ended. */
static bool stop_row(struct row *row)
{
	bool gone = true;
	unsigned int i;
	int bad;

	for (i = 0; i < row->n; i++)
		gone &= cma_block_stop(&row->blocks[i]);
	for (i = 0; i < ARRAY_SIZE(row->loads); i++) {
		if (!row->loads[i].state)
			continue;
		bad = cma_load_stop(&row->loads[i]);
		row->bad += bad < 0 ? 0 : bad;
		gone &= bad >= 0;
	}
	return gone;
}

/* A blocker that died, or lost what it held, is started again, but not for ever. */
static void restart_block(struct row *row, unsigned int i)
{
	if (row->restarts++ == RESTARTS * row->n)
		give_up_on(row, &row->blocks[i]);
	else if (cma_block_stop(&row->blocks[i]))
		start_block(row, i);
	else
		give_up(row, "%s can't be ended", row->kinds[i]->name);
}

static bool blocks_hold(struct row *row)
{
	unsigned int lost = cma_blocks_lost(row->blocks, row->n, left_ms(row));

	if (lost < row->n)
		restart_block(row, lost);
	return lost == row->n;
}

static void restart_load(struct row *row, unsigned int i)
{
	row->bad += row->loads[i].state->bad;
	munmap(row->loads[i].state, 4096);
	start_load(row, i);
}

static bool all_live(struct row *row)
{
	bool all = true;
	unsigned int i;

	for (i = 0; i < row->n; i++)
		all &= cma_block_alive(&row->blocks[i]);
	for (i = 0; i < ARRAY_SIZE(row->loads); i++)
		all &= cma_load_alive(&row->loads[i]);
	return all;
}

static void revive(struct row *row)
{
	unsigned int i;

	for (i = 0; i < row->n; i++) {
		/* Those that we killed are no loss. */
		if (!row->blocks[i].state)
			start_block(row, i);
		else if (!cma_block_alive(&row->blocks[i]))
			restart_block(row, i);
	}
	for (i = 0; i < ARRAY_SIZE(row->loads); i++)
		if (!cma_load_alive(&row->loads[i]))
			restart_load(row, i);
}

static size_t bytes_held(struct row *row)
{
	size_t sum = 0;
	unsigned int i;

	for (i = 0; i < row->n; i++)
		sum += row->blocks[i].state->held;
	return sum;
}

/* Requests. */

/* In a process of its own: the base kernel may never return. */
static void request(uint64_t pages)
{
	int dev = cma_dev_open();
	struct cma_test_alloc req;
	uint64_t start;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	answer->begun = 1;
	start = cma_now_ns();
	/* Ours tells in the log which page it could not get, and whose it is. */
	answer->error = cma_request(dev, AREA_TEST, pages, 0,
				    cma_is_lend() ? 0 : CMA_TEST_NO_WARN, &req);
	answer->ns = cma_now_ns() - start;
	answer->intact = answer->error ||
			 (!cma_fill(dev, req.handle, start) &&
			  cma_intact(dev, req.handle, start));
	answer->done = 1;
	_exit(0);
}

static void kill_borrowers(struct row *row)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(row->loads); i++) {
		if (row->loads[i].pid <= 0)
			continue;
		kill(row->loads[i].pid, SIGKILL);
		cma_reap(row->loads[i].pid, slowness * REAP_LIMIT, NULL);
		row->loads[i].pid = 0;
	}
	for (i = 0; i < row->n; i++)
		if (!cma_block_stop(&row->blocks[i]))
			give_up(row, "can't be ended");
}

static double mean_us(const struct cma_samples *s)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < s->n; i++)
		sum += s->v[i] / 1000.0;
	return s->n ? sum / s->n : 0;
}

/* At a random part of what requests of that size have taken so far. */
static void kill_somebody(struct row *row, struct size_row *size,
			  pid_t requester)
{
	static uint64_t random = 1;
	unsigned int mean = mean_us(&size->whole), tries = 0;

	if (victim == NO_VICTIM || !size->whole.n)
		return;
	while (!answer->begun && tries++ < 10 * slowness * REAP_LIMIT)
		usleep(100);
	usleep(cma_random(&random) % (mean + 1));
	size->kills += mean >= SLOW_US;
	size->hits += !answer->ns;
	if (victim == REQUESTER)
		kill(requester, SIGKILL);
	else
		kill_borrowers(row);
}

static bool nothing_held(void *area)
{
	return !cma_debugfs(area, "used");
}

/* What a killed requester leaves behind: nothing, after a moment. */
static int lost_pages(void)
{
	return cma_wait(nothing_held, AREA_TEST, slowness * REAP_LIMIT) ?
		0 : -EBUSY;
}

static void request_with_limit(struct row *row, struct size_row *size)
{
	uint64_t start = cma_now_ns();
	pid_t pid;

	*answer = (struct answer) { .intact = 1 };
	fflush(NULL);
	pid = fork();
	if (!pid)
		request(size->pages);
	if (pid < 0) {
		cma_add_sample(&size->us, 0);
		return;
	}
	kill_somebody(row, size, pid);
	if (!cma_reap(pid, slowness * request_limit_ms, NULL)) {
		kill(pid, SIGKILL);
		size->hung = !cma_reap(pid, slowness * REAP_LIMIT, NULL);
	}
	if (!answer->done) {
		answer->error = -ETIMEDOUT;
		if (victim == REQUESTER && !size->hung)
			answer->error = lost_pages();
		answer->ns = cma_now_ns() - start;
	} else {
		cma_add_sample(&size->whole, answer->ns);
	}
	size->ok += !answer->error;
	row->bad += !answer->intact;
	cma_add_sample(&size->us, answer->ns);
	if (size->hung) {
		stop_row(row);
		if (!cma_reap(pid, slowness * REAP_LIMIT, NULL))
			ksft_print_msg("%s: the request is never killed\n",
				       row->name);
	}
}

/* False if this try can't count. */
static bool prepare(struct row *row, struct size_row *size)
{
	double lent;
	size_t held;

	revive(row);
	if (row->why[0])
		return false;
	cma_lend_out(AREA_TEST, LENT_TARGET, slowness * FILL_LIMIT);
	if (!blocks_hold(row) || !all_live(row))
		return false;
	lent = cma_lent_percent(AREA_TEST);
	if (lent < LENT_AT_LEAST)
		return false;
	held = bytes_held(row);
	if (!size->tries || lent < size->lent_min)
		size->lent_min = lent;
	if (!size->tries || held < size->held_min)
		size->held_min = held;
	cma_share(AREA_TEST, &size->lent);
	size->tries++;
	return true;
}

/* False if the row ends here. */
static bool run_size(struct row *row, struct size_row *size)
{
	while (size->tries < wanted_tries && !row->why[0]) {
		if (!left_ms(row)) {
			give_up(row, "%u tries count in %u s", size->tries,
				budget_s);
		} else if (!prepare(row, size)) {
			row->skipped++;
			cma_sleep_ms(10);
		} else {
			request_with_limit(row, size);
			if (size->hung)
				return false;
		}
	}
	return !row->why[0];
}

/* Rows. */

static void print_size(struct row *row, struct size_row *size)
{
	ksft_print_msg("row blocker=%s user=%s pages=%llu tries=%u ok=%u",
		       row->name, nobody ? "nobody" : "root",
		       (unsigned long long)size->pages, size->tries, size->ok);
	printf(" hung=%d lent_min=%.1f held_mib=%.1f", size->hung,
	       size->lent_min, size->held_min / 1048576.0);
	if (victim != NO_VICTIM)
		printf(" kills=%u hits=%u", size->kills, size->hits);
	printf(" anon=%llu shmem=%llu file=%llu other=%llu",
	       size->lent.anon, size->lent.shmem, size->lent.file,
	       size->lent.other);
	cma_print_us(&size->us);
}

/* Times that somebody got a loan to hold. */
static unsigned long long granted(void)
{
	return cma_is_lend() ? cma_sysfs(AREA_TEST, "guard_failed") : 0;
}

/* Pages that were about to be held in the area, and are not. */
static unsigned long long guarded(void)
{
	if (!cma_is_lend())
		return 0;
	return cma_sysfs(AREA_TEST, "guard_pages_moved") +
	       cma_sysfs(AREA_TEST, "guard_pages_copied");
}

/* Processes that die in the midst of it cost a request time, too. */
static bool is_in_time(struct size_row *size)
{
	unsigned int p99 = victim == NO_VICTIM ? P99_US : DEADLINE_US;

	return cma_percentile_us(&size->us, 99) < slowness * p99 &&
	       cma_percentile_us(&size->us, 100) < slowness * DEADLINE_US;
}

static void judge_size(struct row *row, struct size_row *size)
{
	unsigned long long pages = size->pages;

	if (size->ok < size->tries)
		give_up(row, "%llu pages: %u of %u served", pages, size->ok,
			size->tries);
	else if (judge_times && !is_in_time(size))
		give_up(row, "%llu pages: up to %.0f us", pages,
			cma_percentile_us(&size->us, 100));
}

/* Nobody was killed in the midst of a request, of those that take time. */
static void judge_kills(struct row *row)
{
	unsigned int i, kills = 0, hits = 0;

	for (i = 0; i < SIZES; i++) {
		kills += row->sizes[i].kills;
		hits += row->sizes[i].hits;
	}
	if (kills >= KILLS_ENOUGH && !hits)
		give_up(row, "none of %u kills hit a request", kills);
}

static bool needs_guard(const struct row *row)
{
	unsigned int i;

	for (i = 0; i < row->n; i++)
		if (row->kinds[i]->flags & BLOCK_GUARDED)
			return true;
	return false;
}

static void judge(struct row *row)
{
	unsigned long long pages = guarded() - row->guarded;
	unsigned int i;

	for (i = 0; i < SIZES; i++)
		judge_size(row, &row->sizes[i]);
	if (row->bad)
		give_up(row, "%d times damaged data", row->bad);
	if (victim != NO_VICTIM)
		judge_kills(row);
	if (cma_is_lend() && needs_guard(row) && !pages)
		give_up(row, "no page was guarded");
	ksft_print_msg("%s: %u tries void, %u restarts, %d damaged, %llu guarded, %llu granted\n",
		       row->name, row->skipped, row->restarts, row->bad, pages,
		       granted() - row->granted);
	cma_result(!row->why[0], "%s%s%s", row->name, row->why[0] ? ": " : "",
		   row->why);
}

/*
 * In the kernel's log: what it reports has to be put down to a row, and of a
 * guest that doesn't come to its end this is what remains.
 */
static void log_step(struct row *row, const char *step)
{
	char text[160];

	snprintf(text, sizeof(text), "blocker_test: %s %s", row->name, step);
	cma_write_text("/dev/kmsg", text);
}

static void log_size(struct row *row, struct size_row *size)
{
	char text[80];

	snprintf(text, sizeof(text), "%llu pages: %u of %u, max %.0f us",
		 (unsigned long long)size->pages, size->ok, size->tries,
		 cma_percentile_us(&size->us, 100));
	log_step(row, text);
}

/* What is locked, or under writeback, for as long as the blocker likes. */

static bool stands_still(uint64_t flags)
{
	return flags & (1ULL << KPF_LOCKED | 1ULL << KPF_WRITEBACK);
}

/* Clears in @still what doesn't stand still now. Return: what is left. */
static unsigned long look_again(uint8_t *still, const struct cma_area *area)
{
	int fd = open("/proc/kpageflags", O_RDONLY);
	static uint64_t flags[1024];
	unsigned long at, i, left = 0;

	for (at = 0; fd >= 0 && at < area->count; at += ARRAY_SIZE(flags)) {
		if (pread(fd, flags, sizeof(flags), (area->base + at) * 8) !=
		    sizeof(flags))
			break;
		for (i = 0; i < ARRAY_SIZE(flags); i++) {
			still[at + i] &= stands_still(flags[i]);
			left += still[at + i];
		}
	}
	close(fd);
	return at < area->count ? ~0UL : left;
}

struct inside {
	struct cma_area area;
	uint8_t *still;
	unsigned long pages;
	unsigned long long other;
};

/* Others have pages on their way in and out: not the same ones all the time. */
static bool nothing_inside(void *data)
{
	struct inside *in = data;
	struct cma_test_share s;

	if (in->pages)
		in->pages = look_again(in->still, &in->area);
	if (in->other && !cma_share(AREA_TEST, &s) && s.other < in->other)
		in->other = s.other;
	return !in->pages && !in->other;
}

static void look_inside(struct row *row)
{
	struct inside in = { .pages = 1, .other = ~0ULL };

	cma_area_get(AREA_TEST, &in.area);
	in.still = malloc(in.area.count);
	if (!in.still)
		return;
	memset(in.still, 1, in.area.count);
	if (!cma_wait(nothing_inside, &in, slowness * OUTSIDE_LIMIT))
		give_up(row, "in the area: %lu pages locked or under writeback, %llu of nobody",
			in.pages, in.other);
	free(in.still);
}

/* Blockers whose pages may not be lent at all. */
static bool stays_outside(const struct row *row)
{
	unsigned int i;

	for (i = 0; i < row->n; i++)
		if (!(row->kinds[i]->flags & BLOCK_OUTSIDE))
			return false;
	return cma_is_lend();
}

/* False if a size hung, and took everything with it. */
static bool run_sizes(struct row *row)
{
	bool goes_on = true;
	unsigned int i;

	for (i = 0; i < SIZES && goes_on; i++) {
		goes_on = run_size(row, &row->sizes[i]);
		print_size(row, &row->sizes[i]);
		log_size(row, &row->sizes[i]);
		if (row->sizes[i].hung)
			return false;
	}
	/* Nobody is to let go of what is in the area, if it is. */
	if (goes_on && stays_outside(row))
		look_inside(row);
	return true;
}

static void run_row(struct row *row)
{
	struct cma_area area;
	bool stopped;
	unsigned int i;

	log_step(row, "begins");
	cma_area_get(AREA_TEST, &area);
	row->sizes[0].pages = 1;
	row->sizes[1].pages = MIB_PAGES(16);
	row->sizes[2].pages = area.count / 2;
	row->guarded = guarded();
	row->granted = granted();
	row->end = cma_now_ns() + budget_s * 1000000000ULL;
	stopped = start_row(row) && !run_sizes(row);
	if (stopped)
		give_up(row, "a request hung");
	else if (!stop_row(row))
		give_up(row, "can't be ended");
	else if (victim != NO_VICTIM && !cma_is_whole(AREA_TEST))
		give_up(row, "the area is not whole");
	log_step(row, "is stopped");
	judge(row);
	for (i = 0; i < SIZES; i++) {
		free(row->sizes[i].us.v);
		free(row->sizes[i].whole.v);
	}
}

static void run_named(const char *name, const struct cma_block_kind *kind)
{
	const char *why = unfit(kind);
	struct row row = { .name = name, .kinds = { kind }, .n = 1 };

	if (why)
		cma_report(KSFT_SKIP, "%s: %s", name, why);
	else
		run_row(&row);
}

static void run_everything(void)
{
	struct row row = { .name = "everything" };
	const struct cma_block_kind *kind;
	unsigned int i;

	for (i = 0; (kind = cma_block_at(i)) && row.n < MOST_BLOCKS; i++) {
		if (unfit(kind) || kind->flags & BLOCK_ALONE)
			continue;
		if (kind->flags & BLOCK_HANGS && !cma_is_lend())
			continue;
		row.kinds[row.n++] = kind;
	}
	run_row(&row);
}

static unsigned int count_kinds(void)
{
	unsigned int n = 0;

	while (cma_block_at(n))
		n++;
	return n;
}

static void run_word(const char *word)
{
	const struct cma_block_kind *kind = cma_block_find(word);
	unsigned int i;

	if (!strcmp(word, "everything")) {
		run_everything();
	} else if (!strcmp(word, "all-rows")) {
		for (i = 0; (kind = cma_block_at(i)); i++)
			run_named(kind->name, kind);
	} else if (kind) {
		run_named(word, kind);
	} else {
		ksft_test_result_fail("%s: no such blocker\n", word);
	}
}

static int parse_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "utr:l:m:s:b:k:f:")) != -1) {
		if (option == 'u')
			nobody = true;
		else if (option == 't')
			judge_times = true;
		else if (option == 'b')
			budget_s = atoi(optarg);
		else if (option == 'r')
			wanted_tries = atoi(optarg);
		else if (option == 'l')
			request_limit_ms = 1000 * atoi(optarg);
		else if (option == 'm')
			wanted_mib = atoi(optarg);
		else if (option == 's')
			slowness = atoi(optarg);
		else if (option == 'f')
			fail_percent = atoi(optarg);
		else if (option == 'k' && !strcmp(optarg, "requester"))
			victim = REQUESTER;
		else if (option == 'k' && !strcmp(optarg, "borrower"))
			victim = BORROWER;
		else
			return -EINVAL;
	}
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int plan;
	int i;

	if (parse_options(argc, argv))
		return KSFT_FAIL;
	plan = fail_percent ? 1 : 0;
	for (i = optind; i < argc; i++)
		plan += strcmp(argv[i], "all-rows") ? 1 : count_kinds();
	cma_start(plan);
	answer = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (answer == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	cma_write_text("/proc/self/oom_score_adj", "-1000");
	cma_block_settings(false);
	if (fail_percent && !cma_can_inject())
		ksft_exit_fail_msg("no fault injection\n");
	if (fail_percent &&
	    cma_inject_below(CMA_INJECT_GUARD, fail_percent))
		ksft_exit_fail_msg("fault injection by stack trace\n");
	for (i = optind; i < argc; i++)
		run_word(argv[i]);
	cma_block_settings(true);
	if (fail_percent)
		cma_result(cma_injected(), "%llu allocations failed",
			   cma_injected());
	cma_inject_stop();
	ksft_finished();
}
