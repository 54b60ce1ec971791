/* SPDX-License-Identifier: MIT */
/*
 * When a thread that has polls without end looks at the driver: after driver_interval polls, or after a millisecond if
 * that comes first, so that timers and IO are as late as a long poll and not as 61 of them. The clock is read every
 * `grain` polls, of which there are fewer as polls get longer. Belongs to its thread.
 */
#ifndef WEFT_RUNTIME_PACE_H
#define WEFT_RUNTIME_PACE_H

#include "runtime/base/clock.h"

struct weft_pace {
	uint64_t looked_ns; /* at the clock */
	uint64_t turned_ns; /* the driver, or slept */
	uint32_t polls;     /* since the driver was due */
	uint32_t grain;     /* most polls between two looks at the clock */
	uint32_t step;      /* what the last call said */
};

#define WEFT_PACE_GRAIN    16u
#define WEFT_PACE_GRAIN_NS 500000u
#define WEFT_PACE_TURN_NS  1000000u

/* The thread has slept: that time was not its polls'. */
static inline void weft_pace_slept(struct weft_pace *p)
{
	p->looked_ns = p->turned_ns = weft_clock_ns();
}

/* Polls until the first look. */
static inline uint32_t weft_pace_begin(struct weft_pace *p, uint32_t interval)
{
	*p = (struct weft_pace){ .grain = WEFT_PACE_GRAIN };
	weft_pace_slept(p);
	p->step = interval < WEFT_PACE_GRAIN ? interval : WEFT_PACE_GRAIN;
	return p->step;
}

/* Shrinks at once and grows by and by: a short poll among long ones says nothing of the next. */
static inline void weft_pace_grain(struct weft_pace *p, uint64_t elapsed_ns)
{
	uint64_t poll_ns = elapsed_ns / (p->step ? p->step : 1);

	if (poll_ns >= WEFT_PACE_GRAIN_NS)
		p->grain = 1;
	else if (poll_ns * p->grain > WEFT_PACE_GRAIN_NS)
		p->grain = (uint32_t)(WEFT_PACE_GRAIN_NS / poll_ns);
	else if (poll_ns * p->grain * 2 <= WEFT_PACE_GRAIN_NS)
		p->grain = p->grain < WEFT_PACE_GRAIN / 2 ? p->grain * 2 : WEFT_PACE_GRAIN;
}

/* After as many polls as the last call said. True: turn the driver now. *next: polls until the next call. */
static inline bool weft_pace_due(struct weft_pace *p, uint32_t interval, uint32_t *next)
{
	uint64_t now = weft_clock_ns();
	bool due;

	p->polls += p->step;
	weft_pace_grain(p, now - p->looked_ns);
	p->looked_ns = now;
	due = p->polls >= interval || now - p->turned_ns >= WEFT_PACE_TURN_NS;
	if (due) {
		p->polls = 0;
		p->turned_ns = now;
	}
	p->step = p->grain < interval - p->polls ? p->grain : interval - p->polls;
	*next = p->step;
	return due;
}

#endif
