/* SPDX-License-Identifier: MIT */
/*
 * A JSON and echo service: GET anything gives a small JSON object, POST gives its body back,
 * HTTP/1.1 with keep-alive and pipelining; a second port echoes bytes.
 *
 *	http_echo [--port P] [--echo-port P] [--workers N]	(port 0 = any; both are printed)
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/weft.h"

#define SECOND  1000000000ull
#define IDLE_NS (30 * SECOND) /* for a connection that sends nothing */

static uint64_t served;

struct http {
	WEFT_FRAME;
	struct weft_tcp *conn;
	struct weft_write_all out;
	struct weft_sleep idle;
	size_t n, used, ready;
	bool close;
	char in[2048], reply[2304];
};

/* The header's number, 0 without it, -1 if it makes no sense. */
static long content_length(const char *head)
{
	const char *at = strcasestr(head, "\r\ncontent-length:");
	char *end;
	long n = at ? strtol(at + 17, &end, 10) : 0;

	return !at || (*end == '\r' && n >= 0) ? n : -1;
}

/* Appends a reply to f->reply; false: no room for a whole one, write first. */
static bool answer(struct http *f, const char *status, const char *body, size_t n)
{
	if (f->ready && f->ready + n + 128 > sizeof(f->reply))
		return false;
	f->ready += (size_t)snprintf(
		f->reply + f->ready, sizeof(f->reply) - f->ready,
		"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		status, n);
	memcpy(f->reply + f->ready, body, n);
	f->ready += n;
	f->close |= status[0] != '2';
	__atomic_fetch_add(&served, 1, __ATOMIC_RELAXED);
	return true;
}

/* Answers the first request in f->in[0, used). False: not complete, or no room for the reply. */
static bool request(struct http *f)
{
	char *end = memmem(f->in, f->used, "\r\n\r\n", 4), json[64];
	size_t head, n;
	long body;

	if (!end)
		return f->used == sizeof(f->in) && answer(f, "413 Payload Too Large", "", 0);
	head = (size_t)(end - f->in) + 4;
	end[2] = '\0';
	body = content_length(f->in);
	end[2] = '\r';
	if (body < 0 || memchr(f->in, '\0', head) ||
	    (strncmp(f->in, "GET ", 4) && strncmp(f->in, "POST ", 5)))
		return answer(f, "400 Bad Request", "", 0);
	if (head + (size_t)body > sizeof(f->in))
		return answer(f, "413 Payload Too Large", "", 0);
	if (head + (size_t)body > f->used)
		return false;
	n = (size_t)snprintf(json, sizeof(json), "{\"message\":\"Hello, World!\",\"served\":%llu}",
			     (unsigned long long)__atomic_load_n(&served, __ATOMIC_RELAXED));
	if (!answer(f, "200 OK", f->in[0] == 'P' ? f->in + head : json,
		    f->in[0] == 'P' ? (size_t)body : n))
		return false;
	f->used -= head + (size_t)body;
	memmove(f->in, f->in + head + body, f->used);
	return true;
}

static weft_poll_t http(struct weft_cx *cx, struct http *f)
{
	weft_async_begin(f);
	while (!f->close) {
		while (!f->close && f->used && request(f))
			;
		if (f->ready) {
			weft_await(f, weft_write_all(cx, &f->out, f->conn, f->reply, f->ready));
			f->ready = 0;
			if (f->rc < 0)
				break;
			continue; /* a request may have had no room for its reply */
		}
		weft_await(f, weft_timeout(cx, &f->idle, IDLE_NS,
					   weft_tcp_read(cx, f->conn, f->in + f->used,
							 sizeof(f->in) - f->used, &f->n)));
		if (f->rc < 0 || f->n == 0)
			break;
		f->used += f->n;
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
	struct weft_sleep pause;
	bool http;
};

static weft_poll_t acceptor(struct weft_cx *cx, struct acceptor *f)
{
	weft_async_begin(f);
	while (!weft_is_cancelled(cx)) {
		weft_await(f, weft_tcp_accept(cx, f->listener, &f->conn));
		if (f->rc < 0)
			weft_await(f,
				   weft_sleep(cx, &f->pause,
					      SECOND / 100)); /* out of descriptors: don't spin */
		else if (f->http)
			weft_spawn(NULL, http, ((struct http){ .conn = f->conn }), .name = "http");
		else
			weft_spawn(NULL, echo, ((struct echo){ .conn = f->conn }), .name = "echo");
	}
	weft_listener_close(f->listener);
	weft_async_end(f, 0);
}

static int serve(struct weft_runtime *rt, uint16_t port, const char *name)
{
	struct acceptor f = { .http = name[0] == 'h' };
	int rc = weft_tcp_listen(rt, "127.0.0.1", port, &f.listener);

	if (rc) {
		fprintf(stderr, "http_echo: listen on port %u: %s\n", port, strerror(-rc));
		return rc;
	}
	printf("%s port %u\n", name, weft_listener_port(f.listener));
	fflush(stdout);
	return weft_spawn(rt, acceptor, f);
}

int main(int argc, char **argv)
{
	struct weft_config config = { .size = sizeof(config), .name = "http_echo" };
	uint16_t port = 0, echo_port = 0;
	struct weft_runtime *rt;
	sigset_t set;
	int sig, rc;

	for (int i = 1; i < argc; i += 2) {
		int value = i + 1 < argc ? atoi(argv[i + 1]) : -1;

		if (value >= 0 && strcmp(argv[i], "--workers") == 0)
			config.workers = (uint32_t)value;
		else if (value >= 0 && strcmp(argv[i], "--port") == 0)
			port = (uint16_t)value;
		else if (value >= 0 && strcmp(argv[i], "--echo-port") == 0)
			echo_port = (uint16_t)value;
		else
			return 2;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL); /* before the workers inherit the mask */
	rc = weft_runtime_new(&config, &rt);
	if (rc == 0 && serve(rt, port, "http") == 0 && serve(rt, echo_port, "echo") == 0)
		sigwait(&set, &sig);
	return rc ? 1 : weft_runtime_free(rt) != NULL;
}
