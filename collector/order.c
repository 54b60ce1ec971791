/* SPDX-License-Identifier: MIT */
#include "collector/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FLAT_RUNS 32   /* runs 0 .. 31 take what comes unsorted */
#define PLAN      2048 /* records put in order at once */
#define PLAN_BITS 11
#define KEY_TIME  (64 - PLAN_BITS)
#define DIGIT     10 /* bits sorted by in one pass */

struct run {
	struct record *at;
	size_t head, tail, room; /* records in [head, tail) */
	uint64_t last;           /* time of the record at tail - 1, kept when empty */
};

/*
 * The next records in order. Each is a key: time from `base`, and below it its number in `run`. They are still at the heads of
 * their runs: a plan is thrown away when a record is put.
 */
struct plan {
	uint64_t base;
	uint64_t key[2][PLAN];
	uint32_t run[PLAN];
	size_t at, n; /* those left: key[0][at .. n) */
};

struct order {
	struct run *run;
	struct plan plan;
	size_t runs, runs_room;
	size_t pending, max;
	uint64_t watermark, passed;
	bool short_of_room; /* emptying down to 3/4 of max */
};

int order_new(size_t max_records, struct order **ret)
{
	struct order *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->max = max_records ? max_records : 1000000;
	for (int i = 0; i < FLAT_RUNS; i++) {
		if (order_run(o) < 0) {
			order_free(o);
			return -ENOMEM;
		}
	}
	*ret = o;
	return 0;
}

struct order *order_free(struct order *o)
{
	if (!o)
		return NULL;
	for (size_t i = 0; i < o->runs; i++) {
		struct run *run = &o->run[i];

		for (size_t k = run->head; k < run->tail; k++)
			free((void *)run->at[k].ev);
		free(run->at);
	}
	free(o->run);
	free(o);
	return NULL;
}

static int grow_runs(struct order *o)
{
	size_t room = o->runs_room ? o->runs_room * 2 : 64;
	struct run *run = realloc(o->run, room * sizeof(*run));

	if (!run)
		return -ENOMEM;
	o->run = run;
	o->runs_room = room;
	return 0;
}

int order_run(struct order *o)
{
	if (o->runs == o->runs_room && grow_runs(o))
		return -ENOMEM;
	o->run[o->runs] = (struct run){ 0 };
	return (int)o->runs++;
}

/* Moves what is left to the front when that frees half of the room, else grows. */
static int make_room(struct run *run, size_t n)
{
	size_t used = run->tail - run->head, room = run->room ? run->room : 512;
	struct record *at;

	if (run->head && used + n <= run->room / 2 + n && used + n <= run->room) {
		memmove(run->at, run->at + run->head, used * sizeof(*run->at));
		run->head = 0;
		run->tail = used;
		return 0;
	}
	while (room < run->tail + n)
		room *= 2;
	at = realloc(run->at, room * sizeof(*at));
	if (!at)
		return -ENOMEM;
	run->at = at;
	run->room = room;
	return 0;
}

struct record *order_room(struct order *o, unsigned run, size_t n)
{
	struct run *r = &o->run[run];

	if (r->head == r->tail) {
		r->head = r->tail = 0;
	} else if (r->head >=
		   8 * (r->tail - r->head)) { /* a few are left: they cost nothing to move */
		memmove(r->at, r->at + r->head, (r->tail - r->head) * sizeof(*r->at));
		r->tail -= r->head;
		r->head = 0;
	}
	if (r->tail + n > r->room && make_room(r, n))
		return NULL;
	return r->at + r->tail;
}

void order_filled(struct order *o, unsigned run, size_t n)
{
	struct run *r = &o->run[run];

	if (!n)
		return;
	o->plan.at = o->plan.n = 0;
	r->tail += n;
	r->last = r->at[r->tail - 1].t_ns;
	o->pending += n;
}

/* Walks back to the record's place: only when all flat runs end later than it. */
static void insert_sorted(struct run *run)
{
	size_t k = run->tail - 1;
	struct record r = run->at[k];

	for (; k > run->head && run->at[k - 1].t_ns > r.t_ns; k--)
		run->at[k] = run->at[k - 1];
	run->at[k] = r;
	run->last = run->at[run->tail - 1].t_ns;
}

int order_put(struct order *o, const struct record *r)
{
	unsigned run = 0;
	struct record *at;

	while (run < FLAT_RUNS - 1 && o->run[run].head != o->run[run].tail &&
	       o->run[run].last > r->t_ns)
		run++;
	at = order_room(o, run, 1);
	if (!at)
		return -ENOMEM;
	*at = *r;
	order_filled(o, run, 1);
	if (o->run[run].tail - o->run[run].head > 1 && at[-1].t_ns > r->t_ns)
		insert_sorted(&o->run[run]);
	return 0;
}

void order_watermark(struct order *o, uint64_t t_ns)
{
	if (t_ns > o->watermark)
		o->watermark = t_ns;
}

uint64_t order_passed(const struct order *o)
{
	return o->passed;
}

uint64_t order_mark(const struct order *o)
{
	return o->watermark;
}

size_t order_pending(const struct order *o)
{
	return o->pending;
}

bool order_short(const struct order *o)
{
	return o->short_of_room || o->pending > o->max;
}

uint64_t order_first(const struct order *o)
{
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < o->runs; i++) {
		const struct run *run = &o->run[i];

		if (run->head < run->tail && run->at[run->head].t_ns < first)
			first = run->at[run->head].t_ns;
	}
	return first;
}

/* ---- the merge ---- */

/* How much of each run that has something before `bound` may be planned; *ret_first: the earliest time there. */
static size_t share_of_runs(const struct order *o, uint64_t bound, uint64_t *ret_first)
{
	size_t active = 0;

	*ret_first = UINT64_MAX;
	for (size_t i = 0; i < o->runs; i++) {
		const struct run *run = &o->run[i];
		uint64_t t = run->head < run->tail ? run->at[run->head].t_ns : UINT64_MAX;

		active += t < bound;
		*ret_first = t < *ret_first ? t : *ret_first;
	}
	return active ? PLAN / active : 0;
}

/* Up to which time the heads may be planned. Not after `first`: there is more of that one time than there is room. */
static uint64_t plan_bound(const struct order *o, uint64_t bound, uint64_t first, size_t share)
{
	for (size_t i = 0; i < o->runs; i++) {
		const struct run *run = &o->run[i];

		if (run->tail - run->head > share && run->at[run->head + share].t_ns < bound)
			bound = run->at[run->head + share].t_ns;
	}
	if (bound > first && (bound - first) >> (KEY_TIME - 1))
		bound = first + (1ull << (KEY_TIME - 1));
	return bound;
}

/* Stable, so records of one time keep the order of their runs. */
static void sort_keys(struct plan *p, uint64_t most)
{
	uint64_t *from = p->key[0], *to = p->key[1];

	for (unsigned shift = PLAN_BITS; shift < 64 && most >> shift; shift += DIGIT) {
		uint32_t at[1 << DIGIT] = { 0 }, sum = 0;
		uint64_t *swap = from;

		for (size_t i = 0; i < p->n; i++)
			at[from[i] >> shift & ((1 << DIGIT) - 1)]++;
		for (unsigned k = 0; k < 1 << DIGIT; k++) {
			uint32_t here = at[k];

			at[k] = sum;
			sum += here;
		}
		for (size_t i = 0; i < p->n; i++)
			to[at[from[i] >> shift & ((1 << DIGIT) - 1)]++] = from[i];
		from = to;
		to = swap;
	}
	if (from != p->key[0])
		memcpy(p->key[0], from, p->n * sizeof(*from));
}

static void make_plan(struct order *o, uint64_t bound)
{
	struct plan *p = &o->plan;
	size_t n = 0, runs = 0, share = share_of_runs(o, bound, &p->base);
	uint64_t most = 0;

	bound = plan_bound(o, bound, p->base, share);
	for (size_t i = 0; i < o->runs && bound > p->base; i++) {
		const struct run *run = &o->run[i];
		size_t before = n;

		for (size_t k = run->head; k < run->tail && run->at[k].t_ns < bound; k++) {
			p->run[n] = (uint32_t)i;
			p->key[0][n] = (run->at[k].t_ns - p->base) << PLAN_BITS | n;
			n++;
		}
		runs += n != before;
		if (n != before && p->key[0][n - 1] > most)
			most = p->key[0][n - 1];
	}
	p->at = 0;
	p->n = n;
	if (runs > 1)
		sort_keys(p, most);
}

static inline void take_one(struct order *o, struct run *run, struct record *out)
{
	*out = run->at[run->head++];
	if (out->t_ns < o->passed)
		out->flags |= RECORD_LATE;
	else
		o->passed = out->t_ns;
}

/* More of one time than a plan holds: straight from the runs. */
static size_t take_same(struct order *o, uint64_t bound, struct record *out, size_t max)
{
	uint64_t t = order_first(o);
	size_t n = 0;

	for (size_t i = 0; i < o->runs && t < bound; i++) {
		struct run *run = &o->run[i];

		while (n < max && run->head < run->tail && run->at[run->head].t_ns == t)
			take_one(o, run, &out[n++]);
	}
	return n;
}

static size_t take_planned(struct order *o, uint64_t bound, struct record *out, size_t max)
{
	struct plan *p = &o->plan;
	size_t n = 0;

	for (; n < max && p->at < p->n; n++, p->at++) {
		uint64_t key = p->key[0][p->at];

		if (p->base + (key >> PLAN_BITS) >= bound)
			break;
		take_one(o, &o->run[p->run[key & (PLAN - 1)]], &out[n]);
	}
	return n;
}

static size_t merge(struct order *o, uint64_t bound, struct record *out, size_t max)
{
	size_t done = 0, got = 1;

	while (got && done < max) {
		if (o->plan.at == o->plan.n)
			make_plan(o, bound);
		got = o->plan.n ? take_planned(o, bound, out + done, max - done)
				: take_same(o, bound, out + done, max - done);
		done += got;
	}
	o->pending -= done;
	return done;
}

size_t order_take(struct order *o, uint64_t until, struct record *out, size_t max)
{
	size_t low = o->max - o->max / 4;

	if (o->pending > o->max)
		o->short_of_room = true;
	if (o->short_of_room && o->pending <= low)
		o->short_of_room = false;
	if (o->short_of_room && max > o->pending - low)
		max = o->pending - low;
	return merge(o, o->short_of_room || until < o->watermark ? until : o->watermark, out, max);
}

size_t order_flush(struct order *o, uint64_t until, struct record *out, size_t max)
{
	return merge(o, until, out, max);
}
