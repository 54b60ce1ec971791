/* SPDX-License-Identifier: MIT */
/*
 * Stamps (TSC ticks) to CLOCK_MONOTONIC: pairs of both, taken as close together as they can be, and the
 * rate between two of them. The BPF side stamps in CLOCK_MONOTONIC of the init time namespace; so does
 * the session, which has to run in it.
 */
#ifndef WEFT_CLOCK_PAIR_H
#define WEFT_CLOCK_PAIR_H

#include <stdint.h>

uint64_t clock_pair_now_ns(void); /* CLOCK_MONOTONIC */

struct clock_pair {
	uint64_t stamp, mono_ns;
	uint64_t mult; /* ns = mono_ns + (stamp - this stamp) * mult / 2^32 */
	uint64_t first_stamp, first_ns;
};

/* Takes the first pair; the rate is known after clock_pair_update, at least some ms later. */
void clock_pair_init(struct clock_pair *c);
void clock_pair_update(struct clock_pair *c);
uint64_t clock_pair_to_ns(const struct clock_pair *c, uint64_t stamp);

/* The full stamp whose low 56 bits are `low`, nearest to now: records carry 56 bits. */
uint64_t clock_pair_widen(const struct clock_pair *c, uint64_t low);

#endif
