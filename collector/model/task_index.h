/* SPDX-License-Identifier: MIT */
/* The index of the task table: from an id to the slot it is probably in. Inline, because every record asks. */
#ifndef WEFT_MODEL_TASK_INDEX_H
#define WEFT_MODEL_TASK_INDEX_H

#include <stdbool.h>

#include "collector/model/task.h"

/* A page fills one huge page of the kernel: looks at tasks here and there then miss the TLB less. */
#define TASK_PAGE_BYTES (2u << 20)
#define TASK_PAGE_TASKS (TASK_PAGE_BYTES / (uint32_t)sizeof(struct model_task))
#define TASK_SLOT_BITS  23 /* MODEL_MAX_TASKS + 1 fits */
#define TASK_SLOT_MASK  ((1u << TASK_SLOT_BITS) - 1)
#define TASK_AWAY_MOST  7u /* so far from home or farther: the id has to be asked */
#define TASK_TAG_SHIFT  (TASK_SLOT_BITS + 3)
#define TASK_INDEX_STEP 8u /* a place taken: the same one in the next run */

/*
 * Runs of 8 ids stay together, and give way together: an id whose place is taken goes to the same place of the next run.
 * Which of the 8 is whose depends on the run, so that ids that are all multiples of 8 fill all places. Where a run lies
 * depends on a seed that a target can't know. Both rounds are needed: one multiplication puts consecutive runs into few
 * clusters for some seeds.
 */
static inline uint64_t task_index_hash(const struct task_table *t, uint64_t id)
{
	uint64_t x = ((id >> 3) ^ t->seed) * 0x9e3779b97f4a7c15ull;

	return (x ^ x >> 32) * 0xd6e8feb86659fd93ull;
}

static inline uint32_t task_index_home(const struct task_table *t, uint64_t hash, uint64_t id)
{
	return (uint32_t)(hash >> (67 - t->index_bits)) << 3 | (uint32_t)((id ^ hash) & 7);
}

/*
 * An entry: the slot + 1, how far from its home it is, and above it a few bits of the id's hash. So others' tasks need not be
 * looked at, neither to find one nor to close the gap of one that goes.
 */
static inline uint32_t task_index_tag(uint64_t hash, uint64_t id)
{
	return ((uint32_t)(hash >> 16) ^ (uint32_t)(id & 7) * 9u) << TASK_TAG_SHIFT;
}

static inline bool task_index_tagged(uint32_t entry, uint32_t tag)
{
	return !((entry ^ tag) >> TASK_TAG_SHIFT);
}

static inline struct model_task *task_index_task(const struct task_table *t, uint32_t entry)
{
	uint32_t slot = (entry & TASK_SLOT_MASK) - 1;

	return &t->pages[slot / TASK_PAGE_TASKS][slot % TASK_PAGE_TASKS];
}

/*
 * A look-up in three steps, so that memory is fetched while other work is done: the id's hash; a little later its place in
 * the index; then the task that is probably meant, NULL = none: its id has to be compared, and if it is another,
 * task_table_find knows.
 */
static inline void task_index_fetch(const struct task_table *t, uint64_t hash, uint64_t id)
{
	__builtin_prefetch(&t->index[task_index_home(t, hash, id)]);
}

static inline struct model_task *task_index_guess(const struct task_table *t, uint64_t hash,
						  uint64_t id)
{
	uint32_t mask = (1u << t->index_bits) - 1, tag = task_index_tag(hash, id), entry;
	struct model_task *task;

	for (uint32_t i = task_index_home(t, hash, id); (entry = t->index[i]);
	     i = (i + TASK_INDEX_STEP) & mask) {
		if (!task_index_tagged(entry, tag))
			continue;
		task = task_index_task(t, entry);
		__builtin_prefetch(task, 1);
		__builtin_prefetch((const char *)task + 64, 1);
		return task;
	}
	return NULL;
}

#endif
