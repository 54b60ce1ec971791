/* SPDX-License-Identifier: MIT */
/*
 * Load on a service on this machine: one thread, N connections, one request in flight on each.
 *
 * Saturating (rate 0): the next request goes out when the answer is in; latency is that of the exchange.
 * Paced: request i is due at start + i / rate, on connection i modulo N, and its latency counts from the
 * moment it was due. A slow answer so delays those behind it in the figures as it does in life
 * (no coordinated omission).
 *
 * Loopback only. Errors: negative errno.
 */
#ifndef WEFT_BENCH_CLIENT_H
#define WEFT_BENCH_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/support/histogram.h"

#define CLIENT_CONNECTIONS_MAX 20000
#define CLIENT_MESSAGE_MAX     4096

struct client_options {
	uint16_t port;
	unsigned connections;
	bool http;               /* else echo */
	const char *path;        /* of the GET */
	unsigned message;        /* bytes of an echo message */
	double rate;             /* requests per second in all, 0 = saturating */
	uint64_t per_connection; /* connect anew after so many, 0 = never */
};

struct client_result {
	uint64_t requests;
	uint64_t reconnects;
	uint64_t bad;             /* wrong status or wrong bytes */
	uint64_t ns;              /* how long it took */
	struct histogram latency; /* ns */
};

struct client;

/* Connects all. -ECONNREFUSED, -EMFILE, -ETIMEDOUT ... */
int client_open(const struct client_options *options, struct client **ret);
/* Runs for at most `seconds` and `requests` (0 = no bound); adds to *result. -EPIPE when the service went away. */
int client_run(struct client *c, double seconds, uint64_t requests, struct client_result *result);
struct client *client_close(struct client *c); /* takes NULL, returns NULL */

uint64_t client_clock_ns(void); /* CLOCK_MONOTONIC */

#endif
