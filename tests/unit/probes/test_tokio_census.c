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
static struct rust_type type;
static unsigned walks, runtimes;

static uint64_t address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static void sink(void *ctx, const struct weft_ev *ev)
{
	(void)ctx;
	walks += ev->kind == WEFT_EV_SNAPSHOT_END;
	runtimes += ev->kind == WEFT_EV_RUNTIME;
}

/* A runtime with one task that waits. */
static struct fake_tokio *service(void)
{
	struct fake_tokio *f = fake_tokio_new();

	walks = runtimes = 0;
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
	memset(block, 0, sizeof(block));
	block[STATE] = 2u << RUST_TOKIO_REF_SHIFT;
	block[VTABLE] = address(vtable);
	block[OWNER_ID] = OWNER;
	block[SCHEDULER] = address(handle);
	block[ID] = 1;
	list[1] = list[2] = address(block);
	handle[0] = 3;
	handle[20] = address(list);
	handle[21] = 1;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_drives_it),
		cmocka_unit_test(several_threads_wake_it),
		cmocka_unit_test(nobody_leads_there_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
