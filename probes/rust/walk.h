/* SPDX-License-Identifier: MIT */
/*
 * All tasks of one Tokio runtime, read from outside while it runs: the list of owned tasks that the runtime keeps
 * for its own shutdown. Any task of it that is known to be alive leads there. Nothing is stopped, so what
 * is read may change meanwhile: each node is checked before it is believed, lists are walked from both ends, and
 * whether all was seen is part of the answer. Memory of the target is hostile input.
 */
#ifndef WEFT_RUST_WALK_H
#define WEFT_RUST_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "probes/rust/plan.h"

struct rust_walk_target {
	pid_t pid;
	uint64_t bias; /* run-time address - link-time address of the plan's file in this process */
	const struct rust_plan *plan;
	uint64_t owner; /* tasks of this list only, 0 = of any */
};

struct rust_walk_task {
	uint64_t header; /* its address in the target */
	uint64_t id;     /* Tokio's */
	uint64_t state;  /* the state word: enum rust_tokio_state and the count of references */
	uint64_t owner;  /* the runtime's id among all lists of the process */
	const struct rust_type *type; /* belongs to the plan */
};

enum rust_tokio_state {
	RUST_TOKIO_RUNNING = 1,
	RUST_TOKIO_COMPLETE = 2,
	RUST_TOKIO_NOTIFIED = 4,
	RUST_TOKIO_JOIN_INTEREST = 8,
	RUST_TOKIO_JOIN_WAKER = 16,
	RUST_TOKIO_CANCELLED = 32,
	RUST_TOKIO_REF_SHIFT = 6,
	RUST_TOKIO_REFS_MAX = 1 << 20, /* a block that is free again has an address there */
};

/* Where a scheduler keeps its lists: found once, it leads to its tasks whichever of them have ended. */
struct rust_walk_place {
	uint64_t handle, owner; /* handle 0: not known */
	uint64_t slice;         /* address of the lists; 0: there is one, in the handle itself */
	uint32_t at;            /* in the handle: of what leads to them, or of the list */
	uint32_t lists;
};

struct rust_walk_result {
	uint32_t tasks;
	uint32_t lists; /* that were walked; 1 = the list of the task it began with, or an unsharded one */
	bool whole; /* each list was followed to its end, and no list is missing */
	struct rust_walk_place place;
};

typedef void (*rust_walk_fn)(void *ctx, const struct rust_walk_task *task);

/*
 * Calls fn for each task found, once, up to max. header: of a task that is no job of the blocking pool.
 * 0; -ESRCH: no such task (any more), or it is complete; -EPERM; -ENOMEM; -ENOTSUP: this plan's tasks have no list.
 */
int rust_walk(const struct rust_walk_target *target, uint64_t header, uint32_t max, rust_walk_fn fn,
	      void *ctx, struct rust_walk_result *ret);

/*
 * A task that is in the lists now; header 0: they have none. -ESRCH: they are not there any more; -EAGAIN: they change, or can't be
 * read; -ENOMEM.
 */
int rust_walk_first(const struct rust_walk_target *target, const struct rust_walk_place *place,
		    uint64_t *ret_header);

/*
 * The task that awaits the end of `task`: whose waker that one's handle has left with it. Read from the target's memory at that
 * moment; what lies there has to be a task of a known type. False: nobody, no task (a block_on, a combinator's own waker), or not to be told.
 */
bool rust_walk_awaiter(const struct rust_walk_target *target, const struct rust_walk_task *task,
		       struct rust_walk_task *ret);

#endif
