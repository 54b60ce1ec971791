/* SPDX-License-Identifier: MIT */
/*
 * One sleeping thread (Tokio, runtime/park.rs). Notified by exchange; the sleeper publishes how it
 * sleeps by compare-and-swap, so a notification before that keeps it awake and one after that
 * finds it.
 */
#ifndef WEFT_RUNTIME_PARKER_H
#define WEFT_RUNTIME_PARKER_H

#include <stdbool.h>
#include <stdint.h>

struct weft_driver;

enum weft_parker_state {
	WEFT_PARKER_EMPTY,
	WEFT_PARKER_NOTIFIED,
	WEFT_PARKER_ON_FUTEX,
	WEFT_PARKER_ON_DRIVER
};

struct weft_parker {
	uint32_t state; /* enum weft_parker_state, futex word */
};

#pragma GCC visibility push(hidden)
/* Any thread. driver: the one that the sleeper may be in. */
void weft_parker_unpark(struct weft_parker *parker, struct weft_driver *driver);
/* Any thread: true = it slept on the futex and doesn't any more. False: nothing was done. */
bool weft_parker_call(struct weft_parker *parker);

/* Its own thread: true = go to sleep as `how` says, then call awake. False: it was notified. */
bool weft_parker_sleep(struct weft_parker *parker, enum weft_parker_state how);
void weft_parker_wait(struct weft_parker *parker, uint64_t timeout_ns); /* ON_FUTEX */
void weft_parker_awake(struct weft_parker *parker);
#pragma GCC visibility pop

#endif
