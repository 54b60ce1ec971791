/* SPDX-License-Identifier: MIT */
/*
 * One task as the model knows it, and the table of all: slots in pages that never move, found by id
 * through an open-addressing index (ids are dense per process, so runs of 8 share a cache line).
 * 200 bytes a task, index included; what only busy tasks need is in struct model_hot.
 */
#ifndef WEFT_MODEL_TASK_H
#define WEFT_MODEL_TASK_H

#include "collector/model/hist.h"
#include "collector/record.h"

#define MODEL_NONE       UINT32_MAX
#define MODEL_WAKERS     8
#define MODEL_MAX_TASKS  (4u << 20)
#define MODEL_MAX_HOT    (16u << 10)
#define MODEL_NO_RUNTIME 0xffu
/* A fifth of a second of 80,000 ends: until what they did has been judged. */
#define MODEL_KEEP_ENDED 16384u

enum model_task_flag {
	MODEL_T_FOUND = 1, /* existed before it was first seen: birth not known */
	MODEL_T_ROW = 2,   /* has a row in the store */
	MODEL_T_BLOCK_ON = 4,
	MODEL_T_FINDING = 8, /* subject of an open finding */
	MODEL_T_HELD = 16,   /* complete, but somebody holds its handle */
	MODEL_T_TIMER = 32,  /* a timer fired, its poll is awaited */
	MODEL_T_DETACHED = 64,
	MODEL_T_DROPPED = 128, /* cancelled by the drop of its handle */
};

/* What happened in one second; ns stick at 4.29 s. */
struct model_second {
	uint32_t busy, blocked, polls, wakes, self_wakes;
};

struct model_waker {
	uint64_t task;
	uint32_t kind; /* enum weft_waker */
	uint32_t count;
	uint64_t first_ns, last_ns;
};

/* Kept for tasks that are polled and woken often. */
struct model_hot {
	uint32_t nwakers;
	bool dirty; /* wakers changed since they were stored */
	struct model_waker waker[MODEL_WAKERS];
	struct hist polls, delays;
};

/* In the order of use: a wake or a poll that was not blocked touches the first two cache lines only. */
struct model_task {
	uint64_t id; /* 0 = free slot */
	union {
		uint64_t ready_ns; /* of the alive: made runnable, 0 = not runnable */
		uint64_t end_ns;   /* of the ended */
	};
	uint64_t wake_ns, poll_ns; /* last wake, end of the last poll; 0 = none */
	struct model_hot *hot;
	uint32_t second;     /* that `now` counts */
	uint32_t self_wakes; /* sticks at its maximum */
	uint16_t type, process, lane;
	uint8_t runtime; /* index in the process, MODEL_NO_RUNTIME = not known */
	uint8_t state; /* enum live_task_state, RUNNING and BLOCKED left out: those are the lanes' */
	uint8_t flags;          /* enum model_task_flag */
	uint8_t end_reason : 4; /* of the ended */
	/* As of the last walk. alone: idle, and nobody but its runtime and its handle refers to it. stuck_on_one: idle, awaited by somebody,
	 * and besides those two one waker of it is left. */
	uint8_t alone : 1;
	uint8_t stuck_on_one : 1;
	uint8_t missed_walks, walk;
	union {
		uint32_t next; /* slot: free list or list of the ended */
		uint32_t doubts; /* of the alive: model_process.doubts when it was last told to be runnable */
	};

	uint64_t polls, wakes, busy_ns, poll_max_ns;
	struct model_second now;
	uint32_t bytes;
	uint32_t census_polls; /* as of the last walk; and per second between the last two */
	float census_rate;

	struct model_second before; /* the second before */
	uint32_t slot;              /* its own */
	uint64_t blocked_ns, runnable_ns;
	uint64_t parent;
	uint64_t spawn_ns; /* LIVE_UNKNOWN = not known; before the start of the recording: negative */
	char *name;        /* own name, NULL = its site's */
};
WEFT_ASSERT(model_task, sizeof(struct model_task) == 192);

struct task_table {
	struct model_task **pages;
	uint32_t npages, used, free, alive; /* used: slots ever taken */
	uint32_t *index;                    /* slot + 1, 0 = empty */
	uint32_t index_bits, entries;
	uint64_t seed;
	uint32_t hot;
	uint32_t ended_first, ended_last, ended;
};

int task_table_init(struct task_table *t);
void task_table_done(struct task_table *t);
struct model_task *task_table_find(const struct task_table *t, uint64_t id);
/* A blank alive task, or NULL when there are too many or memory is short. `id` must not be in the table. */
struct model_task *task_table_add(struct task_table *t, uint64_t id);
/* Puts an alive task among the ended; the oldest of them is dropped when there are too many. */
void task_table_end(struct task_table *t, struct model_task *task, enum live_task_state how,
		    uint64_t now_ns);
/* Takes an ended task back to life; it keeps its numbers. */
void task_table_revive(struct task_table *t, struct model_task *task);
/* The id belongs to another task from here on: the old one is forgotten and the slot blank. */
void task_table_recycle(struct task_table *t, struct model_task *task);
struct model_task *task_table_slot(const struct task_table *t, uint32_t slot);
/* Histograms and wakers from here on, when there is room. */
bool task_table_heat(struct task_table *t, struct model_task *task);
void task_table_cool(struct task_table *t, struct model_task *task);

static inline bool task_alive(const struct model_task *t)
{
	return t->state < LIVE_DONE;
}

/* Born since the recording began. */
static inline bool task_born_here(const struct model_task *t)
{
	return t->spawn_ns <= INT64_MAX;
}

/* LIVE_UNKNOWN = not known. */
static inline uint64_t task_age(const struct model_task *t, uint64_t now_ns)
{
	if (t->spawn_ns == LIVE_UNKNOWN)
		return LIVE_UNKNOWN;
	return (int64_t)now_ns > (int64_t)t->spawn_ns ? now_ns - t->spawn_ns : 0;
}

/* The slot's seconds as of now_ns: moves the window on. */
static inline void task_roll(struct model_task *t, uint32_t second)
{
	if (t->second == second)
		return;
	if (t->second + 1 == second)
		t->before = t->now;
	else
		t->before = (struct model_second){ 0 };
	t->now = (struct model_second){ 0 };
	t->second = second;
}

#endif
