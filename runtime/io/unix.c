/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/executor/executor.h"
#include "runtime/io/listener.h"

#define BACKLOG 1024

static int open_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

int weft_unix_listen(struct weft_runtime *rt, const char *path, struct weft_listener **ret)
{
	struct weft_address address;
	int fd, rc = weft_address_local(path, &address);

	if (rc)
		return rc;
	fd = open_socket();
	return fd < 0 ? fd : weft_listener_start(rt, fd, &address, BACKLOG, ret);
}

static int adopt(struct weft_runtime *rt, int fd, struct weft_stream **ret)
{
	uintptr_t handle;
	int rc = weft_source_adopt(rt, fd, WEFT_SOURCE_SOCKET, &handle);

	if (rc == 0)
		*ret = (struct weft_stream *)handle;
	return rc;
}

weft_poll_t weft_unix_accept(struct weft_cx *cx, struct weft_listener *listener,
			     struct weft_stream **ret)
{
	int fd = -1;
	weft_poll_t rc = weft_listener_accept(cx, listener, &fd);

	return rc ? rc : adopt(cx->runtime, fd, ret);
}

/* Never EINPROGRESS: the kernel either queues the connection or says EAGAIN. */
int weft_unix_connect(struct weft_runtime *rt, const char *path, struct weft_stream **ret)
{
	struct weft_address address;
	int fd, rc = weft_address_local(path, &address);

	if (rc)
		return rc;
	fd = open_socket();
	if (fd < 0)
		return fd;
	if (connect(fd, &address.any, address.len)) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return adopt(rt, fd, ret);
}
