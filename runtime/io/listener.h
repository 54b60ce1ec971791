/* SPDX-License-Identifier: MIT */
#ifndef WEFT_RUNTIME_IO_LISTENER_H
#define WEFT_RUNTIME_IO_LISTENER_H

#include "runtime/api/net.h"
#include "runtime/io/source.h"

#pragma GCC visibility push(hidden)
/* Binds and listens; fd is closed on failure. */
int weft_listener_start(struct weft_runtime *rt, int fd, const struct weft_address *address,
			int backlog, struct weft_listener **ret);
/* *ret_fd: a new non-blocking descriptor. */
weft_poll_t weft_listener_accept(struct weft_cx *cx, const struct weft_listener *listener,
				 int *ret_fd);
#pragma GCC visibility pop

#endif
