/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#include "runtime/executor/executor.h"
#include "runtime/io/source.h"
#include "runtime/trace.h"

/* What the fd shows now, without waiting. */
static int look(int fd, int events)
{
	struct pollfd p = { .fd = fd, .events = (short)events };

	if (fd < 0) /* which poll() passes over */
		return -EBADF;
	if (poll(&p, 1, 0) < 0)
		return -errno;
	return p.revents & POLLNVAL ? -EBADF : p.revents;
}

static weft_poll_t finish(struct weft_fd_wait *f, int rc)
{
	weft_source_close(f->source);
	f->source = 0;
	return rc;
}

/*
 * The fd is in the epoll set only while somebody waits: it belongs to a library that may close
 * it afterwards. All its events are merged into the read word. Nobody else has the handle, so the
 * source needs no entering.
 */
weft_poll_t weft_fd_wait(struct weft_cx *cx, struct weft_fd_wait *f, int fd, int events)
{
	uint32_t set = EPOLLET | EPOLLRDHUP | (events & POLLIN ? EPOLLIN : 0) |
		       (events & POLLOUT ? EPOLLOUT : 0);
	int rc;

	if (cx->cancelled) {
		finish(f, 0);
		return weft_cancelled(cx);
	}
	if (!weft_budget_take(cx)) {
		weft_task_notify(cx->task, WEFT_W_TASK);
		return weft_pending(cx, WEFT_WAIT_FD);
	}
	rc = look(fd, events);
	if (rc)
		return finish(f, rc);
	if (!f->source) {
		uintptr_t handle;

		rc = weft_source_open_foreign(cx->runtime, fd, set, &handle);
		if (rc)
			return rc;
		f->source = handle;
	}
	while (!weft_source_wait(cx, f->source, WEFT_DIR_READ, &rc)) {
		if (rc || (rc = look(fd, events)))
			return finish(f, rc);
	}
	return weft_pending(cx, WEFT_WAIT_FD);
}

void weft_fd_wait_cancel(struct weft_fd_wait *f)
{
	finish(f, 0);
}
