/* SPDX-License-Identifier: MIT */
/* Buckets of durations: log-linear, 16 to a factor of two, so at most 6 % wide. */
#ifndef WEFT_POLL_BUCKET_H
#define WEFT_POLL_BUCKET_H

#include <stdint.h>

#define POLL_BUCKETS 1024u

static inline unsigned poll_bucket(uint64_t ns)
{
	unsigned log;

	if (ns < 16)
		return (unsigned)ns;
	log = 63u - (unsigned)__builtin_clzll(ns);
	return (log - 3) * 16 + (unsigned)(ns >> (log - 4) & 15);
}

/* Least value of a bucket. */
static inline uint64_t poll_bucket_low(unsigned bucket)
{
	if (bucket < 16)
		return bucket;
	return (uint64_t)(16 + bucket % 16) << (bucket / 16 - 1);
}

#endif
