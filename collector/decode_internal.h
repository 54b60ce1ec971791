/* SPDX-License-Identifier: MIT */
/* What decode.c and decode_batch.c share. */
#ifndef WEFT_DECODE_INTERNAL_H
#define WEFT_DECODE_INTERNAL_H

#include "collector/clock_map.h"
#include "collector/decode.h"

#define MAX_HELD 16 /* pieces of one lane that wait for their turn */

struct lane {
	unsigned run;
	uint32_t seq, have; /* batch in hand, and up to which byte it was taken */
	uint32_t records;   /* taken from the batch in hand */
	uint32_t tid;
	uint32_t told_to; /* a gap up to this seq was reported */
	bool seen, whole, from_start,
		known;    /* whole: nothing more of this seq; known: emitted is right */
	bool expect;      /* a gap whose size the next header tells: emitted should be expected */
	bool hole;        /* something is missing before this batch */
	uint64_t emitted; /* records of the lane before this batch */
	uint64_t expected;
	uint64_t last_stamp, last_t;
	struct weft_ev *held[MAX_HELD]; /* sorted by seq, then offset */
	unsigned nheld;
};

struct process {
	struct clock_map clock;
	struct lane *lane[WEFT_MAX_LANES];
	uint64_t watermark;
	unsigned held; /* pieces that wait, all lanes */
	uint32_t last_tid;
	uint16_t last_lane;
	bool has_watermark, gone;
};

struct decode {
	struct decode_output out;
	struct decode_stats stats;
	struct process *process[ACCOUNTS_MAX_PROCESSES];
	uint32_t top;
	uint64_t start_ns;
	bool started;
};

struct process *decode_process(struct decode *d,
			       uint32_t index); /* NULL = out of bounds or no memory */
struct lane *decode_lane(struct decode *d, struct process *p, uint32_t index);
struct weft_ev *decode_wrap(const struct record *r, uint64_t start_ns, const uint64_t *w,
			    unsigned words);
bool decode_has_text(unsigned kind);
int decode_put(struct decode *d, struct record *r); /* owns r->ev */

int decode_batch(struct decode *d, const struct weft_ev *ev);
/* Pieces of the process that waited are taken as they are; earlier than `before` (CLOCK_MONOTONIC) only. */
void decode_release(struct decode *d, struct process *p, uint64_t before);
/* Nothing more comes for this process. */
void decode_last(struct decode *d, uint32_t process);

#endif
