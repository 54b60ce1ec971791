/* SPDX-License-Identifier: MIT */
/* ldflags: -Wl,--wrap=bpf_map_update_elem */
/* Walks over executors of async-task that the test lays out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "probes/rust/async_task.h"
#include "probes/rust/executor_walk.h"
#include "tests/unit/probes/fake_tokio.h"

static uint64_t vtable[8];
static struct rust_type type;
static unsigned cannot_sees, runtimes;
static struct weft_ev_snapshot last;

static uint64_t address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static void sink(void *ctx, const struct weft_ev *ev)
{
	(void)ctx;
	if (ev->kind == WEFT_EV_SNAPSHOT_END)
		memcpy(&last, ev + 1, sizeof(last));
	cannot_sees += ev->kind == WEFT_EV_CANNOT_SEE;
	runtimes += ev->kind == WEFT_EV_RUNTIME;
}

/* The programs' table of tasks takes every id. */
int __wrap_bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags);
int __wrap_bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags)
{
	(void)fd;
	(void)key;
	(void)value;
	(void)flags;
	return 0;
}

static void walk(struct fake_tokio *f)
{
	tokio_census_ask(&f->w, false);
	tokio_census_step(&f->w);
}

#define EXECUTORS WEFT_ROW_MAX

/* A slab with one waker: its words in `state` are the vector's pointer, capacity and length, the number in use and the next free one. */
static struct {
	uint64_t block[8], entry[2][2], state[300];
} executor[EXECUTORS + 1];
static uint64_t waker_vtable[4];

enum { SLAB = 40, USED = SLAB + 3 };

/* An executor of its own for each of `n` tasks, which the threads have polled. */
static void run_executors(struct fake_tokio *f, uint32_t n)
{
	memset(executor, 0, sizeof(executor));
	for (uint32_t i = 0; i < n; i++) {
		struct weft_row *row = &f->rows[i / WEFT_POLL_DEPTH];

		executor[i].block[0] = address(vtable);
		executor[i].block[1] = 1ull << RUST_ASYNC_REF_SHIFT;
		executor[i].block[5] = address(executor[i].state);
		executor[i].entry[0][0] = address(executor[i].block);
		executor[i].entry[0][1] = address(waker_vtable);
		executor[i].state[SLAB] = address(executor[i].entry);
		for (unsigned k = SLAB + 1; k <= SLAB + 4; k++)
			executor[i].state[k] = 1;
		if (!row->tid)
			fake_tokio_claim(f, i / WEFT_POLL_DEPTH, true);
		row->roles = WEFT_ROW_ASYNC_TASK;
		row->open[i % WEFT_POLL_DEPTH] =
			(struct weft_open_poll){ .header = address(executor[i].block) };
	}
	tokio_tell_lanes(&f->state);
}

static struct fake_tokio *async_service(uint32_t executors)
{
	struct fake_tokio *f = fake_tokio_new();

	cannot_sees = 0;
	vtable[RUST_ASYNC_RUN] = address(waker_vtable);
	type = (struct rust_type){ .vtable = address(vtable),
				   .poll = address(waker_vtable),
				   .family = RUST_ASYNC_TASK,
				   .schedule_offset = 5 * 8 };
	f->plan.types = &type;
	f->plan.n_types = 1;
	f->session.sink = sink;
	f->plan.layout[RUST_ASYNC_TASK] = (struct rust_layout){ .state = 8, .vtable = 0 };
	f->w.file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(f->w.file >= 0);
	run_executors(f, executors);
	return f;
}

static void async_service_ends(struct fake_tokio *f)
{
	close(f->w.file);
	tokio_executors_free(f->w.executors);
	fake_tokio_free(f);
}

static void many_executors(void **state)
{
	struct fake_tokio *f = async_service(40);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		walk(f);
		assert_int_equal(last.tasks, 40);
		assert_int_equal(last.torn, 0);
	}
	async_service_ends(f);
}

static void more_executors_than_there_is_room_for(void **state)
{
	struct fake_tokio *f = async_service(EXECUTORS + 1);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		walk(f);
		assert_int_equal(last.tasks, EXECUTORS);
		assert_true(last.torn);
	}
	assert_int_equal(cannot_sees, 1);
	async_service_ends(f);
}

/* What is left of one that was dropped may look like one without tasks; it keeps no other from being told. */
static void executors_that_come_and_go(void **state)
{
	struct fake_tokio *f = async_service(EXECUTORS);

	(void)state;
	walk(f);
	for (unsigned i = 0; i < EXECUTORS; i++) {
		executor[i].block[0] = 0;
		executor[i].state[USED] = 0;
	}
	for (unsigned i = 0; i < 4; i++)
		walk(f);
	assert_int_equal(last.tasks, 0);
	assert_int_equal(last.torn, 0);
	f->rows[0].open[0].header = address(executor[EXECUTORS].block);
	memset(&executor[EXECUTORS], 0, sizeof(executor[0]));
	executor[EXECUTORS] = executor[0];
	executor[EXECUTORS].block[0] = address(vtable);
	executor[EXECUTORS].block[5] = address(executor[EXECUTORS].state);
	executor[EXECUTORS].entry[0][0] = address(executor[EXECUTORS].block);
	executor[EXECUTORS].state[SLAB] = address(executor[EXECUTORS].entry);
	executor[EXECUTORS].state[USED] = 1;
	walk(f);
	assert_int_equal(last.tasks, 1);
	assert_int_equal(last.torn, 0);
	assert_int_equal(cannot_sees, 0);
	async_service_ends(f);
}

/* Its slab was just about to grow, or it is gone: the walk is not whole, and it is tried once more. */
static void an_executor_that_was_not_read(void **state)
{
	struct fake_tokio *f = async_service(2);

	(void)state;
	walk(f);
	assert_int_equal(last.torn, 0);
	f->rows[0].open[1].header = 0;
	executor[1].state[SLAB] = 1;
	walk(f);
	assert_int_equal(last.tasks, 1);
	assert_true(last.torn);
	executor[1].state[SLAB] = address(executor[1].entry);
	walk(f);
	assert_int_equal(last.tasks, 2);
	assert_int_equal(last.torn, 0);
	executor[1].state[SLAB] = 1;
	for (unsigned i = 0; i < 4; i++)
		walk(f);
	assert_int_equal(last.tasks, 1);
	assert_int_equal(last.torn, 0);
	async_service_ends(f);
}

/* Two tasks, and no thread that has polled one of them. */
static struct fake_tokio *abandoned(uint64_t first, uint64_t second)
{
	struct fake_tokio *f = async_service(1);
	static uint64_t other[8];

	runtimes = 0;
	f->state.lane[0].runtime = 0;
	executor[0].block[1] = first | 1ull << RUST_ASYNC_REF_SHIFT;
	memcpy(other, executor[0].block, sizeof(other));
	other[1] = second | 1ull << RUST_ASYNC_REF_SHIFT;
	executor[0].entry[1][0] = address(other);
	executor[0].entry[1][1] = address(waker_vtable);
	for (unsigned k = SLAB + 1; k <= SLAB + 4; k++)
		executor[0].state[k] = 2;
	return f;
}

/* Tasks wait in its queue, walk after walk: at once all of them, one beside an idle one a walk later. */
static void an_executor_that_nobody_runs(void **state)
{
	struct fake_tokio *f = abandoned(RUST_ASYNC_SCHEDULED, RUST_ASYNC_SCHEDULED);

	(void)state;
	walk(f);
	assert_int_equal(last.tasks, 2);
	assert_int_equal(runtimes, 0);
	walk(f);
	assert_int_equal(runtimes, 1);
	async_service_ends(f);
	f = abandoned(0, RUST_ASYNC_SCHEDULED);
	walk(f);
	walk(f);
	assert_int_equal(runtimes, 0);
	walk(f);
	assert_int_equal(runtimes, 1);
	walk(f);
	assert_int_equal(runtimes, 1);
	async_service_ends(f);
}

static void an_executor_that_somebody_runs(void **state)
{
	struct fake_tokio *f = abandoned(0, 0);

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		walk(f);
	assert_int_equal(runtimes, 0);
	/* Now the one, now the other: they are polled. */
	for (unsigned i = 0; i < 8; i++) {
		uint64_t *to = (uint64_t *)(uintptr_t)executor[0].entry[i % 2][0];
		uint64_t *from = (uint64_t *)(uintptr_t)executor[0].entry[1 - i % 2][0];

		to[1] |= RUST_ASYNC_SCHEDULED;
		from[1] &= ~(uint64_t)RUST_ASYNC_SCHEDULED;
		walk(f);
	}
	assert_int_equal(runtimes, 0);
	async_service_ends(f);
	f = abandoned(RUST_ASYNC_RUNNING, RUST_ASYNC_SCHEDULED);
	for (unsigned i = 0; i < 5; i++)
		walk(f);
	assert_int_equal(runtimes, 0);
	async_service_ends(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_executors),
		cmocka_unit_test(more_executors_than_there_is_room_for),
		cmocka_unit_test(executors_that_come_and_go),
		cmocka_unit_test(an_executor_that_was_not_read),
		cmocka_unit_test(an_executor_that_nobody_runs),
		cmocka_unit_test(an_executor_that_somebody_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
