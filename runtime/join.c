/* SPDX-License-Identifier: MIT */
/*
 * Join handles. struct weft_join is the task itself under another name; JOIN_INTEREST says that
 * a handle exists.
 *
 * The joiner field has one owner at a time (Tokio, runtime/task/harness.rs): the handle's side
 * while JOIN_WAKER is clear, the ender from the moment JOIN_WAKER is set. To change it the handle
 * clears the bit first, which fails once COMPLETE is set.
 */
#include "runtime/executor/executor.h"
#include "runtime/task.h"
#include "runtime/trace.h"

static struct weft_task *task_of(const struct weft_join *handle)
{
	return (struct weft_task *)(uintptr_t)handle;
}

/*
 * Flips `bit` unless the task is complete. Release publishes the joiner field, acquire takes it
 * back.
 */
static bool flip_unless_complete(struct weft_task *task, uint64_t bit)
{
	__u64 old = weft_task_state(task);

	do {
		if (old & WEFT_T_COMPLETE)
			return false;
	} while (!__atomic_compare_exchange_n(&task->head.state, &old, old ^ bit, true,
					      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	return true;
}

void weft_join_trace_drop(const struct weft_task *task, unsigned what)
{
	WEFT_EMIT(HANDLE_DROP, task->head.id, weft_thread.task_id | (uint64_t)what << 48, 0);
	(void)task, (void)what;
}

void weft_join_release(struct weft_task *task, unsigned what)
{
	weft_join_trace_drop(task, what);
	weft_task_unref_handle(task);
}

static weft_poll_t join_ready(struct weft_join **handle)
{
	struct weft_task *task = task_of(*handle);
	int rc = task->rc;

	*handle = NULL;
	weft_join_release(task, WEFT_D_COMPLETE);
	return rc == WEFT_PENDING ? -ECANCELED : rc;
}

/* Gives the joiner back to the handle's side. False: the task is complete and its ender has it. */
static bool joiner_take(struct weft_task *task)
{
	struct weft_task *joiner;

	if (!(weft_task_state(task) & WEFT_T_JOIN_WAKER))
		return true;
	if (!flip_unless_complete(task, WEFT_T_JOIN_WAKER))
		return false;
	joiner = task->joiner;
	task->joiner = NULL;
	weft_task_unref(joiner);
	return true;
}

weft_poll_t weft_join(struct weft_cx *cx, struct weft_join **handle)
{
	struct weft_task *task = task_of(*handle);
	uint64_t state;

	if (!task)
		return -EINVAL;
	state = weft_task_state(task);
	if (state & WEFT_T_COMPLETE)
		return join_ready(handle);
	if (cx->cancelled) {
		if (state & WEFT_T_JOIN_WAKER && task->joiner == cx->task)
			joiner_take(task);
		return weft_cancelled(cx);
	}
	if (state & WEFT_T_JOIN_WAKER) {
		if (task->joiner == cx->task)
			return weft_pending(cx, WEFT_WAIT_JOIN);
		weft_misuse(WEFT_M_DOUBLE_AWAIT, cx->task);
		return -EBUSY;
	}
	weft_task_ref(cx->task);
	task->joiner = cx->task;
	if (flip_unless_complete(task, WEFT_T_JOIN_WAKER))
		return weft_pending(cx, WEFT_WAIT_JOIN);
	weft_task_unref(cx->task);
	return join_ready(handle);
}

/* Known to the table of sites from its first use under a watcher on. */
static uint32_t id_of(struct weft_site *site)
{
	uint32_t id;

	if (!site || !weft_trace_on())
		return 0;
	/* Acquire: pairs with the release in weft_trace_site(). */
	id = __atomic_load_n(&site->id, __ATOMIC_ACQUIRE);
	return id ? id : weft_trace_site(site, NULL);
}

void weft_join_abort_at(struct weft_join *handle, struct weft_site *site)
{
	if (handle)
		weft_task_abort_at(task_of(handle), id_of(site));
}

/* Programs that were compiled before it told from where. */
void(weft_join_abort)(struct weft_join *handle)
{
	weft_join_abort_at(handle, NULL);
}

struct weft_join *weft_join_detach(struct weft_join *handle)
{
	struct weft_task *task = task_of(handle);

	if (task) {
		joiner_take(task);
		weft_join_release(task, WEFT_D_DETACH);
	}
	return NULL;
}

struct weft_join *weft_join_drop_at(struct weft_join *handle, struct weft_site *site)
{
	struct weft_task *task = task_of(handle);

	if (!task)
		return NULL;
	if (!task->rt->ops->drop_cancels)
		return weft_join_detach(handle);
	joiner_take(task);
	weft_task_abort_at(task, id_of(site));
	weft_join_release(task, WEFT_D_CANCEL);
	return NULL;
}

struct weft_join *(weft_join_drop)(struct weft_join *handle)
{
	return weft_join_drop_at(handle, NULL);
}

bool weft_join_done(const struct weft_join *handle)
{
	return weft_task_state(task_of(handle)) & WEFT_T_COMPLETE;
}

uint64_t weft_join_id(const struct weft_join *handle)
{
	return task_of(handle)->head.id;
}
