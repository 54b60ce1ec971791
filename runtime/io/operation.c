/* SPDX-License-Identifier: MIT */
#include "runtime/io/operation.h"

#include "runtime/executor/executor.h"

weft_poll_t weft_operation_cancel(struct weft_cx *cx, const struct weft_operation *op, ssize_t *ret)
{
	*ret = weft_source_cancel(cx, op->handle, op->dir);
	return *ret > 0 ? WEFT_READY : weft_cancelled(cx);
}

weft_poll_t weft_operation_spent(struct weft_cx *cx, const struct weft_operation *op)
{
	weft_task_notify(cx->task, WEFT_W_TASK);
	return weft_pending(cx, op->on);
}
