/* SPDX-License-Identifier: MIT */
#include "runtime/base/memory.h"
#include "runtime/sync/audience.h"

struct weft_broadcast {
	struct weft_audience audience;
	uint64_t tail; /* messages sent so far; number n lies in slot n & mask */
	uint64_t mask;
	char slots[] __attribute__((aligned(16)));
};

struct weft_broadcast_rx {
	struct weft_hearer hearer; /* at: number of the message to come */
};

static struct weft_broadcast *of_tx(const struct weft_broadcast_tx *tx)
{
	return (struct weft_broadcast *)(uintptr_t)tx;
}

/* The audience is its first member. */
static struct weft_broadcast *of_rx(const struct weft_broadcast_rx *rx)
{
	return (struct weft_broadcast *)(void *)rx->hearer.audience;
}

int weft_broadcast_new(size_t bytes, uint32_t capacity, struct weft_broadcast_tx **ret)
{
	struct weft_broadcast *c;
	uint64_t slots = 1;

	while (slots < capacity)
		slots *= 2;
	if (capacity == 0 || bytes > SIZE_MAX / 4 / slots)
		return -EINVAL;
	c = weft_memory_alloc(sizeof(*c) + slots * bytes);
	if (!c)
		return -ENOMEM;
	weft_audience_init(&c->audience, bytes);
	c->mask = slots - 1;
	*ret = (struct weft_broadcast_tx *)c;
	return 0;
}

struct weft_broadcast_tx *weft_broadcast_tx_ref(struct weft_broadcast_tx *tx)
{
	weft_audience_add_sender(&of_tx(tx)->audience);
	return tx;
}

struct weft_broadcast_tx *weft_broadcast_tx_unref(struct weft_broadcast_tx *tx)
{
	if (tx)
		weft_audience_remove_sender(&of_tx(tx)->audience);
	return NULL;
}

static char *slot(struct weft_broadcast *c, uint64_t n)
{
	return c->slots + (n & c->mask) * c->audience.bytes;
}

int weft_broadcast_send(struct weft_broadcast_tx *tx, const void *value)
{
	struct weft_broadcast *c = of_tx(tx);
	struct weft_audience *a = &c->audience;
	uint32_t receivers;

	weft_waiters_lock(&a->waiters);
	receivers = a->rx_count;
	if (!receivers) {
		weft_waiters_unlock(&a->waiters);
		return -EPIPE;
	}
	weft_waiter_copy(slot(c, c->tail), value, a->bytes);
	c->tail++;
	weft_audience_ring(a);
	return receivers < INT32_MAX ? (int)receivers : INT32_MAX;
}

int weft_broadcast_subscribe(struct weft_broadcast_tx *tx, struct weft_broadcast_rx **ret)
{
	struct weft_broadcast *c = of_tx(tx);
	struct weft_broadcast_rx *rx = weft_memory_alloc(sizeof(*rx));

	if (!rx)
		return -ENOMEM;
	weft_audience_add(&c->audience, &rx->hearer, &c->tail);
	*ret = rx;
	return 0;
}

struct receive {
	struct weft_broadcast_rx *rx;
	void *ret;
	uint64_t *ret_missed;
};

static int look(void *arg)
{
	const struct receive *r = arg;
	struct weft_broadcast *c = of_rx(r->rx);
	uint64_t *next = &r->rx->hearer.at, behind = c->tail - *next;

	if (!behind)
		return c->audience.tx_count ? WEFT_PENDING : -EPIPE;
	if (behind > c->mask + 1) {
		if (r->ret_missed)
			*r->ret_missed = behind - (c->mask + 1);
		*next = c->tail - (c->mask + 1);
		return -EOVERFLOW;
	}
	weft_waiter_copy(r->ret, slot(c, (*next)++), c->audience.bytes);
	return 0;
}

weft_poll_t weft_broadcast_recv(struct weft_cx *cx, struct weft_broadcast_rx *rx,
				struct weft_waiter *f, void *ret, uint64_t *ret_missed)
{
	struct receive r = { rx, ret, ret_missed };
	struct weft_waiters *q = &rx->hearer.audience->waiters;
	const struct weft_look op = { q, q, &rx->hearer.pending, WEFT_WAIT_BROADCAST, look, &r };

	return weft_look(cx, f, &op);
}

int weft_broadcast_blocking_recv(struct weft_broadcast_rx *rx, void *ret, uint64_t *ret_missed)
{
	struct weft_cx context = WEFT_WAITER_CONTEXT;
	struct weft_waiter f = { .task = NULL };

	return WEFT_WAITER_BLOCK(&f, weft_broadcast_recv(&context, rx, &f, ret, ret_missed));
}

int weft_broadcast_try_recv(struct weft_broadcast_rx *rx, void *ret, uint64_t *ret_missed)
{
	struct receive r = { rx, ret, ret_missed };
	int rc;

	weft_waiters_lock(&rx->hearer.audience->waiters);
	rc = look(&r);
	weft_waiters_unlock(&rx->hearer.audience->waiters);
	return rc == WEFT_PENDING ? -EAGAIN : rc;
}

struct weft_broadcast_rx *weft_broadcast_rx_free(struct weft_broadcast_rx *rx)
{
	if (rx)
		weft_audience_remove(&rx->hearer);
	return NULL;
}
