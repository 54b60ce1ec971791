/* SPDX-License-Identifier: MIT */
/* The same stream operations on TCP, Unix sockets and pipes. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/io/source.h"
#include "runtime/task.h"
#include "runtime/trace.h"
#include "tests/support/net_runtime.h"
#include "tests/unit/runtime/events.h"

#define BULK (1u << 20)

enum kind { TCP, UNIX, ABSTRACT, PAIR, PIPE, KINDS };

/* Two ends: a writes, b reads. */
struct ends {
	WEFT_FRAME;
	struct weft_stream *a, *b;
	struct weft_listener *listener;
	struct weft_connect connecting;
	struct weft_tcp *to, *from;
};

static weft_poll_t connect_tcp(struct weft_cx *cx, struct ends *f)
{
	weft_async_begin(f);
	weft_await(f, weft_tcp_connect(cx, &f->connecting, "127.0.0.1",
				       weft_listener_port(f->listener), &f->to));
	if (f->rc)
		return f->rc;
	weft_await(f, weft_tcp_accept(cx, f->listener, &f->from));
	f->a = weft_tcp_stream(f->to);
	f->b = weft_tcp_stream(f->from);
	weft_async_end(f, f->rc);
}

static weft_poll_t accept_unix(struct weft_cx *cx, struct ends *f)
{
	weft_async_begin(f);
	weft_await(f, weft_unix_accept(cx, f->listener, &f->b));
	weft_async_end(f, f->rc);
}

static void open_unix(struct ends *f, const char *path)
{
	assert_int_equal(weft_unix_listen(rt, path, &f->listener), 0);
	assert_int_equal(weft_unix_connect(rt, path, &f->a), 0);
	assert_int_equal(weft_block_on(rt, accept_unix, f), 0);
	weft_listener_close(f->listener);
}

static void ends_open(struct ends *f, enum kind kind)
{
	struct weft_stream *both[2];
	char path[64];

	*f = (struct ends){ .a = NULL };
	snprintf(path, sizeof(path), "%s/weft_test_stream.%d", kind == ABSTRACT ? "@" : "/tmp",
		 getpid());
	switch (kind) {
	case TCP:
		assert_int_equal(weft_tcp_listen(rt, "127.0.0.1", 0, &f->listener), 0);
		assert_int_equal(weft_block_on(rt, connect_tcp, f), 0);
		weft_listener_close(f->listener);
		return;
	case UNIX:
	case ABSTRACT:
		open_unix(f, path);
		unlink(path);
		return;
	default:
		assert_int_equal(kind == PAIR ? weft_stream_pair(rt, both)
					      : weft_stream_pipe(rt, both),
				 0);
		f->a = both[1];
		f->b = both[0];
	}
}

static void ends_close(struct ends *f)
{
	weft_stream_close(f->a);
	weft_stream_close(f->b);
}

struct sender {
	WEFT_FRAME;
	struct weft_stream *stream;
	struct weft_write_all out;
	const char *data;
};

static weft_poll_t sender(struct weft_cx *cx, struct sender *f)
{
	weft_async_begin(f);
	weft_await(f, weft_stream_write_all(cx, &f->out, f->stream, f->data, BULK));
	if (weft_stream_shutdown(f->stream, SHUT_WR) == -ENOTSOCK)
		weft_stream_close(f->stream);
	weft_async_end(f, f->rc);
}

/* More than any buffer holds, then the end of the stream. */
static void test_bulk(void **state)
{
	char *data = malloc(BULK), *back = malloc(BULK + 1);

	(void)state;
	for (unsigned i = 0; i < BULK; i++)
		data[i] = (char)(i * 2654435761u >> 13);
	for (enum kind kind = TCP; kind < KINDS; kind++) {
		struct net_drain drain = { .buf = back, .cap = BULK + 1 };
		struct weft_join *join;
		struct ends f;

		ends_open(&f, kind);
		drain.stream = f.b;
		weft_spawn(rt, sender, ((struct sender){ .stream = f.a, .data = data }),
			   .join = &join);
		assert_int_equal(weft_block_on(rt, net_drain, &drain), 0);
		assert_int_equal(drain.got, BULK);
		assert_memory_equal(data, back, BULK);
		weft_join_detach(join);
		ends_close(&f);
	}
	free(data);
	free(back);
}

struct vectored {
	WEFT_FRAME;
	struct weft_stream *a, *b;
	struct iovec part[3];
	char buf[3][8];
	size_t wrote, got;
};

static weft_poll_t vectored(struct weft_cx *cx, struct vectored *f)
{
	weft_async_begin(f);
	f->part[0] = (struct iovec){ "one", 3 };
	f->part[1] = (struct iovec){ "", 0 };
	f->part[2] = (struct iovec){ "twothree", 8 };
	weft_await(f, weft_stream_writev(cx, f->a, f->part, 3, &f->wrote));
	if (f->rc)
		return f->rc;
	f->part[0] = (struct iovec){ f->buf[0], 3 };
	f->part[1] = (struct iovec){ f->buf[1], 3 };
	f->part[2] = (struct iovec){ f->buf[2], 8 };
	weft_await(f, weft_stream_readv(cx, f->b, f->part, 3, &f->got));
	weft_async_end(f, f->rc);
}

static void test_vectored(void **state)
{
	(void)state;
	for (enum kind kind = TCP; kind < KINDS; kind++) {
		struct vectored v = { .wrote = 0 };
		struct ends f;

		ends_open(&f, kind);
		v.a = f.a;
		v.b = f.b;
		assert_int_equal(weft_block_on(rt, vectored, &v), 0);
		assert_int_equal(v.wrote, 11);
		assert_int_equal(v.got, 11);
		assert_memory_equal(v.buf[0], "one", 3);
		assert_memory_equal(v.buf[1], "two", 3);
		assert_memory_equal(v.buf[2], "three", 5);
		ends_close(&f);
	}
}

struct reader {
	WEFT_FRAME;
	struct weft_stream *stream;
	size_t n;
	char buf[16];
};

static weft_poll_t reader(struct weft_cx *cx, struct reader *f)
{
	weft_async_begin(f);
	weft_await(f, weft_stream_read(cx, f->stream, f->buf, sizeof(f->buf), &f->n));
	weft_async_end(f, f->rc);
}

/* What a suspended task waits for, as a watcher reads it. */
static uint32_t waits_for(struct weft_join *join)
{
	const struct weft_task *task = (const struct weft_task *)join;

	return ((const struct reader *)task->frame)->weft_on;
}

static struct weft_join *spawn_waiting(struct weft_stream *stream)
{
	struct weft_join *join;

	weft_spawn(rt, reader, ((struct reader){ .stream = stream }), .join = &join);
	while (__atomic_load_n(&weft_source_of((uintptr_t)stream)->slot[WEFT_DIR_READ],
			       __ATOMIC_ACQUIRE) <= WEFT_SOURCE_READY ||
	       weft_task_state((struct weft_task *)join) & WEFT_T_RUNNING)
		usleep(200);
	return join;
}

static int end_of(struct weft_join *join)
{
	int rc;

	while (!weft_join_done(join))
		usleep(200);
	rc = ((struct weft_task *)join)->rc;
	weft_join_detach(join);
	return rc;
}

static void test_waiting(void **state)
{
	(void)state;
	for (enum kind kind = TCP; kind < KINDS; kind++) {
		struct reader second = { .n = 0 };
		struct weft_join *join;
		struct ends f;

		ends_open(&f, kind);
		join = spawn_waiting(f.b);
		assert_int_equal(waits_for(join), WEFT_WAIT_READ);
		second.stream = f.b;
		assert_int_equal(weft_block_on(rt, reader, &second), -EBUSY);
		/* Cancelled: the place is free again. */
		weft_join_abort(join);
		assert_int_equal(end_of(join), -ECANCELED);
		join = spawn_waiting(f.b);
		weft_stream_close(f.b);
		assert_int_equal(end_of(join), -EBADF);
		join = NULL;
		ends_close(&f);
	}
}

static bool woken_by_io(const uint64_t *words, uint64_t task)
{
	return (words[1] & WEFT_ID_MASK) == task && (words[2] >> 48 & 0xff) == WEFT_W_IO;
}

static void level_full(bool on)
{
	__atomic_store_n(&weft_sema_flush_full, on, __ATOMIC_SEQ_CST);
}

/* A watcher sees the readiness and who was woken by it, whatever the stream is. */
static void test_events(void **state)
{
	(void)state;
	level_full(true);
	for (enum kind kind = TCP; kind < KINDS; kind++) {
		struct weft_join *join;
		struct ends f;
		uint64_t id;

		ends_open(&f, kind);
		join = spawn_waiting(f.b);
		id = weft_join_id(join);
		assert_int_equal(events_count(WEFT_K_TASK_WAKE, woken_by_io, id), 0);
		assert_int_equal(write(weft_stream_fd(f.a), "x", 1), 1);
		assert_int_equal(end_of(join), 0);
		assert_int_equal(events_count(WEFT_K_TASK_WAKE, woken_by_io, id), 1);
		assert_int_equal(events_count(WEFT_K_IO_READY, events_w2, id), 1);
		ends_close(&f);
	}
}

/* Only now: the threads hand their batches over as they end, so the next run begins with empty ones. */
static int events_teardown(void **state)
{
	int rc = net_runtime_teardown(state);

	level_full(false);
	return rc;
}

static volatile sig_atomic_t pipe_signals;

static void on_pipe(int sig)
{
	(void)sig;
	pipe_signals++;
}

/* An error, and no signal that would end the process. */
static void test_nobody_reads(void **state)
{
	struct sigaction action = { .sa_handler = on_pipe }, old;

	(void)state;
	sigaction(SIGPIPE, &action, &old);
	for (enum kind kind = TCP; kind < KINDS; kind++) {
		char *data = calloc(1, BULK);
		struct sender s = { .data = data };
		struct ends f;
		int rc;

		ends_open(&f, kind);
		weft_stream_close(f.b);
		s.stream = f.a;
		rc = weft_block_on(rt, sender, &s);
		if (kind != TCP || rc != -ECONNRESET) /* the reset may be in time or not */
			assert_int_equal(rc, -EPIPE);
		ends_close(&f);
		free(data);
	}
	sigaction(SIGPIPE, &old, NULL);
	assert_int_equal(pipe_signals, 0);
}

static void test_adopt(void **state)
{
	struct weft_stream *stream;
	struct reader r = { .n = 0 };
	FILE *file = tmpfile();
	int fd[2];

	(void)state;
	assert_int_equal(weft_stream_adopt(rt, -1, &stream), -EBADF);
	assert_int_equal(weft_stream_adopt(rt, fileno(file), &stream), -EPERM);
	assert_true(fcntl(fileno(file), F_GETFD) >= 0);
	fclose(file);
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(write(fd[1], "hello", 5), 5);
	assert_int_equal(weft_stream_adopt(rt, fd[0], &stream), 0);
	assert_int_equal(weft_stream_fd(stream), fd[0]);
	r.stream = stream;
	assert_int_equal(weft_block_on(rt, reader, &r), 0);
	assert_int_equal(r.n, 5);
	weft_stream_close(stream);
	assert_int_equal(fcntl(fd[0], F_GETFD), -1);
	close(fd[1]);
}

struct two_waits {
	WEFT_FRAME;
	struct weft_fd_wait first, second;
	int fd;
};

/* The same fd again: only once the first wait has let go of it. */
static weft_poll_t two_waits(struct weft_cx *cx, struct two_waits *f)
{
	weft_poll_t first = weft_fd_wait(cx, &f->first, f->fd, POLLIN);

	if (first != WEFT_PENDING || weft_fd_wait(cx, &f->second, f->fd, POLLIN) != -EEXIST)
		return -EIO;
	weft_fd_wait_cancel(&f->first);
	weft_fd_wait_cancel(&f->first);
	if (weft_fd_wait(cx, &f->second, f->fd, POLLIN) != WEFT_PENDING)
		return -EIO;
	weft_fd_wait_cancel(&f->second);
	return weft_fd_wait(cx, &f->second, f->fd, POLLOUT);
}

/* The descriptor goes on without the stream, and another library may wait for it. */
static void test_release(void **state)
{
	struct weft_runtime_stats stats;
	struct two_waits waits = { .fd = -1 };
	struct weft_join *join;
	struct ends f;
	char c;

	(void)state;
	for (enum kind kind = TCP; kind < PIPE; kind++) {
		ends_open(&f, kind);
		join = spawn_waiting(f.b);
		waits.fd = weft_stream_release(f.b);
		assert_true(waits.fd >= 0);
		assert_int_equal(end_of(join), -EBADF);
		assert_int_equal(weft_stream_release(f.b), -EBADF);
		weft_runtime_stats(rt, &stats);
		assert_int_equal(stats.fds, 1);
		assert_int_equal(send(weft_stream_fd(f.a), "x", 1, 0), 1);
		while (recv(waits.fd, &c, 1, 0) != 1)
			assert_int_equal(errno, EAGAIN);
		assert_int_equal(weft_block_on(rt, two_waits, &waits), POLLOUT);
		assert_int_equal(close(waits.fd), 0);
		ends_close(&f);
	}
}

static void test_options(void **state)
{
	struct weft_address local, peer;
	char a[WEFT_ADDRESS_TEXT], b[WEFT_ADDRESS_TEXT];
	struct ends f;
	int value;

	(void)state;
	ends_open(&f, TCP);
	assert_int_equal(weft_stream_get(f.a, WEFT_OPTION_NODELAY, &value), 0);
	assert_int_equal(value, 1);
	assert_int_equal(weft_stream_set(f.a, WEFT_OPTION_NODELAY, 0), 0);
	assert_int_equal(weft_stream_get(f.a, WEFT_OPTION_NODELAY, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(weft_stream_get(f.a, WEFT_OPTION_KEEP_ALIVE, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(weft_stream_set(f.a, WEFT_OPTION_KEEP_ALIVE, 40), 0);
	assert_int_equal(weft_stream_get(f.a, WEFT_OPTION_KEEP_ALIVE, &value), 0);
	assert_int_equal(value, 40);
	assert_int_equal(weft_stream_set(f.a, WEFT_OPTION_LINGER, 3), 0);
	assert_int_equal(weft_stream_get(f.a, WEFT_OPTION_LINGER, &value), 0);
	assert_int_equal(value, 3);
	assert_int_equal(weft_stream_set(f.a, WEFT_OPTION_LINGER, -1), 0);
	assert_int_equal(weft_stream_get(f.a, WEFT_OPTION_LINGER, &value), 0);
	assert_int_equal(value, -1);
	assert_int_equal(weft_stream_set(f.a, (enum weft_option)99, 1), -EINVAL);
	assert_int_equal(weft_stream_local(f.a, &local), 0);
	assert_int_equal(weft_stream_peer(f.b, &peer), 0);
	assert_string_equal(weft_address_text(&local, a), weft_address_text(&peer, b));
	ends_close(&f);
	assert_int_equal(weft_stream_set(f.a, WEFT_OPTION_NODELAY, 0), -EBADF);
	ends_open(&f, PIPE);
	assert_int_equal(weft_stream_set(f.a, WEFT_OPTION_NODELAY, 0), -ENOTSOCK);
	assert_int_equal(weft_stream_peer(f.a, &peer), -ENOTSOCK);
	ends_close(&f);
}

static void test_addresses(void **state)
{
	static const char *const texts[][2] = {
		{ "127.0.0.1", "127.0.0.1:80" },
		{ "::1", "[::1]:80" },
		{ "fe80::1%lo", "[fe80::1%1]:80" },
	};
	struct weft_address address;
	char buf[WEFT_ADDRESS_TEXT], path[109];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(weft_address_parse(texts[i][0], 80, &address), 0);
		assert_string_equal(weft_address_text(&address, buf), texts[i][1]);
		assert_int_equal(weft_address_port(&address), 80);
	}
	assert_int_equal(weft_address_parse("localhost", 80, &address), -EINVAL);
	assert_int_equal(weft_address_parse("1.2.3.4.5", 80, &address), -EINVAL);
	assert_int_equal(weft_address_parse("::1%nosuch", 80, &address), -EINVAL);
	assert_int_equal(weft_address_local("@name", &address), 0);
	assert_string_equal(weft_address_text(&address, buf), "@name");
	memset(path, 'x', sizeof(path));
	path[107] = '\0';
	assert_int_equal(weft_address_local(path, &address), 0);
	assert_string_equal(weft_address_text(&address, buf), path);
	path[107] = 'x';
	path[108] = '\0';
	assert_int_equal(weft_address_local(path, &address), -ENAMETOOLONG);
}

static void test_unix_errors(void **state)
{
	struct weft_listener *listener, *second;
	struct weft_stream *stream;
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/weft_test_stream.%d", getpid());
	assert_int_equal(weft_unix_connect(rt, path, &stream), -ENOENT);
	assert_int_equal(weft_unix_listen(rt, path, &listener), 0);
	assert_int_equal(weft_unix_listen(rt, path, &second), -EADDRINUSE);
	weft_listener_close(listener);
	assert_int_equal(weft_unix_connect(rt, path, &stream), -ECONNREFUSED);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_bulk),
		T(test_vectored),
		T(test_waiting),
		T(test_nobody_reads),
		T(test_adopt),
		T(test_release),
		cmocka_unit_test_setup_teardown(test_events, net_runtime_setup, events_teardown),
		T(test_options),
		T(test_addresses),
		T(test_unix_errors),
	};

	return RUN("runtime/stream", tests);
}
