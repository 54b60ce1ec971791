/* SPDX-License-Identifier: MIT */
#include "collector/store/scan_sums.h"

#include <stdlib.h>

#include "collector/store/poll_bucket.h"
#include "collector/store/varint.h"

/* Sums whose chunks have partly expired tell too much. */
#define WITHIN                                                                                   \
	" FROM poll_sum WHERE t0 >= ?1 AND t1 <= ?2 AND first >= (SELECT min(chunk) FROM chunk)" \
	" ORDER BY last"

enum { LAST, FIRST, PROCESS, SITE, BUSY, MOST, HIST };

static int prepare(sqlite3 *db, const struct scan_range *range, const char *sql, sqlite3_stmt **ret)
{
	int rc = sqlite3_prepare_v2(db, sql, -1, ret, NULL);

	if (rc)
		return rc;
	sqlite3_bind_int64(*ret, 1, range->t0 > INT64_MAX ? INT64_MAX : (sqlite3_int64)range->t0);
	sqlite3_bind_int64(*ret, 2, range->t1 > INT64_MAX ? INT64_MAX : (sqlite3_int64)range->t1);
	return SQLITE_OK;
}

static struct scan_type *type_of(sqlite3_stmt *s, const struct scan_sums_sink *sink)
{
	return sink->type_of(sink->ctx, (uint32_t)sqlite3_column_int64(s, PROCESS),
			     (uint32_t)sqlite3_column_int64(s, SITE));
}

static struct scan_run *last_run(const struct scan_runs *runs)
{
	return runs->n ? &runs->at[runs->n - 1] : NULL;
}

static bool push_run(struct scan_runs *runs, sqlite3_stmt *s)
{
	if (!runs->at || runs->n == runs->room) {
		size_t room = runs->room ? runs->room * 2 : 64;
		struct scan_run *at = realloc(runs->at, room * sizeof(*at));

		if (!at)
			return false;
		runs->at = at;
		runs->room = room;
	}
	runs->at[runs->n++] =
		(struct scan_run){ sqlite3_column_int64(s, FIRST), sqlite3_column_int64(s, LAST) };
	return true;
}

/* The runs all of whose places are known. */
static int find_runs(sqlite3 *db, const struct scan_range *range, const struct scan_sums_sink *sink,
		     struct scan_runs *ret)
{
	sqlite3_stmt *s = NULL;
	int64_t refused = -1;
	int rc = prepare(db, range, "SELECT last, first, process, site" WITHIN, &s);

	if (rc)
		return sqlite3_finalize(s), SQLITE_OK; /* a file of version 1 */
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		int64_t last = sqlite3_column_int64(s, LAST);
		const struct scan_run *run = last_run(ret);

		if (last == refused)
			continue;
		if (!type_of(s, sink)) {
			refused = last;
			ret->n -= run && run->last == last;
		} else if ((!run || run->last != last) && !push_run(ret, s)) {
			rc = SQLITE_NOMEM;
			break;
		}
	}
	sqlite3_finalize(s);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void add_hist(struct scan_type *t, const uint8_t *at, size_t bytes)
{
	const uint8_t *end = at + bytes;
	uint32_t bucket = 0, empty = 0, n = 0;

	while (at && at < end && bucket < POLL_BUCKETS) {
		at = varint_get_u32(at, end, POLL_BUCKETS - 1 - bucket, &empty);
		at = varint_get_u32(at, end, UINT32_MAX, &n);
		if (!at)
			break;
		bucket += empty;
		t->bucket[bucket++] += n;
		t->polls += n;
	}
}

static void add_row(struct scan_type *t, sqlite3_stmt *s)
{
	const uint8_t *hist = sqlite3_column_blob(s, HIST);
	uint64_t most = (uint64_t)sqlite3_column_int64(s, MOST);

	if (!t->bucket)
		t->bucket = calloc(POLL_BUCKETS, sizeof(*t->bucket));
	if (!t->bucket)
		return;
	t->busy_ns += (uint64_t)sqlite3_column_int64(s, BUSY);
	t->max_ns = most > t->max_ns ? most : t->max_ns;
	add_hist(t, hist, hist ? (size_t)sqlite3_column_bytes(s, HIST) : 0);
}

int scan_sums(sqlite3 *db, const struct scan_range *range, const struct scan_sums_sink *sink,
	      struct scan_runs *ret)
{
	sqlite3_stmt *s = NULL;
	size_t at = 0;
	int rc = find_runs(db, range, sink, ret);

	if (rc || !ret->n)
		return rc;
	rc = prepare(db, range, "SELECT last, first, process, site, busy_ns, max_ns, hist" WITHIN,
		     &s);
	while (!rc && at < ret->n && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		struct scan_type *t = type_of(s, sink);

		rc = SQLITE_OK;
		while (at < ret->n && ret->at[at].last < sqlite3_column_int64(s, LAST))
			at++;
		if (at < ret->n && ret->at[at].last == sqlite3_column_int64(s, LAST) && t)
			add_row(t, s);
	}
	sqlite3_finalize(s);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

void scan_runs_free(struct scan_runs *runs)
{
	free(runs->at);
	*runs = (struct scan_runs){ 0 };
}
