/* SPDX-License-Identifier: MIT */
/*
 * A task's block and its state machine; shared by all executors.
 *
 * References (the state's upper bits): one for the task itself until it completes, one for the
 * join handle, one for each waker and for each job in the pool. Queues hold none: a task that is
 * queued (NOTIFIED, not RUNNING) can't complete before it is taken out.
 *
 * Transitions are single read-modify-writes on the state word, all acq_rel: whoever sets NOTIFIED
 * publishes what it did before, and the poll that clears it sees that; COMPLETE publishes the
 * result.
 *
 *	wake      or  NOTIFIED; the setter schedules unless NOTIFIED, RUNNING or COMPLETE was set
 *	poll      NOTIFIED -> RUNNING by the thread that took it from a queue
 *	pending   RUNNING -> 0; NOTIFIED set meanwhile: the poller queues it again
 *	end       RUNNING -> COMPLETE; JOIN_WAKER set: the ender wakes and drops the joiner
 *	abort     or  CANCELLED|NOTIFIED, scheduling like wake
 *
 * poll, pending and end know which bits are set, so they add and subtract: on x86 one locked
 * instruction, 6 ns, where a bit operation whose result is used is a loop around another, 11 ns.
 *
 * The layout of the bits follows Tokio (runtime/task/state.rs), so that one reader serves both.
 */
#ifndef WEFT_RUNTIME_TASK_H
#define WEFT_RUNTIME_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/probe_points.h"
#include "runtime/weft.h"

#define WEFT_TASK_REF (1ull << WEFT_TASK_REF_SHIFT)

struct weft_task {
	struct weft_task_head head;
	struct weft_task *next; /* in the inject queue, in a batch, and as a free block */
	weft_task_fn *fn;
	struct weft_runtime *rt;
	union {
		/* Owned by the handle's side until JOIN_WAKER is set, then by the ender. */
		struct weft_task *joiner;
		struct weft_member *member; /* WEFT_S_GROUP */
	};
	union {
		uint64_t canceller; /* id of the task that aborted it, 0 = none or foreign; site of the call << 48 */
		struct {
			uint32_t wake_word; /* WEFT_S_BLOCK_ON: see root.h */
			uint32_t bound_due; /* 1: tasks bound to its thread are queued. Atomic */
		};
	};
	int32_t rc;
	uint16_t links; /* operations that hold addresses inside the block; polling thread only */
	uint8_t flags;  /* enum weft_spawn_flag */
	uint8_t extra;  /* head.name is in a struct weft_task_extra; polling thread only */
	char frame[] __attribute__((aligned(16)));
};
_Static_assert(offsetof(struct weft_task, next) == sizeof(struct weft_task_head),
	       "free blocks link there");
_Static_assert(sizeof(struct weft_task) == 112, "every task pays for this");

/* What only some tasks have: a name of their own, or task-locals. head.name points to `name`. */
struct weft_task_extra {
	struct weft_local *locals;
	char name[];
};

enum weft_task_next { WEFT_TASK_IDLE, WEFT_TASK_AGAIN, WEFT_TASK_ENDED };

#pragma GCC visibility push(hidden)

/* NOTIFIED, referenced by itself and, with `joined`, by the handle; not scheduled yet. */
struct weft_spawn {
	struct weft_runtime *rt;
	struct weft_site *site;
	const char *name; /* NULL = the site's */
	weft_task_fn *fn;
	const struct weft_frame_bytes *frame;
	uint16_t flags;             /* enum weft_spawn_flag */
	struct weft_member *member; /* with WEFT_S_GROUP */
	uint32_t tail;              /* bytes the block has beyond the frame */
};
int weft_task_new(const struct weft_spawn *spawn, struct weft_task **ret);

/* Polls once; the caller owns the notification. AGAIN: queue it at the back. */
enum weft_task_next weft_task_poll(struct weft_cx *cx, struct weft_task *task);

/*
 * True: the caller now owns the notification and has to schedule the task. kind: enum
 * weft_waker_kind.
 */
bool weft_task_notify(struct weft_task *task, unsigned kind);
/*
 * Hands a task whose notification the caller owns to its executor, or to the thread inside
 * block_on.
 */
void weft_task_schedule(struct weft_task *task, unsigned kind);
/* notify + schedule. */
void weft_task_wake(struct weft_task *task, unsigned kind);
void weft_task_abort(struct weft_task *task);
void weft_task_abort_at(struct weft_task *task, uint32_t site); /* site: of the call, 0 = none */
void weft_task_unref(struct weft_task *task);
void weft_task_unref_handle(
	struct weft_task *task); /* the handle's reference, and JOIN_INTEREST with it */
/* False: the block is free. Only for walks over slabs. */
bool weft_task_try_ref(struct weft_task *task);

/* Of the polling thread. get: made if need be, NULL: no memory. */
struct weft_task_extra *weft_task_extra_get(struct weft_task *task);
void weft_local_end(struct weft_task_extra *extra);

/* join.c: the event, and the event with the handle's reference. what: enum weft_drop. */
void weft_join_trace_drop(const struct weft_task *task, unsigned what);
void weft_join_release(struct weft_task *task, unsigned what);

const char *weft_task_name(const struct weft_task *task);
void weft_misuse(unsigned code, const struct weft_task *task); /* enum weft_misuse */
/* site: of the call that is refused, where it has one */
void weft_misuse_at(unsigned code, const struct weft_task *task, uint64_t site);
uint64_t weft_fingerprint_own(void); /* base of this process's fingerprints (fingerprint.h) */

#pragma GCC visibility pop

static inline uint64_t weft_task_state(const struct weft_task *task)
{
	return __atomic_load_n(&task->head.state, __ATOMIC_ACQUIRE);
}

/* NULL: it has none. */
static inline struct weft_task_extra *weft_task_extra(const struct weft_task *task)
{
	if (!task->extra)
		return NULL;
	return (struct weft_task_extra *)(uintptr_t)(task->head.name -
						     offsetof(struct weft_task_extra, name));
}

static inline void weft_task_ref(struct weft_task *task)
{
	/* Relaxed: whoever adds a reference holds one. */
	__atomic_fetch_add(&task->head.state, WEFT_TASK_REF, __ATOMIC_RELAXED);
}

/* One operation of the cooperative budget; false: yield first. */
static inline bool weft_budget_take(struct weft_cx *cx)
{
	return __builtin_expect(cx->budget-- != 0, 1);
}

#endif
