/* SPDX-License-Identifier: MIT */
/*
 * TCP and Unix sockets under churn: stress_net [SECONDS [SEED [FLAVOUR [DRIVER]]]], or
 * WEFT_STRESS_SECONDS, _FLAVOUR and _DRIVER (epoll, io_uring); without one the rounds take turns.
 * Clients connect, send, leave early,
 * time out, are aborted in the middle, and have their socket closed under a waiting reader. At the
 * end of each round no task, descriptor or timer may be left.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/weft.h"

#define MS            1000000ull
#define ROUND_LIMIT_S 60
#define CLIENTS       200
#define DRIVERS       2

static struct weft_runtime *rt;
static uint64_t messages, timeouts, aborts;
static uint32_t seed;
static char path[64]; /* of the Unix listener, abstract */

static uint32_t next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static void die(const char *what, long value)
{
	fprintf(stderr, "stress_net: seed %u: %s (%ld)\n", seed, what, value);
	abort();
}

struct echo {
	WEFT_FRAME;
	struct weft_stream *conn;
	struct weft_write_all out;
	size_t n;
	char buf[256];
};

static weft_poll_t echo(struct weft_cx *cx, struct echo *f)
{
	weft_async_begin(f);
	do {
		weft_await(f, weft_stream_read(cx, f->conn, f->buf, sizeof(f->buf), &f->n));
		if (f->rc < 0 || f->n == 0)
			break;
		weft_await(f, weft_stream_write_all(cx, &f->out, f->conn, f->buf, f->n));
	} while (f->rc == 0);
	weft_stream_close(f->conn);
	weft_async_end(f, 0);
}

struct acceptor {
	WEFT_FRAME;
	struct weft_listener *listener;
	struct weft_tcp *tcp;
	struct weft_stream *conn;
	bool local;
};

static weft_poll_t acceptor(struct weft_cx *cx, struct acceptor *f)
{
	weft_async_begin(f);
	for (;;) {
		if (f->local) {
			weft_await(f, weft_unix_accept(cx, f->listener, &f->conn));
		} else {
			weft_await(f, weft_tcp_accept(cx, f->listener, &f->tcp));
			f->conn = weft_tcp_stream(f->tcp);
		}
		if (f->rc == -ECANCELED)
			break;
		if (f->rc == 0 && weft_spawn(NULL, echo, ((struct echo){ .conn = f->conn })))
			weft_stream_close(f->conn);
	}
	weft_listener_close(f->listener);
	weft_async_end(f, 0);
}

struct reader {
	WEFT_FRAME;
	struct weft_stream *conn;
	size_t n;
	char buf[64];
};

static weft_poll_t reader(struct weft_cx *cx, struct reader *f)
{
	weft_async_begin(f);
	weft_await(f, weft_stream_read(cx, f->conn, f->buf, sizeof(f->buf), &f->n));
	if (f->rc != -EBADF && f->rc != -ECANCELED)
		die("read of a closed socket", f->rc);
	weft_async_end(f, 0);
}

struct client {
	WEFT_FRAME;
	uint16_t port;
	uint32_t random;
	int i;
	struct weft_connect connecting;
	struct weft_tcp *tcp;
	struct weft_stream *conn;
	struct weft_write_all out;
	struct weft_sleep limit;
	struct weft_yield yield;
	struct weft_join *reader;
	size_t n, got;
	char data[256], back[256];
};

static weft_poll_t client(struct weft_cx *cx, struct client *f)
{
	weft_async_begin(f);
	if (f->random & 8) {
		f->rc = weft_unix_connect(cx->runtime, path, &f->conn);
	} else {
		weft_await(f, weft_tcp_connect(cx, &f->connecting, "127.0.0.1", f->port, &f->tcp));
		f->conn = weft_tcp_stream(f->tcp);
	}
	if (f->rc)
		return 0;
	for (f->i = 0; f->i < 20; f->i++) {
		memset(f->data, (int)next_random(&f->random), sizeof(f->data));
		f->n = 1 + f->random % sizeof(f->data);
		weft_await(f, weft_stream_write_all(cx, &f->out, f->conn, f->data, f->n));
		if (f->rc)
			break;
		for (f->got = 0; f->got < f->n && f->rc == 0;) {
			size_t n = 0;

			weft_await(f, weft_timeout(cx, &f->limit, f->random / 256 % 3000 * 1000,
						   weft_stream_read(cx, f->conn, f->back,
								    sizeof(f->back), &n)));
			f->got += f->rc == 0 ? n : 0;
			if (f->rc == 0 && n == 0)
				break;
		}
		if (f->rc == -ETIMEDOUT)
			__atomic_fetch_add(&timeouts, 1, __ATOMIC_RELAXED);
		if (f->rc || f->random % 30 == 0)
			break;
		__atomic_fetch_add(&messages, 1, __ATOMIC_RELAXED);
	}
	if (f->rc == 0 && f->got == f->n && f->random % 4 == 0) {
		weft_spawn(NULL, reader, ((struct reader){ .conn = f->conn }), .join = &f->reader);
		for (f->i = (int)(f->random % 3); f->i > 0; f->i--)
			weft_await(f, weft_yield(cx, &f->yield));
		weft_join_abort(f->random % 8 ? NULL : f->reader);
		weft_await(f, weft_timeout(cx, &f->limit, MS, weft_join(cx, &f->reader)));
	}
	weft_stream_close(f->conn);
	weft_join_detach(f->reader);
	weft_async_end(f, 0);
}

static void settle(uint64_t alive)
{
	struct weft_runtime_stats stats;

	do {
		usleep(500);
		weft_runtime_stats(rt, &stats);
	} while (stats.alive > alive);
	if (stats.timers)
		die("timers left", (long)stats.timers);
}

/* Drives a flavour that has no threads of its own, or only waits. */
static void *driver_main(void *unused)
{
	int rc = weft_runtime_run(rt);

	(void)unused;
	if (rc && rc != -ESHUTDOWN)
		die("run", rc);
	return NULL;
}

static void run_round(uint32_t random, uint32_t flavour, uint32_t driver_kind)
{
	struct weft_config config = { .size = sizeof(config),
				      .flavour = flavour,
				      .driver = driver_kind,
				      .workers = 1 + random % 4 };
	struct acceptor f = { .local = false }, local = { .local = true };
	struct weft_join *join[CLIENTS];
	struct weft_runtime_stats stats;
	pthread_t driver[DRIVERS];
	uint16_t port;

	if (weft_runtime_new(&config, &rt) || weft_tcp_listen(rt, "127.0.0.1", 0, &f.listener) ||
	    weft_unix_listen(rt, path, &local.listener))
		die("start", 0);
	for (int i = 0; i < DRIVERS; i++)
		pthread_create(&driver[i], NULL, driver_main, NULL);
	port = weft_listener_port(f.listener);
	weft_spawn(rt, acceptor, f);
	weft_spawn(rt, acceptor, local);
	for (int i = 0; i < CLIENTS; i++)
		weft_spawn(rt, client,
			   ((struct client){ .port = port, .random = next_random(&random) | 1 }),
			   .join = &join[i]);
	for (int i = 0; i < CLIENTS; i++) {
		if (next_random(&random) % 10 == 0) {
			weft_join_abort(join[i]);
			aborts++;
		}
		weft_join_detach(join[i]);
	}
	if (random % 4)
		settle(2 + DRIVERS); /* the acceptors, and the drivers' roots */
	if (weft_runtime_shutdown(rt, 20000 * MS))
		die("shutdown", 0);
	for (int i = 0; i < DRIVERS; i++)
		pthread_join(driver[i], NULL);
	weft_runtime_stats(rt, &stats);
	if (stats.alive || stats.fds || stats.timers)
		die("left: tasks, descriptors or timers",
		    (long)(stats.alive + stats.fds + stats.timers));
	weft_runtime_free(rt);
}

int main(int argc, char **argv)
{
	const char *env = getenv("WEFT_STRESS_SECONDS");
	uint64_t until = weft_now() + (uint64_t)atoi(argc > 1 ? argv[1]
						     : env    ? env
							      : "10") *
					      1000 * MS;
	const char *name = argc > 3 ? argv[3] : getenv("WEFT_STRESS_FLAVOUR");
	const char *driver = argc > 4 ? argv[4] : getenv("WEFT_STRESS_DRIVER");
	uint32_t random, rounds = 0, only = name ? weft_flavour_find(name) : 0;

	if (driver && strcmp(driver, "epoll") != 0 && strcmp(driver, "io_uring") != 0)
		die("no such driver", 0);
	if (name && !only)
		die("no such flavour", 0);
	snprintf(path, sizeof(path), "@weft_stress_net.%d", getpid());
	seed = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : (uint32_t)weft_now() | 1;
	random = seed;
	do {
		alarm(ROUND_LIMIT_S);
		run_round(next_random(&random), only ? only : 1 + rounds % WEFT_EXECUTOR,
			  (driver ? strcmp(driver, "io_uring") == 0 : rounds / WEFT_EXECUTOR % 2)
				  ? WEFT_DRIVER_URING
				  : WEFT_DRIVER_EPOLL);
		rounds++;
	} while (weft_now() < until);
	printf("stress_net: seed %u: %u rounds, %llu messages, %llu timeouts, %llu aborts\n", seed,
	       rounds, (unsigned long long)messages, (unsigned long long)timeouts,
	       (unsigned long long)aborts);
	return 0;
}
