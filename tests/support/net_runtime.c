/* SPDX-License-Identifier: MIT */
#include "tests/support/net_runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/flavours.h"

struct weft_runtime *rt;

int net_runtime_setup(void **state)
{
	struct weft_config config = { .size = sizeof(config), .workers = 2, .name = "net" };

	return flavours_start(state, &config, &rt);
}

int net_runtime_teardown(void **state)
{
	struct weft_runtime_stats stats;

	(void)state;
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	weft_runtime_stats(rt, &stats);
	assert_int_equal(stats.alive, 0);
	assert_int_equal(stats.fds, 0);
	assert_int_equal(stats.timers, 0);
	flavours_end(rt);
	return 0;
}

weft_poll_t net_conn_open(struct weft_cx *cx, struct net_conn *f)
{
	weft_async_begin(f);
	weft_await(f, weft_tcp_connect(cx, &f->connecting, "127.0.0.1",
				       weft_listener_port(f->listener), &f->far));
	if (f->rc == 0)
		weft_await(f, weft_tcp_accept(cx, f->listener, &f->near));
	weft_async_end(f, f->rc);
}

void net_conns_open(struct net_conn *conn, unsigned n)
{
	struct weft_listener *listener;

	assert_int_equal(weft_tcp_listen(rt, "127.0.0.1", 0, &listener), 0);
	for (unsigned i = 0; i < n; i++) {
		conn[i] = (struct net_conn){ .listener = listener };
		assert_int_equal(weft_block_on(rt, net_conn_open, &conn[i]), 0);
	}
	weft_listener_close(listener);
}

weft_poll_t net_drain(struct weft_cx *cx, struct net_drain *f)
{
	weft_async_begin(f);
	for (f->got = 0; f->got < f->cap; f->got += f->n) {
		weft_await(f, weft_stream_read(cx, f->stream, f->buf + f->got, f->cap - f->got,
					       &f->n));
		if (f->rc < 0 || f->n == 0)
			break;
	}
	weft_async_end(f, f->rc);
}
