/* SPDX-License-Identifier: MIT */
#include "runtime/base/memory.h"
#include "runtime/sync/look.h"

struct weft_oneshot {
	struct weft_waiters waiters;
	size_t bytes;
	uint32_t pending;
	uint8_t sent, taken, tx_gone, rx_gone;
	char value[] __attribute__((aligned(16)));
};

static struct weft_oneshot *of_tx(const struct weft_oneshot_tx *tx)
{
	return (struct weft_oneshot *)(uintptr_t)tx;
}

static struct weft_oneshot *of_rx(const struct weft_oneshot_rx *rx)
{
	return (struct weft_oneshot *)(uintptr_t)rx;
}

int weft_oneshot_new(size_t bytes, struct weft_oneshot_tx **ret_tx, struct weft_oneshot_rx **ret_rx)
{
	struct weft_oneshot *c = bytes < SIZE_MAX / 2 ? weft_memory_alloc(sizeof(*c) + bytes)
						      : NULL;

	if (!c)
		return -ENOMEM;
	c->bytes = bytes;
	*ret_tx = (struct weft_oneshot_tx *)c;
	*ret_rx = (struct weft_oneshot_rx *)c;
	return 0;
}

/* The sender goes, with a value or without. */
static int tx_end(struct weft_oneshot *c, bool send, const void *value)
{
	struct weft_wake wake = { NULL, 0 };
	bool rx_gone;

	weft_waiters_lock(&c->waiters);
	rx_gone = c->rx_gone;
	if (send && !rx_gone) {
		weft_waiter_copy(c->value, value, c->bytes);
		c->sent = 1;
	}
	c->tx_gone = 1;
	if (c->waiters.first)
		wake = weft_waiters_take(c->waiters.first, WEFT_WAITER_WOKEN);
	weft_waiters_unlock(&c->waiters);
	weft_wake_send(wake);
	if (rx_gone)
		weft_memory_free(c);
	return send && rx_gone ? -EPIPE : 0;
}

int weft_oneshot_send(struct weft_oneshot_tx *tx, const void *value)
{
	return tx_end(of_tx(tx), true, value);
}

struct weft_oneshot_tx *weft_oneshot_tx_free(struct weft_oneshot_tx *tx)
{
	if (tx)
		tx_end(of_tx(tx), false, NULL);
	return NULL;
}

bool weft_oneshot_tx_closed(const struct weft_oneshot_tx *tx)
{
	/* Relaxed: the receiver may go at any time anyway. */
	return __atomic_load_n(&of_tx(tx)->rx_gone, __ATOMIC_RELAXED);
}

struct receive {
	struct weft_oneshot *c;
	void *ret;
};

static int look(void *arg)
{
	const struct receive *r = arg;
	struct weft_oneshot *c = r->c;

	if (c->taken)
		return -EINVAL;
	if (!c->sent)
		return c->tx_gone ? -EPIPE : WEFT_PENDING;
	weft_waiter_copy(r->ret, c->value, c->bytes);
	c->taken = 1;
	return 0;
}

weft_poll_t weft_oneshot_recv(struct weft_cx *cx, struct weft_oneshot_rx *rx, struct weft_waiter *f,
			      void *ret)
{
	struct weft_oneshot *c = of_rx(rx);
	struct receive r = { c, ret };
	const struct weft_look op = { &c->waiters,       &c->waiters, &c->pending,
				      WEFT_WAIT_ONESHOT, look,        &r };

	return weft_look(cx, f, &op);
}

int weft_oneshot_blocking_recv(struct weft_oneshot_rx *rx, void *ret)
{
	struct weft_cx context = WEFT_WAITER_CONTEXT;
	struct weft_waiter f = { .task = NULL };

	return WEFT_WAITER_BLOCK(&f, weft_oneshot_recv(&context, rx, &f, ret));
}

int weft_oneshot_try_recv(struct weft_oneshot_rx *rx, void *ret)
{
	struct receive r = { of_rx(rx), ret };
	int rc;

	weft_waiters_lock(&r.c->waiters);
	rc = look(&r);
	weft_waiters_unlock(&r.c->waiters);
	return rc == WEFT_PENDING ? -EAGAIN : rc;
}

struct weft_oneshot_rx *weft_oneshot_rx_free(struct weft_oneshot_rx *rx)
{
	struct weft_oneshot *c = of_rx(rx);
	bool tx_gone, pending;

	if (!c)
		return NULL;
	weft_waiters_lock(&c->waiters);
	tx_gone = c->tx_gone;
	pending = c->pending;
	if (!pending)
		__atomic_store_n(&c->rx_gone, 1, __ATOMIC_RELAXED);
	weft_waiters_unlock(&c->waiters);
	if (pending)
		weft_waiters_in_use();
	else if (tx_gone)
		weft_memory_free(c);
	return NULL;
}
