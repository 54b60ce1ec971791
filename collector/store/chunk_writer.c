/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/store/chunk_internal.h"
#include "collector/store/poll_bucket.h"
#include "collector/store/varint.h"

#define EXTRA 4 /* field number of what OFFCPU has besides a..d, and of texts */
#define AHEAD 8 /* records whose place in the task table is fetched in advance */

int chunk_writer_new(struct chunk_writer **ret)
{
	struct chunk_writer *w = aligned_alloc(_Alignof(struct chunk_writer), sizeof(*w));

	if (!w)
		return -ENOMEM;
	memset(w, 0, sizeof(*w));
	if (chunk_stream_room(&w->time, CHUNK_ROOM * VARINT_ROOM)) {
		chunk_writer_free(w);
		return -ENOMEM;
	}
	*ret = w;
	return 0;
}

struct chunk_writer *chunk_writer_free(struct chunk_writer *w)
{
	if (!w)
		return NULL;
	for (unsigned i = 0; i < CHUNK_COLS; i++)
		free(w->column[i].at);
	free(w->time.at);
	free(w->flat.at);
	free(w->packed);
	free(w);
	return NULL;
}

int chunk_stream_room(struct chunk_stream *s, size_t bytes)
{
	size_t room = s->room ? s->room : 4096;
	uint8_t *at;

	if (s->used + bytes <= s->room)
		return 0;
	while (room < s->used + bytes)
		room *= 2;
	at = realloc(s->at, room);
	if (!at)
		return -ENOMEM;
	s->at = at;
	s->room = room;
	return 0;
}

uint32_t chunk_count(const struct chunk_writer *w)
{
	return w->n;
}

size_t chunk_flat_bytes(const struct chunk_writer *w)
{
	return w->flat.used;
}

bool chunk_empty(const struct chunk_writer *w)
{
	return !w->n && !w->flat.used && !w->ncounts;
}

uint64_t chunk_start(const struct chunk_writer *w)
{
	return chunk_empty(w) ? UINT64_MAX : w->t0;
}

struct chunk_task *chunk_tasks(struct chunk_writer *w, size_t *n)
{
	*n = w->ntasks;
	return w->task;
}

const struct chunk_count *chunk_counts(const struct chunk_writer *w, size_t *n)
{
	*n = w->ncounts;
	return w->counts;
}

static void begin(struct chunk_writer *w, uint64_t t_ns)
{
	w->t0 = w->t1 = w->now = t_ns;
}

static inline void extend(struct chunk_writer *w, uint64_t t_ns)
{
	if (!w->n && chunk_empty(w))
		begin(w, t_ns);
	if (t_ns < w->t0)
		w->low = w->low && w->low < t_ns ? w->low : t_ns + 1;
	if (t_ns > w->t1)
		w->t1 = t_ns;
}

static void count(struct chunk_writer *w, uint32_t process, uint32_t kind, uint64_t n)
{
	unsigned i;

	for (i = 0; i < w->ncounts; i++)
		if (w->counts[i].kind == kind && w->counts[i].process == process)
			break;
	if (i == w->ncounts) {
		if (i == sizeof(w->counts) / sizeof(w->counts[0]))
			return;
		w->counts[w->ncounts++] = (struct chunk_count){ process, kind, 0 };
	}
	w->counts[i].n += n;
}

void chunk_count_other(struct chunk_writer *w, uint32_t process, uint32_t kind)
{
	if (chunk_empty(w))
		begin(w, w->t1);
	count(w, process, kind, 1);
}

/* ---- dictionaries ---- */

static inline uint32_t hash(uint64_t x, unsigned bits)
{
	return (uint32_t)((x * 0x9e3779b97f4a7c15ull) >> (64 - bits));
}

/* Number of a task in this chunk, in order of appearance. */
static inline uint32_t local_task(struct chunk_writer *w, uint64_t task)
{
	uint32_t h = hash(task, TASK_BITS), i;

	while ((i = w->task_slot[h])) {
		if (w->task[i - 1].task == task)
			return i - 1;
		h = (h + 1) & ((1u << TASK_BITS) - 1);
	}
	w->task[w->ntasks] = (struct chunk_task){ .task = task };
	w->task_slot[h] = (uint16_t)++w->ntasks;
	return w->ntasks - 1;
}

static inline bool same_shape(const struct chunk_shape *a, const struct chunk_shape *b)
{
	uint64_t x[6], y[6];

	_Static_assert(sizeof(*a) == sizeof(x), "compared word by word");
	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]) |
		 (x[5] ^ y[5]));
}

static inline uint32_t local_shape(struct chunk_writer *w, const struct chunk_shape *s)
{
	uint64_t head, how = 0;
	uint32_t h, i;

	memcpy(&head, s, 8);
	memcpy(&how, s->how, 4);
	h = hash(head ^ how << 17 ^ (uint64_t)s->tid << 24 ^ s->value[0] * 3 ^ s->value[1] * 5 ^
			 s->value[2] * 7 ^ s->value[3] * 11,
		 SHAPE_BITS);
	while ((i = w->shape_slot[h])) {
		if (same_shape(&w->shape[i - 1], s))
			return i - 1;
		h = (h + 1) & ((1u << SHAPE_BITS) - 1);
	}
	w->shape[w->nshapes] = *s;
	w->shape_slot[h] = (uint16_t)++w->nshapes;
	return w->nshapes - 1;
}

/* ---- fields ---- */

static inline int put_number(struct chunk_writer *w, unsigned column, uint64_t v)
{
	struct chunk_stream *s = &w->column[column];

	if (!s->room && chunk_stream_room(s, (size_t)CHUNK_ROOM * VARINT_ROOM))
		return -ENOMEM;
	s->used = (size_t)(varint_put(s->at + s->used, v) - s->at);
	return 0;
}

static inline int put_reference(struct chunk_writer *w, unsigned column, uint64_t task)
{
	struct chunk_stream *s = &w->column[column];
	uint16_t local = (uint16_t)local_task(w, task);

	if (!s->room && chunk_stream_room(s, CHUNK_ROOM * sizeof(local)))
		return -ENOMEM;
	memcpy(s->at + s->used, &local, sizeof(local));
	s->used += sizeof(local);
	s->references = true;
	return 0;
}

static inline enum chunk_how how_of(unsigned class, uint64_t v, const struct record *r,
				    const struct chunk_task *t)
{
	if (!v)
		return CHUNK_ZERO;
	if (class == CHUNK_TASK)
		return v == r->task ? CHUNK_DERIVED : CHUNK_VALUE;
	if (v == UINT64_MAX)
		return CHUNK_ONES;
	if (class == CHUNK_DELAY && t->wake_known) {
		int64_t off = (int64_t)(v - (r->t_ns - r->a - t->wake_ns));

		return off > -4096 && off < 4096 ? CHUNK_DERIVED : CHUNK_VALUE;
	}
	return CHUNK_VALUE;
}

static int put_field(struct chunk_writer *w, const struct record *r, unsigned field, uint64_t v,
		     struct chunk_shape *s, const struct chunk_task *t)
{
	unsigned class = chunk_fields[r->kind][field], column = CHUNK_COL(r->kind, field);

	if (class == CHUNK_NONE)
		return 0;
	if (class == CHUNK_SHAPE) {
		s->value[field] = v;
		return 0;
	}
	s->how[field] = (uint8_t)how_of(class, v, r, t);
	if (s->how[field] < CHUNK_VALUE || (class == CHUNK_TASK && s->how[field] == CHUNK_DERIVED))
		return 0;
	if (class == CHUNK_TASK)
		return put_reference(w, column, v);
	if (class == CHUNK_WHEN)
		v = varint_zigzag((int64_t)(v - r->t_ns));
	else if (s->how[field] == CHUNK_DERIVED)
		v = varint_zigzag((int64_t)(v - (r->t_ns - r->a - t->wake_ns)));
	return put_number(w, column, v);
}

/* What OFFCPU has besides a..d, and the text of TASK_NAME and LABEL. */
static int put_extra(struct chunk_writer *w, const struct record *r)
{
	static const uint64_t none[2];
	const uint64_t *word = r->ev ? (const uint64_t *)(r->ev + 1) : none;
	struct chunk_stream *s = &w->column[CHUNK_COL(r->kind, EXTRA)];
	uint64_t text;

	if (r->kind == WEFT_EV_OFFCPU) {
		const struct weft_ev_offcpu *o = (const struct weft_ev_offcpu *)word;

		return put_number(w, CHUNK_COL(r->kind, EXTRA),
				  r->ev ? (uint64_t)o->waker_tid << 32 | o->prev_state : 0);
	}
	text = (word[0] >> 16 & 0xffff) + (r->kind == WEFT_K_LABEL ? word[0] >> 32 & 0xffff : 0);
	if (chunk_stream_room(s, 2 * VARINT_ROOM + text))
		return -ENOMEM;
	s->used = (size_t)(varint_put(s->at + s->used, word[0] >> 16) - s->at);
	s->used = (size_t)(varint_put(s->at + s->used, text) - s->at);
	memcpy(s->at + s->used, word + 2, text);
	s->used += text;
	return 0;
}

/* ---- what a chunk learns of its tasks ---- */

static inline void learn_poll(struct chunk_task *t, const struct record *r)
{
	uint64_t dur = r->a == UINT64_MAX ? 0 : r->a;

	t->polls++;
	t->busy_ns += dur;
	if (dur > t->poll_max_ns)
		t->poll_max_ns = dur;
	if (r->d) {
		t->blocked_us += (uint32_t)(r->d >> 32);
		t->runnable_us += (uint32_t)r->d;
	}
}

static inline void learn_wake(struct chunk_task *t, const struct record *r, bool late)
{
	t->wakes++;
	t->self_wakes = (uint16_t)(t->self_wakes + (r->a == r->task));
	if (r->c && !late) {
		t->wake_ns = r->t_ns;
		t->wake_known = true;
	}
}

static inline void learn(struct chunk_task *t, const struct record *r, bool late)
{
	t->count++;
	switch (r->kind) {
	case WEFT_K_TASK_POLL:
		learn_poll(t, r);
		break;
	case WEFT_K_TASK_WAKE:
		learn_wake(t, r, late);
		break;
	case WEFT_K_TASK_SPAWN:
		t->spawned = true;
		t->ended = false;
		t->site = (uint32_t)r->b;
		t->life_ns = (uint32_t)r->t_ns; /* the low part, until the end is known */
		break;
	case WEFT_K_TASK_END:
		t->ended = true;
		if (t->spawned)
			t->life_ns = (uint32_t)r->t_ns - t->life_ns;
		break;
	default:
		break;
	}
}

static inline void put_time(struct chunk_writer *w, const struct record *r, bool late)
{
	uint64_t gap = late ? varint_zigzag((int64_t)(w->now - r->t_ns)) : r->t_ns - w->now;

	w->time.used = (size_t)(varint_put(w->time.at + w->time.used, gap) - w->time.at);
	if (!late)
		w->now = r->t_ns;
}

static __attribute__((noinline)) void put_mark(struct chunk_writer *w)
{
	uint8_t *p = varint_put(w->marks + w->marks_used, w->time.used - w->marked_used);

	p = varint_put(p, w->now - (w->marks_used ? w->marked_t : w->t0));
	w->marks_used = (size_t)(p - w->marks);
	w->marked_used = w->time.used;
	w->marked_t = w->now;
}

static inline void put_indices(struct chunk_writer *w, uint32_t shape, uint32_t local)
{
	w->shapes[w->n] = (uint16_t)shape;
	w->tasks[w->n++] = (uint16_t)local;
	if (w->n % CHUNK_MARK == 0)
		put_mark(w);
}

/* Any kind. */
static __attribute__((noinline)) int put_any(struct chunk_writer *w, const struct record *r,
					     uint32_t local, bool late)
{
	const uint64_t v[4] = { r->a, r->b, r->c, r->d };
	struct chunk_shape s = { .kind = (uint8_t)r->kind,
				 .flags = (uint8_t)r->flags,
				 .lane = r->lane,
				 .process = r->process,
				 .tid = r->tid };
	int rc = 0;

	if (late)
		s.flags |= RECORD_LATE;
	for (unsigned f = 0; f < 4; f++)
		rc |= put_field(w, r, f, v[f], &s, &w->task[local]);
	if (chunk_has_text(r->kind) || r->kind == WEFT_EV_OFFCPU)
		rc |= put_extra(w, r);
	if (rc)
		return -ENOMEM;
	put_time(w, r, late);
	if (r->kind == WEFT_K_TASK_POLL)
		w->buckets[w->n] = (uint16_t)poll_bucket(r->a);
	put_indices(w, local_shape(w, &s), local);
	learn(&w->task[local], r, late);
	return 0;
}

/* ---- polls and wakes, which are nearly all: the same without looking at each field's class ---- */

/* The fields behind one another that all events of a shape share: two words. */
_Static_assert(offsetof(struct record, flags) == offsetof(struct record, process) + 8 &&
		       offsetof(struct record, kind) == offsetof(struct record, process) + 4 &&
		       offsetof(struct record, tid) == offsetof(struct record, process) + 12,
	       "read as two words");

static __attribute__((noinline)) uint32_t make_memo(struct chunk_writer *w, const struct record *r,
						    bool late, unsigned how,
						    struct shape_memo *memo)
{
	struct chunk_shape s = { .kind = (uint8_t)r->kind,
				 .flags = (uint8_t)(r->flags | (late ? RECORD_LATE : 0)),
				 .lane = r->lane,
				 .process = r->process,
				 .tid = r->tid };

	for (unsigned f = 0; f < 4; f++)
		s.how[f] = how >> 2 * f & 3;
	if (r->kind == WEFT_K_TASK_WAKE)
		s.value[1] = r->b;
	s.value[2] = r->c;
	memo->shape = local_shape(w, &s);
	return memo->shape;
}

/* `low`: the values that are part of the shape, in 16 bits. The record's flags fit 8 bits and there is no pad. */
static inline uint32_t memo_shape(struct chunk_writer *w, const struct record *r, bool late,
				  unsigned how, unsigned low)
{
	struct shape_memo *memo;
	uint64_t what, who;

	memcpy(&what, &r->process, 8);
	memcpy(&who, &r->flags, 8);
	who |= (uint64_t)late | how << 8 | (uint64_t)low << 16;
	memo = &w->memo[hash(what ^ who << 7, 10)];
	_Static_assert(MEMOS == 1 << 10, "bits of the hash");
	if (memo->what == what && memo->who == who)
		return memo->shape;
	memo->what = what;
	memo->who = who;
	return make_memo(w, r, late, how, memo);
}

static inline bool plain(const struct record *r)
{
	return r->flags <= UINT8_MAX && !r->pad;
}

static inline enum chunk_how how_number(uint64_t v)
{
	return !v ? CHUNK_ZERO : v == UINT64_MAX ? CHUNK_ONES : CHUNK_VALUE;
}

static inline int put_poll(struct chunk_writer *w, const struct record *r, uint32_t local,
			   bool late)
{
	struct chunk_task *t = &w->task[local];
	unsigned dur = how_number(r->a), delay = how_of(CHUNK_DELAY, r->b, r, t),
		 split = how_number(r->d);
	uint64_t v = r->b;
	int rc = 0;

	if (dur == CHUNK_VALUE)
		rc |= put_number(w, CHUNK_COL(WEFT_K_TASK_POLL, 0), r->a);
	if (delay == CHUNK_DERIVED)
		v = varint_zigzag((int64_t)(v - (r->t_ns - r->a - t->wake_ns)));
	if (delay >= CHUNK_VALUE)
		rc |= put_number(w, CHUNK_COL(WEFT_K_TASK_POLL, 1), v);
	if (split == CHUNK_VALUE)
		rc |= put_number(w, CHUNK_COL(WEFT_K_TASK_POLL, 3), r->d);
	if (rc)
		return rc;
	put_time(w, r, late);
	w->buckets[w->n] = (uint16_t)poll_bucket(r->a);
	put_indices(w,
		    memo_shape(w, r, late, dur | delay << 2 | split << 6, (unsigned)r->c & 0xffff),
		    local);
	t->count++;
	learn_poll(t, r);
	return 0;
}

static inline int put_wake(struct chunk_writer *w, const struct record *r, uint32_t local,
			   bool late)
{
	unsigned by = !r->a ? CHUNK_ZERO : r->a == r->task ? CHUNK_DERIVED : CHUNK_VALUE;

	if (by == CHUNK_VALUE && put_reference(w, CHUNK_COL(WEFT_K_TASK_WAKE, 0), r->a))
		return -ENOMEM;
	put_time(w, r, late);
	put_indices(w, memo_shape(w, r, late, by, (unsigned)(r->b << 8 | r->c)), local);
	w->task[local].count++;
	learn_wake(&w->task[local], r, late);
	return 0;
}

static inline int put_one(struct chunk_writer *w, const struct record *r)
{
	uint32_t local;
	bool late;

	if (w->n == CHUNK_ROOM)
		return -ENOSPC;
	extend(w, r->t_ns);
	late = (r->flags & RECORD_LATE) | (r->t_ns < w->now);
	local = local_task(w, r->task);
	if (r->kind == WEFT_K_TASK_POLL && r->c <= UINT16_MAX && plain(r))
		return put_poll(w, r, local, late);
	if (r->kind == WEFT_K_TASK_WAKE && (r->b | r->c) <= UINT8_MAX && plain(r))
		return put_wake(w, r, local, late);
	return put_any(w, r, local, late);
}

int chunk_put(struct chunk_writer *w, const struct record *r)
{
	return put_one(w, r);
}

size_t chunk_put_run(struct chunk_writer *w, const struct record *r, size_t n, int *ret_rc)
{
	int rc = 0;
	size_t i;

	for (i = 0; i < n && !rc; i++) {
		if (i + AHEAD < n)
			__builtin_prefetch(&w->task_slot[hash(r[i + AHEAD].task, TASK_BITS)]);
		if (r[i].kind != WEFT_K_TASK_POLL && r[i].kind != WEFT_K_TASK_WAKE &&
		    !chunk_is_column(r[i].kind))
			break;
		rc = put_one(w, &r[i]);
	}
	*ret_rc = rc;
	return rc ? i - 1 : i;
}

int chunk_put_flat(struct chunk_writer *w, const struct record *r)
{
	struct chunk_stream *s = &w->flat;
	uint8_t *p;

	if (chunk_stream_room(s, CHUNK_PACK_ROOM(r->ev->size) + 3 * VARINT_ROOM))
		return -ENOMEM;
	extend(w, r->t_ns);
	p = varint_put(s->at + s->used, w->n - w->flat_pos);
	p = varint_put(p, varint_zigzag((int64_t)(r->t_ns - w->t0)));
	p = varint_put(p, r->flags);
	p += chunk_pack_event(r->ev, p);
	s->used = (size_t)(p - s->at);
	w->flat_pos = w->n;
	w->nflat++;
	count(w, r->process, r->kind, 1);
	return 0;
}

/* Adds the column events, which are counted by shape, to the counts. */
void chunk_count_shapes(struct chunk_writer *w)
{
	uint32_t *by_shape = w->scratch;

	memset(by_shape, 0, w->nshapes * sizeof(*by_shape));
	for (uint32_t i = 0; i < w->n; i++)
		by_shape[w->shapes[i]]++;
	for (uint32_t i = 0; i < w->nshapes; i++)
		count(w, w->shape[i].process, w->shape[i].kind, by_shape[i]);
}

void chunk_restart(struct chunk_writer *w)
{
	memset(w->task_slot, 0, sizeof(w->task_slot));
	memset(w->shape_slot, 0, sizeof(w->shape_slot));
	memset(w->memo, 0, sizeof(w->memo));
	for (unsigned i = 0; i < CHUNK_COLS; i++)
		w->column[i].used = 0;
	w->time.used = w->flat.used = 0;
	w->n = w->ntasks = w->nshapes = w->ncounts = w->nflat = w->flat_pos = 0;
	w->low = 0;
	w->marks_used = w->marked_used = 0;
}
