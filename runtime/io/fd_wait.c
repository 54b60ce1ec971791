/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#include "runtime/executor/executor.h"
#include "runtime/trace.h"

/* What the fd shows now, without waiting. */
static int look(int fd, int events)
{
	struct pollfd p = { .fd = fd, .events = (short)events };

	if (poll(&p, 1, 0) < 0)
		return -errno;
	return p.revents & POLLNVAL ? -EBADF : p.revents;
}

static weft_poll_t finish(struct weft_fd_wait *f, int rc)
{
	if (f->source)
		weft_source_close(f->source, true);
	f->source = NULL;
	return rc;
}

/*
 * The fd is in the epoll set only while somebody waits: it belongs to a library that may close
 * it any time. All its events are merged into the read word.
 */
weft_poll_t weft_fd_wait(struct weft_cx *cx, struct weft_fd_wait *f, int fd, int events)
{
	uint32_t set = EPOLLET | EPOLLRDHUP | (events & POLLIN ? EPOLLIN : 0) |
		       (events & POLLOUT ? EPOLLOUT : 0);
	struct weft_source *source = f->source;
	int rc;

	if (cx->cancelled) {
		if (source)
			weft_source_leave(cx, source, WEFT_DIR_READ);
		finish(f, 0);
		return weft_cancelled(cx);
	}
	rc = look(fd, events);
	if (rc)
		return finish(f, rc);
	if (!source) {
		rc = weft_source_open(cx->runtime, fd, set, &source);
		if (rc)
			return rc;
		f->source = source;
	}
	while (!weft_source_wait(cx, source, WEFT_DIR_READ, &rc)) {
		if (rc || (rc = look(fd, events)))
			return finish(f, rc);
	}
	return weft_pending(cx, WEFT_WAIT_FD);
}
