/* SPDX-License-Identifier: MIT */
#include "tests/unit/runtime/sync_test.h"

static struct weft_watch_tx *tx;
static struct weft_watch_rx *rx;

static void open_watch(uint64_t value)
{
	assert_int_equal(weft_watch_new(sizeof(value), &value, &tx, &rx), 0);
}

static int publish(uint64_t value)
{
	return weft_watch_send(tx, &value);
}

static uint64_t get(void)
{
	uint64_t value = 0;

	weft_watch_get(rx, &value);
	return value;
}

static void test_latest(void **state)
{
	struct weft_watch_rx *late;
	struct weft_waiter f = { .mark = 0 };
	uint64_t value = 0;

	(void)state;
	open_watch(10);
	assert_false(weft_watch_has_changed(rx));
	assert_int_equal(get(), 10);
	assert_int_equal(weft_watch_changed(&hand, rx, &f), WEFT_PENDING);
	assert_int_equal(publish(11), 0);
	assert_int_equal(publish(12), 0);
	assert_int_equal(weft_watch_changed(&hand, rx, &f), 0);
	assert_int_equal(get(), 12);
	assert_int_equal(weft_watch_changed(&hand, rx, &f), WEFT_PENDING);
	assert_int_equal(publish(13), 0);
	/* cancelled when it has just changed: still unseen */
	assert_int_equal(weft_watch_changed(cancelled(), rx, &f), -ECANCELED);
	assert_true(weft_watch_has_changed(rx));
	weft_watch_peek(rx, &value);
	assert_int_equal(value, 13);
	assert_true(weft_watch_has_changed(rx));
	assert_int_equal(weft_watch_subscribe(tx, &late), 0);
	assert_false(weft_watch_has_changed(late));
	assert_int_equal(weft_watch_blocking_changed(rx), 0);
	weft_watch_rx_free(late);
	weft_watch_rx_free(rx);
	assert_int_equal(publish(14), -EPIPE);
	assert_int_equal(weft_watch_subscribe(tx, &rx), 0);
	assert_int_equal(get(), 14);
	weft_watch_rx_free(rx);
	assert_null(weft_watch_tx_unref(tx));
	assert_null(weft_watch_tx_unref(NULL));
	assert_null(weft_watch_rx_free(NULL));
}

static void test_sender_goes(void **state)
{
	struct weft_waiter f = { .mark = 0 };

	(void)state;
	open_watch(1);
	assert_ptr_equal(weft_watch_tx_ref(tx), tx);
	assert_int_equal(weft_watch_changed(&hand, rx, &f), WEFT_PENDING);
	weft_watch_tx_unref(tx);
	assert_int_equal(weft_watch_changed(&hand, rx, &f), WEFT_PENDING);
	weft_watch_tx_unref(tx);
	assert_int_equal(weft_watch_changed(&hand, rx, &f), -EPIPE);
	assert_int_equal(get(), 1);
	weft_watch_rx_free(rx);

	open_watch(1);
	publish(2);
	weft_watch_tx_unref(tx);
	assert_int_equal(weft_watch_changed(&hand, rx, &f), 0); /* its last word is heard */
	assert_int_equal(weft_watch_changed(&hand, rx, &f), -EPIPE);
	assert_int_equal(get(), 2);
	weft_watch_rx_free(rx);
}

static void test_misuse(void **state)
{
	struct weft_waiter f = { .mark = 0 }, other = f;

	(void)state;
	open_watch(1);
	watch_begin();
	assert_int_equal(weft_watch_changed(&hand, rx, &f), WEFT_PENDING);
	assert_int_equal(weft_watch_changed(&hand, rx, &other), -EBUSY);
	assert_null(weft_watch_rx_free(rx));
	assert_int_equal(misuses(), 2);
	watch_end();
	assert_int_equal(publish(2), 0);
	assert_int_equal(weft_watch_changed(&hand, rx, &f), 0);
	weft_watch_rx_free(rx);
	weft_watch_tx_unref(tx);
}

struct follower {
	WEFT_FRAME;
	struct weft_watch_rx *rx;
	struct weft_waiter wait;
	uint64_t value, last;
	uint32_t *wrong, *done;
};

#define VALUES 3000
#define CROWD  40 /* more than are woken at a time */

/* Never backwards, and the last one is seen. */
static weft_poll_t follower(struct weft_cx *cx, struct follower *f)
{
	weft_async_begin(f);
	for (;;) {
		weft_await(f, weft_watch_changed(cx, f->rx, &f->wait));
		if (f->rc)
			break;
		weft_watch_get(f->rx, &f->value);
		if (f->value < f->last)
			__atomic_fetch_add(f->wrong, 1, __ATOMIC_RELAXED);
		f->last = f->value;
	}
	if (f->rc != -EPIPE || f->last != VALUES)
		__atomic_fetch_add(f->wrong, 1, __ATOMIC_RELAXED);
	weft_watch_rx_free(f->rx);
	__atomic_fetch_add(f->done, 1, __ATOMIC_RELEASE);
	weft_async_end(f, 0);
}

static void test_tasks(void **state)
{
	uint32_t wrong = 0, done = 0;
	struct follower f = { .wrong = &wrong, .done = &done };

	(void)state;
	open_watch(0);
	for (int i = 0; i < CROWD; i++) {
		assert_int_equal(weft_watch_subscribe(tx, &f.rx), 0);
		assert_int_equal(weft_spawn(rt, follower, f), 0);
	}
	for (uint64_t i = 1; i <= VALUES; i++)
		assert_int_equal(publish(i), 0);
	weft_watch_tx_unref(tx);
	wait_for(&done, CROWD);
	assert_int_equal(wrong, 0);
	assert_int_equal(get(), VALUES);
	weft_watch_rx_free(rx);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_latest),
	cmocka_unit_test(test_sender_goes),
	cmocka_unit_test(test_misuse),
	cmocka_unit_test(test_tasks),
};

SYNC_MAIN(tests)
