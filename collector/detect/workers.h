/* SPDX-License-Identifier: MIT */
/* The workers of one runtime as detectors look at them: who is inside a poll, since when, and whether it has a CPU. */
#ifndef WEFT_DETECT_WORKERS_H
#define WEFT_DETECT_WORKERS_H

#include "collector/detect/detector.h"

struct detect_workers {
	uint32_t n;        /* that are there, but for those in place */
	uint32_t in_place; /* in block_in_place all that time: others do what they had to do */
	uint32_t lost;     /* not held as far as is known: records of that poll were lost */
	uint32_t held;     /* inside one poll over the whole stretch asked about */
	uint32_t starved;  /* waiting for a CPU a fifth of the last second and more */
	uint32_t idle;     /* not held, and parked for half of the last second and more */
	const struct model_lane *longest; /* of the held ones; NULL = none */
	uint64_t longest_ns;
	uint64_t task; /* that the longest polls */
};

/*
 * Held: one poll covers [from, to] but for a tenth of it; an open one or one that has ended. to = now for open ones only. piece_ns:
 * polls count that kept the thread so long, not counting its waits for a CPU, and several of them do so together; 0 = any that covers
 * it by itself.
 */
void detect_workers_of(const struct detect_run *run, uint32_t process, uint32_t runtime,
		       uint64_t from_ns, uint64_t to_ns, uint64_t piece_ns,
		       struct detect_workers *ret);
/* "pump (svc.c:12)" of the task that holds the longest poll; "" = not known. Returns buf. */
char *detect_workers_holder(const struct detect_run *run, const struct detect_workers *w, char *buf,
			    size_t size);

/*
 * The task's runtime is one of Tokio's that a thread of the program drives, and since from_ns none does: those that polled its tasks came
 * out of its driver before that and have polled nothing since, while the process goes on. Also true where none of them is left.
 * Not known, so false: threads of which nothing tells where they wait, level light, less than 1.5 s. *ret_threads: how many there are.
 */
bool detect_is_left(const struct detect_run *run, const struct model_task *t, uint64_t from_ns,
		    uint32_t *ret_threads);

#endif
