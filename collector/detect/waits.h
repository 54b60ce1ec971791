/* SPDX-License-Identifier: MIT */
/*
 * What tasks wait for, as evidence of findings about something else: that a task waits, and for how long, is no fault. Told by await
 * chains (C runtime), and by whose end a task awaits; of other waits a Rust task says nothing.
 */
#ifndef WEFT_DETECT_WAITS_H
#define WEFT_DETECT_WAITS_H

#include "collector/detect/detector.h"

/* What most of a type's tasks wait for. */
struct detect_waits {
	char on[24];
	struct live_place place; /* of the innermost frame; blank = not known */
	uint32_t tasks, of;      /* so many do, of those that were looked at */
};

/* Looks at 512 tasks at most, alive and not runnable. False: of none of them is known what it waits for. */
bool detect_waits_of_type(const struct detect_run *run, const struct model_type *type,
			  struct detect_waits *ret);

/*
 * One row of evidence: where the task stands, innermost first, as it was read since then. None where it has not started. False: it was not
 * read since.
 */
bool detect_waits_tell(const struct detect_run *run, struct live_finding *f,
		       const struct model_task *t, uint64_t since_ns);

#endif
