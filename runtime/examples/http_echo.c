/* SPDX-License-Identifier: MIT */
/* needs: http_parser.h */
/* ldflags: -lhttp_parser */
/*
 * A JSON and echo service: GET anything gives a small JSON object, POST gives its body back,
 * HTTP/1.1 with keep-alive and pipelining; a second port echoes bytes.
 *
 *	http_echo [--port P] [--echo-port P] [--flavour NAME] [--workers N] [--idle-ms N] [--request-ms N]
 *
 * Port 0 = any; both are printed. The main thread drives a flavour that has no threads of its own. idle: for a
 * connection that sends nothing (30 s). request: for a request to come in whole, and for a client to take its answer
 * (10 s). HTTP itself is in http_io.h.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

#include "runtime/examples/http_io.h"
#include "runtime/weft.h"

#define MS     1000000ull
#define LINGER 16 /* reads after an error answer */

static uint64_t port, echo_port, workers, idle_ns = 30000 * MS, request_ns = 10000 * MS;

struct http {
	WEFT_FRAME;
	struct weft_tcp *conn;
	struct weft_write_all out;
	struct weft_sleep limit;
	uint64_t deadline; /* of the request that is coming in; 0 = not set */
	size_t n;
	int i;
	struct http_io io;
};

/* The wait for a first byte starts anew with each request, all others share one limit. */
static uint64_t time_left(struct http *f)
{
	uint64_t now;

	if (f->io.fresh) {
		f->deadline = 0;
		return idle_ns;
	}
	now = weft_now();
	f->deadline = f->deadline ? f->deadline : now + request_ns;
	return f->deadline > now ? f->deadline - now : 0;
}

static weft_poll_t http(struct weft_cx *cx, struct http *f)
{
	weft_async_begin(f);
	http_begin(&f->io);
	for (;;) {
		http_parse(&f->io);
		if (f->io.ready) {
			weft_await(f, weft_timeout(cx, &f->limit, request_ns,
						   weft_write_all(cx, &f->out, f->conn, f->io.reply,
								  f->io.ready)));
			f->io.ready = 0;
			if (f->rc < 0 || f->io.close)
				break;
		}
		if (f->io.parsed < f->io.used)
			continue; /* the parser had paused to have that sent */
		weft_await(f, weft_timeout(cx, &f->limit, time_left(f),
					   weft_tcp_read(cx, f->conn, f->io.in, sizeof(f->io.in),
							 &f->n)));
		if (f->rc < 0 || f->n == 0)
			break;
		f->io.fresh = false;
		f->io.parsed = 0;
		f->io.used = f->n;
	}
	/* Closing with bytes unread would reset the connection, and the answer with it. */
	if (f->rc == 0 && f->io.error && weft_tcp_shutdown(f->conn, SHUT_WR) == 0) {
		for (f->i = 0; f->i < LINGER && f->rc == 0 && f->n > 0; f->i++)
			weft_await(f, weft_timeout(cx, &f->limit, request_ns / LINGER,
						   weft_tcp_read(cx, f->conn, f->io.in,
								 sizeof(f->io.in), &f->n)));
	}
	weft_tcp_close(f->conn);
	weft_async_end(f, 0);
}

struct echo {
	WEFT_FRAME;
	struct weft_tcp *conn;
	struct weft_write_all out;
	size_t n;
	char buf[1024];
};

static weft_poll_t echo(struct weft_cx *cx, struct echo *f)
{
	weft_async_begin(f);
	do {
		weft_await(f, weft_tcp_read(cx, f->conn, f->buf, sizeof(f->buf), &f->n));
		if (f->rc < 0 || f->n == 0)
			break;
		weft_await(f, weft_write_all(cx, &f->out, f->conn, f->buf, f->n));
	} while (f->rc == 0);
	weft_tcp_close(f->conn);
	weft_async_end(f, 0);
}

struct acceptor {
	WEFT_FRAME;
	struct weft_listener *listener;
	struct weft_tcp *conn;
	bool http;
};

/* Out of descriptors: the next accept waits until one is free. */
static weft_poll_t acceptor(struct weft_cx *cx, struct acceptor *f)
{
	weft_async_begin(f);
	while (!weft_is_cancelled(cx)) {
		weft_await(f, weft_tcp_accept(cx, f->listener, &f->conn));
		if (f->rc < 0)
			continue;
		if (f->http ? weft_spawn(NULL, http, ((struct http){ .conn = f->conn }))
			    : weft_spawn(NULL, echo, ((struct echo){ .conn = f->conn })))
			weft_tcp_close(f->conn);
	}
	weft_listener_close(f->listener);
	weft_async_end(f, 0);
}

static int serve(struct weft_runtime *rt, uint64_t at, const char *name)
{
	struct acceptor f = { .http = name[0] == 'h' };
	int rc = weft_tcp_listen(rt, "127.0.0.1", (uint16_t)at, &f.listener);

	if (rc) {
		fprintf(stderr, "http_echo: listen on port %u: %s\n", (unsigned)at, strerror(-rc));
		return rc;
	}
	printf("%s port %u\n", name, weft_listener_port(f.listener));
	fflush(stdout);
	return weft_spawn(rt, acceptor, f);
}

struct ending {
	WEFT_FRAME;
	struct weft_fd_wait wait;
	int fd;
};

static weft_poll_t until_signal(struct weft_cx *cx, struct ending *f)
{
	weft_async_begin(f);
	weft_await(f, weft_fd_wait(cx, &f->wait, f->fd, POLLIN));
	weft_async_end(f, 0);
}

static bool option(const char *name, const char *value, struct weft_config *config)
{
	uint64_t *to = !strcmp(name, "--workers")      ? &workers
		       : !strcmp(name, "--port")       ? &port
		       : !strcmp(name, "--echo-port")  ? &echo_port
		       : !strcmp(name, "--idle-ms")    ? &idle_ns
		       : !strcmp(name, "--request-ms") ? &request_ns
						       : NULL;

	if (to)
		*to = strtoull(value, NULL, 10) * (strstr(name, "-ms") ? MS : 1);
	else if (!strcmp(name, "--flavour"))
		config->flavour = weft_flavour_find(value);
	return to || config->flavour;
}

int main(int argc, char **argv)
{
	struct weft_config config = { .size = sizeof(config), .name = "http_echo" };
	struct ending ending = { .fd = -1 };
	struct weft_runtime *rt;
	sigset_t set;
	int rc;

	sigemptyset(&set);
	for (int i = 1; i < argc; i += 2)
		if (i + 1 == argc || !option(argv[i], argv[i + 1], &config))
			return 2;
	http_parser_set_max_header_size(HEADER_MAX);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL); /* before the workers inherit the mask */
	ending.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	config.workers = (uint32_t)workers;
	rc = weft_runtime_new(&config, &rt);
	if (rc == 0 && serve(rt, port, "http") == 0 && serve(rt, echo_port, "echo") == 0)
		weft_block_on(rt, until_signal, &ending);
	return rc ? 1 : weft_runtime_free(rt) != NULL;
}
