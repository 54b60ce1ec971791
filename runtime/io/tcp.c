/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/executor/executor.h"
#include "runtime/trace.h"

/* struct weft_tcp and struct weft_listener are sources under other names. */
static struct weft_source *source_of(const void *socket)
{
	return (struct weft_source *)(uintptr_t)socket;
}

/*
 * Called after success: a registration from an earlier poll would block other tasks of the
 * socket.
 */
static inline void settle(struct weft_cx *cx, struct weft_source *source, enum weft_direction dir)
{
	if (__builtin_expect(__atomic_load_n(&source->slot[dir], __ATOMIC_RELAXED) >
				     WEFT_SOURCE_CLOSED,
			     0))
		weft_source_leave(cx, source, dir);
}

/* The call's errno as a result; a closed source is let go of. */
static weft_poll_t failed(struct weft_source *source, enum weft_direction dir)
{
	int rc = -errno;

	if (rc == -EBADF)
		weft_source_reap(source, dir);
	return rc;
}

static weft_poll_t cancelled(struct weft_cx *cx, struct weft_source *source,
			     enum weft_direction dir)
{
	weft_source_leave(cx, source, dir);
	return weft_cancelled(cx);
}

/* Budget spent: to the back of the queue, the operation is tried again at the next poll. */
static weft_poll_t spent(struct weft_cx *cx, enum weft_wait on)
{
	weft_task_notify(cx->task, WEFT_W_TASK);
	return weft_pending(cx, on);
}

static int parse(const char *address, uint16_t port, struct sockaddr_storage *to,
		 socklen_t *ret_len)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		*ret_len = sizeof(*v4);
		return 0;
	}
	if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		*ret_len = sizeof(*v6);
		return 0;
	}
	return -EINVAL;
}

int weft_tcp_listen(struct weft_runtime *rt, const char *address, uint16_t port,
		    struct weft_listener **ret)
{
	struct sockaddr_storage to;
	struct weft_source *source = NULL;
	socklen_t len = 0;
	int fd, one = 1, rc = parse(address, port, &to, &len);

	if (rc)
		return rc;
	if (!weft_runtime_running(rt))
		return -ESHUTDOWN;
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&to, len) || listen(fd, 1024))
		rc = -errno;
	else
		rc = weft_source_open(rt, fd, 0, &source);
	if (rc)
		close(fd);
	else
		*ret = (struct weft_listener *)source;
	return rc;
}

uint16_t weft_listener_port(const struct weft_listener *listener)
{
	union {
		struct sockaddr any;
		struct sockaddr_in6 v6; /* the port is at the same place as in IPv4's */
	} at = { .v6 = { .sin6_port = 0 } };
	socklen_t len = sizeof(at);

	if (getsockname(source_of(listener)->fd, &at.any, &len))
		return 0;
	return ntohs(at.v6.sin6_port);
}

struct weft_listener *weft_listener_close(struct weft_listener *listener)
{
	if (listener)
		weft_source_close(source_of(listener), false);
	return NULL;
}

static int adopt(struct weft_runtime *rt, int fd, struct weft_tcp **ret)
{
	struct weft_source *source = NULL;
	int one = 1, rc;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	rc = weft_source_open(rt, fd, 0, &source);
	if (rc)
		close(fd);
	else
		*ret = (struct weft_tcp *)source;
	return rc;
}

weft_poll_t weft_tcp_accept(struct weft_cx *cx, struct weft_listener *listener,
			    struct weft_tcp **ret)
{
	struct weft_source *source = source_of(listener);
	int fd, rc;

	if (cx->cancelled)
		return cancelled(cx, source, WEFT_DIR_READ);
	if (!weft_budget_take(cx))
		return spent(cx, WEFT_WAIT_ACCEPT);
	do {
		fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			settle(cx, source, WEFT_DIR_READ);
			return adopt(cx->runtime, fd, ret);
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN)
			return failed(source, WEFT_DIR_READ);
		if (weft_source_wait(cx, source, WEFT_DIR_READ, &rc))
			return weft_pending(cx, WEFT_WAIT_ACCEPT);
		if (rc)
			return rc;
	} while (1);
}

static weft_poll_t connect_start(struct weft_cx *cx, struct weft_connect *f, const char *address,
				 uint16_t port)
{
	struct sockaddr_storage to;
	socklen_t len = 0;
	int fd, rc = parse(address, port, &to, &len);

	if (rc)
		return rc;
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&to, len) && errno != EINPROGRESS) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return adopt(cx->runtime, fd, &f->conn);
}

static weft_poll_t connect_end(struct weft_connect *f, int rc)
{
	if (rc)
		weft_tcp_close(f->conn);
	f->conn = NULL;
	return rc;
}

/* A socket that is still connecting isn't writable; once it is, SO_ERROR has the outcome. */
static int connect_state(struct weft_source *source, bool *ret_done)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	int error = 0;
	socklen_t error_len = sizeof(error);

	*ret_done = true;
	if (getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &error_len))
		return -errno;
	if (error)
		return -error;
	if (getpeername(source->fd, (struct sockaddr *)&peer, &len) == 0)
		return 0;
	*ret_done = errno != ENOTCONN;
	return -errno;
}

weft_poll_t weft_tcp_connect(struct weft_cx *cx, struct weft_connect *f, const char *address,
			     uint16_t port, struct weft_tcp **ret)
{
	struct weft_source *source;
	bool done;
	int rc;

	if (cx->cancelled) {
		if (!f->conn)
			return weft_cancelled(cx);
		cancelled(cx, source_of(f->conn), WEFT_DIR_WRITE);
		return connect_end(f, -ECANCELED);
	}
	if (!f->conn) {
		rc = connect_start(cx, f, address, port);
		if (rc)
			return rc;
	}
	source = source_of(f->conn);
	for (;;) {
		rc = connect_state(source, &done);
		if (done)
			break;
		if (weft_source_wait(cx, source, WEFT_DIR_WRITE, &rc))
			return weft_pending(cx, WEFT_WAIT_CONNECT);
		if (rc)
			break;
	}
	settle(cx, source, WEFT_DIR_WRITE);
	if (rc == 0)
		*ret = f->conn;
	return connect_end(f, rc);
}

/*
 * A read that gave less than it could take has emptied the socket: any later byte makes a new
 * edge, so the next read waits at once and saves the call that would say EAGAIN. Not so once the
 * peer's end was seen, whose edge may lie before that read (as in Tokio,
 * runtime/io/registration.rs).
 */
static bool wait_first(struct weft_cx *cx, struct weft_source *source)
{
	int rc;

	source->drained = 0;
	return !__atomic_load_n(&source->closed, __ATOMIC_ACQUIRE) &&
	       weft_source_wait(cx, source, WEFT_DIR_READ, &rc);
}

weft_poll_t weft_tcp_read(struct weft_cx *cx, struct weft_tcp *conn, void *buf, size_t cap,
			  size_t *ret)
{
	struct weft_source *source = source_of(conn);
	ssize_t n;
	int rc;

	if (__builtin_expect(cx->cancelled != 0, 0))
		return cancelled(cx, source, WEFT_DIR_READ);
	if (source->drained && wait_first(cx, source))
		return weft_pending(cx, WEFT_WAIT_READ);
	if (!weft_budget_take(cx))
		return spent(cx, WEFT_WAIT_READ);
	for (;;) {
		n = recv(source->fd, buf, cap, 0);
		if (n >= 0)
			break;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return failed(source, WEFT_DIR_READ);
		if (weft_source_wait(cx, source, WEFT_DIR_READ, &rc))
			return weft_pending(cx, WEFT_WAIT_READ);
		if (rc)
			return rc;
	}
	settle(cx, source, WEFT_DIR_READ);
	source->drained = n > 0 && (size_t)n < cap;
	*ret = (size_t)n;
	return WEFT_READY;
}

weft_poll_t weft_tcp_write(struct weft_cx *cx, struct weft_tcp *conn, const void *buf, size_t len,
			   size_t *ret)
{
	struct weft_source *source = source_of(conn);
	ssize_t n;
	int rc;

	if (__builtin_expect(cx->cancelled != 0, 0))
		return cancelled(cx, source, WEFT_DIR_WRITE);
	if (!weft_budget_take(cx))
		return spent(cx, WEFT_WAIT_WRITE);
	for (;;) {
		n = send(source->fd, buf, len, MSG_NOSIGNAL);
		if (n >= 0)
			break;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return failed(source, WEFT_DIR_WRITE);
		if (weft_source_wait(cx, source, WEFT_DIR_WRITE, &rc))
			return weft_pending(cx, WEFT_WAIT_WRITE);
		if (rc)
			return rc;
	}
	settle(cx, source, WEFT_DIR_WRITE);
	*ret = (size_t)n;
	return WEFT_READY;
}

weft_poll_t weft_write_all(struct weft_cx *cx, struct weft_write_all *f, struct weft_tcp *conn,
			   const void *buf, size_t n)
{
	while (f->done < n) {
		size_t wrote = 0;
		weft_poll_t rc =
			weft_tcp_write(cx, conn, (const char *)buf + f->done, n - f->done, &wrote);

		if (rc == WEFT_PENDING)
			return rc;
		if (rc < 0) {
			f->done = 0;
			return rc;
		}
		f->done += wrote;
	}
	f->done = 0;
	return WEFT_READY;
}

int weft_tcp_shutdown(struct weft_tcp *conn, int how)
{
	return shutdown(source_of(conn)->fd, how) ? -errno : 0;
}

struct weft_tcp *weft_tcp_close(struct weft_tcp *conn)
{
	if (conn)
		weft_source_close(source_of(conn), false);
	return NULL;
}

int weft_tcp_fd(const struct weft_tcp *conn)
{
	return source_of(conn)->fd;
}
