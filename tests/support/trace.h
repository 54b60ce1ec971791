/* SPDX-License-Identifier: MIT */
/* A consumer that remembers what it was given: a digest of every record and tick, and counts by kind. */
#ifndef WEFT_TRACE_H
#define WEFT_TRACE_H

#include "collector/engine.h"

struct trace {
	uint64_t records, ticks, late, unsorted, last_ns, digest;
	uint64_t kind[WEFT_EV_KINDS];
};

/* Takes a zeroed trace. Unsorted: earlier than one before it and not flagged late. */
struct engine_consumer trace_consumer(struct trace *t);

#endif
