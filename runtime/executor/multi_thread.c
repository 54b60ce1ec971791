/* SPDX-License-Identifier: MIT */
/* The flavour like Tokio's: local queues, stealing, one driver that a parked worker owns. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/futex.h"
#include "runtime/executor/worker.h"
#include "runtime/trace.h"

static void schedule(struct weft_runtime *rt, struct weft_task *task, unsigned kind)
{
	struct weft_multi_thread *mt = rt->executor;

	if (weft_thread.worker && weft_thread.rt == rt) {
		weft_worker_schedule(weft_thread.worker, task, kind);
		return;
	}
	/*
	 * The task can't end before it is pushed, so the runtime is there until then; the count
	 * keeps it for what comes after. Release: this thread's last access before the free.
	 */
	__atomic_fetch_add(&rt->schedulers, 1, __ATOMIC_RELAXED);
	task->next = NULL;
	weft_inject_push_chain(&mt->inject, task, task, 1);
	weft_worker_notify(mt);
	__atomic_fetch_sub(&rt->schedulers, 1, __ATOMIC_RELEASE);
}

static struct weft_task *take(struct weft_runtime *rt)
{
	struct weft_multi_thread *mt = rt->executor;
	struct weft_task *task = NULL;
	uint64_t n;

	for (uint32_t i = 0; i < mt->workers && !task; i++) {
		task = __atomic_exchange_n(&mt->worker[i].lifo, NULL, __ATOMIC_ACQ_REL);
		if (!task)
			task = weft_deque_pop(&mt->worker[i].deque);
	}
	return task ? task : weft_inject_pop(&mt->inject, 1, &n);
}

static void free_workers(struct weft_runtime *rt)
{
	struct weft_multi_thread *mt = rt->executor;

	if (!mt)
		return;
	weft_idle_done(&mt->idle);
	weft_inject_done(&mt->inject);
	free(mt);
	rt->executor = NULL;
}

/*
 * Waits for the n workers that were started, until the CLOCK_MONOTONIC deadline, then joins them.
 */
static int join_workers(struct weft_multi_thread *mt, uint32_t n, uint64_t deadline_ns)
{
	uint32_t left;

	for (uint32_t i = 0; i < n; i++)
		weft_worker_unpark(&mt->worker[i]);
	while ((left = __atomic_load_n(&mt->running, __ATOMIC_ACQUIRE))) {
		uint64_t now = weft_clock_ns();

		if (now >= deadline_ns)
			return -ETIMEDOUT;
		weft_futex_wait(&mt->running, left, deadline_ns - now);
	}
	for (uint32_t i = 0; i < n && !mt->joined; i++)
		pthread_join(mt->worker[i].thread, NULL);
	mt->joined = true;
	return 0;
}

static int stop(struct weft_runtime *rt, uint64_t deadline_ns)
{
	return join_workers(rt->executor, rt->workers, deadline_ns);
}

static int start_workers(struct weft_runtime *rt, struct weft_multi_thread *mt)
{
	for (uint32_t i = 0; i < rt->workers; i++) {
		struct weft_worker *worker = &mt->worker[i];
		int rc;

		worker->rt = rt;
		worker->mt = mt;
		worker->index = i;
		__atomic_fetch_add(&mt->running, 1, __ATOMIC_RELAXED);
		rc = pthread_create(&worker->thread, NULL, weft_worker_main, worker);
		if (rc) {
			__atomic_fetch_sub(&mt->running, 1, __ATOMIC_RELAXED);
			__atomic_store_n(&rt->state, WEFT_RT_STOPPED, __ATOMIC_RELEASE);
			join_workers(mt, i, UINT64_MAX / 2);
			return -rc;
		}
	}
	return 0;
}

static int start(struct weft_runtime *rt)
{
	size_t bytes = sizeof(struct weft_multi_thread) + rt->workers * sizeof(struct weft_worker);
	struct weft_multi_thread *mt = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
	int rc;

	if (!mt)
		return -ENOMEM;
	memset(mt, 0, bytes);
	mt->workers = rt->workers;
	rc = weft_idle_init(&mt->idle, rt->workers);
	if (rc) {
		free(mt);
		return rc;
	}
	weft_inject_init(&mt->inject);
	rt->executor = mt;
	rc = start_workers(rt, mt);
	if (rc)
		free_workers(rt);
	return rc;
}

const struct weft_executor_ops weft_multi_thread_ops = {
	.flavour = WEFT_F_MULTI_THREAD,
	.name = "multi_thread",
	.start = start,
	.schedule = schedule,
	.take = take,
	.stop = stop,
	.free = free_workers,
};
