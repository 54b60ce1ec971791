/* SPDX-License-Identifier: MIT */
/*
 * A runtime of two workers for one test, on each flavour and driver in turn; its end asserts that no task, fd
 * or timer is left.
 */
#ifndef WEFT_TESTS_NET_RUNTIME_H
#define WEFT_TESTS_NET_RUNTIME_H

#include "runtime/weft.h"
#include "tests/support/flavours.h"

#define MS 1000000ull

extern struct weft_runtime *rt;

int net_runtime_setup(void **state);
int net_runtime_teardown(void **state);

#define T(name)           cmocka_unit_test_setup_teardown(name, net_runtime_setup, net_runtime_teardown)
#define RUN(group, tests) flavours_run_io(group, tests, sizeof(tests) / sizeof((tests)[0]))

/* Both ends of a TCP connection; listener is to be set. */
struct net_conn {
	WEFT_FRAME;
	struct weft_listener *listener;
	struct weft_connect connecting;
	struct weft_tcp *near, *far;
};
weft_poll_t net_conn_open(struct weft_cx *cx, struct net_conn *f);
/* n of them on rt, by a listener of their own; near was accepted. Asserts. */
void net_conns_open(struct net_conn *conn, unsigned n);

/* Reads until the end or an error: rc, and what came in buf[0, got). */
struct net_drain {
	WEFT_FRAME;
	struct weft_stream *stream;
	size_t n, got, cap;
	char *buf;
};
weft_poll_t net_drain(struct weft_cx *cx, struct net_drain *f);

#endif
