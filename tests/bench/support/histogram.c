/* SPDX-License-Identifier: MIT */
#include "tests/bench/support/histogram.h"

static unsigned slot_of(uint64_t value)
{
	if (value < HISTOGRAM_STEPS)
		return (unsigned)value;
	unsigned shift = 63 - (unsigned)__builtin_clzll(value) - 5;

	return (shift + 1) * HISTOGRAM_STEPS + (unsigned)(value >> shift) - HISTOGRAM_STEPS;
}

static uint64_t upper_edge(unsigned slot)
{
	if (slot < HISTOGRAM_STEPS)
		return slot;
	unsigned shift = slot / HISTOGRAM_STEPS - 1;

	return ((uint64_t)(slot % HISTOGRAM_STEPS + HISTOGRAM_STEPS + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
	h->slot[slot_of(value)]++;
	h->count++;
	if (value > h->max)
		h->max = value;
}

uint64_t histogram_quantile(const struct histogram *h, double share)
{
	uint64_t want = (uint64_t)(share * (double)h->count), seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
		seen += h->slot[i];
		if (seen > want)
			return upper_edge(i) < h->max ? upper_edge(i) : h->max;
	}
	return h->max;
}
