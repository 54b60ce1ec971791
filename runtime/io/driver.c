/* SPDX-License-Identifier: MIT */
#include "runtime/io/driver.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/executor/executor.h"
#include "runtime/io/source.h"
#include "runtime/trace.h"

#define EVENTS 256

int weft_driver_init(struct weft_driver *driver)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int rc;

	driver->owner = -1;
	driver->event_fd = -1;
	driver->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (driver->epoll_fd < 0)
		return -errno;
	driver->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (driver->event_fd >= 0 &&
	    epoll_ctl(driver->epoll_fd, EPOLL_CTL_ADD, driver->event_fd, &event) == 0)
		return 0;
	rc = -errno;
	weft_driver_done(driver);
	return rc;
}

void weft_driver_done(struct weft_driver *driver)
{
	if (driver->event_fd >= 0)
		close(driver->event_fd);
	if (driver->epoll_fd >= 0)
		close(driver->epoll_fd);
	driver->event_fd = driver->epoll_fd = -1;
}

/*
 * Edge-triggered: each write is an edge, so nobody reads the counter. It overflows after 2^64
 * wakes.
 */
void weft_driver_wake(struct weft_driver *driver)
{
	uint64_t one = 1;
	ssize_t n = write(driver->event_fd, &one, sizeof(one));

	(void)n;
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

/* ns UINT64_MAX = for ever, 0 = don't wait. */
static int wait_events(struct weft_driver *driver, struct epoll_event *events, uint64_t ns)
{
	if (ns == 0 || ns == UINT64_MAX)
		return epoll_wait(driver->epoll_fd, events, EVENTS, ns ? -1 : 0);
	if (!driver->use_ms) {
		struct timespec ts = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
		int n = epoll_pwait2(driver->epoll_fd, events, EVENTS, &ts, NULL);

		if (n >= 0 || errno != ENOSYS)
			return n;
		driver->use_ms = true;
	}
	ns = (ns + 999999u) / 1000000u;
	return epoll_wait(driver->epoll_fd, events, EVENTS, ns > INT_MAX ? INT_MAX : (int)ns);
}

static uint64_t time_left(struct weft_runtime *rt, bool block)
{
	uint64_t next, now;

	if (!block)
		return 0;
	next = rt->time ? weft_timer_wheel_next(&rt->wheel, true) : UINT64_MAX;
	if (next == UINT64_MAX)
		return next;
	now = weft_clock_ns();
	return next > now ? next - now : 0;
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
	struct epoll_event events[EVENTS];
	uint64_t left = time_left(rt, block), from = weft_trace_full() ? weft_clock_stamp() : 0;
	int n = wait_events(driver, events, left), io = 0;
	uint64_t back = weft_trace_stamp();
	unsigned fired;

	for (int i = 0; i < n; i++)
		io += weft_source_event(&events[i]);
	fired = fire_timers(rt, block);
	__atomic_store_n(&driver->turns, driver->turns + 1, __ATOMIC_RELAXED);
	WEFT_SET(rt->entry->timers, __atomic_load_n(&rt->wheel.armed, __ATOMIC_RELAXED));
	if (back)
		WEFT_SET(rt->entry->driver_stamp, back);
	/* A level that has become full since has no stamp to say how long this one waited. */
	if (from ? back != 0 : !weft_trace_full())
		WEFT_EMIT(DRIVER_TURN, (uint32_t)io | (uint64_t)fired << 32, back - from, 0);
}
