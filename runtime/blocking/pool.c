/* SPDX-License-Identifier: MIT */
#include "runtime/blocking/pool.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "runtime/executor/executor.h"
#include "runtime/trace.h"

/* DONE is release-stored by the pool thread; the frame is the task's again from then on. */
enum job_state { JOB_IDLE, JOB_QUEUED, JOB_DONE };

static uint64_t last_job;

/* Whose pool this thread belongs to; NULL: none. */
static __thread const struct weft_runtime *home __attribute__((tls_model("initial-exec")));

uint64_t weft_pool_job_id(void)
{
	return __atomic_add_fetch(&last_job, 1, __ATOMIC_RELAXED);
}

bool weft_pool_is_home(const struct weft_runtime *rt)
{
	return home == rt;
}

void weft_pool_init(struct weft_pool *pool, uint32_t max, uint64_t keep_alive_ns)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&pool->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->work, &attr);
	pthread_cond_init(&pool->gone, &attr);
	pthread_condattr_destroy(&attr);
	pool->last = &pool->first;
	pool->max = max;
	pool->keep_alive_ns = keep_alive_ns;
}

void weft_pool_done(struct weft_pool *pool)
{
	pthread_cond_destroy(&pool->work);
	pthread_cond_destroy(&pool->gone);
	pthread_mutex_destroy(&pool->lock);
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){ (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
}

static void gauges(struct weft_runtime *rt)
{
	struct weft_pool *pool = &rt->pool;

	WEFT_SET(rt->entry->pool_threads, pool->threads);
	WEFT_SET(rt->entry->pool_busy, pool->threads - pool->idle);
	WEFT_SET(rt->entry->pool_queue, pool->queued);
}

/* Under the lock; NULL: the thread has to end. */
static struct weft_job *job_next(struct weft_runtime *rt)
{
	struct weft_pool *pool = &rt->pool;
	struct weft_job *job;

	while (!pool->first && !pool->stopping) {
		struct timespec until = timespec_of(weft_clock_ns() + pool->keep_alive_ns);
		int rc;

		pool->idle++;
		gauges(rt);
		rc = pthread_cond_timedwait(&pool->work, &pool->lock, &until);
		pool->idle--;
		if (rc == ETIMEDOUT && !pool->first)
			return NULL;
	}
	job = pool->first;
	if (!job)
		return NULL;
	pool->first = job->next;
	if (!pool->first)
		pool->last = &pool->first;
	pool->queued--;
	gauges(rt);
	return job;
}

/*
 * The job lives in the task's frame and the pool's reference keeps the block, also of a task that
 * was cancelled meanwhile. After the store of DONE the job may be gone.
 */
static void job_run(struct weft_job *job)
{
	struct weft_task *task = job->task;
	uint64_t id = job->id, asker, queued = job->queued_stamp, from = 0;

	if (!task) { /* of the runtime's own; it may be queued anew as soon as it runs */
		job->fn(job->arg);
		return;
	}
	asker = task->head.id;
	if (weft_trace_on()) {
		from = weft_clock_stamp();
		WEFT_EMIT(JOB_START, id, asker, queued ? from - queued : 0);
	}
	WEFT_USDT(job_start, asker, id);
	job->rc = job->fn(job->arg);
	WEFT_USDT(job_end, asker, id);
	if (from)
		WEFT_EMIT(JOB_END, id, asker, weft_clock_stamp() - from);
	(void)queued, (void)asker, (void)id;
	__atomic_store_n(&job->state, JOB_DONE, __ATOMIC_RELEASE);
	weft_task_wake(task, WEFT_W_JOB);
	weft_task_unref(task);
}

static void *thread_main(void *arg)
{
	struct weft_runtime *rt = arg;
	struct weft_pool *pool = &rt->pool;
	struct weft_trace_role role = { WEFT_LANE_POOL, rt->id, UINT32_MAX };
	struct weft_job *job;
	char name[32];

	home = rt;
	snprintf(name, sizeof(name), "%.8s-pool", rt->name);
	weft_trace_thread_begin(&role, name);
	pthread_mutex_lock(&pool->lock);
	while ((job = job_next(rt))) {
		pthread_mutex_unlock(&pool->lock);
		job_run(job);
		weft_trace_park();
		pthread_mutex_lock(&pool->lock);
	}
	/* In the same critical section as the decision: submit must not count on this thread. */
	pool->threads--;
	pool->leaving++;
	gauges(rt);
	pthread_mutex_unlock(&pool->lock);
	weft_trace_thread_end();
	/* Last touch of the runtime: weft_pool_stop() waits for `leaving` under the lock. */
	pthread_mutex_lock(&pool->lock);
	pool->leaving--;
	pthread_cond_broadcast(&pool->gone);
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* Under the lock. A failure matters only when there is no thread at all. */
static int thread_add(struct weft_runtime *rt)
{
	struct weft_pool *pool = &rt->pool;
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &attr, thread_main, rt);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		pool->threads++;
	return pool->threads ? 0 : -rc;
}

int weft_pool_submit(struct weft_runtime *rt, struct weft_job *job)
{
	struct weft_pool *pool = &rt->pool;
	int rc = 0;

	pthread_mutex_lock(&pool->lock);
	if (pool->stopping)
		rc = -ESHUTDOWN;
	else if (pool->idle <= pool->queued && pool->threads < pool->max)
		rc = thread_add(rt);
	if (rc == 0) {
		job->next = NULL;
		*pool->last = job;
		pool->last = &job->next;
		pool->queued++;
		gauges(rt);
		pthread_cond_signal(&pool->work);
	}
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

static weft_poll_t job_start(struct weft_cx *cx, struct weft_job *f, int (*fn)(void *), void *arg)
{
	int rc;

	f->fn = fn;
	f->arg = arg;
	f->task = cx->task;
	f->id = weft_pool_job_id();
	f->queued_stamp = weft_trace_on() ? weft_clock_stamp() : 0;
	f->state = JOB_QUEUED;
	weft_task_ref(cx->task);
	rc = weft_pool_submit(cx->runtime, f);
	if (rc == 0)
		return weft_pending(cx, WEFT_WAIT_JOB);
	f->state = JOB_IDLE;
	weft_task_unref(cx->task);
	return rc;
}

weft_poll_t weft_spawn_blocking(struct weft_cx *cx, struct weft_job *f, int (*fn)(void *arg),
				void *arg)
{
	uint32_t state = __atomic_load_n(&f->state, __ATOMIC_ACQUIRE);

	if (state == JOB_DONE) {
		f->state = JOB_IDLE;
		return f->rc == WEFT_PENDING ? -EINVAL : f->rc;
	}
	if (cx->cancelled)
		return weft_cancelled(cx);
	if (state == JOB_QUEUED)
		return weft_pending(cx, WEFT_WAIT_JOB);
	return job_start(cx, f, fn, arg);
}

bool weft_pool_job_reset(struct weft_job *job)
{
	uint32_t state = __atomic_load_n(&job->state, __ATOMIC_ACQUIRE);

	if (state == JOB_DONE)
		job->state = JOB_IDLE;
	return state != JOB_QUEUED;
}

int weft_pool_stop(struct weft_runtime *rt, uint64_t deadline_ns)
{
	struct weft_pool *pool = &rt->pool;
	struct timespec until = timespec_of(deadline_ns);
	int rc = 0;

	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->work);
	while (pool->threads + pool->leaving && rc == 0)
		rc = pthread_cond_timedwait(&pool->gone, &pool->lock, &until);
	rc = pool->threads + pool->leaving ? -ETIMEDOUT : 0;
	pthread_mutex_unlock(&pool->lock);
	return rc;
}
