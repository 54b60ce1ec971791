/* SPDX-License-Identifier: MIT */
#include "runtime/executor/duty.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/trace.h"

void weft_duty_begin(struct weft_runtime *rt, uint32_t index, const char *name)
{
	struct weft_trace_role role = { WEFT_LANE_WORKER, rt->id, index };
	uint64_t stamp;

	weft_trace_thread_begin(&role, name);
	stamp = weft_trace_stamp();
	weft_trace_state(WEFT_WS_RUNNING, stamp);
	weft_trace_worker(WEFT_K_WORKER_START, rt, index, (uint64_t)syscall(SYS_gettid), stamp);
}

void weft_duty_end(struct weft_duty *duty, struct weft_runtime *rt, uint32_t index, bool foreign)
{
	struct weft_trace_role role = { WEFT_LANE_FOREIGN, rt->id, UINT32_MAX };
	uint64_t stamp = weft_trace_stamp();

	weft_driver_leave(rt);
	weft_trace_state(WEFT_WS_STOPPED, stamp);
	weft_trace_worker(WEFT_K_WORKER_STOP, rt, index, (uint64_t)syscall(SYS_gettid), stamp);
	if (!foreign)
		return;
	weft_trace_thread_begin(&role, NULL);
	if (duty->slack)
		prctl(PR_SET_TIMERSLACK, (unsigned long)duty->slack, 0UL, 0UL, 0UL);
	duty->slack = 0;
}

/* The default slack of 50 us would be added to every wait. */
static void slack_off(struct weft_duty *duty)
{
	if (duty->slack)
		return;
	duty->slack = prctl(PR_GET_TIMERSLACK, 0UL, 0UL, 0UL, 0UL);
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

void weft_duty_park(struct weft_duty *duty, const struct weft_runtime *rt, uint32_t index,
		    enum weft_park how)
{
	uint64_t stamp = weft_trace_stamp();

	if (duty->how)
		return;
	slack_off(duty);
	duty->from = stamp;
	duty->how = how;
	weft_trace_state(how == WEFT_PARK_DRIVER ? WEFT_WS_PARKED_DRIVER : WEFT_WS_PARKED_FUTEX,
			 stamp);
	weft_trace_worker(WEFT_K_WORKER_PARK, rt, index, how, stamp);
	weft_trace_park();
}

void weft_duty_unpark(struct weft_duty *duty, const struct weft_runtime *rt, uint32_t index)
{
	uint64_t stamp = weft_trace_stamp(), ticks = duty->from && stamp ? stamp - duty->from : 0;

#ifndef WEFT_NO_PROBES
	if (ticks) {
		WEFT_ADD(weft_trace_thread.lane->parks, 1);
		WEFT_ADD(weft_trace_thread.lane->park_ticks, ticks);
	}
#endif
	weft_trace_state(WEFT_WS_RUNNING, stamp);
	weft_thread.stamp_left = 0;
	if (duty->how)
		weft_trace_worker(WEFT_K_WORKER_UNPARK, rt, index,
				  (uint64_t)duty->how << 48 | (ticks & WEFT_ID_MASK), stamp);
	duty->how = 0;
}

void weft_duty_turn(struct weft_runtime *rt, uint32_t index, bool block)
{
	weft_trace_stale();
	WEFT_SET(rt->entry->driver_worker, index);
	weft_driver_turn(rt, block);
	WEFT_SET(rt->entry->driver_worker, UINT32_MAX);
}

void weft_duty_depth(struct weft_runtime *rt, uint32_t index, uint32_t local, uint64_t shared)
{
	weft_thread.stamp_left = 0;
	weft_trace_depth(local);
	WEFT_SET(rt->entry->inject_depth, shared);
	WEFT_EMIT(QUEUE_DEPTH, local | shared << 32, rt->id | (uint64_t)index << 32, 0);
	(void)index;
}
