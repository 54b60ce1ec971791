/* SPDX-License-Identifier: MIT */
#include "tests/bench/support/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct connection {
	int fd;
	bool busy;
	unsigned owed;   /* due, but the one before is still under way */
	uint64_t due_ns; /* of the request in flight, or of the last */
	uint64_t sent;   /* requests on this TCP connection */
	unsigned got;    /* bytes of the answer's head (HTTP) or of the echo */
	long body;       /* bytes of the body that are missing, -1 = head not complete */
	char head[CLIENT_MESSAGE_MAX];
};

struct client {
	struct client_options options;
	struct connection *connections;
	int epoll;
	unsigned request_bytes;
	char request[CLIENT_MESSAGE_MAX];
	struct client_result *result; /* of the run under way */
	uint64_t start_ns, issued;
};

uint64_t client_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static int connect_one(struct client *c, unsigned i)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(c->options.port) };
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = i };
	struct connection *k = &c->connections[i];
	int one = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	k->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (k->fd < 0)
		return -errno;
	setsockopt(k->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(k->fd, (struct sockaddr *)&to, sizeof to) < 0)
		return -errno;
	if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, k->fd, &ev) < 0)
		return -errno;
	k->busy = false;
	k->sent = 0;
	return 0;
}

static int reconnect(struct client *c, struct connection *k)
{
	struct linger reset = { .l_onoff = 1 }; /* no TIME_WAIT: ports would run out */

	setsockopt(k->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(k->fd);
	k->fd = -1;
	c->result->reconnects++;
	return connect_one(c, (unsigned)(k - c->connections));
}

static int send_request(struct client *c, struct connection *k, uint64_t due_ns)
{
	ssize_t n = send(k->fd, c->request, c->request_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n != (ssize_t)c->request_bytes)
		return n < 0 ? -errno : -EPIPE;
	k->busy = true;
	k->due_ns = due_ns;
	k->sent++;
	k->got = 0;
	k->body = -1;
	return 0;
}

/* Bytes of the answer: 1 = complete, 0 = more to come, negative errno = not an answer. */
static int take_http(struct client *c, struct connection *k, unsigned n)
{
	if (k->body < 0) {
		k->got += n;
		k->head[k->got] = 0;
		char *end = strstr(k->head, "\r\n\r\n"),
		     *length = strcasestr(k->head, "\r\ncontent-length:");

		if (!end)
			return k->got + 1 >= sizeof k->head ? -EPROTO : 0;
		if (strncmp(k->head, "HTTP/1.1 200", 12))
			c->result->bad++;
		k->body = length && length < end ? strtol(length + 17, NULL, 10) : 0;
		n = k->got - (unsigned)(end + 4 - k->head);
	}
	k->body -= n;
	return k->body < 0 ? -EPROTO : k->body == 0;
}

static int take_echo(struct client *c, struct connection *k, unsigned n)
{
	k->got += n;
	if (k->got < c->request_bytes)
		return 0;
	if (k->got > c->request_bytes || memcmp(k->head, c->request, k->got))
		c->result->bad++;
	return 1;
}

static int take(struct client *c, struct connection *k)
{
	bool body = c->options.http && k->body >= 0;
	unsigned at = body ? 0 : k->got;
	ssize_t n = recv(k->fd, k->head + at, sizeof k->head - 1 - at, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0 || !k->busy)
		return -EPIPE;
	return c->options.http ? take_http(c, k, (unsigned)n) : take_echo(c, k, (unsigned)n);
}

static uint64_t due_at(const struct client *c, uint64_t i)
{
	return c->start_ns + (uint64_t)((double)i * 1e9 / c->options.rate);
}

static int next_request(struct client *c, struct connection *k, uint64_t now)
{
	uint64_t step = c->options.rate > 0 ? due_at(c, c->options.connections) - c->start_ns : 0;

	if (c->options.per_connection && k->sent >= c->options.per_connection) {
		int rc = reconnect(c, k);

		if (rc < 0)
			return rc;
	}
	if (c->options.rate <= 0)
		return send_request(c, k, now);
	if (k->owed == 0)
		return 0;
	k->owed--;
	return send_request(c, k, k->due_ns + step);
}

static int answer(struct client *c, struct connection *k, bool more)
{
	uint64_t now;
	int rc = take(c, k);

	if (rc <= 0)
		return rc;
	now = client_clock_ns();
	k->busy = false;
	histogram_add(&c->result->latency, now - k->due_ns);
	c->result->requests++;
	return more ? next_request(c, k, now) : 0;
}

/* All requests that are due by now: at once, or owed by a connection that is busy. */
static int issue_due(struct client *c, uint64_t now)
{
	while (due_at(c, c->issued) <= now) {
		uint64_t due = due_at(c, c->issued);
		struct connection *k = &c->connections[c->issued++ % c->options.connections];
		int rc = 0;

		if (k->busy)
			k->owed++;
		else
			rc = send_request(c, k, due);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int start_all(struct client *c)
{
	for (unsigned i = 0; i < c->options.connections; i++) {
		struct connection *k = &c->connections[i];
		int rc = c->options.rate > 0 || k->busy ? 0 : send_request(c, k, client_clock_ns());

		if (rc < 0)
			return rc;
		k->owed = 0;
	}
	return 0;
}

static unsigned in_flight(const struct client *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->options.connections; i++)
		n += c->connections[i].busy;
	return n;
}

static int poll_once(struct client *c, uint64_t until, bool more)
{
	struct epoll_event ev[256];
	uint64_t now = client_clock_ns(), wait = until > now ? until - now : 0;
	struct timespec ts = { (time_t)(wait / 1000000000), (long)(wait % 1000000000) };
	int n = epoll_pwait2(c->epoll, ev, 256, &ts, NULL);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		int rc = answer(c, &c->connections[ev[i].data.u32], more);

		if (rc < 0)
			return rc;
	}
	return n;
}

/* Answers still under way at the end are waited for, so that the next run starts clean. */
static int settle(struct client *c)
{
	uint64_t deadline = client_clock_ns() + 2000000000ull;

	while (in_flight(c) && client_clock_ns() < deadline) {
		int rc = poll_once(c, deadline, false);

		if (rc < 0)
			return rc;
	}
	return in_flight(c) ? -ETIMEDOUT : 0;
}

int client_run(struct client *c, double seconds, uint64_t requests, struct client_result *result)
{
	uint64_t now = client_clock_ns(), end = now + (uint64_t)(seconds * 1e9);
	uint64_t before = result->requests;
	int rc;

	c->result = result;
	c->start_ns = now;
	c->issued = 0;
	rc = start_all(c);
	while (rc >= 0 && now < end && (!requests || result->requests - before < requests)) {
		uint64_t until = end;

		if (c->options.rate > 0) {
			rc = issue_due(c, now);
			if (due_at(c, c->issued) < end)
				until = due_at(c, c->issued);
		}
		if (rc >= 0)
			rc = poll_once(c, until, true);
		now = client_clock_ns();
	}
	result->ns += now - c->start_ns;
	return rc < 0 ? rc : settle(c);
}

static void build_request(struct client *c)
{
	const struct client_options *o = &c->options;

	if (o->http) {
		int n = snprintf(c->request, sizeof c->request,
				 "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n",
				 o->path ? o->path : "/");

		c->request_bytes = (unsigned)n;
		return;
	}
	c->request_bytes = o->message;
	for (unsigned i = 0; i < o->message; i++)
		c->request[i] = (char)('a' + i % 26);
	c->request[o->message - 1] = '\n';
}

int client_open(const struct client_options *options, struct client **ret)
{
	struct client *c = calloc(1, sizeof *c);
	int rc = 0;

	if (!c)
		return -ENOMEM;
	c->options = *options;
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	c->connections = calloc(options->connections, sizeof *c->connections);
	if (c->epoll < 0 || !c->connections)
		rc = -ENOMEM;
	for (unsigned i = 0; rc == 0 && i < options->connections; i++)
		c->connections[i].fd = -1;
	build_request(c);
	for (unsigned i = 0; rc == 0 && i < options->connections; i++)
		rc = connect_one(c, i);
	if (rc < 0) {
		client_close(c);
		return rc;
	}
	*ret = c;
	return 0;
}

struct client *client_close(struct client *c)
{
	if (!c)
		return NULL;
	for (unsigned i = 0; c->connections && i < c->options.connections; i++)
		if (c->connections[i].fd >= 0)
			close(c->connections[i].fd);
	if (c->epoll >= 0)
		close(c->epoll);
	free(c->connections);
	free(c);
	return NULL;
}
