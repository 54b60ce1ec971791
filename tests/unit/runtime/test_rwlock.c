/* SPDX-License-Identifier: MIT */
#include "tests/unit/runtime/sync_test.h"

#define READERS 40 /* more than are woken at a time */

static void test_readers_share(void **state)
{
	struct weft_rwlock l = { .waiters.holder = 0 };
	struct weft_acquire f[3] = { { .want = 0 } };

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(weft_rwlock_read(&hand, &l, &f[i]), 0);
	assert_true(weft_rwlock_try_read(&l));
	assert_false(weft_rwlock_try_write(&l));
	for (int i = 0; i < 4; i++)
		assert_int_equal(weft_rwlock_unlock_read(&l), 0);
	assert_int_equal(weft_rwlock_write(&hand, &l, &f[0]), 0);
	assert_false(weft_rwlock_try_read(&l));
	assert_int_equal(weft_rwlock_unlock_write(&l), 0);
	assert_int_equal(weft_rwlock_blocking_read(&l), 0);
	assert_int_equal(weft_rwlock_unlock_read(&l), 0);
	assert_int_equal(weft_rwlock_blocking_write(&l), 0);
	assert_int_equal(weft_rwlock_unlock_write(&l), 0);
	assert_int_equal(weft_rwlock_done(&l), 0);
}

/* A reader behind a waiting writer waits, and so does one that merely tries. */
static void test_writers_do_not_starve(void **state)
{
	struct weft_rwlock l = { .waiters.holder = 0 };
	struct weft_acquire reader = { .want = 0 }, writer = reader, later[READERS] = { reader };

	(void)state;
	assert_int_equal(weft_rwlock_read(&hand, &l, &reader), 0);
	assert_int_equal(weft_rwlock_write(&hand, &l, &writer), WEFT_PENDING);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(weft_rwlock_read(&hand, &l, &later[i]), WEFT_PENDING);
	assert_false(weft_rwlock_try_read(&l));
	assert_int_equal(weft_rwlock_unlock_read(&l), 0);
	assert_int_equal(weft_rwlock_read(&hand, &l, &later[0]), WEFT_PENDING);
	assert_int_equal(weft_rwlock_write(&hand, &l, &writer), 0);
	assert_int_equal(weft_rwlock_unlock_write(&l), 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(weft_rwlock_read(&hand, &l, &later[i]), 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(weft_rwlock_unlock_read(&l), 0);
	assert_true(weft_rwlock_try_write(&l));
}

/* When the writer at the head gives up, the readers behind it need wait no longer. */
static void test_cancelled_writer_lets_readers_in(void **state)
{
	struct weft_rwlock l = { .waiters.holder = 0 };
	struct weft_acquire reader = { .want = 0 }, writer = reader, later = reader;

	(void)state;
	assert_int_equal(weft_rwlock_read(&hand, &l, &reader), 0);
	assert_int_equal(weft_rwlock_write(&hand, &l, &writer), WEFT_PENDING);
	assert_int_equal(weft_rwlock_read(&hand, &l, &later), WEFT_PENDING);
	assert_int_equal(weft_rwlock_write(cancelled(), &l, &writer), -ECANCELED);
	assert_int_equal(weft_rwlock_read(&hand, &l, &later), 0);
	assert_true(weft_rwlock_try_read(&l));
	for (int i = 0; i < 3; i++)
		assert_int_equal(weft_rwlock_unlock_read(&l), 0);
	/* and one that was granted it in that moment passes it on */
	assert_int_equal(weft_rwlock_read(&hand, &l, &reader), 0);
	assert_int_equal(weft_rwlock_write(&hand, &l, &writer), WEFT_PENDING);
	assert_int_equal(weft_rwlock_read(&hand, &l, &later), WEFT_PENDING);
	assert_int_equal(weft_rwlock_unlock_read(&l), 0);
	assert_int_equal(weft_rwlock_write(cancelled(), &l, &writer), -ECANCELED);
	assert_int_equal(weft_rwlock_read(&hand, &l, &later), 0);
	assert_int_equal(weft_rwlock_unlock_read(&l), 0);
	assert_int_equal(weft_rwlock_done(&l), 0);
}

static void test_downgrade(void **state)
{
	struct weft_rwlock l = { .waiters.holder = 0 };
	struct weft_acquire f = { .want = 0 };

	(void)state;
	assert_true(weft_rwlock_try_write(&l));
	assert_int_equal(weft_rwlock_read(&hand, &l, &f), WEFT_PENDING);
	assert_int_equal(weft_rwlock_downgrade(&l), 0);
	assert_int_equal(weft_rwlock_read(&hand, &l, &f), 0);
	assert_false(weft_rwlock_try_write(&l));
	assert_int_equal(weft_rwlock_unlock_read(&l), 0);
	assert_int_equal(weft_rwlock_unlock_read(&l), 0);
	assert_true(weft_rwlock_try_write(&l));
}

static void test_misuse(void **state)
{
	struct weft_rwlock l = { .waiters.holder = 0 };

	(void)state;
	watch_begin();
	assert_int_equal(weft_rwlock_unlock_read(&l), -EPERM);
	assert_int_equal(weft_rwlock_unlock_write(&l), -EPERM);
	assert_int_equal(weft_rwlock_downgrade(&l), -EPERM);
	assert_true(weft_rwlock_try_read(&l));
	assert_int_equal(weft_rwlock_unlock_write(&l), -EPERM);
	assert_int_equal(weft_rwlock_done(&l), -EBUSY);
	assert_int_equal(weft_rwlock_unlock_read(&l), 0);
	assert_true(weft_rwlock_try_write(&l));
	assert_int_equal(weft_rwlock_unlock_read(&l), -EPERM);
	assert_int_equal(misuses(), 6);
	assert_int_equal(weft_rwlock_unlock_write(&l), 0);
	watch_end();
}

struct user {
	WEFT_FRAME;
	struct weft_rwlock *l;
	struct weft_acquire lock;
	struct weft_yield yield;
	uint32_t *readers, *writers, *wrong, *done;
	int i, id;
};

static weft_poll_t user(struct weft_cx *cx, struct user *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 60; f->i++) {
		if ((f->i + f->id) % 4) {
			weft_await(f, weft_rwlock_read(cx, f->l, &f->lock));
			__atomic_fetch_add(f->readers, 1, __ATOMIC_RELAXED);
			*f->wrong += __atomic_load_n(f->writers, __ATOMIC_RELAXED) != 0;
			weft_await(f, weft_yield(cx, &f->yield));
			__atomic_fetch_sub(f->readers, 1, __ATOMIC_RELAXED);
			weft_rwlock_unlock_read(f->l);
		} else {
			weft_await(f, weft_rwlock_write(cx, f->l, &f->lock));
			*f->wrong += __atomic_fetch_add(f->writers, 1, __ATOMIC_RELAXED) != 0;
			*f->wrong += __atomic_load_n(f->readers, __ATOMIC_RELAXED) != 0;
			weft_await(f, weft_yield(cx, &f->yield));
			__atomic_fetch_sub(f->writers, 1, __ATOMIC_RELAXED);
			weft_rwlock_unlock_write(f->l);
		}
	}
	__atomic_fetch_add(f->done, 1, __ATOMIC_RELEASE);
	weft_async_end(f, 0);
}

static void test_tasks(void **state)
{
	struct weft_rwlock l = { .waiters.holder = 0 };
	uint32_t readers = 0, writers = 0, wrong[8] = { 0 }, done = 0;

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_int_equal(weft_spawn(rt, user,
					    ((struct user){ .l = &l,
							    .readers = &readers,
							    .writers = &writers,
							    .wrong = &wrong[i],
							    .done = &done,
							    .id = i })),
				 0);
	wait_for(&done, 8);
	for (int i = 0; i < 8; i++)
		assert_int_equal(wrong[i], 0);
	assert_int_equal(weft_rwlock_done(&l), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_readers_share),
	cmocka_unit_test(test_writers_do_not_starve),
	cmocka_unit_test(test_cancelled_writer_lets_readers_in),
	cmocka_unit_test(test_downgrade),
	cmocka_unit_test(test_misuse),
	cmocka_unit_test(test_tasks),
};

SYNC_MAIN(tests)
