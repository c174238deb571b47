// SPDX-License-Identifier: GPL-2.0
/*
 * Memory for a recall: loans are written out, and memory elsewhere is reclaimed.
 *
 * Both may wait for a device, in the midst of submitting to it, and nothing ends that:
 * so neither is done by the request itself, which has a deadline, but by a worker, a
 * step at a time.  A request that does not wait until its step is over leaves it to that
 * worker, and gets no other before that is over.  Who may not do I/O waits for no device,
 * and must not wait for those who do: it reclaims by itself.  Owns the workers.
 */
#include <linux/freezer.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/psi.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>
#include <linux/swap.h>
#include <linux/vmstat.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "internal.h"
#include "page_alloc_cma.h"

/*
 * So many requests swap or reclaim at a time: with a device that does not answer, so many
 * have left a step.
 */
#define CMA_RECLAIMERS	4

/**
 * enum cma_step - what has become of a worker's step
 * @CMA_STEP_NONE: nobody has asked for one
 * @CMA_STEP_ASKED: a request waits for it
 * @CMA_STEP_LEFT: it does so no more
 * @CMA_STEP_DONE: it is over, and the request has yet to look
 */
enum cma_step {
	CMA_STEP_NONE,
	CMA_STEP_ASKED,
	CMA_STEP_LEFT,
	CMA_STEP_DONE,
};

/**
 * struct cma_reclaimer - a worker that waits for devices
 * @work: does a step
 * @done: the request waits here
 * @step: what has become of it; under cma_reclaimer_lock
 * @owner: who asked for it last, only ever compared; read by all
 * @folios: what is to be written out, unless there is @zones
 * @zones: where else to reclaim, or NULL
 * @gfp: what it may enter
 * @freed: pages that the step has freed
 *
 * But for @step, it is the worker's while that has a step, and before and after that the
 * request's that has asked for it.
 */
struct cma_reclaimer {
	struct work_struct work;
	wait_queue_head_t done;
	enum cma_step step;
	const struct task_struct *owner;
	struct list_head folios;
	struct zonelist *zones;
	gfp_t gfp;
	unsigned long freed;
};

static struct cma_reclaimer cma_reclaimers[CMA_RECLAIMERS];
static DEFINE_SPINLOCK(cma_reclaimer_lock);
/* With a rescuer: there may be no memory for another thread. */
static struct workqueue_struct *cma_reclaimer_wq;

/* Change what has become of the step, from @old.  Return: false if it is not that. */
static bool cma_turn_step(struct cma_reclaimer *r, enum cma_step old,
			  enum cma_step new)
{
	bool is_old;

	spin_lock(&cma_reclaimer_lock);
	is_old = r->step == old;
	if (is_old)
		WRITE_ONCE(r->step, new);
	spin_unlock(&cma_reclaimer_lock);
	return is_old;
}

/*
 * As an allocation would, but without __GFP_FS: file systems have locks of their own to
 * wait for.
 */
static unsigned long cma_reclaim_zones(struct zonelist *zones, gfp_t gfp)
{
	unsigned int noreclaim;
	unsigned long nr;

	fs_reclaim_acquire(gfp);
	noreclaim = memalloc_noreclaim_save();
	nr = try_to_free_pages(zones, 0, gfp, NULL);
	memalloc_noreclaim_restore(noreclaim);
	fs_reclaim_release(gfp);
	return nr;
}

static void cma_reclaimer_fn(struct work_struct *work)
{
	struct cma_reclaimer *r = container_of(work, struct cma_reclaimer, work);

	if (r->zones)
		r->freed = cma_reclaim_zones(r->zones, r->gfp);
	else
		r->freed = reclaim_pages(&r->folios);
	/* What stays has to be seen by the next scan: on the LRU. */
	lru_add_drain();
	if (cma_turn_step(r, CMA_STEP_ASKED, CMA_STEP_DONE))
		wake_up(&r->done);
	else
		cma_turn_step(r, CMA_STEP_LEFT, CMA_STEP_NONE);
}

/**
 * cma_init_reclaimers() - get ready for cma_write_loans() and cma_reclaim_elsewhere()
 *
 * Context: early boot, before anything is lent.
 */
void __init cma_init_reclaimers(void)
{
	struct cma_reclaimer *r;

	for (r = cma_reclaimers; r < cma_reclaimers + CMA_RECLAIMERS; r++) {
		INIT_WORK(&r->work, cma_reclaimer_fn);
		INIT_LIST_HEAD(&r->folios);
		init_waitqueue_head(&r->done);
	}
	/* Freezable: nothing is written while a snapshot is taken. */
	cma_reclaimer_wq = alloc_workqueue("cma_reclaim", WQ_UNBOUND | WQ_FREEZABLE |
					   WQ_MEM_RECLAIM, CMA_RECLAIMERS);
	WARN_ON(!cma_reclaimer_wq);
}

static bool cma_step_is_done(const struct cma_reclaimer *r)
{
	return READ_ONCE(r->step) == CMA_STEP_DONE;
}

/* For a step of the caller's.  Return: false if it is not over by then. */
static bool cma_do_step(struct cma_reclaimer *r, unsigned long until,
			unsigned long *freed)
{
	long limit = until - jiffies;
	unsigned long pflags;

	psi_memstall_enter(&pflags);
	queue_work(cma_reclaimer_wq, &r->work);
	wait_event_killable_timeout(r->done, cma_step_is_done(r), max(limit, 1L));
	psi_memstall_leave(&pflags);
	if (cma_turn_step(r, CMA_STEP_ASKED, CMA_STEP_LEFT))
		return false;
	*freed += r->freed;
	cma_turn_step(r, CMA_STEP_DONE, CMA_STEP_NONE);
	return true;
}

/**
 * cma_has_reclaimers() - may workers be asked, or are they frozen?
 *
 * Context: any.
 * Return: true if they may.
 */
bool cma_has_reclaimers(void)
{
#ifdef CONFIG_FREEZER
	if (READ_ONCE(pm_nosig_freezing))
		return false;
#endif
	return cma_reclaimer_wq;
}

/* Is a step of the caller's still under way, that it has left? */
static bool cma_has_left_one(void)
{
	const struct cma_reclaimer *r;

	for (r = cma_reclaimers; r < cma_reclaimers + CMA_RECLAIMERS; r++)
		if (READ_ONCE(r->owner) == current &&
		    READ_ONCE(r->step) == CMA_STEP_LEFT)
			return true;
	return false;
}

/* A worker for a step of the caller's, one at a time, or NULL if all are busy. */
static struct cma_reclaimer *cma_claim_step(void)
{
	struct cma_reclaimer *r;

	if (cma_has_left_one())
		return NULL;
	for (r = cma_reclaimers; r < cma_reclaimers + CMA_RECLAIMERS; r++) {
		if (cma_turn_step(r, CMA_STEP_NONE, CMA_STEP_ASKED)) {
			WRITE_ONCE(r->owner, current);
			return r;
		}
	}
	return NULL;
}

/* Whoever puts them back counts them as isolated no more. */
static void cma_give_folios(struct cma_reclaimer *r, struct list_head *folios)
{
	unsigned long nr = 0;
	struct folio *folio;

	while (!list_empty(folios) && nr < SWAP_CLUSTER_MAX) {
		folio = lru_to_folio(folios);
		node_stat_mod_folio(folio, NR_ISOLATED_ANON + folio_is_file_lru(folio),
				    -folio_nr_pages(folio));
		list_move(&folio->lru, &r->folios);
		nr += folio_nr_pages(folio);
	}
}

/**
 * cma_write_loans() - write isolated loans to swap, and free what is written already
 * @folios: the loans, not empty; a worker gets the last ones, which are then back on
 *	the LRU, or free, sooner or later
 * @until: how long to wait for that, in jiffies
 * @freed: pages that were freed are added
 *
 * Context: process context, may sleep.
 * Return: false if the worker has not come so far, or all are busy and got none.
 */
bool cma_write_loans(struct list_head *folios, unsigned long until,
		     unsigned long *freed)
{
	struct cma_reclaimer *r = cma_claim_step();

	if (!r)
		return false;
	r->zones = NULL;
	cma_give_folios(r, folios);
	return cma_do_step(r, until, freed);
}

/* Nothing is submitted; a throttle takes a second at most, without __GFP_FS. */
static unsigned long cma_reclaim_here(struct zonelist *zones)
{
	unsigned long nr, pflags;

	psi_memstall_enter(&pflags);
	nr = cma_reclaim_zones(zones, GFP_NOIO);
	psi_memstall_leave(&pflags);
	return nr;
}

/**
 * cma_reclaim_elsewhere() - reclaim some memory, wherever it may be
 * @zones: in which order
 * @gfp: what the caller may enter; file systems it does not
 * @until: how long to wait for a worker, in jiffies
 * @freed: pages that were freed are added
 *
 * Context: process context, may sleep; nothing is isolated or locked.
 * Return: false if the worker has not come so far, or all are busy.
 */
bool cma_reclaim_elsewhere(struct zonelist *zones, gfp_t gfp, unsigned long until,
			   unsigned long *freed)
{
	struct cma_reclaimer *r;

	/* Less is allowed while the machine is suspended. */
	gfp = GFP_NOIO | (gfp & gfp_allowed_mask & __GFP_IO);
	if (!(gfp & __GFP_IO) || !cma_has_reclaimers()) {
		*freed += cma_reclaim_here(zones);
		return true;
	}
	r = cma_claim_step();
	if (!r)
		return false;
	r->zones = zones;
	r->gfp = gfp;
	return cma_do_step(r, until, freed);
}
