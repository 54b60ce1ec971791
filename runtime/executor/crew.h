/* SPDX-License-Identifier: MIT */
/*
 * Several workers with a queue each and one shared queue: what multi_thread, reactor_pool and
 * executor have in common. They differ in whose threads the workers are, who turns the driver,
 * and whether a worker keeps the task that it woke last for itself.
 */
#ifndef WEFT_RUNTIME_CREW_H
#define WEFT_RUNTIME_CREW_H

#include "runtime/executor/line.h"
#include "runtime/executor/worker.h"

struct reactor;

struct weft_crew {
	struct weft_inject inject;
	struct weft_idle idle;
	bool lifo;        /* workers use their slot */
	bool joined;      /* its own threads are gone */
	uint32_t size;    /* of worker[] */
	uint32_t workers; /* worker[0, workers) may be in use; atomic */
	uint32_t running; /* own threads that haven't ended; atomic, futex word of shutdown */
	uint32_t standby; /* 1: some parked worker looks after an unowned driver. Atomic */
	/* For threads that come and go. */
	pthread_mutex_t lock; /* `taken`, `workers` */
	struct weft_line line;
	struct reactor *reactor; /* of reactor_pool */
	struct weft_worker worker[];
};

#pragma GCC visibility push(hidden)
/* Becomes rt->executor. Room for `size` workers, of which `active` are there from the start. */
int weft_crew_new(struct weft_runtime *rt, uint32_t size, uint32_t active);
void weft_crew_free(struct weft_runtime *rt);

/* Starts threads for all workers; on failure none is left. */
int weft_crew_start_threads(struct weft_runtime *rt);
int weft_crew_stop_threads(struct weft_runtime *rt, uint64_t deadline_ns);
void weft_crew_unpark_all(struct weft_crew *crew);

/* Members of struct weft_executor_ops. */
void weft_crew_schedule(struct weft_runtime *rt, struct weft_task *task, unsigned kind);
void weft_crew_unpark(struct weft_runtime *rt, uint32_t worker);
struct weft_task *weft_crew_take(struct weft_runtime *rt);

/* The calling thread becomes a worker; there must be room. */
struct weft_worker *weft_crew_join(struct weft_crew *crew);
/* And no more: what its queue holds goes to the shared one, and to somebody who takes it. */
void weft_crew_leave(struct weft_worker *worker);
#pragma GCC visibility pop

static inline uint32_t weft_crew_workers(const struct weft_crew *crew)
{
	/* Acquire: pairs with weft_crew_join(), the worker's queue is there. */
	return __atomic_load_n(&crew->workers, __ATOMIC_ACQUIRE);
}

#endif
