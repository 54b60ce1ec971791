/* SPDX-License-Identifier: MIT */
/*
 * service --flavour F --workers N --mode http|echo|proxy|hello [--buffer 64|1024] [--to PORT]
 *         [--driver epoll|io_uring]
 *
 * The request handling of runtime/examples/http_echo.c and a proxy, on any flavour; prints "port N".
 * hello ends at once after that: what a start costs. As tests/bench/peers/shared/service.rs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/weft.h"
#include "tests/bench/runtimes/http.h"

#define PAUSE_NS 10000000u

struct options {
	uint32_t flavour, workers;
	const char *mode;
	unsigned buffer;
	uint16_t to;
	bool uring;
};

struct http_conn {
	WEFT_FRAME;
	struct weft_tcp *conn;
	struct weft_write_all out;
	size_t n;
	struct http http;
};

static weft_poll_t http_conn(struct weft_cx *cx, struct http_conn *f)
{
	weft_async_begin(f);
	while (!f->http.close) {
		while (!f->http.close && f->http.used && http_request(&f->http))
			;
		if (f->http.ready) {
			weft_await(f, weft_write_all(cx, &f->out, f->conn, f->http.reply,
						     f->http.ready));
			f->http.ready = 0;
			if (f->rc < 0)
				break;
			continue;
		}
		weft_await(f, weft_tcp_read(cx, f->conn, f->http.in + f->http.used,
					    sizeof(f->http.in) - f->http.used, &f->n));
		if (f->rc < 0 || f->n == 0)
			break;
		f->http.used += f->n;
	}
	weft_tcp_close(f->conn);
	weft_async_end(f, 0);
}

struct echo64 {
	WEFT_FRAME;
	struct weft_tcp *conn;
	struct weft_write_all out;
	size_t n;
	char buf[64];
};

static weft_poll_t echo64(struct weft_cx *cx, struct echo64 *f)
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

/* One direction of a proxied connection. */
struct copy {
	WEFT_FRAME;
	struct weft_tcp *from, *to;
	struct weft_write_all out;
	size_t n;
	char buf[8192];
};

static weft_poll_t copy(struct weft_cx *cx, struct copy *f)
{
	weft_async_begin(f);
	do {
		weft_await(f, weft_tcp_read(cx, f->from, f->buf, sizeof(f->buf), &f->n));
		if (f->rc < 0 || f->n == 0)
			break;
		weft_await(f, weft_write_all(cx, &f->out, f->to, f->buf, f->n));
	} while (f->rc == 0);
	weft_tcp_shutdown(f->to, SHUT_WR);
	weft_async_end(f, 0);
}

struct proxy {
	WEFT_FRAME;
	struct weft_tcp *client, *server;
	struct weft_connect connect;
	struct weft_join *back;
	struct copy forth;
	uint16_t to;
};

static weft_poll_t proxy(struct weft_cx *cx, struct proxy *f)
{
	weft_async_begin(f);
	weft_await(f, weft_tcp_connect(cx, &f->connect, "127.0.0.1", f->to, &f->server));
	if (f->rc == 0) {
		if (weft_spawn(NULL, copy, ((struct copy){ .from = f->server, .to = f->client }),
			       .join = &f->back) == 0) {
			f->forth.from = f->client;
			f->forth.to = f->server;
			weft_await(f, copy(cx, &f->forth));
			weft_await(f, weft_join(cx, &f->back));
		}
		weft_tcp_close(f->server);
	}
	weft_tcp_close(f->client);
	weft_async_end(f, 0);
}

struct acceptor {
	WEFT_FRAME;
	const struct options *options;
	struct weft_listener *listener;
	struct weft_tcp *conn;
	struct weft_sleep pause;
};

static int serve(const struct options *o, struct weft_tcp *conn)
{
	if (o->mode[0] == 'h')
		return weft_spawn(NULL, http_conn, ((struct http_conn){ .conn = conn }));
	if (o->mode[0] == 'p')
		return weft_spawn(NULL, proxy, ((struct proxy){ .client = conn, .to = o->to }));
	if (o->buffer == 64)
		return weft_spawn(NULL, echo64, ((struct echo64){ .conn = conn }));
	return weft_spawn(NULL, echo, ((struct echo){ .conn = conn }));
}

static weft_poll_t acceptor(struct weft_cx *cx, struct acceptor *f)
{
	weft_async_begin(f);
	while (!weft_is_cancelled(cx)) {
		weft_await(f, weft_tcp_accept(cx, f->listener, &f->conn));
		if (f->rc < 0 || serve(f->options, f->conn))
			weft_await(f, weft_sleep(cx, &f->pause, PAUSE_NS));
	}
	weft_async_end(f, 0);
}

struct root {
	WEFT_FRAME;
	const struct options *options;
	struct weft_join *accepting;
};

/* Inside the runtime, as in the peers: some flavours run nothing outside block_on. */
static weft_poll_t root(struct weft_cx *cx, struct root *f)
{
	struct acceptor first = { .options = f->options };

	weft_async_begin(f);
	f->rc = weft_tcp_listen(cx->runtime, "127.0.0.1", 0, &first.listener);
	if (f->rc < 0)
		return f->rc;
	printf("port %u\n", weft_listener_port(first.listener));
	fflush(stdout);
	if (strcmp(f->options->mode, "hello") == 0)
		return 0;
	f->rc = weft_spawn(NULL, acceptor, first, .join = &f->accepting);
	if (f->rc < 0)
		return f->rc;
	weft_await(f, weft_join(cx, &f->accepting));
	weft_async_end(f, f->rc);
}

static int read_options(int argc, char **argv, struct options *o)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--flavour") == 0)
			o->flavour = weft_flavour_find(argv[i + 1]);
		else if (strcmp(argv[i], "--workers") == 0)
			o->workers = (uint32_t)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--mode") == 0)
			o->mode = argv[i + 1];
		else if (strcmp(argv[i], "--buffer") == 0)
			o->buffer = (unsigned)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--to") == 0)
			o->to = (uint16_t)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--driver") == 0)
			o->uring = strcmp(argv[i + 1], "io_uring") == 0;
		else
			return -EINVAL;
	}
	return argc % 2 && o->flavour ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	struct options options = { WEFT_MULTI_THREAD, 1, "echo", 1024, 0, false };
	struct weft_config config = { .size = sizeof(config), .name = "service" };
	struct root f = { .options = &options };
	struct weft_runtime *rt;
	int rc = read_options(argc, argv, &options);

	config.flavour = options.flavour;
	config.workers = options.workers;
	config.driver = options.uring ? WEFT_DRIVER_URING : WEFT_DRIVER_EPOLL;
	if (rc == 0)
		rc = weft_runtime_new(&config, &rt);
	if (rc == 0) {
		const char *why;

		weft_runtime_driver(rt, &why);
		if (why)
			fprintf(stderr, "service: %s\n", why);
		rc = why ? -ENOTSUP : weft_block_on(rt, root, &f);
		weft_runtime_free(rt);
	}
	if (rc < 0)
		fprintf(stderr, "service: %s\n", strerror(-rc));
	return rc < 0;
}
