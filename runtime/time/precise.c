/* SPDX-License-Identifier: MIT */
#include "runtime/time/precise.h"

#define FIRST_BITS 16u /* waits below 65 us are one class */

static unsigned class_of(uint64_t ns)
{
	unsigned bits = 63u - (unsigned)__builtin_clzll(ns | ((1u << FIRST_BITS) - 1));
	unsigned class = bits - (FIRST_BITS - 1);

	return class < WEFT_PRECISE_CLASSES ? class : WEFT_PRECISE_CLASSES - 1;
}

/* The full lead at first: early costs a spin, late would be what the user asked to be spared. */
void weft_precise_init(struct weft_precise *p, uint64_t max_ns)
{
	p->max_ns = max_ns;
	for (unsigned i = 0; i < WEFT_PRECISE_CLASSES; i++)
		p->lead_ns[i] = max_ns;
}

uint64_t weft_precise_sleep(const struct weft_precise *p, uint64_t deadline_ns, uint64_t now_ns)
{
	uint64_t left, lead;

	if (deadline_ns <= now_ns)
		return 0;
	left = deadline_ns - now_ns;
	lead = p->lead_ns[class_of(left)];
	return left > lead ? left - lead : 0;
}

/* Up fast, down slowly: a quarter of room above the lateness seen, so that most waits end in time. */
void weft_precise_learn(struct weft_precise *p, uint64_t asked_ns, uint64_t took_ns)
{
	uint64_t late = took_ns > asked_ns ? took_ns - asked_ns : 0, want = late + late / 4;
	uint64_t *lead = &p->lead_ns[class_of(asked_ns)];

	if (want > *lead)
		*lead += (want - *lead + 1) / 2;
	else
		*lead -= (*lead - want) / 16;
	if (*lead > p->max_ns)
		*lead = p->max_ns;
}
