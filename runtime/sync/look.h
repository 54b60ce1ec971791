/* SPDX-License-Identifier: MIT */
/*
 * Waiting at the receiving end of a channel: look; if there is nothing, queue up; when woken, look
 * again. A wake is only a hint here, so a wait that is given up has nothing to pass on.
 */
#ifndef WEFT_RUNTIME_LOOK_H
#define WEFT_RUNTIME_LOOK_H

#include "runtime/sync/waiters.h"

struct weft_look {
	struct weft_waiters *channel; /* whose lock covers it, and the resource that watchers see */
	struct weft_waiters *queue;
	uint32_t *pending; /* waits in progress at this handle, under the lock: 0 or 1 */
	enum weft_wait on;
	int (*look)(void *arg); /* under the lock: the result, or WEFT_PENDING */
	void *arg;
};

#pragma GCC visibility push(hidden)
/* Cancelled, queued, or not ours. */
weft_poll_t weft_look_slow(struct weft_cx *cx, struct weft_waiter *f, const struct weft_look *op);
/* What follows a look of a wait that had begun before, or that begins now. */
weft_poll_t weft_look_end(struct weft_cx *cx, const struct weft_look *op, bool fresh,
			  weft_poll_t rc);
#pragma GCC visibility pop

/* Under the lock, after a look. A waiter's mark is the channel's word at that time. */
static inline weft_poll_t weft_look_settle(struct weft_cx *cx, struct weft_waiter *f,
					   const struct weft_look *op, weft_poll_t rc)
{
	bool fresh = f->state == WEFT_WAITER_IDLE;

	if (rc != WEFT_PENDING) {
		if (!fresh) {
			weft_waiter_end(f);
			--*op->pending;
		}
		return rc;
	}
	if (fresh && *op->pending)
		return -EBUSY;
	*op->pending += fresh;
	f->mark = op->channel->word;
	weft_waiters_add(cx, op->queue, f);
	return rc;
}

/* Inlined, so that op->look is a direct call. */
static inline __attribute__((always_inline)) weft_poll_t weft_look(struct weft_cx *cx,
								   struct weft_waiter *f,
								   const struct weft_look *op)
{
	uint32_t state = weft_waiter_state(f);
	weft_poll_t rc;

	if (__builtin_expect(cx->cancelled || state == WEFT_WAITER_QUEUED ||
				     !weft_waiter_ours(cx, op->queue, f),
			     0))
		return weft_look_slow(cx, f, op);
	if (!weft_budget_take(cx))
		return weft_waiter_spent(cx);
	weft_waiters_lock(op->channel);
	rc = op->look(op->arg);
	if (rc == WEFT_PENDING || state != WEFT_WAITER_IDLE)
		rc = weft_look_settle(cx, f, op, rc);
	weft_waiters_unlock(op->channel);
	if (rc == WEFT_PENDING || rc == -EBUSY || state != WEFT_WAITER_IDLE)
		return weft_look_end(cx, op, state == WEFT_WAITER_IDLE, rc);
	return rc;
}

#endif
