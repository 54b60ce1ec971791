/* SPDX-License-Identifier: MIT */
/*
 * The request handling of runtime/examples/http_echo.c, for the bare loop as well. In plain loops and copies, the
 * same ones as tests/bench/peers/shared/http.rs: between printf and Rust's fmt lies more than between the runtimes.
 */
#ifndef WEFT_BENCH_HTTP_H
#define WEFT_BENCH_HTTP_H

#include <stdbool.h>
#include <stddef.h>

struct http {
	size_t used, ready; /* bytes of `in` not answered yet, of `reply` not written yet */
	bool close;
	char in[2048], reply[2304];
};

/* Answers the first request of `in`. False: not complete, or no room for the reply. */
bool http_request(struct http *h);

#endif
