/* SPDX-License-Identifier: MIT */
#include "runtime/sync/look.h"

weft_poll_t weft_look_slow(struct weft_cx *cx, struct weft_waiter *f, const struct weft_look *op)
{
	uint32_t state;

	if (!weft_waiter_ours(cx, op->queue, f))
		return weft_waiter_busy(cx);
	if (!cx->cancelled)
		return weft_pending(cx, op->on);
	weft_waiters_lock_told(op->channel, f);
	state = weft_waiters_leave(f);
	if (state != WEFT_WAITER_IDLE)
		--*op->pending;
	weft_waiters_unlock(op->channel);
	if (state != WEFT_WAITER_IDLE)
		weft_waiter_trace(op->channel, weft_waiter_id(cx), WEFT_WAITER_OP_LEFT);
	return weft_cancelled(cx);
}

weft_poll_t weft_look_end(struct weft_cx *cx, const struct weft_look *op, bool fresh,
			  weft_poll_t rc)
{
	if (rc == WEFT_PENDING)
		return weft_waiter_pending(cx, op->channel, op->on, fresh);
	if (fresh)
		return weft_waiter_busy(cx);
	weft_waiter_trace(op->channel, weft_waiter_id(cx), WEFT_WAITER_OP_ACQUIRED);
	return rc;
}
