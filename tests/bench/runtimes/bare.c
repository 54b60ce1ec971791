/* SPDX-License-Identifier: MIT */
/*
 * bare --mode http|echo|hello [--buffer 64|1024]
 *
 * The floor: the same services as one thread around epoll_wait, with nothing between. Prints
 * "port N". Other options of `service` are read over. A reply that the socket doesn't take at
 * once ends the connection: the load generator never lets that happen.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/runtimes/http.h"

struct conn {
	int fd;
	char buf[]; /* struct http, or the echo's bytes */
};

struct loop {
	int epoll, listener;
	bool http;
	size_t buffer;
};

static int listen_any(uint16_t *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 1024) ||
	    getsockname(fd, (struct sockaddr *)&at, &len))
		return -1;
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static void accept_all(const struct loop *l)
{
	int fd, one = 1;

	while ((fd = accept4(l->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct conn *c = calloc(1, sizeof(*c) + l->buffer);
		struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = c };

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (!c || epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev)) {
			free(c);
			close(fd);
			continue;
		}
		c->fd = fd;
	}
}

static bool send_all(int fd, const char *bytes, size_t n)
{
	return send(fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* False: the connection is over. A read that leaves room has emptied the socket. */
static bool serve_echo(const struct loop *l, struct conn *c)
{
	ssize_t n;

	do {
		n = recv(c->fd, c->buf, l->buffer, 0);
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		if (!send_all(c->fd, c->buf, (size_t)n))
			return false;
	} while ((size_t)n == l->buffer);
	return true;
}

static bool serve_http(struct conn *c)
{
	struct http *h = (struct http *)(void *)c->buf;
	size_t room = sizeof(h->in) - h->used;
	ssize_t n = recv(c->fd, h->in + h->used, room, 0);

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	h->used += (size_t)n;
	do {
		while (!h->close && h->used && http_request(h))
			;
		if (!h->ready)
			break;
		if (!send_all(c->fd, h->reply, h->ready))
			return false;
		h->ready = 0;
	} while (!h->close);
	return !h->close;
}

static void turn(const struct loop *l)
{
	struct epoll_event ev[256];
	int n = epoll_wait(l->epoll, ev, 256, -1);

	for (int i = 0; i < n; i++) {
		struct conn *c = ev[i].data.ptr;

		if (!c) {
			accept_all(l);
		} else if (!(l->http ? serve_http(c) : serve_echo(l, c))) {
			close(c->fd);
			free(c);
		}
	}
}

int main(int argc, char **argv)
{
	struct loop l = { .buffer = 1024 };
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.ptr = NULL };
	uint16_t port = 0;
	bool hello = false;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--mode") == 0) {
			l.http = strcmp(argv[i + 1], "http") == 0;
			hello = strcmp(argv[i + 1], "hello") == 0;
		} else if (strcmp(argv[i], "--buffer") == 0) {
			l.buffer = (size_t)atoi(argv[i + 1]);
		}
	}
	if (l.http)
		l.buffer = sizeof(struct http);
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	l.listener = listen_any(&port);
	if (l.listener < 0 || epoll_ctl(l.epoll, EPOLL_CTL_ADD, l.listener, &ev)) {
		perror("bare");
		return 1;
	}
	printf("port %u\n", port);
	fflush(stdout);
	if (hello)
		return 0;
	for (;;)
		turn(&l);
}
