/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/store/chunk_reader_internal.h"
#include "collector/store/varint.h"

#define EXTRA      4
#define MAX_EVENTS (1u << 16)
#define MAX_TASKS  (1u << 18)
#define NEVER      UINT64_MAX

void chunk_reader_init(struct chunk_reader *c)
{
	memset(c, 0, sizeof(*c));
}

void chunk_reader_done(struct chunk_reader *c)
{
	free(c->shape);
	free(c->skipped);
	free(c->task);
	free(c->wake);
	free(c->shapes);
	free(c->tasks);
	free(c->hit);
	chunk_reader_init(c);
}

bool chunk_reader_room(void *at, uint32_t n, size_t each)
{
	void *old, *new;

	memcpy(&old, at, sizeof(old));
	new = realloc(old, n * each);
	if (new)
		memcpy(at, &new, sizeof(new));
	return new != NULL;
}

/* ---- the dictionary ---- */

struct dictionary {
	const uint8_t *p, *end;
	uint64_t hot, id;
	bool differences;
};

static bool open_dictionary(struct dictionary *d, const struct chunk_bytes *tasks)
{
	uint64_t mode;

	d->p = tasks->at;
	d->end = tasks->at + tasks->bytes;
	d->id = 0;
	d->p = d->p ? varint_get(d->p, d->end, &mode) : NULL;
	d->p = d->p ? varint_get(d->p, d->end, &d->hot) : NULL;
	d->differences = d->p && mode;
	return d->p;
}

/* Id number i of the dictionary, to be asked in order. */
static inline bool next_id(struct dictionary *d, uint64_t i)
{
	uint64_t v;

	d->p = varint_get(d->p, d->end, &v);
	if (!d->p)
		return false;
	d->id = i <= d->hot ? v : d->id + v;
	return true;
}

bool chunk_read_tasks(struct chunk_reader *c, const struct chunk_bytes *tasks)
{
	struct dictionary d;

	c->ntasks = 0;
	if (!open_dictionary(&d, tasks))
		return false;
	if (tasks->bytes > c->task_room) {
		uint32_t n = tasks->bytes < MAX_TASKS ? (uint32_t)tasks->bytes : MAX_TASKS;

		if (!chunk_reader_room(&c->task, n, sizeof(*c->task)) ||
		    !chunk_reader_room(&c->wake, n, sizeof(*c->wake)))
			return false;
		c->task_room = n;
	}
	while (d.p < d.end) {
		if (c->ntasks == c->task_room || !next_id(&d, c->ntasks))
			return false;
		c->task[c->ntasks++] = d.id;
	}
	return true;
}

int64_t chunk_find_task(const struct chunk_bytes *tasks, uint64_t task)
{
	struct dictionary d;
	int64_t i = 0;

	if (!open_dictionary(&d, tasks))
		return -2;
	for (; d.p < d.end; i++) {
		if (!next_id(&d, (uint64_t)i))
			return -2;
		if (d.id == task)
			return i;
		if ((uint64_t)i >= d.hot && d.id > task)
			return -1;
	}
	return -1;
}

/* ---- head ---- */

static const uint8_t *get_shape(const uint8_t *p, const uint8_t *end, struct chunk_shape *s)
{
	uint32_t kind = 0, flags = 0, lane = 0, how = 0;

	memset(s, 0, sizeof(*s));
	p = varint_get_u32(p, end, WEFT_EV_KINDS - 1, &kind);
	p = varint_get_u32(p, end, UINT8_MAX, &flags);
	p = varint_get_u32(p, end, UINT16_MAX, &lane);
	p = varint_get_u32(p, end, UINT32_MAX, &s->process);
	p = varint_get_u32(p, end, UINT32_MAX, &s->tid);
	p = varint_get_u32(p, end, UINT8_MAX, &how);
	if (!p || !chunk_is_column(kind))
		return NULL;
	s->kind = (uint8_t)kind;
	s->flags = (uint8_t)flags;
	s->lane = (uint16_t)lane;
	for (unsigned f = 0; f < 4; f++) {
		s->how[f] = how >> 2 * f & 3;
		if (chunk_fields[kind][f] == CHUNK_SHAPE)
			p = p ? varint_get(p, end, &s->value[f]) : NULL;
	}
	return p;
}

static const uint8_t *get_shapes(struct chunk_reader *c, const uint8_t *p, const uint8_t *end)
{
	if (c->nshapes > c->shape_room) {
		if (!chunk_reader_room(&c->shape, c->nshapes, sizeof(*c->shape)) ||
		    !chunk_reader_room(&c->skipped, c->nshapes, sizeof(*c->skipped)))
			return NULL;
		c->shape_room = c->nshapes;
	}
	for (uint32_t i = 0; p && i < c->nshapes; i++) {
		p = get_shape(p, end, &c->shape[i]);
		c->skipped[i] = 0;
		c->any_late |= c->shape[i].flags & RECORD_LATE;
	}
	return p;
}

static bool get_columns(struct chunk_reader *c, const uint8_t *p, const uint8_t *end)
{
	uint32_t columns = 0, id[CHUNK_COLS];
	uint64_t bytes[CHUNK_COLS];

	memset(c->column, 0, sizeof(c->column));
	p = varint_get_u32(p, end, CHUNK_COLS, &columns);
	for (uint32_t i = 0; p && i < columns; i++) {
		p = varint_get_u32(p, end, CHUNK_COLS - 1, &id[i]);
		p = p ? varint_get(p, end, &bytes[i]) : NULL;
	}
	for (uint32_t i = 0; p && i < columns; i++) {
		if (bytes[i] > (uint64_t)(end - p))
			return false;
		c->column[id[i]] = (struct chunk_column){ p, p + bytes[i], 0 };
		p += bytes[i];
	}
	return p;
}

/* One byte each when there are few shapes. */
static bool get_shape_indices(struct chunk_reader *c)
{
	struct chunk_column col = c->column[CHUNK_COL_SHAPE];
	uint8_t most = 0;
	uint64_t v;

	if (!c->n)
		return true;
	if (c->nshapes <= 128 && col.p && (size_t)(col.end - col.p) == c->n) {
		for (uint32_t i = 0; i < c->n; i++) {
			c->shapes[i] = col.p[i];
			most = col.p[i] > most ? col.p[i] : most;
		}
		return most < c->nshapes;
	}
	for (uint32_t i = 0; i < c->n; i++) {
		col.p = col.p ? varint_get(col.p, col.end, &v) : NULL;
		if (!col.p || v >= c->nshapes)
			return false;
		c->shapes[i] = (uint16_t)v;
	}
	return true;
}

static bool get_task_indices(struct chunk_reader *c, const struct chunk_bytes *tasks)
{
	struct chunk_column col = c->column[CHUNK_COL_TASK];
	struct dictionary d;
	uint64_t v = 0, at = 0;

	if (!open_dictionary(&d, tasks))
		return false;
	for (uint32_t i = 0; i < c->n; i++) {
		col.p = col.p ? varint_get(col.p, col.end, &v) : NULL;
		at = d.differences ? at + (uint64_t)varint_unzigzag(v) : v;
		if (!col.p || at >= c->ntasks)
			return false;
		c->tasks[i] = (uint32_t)at;
	}
	return true;
}

bool chunk_read_head(struct chunk_reader *c, const struct chunk_bytes *data)
{
	const struct chunk_column *col;
	const uint8_t *p = data->at, *end = p + data->bytes;

	c->n = c->next = c->synced = 0;
	c->damaged = c->any_late = false;
	c->shape_bytes = NULL;
	if (!p)
		return false;
	p = varint_get(p, end, &c->base);
	p = varint_get_u32(p, end, MAX_EVENTS, &c->n);
	p = varint_get_u32(p, end, MAX_EVENTS, &c->nshapes);
	if (!p || c->base > INT64_MAX)
		return false;
	if (c->n > c->event_room) {
		if (!chunk_reader_room(&c->shapes, c->n, sizeof(*c->shapes)) ||
		    !chunk_reader_room(&c->tasks, c->n, sizeof(*c->tasks)))
			return false;
		c->event_room = c->n;
	}
	p = get_shapes(c, p, end);
	if (!p || !get_columns(c, p, end))
		return false;
	c->now = c->event_t = c->marked_t = c->base;
	c->marked_p = c->column[CHUNK_COL_TIME].p;
	col = &c->column[CHUNK_COL_SHAPE];
	if (c->one && c->nshapes <= 128 && col->p && (size_t)(col->end - col->p) == c->n)
		c->shape_bytes = col->p;
	return c->shape_bytes || get_shape_indices(c);
}

bool chunk_read(struct chunk_reader *c, const struct chunk_bytes *tasks,
		const struct chunk_bytes *data)
{
	c->one = false;
	if (!chunk_read_tasks(c, tasks) || !chunk_read_head(c, data) || !get_task_indices(c, tasks))
		return false;
	for (uint32_t i = 0; i < c->ntasks; i++)
		c->wake[i] = NEVER;
	return true;
}

bool chunk_numbers(const struct chunk_reader *c, unsigned column, struct chunk_column *ret)
{
	*ret = c->column[column];
	return ret->p;
}

/* ---- the walk ---- */

/* The event before: a wake explains the delays of later polls of its task. */
static void learn_wake(struct chunk_reader *c)
{
	const struct chunk_shape *s;

	if (!c->next)
		return;
	s = &c->shape[c->shapes[c->next - 1]];
	if (s->kind == WEFT_K_TASK_WAKE && s->value[2] && !(s->flags & RECORD_LATE))
		c->wake[c->tasks[c->next - 1]] = c->event_t;
}

bool chunk_pass_event(struct chunk_reader *c)
{
	struct chunk_column *time = &c->column[CHUNK_COL_TIME];
	uint64_t v;

	time->p = time->p ? varint_get(time->p, time->end, &v) : NULL;
	if (!time->p) {
		c->damaged = true;
		return false;
	}
	if (c->shape[chunk_shape_at(c, c->next++)].flags & RECORD_LATE)
		c->event_t = c->now - (uint64_t)varint_unzigzag(v);
	else
		c->event_t = c->now += v;
	c->damaged = c->event_t > INT64_MAX;
	return !c->damaged;
}

bool chunk_step(struct chunk_reader *c)
{
	learn_wake(c);
	return c->next != c->n && !c->damaged && chunk_pass_event(c);
}

static bool column_of(const struct chunk_shape *s, unsigned field)
{
	unsigned class = chunk_fields[s->kind][field];

	if (class == CHUNK_NONE || class == CHUNK_SHAPE || s->how[field] < CHUNK_VALUE)
		return false;
	return class != CHUNK_TASK || s->how[field] == CHUNK_VALUE;
}

static bool skip_text(struct chunk_column *col, uint32_t n)
{
	for (uint64_t v; n; n--) {
		col->p = col->p ? varint_get(col->p, col->end, &v) : NULL;
		col->p = col->p ? varint_get(col->p, col->end, &v) : NULL;
		if (!col->p || v > (uint64_t)(col->end - col->p))
			return false;
		col->p += v;
	}
	return true;
}

static bool skip_shape(struct chunk_reader *c, const struct chunk_shape *s, uint32_t n)
{
	for (unsigned f = 0; f < 4; f++) {
		struct chunk_column *col = &c->column[CHUNK_COL(s->kind, f)];

		if (!column_of(s, f))
			continue;
		col->p = col->p ? varint_skip(col->p, col->end, n) : NULL;
		if (!col->p)
			return false;
	}
	if (chunk_has_text(s->kind))
		return skip_text(&c->column[CHUNK_COL(s->kind, EXTRA)], n);
	if (s->kind == WEFT_EV_OFFCPU) {
		struct chunk_column *col = &c->column[CHUNK_COL(s->kind, EXTRA)];

		col->p = col->p ? varint_skip(col->p, col->end, n) : NULL;
		return col->p;
	}
	return true;
}

/* Passes the columns over events by shape. */
static void skip_far(struct chunk_reader *c, uint32_t to)
{
	uint32_t other[256] = { 0 }, *skipped = c->shape_bytes ? other : c->skipped;

	if (c->shape_bytes)
		for (uint32_t i = c->synced; i < to; i++)
			other[c->shape_bytes[i]]++;
	else
		for (uint32_t i = c->synced; i < to; i++)
			skipped[c->shapes[i]]++;
	for (uint32_t i = 0; i < c->nshapes; i++) {
		if (skipped[i] && !skip_shape(c, &c->shape[i], skipped[i]))
			c->damaged = true;
		skipped[i] = 0;
	}
}

/* Brings the columns up to the event last passed: one by one when near, by shape when far. */
static bool sync_columns(struct chunk_reader *c)
{
	uint32_t to = c->next - 1;

	if (to - c->synced > 64) {
		skip_far(c, to);
	} else {
		for (uint32_t i = c->synced; i < to && !c->damaged; i++) {
			unsigned shape = chunk_shape_at(c, i);

			c->damaged = shape >= c->nshapes || !skip_shape(c, &c->shape[shape], 1);
		}
	}
	c->synced = c->next;
	return !c->damaged;
}

static bool get_number(struct chunk_reader *c, const struct chunk_shape *s, unsigned field,
		       uint64_t *ret)
{
	struct chunk_column *col = &c->column[CHUNK_COL(s->kind, field)];

	col->p = col->p ? varint_get(col->p, col->end, ret) : NULL;
	return col->p;
}

static bool get_field(struct chunk_reader *c, const struct chunk_shape *s, unsigned f,
		      const struct record *r, uint64_t *ret)
{
	unsigned class = chunk_fields[s->kind][f];
	uint64_t v, wake = c->one ? c->one_wake : c->wake[c->tasks[c->next - 1]];

	*ret = 0;
	if (class == CHUNK_NONE || (class != CHUNK_SHAPE && s->how[f] == CHUNK_ZERO))
		return true;
	if (class == CHUNK_SHAPE || s->how[f] == CHUNK_ONES) {
		*ret = class == CHUNK_SHAPE ? s->value[f] : UINT64_MAX;
		return true;
	}
	if (class == CHUNK_TASK && s->how[f] == CHUNK_DERIVED) {
		*ret = r->task;
		return true;
	}
	if (!get_number(c, s, f, &v))
		return false;
	if (class == CHUNK_TASK) {
		if (c->one && !c->ntasks && !chunk_read_tasks(c, &c->dictionary))
			return false;
		if (v >= c->ntasks)
			return false;
		v = c->task[v];
	} else if (class == CHUNK_WHEN) {
		v = r->t_ns + (uint64_t)varint_unzigzag(v);
	} else if (s->how[f] == CHUNK_DERIVED) {
		v = (uint64_t)varint_unzigzag(v) + (r->t_ns - r->a - wake);
	}
	*ret = v;
	return true;
}

/* Writes what OFFCPU was made of. */
static struct weft_ev *offcpu_event(const struct record *r, uint64_t extra)
{
	struct weft_ev *ev = calloc(1, sizeof(*ev) + sizeof(struct weft_ev_offcpu));
	struct weft_ev_offcpu *o = (struct weft_ev_offcpu *)(ev + 1);

	if (!ev)
		return NULL;
	*ev = (struct weft_ev){ .size = sizeof(*ev) + sizeof(*o),
				.kind = WEFT_EV_OFFCPU,
				.process = r->process,
				.tid = r->tid,
				.time_ns = r->t_ns };
	o->on_ns = r->t_ns;
	o->off_ns = r->t_ns - r->a - r->b;
	o->wake_ns = r->a ? r->t_ns - r->b : 0;
	o->task = r->task & ((1ull << WEFT_TASK_PROCESS_SHIFT) - 1);
	o->poll_seq = r->d;
	o->lane = r->lane;
	o->syscall = (int32_t)r->c;
	o->prev_state = (uint32_t)extra;
	o->waker_tid = (uint32_t)(extra >> 32);
	return ev;
}

static struct weft_ev *text_event(struct chunk_reader *c, const struct record *r)
{
	struct chunk_column *col = &c->column[CHUNK_COL(r->kind, EXTRA)];
	struct weft_ev *ev;
	uint64_t head, text, *word;
	uint32_t size;

	col->p = col->p ? varint_get(col->p, col->end, &head) : NULL;
	col->p = col->p ? varint_get(col->p, col->end, &text) : NULL;
	if (!col->p || text > (uint64_t)(col->end - col->p) || text > UINT16_MAX - 32)
		return NULL;
	size = (uint32_t)(sizeof(*ev) + 16 + ((text + 7) & ~7ull));
	ev = calloc(1, size);
	if (!ev)
		return NULL;
	*ev = (struct weft_ev){ .size = size,
				.kind = r->kind,
				.process = r->process,
				.tid = r->tid,
				.time_ns = r->t_ns };
	word = (uint64_t *)(ev + 1);
	word[0] = head << 16 | (size - sizeof(*ev) + 8);
	word[1] = r->task & ((1ull << WEFT_TASK_PROCESS_SHIFT) - 1);
	memcpy(word + 2, col->p, text);
	col->p += text;
	/* The lengths inside must not claim more than there is. */
	if ((head & 0xffff) + (r->kind == WEFT_K_LABEL ? head >> 16 & 0xffff : 0) > text) {
		free(ev);
		return NULL;
	}
	return ev;
}

static bool get_extra(struct chunk_reader *c, const struct chunk_shape *s, const struct record *r,
		      struct weft_ev **ret)
{
	uint64_t v;

	if (chunk_has_text(s->kind))
		*ret = text_event(c, r);
	else if (get_number(c, s, EXTRA, &v))
		*ret = offcpu_event(r, v);
	return *ret;
}

bool chunk_record(struct chunk_reader *c, struct record *ret, struct weft_ev **ret_text)
{
	const struct chunk_shape *s = &c->shape[chunk_shape_at(c, c->next - 1)];
	struct record r = { .t_ns = c->event_t,
			    .task = c->one ? c->one_task : c->task[c->tasks[c->next - 1]],
			    .process = s->process,
			    .kind = s->kind,
			    .lane = s->lane,
			    .flags = s->flags,
			    .tid = s->tid };
	bool ok = sync_columns(c);

	*ret_text = NULL;
	ok = ok && get_field(c, s, 0, &r, &r.a) && get_field(c, s, 1, &r, &r.b) &&
	     get_field(c, s, 2, &r, &r.c) && get_field(c, s, 3, &r, &r.d);
	if (ok && (chunk_has_text(s->kind) || s->kind == WEFT_EV_OFFCPU)) {
		ok = get_extra(c, s, &r, ret_text);
		r.ev = *ret_text;
	}
	c->damaged |= !ok;
	*ret = r;
	return ok;
}
