/* SPDX-License-Identifier: MIT */
#include "runtime/sync/audience.h"

#include "runtime/base/memory.h"

void weft_audience_init(struct weft_audience *a, size_t bytes)
{
	a->bytes = bytes;
	a->tx_count = a->refs = 1;
}

static void unref(struct weft_audience *a)
{
	bool last;

	weft_waiters_lock(&a->waiters);
	last = --a->refs == 0;
	weft_waiters_unlock(&a->waiters);
	if (last)
		weft_memory_free(a);
}

void weft_audience_add_sender(struct weft_audience *a)
{
	weft_waiters_lock(&a->waiters);
	a->tx_count++;
	a->refs++;
	weft_waiters_unlock(&a->waiters);
}

void weft_audience_ring(struct weft_audience *a)
{
	weft_waiters_wake_all(&a->waiters, &a->waiters, ++a->waiters.word);
}

void weft_audience_remove_sender(struct weft_audience *a)
{
	weft_waiters_lock(&a->waiters);
	if (--a->tx_count == 0)
		weft_audience_ring(a);
	else
		weft_waiters_unlock(&a->waiters);
	unref(a);
}

void weft_audience_add(struct weft_audience *a, struct weft_hearer *rx, const uint64_t *now)
{
	rx->audience = a;
	weft_waiters_lock(&a->waiters);
	rx->at = *now;
	a->rx_count++;
	a->refs++;
	weft_waiters_unlock(&a->waiters);
}

void weft_audience_remove(struct weft_hearer *rx)
{
	struct weft_audience *a = rx->audience;
	bool pending;

	weft_waiters_lock(&a->waiters);
	pending = rx->pending;
	a->rx_count -= !pending;
	weft_waiters_unlock(&a->waiters);
	if (pending) {
		weft_waiters_in_use();
		return;
	}
	weft_memory_free(rx);
	unref(a);
}
