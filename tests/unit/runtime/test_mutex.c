/* SPDX-License-Identifier: MIT */
#include "tests/unit/runtime/sync_test.h"

static void test_lock_and_try(void **state)
{
	struct weft_mutex m = { .waiters.holder = 0 };
	struct weft_acquire a = { .want = 0 };

	(void)state;
	assert_int_equal(weft_mutex_lock(&hand, &m, &a), 0);
	assert_false(weft_mutex_try_lock(&m));
	assert_int_equal(weft_mutex_unlock(&m), 0);
	assert_true(weft_mutex_try_lock(&m));
	assert_int_equal(weft_mutex_unlock(&m), 0);
	assert_int_equal(weft_mutex_lock(cancelled(), &m, &a), -ECANCELED);
	assert_int_equal(weft_mutex_blocking_lock(&m), 0);
	assert_int_equal(weft_mutex_unlock(&m), 0);
	assert_int_equal(weft_mutex_done(&m), 0);
}

/* Handed over in the order of arrival; nobody gets in between. */
static void test_fifo(void **state)
{
	struct weft_mutex m = { .waiters.holder = 0 };
	struct weft_acquire f[4] = { { .want = 0 } };

	(void)state;
	assert_int_equal(weft_mutex_lock(&hand, &m, &f[0]), 0);
	for (int i = 1; i < 4; i++)
		assert_int_equal(weft_mutex_lock(&hand, &m, &f[i]), WEFT_PENDING);
	for (int i = 1; i < 4; i++) {
		assert_int_equal(weft_mutex_unlock(&m), 0);
		assert_false(weft_mutex_try_lock(&m));
		for (int k = i + 1; k < 4; k++)
			assert_int_equal(weft_mutex_lock(&hand, &m, &f[k]), WEFT_PENDING);
		assert_int_equal(weft_mutex_lock(&hand, &m, &f[i]), 0);
	}
	assert_int_equal(weft_mutex_unlock(&m), 0);
	assert_true(weft_mutex_try_lock(&m));
}

/* Cancelled while it waits, and cancelled in the moment in which it was handed the lock. */
static void test_cancel_passes_on(void **state)
{
	struct weft_mutex m = { .waiters.holder = 0 };
	struct weft_acquire f[4] = { { .want = 0 } };

	(void)state;
	assert_int_equal(weft_mutex_lock(&hand, &m, &f[0]), 0);
	for (int i = 1; i < 4; i++)
		assert_int_equal(weft_mutex_lock(&hand, &m, &f[i]), WEFT_PENDING);
	assert_int_equal(weft_mutex_lock(cancelled(), &m, &f[1]), -ECANCELED);
	assert_int_equal(weft_mutex_unlock(&m), 0);
	assert_int_equal(weft_mutex_lock(cancelled(), &m, &f[2]), -ECANCELED);
	assert_int_equal(weft_mutex_lock(&hand, &m, &f[3]), 0);
	assert_int_equal(weft_mutex_lock(&hand, &m, &f[1]), WEFT_PENDING);
	assert_int_equal(weft_mutex_unlock(&m), 0);
	assert_int_equal(weft_mutex_lock(cancelled(), &m, &f[1]), -ECANCELED);
	assert_true(weft_mutex_try_lock(&m));
}

static void test_misuse(void **state)
{
	struct weft_mutex m = { .waiters.holder = 0 }, other = m;
	struct weft_acquire a = { .want = 0 }, b = a;

	(void)state;
	watch_begin();
	assert_int_equal(weft_mutex_unlock(&m), -EPERM);
	assert_int_equal(misuses(), 1);
	assert_true(weft_mutex_try_lock(&m) && weft_mutex_try_lock(&other));
	assert_int_equal(weft_mutex_lock(&hand, &m, &a), WEFT_PENDING);
	assert_int_equal(weft_mutex_done(&m), -EBUSY);
	assert_int_equal(weft_mutex_lock(&hand, &other, &a), -EBUSY);
	assert_int_equal(misuses(), 3);
	assert_int_equal(weft_mutex_unlock(&m), 0);
	assert_int_equal(weft_mutex_lock(&hand, &m, &a), 0);
	assert_int_equal(weft_mutex_done(&m), -EBUSY);
	assert_int_equal(weft_mutex_unlock(&m), 0);
	assert_int_equal(weft_mutex_done(&m), 0);
	assert_int_equal(weft_mutex_lock(&hand, &m, &b), 0);
	watch_end();
}

static void test_events(void **state)
{
	struct weft_mutex m = { .waiters.holder = 0 };
	struct weft_acquire a = { .want = 0 }, b = a, c = a;
	char text[32];

	(void)state;
	watch_begin();
	assert_int_equal(weft_mutex_lock(&hand, &m, &a), 0);
	for (int i = 0; i < 3; i++) /* one wait, however often it is polled */
		assert_int_equal(weft_mutex_lock(&hand, &m, &b), WEFT_PENDING);
	assert_int_equal(weft_mutex_lock(&hand, &m, &c), WEFT_PENDING);
	assert_int_equal(weft_mutex_unlock(&m), 0);
	assert_int_equal(weft_mutex_lock(&hand, &m, &b), 0);
	assert_int_equal(weft_mutex_lock(cancelled(), &m, &c), -ECANCELED);
	assert_int_equal(weft_mutex_unlock(&m), 0);
	lock_waits(&m, text, sizeof(text));
	assert_string_equal(text, "awwralr");
	watch_end();
}

struct crowd {
	WEFT_FRAME;
	struct weft_mutex *m;
	struct weft_acquire lock;
	struct weft_yield yield;
	struct weft_sleep limit;
	uint32_t *inside, *done;
	uint64_t *sum, holder_wrong;
	int i;
};

static weft_poll_t crowd(struct weft_cx *cx, struct crowd *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 100; f->i++) {
		weft_await(f, weft_mutex_lock(cx, f->m, &f->lock));
		if (__atomic_fetch_add(f->inside, 1, __ATOMIC_RELAXED) != 0 ||
		    f->m->waiters.holder != weft_task_id(cx))
			f->holder_wrong++;
		++*f->sum;
		weft_await(f, weft_yield(cx, &f->yield));
		__atomic_fetch_sub(f->inside, 1, __ATOMIC_RELAXED);
		weft_mutex_unlock(f->m);
	}
	if (f->holder_wrong) /* without the mutex by now */
		__atomic_fetch_add(f->sum, 1000000, __ATOMIC_RELAXED);
	__atomic_fetch_add(f->done, 1, __ATOMIC_RELEASE);
	weft_async_end(f, 0);
}

/* Tasks, the calling thread beside them. */
static void test_exclusion(void **state)
{
	struct weft_mutex m = { .waiters.holder = 0 };
	uint32_t inside = 0, done = 0;
	uint64_t sum = 0;
	struct crowd f = { .m = &m, .inside = &inside, .done = &done, .sum = &sum };

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_int_equal(weft_spawn(rt, crowd, f), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(weft_mutex_blocking_lock(&m), 0);
		sum++;
		assert_int_equal(__atomic_load_n(&inside, __ATOMIC_RELAXED), 0);
		assert_int_equal(weft_mutex_unlock(&m), 0);
	}
	wait_for(&done, 8);
	assert_int_equal(sum, 900);
	assert_int_equal(weft_mutex_done(&m), 0);
}

static weft_poll_t limited(struct weft_cx *cx, struct crowd *f)
{
	weft_async_begin(f);
	weft_await(f, weft_timeout(cx, &f->limit, 5 * MS, weft_mutex_lock(cx, f->m, &f->lock)));
	if (f->rc != -ETIMEDOUT)
		return -1;
	weft_mutex_unlock(f->m);
	weft_await(f, weft_timeout(cx, &f->limit, 5000 * MS, weft_mutex_lock(cx, f->m, &f->lock)));
	if (f->rc)
		return -2;
	weft_async_end(f, weft_mutex_blocking_lock(f->m));
}

static void test_timeout_and_blocking_in_a_task(void **state)
{
	struct weft_mutex m = { .waiters.holder = 0 };
	struct crowd f = { .m = &m };

	(void)state;
	assert_true(weft_mutex_try_lock(&m));
	assert_int_equal(weft_block_on(rt, limited, &f), -EDEADLK);
	assert_false(weft_mutex_try_lock(&m));
	assert_int_equal(weft_mutex_unlock(&m), 0);
	assert_int_equal(weft_mutex_done(&m), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_lock_and_try),
	cmocka_unit_test(test_fifo),
	cmocka_unit_test(test_cancel_passes_on),
	cmocka_unit_test(test_misuse),
	cmocka_unit_test(test_events),
	cmocka_unit_test(test_exclusion),
	cmocka_unit_test(test_timeout_and_blocking_in_a_task),
};

SYNC_MAIN(tests)
