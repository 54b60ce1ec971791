/* SPDX-License-Identifier: MIT */
/* Connecting with a limit, and giving up: no descriptor, timer or registration may be left. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/task.h"
#include "tests/support/net_runtime.h"

#define FILL 8

/* A listener whose queue is full: the kernel drops what would come on top, so connects hang. */
struct deaf {
	int listener, client[FILL];
	struct weft_address address;
};

static void deaf_open(struct deaf *deaf)
{
	deaf->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(weft_address_parse("127.0.0.1", 0, &deaf->address), 0);
	assert_int_equal(bind(deaf->listener, &deaf->address.any, deaf->address.len), 0);
	assert_int_equal(listen(deaf->listener, 0), 0);
	getsockname(deaf->listener, &deaf->address.any, &deaf->address.len);
	for (int i = 0; i < FILL; i++) {
		deaf->client[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(deaf->client[i], &deaf->address.any, deaf->address.len);
	}
}

static void deaf_close(struct deaf *deaf)
{
	for (int i = 0; i < FILL; i++)
		close(deaf->client[i]);
	close(deaf->listener);
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

struct visit {
	WEFT_FRAME;
	struct weft_address address;
	struct weft_connect connecting;
	struct weft_sleep limit;
	struct weft_tcp *conn;
	int i;
};

static weft_poll_t visit_limited(struct weft_cx *cx, struct visit *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 5; f->i++) {
		weft_await(f, weft_timeout(cx, &f->limit, 5 * MS,
					   weft_tcp_connect_address(cx, &f->connecting, &f->address,
								    &f->conn)));
		if (f->rc != -ETIMEDOUT || f->connecting.conn || f->conn)
			return -EIO;
	}
	weft_async_end(f, f->rc);
}

static void test_timeout(void **state)
{
	struct weft_runtime_stats stats;
	struct visit f = { .i = 0 };
	struct deaf deaf;
	unsigned before;

	(void)state;
	deaf_open(&deaf);
	f.address = deaf.address;
	before = open_descriptors();
	assert_int_equal(weft_block_on(rt, visit_limited, &f), -ETIMEDOUT);
	weft_runtime_stats(rt, &stats);
	assert_int_equal(stats.fds, 0);
	assert_int_equal(stats.timers, 0);
	assert_int_equal(open_descriptors(), before);
	deaf_close(&deaf);
}

static weft_poll_t visit(struct weft_cx *cx, struct visit *f)
{
	weft_async_begin(f);
	weft_await(f, weft_tcp_connect_address(cx, &f->connecting, &f->address, &f->conn));
	weft_async_end(f, f->rc);
}

static void test_abort(void **state)
{
	struct weft_runtime_stats stats;
	struct visit f = { .i = 0 };
	struct weft_join *join;
	struct deaf deaf;
	unsigned before;

	(void)state;
	deaf_open(&deaf);
	f.address = deaf.address;
	before = open_descriptors();
	assert_int_equal(weft_spawn(rt, visit, f, .join = &join), 0);
	do {
		usleep(200);
		weft_runtime_stats(rt, &stats);
	} while (stats.fds == 0 || weft_task_state((struct weft_task *)join) & WEFT_T_RUNNING);
	assert_int_equal(((struct visit *)((struct weft_task *)join)->frame)->weft_on,
			 WEFT_WAIT_CONNECT);
	weft_join_abort(join);
	while (!weft_join_done(join))
		usleep(200);
	assert_int_equal(((struct weft_task *)join)->rc, -ECANCELED);
	weft_join_detach(join);
	weft_runtime_stats(rt, &stats);
	assert_int_equal(stats.fds, 0);
	assert_int_equal(open_descriptors(), before);
	deaf_close(&deaf);
}

/* In time: the timer goes too. */
static weft_poll_t visit_in_time(struct weft_cx *cx, struct visit *f)
{
	weft_async_begin(f);
	weft_await(f, weft_timeout(cx, &f->limit, 60000 * MS,
				   weft_tcp_connect_address(cx, &f->connecting, &f->address,
							    &f->conn)));
	weft_tcp_close(f->conn);
	weft_async_end(f, f->rc);
}

static void test_in_time(void **state)
{
	struct weft_listener *listener;
	struct weft_runtime_stats stats;
	struct visit f = { .i = 0 };

	(void)state;
	assert_int_equal(weft_tcp_listen(rt, "127.0.0.1", 0, &listener), 0);
	assert_int_equal(weft_address_parse("127.0.0.1", weft_listener_port(listener), &f.address),
			 0);
	assert_int_equal(weft_block_on(rt, visit_in_time, &f), 0);
	weft_runtime_stats(rt, &stats);
	assert_int_equal(stats.timers, 0);
	weft_listener_close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = { T(test_timeout), T(test_abort), T(test_in_time) };

	return RUN("runtime/connect", tests);
}
