/* SPDX-License-Identifier: MIT */
/*
 * Flat events to records: the only reader of raw bytes, all of them hostile. Batches are checked,
 * deduplicated by (process, lane, seq, offset) and cut into records; stamps become ns since the start of the
 * recording; gaps in seq become EV_GAP records. A piece that comes ahead of its turn (the batch before it is still on the
 * way) waits until the watermark says that nothing earlier will come.
 *
 * Records go into an `order`. Definitions (who and where: SESSION, PROCESS, RUNTIME, LANE, SITE, MODULE, FRAME) do not wait
 * for their time: what refers to them may be older than they are. They go to `define` at once. One thread.
 */
#ifndef WEFT_DECODE_H
#define WEFT_DECODE_H

#include "collector/accounts.h"
#include "collector/order.h"
#include "collector/record.h"

struct decode;

struct decode_output {
	struct order *order;       /* borrowed; its records own their `ev` (malloc) */
	struct accounts *accounts; /* borrowed */
	record_sink define;        /* t_ns is the event's own time; `ev` is valid during the call */
	void *ctx;
};

struct decode_stats {
	uint64_t events, records;
	uint64_t malformed;     /* events or pieces that make no sense, dropped */
	uint64_t unknown_kinds; /* records of a kind this version doesn't know */
	uint64_t duplicates;    /* pieces already there */
	uint64_t gaps, odd;     /* odd: values bent into range */
};

int decode_new(const struct decode_output *out, struct decode **ret);
struct decode *decode_free(struct decode *d);

/* 0, -EBADMSG (malformed: counted, the next may be fine), -ENOMEM. */
int decode_event(struct decode *d, const struct weft_ev *ev);
/* No more events: what waits for its turn is taken as it is. */
void decode_finish(struct decode *d);
const struct decode_stats *decode_stats(const struct decode *d);

/*
 * A session event as a record; `r->ev` = ev. start_ns: EV_SESSION.time_ns. -EBADMSG: too short for its
 * kind, or of no known kind. decode_size: what a payload of the kind needs at least, -1 = unknown kind.
 */
int decode_flat(const struct weft_ev *ev, uint64_t start_ns, struct record *ret);
int decode_size(unsigned kind);
bool decode_is_definition(unsigned kind);
/* Ends the text fields of a payload with NUL. */
void decode_terminate(struct weft_ev *ev);

#endif
