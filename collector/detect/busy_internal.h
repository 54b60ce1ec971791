/* SPDX-License-Identifier: MIT */
/* The two halves of the busy-loop detector: busy_loop.c (long polls) and busy_storm.c (many short ones). */
#ifndef WEFT_BUSY_INTERNAL_H
#define WEFT_BUSY_INTERNAL_H

#include "collector/detect/advice.h"
#include "collector/detect/detector.h"

enum busy_option {
	SPIN_MS,
	SPIN_CRIT_MS,
	SPIN_SHARE,
	SPIN_TIMES,
	CRUNCH_SHARE,
	CRUNCH_POLL_MS,
	STORM_WAKES,
	STORM_SELF,
	STORM_SHARE,
	STORM_POLL_US,
	STORM_S
};

#define BUSY_PAIRS  64u
#define BUSY_STORMS 64u
#define BUSY_LANES  1024u

/* A task whose last seconds looked like a storm. */
struct busy_storm {
	uint64_t task, second, first_ns;
	uint32_t seconds;
};

struct busy_pair {
	uint64_t a, b, second, first_ns; /* a < b */
	uint64_t wakes_a, wakes_b, by_b, by_a, cpu_a, cpu_b, polls;
	uint32_t seconds;
};

/* Cumulative numbers of a lane one second ago, for levels at which single wakes are not seen. */
struct busy_past {
	uint32_t process, lane, seconds;
	uint64_t at_ns, polls, wakes, self_wakes, first_ns;
};

struct busy_storms {
	struct busy_storm storm[BUSY_STORMS];
	struct busy_pair pair[BUSY_PAIRS];
	struct busy_past past[BUSY_LANES];
	uint32_t npast;
	uint64_t suspect_ns; /* looked at last */
};

struct busy_charge {
	const char *form; /* for the cause */
	enum advice advice;
	enum live_severity severity;
	float confidence;
	uint64_t first_ns;
};

struct live_finding *busy_loop_raise(struct detect_run *run, const struct model_task *t,
				     const struct busy_charge *c);
/* Once a second. */
void busy_storm_tick(struct detect_run *run);    /* once a second */
void busy_storm_suspect(struct detect_run *run); /* at each tick */

#endif
