/* SPDX-License-Identifier: MIT */
/*
 * Runs a few threads in all orders: cooperative threads on one, which may be changed at each
 * interleave_step(). Depth first over the choices, each run from the start (stateless model
 * checking); with a bound on how often a thread that could go on is taken off (Musuvathi and
 * Qadeer, CHESS 2007), else without. Sequentially consistent: what a processor may reorder is
 * for ThreadSanitizer and the comments at the atomics.
 */
#ifndef WEFT_TEST_INTERLEAVE_H
#define WEFT_TEST_INTERLEAVE_H

#include <stdbool.h>
#include <stdint.h>

#define INTERLEAVE_THREADS   4
#define INTERLEAVE_UNBOUNDED 1000u

struct interleave {
	unsigned threads, preemptions;
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
/* Waits until ready(arg), which has no side effects. */
void interleave_wait(bool (*ready)(const void *arg), const void *arg);

#endif
