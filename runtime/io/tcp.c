/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "runtime/executor/executor.h"
#include "runtime/io/listener.h"
#include "runtime/io/operation.h"

#define BACKLOG 1024

static int listen_options(int fd, const struct weft_listen *options, bool v6)
{
	int one = 1, v6_only = options->v6_only;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (options->reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)))
		return -errno;
	if (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)))
		return -errno;
	return 0;
}

int weft_tcp_listen_with(struct weft_runtime *rt, const struct weft_listen *options,
			 struct weft_listener **ret)
{
	struct weft_address address;
	int fd, rc = weft_address_parse(options->address ? options->address : "0.0.0.0",
					options->port, &address);

	if (rc)
		return rc;
	fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	rc = listen_options(fd, options, address.any.sa_family == AF_INET6);
	if (rc) {
		close(fd);
		return rc;
	}
	return weft_listener_start(rt, fd, &address, options->backlog ? options->backlog : BACKLOG,
				   ret);
}

int weft_tcp_listen(struct weft_runtime *rt, const char *address, uint16_t port,
		    struct weft_listener **ret)
{
	const struct weft_listen options = { .address = address, .port = port };

	return weft_tcp_listen_with(rt, &options, ret);
}

static int adopt(struct weft_runtime *rt, int fd, struct weft_tcp **ret)
{
	uintptr_t handle;
	int one = 1, rc;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	rc = weft_source_adopt(rt, fd, WEFT_SOURCE_TCP, &handle);
	if (rc == 0)
		*ret = (struct weft_tcp *)handle;
	return rc;
}

weft_poll_t weft_tcp_accept(struct weft_cx *cx, struct weft_listener *listener,
			    struct weft_tcp **ret)
{
	int fd = -1;
	weft_poll_t rc = weft_listener_accept(cx, listener, &fd);

	return rc ? rc : adopt(cx->runtime, fd, ret);
}

static int connect_start(struct weft_runtime *rt, const struct weft_address *address,
			 struct weft_tcp **ret)
{
	int rc, fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, &address->any, address->len) && errno != EINPROGRESS) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return adopt(rt, fd, ret);
}

static weft_poll_t connect_end(struct weft_connect *f, int rc)
{
	if (rc)
		weft_tcp_close(f->conn);
	f->conn = NULL;
	return rc;
}

/*
 * A socket that is still connecting isn't writable (EAGAIN); once it is, SO_ERROR has the
 * outcome.
 */
static ssize_t connect_call(const struct weft_source *source, const void *arg)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	int error = 0;
	socklen_t error_len = sizeof(error);

	(void)arg;
	if (getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &error_len))
		return -1;
	if (error) {
		errno = error;
		return -1;
	}
	if (getpeername(source->fd, (struct sockaddr *)&peer, &len) == 0)
		return 0;
	if (errno == ENOTCONN)
		errno = EAGAIN;
	return -1;
}

weft_poll_t weft_tcp_connect_address(struct weft_cx *cx, struct weft_connect *f,
				     const struct weft_address *address, struct weft_tcp **ret)
{
	struct weft_operation op = { .dir = WEFT_DIR_WRITE,
				     .on = WEFT_WAIT_CONNECT,
				     .call = connect_call };
	ssize_t none = 0;
	weft_poll_t rc;

	if (cx->cancelled) {
		connect_end(f, -ECANCELED);
		return weft_cancelled(cx);
	}
	if (!f->conn) {
		rc = connect_start(cx->runtime, address, &f->conn);
		if (rc)
			return rc;
	}
	op.handle = (uintptr_t)f->conn;
	rc = weft_operation_run(cx, &op, &none);
	if (rc == WEFT_PENDING)
		return rc;
	if (rc == 0)
		*ret = f->conn;
	return connect_end(f, rc);
}

weft_poll_t weft_tcp_connect(struct weft_cx *cx, struct weft_connect *f, const char *address,
			     uint16_t port, struct weft_tcp **ret)
{
	struct weft_address parsed = { .len = 0 };

	/* The address is needed at the first poll only. */
	if (!f->conn && !cx->cancelled) {
		int rc = weft_address_parse(address, port, &parsed);

		if (rc)
			return rc;
	}
	return weft_tcp_connect_address(cx, f, &parsed, ret);
}
