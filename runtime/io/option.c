/* SPDX-License-Identifier: MIT */
#include "runtime/io/option.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

#include "runtime/io/operation.h"

static const struct {
	int level, name;
} options[] = {
	[WEFT_OPTION_NODELAY] = { IPPROTO_TCP, TCP_NODELAY },
	[WEFT_OPTION_KEEP_ALIVE] = { IPPROTO_TCP, TCP_KEEPIDLE },
	[WEFT_OPTION_KEEP_ALIVE_INTERVAL] = { IPPROTO_TCP, TCP_KEEPINTVL },
	[WEFT_OPTION_KEEP_ALIVE_COUNT] = { IPPROTO_TCP, TCP_KEEPCNT },
	[WEFT_OPTION_USER_TIMEOUT] = { IPPROTO_TCP, TCP_USER_TIMEOUT },
	[WEFT_OPTION_LINGER] = { SOL_SOCKET, SO_LINGER },
	[WEFT_OPTION_SEND_BUFFER] = { SOL_SOCKET, SO_SNDBUF },
	[WEFT_OPTION_RECEIVE_BUFFER] = { SOL_SOCKET, SO_RCVBUF },
	[WEFT_OPTION_LOW_WATER] = { IPPROTO_TCP, TCP_NOTSENT_LOWAT },
	[WEFT_OPTION_TTL] = { IPPROTO_IP, IP_TTL },
	[WEFT_OPTION_BROADCAST] = { SOL_SOCKET, SO_BROADCAST },
};

struct access {
	enum weft_option option;
	int value;
};

static int put(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

static int take(int fd, int level, int name, int *ret)
{
	socklen_t len = sizeof(*ret);

	return getsockopt(fd, level, name, ret, &len) ? -errno : 0;
}

/* Two kernel options make one: the switch and the time. */
static int keep_alive_set(int fd, int seconds)
{
	int rc = seconds ? put(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds) : 0;

	return rc ? rc : put(fd, SOL_SOCKET, SO_KEEPALIVE, seconds != 0);
}

static int keep_alive_get(int fd, int *ret)
{
	int rc = take(fd, SOL_SOCKET, SO_KEEPALIVE, ret);

	return rc || *ret == 0 ? rc : take(fd, IPPROTO_TCP, TCP_KEEPIDLE, ret);
}

static int linger_set(int fd, int seconds)
{
	struct linger linger = { .l_onoff = seconds >= 0, .l_linger = seconds };

	return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) ? -errno : 0;
}

static int linger_get(int fd, int *ret)
{
	struct linger linger;
	socklen_t len = sizeof(linger);

	if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len))
		return -errno;
	*ret = linger.l_onoff ? linger.l_linger : -1;
	return 0;
}

static int set_call(const struct weft_source *source, void *arg)
{
	const struct access *a = arg;

	if (a->option == WEFT_OPTION_KEEP_ALIVE)
		return keep_alive_set(source->fd, a->value);
	if (a->option == WEFT_OPTION_LINGER)
		return linger_set(source->fd, a->value);
	return put(source->fd, options[a->option].level, options[a->option].name, a->value);
}

static int get_call(const struct weft_source *source, void *arg)
{
	struct access *a = arg;

	if (a->option == WEFT_OPTION_KEEP_ALIVE)
		return keep_alive_get(source->fd, &a->value);
	if (a->option == WEFT_OPTION_LINGER)
		return linger_get(source->fd, &a->value);
	return take(source->fd, options[a->option].level, options[a->option].name, &a->value);
}

static bool known(enum weft_option option)
{
	return (unsigned)option < sizeof(options) / sizeof(options[0]);
}

int weft_option_set(uintptr_t handle, enum weft_option option, int value)
{
	struct access a = { option, value };

	return known(option) ? weft_operation_now(handle, set_call, &a) : -EINVAL;
}

int weft_option_get(uintptr_t handle, enum weft_option option, int *ret)
{
	struct access a = { option, 0 };
	int rc = known(option) ? weft_operation_now(handle, get_call, &a) : -EINVAL;

	if (rc == 0)
		*ret = a.value;
	return rc;
}

static int local_call(const struct weft_source *source, void *arg)
{
	struct weft_address *address = arg;

	return getsockname(source->fd, &address->any, &address->len) ? -errno : 0;
}

static int peer_call(const struct weft_source *source, void *arg)
{
	struct weft_address *address = arg;

	return getpeername(source->fd, &address->any, &address->len) ? -errno : 0;
}

static int name_of(uintptr_t handle, int (*call)(const struct weft_source *, void *),
		   struct weft_address *ret)
{
	struct weft_address address;
	int rc;

	memset(&address, 0, sizeof(address));
	address.len = sizeof(address.local);
	rc = weft_operation_now(handle, call, &address);
	if (rc == 0)
		*ret = address;
	return rc;
}

int weft_option_local(uintptr_t handle, struct weft_address *ret)
{
	return name_of(handle, local_call, ret);
}

int weft_option_peer(uintptr_t handle, struct weft_address *ret)
{
	return name_of(handle, peer_call, ret);
}

static int fd_call(const struct weft_source *source, void *arg)
{
	(void)arg;
	return source->fd;
}

int weft_option_fd(uintptr_t handle)
{
	return weft_operation_now(handle, fd_call, NULL);
}
