/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/store/chunk.h"
#include "collector/store/varint.h"

static uint64_t seed = 99;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t any(void)
{
	switch (rnd() % 5) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return rnd();
	default:
		return rnd() >> (rnd() % 64);
	}
}

static void numbers(void **state)
{
	uint8_t room[64];

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t v = any(), back = 0;
		uint8_t *end = varint_put(room, v);

		assert_ptr_equal(varint_get(room, end, &back), end);
		assert_int_equal(back, v);
		assert_ptr_equal(varint_get(room, room + sizeof(room), &back), end);
		assert_int_equal(back, v);
		assert_null(varint_get(room, end - 1, &back));
		assert_int_equal(varint_unzigzag(varint_zigzag((int64_t)v)), v);
	}
}

static void skipping(void **state)
{
	uint8_t room[20000], *end = room;
	const uint8_t *at[1001];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		at[i] = end;
		end = varint_put(end, any());
	}
	at[1000] = end;
	for (unsigned i = 0; i <= 1000; i++)
		assert_ptr_equal(varint_skip(room, end, i), at[i]);
	assert_null(varint_skip(room, end, 1001));
}

/* Any values in the fields that a kind has, nothing in the others. */
static struct record make(uint64_t *t, struct weft_ev *ev)
{
	static const uint8_t kinds[] = {
		WEFT_K_TASK_POLL,  WEFT_K_TASK_POLL,   WEFT_K_TASK_WAKE,   WEFT_K_TASK_SPAWN,
		WEFT_K_TASK_END,   WEFT_K_HANDLE_DROP, WEFT_K_STEAL,       WEFT_K_WORKER_UNPARK,
		WEFT_K_TIMER_FIRE, WEFT_K_JOB_END,     WEFT_K_QUEUE_DEPTH, WEFT_K_DRIVER_TURN,
		WEFT_K_LOCK_WAIT,  WEFT_K_MISUSE,      WEFT_K_TASK_NAME
	};
	struct record r = { .kind = kinds[rnd() % sizeof(kinds)],
			    .process = (uint32_t)(rnd() % 3),
			    .lane = (uint16_t)(rnd() % 5),
			    .tid = 100 + (uint32_t)(rnd() % 5),
			    .task = rnd() % 4 ? rnd() % 300 : rnd() >> 20 };
	uint64_t v[4];

	*t += rnd() % 5000;
	r.t_ns = *t;
	if (rnd() % 100 == 0) {
		r.flags = RECORD_LATE;
		r.t_ns -= rnd() % 100000;
	}
	for (unsigned f = 0; f < 4; f++)
		v[f] = chunk_fields[r.kind][f] == CHUNK_NONE    ? 0
		       : chunk_fields[r.kind][f] == CHUNK_SHAPE ? rnd() % 4
								: any();
	r.a = v[0];
	r.b = r.kind == WEFT_K_TASK_POLL && rnd() % 2 ? rnd() % 5000 : v[1];
	r.c = v[2];
	r.d = v[3];
	if (r.kind == WEFT_K_TASK_NAME) {
		uint64_t *w = (uint64_t *)(ev + 1);
		uint64_t len = rnd() % 60;

		*ev = (struct weft_ev){ .size = (uint32_t)(sizeof(*ev) + 16 + ((len + 7) & ~7ull)),
					.kind = r.kind };
		w[0] = (24 + ((len + 7) & ~7ull)) | len << 16;
		w[1] = r.task;
		memset(w + 2, 0, (len + 7) & ~7ull);
		memset(w + 2, 'x', len);
		r.ev = ev;
	}
	return r;
}

static void same(const struct record *a, const struct record *b)
{
	assert_int_equal(a->t_ns, b->t_ns);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->task, b->task);
	assert_int_equal(a->a, b->a);
	assert_int_equal(a->b, b->b);
	assert_int_equal(a->c, b->c);
	assert_int_equal(a->d, b->d);
	assert_int_equal(a->process, b->process);
	assert_int_equal(a->lane, b->lane);
	assert_int_equal(a->tid, b->tid);
	assert_int_equal(a->flags, b->flags);
}

static struct record kept[CHUNK_EVENTS];

static void pack(struct chunk_writer *w, struct chunk_blobs *blobs, unsigned n, uint64_t *t)
{
	uint64_t room[32];
	struct weft_ev *ev = (struct weft_ev *)room;

	for (unsigned i = 0; i < n; i++) {
		kept[i] = make(t, ev);
		assert_int_equal(chunk_put(w, &kept[i]), 0);
	}
	chunk_count_shapes(w);
	assert_int_equal(chunk_close(w, blobs), 0);
}

static void there_and_back(void **state)
{
	struct chunk_writer *w;
	struct chunk_reader r;
	uint64_t t = 5000000;

	(void)state;
	chunk_reader_init(&r);
	assert_int_equal(chunk_writer_new(&w), 0);
	for (unsigned round = 0; round < 12; round++) {
		struct chunk_blobs b;
		struct weft_ev *text;
		struct record back;
		unsigned skip = round % 3; /* every event, every other, one in 200 */

		pack(w, &b, round ? CHUNK_EVENTS : 1, &t);
		assert_true(chunk_read(&r, &b.tasks, &b.data));
		for (unsigned i = 0; i < b.n; i++) {
			assert_true(chunk_step(&r));
			if ((skip == 1 && i % 2) || (skip == 2 && i % 200))
				continue;
			assert_true(chunk_record(&r, &back, &text));
			kept[i].flags |= back.flags &
					 RECORD_LATE; /* set by the writer when time went back */
			same(&back, &kept[i]);
			free(text);
		}
		assert_false(chunk_step(&r));
		assert_false(r.damaged);
		for (unsigned i = 0; i < r.ntasks; i++)
			assert_int_equal(chunk_find_task(&b.tasks, r.task[i]), i);
		assert_int_equal(chunk_find_task(&b.tasks, 0x123456789abcull), -1);
		chunk_blobs_free(&b);
	}
	chunk_reader_done(&r);
	chunk_writer_free(w);
}

/* Bytes changed at random: read or refused, never a crash. */
static void hostile(void **state)
{
	struct chunk_writer *w;
	struct chunk_reader r;
	struct chunk_blobs b;
	uint64_t t = 77;

	(void)state;
	chunk_reader_init(&r);
	assert_int_equal(chunk_writer_new(&w), 0);
	pack(w, &b, 600, &t);
	for (unsigned round = 0; round < 4000; round++) {
		struct chunk_bytes data = { malloc(b.data.bytes), b.data.bytes },
				   tasks = { malloc(b.tasks.bytes), b.tasks.bytes };
		struct weft_ev *text;
		struct record rec;

		memcpy(data.at, b.data.at, data.bytes);
		memcpy(tasks.at, b.tasks.at, tasks.bytes);
		for (unsigned k = 0; k <= round % 6; k++)
			data.at[rnd() % (round % 2 ? data.bytes : data.bytes / 20)] =
				(uint8_t)rnd();
		if (round % 3 == 0)
			tasks.at[rnd() % tasks.bytes] = (uint8_t)rnd();
		if (round % 5 == 0)
			data.bytes = rnd() % data.bytes;
		if (chunk_read_task(&r, &tasks, &data, (uint32_t)(rnd() % 400), 7)) {
			while (chunk_step_task(&r) && chunk_record(&r, &rec, &text))
				free(text);
		}
		if (chunk_read(&r, &tasks, &data)) {
			while (chunk_step(&r)) {
				text = NULL;
				if (!chunk_record(&r, &rec, &text))
					break;
				free(text);
			}
		}
		free(data.at);
		free(tasks.at);
	}
	chunk_blobs_free(&b);
	chunk_reader_done(&r);
	chunk_writer_free(w);
}

static struct record poll_of(uint64_t task, uint64_t t_ns, uint16_t flags)
{
	return (struct record){
		.kind = WEFT_K_TASK_POLL, .task = task, .t_ns = t_ns, .flags = flags, .a = 100
	};
}

/* Shapes that there are not, on the way to one task's events: refused, not looked up. */
static void unknown_shapes(void **state)
{
	const struct record all[] = { poll_of(1, 1000, 0), poll_of(2, 900, RECORD_LATE),
				      poll_of(2, 1100, 0), poll_of(3, 1200, 0) };
	struct chunk_writer *w;
	struct chunk_reader r;
	struct chunk_blobs b;
	uint8_t *shapes;

	(void)state;
	chunk_reader_init(&r);
	assert_int_equal(chunk_writer_new(&w), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(chunk_put(w, &all[i]), 0);
	assert_int_equal(chunk_close(w, &b), 0);
	assert_true(
		chunk_read_task(&r, &b.tasks, &b.data, (uint32_t)chunk_find_task(&b.tasks, 3), 3));
	assert_non_null(r.shape_bytes);
	assert_true(chunk_step_task(&r));
	assert_int_equal(r.event_t, 1200);
	shapes = b.data.at + (r.shape_bytes - b.data.at);
	shapes[1] = shapes[2] = 255;
	assert_true(
		chunk_read_task(&r, &b.tasks, &b.data, (uint32_t)chunk_find_task(&b.tasks, 3), 3));
	assert_false(chunk_step_task(&r));
	assert_true(r.damaged);
	chunk_blobs_free(&b);
	chunk_reader_done(&r);
	chunk_writer_free(w);
}

static void flat_events(void **state)
{
	uint64_t room[40] = { 0 }, packed[60];
	struct weft_ev *ev = (struct weft_ev *)room, *back;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		size_t n;
		uint32_t words = 3 + (uint32_t)(rnd() % 37);

		for (unsigned k = 3; k < words; k++)
			room[k] = rnd() % 3 ? 0 : rnd();
		*ev = (struct weft_ev){ .size = words * 8, .kind = WEFT_EV_SITE, .time_ns = rnd() };
		n = chunk_pack_event(ev, (uint8_t *)packed);
		assert_true(n <= CHUNK_PACK_ROOM(ev->size));
		assert_ptr_equal(chunk_unpack_event((uint8_t *)packed, (uint8_t *)packed + n,
						    &back),
				 (uint8_t *)packed + n);
		assert_memory_equal(back, ev, ev->size);
		free(back);
		assert_null(
			chunk_unpack_event((uint8_t *)packed, (uint8_t *)packed + n - 1, &back));
	}
}

/* The walk over one task finds what the walk over all events finds of it. */
static void one_task(void **state)
{
	struct chunk_writer *w;
	struct chunk_blobs blobs;
	struct chunk_reader r;
	uint64_t t = 12345;
	unsigned found = 0;

	(void)state;
	assert_int_equal(chunk_writer_new(&w), 0);
	chunk_reader_init(&r);
	for (unsigned round = 0; round < 6; round++) {
		unsigned n = round ? 1 + (unsigned)(rnd() % CHUNK_EVENTS) : CHUNK_EVENTS;

		pack(w, &blobs, n, &t);
		for (uint64_t task = 0; task < 320; task++) {
			int64_t index = chunk_find_task(&blobs.tasks, task);
			unsigned i = 0;

			if (index < 0)
				continue;
			assert_true(chunk_read_task(&r, &blobs.tasks, &blobs.data, (uint32_t)index,
						    task));
			while (chunk_step_task(&r)) {
				struct weft_ev *text;
				struct record got;

				while (i < n && kept[i].task != task)
					i++;
				assert_true(i < n);
				assert_true(chunk_record(&r, &got, &text));
				same(&got, &kept[i++]);
				free(text);
				found++;
			}
			assert_false(r.damaged);
			while (i < n)
				assert_true(kept[i++].task != task);
		}
		chunk_blobs_free(&blobs);
	}
	assert_true(found > 5000);
	chunk_reader_done(&r);
	chunk_writer_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),        cmocka_unit_test(skipping),
		cmocka_unit_test(one_task),       cmocka_unit_test(there_and_back),
		cmocka_unit_test(hostile),        cmocka_unit_test(flat_events),
		cmocka_unit_test(unknown_shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
