/* SPDX-License-Identifier: MIT */
/*
 * The runtime's events, one function each: a record when a level is on, the plain USDT point when
 * its own semaphore is up. With nobody watching each costs one load and one branch for the record
 * and one for the point.
 */
#ifndef WEFT_RUNTIME_TRACE_H
#define WEFT_RUNTIME_TRACE_H

#include "runtime/executor/executor.h"
#include "runtime/task.h"
#include "runtime/trace_buffer.h"

#ifndef WEFT_NO_PROBES

#pragma GCC visibility push(hidden)
/* trace.c: the out-of-line halves */
void weft_trace_spawn(struct weft_task *task, const struct weft_site *site);
void weft_trace_wake(struct weft_task *task, unsigned kind, bool runnable);
void weft_trace_poll_end(struct weft_task *task, uint64_t id, uint64_t start, uint64_t delay,
			 weft_poll_t rc);
uint64_t weft_trace_poll_start(struct weft_task *task, uint64_t *ret_delay);
void weft_trace_end(struct weft_task *task, uint64_t by, unsigned reason);
void weft_trace_worker(unsigned kind, const struct weft_runtime *rt, uint32_t worker, uint64_t arg);
#pragma GCC visibility pop

/* Generic record for what is rare or cold. */
#define WEFT_EMIT(kind, w1, w2, w3)                                                              \
	do {                                                                                     \
		if (weft_trace_on())                                                             \
			weft_trace_emit(WEFT_K_##kind, weft_clock_stamp(), (w1), (w2), (w3), 0); \
	} while (0)

static inline void weft_trace_task_spawn(struct weft_task *task, const struct weft_site *site)
{
	if (weft_trace_on())
		weft_trace_spawn(task, site);
	WEFT_USDT(task_spawn, task->head.id, (uint64_t)(uintptr_t)weft_task_name(task),
		  task->head.parent, (uint64_t)(uintptr_t)site->file, site->line);
}

static inline void weft_trace_task_wake(struct weft_task *task, unsigned kind, bool runnable)
{
	if (weft_trace_on())
		weft_trace_wake(task, kind, runnable);
	WEFT_USDT(task_wake, task->head.id, weft_thread.task_id, kind);
}

/* State of one poll between its two ends. */
struct weft_trace_poll {
	uint64_t id, start, delay;
};

static inline void weft_trace_poll_open(struct weft_trace_poll *poll, struct weft_task *task)
{
	struct weft_lane *lane = weft_trace_thread.lane;

	poll->id = task->head.id;
	poll->start = 0;
	WEFT_SET(lane->task, poll->id);
	WEFT_ADD(lane->poll_seq, 1);
	if (weft_trace_on())
		poll->start = weft_trace_poll_start(task, &poll->delay);
	WEFT_USDT(task_poll_start, poll->id, (uint64_t)(uintptr_t)weft_task_name(task),
		  lane->worker);
}

static inline void weft_trace_poll_close(struct weft_trace_poll *poll, struct weft_task *task,
					 weft_poll_t rc)
{
	if (weft_trace_on() && poll->start)
		weft_trace_poll_end(task, poll->id, poll->start, poll->delay, rc);
	WEFT_USDT(task_poll_end, poll->id, (uint64_t)(uintptr_t)weft_task_name(task),
		  rc != WEFT_PENDING);
	WEFT_SET(weft_trace_thread.lane->task, 0);
	if (__builtin_expect(poll->start != 0, 0))
		WEFT_SET(weft_trace_thread.lane->poll_start, 0);
}

static inline void weft_trace_task_end(struct weft_task *task, uint64_t by, unsigned reason)
{
	if (weft_trace_on())
		weft_trace_end(task, by, reason);
	WEFT_USDT(task_terminate, task->head.id, (uint64_t)(uintptr_t)weft_task_name(task), reason);
}

/* Scheduler state for outside readers; stamped while someone traces. */
static inline void weft_trace_state(uint32_t state)
{
	struct weft_lane *lane = weft_trace_thread.lane;

	WEFT_SET(lane->state, state);
	WEFT_SET(lane->state_stamp, weft_trace_on() ? weft_clock_stamp() : 0);
}

static inline void weft_trace_depth(uint32_t depth)
{
	WEFT_SET(weft_trace_thread.lane->local_depth, depth);
}

#else

#define WEFT_EMIT(kind, w1, w2, w3)                 \
	do {                                        \
		(void)(w1), (void)(w2), (void)(w3); \
	} while (0)
#define WEFT_SET(lvalue, value) __atomic_store_n(&(lvalue), (value), __ATOMIC_RELAXED)
#define WEFT_ADD(lvalue, value) WEFT_SET(lvalue, (lvalue) + (value))

struct weft_trace_poll {
	char none;
};
static inline void weft_trace_task_spawn(struct weft_task *task, const struct weft_site *site)
{
	(void)task, (void)site;
}
static inline void weft_trace_task_wake(struct weft_task *task, unsigned kind, bool runnable)
{
	(void)task, (void)kind, (void)runnable;
}
static inline void weft_trace_poll_open(struct weft_trace_poll *poll, struct weft_task *task)
{
	(void)poll, (void)task;
}
static inline void weft_trace_poll_close(struct weft_trace_poll *poll, struct weft_task *task,
					 weft_poll_t rc)
{
	(void)poll, (void)task, (void)rc;
}
static inline void weft_trace_task_end(struct weft_task *task, uint64_t by, unsigned reason)
{
	(void)task, (void)by, (void)reason;
}
static inline void weft_trace_state(uint32_t state)
{
	(void)state;
}
static inline void weft_trace_depth(uint32_t depth)
{
	(void)depth;
}
static inline void weft_trace_worker(unsigned kind, const struct weft_runtime *rt, uint32_t worker,
				     uint64_t arg)
{
	(void)kind, (void)rt, (void)worker, (void)arg;
}

#endif

#endif
