/* SPDX-License-Identifier: MIT */
/* TCP, and descriptors of foreign libraries. Part of weft.h. */
#ifndef WEFT_API_NET_H
#define WEFT_API_NET_H

#include "runtime/api/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weft_tcp;      /* a stream, see weft_tcp_stream() */
struct weft_listener; /* a handle too */

/*
 * address: numeric IPv4 or IPv6. port 0 = any. backlog 1,024, SO_REUSEADDR. Freed by
 * weft_listener_close.
 */
WEFT_API int weft_tcp_listen(struct weft_runtime *rt, const char *address, uint16_t port,
			     struct weft_listener **ret);

/* All zero = what weft_tcp_listen() does. */
struct weft_listen {
	const char *address; /* numeric; NULL = "0.0.0.0" */
	uint16_t port;
	bool reuse_port; /* SO_REUSEPORT: several listeners share a port */
	bool v6_only;    /* "::" takes no IPv4 connections */
	int backlog;     /* 0 = 1,024; the kernel caps it at net.core.somaxconn */
};
WEFT_API int weft_tcp_listen_with(struct weft_runtime *rt, const struct weft_listen *options,
				  struct weft_listener **ret);

WEFT_API uint16_t weft_listener_port(const struct weft_listener *listener);
WEFT_API int weft_listener_fd(const struct weft_listener *listener);
WEFT_API struct weft_listener *weft_listener_close(
	struct weft_listener *listener); /* returns NULL; waiters get -EBADF */

/*
 * TCP_NODELAY is set on what accept and connect give.
 *
 * -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM: out of descriptors or memory; the connection stays in the
 * backlog. This is said once; the call after it doesn't fail the same way again but waits until a
 * socket of this process is closed or another connection comes. So a loop that just goes on
 * doesn't spin. One that counts on descriptors of other kinds puts weft_timeout() around it.
 */
WEFT_API weft_poll_t weft_tcp_accept(struct weft_cx *cx, struct weft_listener *listener,
				     struct weft_tcp **ret);

/* Zero before first use, reusable once ready. For a limit: weft_timeout() around the call. */
struct weft_connect {
	struct weft_tcp *conn;
};
WEFT_API weft_poll_t weft_tcp_connect(struct weft_cx *cx, struct weft_connect *f,
				      const char *address, uint16_t port, struct weft_tcp **ret);
WEFT_API weft_poll_t weft_tcp_connect_address(struct weft_cx *cx, struct weft_connect *f,
					      const struct weft_address *address,
					      struct weft_tcp **ret);

/* The same handle as a stream: closing either closes it. */
static inline struct weft_stream *weft_tcp_stream(const struct weft_tcp *conn)
{
	return (struct weft_stream *)(uintptr_t)conn;
}

/* weft_stream_* under the names for TCP. */
static inline weft_poll_t weft_tcp_read(struct weft_cx *cx, struct weft_tcp *conn, void *buf,
					size_t cap, size_t *ret)
{
	return weft_stream_read(cx, weft_tcp_stream(conn), buf, cap, ret);
}

static inline weft_poll_t weft_tcp_write(struct weft_cx *cx, struct weft_tcp *conn, const void *buf,
					 size_t n, size_t *ret)
{
	return weft_stream_write(cx, weft_tcp_stream(conn), buf, n, ret);
}

static inline weft_poll_t weft_write_all(struct weft_cx *cx, struct weft_write_all *f,
					 struct weft_tcp *conn, const void *buf, size_t n)
{
	return weft_stream_write_all(cx, f, weft_tcp_stream(conn), buf, n);
}

static inline int weft_tcp_shutdown(struct weft_tcp *conn, int how)
{
	return weft_stream_shutdown(weft_tcp_stream(conn), how);
}

static inline struct weft_tcp *weft_tcp_close(struct weft_tcp *conn)
{
	weft_stream_close(weft_tcp_stream(conn));
	return NULL;
}

static inline int weft_tcp_fd(const struct weft_tcp *conn)
{
	return weft_stream_fd(weft_tcp_stream(conn));
}

/*
 * Waits until fd (of a foreign library, not one of ours) shows one of `events` (POLLIN, POLLOUT);
 * ready with the events seen. The fd must not be registered twice at a time (-EEXIST), nor be
 * closed while a task waits for it.
 */
struct weft_fd_wait {
	uintptr_t source;
};
WEFT_API weft_poll_t weft_fd_wait(struct weft_cx *cx, struct weft_fd_wait *f, int fd, int events);
/*
 * Gives up on a wait that is pending, before its fd may be closed: for a task that waits for
 * several descriptors and got another one. Nothing when none is pending.
 */
WEFT_API void weft_fd_wait_cancel(struct weft_fd_wait *f);

#ifdef __cplusplus
}
#endif

#endif
