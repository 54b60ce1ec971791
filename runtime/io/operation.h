/* SPDX-License-Identifier: MIT */
/*
 * What all operations on a source have in common: try the call, wait after EAGAIN, never touch a
 * closed source, leave no registration behind.
 */
#ifndef WEFT_RUNTIME_IO_OPERATION_H
#define WEFT_RUNTIME_IO_OPERATION_H

#include <errno.h>
#include <sys/types.h>

#include "runtime/io/driver.h"
#include "runtime/io/source.h"
#include "runtime/task.h"

struct weft_operation {
	uintptr_t handle;
	enum weft_direction dir;
	enum weft_wait on;
	/* The system call on source->fd: what it returned, -1 with errno; WEFT_DRIVER_LATER. */
	ssize_t (*call)(const struct weft_source *source, const void *arg);
	const void *arg;
};

#pragma GCC visibility push(hidden)
/*
 * The task was aborted: takes its registration back. WEFT_READY with *ret > 0: it had written that
 * much by then.
 */
weft_poll_t weft_operation_cancel(struct weft_cx *cx, const struct weft_operation *op,
				  ssize_t *ret);
/* Budget spent: to the back of the queue, the operation is tried again at the next poll. */
weft_poll_t weft_operation_spent(struct weft_cx *cx, const struct weft_operation *op);
#pragma GCC visibility pop

/* Inside the source. */
static inline __attribute__((always_inline)) weft_poll_t weft_operation_try(
	struct weft_cx *cx, const struct weft_operation *op, struct weft_source *source,
	ssize_t *ret)
{
	int rc;

	for (;;) {
		ssize_t n = op->call(source, op->arg);

		if (n >= 0) {
			*ret = n;
			return WEFT_READY;
		}
		if (n == WEFT_DRIVER_LATER) {
			if (weft_source_expect(cx, op->handle, op->dir, &rc))
				return weft_pending(cx, op->on);
		} else if (errno == EINTR) {
			continue;
		} else if (errno != EAGAIN) {
			return -errno;
		} else if (weft_source_wait(cx, op->handle, op->dir, &rc)) {
			return weft_pending(cx, op->on);
		}
		if (rc)
			return rc;
	}
}

/*
 * A result, not a wait: a registration from an earlier poll would block other tasks of the
 * source.
 */
static inline void weft_operation_settle(struct weft_cx *cx, struct weft_source *source,
					 enum weft_direction dir)
{
	/* Relaxed: only a registration of this very task matters, which it made itself. */
	if (__builtin_expect(__atomic_load_n(&source->slot[dir], __ATOMIC_RELAXED) >
				     WEFT_SOURCE_READY,
			     0))
		weft_source_leave(cx, source, dir);
}

/* All of it. Inlined, so that op->call is a direct call. */
static inline __attribute__((always_inline)) weft_poll_t weft_operation_run(
	struct weft_cx *cx, const struct weft_operation *op, ssize_t *ret)
{
	struct weft_source *source;
	weft_poll_t rc;

	if (__builtin_expect(cx->cancelled != 0, 0))
		return weft_operation_cancel(cx, op, ret);
	if (!weft_budget_take(cx))
		return weft_operation_spent(cx, op);
	source = weft_source_enter(op->handle);
	if (__builtin_expect(!source, 0))
		return -EBADF;
	rc = weft_operation_try(cx, op, source, ret);
	if (rc != WEFT_PENDING)
		weft_operation_settle(cx, source, op->dir);
	weft_source_exit(source);
	return rc;
}

/* A call that doesn't wait. */
static inline int weft_operation_now(uintptr_t handle,
				     int (*call)(const struct weft_source *source, void *arg),
				     void *arg)
{
	struct weft_source *source = weft_source_enter(handle);
	int rc;

	if (!source)
		return -EBADF;
	rc = call(source, arg);
	weft_source_exit(source);
	return rc;
}

#endif
