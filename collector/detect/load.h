/* SPDX-License-Identifier: MIT */
/* What the workers of one runtime did in the last second, together: the measure of those detectors that judge load. */
#ifndef WEFT_DETECT_LOAD_H
#define WEFT_DETECT_LOAD_H

#include "collector/detect/detector.h"

struct detect_load {
	uint32_t workers; /* of which something is known */
	double busy, blocked,
		runnable; /* mean shares of their time; busy: in polls and for the runtime */
	double rest;      /* mean share of busy of all but the busiest */
	double most;      /* busy + runnable of the busiest */
	const struct model_lane *busiest; /* NULL = none */
	uint64_t until_ns, span_ns; /* all that is for this time: a second, less after the attach */
	uint64_t queued; /* tasks that are runnable and not polled, by all that is known */
};

/*
 * Tasks that are runnable and not polled, by all that is known. At light no poll tells that one is not any more, so those that a
 * walk met then do not count: the depths of the queues do.
 */
uint64_t detect_queued(const struct detect_run *run, const struct model_process *p,
		       const struct model_runtime *rt);

/* False: nothing is known of it. `bound`: threads inside block_on, which poll tasks bound to them, count as workers. */
bool detect_load_of(const struct detect_run *run, const struct model_process *p,
		    const struct model_runtime *rt, bool bound, struct detect_load *ret);

/*
 * How long a condition on the last second has held without a break, per runtime; one for each detector. It is looked at four times a
 * second. A break reaches to the first look that it is over at; where there was none, as after the attach, all that was looked at counts.
 */
enum detect_holds {
	DETECT_HOLDS_UNKNOWN, /* breaks it, too, but says nothing of the time before */
	DETECT_HOLDS_NOT,
	DETECT_HOLDS,
	DETECT_HOLDS_CLEARLY, /* far beyond its thresholds: three quarters of the time are as good a proof */
};
struct detect_streak {
	uint32_t process, runtime;
	uint64_t first_ns, until_ns; /* until 0 = it does not hold */
	uint64_t clear_ns;           /* since when it holds clearly, 0 = it does not */
	uint64_t not_ns, doubt_ns;   /* last look at which it did not hold; did not clearly */
	uint64_t step_ns;            /* by how much the last look made it longer */
	double sum;                  /* of whatever the detector adds up */
};
#define DETECT_STREAKS 64u
struct detect_streaks {
	struct detect_streak streak[DETECT_STREAKS];
	uint32_t n;
};
/* At each new look. It goes on, or is reset. NULL = no room, or it does not hold. */
struct detect_streak *detect_streak_step(struct detect_streaks *s, const struct model_process *p,
					 uint32_t runtime, const struct detect_load *load,
					 enum detect_holds holds);
bool detect_streak_proves(const struct detect_streak *k, double seconds);

/*
 * A detector's own entry for each runtime, in a table of DETECT_STREAKS whose entries begin with this. It is zero at first. Where there is
 * no room, that of a runtime which is gone gives way; NULL = none is.
 */
struct detect_owner {
	uint32_t process, runtime;
};
void *detect_entry_of(const struct detect_run *run, const struct model_process *p,
		      const struct model_runtime *rt, void *table, size_t bytes, uint32_t *n);

struct detect_subject detect_subject_runtime(const struct model_process *p,
					     const struct model_runtime *rt);
struct detect_subject detect_subject_process(const struct model_process *p);

/* No worker was seen: the `blind` of detectors that need nothing but samples of workers. */
bool detect_load_blind(const struct detect_run *run, char *why, size_t size);
/* Nor for long enough what they did with their time. */
bool detect_shares_blind(const struct detect_run *run, char *why, size_t size);
/* A process was hardly watched, or hardly ran: that nothing was seen says nothing of blocked and busy polls. */
bool detect_load_scant(const struct detect_run *run, char *why, size_t size);

#endif
