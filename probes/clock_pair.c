// SPDX-License-Identifier: MIT
#include "probes/clock_pair.h"

#include <time.h>

#include "runtime/probe_points.h"

#define TRIES  8
#define FIT_NS 10000000000ull /* the rate is taken over at least this long once there is so much */

uint64_t clock_pair_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t read_stamp(void)
{
#ifdef __x86_64__
	uint32_t low, high;

	/* lfence: rdtsc must not move before the clock read in front of it. */
	__asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
#else
	return clock_pair_now_ns();
#endif
}

/* The tightest of several brackets: an interrupt in between makes one of them wide. */
static void take(uint64_t *stamp, uint64_t *ns)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = clock_pair_now_ns(), s = read_stamp(),
			 after = clock_pair_now_ns();

		if (after - before < best) {
			best = after - before;
			*stamp = s;
			*ns = before + best / 2;
		}
	}
}

void clock_pair_init(struct clock_pair *c)
{
	take(&c->stamp, &c->mono_ns);
	c->first_stamp = c->stamp;
	c->first_ns = c->mono_ns;
	c->mult = 1ull << 32;
}

void clock_pair_update(struct clock_pair *c)
{
	uint64_t stamp, ns;

	take(&stamp, &ns);
	if (stamp > c->first_stamp && ns > c->first_ns)
		c->mult = (uint64_t)(((unsigned __int128)(ns - c->first_ns) << 32) /
				     (stamp - c->first_stamp));
	c->stamp = stamp;
	c->mono_ns = ns;
	if (ns - c->first_ns >
	    2 * FIT_NS) { /* forget the far past: NTP slews the monotonic clock */
		c->first_ns += (ns - c->first_ns) / 2;
		c->first_stamp =
			stamp - (uint64_t)(((unsigned __int128)(ns - c->first_ns) << 32) / c->mult);
	}
}

uint64_t clock_pair_to_ns(const struct clock_pair *c, uint64_t stamp)
{
	int64_t ticks = (int64_t)(stamp - c->stamp);

	return c->mono_ns + (uint64_t)(int64_t)(((__int128)ticks * (__int128)c->mult) >> 32);
}

uint64_t clock_pair_widen(const struct clock_pair *c, uint64_t low)
{
	const uint64_t span = WEFT_STAMP_MASK + 1;
	uint64_t full = (c->stamp & ~WEFT_STAMP_MASK) | (low & WEFT_STAMP_MASK);

	if (full > c->stamp && full - c->stamp > span / 2 && full >= span)
		return full - span;
	if (full < c->stamp && c->stamp - full > span / 2)
		return full + span;
	return full;
}
