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
