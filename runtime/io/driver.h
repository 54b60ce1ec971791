/* SPDX-License-Identifier: MIT */
/*
 * The epoll driver: one per runtime, turned by whoever owns it at the moment.
 *
 * A source is registered once, edge-triggered for both directions; operations try the system call
 * first and wait only after EAGAIN. Sources come from a pool that is never unmapped: an event for
 * a source closed meanwhile finds another generation and is dropped.
 */
#ifndef WEFT_RUNTIME_IO_DRIVER_H
#define WEFT_RUNTIME_IO_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

struct weft_cx;
struct weft_runtime;
struct weft_task;

/*
 * Readiness of one direction is one word: 0 = nothing known; SOURCE_READY = an edge came since it
 * was cleared; else the waiting task (a reference). Only compare-and-swap changes it:
 *
 *	operation, after EAGAIN:	READY -> 0 and try again;  0 -> task and wait
 *	edge:				0 -> READY;  task -> 0 and wake
 *
 * An edge between the system call and the registration thus makes the registration fail. Acquire
 * on taking a task, release on leaving one.
 */
#define WEFT_SOURCE_READY 1u
/* The waiter was woken by a close and has not looked yet; it reaps the source (weft_source_reap). */
#define WEFT_SOURCE_CLOSED 2u

struct weft_source {
	union {
		struct weft_source *next_free;
		struct weft_runtime *rt;
	};
	uintptr_t slot[2]; /* enum weft_direction */
	int32_t fd;        /* -1 = closed */
	uint16_t generation;
	uint8_t closed;  /* peer's end seen (RDHUP, HUP, ERR): try before waiting */
	uint8_t drained; /* the last read took all there was; reading task only */
	uint8_t closers; /* who still has to let go of a closed source; the last one frees it. Atomic */
	uint8_t merged; /* all events go to the read word: weft_fd_wait() */
};

enum weft_direction { WEFT_DIR_READ, WEFT_DIR_WRITE };

struct weft_driver {
	int epoll_fd, event_fd;
	int32_t owner;  /* worker that turns the driver, -1 = nobody; atomic */
	uint64_t turns; /* atomic, written by the owner */
	bool use_ms;    /* no epoll_pwait2 (before Linux 5.11) */
};

#pragma GCC visibility push(hidden)
int weft_driver_init(struct weft_driver *driver);
void weft_driver_done(struct weft_driver *driver);

/* Ends the owner's wait. Any thread. */
void weft_driver_wake(struct weft_driver *driver);

/* Ownership. Acquire and release order one owner's turns before the next one's. */
bool weft_driver_take(struct weft_driver *driver, int32_t worker);
void weft_driver_give(struct weft_driver *driver);

/*
 * One turn: waits for events until the next timer at most (block) or not at all, wakes tasks
 * through the runtime's schedule op. The caller owns the driver.
 */
void weft_driver_turn(struct weft_runtime *rt, bool block);

/*
 * Takes over fd. events: 0 = both directions, non-blocking socket; else these epoll events,
 * merged.
 */
int weft_source_open(struct weft_runtime *rt, int fd, uint32_t events, struct weft_source **ret);
/*
 * Wakes waiters, frees the source, and closes fd unless `keep_fd` (then it leaves the epoll set).
 */
void weft_source_close(struct weft_source *source, bool keep_fd);

/*
 * After EAGAIN: true = waiting, return WEFT_PENDING; false = try again. -EBUSY and misuse when
 * another task waits there: *ret_rc. */
bool weft_source_wait(struct weft_cx *cx, struct weft_source *source, enum weft_direction dir,
		      int *ret_rc);
/* Takes the task's registration back, for cancellation. */
void weft_source_leave(struct weft_cx *cx, struct weft_source *source, enum weft_direction dir);
/* By a task that finds the source closed: lets go of it if it was waiting there. */
void weft_source_reap(struct weft_source *source, enum weft_direction dir);
#pragma GCC visibility pop

#endif
