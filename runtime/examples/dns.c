/* SPDX-License-Identifier: MIT */
/* needs: ares.h */
/* ldflags: -lcares */
/*
 * Names on the loop: c-ares sends and receives itself and says which of its sockets it waits for,
 * and for how long at most. A task waits for all of them at once.
 *
 *	dns [--server IP:PORT] [--timeout-ms N] NAME...
 *
 * Prints "NAME ADDRESS" or "NAME: why not" in the order in which the answers come in.
 */
#include <ares.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/weft.h"

#define MS      1000000ull
#define SOCKETS ARES_GETSOCK_MAXNUM

static const char *server;
static int timeout_ms = 2000;

/* One wait for whatever the channel needs next. */
struct turn {
	struct weft_fd_wait wait[SOCKETS];
	struct weft_sleep limit;
};

static uint64_t limit_of(ares_channel channel)
{
	struct timeval tv, *limit = ares_timeout(channel, NULL, &tv);

	return limit ? (uint64_t)limit->tv_sec * 1000 * MS + (uint64_t)limit->tv_usec * 1000
		     : 60000 * MS;
}

/* Before c-ares may close one of them. */
static void give_up(struct weft_cx *cx, struct turn *f)
{
	for (int i = 0; i < SOCKETS; i++)
		weft_fd_wait_cancel(&f->wait[i]);
	weft_sleep_cancel(cx, &f->limit);
}

static weft_poll_t turn(struct weft_cx *cx, struct turn *f, ares_channel channel)
{
	ares_socket_t fd[SOCKETS];
	/* Bit i: readable, bit i + 16: writable; the macros for it shift into the sign. */
	unsigned set = (unsigned)ares_getsock(channel, fd, SOCKETS);
	int seen[SOCKETS] = { 0 }, ready = 0;

	for (int i = 0; i < SOCKETS; i++) {
		int events = (set >> i & 1 ? POLLIN : 0) |
			     (set >> (i + ARES_GETSOCK_MAXNUM) & 1 ? POLLOUT : 0);

		if (!events)
			continue;
		seen[i] = weft_fd_wait(cx, &f->wait[i], fd[i], events);
		if (seen[i] == WEFT_PENDING)
			seen[i] = 0;
		else
			ready++;
	}
	if (!ready && weft_sleep(cx, &f->limit, limit_of(channel)) == WEFT_PENDING)
		return weft_pending(cx, WEFT_WAIT_RESOLVE);
	give_up(cx, f);
	if (weft_is_cancelled(cx))
		return weft_cancelled(cx);
	if (!ready) /* too late: c-ares asks again or gives up */
		ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	for (int i = 0; i < SOCKETS; i++) {
		if (seen[i])
			ares_process_fd(channel, seen[i] & ~POLLOUT ? fd[i] : ARES_SOCKET_BAD,
					seen[i] & POLLOUT ? fd[i] : ARES_SOCKET_BAD);
	}
	return WEFT_READY;
}

struct query {
	WEFT_FRAME;
	const char *name;
	ares_channel channel;
	struct turn turn;
	bool done;
	int status;
};

static void answered(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
	struct query *f = arg;
	struct weft_address address;
	char text[WEFT_ADDRESS_TEXT];

	(void)timeouts;
	f->done = true;
	f->status = status;
	if (status) {
		printf("%s: %s\n", f->name, ares_strerror(status));
		return;
	}
	for (struct ares_addrinfo_node *at = found->nodes; at; at = at->ai_next) {
		memcpy(&address.any, at->ai_addr, at->ai_addrlen);
		address.len = at->ai_addrlen;
		printf("%s %s\n", f->name, weft_address_text(&address, text));
	}
	ares_freeaddrinfo(found);
}

static weft_poll_t query(struct weft_cx *cx, struct query *f)
{
	struct ares_options options = { .timeout = timeout_ms,
					.tries = 3,
					.lookups = (char[]){ "b" } };
	struct ares_addrinfo_hints hints = { .ai_family = AF_INET };

	weft_async_begin(f);
	if (ares_init_options(&f->channel, &options,
			      ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS))
		return -ENOMEM;
	if (server && ares_set_servers_ports_csv(f->channel, server)) {
		ares_destroy(f->channel);
		return -EINVAL;
	}
	ares_getaddrinfo(f->channel, f->name, NULL, &hints, answered, f);
	while (!f->done) {
		weft_await(f, turn(cx, &f->turn, f->channel));
		if (f->rc < 0)
			break;
	}
	ares_destroy(f->channel); /* ends a query that is still open */
	weft_async_end(f, f->status ? -EIO : f->rc);
}

struct all {
	WEFT_FRAME;
	char **names;
	struct weft_join **join;
	int n, i, failed;
};

static weft_poll_t all(struct weft_cx *cx, struct all *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < f->n; f->i++)
		weft_spawn(NULL, query, ((struct query){ .name = f->names[f->i] }),
			   .join = &f->join[f->i]);
	for (f->i = 0; f->i < f->n; f->i++) {
		weft_await(f, weft_join(cx, &f->join[f->i]));
		f->failed += f->rc != 0;
	}
	weft_async_end(f, f->failed);
}

int main(int argc, char **argv)
{
	struct weft_config config = { .size = sizeof(config), .name = "dns", .workers = 2 };
	struct all f = { .n = 0 };
	struct weft_runtime *rt;
	int i = 1, rc;

	for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		if (strcmp(argv[i], "--server") == 0)
			server = argv[i + 1];
		else if (strcmp(argv[i], "--timeout-ms") == 0)
			timeout_ms = atoi(argv[i + 1]);
	}
	f.names = argv + i;
	f.n = argc - i;
	if (f.n <= 0) {
		fprintf(stderr, "usage: dns [--server IP:PORT] [--timeout-ms N] NAME...\n");
		return 2;
	}
	if (ares_library_init(ARES_LIB_INIT_ALL) || weft_runtime_new(&config, &rt))
		return 1;
	f.join = calloc((size_t)f.n, sizeof(struct weft_join *));
	rc = f.join ? weft_block_on(rt, all, &f) : -ENOMEM;
	free(f.join);
	weft_runtime_free(rt);
	ares_library_cleanup();
	return rc != 0;
}
