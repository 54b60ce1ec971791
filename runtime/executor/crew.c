/* SPDX-License-Identifier: MIT */
#include "runtime/executor/crew.h"

#include <errno.h>
#include <stdio.h>

#include "runtime/base/futex.h"
#include "runtime/base/memory.h"
#include "runtime/trace.h"

int weft_crew_new(struct weft_runtime *rt, uint32_t size, uint32_t active)
{
	size_t bytes = sizeof(struct weft_crew) + size * sizeof(struct weft_worker);
	struct weft_crew *crew = weft_memory_aligned(64, (bytes + 63) & ~(size_t)63);
	int rc;

	if (!crew)
		return -ENOMEM;
	rc = weft_idle_init(&crew->idle, size, active);
	if (rc) {
		weft_memory_free(crew);
		return rc;
	}
	crew->size = size;
	crew->workers = active;
	for (uint32_t i = 0; i < size; i++) {
		crew->worker[i].rt = rt;
		crew->worker[i].crew = crew;
		crew->worker[i].index = i;
		crew->worker[i].deque.alone = size == 1;
		weft_spin_init(&crew->worker[i].spin, size == 1 && !rt->no_spin);
	}
	weft_inject_init(&crew->inject);
	pthread_mutex_init(&crew->lock, NULL);
	rt->executor = crew;
	return 0;
}

void weft_crew_free(struct weft_runtime *rt)
{
	struct weft_crew *crew = rt->executor;

	if (!crew)
		return;
	weft_idle_done(&crew->idle);
	weft_inject_done(&crew->inject);
	pthread_mutex_destroy(&crew->lock);
	weft_memory_free(crew);
	rt->executor = NULL;
}

void weft_crew_unpark_all(struct weft_crew *crew)
{
	for (uint32_t i = 0, n = weft_crew_workers(crew); i < n; i++)
		weft_parker_unpark(&crew->worker[i].parker, &crew->worker[i].rt->driver);
}

static void *thread_main(void *arg)
{
	struct weft_worker *worker = arg;
	struct weft_crew *crew = worker->crew;
	struct weft_runtime *rt = worker->rt;
	char name[32];

	snprintf(name, sizeof(name), "%.9s-w%u", rt->name, worker->index);
	weft_duty_begin(rt, worker->index, name);
	weft_thread = (struct weft_thread){ .rt = rt, .worker = worker };
	weft_worker_drive(worker, NULL);
	while (!weft_thread.worker) {
		weft_stand_in_wait(worker);
		weft_duty_begin(rt, worker->index, NULL);
		weft_thread = (struct weft_thread){ .rt = rt, .worker = worker };
		weft_worker_drive(worker, NULL);
	}
	weft_duty_end(&worker->duty, rt, worker->index, false);
	weft_trace_thread_end();
	weft_thread = (struct weft_thread){ .rt = NULL };
	/* The memory stays until this thread is joined. */
	__atomic_fetch_sub(&crew->running, 1, __ATOMIC_RELEASE);
	weft_futex_wake(&crew->running, 1);
	return NULL;
}

/* Waits for the n threads that were started, until the CLOCK_MONOTONIC deadline, then joins them. */
static int join_threads(struct weft_crew *crew, uint32_t n, uint64_t deadline_ns)
{
	uint32_t left;

	weft_crew_unpark_all(crew);
	while ((left = __atomic_load_n(&crew->running, __ATOMIC_ACQUIRE))) {
		uint64_t now = weft_clock_ns();

		if (now >= deadline_ns)
			return -ETIMEDOUT;
		weft_futex_wait(&crew->running, left, deadline_ns - now);
	}
	for (uint32_t i = 0; i < n && !crew->joined; i++)
		pthread_join(crew->worker[i].thread, NULL);
	crew->joined = true;
	return 0;
}

int weft_crew_stop_threads(struct weft_runtime *rt, uint64_t deadline_ns)
{
	struct weft_crew *crew = rt->executor;

	return join_threads(crew, crew->size, deadline_ns);
}

int weft_crew_start_threads(struct weft_runtime *rt)
{
	struct weft_crew *crew = rt->executor;

	for (uint32_t i = 0; i < crew->size; i++) {
		struct weft_worker *worker = &crew->worker[i];
		int rc;

		__atomic_fetch_add(&crew->running, 1, __ATOMIC_RELAXED);
		rc = pthread_create(&worker->thread, NULL, thread_main, worker);
		if (rc) {
			__atomic_fetch_sub(&crew->running, 1, __ATOMIC_RELAXED);
			__atomic_store_n(&rt->state, WEFT_RT_STOPPED, __ATOMIC_RELEASE);
			join_threads(crew, i, UINT64_MAX / 2);
			return -rc;
		}
	}
	return 0;
}

void weft_crew_schedule(struct weft_runtime *rt, struct weft_task *task, unsigned kind)
{
	struct weft_crew *crew = rt->executor;

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
	if (kind != WEFT_W_JOB)
		weft_spin_call(&crew->worker[0].spin);
	weft_inject_push_chain(&crew->inject, task, task, 1);
	weft_worker_notify(crew);
	__atomic_fetch_sub(&rt->schedulers, 1, __ATOMIC_RELEASE);
}

void weft_crew_unpark(struct weft_runtime *rt, uint32_t worker)
{
	struct weft_crew *crew = rt->executor;

	weft_spin_call(&crew->worker[worker].spin);
	weft_parker_unpark(&crew->worker[worker].parker, &rt->driver);
}

/* Takes what is left of the queue of a worker that is gone. */
static struct weft_task *take_from(struct weft_worker *worker)
{
	struct weft_task *task = __atomic_exchange_n(&worker->lifo, NULL, __ATOMIC_ACQ_REL);

	return task ? task : weft_deque_pop(&worker->deque);
}

struct weft_task *weft_crew_take(struct weft_runtime *rt)
{
	struct weft_crew *crew = rt->executor;
	struct weft_task *task = NULL;
	uint64_t n;

	for (uint32_t i = 0; i < crew->size && !task; i++)
		task = take_from(&crew->worker[i]);
	return task ? task : weft_inject_pop(&crew->inject, 1, &n);
}

/* Under the lock: the worker's queue is found by thieves as long as it is below `workers`. */
static void count_workers(struct weft_crew *crew)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < crew->size; i++)
		if (crew->worker[i].taken)
			n = i + 1;
	/* Release: pairs with weft_crew_workers(). */
	__atomic_store_n(&crew->workers, n, __ATOMIC_RELEASE);
	WEFT_SET(crew->worker[0].rt->entry->workers, weft_idle_workers(&crew->idle));
}

struct weft_worker *weft_crew_join(struct weft_crew *crew)
{
	struct weft_worker *worker = crew->worker;

	pthread_mutex_lock(&crew->lock);
	while (worker->taken)
		worker++;
	worker->taken = true;
	worker->searching = false;
	weft_idle_join(&crew->idle);
	count_workers(crew);
	pthread_mutex_unlock(&crew->lock);
	return worker;
}

void weft_crew_leave(struct weft_worker *worker)
{
	struct weft_crew *crew = worker->crew;
	struct weft_task *task;
	int sleeper = -1;

	while ((task = take_from(worker))) {
		task->next = NULL;
		weft_inject_push_chain(&crew->inject, task, task, 1);
	}
	pthread_mutex_lock(&crew->lock);
	weft_idle_leave(&crew->idle, worker->searching);
	worker->taken = false;
	count_workers(crew);
	pthread_mutex_unlock(&crew->lock);
	if (weft_worker_any_work(crew))
		weft_worker_notify(crew);
	/* Nobody may be left who turns the driver: whoever looks will park on it. */
	if (__atomic_load_n(&worker->rt->driver.owner, __ATOMIC_SEQ_CST) == -1)
		sleeper = weft_idle_pick_any(&crew->idle);
	if (sleeper >= 0)
		weft_crew_unpark(worker->rt, (uint32_t)sleeper);
}
