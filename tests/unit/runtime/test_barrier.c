/* SPDX-License-Identifier: MIT */
#include "tests/unit/runtime/sync_test.h"

#define CROWD 70 /* more than are woken at a time */

static void test_leader_and_reuse(void **state)
{
	struct weft_barrier b;
	static struct weft_waiter f[CROWD];

	(void)state;
	weft_barrier_init(&b, CROWD);
	for (int again = 0; again < 3; again++) {
		for (int i = 0; i < CROWD - 1; i++)
			assert_int_equal(weft_barrier_wait(&hand, &b, &f[i]), WEFT_PENDING);
		assert_int_equal(weft_barrier_wait(&hand, &b, &f[CROWD - 1]), 1);
		for (int i = 0; i < CROWD - 1; i++)
			assert_int_equal(weft_barrier_wait(&hand, &b, &f[i]), 0);
	}
	assert_int_equal(weft_barrier_done(&b), 0);
	weft_barrier_init(&b, 0);
	assert_int_equal(weft_barrier_wait(&hand, &b, &f[0]), 1);
}

/* Cancelled before: not come. Cancelled after: the others have gone through. */
static void test_cancel(void **state)
{
	struct weft_barrier b;
	struct weft_waiter f[3] = { { .mark = 0 } };

	(void)state;
	weft_barrier_init(&b, 2);
	assert_int_equal(weft_barrier_wait(&hand, &b, &f[0]), WEFT_PENDING);
	assert_int_equal(weft_barrier_wait(cancelled(), &b, &f[0]), -ECANCELED);
	assert_int_equal(weft_barrier_wait(&hand, &b, &f[1]), WEFT_PENDING);
	watch_begin();
	assert_int_equal(weft_barrier_done(&b), -EBUSY);
	assert_int_equal(misuses(), 1);
	watch_end();
	assert_int_equal(weft_barrier_wait(&hand, &b, &f[2]), 1);
	assert_int_equal(weft_barrier_wait(cancelled(), &b, &f[1]), -ECANCELED);
	assert_int_equal(weft_barrier_wait(&hand, &b, &f[0]), WEFT_PENDING);
	assert_int_equal(weft_barrier_wait(&hand, &b, &f[1]), 1);
	assert_int_equal(weft_barrier_wait(&hand, &b, &f[0]), 0);
}

struct runner {
	WEFT_FRAME;
	struct weft_barrier *b;
	struct weft_waiter wait;
	struct weft_yield yield;
	uint32_t *at, *leaders, *wrong, *done;
	int i;
};

static weft_poll_t runner(struct weft_cx *cx, struct runner *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 100; f->i++) {
		__atomic_fetch_add(f->at, 1, __ATOMIC_RELAXED);
		weft_await(f, weft_barrier_wait(cx, f->b, &f->wait));
		if (__atomic_load_n(f->at, __ATOMIC_RELAXED) < 6 * ((uint32_t)f->i + 1))
			__atomic_fetch_add(f->wrong, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(f->leaders, (uint32_t)f->rc, __ATOMIC_RELAXED);
		if (f->i % 3 == 0)
			weft_await(f, weft_yield(cx, &f->yield));
	}
	__atomic_fetch_add(f->done, 1, __ATOMIC_RELEASE);
	weft_async_end(f, 0);
}

static void test_tasks(void **state)
{
	struct weft_barrier b;
	uint32_t at = 0, leaders = 0, wrong = 0, done = 0;
	struct runner f = {
		.b = &b, .at = &at, .leaders = &leaders, .wrong = &wrong, .done = &done
	};

	(void)state;
	weft_barrier_init(&b, 6);
	for (int i = 0; i < 6; i++)
		assert_int_equal(weft_spawn(rt, runner, f), 0);
	wait_for(&done, 6);
	assert_int_equal(wrong, 0);
	assert_int_equal(leaders, 100);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_leader_and_reuse),
	cmocka_unit_test(test_cancel),
	cmocka_unit_test(test_tasks),
};

SYNC_MAIN(tests)
