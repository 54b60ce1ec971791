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

/* ---- the two kinds that nearly all records are of ---- */

#define WIRE_TASK_MASK  ((1ull << WEFT_TASK_PROCESS_SHIFT) - 1)
#define WIRE_POLL_WORDS 4u
#define WIRE_WAKE_WORDS 3u

static inline uint64_t wire_task(const struct wire_context *c, uint64_t word, bool *fits)
{
	uint64_t id = word & WEFT_ID_MASK;

	if (id & ~WIRE_TASK_MASK)
		*fits = false;
	id &= WIRE_TASK_MASK;
	return id ? c->task_base | id : 0;
}

static inline uint64_t wire_span(const struct wire_context *c, uint64_t ticks)
{
	return ticks == WEFT_TICKS_UNKNOWN ? UINT64_MAX : clock_piece_span(c->clock, ticks);
}

static inline bool wire_poll(const struct wire_context *c, const uint64_t *w, struct record *r)
{
	bool fits = true;

	r->task = wire_task(c, w[1], &fits);
	r->a = wire_span(c, w[2] & WEFT_ID_MASK);
	r->b = wire_span(c, w[3] & WEFT_ID_MASK);
	r->c = (w[2] >> 48 & 0xff) << 8 | w[2] >> 56;
	r->d = 0;
	return fits;
}

static inline bool wire_wake(const struct wire_context *c, const uint64_t *w, struct record *r)
{
	bool fits = true;

	r->task = wire_task(c, w[1], &fits);
	r->a = wire_task(c, w[2], &fits);
	r->b = w[2] >> 48 & 0xff;
	r->c = w[2] >> 56 & 1;
	r->d = 0;
	return fits;
}

#endif
