/* SPDX-License-Identifier: MIT */
/*
 * The flavour like async-std's: one thread, the reactor, owns the driver and does nothing but wake
 * tasks; a pool of threads polls them, from a shared queue and queues of their own (as in
 * async-executor 1.13, with stealing). A poll that takes long never delays timers or IO.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "runtime/base/memory.h"
#include "runtime/executor/crew.h"
#include "runtime/executor/root.h"
#include "runtime/trace.h"

#define REACTOR INT32_MAX /* owner of the driver, for good: no worker has this index */

struct reactor {
	struct weft_crew *crew;
	struct weft_runtime *rt;
	pthread_t thread;
	bool joined;
	struct weft_task *first, **last; /* woken by the turn that is under way */
	uint64_t count;
};

/* Found through the crew: it is what rt->executor points to. */
static struct reactor *reactor_of(const struct weft_runtime *rt)
{
	return ((const struct weft_crew *)rt->executor)->reactor;
}

static void schedule(struct weft_runtime *rt, struct weft_task *task, unsigned kind)
{
	struct reactor *reactor = reactor_of(rt);

	if (weft_thread.worker != reactor) {
		weft_crew_schedule(rt, task, kind);
		return;
	}
	task->next = NULL;
	*reactor->last = task;
	reactor->last = &task->next;
	reactor->count++;
}

/* One lock and one wake-up for all that a turn has woken; the woken worker wakes the next. */
static void hand_over(struct reactor *reactor)
{
	struct weft_task *last = (struct weft_task *)(void *)((char *)reactor->last -
							      offsetof(struct weft_task, next));

	if (!reactor->count)
		return;
	weft_inject_push_chain(&reactor->crew->inject, reactor->first, last, reactor->count);
	reactor->first = NULL;
	reactor->last = &reactor->first;
	reactor->count = 0;
	weft_worker_notify(reactor->crew);
}

static void *reactor_main(void *arg)
{
	struct reactor *reactor = arg;
	struct weft_runtime *rt = reactor->rt;
	struct weft_trace_role role = { WEFT_LANE_FOREIGN, rt->id, UINT32_MAX };
	char name[32];

	snprintf(name, sizeof(name), "%.9s-react", rt->name);
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	weft_trace_thread_begin(&role, name);
	weft_thread = (struct weft_thread){ .rt = rt, .worker = reactor };
	WEFT_SET(rt->entry->driver_worker, WEFT_REACTOR);
	while (weft_runtime_running(rt)) {
		weft_trace_park();
		weft_driver_turn(rt, true);
		hand_over(reactor);
		WEFT_SET(rt->entry->inject_depth, weft_inject_length(&reactor->crew->inject));
	}
	weft_driver_leave(rt);
	weft_trace_thread_end();
	weft_thread = (struct weft_thread){ .rt = NULL };
	return NULL;
}

/* It is never in user code, so the wait is short. */
static void stop_reactor(struct reactor *reactor)
{
	if (reactor->joined)
		return;
	weft_driver_wake(&reactor->rt->driver);
	pthread_join(reactor->thread, NULL);
	reactor->joined = true;
}

static int stop(struct weft_runtime *rt, uint64_t deadline_ns)
{
	stop_reactor(reactor_of(rt));
	return weft_crew_stop_threads(rt, deadline_ns);
}

static void done(struct weft_runtime *rt)
{
	weft_memory_free(reactor_of(rt));
	weft_crew_free(rt);
}

static int start_threads(struct weft_runtime *rt)
{
	struct reactor *reactor = reactor_of(rt);
	int rc = weft_crew_start_threads(rt);

	if (rc)
		return rc;
	rc = -pthread_create(&reactor->thread, NULL, reactor_main, reactor);
	if (rc) {
		__atomic_store_n(&rt->state, WEFT_RT_STOPPED, __ATOMIC_RELEASE);
		weft_crew_stop_threads(rt, UINT64_MAX / 2);
	}
	return rc;
}

static int start(struct weft_runtime *rt)
{
	struct reactor *reactor = weft_memory_alloc(sizeof(*reactor));
	int rc = reactor ? weft_crew_new(rt, rt->workers, rt->workers) : -ENOMEM;

	if (rc) {
		weft_memory_free(reactor);
		return rc;
	}
	*reactor = (struct reactor){ .crew = rt->executor, .rt = rt };
	reactor->last = &reactor->first;
	reactor->crew->reactor = reactor;
	/* Before there are workers, which would take it. */
	weft_driver_take(&rt->driver, REACTOR);
	rc = start_threads(rt);
	if (rc)
		done(rt);
	return rc;
}

const struct weft_executor_ops weft_reactor_pool_ops = {
	.flavour = WEFT_F_REACTOR_POOL,
	.name = "reactor_pool",
	.start = start,
	.schedule = schedule,
	.block_on = weft_root_run,
	.lend = weft_stand_in_lend,
	.regain = weft_stand_in_regain,
	.take = weft_crew_take,
	.stop = stop,
	.free = done,
};
