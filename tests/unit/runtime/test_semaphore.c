/* SPDX-License-Identifier: MIT */
#include "tests/unit/runtime/sync_test.h"

static void test_counts(void **state)
{
	struct weft_semaphore *heap, s;
	struct weft_acquire f = { .want = 0 };

	(void)state;
	assert_int_equal(weft_semaphore_new(2, &heap), 0);
	assert_true(weft_semaphore_try(heap));
	assert_int_equal(weft_semaphore_permits(heap), 1);
	assert_null(weft_semaphore_free(heap)); /* permits that are out hinder nobody */
	assert_null(weft_semaphore_free(NULL));
	assert_int_equal(weft_semaphore_init(&s, WEFT_PERMITS_MAX + 1), -EINVAL);
	assert_int_equal(weft_semaphore_new(UINT32_MAX, &heap), -EINVAL);
	assert_int_equal(weft_semaphore_init(&s, 3), 0);
	assert_int_equal(weft_semaphore_acquire_many(&hand, &s, UINT32_MAX, &f), -EINVAL);
	assert_false(weft_semaphore_try_many(&s, UINT32_MAX));
	assert_false(weft_semaphore_try_many(&s, 4));
	assert_true(weft_semaphore_try_many(&s, 3));
	assert_false(weft_semaphore_try(&s));
	assert_int_equal(weft_semaphore_release(&s, 5), 0); /* may grow */
	assert_int_equal(weft_semaphore_permits(&s), 5);
	assert_int_equal(weft_semaphore_release(&s, WEFT_PERMITS_MAX - 4), -EOVERFLOW);
	assert_int_equal(weft_semaphore_release(&s, UINT32_MAX), -EOVERFLOW);
	assert_int_equal(weft_semaphore_permits(&s), 5);
	assert_int_equal(weft_semaphore_done(&s), 0);
}

/* The request at the head holds up the small one behind it. */
static void test_fifo(void **state)
{
	struct weft_semaphore s;
	struct weft_acquire big = { .want = 0 }, small = big;

	(void)state;
	assert_int_equal(weft_semaphore_init(&s, 1), 0);
	assert_int_equal(weft_semaphore_acquire_many(&hand, &s, 3, &big), WEFT_PENDING);
	assert_int_equal(weft_semaphore_acquire(&hand, &s, &small), WEFT_PENDING);
	assert_false(weft_semaphore_try(&s));
	assert_int_equal(weft_semaphore_release(&s, 1), 0);
	assert_int_equal(weft_semaphore_acquire_many(&hand, &s, 3, &big), WEFT_PENDING);
	assert_int_equal(weft_semaphore_release(&s, 1), 0);
	assert_int_equal(weft_semaphore_acquire_many(&hand, &s, 3, &big), 0);
	assert_int_equal(weft_semaphore_acquire(&hand, &s, &small), WEFT_PENDING);
	assert_int_equal(weft_semaphore_release(&s, 3), 0);
	assert_int_equal(weft_semaphore_acquire(&hand, &s, &small), 0);
	assert_int_equal(weft_semaphore_permits(&s), 2);
}

static void test_cancel_keeps_the_count(void **state)
{
	struct weft_semaphore s;
	struct weft_acquire big = { .want = 0 }, small = big;

	(void)state;
	assert_int_equal(weft_semaphore_init(&s, 1), 0);
	assert_int_equal(weft_semaphore_acquire_many(&hand, &s, 3, &big), WEFT_PENDING);
	assert_int_equal(weft_semaphore_acquire(&hand, &s, &small), WEFT_PENDING);
	assert_int_equal(weft_semaphore_acquire_many(cancelled(), &s, 3, &big), -ECANCELED);
	assert_int_equal(weft_semaphore_acquire(&hand, &s, &small), 0); /* one was there */
	assert_int_equal(weft_semaphore_acquire_many(&hand, &s, 3, &big), WEFT_PENDING);
	assert_int_equal(weft_semaphore_acquire(&hand, &s, &small), WEFT_PENDING);
	assert_int_equal(weft_semaphore_release(&s, 3), 0);
	assert_int_equal(weft_semaphore_acquire_many(cancelled(), &s, 3, &big), -ECANCELED);
	assert_int_equal(weft_semaphore_acquire(&hand, &s, &small), 0);
	assert_int_equal(weft_semaphore_permits(&s), 2);
	assert_int_equal(weft_semaphore_done(&s), 0);
}

static void test_close(void **state)
{
	struct weft_semaphore s;
	struct weft_acquire f[2] = { { .want = 0 } };

	(void)state;
	assert_int_equal(weft_semaphore_init(&s, 0), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(weft_semaphore_acquire(&hand, &s, &f[i]), WEFT_PENDING);
	weft_semaphore_close(&s);
	for (int i = 0; i < 2; i++)
		assert_int_equal(weft_semaphore_acquire(&hand, &s, &f[i]), -EPIPE);
	assert_int_equal(weft_semaphore_release(&s, 1), 0);
	assert_int_equal(weft_semaphore_acquire(&hand, &s, &f[0]), -EPIPE);
	assert_false(weft_semaphore_try(&s));
	assert_int_equal(weft_semaphore_permits(&s), 1);
	assert_int_equal(weft_semaphore_done(&s), 0);
}

static void test_freed_with_waiters(void **state)
{
	struct weft_semaphore *s;
	struct weft_acquire f = { .want = 0 };

	(void)state;
	assert_int_equal(weft_semaphore_new(0, &s), 0);
	assert_int_equal(weft_semaphore_acquire(&hand, s, &f), WEFT_PENDING);
	watch_begin();
	assert_null(weft_semaphore_free(s));
	assert_int_equal(misuses(), 1);
	watch_end();
	assert_int_equal(weft_semaphore_acquire(cancelled(), s, &f), -ECANCELED); /* still there */
	weft_semaphore_free(s);
}

struct taker {
	WEFT_FRAME;
	struct weft_semaphore *s;
	struct weft_acquire acquire;
	struct weft_yield yield;
	uint32_t *out, *most, *done;
	int i;
};

static weft_poll_t taker(struct weft_cx *cx, struct taker *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 200; f->i++) {
		uint32_t out, most;

		weft_await(f, weft_semaphore_acquire(cx, f->s, &f->acquire));
		out = __atomic_add_fetch(f->out, 1, __ATOMIC_RELAXED);
		most = __atomic_load_n(f->most, __ATOMIC_RELAXED);
		if (out > most)
			__atomic_store_n(f->most, out, __ATOMIC_RELAXED);
		weft_await(f, weft_yield(cx, &f->yield));
		__atomic_fetch_sub(f->out, 1, __ATOMIC_RELAXED);
		weft_semaphore_release(f->s, 1);
	}
	__atomic_fetch_add(f->done, 1, __ATOMIC_RELEASE);
	weft_async_end(f, 0);
}

static void test_bounds_tasks(void **state)
{
	struct weft_semaphore s;
	uint32_t out = 0, most = 0, done = 0;

	(void)state;
	assert_int_equal(weft_semaphore_init(&s, 3), 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(
			weft_spawn(rt, taker,
				   ((struct taker){
					   .s = &s, .out = &out, .most = &most, .done = &done })),
			0);
	wait_for(&done, 8);
	assert_true(most > 0 && most <= 3);
	assert_int_equal(weft_semaphore_permits(&s), 3);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_counts),
	cmocka_unit_test(test_fifo),
	cmocka_unit_test(test_cancel_keeps_the_count),
	cmocka_unit_test(test_close),
	cmocka_unit_test(test_freed_with_waiters),
	cmocka_unit_test(test_bounds_tasks),
};

SYNC_MAIN(tests)
