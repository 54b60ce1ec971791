/* SPDX-License-Identifier: MIT */
/* What chunk_writer.c and chunk_pack.c share. */
#ifndef WEFT_CHUNK_INTERNAL_H
#define WEFT_CHUNK_INTERNAL_H

#include "collector/store/chunk.h"
#include "collector/store/varint.h"

#define TASK_BITS  15 /* slots of the hash tables: more than twice what can be in them */
#define SHAPE_BITS 14
#define MAX_TASKS  (2 * CHUNK_ROOM) /* own task and one referred to */
#define MEMOS      1024             /* shapes of polls and wakes found without building them */

struct chunk_stream {
	uint8_t *at;
	size_t used, room;
	bool references; /* local task numbers (u16), made indices when the chunk is packed */
};

/* What tells one shape of a poll or wake from another, all of it in two words; `what` 0 = free. */
struct shape_memo {
	uint64_t what, who;
	uint32_t shape;
};

struct chunk_writer {
	uint64_t t0, t1, now;
	uint64_t low; /* earliest time + 1 when before t0, 0 = none */
	uint32_t n, ntasks, nshapes, ncounts, nflat, flat_pos;
	struct chunk_stream time, flat, column[CHUNK_COLS];
	uint16_t shapes[CHUNK_ROOM], tasks[CHUNK_ROOM];
	uint8_t marks[(CHUNK_ROOM / CHUNK_MARK + 1) * 2 * VARINT_ROOM]; /* the column of marks */
	size_t marks_used, marked_used; /* marked_used: TIME's bytes at the last mark */
	uint64_t marked_t;
	uint16_t buckets[CHUNK_ROOM]; /* of the durations of polls (poll_bucket.h) */
	struct chunk_shape shape[CHUNK_ROOM];
	struct shape_memo memo[MEMOS];
	_Alignas(64) struct chunk_task task[MAX_TASKS]; /* each in one cache line */
	struct chunk_count counts[1024];
	uint16_t task_slot[1 << TASK_BITS], shape_slot[1 << SHAPE_BITS];
	/* packing */
	uint8_t *packed;
	size_t packed_room;
	uint32_t scratch[MAX_TASKS], order[2][MAX_TASKS], index[MAX_TASKS];
};

WEFT_ASSERT(chunk_task, sizeof(struct chunk_task) == 64);

int chunk_stream_room(struct chunk_stream *s, size_t bytes);
void chunk_restart(struct chunk_writer *w);

#endif
