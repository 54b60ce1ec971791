/* SPDX-License-Identifier: MIT */
/*
 * Ring of 256 runnable tasks: one owner pushes and pops at its ends, thieves take half.
 *
 * The algorithm is Tokio's (runtime/scheduler/multi_thread/queue.rs), which comes from Go's
 * runqput/runqgrab. `head` packs two positions: `real`, the next to pop, and `steal`, which lags
 * behind while a thief copies what it has claimed; slots from steal on must not be overwritten.
 */
#ifndef WEFT_RUNTIME_DEQUE_H
#define WEFT_RUNTIME_DEQUE_H

#include <stdbool.h>
#include <stdint.h>

#ifndef WEFT_DEQUE_SIZE /* a test has it smaller */
#define WEFT_DEQUE_SIZE 256u
#endif

struct weft_task;
struct weft_inject;

struct weft_deque {
	uint64_t head __attribute__((aligned(64))); /* steal << 32 | real */
	uint32_t tail __attribute__((aligned(64))); /* written by the owner only */
	bool alone; /* there are no thieves and never will be: no locked instruction needed */
	struct weft_task *slot[WEFT_DEQUE_SIZE];
};

#pragma GCC visibility push(hidden)
/* Owner only. Overflow moves half of the ring and the task to the inject queue. */
void weft_deque_push(struct weft_deque *deque, struct weft_task *task, struct weft_inject *inject);
struct weft_task *weft_deque_pop(struct weft_deque *deque);
/* Owner only: room for that many without overflow. */
uint32_t weft_deque_room(const struct weft_deque *deque);
/* Any thread. A snapshot. */
uint32_t weft_deque_length(const struct weft_deque *deque);
/*
 * By to's owner, whose ring must be at most half full: moves half of `from`, returns one more to
 * run.
 */
struct weft_task *weft_deque_steal(struct weft_deque *from, struct weft_deque *to,
				   unsigned *ret_taken);
#pragma GCC visibility pop

#endif
