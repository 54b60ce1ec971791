/* SPDX-License-Identifier: MIT */
/* ldflags: -Wl,--wrap=recv -Wl,--wrap=close -Wl,--wrap=epoll_ctl */
/* Sockets that are closed while other threads use them. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/executor/executor.h"
#include "runtime/io/source.h"
#include "tests/support/flavours.h"

#define MS 1000000ull

ssize_t __real_recv(int fd, void *buf, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags);
int __real_close(int fd);
int __wrap_close(int fd);

int __real_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);

static struct weft_runtime *rt;
/* The read that has to be hit sets `victim`; it is closed before or after the call. */
static struct weft_tcp *victim;
static int victim_fd, close_calls, before, after;
static bool fd_open_inside;

int __wrap_close(int fd)
{
	if (fd == victim_fd)
		__atomic_fetch_add(&close_calls, 1, __ATOMIC_SEQ_CST);
	return __real_close(fd);
}

/* n: the n-th call fails. */
static int fail_after;

int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	if (fail_after && __atomic_sub_fetch(&fail_after, 1, __ATOMIC_SEQ_CST) == 0) {
		errno = ENOSPC;
		return -1;
	}
	return __real_epoll_ctl(epfd, op, fd, event);
}

static void *closer(void *arg)
{
	weft_tcp_close(arg);
	return NULL;
}

/* By a thread that isn't polling anything, and twice: the second time with a stale handle. */
static void close_elsewhere(void)
{
	for (int i = 0; i < 2; i++) {
		pthread_t thread;

		pthread_create(&thread, NULL, closer, victim);
		pthread_join(thread, NULL);
	}
	fd_open_inside = __atomic_load_n(&close_calls, __ATOMIC_SEQ_CST) == 0;
}

ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags)
{
	bool hit = fd == victim_fd && close_calls == 0;
	ssize_t got;
	int error;

	if (hit && before)
		close_elsewhere();
	got = __real_recv(fd, buf, n, flags);
	error = errno;
	if (hit && after)
		close_elsewhere();
	errno = error;
	return got;
}

static int setup(void **state)
{
	struct weft_config config = { .size = sizeof(config), .workers = 2, .name = "source" };

	victim_fd = -1;
	close_calls = before = after = fail_after = 0;
	return flavours_start(state, &config, &rt);
}

static int teardown(void **state)
{
	struct weft_runtime_stats stats;

	(void)state;
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	weft_runtime_stats(rt, &stats);
	assert_int_equal(stats.alive, 0);
	assert_int_equal(stats.fds, 0);
	flavours_end(rt);
	return 0;
}

struct pair {
	WEFT_FRAME;
	struct weft_listener *listener;
	struct weft_connect connecting;
	struct weft_tcp *a, *b, *stale;
	size_t n;
	char buf[16];
};

static weft_poll_t connect_pair(struct weft_cx *cx, struct pair *f)
{
	weft_async_begin(f);
	weft_await(f, weft_tcp_connect(cx, &f->connecting, "127.0.0.1",
				       weft_listener_port(f->listener), &f->a));
	if (f->rc)
		return f->rc;
	weft_await(f, weft_tcp_accept(cx, f->listener, &f->b));
	weft_async_end(f, f->rc);
}

static void pair_open(struct pair *f)
{
	*f = (struct pair){ .n = 0 };
	assert_int_equal(weft_tcp_listen(rt, "127.0.0.1", 0, &f->listener), 0);
	assert_int_equal(weft_block_on(rt, connect_pair, f), 0);
}

static void pair_close(struct pair *f)
{
	weft_tcp_close(f->a);
	weft_tcp_close(f->b);
	weft_listener_close(f->listener);
}

struct reader {
	WEFT_FRAME;
	struct weft_tcp *conn;
	size_t n;
	char buf[16];
};

static weft_poll_t reader(struct weft_cx *cx, struct reader *f)
{
	weft_async_begin(f);
	weft_await(f, weft_tcp_read(cx, f->conn, f->buf, sizeof(f->buf), &f->n));
	weft_async_end(f, f->rc);
}

static int read_victim(struct pair *f, int when_before, int when_after)
{
	struct reader r = { .conn = f->a };

	victim = f->a;
	victim_fd = weft_tcp_fd(f->a);
	before = when_before;
	after = when_after;
	return weft_block_on(rt, reader, &r);
}

/* The fd number must not be given to another connection before the read has let go of it. */
static void test_close_inside_recv(void **state)
{
	struct pair f;

	(void)state;
	for (int i = 0; i < 2; i++) {
		close_calls = 0;
		pair_open(&f);
		assert_int_equal(read_victim(&f, i == 0, i == 1), -EBADF);
		assert_true(fd_open_inside);
		assert_int_equal(close_calls, 1);
		pair_close(&f);
		assert_int_equal(close_calls, 1);
	}
}

/* Bytes that were read before the close are not lost. */
static void test_close_after_data(void **state)
{
	struct pair f;

	(void)state;
	pair_open(&f);
	assert_int_equal(send(weft_tcp_fd(f.b), "x", 1, 0), 1);
	assert_int_equal(read_victim(&f, 0, 1), 0);
	assert_int_equal(close_calls, 1);
	pair_close(&f);
}

static weft_poll_t use_stale(struct weft_cx *cx, struct pair *f)
{
	struct weft_tcp *conn;

	weft_async_begin(f);
	weft_await(f, weft_tcp_read(cx, f->stale, f->buf, sizeof(f->buf), &f->n));
	assert_int_equal(f->rc, -EBADF);
	weft_await(f, weft_tcp_write(cx, f->stale, "stale", 5, &f->n));
	assert_int_equal(f->rc, -EBADF);
	weft_await(f, weft_tcp_accept(cx, (struct weft_listener *)f->stale, &conn));
	assert_int_equal(f->rc, -EBADF);
	assert_int_equal(weft_tcp_shutdown(f->stale, SHUT_RDWR), -EBADF);
	assert_int_equal(weft_tcp_fd(f->stale), -EBADF);
	weft_tcp_close(f->stale);
	weft_await(f, weft_tcp_write(cx, f->a, "fresh", 5, &f->n));
	weft_await(f, weft_tcp_read(cx, f->b, f->buf, sizeof(f->buf), &f->n));
	weft_async_end(f, f->rc);
}

/* A handle of an earlier connection never reaches the one that has its memory and fd now. */
static void test_stale_handle(void **state)
{
	struct weft_tcp *old;
	struct pair f;

	(void)state;
	pair_open(&f);
	old = f.a;
	weft_tcp_close(f.b);
	weft_tcp_close(f.a);
	assert_int_equal(weft_block_on(rt, connect_pair, &f), 0);
	f.stale = old;
	/* The pool is last in, first out: one of the two has the memory. */
	if (weft_source_of((uintptr_t)f.a) != weft_source_of((uintptr_t)old)) {
		struct weft_tcp *a = f.a;

		f.a = f.b;
		f.b = a;
	}
	assert_ptr_equal(weft_source_of((uintptr_t)f.a), weft_source_of((uintptr_t)old));
	assert_ptr_not_equal(f.a, old);
	assert_int_equal(weft_block_on(rt, use_stale, &f), 0);
	assert_int_equal(f.n, 5);
	assert_memory_equal(f.buf, "fresh", 5);
	pair_close(&f);
}

/* Also one that was never opened. */
static void test_no_handle(void **state)
{
	struct reader r = { .conn = NULL };

	(void)state;
	assert_int_equal(weft_block_on(rt, reader, &r), -EBADF);
	assert_null(weft_tcp_close(NULL));
}

/* Closed by many at once under a waiting reader: one close(), the reader ends. */
static void test_many_closers(void **state)
{
	pthread_t thread[8];
	struct weft_join *join;
	struct pair f;

	(void)state;
	for (int round = 0; round < 50; round++) {
		close_calls = 0;
		pair_open(&f);
		victim_fd = weft_tcp_fd(f.a);
		weft_spawn(rt, reader, ((struct reader){ .conn = f.a }), .join = &join);
		for (int i = 0; i < 8; i++)
			pthread_create(&thread[i], NULL, closer, f.a);
		for (int i = 0; i < 8; i++)
			pthread_join(thread[i], NULL);
		while (!weft_join_done(join))
			usleep(100);
		weft_join_detach(join);
		/* The driver may be the last one inside. */
		while (__atomic_load_n(&close_calls, __ATOMIC_SEQ_CST) == 0)
			usleep(100);
		assert_int_equal(__atomic_load_n(&close_calls, __ATOMIC_SEQ_CST), 1);
		victim_fd = -1;
		pair_close(&f);
	}
}

static weft_poll_t connect_only(struct weft_cx *cx, struct pair *f)
{
	weft_async_begin(f);
	weft_await(f, weft_tcp_connect(cx, &f->connecting, "127.0.0.1",
				       weft_listener_port(f->listener), &f->a));
	weft_async_end(f, f->rc);
}

static weft_poll_t accept_only(struct weft_cx *cx, struct pair *f)
{
	weft_async_begin(f);
	weft_await(f, weft_tcp_accept(cx, f->listener, &f->b));
	weft_async_end(f, f->rc);
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Each way to get a source, when epoll refuses it (max_user_watches): an error, and no fd left. */
static void test_registration_fails(void **state)
{
	struct weft_stream *streams[2];
	struct weft_datagram *datagrams[2];
	struct weft_listener *listener;
	struct pair f = { .n = 0 };
	unsigned held;

	(void)state;
	assert_int_equal(weft_tcp_listen(rt, "127.0.0.1", 0, &f.listener), 0);
	held = open_descriptors();
	for (int n = 1; n <= 2; n++) {
		fail_after = n;
		assert_int_equal(weft_stream_pair(rt, streams), -ENOSPC);
		fail_after = n;
		assert_int_equal(weft_stream_pipe(rt, streams), -ENOSPC);
		fail_after = n;
		assert_int_equal(weft_datagram_pair(rt, datagrams), -ENOSPC);
	}
	fail_after = 1;
	assert_int_equal(weft_udp_bind(rt, "127.0.0.1", 0, datagrams), -ENOSPC);
	fail_after = 1;
	assert_int_equal(weft_tcp_listen(rt, "127.0.0.1", 0, &listener), -ENOSPC);
	fail_after = 1;
	assert_int_equal(weft_block_on(rt, connect_only, &f), -ENOSPC);
	fail_after = 1;
	/* The refused connection is in the backlog; its end is seen by nobody. */
	assert_int_equal(weft_block_on(rt, accept_only, &f), -ENOSPC);
	assert_int_equal(open_descriptors(), held);
	weft_listener_close(f.listener);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_close_inside_recv), T(test_close_after_data), T(test_stale_handle),
		T(test_no_handle),         T(test_many_closers),
	};
	const struct CMUnitTest epoll[] = { T(test_registration_fails) };

	return flavours_run_io("runtime/source", tests, sizeof(tests) / sizeof(tests[0])) +
	       flavours_run("runtime/source, epoll", epoll, 1);
}
