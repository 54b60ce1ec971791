/* SPDX-License-Identifier: MIT */
/* The driver on epoll. */
#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/io/driver.h"
#include "runtime/io/source.h"

#define EVENTS        256
#define EXACT_FROM_NS 5000000u   /* from here on the leave is more than a second wait costs */
#define LEAVE_MAX_NS  100000000u /* MAX_SLACK there */

struct epoll {
	int epoll_fd, event_fd;
	bool use_ms; /* no epoll_pwait2 (before Linux 5.11, or a filter that doesn't know it) */
	struct epoll_event events[EVENTS]; /* of the owner's turn */
};

static void epoll_close(struct weft_driver *driver)
{
	struct epoll *epoll = driver->state;

	if (epoll->event_fd >= 0)
		close(epoll->event_fd);
	if (epoll->epoll_fd >= 0)
		close(epoll->epoll_fd);
	weft_memory_free(epoll);
	driver->state = NULL;
}

static int epoll_open(struct weft_driver *driver, bool one_thread)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	struct epoll *epoll = weft_memory_alloc(sizeof(*epoll));
	int rc;

	(void)one_thread;
	if (!epoll)
		return -ENOMEM;
	driver->state = epoll;
	epoll->event_fd = -1;
	epoll->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll->epoll_fd >= 0)
		epoll->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (epoll->event_fd >= 0 &&
	    epoll_ctl(epoll->epoll_fd, EPOLL_CTL_ADD, epoll->event_fd, &event) == 0)
		return 0;
	rc = -errno;
	epoll_close(driver);
	return rc;
}

/*
 * Edge-triggered: each write is an edge, so nobody reads the counter. It overflows after 2^64
 * wakes.
 */
static void epoll_wake(struct weft_driver *driver)
{
	const struct epoll *epoll = driver->state;
	uint64_t one = 1;
	ssize_t n = write(epoll->event_fd, &one, sizeof(one));

	(void)n;
}

static int epoll_add(struct weft_driver *driver, int fd, uint32_t events, uintptr_t handle)
{
	const struct epoll *epoll = driver->state;
	struct epoll_event event = { .events = events | EPOLLET, .data.u64 = handle };

	return epoll_ctl(epoll->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static void epoll_remove(struct weft_driver *driver, int fd)
{
	const struct epoll *epoll = driver->state;

	epoll_ctl(epoll->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static int wait_for(struct epoll *epoll, uint64_t ns)
{
	if (!epoll->use_ms) {
		struct timespec ts = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
		int n = epoll_pwait2(epoll->epoll_fd, epoll->events, EVENTS, &ts, NULL);

		if (n >= 0 || (errno != ENOSYS && errno != EPERM))
			return n;
		epoll->use_ms = true;
	}
	ns = (ns + 999999u) / 1000000u;
	return epoll_wait(epoll->epoll_fd, epoll->events, EVENTS, ns > INT_MAX ? INT_MAX : (int)ns);
}

/* What the kernel takes as leave to be late, whatever the thread's timer slack (select_estimate_accuracy() in fs/select.c). */
static uint64_t leave_of(uint64_t ns)
{
	return ns / 1000 < LEAVE_MAX_NS ? ns / 1000 : LEAVE_MAX_NS;
}

/* A long wait is asked for shorter by that leave, and the rest, if it comes to that, by itself. */
static int epoll_turn(struct weft_driver *driver, uint64_t ns)
{
	struct epoll *epoll = driver->state;
	uint64_t until, now;
	int n;

	if (ns == 0 || ns == UINT64_MAX)
		return epoll_wait(epoll->epoll_fd, epoll->events, EVENTS, ns ? -1 : 0);
	if (ns < EXACT_FROM_NS || epoll->use_ms)
		return wait_for(epoll, ns);
	until = weft_clock_ns() + ns;
	n = wait_for(epoll, ns - leave_of(ns));
	now = weft_clock_ns();
	return n == 0 && now < until ? wait_for(epoll, until - now) : n;
}

static unsigned epoll_dispatch(struct weft_driver *driver, int n)
{
	const struct epoll *epoll = driver->state;
	unsigned io = 0;

	for (int i = 0; i < n; i++)
		io += weft_source_event(epoll->events[i].data.u64, epoll->events[i].events);
	return io;
}

const struct weft_driver_ops weft_epoll_ops = {
	.name = "epoll",
	.open = epoll_open,
	.close = epoll_close,
	.wake = epoll_wake,
	.add = epoll_add,
	.remove = epoll_remove,
	.wait = epoll_turn,
	.dispatch = epoll_dispatch,
};
