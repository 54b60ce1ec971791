/* SPDX-License-Identifier: MIT */
#include "runtime/sync/waiters.h"

/* waiters.word: generation, grows each time all have come. A waiter's mark: the one it came in. */

void weft_barrier_init(struct weft_barrier *b, uint32_t parties)
{
	memset(b, 0, sizeof(*b));
	b->parties = parties;
}

static weft_poll_t enter(struct weft_cx *cx, struct weft_barrier *b, struct weft_waiter *f)
{
	struct weft_waiters *q = &b->waiters;

	if (!weft_budget_take(cx))
		return weft_waiter_spent(cx);
	weft_waiters_lock(q);
	if (b->arrived + 1 >= b->parties) {
		b->arrived = 0;
		weft_waiters_wake_all(q, q, ++q->word);
		return 1;
	}
	b->arrived++;
	f->mark = q->word;
	weft_waiters_add(cx, q, f);
	weft_waiters_unlock(q);
	return weft_waiter_pending(cx, b, WEFT_WAIT_BARRIER, true);
}

/* One whose generation is over counts among those that went through. */
static void leave(struct weft_cx *cx, struct weft_barrier *b, struct weft_waiter *f)
{
	struct weft_waiters *q = &b->waiters;
	uint32_t state;

	weft_waiters_lock_told(q, f);
	state = weft_waiters_leave(f);
	if (state == WEFT_WAITER_QUEUED && f->mark == q->word)
		b->arrived--;
	weft_waiters_unlock(q);
	if (state != WEFT_WAITER_IDLE)
		weft_waiter_trace(b, weft_waiter_id(cx), WEFT_WAITER_OP_LEFT);
}

weft_poll_t weft_barrier_wait(struct weft_cx *cx, struct weft_barrier *b, struct weft_waiter *f)
{
	uint32_t state = weft_waiter_state(f);

	if (!weft_waiter_ours(cx, &b->waiters, f))
		return weft_waiter_busy(cx);
	if (cx->cancelled) {
		leave(cx, b, f);
		return weft_cancelled(cx);
	}
	if (state == WEFT_WAITER_IDLE)
		return enter(cx, b, f);
	if (state == WEFT_WAITER_QUEUED)
		return weft_pending(cx, WEFT_WAIT_BARRIER);
	weft_waiter_end(f);
	weft_waiter_trace(b, weft_waiter_id(cx), WEFT_WAITER_OP_ACQUIRED);
	return 0;
}

int weft_barrier_done(struct weft_barrier *b)
{
	return weft_waiters_done(&b->waiters);
}
