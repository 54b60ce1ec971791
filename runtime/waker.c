/* SPDX-License-Identifier: MIT */
#include "runtime/executor/executor.h"
#include "runtime/task.h"
#include "runtime/trace.h"

/* Who wakes: the task this thread is polling, or a thread that polls none. */
static unsigned waker_kind(void)
{
	return weft_thread.task_id ? WEFT_W_TASK : WEFT_W_FOREIGN;
}

struct weft_waker weft_waker_get(const struct weft_cx *cx)
{
	weft_task_ref(cx->task);
	return (struct weft_waker){ cx->task };
}

struct weft_waker weft_waker_clone(const struct weft_waker *waker)
{
	weft_task_ref(waker->task);
	return *waker;
}

void weft_waker_wake_by_ref(const struct weft_waker *waker)
{
	weft_task_wake(waker->task, waker_kind());
}

void weft_waker_wake(struct weft_waker *waker)
{
	if (!waker->task)
		return;
	weft_task_wake(waker->task, waker_kind());
	weft_waker_drop(waker);
}

void weft_waker_drop(struct weft_waker *waker)
{
	if (waker->task)
		weft_task_unref(waker->task);
	waker->task = NULL;
}

/* NOTIFIED is set while the task runs, so its poller queues it at the back: others go first. */
weft_poll_t weft_yield(struct weft_cx *cx, struct weft_yield *f)
{
	if (cx->cancelled) {
		f->yielded = 0;
		return weft_cancelled(cx);
	}
	if (f->yielded) {
		f->yielded = 0;
		return WEFT_READY;
	}
	f->yielded = 1;
	weft_task_notify(cx->task, WEFT_W_TASK);
	return weft_pending(cx, WEFT_WAIT_YIELD);
}
