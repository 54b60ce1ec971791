/* SPDX-License-Identifier: MIT */
/*
 * Two clocks: weft_clock_ns() for deadlines, weft_clock_stamp() for records. The stamp's unit is
 * decided once per process (weft_clock_init) and published in the mapping's header.
 */
#ifndef WEFT_RUNTIME_BASE_CLOCK_H
#define WEFT_RUNTIME_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "runtime/base/arch.h"

#pragma GCC visibility push(hidden)
extern int weft_clock_tsc; /* 1: stamps are TSC ticks; written once before any stamp is taken */

/*
 * A clock that only tests set, before they make a runtime: while it isn't 0 it is the time, and a
 * driver that would wait for a timer moves it there instead of waiting. Atomic.
 */
extern uint64_t weft_clock_fake;

void weft_clock_init(void);
uint64_t weft_clock_ticks(uint64_t ns); /* clock units in ns; measured against CLOCK_MONOTONIC */
#pragma GCC visibility pop

static inline uint64_t weft_clock_ns(void)
{
	uint64_t fake = __atomic_load_n(&weft_clock_fake, __ATOMIC_RELAXED);
	struct timespec ts;

	if (__builtin_expect(fake != 0, 0))
		return fake;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t weft_clock_stamp(void)
{
	return __builtin_expect(weft_clock_tsc, 1) ? arch_tsc() : weft_clock_ns();
}

#endif
