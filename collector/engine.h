/* SPDX-License-Identifier: MIT */
/*
 * The pipeline as threads: input -> decode -> order -> consumer -> store. Collector-internal: live.c
 * puts the model and the detectors in as the consumer.
 *
 * Threads: drain (calls session_drain every 1..5 ms, does no I/O, hands chunks of flat events to a bounded
 * queue; when the queue is full the events are dropped and counted as lost, kind by kind), engine (everything
 * from decode to the columns of a chunk), writer (SQLite). A replay has no drain thread.
 */
#ifndef WEFT_ENGINE_H
#define WEFT_ENGINE_H

#include "collector/record.h"
#include "probes/session.h"

struct engine;
struct store;

/* Called by the engine thread. batch: n records in time order (late ones flagged); the consumer may fill in a..d. tick: at least 20 times a
 * second of engine time, after the records up to now_ns; `idle` = nothing else is waiting. end (may be NULL): once, after the last record and
 * tick and before the store is closed, so that the last state of tasks and findings can still be put. */
struct engine_consumer {
	void (*batch)(void *ctx, struct record *records, size_t n);
	void (*tick)(void *ctx, uint64_t now_ns, bool idle);
	void (*end)(void *ctx);
	void *ctx;
};

struct engine_options {
	struct session *session; /* borrowed; NULL = replay_path */
	const char *replay_path;
	double replay_speed;     /* 0 = as fast as it goes */
	const char *store_path;  /* NULL = no store */
	uint64_t max_bytes;
	size_t queue_bytes;      /* 0 = 128 MiB, allocated as it fills */
};

int engine_open(const struct engine_options *options, const struct engine_consumer *consumer, struct engine **ret);
const char *engine_error(const struct engine *e); /* e may be NULL: of the last failed open */
struct store *engine_store(struct engine *e);     /* NULL = none; engine thread only */
int engine_request(struct engine *e, const struct session_want *want); /* any thread; queued to the drain thread; dropped in a replay */
int engine_stop(struct engine *e);                /* final cut, drain, close the store; first error met */
struct engine *engine_close(struct engine *e);
bool engine_done(struct engine *e);
void engine_replay_control(struct engine *e, bool paused, double speed);

/* Exact accounting per (process, kind), as in the view of that name. produced = stored + lost + filtered + expired, also while it
 * runs: what is on its way is not yet produced. */
struct engine_account { uint32_t process; uint32_t kind; uint64_t produced, stored, lost, filtered, expired; };
int engine_accounts(struct engine *e, struct engine_account *rows, size_t max);

#endif
