/* SPDX-License-Identifier: MIT */
#include "runtime/base/memory.h"
#include "runtime/sync/blocks.h"
#include "runtime/sync/look.h"

#define RESERVED_BLOCKS  64u /* of a bounded channel, made with it; what is beyond comes on demand */
#define UNBOUNDED_SPARES 2u

/*
 * All under the lock of `senders`. A place is reserved (used) before it is filled, so that a sender
 * that was granted one fills it at its next poll without asking again.
 */
struct weft_mpsc {
	struct weft_waiters senders; /* waiting for a place, marks all 0 */
	struct weft_blocks queue;
	size_t bytes;
	uint64_t used, capacity; /* places */
	struct weft_waiters receiver;
	struct weft_waiters watchers; /* waiting for the end, marks all 0 */
	uint32_t pending;
	uint32_t tx_count;
	uint8_t closed, rx_gone;
};

/* What an operation leaves to be done once the lock is free. */
struct leftover {
	struct weft_wake wake;
	struct weft_block *block;
};

static struct weft_mpsc *of_tx(const struct weft_mpsc_tx *tx)
{
	return (struct weft_mpsc *)(uintptr_t)tx;
}

static struct weft_mpsc *of_rx(const struct weft_mpsc_rx *rx)
{
	return (struct weft_mpsc *)(uintptr_t)rx;
}

static void destroy(struct weft_mpsc *c)
{
	weft_blocks_done(&c->queue);
	weft_memory_free(c);
}

int weft_mpsc_new(size_t bytes, uint32_t capacity, struct weft_mpsc_tx **ret_tx,
		  struct weft_mpsc_rx **ret_rx)
{
	uint32_t blocks = capacity / WEFT_BLOCK_MESSAGES + 2;
	struct weft_mpsc *c;

	if (bytes > SIZE_MAX / 4 / WEFT_BLOCK_MESSAGES)
		return -EINVAL;
	c = weft_memory_alloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->bytes = bytes;
	c->capacity = capacity ? capacity : UINT64_MAX;
	c->tx_count = 1;
	weft_blocks_init(&c->queue, bytes, capacity ? blocks : UNBOUNDED_SPARES);
	if (capacity &&
	    weft_blocks_reserve(&c->queue, blocks < RESERVED_BLOCKS ? blocks : RESERVED_BLOCKS)) {
		destroy(c);
		return -ENOMEM;
	}
	*ret_tx = (struct weft_mpsc_tx *)c;
	*ret_rx = (struct weft_mpsc_rx *)c;
	return 0;
}

/* A place is free: the first sender's, if one waits. */
static struct weft_wake place_free(struct weft_mpsc *c)
{
	if (__builtin_expect(!c->senders.first, 1)) {
		c->used--;
		return (struct weft_wake){ NULL, 0 };
	}
	return weft_waiters_take(c->senders.first, WEFT_WAITER_GRANTED);
}

/* Brings a block, without the lock meanwhile; whoever has come in between may have taken it. */
static int make_room(struct weft_mpsc *c)
{
	struct weft_block *block;

	weft_waiters_unlock(&c->senders);
	block = weft_blocks_alloc(c->bytes);
	weft_waiters_lock(&c->senders);
	if (!block)
		return -ENOMEM;
	weft_blocks_give(&c->queue, block);
	return c->closed ? -EPIPE : 0;
}

/* Into a reserved place, which an error gives back. */
static inline int put(struct weft_mpsc *c, const void *value, struct weft_wake *ret_wake)
{
	int rc = 0;

	while (rc == 0 && !weft_blocks_room(&c->queue))
		rc = make_room(c);
	if (__builtin_expect(rc != 0, 0)) {
		*ret_wake = place_free(c);
		return rc;
	}
	weft_waiter_copy(c->queue.in, value, c->bytes);
	weft_blocks_pushed(&c->queue);
	if (c->receiver.first)
		*ret_wake = weft_waiters_take(c->receiver.first, WEFT_WAITER_WOKEN);
	return 0;
}

/* -EAGAIN: full, or others are before us. */
static inline int take_place(struct weft_mpsc *c)
{
	if (__builtin_expect(c->closed, 0))
		return -EPIPE;
	if (c->used >= c->capacity || c->senders.first)
		return -EAGAIN;
	c->used++;
	return 0;
}

static inline int put_new(struct weft_mpsc *c, const void *value, struct weft_wake *ret_wake)
{
	int rc = take_place(c);

	return rc ? rc : put(c, value, ret_wake);
}

static weft_poll_t send_cancel(struct weft_cx *cx, struct weft_mpsc *c, struct weft_waiter *f)
{
	struct weft_wake wake = { NULL, 0 };
	uint32_t state;

	weft_waiters_lock_told(&c->senders, f);
	state = weft_waiters_leave(f);
	if (state == WEFT_WAITER_GRANTED)
		wake = place_free(c);
	weft_waiters_unlock(&c->senders);
	weft_wake_send(wake);
	if (state != WEFT_WAITER_IDLE)
		weft_waiter_trace(c, weft_waiter_id(cx), WEFT_WAITER_OP_LEFT);
	return weft_cancelled(cx);
}

/* A wait for a place that began before: fills it with *value, or only has it (value NULL). */
static weft_poll_t send_again(struct weft_cx *cx, struct weft_mpsc *c, struct weft_waiter *f,
			      const void *const *value)
{
	struct weft_wake wake = { NULL, 0 };
	uint32_t state = weft_waiter_state(f);
	int rc = -EPIPE;

	if (!weft_waiter_ours(cx, &c->senders, f))
		return weft_waiter_busy(cx);
	if (cx->cancelled)
		return send_cancel(cx, c, f);
	if (state == WEFT_WAITER_QUEUED)
		return weft_pending(cx, WEFT_WAIT_SEND);
	weft_waiters_lock(&c->senders);
	weft_waiter_end(f);
	if (state == WEFT_WAITER_GRANTED && c->closed)
		wake = place_free(c);
	else if (state == WEFT_WAITER_GRANTED)
		rc = value ? put(c, *value, &wake) : 0;
	weft_waiters_unlock(&c->senders);
	weft_wake_send(wake);
	weft_waiter_trace(c, weft_waiter_id(cx), WEFT_WAITER_OP_ACQUIRED);
	return rc;
}

weft_poll_t weft_mpsc_send(struct weft_cx *cx, struct weft_mpsc_tx *tx, struct weft_waiter *f,
			   const void *value)
{
	struct weft_mpsc *c = of_tx(tx);
	struct weft_wake wake = { NULL, 0 };
	int rc;

	if (__builtin_expect(cx->cancelled || weft_waiter_state(f) != WEFT_WAITER_IDLE, 0))
		return send_again(cx, c, f, &value);
	if (!weft_budget_take(cx))
		return weft_waiter_spent(cx);
	weft_waiters_lock(&c->senders);
	rc = put_new(c, value, &wake);
	if (__builtin_expect(rc == -EAGAIN, 0)) {
		f->mark = 0;
		weft_waiters_add(cx, &c->senders, f);
	}
	weft_waiters_unlock(&c->senders);
	if (__builtin_expect(wake.waiter != NULL, 0))
		weft_wake_send(wake);
	if (__builtin_expect(rc == -EAGAIN, 0))
		return weft_waiter_pending(cx, c, WEFT_WAIT_SEND, true);
	return rc;
}

weft_poll_t weft_mpsc_reserve(struct weft_cx *cx, struct weft_mpsc_tx *tx, struct weft_waiter *f)
{
	struct weft_mpsc *c = of_tx(tx);
	int rc;

	if (__builtin_expect(cx->cancelled || weft_waiter_state(f) != WEFT_WAITER_IDLE, 0))
		return send_again(cx, c, f, NULL);
	if (!weft_budget_take(cx))
		return weft_waiter_spent(cx);
	weft_waiters_lock(&c->senders);
	rc = take_place(c);
	if (rc == -EAGAIN) {
		f->mark = 0;
		weft_waiters_add(cx, &c->senders, f);
	}
	weft_waiters_unlock(&c->senders);
	return rc == -EAGAIN ? weft_waiter_pending(cx, c, WEFT_WAIT_SEND, true) : rc;
}

int weft_mpsc_try_reserve(struct weft_mpsc_tx *tx)
{
	struct weft_mpsc *c = of_tx(tx);
	int rc;

	weft_waiters_lock(&c->senders);
	rc = take_place(c);
	weft_waiters_unlock(&c->senders);
	return rc;
}

int weft_mpsc_send_reserved(struct weft_mpsc_tx *tx, const void *value)
{
	struct weft_mpsc *c = of_tx(tx);
	struct weft_wake wake = { NULL, 0 };
	int rc = -EPIPE;

	weft_waiters_lock(&c->senders);
	if (c->closed)
		wake = place_free(c);
	else
		rc = put(c, value, &wake);
	weft_waiters_unlock(&c->senders);
	weft_wake_send(wake);
	return rc;
}

void weft_mpsc_unreserve(struct weft_mpsc_tx *tx)
{
	struct weft_mpsc *c = of_tx(tx);
	struct weft_wake wake;

	weft_waiters_lock(&c->senders);
	wake = place_free(c);
	weft_waiters_unlock(&c->senders);
	weft_wake_send(wake);
}

static weft_poll_t watch_cancel(struct weft_cx *cx, struct weft_mpsc *c, struct weft_waiter *f)
{
	uint32_t state;

	weft_waiters_lock_told(&c->senders, f);
	state = weft_waiters_leave(f);
	weft_waiters_unlock(&c->senders);
	if (state != WEFT_WAITER_IDLE)
		weft_waiter_trace(&c->watchers, weft_waiter_id(cx), WEFT_WAITER_OP_LEFT);
	return weft_cancelled(cx);
}

weft_poll_t weft_mpsc_closed(struct weft_cx *cx, struct weft_mpsc_tx *tx, struct weft_waiter *f)
{
	struct weft_mpsc *c = of_tx(tx);
	uint32_t state = weft_waiter_state(f);
	bool closed;

	if (!weft_waiter_ours(cx, &c->watchers, f))
		return weft_waiter_busy(cx);
	if (cx->cancelled)
		return watch_cancel(cx, c, f);
	if (state == WEFT_WAITER_QUEUED)
		return weft_pending(cx, WEFT_WAIT_SEND);
	weft_waiters_lock(&c->senders);
	closed = c->closed;
	if (state == WEFT_WAITER_WOKEN) {
		weft_waiter_end(f); /* woken once, when it was closed for good */
	} else if (!closed) {
		f->mark = 0;
		weft_waiters_add(cx, &c->watchers, f);
	}
	weft_waiters_unlock(&c->senders);
	if (!closed)
		return weft_waiter_pending(cx, &c->watchers, WEFT_WAIT_SEND, true);
	if (state == WEFT_WAITER_WOKEN)
		weft_waiter_trace(&c->watchers, weft_waiter_id(cx), WEFT_WAITER_OP_ACQUIRED);
	return WEFT_READY;
}

bool weft_mpsc_is_closed(const struct weft_mpsc_tx *tx)
{
	struct weft_mpsc *c = of_tx(tx);
	bool closed;

	weft_waiters_lock(&c->senders);
	closed = c->closed;
	weft_waiters_unlock(&c->senders);
	return closed;
}

int weft_mpsc_blocking_send(struct weft_mpsc_tx *tx, const void *value)
{
	struct weft_cx context = WEFT_WAITER_CONTEXT;
	struct weft_waiter f = { .task = NULL };

	return WEFT_WAITER_BLOCK(&f, weft_mpsc_send(&context, tx, &f, value));
}

int weft_mpsc_try_send(struct weft_mpsc_tx *tx, const void *value)
{
	struct weft_mpsc *c = of_tx(tx);
	struct weft_wake wake = { NULL, 0 };
	int rc;

	weft_waiters_lock(&c->senders);
	rc = put_new(c, value, &wake);
	weft_waiters_unlock(&c->senders);
	weft_wake_send(wake);
	return rc;
}

struct receive {
	struct weft_mpsc *c;
	void *ret;
	struct leftover left;
};

static inline int look(void *arg)
{
	struct receive *r = arg;
	struct weft_mpsc *c = r->c;

	if (!c->queue.count) {
		/* Places granted before it was closed don't count: their senders get -EPIPE. */
		return c->closed || !c->tx_count ? -EPIPE : WEFT_PENDING;
	}
	weft_waiter_copy(r->ret, c->queue.out, c->bytes);
	r->left.block = weft_blocks_popped(&c->queue);
	r->left.wake = place_free(c);
	return 0;
}

static inline void finish(const struct leftover *left)
{
	if (__builtin_expect(left->wake.waiter != NULL, 0))
		weft_wake_send(left->wake);
	if (__builtin_expect(left->block != NULL, 0))
		weft_memory_free(left->block);
}

weft_poll_t weft_mpsc_recv(struct weft_cx *cx, struct weft_mpsc_rx *rx, struct weft_waiter *f,
			   void *ret)
{
	struct weft_mpsc *c = of_rx(rx);
	struct receive r = { c, ret, { { NULL, 0 }, NULL } };
	const struct weft_look op = { &c->senders,    &c->receiver, &c->pending,
				      WEFT_WAIT_RECV, look,         &r };
	weft_poll_t rc = weft_look(cx, f, &op);

	finish(&r.left);
	return rc;
}

int weft_mpsc_blocking_recv(struct weft_mpsc_rx *rx, void *ret)
{
	struct weft_cx context = WEFT_WAITER_CONTEXT;
	struct weft_waiter f = { .task = NULL };

	return WEFT_WAITER_BLOCK(&f, weft_mpsc_recv(&context, rx, &f, ret));
}

int weft_mpsc_try_recv(struct weft_mpsc_rx *rx, void *ret)
{
	struct receive r = { of_rx(rx), ret, { { NULL, 0 }, NULL } };
	int rc;

	weft_waiters_lock(&r.c->senders);
	rc = look(&r);
	weft_waiters_unlock(&r.c->senders);
	finish(&r.left);
	return rc == WEFT_PENDING ? -EAGAIN : rc;
}

size_t weft_mpsc_len(const struct weft_mpsc_rx *rx)
{
	struct weft_mpsc *c = of_rx(rx);
	size_t n;

	weft_waiters_lock(&c->senders);
	n = c->queue.count;
	weft_waiters_unlock(&c->senders);
	return n;
}

struct weft_mpsc_tx *weft_mpsc_tx_ref(struct weft_mpsc_tx *tx)
{
	struct weft_mpsc *c = of_tx(tx);

	weft_waiters_lock(&c->senders);
	c->tx_count++;
	weft_waiters_unlock(&c->senders);
	return tx;
}

struct weft_mpsc_tx *weft_mpsc_tx_unref(struct weft_mpsc_tx *tx)
{
	struct weft_mpsc *c = of_tx(tx);
	struct weft_wake wake = { NULL, 0 };
	bool last, used;

	if (!c)
		return NULL;
	weft_waiters_lock(&c->senders);
	used = c->tx_count == 1 && (c->senders.first || c->watchers.first);
	c->tx_count -= !used;
	if (!c->tx_count && c->receiver.first)
		wake = weft_waiters_take(c->receiver.first, WEFT_WAITER_WOKEN);
	last = !c->tx_count && c->rx_gone;
	weft_waiters_unlock(&c->senders);
	if (used)
		weft_waiters_in_use();
	weft_wake_send(wake);
	if (last)
		destroy(c);
	return NULL;
}

void weft_mpsc_close(struct weft_mpsc_rx *rx)
{
	struct weft_mpsc *c = of_rx(rx);
	struct weft_wake wake = { NULL, 0 };

	weft_waiters_lock(&c->senders);
	c->closed = 1;
	if (c->receiver.first)
		wake = weft_waiters_take(c->receiver.first, WEFT_WAITER_WOKEN);
	weft_waiters_wake_all(&c->senders, &c->senders, 1);
	weft_waiters_lock(&c->senders);
	weft_waiters_wake_all(&c->watchers, &c->senders, 1);
	weft_wake_send(wake);
}

/* Closes first: the senders that wake in the course of it may free the channel afterwards. */
struct weft_mpsc_rx *weft_mpsc_rx_free(struct weft_mpsc_rx *rx)
{
	struct weft_mpsc *c = of_rx(rx);
	bool last, pending;

	if (!c)
		return NULL;
	weft_mpsc_close(rx);
	weft_waiters_lock(&c->senders);
	pending = c->pending;
	c->rx_gone = !pending;
	last = !pending && !c->tx_count;
	weft_waiters_unlock(&c->senders);
	if (pending)
		weft_waiters_in_use();
	if (last)
		destroy(c);
	return NULL;
}
