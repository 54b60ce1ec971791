/* SPDX-License-Identifier: MIT */
#include "runtime/task.h"

#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/base/slab.h"
#include "runtime/executor/executor.h"
#include "runtime/executor/root.h"
#include "runtime/bound.h"
#include "runtime/group.h"
#include "runtime/trace.h"

#define STAMP_SPAWNS 32u
#define CANCEL_LIMIT 1000u /* operations refused to a cancelled task before it is taken off */

__thread struct weft_thread weft_thread __attribute__((tls_model("initial-exec")));

static uint64_t last_id; /* one sequence per process; relaxed: ids only have to differ */

const char *weft_task_name(const struct weft_task *task)
{
	const char *own = (const char *)(uintptr_t)task->head.name;

	return own ? own : weft_trace_site_get(task->head.site)->name;
}

static struct weft_task_extra *extra_new(struct weft_task *task, const char *name)
{
	size_t bytes = strlen(name) + 1;
	struct weft_task_extra *extra = weft_memory_alloc(sizeof(*extra) + bytes);

	if (!extra)
		return NULL;
	memcpy(extra->name, name, bytes);
	/* Release: an outside reader that sees the address sees the name. */
	__atomic_store_n(&task->head.name, (uint64_t)(uintptr_t)extra->name, __ATOMIC_RELEASE);
	task->extra = 1;
	return extra;
}

struct weft_task_extra *weft_task_extra_get(struct weft_task *task)
{
	struct weft_task_extra *extra = weft_task_extra(task);

	return extra ? extra : extra_new(task, weft_task_name(task));
}

/* The site's own name costs nothing; another one is copied and lives as long as the block. */
static bool name_set(struct weft_task *task, const struct weft_site *site, const char *name)
{
	task->head.name = 0;
	task->extra = 0;
	if (!name || strcmp(name, site->name) == 0)
		return true;
	task->flags |= WEFT_S_NAMED;
	return extra_new(task, name) != NULL;
}

static void alive_add(struct weft_runtime *rt, uint64_t n)
{
	__atomic_fetch_add(&rt->entry->alive, n, __ATOMIC_RELAXED);
}

/*
 * Reading the clock is a seventh of a spawn. While nobody traces, a worker uses one reading for several tasks,
 * at most those of 61 polls without a sleep between: a watcher that comes later reads ages off it.
 */
static uint64_t spawn_stamp(void)
{
	struct weft_thread *t = &weft_thread;

	if (t->stamp_left && !weft_trace_on()) {
		t->stamp_left--;
		return t->stamp;
	}
	t->stamp = weft_clock_stamp();
	t->stamp_left = t->worker ? STAMP_SPAWNS : 0;
	return t->stamp;
}

int weft_task_new(const struct weft_spawn *spawn, struct weft_task **ret)
{
	uint32_t bytes, refs = spawn->flags & WEFT_S_DETACHED ? 1 : 2;
	uint32_t site = __atomic_load_n(&spawn->site->id, __ATOMIC_ACQUIRE);
	struct weft_task *task =
		weft_slab_alloc(sizeof(*task) + spawn->frame->bytes + spawn->tail, &bytes);

	if (!task)
		return -ENOMEM;
	if (__builtin_expect(!site, 0))
		site = weft_trace_site(spawn->site, spawn->name);
	task->next = NULL;
	task->fn = spawn->fn;
	task->rt = spawn->rt;
	task->member = spawn->member;
	task->canceller = 0;
	task->rc = 0;
	task->links = 0;
	task->flags = (uint8_t)spawn->flags;
	task->head.bytes = bytes;
	if (!name_set(task, spawn->site, spawn->name)) {
		weft_slab_free(task, bytes);
		return -ENOMEM;
	}
	task->head.site = site;
	task->head.polls = 0;
	task->head.parent = weft_thread.task_id;
	task->head.spawn_stamp = spawn_stamp();
	task->head.wake_stamp = weft_trace_on() ? task->head.spawn_stamp : 0;
	task->head.runtime = spawn->rt->id;
	memcpy(task->frame, spawn->frame->data, spawn->frame->bytes);
	WEFT_SET(task->head.state, WEFT_T_NOTIFIED | (refs == 2 ? WEFT_T_JOIN_INTEREST : 0) |
					   (spawn->member ? WEFT_T_JOIN_WAKER : 0) |
					   refs * WEFT_TASK_REF);
	/* Release: an outside reader that sees the id sees the head. */
	__atomic_store_n(&task->head.id, __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED),
			 __ATOMIC_RELEASE);
	alive_add(spawn->rt, 1);
	weft_trace_task_spawn(task, spawn->site);
	*ret = task;
	return 0;
}

static void task_free(struct weft_task *task)
{
	uint32_t bytes = task->head.bytes;

	__atomic_store_n(&task->head.id, 0, __ATOMIC_RELEASE);
	weft_memory_free(weft_task_extra(task));
	weft_slab_free(task, bytes);
}

/* Release: this owner's accesses come before the free; acquire: so do all others'. */
static void drop(struct weft_task *task, uint64_t what)
{
	uint64_t old = __atomic_fetch_sub(&task->head.state, what, __ATOMIC_ACQ_REL);

	if (old >> WEFT_TASK_REF_SHIFT != 1)
		return;
	/*
	 * Bits may stay; zero references is what try_ref looks at, and the block must read as
	 * free.
	 */
	__atomic_store_n(&task->head.state, 0, __ATOMIC_RELEASE);
	task_free(task);
}

void weft_task_unref(struct weft_task *task)
{
	drop(task, WEFT_TASK_REF);
}

/* The bit is set as long as the handle lives: subtracting it clears it and borrows nothing. */
void weft_task_unref_handle(struct weft_task *task)
{
	drop(task, WEFT_TASK_REF | WEFT_T_JOIN_INTEREST);
}

bool weft_task_try_ref(struct weft_task *task)
{
	__u64 old = __atomic_load_n(&task->head.state, __ATOMIC_RELAXED);

	do {
		if (old >> WEFT_TASK_REF_SHIFT == 0)
			return false;
	} while (!__atomic_compare_exchange_n(&task->head.state, &old, old + WEFT_TASK_REF, true,
					      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return true;
}

bool weft_task_notify(struct weft_task *task, unsigned kind)
{
	uint64_t old = __atomic_fetch_or(&task->head.state, WEFT_T_NOTIFIED, __ATOMIC_ACQ_REL);
	bool runnable = !(old & (WEFT_T_NOTIFIED | WEFT_T_RUNNING | WEFT_T_COMPLETE));

	weft_trace_task_wake(task, kind, runnable);
	return runnable;
}

void weft_task_schedule(struct weft_task *task, unsigned kind)
{
	if (__builtin_expect(task->flags & WEFT_S_LOCAL, 0))
		weft_bound_schedule(task);
	else if (__builtin_expect(task->flags & WEFT_S_BLOCK_ON, 0))
		weft_root_wake(task);
	else
		task->rt->ops->schedule(task->rt, task, kind);
}

void weft_task_wake(struct weft_task *task, unsigned kind)
{
	if (weft_task_notify(task, kind))
		weft_task_schedule(task, kind);
}

void weft_task_abort(struct weft_task *task)
{
	weft_task_abort_at(task, 0);
}

void weft_task_abort_at(struct weft_task *task, uint32_t site)
{
	uint64_t old;

	if (weft_task_state(task) & (WEFT_T_COMPLETE | WEFT_T_CANCELLED))
		return;
	if (!(task->flags & WEFT_S_BLOCK_ON))
		WEFT_SET(task->canceller, weft_thread.task_id | (uint64_t)site << 48);
	old = __atomic_fetch_or(&task->head.state, WEFT_T_CANCELLED | WEFT_T_NOTIFIED,
				__ATOMIC_ACQ_REL);
	if (!(old & (WEFT_T_NOTIFIED | WEFT_T_RUNNING | WEFT_T_COMPLETE)))
		weft_task_schedule(task, WEFT_W_RUNTIME);
}

static unsigned end_reason(const struct weft_task *task, const struct weft_cx *cx)
{
	if (task->rc == -ECANCELED && cx->cancelled)
		return weft_runtime_running(task->rt) ? WEFT_E_CANCELLED : WEFT_E_SHUTDOWN;
	return task->rc < 0 ? WEFT_E_ERROR : WEFT_E_DONE;
}

/*
 * The frame is dead. If an operation of it is still linked somewhere (its function was left
 * without undoing it), its timers are taken out; anything else keeps the block for good, which
 * is a leak but no dangling pointer.
 */
static void links_check(struct weft_task *task)
{
	if (__builtin_expect(task->links == 0, 1))
		return;
	task->links -= weft_timer_wheel_purge(&task->rt->wheel, task);
	if (task->links)
		weft_task_ref(task);
}

/* Whoever waits for the end. */
static void tell(struct weft_task *task)
{
	struct weft_task *joiner = task->joiner;

	if (task->flags & WEFT_S_GROUP) {
		weft_group_leave(task->member);
		return;
	}
	weft_task_wake(joiner, WEFT_W_TASK);
	weft_task_unref(joiner);
}

static void task_end(struct weft_cx *cx, struct weft_task *task, weft_poll_t rc)
{
	uint64_t old;

	task->rc = rc;
	if (__builtin_expect(task->extra, 0))
		weft_local_end(weft_task_extra(task));
	links_check(task);
	weft_trace_task_end(task,
			    task->flags & WEFT_S_BLOCK_ON
				    ? 0
				    : __atomic_load_n(&task->canceller, __ATOMIC_RELAXED),
			    end_reason(task, cx));
	alive_add(task->rt, (uint64_t)-1);
	/* Release: rc and whatever the task wrote, before COMPLETE. Acquire: the joiner field. */
	old = __atomic_fetch_add(&task->head.state, WEFT_T_COMPLETE - WEFT_T_RUNNING,
				 __ATOMIC_ACQ_REL);
	if (old & WEFT_T_JOIN_WAKER)
		tell(task);
	weft_task_unref(task);
}

static void cx_arm(struct weft_cx *cx, struct weft_task *task, bool cancelled)
{
	cx->task = task;
	cx->chain.leaf = NULL;
	cx->chain.on = WEFT_WAIT_UNKNOWN;
	cx->budget = WEFT_BUDGET;
	cx->cancelled = cancelled;
}

enum weft_task_next weft_task_poll(struct weft_cx *cx, struct weft_task *task)
{
	/* NOTIFIED is set and RUNNING is not: the difference turns one into the other. */
	uint64_t old = __atomic_fetch_sub(&task->head.state, WEFT_T_NOTIFIED - WEFT_T_RUNNING,
					  __ATOMIC_ACQ_REL);
	struct weft_trace_poll poll;
	weft_poll_t rc;

	cx_arm(cx, task, old & WEFT_T_CANCELLED);
	WEFT_ADD(task->head.polls, 1);
	weft_trace_poll_open(&poll, task);
	weft_thread.task_id = task->head.id;
	rc = task->fn(cx, task->frame);
	if (__builtin_expect(cx->cancelled && rc == WEFT_PENDING, 0))
		rc = -ECANCELED;
	weft_trace_poll_close(&poll, task, rc);
	cx->task = NULL;
	if (rc == WEFT_PENDING) {
		weft_thread.task_id = 0;
		old = __atomic_fetch_sub(&task->head.state, WEFT_T_RUNNING, __ATOMIC_ACQ_REL);
		return old & WEFT_T_NOTIFIED ? WEFT_TASK_AGAIN : WEFT_TASK_IDLE;
	}
	task_end(cx, task, rc);
	weft_thread.task_id = 0;
	return WEFT_TASK_ENDED;
}

weft_poll_t weft_pending(struct weft_cx *cx, enum weft_wait on)
{
	cx->chain.leaf = NULL;
	cx->chain.on = on;
	return WEFT_PENDING;
}

weft_poll_t weft_cancelled(struct weft_cx *cx)
{
	if (cx->cancelled++ > CANCEL_LIMIT)
		return WEFT_PENDING;
	return -ECANCELED;
}

weft_poll_t weft_frame_moved(struct weft_cx *cx)
{
	weft_misuse(WEFT_M_FRAME_MOVED, cx->task);
	return -EFAULT;
}

uint64_t weft_task_id(const struct weft_cx *cx)
{
	return cx->task->head.id;
}

void weft_task_label(const struct weft_cx *cx, const char *key, const char *value)
{
#ifndef WEFT_NO_PROBES
	char text[2 * WEFT_NAME_MAX];
	size_t k = strnlen(key, WEFT_NAME_MAX), v = strnlen(value, WEFT_NAME_MAX);

	if (!weft_trace_on())
		return;
	memcpy(text, key, k);
	memcpy(text + k, value, v);
	weft_trace_emit_text(WEFT_K_LABEL, (uint64_t)k << 16 | (uint64_t)v << 32, cx->task->head.id,
			     text, (uint32_t)(k + v));
#else
	(void)cx, (void)key, (void)value;
#endif
}

void weft_misuse(unsigned code, const struct weft_task *task)
{
	weft_misuse_at(code, task, task ? task->head.site : 0);
}

void weft_misuse_at(unsigned code, const struct weft_task *task, uint64_t site)
{
	uint64_t id = task ? task->head.id : 0;

	WEFT_EMIT(MISUSE, code | site << 32, id, 0);
	WEFT_USDT(misuse, id, code, (uint64_t)(uintptr_t)weft_trace_site_get((uint32_t)site)->file);
	(void)id, (void)site, (void)code;
}
