/* SPDX-License-Identifier: MIT */
/*
 * A thread that is the only one to drive, about to sleep, may look a little longer whether another thread
 * wakes it: 40 us of wake-up against a tenth of a microsecond, where two threads answer each other.
 *
 * It does so only after three sleeps in a row that other threads ended within 200 us, for 100 us at most, and
 * after each time for nothing it lets twice as many sleeps pass before the next try (1,023 at most).
 * Sleeps that the driver ended, or the pool, don't count. With weft_config.no_spin, on a machine with one
 * processor, and under a test's clock it never does.
 */
#ifndef WEFT_RUNTIME_SPIN_H
#define WEFT_RUNTIME_SPIN_H

#include <stdbool.h>
#include <stdint.h>

struct weft_parker;
struct weft_timer_wheel;

struct weft_spin {
	uint64_t from; /* when the sleep began, ns; 0 = the one before was not ended by another thread */
	uint32_t streak;
	uint32_t pause, penalty; /* sleeps: yet to let pass, and after the next miss */
	bool on;
	bool called;     /* the last sleep was ended by another thread */
	uint32_t caller; /* 1: another thread has put something into the queue. Atomic */
};

#pragma GCC visibility push(hidden)
void weft_spin_init(struct weft_spin *spin, bool on);
/* Its own thread, before a sleep. True: somebody has called. It ends at the wheel's next deadline. */
bool weft_spin_try(struct weft_spin *spin, const struct weft_parker *parker,
		   struct weft_timer_wheel *wheel);
/* Around a sleep that follows. */
void weft_spin_sleep(struct weft_spin *spin);
void weft_spin_awake(struct weft_spin *spin);
#pragma GCC visibility pop

/* Another thread that isn't the runtime's, before it wakes this one. */
static inline void weft_spin_call(struct weft_spin *spin)
{
	/* Relaxed: a hint. Looked at first, so that the line stays shared among several callers. */
	if (!__atomic_load_n(&spin->caller, __ATOMIC_RELAXED))
		__atomic_store_n(&spin->caller, 1, __ATOMIC_RELAXED);
}

#endif
