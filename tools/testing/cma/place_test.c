// SPDX-License-Identifier: GPL-2.0
/*
 * mm/place_cma.c: claims, turns and culprits, with recalls whose outcome is known
 * beforehand.
 */
#include "area.h"
#include "ktap.h"

#define BASE		0x40000UL
#define GRANULES	256UL
#define NO_LIMIT	LONG_MAX

static unsigned long bitmap[GRANULES / (8 * sizeof(long))];
static unsigned long held[GRANULES / (8 * sizeof(long))];
static unsigned long stuck[GRANULES / (8 * sizeof(long))];
static unsigned long poisoned[GRANULES / (8 * sizeof(long))];
/* There is none to move what is stuck to. */
static bool no_memory;
static struct cma area;

static unsigned int costs_asked;
static unsigned long (*cost)(unsigned long start);

static unsigned long cma_range_cost(unsigned long start, unsigned long end,
				    unsigned long limit)
{
	costs_asked++;
	return cost ? cost(start) : 0;
}

static void set_up(unsigned int order_per_bit)
{
	memset(bitmap, 0, sizeof(bitmap));
	memset(held, 0, sizeof(held));
	memset(stuck, 0, sizeof(stuck));
	memset(poisoned, 0, sizeof(poisoned));
	no_memory = false;
	area = (struct cma) {
		.base_pfn = BASE,
		.count = GRANULES << order_per_bit,
		.order_per_bit = order_per_bit,
		.deadline_ms = 5000,
		.bitmap = bitmap,
		.held = held,
	};
	now = -300UL * HZ;	/* as at boot: it wraps soon */
	wait_others = NULL;
	wait_killed = false;
	task.flags = 0;
	costs_asked = 0;
	cost = NULL;
}

static struct cma_request request(unsigned long pages, unsigned int align)
{
	struct cma_request req = {};

	if (!cma_init_request(&req, &area, pages, align, GFP_KERNEL, NO_LIMIT))
		printf("# refused: %lu pages, align %u\n", pages, align);
	return req;
}

static unsigned long weight(const unsigned long *map)
{
	unsigned long i, n = 0;

	for (i = 0; i < GRANULES; i++)
		n += bit(map, i);
	return n;
}

/* Requests. */

static bool refuses_nonsense(void)
{
	struct cma_request req = {};

	set_up(0);
	return CHECK(!cma_init_request(&req, &area, 0, 0, 0, 1)) &&
	       CHECK(!cma_init_request(&req, &area, GRANULES + 1, 0, 0, 1)) &&
	       CHECK(!cma_init_request(&req, &area, ULONG_MAX, 0, 0, 1)) &&
	       CHECK(!cma_init_request(&req, &area, 1, BITS_PER_LONG, 0, 1)) &&
	       CHECK(cma_init_request(&req, &area, 1, BITS_PER_LONG - 1, 0, 1)) &&
	       CHECK(cma_init_request(&req, &area, GRANULES, 0, 0, 1));
}

/* The request in granules is met by the places whose pages are as asked. */
static bool fit_once(void)
{
	unsigned int shift = rnd(5), align = rnd(12);
	struct cma_request req;
	unsigned long pages, nr;

	set_up(shift);
	area.base_pfn += rnd(64) << shift;
	pages = 1 + rnd(area.count);
	req = request(pages, align);
	if (!CHECK(req.fit.count << shift >= pages) ||
	    !CHECK((req.fit.count - 1) << shift < pages))
		return false;
	for (nr = 0; nr < GRANULES; nr++)
		if (!CHECK(!((nr + req.fit.offset) & req.fit.mask) ==
			   !(align > shift && cma_granule_pfn(&area, nr) &
			     ((1UL << align) - 1))))
			return false;
	return true;
}

static bool fits_in_granules(void)
{
	unsigned int i;

	for (i = 0; i < 20000; i++)
		if (!fit_once())
			return false;
	return true;
}

static unsigned long limit(unsigned int ms, unsigned long pages)
{
	area.deadline_ms = ms;
	return cma_time_limit(&area, pages);
}

static bool time_limit_is_pro_rata(void)
{
	unsigned long unit = 5000 / (1000 / HZ) * CMA_DEADLINE_FACTOR;

	set_up(0);
	return CHECK(limit(5000, 1) == unit) &&
	       CHECK(limit(5000, CMA_DEADLINE_PAGES) == unit) &&
	       CHECK(limit(5000, CMA_DEADLINE_PAGES + 1) == 2 * unit) &&
	       CHECK(limit(5000, 100 * CMA_DEADLINE_PAGES) == 100 * unit) &&
	       CHECK(limit(1, 1) >= 1) && CHECK(limit(0, 1) == 1) &&
	       CHECK(limit(UINT_MAX, 1) >= limit(3600000, 1)) &&
	       CHECK(limit(3600000, ULONG_MAX >> 24) <= MAX_JIFFY_OFFSET) &&
	       CHECK(limit(3600000, ULONG_MAX >> 24) >= limit(3600000, 1));
}

static bool deadline_is_the_sooner(void)
{
	struct cma_request req = {};
	unsigned long timeout, most;

	set_up(0);
	most = cma_time_limit(&area, 1);
	for (timeout = 0; timeout < 2 * most; timeout++) {
		cma_init_request(&req, &area, 1, 0, GFP_KERNEL, timeout);
		if (!CHECK(req.deadline - now == min(timeout, most)) ||
		    !CHECK(req.rc.half - now == min(timeout, most) / 2) ||
		    !CHECK(req.patience >= 1))
			return false;
	}
	return true;
}

static bool may_kill(bool oom, gfp_t gfp, unsigned int flags)
{
	struct cma_request req = {};

	area.oom = oom;
	task.flags = flags;
	cma_init_request(&req, &area, 1, 0, gfp, 1);
	return req.rc.may_kill;
}

static bool kills_for_whom_it_may(void)
{
	set_up(0);
	return CHECK(may_kill(true, GFP_KERNEL, 0)) &&
	       CHECK(!may_kill(false, GFP_KERNEL, 0)) &&
	       CHECK(!may_kill(true, GFP_KERNEL | __GFP_NOWARN, 0)) &&
	       CHECK(!may_kill(true, GFP_KERNEL, PF_MEMALLOC));
}

/* Claims. */

#define CLIENTS	12

enum state { IDLE, CLAIMED, HOLDS };

struct client {
	struct cma_request req;
	enum state state;
};

static struct client clients[CLIENTS];

static void release(struct cma_request *req)
{
	struct cma_run run = cma_pages_to_run(&area, req->rc.start, req->pages);
	unsigned long flags;

	spin_lock_irqsave(&area.lock, flags);
	cma_unhold_run(&area, run);
	bitmap_clear(area.bitmap, run.start, run.end - run.start);
	spin_unlock_irqrestore(&area.lock, flags);
	cma_wake_turn(&area);
}

static void step(struct client *c)
{
	unsigned int pages = 1 + rnd(rnd(4) ? 40 : 500);

	switch (c->state) {
	case IDLE:
		c->req = request(pages, rnd(6));
		if (!cma_claim(&c->req))
			c->state = CLAIMED;
		break;
	case CLAIMED:
		c->state = rnd(2) ? HOLDS : IDLE;
		cma_settle(&c->req, c->state == HOLDS);
		break;
	case HOLDS:
		release(&c->req);
		c->state = IDLE;
		break;
	}
}

/* What the clients have, added up, is what the area says. */
static bool books_agree(void)
{
	unsigned long owned = 0, holding = 0, claims = 0;
	unsigned int i;

	for (i = 0; i < CLIENTS; i++) {
		if (clients[i].state == IDLE)
			continue;
		owned += clients[i].req.fit.count;
		if (clients[i].state == HOLDS)
			holding += clients[i].req.fit.count;
		else
			claims++;
	}
	return CHECK(weight(bitmap) == owned) && CHECK(weight(held) == holding) &&
	       CHECK(area.nr_held == holding) && CHECK(area.claims == claims);
}

static bool claims_are_disjoint(void)
{
	unsigned int i;

	set_up(1);
	memset(clients, 0, sizeof(clients));
	for (i = 0; i < 50000; i++) {
		step(&clients[rnd(CLIENTS)]);
		if (!books_agree())
			return false;
	}
	return true;
}

static unsigned long low_end_costs(unsigned long start)
{
	return start == BASE ? 100 : 7;
}

static bool cheapest_place_is_claimed(void)
{
	struct cma_request req;

	set_up(0);
	cost = low_end_costs;
	req = request(16, 0);
	if (!CHECK(!cma_claim(&req)) ||
	    !CHECK(req.rc.start == BASE + GRANULES - 16) ||
	    !CHECK(req.rc.end == BASE + GRANULES) ||
	    !CHECK(req.rc.taken == req.rc.start) || !CHECK(costs_asked == 2))
		return false;
	set_up(0);
	req = request(16, 0);
	return CHECK(!cma_claim(&req)) && CHECK(req.rc.start == BASE) &&
	       CHECK(costs_asked == 1);
}

/* Somebody else claims a granule of what is about to be claimed, a few times. */
static unsigned int thefts;
static unsigned long stolen;

static unsigned long steals(unsigned long start)
{
	if (thefts) {
		thefts--;
		bitmap_set(bitmap, start - BASE + stolen, 1);
		area.claims++;
	}
	return 0;
}

static bool lost_race(unsigned long granule)
{
	struct cma_request req;
	unsigned long i;

	set_up(0);
	stolen = granule;
	/* Gaps of two: there is always a choice. */
	for (i = 2; i < GRANULES; i += 3)
		bitmap_set(bitmap, i, 1);
	cost = steals;
	thefts = 5;
	req = request(2, 0);
	if (!CHECK(!cma_claim(&req)) || !CHECK(!thefts) ||
	    !CHECK(req.rc.start == BASE + 15))
		return false;
	thefts = UINT_MAX;
	req = request(2, 0);
	/* The last gap is no choice, so nobody looks at its cost. */
	if (!CHECK(!cma_claim(&req)))
		return false;
	req = request(2, 0);
	return CHECK(cma_claim(&req) == -ENOSPC);
}

static bool lost_race_is_run_again(void)
{
	return lost_race(0) && lost_race(1);
}

/* Turns. */

static struct cma_request other;
static unsigned long others_at;
static bool others_hold;

static void other_settles(void)
{
	if (area.claims && now >= others_at)
		cma_settle(&other, others_hold);
}

/* One has claimed the whole area for so long, and is served or not. */
static struct cma_request claimed_by_other(unsigned long for_jiffies, bool hold)
{
	set_up(0);
	other = request(GRANULES, 0);
	cma_claim(&other);
	others_at = now + for_jiffies;
	others_hold = hold;
	wait_others = other_settles;
	return request(1, 0);
}

static bool waits_for_its_turn(void)
{
	struct cma_request req = claimed_by_other(10, false);
	unsigned long begin = now;

	if (!CHECK(!cma_claim_or_wait(&req)) || !CHECK(now == begin + 10))
		return false;
	req = claimed_by_other(10, true);
	return CHECK(cma_claim_or_wait(&req) == -ENOSPC) &&
	       CHECK(now == begin + 10);
}

static bool waits_no_longer_than_it_may(void)
{
	struct cma_request req = claimed_by_other(NO_LIMIT, false);

	others_at = ULONG_MAX;
	if (!CHECK(cma_claim_or_wait(&req) == -ENOSPC) ||
	    !CHECK(now == req.deadline))
		return false;
	/* It is over already, and has been for long. */
	if (!CHECK(cma_claim_or_wait(&req) == -ENOSPC) ||
	    !CHECK(now == req.deadline))
		return false;
	now += HZ;
	return CHECK(cma_claim_or_wait(&req) == -ENOSPC) &&
	       CHECK(now == req.deadline + HZ);
}

static bool is_killed_while_it_waits(void)
{
	struct cma_request req = claimed_by_other(10, false);

	wait_killed = true;
	return CHECK(cma_claim_or_wait(&req) == -EINTR);
}

static bool waits_only_for_what_may_help(void)
{
	struct cma_request req = claimed_by_other(10, false);
	unsigned long begin = now;

	req.rc.gfp = GFP_NOWAIT;
	if (!CHECK(cma_claim_or_wait(&req) == -ENOSPC))
		return false;
	/* Devices hold too much, whatever the other does. */
	set_up(0);
	other = request(GRANULES, 0);
	cma_claim(&other);
	cma_settle(&other, true);
	area.claims = 1;
	req = request(1, 0);
	return CHECK(cma_claim_or_wait(&req) == -ENOSPC) &&
	       CHECK(now == begin);
}

/* Culprits. */

/* As a recall of the place says it: the first and the last page that is stuck. */
static int recall(struct cma_request *req)
{
	unsigned long end = req->rc.end - BASE, pos = req->rc.start - BASE;
	unsigned long found;

	found = find_next_bit(poisoned, end, pos);
	req->rc.first_busy = 0;
	req->rc.last_busy = 0;
	if (found < end) {
		req->rc.first_busy = BASE + found;
		req->rc.last_busy = BASE + found;
		return -EHWPOISON;
	}
	found = find_next_bit(stuck, end, pos);
	if (found == end)
		return 0;
	req->rc.first_busy = BASE + found;
	for (; found < end; found = find_next_bit(stuck, end, found + 1))
		req->rc.last_busy = BASE + found;
	req->rc.hopeless = no_memory;
	now += min(no_memory ? 1UL : req->patience, req->deadline - now);
	return no_memory ? -ENOMEM : -EBUSY;
}

/* Like cma_recall_here(). */
static int recall_here(struct cma_request *req)
{
	int ret;

	for (;;) {
		ret = recall(req);
		if (!ret || now == req->deadline)
			return ret;
		if (ret == -EHWPOISON)
			return cma_avoid_poisoned(req) ? -EAGAIN : ret;
		if (cma_should_move_on(req))
			return -EAGAIN;
		if (cma_may_be_hopeless(req))
			return ret;
	}
}

/* Like cma_go_on(): what is claimed on the way is what one of the places needs. */
static bool go_on(struct cma_request *req)
{
	struct cma_run old = req->own;
	unsigned long before = weight(bitmap), shared;

	if (!cma_claim_other(req))
		return false;
	shared = max(min(old.end, req->own.end), max(old.start, req->own.start)) -
		 max(old.start, req->own.start);
	assert(weight(bitmap) == before + req->fit.count - shared);
	assert(area.claims == 1 && req->rc.start == BASE + req->own.start);
	cma_leave(req, old);
	assert(weight(bitmap) == before && area.claims == 1);
	return true;
}

/* Like cma_serve(): places are tried until one is had; @tries says how many. */
static int serve(struct cma_request *req, unsigned int *tries)
{
	int ret;

	*tries = 0;
	do {
		ret = cma_claim_or_wait(req);
		if (ret)
			return ret;
		do {
			ret = recall_here(req);
			*tries += ret == -EAGAIN;
		} while (ret == -EAGAIN && go_on(req));
		cma_settle(req, !ret);
	} while (ret == -EAGAIN);
	return ret;
}

/* Is there a place without a page that is stuck? */
static bool has_good_place(const struct cma_request *req)
{
	unsigned long map[GRANULES / (8 * sizeof(long))], picks[CMA_PICKS_MAX];
	struct cma_fit fit = req->fit;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(map); i++)
		map[i] = bitmap[i] | stuck[i] | poisoned[i];
	fit.nr_avoid = 0;
	return cma_choose(map, GRANULES, &fit, picks);
}

/*
 * Each place costs two culprits: where there is a good one among 31 tries, it is
 * found before any culprit is forgotten.
 */
static bool good_place_once(unsigned int culprits)
{
	unsigned int tries, align = rnd(5), i;
	struct cma_request req;
	bool good;

	set_up(0);
	for (i = rnd(6); i; i--)
		bitmap_set(bitmap, rnd(GRANULES), 1);
	for (i = 0; i < culprits; i++)
		bitmap_set(stuck, rnd(GRANULES), 1);
	req = request(1 + rnd(64), align);
	good = has_good_place(&req);
	i = serve(&req, &tries);
	if (good)
		return CHECK(!i) && CHECK(tries <= culprits);
	/* Else it fails: for want of a place, or when its time is over. */
	return CHECK(i == -ENOSPC || (i == -EBUSY && now == req.deadline));
}

static bool good_place_is_found(void)
{
	unsigned int i;

	for (i = 0; i < 20000; i++)
		if (!good_place_once(rnd(CMA_AVOID_MAX / 2)))
			return false;
	return true;
}

/* More culprits than are remembered: it ends, and not too late. */
static bool crowd_of_culprits_ends(void)
{
	unsigned int i;
	struct cma_request req;
	unsigned int tries;

	for (i = 0; i < 2000; i++) {
		set_up(0);
		memset(stuck, 0xff, sizeof(stuck));
		req = request(1 + rnd(GRANULES), rnd(3));
		if (!CHECK(serve(&req, &tries) == -EBUSY) ||
		    !CHECK(now == req.deadline) ||
		    !CHECK(req.fit.nr_avoid <= CMA_AVOID_MAX) ||
		    !CHECK(!weight(bitmap)) || !CHECK(!area.claims))
			return false;
	}
	return true;
}

/* Nothing is to be had anywhere: each place is tried once, for a tick. */
static bool hopeless_goes_round_once(void)
{
	unsigned int i, tries, pages;
	struct cma_request req;
	unsigned long begin;

	for (i = 0; i < 2000; i++) {
		set_up(0);
		no_memory = true;
		memset(stuck, 0xff, sizeof(stuck));
		begin = now;
		pages = 1 + rnd(GRANULES);
		req = request(pages, 0);
		if (!CHECK(serve(&req, &tries) == -ENOMEM) ||
		    !CHECK(tries < GRANULES / pages) ||
		    !CHECK(tries + 2 >= min(GRANULES / pages, CMA_AVOID_MAX / 2)) ||
		    !CHECK(now == begin + tries + 1) || !CHECK(!weight(bitmap)))
			return false;
	}
	return true;
}

/* Where there is but one place, what is evacuated there stays so. */
static bool stays_where_there_is_no_other(void)
{
	struct cma_request req;

	set_up(0);
	req = request(GRANULES, 0);
	cma_claim(&req);
	req.rc.first_busy = BASE + 3;
	req.rc.last_busy = BASE + 9;
	return CHECK(!cma_should_move_on(&req)) &&
	       CHECK(req.fit.nr_avoid == 2) &&
	       CHECK(weight(bitmap) == GRANULES);
}

/* The next place begins behind the culprit, and has what is good of the first. */
static bool shares_what_it_can(void)
{
	struct cma_request req;
	struct cma_run old;

	set_up(0);
	req = request(GRANULES / 2, 0);
	cma_claim(&req);
	old = req.own;
	req.rc.first_busy = BASE + 3;
	req.rc.last_busy = BASE + 3;
	if (!CHECK(old.start == 0) || !CHECK(cma_should_move_on(&req)) ||
	    !CHECK(cma_claim_other(&req)) || !CHECK(req.own.start == 4) ||
	    !CHECK(weight(bitmap) == GRANULES / 2 + 4))
		return false;
	cma_leave(&req, old);
	if (!CHECK(weight(bitmap) == GRANULES / 2) || !CHECK(bit(bitmap, 4)) ||
	    !CHECK(!bit(bitmap, 3)))
		return false;
	cma_settle(&req, true);
	return CHECK(weight(held) == GRANULES / 2) && CHECK(!area.claims);
}

/* Others don't get what it has on the way, and are told what it leaves. */
static bool others_wait_for_what_is_left(void)
{
	struct cma_request req, next;
	struct cma_run old;

	set_up(0);
	req = request(GRANULES / 2, 0);
	cma_claim(&req);
	old = req.own;
	req.rc.first_busy = BASE + GRANULES / 2 - 1;
	req.rc.last_busy = req.rc.first_busy;
	if (!CHECK(cma_should_move_on(&req)) || !CHECK(cma_claim_other(&req)) ||
	    !CHECK(weight(bitmap) == GRANULES))
		return false;
	next = request(1, 0);
	if (!CHECK(cma_claim(&next) == -ENOSPC) || !CHECK(next.claims == 1))
		return false;
	cma_leave(&req, old);
	return CHECK(area.turn) && CHECK(!cma_claim(&next)) &&
	       CHECK(next.own.start == 0) && CHECK(area.claims == 2);
}

static bool patience_grows_with_each_round(void)
{
	struct cma_request req;
	unsigned long patience;

	set_up(0);
	req = request(GRANULES / 2, 7);
	patience = req.patience;
	cma_claim(&req);
	req.rc.first_busy = req.rc.start;
	req.rc.last_busy = req.rc.start;
	if (!CHECK(cma_should_move_on(&req)) || !CHECK(req.patience == patience))
		return false;
	cma_settle(&req, false);
	cma_claim(&req);
	req.rc.first_busy = req.rc.start;
	req.rc.last_busy = req.rc.start;
	return CHECK(cma_should_move_on(&req)) &&
	       CHECK(req.patience == 2 * patience) &&
	       CHECK(req.fit.nr_avoid == 1);
}

/* What is poisoned is never tried twice, as long as there is room to remember it. */
static bool poison_once(unsigned int pages)
{
	struct cma_request req;
	unsigned int tries, i;
	bool good;
	int ret;

	set_up(0);
	for (i = 0; i < pages; i++)
		bitmap_set(poisoned, rnd(GRANULES), 1);
	for (i = rnd(20); i; i--)
		bitmap_set(stuck, rnd(GRANULES), 1);
	req = request(1 + rnd(20), rnd(4));
	good = has_good_place(&req);
	ret = serve(&req, &tries);
	for (i = 0; i < req.nr_poisoned; i++)
		if (!CHECK(req.nr_poisoned <= req.fit.nr_avoid) ||
		    !CHECK(bit(poisoned, req.fit.avoid[i])))
			return false;
	if (!good)
		return CHECK(ret);
	return CHECK(!ret) && CHECK(req.nr_poisoned <= weight(poisoned));
}

static bool poison_stays_in_mind(void)
{
	unsigned int i;

	for (i = 0; i < 20000; i++)
		if (!poison_once(rnd(CMA_AVOID_MAX / 2)))
			return false;
	return true;
}

/* Nothing but poison: all of it that there is room for, then an end. */
static bool poison_everywhere_ends(void)
{
	struct cma_request req;
	unsigned int tries;

	set_up(0);
	memset(poisoned, 0xff, sizeof(poisoned));
	req = request(1, 0);
	return CHECK(serve(&req, &tries) == -EHWPOISON) &&
	       CHECK(req.nr_poisoned == CMA_AVOID_MAX - 1) &&
	       CHECK(tries == req.nr_poisoned);
}

static const struct ktap_case cases[] = {
	{ "nonsense is refused", refuses_nonsense },
	{ "what fits in granules is aligned in pages", fits_in_granules },
	{ "the time limit is pro rata", time_limit_is_pro_rata },
	{ "the deadline is the sooner one", deadline_is_the_sooner },
	{ "victims only for whom there may be", kills_for_whom_it_may },
	{ "claims are disjoint and the books agree", claims_are_disjoint },
	{ "the cheapest place is claimed", cheapest_place_is_claimed },
	{ "a lost race is run again", lost_race_is_run_again },
	{ "a request waits for its turn", waits_for_its_turn },
	{ "it waits no longer than it may", waits_no_longer_than_it_may },
	{ "it can be killed while it waits", is_killed_while_it_waits },
	{ "it waits only for what may help", waits_only_for_what_may_help },
	{ "a good place is found beside culprits", good_place_is_found },
	{ "who is hopeless goes round once", hopeless_goes_round_once },
	{ "a crowd of culprits ends at the deadline", crowd_of_culprits_ends },
	{ "the only place is not given up", stays_where_there_is_no_other },
	{ "the next place shares what it can", shares_what_it_can },
	{ "others wait for what is left", others_wait_for_what_is_left },
	{ "patience grows with each round", patience_grows_with_each_round },
	{ "poison stays in mind", poison_stays_in_mind },
	{ "poison everywhere ends", poison_everywhere_ends },
};

int main(void)
{
	return ktap_run(cases, ARRAY_SIZE(cases));
}
