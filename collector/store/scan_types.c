/* SPDX-License-Identifier: MIT */
/*
 * Polls by type of task. A task's type comes from where it was spawned, when that was seen, else from its row. Task ids are
 * dense, so the map from task to type is pages of 65,536 numbers, found without hashing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/store/poll_bucket.h"
#include "collector/store/scan_sums.h"
#include "collector/store/varint.h"

#define PAGE_BITS 16
#define MAX_PAGES 4096 /* 268 million tasks; those beyond are of no known type */
#define NO_TYPE   UINT16_MAX
#define MAX_TYPES 4096

struct page {
	uint64_t key; /* task >> PAGE_BITS, + 1; 0 = free */
	uint16_t *type;
};

struct map {
	struct page page[MAX_PAGES * 2];
	size_t pages;
	uint16_t *last;
	uint64_t last_key;
	struct scan_types *types;
	struct {
		uint32_t process, site;
		uint16_t type;
	} * site;
	size_t sites;
	bool rows_read;
};

/* ---- buckets ---- */

uint64_t scan_quantile(const struct scan_type *t, double share)
{
	uint64_t need = (uint64_t)((double)t->polls * share + 0.999999), seen = 0;

	for (unsigned i = 0; t->bucket && i < POLL_BUCKETS - 1; i++) {
		seen += t->bucket[i];
		if (seen >= need && seen)
			return poll_bucket_low(i + 1) - 1 < t->max_ns ? poll_bucket_low(i + 1) - 1
								      : t->max_ns;
	}
	return t->max_ns;
}

/* ---- types ---- */

static char *copy(const unsigned char *text)
{
	return text ? strdup((const char *)text) : NULL;
}

static bool same_text(const char *a, const unsigned char *b)
{
	return a && b ? !strcmp(a, (const char *)b) : !a && !b;
}

/* NO_TYPE = too many, or no memory. Takes nothing over. */
static uint16_t add_type(struct scan_types *s, uint32_t process, int64_t id,
			 const unsigned char *name, const unsigned char *location)
{
	for (size_t i = 0; i < s->n && location; i++)
		if (s->at[i].process == process && s->at[i].location &&
		    same_text(s->at[i].location, location) &&
		    (same_text(s->at[i].name, name) || id < 0))
			return (uint16_t)i;
	if (s->n == MAX_TYPES)
		return NO_TYPE;
	if (s->n == s->room) {
		size_t room = s->room ? s->room * 2 : 64;
		struct scan_type *at = realloc(s->at, room * sizeof(*at));

		if (!at)
			return NO_TYPE;
		s->at = at;
		s->room = room;
	}
	s->at[s->n] = (struct scan_type){
		.process = process, .type = id, .name = copy(name), .location = copy(location)
	};
	return (uint16_t)s->n++;
}

/* ---- task to type ---- */

static uint16_t *page_of(struct map *m, uint64_t key, bool make)
{
	size_t h = (size_t)(key * 0x9e3779b97f4a7c15ull >> 40) % (MAX_PAGES * 2);

	if (m->last && m->last_key == key)
		return m->last;
	while (m->page[h].key && m->page[h].key != key + 1)
		h = (h + 1) % (MAX_PAGES * 2);
	if (!m->page[h].key && make && m->pages < MAX_PAGES) {
		m->page[h].type = malloc(sizeof(uint16_t) << PAGE_BITS);
		if (m->page[h].type) {
			memset(m->page[h].type, 0xff, sizeof(uint16_t) << PAGE_BITS);
			m->page[h].key = key + 1;
			m->pages++;
		}
	}
	m->last = m->page[h].type;
	m->last_key = key;
	return m->last;
}

static void set_type(struct map *m, uint64_t task, uint16_t type)
{
	uint16_t *page = page_of(m, task >> PAGE_BITS, true);

	if (page)
		page[task & ((1u << PAGE_BITS) - 1)] = type;
}

/* Tasks whose spawn was not seen: the rows of all of them, read when the first one turns up. */
static int read_rows(struct map *m, sqlite3 *db)
{
	uint16_t *of = NULL;
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(db, "SELECT task, type FROM task_row", -1, &s, NULL);
	int64_t most = -1;

	m->rows_read = true;
	for (size_t i = 0; i < m->types->n; i++)
		most = m->types->at[i].type > most ? m->types->at[i].type : most;
	if (!rc && most >= 0 && most < 1 << 20)
		of = malloc(((size_t)most + 1) * sizeof(*of));
	if (of) {
		memset(of, 0xff, ((size_t)most + 1) * sizeof(*of));
		for (size_t i = 0; i < m->types->n; i++)
			if (m->types->at[i].type >= 0)
				of[m->types->at[i].type] = (uint16_t)i;
	}
	while (!rc && of && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		uint64_t task = (uint64_t)sqlite3_column_int64(s, 0);
		int64_t type = sqlite3_column_int64(s, 1);
		uint16_t *page = page_of(m, task >> PAGE_BITS, true);

		rc = SQLITE_OK;
		if (page && type >= 0 && type <= most &&
		    page[task & ((1u << PAGE_BITS) - 1)] == NO_TYPE)
			page[task & ((1u << PAGE_BITS) - 1)] = of[type];
	}
	free(of);
	sqlite3_finalize(s);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int read_types(struct map *m, sqlite3 *db)
{
	sqlite3_stmt *s = NULL;
	size_t room = 0;
	int rc = sqlite3_prepare_v2(db, "SELECT type, process, name, location FROM type_row", -1,
				    &s, NULL);

	while (!rc && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		rc = SQLITE_OK;
		add_type(m->types, (uint32_t)sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 0),
			 sqlite3_column_text(s, 2), sqlite3_column_text(s, 3));
	}
	sqlite3_finalize(s);
	s = NULL;
	if (rc == SQLITE_DONE)
		rc = sqlite3_prepare_v2(
			db, "SELECT process, site, name, file || ':' || line FROM location", -1, &s,
			NULL);
	while (!rc && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		if (m->sites == room) {
			void *more =
				realloc(m->site, (room = room ? room * 2 : 64) * sizeof(*m->site));

			if (!more) {
				rc = SQLITE_NOMEM;
				break;
			}
			m->site = more;
		}
		rc = SQLITE_OK;
		m->site[m->sites].process = (uint32_t)sqlite3_column_int64(s, 0);
		m->site[m->sites].site = (uint32_t)sqlite3_column_int64(s, 1);
		m->site[m->sites++].type = add_type(m->types, (uint32_t)sqlite3_column_int64(s, 0),
						    -1, sqlite3_column_text(s, 2),
						    sqlite3_column_text(s, 3));
	}
	sqlite3_finalize(s);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static uint16_t type_of_site(const struct map *m, uint32_t process, uint32_t site)
{
	for (size_t i = 0; i < m->sites; i++)
		if (m->site[i].site == site && m->site[i].process == process)
			return m->site[i].type;
	return NO_TYPE;
}

/* ---- the pass ---- */

struct pass {
	struct map map;
	sqlite3 *db;
	const struct scan_range *range;
	struct scan_type unknown;
	struct chunk_reader reader;
	uint16_t *local; /* type by index of the dictionary */
	size_t local_room;
};

/* Spawns in this chunk first: a task's first polls follow in the same one. */
static void learn_spawns(struct pass *p, const struct chunk_reader *r)
{
	bool any = false;

	for (uint32_t i = 0; i < r->nshapes; i++)
		any |= r->shape[i].kind == WEFT_K_TASK_SPAWN;
	for (uint32_t i = 0; any && i < r->n; i++) {
		const struct chunk_shape *s = &r->shape[r->shapes[i]];

		if (s->kind == WEFT_K_TASK_SPAWN)
			set_type(&p->map, r->task[r->tasks[i]],
				 type_of_site(&p->map, s->process, (uint32_t)s->value[1]));
	}
}

static int map_tasks(struct pass *p, const struct chunk_reader *r)
{
	int rc = SQLITE_OK;

	if (r->ntasks > p->local_room) {
		uint16_t *more = realloc(p->local, r->ntasks * sizeof(*more));

		if (!more)
			return SQLITE_NOMEM;
		p->local = more;
		p->local_room = r->ntasks;
	}
	for (uint32_t i = 0; i < r->ntasks && !rc; i++) {
		const uint16_t *page = page_of(&p->map, r->task[i] >> PAGE_BITS, false);
		uint64_t at = r->task[i] & ((1u << PAGE_BITS) - 1);

		if ((!page || page[at] == NO_TYPE) && !p->map.rows_read) {
			p->map.last = NULL;
			rc = read_rows(&p->map, p->db);
			page = page_of(&p->map, r->task[i] >> PAGE_BITS, false);
		}
		p->local[i] = page ? page[at] : NO_TYPE;
	}
	return rc;
}

static void add_poll(struct scan_type *t, uint64_t ns)
{
	if (!t->bucket)
		t->bucket = calloc(POLL_BUCKETS, sizeof(*t->bucket));
	if (!t->bucket)
		return;
	t->polls++;
	t->busy_ns += ns;
	t->max_ns = ns > t->max_ns ? ns : t->max_ns;
	t->bucket[poll_bucket(ns)]++;
}

/* Only the shapes, the tasks and the durations are looked at; times too where the range begins or ends inside. */
static bool add_polls(struct pass *p, struct chunk_reader *r, bool whole)
{
	struct scan_types *types = p->map.types;
	struct chunk_column dur = { 0 }, time = { 0 };
	uint64_t now = r->base, t = 0, v = 0;

	chunk_numbers(r, CHUNK_COL(WEFT_K_TASK_POLL, 0), &dur);
	chunk_numbers(r, CHUNK_COL_TIME, &time);
	for (uint32_t i = 0; i < r->n; i++) {
		const struct chunk_shape *s = &r->shape[r->shapes[i]];
		uint16_t type;

		if (!whole) {
			time.p = time.p ? varint_get(time.p, time.end, &v) : NULL;
			t = s->flags & RECORD_LATE ? now - (uint64_t)varint_unzigzag(v)
						   : (now += v);
			if (!time.p)
				return false;
		}
		if (s->kind != WEFT_K_TASK_POLL || s->how[0] == CHUNK_ONES)
			continue;
		v = 0;
		if (s->how[0] >= CHUNK_VALUE) {
			dur.p = dur.p ? varint_get(dur.p, dur.end, &v) : NULL;
			if (!dur.p)
				return false;
		}
		if (!whole && (t < p->range->t0 || t > p->range->t1))
			continue;
		type = p->local ? p->local[r->tasks[i]] : NO_TYPE;
		add_poll(type < types->n ? &types->at[type] : &p->unknown, v);
	}
	return true;
}

static int pass_chunk(struct pass *p, sqlite3_stmt *chunks)
{
	struct chunk_reader *r = &p->reader;
	bool whole = (uint64_t)sqlite3_column_int64(chunks, 4) >= p->range->t0 &&
		     (uint64_t)sqlite3_column_int64(chunks, 5) <= p->range->t1;
	int rc;

	if (!scan_open(chunks, r)) {
		p->map.types->damaged++;
		return SQLITE_OK;
	}
	learn_spawns(p, r);
	rc = map_tasks(p, r);
	if (!rc && !add_polls(p, r, whole))
		p->map.types->damaged++;
	return rc;
}

static void keep_unknown(struct pass *p)
{
	struct scan_types *s = p->map.types;
	uint16_t i;

	if (!p->unknown.polls)
		return;
	i = add_type(s, 0, -1, NULL, NULL);
	if (i == NO_TYPE) {
		free(p->unknown.bucket);
		return;
	}
	p->unknown.type = -1;
	s->at[i] = p->unknown;
}

static struct scan_type *type_of_place(void *ctx, uint32_t process, uint32_t site)
{
	struct pass *p = ctx;
	uint16_t type = type_of_site(&p->map, process, site);

	return type == NO_TYPE ? NULL : &p->map.types->at[type];
}

/* The chunks from `first` to `last`. */
static int pass_chunks(struct pass *p, sqlite3_stmt *chunks, int64_t first, int64_t last)
{
	int rc = SQLITE_OK;

	sqlite3_reset(chunks);
	sqlite3_bind_int64(chunks, 3, first);
	sqlite3_bind_int64(chunks, 4, last);
	while (!rc && first <= last && (rc = sqlite3_step(chunks)) == SQLITE_ROW)
		rc = pass_chunk(p, chunks);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Sums as far as they go, and the chunks between and around them. */
static int pass_all(struct pass *p, const struct scan_range *range)
{
	const struct scan_sums_sink sink = { type_of_place, p };
	struct scan_runs runs = { 0 };
	sqlite3_stmt *chunks = NULL;
	int64_t next = 0;
	int rc = scan_sums(p->db, range, &sink, &runs);

	if (!rc)
		rc = scan_chunks(p->db, range, &chunks);
	for (size_t i = 0; i < runs.n && !rc; i++) {
		rc = pass_chunks(p, chunks, next, runs.at[i].first - 1);
		next = runs.at[i].last + 1;
	}
	if (!rc)
		rc = pass_chunks(p, chunks, next, INT64_MAX);
	scan_runs_free(&runs);
	sqlite3_finalize(chunks);
	return rc;
}

int scan_types(sqlite3 *db, const struct scan_range *range, struct scan_types *ret)
{
	struct pass *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return SQLITE_NOMEM;
	p->map.types = ret;
	p->db = db;
	p->range = range;
	chunk_reader_init(&p->reader);
	rc = read_types(&p->map, db);
	if (!rc)
		rc = pass_all(p, range);
	keep_unknown(p);
	for (size_t i = 0; i < MAX_PAGES * 2; i++)
		free(p->map.page[i].type);
	free(p->map.site);
	free(p->local);
	chunk_reader_done(&p->reader);
	free(p);
	return rc;
}

void scan_types_free(struct scan_types *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->at[i].name);
		free(s->at[i].location);
		free(s->at[i].bucket);
	}
	free(s->at);
	*s = (struct scan_types){ 0 };
}
