/* SPDX-License-Identifier: MIT */
/*
 * Runs a few threads in all orders: cooperative threads on one, which may be changed at each
 * interleave_step(). Depth first over the choices, each run from the start (stateless model
 * checking); with a bound on how often a thread that could go on is taken off (Musuvathi and
 * Qadeer, CHESS 2007), else without.
 *
 * Memory is x86's: a store waits in its thread's buffer, in order, until the thread does something locked, or
 * until it happens to arrive. Nothing is lost by letting that happen when another thread looks at the place:
 * there the store arrives, or the look misses it. `misses` bounds how many looks of a run do; 0 = sequentially
 * consistent. What only other processors reorder is for ThreadSanitizer and the comments at the atomics.
 */
#ifndef WEFT_TEST_INTERLEAVE_H
#define WEFT_TEST_INTERLEAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTERLEAVE_THREADS   4
#define INTERLEAVE_UNBOUNDED 1000u

struct interleave {
	unsigned threads, preemptions;
	unsigned misses; /* looks at stores that have not arrived */
	void (*reset)(void);
	void (*body)(unsigned me);
	bool (*check)(void); /* after all have ended */
};

/*
 * The number of orders tried; 0 = one was bad (threads that wait for ever, or check() said no) and
 * has been printed.
 */
uint64_t interleave_run(const struct interleave *spec);

/* Inside body(), and nothing outside: another thread may go on here. */
void interleave_step(void);
/* Waits until ready(arg), which has no side effects; in the kernel, so the thread's stores arrive before. */
void interleave_wait(bool (*ready)(const void *arg), const void *arg);
/* The same with an end, which comes when nobody can go otherwise. */
void interleave_wait_timed(bool (*ready)(const void *arg), const void *arg);

/* A store that may arrive late. At most 8 bytes; to memory that stays. */
void interleave_store(void *at, const void *value, size_t size);
/* Before each look at a place, a locked one as well: what others have stored there arrives, or doesn't. */
void interleave_look(const void *at);
/* What the running thread has stored arrives. */
void interleave_fence(void);
/* The same, of something that is no step by itself: until here it may be missed. */
void interleave_arrive(void);
/* How many stores of the others have arrived so far: more, if there are news for one that spins. */
uint64_t interleave_arrived(unsigned me);

#endif
