/* SPDX-License-Identifier: MIT */
/*
 * Questions to a recording: SQL, named queries, and the report of a file. Contract between
 * collector/ and tui/. A recording may be hostile: it is opened read-only, with DEFENSIVE, TRUSTED_SCHEMA=0 and
 * an authorizer without ATTACH and load_extension. Errors: negative errno with a one-line text.
 */
#ifndef WEFT_QUERY_H
#define WEFT_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct query;

/* -ENOENT, -EACCES, -EINVAL (not a recording, damaged, or of a newer version). *warning: e.g. a missing -wal; NULL = none. */
int query_open(const char *path, struct query **ret, const char **warning);
struct query *query_close(struct query *q);     /* takes NULL, returns NULL */
const char *query_error(const struct query *q); /* q may be NULL: of the last failed open */

enum query_type { QUERY_NULL, QUERY_INT, QUERY_REAL, QUERY_TEXT, QUERY_BLOB };
struct query_value {
	enum query_type type;
	int64_t i;
	double d;
	const char *text;
	size_t bytes;
};
/* Called for each row with borrowed values; a non-zero return stops. columns: names, the same for all rows. */
typedef int (*query_row)(void *ctx, int n, const char *const *columns,
			 const struct query_value *values);
/* One or more statements; rows of all. `columns` of a statement without rows are told by a call with values NULL. */
int query_run(struct query *q, const char *sql, query_row fn, void *ctx);

/* Named queries, sorted by name; returns NULL after the last. */
struct query_named {
	const char *name, *description, *sql;
};
const struct query_named *query_named(size_t i);
const struct query_named *query_find(const char *name);

/* Facts about the file for `report` and headers. */
struct query_info {
	uint64_t bytes, events, start_realtime_ns, duration_ns, chunks, gaps;
	int version;
	bool clean; /* closed cleanly */
	char weft[16];
};
int query_info(struct query *q, struct query_info *ret);

#endif
