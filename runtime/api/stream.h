/* SPDX-License-Identifier: MIT */
/* Byte streams: TCP connections, Unix stream sockets, pipe ends. Part of weft.h. */
#ifndef WEFT_API_STREAM_H
#define WEFT_API_STREAM_H

#include <sys/uio.h>

#include "runtime/api/address.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Handles, not addresses: they are never dereferenced by the caller. One that was closed gives
 * -EBADF in every call, also in those that were waiting or under way on other threads; closing it
 * again does nothing. All are closed before weft_runtime_free().
 *
 * One task may read while another writes. A second task that waits in the same direction gets
 * -EBUSY.
 */
struct weft_stream;

/* *ret = bytes; 0 from read = end of stream. Writing where nobody reads: -EPIPE, never a signal. */
WEFT_API weft_poll_t weft_stream_read(struct weft_cx *cx, struct weft_stream *stream, void *buf,
				      size_t cap, size_t *ret);
WEFT_API weft_poll_t weft_stream_write(struct weft_cx *cx, struct weft_stream *stream,
				       const void *buf, size_t n, size_t *ret);
/* Several buffers in one call; `parts` at most 1,024 (-EMSGSIZE or -EINVAL above). */
WEFT_API weft_poll_t weft_stream_readv(struct weft_cx *cx, struct weft_stream *stream,
				       const struct iovec *to, unsigned parts, size_t *ret);
WEFT_API weft_poll_t weft_stream_writev(struct weft_cx *cx, struct weft_stream *stream,
					const struct iovec *from, unsigned parts, size_t *ret);

struct weft_write_all {
	size_t done; /* zero before first use, reusable once ready */
};
WEFT_API weft_poll_t weft_stream_write_all(struct weft_cx *cx, struct weft_write_all *f,
					   struct weft_stream *stream, const void *buf, size_t n);

/* how: SHUT_RD, SHUT_WR, SHUT_RDWR. -ENOTSOCK on a pipe: close its end instead. */
WEFT_API int weft_stream_shutdown(struct weft_stream *stream, int how);
WEFT_API struct weft_stream *weft_stream_close(
	struct weft_stream *stream); /* returns NULL; waiters get -EBADF */

/* The two ends of the connection. -ENOTSOCK on a pipe. */
WEFT_API int weft_stream_local(const struct weft_stream *stream, struct weft_address *ret);
WEFT_API int weft_stream_peer(const struct weft_stream *stream, struct weft_address *ret);

/* For calls that are not here. Valid until the stream is closed; it stays non-blocking. */
WEFT_API int weft_stream_fd(const struct weft_stream *stream);

/*
 * Ends the stream but not its descriptor, which is the caller's then; it is still non-blocking.
 * For libraries that read and write themselves, with weft_fd_wait(). -EBUSY: the io_uring driver has
 * received bytes already; read them, or wait, and try again.
 */
WEFT_API int weft_stream_release(struct weft_stream *stream);

/* Two connected Unix sockets. */
WEFT_API int weft_stream_pair(struct weft_runtime *rt, struct weft_stream *ret[2]);
/* ret[0] reads what ret[1] wrote. */
WEFT_API int weft_stream_pipe(struct weft_runtime *rt, struct weft_stream *ret[2]);
/*
 * Takes over a connected socket, a pipe, a FIFO or a terminal and makes it non-blocking. On failure
 * fd stays the caller's. -EPERM: a regular file, which is always ready.
 */
WEFT_API int weft_stream_adopt(struct weft_runtime *rt, int fd, struct weft_stream **ret);

/*
 * Unix stream sockets. path: see weft_address_local(). Listening replaces no file that is there
 * (-EADDRINUSE) and leaves its own behind: unlink it. weft_listener_close() ends it.
 */
struct weft_listener;
WEFT_API int weft_unix_listen(struct weft_runtime *rt, const char *path,
			      struct weft_listener **ret);
WEFT_API weft_poll_t weft_unix_accept(struct weft_cx *cx, struct weft_listener *listener,
				      struct weft_stream **ret);
/* At once or not at all. -EAGAIN: the listener's backlog is full, sleep and try again. */
WEFT_API int weft_unix_connect(struct weft_runtime *rt, const char *path, struct weft_stream **ret);

/*
 * Options of sockets, streams and datagrams. The kernel's errors; -EINVAL for an option that the
 * list hasn't. Others through the fd.
 *
 *   X(NAME, what the value means)
 */
#define WEFT_OPTIONS(X)                                                                       \
	X(NODELAY, "0 or 1: small TCP writes go out at once. On after accept and connect")    \
	X(KEEP_ALIVE, "0 = off, else seconds of silence until the peer is probed")            \
	X(KEEP_ALIVE_INTERVAL, "seconds between probes")                                      \
	X(KEEP_ALIVE_COUNT, "probes without an answer until the connection is given up")      \
	X(USER_TIMEOUT, "milliseconds that sent data may stay without an answer, 0 = system") \
	X(LINGER, "-1 = off; seconds; 0 = closing resets the connection")                     \
	X(SEND_BUFFER, "bytes; the kernel doubles it")                                        \
	X(RECEIVE_BUFFER, "bytes; the kernel doubles it")                                     \
	X(LOW_WATER, "bytes unsent above which a TCP socket isn't writable")                  \
	X(TTL, "hops of an IPv4 packet")                                                      \
	X(BROADCAST, "0 or 1")

enum weft_option {
#define X(name, text) WEFT_OPTION_##name,
	WEFT_OPTIONS(X)
#undef X
};
WEFT_API int weft_stream_set(struct weft_stream *stream, enum weft_option option, int value);
WEFT_API int weft_stream_get(const struct weft_stream *stream, enum weft_option option, int *ret);

#ifdef __cplusplus
}
#endif

#endif
