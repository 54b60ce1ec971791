/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/executor/executor.h"
#include "runtime/io/operation.h"
#include "runtime/io/option.h"

/* struct weft_stream is a handle of a source (io/source.h). */
static uintptr_t handle_of(const struct weft_stream *stream)
{
	return (uintptr_t)stream;
}

/*
 * A read that gave less than it could take has emptied a TCP socket: any later byte makes a new
 * edge, so the next read waits at once and saves the call that would say EAGAIN. Not so once the
 * peer's end was seen, whose edge may lie before that read (as in Tokio,
 * runtime/io/registration.rs). Unix sockets also stop where descriptors were passed along.
 * True: waiting, or *ret_rc is an error; inside the source.
 */
static bool wait_first(struct weft_cx *cx, const struct weft_operation *op,
		       struct weft_source *source, int *ret_rc)
{
	/* Relaxed: of the reading task, or ordered by what hands the socket to another one. */
	__atomic_store_n(&source->drained, 0, __ATOMIC_RELAXED);
	if (__atomic_load_n(&source->ended, __ATOMIC_ACQUIRE))
		return false;
	if (weft_source_wait(cx, op->handle, WEFT_DIR_READ, ret_rc))
		*ret_rc = weft_pending(cx, op->on);
	return *ret_rc != 0;
}

/* Inside the source. */
static inline __attribute__((always_inline)) weft_poll_t read_try(struct weft_cx *cx,
								  const struct weft_operation *op,
								  struct weft_source *source,
								  ssize_t *ret)
{
	int rc;

	if (__atomic_load_n(&source->drained, __ATOMIC_RELAXED) && wait_first(cx, op, source, &rc))
		return rc;
	if (!weft_budget_take(cx))
		return weft_operation_spent(cx, op);
	return weft_operation_try(cx, op, source, ret);
}

/* cap: of all buffers. */
static inline __attribute__((always_inline)) weft_poll_t read_run(struct weft_cx *cx,
								  const struct weft_operation *op,
								  size_t cap, size_t *ret)
{
	struct weft_source *source;
	weft_poll_t rc;
	ssize_t n = 0;

	if (__builtin_expect(cx->cancelled != 0, 0))
		return weft_operation_cancel(cx, op, &n);
	source = weft_source_enter(op->handle);
	if (__builtin_expect(!source, 0))
		return -EBADF;
	rc = read_try(cx, op, source, &n);
	if (rc != WEFT_PENDING)
		weft_operation_settle(cx, source, WEFT_DIR_READ);
	if (rc == 0) {
		*ret = (size_t)n;
		if (n > 0 && (size_t)n < cap && weft_source_kind(source) == WEFT_SOURCE_TCP)
			__atomic_store_n(&source->drained, 1, __ATOMIC_RELAXED);
	}
	weft_source_exit(source);
	return rc;
}

/* What the driver has received, WEFT_DRIVER_DIRECT if the kernel has to be asked. */
static inline __attribute__((always_inline)) ssize_t receive(const struct weft_source *source,
							     const struct iovec *to, unsigned parts)
{
	struct weft_driver *driver = &source->rt->driver;

	if (!(__atomic_load_n(&source->armed, __ATOMIC_RELAXED) & WEFT_SOURCE_AHEAD))
		return WEFT_DRIVER_DIRECT;
	return driver->ops->receive(driver, (struct weft_source *)(uintptr_t)source, to, parts);
}

static ssize_t read_call(const struct weft_source *source, const void *arg)
{
	const struct iovec *to = arg;
	ssize_t n = receive(source, to, 1);

	if (n != WEFT_DRIVER_DIRECT)
		return n;
	if (weft_source_kind(source) == WEFT_SOURCE_FILE)
		return read(source->fd, to->iov_base, to->iov_len);
	return recv(source->fd, to->iov_base, to->iov_len, 0);
}

weft_poll_t weft_stream_read(struct weft_cx *cx, struct weft_stream *stream, void *buf, size_t cap,
			     size_t *ret)
{
	const struct iovec to = { buf, cap };
	const struct weft_operation op = { handle_of(stream), WEFT_DIR_READ, WEFT_WAIT_READ,
					   read_call, &to };

	return read_run(cx, &op, cap, ret);
}

struct parts {
	const struct iovec *vec;
	unsigned n;
};

static struct msghdr message_of(const struct parts *parts)
{
	return (struct msghdr){ .msg_iov = (struct iovec *)(uintptr_t)parts->vec,
				.msg_iovlen = parts->n };
}

static ssize_t readv_call(const struct weft_source *source, const void *arg)
{
	const struct parts *parts = arg;
	struct msghdr message = message_of(parts);
	ssize_t n = receive(source, parts->vec, parts->n);

	if (n != WEFT_DRIVER_DIRECT)
		return n;
	if (weft_source_kind(source) == WEFT_SOURCE_FILE)
		return readv(source->fd, parts->vec, (int)parts->n);
	return recvmsg(source->fd, &message, 0);
}

weft_poll_t weft_stream_readv(struct weft_cx *cx, struct weft_stream *stream,
			      const struct iovec *to, unsigned parts, size_t *ret)
{
	const struct parts arg = { to, parts };
	const struct weft_operation op = { handle_of(stream), WEFT_DIR_READ, WEFT_WAIT_READ,
					   readv_call, &arg };
	size_t cap = 0;

	for (unsigned i = 0; i < parts; i++)
		cap += to[i].iov_len;
	return read_run(cx, &op, cap, ret);
}

/*
 * A pipe without a reader raises SIGPIPE, which no flag of write() turns off: it is blocked for
 * the call and taken out of the thread's pending signals, unless it was there before.
 */
static ssize_t write_quietly(int fd, const struct parts *parts)
{
	const struct timespec now = { 0, 0 };
	sigset_t set, old, pending;
	ssize_t n;
	int error;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	n = writev(fd, parts->vec, (int)parts->n);
	error = errno;
	if (n < 0 && error == EPIPE && !sigismember(&old, SIGPIPE)) {
		sigpending(&pending);
		if (sigismember(&pending, SIGPIPE))
			sigtimedwait(&set, NULL, &now);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = error;
	return n;
}

struct write {
	struct iovec from;
	uintptr_t handle;
	uint64_t task;
};

/* What the driver makes of it, WEFT_DRIVER_DIRECT if it's the kernel's. */
static ssize_t send_through(const struct weft_source *source, const struct write *write)
{
	struct weft_driver *driver = &source->rt->driver;

	if (!(__atomic_load_n(&source->armed, __ATOMIC_RELAXED) & WEFT_SOURCE_AHEAD))
		return WEFT_DRIVER_DIRECT;
	return driver->ops->send(driver, (struct weft_source *)(uintptr_t)source, write->handle,
				 write->task, &write->from);
}

static ssize_t write_call(const struct weft_source *source, const void *arg)
{
	const struct write *write = arg;
	const struct iovec *from = &write->from;
	ssize_t n = send_through(source, write);

	if (n != WEFT_DRIVER_DIRECT)
		return n;
	if (weft_source_kind(source) == WEFT_SOURCE_FILE)
		return write_quietly(source->fd, &(const struct parts){ from, 1 });
	return send(source->fd, from->iov_base, from->iov_len, MSG_NOSIGNAL);
}

weft_poll_t weft_stream_write(struct weft_cx *cx, struct weft_stream *stream, const void *buf,
			      size_t n, size_t *ret)
{
	const struct write write = { { (void *)(uintptr_t)buf, n },
				     handle_of(stream),
				     cx->task->head.id };
	const struct weft_operation op = { write.handle, WEFT_DIR_WRITE, WEFT_WAIT_WRITE,
					   write_call, &write };
	ssize_t wrote = 0;
	weft_poll_t rc = weft_operation_run(cx, &op, &wrote);

	if (rc == 0)
		*ret = (size_t)wrote;
	return rc;
}

static ssize_t writev_call(const struct weft_source *source, const void *arg)
{
	const struct parts *parts = arg;
	struct msghdr message = message_of(parts);

	if (weft_source_kind(source) == WEFT_SOURCE_FILE)
		return write_quietly(source->fd, parts);
	return sendmsg(source->fd, &message, MSG_NOSIGNAL);
}

weft_poll_t weft_stream_writev(struct weft_cx *cx, struct weft_stream *stream,
			       const struct iovec *from, unsigned parts, size_t *ret)
{
	const struct parts arg = { from, parts };
	const struct weft_operation op = { handle_of(stream), WEFT_DIR_WRITE, WEFT_WAIT_WRITE,
					   writev_call, &arg };
	ssize_t wrote = 0;
	weft_poll_t rc = weft_operation_run(cx, &op, &wrote);

	if (rc == 0)
		*ret = (size_t)wrote;
	return rc;
}

weft_poll_t weft_stream_write_all(struct weft_cx *cx, struct weft_write_all *f,
				  struct weft_stream *stream, const void *buf, size_t n)
{
	weft_poll_t rc = WEFT_READY;

	while (f->done < n) {
		size_t wrote = 0;

		rc = weft_stream_write(cx, stream, (const char *)buf + f->done, n - f->done,
				       &wrote);
		if (rc == WEFT_PENDING)
			return rc;
		if (rc < 0)
			break;
		f->done += wrote;
	}
	f->done = 0;
	return rc;
}

static int shutdown_call(const struct weft_source *source, void *arg)
{
	return shutdown(source->fd, *(int *)arg) ? -errno : 0;
}

int weft_stream_shutdown(struct weft_stream *stream, int how)
{
	return weft_operation_now(handle_of(stream), shutdown_call, &how);
}

struct weft_stream *weft_stream_close(struct weft_stream *stream)
{
	weft_source_close(handle_of(stream));
	return NULL;
}

int weft_stream_release(struct weft_stream *stream)
{
	return weft_source_release(handle_of(stream));
}

int weft_stream_local(const struct weft_stream *stream, struct weft_address *ret)
{
	return weft_option_local(handle_of(stream), ret);
}

int weft_stream_peer(const struct weft_stream *stream, struct weft_address *ret)
{
	return weft_option_peer(handle_of(stream), ret);
}

int weft_stream_fd(const struct weft_stream *stream)
{
	return weft_option_fd(handle_of(stream));
}

int weft_stream_set(struct weft_stream *stream, enum weft_option option, int value)
{
	return weft_option_set(handle_of(stream), option, value);
}

int weft_stream_get(const struct weft_stream *stream, enum weft_option option, int *ret)
{
	return weft_option_get(handle_of(stream), option, ret);
}

int weft_stream_adopt(struct weft_runtime *rt, int fd, struct weft_stream **ret)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL), rc;
	uintptr_t handle;

	if (flags < 0 || fstat(fd, &st))
		return -errno;
	if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	rc = weft_source_open(rt, fd, S_ISSOCK(st.st_mode) ? WEFT_SOURCE_SOCKET : WEFT_SOURCE_FILE,
			      &handle);
	if (rc == 0)
		*ret = (struct weft_stream *)handle;
	return rc;
}

/* Both or none. */
static int open_both(struct weft_runtime *rt, const int fd[2], enum weft_source_kind kind,
		     struct weft_stream *ret[2])
{
	uintptr_t handle[2];
	int rc = weft_source_adopt(rt, fd[0], kind, &handle[0]);

	if (rc) {
		close(fd[1]);
		return rc;
	}
	rc = weft_source_adopt(rt, fd[1], kind, &handle[1]);
	if (rc) {
		weft_source_close(handle[0]);
		return rc;
	}
	ret[0] = (struct weft_stream *)handle[0];
	ret[1] = (struct weft_stream *)handle[1];
	return 0;
}

int weft_stream_pair(struct weft_runtime *rt, struct weft_stream *ret[2])
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd))
		return -errno;
	return open_both(rt, fd, WEFT_SOURCE_SOCKET, ret);
}

int weft_stream_pipe(struct weft_runtime *rt, struct weft_stream *ret[2])
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	return open_both(rt, fd, WEFT_SOURCE_FILE, ret);
}
