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

#include <stdbool.h>

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

/* What the engine calls of a session: the functions of probes/session.h, or a script's (tests, a helper process). */
struct engine_session_ops {
	int (*drain)(struct session *s, session_sink sink, void *ctx);
	int (*finish)(struct session *s, session_sink sink, void *ctx);
	int (*request)(struct session *s, const struct session_want *want);
	bool (*alive)(const struct session *s);
};

struct engine_options {
	struct session *session;                      /* borrowed; NULL = replay_path */
	const struct engine_session_ops *session_ops; /* NULL = probes/session.h */
	const char *replay_path;
	double replay_speed;    /* 0 = as fast as it goes */
	const char *store_path; /* NULL = no store */
	uint64_t max_bytes;
	size_t queue_bytes; /* 0 = 128 MiB, allocated as it fills */
};

int engine_open(const struct engine_options *options, const struct engine_consumer *consumer,
		struct engine **ret);
const char *engine_error(const struct engine *e); /* e may be NULL: of the last failed open */
struct store *engine_store(struct engine *e);     /* NULL = none; engine thread only */
int engine_request(struct engine *e,
		   const struct session_want
			   *want); /* any thread; queued to the drain thread; dropped in a replay */
int engine_stop(struct engine *e); /* final cut, drain, close the store; first error met */
struct engine *engine_close(struct engine *e);
bool engine_done(struct engine *e);
/* The input failed, or the store stopped writing (a full disk); the rest runs on. engine_error tells. */
bool engine_failed(struct engine *e);
void engine_replay_control(struct engine *e, bool paused, double speed);

/* Exact accounting per (process, kind), as in the view of that name. produced = stored + lost + filtered + expired, also while it
 * runs: what is on its way is not yet produced. */
struct engine_account {
	uint32_t process;
	uint32_t kind;
	uint64_t produced, stored, lost, filtered, expired;
};
int engine_accounts(struct engine *e, struct engine_account *rows, size_t max);
/* What does not add up, one line each; settled at the end. Returns how many there are. Any thread. */
struct engine_account_error {
	uint32_t process, kind;
	char text[160];
};
int engine_account_errors(struct engine *e, struct engine_account_error *rows, size_t max);
/* "task-poll", "off-cpu", ...; "unsettled" for 0 (known to be missing, kind not yet known), NULL = no such kind. */
const char *engine_kind_name(unsigned kind);

#endif
