/* SPDX-License-Identifier: MIT */
/*
 * decode -> order -> consumer -> store as one object without threads: the engine thread drives it, and so
 * do tests and benchmarks. Ticks come at fixed multiples of 50 ms of engine time, between the records
 * before and those after, so a replay sees the same batches around the same ticks as the live run did.
 */
#ifndef WEFT_PIPELINE_H
#define WEFT_PIPELINE_H

#include "collector/accounts.h"
#include "collector/decode.h"
#include "collector/engine.h"
#include "collector/store/store.h"

#define PIPELINE_TICK_NS 50000000ull

struct pipeline;

struct pipeline_options {
	const struct engine_consumer *consumer; /* copied; NULL = none */
	struct store *store;                    /* borrowed; NULL = none */
	struct accounts *accounts;              /* borrowed */
	size_t max_records;                     /* of the window; 0 = order.h's */
};

int pipeline_new(const struct pipeline_options *options, struct pipeline **ret);
struct pipeline *pipeline_free(struct pipeline *p);

/* Live: a flat event, in the order of delivery; a WATERMARK lets records through. */
int pipeline_event(struct pipeline *p, const struct weft_ev *ev);
/* Replay: a record as it was passed on, in that order. It and its ev must stay until pipeline_flush. */
void pipeline_record(struct pipeline *p, const struct record *r);
/* Hands on what was collected from pipeline_record. */
void pipeline_flush(struct pipeline *p);
/* Time goes on without records. */
void pipeline_advance(struct pipeline *p, uint64_t now_ns);
/* Whether more input is waiting; told to the consumer's ticks. */
void pipeline_idle(struct pipeline *p, bool idle);
/* End of input: everything out, a last tick at end_ns or, with 0, at the time of the last record. */
void pipeline_finish(struct pipeline *p, uint64_t end_ns);

uint64_t pipeline_now(const struct pipeline *p); /* engine time: all before it was handed on */
const struct decode_stats *pipeline_stats(const struct pipeline *p);
uint64_t pipeline_late(const struct pipeline *p);

#endif
