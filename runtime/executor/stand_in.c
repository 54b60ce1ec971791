/* SPDX-License-Identifier: MIT */
#include "runtime/executor/stand_in.h"

#include <errno.h>

#include "runtime/base/futex.h"
#include "runtime/executor/crew.h"
#include "runtime/trace.h"

/* True: the caller has the worker. Acq_rel: with it come its queue and its counters. */
static bool take(struct weft_worker *worker)
{
	return __atomic_exchange_n(&worker->stand_in.offered, 0, __ATOMIC_SEQ_CST);
}

/* Release: all that was done as the worker. */
static void give_back(struct weft_worker *worker)
{
	__atomic_store_n(&worker->stand_in.back, WEFT_BACK_GIVEN, __ATOMIC_RELEASE);
	weft_futex_wake(&worker->stand_in.back, 1);
}

/*
 * On a thread of the pool. `queued` is cleared before it looks for an offer: a lender that still sees
 * it set has made its offer before that.
 */
static int drive(void *arg)
{
	struct weft_worker *worker = arg;
	struct weft_runtime *rt = worker->rt;
	const struct weft_trace_role pool = { WEFT_LANE_POOL, rt->id, UINT32_MAX };

	__atomic_store_n(&worker->stand_in.queued, 0, __ATOMIC_SEQ_CST);
	if (!take(worker))
		return 0;
	weft_duty_begin(rt, worker->index, NULL);
	weft_thread = (struct weft_thread){ .rt = rt, .worker = worker };
	weft_worker_drive(worker, NULL);
	if (weft_thread.worker) {
		weft_duty_end(&worker->duty, rt, worker->index, true);
		give_back(worker);
	}
	weft_thread = (struct weft_thread){ .rt = NULL };
	weft_trace_thread_begin(&pool, NULL);
	return 0;
}

static int ask_pool(struct weft_worker *worker)
{
	struct weft_job *job = &worker->stand_in.job;
	int rc;

	if (__atomic_exchange_n(&worker->stand_in.queued, 1, __ATOMIC_SEQ_CST))
		return 0;
	*job = (struct weft_job){ .fn = drive, .arg = worker };
	rc = weft_pool_submit(worker->rt, job);
	if (rc)
		__atomic_store_n(&worker->stand_in.queued, 0, __ATOMIC_SEQ_CST);
	return rc;
}

/* Without a thread for it the worker stands still, and the others do what they can. */
int weft_stand_in_lend(struct weft_runtime *rt)
{
	const struct weft_trace_role pool = { WEFT_LANE_POOL, rt->id, UINT32_MAX };
	struct weft_worker *worker = weft_thread.worker;

	weft_duty_end(&worker->duty, rt, worker->index, true);
	weft_trace_thread_begin(&pool, NULL);
	__atomic_store_n(&worker->stand_in.offered, 1, __ATOMIC_SEQ_CST);
	if (ask_pool(worker) && take(worker)) {
		weft_worker_shed(worker);
		__atomic_store_n(&worker->stand_in.offered, 1, __ATOMIC_SEQ_CST);
	}
	return 0;
}

void weft_stand_in_regain(struct weft_runtime *rt)
{
	struct weft_worker *worker = weft_thread.worker;

	if (take(worker))
		weft_duty_begin(rt, worker->index, NULL);
	else
		weft_thread.worker = NULL;
}

void weft_stand_in_wait(struct weft_worker *worker)
{
	uint32_t *back = &worker->stand_in.back, was = WEFT_BACK_NO;

	/* Acquire: the worker, as give_back() left it. It may be given before it is asked for, at shutdown. */
	if (__atomic_compare_exchange_n(back, &was, WEFT_BACK_WANTED, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		weft_parker_unpark(&worker->parker, &worker->rt->driver);
	while (__atomic_load_n(back, __ATOMIC_ACQUIRE) != WEFT_BACK_GIVEN)
		weft_futex_wait(back, WEFT_BACK_WANTED, UINT64_MAX);
	__atomic_store_n(back, WEFT_BACK_NO, __ATOMIC_RELAXED);
}
