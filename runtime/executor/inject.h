/* SPDX-License-Identifier: MIT */
/*
 * Shared queue of a runtime: tasks from outside its workers and what overflows their rings. FIFO,
 * intrusive.
 */
#ifndef WEFT_RUNTIME_INJECT_H
#define WEFT_RUNTIME_INJECT_H

#include <pthread.h>
#include <stdint.h>

struct weft_task;

struct weft_inject {
	pthread_mutex_t lock;
	struct weft_task *first, **last;
	uint64_t length; /* atomic, so that workers can look without the lock */
};

#pragma GCC visibility push(hidden)
void weft_inject_init(struct weft_inject *inject);
void weft_inject_done(struct weft_inject *inject);
/* A chain through task->next, first to last, last->next = NULL. */
void weft_inject_push_chain(struct weft_inject *inject, struct weft_task *first,
			    struct weft_task *last, uint64_t n);
/* Up to `max` tasks as a chain; *ret_n of them. NULL: empty. */
struct weft_task *weft_inject_pop(struct weft_inject *inject, uint64_t max, uint64_t *ret_n);
/* All of them in one step; *ret_last is the end of the chain. NULL: empty. */
struct weft_task *weft_inject_take(struct weft_inject *inject, struct weft_task ***ret_last,
				   uint64_t *ret_n);
#pragma GCC visibility pop

static inline uint64_t weft_inject_length(const struct weft_inject *inject)
{
	/*
	 * Seq_cst: a worker that parks must see what was pushed before its pusher looked for idle
	 * workers.
	 */
	return __atomic_load_n(&inject->length, __ATOMIC_SEQ_CST);
}

#endif
