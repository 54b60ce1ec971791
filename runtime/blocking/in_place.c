/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "runtime/executor/executor.h"
#include "runtime/trace.h"

/* As a job that had not to wait for the pool. */
static int run_traced(const struct weft_task *task, int (*fn)(void *arg), void *arg)
{
	uint64_t id = weft_pool_job_id(), asker = task->head.id, from = 0;
	int rc;

	if (weft_trace_on()) {
		from = weft_clock_stamp();
		WEFT_EMIT(JOB_START, id, asker, 0);
	}
	WEFT_USDT(job_start, asker, id);
	rc = fn(arg);
	WEFT_USDT(job_end, asker, id);
	if (from)
		WEFT_EMIT(JOB_END, id, asker, weft_clock_stamp() - from);
	(void)id, (void)asker;
	return rc == WEFT_PENDING ? -EINVAL : rc;
}

static int lend(struct weft_runtime *rt)
{
	if (!weft_thread.worker)
		return 0;
	return rt->ops->lend ? rt->ops->lend(rt) : -ENOTSUP;
}

int weft_block_in_place(struct weft_cx *cx, int (*fn)(void *arg), void *arg)
{
	struct weft_thread saved = weft_thread;
	struct weft_runtime *rt = saved.rt;
	int rc = saved.cx == cx && cx && cx->task ? lend(rt) : -EPERM;

	if (rc) {
		weft_misuse(WEFT_M_BLOCK_IN_PLACE, saved.cx ? saved.cx->task : NULL);
		return rc;
	}
	/* The task stays known, as the one that fn's wake-ups come from. */
	weft_thread = (struct weft_thread){ .rt = rt, .task_id = saved.task_id };
	rc = run_traced(cx->task, fn, arg);
	weft_thread = saved;
	weft_thread.stamp_left = 0;
	if (saved.worker && rt->ops->regain)
		rt->ops->regain(rt);
	return rc;
}
