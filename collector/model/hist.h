/* SPDX-License-Identifier: MIT */
/*
 * Histograms of durations in the buckets of live.h: LIVE_HIST of them, 4 per factor of 10, the
 * first up to 1.78 us. Counters are 32 bits and stick at their maximum.
 */
#ifndef WEFT_MODEL_HIST_H
#define WEFT_MODEL_HIST_H

#include "collector/live.h"

struct hist {
	uint32_t n[LIVE_HIST];
};

/* For each power of two and the three bits below it the bucket of the smallest value, and all bounds. */
extern uint8_t hist_first[512];
extern uint64_t hist_bounds[LIVE_HIST];
void hist_setup(void); /* fills both; any number of times, from any thread */

static inline unsigned hist_bucket(uint64_t ns)
{
	unsigned zeros = (unsigned)__builtin_clzll(ns | 1);
	unsigned i = hist_first[(63 - zeros) * 8 + ((ns << zeros) >> 60 & 7)];

	while (i < LIVE_HIST - 1 && ns > hist_bounds[i])
		i++;
	return i;
}

static inline void hist_count_in(struct hist *h, unsigned bucket)
{
	uint32_t *n = &h->n[bucket];

	*n += *n != UINT32_MAX;
}

static inline void hist_add(struct hist *h, uint64_t ns)
{
	hist_count_in(h, hist_bucket(ns));
}

uint64_t hist_count(const struct hist *h);
/* Upper bound of the bucket that holds the q-th part (0..1), at most max. LIVE_UNKNOWN of an empty one. */
uint64_t hist_quantile(const struct hist *h, double q, uint64_t max);
void hist_merge(struct hist *into, const struct hist *from);

#endif
