/* SPDX-License-Identifier: MIT */
/* The two halves of the blocking-call detector: blocking_call.c (which polls block) and blocking_excuse.c (whose fault that isn't). */
#ifndef WEFT_BLOCKING_INTERNAL_H
#define WEFT_BLOCKING_INTERNAL_H

#include "collector/detect/detector.h"

#define BLOCKING_PLACES    128u
#define BLOCKING_RECENT    16u
#define BLOCKING_RECENT_NS 10000000000ull
#define BLOCKING_RUNTIME_NS \
	1000000000ull /* a lock of the runtime that is held for so long is a fault */
#define BLOCKING_STACK_DUE_NS 10000000ull
#define BLOCKING_DUE          8u
#define BLOCKING_UNTOLD       (3 * BLOCKING_DUE)

enum blocking_lock { BLOCKING_LOCK_UNKNOWN, BLOCKING_LOCK_RUNTIMES, BLOCKING_LOCK_PROGRAMS };

/* What is known of one type in one process. */
struct blocking_place {
	uint32_t process, type;
	bool used, raised;
	uint64_t last_ns, first_ns;
	uint64_t in_place_ns;    /* it was last met in block_in_place, 0 = never */
	enum blocking_lock lock; /* by the last stack that told of a futex, */
	uint64_t lock_ns;        /* and when that was */
	uint32_t untold; /* by blocks of which no stack came, since one told of block_in_place */
	uint64_t when[BLOCKING_RECENT]; /* ends of blocks with victims, [count % BLOCKING_RECENT] */
	uint64_t count, times, total_ns, worst_ns, worst_task, worst_seq;
	uint64_t harm_ns, victims, worst_wait_ns;
	int32_t syscall;
	enum live_severity severity;
	bool split;
};

struct blocking_state {
	struct detect_cursor *cursor;
	uint64_t starved_ns[MODEL_MAX_PROCESSES]; /* when it last was, 0 = never */
	uint64_t files_ns
		[MODEL_MAX_PROCESSES]; /* calls that make a file blocked, without a stack: first of the last 10 s */
	uint32_t files[MODEL_MAX_PROCESSES]; /* and how many since */
	uint64_t doubts; /* short blocks of places that are forgotten, of which no stack told whose lock it was */
	struct blocking_place place[BLOCKING_PLACES];
};

struct blocking_place *blocking_place(struct blocking_state *s, uint32_t process, uint32_t type);
/* Its blocks in a futex are counted, but whose lock it was no stack has told. */
bool blocking_has_doubts(const struct blocking_place *p);
void blocking_forget(struct blocking_state *s, struct blocking_place *p);
/* list: names, a blank between each. */
bool blocking_is_one_of(const char *name, const char *list);
bool blocking_is_call(int32_t syscall, const char *list);
/* Once per second. */
void blocking_note_starved(struct detect_run *run);
/* k: the stack of that block, NULL = none came. type: of the task. */
bool blocking_is_in_place(const struct detect_run *run, const struct model_lane *l, uint32_t type,
			  const struct model_stack *k);
/* Counted, but not found before a stack tells that the lock is not the runtime's. */
bool blocking_is_doubtful(const struct blocking_place *p, const struct lane_poll *poll);
bool blocking_is_untold(const struct detect_run *run, const struct model_lane *l,
			const struct model_task *t, const struct blocking_place *p);
bool blocking_is_excused(const struct detect_run *run, const struct model_lane *l, uint32_t type,
			 const struct lane_poll *poll, uint64_t blocked_ns,
			 const struct model_stack *k);

#endif
