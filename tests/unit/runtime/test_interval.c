/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/weft.h"
#include "tests/support/flavours.h"

#define MS 1000000ull

static struct weft_runtime *rt;

static int setup(void **state)
{
	struct weft_config config = { .size = sizeof(config), .workers = 1, .name = "test" };

	return flavours_start(state, &config, &rt);
}

/* Nothing takes time: for how late a tick is, to the millisecond. */
static int setup_timeless(void **state)
{
	weft_clock_fake = 1000 * MS;
	return setup(state);
}

static int teardown(void **state)
{
	struct weft_runtime_stats stats;

	(void)state;
	__atomic_store_n(&weft_clock_fake, 0, __ATOMIC_RELAXED);
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	weft_runtime_stats(rt, &stats);
	assert_int_equal(stats.timers, 0);
	flavours_end(rt);
	return 0;
}

struct ticks {
	WEFT_FRAME;
	struct weft_interval every;
	struct weft_sleep limit;
	uint64_t due[8], at[8];
	int i, n;
};

static weft_poll_t ticks(struct weft_cx *cx, struct ticks *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < f->n; f->i++) {
		weft_await(f, weft_interval_tick(cx, &f->every, &f->due[f->i]));
		if (f->rc)
			return f->rc;
		f->at[f->i] = weft_now();
	}
	weft_async_end(f, 0);
}

/* Begins 70 ms late with a period of 20 ms, where only the past can be asked for exactly. */
static struct ticks run_late(enum weft_missed missed, int n)
{
	struct ticks f = { .n = n };

	assert_int_equal(weft_interval_init(&f.every, weft_now() - 70 * MS, 20 * MS, missed), 0);
	assert_int_equal(weft_block_on(rt, ticks, &f), 0);
	for (int i = 0; i < n; i++)
		assert_true(f.at[i] >= f.due[i]);
	return f;
}

static void test_burst(void **state)
{
	struct ticks f = run_late(WEFT_MISSED_BURST, 6);

	(void)state;
	for (int i = 1; i < 6; i++)
		assert_int_equal(f.due[i] - f.due[i - 1], 20 * MS);
	assert_true(f.every.late >= 3);
}

static void test_skip(void **state)
{
	struct ticks f = run_late(WEFT_MISSED_SKIP, 3);

	(void)state;
	for (int i = 1; i < 3; i++)
		assert_int_equal((f.due[i] - f.due[i - 1]) % (20 * MS), 0);
	assert_true(f.due[1] - f.due[0] >= 80 * MS);
	assert_true(f.every.late >= 3);
}

static void test_delay(void **state)
{
	struct ticks f = run_late(WEFT_MISSED_DELAY, 2);

	(void)state;
	assert_true(f.due[1] >= f.due[0] + 90 * MS); /* counted from the late tick */
	assert_true(f.due[1] <= f.at[0] + 20 * MS);
}

/* A little late is no reason to shift the ticks. */
static void test_delay_keeps_time(void **state)
{
	struct ticks f = { .n = 2 };

	(void)state;
	weft_interval_init(&f.every, weft_now() - 1 * MS, 3600000 * MS, WEFT_MISSED_DELAY);
	f.n = 1;
	assert_int_equal(weft_block_on(rt, ticks, &f), 0);
	assert_int_equal(f.every.next, f.due[0] + 3600000 * MS);
}

static void test_wrong_use(void **state)
{
	struct ticks f = { .n = 1 };

	(void)state;
	assert_int_equal(weft_interval_init(&f.every, 0, 0, WEFT_MISSED_SKIP), -EINVAL);
	assert_int_equal(weft_interval_init(&f.every, 0, 1, (enum weft_missed)3), -EINVAL);
	assert_int_equal(weft_block_on(rt, ticks, &f), -EINVAL);
}

static weft_poll_t given_up(struct weft_cx *cx, struct ticks *f)
{
	weft_async_begin(f);
	weft_await(f, weft_timeout(cx, &f->limit, 5 * MS,
				   weft_interval_tick(cx, &f->every, &f->due[0])));
	weft_async_end(f, f->rc);
}

static void test_timeout_leaves_the_tick(void **state)
{
	struct ticks f = { .n = 1 };
	/* Not due when the limit is, on a busy machine, too. */
	uint64_t first = weft_now() + 300 * MS;

	(void)state;
	weft_interval_init(&f.every, first, 20 * MS, WEFT_MISSED_SKIP);
	assert_int_equal(weft_block_on(rt, given_up, &f), -ETIMEDOUT);
	assert_int_equal(weft_block_on(rt, ticks, &f), 0);
	assert_true(f.due[0] == first);
}

struct until {
	WEFT_FRAME;
	struct weft_sleep sleep;
	uint64_t deadline, woke;
};

static weft_poll_t until(struct weft_cx *cx, struct until *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep_until(cx, &f->sleep, f->deadline));
	f->woke = weft_now();
	weft_async_end(f, f->rc);
}

static void test_sleep_until(void **state)
{
	struct until f = { .deadline = weft_now() + 10 * MS };

	(void)state;
	assert_int_equal(weft_block_on(rt, until, &f), 0);
	assert_true(f.woke >= f.deadline);
	f = (struct until){ .deadline = 1 }; /* long past */
	assert_int_equal(weft_block_on(rt, until, &f), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_burst),
		T(test_skip),
		T(test_delay),
		cmocka_unit_test_setup_teardown(test_delay_keeps_time, setup_timeless, teardown),
		T(test_wrong_use),
		T(test_timeout_leaves_the_tick),
		T(test_sleep_until),
	};

	return flavours_run_io("runtime/interval", tests, sizeof(tests) / sizeof(tests[0]));
}
