/* SPDX-License-Identifier: MIT */
/*
 * How early to wake for a deadline when precise timers are on (weft_config.precise_timers_ns).
 *
 * A wait of the kernel ends late by what the processor takes to leave idle and by scheduling:
 * 60-200 us on a guest, more after long waits. The lead follows that lateness, one figure per power of
 * two of the wait's length. Belongs to the owner of the driver.
 */
#ifndef WEFT_RUNTIME_PRECISE_H
#define WEFT_RUNTIME_PRECISE_H

#include <stdint.h>

#define WEFT_PRECISE_CLASSES 16u

struct weft_precise {
	uint64_t max_ns; /* 0 = off; the longest spin, and lead */
	uint64_t lead_ns[WEFT_PRECISE_CLASSES];
};

#pragma GCC visibility push(hidden)
void weft_precise_init(struct weft_precise *p, uint64_t max_ns);
/* How long to sleep before the spin; 0 = spin at once. deadline - now - result <= max_ns. */
uint64_t weft_precise_sleep(const struct weft_precise *p, uint64_t deadline_ns, uint64_t now_ns);
/* A wait of asked_ns that nothing cut short took took_ns. */
void weft_precise_learn(struct weft_precise *p, uint64_t asked_ns, uint64_t took_ns);
#pragma GCC visibility pop

#endif
