/* SPDX-License-Identifier: MIT */
#include "collector/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FLAT_RUNS 32 /* runs 0 .. 31 take what comes unsorted */

struct run {
	struct record *at;
	size_t head, tail, room; /* records in [head, tail) */
	uint64_t last;           /* time of the record at tail - 1, kept when empty */
};

struct head {
	uint64_t t_ns;
	uint32_t run;
};

struct order {
	struct run *run;
	struct head *heap;
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
	free(o->heap);
	free(o);
	return NULL;
}

static int grow_runs(struct order *o)
{
	size_t room = o->runs_room ? o->runs_room * 2 : 64;
	struct run *run = realloc(o->run, room * sizeof(*run));
	struct head *heap;

	if (!run)
		return -ENOMEM;
	o->run = run;
	heap = realloc(o->heap, room * sizeof(*heap));
	if (!heap)
		return -ENOMEM;
	o->heap = heap;
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

	if (r->head == r->tail)
		r->head = r->tail = 0;
	if (r->tail + n > r->room && make_room(r, n))
		return NULL;
	return r->at + r->tail;
}

void order_filled(struct order *o, unsigned run, size_t n)
{
	struct run *r = &o->run[run];

	if (!n)
		return;
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

static bool before(const struct head *a, const struct head *b)
{
	return a->t_ns < b->t_ns || (a->t_ns == b->t_ns && a->run < b->run);
}

static void sift_down(struct head *heap, size_t n, size_t i)
{
	struct head h = heap[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= n)
			break;
		if (child + 1 < n && before(&heap[child + 1], &heap[child]))
			child++;
		if (!before(&heap[child], &h))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = h;
}

static size_t fill_heap(struct order *o, uint64_t bound)
{
	size_t n = 0;

	for (size_t i = 0; i < o->runs; i++) {
		const struct run *run = &o->run[i];

		if (run->head < run->tail && run->at[run->head].t_ns < bound)
			o->heap[n++] = (struct head){ run->at[run->head].t_ns, (uint32_t)i };
	}
	for (size_t i = n / 2; i-- > 0;)
		sift_down(o->heap, n, i);
	return n;
}

/* Up to which time the first run may be copied without looking at the others. Ties go by number of run. */
static uint64_t second_time(const struct head *heap, size_t n, uint64_t bound)
{
	const struct head *s = &heap[1];

	if (n < 2)
		return bound;
	if (n > 2 && before(&heap[2], s))
		s = &heap[2];
	return s->run > heap[0].run && s->t_ns < bound ? s->t_ns + 1 : s->t_ns;
}

static size_t copy_run(struct order *o, struct run *run, uint64_t bound, struct record *out,
		       size_t max)
{
	size_t n = 0;

	while (n < max && run->head < run->tail && run->at[run->head].t_ns < bound) {
		out[n] = run->at[run->head++];
		if (out[n].t_ns < o->passed)
			out[n].flags |= RECORD_LATE;
		else
			o->passed = out[n].t_ns;
		n++;
	}
	return n;
}

static size_t merge(struct order *o, uint64_t bound, struct record *out, size_t max)
{
	struct head *heap = o->heap;
	size_t n = fill_heap(o, bound), done = 0;

	while (n && done < max) {
		struct run *run = &o->run[heap[0].run];
		size_t got = copy_run(o, run, second_time(heap, n, bound), out + done, max - done);

		done += got;
		if (run->head < run->tail && run->at[run->head].t_ns < bound)
			heap[0].t_ns = run->at[run->head].t_ns;
		else
			heap[0] = heap[--n];
		sift_down(heap, n, 0);
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
