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
void weft_trace_wake(uint64_t up, struct weft_task *task, unsigned kind, bool runnable);
uint64_t weft_trace_poll_start(struct weft_task *task, uint64_t *ret_delay);
void weft_trace_end(struct weft_task *task, uint64_t by,
		    unsigned reason); /* by: as task->canceller */
/* arg: tid for start and stop, enum weft_park for park, park kind << 48 | ticks for unpark. */
void weft_trace_worker(unsigned kind, const struct weft_runtime *rt, uint32_t worker, uint64_t arg,
		       uint64_t stamp);

/* State of one poll between its two ends. */
struct weft_trace_poll {
	uint64_t id, start, delay;
};
void weft_trace_poll_end(uint64_t up, const struct weft_trace_poll *poll, struct weft_task *task,
			 weft_poll_t rc);
#pragma GCC visibility pop

/* What the level leaves out is counted in place: no stamp, no words, no call. */
#define WEFT_EMIT_BY(kind, record, ...)                                   \
	do {                                                              \
		uint64_t up_ = weft_trace_up();                           \
		if (__builtin_expect(up_ != 0, 0) &&                      \
		    !weft_trace_skip(up_, WEFT_K_##kind, WEFT_AT_##kind)) \
			record(up_, WEFT_CODE_##kind, __VA_ARGS__);       \
	} while (0)
#define WEFT_EMIT_AT(stamp, kind, w1, w2, w3) \
	WEFT_EMIT_BY(kind, weft_trace_record_at, stamp, w1, w2, w3)
#define WEFT_EMIT(kind, w1, w2, w3) WEFT_EMIT_BY(kind, weft_trace_record, w1, w2, w3)

static inline void weft_trace_task_spawn(struct weft_task *task, const struct weft_site *site)
{
	if (weft_trace_on())
		weft_trace_spawn(task, site);
	WEFT_USDT(task_spawn, task->head.id, (uint64_t)(uintptr_t)weft_task_name(task),
		  task->head.parent, (uint64_t)(uintptr_t)site->file, site->line);
}

static inline void weft_trace_task_wake(struct weft_task *task, unsigned kind, bool runnable)
{
	uint64_t up = weft_trace_up();

	if (__builtin_expect(up != 0, 0))
		weft_trace_wake(up, task, kind, runnable);
	WEFT_USDT(task_wake, task->head.id, weft_thread.task_id, kind);
}

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
	uint64_t up = weft_trace_up();

	if (__builtin_expect(up != 0, 0) && poll->start)
		weft_trace_poll_end(up, poll, task, rc);
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

/* Now while someone traces, else 0. */
static inline uint64_t weft_trace_stamp(void)
{
	return weft_trace_on() ? weft_clock_stamp() : 0;
}

/* Scheduler state for outside readers; stamp: weft_trace_stamp() of the change. */
static inline void weft_trace_state(uint32_t state, uint64_t stamp)
{
	struct weft_lane *lane = weft_trace_thread.lane;

	WEFT_SET(lane->state, state);
	WEFT_SET(lane->state_stamp, stamp);
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
static inline uint64_t weft_trace_stamp(void)
{
	return 0;
}
static inline void weft_trace_state(uint32_t state, uint64_t stamp)
{
	(void)state, (void)stamp;
}
static inline void weft_trace_depth(uint32_t depth)
{
	(void)depth;
}
static inline void weft_trace_worker(unsigned kind, const struct weft_runtime *rt, uint32_t worker,
				     uint64_t arg, uint64_t stamp)
{
	(void)kind, (void)rt, (void)worker, (void)arg, (void)stamp;
}

#endif

#endif
