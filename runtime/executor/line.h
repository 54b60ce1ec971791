/* SPDX-License-Identifier: MIT */
/*
 * Threads inside weft_block_on of a flavour that has none of its own: so many of them drive, the
 * others stand in a line, poll their own roots only, and take over in turn.
 */
#ifndef WEFT_RUNTIME_LINE_H
#define WEFT_RUNTIME_LINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct weft_runtime;
struct weft_task;
struct weft_line_waiter;

struct weft_line {
	pthread_mutex_t lock;
	struct weft_line_waiter *first, **last;
	uint32_t seats;   /* free ones, under the lock */
	uint32_t driving; /* threads; changed under the lock, futex word of shutdown */
	/*
	 * Polls the root and the runtime's tasks until the root ends (true) or the runtime stops.
	 * What it does is ordered after the thread that had the seat before.
	 */
	bool (*drive)(struct weft_runtime *rt, struct weft_task *root);
};

#pragma GCC visibility push(hidden)
void weft_line_init(struct weft_line *line, uint32_t seats,
		    bool (*drive)(struct weft_runtime *rt, struct weft_task *root));
void weft_line_done(struct weft_line *line);

/* The whole of weft_block_on, but for the task. */
void weft_line_block_on(struct weft_line *line, struct weft_runtime *rt, struct weft_task *root);

/*
 * Waits until nobody drives; the runtime stops and those that sleep have been woken. What they
 * had is the caller's then. -ETIMEDOUT.
 */
int weft_line_stop(struct weft_line *line, uint64_t deadline_ns);
#pragma GCC visibility pop

#endif
