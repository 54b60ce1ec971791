/* SPDX-License-Identifier: MIT */
/* Who drives a current-thread runtime of Tokio, and what keeps that thread: as the session looked it up in the target's memory. */
#ifndef WEFT_DETECT_DRIVER_H
#define WEFT_DETECT_DRIVER_H

#include "collector/detect/detector.h"

enum detect_driver {
	DETECT_DRIVER_UNKNOWN, /* nothing can be said: also while one is there and waits as it should */
	DETECT_DRIVER_NOBODY, /* no thread is in the runtime's block_on */
	DETECT_DRIVER_HELD, /* the future that was given to block_on has the thread: it blocks, or computes */
};

/* Since from_ns, and still; known a second later at the earliest. runtime: index in the process. */
enum detect_driver detect_driver_of(const struct detect_run *run, uint32_t process,
				    uint32_t runtime, uint64_t from_ns);

/* HELD: "the future given to block_on blocks its thread". */
const char *detect_driver_cause(const struct detect_run *run, uint32_t process, uint32_t runtime);
/* HELD: which thread, in what, since when, its stack. */
void detect_driver_evidence(const struct detect_run *run, struct live_finding *f, uint32_t process,
			    uint32_t runtime);

#endif
