/* SPDX-License-Identifier: MIT */
/*
 * Queue of tasks (and threads) that wait for an object: what all of sync/ stands on.
 *
 * Everything in a queue, and `state` of each waiter in it, changes under its spin lock only. The
 * lock is for a few dozen instructions: nobody allocates, wakes, or traces under it. A waiter off
 * the queue (IDLE, WOKEN, GRANTED) belongs to its task.
 *
 * To wake: under the lock take the waiter off (TAKEN); unlock; then send the wake, which tells it
 * WOKEN or GRANTED. A waiter that is polled, or a thread that looks, before it was told waits on;
 * one that gives up waits until it was told (weft_waiters_lock_told), so between the two the waiter
 * is the waker's. Told, it may free the object and end, and with it the waiter: so the unlock is
 * the waker's last access to the object, the telling its last to the waiter. Who has to lock once
 * more keeps one waiter untold meanwhile, for whose sake the object must stay.
 *
 *	TAKEN     off the queue; to its task as good as QUEUED
 *	WOKEN     something has changed: look again
 *	GRANTED   what it waits for is its own: to be passed on if the wait is given up
 */
#ifndef WEFT_RUNTIME_WAITERS_H
#define WEFT_RUNTIME_WAITERS_H

#include <stdbool.h>
#include <string.h>

#include "runtime/executor/executor.h"
#include "runtime/trace.h"

enum weft_waiter_state {
	WEFT_WAITER_IDLE,
	WEFT_WAITER_QUEUED,
	WEFT_WAITER_WOKEN,
	WEFT_WAITER_GRANTED,
	WEFT_WAITER_TAKEN = WEFT_WAITER_QUEUED | 4
};

/* Of LOCK_WAIT events. */
enum weft_waiter_op {
	WEFT_WAITER_OP_WAIT,
	WEFT_WAITER_OP_ACQUIRED,
	WEFT_WAITER_OP_RELEASED,
	WEFT_WAITER_OP_LEFT
};

#ifndef WEFT_WAKES_MAX /* a test that wants to see more than one batch */
#define WEFT_WAKES_MAX 32
#endif

/* A wake that is due once the lock is free. */
struct weft_wake {
	struct weft_waiter *waiter; /* TAKEN; NULL: none */
	uint32_t state;             /* what it will be told */
};

#pragma GCC visibility push(hidden)
void weft_waiters_lock_slow(struct weft_waiters *q);
/* Locks once f is not TAKEN, to give up the wait. */
void weft_waiters_lock_told(struct weft_waiters *q, const struct weft_waiter *f);
/* Between two looks at what another thread is about to change; n: how many there were. */
void weft_waiters_pause(unsigned n);

/* Under the lock. */
void weft_waiters_add(struct weft_cx *cx, struct weft_waiters *q, struct weft_waiter *f);
/* Takes f off its queue, to be told `state` (WOKEN or GRANTED): the wake has to be sent. */
struct weft_wake weft_waiters_take(struct weft_waiter *f, uint32_t state);
/* Gives the wait up: f, which isn't TAKEN, is the task's again. What its state was. */
uint32_t weft_waiters_leave(struct weft_waiter *f);
/* The same for the calling task's own: GRANTED, nobody to wake. */
void weft_waiters_own(struct weft_waiter *f);
/*
 * Wakes in turn all whose mark is older than `mark` (they count upwards and wrap; a queue is sorted
 * by them). Lets go of lock->lock while it wakes, and ends without it.
 */
void weft_waiters_wake_all(struct weft_waiters *q, struct weft_waiters *lock, uint32_t mark);

/* Out of line, so that those who call it save no registers for it while nobody traces. */
void weft_waiter_traced(const void *object, uint64_t id, enum weft_waiter_op op);

/* Without the lock. */
void weft_wake_send(struct weft_wake wake);
/* With `more` the last one stays untold, as wakes[0], until the next call. How many stay. */
unsigned weft_wakes_send(struct weft_wake *wakes, unsigned n, bool more);
/* Sleeps while f is queued, for the blocking variants. */
void weft_waiter_park(struct weft_waiter *f);
/* -EBUSY and misuse: freed while somebody uses it. */
int weft_waiters_in_use(void);
/* The same if somebody waits, else 0. Takes the lock. */
int weft_waiters_done(struct weft_waiters *q);
/* -EDEADLK and misuse in a thread that polls a task. */
int weft_waiter_may_block(void);
/* Another task, or another object, is at it: misuse. Always -EBUSY. */
int weft_waiter_busy(const struct weft_cx *cx);
/* Budget spent: to the back of the run queue. */
weft_poll_t weft_waiter_spent(struct weft_cx *cx);
#pragma GCC visibility pop

static inline void weft_waiters_lock(struct weft_waiters *q)
{
	/* Acquire: sees all that the last owner did. */
	if (__builtin_expect(__atomic_exchange_n(&q->lock, 1, __ATOMIC_ACQUIRE) != 0, 0))
		weft_waiters_lock_slow(q);
}

static inline void weft_waiters_unlock(struct weft_waiters *q)
{
	/* Release: the next owner sees all that was done. */
	__atomic_store_n(&q->lock, 0, __ATOMIC_RELEASE);
}

static inline uint64_t weft_waiter_id(const struct weft_cx *cx)
{
	return cx->task ? cx->task->head.id : 0;
}

/* The task or thread that is at it, for watchers. */
static inline void weft_waiters_hold(struct weft_waiters *q, uint64_t id)
{
	WEFT_SET(q->holder, id);
}

static inline void weft_waiter_trace(const void *object, uint64_t id, enum weft_waiter_op op)
{
	if (weft_trace_on())
		weft_waiter_traced(object, id, op);
}

/* QUEUED also for TAKEN. */
static inline uint32_t weft_waiter_state(const struct weft_waiter *f)
{
	/* Acquire: GRANTED and WOKEN come with what the waker did. */
	return __atomic_load_n(&f->state, __ATOMIC_ACQUIRE) &
	       ~(uint32_t)(WEFT_WAITER_TAKEN - WEFT_WAITER_QUEUED);
}

/* May this task go on with f at this object? False: misuse. */
static inline bool weft_waiter_ours(const struct weft_cx *cx, const struct weft_waiters *q,
				    const struct weft_waiter *f)
{
	return weft_waiter_state(f) == WEFT_WAITER_IDLE || (f->task == cx->task && f->queue == q);
}

/* f is off the queue: the wait is over. */
static inline void weft_waiter_end(struct weft_waiter *f)
{
	if (f->task)
		f->task->links--;
	/* Relaxed: it is the task's own from here on. */
	__atomic_store_n(&f->state, WEFT_WAITER_IDLE, __ATOMIC_RELAXED);
}

/* The task suspends on `object`; fresh: it didn't wait for it before this poll. */
static inline weft_poll_t weft_waiter_pending(struct weft_cx *cx, const void *object,
					      enum weft_wait on, bool fresh)
{
	if (fresh)
		weft_waiter_trace(object, weft_waiter_id(cx), WEFT_WAITER_OP_WAIT);
	return weft_pending(cx, on);
}

/* Waits in this thread for an operation on f: `operation` uses `context`, of type struct weft_cx. */
#define WEFT_WAITER_BLOCK(f, operation)                                  \
	__extension__({                                                  \
		int weft_rc_ = weft_waiter_may_block();                  \
		if (weft_rc_ == 0)                                       \
			while ((weft_rc_ = (operation)) == WEFT_PENDING) \
				weft_waiter_park(f);                     \
		weft_rc_;                                                \
	})
#define WEFT_WAITER_CONTEXT          \
	{                            \
		.budget = UINT32_MAX \
	}

/* Messages: mostly words. */
static inline void weft_waiter_copy(void *to, const void *from, size_t bytes)
{
	if (bytes == sizeof(uint64_t))
		memcpy(to, from, sizeof(uint64_t));
	else if (bytes)
		memcpy(to, from, bytes);
}

#endif
