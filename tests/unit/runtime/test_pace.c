/* SPDX-License-Identifier: MIT */
/* When a busy thread looks at the driver. Under a clock that only the tests move. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/executor/pace.h"
#include "runtime/weft.h"

#define MS       1000000ull
#define US       1000ull
#define INTERVAL 61u

static int setup(void **state)
{
	(void)state;
	weft_clock_fake = 1000 * MS;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weft_clock_fake = 0;
	return 0;
}

/* Polls of so long until the driver is due. */
static uint32_t polls_until_due(struct weft_pace *p, uint32_t *next, uint64_t poll_ns)
{
	uint32_t polls = 0;
	bool due = false;

	while (!due) {
		weft_clock_fake += *next * poll_ns;
		polls += *next;
		due = weft_pace_due(p, INTERVAL, next);
		assert_true(polls <= INTERVAL && *next > 0);
	}
	return polls;
}

static void test_short_polls_count(void **state)
{
	struct weft_pace p;
	uint32_t next = weft_pace_begin(&p, INTERVAL);

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(polls_until_due(&p, &next, US), INTERVAL);
}

static void test_long_polls_take_over(void **state)
{
	struct weft_pace p;
	uint32_t next = weft_pace_begin(&p, INTERVAL);

	(void)state;
	polls_until_due(&p, &next, US);
	/* The first look comes late: it doesn't know yet. */
	assert_in_range(polls_until_due(&p, &next, 2 * MS), 1, WEFT_PACE_GRAIN);
	for (int i = 0; i < 10; i++)
		assert_int_equal(polls_until_due(&p, &next, 2 * MS), 1);
	/* 61 polls of 100 us are 6 ms; a millisecond is due after ten. */
	polls_until_due(&p, &next, 100 * US);
	for (int i = 0; i < 10; i++)
		assert_in_range(polls_until_due(&p, &next, 100 * US), 10, 14);
	for (int i = 0; i < 10; i++)
		polls_until_due(&p, &next, US);
	assert_int_equal(polls_until_due(&p, &next, US), INTERVAL);
}

static void test_sleep_is_nobodys_poll(void **state)
{
	struct weft_pace p;
	uint32_t next = weft_pace_begin(&p, INTERVAL), polls = 0;
	bool due = false;

	(void)state;
	while (!due) {
		weft_clock_fake += 100 * MS;
		weft_pace_slept(&p);
		polls += next;
		due = weft_pace_due(&p, INTERVAL, &next);
	}
	assert_int_equal(polls, INTERVAL);
	assert_int_equal(p.grain, WEFT_PACE_GRAIN);
}

static void test_small_intervals_hold(void **state)
{
	struct weft_pace p;
	uint32_t next = weft_pace_begin(&p, 1);

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(next, 1);
		assert_true(weft_pace_due(&p, 1, &next));
	}
}

/* ---- in a runtime ---- */

struct busy {
	WEFT_FRAME;
	struct weft_yield yield;
	int *done, polls;
};

static weft_poll_t busy(struct weft_cx *cx, struct busy *f)
{
	weft_async_begin(f);
	for (f->polls = 0; !*f->done; f->polls++) {
		weft_clock_fake += MS;
		weft_await(f, weft_yield(cx, &f->yield));
	}
	weft_async_end(f, f->polls);
}

struct sleeper {
	WEFT_FRAME;
	struct weft_sleep pause;
	uint64_t due, worst;
	int i, *done;
};

static weft_poll_t sleeper(struct weft_cx *cx, struct sleeper *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 20; f->i++) {
		f->due = weft_now() + 5 * MS;
		weft_await(f, weft_sleep_until(cx, &f->pause, f->due));
		/* The first teaches the thread that polls are long. */
		if (f->i && weft_now() - f->due > f->worst)
			f->worst = weft_now() - f->due;
	}
	*f->done = 1;
	weft_async_end(f, (int)(f->worst / MS));
}

static void timers_beside_long_polls(uint32_t flavour)
{
	struct weft_config config = { .size = sizeof(config), .flavour = flavour, .workers = 1 };
	struct weft_runtime *rt;
	int done = 0;
	struct sleeper f = { .done = &done };

	assert_int_equal(weft_runtime_new(&config, &rt), 0);
	assert_int_equal(weft_spawn(rt, busy, ((struct busy){ .done = &done }), .detach = true), 0);
	/* One poll under way, one that a queue may hold. */
	assert_in_range(weft_block_on(rt, sleeper, &f), 0, 3);
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	weft_runtime_free(rt);
}

static void test_current_thread(void **state)
{
	(void)state;
	timers_beside_long_polls(WEFT_CURRENT_THREAD);
}

static void test_worker(void **state)
{
	(void)state;
	timers_beside_long_polls(WEFT_EXECUTOR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_short_polls_count),     TEST(test_long_polls_take_over),
		TEST(test_sleep_is_nobodys_poll), TEST(test_small_intervals_hold),
		TEST(test_current_thread),        TEST(test_worker)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
