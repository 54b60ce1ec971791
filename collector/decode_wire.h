/* SPDX-License-Identifier: MIT */
/* One wire record (runtime/probe_points.h) to a struct record: pure, no state. Collector-internal. */
#ifndef WEFT_DECODE_WIRE_H
#define WEFT_DECODE_WIRE_H

#include <stdbool.h>

#include "collector/clock_map.h"
#include "collector/record.h"

struct wire_context {
	const struct clock_piece *clock;
	uint64_t start_ns;  /* of the recording, CLOCK_MONOTONIC */
	uint64_t task_base; /* process << WEFT_TASK_PROCESS_SHIFT */
};

/* Words of the record at w (room: words there are), 0 = makes no sense or unknown kind. */
unsigned wire_words(const uint64_t *w, unsigned kind, unsigned room);

/* Fills task and a..d; w[0] is not looked at. Returns false where an id had to be bent into range. */
bool wire_fields(const struct wire_context *c, const uint64_t *w, unsigned kind, struct record *r);

/* t_ns of an absolute time. */
static inline uint64_t wire_since(const struct wire_context *c, uint64_t mono_ns)
{
	int64_t t = (int64_t)(mono_ns - c->start_ns);

	return t < 0 ? 0 : (uint64_t)t;
}

#endif
