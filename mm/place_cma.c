// SPDX-License-Identifier: GPL-2.0
/*
 * Where a request goes: claims, turns, culprits.
 *
 * A request claims a place that no device holds and no other request has claimed.
 * Where all places are claimed, it waits for its turn.  Where a loan does not come
 * back, it remembers the culprit and goes elsewhere, as long as there is a place
 * without one; then it begins anew, with more patience for each place.  It claims the
 * new place before it leaves the old one: what is part of both stays evacuated.
 *
 * The same file is compiled in user space under ASan and UBSan (tools/testing/cma).
 */
#ifdef __KERNEL__
#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#endif

#include "place_cma.h"

/* A request of so many pages may take cma->deadline_ms; pro rata above. */
#define CMA_DEADLINE_PAGES	(SZ_64M >> PAGE_SHIFT)
/* Debug kernels do the same work in several times the time. */
#define CMA_DEADLINE_FACTOR	(IS_ENABLED(CONFIG_KASAN) || \
				 IS_ENABLED(CONFIG_PROVE_LOCKING) ? 10 : 1)
/* The part of its time for which a request first bears with a stuck place. */
#define CMA_PATIENCE		512

/* Claims: which granules of the bitmap a request owns. */

static unsigned long cma_run_len(struct cma_run run)
{
	return run.end - run.start;
}

static bool cma_has_claim(const struct cma_request *req)
{
	return cma_run_len(req->own);
}

/* While a request looks for a place, its own claim is not in the way. */
static void cma_hide_claim(const struct cma_request *req)
{
	lockdep_assert_held(&req->cma->lock);

	bitmap_clear(req->cma->bitmap, req->own.start, cma_run_len(req->own));
}

static void cma_show_claim(const struct cma_request *req)
{
	lockdep_assert_held(&req->cma->lock);

	bitmap_set(req->cma->bitmap, req->own.start, cma_run_len(req->own));
}

/* Set the bits if they are still clear, or the request's own. */
static bool cma_try_claim(struct cma_request *req, unsigned long start)
{
	struct cma *cma = req->cma;
	struct cma_run run = { start, start + req->fit.count };
	unsigned long flags;
	bool ok;

	spin_lock_irqsave(&cma->lock, flags);
	cma_hide_claim(req);
	ok = find_next_bit(cma->bitmap, run.end, run.start) >= run.end;
	cma_show_claim(req);
	if (ok) {
		cma->claims += !cma_has_claim(req);
		req->own = run;
		cma_show_claim(req);
	}
	spin_unlock_irqrestore(&cma->lock, flags);
	return ok;
}

/**
 * cma_wake_turn() - there may be a place now for those who wait for one
 * @cma: the area
 *
 * Context: any.
 */
void cma_wake_turn(struct cma *cma)
{
	if (wq_has_sleeper(&cma->turn))
		wake_up_all(&cma->turn);
}

static void cma_hold_run(struct cma *cma, struct cma_run run)
{
	lockdep_assert_held(&cma->lock);

	bitmap_set(cma->held, run.start, run.end - run.start);
	cma->nr_held += run.end - run.start;
}

/**
 * cma_unhold_run() - a device does not hold a block any more
 * @cma: the area
 * @run: granules of the block; they stay claimed
 *
 * Context: cma->lock held.
 */
void cma_unhold_run(struct cma *cma, struct cma_run run)
{
	lockdep_assert_held(&cma->lock);

	bitmap_clear(cma->held, run.start, run.end - run.start);
	cma->nr_held -= run.end - run.start;
}

/**
 * cma_settle() - a claim ends
 * @req: the request, with a claim; then it has none
 * @held: a device holds the block now; else nobody does
 *
 * Context: any.
 */
void cma_settle(struct cma_request *req, bool held)
{
	struct cma *cma = req->cma;
	unsigned long flags;

	spin_lock_irqsave(&cma->lock, flags);
	if (held)
		cma_hold_run(cma, req->own);
	else
		cma_hide_claim(req);
	cma->claims--;
	spin_unlock_irqrestore(&cma->lock, flags);
	req->own = (struct cma_run) {};
	cma_wake_turn(cma);
}

/**
 * cma_leave() - a request that has claimed another place leaves the one before
 * @req: the request, with the claim of the new place
 * @old: granules of the old one; those of both stay claimed
 *
 * Context: any.
 */
void cma_leave(struct cma_request *req, struct cma_run old)
{
	struct cma *cma = req->cma;
	unsigned long flags;

	spin_lock_irqsave(&cma->lock, flags);
	bitmap_clear(cma->bitmap, old.start, cma_run_len(old));
	cma_show_claim(req);
	spin_unlock_irqrestore(&cma->lock, flags);
	cma_wake_turn(cma);
}

/* Places that nobody else holds or has claimed; req->claims is of the same moment. */
static unsigned int cma_find_places(struct cma_request *req,
				    unsigned long *picks)
{
	struct cma *cma = req->cma;
	unsigned long flags;
	unsigned int n;

	spin_lock_irqsave(&cma->lock, flags);
	cma_hide_claim(req);
	n = cma_choose(cma->bitmap, cma_granules(cma), &req->fit, picks);
	cma_show_claim(req);
	req->claims = cma->claims - cma_has_claim(req);
	spin_unlock_irqrestore(&cma->lock, flags);
	return n;
}

/* Would there be a place if all others gave up theirs? */
static bool cma_could_fit(const struct cma_request *req)
{
	struct cma *cma = req->cma;
	unsigned long picks[CMA_PICKS_MAX], flags;
	unsigned int n;

	spin_lock_irqsave(&cma->lock, flags);
	n = cma_choose(cma->held, cma_granules(cma), &req->fit, picks);
	spin_unlock_irqrestore(&cma->lock, flags);
	return n;
}

/* Of places that are equal for the area, the one whose loans cost least. */
static unsigned long cma_cheapest(const struct cma_request *req,
				  const unsigned long *picks, unsigned int n)
{
	unsigned long cost, least = LONG_MAX, best = picks[0];
	unsigned int i;

	for (i = 0; n > 1 && i < n && least; i++) {
		cost = cma_range_cost(cma_granule_pfn(req->cma, picks[i]),
				      cma_granule_pfn(req->cma, picks[i] +
						      req->fit.count), least);
		if (cost < least) {
			least = cost;
			best = picks[i];
		}
	}
	return best;
}

/* Begin anew, with more patience for each place; false if that is no news. */
static bool cma_forget_culprits(struct cma_request *req)
{
	if (req->fit.nr_avoid == req->nr_poisoned)
		return false;
	req->fit.nr_avoid = req->nr_poisoned;
	req->patience *= 2;
	return true;
}

/* Claim a place; nothing of it is taken, or isolated. */
static int cma_claim(struct cma_request *req)
{
	unsigned long picks[CMA_PICKS_MAX], start;
	unsigned int n;

	/* Somebody may be quicker, but then somebody is served. */
	do {
		n = cma_find_places(req, picks);
		if (!n && cma_forget_culprits(req))
			n = cma_find_places(req, picks);
		if (!n)
			return -ENOSPC;
		start = cma_cheapest(req, picks, n);
	} while (!cma_try_claim(req, start));

	req->rc.start = cma_granule_pfn(req->cma, req->own.start);
	req->rc.taken = req->rc.start;
	/* Granules are lent whole, or not at all. */
	req->rc.end = cma_granule_pfn(req->cma, req->own.end);
	req->isolated = req->rc.end;
	return 0;
}

/**
 * cma_claim_other() - claim a place before another one is left
 * @req: the request, with a claim; req->own and req->rc then say which it is now
 *
 * The claim that it had stays until cma_leave().  It may be claimed once more, where
 * no culprit of it is known.
 *
 * Context: any.
 * Return: false if there is none.
 */
bool cma_claim_other(struct cma_request *req)
{
	return !cma_claim(req);
}

/* Turns. */

/* Is there a place for the request, or nobody left to wait for? */
static bool cma_may_retry(struct cma_request *req)
{
	unsigned long picks[CMA_PICKS_MAX];

	return cma_find_places(req, picks) || !req->claims ||
	       !cma_could_fit(req);
}

/*
 * Other requests have claimed what this one needs, and may yet fail: wait for
 * them to settle.  This one has claimed nothing meanwhile.
 */
static int cma_wait_turn(struct cma_request *req)
{
	long left = req->deadline - jiffies;

	if (!req->claims || left <= 0 || !cma_could_fit(req) ||
	    !gfpflags_allow_blocking(req->rc.gfp))
		return -ENOSPC;
	left = wait_event_killable_timeout(req->cma->turn, cma_may_retry(req),
					   left);
	if (left < 0)
		return -EINTR;
	return left ? 0 : -ENOSPC;
}

/**
 * cma_claim_or_wait() - claim a place for a request
 * @req: the request; req->rc then says which
 *
 * Context: may sleep where req->rc.gfp allows it.
 * Return: 0, -ENOSPC (there is none) or -EINTR (killed while others were waited for).
 */
int cma_claim_or_wait(struct cma_request *req)
{
	int ret;

	for (;;) {
		ret = cma_claim(req);
		if (ret != -ENOSPC)
			return ret;
		ret = cma_wait_turn(req);
		if (ret)
			return ret;
	}
}

/* Culprits. */

static void cma_add_avoided(struct cma_request *req, unsigned long pfn)
{
	struct cma_fit *fit = &req->fit;

	fit->avoid[fit->nr_avoid++] = cma_granule_of(req->cma, pfn);
}

/* What was added last is poisoned: it changes places with the first that is not. */
static void cma_keep_poisoned(struct cma_request *req)
{
	unsigned long *avoid = req->fit.avoid;
	unsigned int last = req->fit.nr_avoid - 1;
	unsigned long granule = avoid[last];

	avoid[last] = avoid[req->nr_poisoned];
	avoid[req->nr_poisoned++] = granule;
}

/*
 * Remember what stood in the way: the first and the last busy page, so that the
 * next place, below or above, is past all of them.  Poisoned pages stay in front
 * of the others, for good.
 */
static bool cma_avoid(struct cma_request *req, bool poisoned)
{
	struct cma_fit *fit = &req->fit;
	struct cma_recall *rc = &req->rc;

	if (fit->nr_avoid > CMA_AVOID_MAX - 2)
		return false;
	cma_add_avoided(req, rc->first_busy ?: rc->start);
	if (poisoned)
		cma_keep_poisoned(req);
	else if (rc->last_busy > rc->first_busy)
		cma_add_avoided(req, rc->last_busy);
	return true;
}

/* Is there a place where the request could go to? */
static bool cma_has_other_place(struct cma_request *req)
{
	unsigned long picks[CMA_PICKS_MAX];

	return cma_find_places(req, picks);
}

/**
 * cma_may_be_hopeless() - has there been nothing yet that is worth waiting for?
 * @req: the request
 *
 * Context: any.
 * Return: true if no place that was tried had hope, and no other request, which may
 *	fail, has claimed one.
 */
bool cma_may_be_hopeless(const struct cma_request *req)
{
	return !req->hope && !req->claims;
}

/**
 * cma_should_move_on() - nothing goes here: is there a place to go to?
 * @req: the request, with a claim; req->rc says what stood in the way
 *
 * Go elsewhere, if there is a place without a known culprit; else forget all
 * culprits but this one, unless all of them are without hope; else there is nowhere
 * to go.
 *
 * Context: any.
 * Return: whether to give this place up.
 */
bool cma_should_move_on(struct cma_request *req)
{
	req->hope |= !req->rc.hopeless;
	if (cma_avoid(req, false) && cma_has_other_place(req))
		return true;
	if (cma_may_be_hopeless(req))
		return false;
	cma_forget_culprits(req);
	return cma_avoid(req, false) && cma_has_other_place(req);
}

/**
 * cma_avoid_poisoned() - remember a page that never comes back
 * @req: the request, with a claim; req->rc says which page
 *
 * Return: false if there are too many of them.
 */
bool cma_avoid_poisoned(struct cma_request *req)
{
	return cma_avoid(req, true) ||
	       (cma_forget_culprits(req) && cma_avoid(req, true));
}

/* Requests. */

/* The longest that a request may take, in jiffies. */
static unsigned long cma_time_limit(const struct cma *cma, unsigned long pages)
{
	u64 ms = READ_ONCE(cma->deadline_ms) * CMA_DEADLINE_FACTOR;

	ms *= DIV_ROUND_UP(pages, CMA_DEADLINE_PAGES);
	return clamp(msecs_to_jiffies(min(ms, INT_MAX)), 1, MAX_JIFFY_OFFSET);
}

/**
 * cma_init_request() - fill in a request
 * @req: the request, all zero
 * @cma: the area
 * @pages: pages wanted
 * @align: log2 of the alignment wanted, in pages
 * @gfp: what may be entered on the caller's behalf
 * @timeout: jiffies; the area's own deadline counts where that is sooner
 *
 * Return: false if no area could ever serve it.
 */
bool cma_init_request(struct cma_request *req, struct cma *cma,
		      unsigned long pages, unsigned int align, gfp_t gfp,
		      unsigned long timeout)
{
	unsigned int shift = cma->order_per_bit;

	/* The rounding of an absurd count must not wrap. */
	if (!pages || pages > cma->count || align >= BITS_PER_LONG)
		return false;

	req->cma = cma;
	req->pages = pages;
	req->align = align;
	req->fit.count = ALIGN(pages, 1UL << shift) >> shift;
	if (align > shift)
		req->fit.mask = (1UL << (align - shift)) - 1;
	req->fit.offset = (cma->base_pfn & ((1UL << align) - 1)) >> shift;
	req->rc.gfp = current_gfp_context(gfp);

	timeout = min(timeout, cma_time_limit(cma, pages));
	req->deadline = jiffies + timeout;
	req->rc.half = jiffies + timeout / 2;
	req->rc.may_kill = READ_ONCE(cma->oom) && !(gfp & __GFP_NOWARN) &&
			   !(current->flags & PF_MEMALLOC);
	req->patience = max(1UL, timeout / CMA_PATIENCE);
	return true;
}
