/* SPDX-License-Identifier: MIT */
/*
 * Hierarchical timer wheel (Varghese and Lauck 1987) with exact deadlines inside a slot.
 *
 * Level 0 slots are 2^16 ns (65 us) wide, each level is 64 times coarser, 8 levels reach 2^64 ns.
 * A slot is an unordered list; the next wake-up is the smallest deadline of the first slot in
 * use, so timers are not rounded to slots. Of a long list, where thousands of idle connections have
 * their limits, a lower bound is kept and the list is searched once that has passed: a driver may
 * wake for nothing then. Entries live in task frames: the wheel allocates nothing.
 *
 * One lock; callers on any thread.
 */
#ifndef WEFT_RUNTIME_TIMER_WHEEL_H
#define WEFT_RUNTIME_TIMER_WHEEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define WEFT_WHEEL_LEVELS 8u
#define WEFT_WHEEL_SLOTS  64u
#define WEFT_WHEEL_SHIFT  16u

struct weft_sleep;
struct weft_task;

struct weft_timer_wheel {
	pthread_mutex_t lock;
	uint64_t now; /* all slots before this instant are empty, in level-0 slots */
	uint64_t used[WEFT_WHEEL_LEVELS]; /* bit = slot holds entries */
	struct weft_sleep *slot[WEFT_WHEEL_LEVELS][WEFT_WHEEL_SLOTS];
	/* No deadline in the slot is before this; the one that was may have been taken out. */
	uint64_t first[WEFT_WHEEL_LEVELS][WEFT_WHEEL_SLOTS];
	uint64_t armed;   /* written under the lock, read without by the gauges */
	uint64_t wake_at; /* when the parked driver wakes by itself; 0 = it isn't parked. Atomic */
	uint32_t seq;
};

#pragma GCC visibility push(hidden)
void weft_timer_wheel_init(struct weft_timer_wheel *wheel, uint64_t now_ns);
void weft_timer_wheel_done(struct weft_timer_wheel *wheel);

/* Links an entry whose deadline is set. True: the parked driver has to be woken to see it. */
bool weft_timer_wheel_insert(struct weft_timer_wheel *wheel, struct weft_sleep *entry);
/*
 * For a poll that finds its entry armed: looks again under the lock. Without that, a wake-up that
 * comes between the task's poll and the store of FIRED would be lost.
 */
bool weft_timer_wheel_armed(struct weft_timer_wheel *wheel, struct weft_sleep *entry);
/* False: it has fired already. */
bool weft_timer_wheel_remove(struct weft_timer_wheel *wheel, struct weft_sleep *entry);

/*
 * Unlinks what is due, marks it fired and notifies its task under the lock (an entry's task can't
 * end while the entry is linked, hence no reference). Returns the number fired; tasks that became
 * runnable are chained through task->next from *ret_first, *ret_tasks of them.
 */
unsigned weft_timer_wheel_advance(struct weft_timer_wheel *wheel, uint64_t now_ns,
				  struct weft_task **ret_first, unsigned *ret_tasks);

/*
 * Earliest deadline, UINT64_MAX = none; with `park` it also becomes wake_at. May be earlier, but not past, where
 * many timers are in one slot.
 */
uint64_t weft_timer_wheel_next(struct weft_timer_wheel *wheel, bool park);
void weft_timer_wheel_unpark(struct weft_timer_wheel *wheel);

/* Unlinks all entries inside the task's block; returns how many. Slow: for abandoned timers. */
unsigned weft_timer_wheel_purge(struct weft_timer_wheel *wheel, const struct weft_task *task);
#pragma GCC visibility pop

#endif
