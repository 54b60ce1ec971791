/* SPDX-License-Identifier: MIT */
#include "tests/unit/runtime/sync_test.h"

#define CROWD 70 /* more than are woken at a time */

static void test_one_permit(void **state)
{
	struct weft_notify n = { .round = 0 };
	struct weft_waiter f = { .mark = 0 };

	(void)state;
	weft_notify_one(&n);
	weft_notify_one(&n);
	assert_int_equal(weft_notify_wait(&hand, &n, &f), 0);
	assert_int_equal(weft_notify_wait(&hand, &n, &f), WEFT_PENDING); /* two are not kept */
	weft_notify_one(&n);
	assert_int_equal(weft_notify_wait(&hand, &n, &f), 0);
	assert_int_equal(weft_notify_wait(&hand, &n, &f), WEFT_PENDING);
	weft_notify_cancel(&hand, &n, &f);
	weft_notify_cancel(&hand, &n, &f);
	assert_int_equal(weft_notify_done(&n), 0);
}

static void test_one_is_first_come_first_served(void **state)
{
	struct weft_notify n = { .round = 0 };
	struct weft_waiter f[3] = { { .mark = 0 } };

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(weft_notify_wait(&hand, &n, &f[i]), WEFT_PENDING);
	weft_notify_one(&n);
	assert_int_equal(weft_notify_wait(&hand, &n, &f[2]), WEFT_PENDING);
	assert_int_equal(weft_notify_wait(&hand, &n, &f[0]), 0);
	weft_notify_one(&n);
	/* cancelled with the notification in hand: the next one's */
	assert_int_equal(weft_notify_wait(cancelled(), &n, &f[1]), -ECANCELED);
	assert_int_equal(weft_notify_wait(&hand, &n, &f[2]), 0);
	/* and kept when there is no next one */
	assert_int_equal(weft_notify_wait(&hand, &n, &f[0]), WEFT_PENDING);
	weft_notify_one(&n);
	assert_int_equal(weft_notify_wait(cancelled(), &n, &f[0]), -ECANCELED);
	assert_int_equal(weft_notify_wait(&hand, &n, &f[0]), 0);
}

/* Wakes those that wait, stores nothing; one of them that is cancelled has nothing to pass on. */
static void test_waiters(void **state)
{
	struct weft_notify n = { .round = UINT32_MAX - 1 }; /* rounds wrap */
	static struct weft_waiter f[CROWD], late;

	(void)state;
	for (int again = 0; again < 4; again++) {
		for (int i = 0; i < CROWD; i++)
			assert_int_equal(weft_notify_wait(&hand, &n, &f[i]), WEFT_PENDING);
		weft_notify_waiters(&n);
		assert_int_equal(weft_notify_wait(&hand, &n, &late), WEFT_PENDING);
		for (int i = 1; i < CROWD; i++)
			assert_int_equal(weft_notify_wait(&hand, &n, &f[i]), 0);
		assert_int_equal(weft_notify_wait(cancelled(), &n, &f[0]), -ECANCELED);
		assert_int_equal(weft_notify_wait(&hand, &n, &late), WEFT_PENDING);
		weft_notify_cancel(&hand, &n, &late);
	}
	weft_notify_waiters(&n);
	assert_int_equal(weft_notify_wait(&hand, &n, &late), WEFT_PENDING);
	watch_begin();
	assert_int_equal(weft_notify_done(&n), -EBUSY);
	assert_int_equal(misuses(), 1);
	watch_end();
	weft_notify_cancel(&hand, &n, &late);
}

struct ping {
	WEFT_FRAME;
	struct weft_notify *mine, *other;
	struct weft_waiter wait;
	struct weft_sleep limit;
	uint32_t *done;
	int i;
};

static weft_poll_t ping(struct weft_cx *cx, struct ping *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 1000; f->i++) {
		weft_await(f, weft_timeout(cx, &f->limit, 20000 * MS,
					   weft_notify_wait(cx, f->mine, &f->wait)));
		if (f->rc)
			return f->rc;
		weft_notify_one(f->other);
	}
	__atomic_fetch_add(f->done, 1, __ATOMIC_RELEASE);
	weft_async_end(f, 0);
}

static void test_ping_pong(void **state)
{
	struct weft_notify a = { .round = 0 }, b = { .round = 0 };
	uint32_t done = 0;

	(void)state;
	assert_int_equal(weft_spawn(rt, ping,
				    ((struct ping){ .mine = &a, .other = &b, .done = &done })),
			 0);
	assert_int_equal(weft_spawn(rt, ping,
				    ((struct ping){ .mine = &b, .other = &a, .done = &done })),
			 0);
	weft_notify_one(&a);
	wait_for(&done, 2);
}

struct flag {
	WEFT_FRAME;
	struct weft_notify *n;
	struct weft_waiter wait;
	uint32_t *flag, *ready, *done;
};

/* The pattern for notify_waiters: queue up, look, await. */
static weft_poll_t wait_for_flag(struct weft_cx *cx, struct flag *f)
{
	weft_async_begin(f);
	for (;;) {
		(void)weft_notify_wait(cx, f->n, &f->wait);
		__atomic_fetch_add(f->ready, 1, __ATOMIC_RELEASE);
		if (__atomic_load_n(f->flag, __ATOMIC_ACQUIRE))
			break;
		weft_await(f, weft_notify_wait(cx, f->n, &f->wait));
		if (f->rc)
			return f->rc;
	}
	weft_notify_cancel(cx, f->n, &f->wait);
	__atomic_fetch_add(f->done, 1, __ATOMIC_RELEASE);
	weft_async_end(f, 0);
}

static void test_flag(void **state)
{
	(void)state;
	for (int round = 0; round < 50; round++) {
		struct weft_notify n = { .round = 0 };
		uint32_t flag = 0, ready = 0, done = 0;
		struct flag f = { .n = &n, .flag = &flag, .ready = &ready, .done = &done };

		for (int i = 0; i < 4; i++)
			assert_int_equal(weft_spawn(rt, wait_for_flag, f), 0);
		while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) < (uint32_t)round % 5)
			usleep(50);
		__atomic_store_n(&flag, 1, __ATOMIC_RELEASE);
		weft_notify_waiters(&n);
		wait_for(&done, 4);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_one_permit), cmocka_unit_test(test_one_is_first_come_first_served),
	cmocka_unit_test(test_waiters),    cmocka_unit_test(test_ping_pong),
	cmocka_unit_test(test_flag),
};

SYNC_MAIN(tests)
