/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/executor/executor.h"
#include "runtime/io/source.h"
#include "tests/support/flavours.h"

#define MS   1000000ull
#define BULK (4u << 20)

static struct weft_runtime *rt;

static int setup(void **state)
{
	struct weft_config config = { .size = sizeof(config), .workers = 2, .name = "net" };

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

struct echo {
	WEFT_FRAME;
	struct weft_tcp *conn;
	struct weft_write_all out;
	size_t n;
	char buf[4096];
};

static weft_poll_t echo(struct weft_cx *cx, struct echo *f)
{
	weft_async_begin(f);
	for (;;) {
		weft_await(f, weft_tcp_read(cx, f->conn, f->buf, sizeof(f->buf), &f->n));
		if (f->rc < 0 || f->n == 0)
			break;
		weft_await(f, weft_write_all(cx, &f->out, f->conn, f->buf, f->n));
	}
	weft_tcp_close(f->conn);
	weft_async_end(f, f->rc);
}

struct acceptor {
	WEFT_FRAME;
	struct weft_listener *listener;
	struct weft_tcp *conn;
};

static weft_poll_t acceptor(struct weft_cx *cx, struct acceptor *f)
{
	weft_async_begin(f);
	for (;;) {
		weft_await(f, weft_tcp_accept(cx, f->listener, &f->conn));
		if (f->rc < 0)
			break;
		weft_spawn(NULL, echo, ((struct echo){ .conn = f->conn }));
	}
	weft_listener_close(f->listener);
	weft_async_end(f, f->rc);
}

static uint16_t start_echo(void)
{
	struct acceptor f = { .conn = NULL };
	uint16_t port;

	assert_int_equal(weft_tcp_listen(rt, "127.0.0.1", 0, &f.listener), 0);
	port = weft_listener_port(f.listener);
	assert_int_not_equal(port, 0);
	assert_int_equal(weft_spawn(rt, acceptor, f), 0);
	return port;
}

struct sender {
	WEFT_FRAME;
	struct weft_tcp *conn;
	struct weft_write_all out;
	const char *data;
};

static weft_poll_t sender(struct weft_cx *cx, struct sender *f)
{
	weft_async_begin(f);
	weft_await(f, weft_write_all(cx, &f->out, f->conn, f->data, BULK));
	weft_tcp_shutdown(f->conn, SHUT_WR);
	weft_async_end(f, f->rc);
}

struct transfer {
	WEFT_FRAME;
	uint16_t port;
	struct weft_connect connecting;
	struct weft_tcp *conn;
	struct weft_join *sender;
	size_t n, got;
	char *data, *back;
};

/* Both directions of one socket at once, more than its buffers hold, half-closed at the end. */
static weft_poll_t transfer(struct weft_cx *cx, struct transfer *f)
{
	weft_async_begin(f);
	weft_await(f, weft_tcp_connect(cx, &f->connecting, "127.0.0.1", f->port, &f->conn));
	if (f->rc)
		return f->rc;
	weft_spawn(NULL, sender, ((struct sender){ .conn = f->conn, .data = f->data }),
		   .join = &f->sender);
	for (;;) {
		weft_await(f,
			   weft_tcp_read(cx, f->conn, f->back + f->got, BULK + 1 - f->got, &f->n));
		if (f->rc < 0 || f->n == 0)
			break;
		f->got += f->n;
	}
	weft_await(f, weft_join(cx, &f->sender));
	weft_tcp_close(f->conn);
	weft_async_end(f, f->rc);
}

static void test_bulk_both_ways(void **state)
{
	struct transfer f = { .port = start_echo(),
			      .data = malloc(BULK),
			      .back = malloc(BULK + 1) };

	(void)state;
	for (unsigned i = 0; i < BULK; i++)
		f.data[i] = (char)(i * 2654435761u >> 13);
	assert_int_equal(weft_block_on(rt, transfer, &f), 0);
	assert_int_equal(f.got, BULK);
	assert_memory_equal(f.data, f.back, BULK);
	free(f.data);
	free(f.back);
}

struct many {
	WEFT_FRAME;
	struct weft_join *join[200];
	uint16_t port;
	int i;
};

struct ping {
	WEFT_FRAME;
	uint16_t port;
	struct weft_connect connecting;
	struct weft_tcp *conn;
	struct weft_write_all out;
	size_t n;
	int i;
	char buf[64];
};

static weft_poll_t ping(struct weft_cx *cx, struct ping *f)
{
	weft_async_begin(f);
	weft_await(f, weft_tcp_connect(cx, &f->connecting, "127.0.0.1", f->port, &f->conn));
	if (f->rc)
		return f->rc;
	for (f->i = 0; f->i < 50; f->i++) {
		weft_await(f, weft_write_all(cx, &f->out, f->conn, "ping", 4));
		weft_await(f, weft_tcp_read(cx, f->conn, f->buf, sizeof(f->buf), &f->n));
		if (f->rc < 0 || f->n != 4 || memcmp(f->buf, "ping", 4))
			break;
	}
	weft_tcp_close(f->conn);
	weft_async_end(f, f->i);
}

static weft_poll_t many(struct weft_cx *cx, struct many *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 200; f->i++)
		weft_spawn(NULL, ping, ((struct ping){ .port = f->port }), .join = &f->join[f->i]);
	for (f->i = 0; f->i < 200; f->i++) {
		weft_await(f, weft_join(cx, &f->join[f->i]));
		if (f->rc != 50)
			return -EIO;
	}
	weft_async_end(f, 0);
}

static void test_many_connections(void **state)
{
	struct many f = { .port = start_echo() };

	(void)state;
	assert_int_equal(weft_block_on(rt, many, &f), 0);
}

static void test_refused_and_bad_address(void **state)
{
	struct weft_listener *listener;
	struct ping f = { .i = 0 };

	(void)state;
	assert_int_equal(weft_tcp_listen(rt, "not an address", 0, &listener), -EINVAL);
	assert_int_equal(weft_tcp_listen(rt, "127.0.0.1", 0, &listener), 0);
	f.port = weft_listener_port(listener);
	weft_listener_close(listener);
	assert_int_equal(weft_block_on(rt, ping, &f), -ECONNREFUSED);
}

struct pair {
	WEFT_FRAME;
	struct weft_listener *listener;
	struct weft_connect connecting;
	struct weft_tcp *a, *b;
	struct weft_join *reader[2];
	struct weft_sleep pause;
	size_t n;
	char buf[16];
	int first, second;
};

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

/* Two readers of one socket: the second is refused; closing ends the first. */
static weft_poll_t pair(struct weft_cx *cx, struct pair *f)
{
	weft_async_begin(f);
	weft_await(f, weft_tcp_connect(cx, &f->connecting, "127.0.0.1",
				       weft_listener_port(f->listener), &f->a));
	weft_await(f, weft_tcp_accept(cx, f->listener, &f->b));
	weft_spawn(NULL, reader, ((struct reader){ .conn = f->a }), .join = &f->reader[0]);
	while (__atomic_load_n(&weft_source_of((uintptr_t)f->a)->slot[WEFT_DIR_READ],
			       __ATOMIC_SEQ_CST) <= WEFT_SOURCE_READY)
		weft_await(f, weft_sleep(cx, &f->pause, MS)); /* until the first one waits */
	weft_spawn(NULL, reader, ((struct reader){ .conn = f->a }), .join = &f->reader[1]);
	weft_await(f, weft_join(cx, &f->reader[1]));
	f->second = f->rc;
	f->a = weft_tcp_close(f->a);
	weft_await(f, weft_join(cx, &f->reader[0]));
	f->first = f->rc;
	weft_await(f, weft_tcp_read(cx, f->b, f->buf, sizeof(f->buf), &f->n));
	weft_tcp_close(f->b);
	weft_listener_close(f->listener);
	weft_async_end(f, f->rc == 0 && f->n == 0 ? 0 : -EIO);
}

static void test_two_readers_and_close(void **state)
{
	struct pair f = { .first = 0 };

	(void)state;
	assert_int_equal(weft_tcp_listen(rt, "::1", 0, &f.listener) == 0 ? 0 : -EAFNOSUPPORT, 0);
	weft_listener_close(f.listener);
	assert_int_equal(weft_tcp_listen(rt, "127.0.0.1", 0, &f.listener), 0);
	assert_int_equal(weft_block_on(rt, pair, &f), 0);
	assert_int_equal(f.second, -EBUSY);
	assert_int_equal(f.first, -EBADF);
}

struct piped {
	WEFT_FRAME;
	struct weft_fd_wait wait;
	struct weft_sleep limit;
	int fd[2], early, late;
};

static weft_poll_t piped(struct weft_cx *cx, struct piped *f)
{
	weft_async_begin(f);
	weft_await(f, weft_timeout(cx, &f->limit, 10 * MS,
				   weft_fd_wait(cx, &f->wait, f->fd[0], POLLIN)));
	f->early = f->rc;
	assert_int_equal(write(f->fd[1], "x", 1), 1);
	weft_await(f, weft_fd_wait(cx, &f->wait, f->fd[0], POLLIN));
	f->late = f->rc;
	weft_await(f, weft_fd_wait(cx, &f->wait, f->fd[1], POLLOUT));
	weft_async_end(f, f->rc);
}

struct pipe_reader {
	WEFT_FRAME;
	struct weft_fd_wait wait;
	int fd;
};

static weft_poll_t pipe_reader(struct weft_cx *cx, struct pipe_reader *f)
{
	weft_async_begin(f);
	weft_await(f, weft_fd_wait(cx, &f->wait, f->fd, POLLIN));
	weft_async_end(f, f->rc);
}

static void test_fd_wait(void **state)
{
	struct weft_join *join;
	struct piped f = { .early = 0 };
	char c;

	(void)state;
	assert_int_equal(pipe(f.fd), 0);
	assert_int_equal(weft_block_on(rt, piped, &f), POLLOUT);
	assert_int_equal(f.early, -ETIMEDOUT);
	assert_int_equal(f.late, POLLIN);
	assert_int_equal(read(f.fd[0], &c, 1), 1);
	assert_int_equal(weft_spawn(rt, pipe_reader, ((struct pipe_reader){ .fd = f.fd[0] }),
				    .join = &join),
			 0);
	usleep(10000);
	close(f.fd[1]); /* HUP */
	while (!weft_join_done(join))
		usleep(200);
	weft_join_detach(join);
	close(f.fd[0]);
}

struct ready {
	WEFT_FRAME;
	struct weft_fd_wait wait;
	int fd, i;
};

/* Gives how often it was polled. */
static weft_poll_t ready(struct weft_cx *cx, struct ready *f)
{
	weft_async_begin(f);
	weft_await(f, weft_fd_wait(cx, &f->wait, -1, POLLIN));
	assert_int_equal(f->rc, -EBADF);
	for (f->i = 0; f->i < 2000; f->i++) {
		weft_await(f, weft_fd_wait(cx, &f->wait, f->fd, POLLIN));
		assert_int_equal(f->rc, POLLIN);
	}
	weft_async_end(f, (int)cx->task->head.polls);
}

/* Whoever finds the descriptor ready each time lets others have their turn meanwhile. */
static void test_fd_ready_again_and_again(void **state)
{
	struct ready f = { .i = 0 };
	int fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(write(fd[1], "x", 1), 1);
	f.fd = fd[0];
	assert_true(weft_block_on(rt, ready, &f) >= 2000 / (int)(WEFT_BUDGET + 1));
	close(fd[0]);
	close(fd[1]);
}

struct naps {
	WEFT_FRAME;
	struct weft_sleep sleep;
	uint64_t from, worst;
	int i;
};

static weft_poll_t naps(struct weft_cx *cx, struct naps *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 20; f->i++) {
		f->from = weft_now();
		weft_await(f, weft_sleep(cx, &f->sleep, 2 * MS));
		if (weft_now() - f->from < 2 * MS)
			return -EIO; /* never early */
	}
	weft_async_end(f, 0);
}

static void test_sleep_is_never_early(void **state)
{
	struct naps f = { .i = 0 };

	(void)state;
	assert_int_equal(weft_block_on(rt, naps, &f), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_bulk_both_ways),
		T(test_many_connections),
		T(test_refused_and_bad_address),
		T(test_two_readers_and_close),
		T(test_fd_wait),
		T(test_fd_ready_again_and_again),
		T(test_sleep_is_never_early),
	};

	return flavours_run_io("runtime/net", tests, sizeof(tests) / sizeof(tests[0]));
}
