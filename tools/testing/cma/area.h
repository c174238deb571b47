/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What mm/place_cma.c needs: an area and a recall with the fields that it uses, one
 * task, one lock that is checked, and a clock that a test drives.
 */
#ifndef CMA_AREA_H
#define CMA_AREA_H

#include <assert.h>
#include <errno.h>

#include "kernel.h"

#define PAGE_SHIFT	12
#define SZ_64M		0x4000000UL
#define HZ		250
#define MAX_JIFFY_OFFSET ((LONG_MAX >> 1) - 1)
/* No option is on. */
#define IS_ENABLED(CONFIG_x) ((CONFIG_x) + 0)
#define CONFIG_KASAN		0
#define CONFIG_PROVE_LOCKING	0

#define gfp_t			unsigned int
#define __GFP_NOWARN		0x1U
#define __GFP_DIRECT_RECLAIM	0x2U
#define GFP_KERNEL		__GFP_DIRECT_RECLAIM
#define GFP_NOWAIT		0U
#define PF_MEMALLOC		0x1U

struct task {
	unsigned int flags;
};

static struct task task;
#define current	(&task)

#define jiffies		now
static unsigned long now;

static inline unsigned long msecs_to_jiffies(unsigned int ms)
{
	if ((int)ms < 0)
		return MAX_JIFFY_OFFSET;
	return ((unsigned long)ms + 1000 / HZ - 1) / (1000 / HZ);
}

static inline gfp_t current_gfp_context(gfp_t gfp)
{
	return gfp;
}

static inline bool gfpflags_allow_blocking(gfp_t gfp)
{
	return gfp & __GFP_DIRECT_RECLAIM;
}

#define spinlock_t		bool

#define lockdep_assert_held(lock)	assert(*(lock))
#define spin_lock_irqsave(lock, flags)	((flags) = take_lock(lock))
#define spin_unlock_irqrestore(lock, flags) drop_lock(lock, flags)

static inline unsigned long take_lock(spinlock_t *lock)
{
	assert(!*lock);
	*lock = true;
	return 42;
}

static inline void drop_lock(spinlock_t *lock, unsigned long flags)
{
	assert(*lock && flags == 42);
	*lock = false;
}

#define wait_queue_head_t	unsigned int	/* wake-ups */

/* Others act while one waits: a test says how. */
static void (*wait_others)(void);
static bool wait_killed;

/* Who sleeps looks at nothing until somebody wakes it or its time is over. */
static inline long sleep_until_woken(const wait_queue_head_t *wq,
				     wait_queue_head_t before, long left)
{
	while (*wq == before && left > 0) {
		now++;
		if (wait_others)
			wait_others();
		left = wait_killed ? -EINTR : left - 1;
	}
	return left;
}

static inline bool wq_has_sleeper(const wait_queue_head_t *wq)
{
	return wq;
}

#define wake_up_all(wq)		((*(wq))++)
#define wait_event_killable_timeout(wq, condition, timeout) ({		\
	wait_queue_head_t *__wq = &(wq), __before;			\
	long __left = (timeout);					\
	bool __done;							\
	assert(__left > 0);						\
	for (;;) {							\
		__before = *__wq;					\
		__done = (condition);					\
		if (__done || __left <= 0)				\
			break;						\
		__left = sleep_until_woken(__wq, __before, __left);	\
	}								\
	__left ?: __done; })

struct cma {
	unsigned long base_pfn;
	unsigned long count;
	unsigned int order_per_bit;
	unsigned int deadline_ms;
	bool oom;
	spinlock_t lock;	/* taken or not */
	unsigned long *bitmap;
	unsigned long *held;
	unsigned long nr_held;
	unsigned int claims;
	wait_queue_head_t turn;
};

struct cma_recall {
	unsigned long start;
	unsigned long end;
	unsigned long taken;
	gfp_t gfp;
	unsigned long half;
	bool may_kill;
	bool hopeless;
	unsigned long first_busy;
	unsigned long last_busy;
};

static inline unsigned long cma_granules(const struct cma *cma)
{
	return cma->count >> cma->order_per_bit;
}

static inline unsigned long cma_granule_of(const struct cma *cma,
					   unsigned long pfn)
{
	return (pfn - cma->base_pfn) >> cma->order_per_bit;
}

/* A test defines it. */
static unsigned long cma_range_cost(unsigned long start, unsigned long end,
				    unsigned long limit);

#include "../../../mm/place_cma.c"

#endif /* CMA_AREA_H */
