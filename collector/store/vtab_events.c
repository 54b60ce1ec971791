/* SPDX-License-Identifier: MIT */
/*
 * `events`: one row for each event. Time, task and kind are pushed down: chunks outside the time range, without the
 * task in their dictionary or without the kind in their counts are not read. A damaged chunk gives one row of kind
 * 'damaged-chunk' (a = its number) in place of what could not be read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/accounts.h"
#include "collector/decode.h"
#include "collector/store/chunk_reader_internal.h"
#include "collector/store/vtab.h"
#include "collector/store/vtab_internal.h"

#define DECLARATION                                                                                                \
	"CREATE TABLE events(t_ns INTEGER, kind TEXT, process INTEGER, lane INTEGER, worker INTEGER, tid INTEGER," \
	" task INTEGER, a INTEGER, b INTEGER, c INTEGER, d INTEGER, dur_ns INTEGER, delay_ns INTEGER,"             \
	" blocked_ns INTEGER, runnable_ns INTEGER, result TEXT, waker INTEGER, waker_kind TEXT, reason TEXT,"      \
	" text TEXT, late INTEGER, chunk INTEGER, kind_id INTEGER HIDDEN)"

struct table {
	sqlite3_vtab base;
	sqlite3 *db;
};

static int connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **ret,
		   char **error)
{
	struct table *t;
	int rc = sqlite3_declare_vtab(db, DECLARATION);

	(void)aux;
	(void)argc;
	(void)argv;
	(void)error;
	if (rc)
		return rc;
	t = sqlite3_malloc(sizeof(*t));
	if (!t)
		return SQLITE_NOMEM;
	memset(t, 0, sizeof(*t));
	t->db = db;
	*ret = &t->base;
	return SQLITE_OK;
}

static int disconnect(sqlite3_vtab *t)
{
	sqlite3_free(t);
	return SQLITE_OK;
}

/* ---- what is pushed down: one letter per argument ---- */

static char letter_of(int column, int op)
{
	switch (op) {
	case SQLITE_INDEX_CONSTRAINT_EQ:
		return column == T_NS      ? '='
		       : column == TASK    ? 't'
		       : column == KIND    ? 'k'
		       : column == KIND_ID ? 'i'
					   : 0;
	case SQLITE_INDEX_CONSTRAINT_GT:
	case SQLITE_INDEX_CONSTRAINT_GE:
		return column == T_NS ? '>' : 0;
	case SQLITE_INDEX_CONSTRAINT_LT:
	case SQLITE_INDEX_CONSTRAINT_LE:
		return column == T_NS ? '<' : 0;
	default:
		return 0;
	}
}

static int best_index(sqlite3_vtab *t, sqlite3_index_info *info)
{
	char *letters = sqlite3_malloc(info->nConstraint + 1);
	double rows = 1e7;
	int n = 0;

	(void)t;
	if (!letters)
		return SQLITE_NOMEM;
	for (int i = 0; i < info->nConstraint; i++) {
		char letter = letter_of(info->aConstraint[i].iColumn, info->aConstraint[i].op);

		if (!letter || !info->aConstraint[i].usable)
			continue;
		letters[n++] = letter;
		info->aConstraintUsage[i].argvIndex = n;
		rows /= letter == 't'                    ? 1000
			: letter == '='                  ? 1e5
			: letter == 'k' || letter == 'i' ? 3
							 : 4;
	}
	letters[n] = 0;
	info->idxStr = letters;
	info->needToFreeIdxStr = 1;
	info->estimatedRows = rows < 1 ? 1 : (sqlite3_int64)rows;
	info->estimatedCost = rows + 1e4;
	return SQLITE_OK;
}

static void narrow(struct event_cursor *c, char letter, sqlite3_value *value)
{
	sqlite3_int64 v = sqlite3_value_int64(value);
	const char *text;

	if (sqlite3_value_type(value) == SQLITE_NULL) {
		c->nothing = true;
		return;
	}
	/* SQLite checks each row again: bounds may be generous, and text compared with numbers is left to it. */
	if ((letter == '<' || letter == '=') &&
	    sqlite3_value_numeric_type(value) == SQLITE_INTEGER && v < (int64_t)c->high) {
		c->nothing |= v < 0;
		c->high = v < 0 ? 0 : (uint64_t)v;
	}
	if ((letter == '>' || letter == '=') &&
	    sqlite3_value_numeric_type(value) == SQLITE_INTEGER && v > (int64_t)c->low)
		c->low = (uint64_t)v;
	if (letter == 't' && sqlite3_value_numeric_type(value) == SQLITE_INTEGER) {
		c->nothing |= c->task >= 0 && c->task != v;
		c->nothing |= v < 0;
		c->task = v;
	}
	if (letter == 'i' && sqlite3_value_numeric_type(value) == SQLITE_INTEGER)
		c->kind = v < 0 ? INT64_MAX : v;
	text = letter == 'k' ? (const char *)sqlite3_value_text(value) : NULL;
	if (text)
		c->kind = strcmp(text, "damaged-chunk") ? accounts_kind_of(text) : DAMAGED;
	if (text && c->kind < 0)
		c->nothing = true;
}

/* ---- chunks ---- */

static bool kind_in(const struct event_cursor *c)
{
	struct chunk_count counts[256];
	const uint8_t *p = sqlite3_column_blob(c->chunks, 1);
	size_t n = chunk_read_counts(p, p ? (size_t)sqlite3_column_bytes(c->chunks, 1) : 0, counts,
				     256);

	if (c->kind < 0 || c->kind == DAMAGED || n == 256)
		return true;
	for (size_t i = 0; i < n; i++)
		if (counts[i].kind == c->kind)
			return true;
	return false;
}

static bool task_in(struct event_cursor *c)
{
	struct chunk_bytes tasks = { (uint8_t *)sqlite3_column_blob(c->chunks, 2), 0 };

	c->task_index = -1;
	if (c->task < 0)
		return true;
	tasks.bytes = tasks.at ? (size_t)sqlite3_column_bytes(c->chunks, 2) : 0;
	c->task_index = chunk_find_task(&tasks, (uint64_t)c->task);
	return c->task_index != -1 ||
	       sqlite3_column_int(c->chunks, 4); /* flat events may be of a task, too */
}

static void damaged_row(struct event_cursor *c)
{
	memset(&c->row, 0, sizeof(c->row));
	c->row.kind = DAMAGED;
	c->row.lane = WEFT_NO_LANE;
	c->row.t_ns = (uint64_t)sqlite3_column_int64(c->chunks, 3);
	c->row.a = (uint64_t)c->chunk;
	c->complete = true;
}

/* Of a task that is in the dictionary only its events; where it is not, the flat events are all that may be its. */
static bool read_columns(struct event_cursor *c, const struct chunk_bytes *tasks,
			 const struct chunk_bytes *data)
{
	if (c->task_index < 0)
		return chunk_read(&c->reader, tasks, data);
	return chunk_read_task(&c->reader, tasks, data, (uint32_t)c->task_index, (uint64_t)c->task);
}

/* 1 = ready, 0 = the row is that of a damaged chunk, negative = SQLite's error, 2 = skip. */
static int open_chunk(struct event_cursor *c)
{
	struct chunk_bytes tasks, data, flat;
	int rc, codec;

	c->chunk = sqlite3_column_int64(c->chunks, 0);
	c->stage = COLUMNS;
	c->reader.n = c->reader.next = 0;
	c->flat_at = c->flat_end = NULL;
	if (!kind_in(c) || !task_in(c))
		return 2;
	sqlite3_reset(c->blobs);
	sqlite3_bind_int64(c->blobs, 1, c->chunk);
	rc = sqlite3_step(c->blobs);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? 2 : -rc;
	codec = sqlite3_column_int(c->blobs, 0);
	reading_blobs(c->blobs, 1, &tasks, &data, &flat);
	if (codec != CHUNK_CODEC || !read_columns(c, &tasks, &data)) {
		c->reader.n = c->reader.next = 0;
		damaged_row(c);
		return 0;
	}
	c->flat_at = flat.at;
	c->flat_end = flat.at + flat.bytes;
	c->flat.pos = 0;
	return 1;
}

static bool wanted(const struct event_cursor *c, const struct record *r)
{
	return r->t_ns >= c->low && r->t_ns <= c->high &&
	       (c->task < 0 || r->task == (uint64_t)c->task) && (c->kind < 0 || r->kind == c->kind);
}

/* The next event of the columns that is asked for; a..d follow when a column of the row is read. */
static bool next_column(struct event_cursor *c)
{
	struct chunk_reader *r = &c->reader;

	while (r->one ? chunk_step_task(r) : chunk_step(r)) {
		const struct chunk_shape *s = &r->shape[chunk_shape_at(r, r->next - 1)];

		if (c->task >= 0 && c->task_index < 0)
			continue;
		if ((c->kind >= 0 && s->kind != c->kind) || r->event_t < c->low ||
		    r->event_t > c->high)
			continue;
		c->row = (struct record){ .t_ns = r->event_t,
					  .task = r->one ? r->one_task
							 : r->task[r->tasks[r->next - 1]],
					  .process = s->process,
					  .kind = s->kind,
					  .lane = s->lane,
					  .flags = s->flags,
					  .tid = s->tid };
		c->complete = false;
		return true;
	}
	return false;
}

static bool take_flat(struct event_cursor *c, struct weft_ev *ev, uint64_t t_ns, uint16_t flags)
{
	decode_terminate(ev);
	if (decode_flat(ev, c->start_ns, &c->row)) {
		free(ev);
		return false;
	}
	c->row.t_ns = t_ns;
	c->row.flags = flags;
	c->complete = true;
	free(c->text);
	c->text = ev;
	return wanted(c, &c->row);
}

static int next_flat(struct event_cursor *c)
{
	int rc;

	while (!(rc = chunk_next_flat(&c->flat_at, c->flat_end, c->reader.base, &c->flat)))
		if (take_flat(c, c->flat.ev, c->flat.t_ns, c->flat.flags))
			return 1;
	return rc == -ENODATA ? 0 : -1;
}

/* SQLite's code: a row, or none any more. */
static int next_definition(struct event_cursor *c)
{
	int rc;

	while ((rc = sqlite3_step(c->definitions)) == SQLITE_ROW) {
		const uint8_t *p = sqlite3_column_blob(c->definitions, 2);
		struct weft_ev *ev = NULL;

		c->chunk = sqlite3_column_int64(c->definitions, 0);
		if (p && chunk_unpack_event(p, p + sqlite3_column_bytes(c->definitions, 2), &ev) &&
		    take_flat(c, ev, (uint64_t)sqlite3_column_int64(c->definitions, 1), 0))
			break;
	}
	return rc;
}

/* Returns 1 with a row, 0 = the chunk is done. */
static int next_in_chunk(struct event_cursor *c)
{
	int rc;

	if (c->stage == COLUMNS) {
		if (next_column(c))
			return 1;
		c->stage = FLAT;
		if (c->reader.damaged) {
			c->reader.damaged = false;
			damaged_row(c);
			return 1;
		}
	}
	rc = next_flat(c);
	if (rc < 0) {
		c->flat_at = NULL;
		damaged_row(c);
	}
	return rc != 0;
}

static int next(sqlite3_vtab_cursor *base)
{
	struct event_cursor *c = (struct event_cursor *)base;
	int rc;

	c->rowid++;
	while (c->stage < DEFINITIONS) {
		if (c->chunk && next_in_chunk(c))
			return SQLITE_OK;
		rc = sqlite3_step(c->chunks);
		if (rc != SQLITE_ROW && rc != SQLITE_DONE)
			return rc;
		if (rc == SQLITE_DONE) {
			c->stage = DEFINITIONS;
			break;
		}
		rc = open_chunk(c);
		if (rc < 0)
			return -rc;
		if (rc == 2) {
			c->stage = FLAT;
			c->reader.n = c->reader.next = 0;
		}
		if (!rc && (c->kind < 0 || c->kind == DAMAGED)) {
			c->stage = FLAT;
			return SQLITE_OK;
		}
	}
	rc = c->stage == DEFINITIONS ? next_definition(c) : SQLITE_DONE;
	if (rc == SQLITE_DONE)
		c->stage = END;
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* ---- life ---- */

static int open(sqlite3_vtab *t, sqlite3_vtab_cursor **ret)
{
	struct event_cursor *c = calloc(1, sizeof(*c));

	if (!c)
		return SQLITE_NOMEM;
	c->db = ((struct table *)t)->db;
	chunk_reader_init(&c->reader);
	*ret = &c->base;
	return SQLITE_OK;
}

static int close(sqlite3_vtab_cursor *base)
{
	struct event_cursor *c = (struct event_cursor *)base;

	sqlite3_finalize(c->chunks);
	sqlite3_finalize(c->blobs);
	sqlite3_finalize(c->definitions);
	chunk_reader_done(&c->reader);
	free(c->text);
	free(c);
	return SQLITE_OK;
}

static void read_workers(struct event_cursor *c)
{
	sqlite3_stmt *s = NULL;

	c->nworkers = 0;
	if (sqlite3_prepare_v2(
		    c->db,
		    "SELECT process, lane, max(worker) FROM lane WHERE worker IS NOT NULL GROUP BY 1, 2",
		    -1, &s, NULL))
		return;
	while (c->nworkers < MAX_WORKERS && sqlite3_step(s) == SQLITE_ROW) {
		c->worker[c->nworkers].process = (uint32_t)sqlite3_column_int64(s, 0);
		c->worker[c->nworkers].lane = (uint16_t)sqlite3_column_int(s, 1);
		c->worker[c->nworkers++].worker = sqlite3_column_int(s, 2);
	}
	sqlite3_finalize(s);
	if (!sqlite3_prepare_v2(c->db, "SELECT start_mono_ns FROM session", -1, &s, NULL) &&
	    sqlite3_step(s) == SQLITE_ROW)
		c->start_ns = (uint64_t)sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
}

static int prepare(struct event_cursor *c)
{
	int rc = SQLITE_OK;

	if (!c->chunks) {
		read_workers(c);
		rc = sqlite3_prepare_v2(
			c->db,
			"SELECT chunk, counts, tasks, t0, length(flat) FROM chunk WHERE t1 >= ?1 AND t0 <= ?2"
			" AND (?3 < 0 OR flat IS NOT NULL OR (task0 <= ?3 AND task1 >= ?3)) ORDER BY chunk",
			-1, &c->chunks, NULL);
		if (!rc)
			rc = sqlite3_prepare_v2(
				c->db, "SELECT codec, tasks, data, flat FROM chunk WHERE chunk = ?",
				-1, &c->blobs, NULL);
		if (!rc)
			rc = sqlite3_prepare_v2(
				c->db,
				"SELECT chunk, t_ns, event FROM definition WHERE t_ns >= ?1 AND t_ns <= ?2 ORDER BY id",
				-1, &c->definitions, NULL);
	}
	sqlite3_reset(c->chunks);
	sqlite3_reset(c->definitions);
	return rc;
}

static int filter(sqlite3_vtab_cursor *base, int index, const char *letters, int n,
		  sqlite3_value **values)
{
	struct event_cursor *c = (struct event_cursor *)base;
	int rc = prepare(c);

	(void)index;
	if (rc)
		return rc;
	c->low = 0;
	c->high = INT64_MAX;
	c->task = c->kind = -1;
	c->nothing = false;
	for (int i = 0; i < n; i++)
		narrow(c, letters[i], values[i]);
	c->stage = c->nothing || c->low > c->high ? END : COLUMNS;
	c->chunk = 0;
	c->rowid = 0;
	if (c->stage == END)
		return SQLITE_OK;
	sqlite3_bind_int64(c->chunks, 1, (sqlite3_int64)c->low);
	sqlite3_bind_int64(c->chunks, 2, (sqlite3_int64)c->high);
	sqlite3_bind_int64(c->chunks, 3, c->task);
	sqlite3_bind_int64(c->definitions, 1, (sqlite3_int64)c->low);
	sqlite3_bind_int64(c->definitions, 2, (sqlite3_int64)c->high);
	return next(base);
}

static int eof(sqlite3_vtab_cursor *base)
{
	return ((struct event_cursor *)base)->stage == END;
}

static int rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret)
{
	*ret = ((struct event_cursor *)base)->rowid;
	return SQLITE_OK;
}

int vtab_events_register(sqlite3 *db)
{
	static const sqlite3_module module = {
		.xConnect = connect,
		.xBestIndex = best_index,
		.xDisconnect = disconnect,
		.xOpen = open,
		.xClose = close,
		.xFilter = filter,
		.xNext = next,
		.xEof = eof,
		.xColumn = vtab_event_column,
		.xRowid = rowid,
	};

	return sqlite3_create_module(db, "events", &module, NULL);
}
