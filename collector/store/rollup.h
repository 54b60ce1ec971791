/* SPDX-License-Identifier: MIT */
/*
 * Sums per second: one for each task that was busy for at least ROLLUP_FLOOR_NS in it, the rest by place of spawn. Fed
 * with what each closed chunk knows of its tasks; chunks never cross a full second. Engine thread.
 */
#ifndef WEFT_ROLLUP_H
#define WEFT_ROLLUP_H

#include "collector/store/chunk.h"

#define ROLLUP_FLOOR_NS 1000000ull

struct rollup;

struct rollup_sum {
	uint64_t polls, busy_ns, poll_max_ns, wakes, self_wakes, blocked_ns, runnable_ns;
};

struct rollup_site {
	uint32_t process, site;
	struct rollup_sum sum;
	uint64_t spawned, ended; /* short totals: tasks, lifetime in ns */
};

struct rollup_sink {
	void (*task)(void *ctx, uint64_t second, uint64_t task, const struct rollup_sum *sum);
	void (*site)(void *ctx, uint64_t second, const struct rollup_site *site);
	void (*short_tasks)(void *ctx,
			    const struct rollup_site
				    *site); /* spawned = tasks, ended = sum of their lives in ns */
	void *ctx;
};

int rollup_new(struct rollup **ret);
struct rollup *rollup_free(struct rollup *r);
/* The tasks of a chunk that is about to be closed; fills in where those were spawned that were not in this chunk. Gives out
 * the second before when a new one begins. */
void rollup_add(struct rollup *r, uint64_t second, struct chunk_task *tasks, size_t n,
		const struct rollup_sink *sink);
/* Where a task was spawned, told by a snapshot. */
void rollup_place(struct rollup *r, uint64_t task, uint32_t site);
/* Gives out the second in hand and the short tasks since the last time. */
void rollup_flush(struct rollup *r, const struct rollup_sink *sink);

#endif
