// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "probes/lanes.h"
#include "tests/unit/probes/fake_map.h"

#define HEAD ((uint32_t)sizeof(struct weft_batch))
#define POLL 32u

struct fixture {
	struct fake_map map;
	struct target_map *target;
	struct lanes *lanes;
	struct lanes_out out;
	unsigned pieces, gaps;
	uint32_t seq, offset, bytes, gap_from, gap_to;
};

static void on_piece(void *ctx, uint32_t lane, uint32_t seq, uint32_t offset, const void *records,
		     uint32_t bytes)
{
	struct fixture *f = ctx;

	(void)lane;
	(void)records;
	f->pieces++;
	f->seq = seq;
	f->offset = offset;
	f->bytes = bytes;
}

static void on_gap(void *ctx, uint32_t lane, uint32_t from, uint32_t to)
{
	struct fixture *f = ctx;

	(void)lane;
	f->gaps++;
	f->gap_from = from;
	f->gap_to = to;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fake_map_init(&f->map, true);
	if (target_map_open(getpid(), getpid(), &f->target) || lanes_new(f->target, &f->lanes))
		return -1;
	f->out = (struct lanes_out){ .ctx = f, .piece = on_piece, .gap = on_gap };
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	lanes_free(f->lanes);
	target_map_close(f->target);
	fake_map_done(&f->map);
	free(f);
	return 0;
}

/* A whole batch of n polls as the ring would bring it: header, then the page. */
struct ring_batch {
	struct weft_ev_batch head;
	_Alignas(8) uint8_t page[WEFT_BATCH_BYTES];
};

static bool flush(struct fixture *f, uint32_t seq, unsigned n, uint32_t *from, uint32_t *to)
{
	static struct ring_batch b;
	uint32_t at = HEAD;

	for (unsigned i = 0; i < n; i++)
		at = fake_poll(&f->map, 0, at, 100 + i);
	b.head = (struct weft_ev_batch){ .lane = 0, .seq = seq, .bytes = at };
	memcpy(b.page, fake_batch(&f->map, 0), at);
	return lanes_batch(f->lanes, &b.head, &f->out, from, to);
}

/* The writer's side of a flush: base counts of the next batch, then the word. */
static void next_batch(struct fixture *f, uint32_t seq, unsigned n)
{
	struct weft_lane *lane = fake_lane(&f->map, 0);

	lane->emitted[(seq + 1) & 1][WEFT_K_TASK_POLL] =
		lane->emitted[seq & 1][WEFT_K_TASK_POLL] + n;
	fake_commit(&f->map, 0, seq + 1, HEAD);
}

static uint64_t polls(struct fixture *f)
{
	__u64 emitted[WEFT_MAX_KINDS], filtered[WEFT_MAX_KINDS];

	lanes_counts(f->lanes, emitted, filtered);
	return emitted[WEFT_K_TASK_POLL];
}

static void test_whole_batches(void **state)
{
	struct fixture *f = *state;
	uint32_t from, to;

	lanes_look(f->lanes);
	assert_true(flush(f, 0, 3, &from, &to));
	assert_int_equal(from, 0);
	assert_int_equal(to, HEAD + 3 * POLL);
	next_batch(f, 0, 3);
	assert_true(flush(f, 1, 2, &from, &to));
	assert_false(flush(f, 1, 2, &from, &to)); /* twice: two links for a moment */
	next_batch(f, 1, 2);
	assert_int_equal(f->gaps, 0);
	assert_int_equal(polls(f), 5);
}

static void test_old_piece_then_flush(void **state)
{
	struct fixture *f = *state;
	uint32_t from, to, at = fake_poll(&f->map, 0, HEAD, 1);

	fake_commit(&f->map, 0, 0, at);
	lanes_look(f->lanes);
	lanes_settle(f->lanes, 1000, 500, &f->out);
	assert_int_equal(f->pieces, 0); /* just seen */
	lanes_look(f->lanes);
	lanes_settle(f->lanes, 1600, 500, &f->out);
	assert_int_equal(f->pieces, 1);
	assert_int_equal(f->offset, HEAD);
	assert_int_equal(f->bytes, POLL);
	/* The flush that comes later brings only what is new. */
	assert_true(flush(f, 0, 3, &from, &to));
	assert_int_equal(from, HEAD + POLL);
	assert_int_equal(to, HEAD + 3 * POLL);
}

static void test_missing_batches_are_a_gap(void **state)
{
	struct fixture *f = *state;
	uint32_t from, to;

	lanes_look(f->lanes);
	assert_true(flush(f, 4, 1, &from, &to));
	assert_int_equal(f->gaps, 1);
	assert_int_equal(f->gap_from, 0);
	assert_int_equal(f->gap_to, 4);
}

/* The word says that batch 0 went through the ring; the ring was read to its end without it. */
static void test_lost_batch_is_settled(void **state)
{
	struct fixture *f = *state;

	fake_commit(&f->map, 0, 2, HEAD);
	lanes_look(f->lanes);
	lanes_settle(f->lanes, 1, 500, &f->out);
	assert_int_equal(f->gaps, 1);
	assert_int_equal(f->gap_to, 2);
	lanes_settle(f->lanes, 2, 500, &f->out);
	assert_int_equal(f->gaps, 1);
}

/* A lane that appears while the ring is read has no word yet: nothing of it is lost. */
static void test_lane_found_in_the_ring(void **state)
{
	struct fixture *f = *state;
	struct ring_batch b = { .head = { .lane = 1, .seq = 0, .bytes = HEAD + POLL } };
	uint32_t from, to;

	lanes_look(f->lanes);
	f->map.header->lanes = 2;
	fake_commit(&f->map, 1, 9, HEAD);
	memcpy(b.page, fake_batch(&f->map, 1), HEAD);
	fake_poll(&f->map, 1, HEAD, 1);
	memcpy(b.page, fake_batch(&f->map, 1), HEAD + POLL);
	assert_true(lanes_batch(f->lanes, &b.head, &f->out, &from, &to));
	lanes_settle(f->lanes, 1, 500, &f->out);
	assert_int_equal(f->gaps, 0);
}

static void test_base_skips_what_was_before(void **state)
{
	struct fixture *f = *state;
	uint32_t from, to, at;

	fake_lane(&f->map, 0)->emitted[5 & 1][WEFT_K_TASK_POLL] = 1000;
	fake_lane(&f->map, 0)->filtered[WEFT_K_TASK_WAKE] = 70;
	at = fake_poll(&f->map, 0, fake_poll(&f->map, 0, HEAD, 1), 2);
	fake_commit(&f->map, 0, 5, at);
	assert_int_equal(lanes_base(f->lanes), 0);
	assert_int_equal(polls(f), 0);
	assert_false(flush(f, 4, 1, &from, &to)); /* an older batch still in the ring */
	assert_true(flush(f, 5, 6, &from, &to));
	assert_int_equal(from, at);
	assert_int_equal(to, HEAD + 6 * POLL);
	next_batch(f, 5, 6);
	assert_int_equal(polls(f), 4);
	assert_int_equal(f->gaps, 0);
}

static void test_cut_ends_it(void **state)
{
	struct fixture *f = *state;
	uint32_t from, to, at;

	lanes_look(f->lanes);
	assert_true(flush(f, 0, 3, &from, &to));
	next_batch(f, 0, 3);
	at = fake_poll(&f->map, 0, HEAD, 1);
	fake_commit(&f->map, 0, 1, at);
	assert_int_equal(lanes_cut(f->lanes), 0);
	/* The writer goes on: its batch is in the ring when that is read after the cut. */
	assert_true(flush(f, 1, 5, &from, &to));
	assert_int_equal(to, at);
	next_batch(f, 1, 5);
	assert_false(flush(f, 2, 5, &from, &to));
	lanes_tail(f->lanes, &f->out);
	assert_int_equal(f->pieces, 0);
	assert_int_equal(polls(f), 4);
	assert_int_equal(f->gaps, 0);
}

static void test_tail_of_a_dead_process(void **state)
{
	struct fixture *f = *state;
	uint32_t at = fake_poll(&f->map, 0, fake_poll(&f->map, 0, HEAD, 1), 2);

	fake_commit(&f->map, 0, 0, at);
	lanes_look(f->lanes);
	assert_int_equal(lanes_cut(f->lanes), 0);
	lanes_tail(f->lanes, &f->out);
	assert_int_equal(f->pieces, 1);
	assert_int_equal(f->bytes, 2 * POLL);
	assert_int_equal(polls(f), 2);
}

static void test_seq_wraps(void **state)
{
	struct fixture *f = *state;
	uint32_t from, to;

	fake_commit(&f->map, 0, UINT32_MAX, HEAD);
	assert_int_equal(lanes_base(f->lanes), 0);
	assert_true(flush(f, UINT32_MAX, 1, &from, &to));
	next_batch(f, UINT32_MAX, 1);
	assert_true(flush(f, 0, 1, &from, &to));
	assert_false(flush(f, UINT32_MAX, 1, &from, &to));
	assert_int_equal(f->gaps, 0);
}

static void test_oldest(void **state)
{
	struct fixture *f = *state;
	uint64_t stamp;

	lanes_look(f->lanes);
	assert_false(lanes_oldest(f->lanes, &stamp));
	fake_commit(&f->map, 0, 0, fake_poll(&f->map, 0, HEAD, 4711));
	lanes_look(f->lanes);
	assert_true(lanes_oldest(f->lanes, &stamp));
	assert_int_equal(stamp, 4711);
}

/* Records without sense in a batch are delivered as they are, but counted only up to the damage. */
static void test_damaged_batch(void **state)
{
	struct fixture *f = *state;
	uint32_t at = fake_poll(&f->map, 0, HEAD, 1);

	memset(fake_batch(&f->map, 0) + at, 0xff, 64);
	fake_commit(&f->map, 0, 0, at + 64);
	lanes_look(f->lanes);
	assert_int_equal(polls(f), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole_batches, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_piece_then_flush, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing_batches_are_a_gap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost_batch_is_settled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lane_found_in_the_ring, setup, teardown),
		cmocka_unit_test_setup_teardown(test_base_skips_what_was_before, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_ends_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tail_of_a_dead_process, setup, teardown),
		cmocka_unit_test_setup_teardown(test_seq_wraps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_oldest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_batch, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
