/* SPDX-License-Identifier: MIT */
#include "runtime/executor/worker.h"

#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/arch.h"
#include "runtime/base/futex.h"
#include "runtime/trace.h"

#define LIFO_LIMIT \
	3u /* as Tokio's: two tasks that wake each other must not keep the ring waiting */
#define STANDBY_NS     10000000u
#define STANDBY_MAX_NS 160000000u

/*
 * Parker (Tokio, runtime/park.rs). Notified by exchange; the sleeper publishes how it sleeps by
 * compare-and-swap, so a notification before that keeps it awake and one after that finds it.
 */
enum parker_state { PARK_EMPTY, PARK_NOTIFIED, PARK_ON_FUTEX, PARK_ON_DRIVER };

void weft_worker_unpark(struct weft_worker *worker)
{
	/* Acq_rel: what made the caller wake it is visible to it. */
	uint32_t old = __atomic_exchange_n(&worker->parker, PARK_NOTIFIED, __ATOMIC_ACQ_REL);

	if (old == PARK_ON_FUTEX)
		weft_futex_wake(&worker->parker, 1);
	else if (old == PARK_ON_DRIVER)
		weft_driver_wake(&worker->rt->driver);
}

void weft_worker_notify(struct weft_multi_thread *mt)
{
	int worker = weft_idle_pick(&mt->idle);

	if (worker < 0)
		return;
	weft_worker_unpark(&mt->worker[worker]);
	weft_trace_stale();
}

void weft_worker_schedule(struct weft_worker *worker, struct weft_task *task, unsigned kind)
{
	if (worker->turning || kind == WEFT_W_TIMER || kind == WEFT_W_IO) {
		weft_deque_push(&worker->deque, task, &worker->mt->inject);
		return;
	}
	/*
	 * Only this thread fills the slot: empty stays empty. Release: a thief sees the task's
	 * state.
	 */
	if (!__atomic_load_n(&worker->lifo, __ATOMIC_RELAXED)) {
		__atomic_store_n(&worker->lifo, task, __ATOMIC_RELEASE);
		return;
	}
	task = __atomic_exchange_n(&worker->lifo, task, __ATOMIC_ACQ_REL);
	if (task) {
		weft_deque_push(&worker->deque, task, &worker->mt->inject);
		weft_worker_notify(worker->mt);
	}
}

static bool any_work(const struct weft_multi_thread *mt)
{
	if (weft_inject_length(&mt->inject))
		return true;
	for (uint32_t i = 0; i < mt->workers; i++)
		if (weft_deque_length(&mt->worker[i].deque))
			return true;
	return false;
}

static uint32_t depth(const struct weft_worker *worker)
{
	return weft_deque_length(&worker->deque) +
	       (__atomic_load_n(&worker->lifo, __ATOMIC_RELAXED) != NULL);
}

/* A share of the inject queue: one to run, the rest to the ring. */
static struct weft_task *take_injected(struct weft_worker *worker)
{
	struct weft_inject *inject = &worker->mt->inject;
	uint64_t length = weft_inject_length(inject), max = length / worker->mt->workers + 1, n;
	uint64_t room = weft_deque_room(&worker->deque);
	struct weft_task *first, *task;

	weft_trace_stale();
	if (!length)
		return NULL;
	if (max > WEFT_DEQUE_SIZE / 2)
		max = WEFT_DEQUE_SIZE / 2;
	if (max > room)
		max = room + 1;
	first = weft_inject_pop(inject, max, &n);
	if (!first)
		return NULL;
	for (task = first->next; task;) {
		struct weft_task *next = task->next;

		weft_deque_push(&worker->deque, task, inject);
		task = next;
	}
	return first;
}

static struct weft_task *take_lifo(struct weft_worker *worker)
{
	struct weft_task *task;

	/* Relaxed look: only this thread fills it. */
	if (!__atomic_load_n(&worker->lifo, __ATOMIC_RELAXED))
		return NULL;
	task = __atomic_exchange_n(&worker->lifo, NULL, __ATOMIC_ACQ_REL);
	if (!task || worker->lifo_polls++ < LIFO_LIMIT)
		return task;
	weft_deque_push(&worker->deque, task, &worker->mt->inject);
	return NULL;
}

static struct weft_task *next_task(struct weft_worker *worker)
{
	struct weft_task *task;
	uint64_t n;

	if (worker->tick % worker->rt->inject_interval == 0) {
		task = weft_inject_pop(&worker->mt->inject, 1, &n);
		weft_trace_stale();
		if (task)
			return task;
	}
	task = take_lifo(worker);
	if (task)
		return task;
	worker->lifo_polls = 0;
	task = weft_deque_pop(&worker->deque);
	return task ? task : take_injected(worker);
}

/* xorshift64; only has to spread thieves over victims. */
static uint32_t random_below(struct weft_worker *worker, uint32_t n)
{
	uint64_t x = worker->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	worker->random = x;
	return (uint32_t)((x >> 32) * n >> 32);
}

static void trace_steal(struct weft_worker *worker, const struct weft_worker *victim, unsigned n)
{
#ifndef WEFT_NO_PROBES
	if (weft_trace_on()) {
		WEFT_ADD(weft_trace_thread.lane->steals, 1);
		WEFT_ADD(weft_trace_thread.lane->stolen_tasks, n);
	}
	WEFT_EMIT(STEAL, victim->index | worker->index << 16 | (uint64_t)n << 32, worker->rt->id,
		  0);
	WEFT_USDT(task_steal, n, victim->index, worker->index);
#else
	(void)worker, (void)victim, (void)n;
#endif
}

/*
 * A task waits in the LIFO slot of a worker that stays inside one poll: without this it waits for
 * that poll's end.
 */
static struct weft_task *steal_lifo(struct weft_worker *worker, struct weft_worker *victim)
{
	uint64_t polls = __atomic_load_n(&victim->polls, __ATOMIC_RELAXED);
	struct weft_task *task;

	if (!__atomic_load_n(&victim->lifo, __ATOMIC_RELAXED))
		return NULL;
	for (int i = 0; i < 64; i++)
		arch_relax();
	if (polls != __atomic_load_n(&victim->polls, __ATOMIC_RELAXED))
		return NULL;
	task = __atomic_exchange_n(&victim->lifo, NULL, __ATOMIC_ACQ_REL);
	if (task)
		trace_steal(worker, victim, 1);
	return task;
}

static struct weft_task *steal(struct weft_worker *worker)
{
	struct weft_multi_thread *mt = worker->mt;
	uint32_t from = random_below(worker, mt->workers);
	struct weft_task *task;
	unsigned n;

	if (!worker->searching && !(worker->searching = weft_idle_search(&mt->idle)))
		return NULL;
	weft_trace_state(WEFT_WS_SEARCHING, weft_trace_stamp());
	for (uint32_t i = 0; i < mt->workers; i++) {
		struct weft_worker *victim = &mt->worker[(from + i) % mt->workers];

		if (victim == worker)
			continue;
		task = weft_deque_steal(&victim->deque, &worker->deque, &n);
		if (task) {
			trace_steal(worker, victim, n);
			return task;
		}
	}
	task = take_injected(worker);
	for (uint32_t i = 0; i < mt->workers && !task; i++)
		if (&mt->worker[i] != worker)
			task = steal_lifo(worker, &mt->worker[i]);
	return task;
}

static void stop_searching(struct weft_worker *worker)
{
	worker->searching = false;
	weft_trace_state(WEFT_WS_RUNNING, weft_trace_stamp());
	/*
	 * Whoever pushed while this one searched relied on it: look again, now that the word says
	 * nobody does.
	 */
	if (weft_idle_search_end(&worker->mt->idle) && any_work(worker->mt))
		weft_worker_notify(worker->mt);
}

static void run(struct weft_worker *worker, struct weft_task *task)
{
	if (worker->searching)
		stop_searching(worker);
	__atomic_store_n(&worker->polls, worker->polls + 1, __ATOMIC_RELAXED);
	if (weft_task_poll(&worker->cx, task) != WEFT_TASK_AGAIN)
		return;
	weft_deque_push(&worker->deque, task, &worker->mt->inject);
	if (weft_deque_length(&worker->deque) > 1)
		weft_worker_notify(worker->mt);
}

/* The caller owns the driver. */
static void turn(struct weft_worker *worker, bool block)
{
	weft_trace_stale();
	worker->turning = true;
	WEFT_SET(worker->rt->entry->driver_worker, worker->index);
	weft_driver_turn(worker->rt, block);
	WEFT_SET(worker->rt->entry->driver_worker, UINT32_MAX);
	worker->turning = false;
}

static void tell_others(struct weft_worker *worker)
{
	if (depth(worker) > 1)
		weft_worker_notify(worker->mt);
}

static void maintain(struct weft_worker *worker)
{
	struct weft_runtime *rt = worker->rt;

	if (weft_driver_take(&rt->driver, (int32_t)worker->index)) {
		turn(worker, false);
		weft_driver_give(&rt->driver);
		tell_others(worker);
	}
	weft_trace_depth(depth(worker));
	WEFT_SET(rt->entry->inject_depth, weft_inject_length(&worker->mt->inject));
	WEFT_EMIT(QUEUE_DEPTH, depth(worker) | weft_inject_length(&worker->mt->inject) << 32,
		  rt->id | (uint64_t)worker->index << 32, 0);
}

static bool parker_sleep(struct weft_worker *worker, uint32_t how)
{
	uint32_t empty = PARK_EMPTY;

	/*
	 * Acq_rel: a notification that came first is consumed here, together with what it
	 * announces.
	 */
	if (__atomic_compare_exchange_n(&worker->parker, &empty, how, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return true;
	__atomic_store_n(&worker->parker, PARK_EMPTY, __ATOMIC_RELEASE);
	return false;
}

static void parker_awake(struct weft_worker *worker)
{
	__atomic_exchange_n(&worker->parker, PARK_EMPTY, __ATOMIC_ACQ_REL);
}

/* stamp: weft_trace_stamp() of the moment, for the state and the record. */
static void trace_park(struct weft_worker *worker, enum weft_park how, uint64_t stamp)
{
	weft_trace_state(how == WEFT_PARK_DRIVER ? WEFT_WS_PARKED_DRIVER : WEFT_WS_PARKED_FUTEX,
			 stamp);
	weft_trace_worker(WEFT_K_WORKER_PARK, worker->rt, worker->index, how, stamp);
	weft_trace_park();
}

static void trace_unpark(struct weft_worker *worker, enum weft_park how, uint64_t from)
{
	uint64_t stamp = weft_trace_stamp(), ticks = from && stamp ? stamp - from : 0;

#ifndef WEFT_NO_PROBES
	if (ticks) {
		WEFT_ADD(weft_trace_thread.lane->parks, 1);
		WEFT_ADD(weft_trace_thread.lane->park_ticks, ticks);
	}
#endif
	weft_trace_state(WEFT_WS_RUNNING, stamp);
	weft_trace_worker(WEFT_K_WORKER_UNPARK, worker->rt, worker->index,
			  (uint64_t)how << 48 | (ticks & WEFT_ID_MASK), stamp);
}

static void park_on_driver(struct weft_worker *worker)
{
	if (!parker_sleep(worker, PARK_ON_DRIVER))
		return;
	turn(worker, true);
	parker_awake(worker);
}

/*
 * The worker that had the driver may be stuck in a poll, which Tokio leaves at that (tokio#4730).
 * Here one of the sleepers, the standby, looks every 10 ms whether the driver has no owner, less
 * often while nothing turns. Returns whether it took part in that.
 */
static bool park_on_futex(struct weft_worker *worker, uint64_t *wait_ns)
{
	uint32_t none = 0;
	bool standby = __atomic_compare_exchange_n(&worker->mt->standby, &none, 1, false,
						   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	uint64_t turns = __atomic_load_n(&worker->rt->driver.turns, __ATOMIC_RELAXED);

	if (parker_sleep(worker, PARK_ON_FUTEX)) {
		weft_futex_wait(&worker->parker, PARK_ON_FUTEX, standby ? *wait_ns : UINT64_MAX);
		parker_awake(worker);
	}
	if (!standby)
		return false;
	__atomic_store_n(&worker->mt->standby, 0, __ATOMIC_RELEASE);
	if (turns != __atomic_load_n(&worker->rt->driver.turns, __ATOMIC_RELAXED))
		*wait_ns = STANDBY_NS;
	else if (*wait_ns < STANDBY_MAX_NS)
		*wait_ns *= 2;
	return true;
}

/* For the standby: a task stranded behind a worker that hasn't begun a poll since the last look. */
static bool stranded(const struct weft_multi_thread *mt, uint64_t *seen)
{
	bool found = false;

	for (uint32_t i = 0; i < mt->workers; i++) {
		uint64_t polls = __atomic_load_n(&mt->worker[i].polls, __ATOMIC_RELAXED);

		if (__atomic_load_n(&mt->worker[i].lifo, __ATOMIC_RELAXED) ||
		    weft_deque_length(&mt->worker[i].deque))
			found |= *seen == polls + i;
		*seen = polls + i;
	}
	return found;
}

/* Sleeps until picked, stopped, or the driver's turn gave it tasks. Still counted as parked. */
static void sleep_until_work(struct weft_worker *worker)
{
	struct weft_runtime *rt = worker->rt;
	uint64_t wait_ns = STANDBY_NS, seen = UINT64_MAX, from = weft_trace_stamp();
	enum weft_park how = 0;

	while (weft_runtime_running(rt)) {
		bool driver = weft_driver_take(&rt->driver, (int32_t)worker->index),
		     standby = false;

		if (!how) {
			how = driver ? WEFT_PARK_DRIVER : WEFT_PARK_FUTEX;
			trace_park(worker, how, from);
		}
		if (driver) {
			park_on_driver(worker);
			weft_driver_give(&rt->driver);
		} else {
			standby = park_on_futex(worker, &wait_ns);
		}
		if (depth(worker) || !weft_idle_parked(&worker->mt->idle, worker->index))
			break;
		if (standby && (any_work(worker->mt) || stranded(worker->mt, &seen)))
			break;
	}
	trace_unpark(worker, how, from);
}

static void park(struct weft_worker *worker)
{
	struct weft_multi_thread *mt = worker->mt;
	bool last = weft_idle_park(&mt->idle, worker->index, worker->searching);

	worker->searching = false;
	if (last && any_work(mt))
		weft_worker_notify(mt);
	weft_trace_depth(0);
	sleep_until_work(worker);
	worker->searching = !weft_idle_unpark(&mt->idle, worker->index);
	if (!worker->searching)
		tell_others(worker);
}

static void begin(struct weft_worker *worker)
{
	struct weft_runtime *rt = worker->rt;
	struct weft_trace_role role = { WEFT_LANE_WORKER, rt->id, worker->index };
	uint64_t stamp;
	char name[32];

	snprintf(name, sizeof(name), "%.9s-w%u", rt->name, worker->index);
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL,
	      0UL); /* the default of 50 us would be added to every wait */
	weft_trace_thread_begin(&role, name);
	weft_thread = (struct weft_thread){ .rt = rt, .cx = &worker->cx, .worker = worker };
	worker->cx.runtime = rt;
	worker->random = 0x9e3779b97f4a7c15ull * (worker->index + 1);
	stamp = weft_trace_stamp();
	weft_trace_state(WEFT_WS_RUNNING, stamp);
	weft_trace_worker(WEFT_K_WORKER_START, rt, worker->index, (uint64_t)syscall(SYS_gettid),
			  stamp);
}

static void end(struct weft_worker *worker)
{
	uint64_t stamp = weft_trace_stamp();

	weft_trace_state(WEFT_WS_STOPPED, stamp);
	weft_trace_worker(WEFT_K_WORKER_STOP, worker->rt, worker->index,
			  (uint64_t)syscall(SYS_gettid), stamp);
}

void *weft_worker_main(void *arg)
{
	struct weft_worker *worker = arg;
	struct weft_task *task;

	begin(worker);
	while (weft_runtime_running(worker->rt)) {
		if (++worker->tick % worker->rt->driver_interval == 0)
			maintain(worker);
		task = next_task(worker);
		if (!task)
			task = steal(worker);
		if (task)
			run(worker, task);
		else
			park(worker);
	}
	end(worker);
	weft_trace_thread_end();
	weft_thread = (struct weft_thread){ .rt = NULL };
	/* The memory stays until this thread is joined. */
	__atomic_fetch_sub(&worker->mt->running, 1, __ATOMIC_RELEASE);
	weft_futex_wake(&worker->mt->running, 1);
	return NULL;
}
