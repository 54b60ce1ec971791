/* SPDX-License-Identifier: MIT */
/*
 * Streams of flat events as a session delivers them, made in advance: batches of 4 lanes, one watermark each
 * 10 ms, counts at the end; about 2 million events per second of recording time.
 *
 *   poll-heavy   2,000 tasks of which 200 do most; 70 % polls, 25 % wakes, timers, parks, steals
 *   spawn-heavy  every task lives for two polls: spawn, wakes, polls, end, handle drop
 *   tasks-200k   200,000 tasks, all as active: wake, poll, ...
 */
#ifndef WEFT_BENCH_STREAM_H
#define WEFT_BENCH_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/event.h"

enum stream_mix { STREAM_POLL_HEAVY, STREAM_SPAWN_HEAVY, STREAM_TASKS_200K, STREAM_MIXES };

struct stream {
	uint8_t *at; /* events one after another */
	size_t bytes, room;
	uint64_t records, span_ns;
	uint64_t task; /* one that occurs all along, for look-ups */
};

const char *stream_name(enum stream_mix mix);
void stream_make(struct stream *s, enum stream_mix mix, uint64_t records);
void stream_free(struct stream *s);

/* for (ev = stream_first(s); ev; ev = stream_next(s, ev)) */
static inline const struct weft_ev *stream_first(const struct stream *s)
{
	return (const struct weft_ev *)s->at;
}

static inline const struct weft_ev *stream_next(const struct stream *s, const struct weft_ev *ev)
{
	const uint8_t *next = (const uint8_t *)ev + ev->size;

	return next < s->at + s->bytes ? (const struct weft_ev *)next : NULL;
}

#endif
