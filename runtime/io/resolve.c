/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "runtime/executor/executor.h"

static int error_of(int code)
{
	switch (code) {
	case EAI_NONAME:
	case EAI_NODATA:
	case EAI_ADDRFAMILY:
		return -ENOENT;
	case EAI_AGAIN:
		return -EAGAIN;
	case EAI_FAIL:
		return -EIO;
	case EAI_MEMORY:
		return -ENOMEM;
	case EAI_SYSTEM:
		return errno ? -errno : -EIO;
	default:
		return -EINVAL;
	}
}

static void keep(struct weft_resolve *f, const struct sockaddr *address, socklen_t len)
{
	if (f->count < WEFT_RESOLVE_MAX && len <= sizeof(f->found[0]))
		memcpy(&f->found[f->count++], address, len);
}

/* On a pool thread: f is the pool's until the job is done. */
static int look_up(void *arg)
{
	struct weft_resolve *f = arg;
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	int rc = getaddrinfo(f->host, NULL, &hints, &list);

	if (rc)
		return error_of(rc);
	for (struct addrinfo *at = list; at; at = at->ai_next)
		keep(f, at->ai_addr, at->ai_addrlen);
	freeaddrinfo(list);
	return f->count ? 0 : -ENOENT;
}

/* 0: look it up; > 0: done, it is numeric. */
static int start(struct weft_resolve *f, const char *host, uint16_t port)
{
	struct weft_address address;
	size_t n = strlen(host);

	f->count = 0;
	f->port = port;
	if (weft_address_parse(host, port, &address) == 0) {
		keep(f, &address.any, address.len);
		return (int)f->count;
	}
	if (n == 0 || n >= sizeof(f->host))
		return -ENOENT;
	memcpy(f->host, host, n + 1);
	f->started = true;
	return 0;
}

/* A look-up that an earlier use gave up on still owns the frame. */
static weft_poll_t drain(struct weft_cx *cx, struct weft_resolve *f)
{
	weft_poll_t rc = weft_spawn_blocking(cx, &f->job, look_up, f);

	if (rc == WEFT_PENDING)
		return cx->cancelled ? rc : weft_pending(cx, WEFT_WAIT_RESOLVE);
	if (rc == -ECANCELED && cx->cancelled)
		return rc;
	f->started = f->given_up = false;
	return WEFT_READY;
}

weft_poll_t weft_resolve(struct weft_cx *cx, struct weft_resolve *f, const char *host,
			 uint16_t port)
{
	weft_poll_t rc;

	if (f->given_up) {
		rc = drain(cx, f);
		if (rc)
			return rc;
	}
	if (!f->started) {
		rc = cx->cancelled ? weft_cancelled(cx) : start(f, host, port);
		if (rc)
			return rc;
	}
	rc = weft_spawn_blocking(cx, &f->job, look_up, f);
	if (rc == WEFT_PENDING)
		return cx->cancelled ? rc : weft_pending(cx, WEFT_WAIT_RESOLVE);
	if (rc == -ECANCELED && cx->cancelled) {
		f->given_up = true;
		return rc;
	}
	f->started = false;
	return rc ? rc : (int)f->count;
}

void weft_resolve_address(const struct weft_resolve *f, unsigned i, struct weft_address *ret)
{
	const struct sockaddr_in6 *found = &f->found[i];

	memset(ret, 0, sizeof(*ret));
	ret->v6 = *found;
	ret->len = found->sin6_family == AF_INET ? sizeof(ret->v4) : sizeof(ret->v6);
	/* At the same place in both. */
	ret->v6.sin6_port = htons(f->port);
}

/* Without a limit no timer is needed, and none may be there. */
static weft_poll_t connect_one(struct weft_cx *cx, struct weft_connect_host *f,
			       struct weft_tcp **ret)
{
	if (!f->each_ns)
		return weft_tcp_connect_address(cx, &f->connecting, &f->address, ret);
	return weft_timeout(cx, &f->limit, f->each_ns,
			    weft_tcp_connect_address(cx, &f->connecting, &f->address, ret));
}

weft_poll_t weft_connect_host(struct weft_cx *cx, struct weft_connect_host *f, const char *host,
			      uint16_t port, struct weft_tcp **ret)
{
	weft_async_begin(f);
	weft_await(f, weft_resolve(cx, &f->resolve, host, port));
	for (f->i = 0; f->rc != -ECANCELED && f->i < f->resolve.count; f->i++) {
		weft_resolve_address(&f->resolve, f->i, &f->address);
		weft_await(f, connect_one(cx, f, ret));
		if (f->rc == 0)
			break;
	}
	weft_async_end(f, f->rc);
}
