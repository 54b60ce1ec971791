/* SPDX-License-Identifier: MIT */
#include "tests/unit/runtime/sync_test.h"

static struct weft_mpsc_tx *tx;
static struct weft_mpsc_rx *rx;

static void open_channel(uint32_t capacity)
{
	assert_int_equal(weft_mpsc_new(sizeof(uint64_t), capacity, &tx, &rx), 0);
}

static int try_send(uint64_t value)
{
	return weft_mpsc_try_send(tx, &value);
}

/* The next message, or an error below zero. */
static int64_t try_recv(void)
{
	uint64_t value;
	int rc = weft_mpsc_try_recv(rx, &value);

	return rc ? rc : (int64_t)value;
}

static void test_order_over_many_blocks(void **state)
{
	(void)state;
	for (uint32_t capacity = 0; capacity < 200; capacity += 100) {
		uint64_t in = 0, out = 0;

		open_channel(capacity);
		for (int round = 0; round < 300; round++) {
			for (int i = 0; i < round % 90; i++)
				assert_int_equal(try_send(in++), 0);
			assert_int_equal(weft_mpsc_len(rx), in - out);
			while (out < in - (uint64_t)(round % 7) % (in - out + 1))
				assert_int_equal(try_recv(), out++);
		}
		while (out < in)
			assert_int_equal(try_recv(), out++);
		assert_int_equal(try_recv(), -EAGAIN);
		weft_mpsc_tx_unref(tx);
		assert_int_equal(try_recv(), -EPIPE);
		assert_null(weft_mpsc_rx_free(rx));
	}
}

static void test_capacity(void **state)
{
	struct weft_waiter a = { .mark = 0 }, b = a;
	uint64_t one = 1, two = 2;

	(void)state;
	open_channel(1);
	assert_int_equal(try_send(0), 0);
	assert_int_equal(try_send(9), -EAGAIN);
	assert_int_equal(weft_mpsc_send(&hand, tx, &a, &one), WEFT_PENDING);
	assert_int_equal(weft_mpsc_send(&hand, tx, &b, &two), WEFT_PENDING);
	assert_int_equal(try_recv(), 0);
	assert_int_equal(try_send(9), -EAGAIN); /* the place is a's, though still empty */
	assert_int_equal(try_recv(), -EAGAIN);
	assert_int_equal(weft_mpsc_send(&hand, tx, &b, &two), WEFT_PENDING);
	assert_int_equal(weft_mpsc_send(&hand, tx, &a, &one), 0);
	assert_int_equal(try_recv(), 1);
	assert_int_equal(weft_mpsc_send(&hand, tx, &b, &two), 0);
	assert_int_equal(try_recv(), 2);
	weft_mpsc_tx_unref(tx);
	weft_mpsc_rx_free(rx);
	assert_int_equal(weft_mpsc_new(SIZE_MAX, 1, &tx, &rx), -EINVAL);
}

static void test_reserve(void **state)
{
	struct weft_waiter a = { .mark = 0 }, b = a;
	uint64_t one = 1, two = 2;

	(void)state;
	open_channel(1);
	assert_int_equal(weft_mpsc_reserve(&hand, tx, &a), 0);
	assert_int_equal(weft_mpsc_try_reserve(tx), -EAGAIN);
	assert_int_equal(try_send(9), -EAGAIN);
	assert_int_equal(try_recv(), -EAGAIN);
	assert_int_equal(weft_mpsc_reserve(&hand, tx, &b), WEFT_PENDING);
	assert_int_equal(weft_mpsc_send_reserved(tx, &one), 0);
	assert_int_equal(weft_mpsc_reserve(&hand, tx, &b), WEFT_PENDING);
	assert_int_equal(try_recv(), 1); /* hands its place to b */
	assert_int_equal(try_send(9), -EAGAIN);
	assert_int_equal(weft_mpsc_reserve(&hand, tx, &b), 0);
	weft_mpsc_unreserve(tx);
	assert_int_equal(try_send(7), 0);
	assert_int_equal(weft_mpsc_reserve(&hand, tx, &a), WEFT_PENDING);
	assert_int_equal(weft_mpsc_reserve(&hand, tx, &b), WEFT_PENDING);
	assert_int_equal(try_recv(), 7);
	assert_int_equal(weft_mpsc_reserve(cancelled(), tx, &a), -ECANCELED); /* a had it */
	assert_int_equal(weft_mpsc_reserve(&hand, tx, &b), 0);
	weft_mpsc_close(rx);
	assert_int_equal(weft_mpsc_send_reserved(tx, &two), -EPIPE);
	assert_int_equal(weft_mpsc_reserve(&hand, tx, &a), -EPIPE);
	assert_int_equal(try_recv(), -EPIPE);
	weft_mpsc_tx_unref(tx);
	weft_mpsc_rx_free(rx);
}

static void test_closed(void **state)
{
	struct weft_waiter a = { .mark = 0 }, b = a, c = a;

	(void)state;
	open_channel(1);
	assert_int_equal(weft_mpsc_closed(&hand, tx, &a), WEFT_PENDING);
	assert_int_equal(weft_mpsc_closed(&hand, tx, &b), WEFT_PENDING);
	assert_int_equal(weft_mpsc_closed(cancelled(), tx, &b), -ECANCELED);
	assert_int_equal(try_send(1), 0);
	assert_int_equal(weft_mpsc_closed(&hand, tx, &a), WEFT_PENDING);
	assert_false(weft_mpsc_is_closed(tx));
	weft_mpsc_rx_free(rx);
	assert_true(weft_mpsc_is_closed(tx));
	assert_int_equal(weft_mpsc_closed(&hand, tx, &a), 0);
	assert_int_equal(weft_mpsc_closed(&hand, tx, &a), 0); /* reusable */
	assert_int_equal(weft_mpsc_closed(&hand, tx, &c), 0);
	weft_mpsc_tx_unref(tx);
}

struct watcher {
	WEFT_FRAME;
	struct weft_waiter wait;
};

static weft_poll_t watcher(struct weft_cx *cx, struct watcher *f)
{
	weft_async_begin(f);
	weft_await(f, weft_mpsc_closed(cx, tx, &f->wait));
	weft_async_end(f, f->rc);
}

static void test_closed_wakes_tasks(void **state)
{
	struct weft_join *join[40];

	(void)state;
	open_channel(4);
	for (int i = 0; i < 40; i++)
		assert_int_equal(weft_spawn(rt, watcher, ((struct watcher){ .rc = 0 }),
					    .join = &join[i]),
				 0);
	weft_join_abort(join[0]);
	while (!weft_join_done(join[0]))
		usleep(200);
	weft_mpsc_rx_free(rx);
	for (int i = 0; i < 40; i++) {
		while (!weft_join_done(join[i]))
			usleep(200);
		weft_join_detach(join[i]);
	}
	weft_mpsc_tx_unref(tx);
}

/* A sender that was granted a place in the moment it is cancelled passes it on. */
static void test_cancelled_send(void **state)
{
	struct weft_waiter a = { .mark = 0 }, b = a, c = a;
	uint64_t value = 7;

	(void)state;
	open_channel(1);
	assert_int_equal(try_send(0), 0);
	assert_int_equal(weft_mpsc_send(&hand, tx, &a, &value), WEFT_PENDING);
	assert_int_equal(weft_mpsc_send(&hand, tx, &b, &value), WEFT_PENDING);
	assert_int_equal(weft_mpsc_send(&hand, tx, &c, &value), WEFT_PENDING);
	assert_int_equal(weft_mpsc_send(cancelled(), tx, &a, &value), -ECANCELED);
	assert_int_equal(try_recv(), 0);
	assert_int_equal(weft_mpsc_send(cancelled(), tx, &b, &value), -ECANCELED);
	assert_int_equal(weft_mpsc_send(&hand, tx, &c, &value), 0);
	assert_int_equal(weft_mpsc_send(&hand, tx, &a, &value), WEFT_PENDING);
	assert_int_equal(try_recv(), 7);
	assert_int_equal(weft_mpsc_send(cancelled(), tx, &a, &value), -ECANCELED);
	assert_int_equal(try_send(8), 0); /* nobody to pass it to: free */
	assert_int_equal(try_recv(), 8);
	weft_mpsc_tx_unref(tx);
	weft_mpsc_rx_free(rx);
}

static void test_cancelled_recv_loses_nothing(void **state)
{
	struct weft_waiter f = { .mark = 0 }, other = f;
	uint64_t value = 0;

	(void)state;
	open_channel(0);
	assert_int_equal(weft_mpsc_recv(&hand, rx, &f, &value), WEFT_PENDING);
	watch_begin();
	assert_int_equal(weft_mpsc_recv(&hand, rx, &other, &value), -EBUSY);
	assert_int_equal(misuses(), 1);
	watch_end();
	assert_int_equal(try_send(5), 0);
	assert_int_equal(weft_mpsc_recv(cancelled(), rx, &f, &value), -ECANCELED);
	assert_int_equal(weft_mpsc_recv(&hand, rx, &other, &value), 0);
	assert_int_equal(value, 5);
	/* woken for a message that somebody else took: waits on */
	assert_int_equal(weft_mpsc_recv(&hand, rx, &f, &value), WEFT_PENDING);
	assert_int_equal(try_send(6), 0);
	assert_int_equal(try_recv(), 6);
	assert_int_equal(weft_mpsc_recv(&hand, rx, &f, &value), WEFT_PENDING);
	assert_int_equal(try_send(7), 0);
	assert_int_equal(weft_mpsc_recv(&hand, rx, &f, &value), 0);
	assert_int_equal(value, 7);
	weft_mpsc_tx_unref(tx);
	weft_mpsc_rx_free(rx);
}

static void test_receiver_goes(void **state)
{
	struct weft_waiter queued = { .mark = 0 }, granted = queued;
	uint64_t value = 1;

	(void)state;
	open_channel(1);
	assert_int_equal(try_send(0), 0);
	assert_int_equal(weft_mpsc_send(&hand, tx, &granted, &value), WEFT_PENDING);
	assert_int_equal(weft_mpsc_send(&hand, tx, &queued, &value), WEFT_PENDING);
	assert_int_equal(try_recv(), 0);
	weft_mpsc_close(rx);
	assert_int_equal(try_send(1), -EPIPE);
	assert_int_equal(try_recv(), -EPIPE);
	weft_mpsc_rx_free(rx);
	assert_int_equal(weft_mpsc_send(&hand, tx, &granted, &value), -EPIPE);
	assert_int_equal(weft_mpsc_send(&hand, tx, &queued, &value), -EPIPE);
	assert_int_equal(weft_mpsc_send(&hand, tx, &queued, &value), -EPIPE);
	assert_int_equal(weft_mpsc_blocking_send(tx, &value), -EPIPE);
	assert_null(weft_mpsc_tx_unref(tx));
	assert_null(weft_mpsc_tx_unref(NULL));
	assert_null(weft_mpsc_rx_free(NULL));
	open_channel(4);
	assert_int_equal(try_send(3), 0);
	weft_mpsc_close(rx); /* what is in it stays */
	assert_int_equal(try_recv(), 3);
	assert_int_equal(try_recv(), -EPIPE);
	weft_mpsc_rx_free(rx);
	weft_mpsc_tx_unref(tx);
}

static void test_senders_go(void **state)
{
	struct weft_waiter f = { .mark = 0 };
	uint64_t value;

	(void)state;
	open_channel(0);
	assert_ptr_equal(weft_mpsc_tx_ref(tx), tx);
	assert_int_equal(try_send(1), 0);
	weft_mpsc_tx_unref(tx);
	assert_int_equal(weft_mpsc_recv(&hand, rx, &f, &value), 0);
	assert_int_equal(weft_mpsc_recv(&hand, rx, &f, &value), WEFT_PENDING);
	weft_mpsc_tx_unref(tx);
	assert_int_equal(weft_mpsc_recv(&hand, rx, &f, &value), -EPIPE);
	assert_int_equal(weft_mpsc_blocking_recv(rx, &value), -EPIPE);
	weft_mpsc_rx_free(rx);
}

/* An end that is given back while it waits stays, and what it waits for with it. */
static void test_handles_in_use(void **state)
{
	struct weft_waiter f = { .mark = 0 };
	uint64_t value = 0;

	(void)state;
	open_channel(1);
	watch_begin();
	assert_int_equal(weft_mpsc_recv(&hand, rx, &f, &value), WEFT_PENDING);
	assert_null(weft_mpsc_rx_free(rx));
	assert_int_equal(misuses(), 1);
	assert_int_equal(weft_mpsc_recv(&hand, rx, &f, &value), -EPIPE); /* closed all the same */
	weft_mpsc_rx_free(rx);
	weft_mpsc_tx_unref(tx);
	open_channel(1);
	assert_int_equal(try_send(0), 0);
	assert_int_equal(weft_mpsc_send(&hand, tx, &f, &value), WEFT_PENDING);
	assert_null(weft_mpsc_tx_unref(tx));
	assert_int_equal(misuses(), 2);
	watch_end();
	assert_int_equal(weft_mpsc_send(cancelled(), tx, &f, &value), -ECANCELED);
	weft_mpsc_tx_unref(tx);
	weft_mpsc_rx_free(rx);
}

static void test_sizes(void **state)
{
	static const size_t sizes[] = { 0, 1, 3, 24, 5000 };
	static char in[5000], out[5000];

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		assert_int_equal(weft_mpsc_new(sizes[s], s % 2 ? 50 : 0, &tx, &rx), 0);
		for (int i = 0; i < 50; i++) {
			memset(in, i, sizes[s]);
			assert_int_equal(weft_mpsc_try_send(tx, sizes[s] ? in : NULL), 0);
		}
		for (int i = 0; i < 50; i++) {
			memset(in, i, sizes[s]);
			assert_int_equal(weft_mpsc_try_recv(rx, sizes[s] ? out : NULL), 0);
			assert_memory_equal(in, out, sizes[s] + !sizes[s]);
		}
		weft_mpsc_rx_free(rx); /* the order doesn't matter */
		weft_mpsc_tx_unref(tx);
		memset(in, 0, sizeof(in));
		memset(out, 0, sizeof(out));
	}
}

struct end {
	WEFT_FRAME;
	struct weft_mpsc_tx *tx;
	struct weft_mpsc_rx *rx;
	struct weft_waiter wait;
	uint64_t value, sum, id;
	uint64_t next[8];
	uint32_t n;
};

#define MESSAGES 5000

static weft_poll_t sender(struct weft_cx *cx, struct end *f)
{
	weft_async_begin(f);
	for (f->n = 0; f->n < MESSAGES; f->n++) {
		f->value = f->id << 32 | f->n;
		weft_await(f, weft_mpsc_send(cx, f->tx, &f->wait, &f->value));
		if (f->rc)
			break;
	}
	weft_mpsc_tx_unref(f->tx);
	weft_async_end(f, f->rc);
}

/* Each sender's messages come in its order. Gives the number of messages. */
static weft_poll_t receiver(struct weft_cx *cx, struct end *f)
{
	weft_async_begin(f);
	for (;;) {
		weft_await(f, weft_mpsc_recv(cx, f->rx, &f->wait, &f->value));
		if (f->rc)
			break;
		if (f->next[f->value >> 32]++ != (uint32_t)f->value)
			return -EILSEQ;
		f->n++;
	}
	weft_mpsc_rx_free(f->rx);
	weft_async_end(f, f->rc == -EPIPE ? (int)f->n : f->rc);
}

static void *blocking_sender(void *arg)
{
	struct end *f = arg;

	for (f->n = 0; f->n < MESSAGES; f->n++) {
		f->value = f->id << 32 | f->n;
		if (weft_mpsc_blocking_send(f->tx, &f->value))
			break;
	}
	weft_mpsc_tx_unref(f->tx);
	return NULL;
}

static void test_tasks_and_threads(void **state)
{
	static const uint32_t capacities[] = { 1, 16, 128, 0 };

	(void)state;
	for (int c = 0; c < 4; c++) {
		struct end f = { .n = 0 }, foreign = f;
		pthread_t thread;

		open_channel(capacities[c]);
		f.rx = rx;
		for (f.id = 0; f.id < 3; f.id++) {
			f.tx = weft_mpsc_tx_ref(tx);
			assert_int_equal(weft_spawn(rt, sender, f), 0);
		}
		foreign.id = 3;
		foreign.tx = tx;
		pthread_create(&thread, NULL, blocking_sender, &foreign);
		assert_int_equal(weft_block_on(rt, receiver, &f), 4 * MESSAGES);
		pthread_join(thread, NULL);
		assert_int_equal(foreign.n, MESSAGES);
	}
}

static void test_blocking_recv(void **state)
{
	struct end f = { .n = 0 };
	uint64_t value, n = 0;

	(void)state;
	open_channel(8);
	f.tx = tx;
	assert_int_equal(weft_spawn(rt, sender, f), 0);
	while (weft_mpsc_blocking_recv(rx, &value) == 0)
		assert_int_equal(value, n++);
	assert_int_equal(n, MESSAGES);
	weft_mpsc_rx_free(rx);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_order_over_many_blocks),
	cmocka_unit_test(test_capacity),
	cmocka_unit_test(test_reserve),
	cmocka_unit_test(test_closed),
	cmocka_unit_test(test_closed_wakes_tasks),
	cmocka_unit_test(test_cancelled_send),
	cmocka_unit_test(test_cancelled_recv_loses_nothing),
	cmocka_unit_test(test_receiver_goes),
	cmocka_unit_test(test_senders_go),
	cmocka_unit_test(test_handles_in_use),
	cmocka_unit_test(test_sizes),
	cmocka_unit_test(test_tasks_and_threads),
	cmocka_unit_test(test_blocking_recv),
};

SYNC_MAIN(tests)
