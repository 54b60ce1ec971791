/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "runtime/base/futex.h"
#include "runtime/base/memory.h"
#include "runtime/base/slab.h"
#include "runtime/executor/executor.h"
#include "runtime/executor/root.h"
#include "runtime/bound.h"
#include "runtime/group.h"
#include "runtime/trace.h"

#define MAX_WORKERS     256u
#define DEFAULT_DRIVERS 64u
#define DEFAULT_INTERVAL \
	61u /* as Tokio's: prime, so that it doesn't beat with the program's own cycles */
#define DEFAULT_BLOCKING      512u
#define DEFAULT_KEEP_ALIVE_NS 10000000000ull

static uint32_t default_workers(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	return (uint32_t)CPU_COUNT(&set) < MAX_WORKERS ? (uint32_t)CPU_COUNT(&set) : MAX_WORKERS;
}

static uint32_t pick(uint32_t wanted, uint32_t otherwise)
{
	return wanted ? wanted : otherwise;
}

/* Takes what the caller's header knew; the rest is default. */
static int config_read(const struct weft_config *from, struct weft_config *to)
{
	size_t n = from ? from->size : 0;

	memset(to, 0, sizeof(*to));
	if (from && n == 0)
		n = sizeof(*to);
	memcpy(to, from ? from : to, n < sizeof(*to) ? n : sizeof(*to));
	to->flavour = pick(to->flavour, WEFT_MULTI_THREAD);
	if (to->flavour == WEFT_CURRENT_THREAD)
		to->workers = 1;
	else if (to->flavour == WEFT_EXECUTOR)
		to->workers = pick(to->workers, DEFAULT_DRIVERS);
	to->workers = pick(to->workers, default_workers());
	to->max_blocking = pick(to->max_blocking, DEFAULT_BLOCKING);
	to->inject_interval = pick(to->inject_interval, DEFAULT_INTERVAL);
	to->driver_interval = pick(to->driver_interval, DEFAULT_INTERVAL);
	if (!to->keep_alive_ns)
		to->keep_alive_ns = DEFAULT_KEEP_ALIVE_NS;
	if (!to->name)
		to->name = "weft";
	return to->workers > MAX_WORKERS ? -EINVAL : 0;
}

static void entry_fill(struct weft_runtime *rt, const struct weft_config *config)
{
	struct weft_runtime_entry *entry = rt->entry;

	strncpy(entry->name, config->name, sizeof(entry->name) - 1);
	WEFT_SET(entry->flavour, rt->ops->flavour);
	WEFT_SET(entry->workers, rt->workers);
	WEFT_SET(entry->driver_worker, UINT32_MAX);
}

/* The driver is turned by one thread at a time everywhere, by always the same one here. */
static bool one_thread(const struct weft_runtime *rt)
{
	return rt->workers == 1 || rt->ops->flavour == WEFT_REACTOR_POOL;
}

static int open_parts(struct weft_runtime *rt, const struct weft_config *config)
{
	int rc;

	weft_trace_init();
	rt->entry = weft_trace_runtime_open(&rt->id, &rt->entry_heap);
	if (!rt->entry)
		return -ENOMEM;
	entry_fill(rt, config);
	rc = weft_driver_init(&rt->driver, config->driver, one_thread(rt));
	if (rc) {
		weft_trace_runtime_close(rt->entry, rt->entry_heap);
		return rc;
	}
	weft_timer_wheel_init(&rt->wheel, weft_clock_ns());
	weft_precise_init(&rt->precise, config->precise_timers_ns);
	weft_pool_init(&rt->pool, config->max_blocking, config->keep_alive_ns);
	return 0;
}

static void close_parts(struct weft_runtime *rt)
{
	weft_pool_done(&rt->pool);
	weft_timer_wheel_done(&rt->wheel);
	weft_driver_done(&rt->driver);
	weft_trace_runtime_close(rt->entry, rt->entry_heap);
	weft_memory_free(rt);
}

static enum weft_driver_kind driver_kind(const struct weft_runtime *rt)
{
	if (rt->driver.ops != &weft_epoll_ops)
		return WEFT_D_URING;
	return rt->driver.why ? WEFT_D_EPOLL_INSTEAD : WEFT_D_EPOLL;
}

/* A forked child's only thread is no worker of its parent's runtime, and in none of its tasks. */
static void fork_child(void)
{
	weft_thread = (struct weft_thread){ .rt = NULL };
}

static void fork_init(void)
{
	pthread_atfork(NULL, NULL, fork_child);
}

int weft_runtime_new(const struct weft_config *config, struct weft_runtime **ret)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct weft_config c;
	struct weft_runtime *rt;
	int rc = config_read(config, &c);

	if (rc)
		return rc;
	if (!weft_executor_find(c.flavour))
		return -ENOTSUP;
	pthread_once(&once, fork_init);
	rt = weft_memory_alloc(sizeof(*rt));
	if (!rt)
		return -ENOMEM;
	rt->ops = weft_executor_find(c.flavour);
	rt->workers = c.workers;
	rt->inject_interval = c.inject_interval;
	rt->driver_interval = c.driver_interval;
	rt->io = !c.no_io;
	rt->time = !c.no_time;
	rt->no_spin = c.no_spin;
	strncpy(rt->name, c.name, sizeof(rt->name) - 1);
	rc = open_parts(rt, &c);
	if (rc) {
		weft_memory_free(rt);
		return rc;
	}
	WEFT_EMIT(RUNTIME_START,
		  rt->id | (uint64_t)c.flavour << 32 | (uint64_t)driver_kind(rt) << 40 |
			  (uint64_t)c.workers << 48,
		  0, 0);
	rc = rt->ops->start(rt);
	if (rc)
		close_parts(rt);
	else
		*ret = rt;
	return rc;
}

struct walk {
	struct weft_runtime *rt;
	bool block_on; /* tasks of weft_block_on(), ended by their own threads; else others */
};

static bool hold(void *task)
{
	const struct weft_task *t = task;

	return __atomic_load_n(&t->head.id, __ATOMIC_ACQUIRE) && weft_task_try_ref(task);
}

/* With the reference held the slot can't change hands. */
static void abort_held(struct weft_task *task, const struct walk *walk)
{
	if (task->rt == walk->rt && !(task->flags & WEFT_S_BLOCK_ON) == !walk->block_on)
		weft_task_abort(task);
}

static void abort_slot(struct weft_task *task, const struct walk *walk)
{
	if (!hold(task))
		return;
	abort_held(task, walk);
	weft_task_unref(task);
}

static void abort_slab(const struct weft_slab *slab, void *arg)
{
	for (uint32_t i = 0; i < slab->slots; i++)
		abort_slot((struct weft_task *)(uintptr_t)(slab->address +
							   (uint64_t)i * slab->slot_bytes),
			   arg);
}

static void abort_tasks(struct walk *walk)
{
	struct weft_task *task, *next;

	weft_trace_each_slab(abort_slab, walk);
	for (task = weft_slab_huge_next(NULL, hold); task; task = next) {
		abort_held(task, walk);
		next = weft_slab_huge_next(task, hold);
		weft_task_unref(task);
	}
}

/* Only takes tasks from queues: one whose notification another thread owns is about to get there. */
static int run_out(struct weft_runtime *rt, struct weft_cx *cx, uint64_t deadline_ns)
{
	int rc = 0;

	while (rc == 0 && __atomic_load_n(&rt->entry->alive, __ATOMIC_ACQUIRE)) {
		struct weft_task *task = rt->ops->take(rt);

		if (task && weft_task_poll(cx, task) == WEFT_TASK_AGAIN)
			rt->ops->schedule(rt, task, WEFT_W_RUNTIME);
		if (!task)
			sched_yield();
		if (weft_clock_ns() > deadline_ns)
			rc = -ETIMEDOUT;
	}
	return rc;
}

/* The workers are gone: this thread runs the tasks' last polls. */
static int end_tasks(struct weft_runtime *rt, uint64_t deadline_ns)
{
	struct weft_cx cx = { .runtime = rt };
	struct walk walk = { rt, false };
	struct weft_thread saved = weft_thread;
	struct weft_trace_role role = { WEFT_LANE_FOREIGN, rt->id, UINT32_MAX };
	int rc;

	weft_trace_thread_begin(&role, NULL);
	weft_thread = (struct weft_thread){ .rt = rt, .cx = &cx };
	abort_tasks(&walk);
	do {
		rc = run_out(rt, &cx, deadline_ns);
		while (__atomic_load_n(&rt->schedulers, __ATOMIC_ACQUIRE))
			sched_yield(); /* a few instructions away from being done, or from a queue */
	} while (rc == 0 && __atomic_load_n(&rt->entry->alive, __ATOMIC_ACQUIRE));
	weft_thread = saved;
	return rc;
}

static int wait_block_on(struct weft_runtime *rt, uint64_t deadline_ns)
{
	struct walk walk = { rt, true };
	uint32_t n;

	while ((n = __atomic_load_n(&rt->block_on, __ATOMIC_ACQUIRE))) {
		uint64_t now = weft_clock_ns();

		if (now >= deadline_ns)
			return -ETIMEDOUT;
		abort_tasks(&walk);
		weft_futex_wait(&rt->block_on, n, deadline_ns - now);
	}
	return 0;
}

int weft_runtime_shutdown(struct weft_runtime *rt, uint64_t timeout_ns)
{
	uint64_t now = weft_clock_ns(),
		 deadline = timeout_ns < UINT64_MAX / 4 ? now + timeout_ns : UINT64_MAX / 4;
	uint32_t state = __atomic_load_n(&rt->state, __ATOMIC_ACQUIRE);
	int rc;

	if (weft_thread.rt == rt || weft_pool_is_home(rt))
		return -EDEADLK;
	do { /* one caller at a time; after -ETIMEDOUT another one goes on where it stopped */
		if (state == WEFT_RT_STOPPED)
			return 0;
		if (state == WEFT_RT_STOPPING)
			return -EALREADY;
	} while (!__atomic_compare_exchange_n(&rt->state, &state, WEFT_RT_STOPPING, true,
					      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	rc = rt->ops->stop(rt, deadline);
	if (rc == 0)
		rc = wait_block_on(rt, deadline);
	if (rc == 0)
		rc = end_tasks(rt, deadline);
	if (rc == 0)
		rc = weft_pool_stop(rt, deadline);
	WEFT_EMIT(RUNTIME_STOP, rt->id, 0, 0);
	weft_trace_flush();
	__atomic_store_n(&rt->state, rc ? WEFT_RT_STUCK : WEFT_RT_STOPPED, __ATOMIC_RELEASE);
	return rc;
}

struct weft_runtime *weft_runtime_free(struct weft_runtime *rt)
{
	if (!rt || weft_runtime_shutdown(rt, DEFAULT_KEEP_ALIVE_NS))
		return NULL;
	while (__atomic_load_n(&rt->closing, __ATOMIC_ACQUIRE))
		sched_yield(); /* a thread of another runtime leaves a source */
	rt->ops->free(rt);
	close_parts(rt);
	return NULL;
}

struct weft_runtime *weft_runtime_current(void)
{
	return weft_thread.rt;
}

void weft_runtime_stats(const struct weft_runtime *rt, struct weft_runtime_stats *ret)
{
	const struct weft_runtime_entry *entry = rt->entry;

	*ret = (struct weft_runtime_stats){
		.alive = __atomic_load_n(&entry->alive, __ATOMIC_RELAXED),
		.timers = __atomic_load_n(&rt->wheel.armed, __ATOMIC_RELAXED),
		.inject_depth = __atomic_load_n(&entry->inject_depth, __ATOMIC_RELAXED),
		.pool_queue = __atomic_load_n(&entry->pool_queue, __ATOMIC_RELAXED),
		.workers = __atomic_load_n(&entry->workers, __ATOMIC_RELAXED),
		.pool_threads = __atomic_load_n(&entry->pool_threads, __ATOMIC_RELAXED),
		.pool_busy = __atomic_load_n(&entry->pool_busy, __ATOMIC_RELAXED),
		.fds = __atomic_load_n(&entry->fds, __ATOMIC_RELAXED),
	};
}

static int spawn_new(struct weft_spawn *spawn, struct weft_group *group, struct weft_task **ret)
{
	int rc;

	if (group) {
		spawn->member = weft_group_member_new(group);
		if (!spawn->member)
			return -ENOMEM;
	}
	rc = weft_task_new(spawn, ret);
	if (rc)
		weft_group_member_free(spawn->member);
	else if (group)
		weft_group_enter(spawn->member, *ret);
	return rc;
}

/* Acq_rel, on the word that a shutdown swaps: either one sees what the other did before. */
static uint32_t state_of(struct weft_runtime *rt)
{
	return __atomic_fetch_add(&rt->state, 0, __ATOMIC_ACQ_REL);
}

/* What stands in the way, or 0. */
static int spawn_check(struct weft_spawn *spawn, const struct weft_spawn_options *options)
{
	const struct weft_task *running = weft_thread.cx ? weft_thread.cx->task : NULL;
	struct weft_bound *set = options->local ? weft_bound_here() : NULL;

	if (options->local && (!set || (spawn->rt && spawn->rt != set->root->rt))) {
		weft_misuse_at(WEFT_M_WRONG_THREAD, running,
			       weft_trace_site(spawn->site, spawn->name));
		return -EPERM;
	}
	if (set)
		spawn->rt = set->root->rt;
	if (!spawn->rt)
		return -EINVAL;
	if (weft_runtime_running(spawn->rt) && !(set && set->ending))
		return 0;
	weft_misuse(WEFT_M_AFTER_SHUTDOWN, running);
	return -ESHUTDOWN;
}

static int spawn_in(struct weft_spawn *spawn, const struct weft_spawn_options *options,
		    bool foreign)
{
	struct weft_join **wanted = options->detach || options->group ? NULL : options->join;
	struct weft_task *task;
	int rc = spawn_check(spawn, options);

	if (rc)
		return rc;
	if (options->group)
		spawn->flags = WEFT_S_GROUP;
	else if (!wanted)
		spawn->flags = WEFT_S_DETACHED;
	if (options->local) {
		spawn->flags |= WEFT_S_LOCAL;
		spawn->tail = weft_bound_tail_bytes();
	}
	rc = spawn_new(spawn, options->group, &task);
	if (rc)
		return rc;
	/* As in weft_block_on_at(): the walk of a shutdown sees the task, or this sees the shutdown. */
	if (foreign && state_of(spawn->rt) != WEFT_RT_RUNNING)
		weft_task_abort(task);
	if (options->local)
		weft_bound_enter(weft_bound_here(), task);
	if (wanted)
		*wanted = (struct weft_join *)task;
	weft_task_schedule(task, WEFT_W_SPAWN);
	return 0;
}

int weft_spawn_at(struct weft_runtime *rt, struct weft_site *site,
		  const struct weft_spawn_options *options, weft_task_fn *fn,
		  const struct weft_frame_bytes *frame)
{
	struct weft_spawn spawn = {
		rt ? rt : weft_thread.rt, site, options->name, fn, frame, 0, NULL, 0
	};
	struct weft_runtime *to = spawn.rt;
	int rc;

	if (!to || to == weft_thread.rt)
		return spawn_in(&spawn, options, false);
	/*
	 * The end of the runtime doesn't wait for this thread by itself: the count makes it wait until
	 * the task is in a queue. The shutdown sees the count, or spawn_check() sees the shutdown.
	 */
	__atomic_fetch_add(&to->schedulers, 1, __ATOMIC_RELAXED);
	state_of(to);
	rc = spawn_in(&spawn, options, true);
	/* Release: this thread's last access before the free. */
	__atomic_fetch_sub(&to->schedulers, 1, __ATOMIC_RELEASE);
	return rc;
}

int weft_block_on_at(struct weft_runtime *rt, struct weft_site *site, weft_task_fn *fn, void *frame,
		     size_t bytes)
{
	struct weft_frame_bytes copy = { frame, bytes };
	struct weft_spawn spawn = { rt, site, NULL, fn, &copy, WEFT_S_BLOCK_ON, NULL, 0 };
	struct weft_thread outer = weft_thread; /* empty, but inside weft_block_in_place() */
	struct weft_bound bound;
	struct weft_task *task;
	int rc;

	if (!rt)
		return -EINVAL;
	if (weft_thread.cx) {
		weft_misuse(WEFT_M_NESTED_BLOCK_ON, weft_thread.cx->task);
		return -EDEADLK;
	}
	__atomic_fetch_add(&rt->block_on, 1, __ATOMIC_ACQ_REL);
	rc = weft_runtime_running(rt) ? 0 : -ESHUTDOWN;
	if (rc)
		weft_misuse(WEFT_M_AFTER_SHUTDOWN, NULL);
	else
		rc = weft_task_new(&spawn, &task);
	if (rc == 0) {
		task->wake_word = WEFT_ROOT_NOTIFIED;
		/*
		 * A shutdown since the look above may have walked over the tasks before this one was
		 * there: it sees the task, or this sees it.
		 */
		if (state_of(rt) != WEFT_RT_RUNNING)
			weft_task_abort(task);
		weft_bound_begin(&bound, task);
		rt->ops->block_on(rt, task);
		weft_bound_end(&bound);
		weft_thread = outer;
		rc = task->rc;
		memcpy(frame, task->frame, bytes);
		weft_task_unref(task);
	}
	__atomic_fetch_sub(&rt->block_on, 1, __ATOMIC_ACQ_REL);
	weft_futex_wake(&rt->block_on, 1);
	return rc;
}

/* Pends until it is cancelled, which is what shutdown does to it. */
static weft_poll_t until_shutdown(struct weft_cx *cx, struct weft_yield *f)
{
	(void)f;
	return weft_is_cancelled(cx) ? WEFT_READY : weft_pending(cx, WEFT_WAIT_UNKNOWN);
}

int weft_runtime_run(struct weft_runtime *rt)
{
	static struct weft_site site = { __FILE__, __func__, "weft_runtime_run", __LINE__, 0 };
	struct weft_yield f = { 0 };

	return weft_block_on_at(rt, &site, (weft_task_fn *)(void *)until_shutdown, &f, sizeof(f));
}

uint32_t weft_flavour_find(const char *name)
{
	const struct weft_executor_ops *ops = weft_executor_find_name(name);

	return ops ? ops->flavour : 0;
}

const char *weft_flavour_name(uint32_t flavour)
{
	const struct weft_executor_ops *ops = weft_executor_find(flavour);

	return ops ? ops->name : NULL;
}

uint32_t weft_runtime_flavour(const struct weft_runtime *rt)
{
	return rt->ops->flavour;
}

const char *weft_runtime_driver(const struct weft_runtime *rt, const char **ret_why)
{
	if (ret_why)
		*ret_why = rt->driver.why;
	return rt->driver.ops->name;
}
