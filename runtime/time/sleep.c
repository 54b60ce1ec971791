/* SPDX-License-Identifier: MIT */
#include "runtime/time/sleep.h"

#include "runtime/executor/executor.h"
#include "runtime/trace.h"

/* Unique per arming, in one process. */
static uint64_t timer_id(const struct weft_sleep *f)
{
	return (uint64_t)f->task->rt->id << 32 | f->seq;
}

void weft_sleep_trace_fire(const struct weft_sleep *entry, uint64_t now_ns)
{
	WEFT_EMIT(TIMER_FIRE, timer_id(entry), entry->task->head.id, entry->deadline);
	WEFT_USDT(timer_fire, entry->task->head.id, timer_id(entry),
		  now_ns > entry->deadline ? now_ns - entry->deadline : 0);
	(void)now_ns;
}

uint64_t weft_now(void)
{
	return weft_clock_ns();
}

static weft_poll_t arm(struct weft_cx *cx, struct weft_sleep *f, uint64_t deadline_ns)
{
	struct weft_runtime *rt = cx->runtime;

	if (!rt->time) {
		weft_misuse(WEFT_M_TIME_OFF, cx->task);
		return -ENOTSUP;
	}
	f->deadline = deadline_ns;
	f->task = cx->task;
	cx->task->links++;
	if (weft_timer_wheel_insert(&rt->wheel, f))
		weft_driver_wake(&rt->driver);
	WEFT_EMIT(TIMER_ARM, timer_id(f), cx->task->head.id, deadline_ns);
	WEFT_USDT(timer_arm, cx->task->head.id, timer_id(f), deadline_ns);
	return weft_pending(cx, WEFT_WAIT_SLEEP);
}

/* Makes the entry the task's again. */
static void disarm(struct weft_sleep *f)
{
	struct weft_task *task = f->task;

	if (weft_timer_wheel_remove(&task->rt->wheel, f))
		WEFT_EMIT(TIMER_CANCEL, timer_id(f), task->head.id, f->deadline);
	f->state = WEFT_SLEEP_IDLE;
	task->links--;
}

weft_poll_t weft_sleep_until(struct weft_cx *cx, struct weft_sleep *f, uint64_t deadline_ns)
{
	uint32_t state = __atomic_load_n(&f->state, __ATOMIC_ACQUIRE);

	if (state == WEFT_SLEEP_IDLE) {
		if (cx->cancelled)
			return weft_cancelled(cx);
		if (deadline_ns <= weft_clock_ns() && weft_budget_take(cx))
			return WEFT_READY;
		return arm(cx, f, deadline_ns);
	}
	if (state == WEFT_SLEEP_ARMED && !cx->cancelled &&
	    weft_timer_wheel_armed(&cx->runtime->wheel, f))
		return weft_pending(cx, WEFT_WAIT_SLEEP);
	if (cx->cancelled) {
		disarm(f);
		return weft_cancelled(cx);
	}
	f->state = WEFT_SLEEP_IDLE;
	f->task->links--;
	return WEFT_READY;
}

weft_poll_t weft_sleep(struct weft_cx *cx, struct weft_sleep *f, uint64_t ns)
{
	uint64_t now;

	if (__atomic_load_n(&f->state, __ATOMIC_RELAXED) != WEFT_SLEEP_IDLE)
		return weft_sleep_until(cx, f, f->deadline);
	now = weft_clock_ns();
	return weft_sleep_until(cx, f, ns < UINT64_MAX - now ? now + ns : UINT64_MAX - 1);
}

void weft_sleep_cancel(struct weft_cx *cx, struct weft_sleep *f)
{
	(void)cx;
	if (__atomic_load_n(&f->state, __ATOMIC_RELAXED) != WEFT_SLEEP_IDLE)
		disarm(f);
}
