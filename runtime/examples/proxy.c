/* SPDX-License-Identifier: MIT */
/*
 * A TCP proxy: passes bytes on in both directions, and the end of each direction by itself, so that
 * a client may end its request and still read the answer.
 *
 *	proxy --to HOST:PORT [--port P] [--workers N] [--connect-ms N]	(port 0 = any; it is printed)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/examples/serve.h"

#define MS  1000000ull
#define BUF 16384

static const char *host;
static uint16_t port;
static uint64_t connect_ns = 5000 * MS;

struct copy {
	WEFT_FRAME;
	struct weft_tcp *from, *to;
	struct weft_write_all out;
	size_t n;
	char buf[BUF];
};

/* An error ends both directions: closing wakes the other one with -EBADF. */
static weft_poll_t copy(struct weft_cx *cx, struct copy *f)
{
	weft_async_begin(f);
	for (;;) {
		weft_await(f, weft_tcp_read(cx, f->from, f->buf, sizeof(f->buf), &f->n));
		if (f->rc < 0 || f->n == 0)
			break;
		weft_await(f, weft_write_all(cx, &f->out, f->to, f->buf, f->n));
		if (f->rc < 0)
			break;
	}
	if (f->rc == 0)
		f->rc = weft_tcp_shutdown(f->to, SHUT_WR);
	if (f->rc < 0) {
		weft_tcp_close(f->from);
		weft_tcp_close(f->to);
	}
	weft_async_end(f, f->rc);
}

/* Resolving is over before the first byte is copied. */
struct session {
	WEFT_FRAME;
	struct weft_tcp *client, *server;
	struct weft_join *back;
	struct weft_sleep limit;
	union {
		struct weft_connect_host connecting;
		struct copy there;
	};
};

static weft_poll_t session(struct weft_cx *cx, struct session *f)
{
	weft_async_begin(f);
	weft_await(f, weft_timeout(cx, &f->limit, connect_ns,
				   weft_connect_host(cx, &f->connecting, host, port, &f->server)));
	if (f->rc) {
		weft_tcp_close(f->client);
		return f->rc;
	}
	f->rc = weft_spawn(NULL, copy, ((struct copy){ .from = f->server, .to = f->client }),
			   .name = "back", .join = &f->back);
	memset(&f->there, 0, offsetof(struct copy, buf));
	f->there.from = f->client;
	f->there.to = f->server;
	if (f->rc == 0) {
		weft_await(f, copy(cx, &f->there));
		if (f->rc == -ECANCELED)
			weft_join_abort(f->back);
		weft_await(f, weft_join(cx, &f->back));
		weft_join_detach(f->back);
	}
	weft_tcp_close(f->client);
	weft_tcp_close(f->server);
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
	while (!weft_is_cancelled(cx)) {
		weft_await(f, weft_tcp_accept(cx, f->listener, &f->conn));
		if (f->rc == 0 &&
		    weft_spawn(NULL, session, ((struct session){ .client = f->conn })))
			weft_tcp_close(f->conn);
	}
	weft_listener_close(f->listener);
	weft_async_end(f, 0);
}

/* "host:port", "[::1]:port". */
static bool split(char *target)
{
	char *colon = strrchr(target, ':');

	if (!colon)
		return false;
	*colon = '\0';
	port = (uint16_t)atoi(colon + 1);
	host = target;
	if (target[0] == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		host = target + 1;
	}
	return port != 0;
}

static int start(struct weft_runtime *rt, struct weft_listener *listener)
{
	return weft_spawn(rt, acceptor, ((struct acceptor){ .listener = listener }));
}

int main(int argc, char **argv)
{
	struct weft_config config = { .size = sizeof(config), .name = "proxy" };
	uint16_t own = 0;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--to") == 0 && split(argv[i + 1]))
			continue;
		else if (strcmp(argv[i], "--port") == 0)
			own = (uint16_t)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--workers") == 0)
			config.workers = (uint32_t)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--connect-ms") == 0)
			connect_ns = (uint64_t)atoi(argv[i + 1]) * MS;
		else
			host = NULL, i = argc;
	}
	if (!host || argc % 2 == 0) {
		fprintf(stderr, "usage: proxy --to HOST:PORT [--port P] [--workers N] "
				"[--connect-ms N]\n");
		return 2;
	}
	return serve(&config, own, start);
}
