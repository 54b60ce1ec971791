/* SPDX-License-Identifier: MIT */
/* What every wait for another task is made of. Part of weft.h. */
#ifndef WEFT_API_WAITER_H
#define WEFT_API_WAITER_H

#include "runtime/api/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One wait in progress. It is a member of the frame that waits: nothing is allocated. Zero before
 * first use, reusable once the operation is ready. While the operation is pending the waiter is
 * linked into a queue: it must not move, belongs to this task and this object alone (another task,
 * or another object, gets -EBUSY and a `misuse` event), and is taken out by polling the operation
 * once more as cancelled, which is what an abort and weft_timeout() do.
 */
struct weft_waiter {
	struct weft_waiter *next, *prev;
	struct weft_waiters *queue;
	struct weft_task *task; /* NULL: a thread in a _blocking_ call, asleep on `state` */
	uint32_t state, mark;
};

/*
 * Queue of waiters, first come first served. `holder` is the id of the task that has, or had last,
 * what the others wait for; 0 = none known. It is the first word of the object, whose address is
 * the resource in `lock-wait` events.
 */
struct weft_waiters {
	uint64_t holder;
	struct weft_waiter *first, *last;
	uint32_t lock, word;
};

#ifdef __cplusplus
}
#endif

#endif
