/* SPDX-License-Identifier: MIT */
#include "runtime/sync/waiters.h"

#include <sched.h>
#include <time.h>

#include "runtime/base/arch.h"
#include "runtime/base/futex.h"

#define SPINS    100u   /* some microseconds */
#define YIELDS   10u    /* for an owner that lost its processor */
#define PAUSE_NS 50000l /* for one of lower real-time priority, which a yield never lets run */

void weft_waiters_lock_slow(struct weft_waiters *q)
{
	struct timespec pause = { 0, PAUSE_NS };

	for (unsigned n = 0;; n++) {
		/* Relaxed look first: a spinning exchange would keep the line away from the owner. */
		if (!__atomic_load_n(&q->lock, __ATOMIC_RELAXED) &&
		    !__atomic_exchange_n(&q->lock, 1, __ATOMIC_ACQUIRE))
			return;
		if (n < SPINS)
			arch_relax();
		else if (n < SPINS + YIELDS)
			sched_yield();
		else
			nanosleep(&pause, NULL);
	}
}

__attribute__((cold, noinline)) void weft_waiter_traced(const void *object, uint64_t id,
							enum weft_waiter_op op)
{
	WEFT_EMIT(LOCK_WAIT, (uintptr_t)object, id | (uint64_t)op << 48, 0);
}

void weft_waiters_add(struct weft_cx *cx, struct weft_waiters *q, struct weft_waiter *f)
{
	if (f->state == WEFT_WAITER_IDLE && cx->task)
		cx->task->links++;
	f->task = cx->task;
	f->queue = q;
	f->next = NULL;
	f->prev = q->last;
	if (q->last)
		q->last->next = f;
	else
		q->first = f;
	q->last = f;
	/* Release: who sees QUEUED sees task and queue (weft_waiter_ours). */
	__atomic_store_n(&f->state, WEFT_WAITER_QUEUED, __ATOMIC_RELEASE);
}

static void unlink_waiter(struct weft_waiter *f)
{
	struct weft_waiters *q = f->queue;

	if (f->prev)
		f->prev->next = f->next;
	else
		q->first = f->next;
	if (f->next)
		f->next->prev = f->prev;
	else
		q->last = f->prev;
}

struct weft_wake weft_waiters_take(struct weft_waiter *f, uint32_t state)
{
	struct weft_wake wake = { f->task, &f->state };

	unlink_waiter(f);
	if (f->task)
		weft_task_ref(f->task);
	/* Release: the task reads it without the lock, and then what was done for it. */
	__atomic_store_n(&f->state, state, __ATOMIC_RELEASE);
	return wake;
}

void weft_waiters_own(struct weft_waiter *f)
{
	unlink_waiter(f);
	/* Release: as in weft_waiters_take(), for a misuser that looks. */
	__atomic_store_n(&f->state, WEFT_WAITER_GRANTED, __ATOMIC_RELEASE);
}

uint32_t weft_waiters_leave(struct weft_waiter *f)
{
	uint32_t state = f->state;

	if (state == WEFT_WAITER_QUEUED)
		unlink_waiter(f);
	if (state != WEFT_WAITER_IDLE)
		weft_waiter_end(f);
	return state;
}

/*
 * A thread's word may be gone by now, with its stack: a futex wake only compares addresses, so at
 * worst somebody else wakes for nothing, which every futex user allows for.
 */
void weft_wake_send(struct weft_wake wake)
{
	if (!wake.word)
		return;
	if (!wake.task) {
		weft_futex_wake(wake.word, 1);
		return;
	}
	weft_task_wake(wake.task, weft_thread.task_id ? WEFT_W_TASK : WEFT_W_FOREIGN);
	weft_task_unref(wake.task);
}

void weft_waiters_wake_all(struct weft_waiters *q, struct weft_waiters *lock, uint32_t mark)
{
	struct weft_wake wakes[WEFT_WAKES_MAX];
	unsigned n;

	do {
		n = 0;
		while (n < WEFT_WAKES_MAX && q->first && (int32_t)(mark - q->first->mark) > 0)
			wakes[n++] = weft_waiters_take(q->first, WEFT_WAITER_WOKEN);
		weft_waiters_unlock(lock);
		for (unsigned i = 0; i < n; i++)
			weft_wake_send(wakes[i]);
		if (n == WEFT_WAKES_MAX)
			weft_waiters_lock(lock);
	} while (n == WEFT_WAKES_MAX);
}

void weft_waiter_park(struct weft_waiter *f)
{
	while (weft_waiter_state(f) == WEFT_WAITER_QUEUED)
		weft_futex_wait(&f->state, WEFT_WAITER_QUEUED, UINT64_MAX);
}

int weft_waiter_may_block(void)
{
	if (!weft_thread.task_id)
		return 0;
	weft_misuse(WEFT_M_BLOCKING_IN_TASK, weft_thread.cx ? weft_thread.cx->task : NULL);
	return -EDEADLK;
}

int weft_waiter_busy(const struct weft_cx *cx)
{
	weft_misuse(WEFT_M_DOUBLE_AWAIT, cx->task);
	return -EBUSY;
}

weft_poll_t weft_waiter_spent(struct weft_cx *cx)
{
	weft_task_notify(cx->task, WEFT_W_TASK);
	return weft_pending(cx, WEFT_WAIT_YIELD);
}

int weft_waiters_in_use(void)
{
	weft_misuse(WEFT_M_FREED_IN_USE, weft_thread.cx ? weft_thread.cx->task : NULL);
	return -EBUSY;
}

int weft_waiters_done(struct weft_waiters *q)
{
	bool waited;

	weft_waiters_lock(q);
	waited = q->first != NULL;
	weft_waiters_unlock(q);
	return waited ? weft_waiters_in_use() : 0;
}
