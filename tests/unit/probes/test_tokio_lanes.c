// SPDX-License-Identifier: MIT
/* Threads of Rust runtimes: whose they are, and under which number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/probes/fake_tokio.h"

extern const struct source source_tokio;

#define OWNER_A 5u
#define OWNER_B 6u

/* A worker of Tokio that has ended a poll of this runtime. */
static void work(struct fake_tokio *f, uint32_t i, uint64_t owner, bool alive)
{
	struct weft_row *row = fake_tokio_claim(f, i, alive);

	row->roles = WEFT_ROW_WORKER;
	row->owner = owner;
	row->poll_seq = 1;
	tokio_tell_lanes(&f->state);
}

/* A thread in its first poll: its loop is not known. */
static void begin(struct fake_tokio *f, uint32_t i, uint64_t owner)
{
	struct weft_row *row = fake_tokio_claim(f, i, true);

	row->poll_seq = 1;
	row->depth = 1;
	row->open[0].owner = owner;
	tokio_tell_lanes(&f->state);
}

static void no_number_twice(void **state)
{
	struct fake_tokio *f = fake_tokio_new();

	(void)state;
	work(f, 0, OWNER_A, false);
	work(f, 1, OWNER_A, true);
	work(f, 2, OWNER_A, true);
	assert_int_equal(f->lane[2].worker, 2);
	tokio_lanes_leave(&f->w);
	tokio_end_lanes(&f->w, false);
	assert_int_equal(f->lane[0].role, WEFT_LANE_DEAD);
	work(f, 3, OWNER_A, true);
	assert_int_equal(f->lane[3].worker, 0);
	work(f, 4, OWNER_A, true);
	assert_int_equal(f->lane[4].worker, 3);
	fake_tokio_free(f);
}

/* Its last records are read later: between the look and the end of the ring it is still known. */
static void a_thread_is_known_until_its_records_are_read(void **state)
{
	struct fake_tokio *f = fake_tokio_new();
	uint32_t lane = 99, gone;

	(void)state;
	work(f, 0, OWNER_A, false);
	work(f, 1, OWNER_A, true);
	gone = f->rows[0].tid;
	tokio_lanes_leave(&f->w);
	assert_true(tokio_lane_of(&f->w, gone, &lane));
	assert_int_equal(lane, 0);
	tokio_end_lanes(&f->w, false);
	assert_false(tokio_lane_of(&f->w, gone, &lane));
	assert_true(tokio_lane_of(&f->w, f->rows[1].tid, &lane));
	fake_tokio_free(f);
}

/* The second ends no thread, the settled ring does. */
static void the_ring_is_read_before_a_thread_ends(void **state)
{
	struct fake_tokio *f = fake_tokio_new();
	uint32_t lane;

	(void)state;
	work(f, 0, OWNER_A, false);
	source_tokio.second(&f->state, &f->process);
	assert_true(tokio_lane_of(&f->w, f->rows[0].tid, &lane));
	f->w.looked_for_open = true;
	source_tokio.settle(&f->state, &f->process);
	assert_int_equal(f->lane[0].role, WEFT_LANE_DEAD);
	fake_tokio_free(f);
}

/* A process that ends before its first record: no later one gets its threads. */
static void no_row_is_left(void **state)
{
	struct fake_tokio *f = fake_tokio_new();

	(void)state;
	fake_tokio_claim(f, 0, true)->follow = 1; /* another's */
	fake_tokio_claim(f, 1, true);
	tokio_end_lanes(&f->w, true);
	assert_int_not_equal(f->rows[0].tid, 0);
	assert_int_equal(f->rows[1].tid, 0);
	fake_tokio_free(f);
}

static void a_first_poll_tells_by_its_task(void **state)
{
	struct fake_tokio *f = fake_tokio_new();

	(void)state;
	work(f, 0, OWNER_A, true);
	work(f, 1, OWNER_B, true);
	assert_int_not_equal(f->lane[0].runtime, f->lane[1].runtime);
	begin(f, 2, OWNER_B);
	assert_int_equal(f->lane[2].role, WEFT_LANE_WORKER);
	assert_int_equal(f->lane[2].runtime, f->lane[1].runtime);
	/* Of none that is known: the best guess is one with workers. */
	begin(f, 3, 0);
	assert_int_equal(f->lane[3].runtime, f->lane[0].runtime);
	fake_tokio_free(f);
}

/* Or the executor that nobody runs would seem to have a worker. */
static void a_first_poll_drives_no_idle_runtime(void **state)
{
	struct fake_tokio *f = fake_tokio_new();
	uint32_t idle = tokio_runtime_idle(&f->w);

	(void)state;
	begin(f, 0, 0);
	assert_int_equal(f->lane[0].runtime, 0);
	f->rows[0].roles = WEFT_ROW_ASYNC_TASK;
	f->rows[0].depth = 0;
	tokio_tell_lanes(&f->state);
	assert_int_not_equal(f->lane[0].runtime, 0);
	assert_int_not_equal(f->lane[0].runtime, idle);
	fake_tokio_free(f);
}

/* ---- many runtimes ---- */

#define MANY (TOKIO_RUNTIMES + 1)

/* One worker of each. */
static struct fake_tokio *runtimes(uint32_t n, bool alive)
{
	struct fake_tokio *f = fake_tokio_new();

	for (uint32_t i = 0; i < n; i++)
		work(f, i, i + 1, alive);
	return f;
}

/* No other gets its number and its queues. */
static void a_runtime_without_a_number(void **state)
{
	struct fake_tokio *f = runtimes(MANY, true);
	const struct tokio_runtime *last = &f->w.runtime[TOKIO_RUNTIMES - 1];

	(void)state;
	work(f, MANY, MANY + 1, true);
	assert_int_equal(f->w.runtimes, TOKIO_RUNTIMES);
	assert_int_equal(last->owner, TOKIO_RUNTIMES);
	assert_int_equal(last->threads, 1);
	assert_int_equal(f->lane[MANY - 1].runtime, TOKIO_NO_ROOM);
	assert_int_equal(f->lane[MANY].runtime, TOKIO_NO_ROOM);
	assert_int_equal(f->runtimes, TOKIO_RUNTIMES);
	assert_int_equal(f->cannot_sees, 1);
	fake_tokio_free(f);
}

/* A runtime for each test, one after the other: the oldest that nobody drives any more gives its number up. */
static void a_number_is_used_again(void **state)
{
	struct fake_tokio *f = runtimes(TOKIO_RUNTIMES, false);

	(void)state;
	f->w.runtime[0].queue = calloc(1, sizeof(struct tokio_queue));
	f->w.runtime[0].queues = f->w.runtime[0].workers = 5;
	tokio_lanes_leave(&f->w);
	tokio_end_lanes(&f->w, false);
	work(f, 0, MANY, true);
	assert_int_equal(f->lane[0].runtime, 1);
	assert_int_equal(f->lane[0].worker, 0);
	assert_int_equal(f->w.runtime[0].owner, MANY);
	assert_int_equal(f->w.runtime[0].queues, 0);
	assert_int_equal(f->runtime.runtime, 1);
	assert_int_equal(f->runtime.workers, 1);
	work(f, 1, MANY + 1, true);
	assert_int_equal(f->lane[1].runtime, 2);
	assert_int_equal(f->cannot_sees, 0);
	fake_tokio_free(f);
}

/* ---- more threads than rows ---- */

static void threads_without_a_row_are_counted(void **state)
{
	struct fake_tokio *f = fake_tokio_new();

	(void)state;
	work(f, 0, OWNER_A, true);
	source_tokio.second(&f->state, &f->process);
	assert_int_equal(f->counts.emitted[0], 0);
	assert_int_equal(f->cannot_sees, 0);
	f->follow.entry[f->process.follow].rowless = 7;
	for (unsigned i = 0; i < 2; i++)
		source_tokio.second(&f->state, &f->process);
	assert_int_equal(f->counts.emitted[0], 7);
	assert_int_equal(f->cannot_sees, 1);
	fake_tokio_free(f);
}

/* ---- walks ---- */

/* A task as Tokio lays it out, alone in its runtime's list. */
static struct {
	uint64_t block[16], vtable[10], handle[40];
	struct rust_type type;
} one;

static uint64_t address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static void lay_out(struct fake_tokio *f, uint64_t owner)
{
	one.type = (struct rust_type){ .vtable = address(one.vtable),
				       .family = RUST_TOKIO,
				       .id_offset = 40,
				       .trailer_offset = 80 };
	one.vtable[8] = 32;
	one.block[0] = 2u << RUST_TOKIO_REF_SHIFT;
	one.block[2] = address(one.vtable);
	one.block[3] = owner;
	one.block[4] = address(one.handle);
	one.block[5] = 1;
	one.handle[0] = 3;
	one.handle[30] = one.handle[31] = address(one.block);
	f->plan.types = &one.type;
	f->plan.n_types = 1;
	f->plan.layout[RUST_TOKIO] =
		(struct rust_layout){ .state = 0, .vtable = 16, .owner = 24, .queue_next = 8 };
}

/* A walk begins with what the one before it found, and takes a runtime for undriven in the second that shows none. */
static uint32_t runtime_told(struct fake_tokio *f)
{
	for (unsigned walk = 0; walk < 3; walk++) {
		unsigned before = f->tasks;

		tokio_census_ask(&f->w, false);
		tokio_census_step(&f->w);
		assert_int_equal(f->tasks, before + 1);
	}
	return f->task.runtime;
}

/* Nobody polls its tasks, but they are there: its number is taken. */
static void a_runtime_that_waits_keeps_its_number(void **state)
{
	struct fake_tokio *f = fake_tokio_new();

	(void)state;
	lay_out(f, OWNER_A);
	work(f, 0, OWNER_A, false);
	f->rows[0].open[1].header = address(one.block);
	f->rows[0].open[1].vtable = one.type.vtable;
	f->rows[0].open[1].owner = OWNER_A;
	assert_int_equal(runtime_told(f), 1);
	for (uint32_t i = 1; i < TOKIO_RUNTIMES; i++)
		work(f, i, OWNER_B + i, false);
	tokio_lanes_leave(&f->w);
	tokio_end_lanes(&f->w, false);
	work(f, 0, OWNER_B + MANY, true);
	assert_int_equal(f->lane[0].runtime, 2);
	assert_int_equal(f->w.runtime[0].owner, OWNER_A);
	fake_tokio_free(f);
}

/* This thread polled a task there once, of its own runtime. What lies there now is one of another. */
static void a_task_in_the_place_of_one_that_was_polled(void **state)
{
	struct fake_tokio *f = fake_tokio_new();

	(void)state;
	lay_out(f, OWNER_B);
	work(f, 0, OWNER_A, true);
	f->rows[0].open[1].header = address(one.block);
	f->rows[0].open[1].vtable = one.type.vtable;
	f->rows[0].open[1].owner = OWNER_A;
	assert_int_not_equal(runtime_told(f), f->lane[0].runtime); /* nobody drives it */
	assert_int_not_equal(f->task.runtime, 0);
	f->rows[0].open[1].owner = OWNER_B; /* a LocalSet's, as the worker polls it */
	assert_int_equal(runtime_told(f), f->lane[0].runtime);
	fake_tokio_free(f);
}

static void a_guess_names_no_runtime(void **state)
{
	struct fake_tokio *f = fake_tokio_new();

	(void)state;
	lay_out(f, OWNER_B);
	work(f, 0, OWNER_A, true);
	begin(f, 1, OWNER_B);
	f->rows[1].open[0].header = address(one.block);
	f->rows[1].open[0].vtable = one.type.vtable;
	assert_int_equal(f->lane[1].runtime, f->lane[0].runtime);
	assert_int_equal(runtime_told(f), 0);
	f->rows[1].roles = WEFT_ROW_CURRENT_THREAD;
	f->rows[1].owner = OWNER_B;
	tokio_tell_lanes(&f->state);
	assert_int_not_equal(f->lane[1].runtime, f->lane[0].runtime);
	assert_int_equal(runtime_told(f), f->lane[1].runtime);
	fake_tokio_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_number_twice),
		cmocka_unit_test(a_thread_is_known_until_its_records_are_read),
		cmocka_unit_test(the_ring_is_read_before_a_thread_ends),
		cmocka_unit_test(no_row_is_left),
		cmocka_unit_test(a_first_poll_tells_by_its_task),
		cmocka_unit_test(a_first_poll_drives_no_idle_runtime),
		cmocka_unit_test(a_runtime_without_a_number),
		cmocka_unit_test(a_number_is_used_again),
		cmocka_unit_test(threads_without_a_row_are_counted),
		cmocka_unit_test(a_task_in_the_place_of_one_that_was_polled),
		cmocka_unit_test(a_runtime_that_waits_keeps_its_number),
		cmocka_unit_test(a_guess_names_no_runtime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
