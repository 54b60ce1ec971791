/* SPDX-License-Identifier: MIT */
#include "collector/model/hist.h"

#include <math.h>
#include <pthread.h>

uint8_t hist_first[512];
uint64_t hist_bounds[LIVE_HIST];

static void setup_once(void)
{
	for (unsigned i = 0; i < LIVE_HIST; i++)
		hist_bounds[i] = (uint64_t)(1000.0 * pow(10.0, (i + 1) / 4.0));
	for (unsigned k = 0; k < 512; k++) {
		unsigned log = k / 8, i = 0;
		uint64_t low = 1ull << log;

		low += log >= 3 ? (uint64_t)(k % 8) << (log - 3) : (uint64_t)(k % 8) >> (3 - log);
		while (i < LIVE_HIST - 1 && low > hist_bounds[i])
			i++;
		hist_first[k] = (uint8_t)i;
	}
}

void hist_setup(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, setup_once);
}

uint64_t hist_count(const struct hist *h)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < LIVE_HIST; i++)
		sum += h->n[i];
	return sum;
}

uint64_t hist_quantile(const struct hist *h, double q, uint64_t max)
{
	uint64_t total = hist_count(h), seen = 0;
	double rank = q * (double)total;

	for (unsigned i = 0; i < LIVE_HIST; i++) {
		seen += h->n[i];
		if (h->n[i] && (double)seen >= rank)
			return hist_bounds[i] < max ? hist_bounds[i] : max;
	}
	return LIVE_UNKNOWN;
}

void hist_merge(struct hist *into, const struct hist *from)
{
	for (unsigned i = 0; i < LIVE_HIST; i++) {
		uint64_t sum = (uint64_t)into->n[i] + from->n[i];

		into->n[i] = sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
	}
}
