/* SPDX-License-Identifier: MIT */
#include "runtime/base/memory.h"
#include "runtime/sync/audience.h"

struct weft_watch {
	struct weft_audience audience;
	uint64_t version;
	char value[] __attribute__((aligned(16)));
};

struct weft_watch_rx {
	struct weft_hearer hearer; /* at: the version seen last */
};

static struct weft_watch *of_tx(const struct weft_watch_tx *tx)
{
	return (struct weft_watch *)(uintptr_t)tx;
}

/* The audience is its first member. */
static struct weft_watch *of_rx(const struct weft_watch_rx *rx)
{
	return (struct weft_watch *)(void *)rx->hearer.audience;
}

static void subscribe(struct weft_watch *c, struct weft_watch_rx *rx)
{
	weft_audience_add(&c->audience, &rx->hearer, &c->version);
}

int weft_watch_new(size_t bytes, const void *initial, struct weft_watch_tx **ret_tx,
		   struct weft_watch_rx **ret_rx)
{
	struct weft_watch *c = bytes < SIZE_MAX / 2 ? weft_memory_alloc(sizeof(*c) + bytes) : NULL;
	struct weft_watch_rx *rx = c ? weft_memory_alloc(sizeof(*rx)) : NULL;

	if (!rx) {
		weft_memory_free(c);
		return -ENOMEM;
	}
	weft_audience_init(&c->audience, bytes);
	weft_waiter_copy(c->value, initial, bytes);
	subscribe(c, rx);
	*ret_tx = (struct weft_watch_tx *)c;
	*ret_rx = rx;
	return 0;
}

int weft_watch_subscribe(struct weft_watch_tx *tx, struct weft_watch_rx **ret)
{
	struct weft_watch_rx *rx = weft_memory_alloc(sizeof(*rx));

	if (!rx)
		return -ENOMEM;
	subscribe(of_tx(tx), rx);
	*ret = rx;
	return 0;
}

struct weft_watch_tx *weft_watch_tx_ref(struct weft_watch_tx *tx)
{
	weft_audience_add_sender(&of_tx(tx)->audience);
	return tx;
}

struct weft_watch_tx *weft_watch_tx_unref(struct weft_watch_tx *tx)
{
	if (tx)
		weft_audience_remove_sender(&of_tx(tx)->audience);
	return NULL;
}

int weft_watch_send(struct weft_watch_tx *tx, const void *value)
{
	struct weft_watch *c = of_tx(tx);
	bool heard;

	weft_waiters_lock(&c->audience.waiters);
	weft_waiter_copy(c->value, value, c->audience.bytes);
	c->version++;
	heard = c->audience.rx_count > 0;
	weft_audience_ring(&c->audience);
	return heard ? 0 : -EPIPE;
}

static int look(void *arg)
{
	struct weft_watch_rx *rx = arg;
	struct weft_watch *c = of_rx(rx);

	if (rx->hearer.at != c->version) {
		rx->hearer.at = c->version;
		return 0;
	}
	return c->audience.tx_count ? WEFT_PENDING : -EPIPE;
}

weft_poll_t weft_watch_changed(struct weft_cx *cx, struct weft_watch_rx *rx, struct weft_waiter *f)
{
	struct weft_waiters *q = &rx->hearer.audience->waiters;
	const struct weft_look op = { q, q, &rx->hearer.pending, WEFT_WAIT_WATCH, look, rx };

	return weft_look(cx, f, &op);
}

int weft_watch_blocking_changed(struct weft_watch_rx *rx)
{
	struct weft_cx context = WEFT_WAITER_CONTEXT;
	struct weft_waiter f = { .task = NULL };

	return WEFT_WAITER_BLOCK(&f, weft_watch_changed(&context, rx, &f));
}

bool weft_watch_has_changed(const struct weft_watch_rx *rx)
{
	struct weft_watch *c = of_rx(rx);
	bool changed;

	weft_waiters_lock(&c->audience.waiters);
	changed = rx->hearer.at != c->version;
	weft_waiters_unlock(&c->audience.waiters);
	return changed;
}

void weft_watch_get(struct weft_watch_rx *rx, void *ret)
{
	struct weft_watch *c = of_rx(rx);

	weft_waiters_lock(&c->audience.waiters);
	weft_waiter_copy(ret, c->value, c->audience.bytes);
	rx->hearer.at = c->version;
	weft_waiters_unlock(&c->audience.waiters);
}

void weft_watch_peek(const struct weft_watch_rx *rx, void *ret)
{
	struct weft_watch *c = of_rx(rx);

	weft_waiters_lock(&c->audience.waiters);
	weft_waiter_copy(ret, c->value, c->audience.bytes);
	weft_waiters_unlock(&c->audience.waiters);
}

struct weft_watch_rx *weft_watch_rx_free(struct weft_watch_rx *rx)
{
	if (rx)
		weft_audience_remove(&rx->hearer);
	return NULL;
}
