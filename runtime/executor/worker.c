/* SPDX-License-Identifier: MIT */
#include "runtime/executor/crew.h"

#include "runtime/base/arch.h"
#include "runtime/executor/root.h"
#include "runtime/trace.h"

#define LIFO_LIMIT \
	3u /* as Tokio's: two tasks that wake each other must not keep the ring waiting */
#define STANDBY_NS     10000000u
#define STANDBY_MAX_NS 160000000u

void weft_worker_notify(struct weft_crew *crew)
{
	int worker = weft_idle_pick(&crew->idle);

	if (worker < 0)
		return;
	weft_parker_unpark(&crew->worker[worker].parker, &crew->worker[worker].rt->driver);
	weft_trace_stale();
}

static uint32_t depth(const struct weft_worker *worker)
{
	return weft_deque_length(&worker->deque) +
	       (__atomic_load_n(&worker->lifo, __ATOMIC_RELAXED) != NULL);
}

/* By the owner. Acq_rel against thieves, where there are any. */
static struct weft_task *lifo_swap(struct weft_worker *worker, struct weft_task *task)
{
	struct weft_task *old;

	if (!worker->deque.alone)
		return __atomic_exchange_n(&worker->lifo, task, __ATOMIC_ACQ_REL);
	old = __atomic_load_n(&worker->lifo, __ATOMIC_RELAXED);
	__atomic_store_n(&worker->lifo, task, __ATOMIC_RELEASE);
	return old;
}

static void tell_others(struct weft_worker *worker)
{
	if (depth(worker) > 1)
		weft_worker_notify(worker->crew);
}

void weft_worker_schedule(struct weft_worker *worker, struct weft_task *task, unsigned kind)
{
	if (worker->turning) {
		weft_deque_push(&worker->deque, task, &worker->crew->inject);
		return;
	}
	/* A task may close what many others wait for. */
	if (!worker->crew->lifo || kind == WEFT_W_TIMER || kind == WEFT_W_IO) {
		weft_deque_push(&worker->deque, task, &worker->crew->inject);
		tell_others(worker);
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
	task = lifo_swap(worker, task);
	if (task) {
		weft_deque_push(&worker->deque, task, &worker->crew->inject);
		weft_worker_notify(worker->crew);
	}
}

bool weft_worker_any_work(const struct weft_crew *crew)
{
	if (weft_inject_length(&crew->inject))
		return true;
	for (uint32_t i = 0, n = weft_crew_workers(crew); i < n; i++)
		if (weft_deque_length(&crew->worker[i].deque))
			return true;
	return false;
}

/* A share of the inject queue: one to run, the rest to the ring. */
static struct weft_task *take_injected(struct weft_worker *worker)
{
	struct weft_inject *inject = &worker->crew->inject;
	uint64_t length = weft_inject_length(inject), n;
	uint64_t max = length / weft_idle_workers(&worker->crew->idle) + 1;
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
	task = lifo_swap(worker, NULL);
	if (!task || worker->lifo_polls++ < LIFO_LIMIT)
		return task;
	weft_deque_push(&worker->deque, task, &worker->crew->inject);
	return NULL;
}

static struct weft_task *next_task(struct weft_worker *worker)
{
	struct weft_task *task;

	if (--worker->until_inject == 0) {
		worker->until_inject = worker->rt->inject_interval;
		task = take_injected(worker);
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
	struct weft_crew *crew = worker->crew;
	uint32_t all = weft_crew_workers(crew), from = random_below(worker, all);
	struct weft_task *task;
	unsigned n;

	if (!worker->searching && !(worker->searching = weft_idle_search(&crew->idle)))
		return NULL;
	weft_trace_state(WEFT_WS_SEARCHING, weft_trace_stamp());
	for (uint32_t i = 0; i < all; i++) {
		struct weft_worker *victim = &crew->worker[(from + i) % all];

		if (victim == worker)
			continue;
		task = weft_deque_steal(&victim->deque, &worker->deque, &n);
		if (task) {
			trace_steal(worker, victim, n);
			return task;
		}
	}
	task = take_injected(worker);
	for (uint32_t i = 0; i < all && !task; i++)
		if (&crew->worker[i] != worker)
			task = steal_lifo(worker, &crew->worker[i]);
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
	if (weft_idle_search_end(&worker->crew->idle) && weft_worker_any_work(worker->crew))
		weft_worker_notify(worker->crew);
}

/* False: the worker was lost meanwhile, and is no longer to be touched. */
static bool run(struct weft_worker *worker, struct weft_cx *cx, struct weft_task *task)
{
	enum weft_task_next next;

	if (worker->searching)
		stop_searching(worker);
	__atomic_store_n(&worker->polls, worker->polls + 1, __ATOMIC_RELAXED);
	next = weft_task_poll(cx, task);
	if (__builtin_expect(!weft_thread.worker, 0)) {
		if (next == WEFT_TASK_AGAIN)
			weft_crew_schedule(cx->runtime, task, WEFT_W_RUNTIME);
		return false;
	}
	if (next != WEFT_TASK_AGAIN)
		return true;
	weft_deque_push(&worker->deque, task, &worker->crew->inject);
	if (weft_deque_length(&worker->deque) > 1)
		weft_worker_notify(worker->crew);
	return true;
}

/* The caller owns the driver. */
static void turn(struct weft_worker *worker, bool block)
{
	worker->turning = true;
	weft_duty_turn(worker->rt, worker->index, block);
	worker->turning = false;
}

/* Between polls: the driver only if there is anything that it could bring. */
static void maintain(struct weft_worker *worker)
{
	struct weft_runtime *rt = worker->rt;

	if (!weft_pace_due(&worker->pace, rt->driver_interval, &worker->until_driver))
		return;
	if ((__atomic_load_n(&rt->entry->fds, __ATOMIC_RELAXED) ||
	     __atomic_load_n(&rt->wheel.armed, __ATOMIC_RELAXED)) &&
	    weft_driver_take(&rt->driver, (int32_t)worker->index)) {
		turn(worker, false);
		weft_driver_give(&rt->driver);
		tell_others(worker);
	}
	weft_duty_depth(rt, worker->index, depth(worker),
			weft_inject_length(&worker->crew->inject));
}

static void park_on_driver(struct weft_worker *worker)
{
	if (!weft_parker_sleep(&worker->parker, WEFT_PARKER_ON_DRIVER))
		return;
	turn(worker, true);
	weft_parker_awake(&worker->parker);
}

/*
 * The worker that had the driver may be stuck in a poll, which Tokio leaves at that (tokio#4730).
 * Here one of the sleepers, the standby, looks every 10 ms whether the driver has no owner, less
 * often while nothing turns. Returns whether it took part in that.
 */
static bool park_on_futex(struct weft_worker *worker, uint64_t *wait_ns)
{
	uint32_t none = 0;
	bool standby = __atomic_compare_exchange_n(&worker->crew->standby, &none, 1, false,
						   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	uint64_t turns = __atomic_load_n(&worker->rt->driver.turns, __ATOMIC_RELAXED);

	if (weft_parker_sleep(&worker->parker, WEFT_PARKER_ON_FUTEX)) {
		/* Seq_cst: pairs with weft_parker_call(). One that looked for a standby before this sees none. */
		if (standby || __atomic_load_n(&worker->crew->standby, __ATOMIC_SEQ_CST))
			weft_parker_wait(&worker->parker, standby ? *wait_ns : UINT64_MAX);
		weft_parker_awake(&worker->parker);
	}
	if (!standby)
		return false;
	__atomic_store_n(&worker->crew->standby, 0, __ATOMIC_SEQ_CST);
	if (turns != __atomic_load_n(&worker->rt->driver.turns, __ATOMIC_RELAXED))
		*wait_ns = STANDBY_NS;
	else if (*wait_ns < STANDBY_MAX_NS)
		*wait_ns *= 2;
	return true;
}

/* Another sleeper is woken to be the standby. */
static void relieve(const struct weft_worker *worker)
{
	struct weft_crew *crew = worker->crew;

	for (uint32_t i = 0, n = weft_crew_workers(crew); i < n; i++)
		if (weft_parker_call(&crew->worker[i].parker))
			return;
}

/*
 * Back from the futex it has the driver, or work, from now on. If it was the standby, or was woken to be one,
 * another takes its place, or nobody would see when the driver is lost again. Who was woken can't tell what for:
 * more may have called it at once.
 */
static void stand_down(const struct weft_worker *worker, bool standby)
{
	/* Seq_cst: see park_on_futex(). */
	if (standby || !__atomic_load_n(&worker->crew->standby, __ATOMIC_SEQ_CST))
		relieve(worker);
}

/* For the standby: a task stranded behind a worker that hasn't begun a poll since the last look. */
static bool stranded(const struct weft_crew *crew, uint64_t *seen)
{
	bool found = false;

	for (uint32_t i = 0, n = weft_crew_workers(crew); i < n; i++) {
		uint64_t polls = __atomic_load_n(&crew->worker[i].polls, __ATOMIC_RELAXED);

		if (__atomic_load_n(&crew->worker[i].lifo, __ATOMIC_RELAXED) ||
		    weft_deque_length(&crew->worker[i].deque))
			found |= *seen == polls + i;
		*seen = polls + i;
	}
	return found;
}

static bool root_due(const struct weft_worker *worker)
{
	return worker->root && weft_root_due(worker->root);
}

/* Instead of a sleep; bytes may wait for as long as that takes. */
static bool spin(struct weft_worker *worker)
{
	if (!weft_spin_try(&worker->spin, &worker->parker, &worker->rt->wheel))
		return false;
	weft_parker_awake(&worker->parker);
	return true;
}

/* Sleeps until picked, stopped, or the driver's turn gave it tasks. Still counted as parked. */
static void sleep_until_work(struct weft_worker *worker)
{
	struct weft_runtime *rt = worker->rt;
	uint64_t wait_ns = STANDBY_NS, seen = UINT64_MAX;
	bool standby = false, slept = false; /* on the futex */

	if (spin(worker))
		return;
	weft_spin_sleep(&worker->spin);
	while (weft_runtime_running(rt)) {
		bool driver = weft_driver_take(&rt->driver, (int32_t)worker->index);

		if (driver && slept)
			stand_down(worker, standby);
		standby = false;
		slept = !driver;
		weft_duty_park(&worker->duty, rt, worker->index,
			       driver ? WEFT_PARK_DRIVER : WEFT_PARK_FUTEX);
		if (driver) {
			park_on_driver(worker);
			weft_driver_give(&rt->driver);
		} else {
			standby = park_on_futex(worker, &wait_ns);
		}
		if (depth(worker) || root_due(worker) || weft_stand_in_wanted(&worker->stand_in) ||
		    !weft_idle_parked(&worker->crew->idle, worker->index))
			break;
		if (standby &&
		    (weft_worker_any_work(worker->crew) || stranded(worker->crew, &seen)))
			break;
	}
	if (slept)
		stand_down(worker, standby);
	weft_duty_unpark(&worker->duty, rt, worker->index);
	weft_pace_slept(&worker->pace);
	weft_spin_awake(&worker->spin);
}

static void park(struct weft_worker *worker)
{
	struct weft_crew *crew = worker->crew;
	/* Who was not let search may have been relied on, for as long as it was awake, like who searches last. */
	bool look = !worker->searching;

	look |= weft_idle_park(&crew->idle, worker->index, worker->searching);
	worker->searching = false;
	if (look && weft_worker_any_work(crew))
		weft_worker_notify(crew);
	weft_trace_depth(0);
	sleep_until_work(worker);
	worker->searching = !weft_idle_unpark(&crew->idle, worker->index);
	if (!worker->searching)
		tell_others(worker);
}

/* A root that yields goes behind all that wait now. */
static bool run_root(struct weft_worker *worker, struct weft_cx *cx)
{
	if (worker->searching)
		stop_searching(worker);
	if (weft_root_poll(cx, worker->root))
		return true;
	worker->root_after = 0;
	if (root_due(worker))
		worker->root_after =
			1 + depth(worker) + (weft_inject_length(&worker->crew->inject) != 0);
	return false;
}

void weft_worker_shed(struct weft_worker *worker)
{
	struct weft_task *task = lifo_swap(worker, NULL);
	int sleeper = -1;

	if (task)
		weft_deque_push(&worker->deque, task, &worker->crew->inject);
	if (weft_deque_length(&worker->deque))
		weft_worker_notify(worker->crew);
	if (__atomic_load_n(&worker->rt->driver.owner, __ATOMIC_SEQ_CST) == -1)
		sleeper = weft_idle_pick_any(&worker->crew->idle);
	if (sleeper >= 0)
		weft_crew_unpark(worker->rt, (uint32_t)sleeper);
}

static void begin(struct weft_worker *worker, struct weft_task *root)
{
	worker->root = root;
	worker->root_after = 0;
	worker->until_inject = worker->rt->inject_interval;
	worker->until_driver = weft_pace_begin(&worker->pace, worker->rt->driver_interval);
	worker->random = 0x9e3779b97f4a7c15ull * (worker->index + 1);
}

static bool drive(struct weft_worker *worker, struct weft_cx *cx)
{
	struct weft_task *task;

	while (weft_runtime_running(cx->runtime) && !weft_stand_in_wanted(&worker->stand_in)) {
		if (--worker->until_driver == 0)
			maintain(worker);
		if (root_due(worker) && (worker->root_after == 0 || --worker->root_after == 0)) {
			if (run_root(worker, cx))
				return true;
			continue;
		}
		task = next_task(worker);
		if (!task)
			task = steal(worker);
		if (task && !run(worker, cx, task))
			return false;
		if (task)
			continue;
		if (root_due(worker))
			worker->root_after = 0;
		else
			park(worker);
	}
	return false;
}

/* The context is the thread's, not the worker's: another thread may take the worker during a poll. */
bool weft_worker_drive(struct weft_worker *worker, struct weft_task *root)
{
	struct weft_cx cx = { .runtime = worker->rt };
	bool ended;

	begin(worker, root);
	weft_thread.cx = &cx;
	ended = drive(worker, &cx);
	weft_thread.cx = NULL;
	return ended;
}
