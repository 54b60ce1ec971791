/* SPDX-License-Identifier: MIT */
/*
 * All tasks of one async-executor (smol's Executor, async-std's global one), read from outside while it runs: the slab
 * of wakers that it keeps for its own end, one for each task that is not done. A waker points to its task's header. What
 * schedules a task has the executor's state; there the slab is searched for by shape, since neither is repr(C). Nothing is
 * stopped: a header is checked before it is believed. Memory of the target is hostile input.
 */
#ifndef WEFT_RUST_EXECUTOR_WALK_H
#define WEFT_RUST_EXECUTOR_WALK_H

#include "probes/rust/walk.h"

/* async-task's own bits; above them the count of references. */
enum rust_async_state {
	RUST_ASYNC_SCHEDULED = 1,
	RUST_ASYNC_RUNNING = 2,
	RUST_ASYNC_COMPLETED = 4,
	RUST_ASYNC_CLOSED = 8,
	RUST_ASYNC_TASK_HANDLE = 16,
	RUST_ASYNC_AWAITER = 32,
	RUST_ASYNC_REF_SHIFT = 8,
};

/* Where the words of one slab lie: its vector's pointer and length, the number of tasks. */
struct rust_executor {
	uint64_t pointer; /* address of the pointer; 0 = none */
	uint32_t length;  /* offsets from there */
	uint32_t count;
};

/*
 * The executor whose state lies at `state` or a little behind it. -ENOENT: none, or it has no tasks; -ESRCH: unreadable.
 */
int rust_executor_find(const struct rust_walk_target *target, uint64_t state,
		       struct rust_executor *ret);
/* Of the task with this header: what its schedule function has. */
int rust_executor_of(const struct rust_walk_target *target, uint64_t header,
		     struct rust_executor *ret);

/*
 * Calls fn for each task, up to max; id and owner are 0, state is async-task's own. whole: the slab was the same after the walk.
 * -ESRCH: no slab there any more.
 */
int rust_executor_walk(const struct rust_walk_target *target, const struct rust_executor *e,
		       uint32_t max, rust_walk_fn fn, void *ctx, struct rust_walk_result *ret);

/* As rust_walk_awaiter(): the task that awaits the end of `task`; its id and owner are 0. */
bool rust_executor_awaiter(const struct rust_walk_target *target, const struct rust_walk_task *task,
			   struct rust_walk_task *ret);

#endif
