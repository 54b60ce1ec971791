/* SPDX-License-Identifier: MIT */
/* What to do instead, by cause and runtime kind: short, with the names of that runtime's functions. */
#ifndef WEFT_DETECT_ADVICE_H
#define WEFT_DETECT_ADVICE_H

#include "probes/event.h"

enum advice {
	ADVICE_SLEEP,
	ADVICE_LOCK,
	ADVICE_JOIN,
	ADVICE_FILE,
	ADVICE_NET,
	ADVICE_DNS,
	ADVICE_CHILD,
	ADVICE_FAULT,
	ADVICE_BLOCK, /* some other blocking call */
	ADVICE_SPIN,
	ADVICE_CRUNCH,
	ADVICE_STORM,
	ADVICE_PINGPONG,
	ADVICE_LEAK,
	ADVICE_HELD,
	ADVICE_LOCAL, /* a thread-bound task on another thread */
	ADVICE_MOVED, /* a suspended frame was moved */
	ADVICE_TIME_OFF,
	ADVICE_IO_OFF,
	ADVICE_DROPPED, /* the drop of the handle cancels */
	ADVICE_ABORTED,
	ADVICE_SHUTDOWN,
	ADVICE_NOT_DRIVEN,
	ADVICE_ROOT, /* the future given to block_on has the thread */
	ADVICE_ALL_HELD,
	ADVICE_STRANDED,
	ADVICE_QUEUE,
	ADVICE_STALL,
	ADVICE_NESTED,
	ADVICE_MIXED, /* two kinds drive one program */
	ADVICE_LONG,
	ADVICE_LOST,
	ADVICE_IMBALANCE,
	ADVICE_STARVED, /* by neighbours */
	ADVICE_QUOTA,
	ADVICE_CYCLE,
	ADVICE_LATE_QUEUE,
	ADVICE_LATE_DRIVER,
	ADVICE_UNSEEN, /* an error of a detached task */
	ADVICE_LARGE,
	ADVICE_WORKERS,
	ADVICES
};

const char *advice_text(enum advice a, enum weft_runtime_kind kind);

#endif
