/* SPDX-License-Identifier: MIT */
/*
 * Recordings: one SQLite file (schema.sql), written by a thread of its own. Collector-internal. All
 * put functions belong to the engine thread, copy what they are given and never block on the disk;
 * errors met by the writer come back from store_error and store_close (a full disk stops writing, is
 * counted as lost and told; what was stored stays).
 */
#ifndef WEFT_STORE_H
#define WEFT_STORE_H

#include "collector/engine.h"
#include "collector/live.h"
#include "collector/record.h"

struct store;

int store_open(const char *path, uint64_t max_bytes, struct store **ret);
int store_close(
	struct store *
		s); /* last chunk, checkpoint TRUNCATE, journal_mode=DELETE: one file. First error met */
const char *store_error(const struct store *s);

/* Time passed: closes a chunk that has been open long enough. */
void store_tick(struct store *s, uint64_t now_ns);
/* Between two batches of records: a chunk that is full is closed here and nowhere else, so that what a consumer sees
 * of store_chunk_start during a batch holds for the whole batch. */
void store_cut(struct store *s);
/* Takes what the writer lost or let expire into the accounts, and four times a second (or `now`) gives it the accounts. */
struct accounts;
void store_accounts(struct store *s, struct accounts *a, bool now);
void store_account_error(struct store *s, uint32_t process, uint32_t kind, const char *text);
/* All that store_close does but freeing; end_ns: where the recording ends; a: may be NULL. */
int store_finish(struct store *s, uint64_t end_ns, struct accounts *a);

/* Any record: events go into columns, session events into the chunk's flat part, so that a replay sees them all. */
void store_put(struct store *s, const struct record *r);
/* n records in a row. */
void store_put_all(struct store *s, const struct record *r, size_t n);

/* Rows beside the chunks; upserts by id. A task needs a row when it is alive at the end of a chunk in which it was born, when it
 * ends after having got one, or when it is the subject of a finding. */
struct store_task {
	uint64_t id, native_id, parent, spawn_ns, end_ns, polls, busy_ns, blocked_ns, runnable_ns,
		wakes, self_wakes, poll_max_ns, fingerprint; /* fingerprint 0 = none */
	uint32_t process, runtime, type, bytes, state,
		end_reason; /* state: enum live_task_state; end_reason: enum weft_end */
	const char *name, *location;
};
void store_put_task(struct store *s, const struct store_task *t);
struct store_type {
	uint32_t id, process, runtime;
	const char *name, *location;
	uint32_t bytes;
};
void store_put_type(struct store *s, const struct store_type *t);
void store_put_finding(struct store *s, const struct live_finding *f);
/* who woke whom, aggregated: upsert by (kind, waker, task) */
void store_put_wake(struct store *s, uint32_t kind, uint64_t waker, uint64_t task, uint64_t count,
		    uint64_t first_ns, uint64_t last_ns);
struct store_timer {
	uint64_t task;
	uint32_t runtime;
	int64_t deadline_ns;
	uint64_t fire_ns, poll_ns;
	int64_t lateness_ns;
};
void store_put_timer(struct store *s, const struct store_timer *t);

/* The chunk under construction began at; the model uses it to tell short tasks. */
uint64_t store_chunk_start(const struct store *s);

#endif
