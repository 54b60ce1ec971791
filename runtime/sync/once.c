/* SPDX-License-Identifier: MIT */
#include "runtime/sync/waiters.h"

/*
 * waiters.word. RUNNING: one waiter is GRANTED, the task whose turn it is; it is off the queue and
 * stays so until its weft_once_end(). DONE is never left.
 */
enum once_state { ONCE_NEW, ONCE_RUNNING, ONCE_DONE };

static uint32_t state_of(const struct weft_once *once)
{
	/* Acquire: DONE comes with what the initialiser wrote. */
	return __atomic_load_n(&once->waiters.word, __ATOMIC_ACQUIRE);
}

static void state_set(struct weft_once *once, enum once_state state)
{
	/* Release: pairs with state_of. */
	__atomic_store_n(&once->waiters.word, state, __ATOMIC_RELEASE);
}

/* Under the lock: the first to come. Queued and taken at once, so that one rule holds for all. */
static void turn_of(struct weft_cx *cx, struct weft_once *once, struct weft_waiter *f)
{
	weft_waiters_add(cx, &once->waiters, f);
	state_set(once, ONCE_RUNNING);
	weft_waiters_hold(&once->waiters, weft_waiter_id(cx));
	weft_waiters_own(f);
}

static weft_poll_t enter(struct weft_cx *cx, struct weft_once *once, struct weft_waiter *f)
{
	struct weft_waiters *q = &once->waiters;
	uint32_t state;

	weft_waiters_lock(q);
	state = state_of(once);
	f->mark = 0;
	if (state == ONCE_NEW)
		turn_of(cx, once, f);
	else if (state == ONCE_RUNNING)
		weft_waiters_add(cx, q, f);
	weft_waiters_unlock(q);
	if (state == ONCE_RUNNING)
		return weft_waiter_pending(cx, once, WEFT_WAIT_ONCE, true);
	if (state == ONCE_NEW)
		weft_waiter_trace(once, weft_waiter_id(cx), WEFT_WAITER_OP_ACQUIRED);
	return state == ONCE_NEW;
}

/* False: its turn came meanwhile. */
static bool leave(struct weft_cx *cx, struct weft_once *once, struct weft_waiter *f)
{
	uint32_t state;

	weft_waiters_lock_told(&once->waiters, f);
	state = weft_waiter_state(f);
	if (state != WEFT_WAITER_GRANTED)
		weft_waiters_leave(f);
	weft_waiters_unlock(&once->waiters);
	if (state == WEFT_WAITER_QUEUED || state == WEFT_WAITER_WOKEN)
		weft_waiter_trace(once, weft_waiter_id(cx), WEFT_WAITER_OP_LEFT);
	return state != WEFT_WAITER_GRANTED;
}

weft_poll_t weft_once_begin(struct weft_cx *cx, struct weft_once *once, struct weft_waiter *f)
{
	uint32_t state = weft_waiter_state(f);

	if (state == WEFT_WAITER_IDLE && state_of(once) == ONCE_DONE)
		return 0;
	if (!weft_waiter_ours(cx, &once->waiters, f))
		return weft_waiter_busy(cx);
	if (state ==
	    WEFT_WAITER_GRANTED) /* cancelled or not: the initialiser has to undo its work */
		return 1;
	if (cx->cancelled)
		return leave(cx, once, f) ? weft_cancelled(cx) : 1;
	if (state == WEFT_WAITER_IDLE)
		return enter(cx, once, f);
	if (state == WEFT_WAITER_QUEUED)
		return weft_pending(cx, WEFT_WAIT_ONCE);
	weft_waiter_end(f);
	weft_waiter_trace(once, weft_waiter_id(cx), WEFT_WAITER_OP_ACQUIRED);
	return 0;
}

/* Under the lock: the next one's turn, if there is one. */
static struct weft_wake hand_over(struct weft_once *once)
{
	struct weft_waiter *next = once->waiters.first;

	if (!next) {
		state_set(once, ONCE_NEW);
		weft_waiters_hold(&once->waiters, 0);
		return (struct weft_wake){ NULL, 0 };
	}
	weft_waiters_hold(&once->waiters, next->task ? next->task->head.id : 0);
	return weft_waiters_take(next, WEFT_WAITER_GRANTED);
}

int weft_once_end(struct weft_cx *cx, struct weft_once *once, struct weft_waiter *f, int rc)
{
	struct weft_waiters *q = &once->waiters;
	struct weft_wake wake;
	uint64_t next;

	if (weft_waiter_state(f) != WEFT_WAITER_GRANTED || !weft_waiter_ours(cx, q, f)) {
		weft_misuse(WEFT_M_NOT_HELD, cx->task);
		return -EPERM;
	}
	weft_waiter_trace(once, weft_waiter_id(cx), WEFT_WAITER_OP_RELEASED);
	weft_waiters_lock(q);
	weft_waiter_end(f);
	if (rc >= 0) {
		state_set(once, ONCE_DONE);
		weft_waiters_hold(q, 0);
		weft_waiters_wake_all(q, q, 1);
		return 0;
	}
	wake = hand_over(once);
	next = q->holder;
	weft_waiters_unlock(q);
	if (next)
		weft_waiter_trace(once, next, WEFT_WAITER_OP_ACQUIRED);
	weft_wake_send(wake);
	return rc;
}

bool weft_once_is_done(const struct weft_once *once)
{
	return state_of(once) == ONCE_DONE;
}
