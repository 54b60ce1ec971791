/* SPDX-License-Identifier: MIT */
#include "runtime/executor/root.h"

#include "runtime/base/futex.h"
#include "runtime/bound.h"
#include "runtime/executor/executor.h"
#include "runtime/trace.h"

/*
 * The thread may free the root as soon as it sees NOTIFIED: after that the word is only the
 * address of a futex, and `schedulers` keeps the runtime.
 */
void weft_root_wake(struct weft_task *root)
{
	struct weft_runtime *rt = root->rt;
	uint32_t old;

	if (weft_thread.root == root) {
		/*
		 * Relaxed, in two steps: nobody else changes the word of a thread that drives.
		 * weft_bound_schedule() writes back what it reads; a LOOK from before the thread
		 * drove may get lost, and nobody waits for it any more.
		 */
		old = __atomic_load_n(&root->wake_word, __ATOMIC_RELAXED);
		WEFT_SET(root->wake_word, old | WEFT_ROOT_NOTIFIED);
		return;
	}
	__atomic_fetch_add(&rt->schedulers, 1, __ATOMIC_RELAXED);
	/* Release: pairs with weft_root_due(). Acquire: how the thread sleeps. */
	old = __atomic_fetch_or(&root->wake_word, WEFT_ROOT_NOTIFIED, __ATOMIC_ACQ_REL);
	if (old & WEFT_ROOT_DRIVING)
		rt->ops->unpark(rt, old >> WEFT_ROOT_WORKER_SHIFT);
	else if (old & WEFT_ROOT_ON_FUTEX)
		weft_futex_wake(&root->wake_word, 1);
	/* Release: the last access to the runtime, before it is freed. */
	__atomic_fetch_sub(&rt->schedulers, 1, __ATOMIC_RELEASE);
}

/* While this thread owns the notification only LOOK may be set by others. */
static void due_set(struct weft_task *root)
{
	__atomic_fetch_or(&root->wake_word, WEFT_ROOT_NOTIFIED, __ATOMIC_RELAXED);
}

bool weft_root_poll(struct weft_cx *cx, struct weft_task *root)
{
	enum weft_task_next next;
	uint32_t old = __atomic_fetch_and(&root->wake_word, ~(uint32_t)WEFT_ROOT_NOTIFIED,
					  __ATOMIC_ACQUIRE);

	if (__builtin_expect(__atomic_load_n(&root->bound_due, __ATOMIC_ACQUIRE), 0))
		weft_bound_run(cx);
	if (!(old & WEFT_ROOT_NOTIFIED))
		return false;
	next = weft_task_poll(cx, root);
	if (next == WEFT_TASK_AGAIN)
		due_set(root);
	return next == WEFT_TASK_ENDED;
}

bool weft_root_sleep(struct weft_task *root)
{
	/* Acq_rel: a waker that comes later sees ON_FUTEX, one that came before is seen here. */
	uint32_t old = __atomic_fetch_or(&root->wake_word, WEFT_ROOT_ON_FUTEX, __ATOMIC_ACQ_REL);

	old |= WEFT_ROOT_ON_FUTEX;
	if (!(old & (WEFT_ROOT_NOTIFIED | WEFT_ROOT_LOOK)) && !weft_root_due(root))
		weft_trace_park();
	while (!(old & (WEFT_ROOT_NOTIFIED | WEFT_ROOT_LOOK)) && !weft_root_due(root)) {
		weft_futex_wait(&root->wake_word, old, UINT64_MAX);
		old = __atomic_load_n(&root->wake_word, __ATOMIC_ACQUIRE);
	}
	old = __atomic_fetch_and(&root->wake_word, ~(uint32_t)(WEFT_ROOT_ON_FUTEX | WEFT_ROOT_LOOK),
				 __ATOMIC_ACQ_REL);
	return old & WEFT_ROOT_LOOK;
}

void weft_root_look(struct weft_task *root)
{
	__atomic_fetch_or(&root->wake_word, WEFT_ROOT_LOOK, __ATOMIC_ACQ_REL);
	weft_futex_wake(&root->wake_word, 1);
}

void weft_root_drives(struct weft_task *root, uint32_t worker)
{
	/* Release: a waker that sees it may use the worker. Acquire: bound.c. */
	__atomic_fetch_or(&root->wake_word, WEFT_ROOT_DRIVING | worker << WEFT_ROOT_WORKER_SHIFT,
			  __ATOMIC_ACQ_REL);
}

void weft_root_drives_not(struct weft_task *root)
{
	__atomic_fetch_and(&root->wake_word, WEFT_ROOT_NOTIFIED, __ATOMIC_RELAXED);
}

void weft_root_run(struct weft_runtime *rt, struct weft_task *root)
{
	struct weft_trace_role role = { WEFT_LANE_FOREIGN, rt->id, UINT32_MAX };
	struct weft_cx cx = { .runtime = rt };

	weft_trace_thread_begin(&role, NULL);
	weft_thread = (struct weft_thread){ .rt = rt, .cx = &cx };
	while (!weft_root_due(root) || !weft_root_poll(&cx, root))
		weft_root_sleep(root);
	weft_thread = (struct weft_thread){ .rt = NULL };
}
