/* SPDX-License-Identifier: MIT */
#include "collector/query.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "collector/store/reading.h"
#include "collector/store/vtab.h"
#include "queries_sql.h"

#define MAX_COLUMNS 200
#define QUERIES     (sizeof(embedded_queries) / sizeof(embedded_queries[0]))

struct query {
	struct reading file;
	char *path;
	char error[400];
};

static char open_error[400]; /* of the last failed open; under open_lock */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

const char *query_error(const struct query *q)
{
	return q ? q->error : open_error;
}

struct query *query_close(struct query *q)
{
	if (!q)
		return NULL;
	reading_close(&q->file);
	free(q->path);
	free(q);
	return NULL;
}

int query_open(const char *path, struct query **ret, const char **warning)
{
	struct query *q = calloc(1, sizeof(*q));
	int rc = -ENOMEM;

	if (!q)
		return rc;
	q->path = strdup(path);
	if (q->path)
		rc = reading_open(path, &q->file);
	if (!rc && vtab_register(q->file.db))
		rc = -ENOMEM;
	if (rc) {
		pthread_mutex_lock(&open_lock);
		snprintf(open_error, sizeof(open_error), "%s: %s", path,
			 q->file.error[0] ? q->file.error : strerror(-rc));
		pthread_mutex_unlock(&open_lock);
		query_close(q);
		return rc;
	}
	if (warning)
		*warning = q->file.warning[0] ? q->file.warning : NULL;
	*ret = q;
	return 0;
}

/* ---- running SQL ---- */

static struct query_value value_of(sqlite3_stmt *s, int i)
{
	struct query_value v = { .type = QUERY_NULL };

	switch (sqlite3_column_type(s, i)) {
	case SQLITE_INTEGER:
		v.type = QUERY_INT;
		v.i = sqlite3_column_int64(s, i);
		v.d = (double)v.i;
		break;
	case SQLITE_FLOAT:
		v.type = QUERY_REAL;
		v.d = sqlite3_column_double(s, i);
		break;
	case SQLITE_TEXT:
		v.type = QUERY_TEXT;
		v.text = (const char *)sqlite3_column_text(s, i);
		v.bytes = (size_t)sqlite3_column_bytes(s, i);
		break;
	case SQLITE_BLOB:
		v.type = QUERY_BLOB;
		v.text = sqlite3_column_blob(s, i);
		v.bytes = (size_t)sqlite3_column_bytes(s, i);
		break;
	default:
		break;
	}
	return v;
}

/* Returns SQLite's code; *ret_stopped: the caller's function wanted no more. */
static int give_rows(sqlite3_stmt *s, query_row fn, void *ctx, bool *ret_stopped)
{
	const char *columns[MAX_COLUMNS];
	struct query_value values[MAX_COLUMNS];
	int n = sqlite3_column_count(s), rc;
	bool any = false;

	n = n < MAX_COLUMNS ? n : MAX_COLUMNS;
	for (int i = 0; i < n; i++)
		columns[i] = sqlite3_column_name(s, i);
	while ((rc = sqlite3_step(s)) == SQLITE_ROW && !*ret_stopped) {
		for (int i = 0; i < n; i++)
			values[i] = value_of(s, i);
		*ret_stopped = fn(ctx, n, columns, values) != 0;
		any = true;
	}
	if (rc == SQLITE_DONE && !any && n)
		*ret_stopped = fn(ctx, n, columns, NULL) != 0;
	return *ret_stopped ? SQLITE_DONE : rc;
}

/* One line: SQLite's texts have none, but names in them may. */
static int fail(struct query *q, int sqlite_rc)
{
	snprintf(q->error, sizeof(q->error), "%s", sqlite3_errmsg(q->file.db));
	for (char *p = q->error; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	switch (sqlite_rc & 0xff) {
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_AUTH:
		snprintf(q->error, sizeof(q->error),
			 "a recording is read-only: only SELECT and reading PRAGMAs are allowed");
		return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		snprintf(q->error, sizeof(q->error), "%s: the file is damaged", q->path);
		return -EINVAL;
	default:
		return -EINVAL;
	}
}

int query_run(struct query *q, const char *sql, query_row fn, void *ctx)
{
	bool stopped = false;

	q->error[0] = 0;
	while (*sql && !stopped) {
		sqlite3_stmt *s = NULL;
		int rc = sqlite3_prepare_v2(q->file.db, sql, -1, &s, &sql);

		if (!rc && s)
			rc = give_rows(s, fn, ctx, &stopped);
		if (rc && rc != SQLITE_DONE) {
			rc = fail(q, rc);
			sqlite3_finalize(s);
			return rc;
		}
		sqlite3_finalize(s);
	}
	return 0;
}

/* ---- named queries: the first line of each is "-- description" ---- */

static struct query_named named[QUERIES];
static char descriptions[QUERIES][200];
static pthread_once_t named_once = PTHREAD_ONCE_INIT;

static void read_named(void)
{
	for (size_t i = 0; i < QUERIES; i++) {
		const char *text = embedded_queries[i].text, *end = strchr(text, '\n');

		named[i] = (struct query_named){ embedded_queries[i].name, descriptions[i], text };
		if (!strncmp(text, "-- ", 3) && end)
			snprintf(descriptions[i], sizeof(descriptions[i]), "%.*s",
				 (int)(end - text - 3), text + 3);
	}
}

const struct query_named *query_named(size_t i)
{
	pthread_once(&named_once, read_named);
	return i < QUERIES ? &named[i] : NULL;
}

const struct query_named *query_find(const char *name)
{
	for (size_t i = 0; query_named(i); i++)
		if (!strcmp(query_named(i)->name, name))
			return query_named(i);
	return NULL;
}

/* ---- facts ---- */

static int take_info(void *ctx, int n, const char *const *columns, const struct query_value *v)
{
	struct query_info *info = ctx;

	(void)columns;
	if (n < 7 || !v)
		return 0;
	info->events = (uint64_t)v[0].i;
	info->chunks = (uint64_t)v[1].i;
	info->gaps = (uint64_t)v[2].i;
	info->start_realtime_ns = (uint64_t)v[3].i;
	info->duration_ns = (uint64_t)v[4].i;
	info->clean = v[5].i;
	if (v[6].type == QUERY_TEXT)
		snprintf(info->weft, sizeof(info->weft), "%s", v[6].text);
	return 0;
}

int query_info(struct query *q, struct query_info *ret)
{
	struct query_info info = { .version = q->file.version };
	struct stat st;
	int rc;

	if (!stat(q->path, &st))
		info.bytes = (uint64_t)st.st_size;
	rc = query_run(
		q,
		"SELECT (SELECT sum(stored) FROM account), (SELECT count(*) FROM chunk), (SELECT count(*) FROM gap),"
		" start_realtime_ns, coalesce(end_ns, (SELECT max(t1) FROM chunk)), clean, weft FROM session",
		take_info, &info);
	if (!rc)
		*ret = info;
	return rc;
}
