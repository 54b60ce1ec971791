/* SPDX-License-Identifier: MIT */
/* Table-valued functions over the scans: one module each, the same cursor code, a table of what differs. */
#include <stdlib.h>
#include <string.h>

#include "collector/store/poll_bucket.h"
#include "collector/store/scan.h"
#include "collector/store/vtab.h"

struct cursor;

struct function {
	const char *name, *declaration; /* the hidden columns t0, t1 come last */
	int t0;                         /* number of the column t0 */
	int (*begin)(struct cursor *c);
	bool (*next)(struct cursor *c); /* to the next row; false = there is none, or c->rc */
	void (*column)(struct cursor *c, sqlite3_context *x, int i);
};

struct table {
	sqlite3_vtab base;
	sqlite3 *db;
	const struct function *function;
};

struct cursor {
	sqlite3_vtab_cursor base;
	sqlite3 *db;
	const struct function *function;
	struct scan_range range;
	struct scan_tasks tasks;
	struct scan_types types;
	struct scan_shorts shorts;
	const struct scan_short *brief;
	size_t at;       /* row of tasks or types */
	unsigned bucket; /* of the histogram */
	int rc;
	bool eof;
	sqlite3_int64 rowid;
};

/* ---- task_stats ---- */

static int tasks_begin(struct cursor *c)
{
	c->at = SIZE_MAX;
	return scan_tasks(c->db, &c->range, &c->tasks);
}

static bool tasks_next(struct cursor *c)
{
	return ++c->at < c->tasks.n;
}

static void tasks_column(struct cursor *c, sqlite3_context *x, int i)
{
	const struct scan_task *t = &c->tasks.at[c->at];
	const uint64_t v[] = { t->task,       t->polls,       t->busy_ns, t->poll_max_ns,
			       t->blocked_ns, t->runnable_ns, t->wakes,   t->self_wakes,
			       t->first_ns,   t->last_ns };

	sqlite3_result_int64(x, (sqlite3_int64)v[i]);
}

/* ---- polls by type ---- */

static int types_begin(struct cursor *c)
{
	c->at = SIZE_MAX;
	c->bucket = POLL_BUCKETS;
	return scan_types(c->db, &c->range, &c->types);
}

static bool types_next(struct cursor *c)
{
	while (++c->at < c->types.n)
		if (c->types.at[c->at].polls)
			return true;
	return false;
}

static bool histogram_next(struct cursor *c)
{
	for (;;) {
		while (++c->bucket < POLL_BUCKETS)
			if (c->types.at[c->at].bucket[c->bucket])
				return true;
		if (!types_next(c))
			return false;
		c->bucket = UINT32_MAX;
	}
}

static void type_column(const struct scan_type *t, sqlite3_context *x, int i)
{
	if (i == 0)
		sqlite3_result_int64(x, t->process);
	else if (i == 1 && t->type >= 0)
		sqlite3_result_int64(x, t->type);
	else if (i == 2 && t->name)
		sqlite3_result_text(x, t->name, -1, SQLITE_TRANSIENT);
	else if (i == 3 && t->location)
		sqlite3_result_text(x, t->location, -1, SQLITE_TRANSIENT);
}

static void percentiles_column(struct cursor *c, sqlite3_context *x, int i)
{
	const struct scan_type *t = &c->types.at[c->at];
	static const double share[] = { 0.5, 0.9, 0.99 };

	if (i < 4)
		type_column(t, x, i);
	else if (i < 6)
		sqlite3_result_int64(x, (sqlite3_int64)(i == 4 ? t->polls : t->busy_ns));
	else
		sqlite3_result_int64(x, (sqlite3_int64)(i < 9 ? scan_quantile(t, share[i - 6])
							      : t->max_ns));
}

static void histogram_column(struct cursor *c, sqlite3_context *x, int i)
{
	const struct scan_type *t = &c->types.at[c->at];

	if (i < 4)
		type_column(t, x, i);
	else if (i == 6)
		sqlite3_result_int64(x, (sqlite3_int64)t->bucket[c->bucket]);
	else
		sqlite3_result_int64(x, (sqlite3_int64)poll_bucket_low(c->bucket + (i == 5)));
}

/* ---- short_tasks ---- */

static int shorts_begin(struct cursor *c)
{
	return scan_shorts_open(c->db, &c->range, &c->shorts);
}

static bool shorts_next(struct cursor *c)
{
	int rc = scan_shorts_next(&c->shorts, &c->brief);

	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		c->rc = rc;
	return rc == SQLITE_ROW;
}

static void shorts_column(struct cursor *c, sqlite3_context *x, int i)
{
	static const char *const reasons[] = { NULL, "done", "cancelled", "error", "shutdown" };
	const struct scan_short *t = c->brief;
	const uint64_t v[] = { t->task,     t->process,     t->site,  t->parent,
			       t->spawn_ns, t->end_ns,      0,        t->polls,
			       t->busy_ns,  t->poll_max_ns, t->wakes, t->self_wakes };

	if (i == 6 && t->reason < 5)
		sqlite3_result_text(x, reasons[t->reason], -1, SQLITE_STATIC);
	else if (i != 6 && (i != 3 || t->parent))
		sqlite3_result_int64(x, (sqlite3_int64)v[i]);
}

static const struct function functions[] = {
	{ "task_stats",
	  "CREATE TABLE x(task INTEGER, polls INTEGER, busy_ns INTEGER, poll_max_ns INTEGER, blocked_ns INTEGER,"
	  " runnable_ns INTEGER, wakes INTEGER, self_wakes INTEGER, first_ns INTEGER, last_ns INTEGER, t0 HIDDEN, t1 HIDDEN)",
	  10, tasks_begin, tasks_next, tasks_column },
	{ "poll_percentiles",
	  "CREATE TABLE x(process INTEGER, type INTEGER, name TEXT, location TEXT, polls INTEGER, busy_ns INTEGER,"
	  " p50_ns INTEGER, p90_ns INTEGER, p99_ns INTEGER, max_ns INTEGER, t0 HIDDEN, t1 HIDDEN)",
	  10, types_begin, types_next, percentiles_column },
	{ "poll_histogram",
	  "CREATE TABLE x(process INTEGER, type INTEGER, name TEXT, location TEXT, low_ns INTEGER, high_ns INTEGER,"
	  " polls INTEGER, t0 HIDDEN, t1 HIDDEN)",
	  7, types_begin, histogram_next, histogram_column },
	{ "short_tasks",
	  "CREATE TABLE x(task INTEGER, process INTEGER, site INTEGER, parent INTEGER, spawn_ns INTEGER, end_ns INTEGER,"
	  " end_reason TEXT, polls INTEGER, busy_ns INTEGER, poll_max_ns INTEGER, wakes INTEGER, self_wakes INTEGER,"
	  " t0 HIDDEN, t1 HIDDEN)",
	  12, shorts_begin, shorts_next, shorts_column },
};

/* ---- the module ---- */

static int scan_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
			sqlite3_vtab **ret, char **error)
{
	const struct function *f = aux;
	struct table *t;
	int rc = sqlite3_declare_vtab(db, f->declaration);

	(void)argc;
	(void)argv;
	(void)error;
	if (rc)
		return rc;
	t = sqlite3_malloc(sizeof(*t));
	if (!t)
		return SQLITE_NOMEM;
	*t = (struct table){ .db = db, .function = f };
	*ret = &t->base;
	return SQLITE_OK;
}

static int scan_disconnect(sqlite3_vtab *t)
{
	sqlite3_free(t);
	return SQLITE_OK;
}

/* Arguments are equalities on the hidden columns; bit 0 of idxNum = t0 comes, bit 1 = t1. */
static int scan_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
	int t0 = ((struct table *)base)->function->t0, at[2] = { -1, -1 }, n = 0;

	for (int i = 0; i < info->nConstraint; i++) {
		int k = info->aConstraint[i].iColumn - t0;

		if (k < 0 || k > 1 || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ)
			continue;
		if (!info->aConstraint[i].usable)
			return SQLITE_CONSTRAINT;
		at[k] = i;
	}
	for (int k = 0; k < 2; k++) {
		if (at[k] < 0)
			continue;
		info->aConstraintUsage[at[k]].argvIndex = ++n;
		info->aConstraintUsage[at[k]].omit = 1;
		info->idxNum |= 1 << k;
	}
	info->estimatedCost = 1e6;
	info->estimatedRows = 10000;
	return SQLITE_OK;
}

static int scan_open_cursor(sqlite3_vtab *t, sqlite3_vtab_cursor **ret)
{
	struct cursor *c = calloc(1, sizeof(*c));

	if (!c)
		return SQLITE_NOMEM;
	c->db = ((struct table *)t)->db;
	c->function = ((struct table *)t)->function;
	*ret = &c->base;
	return SQLITE_OK;
}

static void release(struct cursor *c)
{
	scan_tasks_free(&c->tasks);
	scan_types_free(&c->types);
	scan_shorts_close(&c->shorts);
}

static int scan_close_cursor(sqlite3_vtab_cursor *base)
{
	release((struct cursor *)base);
	free(base);
	return SQLITE_OK;
}

static int scan_next(sqlite3_vtab_cursor *base)
{
	struct cursor *c = (struct cursor *)base;

	c->rowid++;
	c->eof = !c->function->next(c);
	return c->rc;
}

static int scan_filter(sqlite3_vtab_cursor *base, int given, const char *text, int n,
		       sqlite3_value **values)
{
	struct cursor *c = (struct cursor *)base;
	int at = 0;

	(void)text;
	(void)n;
	release(c);
	c->range = (struct scan_range){ 0, INT64_MAX };
	for (int k = 0; k < 2; k++) {
		sqlite3_value *v = given & 1 << k ? values[at++] : NULL;
		sqlite3_int64 t = v ? sqlite3_value_int64(v) : 0;

		if (!v || sqlite3_value_type(v) == SQLITE_NULL)
			continue;
		t = t < 0 ? 0 : t;
		if (k)
			c->range.t1 = (uint64_t)t;
		else
			c->range.t0 = (uint64_t)t;
	}
	c->rowid = 0;
	c->rc = c->function->begin(c);
	return c->rc ? c->rc : scan_next(base);
}

static int scan_eof(sqlite3_vtab_cursor *base)
{
	return ((struct cursor *)base)->eof;
}

static int scan_column(sqlite3_vtab_cursor *base, sqlite3_context *x, int i)
{
	struct cursor *c = (struct cursor *)base;

	if (i < c->function->t0)
		c->function->column(c, x, i);
	return SQLITE_OK;
}

static int scan_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret)
{
	*ret = ((struct cursor *)base)->rowid;
	return SQLITE_OK;
}

int vtab_scans_register(sqlite3 *db)
{
	static const sqlite3_module module = {
		.xConnect = scan_connect,
		.xBestIndex = scan_best_index,
		.xDisconnect = scan_disconnect,
		.xOpen = scan_open_cursor,
		.xClose = scan_close_cursor,
		.xFilter = scan_filter,
		.xNext = scan_next,
		.xEof = scan_eof,
		.xColumn = scan_column,
		.xRowid = scan_rowid,
	};
	int rc = SQLITE_OK;

	for (unsigned i = 0; i < sizeof(functions) / sizeof(functions[0]) && !rc; i++)
		rc = sqlite3_create_module(db, functions[i].name, &module, (void *)&functions[i]);
	return rc;
}
