/* SPDX-License-Identifier: MIT */
/*
 * The rare events that detectors read one by one: misuse of the runtime, and tasks that were taken off before they were
 * done, or failed. A ring; each reader keeps the number of the last one it has read. Thousands that are taken off at once are few
 * entries: those of a type that are alike and come between two ticks, at which all is read, are one.
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
	uint32_t site; /* of the call that is refused, or took the task off. MISUSE: else of the task; 0 = none */
	uint64_t count;    /* of tasks; task, by, age and polls are those of the last of them */
	uint64_t t_ns;     /* of the first */
	uint64_t task, by; /* 0 = none */
	uint64_t age_ns;   /* of the task; UINT64_MAX = not known */
	uint64_t polls;    /* that were seen of it, the last one, as cancelled, included */
	bool whole;        /* every poll of its life was seen */
	bool detached;     /* nobody had a handle of it */
};

struct notable_log {
	struct notable entry[NOTABLE_LOG]; /* [number % NOTABLE_LOG], numbers from 1 */
	/* told: as of the last tick. alike: by the hash of what ends have in common, number of the last one. */
	uint64_t written, told, alike[NOTABLE_LOG];
};

void notable_log_add(struct notable_log *log, const struct notable *n);
/* The same of a task that was not done: with those that are alike, if nobody can have read these yet. */
void notable_log_end(struct notable_log *log, const struct notable *n);
void notable_log_tick(struct notable_log *log);
/* The one after *cursor that is still there; false: none. Moves *cursor on. */
bool notable_log_next(const struct notable_log *log, uint64_t *cursor, struct notable *ret);

#endif
