/* SPDX-License-Identifier: MIT */
/* Out-of-line halves of the events in trace.h: reached only while someone traces. */
#include "runtime/trace.h"

#ifndef WEFT_NO_PROBES

#include <string.h>

#include "runtime/trace_map.h"

void weft_trace_spawn(struct weft_task *task, const struct weft_site *site)
{
	const struct weft_task_head *head = &task->head;
	uint64_t flags = task->flags;
	const char *name = (const char *)(uintptr_t)head->name;

	(void)site;
	weft_trace_emit(WEFT_K_TASK_SPAWN, weft_clock_stamp(), head->id | flags << 48, head->parent,
			head->site | (uint64_t)head->bytes << 32, head->runtime);
	if (name) {
		size_t n = strnlen(name, WEFT_NAME_MAX + 1);
		uint64_t cut = n > WEFT_NAME_MAX;

		n -= cut;
		weft_trace_emit_text(WEFT_K_TASK_NAME, (uint64_t)n << 16 | cut << 32, head->id,
				     name, (uint32_t)n);
	}
}

/*
 * wake_stamp belongs to whoever made the task runnable, until it is scheduled. At `light` the
 * stamp isn't worth its price: only polls over 1 ms are written there.
 */
void weft_trace_wake(struct weft_task *task, unsigned kind, bool runnable)
{
	uint64_t by = weft_thread.task_id, id = task->head.id;
	uint64_t stamp = weft_trace_level(weft_trace_up()) > WEFT_LEVEL_LIGHT ? weft_clock_stamp()
									      : 0;
	uint32_t level;
	struct weft_trace_thread *t = weft_trace_enter(stamp, &level);

	if (!t)
		return;
	WEFT_ADD(t->lane->wakes, 1);
	if (by == id)
		WEFT_ADD(t->lane->self_wakes, 1);
	if (level < WEFT_LEVEL_NORMAL || !stamp) {
		WEFT_ADD(t->lane->filtered[WEFT_K_TASK_WAKE], 1);
		return;
	}
	if (runnable)
		WEFT_SET(task->head.wake_stamp, stamp);
	weft_trace_put(t, WEFT_K_TASK_WAKE, stamp,
		       (const uint64_t[]){ id,
					   by | (uint64_t)kind << 48 | (uint64_t)runnable << 56 },
		       3);
}

uint64_t weft_trace_poll_start(struct weft_task *task, uint64_t *ret_delay)
{
	struct weft_lane *lane = weft_trace_thread.lane;
	uint64_t stamp = weft_clock_stamp(), woken = task->head.wake_stamp;

	if (*weft_trace_gate)
		WEFT_SET(lane->poll_start, stamp);
	*ret_delay = woken && stamp > woken ? stamp - woken : WEFT_TICKS_UNKNOWN;
	if (woken)
		WEFT_SET(task->head.wake_stamp, 0);
	return stamp;
}

static void count_poll(struct weft_lane *lane, uint64_t ticks)
{
	unsigned bucket = ticks ? 63 - (unsigned)__builtin_clzll(ticks) : 0;

	WEFT_ADD(lane->polls, 1);
	WEFT_ADD(lane->busy_ticks, ticks);
	if (ticks > lane->poll_max_ticks)
		WEFT_SET(lane->poll_max_ticks, ticks);
	WEFT_ADD(lane->poll_hist[bucket], 1);
}

void weft_trace_poll_end(struct weft_task *task, uint64_t id, uint64_t start, uint64_t delay,
			 weft_poll_t rc)
{
	uint64_t stamp = weft_clock_stamp(), ticks = stamp - start, result;
	uint32_t level;
	struct weft_trace_thread *t = weft_trace_enter(stamp, &level);

	if (!t)
		return;
	count_poll(t->lane, ticks);
	if (level == WEFT_LEVEL_LIGHT && ticks < weft_map_light_ticks) {
		WEFT_ADD(t->lane->filtered[WEFT_K_TASK_POLL], 1);
		return;
	}
	/*
	 * Woken during this poll: it becomes runnable now. RUNNING is still set, so nobody else
	 * stores here.
	 */
	if (rc == WEFT_PENDING && level > WEFT_LEVEL_LIGHT &&
	    (weft_task_state(task) & WEFT_T_NOTIFIED))
		WEFT_SET(task->head.wake_stamp, stamp);
	if (rc == WEFT_PENDING)
		result = WEFT_R_PENDING;
	else if (rc == -ECANCELED)
		result = WEFT_R_CANCELLED;
	else
		result = rc < 0 ? WEFT_R_ERROR : WEFT_R_READY;
	weft_trace_put(t, WEFT_K_TASK_POLL, stamp,
		       (const uint64_t[]){ id, (ticks & WEFT_ID_MASK) | result << 48, delay }, 4);
}

void weft_trace_end(struct weft_task *task, uint64_t by, unsigned reason)
{
	weft_trace_emit(WEFT_K_TASK_END, weft_clock_stamp(), task->head.id,
			by | (uint64_t)reason << 48, 0, 0);
}

/* arg: tid for start and stop, enum weft_park for park, park kind << 48 | ticks for unpark. */
void weft_trace_worker(unsigned kind, const struct weft_runtime *rt, uint32_t worker, uint64_t arg)
{
	uint64_t who = rt->id | (uint64_t)worker << 32;

	if (kind == WEFT_K_WORKER_START) {
		WEFT_EMIT(WORKER_START, who, arg, 0);
		WEFT_USDT(worker_thread_start, worker, rt->id);
	} else if (kind == WEFT_K_WORKER_STOP) {
		WEFT_EMIT(WORKER_STOP, who, arg, 0);
		WEFT_USDT(worker_thread_stop, worker, rt->id);
	} else if (kind == WEFT_K_WORKER_PARK) {
		WEFT_EMIT(WORKER_PARK, who | arg << 48, 0, 0);
		WEFT_USDT(worker_thread_park, worker, rt->id);
	} else {
		WEFT_EMIT(WORKER_UNPARK, who | (arg >> 48) << 48, arg & WEFT_ID_MASK, 0);
		WEFT_USDT(worker_thread_unpark, worker, rt->id);
	}
}

#else
typedef int weft_trace_empty;
#endif
