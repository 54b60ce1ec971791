/* SPDX-License-Identifier: MIT */
#include "runtime/sync/waiters.h"

/* waiters.word: the stored permit. A waiter's mark: the round it queued up in. */

static weft_poll_t enter(struct weft_cx *cx, struct weft_notify *n, struct weft_waiter *f)
{
	struct weft_waiters *q = &n->waiters;
	uint32_t permit;

	weft_waiters_lock(q);
	permit = q->word;
	if (permit) {
		q->word = 0;
	} else {
		f->mark = n->round;
		weft_waiters_add(cx, q, f);
	}
	weft_waiters_unlock(q);
	return permit ? WEFT_READY : weft_waiter_pending(cx, n, WEFT_WAIT_NOTIFY, true);
}

void weft_notify_cancel(struct weft_cx *cx, struct weft_notify *n, struct weft_waiter *f)
{
	uint32_t state;

	weft_waiters_lock_told(&n->waiters, f);
	state = weft_waiters_leave(f);
	weft_waiters_unlock(&n->waiters);
	if (state == WEFT_WAITER_GRANTED)
		weft_notify_one(n);
	if (state != WEFT_WAITER_IDLE)
		weft_waiter_trace(n, weft_waiter_id(cx), WEFT_WAITER_OP_LEFT);
}

/* Takes no budget: a caller that queues up before it looks at its condition must not be put off. */
weft_poll_t weft_notify_wait(struct weft_cx *cx, struct weft_notify *n, struct weft_waiter *f)
{
	uint32_t state = weft_waiter_state(f);

	if (!weft_waiter_ours(cx, &n->waiters, f))
		return weft_waiter_busy(cx);
	if (cx->cancelled) {
		weft_notify_cancel(cx, n, f);
		return weft_cancelled(cx);
	}
	if (state == WEFT_WAITER_IDLE)
		return enter(cx, n, f);
	if (state == WEFT_WAITER_QUEUED)
		return weft_pending(cx, WEFT_WAIT_NOTIFY);
	weft_waiter_end(f);
	weft_waiter_trace(n, weft_waiter_id(cx), WEFT_WAITER_OP_ACQUIRED);
	return WEFT_READY;
}

void weft_notify_one(struct weft_notify *n)
{
	struct weft_waiters *q = &n->waiters;
	struct weft_wake wake = { NULL, 0 };

	weft_waiters_lock(q);
	if (q->first)
		wake = weft_waiters_take(q->first, WEFT_WAITER_GRANTED);
	else
		q->word = 1;
	weft_waiters_unlock(q);
	weft_wake_send(wake);
}

void weft_notify_waiters(struct weft_notify *n)
{
	weft_waiters_lock(&n->waiters);
	weft_waiters_wake_all(&n->waiters, &n->waiters, ++n->round);
}

int weft_notify_done(struct weft_notify *n)
{
	return weft_waiters_done(&n->waiters);
}
