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
	ADVICES
};

const char *advice_text(enum advice a, enum weft_runtime_kind kind);

#endif
