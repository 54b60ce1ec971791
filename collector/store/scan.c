/* SPDX-License-Identifier: MIT */
#include "collector/store/scan.h"

#include <stdlib.h>
#include <string.h>

#include "collector/store/reading.h"
#include "collector/store/varint.h"

int scan_chunks(sqlite3 *db, const struct scan_range *range, sqlite3_stmt **ret)
{
	int rc = sqlite3_prepare_v2(
		db,
		"SELECT codec, tasks, data, flat, t0, t1 FROM chunk WHERE t1 >= ?1 AND t0 <= ?2"
		" AND chunk BETWEEN ?3 AND ?4 ORDER BY chunk",
		-1, ret, NULL);

	if (rc)
		return rc;
	sqlite3_bind_int64(*ret, 1, range->t0 > INT64_MAX ? INT64_MAX : (sqlite3_int64)range->t0);
	sqlite3_bind_int64(*ret, 2, range->t1 > INT64_MAX ? INT64_MAX : (sqlite3_int64)range->t1);
	sqlite3_bind_int64(*ret, 3, 0);
	sqlite3_bind_int64(*ret, 4, INT64_MAX);
	return SQLITE_OK;
}

bool scan_open(sqlite3_stmt *chunks, struct chunk_reader *r)
{
	struct chunk_bytes tasks, data, flat;

	reading_blobs(chunks, 1, &tasks, &data, &flat);
	return sqlite3_column_int(chunks, 0) == CHUNK_CODEC && chunk_read(r, &tasks, &data);
}

/* ---- by task ---- */

static size_t hash(uint64_t x, unsigned bits)
{
	return (size_t)((x * 0x9e3779b97f4a7c15ull) >> (64 - bits));
}

static bool grow_tasks(struct scan_tasks *s)
{
	unsigned bits = s->bits ? s->bits + 1 : 12;
	uint32_t *slot = calloc((size_t)1 << bits, sizeof(*slot));
	struct scan_task *at = realloc(s->at, sizeof(*at) << (bits - 1));

	if (at)
		s->at = at;
	if (!slot || !at) {
		free(slot);
		return false;
	}
	free(s->slot);
	s->slot = slot;
	s->bits = bits;
	s->room = (size_t)1 << (bits - 1);
	for (size_t i = 0; i < s->n; i++) {
		size_t h = hash(s->at[i].task, bits);

		while (slot[h])
			h = (h + 1) & (((size_t)1 << bits) - 1);
		slot[h] = (uint32_t)i + 1;
	}
	return true;
}

static struct scan_task *task_of(struct scan_tasks *s, uint64_t task)
{
	size_t h, mask;

	if (s->n == s->room && !grow_tasks(s))
		return NULL;
	mask = ((size_t)1 << s->bits) - 1;
	for (h = hash(task, s->bits); s->slot[h]; h = (h + 1) & mask)
		if (s->at[s->slot[h] - 1].task == task)
			return &s->at[s->slot[h] - 1];
	s->at[s->n] = (struct scan_task){ .task = task, .first_ns = UINT64_MAX };
	s->slot[h] = (uint32_t)++s->n;
	return &s->at[s->n - 1];
}

static void add_event(struct scan_task *to, struct chunk_reader *r)
{
	const struct chunk_shape *s = &r->shape[r->shapes[r->next - 1]];
	struct weft_ev *text = NULL;
	struct record rec;

	if (r->event_t < to->first_ns)
		to->first_ns = r->event_t;
	if (r->event_t > to->last_ns)
		to->last_ns = r->event_t;
	if (s->kind == WEFT_K_TASK_WAKE) {
		to->wakes++;
		to->self_wakes += s->how[0] == CHUNK_DERIVED;
	}
	if (s->kind != WEFT_K_TASK_POLL || !chunk_record(r, &rec, &text))
		return;
	to->polls++;
	rec.a = rec.a == UINT64_MAX ? 0 : rec.a;
	to->busy_ns += rec.a;
	to->blocked_ns += (rec.d >> 32) * 1000;
	to->runnable_ns += (rec.d & UINT32_MAX) * 1000;
	if (rec.a > to->poll_max_ns)
		to->poll_max_ns = rec.a;
}

static void merge_task(struct scan_task *to, const struct scan_task *from)
{
	to->polls += from->polls;
	to->busy_ns += from->busy_ns;
	to->blocked_ns += from->blocked_ns;
	to->runnable_ns += from->runnable_ns;
	to->wakes += from->wakes;
	to->self_wakes += from->self_wakes;
	if (from->poll_max_ns > to->poll_max_ns)
		to->poll_max_ns = from->poll_max_ns;
	if (from->first_ns < to->first_ns)
		to->first_ns = from->first_ns;
	if (from->last_ns > to->last_ns)
		to->last_ns = from->last_ns;
}

/* Sums by index of the chunk's dictionary first: the large table is touched once per task and chunk. */
static bool add_chunk(struct scan_tasks *s, struct chunk_reader *r, const struct scan_range *range)
{
	struct scan_task *local = calloc(r->ntasks + 1ull, sizeof(*local));

	if (!local)
		return false;
	for (uint32_t i = 0; i < r->ntasks; i++)
		local[i].first_ns = UINT64_MAX;
	while (chunk_step(r))
		if (r->event_t >= range->t0 && r->event_t <= range->t1)
			add_event(&local[r->tasks[r->next - 1]], r);
	for (uint32_t i = 0; i < r->ntasks; i++) {
		struct scan_task *to = r->task[i] && local[i].first_ns != UINT64_MAX
					       ? task_of(s, r->task[i])
					       : NULL;

		if (to)
			merge_task(to, &local[i]);
	}
	s->damaged += r->damaged;
	free(local);
	return true;
}

int scan_tasks(sqlite3 *db, const struct scan_range *range, struct scan_tasks *ret)
{
	sqlite3_stmt *chunks = NULL;
	struct chunk_reader reader;
	int rc = scan_chunks(db, range, &chunks);

	chunk_reader_init(&reader);
	while (!rc && (rc = sqlite3_step(chunks)) == SQLITE_ROW) {
		rc = SQLITE_OK;
		if (!scan_open(chunks, &reader))
			ret->damaged++;
		else if (!add_chunk(ret, &reader, range))
			rc = SQLITE_NOMEM;
	}
	chunk_reader_done(&reader);
	sqlite3_finalize(chunks);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

void scan_tasks_free(struct scan_tasks *s)
{
	free(s->at);
	free(s->slot);
	*s = (struct scan_tasks){ 0 };
}

/* ---- short tasks ---- */

int scan_shorts_open(sqlite3 *db, const struct scan_range *range, struct scan_shorts *s)
{
	memset(s, 0, sizeof(*s));
	chunk_reader_init(&s->reader);
	return scan_chunks(db, range, &s->chunks);
}

static void short_event(struct scan_short *to, const struct record *r)
{
	switch (r->kind) {
	case WEFT_K_TASK_SPAWN:
		*to = (struct scan_short){ .task = r->task,
					   .process = r->process,
					   .spawn_ns = r->t_ns,
					   .parent = r->a,
					   .site = (uint32_t)r->b };
		break;
	case WEFT_K_TASK_POLL:
		to->polls++;
		to->busy_ns += r->a == UINT64_MAX ? 0 : r->a;
		if (r->a != UINT64_MAX && r->a > to->poll_max_ns)
			to->poll_max_ns = r->a;
		break;
	case WEFT_K_TASK_WAKE:
		to->wakes++;
		to->self_wakes += r->a == r->task;
		break;
	case WEFT_K_TASK_END:
		to->end_ns = r->t_ns;
		to->reason = (uint32_t)(r->b & 0xff);
		break;
	default:
		break;
	}
}

static bool collect_shorts(struct scan_shorts *s)
{
	struct chunk_reader *r = &s->reader;
	size_t n = 0;

	if (r->ntasks > s->room) {
		struct scan_short *at = realloc(s->at, r->ntasks * sizeof(*at));

		if (!at)
			return false;
		s->at = at;
		s->room = r->ntasks;
	}
	memset(s->at, 0, r->ntasks * sizeof(*s->at));
	while (chunk_step(r)) {
		struct weft_ev *text = NULL;
		struct record rec;

		if (!chunk_record(r, &rec, &text))
			break;
		free(text);
		short_event(&s->at[r->tasks[r->next - 1]], &rec);
	}
	s->damaged += r->damaged;
	for (uint32_t i = 0; i < r->ntasks; i++)
		if (s->at[i].task && s->at[i].reason)
			s->at[n++] = s->at[i];
	s->n = n;
	s->next = 0;
	return true;
}

int scan_shorts_next(struct scan_shorts *s, const struct scan_short **ret)
{
	int rc;

	while (s->next == s->n) {
		rc = sqlite3_step(s->chunks);
		if (rc != SQLITE_ROW)
			return rc;
		if (!scan_open(s->chunks, &s->reader))
			s->damaged++;
		else if (!collect_shorts(s))
			return SQLITE_NOMEM;
	}
	*ret = &s->at[s->next++];
	return SQLITE_ROW;
}

void scan_shorts_close(struct scan_shorts *s)
{
	sqlite3_finalize(s->chunks);
	chunk_reader_done(&s->reader);
	free(s->at);
	memset(s, 0, sizeof(*s));
}
