/* SPDX-License-Identifier: MIT */
#include "runtime/io/driver.h"

#include <errno.h>

#include "runtime/api/runtime.h"
#include "runtime/executor/executor.h"
#include "runtime/trace.h"

/* Asks for the ring. What stands in the way is a word to the user, not an error. */
static int open_ring(struct weft_driver *driver, bool one_thread)
{
#ifdef WEFT_URING
	driver->ops = &weft_uring_ops;
	return driver->ops->open(driver, one_thread);
#else
	(void)one_thread;
	driver->why = "this build of the library has no io_uring driver (liburing 2.3)";
	return -ENOTSUP;
#endif
}

int weft_driver_init(struct weft_driver *driver, uint32_t kind, bool one_thread)
{
	driver->owner = -1;
	if (kind > WEFT_DRIVER_AUTO)
		return -ENOTSUP;
	if (kind == WEFT_DRIVER_AUTO && !one_thread)
		driver->why = "several threads take turns at the driver, where epoll is better";
	else if (kind && open_ring(driver, one_thread) == 0)
		return 0;
	driver->ops = &weft_epoll_ops;
	return driver->ops->open(driver, one_thread);
}

void weft_driver_done(struct weft_driver *driver)
{
	driver->ops->close(driver);
}

void weft_driver_wake(struct weft_driver *driver)
{
	driver->ops->wake(driver);
}

void weft_driver_leave(struct weft_runtime *rt)
{
	if (rt->driver.ops->leave && !weft_runtime_running(rt))
		rt->driver.ops->leave(&rt->driver);
}

void weft_driver_flush(struct weft_driver *driver)
{
	if (driver->ops->flush)
		driver->ops->flush(driver);
}

bool weft_driver_take(struct weft_driver *driver, int32_t worker)
{
	int32_t nobody = -1;

	return __atomic_load_n(&driver->owner, __ATOMIC_RELAXED) == -1 &&
	       __atomic_compare_exchange_n(&driver->owner, &nobody, worker, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

void weft_driver_give(struct weft_driver *driver)
{
	__atomic_store_n(&driver->owner, -1, __ATOMIC_RELEASE);
}

/* Wakes early by the learnt lead, then looks without waiting; any event ends the spin. */
static int wait_precise(struct weft_runtime *rt, uint64_t deadline_ns)
{
	struct weft_driver *driver = &rt->driver;
	uint64_t now = weft_clock_ns(), sleep = weft_precise_sleep(&rt->precise, deadline_ns, now);
	int n = 0;

	if (sleep) {
		n = driver->ops->wait(driver, sleep);
		if (n == 0)
			weft_precise_learn(&rt->precise, sleep, weft_clock_ns() - now);
	}
	while (n == 0 && weft_clock_ns() < deadline_ns)
		n = driver->ops->wait(driver, 0);
	return n;
}

static int wait_next(struct weft_runtime *rt)
{
	struct weft_driver *driver = &rt->driver;
	uint64_t next = rt->time ? weft_timer_wheel_next(&rt->wheel, true) : UINT64_MAX, now;

	if (next == UINT64_MAX)
		return driver->ops->wait(driver, next);
	if (rt->precise.max_ns)
		return wait_precise(rt, next);
	now = weft_clock_ns();
	if (__builtin_expect(__atomic_load_n(&weft_clock_fake, __ATOMIC_RELAXED) && next > now,
			     0)) {
		__atomic_store_n(&weft_clock_fake, next, __ATOMIC_RELAXED);
		now = next;
	}
	return driver->ops->wait(driver, next > now ? next - now : 0);
}

static unsigned fire_timers(struct weft_runtime *rt, bool parked)
{
	struct weft_task *first;
	unsigned tasks, fired;

	if (!rt->time)
		return 0;
	if (parked)
		weft_timer_wheel_unpark(&rt->wheel);
	if (!__atomic_load_n(&rt->wheel.armed, __ATOMIC_RELAXED))
		return 0;
	fired = weft_timer_wheel_advance(&rt->wheel, weft_clock_ns(), &first, &tasks);
	while (first) {
		struct weft_task *next = first->next;

		weft_task_schedule(first, WEFT_W_TIMER);
		first = next;
	}
	return fired;
}

void weft_driver_turn(struct weft_runtime *rt, bool block)
{
	struct weft_driver *driver = &rt->driver;
	uint64_t from = weft_trace_full() ? weft_clock_stamp() : 0;
	int n = block ? wait_next(rt) : driver->ops->wait(driver, 0);
	uint64_t back = weft_trace_stamp();
	unsigned io = n > 0 ? driver->ops->dispatch(driver, n) : 0, fired;

	fired = fire_timers(rt, block);
	__atomic_store_n(&driver->turns, driver->turns + 1, __ATOMIC_RELAXED);
	WEFT_SET(rt->entry->timers, __atomic_load_n(&rt->wheel.armed, __ATOMIC_RELAXED));
	if (back)
		WEFT_SET(rt->entry->driver_stamp, back);
	/* A level that has become full since has no stamp to say how long this one waited. */
	if (from ? back != 0 : !weft_trace_full())
		WEFT_EMIT(DRIVER_TURN, io | (uint64_t)fired << 32, back - from, 0);
}
