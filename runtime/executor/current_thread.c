/* SPDX-License-Identifier: MIT */
/*
 * The flavour like Tokio's current-thread: tasks run on the thread that is inside weft_block_on.
 *
 * One thread drives at a time: it has the run queue, turns the driver, polls its own root between
 * the tasks. Other threads inside weft_block_on poll their roots only; when the driving thread's
 * root ends, the one that waited longest takes over. While nobody is inside, nothing runs.
 *
 * The run queue is plain memory of the driving thread; the line hands it from one to the next. All
 * others push to the inject queue and then wake the parker.
 */
#include <errno.h>

#include "runtime/base/memory.h"
#include "runtime/executor/duty.h"
#include "runtime/executor/inject.h"
#include "runtime/executor/line.h"
#include "runtime/executor/pace.h"
#include "runtime/executor/parker.h"
#include "runtime/executor/root.h"
#include "runtime/executor/spin.h"
#include "runtime/trace.h"

struct weft_current_thread {
	struct weft_task *first, **last;
	uint32_t length;
	uint32_t until_inject, until_driver; /* polls */
	struct weft_pace pace;
	uint32_t root_after; /* 0, or 1 + polls of others before the root that has yielded */
	struct weft_cx cx;
	struct weft_duty duty;
	struct weft_spin spin;
	struct weft_runtime *rt;
	struct weft_parker parker __attribute__((aligned(64)));
	struct weft_inject inject;
	struct weft_line line;
};

static void push(struct weft_current_thread *ct, struct weft_task *task)
{
	task->next = NULL;
	*ct->last = task;
	ct->last = &task->next;
	ct->length++;
}

static struct weft_task *pop(struct weft_current_thread *ct)
{
	struct weft_task *task = ct->first;

	if (!task)
		return NULL;
	ct->first = task->next;
	if (!ct->first)
		ct->last = &ct->first;
	ct->length--;
	return task;
}

static void take_injected(struct weft_current_thread *ct)
{
	struct weft_task **last, *first;
	uint64_t n;

	weft_trace_stale();
	ct->until_inject = ct->rt->inject_interval;
	first = weft_inject_take(&ct->inject, &last, &n);
	if (!first)
		return;
	*ct->last = first;
	ct->last = last;
	ct->length += (uint32_t)n;
}

static void unpark(struct weft_runtime *rt, uint32_t worker)
{
	struct weft_current_thread *ct = rt->executor;

	(void)worker;
	weft_spin_call(&ct->spin);
	weft_parker_unpark(&ct->parker, &rt->driver);
}

static void schedule(struct weft_runtime *rt, struct weft_task *task, unsigned kind)
{
	struct weft_current_thread *ct = rt->executor;

	if (weft_thread.worker == ct) {
		push(ct, task);
		return;
	}
	/*
	 * The task can't end before it is pushed, so the runtime is there until then; the count
	 * keeps it for what comes after. Release: this thread's last access before the free.
	 */
	__atomic_fetch_add(&rt->schedulers, 1, __ATOMIC_RELAXED);
	task->next = NULL;
	weft_inject_push_chain(&ct->inject, task, task, 1);
	if (kind != WEFT_W_JOB)
		weft_spin_call(&ct->spin);
	weft_parker_unpark(&ct->parker, &rt->driver);
	__atomic_fetch_sub(&rt->schedulers, 1, __ATOMIC_RELEASE);
}

static struct weft_task *take(struct weft_runtime *rt)
{
	struct weft_current_thread *ct = rt->executor;
	struct weft_task *task = pop(ct);
	uint64_t n;

	return task ? task : weft_inject_pop(&ct->inject, 1, &n);
}

/* Between polls: the driver only if there is anything that it could bring. */
static void maintain(struct weft_current_thread *ct)
{
	struct weft_runtime *rt = ct->rt;

	if (!weft_pace_due(&ct->pace, rt->driver_interval, &ct->until_driver))
		return;
	if (__atomic_load_n(&rt->entry->fds, __ATOMIC_RELAXED) ||
	    __atomic_load_n(&rt->wheel.armed, __ATOMIC_RELAXED))
		weft_duty_turn(rt, 0, false);
	weft_duty_depth(rt, 0, ct->length, weft_inject_length(&ct->inject));
}

/*
 * Whoever gives this thread something to do while it sleeps stores that first and notifies the
 * parker then: see parker.h.
 */
static void park(struct weft_current_thread *ct)
{
	struct weft_runtime *rt = ct->rt;

	weft_trace_depth(0);
	(void)weft_spin_try(&ct->spin, &ct->parker, &rt->wheel);
	if (!weft_parker_sleep(&ct->parker, WEFT_PARKER_ON_DRIVER))
		return;
	weft_spin_sleep(&ct->spin);
	weft_duty_park(&ct->duty, rt, 0, WEFT_PARK_DRIVER);
	weft_duty_turn(rt, 0, true);
	weft_parker_awake(&ct->parker);
	weft_duty_unpark(&ct->duty, rt, 0);
	weft_pace_slept(&ct->pace);
	weft_spin_awake(&ct->spin);
}

/* A root that yields goes behind all that wait now. */
static bool poll_root(struct weft_current_thread *ct, struct weft_task *root)
{
	if (weft_root_poll(&ct->cx, root))
		return true;
	if (!weft_root_due(root))
		return false;
	take_injected(ct);
	ct->root_after = ct->length + 1;
	return false;
}

static struct weft_task *next_task(struct weft_current_thread *ct)
{
	if (!ct->first)
		take_injected(ct);
	return pop(ct);
}

/* Polls the root and the tasks until the root ends (true) or the runtime stops. */
static bool run(struct weft_current_thread *ct, struct weft_task *root)
{
	struct weft_task *task;

	ct->root_after = 0;
	while (weft_runtime_running(ct->rt)) {
		if (--ct->until_driver == 0)
			maintain(ct);
		if (--ct->until_inject == 0)
			take_injected(ct);
		if (weft_root_due(root) && (ct->root_after == 0 || --ct->root_after == 0)) {
			if (poll_root(ct, root))
				return true;
			continue;
		}
		task = next_task(ct);
		if (task) {
			if (weft_task_poll(&ct->cx, task) == WEFT_TASK_AGAIN)
				push(ct, task);
		} else if (weft_root_due(root)) {
			ct->root_after = 0;
		} else {
			park(ct);
		}
	}
	return false;
}

static bool drive(struct weft_runtime *rt, struct weft_task *root)
{
	struct weft_current_thread *ct = rt->executor;
	bool ended;

	weft_root_drives(root, 0);
	weft_duty_begin(rt, 0, NULL);
	/* Never fails: whoever drives has the driver. */
	weft_driver_take(&rt->driver, 0);
	weft_thread = (struct weft_thread){ .rt = rt, .cx = &ct->cx, .worker = ct, .root = root };
	__atomic_store_n(&rt->driver.holder, &weft_thread, __ATOMIC_RELAXED);
	ended = run(ct, root);
	weft_driver_flush(&rt->driver);
	__atomic_store_n(&rt->driver.holder, NULL, __ATOMIC_RELAXED);
	weft_thread = (struct weft_thread){ .rt = NULL };
	weft_driver_give(&rt->driver);
	weft_duty_end(&ct->duty, rt, 0, true);
	if (!ended)
		weft_root_drives_not(root);
	return ended;
}

static void block_on(struct weft_runtime *rt, struct weft_task *root)
{
	struct weft_current_thread *ct = rt->executor;

	weft_line_block_on(&ct->line, rt, root);
}

static int stop(struct weft_runtime *rt, uint64_t deadline_ns)
{
	struct weft_current_thread *ct = rt->executor;

	unpark(rt, 0);
	return weft_line_stop(&ct->line, deadline_ns);
}

static void done(struct weft_runtime *rt)
{
	struct weft_current_thread *ct = rt->executor;

	weft_inject_done(&ct->inject);
	weft_line_done(&ct->line);
	weft_memory_free(ct);
	rt->executor = NULL;
}

static int start(struct weft_runtime *rt)
{
	struct weft_current_thread *ct = weft_memory_aligned(64, sizeof(*ct));

	if (!ct)
		return -ENOMEM;
	ct->rt = rt;
	ct->cx.runtime = rt;
	ct->last = &ct->first;
	weft_spin_init(&ct->spin, !rt->no_spin);
	ct->until_inject = rt->inject_interval;
	ct->until_driver = weft_pace_begin(&ct->pace, rt->driver_interval);
	weft_inject_init(&ct->inject);
	weft_line_init(&ct->line, 1, drive);
	rt->executor = ct;
	return 0;
}

const struct weft_executor_ops weft_current_thread_ops = {
	.flavour = WEFT_F_CURRENT_THREAD,
	.name = "current_thread",
	.start = start,
	.schedule = schedule,
	.block_on = block_on,
	.unpark = unpark,
	.take = take,
	.stop = stop,
	.free = done,
};
