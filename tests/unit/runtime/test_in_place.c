/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/executor/executor.h"
#include "tests/support/flavours.h"
#include "tests/unit/runtime/events.h"

#define MS    1000000ull
#define CROWD 6

static struct weft_runtime *rt;

static void start(void **state, uint32_t workers, uint32_t max_blocking)
{
	struct weft_config config = { .size = sizeof(config),
				      .workers = workers,
				      .max_blocking = max_blocking };

	assert_int_equal(flavours_start(state, &config, &rt), 0);
}

static void end(void)
{
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	flavours_end(rt);
}

/* A second thread that drives is what others go on by where the caller brings the threads. */
static uint32_t workers_of(void **state)
{
	return flavours_of(state) == WEFT_EXECUTOR ? 2 : 1;
}

static void wait_for(const uint32_t *word, uint32_t value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
		usleep(100);
}

struct scene {
	uint32_t go, seen, here;
	pid_t thread[CROWD];
	struct weft_join *join[CROWD];
};
static struct scene scene;

/* ---- the others go on ---- */

static int until_go(void *arg)
{
	__atomic_fetch_add(&scene.here, 1, __ATOMIC_ACQ_REL);
	wait_for(&scene.go, 1);
	return arg ? *(int *)arg : 7;
}

struct blocker {
	WEFT_FRAME;
	int value;
	struct weft_yield yield;
	struct weft_sleep sleep;
};

static weft_poll_t blocker(struct weft_cx *cx, struct blocker *f)
{
	weft_async_begin(f);
	f->value = weft_block_in_place(cx, until_go, NULL);
	weft_await(f, weft_yield(cx, &f->yield));
	weft_await(f, weft_sleep(cx, &f->sleep, MS));
	weft_async_end(f, f->value);
}

struct opener {
	WEFT_FRAME;
	struct weft_sleep sleep;
	struct weft_stream *end[2];
	char byte;
	size_t n;
};

static weft_poll_t echo(struct weft_cx *cx, struct opener *f)
{
	weft_async_begin(f);
	weft_await(f, weft_stream_read(cx, f->end[1], &f->byte, 1, &f->n));
	weft_async_end(f, f->byte);
}

struct parent {
	WEFT_FRAME;
	struct weft_join *blocker, *echo;
	struct opener f;
	int i, got;
};

/* While its sibling blocks, a timer fires, a socket is read and another task runs. */
static weft_poll_t parent(struct weft_cx *cx, struct parent *f)
{
	weft_async_begin(f);
	weft_spawn(NULL, blocker, ((struct blocker){ .value = 0 }), .join = &f->blocker);
	while (!__atomic_load_n(&scene.here, __ATOMIC_ACQUIRE))
		weft_await(f, weft_sleep(cx, &f->f.sleep, MS));
	if (weft_stream_pair(rt, f->f.end))
		return -1;
	weft_spawn(NULL, echo, ((struct opener){ .end = { NULL, f->f.end[1] } }), .join = &f->echo);
	weft_await(f, weft_sleep(cx, &f->f.sleep, MS));
	f->f.byte = 42;
	weft_await(f, weft_stream_write(cx, f->f.end[0], &f->f.byte, 1, &f->f.n));
	weft_await(f, weft_join(cx, &f->echo));
	f->got = f->rc;
	weft_stream_close(f->f.end[0]);
	weft_stream_close(f->f.end[1]);
	__atomic_store_n(&scene.go, 1, __ATOMIC_RELEASE);
	weft_await(f, weft_join(cx, &f->blocker));
	weft_async_end(f, f->rc == 7 ? f->got : -2);
}

struct waiting {
	WEFT_FRAME;
	struct weft_join *join;
};

static weft_poll_t waiting(struct weft_cx *cx, struct waiting *f)
{
	weft_async_begin(f);
	weft_await(f, weft_join(cx, &f->join));
	weft_async_end(f, f->rc);
}

/* As a task on a worker, all four of them of the same worker where there is one. */
static int run_parent(void)
{
	struct waiting f = { .rc = 0 };

	scene = (struct scene){ .go = 0 };
	assert_int_equal(weft_spawn(rt, parent, ((struct parent){ .i = 0 }), .join = &f.join), 0);
	return weft_block_on(rt, waiting, &f);
}

static void test_others_go_on(void **state)
{
	if (flavours_of(state) == WEFT_CURRENT_THREAD)
		return;
	start(state, workers_of(state), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(run_parent(), 42);
	end();
}

/* ---- several at once, on one worker ---- */

static pthread_barrier_t barrier;

static int meet(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&barrier);
	return 0;
}

static weft_poll_t one_of_all(struct weft_cx *cx, struct blocker *f)
{
	weft_async_begin(f);
	for (f->value = 0; f->value < 10; f->value++) {
		if (weft_block_in_place(cx, meet, NULL))
			return -1;
		weft_await(f, weft_yield(cx, &f->yield));
	}
	weft_async_end(f, 0);
}

static void test_all_of_one_worker(void **state)
{
	struct weft_runtime_stats stats;

	if (flavours_caller_driven(flavours_of(state)))
		return;
	start(state, 1, 0);
	scene = (struct scene){ .go = 0 };
	pthread_barrier_init(&barrier, NULL, CROWD);
	for (int i = 0; i < CROWD; i++)
		assert_int_equal(weft_spawn(rt, one_of_all, ((struct blocker){ .value = 0 }),
					    .join = &scene.join[i]),
				 0);
	for (int i = 0; i < CROWD; i++) {
		struct waiting f = { .join = scene.join[i] };

		assert_int_equal(weft_block_on(rt, waiting, &f), 0);
	}
	do { /* the worker has its own thread again */
		usleep(1000);
		weft_runtime_stats(rt, &stats);
	} while (stats.pool_busy);
	pthread_barrier_destroy(&barrier);
	end();
}

/* A pool without a thread to spare: the call goes on, the worker's tasks wait or are stolen. */
static int quick(void *arg)
{
	(void)arg;
	usleep(500);
	return 3;
}

struct stuck {
	WEFT_FRAME;
	struct weft_job job;
	struct weft_join *join;
};

static weft_poll_t in_pool(struct weft_cx *cx, struct stuck *f)
{
	weft_async_begin(f);
	weft_await(f, weft_spawn_blocking(cx, &f->job, until_go, NULL));
	weft_async_end(f, f->rc);
}

static weft_poll_t in_place(struct weft_cx *cx, struct blocker *f)
{
	weft_async_begin(f);
	f->value = weft_block_in_place(cx, quick, NULL);
	weft_await(f, weft_yield(cx, &f->yield));
	weft_async_end(f, f->value);
}

static void test_no_thread_to_spare(void **state)
{
	struct waiting f = { .rc = 0 }, g = { .rc = 0 };

	if (flavours_caller_driven(flavours_of(state)))
		return;
	start(state, 2, 1);
	scene = (struct scene){ .go = 0 };
	assert_int_equal(weft_spawn(rt, in_pool, ((struct stuck){ .rc = 0 }), .join = &g.join), 0);
	wait_for(&scene.here, 1);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(weft_spawn(rt, in_place, ((struct blocker){ .rc = 0 }),
					    .join = &f.join),
				 0);
		assert_int_equal(weft_block_on(rt, waiting, &f), 3);
	}
	__atomic_store_n(&scene.go, 1, __ATOMIC_RELEASE);
	assert_int_equal(weft_block_on(rt, waiting, &g), 7);
	end();
}

/* ---- what it may be used for, and what not ---- */

static int nested(void *arg)
{
	struct blocker f = { .rc = 0 };

	(void)arg;
	if (!weft_runtime_current())
		return -1;
	return weft_block_on(rt, in_place, &f) == 3 && weft_runtime_current() == rt ? 11 : -2;
}

static weft_poll_t calls_block_on(struct weft_cx *cx, struct blocker *f)
{
	weft_async_begin(f);
	f->value = weft_block_in_place(cx, nested, NULL);
	weft_await(f, weft_sleep(cx, &f->sleep, MS));
	weft_async_end(f, f->value);
}

static void test_block_on_inside(void **state)
{
	struct waiting f = { .rc = 0 };
	struct blocker root = { .rc = 0 };

	if (flavours_of(state) == WEFT_CURRENT_THREAD)
		return;
	start(state, 2, 0);
	assert_int_equal(weft_spawn(rt, calls_block_on, ((struct blocker){ .rc = 0 }),
				    .join = &f.join),
			 0);
	assert_int_equal(weft_block_on(rt, waiting, &f), 11);
	assert_int_equal(weft_block_on(rt, calls_block_on, &root), 11);
	end();
}

static struct weft_cx *kept;

static int with_kept(void *arg)
{
	(void)arg;
	return weft_block_in_place(kept, quick, NULL);
}

static weft_poll_t misuser(struct weft_cx *cx, struct blocker *f)
{
	(void)f;
	kept = cx;
	return weft_block_in_place(cx, with_kept, NULL);
}

static unsigned misuses(void)
{
	return events_count(WEFT_K_MISUSE, events_code, WEFT_M_BLOCK_IN_PLACE);
}

static void test_misuse(void **state)
{
	bool alone = flavours_caller_driven(flavours_of(state));
	struct waiting f = { .rc = 0 };
	unsigned before;

	events_light(true);
	start(state, 1, 0);
	before = misuses();
	assert_int_equal(weft_spawn(rt, misuser, ((struct blocker){ .rc = 0 }), .join = &f.join),
			 0);
	assert_int_equal(weft_block_on(rt, waiting, &f), alone ? -ENOTSUP : -EPERM);
	assert_int_equal(misuses(), before + 1);
	end();
	events_light(false);
}

static int negative(void *arg)
{
	return *(int *)arg;
}

static weft_poll_t returns(struct weft_cx *cx, struct blocker *f)
{
	return weft_block_in_place(cx, negative, &f->value);
}

/* In the root of a runtime that has workers the thread drives nothing. */
static void test_results(void **state)
{
	struct blocker f = { .value = -ENOSPC }, g = { .value = WEFT_PENDING };

	if (flavours_of(state) == WEFT_CURRENT_THREAD)
		return;
	start(state, 2, 0);
	assert_int_equal(weft_block_on(rt, returns, &f), -ENOSPC);
	assert_int_equal(weft_block_on(rt, returns, &g), -EINVAL);
	end();
}

static uint64_t of_task;

static weft_poll_t named(struct weft_cx *cx, struct blocker *f)
{
	of_task = weft_task_id(cx);
	return in_place(cx, f);
}

static void test_events(void **state)
{
	struct waiting f = { .rc = 0 };

	if (flavours_of(state) == WEFT_CURRENT_THREAD)
		return;
	events_normal(true);
	start(state, 2, 0);
	assert_int_equal(weft_spawn(rt, named, ((struct blocker){ .rc = 0 }), .join = &f.join), 0);
	assert_int_equal(weft_block_on(rt, waiting, &f), 3);
	assert_int_equal(events_count(WEFT_K_JOB_START, events_w2, of_task), 1);
	assert_int_equal(events_count(WEFT_K_JOB_END, events_w2, of_task), 1);
	end();
	events_normal(false);
}

/* The thread that blocks is one that a shutdown waits for, stand-in or not. */
static void test_shutdown_meanwhile(void **state)
{
	struct weft_join *join;

	if (flavours_of(state) == WEFT_CURRENT_THREAD)
		return;
	for (int i = 0; i < 2; i++) {
		start(state, workers_of(state), 0);
		scene = (struct scene){ .go = 0 };
		assert_int_equal(weft_spawn(rt, blocker, ((struct blocker){ .rc = 0 }),
					    .join = &join),
				 0);
		wait_for(&scene.here, 1);
		if (i)
			usleep(3000); /* now there is a stand-in for sure */
		assert_int_equal(weft_runtime_shutdown(rt, 5 * MS), -ETIMEDOUT);
		__atomic_store_n(&scene.go, 1, __ATOMIC_RELEASE);
		end();
		assert_true(weft_join_done(join));
		weft_join_detach(join);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_others_go_on),
		cmocka_unit_test(test_all_of_one_worker),
		cmocka_unit_test(test_no_thread_to_spare),
		cmocka_unit_test(test_block_on_inside),
		cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_shutdown_meanwhile),
	};

	return flavours_run_io("runtime/in_place", tests, sizeof(tests) / sizeof(tests[0]));
}
