/* SPDX-License-Identifier: MIT */
#include "runtime/io/listener.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/executor/executor.h"
#include "runtime/io/operation.h"
#include "runtime/io/option.h"

static uintptr_t handle_of(const struct weft_listener *listener)
{
	return (uintptr_t)listener;
}

int weft_listener_start(struct weft_runtime *rt, int fd, const struct weft_address *address,
			int backlog, struct weft_listener **ret)
{
	uintptr_t handle;
	int rc;

	if (bind(fd, &address->any, address->len) || listen(fd, backlog)) {
		rc = -errno;
		close(fd);
		return rc;
	}
	rc = weft_source_adopt(rt, fd, WEFT_SOURCE_LISTENER, &handle);
	if (rc == 0)
		*ret = (struct weft_listener *)handle;
	return rc;
}

uint16_t weft_listener_port(const struct weft_listener *listener)
{
	struct weft_address address;

	return weft_option_local(handle_of(listener), &address) ? 0 : weft_address_port(&address);
}

int weft_listener_fd(const struct weft_listener *listener)
{
	return weft_option_fd(handle_of(listener));
}

struct weft_listener *weft_listener_close(struct weft_listener *listener)
{
	weft_source_close(handle_of(listener));
	return NULL;
}

/*
 * accept() also hands out what became of a connection while it waited (accept(2), "Error
 * handling"); the next one may be well.
 */
static bool is_of_connection(int error)
{
	switch (error) {
	case ECONNABORTED:
	case EPROTO:
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return true;
	default:
		return false;
	}
}

static bool is_starvation(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static ssize_t accept_one(const struct weft_source *source)
{
	struct weft_driver *driver = &source->rt->driver;
	ssize_t n;

	if (__atomic_load_n(&source->armed, __ATOMIC_RELAXED) & WEFT_SOURCE_AHEAD) {
		n = driver->ops->accept(driver, (struct weft_source *)(uintptr_t)source);
		if (n != WEFT_DRIVER_DIRECT)
			return n;
	}
	do {
		n = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	} while (n < 0 && is_of_connection(errno));
	return n;
}

/*
 * The first failure for want of descriptors is told. The next one counts as "nothing there", so
 * that the operation waits, after the listener was noted for a wake-up by the next close.
 */
static ssize_t accept_call(const struct weft_source *source, const void *arg)
{
	uint8_t *starved = (uint8_t *)(uintptr_t)&source->starved;
	ssize_t fd = accept_one(source);
	bool again;

	if (fd >= 0 || !is_starvation(errno)) {
		/* Relaxed: of the accepting task. */
		if (fd >= 0 && __atomic_load_n(starved, __ATOMIC_RELAXED))
			__atomic_store_n(starved, 0, __ATOMIC_RELAXED);
		return fd;
	}
	again = __atomic_exchange_n(starved, 1, __ATOMIC_RELAXED);
	if (!again || !weft_source_starve(*(const uintptr_t *)arg))
		return -1;
	fd = accept_one(source);
	if (fd < 0 && is_starvation(errno))
		errno = EAGAIN;
	return fd;
}

weft_poll_t weft_listener_accept(struct weft_cx *cx, const struct weft_listener *listener,
				 int *ret_fd)
{
	const uintptr_t handle = handle_of(listener);
	const struct weft_operation op = { handle, WEFT_DIR_READ, WEFT_WAIT_ACCEPT, accept_call,
					   &handle };
	ssize_t fd = -1;
	weft_poll_t rc = weft_operation_run(cx, &op, &fd);

	if (rc == 0)
		*ret_fd = (int)fd;
	return rc;
}
