/* SPDX-License-Identifier: MIT */
/*
 * What watchers are told of a thread while it works for a runtime: start, stop, park, unpark,
 * driver turns, queue depths. The same for all flavours.
 */
#ifndef WEFT_RUNTIME_DUTY_H
#define WEFT_RUNTIME_DUTY_H

#include "runtime/executor/executor.h"

struct weft_duty {
	uint64_t from;      /* stamp of the park, 0 = not traced */
	enum weft_park how; /* 0 = not parked */
	int slack;          /* the thread's own timer slack, ns; 0 = not changed */
};

#pragma GCC visibility push(hidden)
/* The calling thread becomes worker `index`; name NULL = the thread keeps its own. */
void weft_duty_begin(struct weft_runtime *rt, uint32_t index, const char *name);
/* And stops being one. `foreign`: it lives on as a thread that isn't the runtime's. */
void weft_duty_end(struct weft_duty *duty, struct weft_runtime *rt, uint32_t index, bool foreign);

/* Around a sleep. Only the first park of a sleep is told: it may have several parts. */
void weft_duty_park(struct weft_duty *duty, const struct weft_runtime *rt, uint32_t index,
		    enum weft_park how);
void weft_duty_unpark(struct weft_duty *duty, const struct weft_runtime *rt, uint32_t index);

/* One turn of the driver, which the caller owns, on behalf of worker `index`. */
void weft_duty_turn(struct weft_runtime *rt, uint32_t index, bool block);
/* Now and then between polls: tasks waiting here, and in the shared queue. */
void weft_duty_depth(struct weft_runtime *rt, uint32_t index, uint32_t local, uint64_t shared);
#pragma GCC visibility pop

#endif
