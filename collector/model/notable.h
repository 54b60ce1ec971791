/* SPDX-License-Identifier: MIT */
/*
 * The rare events that detectors read one by one: misuse of the runtime, and tasks that were taken off before they were
 * done, or failed. A ring; each reader keeps the number of the last one it has read.
 */
#ifndef WEFT_MODEL_NOTABLE_H
#define WEFT_MODEL_NOTABLE_H

#include <stdbool.h>
#include <stdint.h>

#define NOTABLE_LOG 1024u

enum notable_kind {
	NOTABLE_MISUSE,    /* code: enum weft_misuse */
	NOTABLE_DROPPED,   /* its handle was dropped, which cancelled it */
	NOTABLE_CANCELLED, /* aborted */
	NOTABLE_SHUTDOWN,  /* its runtime was shut down */
	NOTABLE_FAILED,    /* it ended with an error; code: errno, 0 = not known */
};

struct notable {
	enum notable_kind kind;
	uint32_t process, type, code;
	uint64_t t_ns, task, by; /* 0 = none */
	uint64_t age_ns;         /* of the task; UINT64_MAX = not known */
	uint64_t polls;          /* that were seen of it, the last one, as cancelled, included */
	bool whole;              /* every poll of its life was seen */
	bool detached;           /* nobody had a handle of it */
};

struct notable_log {
	struct notable entry[NOTABLE_LOG]; /* [number % NOTABLE_LOG], numbers from 1 */
	uint64_t written;
};

void notable_log_add(struct notable_log *log, const struct notable *n);
/* The one after *cursor that is still there; false: none. Moves *cursor on. */
bool notable_log_next(const struct notable_log *log, uint64_t *cursor, struct notable *ret);

#endif
