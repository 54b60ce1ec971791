/* SPDX-License-Identifier: MIT */
/* Tasks bound to the thread inside weft_block_on. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/flavours.h"
#include "tests/unit/runtime/events.h"

#define MS 1000000ull

static struct weft_runtime *rt;

static int setup(void **state)
{
	struct weft_config config = { .size = sizeof(config), .workers = 2, .name = "test" };

	events_light(true);
	return flavours_start(state, &config, &rt);
}

static int teardown(void **state)
{
	struct weft_runtime_stats stats;

	(void)state;
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	weft_runtime_stats(rt, &stats);
	assert_int_equal(stats.alive, 0);
	flavours_end(rt);
	events_light(false);
	return 0;
}

struct bound {
	WEFT_FRAME;
	struct weft_sleep sleep;
	struct weft_yield yield;
	pthread_t thread;
	int i, n, *wrong, *polls;
};

static weft_poll_t bound(struct weft_cx *cx, struct bound *f)
{
	*f->wrong += !pthread_equal(f->thread, pthread_self());
	__atomic_fetch_add(f->polls, 1, __ATOMIC_RELAXED);
	weft_async_begin(f);
	for (f->i = 0; f->i < f->n; f->i++) {
		weft_await(f, weft_yield(cx, &f->yield));
		weft_await(f, weft_sleep(cx, &f->sleep, MS / 10));
	}
	weft_async_end(f, 7);
}

struct root {
	WEFT_FRAME;
	struct weft_join *join[8];
	struct weft_sleep sleep;
	int i, n, wrong, polls, sum;
};

static weft_poll_t root(struct weft_cx *cx, struct root *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 8; f->i++) {
		f->rc = weft_spawn_local(bound,
					 ((struct bound){ .thread = pthread_self(),
							  .n = f->n,
							  .wrong = &f->wrong,
							  .polls = &f->polls }),
					 .join = &f->join[f->i]);
		if (f->rc)
			return f->rc;
	}
	for (f->i = 0; f->i < 8; f->i++) {
		weft_await(f, weft_join(cx, &f->join[f->i]));
		f->sum += f->rc;
	}
	weft_async_end(f, f->sum);
}

static void test_one_thread(void **state)
{
	struct root *f = calloc(1, sizeof(*f)); /* wrong and polls are pointed to */

	(void)state;
	f->n = 20;
	assert_int_equal(weft_block_on(rt, root, f), 56);
	free(f);
}

static int wrong, polls;

struct leaver {
	WEFT_FRAME;
	struct weft_sleep sleep;
	int i;
};

/* Ends with tasks asleep: they are cancelled on this thread before block_on returns. */
static weft_poll_t leaver(struct weft_cx *cx, struct leaver *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 5; f->i++)
		weft_spawn_local(bound, ((struct bound){ .thread = pthread_self(),
							 .n = 1000000,
							 .wrong = &wrong,
							 .polls = &polls }));
	while (polls < 10)
		weft_await(f, weft_sleep(cx, &f->sleep, 5 * MS));
	weft_async_end(f, 3);
}

static void test_left_behind(void **state)
{
	struct leaver f = { .i = 0 };

	(void)state;
	wrong = polls = 0;
	assert_int_equal(weft_block_on(rt, leaver, &f), 3);
	assert_int_equal(wrong, 0);
	assert_true(polls >= 10);
}

static void *shut_down(void *arg)
{
	while (!__atomic_load_n(&polls, __ATOMIC_RELAXED)) /* the call is under way */
		usleep(200);
	*(int *)arg = weft_runtime_shutdown(rt, 5000 * MS);
	return NULL;
}

static weft_poll_t stays(struct weft_cx *cx, struct leaver *f)
{
	weft_async_begin(f);
	weft_spawn_local(bound, ((struct bound){ .thread = pthread_self(),
						 .n = 1000000,
						 .wrong = &wrong,
						 .polls = &polls }));
	weft_await(f, weft_sleep(cx, &f->sleep, 3600000 * MS));
	f->i = weft_spawn_local(bound, ((struct bound){ .n = 1 }));
	weft_async_end(f, f->rc);
}

static void test_shutdown(void **state)
{
	struct leaver f = { .i = 0 };
	pthread_t thread;
	int rc = -1;

	(void)state;
	wrong = polls = 0;
	pthread_create(&thread, NULL, shut_down, &rc);
	assert_int_equal(weft_block_on(rt, stays, &f), -ECANCELED);
	pthread_join(thread, NULL);
	assert_int_equal(rc, 0);
	assert_int_equal(f.i, -ESHUTDOWN);
	assert_int_equal(wrong, 0);
}

struct foreign {
	WEFT_FRAME;
	struct weft_semaphore *s;
	struct weft_acquire acquire;
	pthread_t thread, waker;
	int i, wrong;
	struct weft_join *join;
};

#define ROUNDS 300

static weft_poll_t woken(struct weft_cx *cx, struct foreign *f)
{
	f->wrong += !pthread_equal(f->thread, pthread_self());
	weft_async_begin(f);
	for (f->i = 0; f->i < ROUNDS; f->i++)
		weft_await(f, weft_semaphore_acquire(cx, f->s, &f->acquire));
	weft_async_end(f, f->wrong);
}

static void *release(void *s)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (i % 50 == 0)
			usleep(1000);
		weft_semaphore_release(s, 1);
	}
	return NULL;
}

static weft_poll_t foreign(struct weft_cx *cx, struct foreign *f)
{
	weft_async_begin(f);
	weft_spawn_local(woken, ((struct foreign){ .s = f->s, .thread = pthread_self() }),
			 .join = &f->join);
	pthread_create(&f->waker, NULL, release, f->s);
	weft_await(f, weft_join(cx, &f->join));
	pthread_join(f->waker, NULL);
	weft_async_end(f, f->rc);
}

/* Woken by another thread, whatever the bound thread does at the moment: none is lost. */
static void test_woken_from_elsewhere(void **state)
{
	struct foreign f = { .i = 0 };

	(void)state;
	assert_int_equal(weft_semaphore_new(0, &f.s), 0);
	assert_int_equal(weft_block_on(rt, foreign, &f), 0);
	weft_semaphore_free(f.s);
}

static weft_poll_t on_a_worker(struct weft_cx *cx, struct leaver *f)
{
	(void)cx, (void)f;
	return weft_spawn_local(bound, ((struct bound){ .n = 1 }));
}

struct asks {
	WEFT_FRAME;
	struct weft_join *join;
};

static weft_poll_t asks(struct weft_cx *cx, struct asks *f)
{
	weft_async_begin(f);
	weft_spawn(NULL, on_a_worker, ((struct leaver){ .i = 0 }), .join = &f->join);
	weft_await(f, weft_join(cx, &f->join));
	weft_async_end(f, f->rc);
}

struct another {
	WEFT_FRAME;
	struct weft_runtime *rt;
};

static weft_poll_t asks_another(struct weft_cx *cx, struct another *f)
{
	(void)cx;
	return weft_spawn(f->rt, bound, ((struct bound){ .n = 1 }), .local = true);
}

/* A thread that is nobody's root can't have tasks of its own: an error and an event. */
static void test_wrong_thread(void **state)
{
	struct weft_config config = { .size = sizeof(config), .workers = 1 };
	struct another other = { .rt = NULL };
	struct asks f = { .rc = 0 };
	unsigned before = events_count(WEFT_K_MISUSE, events_code, WEFT_M_WRONG_THREAD);

	assert_int_equal(weft_spawn_local(bound, ((struct bound){ .n = 1 })), -EPERM);
	assert_int_equal(events_count(WEFT_K_MISUSE, events_code, WEFT_M_WRONG_THREAD), before + 1);
	/* Bound to this thread, but on a runtime that it is not in: of the two the one that is asked for is refused. */
	assert_int_equal(weft_runtime_new(&config, &other.rt), 0);
	assert_int_equal(weft_block_on(rt, asks_another, &other), -EPERM);
	assert_int_equal(events_count(WEFT_K_MISUSE, events_code, WEFT_M_WRONG_THREAD), before + 2);
	weft_runtime_free(other.rt); /* which hands over what was written */
	if (flavours_caller_driven(flavours_of(state)))
		return;
	before = events_count(WEFT_K_MISUSE, events_code, WEFT_M_WRONG_THREAD);
	assert_int_equal(weft_block_on(rt, asks, &f), -EPERM);
	assert_int_equal(events_count(WEFT_K_MISUSE, events_code, WEFT_M_WRONG_THREAD), before + 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_one_thread),   T(test_left_behind),          T(test_shutdown),
		T(test_wrong_thread), T(test_woken_from_elsewhere),
	};

	return flavours_run("runtime/bound", tests, sizeof(tests) / sizeof(tests[0]));
}
