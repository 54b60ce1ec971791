/* SPDX-License-Identifier: MIT */
/* Calls that block, on threads of their own. Part of weft.h. */
#ifndef WEFT_API_BLOCKING_H
#define WEFT_API_BLOCKING_H

#include "runtime/api/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One job for the blocking pool; zero before first use, reusable once ready. Until then it
 * belongs to the pool, also when the task gives up on it: the task's block is kept for as long.
 */
struct weft_job {
	struct weft_job *next;
	int (*fn)(void *arg);
	void *arg;
	struct weft_task *task;
	uint64_t id, queued_stamp;
	int rc;
	uint32_t state;
};
/* Runs fn(arg) on a pool thread; ready with its result. -EAGAIN: no thread and none can be made. */
WEFT_API weft_poll_t weft_spawn_blocking(struct weft_cx *cx, struct weft_job *f,
					 int (*fn)(void *arg), void *arg);

/*
 * Runs fn(arg) here and now, on the thread that polls the calling task, and gives its result; fn may
 * block. Not an await: locals stay, and it can't be cancelled; a cancelled task may call it too. fn is
 * outside the task: it may use weft_block_on() and the blocking calls of locks and channels, but no cx.
 *
 * MULTI_THREAD, REACTOR_POOL: a thread of the blocking pool takes over the worker's queue and the
 * driver while fn runs. EXECUTOR: the other threads that drive do; where .workers is 1, and in
 * CURRENT_THREAD, there are none: -ENOTSUP and a misuse event, fn isn't called. In a task that is
 * polled by a thread that drives nothing (weft_block_on()'s on MULTI_THREAD) fn simply runs.
 * -EPERM and a misuse event: cx is not that of the poll that the calling thread is in.
 */
WEFT_API int weft_block_in_place(struct weft_cx *cx, int (*fn)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif

#endif
