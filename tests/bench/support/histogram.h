/* SPDX-License-Identifier: MIT */
/* Latency histogram: 32 linear steps for each factor of 2, so a value is told to within 3 %. Not thread-safe. */
#ifndef WEFT_BENCH_HISTOGRAM_H
#define WEFT_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 32
#define HISTOGRAM_SLOTS (60 * HISTOGRAM_STEPS)

struct histogram {
	uint64_t count;
	uint64_t max;
	uint64_t slot[HISTOGRAM_SLOTS];
};

void histogram_add(struct histogram *h, uint64_t value);
/* share 0..1; the upper edge of the slot that holds it, 0 when empty. */
uint64_t histogram_quantile(const struct histogram *h, double share);

#endif
