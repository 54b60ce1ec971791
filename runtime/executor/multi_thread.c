/* SPDX-License-Identifier: MIT */
/* The flavour like Tokio's: local queues, stealing, one driver that a parked worker owns. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/executor/worker.h"

static void schedule(struct weft_runtime *rt, struct weft_task *task, unsigned kind)
{
	struct weft_multi_thread *mt = rt->executor;

	if (weft_thread.worker && weft_thread.rt == rt) {
		weft_worker_schedule(weft_thread.worker, task, kind);
		return;
	}
	task->next = NULL;
	weft_inject_push_chain(&mt->inject, task, task, 1);
	weft_worker_notify(mt);
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

/* Joins workers [0, n). The deadline is CLOCK_MONOTONIC. */
static int join_workers(struct weft_multi_thread *mt, uint32_t n, uint64_t deadline_ns)
{
	struct timespec until = { (time_t)(deadline_ns / 1000000000u), (long)(deadline_ns % 1000000000u) };

	for (uint32_t i = 0; i < n; i++)
		weft_worker_unpark(&mt->worker[i]);
	for (uint32_t i = 0; i < n; i++) {
		int rc = pthread_clockjoin_np(mt->worker[i].thread, NULL, CLOCK_MONOTONIC, &until);

		if (rc)
			return -rc;
	}
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
		rc = pthread_create(&worker->thread, NULL, weft_worker_main, worker);
		if (rc) {
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
	.stop = stop,
	.free = free_workers,
};
