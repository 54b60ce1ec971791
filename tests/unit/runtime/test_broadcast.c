/* SPDX-License-Identifier: MIT */
#include "tests/unit/runtime/sync_test.h"

static struct weft_broadcast_tx *tx;

static struct weft_broadcast_rx *subscribe(void)
{
	struct weft_broadcast_rx *rx = NULL;

	assert_int_equal(weft_broadcast_subscribe(tx, &rx), 0);
	return rx;
}

static int publish(uint64_t value)
{
	return weft_broadcast_send(tx, &value);
}

/* The next message, or an error below zero. */
static int64_t try_recv(struct weft_broadcast_rx *rx)
{
	uint64_t value;
	int rc = weft_broadcast_try_recv(rx, &value, NULL);

	return rc ? rc : (int64_t)value;
}

static void test_to_all(void **state)
{
	struct weft_broadcast_rx *a, *b;
	struct weft_waiter fa = { .mark = 0 }, fb = fa;
	uint64_t value = 0;

	(void)state;
	assert_int_equal(weft_broadcast_new(sizeof(uint64_t), 0, &tx), -EINVAL);
	assert_int_equal(weft_broadcast_new(SIZE_MAX, 2, &tx), -EINVAL);
	assert_int_equal(weft_broadcast_new(sizeof(uint64_t), 4, &tx), 0);
	assert_int_equal(publish(0), -EPIPE);
	a = subscribe();
	assert_int_equal(publish(1), 1);
	b = subscribe();
	assert_int_equal(weft_broadcast_recv(&hand, b, &fb, &value, NULL), WEFT_PENDING);
	assert_int_equal(publish(2), 2);
	assert_int_equal(weft_broadcast_recv(&hand, b, &fb, &value, NULL), 0);
	assert_int_equal(value, 2);
	assert_int_equal(try_recv(a), 1);
	assert_int_equal(try_recv(a), 2);
	assert_int_equal(try_recv(a), -EAGAIN);
	assert_int_equal(weft_broadcast_recv(&hand, a, &fa, &value, NULL), WEFT_PENDING);
	assert_int_equal(weft_broadcast_recv(&hand, b, &fb, &value, NULL), WEFT_PENDING);
	assert_int_equal(publish(3), 2);
	assert_int_equal(weft_broadcast_recv(cancelled(), a, &fa, &value, NULL), -ECANCELED);
	assert_ptr_equal(weft_broadcast_tx_ref(tx), tx);
	weft_broadcast_tx_unref(tx);
	assert_null(weft_broadcast_tx_unref(tx));
	assert_int_equal(try_recv(a), 3); /* a cancelled recv has lost nothing */
	assert_int_equal(try_recv(a), -EPIPE);
	assert_int_equal(weft_broadcast_recv(&hand, b, &fb, &value, NULL), 0);
	assert_int_equal(weft_broadcast_recv(&hand, b, &fb, &value, NULL), -EPIPE);
	assert_null(weft_broadcast_rx_free(a));
	weft_broadcast_rx_free(b);
	weft_broadcast_rx_free(NULL);
	weft_broadcast_tx_unref(NULL);
}

static void test_lag(void **state)
{
	struct weft_broadcast_rx *rx;
	uint64_t value, missed = 0;

	(void)state;
	assert_int_equal(weft_broadcast_new(sizeof(uint64_t), 3, &tx), 0); /* 4 */
	rx = subscribe();
	for (uint64_t i = 0; i < 4; i++)
		publish(i);
	assert_int_equal(try_recv(rx), 0);
	for (uint64_t i = 4; i < 14; i++)
		publish(i);
	assert_int_equal(weft_broadcast_try_recv(rx, &value, &missed), -EOVERFLOW);
	assert_int_equal(missed, 9);
	for (int64_t i = 10; i < 14; i++)
		assert_int_equal(try_recv(rx), i);
	for (uint64_t i = 14; i < 19; i++)
		publish(i);
	weft_broadcast_tx_unref(tx);
	assert_int_equal(weft_broadcast_blocking_recv(rx, &value, NULL), -EOVERFLOW);
	assert_int_equal(weft_broadcast_blocking_recv(rx, &value, NULL), 0);
	assert_int_equal(value, 15);
	weft_broadcast_rx_free(rx);
}

static void test_misuse(void **state)
{
	struct weft_broadcast_rx *rx;
	struct weft_waiter f = { .mark = 0 }, other = f;
	uint64_t value;

	(void)state;
	assert_int_equal(weft_broadcast_new(sizeof(uint64_t), 1, &tx), 0);
	rx = subscribe();
	watch_begin();
	assert_int_equal(weft_broadcast_recv(&hand, rx, &f, &value, NULL), WEFT_PENDING);
	assert_int_equal(weft_broadcast_recv(&hand, rx, &other, &value, NULL), -EBUSY);
	assert_null(weft_broadcast_rx_free(rx));
	assert_int_equal(misuses(), 2);
	watch_end();
	assert_int_equal(publish(1), 1);
	assert_int_equal(weft_broadcast_recv(&hand, rx, &f, &value, NULL), 0);
	weft_broadcast_rx_free(rx);
	weft_broadcast_tx_unref(tx);
}

struct listener {
	WEFT_FRAME;
	struct weft_broadcast_rx *rx;
	struct weft_waiter wait;
	uint64_t value, missed, next;
	uint32_t *wrong, *done;
};

#define MESSAGES 3000
#define CROWD    40 /* more than are woken at a time */

/* Sees or misses each message once, in order. */
static weft_poll_t listener(struct weft_cx *cx, struct listener *f)
{
	weft_async_begin(f);
	for (;;) {
		weft_await(f, weft_broadcast_recv(cx, f->rx, &f->wait, &f->value, &f->missed));
		if (f->rc == -EPIPE)
			break;
		if (f->rc == -EOVERFLOW)
			f->next += f->missed;
		else if (f->rc || f->value != f->next++)
			__atomic_fetch_add(f->wrong, 1, __ATOMIC_RELAXED);
	}
	if (f->next != MESSAGES)
		__atomic_fetch_add(f->wrong, 1, __ATOMIC_RELAXED);
	weft_broadcast_rx_free(f->rx);
	__atomic_fetch_add(f->done, 1, __ATOMIC_RELEASE);
	weft_async_end(f, 0);
}

static void test_tasks(void **state)
{
	uint32_t wrong = 0, done = 0;
	struct listener f = { .wrong = &wrong, .done = &done };

	(void)state;
	assert_int_equal(weft_broadcast_new(sizeof(uint64_t), 16, &tx), 0);
	for (int i = 0; i < CROWD; i++) {
		f.rx = subscribe();
		assert_int_equal(weft_spawn(rt, listener, f), 0);
	}
	for (uint64_t i = 0; i < MESSAGES; i++) {
		assert_int_equal(publish(i), CROWD);
		if (i % 100 == 0)
			usleep(100);
	}
	weft_broadcast_tx_unref(tx);
	wait_for(&done, CROWD);
	assert_int_equal(wrong, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_to_all),
	cmocka_unit_test(test_lag),
	cmocka_unit_test(test_misuse),
	cmocka_unit_test(test_tasks),
};

SYNC_MAIN(tests)
