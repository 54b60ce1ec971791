/* SPDX-License-Identifier: MIT */
#include "collector/clock_map.h"

void clock_map_init(struct clock_map *m)
{
	*m = (struct clock_map){ .identity = { .mult = 1ull << 32, .end = UINT64_MAX } };
}

void clock_map_add(struct clock_map *m, const struct weft_ev_clock *c)
{
	struct clock_piece *last = &m->piece[m->newest];

	if (m->n && c->stamp <= last->stamp)
		return; /* no way back: what was converted stays */
	if (m->n)
		last->end = c->stamp;
	m->newest = m->n ? (m->newest + 1) % CLOCK_MAP_PIECES : 0;
	if (m->n < CLOCK_MAP_PIECES)
		m->n++;
	m->piece[m->newest] = (struct clock_piece){ c->stamp, c->mono_ns, c->mult, UINT64_MAX };
}

const struct clock_piece *clock_map_at(const struct clock_map *m, uint64_t stamp)
{
	unsigned i = m->newest;

	if (!m->n)
		return &m->identity;
	for (unsigned k = 1; k < m->n && m->piece[i].stamp > stamp; k++)
		i = (i + CLOCK_MAP_PIECES - 1) % CLOCK_MAP_PIECES;
	return &m->piece[i];
}
