/* SPDX-License-Identifier: MIT */
#include "tests/unit/runtime/sync_test.h"

static void test_success_is_final(void **state)
{
	struct weft_once once = { .waiters.holder = 0 };
	struct weft_waiter f[3] = { { .mark = 0 } };

	(void)state;
	assert_false(weft_once_is_done(&once));
	assert_int_equal(weft_once_begin(&hand, &once, &f[0]), 1);
	assert_int_equal(weft_once_begin(&hand, &once, &f[0]), 1);
	assert_int_equal(weft_once_begin(&hand, &once, &f[1]), WEFT_PENDING);
	assert_int_equal(weft_once_begin(&hand, &once, &f[2]), WEFT_PENDING);
	assert_int_equal(weft_once_begin(cancelled(), &once, &f[2]), -ECANCELED);
	assert_int_equal(weft_once_end(&hand, &once, &f[0], 5), 0);
	assert_true(weft_once_is_done(&once));
	assert_int_equal(weft_once_begin(&hand, &once, &f[1]), 0);
	assert_int_equal(weft_once_begin(&hand, &once, &f[2]), 0);
}

static void test_failure_hands_over(void **state)
{
	struct weft_once once = { .waiters.holder = 0 };
	struct weft_waiter f[3] = { { .mark = 0 } };

	(void)state;
	assert_int_equal(weft_once_begin(&hand, &once, &f[0]), 1);
	for (int i = 1; i < 3; i++)
		assert_int_equal(weft_once_begin(&hand, &once, &f[i]), WEFT_PENDING);
	assert_int_equal(weft_once_end(&hand, &once, &f[0], -EIO), -EIO);
	assert_int_equal(weft_once_begin(&hand, &once, &f[2]), WEFT_PENDING);
	/* cancelled in the moment in which its turn comes: still its turn, to be ended */
	assert_int_equal(weft_once_begin(cancelled(), &once, &f[1]), 1);
	assert_int_equal(weft_once_end(&hand, &once, &f[1], -ECANCELED), -ECANCELED);
	assert_int_equal(weft_once_begin(&hand, &once, &f[2]), 1);
	assert_int_equal(weft_once_end(&hand, &once, &f[2], -EIO), -EIO);
	assert_int_equal(weft_once_begin(&hand, &once, &f[0]), 1); /* nobody waited: as new */
	assert_int_equal(weft_once_end(&hand, &once, &f[0], 0), 0);
}

static void test_misuse(void **state)
{
	struct weft_once once = { .waiters.holder = 0 }, other = once;
	struct weft_waiter f = { .mark = 0 };

	(void)state;
	watch_begin();
	assert_int_equal(weft_once_end(&hand, &once, &f, 0), -EPERM);
	assert_int_equal(weft_once_begin(&hand, &once, &f), 1);
	assert_int_equal(weft_once_begin(&hand, &other, &f), -EBUSY);
	assert_int_equal(weft_once_end(&hand, &other, &f, 0), -EPERM);
	assert_int_equal(misuses(), 3);
	assert_int_equal(weft_once_end(&hand, &once, &f, 0), 0);
	watch_end();
}

/* Initialisers that fail, that are cancelled by a time limit, and that succeed. */
struct init {
	WEFT_FRAME;
	struct weft_once *once;
	struct weft_waiter wait;
	struct weft_sleep sleep, limit;
	struct weft_yield yield;
	uint32_t *runs, *at_once, *value, *wrong, *done;
	int id;
};

static weft_poll_t initialise(struct weft_cx *cx, struct init *f)
{
	if (!f->sleep.state) {
		__atomic_fetch_add(f->runs, 1, __ATOMIC_RELAXED);
		if (__atomic_fetch_add(f->at_once, 1, __ATOMIC_RELAXED))
			__atomic_fetch_add(f->wrong, 1, __ATOMIC_RELAXED);
	}
	if (weft_sleep(cx, &f->sleep, f->id % 3 == 1 ? 3600000 * MS : MS) == WEFT_PENDING)
		return WEFT_PENDING;
	__atomic_fetch_sub(f->at_once, 1, __ATOMIC_RELAXED);
	if (cx->cancelled)
		return -ECANCELED;
	if (f->id % 3 == 0)
		return -EIO;
	*f->value = 7;
	return 0;
}

static weft_poll_t user(struct weft_cx *cx, struct init *f)
{
	weft_async_begin(f);
	weft_await(f, weft_timeout(cx, &f->limit, f->id % 3 == 1 ? 3 * MS : 60000 * MS,
				   weft_once(cx, f->once, &f->wait, initialise(cx, f))));
	if (f->rc == 0 && *f->value != 7)
		__atomic_fetch_add(f->wrong, 1, __ATOMIC_RELAXED);
	if (f->rc != 0 && f->rc != (f->id % 3 == 0 ? -EIO : -ETIMEDOUT))
		__atomic_fetch_add(f->wrong, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(f->done, 1, __ATOMIC_RELEASE);
	weft_async_end(f, 0);
}

static void test_tasks(void **state)
{
	struct weft_once once = { .waiters.holder = 0 };
	uint32_t runs = 0, at_once = 0, value = 0, wrong = 0, done = 0;

	(void)state;
	for (int i = 0; i < 9; i++)
		assert_int_equal(weft_spawn(rt, user,
					    ((struct init){ .once = &once,
							    .runs = &runs,
							    .at_once = &at_once,
							    .value = &value,
							    .wrong = &wrong,
							    .done = &done,
							    .id = i })),
				 0);
	wait_for(&done, 9);
	assert_int_equal(wrong, 0);
	assert_int_equal(value, 7);
	assert_true(weft_once_is_done(&once));
	assert_true(runs >= 1 && runs <= 9);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_success_is_final),
	cmocka_unit_test(test_failure_hands_over),
	cmocka_unit_test(test_misuse),
	cmocka_unit_test(test_tasks),
};

SYNC_MAIN(tests)
