/* SPDX-License-Identifier: MIT */
/*
 * Threads for calls that block: made on demand up to a limit, ended after keep_alive without
 * work.
 */
#ifndef WEFT_RUNTIME_BLOCKING_POOL_H
#define WEFT_RUNTIME_BLOCKING_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct weft_job;
struct weft_runtime;

struct weft_pool {
	pthread_mutex_t lock;
	pthread_cond_t work, gone; /* on CLOCK_MONOTONIC */
	struct weft_job *first, **last;
	uint32_t threads, leaving, idle, max; /* under the lock */
	uint64_t queued;
	uint64_t keep_alive_ns;
	bool stopping;
};

#pragma GCC visibility push(hidden)
void weft_pool_init(struct weft_pool *pool, uint32_t max, uint64_t keep_alive_ns);
/* Refuses new jobs, runs those queued, waits for the threads. -ETIMEDOUT: one is stuck in a job. */
int weft_pool_stop(struct weft_runtime *rt, uint64_t deadline_ns);
/* fn, arg are set; task NULL: nobody is told, no events. -EAGAIN: no thread; -ESHUTDOWN. Any thread. */
int weft_pool_submit(struct weft_runtime *rt, struct weft_job *job);
uint64_t weft_pool_job_id(void); /* unique in the process */
/* False: the pool still has the job. True: it may be started anew, also if it was given up. */
bool weft_pool_job_reset(struct weft_job *job);
bool weft_pool_is_home(const struct weft_runtime *rt); /* the calling thread is of rt's pool */
void weft_pool_done(struct weft_pool *pool);
#pragma GCC visibility pop

#endif
