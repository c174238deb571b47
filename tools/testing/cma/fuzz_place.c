// SPDX-License-Identifier: GPL-2.0
/*
 * mm/place_cma.c as a machine: each two bytes are a step of one of a few requests.
 * After each step the books agree, and what a request remembers is in bounds.
 */
#include "area.h"
#include "fuzz.h"

#define GRANULES	128UL
#define BASE		0x40000UL
#define CLIENTS		4

enum state { IDLE, CLAIMED, HOLDS };

struct client {
	struct cma_request req;
	enum state state;
};

static unsigned long bitmap[GRANULES / (8 * sizeof(long))];
static unsigned long held[GRANULES / (8 * sizeof(long))];
static struct cma area;
static struct client clients[CLIENTS];
static unsigned long cheap;

static unsigned long cma_range_cost(unsigned long start, unsigned long end,
				    unsigned long limit)
{
	return start ^ cheap;
}

static void claim(struct client *c, unsigned char arg)
{
	memset(&c->req, 0, sizeof(c->req));
	if (cma_init_request(&c->req, &area, arg, arg >> 5, GFP_KERNEL, arg) &&
	    !cma_claim_or_wait(&c->req))
		c->state = CLAIMED;
}

static void settle(struct client *c, bool hold)
{
	c->state = hold ? HOLDS : IDLE;
	cma_settle(&c->req, hold);
}

static void release(struct client *c)
{
	struct cma_run run = cma_pages_to_run(&area, c->req.rc.start,
					      c->req.pages);

	area.lock = true;
	cma_unhold_run(&area, run);
	area.lock = false;
	bitmap_clear(bitmap, run.start, run.end - run.start);
	c->state = IDLE;
}

/* A page in the way, or several; or none that is known. */
static void set_culprit(struct cma_recall *rc, unsigned char arg)
{
	unsigned long pages = rc->end - rc->start;

	rc->first_busy = arg & 1 ? rc->start + (arg >> 1) % pages : 0;
	rc->last_busy = rc->end - 1;
}

/* Another place is sought before this one is left, as cma_serve() does it. */
static void go_on(struct client *c, bool give_up)
{
	struct cma_run old = c->req.own;

	if (!give_up)
		return;
	if (cma_claim_other(&c->req)) {
		cma_leave(&c->req, old);
		return;
	}
	settle(c, false);
	if (!cma_claim_or_wait(&c->req))
		c->state = CLAIMED;
}

static void step_claimed(struct client *c, unsigned char op, unsigned char arg)
{
	switch (op % 4) {
	case 0:
	case 1:
		settle(c, op % 4);
		break;
	case 2:
		set_culprit(&c->req.rc, arg);
		go_on(c, cma_should_move_on(&c->req));
		break;
	case 3:
		set_culprit(&c->req.rc, arg);
		go_on(c, cma_avoid_poisoned(&c->req));
		break;
	}
}

static void step(unsigned char op, unsigned char arg)
{
	struct client *c = &clients[op % CLIENTS];

	cheap = arg;
	if (c->state == IDLE)
		claim(c, arg);
	else if (c->state == CLAIMED)
		step_claimed(c, op / CLIENTS, arg);
	else
		release(c);
}

static unsigned long weight(const unsigned long *map)
{
	unsigned long i, n = 0;

	for (i = 0; i < GRANULES; i++)
		n += bit(map, i);
	return n;
}

static void check(void)
{
	unsigned long owned = 0, holding = 0, claims = 0;
	struct client *c;

	for (c = clients; c < clients + CLIENTS; c++) {
		struct cma_fit *fit = &c->req.fit;

		MUST(c->req.nr_poisoned <= fit->nr_avoid &&
		     fit->nr_avoid <= CMA_AVOID_MAX);
		if (c->state == IDLE)
			continue;
		MUST(c->req.rc.start >= BASE &&
		     c->req.rc.end <= BASE + area.count);
		owned += fit->count;
		claims += c->state == CLAIMED;
		holding += c->state == HOLDS ? fit->count : 0;
	}
	MUST(weight(bitmap) == owned && weight(held) == holding);
	MUST(area.nr_held == holding && area.claims == claims);
}

int fuzz_one(const unsigned char *data, size_t size)
{
	size_t i;

	memset(bitmap, 0, sizeof(bitmap));
	memset(held, 0, sizeof(held));
	memset(clients, 0, sizeof(clients));
	now = -100UL;	/* the same in each run; it wraps soon */
	area = (struct cma) {
		.base_pfn = BASE,
		.count = GRANULES << 1,
		.order_per_bit = 1,
		.deadline_ms = 5000,
		.bitmap = bitmap,
		.held = held,
	};
	for (i = 0; i + 1 < size; i += 2) {
		step(data[i], data[i + 1]);
		check();
	}
	return 0;
}
