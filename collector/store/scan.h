/* SPDX-License-Identifier: MIT */
/*
 * One pass over the chunks of a time range, aggregated in C: GROUP BY in SQL costs about 1 us a row, this about 10 ns.
 * Reads only the columns it needs. Damaged chunks are skipped and counted.
 */
#ifndef WEFT_SCAN_H
#define WEFT_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "collector/store/chunk.h"
#include "collector/store/sqlite.h"

struct scan_range {
	uint64_t t0, t1;
}; /* ns, both included */

/* ---- by task ---- */

struct scan_task {
	uint64_t task, polls, busy_ns, poll_max_ns, blocked_ns, runnable_ns, wakes, self_wakes,
		first_ns, last_ns;
};
struct scan_tasks {
	struct scan_task *at;
	size_t n, room;
	uint32_t *slot;
	unsigned bits;
	uint64_t damaged;
};
/* SQLite's error code. Zeroed *ret; scan_tasks_free frees. */
int scan_tasks(sqlite3 *db, const struct scan_range *range, struct scan_tasks *ret);
void scan_tasks_free(struct scan_tasks *s);

/* ---- polls by type, from the sums in the file as far as they go, else from the chunks ---- */

struct scan_type {
	uint32_t process;
	int64_t type;          /* of type_row, -1 = none */
	char *name, *location; /* owned; NULL = not known */
	uint64_t polls, busy_ns, max_ns;
	uint64_t *bucket; /* POLL_BUCKETS (poll_bucket.h), NULL = no polls */
};
struct scan_types {
	struct scan_type *at;
	size_t n, room;
	uint64_t damaged;
};
int scan_types(sqlite3 *db, const struct scan_range *range, struct scan_types *ret);
void scan_types_free(struct scan_types *s);
/* Smallest bound such that at least `share` of the polls are within it, never above the greatest seen. */
uint64_t scan_quantile(const struct scan_type *t, double share);

/* ---- short tasks: born and ended within one chunk ---- */

struct scan_short {
	uint64_t task, parent, spawn_ns, end_ns, polls, busy_ns, poll_max_ns, wakes, self_wakes;
	uint32_t process, site, reason;
};
struct scan_shorts {
	sqlite3_stmt *chunks;
	struct chunk_reader reader;
	struct scan_short *at; /* of the chunk in hand */
	size_t n, next, room;
	uint64_t damaged;
};
int scan_shorts_open(sqlite3 *db, const struct scan_range *range, struct scan_shorts *s);
/* SQLITE_ROW with *ret borrowed until the next call, SQLITE_DONE, or an error. */
int scan_shorts_next(struct scan_shorts *s, const struct scan_short **ret);
void scan_shorts_close(struct scan_shorts *s);

/* ---- for the passes ---- */

/* SELECT codec, tasks, data, flat, t0, t1 of the chunks in the range; numbers ?3 to ?4, at first all. */
int scan_chunks(sqlite3 *db, const struct scan_range *range, sqlite3_stmt **ret);
/* Opens the chunk of the row; false = damaged. */
bool scan_open(sqlite3_stmt *chunks, struct chunk_reader *r);

#endif
