/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/executor/executor.h"
#include "runtime/io/operation.h"
#include "runtime/io/option.h"

static uintptr_t handle_of(const struct weft_datagram *socket)
{
	return (uintptr_t)socket;
}

/* address NULL = unnamed. */
static int open_at(struct weft_runtime *rt, int family, const struct weft_address *address,
		   struct weft_datagram **ret)
{
	uintptr_t handle;
	int rc, fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (address && bind(fd, &address->any, address->len)) {
		rc = -errno;
		close(fd);
		return rc;
	}
	rc = weft_source_adopt(rt, fd, WEFT_SOURCE_SOCKET, &handle);
	if (rc == 0)
		*ret = (struct weft_datagram *)handle;
	return rc;
}

int weft_udp_bind(struct weft_runtime *rt, const char *address, uint16_t port,
		  struct weft_datagram **ret)
{
	struct weft_address at;
	int rc = weft_address_parse(address, port, &at);

	return rc ? rc : open_at(rt, at.any.sa_family, &at, ret);
}

int weft_unix_datagram_bind(struct weft_runtime *rt, const char *path, struct weft_datagram **ret)
{
	struct weft_address at;
	int rc = path ? weft_address_local(path, &at) : 0;

	return rc ? rc : open_at(rt, AF_UNIX, path ? &at : NULL, ret);
}

int weft_datagram_pair(struct weft_runtime *rt, struct weft_datagram *ret[2])
{
	uintptr_t handle[2];
	int fd[2], rc;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd))
		return -errno;
	rc = weft_source_adopt(rt, fd[0], WEFT_SOURCE_SOCKET, &handle[0]);
	if (rc) {
		close(fd[1]);
		return rc;
	}
	rc = weft_source_adopt(rt, fd[1], WEFT_SOURCE_SOCKET, &handle[1]);
	if (rc) {
		weft_source_close(handle[0]);
		return rc;
	}
	ret[0] = (struct weft_datagram *)handle[0];
	ret[1] = (struct weft_datagram *)handle[1];
	return 0;
}

static int connect_call(const struct weft_source *source, void *arg)
{
	const struct weft_address *to = arg;

	return connect(source->fd, &to->any, to->len) ? -errno : 0;
}

int weft_datagram_connect(struct weft_datagram *socket, const struct weft_address *to)
{
	return weft_operation_now(handle_of(socket), connect_call, (void *)(uintptr_t)to);
}

struct out {
	const void *buf;
	size_t n;
	const struct weft_address *to; /* NULL = connected */
	bool full;                     /* set when a Unix receiver had no room */
};

/*
 * A Unix socket that isn't connected is never told that the receiver has room again
 * (unix_dgram_poll in net/unix/af_unix.c): the caller has to know instead of waiting for ever.
 */
static ssize_t send_call(const struct weft_source *source, const void *arg)
{
	struct out *out = (struct out *)(uintptr_t)arg;
	ssize_t n = sendto(source->fd, out->buf, out->n, MSG_NOSIGNAL,
			   out->to ? &out->to->any : NULL, out->to ? out->to->len : 0);

	if (n < 0 && errno == EAGAIN && out->to && out->to->any.sa_family == AF_UNIX) {
		out->full = true;
		errno = EBUSY;
	}
	return n;
}

static weft_poll_t send_out(struct weft_cx *cx, struct weft_datagram *socket, struct out *out)
{
	const struct weft_operation op = { handle_of(socket), WEFT_DIR_WRITE, WEFT_WAIT_WRITE,
					   send_call, out };
	ssize_t n = 0;
	weft_poll_t rc = weft_operation_run(cx, &op, &n);

	return out->full ? -EAGAIN : rc;
}

weft_poll_t weft_datagram_send(struct weft_cx *cx, struct weft_datagram *socket, const void *buf,
			       size_t n)
{
	return send_out(cx, socket, &(struct out){ .buf = buf, .n = n });
}

weft_poll_t weft_datagram_send_to(struct weft_cx *cx, struct weft_datagram *socket,
				  const struct weft_message *message)
{
	return send_out(cx, socket,
			&(struct out){
				.buf = message->buf, .n = message->n, .to = &message->address });
}

struct in {
	void *buf;
	size_t cap;
	struct weft_address *from; /* NULL = not wanted */
};

/* MSG_TRUNC: the length of the message, whatever the room. */
static ssize_t receive_call(const struct weft_source *source, const void *arg)
{
	const struct in *in = arg;

	if (!in->from)
		return recv(source->fd, in->buf, in->cap, MSG_TRUNC);
	in->from->len = sizeof(in->from->local);
	return recvfrom(source->fd, in->buf, in->cap, MSG_TRUNC, &in->from->any, &in->from->len);
}

static weft_poll_t receive(struct weft_cx *cx, struct weft_datagram *socket, const struct in *in,
			   size_t *ret)
{
	const struct weft_operation op = { handle_of(socket), WEFT_DIR_READ, WEFT_WAIT_READ,
					   receive_call, in };
	ssize_t n = 0;
	weft_poll_t rc = weft_operation_run(cx, &op, &n);

	if (rc == 0)
		*ret = (size_t)n;
	return rc;
}

weft_poll_t weft_datagram_receive(struct weft_cx *cx, struct weft_datagram *socket, void *buf,
				  size_t cap, size_t *ret)
{
	return receive(cx, socket, &(const struct in){ buf, cap, NULL }, ret);
}

weft_poll_t weft_datagram_receive_from(struct weft_cx *cx, struct weft_datagram *socket,
				       struct weft_message *message)
{
	struct weft_address from;
	const struct in in = { message->buf, message->n, &from };
	weft_poll_t rc = receive(cx, socket, &in, &message->n);

	if (rc == 0)
		message->address = from;
	return rc;
}

int weft_datagram_local(const struct weft_datagram *socket, struct weft_address *ret)
{
	return weft_option_local(handle_of(socket), ret);
}

int weft_datagram_set(struct weft_datagram *socket, enum weft_option option, int value)
{
	return weft_option_set(handle_of(socket), option, value);
}

int weft_datagram_get(const struct weft_datagram *socket, enum weft_option option, int *ret)
{
	return weft_option_get(handle_of(socket), option, ret);
}

int weft_datagram_fd(const struct weft_datagram *socket)
{
	return weft_option_fd(handle_of(socket));
}

struct weft_datagram *weft_datagram_close(struct weft_datagram *socket)
{
	weft_source_close(handle_of(socket));
	return NULL;
}
