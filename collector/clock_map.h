/* SPDX-License-Identifier: MIT */
/*
 * Stamps of one process to CLOCK_MONOTONIC ns: piecewise linear, one piece for each EV_CLOCK. The
 * last 64 pieces are kept; what is older than the oldest of them is extrapolated.
 */
#ifndef WEFT_CLOCK_MAP_H
#define WEFT_CLOCK_MAP_H

#include <stdint.h>

#include "probes/event.h"

#define CLOCK_MAP_PIECES 64

struct clock_piece {
	uint64_t stamp, mono_ns, mult, end; /* end: the next piece's stamp, ~0 = the newest */
};

/* Embedded; zeroed = stamps are ns. */
struct clock_map {
	struct clock_piece piece[CLOCK_MAP_PIECES];
	unsigned n, newest;
	struct clock_piece identity;
};

void clock_map_init(struct clock_map *m);
void clock_map_add(struct clock_map *m, const struct weft_ev_clock *c);
/* The piece in force at a full 64-bit stamp. Borrowed until the next add. */
const struct clock_piece *clock_map_at(const struct clock_map *m, uint64_t stamp);
/* The full stamp whose low 56 bits are `low`, nearest to what is known of the clock. */
static inline uint64_t clock_map_full(const struct clock_map *m, uint64_t near, uint64_t low)
{
	if (!near && m->n)
		near = m->piece[m->newest].stamp;
	return near + (uint64_t)((int64_t)((low - near) << (64 - WEFT_STAMP_BITS)) >>
				 (64 - WEFT_STAMP_BITS));
}

static inline uint64_t clock_piece_ns(const struct clock_piece *p, uint64_t stamp)
{
	int64_t d = (int64_t)(stamp - p->stamp);

	return p->mono_ns + (uint64_t)(int64_t)(((__int128)d * (__int128)p->mult) >> 32);
}

/* Ticks to ns, at most 2^63. */
static inline uint64_t clock_piece_span(const struct clock_piece *p, uint64_t ticks)
{
	unsigned __int128 ns = ((unsigned __int128)ticks * p->mult) >> 32;

	return ns >> 63 ? INT64_MAX : (uint64_t)ns;
}

#endif
