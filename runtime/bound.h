/* SPDX-License-Identifier: MIT */
/*
 * Tasks bound to one thread (weft_spawn_local): the thread inside weft_block_on polls them along with
 * its root. Wakers on other threads put them into the set's queue and wake the root's thread as
 * the root's word says (executor/root.h). They are in no other queue, so nobody else can poll them.
 */
#ifndef WEFT_RUNTIME_BOUND_H
#define WEFT_RUNTIME_BOUND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct weft_bound_tail;
struct weft_cx;
struct weft_task;

/* One per weft_block_on, on its stack. */
struct weft_bound {
	pthread_mutex_t lock; /* queue */
	struct weft_task *first, **last;
	struct weft_task *root;
	struct weft_bound_tail *alive; /* its own thread only */
	struct weft_bound *outer; /* of the call that this one is nested in (weft_block_in_place) */
	bool ending;
};

#pragma GCC visibility push(hidden)
void weft_bound_begin(struct weft_bound *set, struct weft_task *root);
/* The root has ended: aborts what is left and polls it to its end. */
void weft_bound_end(struct weft_bound *set);

/* The set of the calling thread; NULL: it is nobody's root. */
struct weft_bound *weft_bound_here(void);
uint32_t weft_bound_tail_bytes(void); /* that the task's block has to have beyond the frame */
void weft_bound_enter(struct weft_bound *set, struct weft_task *task);
/* By the owner of the task's notification. Any thread. */
void weft_bound_schedule(struct weft_task *task);
/* Polls each task that is queued now once. The set's own thread, between polls. */
void weft_bound_run(struct weft_cx *cx);
#pragma GCC visibility pop

#endif
