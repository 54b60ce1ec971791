/* SPDX-License-Identifier: MIT */
/* What the flavours promise beyond the common suite: who drives, who takes over, what runs when. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/executor/executor.h"
#include "runtime/trace_map.h"
#include "tests/support/flavours.h"

#define MS 1000000ull

static struct weft_runtime *rt;
static uint32_t flavour;

/* No threads that drive: the tests bring their own. */
static int setup_with(void **state, uint32_t workers)
{
	struct weft_config config = { .size = sizeof(config), .workers = workers };

	flavour = config.flavour = flavours_of(state);
	return weft_runtime_new(&config, &rt);
}

static int setup(void **state)
{
	return setup_with(state, 2);
}

static int setup_one(void **state)
{
	return setup_with(state, 1);
}

static int teardown(void **state)
{
	struct weft_runtime_stats stats;

	(void)state;
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	weft_runtime_stats(rt, &stats);
	assert_int_equal(stats.alive, 0);
	assert_int_equal(stats.timers, 0);
	weft_runtime_free(rt);
	return 0;
}

static void wait_for(const uint32_t *word, uint32_t value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) < value)
		usleep(200);
}

static void test_names(void **state)
{
	uint32_t code = flavours_of(state);

	assert_int_equal(weft_flavour_find(weft_flavour_name(code)), code);
	assert_int_equal(weft_runtime_flavour(rt), code);
	assert_int_equal(weft_flavour_find("no such thing"), 0);
	assert_null(weft_flavour_name(99));
}

struct sleeper {
	WEFT_FRAME;
	struct weft_sleep sleep;
	struct weft_yield yield;
	uint64_t ns;
	uint32_t i, yields, *begun, *done;
};

static weft_poll_t sleeper(struct weft_cx *cx, struct sleeper *f)
{
	weft_async_begin(f);
	if (f->begun)
		__atomic_fetch_add(f->begun, 1, __ATOMIC_RELEASE);
	for (f->i = 0; f->i < f->yields; f->i++)
		weft_await(f, weft_yield(cx, &f->yield));
	weft_await(f, weft_sleep(cx, &f->sleep, f->ns));
	if (f->done)
		__atomic_fetch_add(f->done, 1, __ATOMIC_RELEASE);
	weft_async_end(f, f->rc ? f->rc : 7);
}

/* Timers fire though nobody else is awake. */
static void test_block_on_alone(void **state)
{
	struct sleeper f = { .ns = 3 * MS, .yields = 3 };

	(void)state;
	assert_int_equal(weft_block_on(rt, sleeper, &f), 7);
	f = (struct sleeper){ .ns = 0 };
	assert_int_equal(weft_block_on(rt, sleeper, &f), 7);
}

static void test_who_runs_tasks(void **state)
{
	uint32_t begun = 0, done = 0;
	struct sleeper f = { .ns = 20 * MS };

	(void)state;
	assert_int_equal(weft_spawn(rt, sleeper,
				    ((struct sleeper){ .begun = &begun, .done = &done })),
			 0);
	if (!flavours_caller_driven(flavour)) {
		wait_for(&done, 1);
		return;
	}
	usleep(5000);
	assert_int_equal(__atomic_load_n(&begun, __ATOMIC_ACQUIRE), 0);
	assert_int_equal(weft_block_on(rt, sleeper, &f), 7);
	assert_int_equal(done, 1);
}

/* A task that nobody ever polled is ended by the shutdown in teardown. */
static void test_shutdown_of_tasks_that_never_ran(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(weft_spawn(rt, sleeper, ((struct sleeper){ .ns = 3600000 * MS })),
				 0);
}

static void *run_main(void *arg)
{
	return (void *)(intptr_t)weft_runtime_run(arg);
}

static weft_poll_t run_nested(struct weft_cx *cx, struct sleeper *f)
{
	(void)cx, (void)f;
	return weft_runtime_run(rt);
}

static void test_run_until_shutdown(void **state)
{
	struct sleeper f = { .ns = MS };
	uint32_t begun = 0, done = 0;
	pthread_t thread[3];
	void *rc;

	(void)state;
	for (int i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, run_main, rt);
	weft_spawn(rt, sleeper, ((struct sleeper){ .ns = MS, .done = &done }));
	wait_for(&done, 1);
	weft_spawn(rt, sleeper, ((struct sleeper){ .ns = 3600000 * MS, .begun = &begun }));
	wait_for(&begun, 1);
	assert_int_equal(weft_block_on(rt, run_nested, &f), -EDEADLK);
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	for (int i = 0; i < 3; i++) {
		pthread_join(thread[i], &rc);
		/* One that comes late finds it over. */
		assert_true((intptr_t)rc == 0 || (intptr_t)rc == -ESHUTDOWN);
	}
	assert_int_equal(weft_runtime_run(rt), -ESHUTDOWN);
}

struct until {
	WEFT_FRAME;
	struct weft_sleep sleep;
	struct weft_yield yield;
	const uint32_t *word;
	uint32_t value;
};

static weft_poll_t sleep_until(struct weft_cx *cx, struct until *f)
{
	weft_async_begin(f);
	while (__atomic_load_n(f->word, __ATOMIC_ACQUIRE) < f->value)
		weft_await(f, weft_sleep(cx, &f->sleep, MS));
	weft_async_end(f, 7);
}

struct caller {
	pthread_t thread;
	struct until f;
	int rc;
};

static void *caller_main(void *arg)
{
	struct caller *c = arg;

	c->rc = weft_block_on(rt, sleep_until, &c->f);
	return NULL;
}

/*
 * The roots end one after the other, each once one more task has ended: whenever the driver
 * leaves, one who stayed has to take over.
 */
static void test_callers_take_over(void **state)
{
	struct caller caller[6];
	uint32_t done = 0;

	(void)state;
	memset(caller, 0, sizeof(caller));
	for (uint32_t i = 0; i < 6; i++) {
		caller[i].f = (struct until){ .word = &done, .value = i + 1 };
		pthread_create(&caller[i].thread, NULL, caller_main, &caller[i]);
	}
	for (uint32_t i = 0; i < 6; i++)
		weft_spawn(rt, sleeper, ((struct sleeper){ .ns = i * 3 * MS, .done = &done }));
	for (int i = 0; i < 6; i++) {
		pthread_join(caller[i].thread, NULL);
		assert_int_equal(caller[i].rc, 7);
	}
	assert_int_equal(done, 6);
}

/* Many short calls from several threads: seats, lines and lanes change hands all the time. */
static void *many_calls(void *arg)
{
	for (int i = 0; i < 300; i++) {
		struct sleeper f = { .yields = (uint32_t)i % 3 };

		if (weft_block_on(rt, sleeper, &f) != 7)
			__atomic_fetch_add((uint32_t *)arg, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_many_short_calls(void **state)
{
	pthread_t thread[4];
	uint32_t wrong = 0;

	(void)state;
	for (int i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, many_calls, &wrong);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(wrong, 0);
}

static weft_poll_t yield_until(struct weft_cx *cx, struct until *f)
{
	weft_async_begin(f);
	while (__atomic_load_n(f->word, __ATOMIC_ACQUIRE) < f->value)
		weft_await(f, weft_yield(cx, &f->yield));
	weft_async_end(f, 7);
}

static void *spawn_from_outside(void *word)
{
	usleep(3000);
	weft_spawn(rt, sleeper, ((struct sleeper){ .done = word }));
	return NULL;
}

/* A root that never sleeps leaves room for tasks, timers and what comes from other threads. */
static void test_root_that_yields(void **state)
{
	struct until f = { .word = NULL };
	uint32_t done = 0;
	pthread_t thread;

	(void)state;
	f.word = &done;
	f.value = 3;
	weft_spawn(rt, sleeper, ((struct sleeper){ .yields = 20, .done = &done }));
	weft_spawn(rt, sleeper, ((struct sleeper){ .ns = 2 * MS, .done = &done }));
	pthread_create(&thread, NULL, spawn_from_outside, &done);
	assert_int_equal(weft_block_on(rt, yield_until, &f), 7);
	pthread_join(thread, NULL);
	assert_int_equal(done, 3);
}

struct counter {
	WEFT_FRAME;
	struct weft_yield yield;
	const uint32_t *stop;
	uint32_t *count;
};

static weft_poll_t counter(struct weft_cx *cx, struct counter *f)
{
	weft_async_begin(f);
	while (!*f->stop) {
		++*f->count;
		weft_await(f, weft_yield(cx, &f->yield));
	}
	weft_async_end(f, 0);
}

struct fair {
	WEFT_FRAME;
	struct weft_yield yield;
	struct weft_join *join[4];
	uint32_t count[4], stop, i;
};

static weft_poll_t fair(struct weft_cx *cx, struct fair *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 4; f->i++)
		weft_spawn(NULL, counter,
			   ((struct counter){ .stop = &f->stop, .count = &f->count[f->i] }),
			   .join = &f->join[f->i]);
	for (f->i = 0; f->i < 100; f->i++)
		weft_await(f, weft_yield(cx, &f->yield));
	f->stop = 1;
	for (f->i = 0; f->i < 4; f->i++)
		weft_await(f, weft_join(cx, &f->join[f->i]));
	weft_async_end(f, 0);
}

/* One thread, first come first served: the root's yields and the tasks' go in step. */
static void test_root_takes_its_turn(void **state)
{
	static struct fair f;

	(void)state;
	if (!flavours_caller_driven(flavour))
		return; /* other threads have the tasks: no order between them and the root */
	f = (struct fair){ .stop = 0 };
	assert_int_equal(weft_block_on(rt, fair, &f), 0);
	for (int i = 0; i < 4; i++)
		assert_in_range(f.count[i], 95, 105);
}

static weft_poll_t ended_with(struct weft_cx *cx, struct sleeper *f)
{
	weft_async_begin(f);
	__atomic_fetch_add(f->begun, 1, __ATOMIC_RELEASE);
	weft_await(f, weft_sleep(cx, &f->sleep, f->ns));
	__atomic_store_n(f->done, f->rc == -ECANCELED ? 2 : 1, __ATOMIC_RELEASE);
	weft_async_end(f, f->rc);
}

struct drops {
	WEFT_FRAME;
	struct weft_join *join;
	struct weft_sleep sleep;
	uint32_t begun, done;
};

static weft_poll_t drops(struct weft_cx *cx, struct drops *f)
{
	weft_async_begin(f);
	weft_spawn(NULL, ended_with,
		   ((struct sleeper){ .ns = 5 * MS, .begun = &f->begun, .done = &f->done }),
		   .join = &f->join);
	while (!__atomic_load_n(&f->begun, __ATOMIC_ACQUIRE))
		weft_await(f, weft_sleep(cx, &f->sleep, MS / 10));
	f->join = weft_join_drop(f->join);
	while (!__atomic_load_n(&f->done, __ATOMIC_ACQUIRE))
		weft_await(f, weft_sleep(cx, &f->sleep, MS / 10));
	weft_async_end(f, (int)f->done);
}

static void test_drop(void **state)
{
	static struct drops f;

	(void)state;
	f = (struct drops){ .join = NULL };
	assert_int_equal(weft_block_on(rt, drops, &f), flavour == WEFT_EXECUTOR ? 2 : 1);
	assert_null(f.join);
	assert_null(weft_join_drop(NULL));
}

struct meeting {
	WEFT_FRAME;
	uint32_t *here;
};

/* Inside its poll until the other is inside its own as well. */
static weft_poll_t meeting(struct weft_cx *cx, struct meeting *f)
{
	(void)cx;
	__atomic_fetch_add(f->here, 1, __ATOMIC_ACQ_REL);
	wait_for(f->here, 2);
	return 0;
}

static void test_two_at_once(void **state)
{
	uint32_t here = 0;
	pthread_t thread[2];

	(void)state;
	if (flavour == WEFT_CURRENT_THREAD)
		return; /* has one thread by design */
	/* The second thread comes while the first, with both tasks, is inside a poll. */
	for (int i = 0; i < 2; i++)
		assert_int_equal(weft_spawn(rt, meeting, ((struct meeting){ .here = &here })), 0);
	for (uint32_t i = 0; i < 2; i++) {
		pthread_create(&thread[i], NULL, run_main, rt);
		wait_for(&here, i + 1);
	}
	wait_for(&here, 2);
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
}

struct hog {
	WEFT_FRAME;
	uint32_t *begun;
	uint64_t turns;
};

static weft_poll_t hog(struct weft_cx *cx, struct hog *f)
{
	uint64_t until = weft_now() + 5000 * MS;

	(void)cx;
	f->turns = __atomic_load_n(&rt->driver.turns, __ATOMIC_RELAXED);
	__atomic_store_n(f->begun, 1, __ATOMIC_RELEASE);
	while (weft_now() < until &&
	       __atomic_load_n(&rt->driver.turns, __ATOMIC_RELAXED) == f->turns)
		usleep(100);
	return weft_now() < until;
}

struct reacts {
	WEFT_FRAME;
	struct weft_join *join;
	uint32_t begun;
};

static weft_poll_t reacts(struct weft_cx *cx, struct reacts *f)
{
	weft_async_begin(f);
	weft_spawn(NULL, hog, ((struct hog){ .begun = &f->begun }), .join = &f->join);
	weft_await(f, weft_join(cx, &f->join));
	weft_async_end(f, f->rc);
}

/* The only worker stays inside a poll: the reactor turns the driver all the same. */
static void test_reactor_turns(void **state)
{
	static struct reacts f;

	(void)state;
	if (flavour != WEFT_REACTOR_POOL)
		return;
	f = (struct reacts){ .begun = 0 };
	/* Of which one is due after the hog has begun, however long that takes. */
	for (uint64_t ms = 30; ms <= 3000; ms *= 10)
		weft_spawn(rt, sleeper, ((struct sleeper){ .ns = ms * MS }));
	assert_int_equal(weft_block_on(rt, reacts, &f), 1);
}

static uint32_t my_role(uint32_t *worker)
{
	const struct weft_map_header *h = weft_map_header();

	for (uint32_t i = 0; i < h->lanes; i++) {
		const struct weft_lane *lane =
			(const void *)((const char *)h + h->lane_offset + i * h->lane_stride);

		if (lane->tid == (uint32_t)gettid() && lane->role != WEFT_LANE_DEAD) {
			*worker = lane->worker;
			return lane->role;
		}
	}
	return WEFT_LANE_FREE;
}

static weft_poll_t role_inside(struct weft_cx *cx, struct sleeper *f)
{
	uint32_t worker;

	(void)cx, (void)f;
	return (int)(my_role(&worker) * 1000 + worker % 1000);
}

/* Who drives is a worker for as long: watchers find the thread under that role. */
static void test_callers_are_workers(void **state)
{
	struct weft_runtime_stats stats;
	struct sleeper f = { .ns = 0 };
	uint32_t worker;
	int role = weft_block_on(rt, role_inside, &f);

	(void)state;
	assert_int_equal(role / 1000,
			 flavours_caller_driven(flavour) ? WEFT_LANE_WORKER : WEFT_LANE_FOREIGN);
	if (flavours_caller_driven(flavour))
		assert_int_equal(role % 1000, 0);
	assert_int_equal(my_role(&worker), WEFT_LANE_FOREIGN);
	assert_int_equal(worker, UINT32_MAX);
	weft_runtime_stats(rt, &stats);
	if (flavour == WEFT_EXECUTOR)
		assert_int_equal(stats.workers, 0);
	assert_int_equal(weft_block_on(rt, role_inside, &f), role);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define ONE(name)                                                    \
	{                                                            \
#name "_one_worker", name, setup_one, teardown, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_names),
		T(test_block_on_alone),
		T(test_who_runs_tasks),
		T(test_shutdown_of_tasks_that_never_ran),
		T(test_run_until_shutdown),
		ONE(test_run_until_shutdown),
		T(test_callers_take_over),
		ONE(test_callers_take_over),
		T(test_many_short_calls),
		ONE(test_many_short_calls),
		T(test_root_that_yields),
		ONE(test_root_that_yields),
		ONE(test_root_takes_its_turn),
		T(test_drop),
		T(test_two_at_once),
		ONE(test_reactor_turns),
		T(test_callers_are_workers),
	};

	return flavours_run("runtime/flavours", tests, sizeof(tests) / sizeof(tests[0]));
}
