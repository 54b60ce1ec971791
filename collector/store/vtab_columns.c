/* SPDX-License-Identifier: MIT */
/* Columns of `events`: a..d as they are, and the same numbers by name for the kinds that have them. */
#include <stdlib.h>

#include "collector/accounts.h"
#include "collector/store/vtab_internal.h"

static void complete(struct event_cursor *c)
{
	struct weft_ev *text = NULL;

	if (c->complete)
		return;
	c->complete = true;
	if (!chunk_record(&c->reader, &c->row, &text))
		return;
	if (text) {
		free(c->text);
		c->text = text;
	}
}

static void known(sqlite3_context *x, uint64_t v)
{
	if (v != UINT64_MAX)
		sqlite3_result_int64(x, (sqlite3_int64)v);
}

static void name_of(sqlite3_context *x, const char *const *names, uint64_t n, uint64_t i)
{
	if (i < n && names[i])
		sqlite3_result_text(x, names[i], -1, SQLITE_STATIC);
}

/* Text of TASK_NAME; "key=value" of LABEL. */
static void text(sqlite3_context *x, const struct record *r)
{
	const uint64_t *w = r->ev ? (const uint64_t *)(r->ev + 1) : NULL;
	const char *at = (const char *)(w + 2);
	int first, second;
	char *joined;

	if (!w || (r->kind != WEFT_K_TASK_NAME && r->kind != WEFT_K_LABEL))
		return;
	first = (int)(w[0] >> 16 & 0xffff);
	second = (int)(w[0] >> 32 & 0xffff);
	if (r->kind == WEFT_K_TASK_NAME) {
		sqlite3_result_text(x, at, first, SQLITE_TRANSIENT);
		return;
	}
	joined = sqlite3_mprintf("%.*s=%.*s", first, at, second, at + first);
	sqlite3_result_text(x, joined, -1, sqlite3_free);
}

static void poll_column(sqlite3_context *x, const struct record *r, int i)
{
	static const char *const results[] = { "pending", "ready", "cancelled", "error" };
	bool poll = r->kind == WEFT_K_TASK_POLL, off = r->kind == WEFT_EV_OFFCPU;

	switch (i) {
	case DUR_NS:
		if (poll)
			known(x, r->a);
		else if (r->kind == WEFT_K_JOB_END)
			known(x, r->b);
		else if (r->kind == WEFT_K_WORKER_UNPARK || r->kind == WEFT_K_DRIVER_TURN)
			known(x, r->c);
		break;
	case DELAY_NS:
		if (poll || r->kind == WEFT_K_JOB_START)
			known(x, r->b);
		break;
	case BLOCKED_NS:
		if (poll || off)
			known(x, poll ? (r->d >> 32) * 1000 : r->a);
		break;
	case RUNNABLE_NS:
		if (poll || off)
			known(x, poll ? (r->d & UINT32_MAX) * 1000 : r->b);
		break;
	default:
		if (poll)
			name_of(x, results, 4, r->c >> 8);
	}
}

static void wake_column(sqlite3_context *x, const struct record *r, int i)
{
	static const char *const wakers[] = { NULL,      "task", "timer", "io",
					      "foreign", "job",  "spawn", "runtime" };
	static const char *const reasons[] = { NULL, "done", "cancelled", "error", "shutdown" };

	if (i == WAKER && r->kind == WEFT_K_TASK_WAKE && r->a)
		sqlite3_result_int64(x, (sqlite3_int64)r->a);
	else if (i == WAKER_KIND && r->kind == WEFT_K_TASK_WAKE)
		name_of(x, wakers, 8, r->b);
	else if (i == REASON && r->kind == WEFT_K_TASK_END)
		name_of(x, reasons, 5, r->b & 0xff);
}

static void worker(sqlite3_context *x, const struct event_cursor *c)
{
	for (unsigned i = 0; i < c->nworkers; i++) {
		if (c->worker[i].lane != c->row.lane || c->worker[i].process != c->row.process)
			continue;
		sqlite3_result_int(x, c->worker[i].worker);
		return;
	}
}

static void plain_column(sqlite3_context *x, const struct event_cursor *c, int i)
{
	const struct record *r = &c->row;
	const char *kind = r->kind == DAMAGED ? "damaged-chunk" : accounts_kind_name(r->kind);

	switch (i) {
	case T_NS:
		sqlite3_result_int64(x, (sqlite3_int64)r->t_ns);
		break;
	case KIND:
		sqlite3_result_text(x, kind, -1, SQLITE_STATIC);
		break;
	case PROCESS:
		sqlite3_result_int64(x, r->process);
		break;
	case LANE:
		if (r->lane != WEFT_NO_LANE)
			sqlite3_result_int(x, r->lane);
		break;
	case WORKER:
		worker(x, c);
		break;
	case TID:
		if (r->tid)
			sqlite3_result_int64(x, r->tid);
		break;
	case TASK:
		if (r->task)
			sqlite3_result_int64(x, (sqlite3_int64)r->task);
		break;
	case LATE:
		sqlite3_result_int(x, r->flags & RECORD_LATE);
		break;
	case CHUNK:
		sqlite3_result_int64(x, c->chunk);
		break;
	default:
		sqlite3_result_int(x, r->kind);
	}
}

int vtab_event_column(sqlite3_vtab_cursor *base, sqlite3_context *x, int i)
{
	struct event_cursor *c = (struct event_cursor *)base;

	if (i < A || i >= LATE) {
		plain_column(x, c, i);
		return SQLITE_OK;
	}
	complete(c);
	if (i <= D)
		known(x, i == A ? c->row.a : i == B ? c->row.b : i == C ? c->row.c : c->row.d);
	else if (i <= RESULT)
		poll_column(x, &c->row, i);
	else if (i == TEXT)
		text(x, &c->row);
	else
		wake_column(x, &c->row, i);
	return SQLITE_OK;
}
