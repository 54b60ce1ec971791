/* SPDX-License-Identifier: MIT */
/*
 * Weft runtime: stackless tasks for Linux services.
 *
 *	struct echo {
 *		WEFT_FRAME;
 *		struct weft_tcp *conn;
 *		struct weft_write_all out;
 *		size_t n;
 *		char buf[1024];
 *	};
 *
 *	static weft_poll_t echo(struct weft_cx *cx, struct echo *f)
 *	{
 *		weft_async_begin(f);
 *		for (;;) {
 *			weft_await(f, weft_tcp_read(cx, f->conn, f->buf, sizeof(f->buf), &f->n));
 *			if (f->rc < 0 || f->n == 0)
 *				break;
 *			weft_await(f, weft_write_all(cx, &f->out, f->conn, f->buf, f->n));
 *		}
 *		weft_tcp_close(f->conn);
 *		weft_async_end(f, f->rc);
 *	}
 *	...
 *	weft_spawn(rt, echo, ((struct echo){ .conn = conn }), .name = "echo", .detach = true);
 *
 * Errors are negative errno values; results come through ret pointers, written only on success.
 * Functions that take a `struct weft_cx *` are for tasks: they return WEFT_PENDING after having
 * arranged for the task to be polled again, and are meant to stand inside weft_await(). All else
 * may be called from any thread unless said otherwise.
 *
 * Cancellation is an error code: an aborted task is polled once more, each operation it awaits
 * gives -ECANCELED at once, and the function runs to its end through its own error paths: the
 * innermost function first, then its callers. Then its task-locals are destroyed, the newest first, timers it
 * left behind are taken out, and its joiner or group sees -ECANCELED (or what it returned). A
 * task that goes on awaiting regardless (1,000 times) is taken off at that point. A task that is
 * aborted before its first poll runs too, so that it can give back what its frame holds.
 *
 * Misuse (nested block_on, a frame moved while suspended, two tasks waiting in one direction of
 * one socket, timers or IO in a runtime built without, use after shutdown) gives an error and a
 * `misuse` event.
 */
#ifndef WEFT_H
#define WEFT_H

#include "runtime/api/base.h"
#include "runtime/api/runtime.h"
#include "runtime/api/task.h"
#include "runtime/api/group.h"
#include "runtime/api/time.h"
#include "runtime/api/blocking.h"
#include "runtime/api/file.h"
#include "runtime/api/child.h"
#include "runtime/api/signal.h"
#include "runtime/api/address.h"
#include "runtime/api/stream.h"
#include "runtime/api/net.h"
#include "runtime/api/datagram.h"
#include "runtime/api/resolve.h"
#include "runtime/api/sync.h"
#include "runtime/api/channel.h"

#endif
