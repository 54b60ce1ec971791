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

static inline void count_wake(struct weft_lane *lane, uint64_t task)
{
	WEFT_ADD(lane->wakes, 1);
	if (weft_thread.task_id == task)
		WEFT_ADD(lane->self_wakes, 1);
}

/* At `light` the stamp isn't worth its price: only polls over 1 ms are written there. */
static __attribute__((noinline)) void wake_light(uint64_t up, struct weft_task *task)
{
	struct weft_trace_thread *t = weft_trace_enter(up, 0);

	if (!t)
		return;
	count_wake(t->lane, task->head.id);
	WEFT_ADD(t->lane->filtered[WEFT_K_TASK_WAKE], 1);
}

/* wake_stamp belongs to whoever made the task runnable, until it is scheduled. */
static inline void wake_put(struct weft_trace_thread *t, struct weft_task *task, uint64_t how,
			    uint64_t stamp)
{
	uint64_t id = task->head.id;

	count_wake(t->lane, id);
	if (how >> 56)
		WEFT_SET(task->head.wake_stamp, stamp);
	weft_trace_put(t, WEFT_CODE_TASK_WAKE, stamp,
		       (uint64_t[3]){ id, weft_thread.task_id | how });
}

static __attribute__((noinline)) void wake_slow(uint64_t up, struct weft_task *task, uint64_t how)
{
	uint64_t stamp = weft_clock_stamp();
	struct weft_trace_thread *t = weft_trace_make_ready(up, stamp);

	if (t)
		wake_put(t, task, how, stamp);
}

void weft_trace_wake(uint64_t up, struct weft_task *task, unsigned kind, bool runnable)
{
	struct weft_trace_thread *t = weft_trace_self();
	uint64_t how = (uint64_t)kind << 48 | (uint64_t)runnable << 56;

	if (weft_trace_level(up) < WEFT_AT_TASK_WAKE)
		wake_light(up, task);
	else if (weft_trace_ready(t, up))
		wake_put(t, task, how, arch_tsc());
	else
		wake_slow(up, task, how);
}

static inline uint64_t poll_begun(struct weft_trace_thread *t, struct weft_task *task,
				  uint64_t *ret_delay, uint64_t stamp)
{
	uint64_t woken = task->head.wake_stamp;

	if (t->ready ? *t->gate : *weft_trace_gate)
		WEFT_SET(t->lane->poll_start, stamp);
	*ret_delay = woken && stamp >= woken ? stamp - woken : WEFT_TICKS_UNKNOWN;
	if (woken)
		WEFT_SET(task->head.wake_stamp, 0);
	return stamp;
}

static __attribute__((noinline)) uint64_t poll_start_slow(struct weft_task *task,
							  uint64_t *ret_delay)
{
	return poll_begun(weft_trace_self(), task, ret_delay, weft_clock_stamp());
}

/*
 * A worker that goes straight from one poll to the next needs no stamp of its own here, unless
 * the task became runnable after the last one or polls went by untraced.
 */
uint64_t weft_trace_poll_start(struct weft_task *task, uint64_t *ret_delay)
{
	struct weft_trace_thread *t = weft_trace_self();
	uint64_t last = t->now;

	t->now = 0;
	if (last && last >= task->head.wake_stamp && t->now_poll + 1 == t->lane->poll_seq)
		return poll_begun(t, task, ret_delay, last);
	if (!weft_clock_tsc)
		return poll_start_slow(task, ret_delay);
	return poll_begun(t, task, ret_delay, arch_tsc());
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

static uint64_t result_of(weft_poll_t rc)
{
	if (rc == WEFT_PENDING)
		return WEFT_R_PENDING;
	if (rc == -ECANCELED)
		return WEFT_R_CANCELLED;
	return rc < 0 ? WEFT_R_ERROR : WEFT_R_READY;
}

/* What comes of a poll that is over. */
static inline void poll_put(struct weft_trace_thread *t, const struct weft_trace_poll *poll,
			    struct weft_task *task, weft_poll_t rc, uint64_t stamp)
{
	uint64_t ticks = stamp - poll->start;
	bool light = t->level == WEFT_LEVEL_LIGHT;

	/* What a task leaves behind at its end may take long. */
	if (rc == WEFT_PENDING && t->role.role == WEFT_LANE_WORKER)
		t->now = stamp;
	t->now_poll = t->lane->poll_seq;
	count_poll(t->lane, ticks);
	if (light && ticks < weft_map_light_ticks) {
		WEFT_ADD(t->lane->filtered[WEFT_K_TASK_POLL], 1);
		return;
	}
	/*
	 * Woken during this poll: it becomes runnable now. RUNNING is still set, so nobody else
	 * stores here.
	 */
	if (rc == WEFT_PENDING && !light && (weft_task_state(task) & WEFT_T_NOTIFIED))
		WEFT_SET(task->head.wake_stamp, stamp);
	weft_trace_put(t, WEFT_CODE_TASK_POLL, stamp,
		       (uint64_t[]){ poll->id, (ticks & WEFT_ID_MASK) | result_of(rc) << 48,
				     poll->delay });
}

static __attribute__((noinline)) void poll_end_slow(uint64_t up, const struct weft_trace_poll *poll,
						    struct weft_task *task, weft_poll_t rc)
{
	uint64_t stamp = weft_clock_stamp();
	struct weft_trace_thread *t = weft_trace_make_ready(up, stamp);

	if (t)
		poll_put(t, poll, task, rc, stamp);
}

void weft_trace_poll_end(uint64_t up, const struct weft_trace_poll *poll, struct weft_task *task,
			 weft_poll_t rc)
{
	struct weft_trace_thread *t = weft_trace_self();

	if (weft_trace_ready(t, up))
		poll_put(t, poll, task, rc, arch_tsc());
	else
		poll_end_slow(up, poll, task, rc);
}

void weft_trace_end(struct weft_task *task, uint64_t by, unsigned reason)
{
	uint64_t error = reason != WEFT_E_ERROR ? 0 : task->rc < -254 ? 255 : (uint64_t)-task->rc;

	weft_trace_emit(WEFT_K_TASK_END, weft_clock_stamp(), task->head.id | (by & ~WEFT_ID_MASK),
			(by & WEFT_ID_MASK) | (uint64_t)reason << 48 | error << 56, 0, 0);
}

void weft_trace_worker(unsigned kind, const struct weft_runtime *rt, uint32_t worker, uint64_t arg,
		       uint64_t stamp)
{
	uint64_t who = rt->id | (uint64_t)worker << 32;

	if (kind == WEFT_K_WORKER_START) {
		WEFT_EMIT_AT(stamp, WORKER_START, who, arg, 0);
		WEFT_USDT(worker_thread_start, worker, rt->id);
	} else if (kind == WEFT_K_WORKER_STOP) {
		WEFT_EMIT_AT(stamp, WORKER_STOP, who, arg, 0);
		WEFT_USDT(worker_thread_stop, worker, rt->id);
	} else if (kind == WEFT_K_WORKER_PARK) {
		WEFT_EMIT_AT(stamp, WORKER_PARK, who | arg << 48, 0, 0);
		WEFT_USDT(worker_thread_park, worker, rt->id);
	} else {
		WEFT_EMIT_AT(stamp, WORKER_UNPARK, who | (arg >> 48) << 48, arg & WEFT_ID_MASK, 0);
		WEFT_USDT(worker_thread_unpark, worker, rt->id);
	}
}

#else
typedef int weft_trace_empty;
#endif
