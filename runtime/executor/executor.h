/* SPDX-License-Identifier: MIT */
/*
 * What a runtime is, and the table a flavour fills in.
 *
 * Everything outside executor/ (tasks, wakers, timers, IO, pool) is the same for all flavours and
 * calls them only through struct weft_executor_ops. A flavour is one file plus one line in the
 * list in executor.c.
 */
#ifndef WEFT_RUNTIME_EXECUTOR_H
#define WEFT_RUNTIME_EXECUTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/blocking/pool.h"
#include "runtime/io/driver.h"
#include "runtime/task.h"
#include "runtime/time/precise.h"
#include "runtime/time/timer_wheel.h"

#define WEFT_BUDGET 128u /* as Tokio's */

struct weft_executor_ops {
	uint32_t flavour; /* enum weft_flavour */
	const char *name;
	bool drop_cancels; /* what weft_join_drop does; else it detaches */
	int (*start)(struct weft_runtime *rt);
	/*
	 * Makes a task run whose notification the caller owns. Any thread. kind: enum
	 * weft_waker_kind.
	 */
	void (*schedule)(struct weft_runtime *rt, struct weft_task *task, unsigned kind);
	/* Polls a WEFT_S_BLOCK_ON task on the calling thread until it ends. */
	void (*block_on)(struct weft_runtime *rt, struct weft_task *root);
	/*
	 * Wakes the thread that drives as `worker`, as its root's word says (root.h). NULL: none
	 * ever does.
	 */
	void (*unpark)(struct weft_runtime *rt, uint32_t worker);
	/*
	 * Around a call that blocks, on a thread that drives (blocking/in_place.c): others see to its
	 * duties from here on. -ENOTSUP: there are none. NULL: never are.
	 */
	int (*lend)(struct weft_runtime *rt);
	/* Sets weft_thread.worker to NULL if it is a worker no longer. NULL: always is. */
	void (*regain)(struct weft_runtime *rt);
	/*
	 * Any runnable task, for the thread that shuts down; its own threads are gone. NULL: none
	 * now.
	 */
	struct weft_task *(*take)(struct weft_runtime *rt);
	/* Asks the threads to stop and waits; -ETIMEDOUT leaves them running. */
	int (*stop)(struct weft_runtime *rt, uint64_t deadline_ns);
	void (*free)(struct weft_runtime *rt);
};

struct weft_runtime {
	const struct weft_executor_ops *ops;
	void *executor; /* the flavour's own state */
	struct weft_runtime_entry *entry;
	uint32_t id;
	bool entry_heap;
	bool io, time, no_spin;
	uint32_t workers, inject_interval, driver_interval;
	uint32_t state;      /* enum weft_runtime_state, atomic */
	uint32_t block_on;   /* threads inside weft_block_on, atomic */
	uint32_t schedulers; /* foreign threads inside the schedule op, atomic: the executor stays */
	uint32_t closing; /* sources that are closed and not over, as somebody is inside; atomic: the driver stays */
	struct weft_driver driver;
	struct weft_timer_wheel wheel;
	struct weft_precise precise;
	struct weft_pool pool;
	char name[16];
};

enum weft_runtime_state { WEFT_RT_RUNNING, WEFT_RT_STOPPING, WEFT_RT_STOPPED, WEFT_RT_STUCK };

/*
 * What the calling thread is doing. A worker sets `worker` and `cx` for its whole life, block_on
 * for its duration, the pool and foreign threads never.
 */
struct weft_thread {
	struct weft_runtime *rt;
	struct weft_cx *cx;     /* cx->task: the task being polled, NULL between polls */
	void *worker;           /* the executor's; NULL outside its threads */
	struct weft_task *root; /* of weft_block_on, on a thread that drives as well */
	uint64_t task_id;       /* of cx->task, 0 = none */
	uint64_t stamp;         /* of the clock, good for `stamp_left` more spawns */
	uint32_t stamp_left;
};

#pragma GCC visibility push(hidden)
extern __thread struct weft_thread weft_thread __attribute__((tls_model("initial-exec")));

const struct weft_executor_ops *weft_executor_find(uint32_t flavour);
const struct weft_executor_ops *weft_executor_find_name(const char *name);
extern const struct weft_executor_ops weft_multi_thread_ops;
extern const struct weft_executor_ops weft_current_thread_ops;
extern const struct weft_executor_ops weft_reactor_pool_ops;
extern const struct weft_executor_ops weft_bare_executor_ops;
#pragma GCC visibility pop

static inline bool weft_runtime_running(const struct weft_runtime *rt)
{
	return __atomic_load_n(&rt->state, __ATOMIC_ACQUIRE) == WEFT_RT_RUNNING;
}

#endif
