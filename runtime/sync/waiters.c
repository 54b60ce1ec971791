/* SPDX-License-Identifier: MIT */
#include "runtime/sync/waiters.h"

#include <sched.h>
#include <time.h>

#include "runtime/base/arch.h"
#include "runtime/base/futex.h"

#define SPINS    100u   /* some microseconds */
#define YIELDS   10u    /* for an owner that lost its processor */
#define PAUSE_NS 50000l /* for one of lower real-time priority, which a yield never lets run */

void weft_waiters_pause(unsigned n)
{
	struct timespec pause = { 0, PAUSE_NS };

	if (n < SPINS)
		arch_relax();
	else if (n < SPINS + YIELDS)
		sched_yield();
	else
		nanosleep(&pause, NULL);
}

void weft_waiters_lock_slow(struct weft_waiters *q)
{
	for (unsigned n = 0;; n++) {
		/* Relaxed look first: a spinning exchange would keep the line away from the owner. */
		if (!__atomic_load_n(&q->lock, __ATOMIC_RELAXED) &&
		    !__atomic_exchange_n(&q->lock, 1, __ATOMIC_ACQUIRE))
			return;
		weft_waiters_pause(n);
	}
}

void weft_waiters_lock_told(struct weft_waiters *q, const struct weft_waiter *f)
{
	for (unsigned n = 0;; n++) {
		weft_waiters_lock(q);
		/* Acquire: as in weft_waiter_state(); it is told without the lock. */
		if (__atomic_load_n(&f->state, __ATOMIC_ACQUIRE) != WEFT_WAITER_TAKEN)
			return;
		weft_waiters_unlock(q);
		weft_waiters_pause(n);
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
	unlink_waiter(f);
	/* Relaxed: this says nothing yet but that the waiter must stay. */
	__atomic_store_n(&f->state, WEFT_WAITER_TAKEN, __ATOMIC_RELAXED);
	return (struct weft_wake){ f, state };
}

void weft_waiters_own(struct weft_waiter *f)
{
	unlink_waiter(f);
	/* Release: as in weft_wake_send(), for a misuser that looks. */
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
 * A thread's word may be gone once it was told, with its stack: a futex wake only compares addresses, so at
 * worst somebody else wakes for nothing, which every futex user allows for. A task is kept by a reference.
 */
void weft_wake_send(struct weft_wake wake)
{
	struct weft_task *task;
	uint32_t *word;

	if (!wake.waiter)
		return;
	task = wake.waiter->task;
	word = &wake.waiter->state;
	if (task)
		weft_task_ref(task);
	/* Release: the task reads it without the lock, and then what was done for it. */
	__atomic_store_n(word, wake.state, __ATOMIC_RELEASE);
	if (!task) {
		weft_futex_wake(word, 1);
		return;
	}
	weft_task_wake(task, weft_thread.task_id ? WEFT_W_TASK : WEFT_W_FOREIGN);
	weft_task_unref(task);
}

/* Whoever queued up with a mark that is not older waits for what comes next. */
static bool overdue(const struct weft_waiters *q, uint32_t mark)
{
	return q->first && (int32_t)(mark - q->first->mark) > 0;
}

void weft_waiters_wake_all(struct weft_waiters *q, struct weft_waiters *lock, uint32_t mark)
{
	struct weft_wake wakes[WEFT_WAKES_MAX];
	unsigned n = 0;
	bool more;

	do {
		while (n < WEFT_WAKES_MAX && overdue(q, mark))
			wakes[n++] = weft_waiters_take(q->first, WEFT_WAITER_WOKEN);
		more = overdue(q, mark);
		weft_waiters_unlock(lock);
		n = weft_wakes_send(wakes, n, more);
		if (more)
			weft_waiters_lock(lock);
	} while (more);
}

unsigned weft_wakes_send(struct weft_wake *wakes, unsigned n, bool more)
{
	unsigned last = more ? n - 1 : n;

	for (unsigned i = 0; i < last; i++)
		weft_wake_send(wakes[i]);
	if (more)
		wakes[0] = wakes[last];
	return more;
}

void weft_waiter_park(struct weft_waiter *f)
{
	while (weft_waiter_state(f) == WEFT_WAITER_QUEUED) {
		/* Relaxed: the futex call compares it again, and it is told before the wake. */
		uint32_t state = __atomic_load_n(&f->state, __ATOMIC_RELAXED);

		if (state == WEFT_WAITER_QUEUED || state == WEFT_WAITER_TAKEN)
			weft_futex_wait(&f->state, state, UINT64_MAX);
	}
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
