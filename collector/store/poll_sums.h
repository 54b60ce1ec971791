/* SPDX-License-Identifier: MIT */
/*
 * Polls by place of spawn, summed over POLL_SUMS_CHUNKS chunks in a row, so that percentiles over a long time need not
 * read the chunks. Polls of tasks whose place is not known are under site 0. Engine thread.
 */
#ifndef WEFT_POLL_SUMS_H
#define WEFT_POLL_SUMS_H

#include "collector/store/chunk.h"

#define POLL_SUMS_CHUNKS 64u

struct poll_sums;

struct poll_sum {
	int64_t first, last; /* chunks */
	uint64_t t0, t1;     /* of their events */
	uint32_t process, site;
	uint64_t polls, busy_ns, max_ns;
	struct chunk_bytes
		hist; /* pairs of varints: empty buckets before this one, polls in it; borrowed for the call */
};
typedef void (*poll_sums_sink)(void *ctx, const struct poll_sum *sum);

int poll_sums_new(struct poll_sums **ret);
struct poll_sums *poll_sums_free(struct poll_sums *p);
/* A chunk that is about to be closed; the sites of its tasks are filled in (rollup_add). */
void poll_sums_add(struct poll_sums *p, const struct chunk_writer *w);
/* The same chunk, closed. */
void poll_sums_closed(struct poll_sums *p, int64_t chunk, uint64_t t0, uint64_t t1);
bool poll_sums_full(const struct poll_sums *p);
/* Gives out what there is and starts anew. Nothing when it is not complete: more places than fit, or no memory. */
void poll_sums_flush(struct poll_sums *p, poll_sums_sink sink, void *ctx);
/* A chunk could not be kept: these sums are of no use. */
void poll_sums_spoil(struct poll_sums *p);

#endif
