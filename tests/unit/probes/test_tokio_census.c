/* SPDX-License-Identifier: MIT */
/* Walks that name runtimes nobody drives, over blocks that the test lays out as Tokio does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/probes/fake_tokio.h"

#define MS    1000000ull
#define OWNER 7u

/* A block: 16 words, as in test_rust_walk.c. */
enum { STATE, QUEUE_NEXT, VTABLE, OWNER_ID, SCHEDULER, ID, TRAILER_PREV = 10, WORDS = 16 };

static uint64_t vtable[512] __attribute__((aligned(4096))), block[WORDS], list[3], handle[512];
static uint64_t second[WORDS]; /* another task, not in the list from the beginning */
static struct rust_type type;
static unsigned walks, runtimes, cannot_sees, told; /* told: bit n: task n, in the last walk */
static struct weft_ev_snapshot last;

static uint64_t address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static void sink(void *ctx, const struct weft_ev *ev)
{
	(void)ctx;
	if (ev->kind == WEFT_EV_SNAPSHOT_BEGIN)
		told = 0;
	if (ev->kind == WEFT_EV_SNAPSHOT_TASK)
		told |= 1u << ((const struct weft_ev_snapshot_task *)(const void *)(ev + 1))->task %
				      32;
	if (ev->kind == WEFT_EV_SNAPSHOT_END) {
		memcpy(&last, ev + 1, sizeof(last));
		walks++;
	}
	runtimes += ev->kind == WEFT_EV_RUNTIME;
	if (ev->kind == WEFT_EV_CANNOT_SEE)
		cannot_sees +=
			!strcmp(((const struct weft_ev_cannot_see *)(const void *)(ev + 1))->what,
				"tasks of some runtimes");
}

static void lay_out(uint64_t *task, uint64_t id)
{
	memset(task, 0, sizeof(block));
	task[STATE] = 2u << RUST_TOKIO_REF_SHIFT;
	task[VTABLE] = address(vtable);
	task[OWNER_ID] = OWNER;
	task[SCHEDULER] = address(handle);
	task[ID] = id;
}

/* A runtime with one task that waits. */
static struct fake_tokio *service(void)
{
	struct fake_tokio *f = fake_tokio_new();

	walks = runtimes = cannot_sees = 0;
	vtable[8] = SCHEDULER * 8;
	type = (struct rust_type){ .vtable = address(vtable),
				   .family = RUST_TOKIO,
				   .id_offset = ID * 8,
				   .trailer_offset = TRAILER_PREV * 8 };
	f->plan.types = &type;
	f->plan.n_types = 1;
	f->plan.layout[RUST_TOKIO] = (struct rust_layout){
		.state = 0, .vtable = VTABLE * 8, .owner = OWNER_ID * 8, .queue_next = 8
	};
	lay_out(block, 1);
	list[1] = list[2] = address(block);
	memset(handle, 0, sizeof(handle));
	handle[0] = 3;
	handle[1] = 1;
	handle[20] = address(list);
	handle[21] = 1;
	handle[25] = OWNER;
	f->session.sink = sink;
	f->session.options.census_ms = 5000;
	return f;
}

/* A thread outside of any runtime wakes the task. */
static void wakes(struct fake_tokio *f, uint32_t lane)
{
	struct weft_row *row = fake_tokio_claim(f, lane, true);

	row->open[WEFT_POLL_DEPTH - 1] = (struct weft_open_poll){
		.header = address(block), .vtable = address(vtable), .task = 1, .owner = OWNER
	};
	tokio_tell_lanes(&f->state);
}

static void later(struct fake_tokio *f, uint64_t ms)
{
	for (uint64_t i = 0; i < ms; i += 50) {
		f->session.now_ns += 50 * MS;
		tokio_census_step(&f->w);
	}
}

static void nobody_drives_it(void **state)
{
	struct fake_tokio *f = service();

	(void)state;
	wakes(f, 0);
	tokio_census_ask(&f->w, false);
	tokio_census_step(&f->w);
	assert_int_equal(walks, 1);
	assert_int_equal(runtimes, 0); /* its thread may begin just now */
	later(f, 700);
	assert_int_equal(walks, 2);
	assert_int_equal(runtimes, 1);
	assert_int_equal(f->w.runtime[0].owner, OWNER);
	later(f, 3000);
	assert_int_equal(walks, 2); /* as often as always from now on */
	fake_tokio_free(f);
}

/* They are one walk, however many they are. */
static void several_threads_wake_it(void **state)
{
	struct fake_tokio *f = service();

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		wakes(f, i);
	tokio_census_ask(&f->w, false);
	tokio_census_step(&f->w);
	assert_int_equal(walks, 1);
	assert_int_equal(runtimes, 0);
	fake_tokio_free(f);
}

/* The thread that woke it went on with something else: the task was met nevertheless. */
static void nobody_leads_there_any_more(void **state)
{
	struct fake_tokio *f = service();

	(void)state;
	wakes(f, 0);
	tokio_census_ask(&f->w, false);
	tokio_census_step(&f->w);
	memset(f->rows[0].open, 0, sizeof(f->rows[0].open));
	later(f, 700);
	assert_int_equal(walks, 2);
	assert_int_equal(runtimes, 1);
	fake_tokio_free(f);
}

static void walk(struct fake_tokio *f)
{
	tokio_census_ask(&f->w, false);
	tokio_census_step(&f->w);
}

/* The one that walks begin with ends, and something else lies in its place; who polled or woke last has nothing else to tell. */
static void eldest_ends(void)
{
	memset(block, 0x5a, sizeof(block));
	list[2] = list[1] = list[1] == address(block) ? 0 : list[1];
	second[TRAILER_PREV] = second[TRAILER_PREV + 1] = 0;
}

/* The list is where it was, and the other task has been waiting in it all the time. */
static void the_eldest_task_ends(void **state)
{
	struct fake_tokio *f = service();

	(void)state;
	lay_out(second, 2);
	second[TRAILER_PREV + 1] = address(block);
	block[TRAILER_PREV] = list[1] = address(second);
	wakes(f, 0);
	walk(f);
	assert_int_equal(last.tasks, 2);
	assert_int_equal(last.torn, 0);
	eldest_ends();
	for (unsigned i = 0; i < 6; i++) {
		walk(f);
		assert_int_equal(last.tasks, 1);
		assert_int_equal(last.torn, 0);
	}
	fake_tokio_free(f);
}

/* No task, no doubt: those that ended are told so. And one that comes later is met though no thread is seen to poll it. */
static void a_list_is_empty_for_a_while(void **state)
{
	struct fake_tokio *f = service();

	(void)state;
	wakes(f, 0);
	walk(f);
	eldest_ends();
	for (unsigned i = 0; i < 6; i++) {
		walk(f);
		assert_int_equal(last.tasks, 0);
		assert_int_equal(last.torn, 0);
	}
	lay_out(second, 2);
	list[1] = list[2] = address(second);
	walk(f);
	assert_int_equal(last.tasks, 1);
	fake_tokio_free(f);
}

/* Its tasks are no longer anywhere; another runtime's handle may be in its place. */
static void a_runtime_is_gone(void **state)
{
	for (int reused = 0; reused < 2; reused++) {
		struct fake_tokio *f = service();

		(void)state;
		wakes(f, 0);
		walk(f);
		eldest_ends();
		handle[0] = reused ? 3 : ~0ull;
		handle[25] = OWNER + 1;
		for (unsigned i = 0; i < 4; i++)
			walk(f);
		assert_int_equal(last.tasks, 0);
		assert_int_equal(last.torn, 0);
		fake_tokio_free(f);
	}
}

/* Where the eldest was lies one of another list by now: that one's tasks are not all. */
static void a_task_of_another_list_in_its_place(void **state)
{
	struct fake_tokio *f = service();
	uint64_t other[512] = { 3, 1 }, others[3];

	(void)state;
	wakes(f, 0);
	walk(f);
	lay_out(second, 2);
	list[1] = list[2] = address(second);
	block[OWNER_ID] = OWNER + 1;
	block[SCHEDULER] = address(other);
	others[0] = 0;
	others[1] = others[2] = address(block);
	other[20] = address(others);
	other[21] = 1;
	for (unsigned i = 0; i < 3; i++) {
		walk(f);
		assert_int_equal(told, 1u << 1 | 1u << 2);
		assert_int_equal(last.tasks, 2);
		assert_int_equal(last.torn, 0);
	}
	fake_tokio_free(f);
}

/* Where it keeps its lists was not found while the eldest was there. */
static void a_runtime_whose_handle_is_known(void **state)
{
	struct fake_tokio *f = service();

	(void)state;
	handle[20] = 0;
	wakes(f, 0);
	walk(f);
	assert_int_equal(told, 1u << 1);
	assert_true(last.torn);
	f->w.runtimes = 1;
	f->w.runtime[0] = (struct tokio_runtime){ .id = 1,
						  .flavour = WEFT_F_MULTI_THREAD,
						  .owner = OWNER,
						  .threads = 1,
						  .handle = address(handle) };
	lay_out(second, 2);
	list[1] = list[2] = address(second);
	handle[20] = address(list);
	memset(block, 0x5a, sizeof(block));
	walk(f);
	assert_true(last.torn);
	for (unsigned i = 0; i < 4; i++) {
		walk(f);
		assert_int_equal(told, 1u << 2);
		assert_int_equal(last.torn, 0);
	}
	fake_tokio_free(f);
}

/* ---- many lists ---- */

static struct {
	uint64_t block[WORDS], handle[40];
} one[2 * WEFT_ROW_MAX + 1];

/* Lists with a task each, all of which the threads have polled. */
static struct fake_tokio *service_with(uint32_t lists)
{
	struct fake_tokio *f = service();

	memset(one, 0, sizeof(one));
	for (uint32_t i = 0; i < lists; i++) {
		struct weft_row *row = i % WEFT_POLL_DEPTH
					       ? &f->rows[i / WEFT_POLL_DEPTH]
					       : fake_tokio_claim(f, i / WEFT_POLL_DEPTH, true);

		lay_out(one[i].block, i + 1);
		one[i].block[OWNER_ID] = i + 1;
		one[i].block[SCHEDULER] = address(one[i].handle);
		one[i].handle[0] = one[i].handle[1] = 1;
		one[i].handle[20] = one[i].handle[21] = address(one[i].block);
		one[i].handle[22] = i + 1;
		row->open[i % WEFT_POLL_DEPTH] =
			(struct weft_open_poll){ .header = address(one[i].block),
						 .vtable = address(vtable),
						 .task = i + 1,
						 .owner = i + 1 };
	}
	tokio_tell_lanes(&f->state);
	return f;
}

/* A thread per core, each with a runtime and a LocalSet. */
static void more_lists_than_runtimes(void **state)
{
	struct fake_tokio *f = service_with(80);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		walk(f);
		assert_int_equal(last.tasks, 80);
		assert_int_equal(last.torn, 0);
	}
	assert_int_equal(cannot_sees, 0);
	fake_tokio_free(f);
}

static void more_lists_than_there_is_room_for(void **state)
{
	struct fake_tokio *f = service_with(2 * WEFT_ROW_MAX + 1);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		walk(f);
		assert_int_equal(last.tasks, 2 * WEFT_ROW_MAX);
		assert_true(last.torn);
	}
	assert_int_equal(cannot_sees, 1);
	fake_tokio_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_drives_it),
		cmocka_unit_test(several_threads_wake_it),
		cmocka_unit_test(nobody_leads_there_any_more),
		cmocka_unit_test(the_eldest_task_ends),
		cmocka_unit_test(a_list_is_empty_for_a_while),
		cmocka_unit_test(a_runtime_is_gone),
		cmocka_unit_test(a_task_of_another_list_in_its_place),
		cmocka_unit_test(a_runtime_whose_handle_is_known),
		cmocka_unit_test(more_lists_than_runtimes),
		cmocka_unit_test(more_lists_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
