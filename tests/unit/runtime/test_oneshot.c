/* SPDX-License-Identifier: MIT */
#include "tests/unit/runtime/sync_test.h"

static struct weft_oneshot_tx *tx;
static struct weft_oneshot_rx *rx;

static void test_send_first_and_recv_first(void **state)
{
	struct weft_waiter f = { .mark = 0 };
	uint64_t value = 41, got = 0;

	(void)state;
	assert_int_equal(weft_oneshot_new(sizeof(value), &tx, &rx), 0);
	assert_int_equal(weft_oneshot_try_recv(rx, &got), -EAGAIN);
	assert_int_equal(weft_oneshot_send(tx, &value), 0);
	assert_int_equal(weft_oneshot_recv(&hand, rx, &f, &got), 0);
	assert_int_equal(got, 41);
	assert_int_equal(weft_oneshot_recv(&hand, rx, &f, &got), -EINVAL);
	assert_null(weft_oneshot_rx_free(rx));

	assert_int_equal(weft_oneshot_new(sizeof(value), &tx, &rx), 0);
	assert_int_equal(weft_oneshot_recv(&hand, rx, &f, &got), WEFT_PENDING);
	value = 42;
	assert_int_equal(weft_oneshot_send(tx, &value), 0);
	assert_int_equal(weft_oneshot_recv(&hand, rx, &f, &got), 0);
	assert_int_equal(got, 42);
	weft_oneshot_rx_free(rx);
	assert_null(weft_oneshot_rx_free(NULL));
	assert_null(weft_oneshot_tx_free(NULL));
}

static void test_one_side_goes(void **state)
{
	struct weft_waiter f = { .mark = 0 };
	uint64_t value = 1;

	(void)state;
	assert_int_equal(weft_oneshot_new(sizeof(value), &tx, &rx), 0);
	assert_int_equal(weft_oneshot_recv(&hand, rx, &f, &value), WEFT_PENDING);
	assert_null(weft_oneshot_tx_free(tx));
	assert_int_equal(weft_oneshot_recv(&hand, rx, &f, &value), -EPIPE);
	assert_int_equal(weft_oneshot_blocking_recv(rx, &value), -EPIPE);
	weft_oneshot_rx_free(rx);

	assert_int_equal(weft_oneshot_new(sizeof(value), &tx, &rx), 0);
	assert_false(weft_oneshot_tx_closed(tx));
	weft_oneshot_rx_free(rx);
	assert_true(weft_oneshot_tx_closed(tx));
	assert_int_equal(weft_oneshot_send(tx, &value), -EPIPE);

	assert_int_equal(weft_oneshot_new(0, &tx, &rx), 0); /* a mere signal, that nobody hears */
	assert_int_equal(weft_oneshot_send(tx, NULL), 0);
	weft_oneshot_rx_free(rx);
	assert_int_equal(weft_oneshot_new(SIZE_MAX, &tx, &rx), -ENOMEM);
}

/* Cancelled when the message is already there: it stays. */
static void test_cancelled_recv_loses_nothing(void **state)
{
	struct weft_waiter f = { .mark = 0 }, other = f;
	uint64_t value = 9, got = 0;

	(void)state;
	assert_int_equal(weft_oneshot_new(sizeof(value), &tx, &rx), 0);
	assert_int_equal(weft_oneshot_recv(&hand, rx, &f, &got), WEFT_PENDING);
	watch_begin();
	assert_int_equal(weft_oneshot_recv(&hand, rx, &other, &got), -EBUSY);
	assert_null(weft_oneshot_rx_free(rx));
	assert_int_equal(misuses(), 2);
	watch_end();
	assert_int_equal(weft_oneshot_send(tx, &value), 0);
	assert_int_equal(weft_oneshot_recv(cancelled(), rx, &f, &got), -ECANCELED);
	assert_int_equal(got, 0);
	assert_int_equal(weft_oneshot_recv(&hand, rx, &f, &got), 0);
	assert_int_equal(got, 9);
	weft_oneshot_rx_free(rx);
}

struct answer {
	WEFT_FRAME;
	struct weft_oneshot_tx *tx;
	struct weft_oneshot_rx *rx;
	struct weft_waiter wait;
	struct weft_yield yield;
	uint64_t value;
};

static weft_poll_t ask(struct weft_cx *cx, struct answer *f)
{
	weft_async_begin(f);
	weft_await(f, weft_oneshot_recv(cx, f->rx, &f->wait, &f->value));
	weft_oneshot_rx_free(f->rx);
	weft_async_end(f, f->rc ? f->rc : (int)f->value);
}

static weft_poll_t reply(struct weft_cx *cx, struct answer *f)
{
	weft_async_begin(f);
	weft_await(f, weft_yield(cx, &f->yield));
	if (f->value % 2)
		weft_oneshot_send(f->tx, &f->value);
	else
		weft_oneshot_tx_free(f->tx);
	weft_async_end(f, 0);
}

static void test_tasks_and_threads(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		struct answer f = { .value = i };
		uint64_t got = 0;

		assert_int_equal(weft_oneshot_new(sizeof(i), &f.tx, &f.rx), 0);
		assert_int_equal(weft_spawn(rt, reply, f), 0);
		if (i % 4 < 2) {
			assert_int_equal(weft_block_on(rt, ask, &f), i % 2 ? (int)i : -EPIPE);
			continue;
		}
		assert_int_equal(weft_oneshot_blocking_recv(f.rx, &got), i % 2 ? 0 : -EPIPE);
		assert_int_equal(got, i % 2 ? i : 0);
		weft_oneshot_rx_free(f.rx);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_send_first_and_recv_first),
	cmocka_unit_test(test_one_side_goes),
	cmocka_unit_test(test_cancelled_recv_loses_nothing),
	cmocka_unit_test(test_tasks_and_threads),
};

SYNC_MAIN(tests)
