/* SPDX-License-Identifier: MIT */
/*
 * Senders and receivers of a channel in which every receiver sees what is sent: broadcast and watch.
 * The first member of the channel; with the last handle the block that it begins is freed.
 *
 * waiters.word grows with each message and when the last sender goes: the receivers' marks.
 */
#ifndef WEFT_RUNTIME_AUDIENCE_H
#define WEFT_RUNTIME_AUDIENCE_H

#include "runtime/sync/look.h"

struct weft_audience {
	struct weft_waiters waiters;
	size_t bytes; /* of a message */
	uint32_t tx_count, rx_count;
	uint32_t refs; /* handles; apart from the counts, because one that goes still wakes others */
};

/* The first member of a receiver's handle. */
struct weft_hearer {
	struct weft_audience *audience;
	uint64_t at; /* number of the message to come, or version seen last */
	uint32_t pending;
};

#pragma GCC visibility push(hidden)
/* With one sender. */
void weft_audience_init(struct weft_audience *a, size_t bytes);
void weft_audience_add_sender(struct weft_audience *a);
void weft_audience_remove_sender(struct weft_audience *a);
/* Under the lock, ends without it: something is new for all that wait. */
void weft_audience_ring(struct weft_audience *a);

/* *now: number of the next message or present version. */
void weft_audience_add(struct weft_audience *a, struct weft_hearer *rx, const uint64_t *now);
/* And frees the handle, unless it is in use. */
void weft_audience_remove(struct weft_hearer *rx);
#pragma GCC visibility pop

#endif
