/* SPDX-License-Identifier: MIT */
/*
 * Who drives a worker while its thread is inside weft_block_in_place().
 *
 * The thread offers the worker and asks the blocking pool for a stand-in: the first of the two to
 * take the offer has the worker, so a call that is over before a thread of the pool has woken up
 * moves nothing. A thread that comes too late is no worker any more: it ends the poll it is in as a
 * foreign thread. One of the pool then goes back there; the worker's own thread asks for the worker
 * and gets it at the next turn of the loop of whoever drives by then.
 */
#ifndef WEFT_RUNTIME_STAND_IN_H
#define WEFT_RUNTIME_STAND_IN_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/api/blocking.h"

struct weft_runtime;
struct weft_worker;

struct weft_stand_in {
	uint32_t offered; /* 1: whoever swaps it for 0 has the worker. Atomic */
	uint32_t queued;  /* 1: the job is in the pool's queue. Atomic */
	uint32_t back;    /* enum, futex word of the own thread. Atomic */
	struct weft_job job;
};
enum weft_stand_in_back { WEFT_BACK_NO, WEFT_BACK_WANTED, WEFT_BACK_GIVEN };

#pragma GCC visibility push(hidden)
/* Members of struct weft_executor_ops, for flavours whose workers have threads of their own. */
int weft_stand_in_lend(struct weft_runtime *rt);
void weft_stand_in_regain(struct weft_runtime *rt);

/* The worker's own thread, which has lost it, gets it back. */
void weft_stand_in_wait(struct weft_worker *worker);
#pragma GCC visibility pop

/* Whoever drives: the own thread waits for the worker. */
static inline bool weft_stand_in_wanted(const struct weft_stand_in *stand_in)
{
	/* Relaxed: the sleep of a stand-in ends by its parker, which orders this. */
	return __atomic_load_n(&stand_in->back, __ATOMIC_RELAXED) == WEFT_BACK_WANTED;
}

#endif
