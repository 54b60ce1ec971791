/* SPDX-License-Identifier: MIT */
/* Task-locals, and what runs at the end of a task, in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/flavours.h"
#include "tests/unit/runtime/events.h"

#define MS 1000000ull

static struct weft_runtime *rt;
static char order[64];
static uint32_t length;

static void note(char what)
{
	order[__atomic_fetch_add(&length, 1, __ATOMIC_SEQ_CST)] = what;
}

static int setup(void **state)
{
	struct weft_config config = { .size = sizeof(config), .workers = 2, .name = "test" };

	memset(order, 0, sizeof(order));
	length = 0;
	events_light(true);
	return flavours_start(state, &config, &rt);
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	flavours_end(rt);
	events_light(false);
	return 0;
}

static void destroy(void *value)
{
	note(*(char *)value);
}

static const struct weft_local_key first = { destroy }, second = { destroy }, plain = { NULL };

struct locals {
	WEFT_FRAME;
	struct weft_yield yield;
	int wrong;
};

static weft_poll_t locals(struct weft_cx *cx, struct locals *f)
{
	weft_async_begin(f);
	f->wrong += weft_local_get(cx, &first) != NULL;
	f->wrong += weft_local_set(cx, &first, NULL) != 0;
	f->wrong += weft_local_set(cx, &first, "a") != 0;
	f->wrong += weft_local_set(cx, &second, "b") != 0;
	f->wrong += weft_local_set(cx, &plain, f) != 0;
	weft_await(f, weft_yield(cx, &f->yield));
	f->wrong += strcmp(weft_local_get(cx, &first), "a") != 0;
	f->wrong += weft_local_get(cx, &plain) != f;
	f->wrong += weft_local_set(cx, &first, "c") != 0;   /* destroys a */
	f->wrong += weft_local_set(cx, &second, NULL) != 0; /* destroys b */
	f->wrong += weft_local_get(cx, &second) != NULL;
	f->wrong += weft_local_set(cx, &second, "d") != 0;
	weft_async_end(f, f->wrong);
}

static void test_set_get_replace(void **state)
{
	struct locals f = { .wrong = 0 };

	(void)state;
	assert_int_equal(weft_block_on(rt, locals, &f), 0);
	assert_string_equal(order, "abdc");
}

/* A task with a name of its own keeps it, with or without locals. */
static void test_beside_a_name(void **state)
{
	struct weft_join *join;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(weft_spawn(rt, locals, ((struct locals){ .wrong = 0 }),
					    .name = i ? "second name" : "first name",
					    .join = &join),
				 0);
		while (!weft_join_done(join))
			usleep(200);
		assert_string_equal(weft_task_name((struct weft_task *)(void *)join),
				    i ? "second name" : "first name");
		weft_join_detach(join);
	}
	assert_string_equal(order, "abdcabdc");
}

struct inner {
	WEFT_FRAME;
	struct weft_sleep sleep;
};

static weft_poll_t inner(struct weft_cx *cx, struct inner *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->sleep, 3600000 * MS));
	note(f->rc == -ECANCELED ? '1' : 'x');
	weft_await(f, weft_sleep(cx, &f->sleep, 1)); /* refused as well */
	note(f->rc == -ECANCELED ? '2' : 'x');
	weft_async_end(f, f->rc);
}

struct outer {
	WEFT_FRAME;
	struct inner inner;
	uint32_t *started;
};

static weft_poll_t outer(struct weft_cx *cx, struct outer *f)
{
	weft_async_begin(f);
	weft_local_set(cx, &first, "a");
	weft_local_set(cx, &second, "b");
	__atomic_store_n(f->started, 1, __ATOMIC_RELEASE);
	weft_await(f, inner(cx, &f->inner));
	note(f->rc == -ECANCELED ? '3' : 'x');
	weft_async_end(f, f->rc);
}

struct watcher {
	WEFT_FRAME;
	struct weft_join *join;
};

static weft_poll_t watcher(struct weft_cx *cx, struct watcher *f)
{
	weft_async_begin(f);
	weft_join_abort(f->join);
	weft_await(f, weft_join(cx, &f->join));
	note('j');
	weft_async_end(f, f->rc);
}

/* The innermost function first, then its callers, then the locals (newest first), then the joiner. */
static void test_order_of_cancellation(void **state)
{
	struct watcher f = { .rc = 0 };
	uint32_t started = 0;
	uint64_t id;

	(void)state;
	assert_int_equal(weft_spawn(rt, outer, ((struct outer){ .started = &started }),
				    .join = &f.join),
			 0);
	id = weft_join_id(f.join);
	while (!__atomic_load_n(&started, __ATOMIC_ACQUIRE))
		usleep(200);
	assert_int_equal(weft_block_on(rt, watcher, &f), -ECANCELED);
	assert_string_equal(order, "123baj");
	assert_int_equal(events_count(WEFT_K_TASK_END, events_task_what,
				      id << 8 | WEFT_E_CANCELLED),
			 1);
	assert_int_equal(events_count(WEFT_K_HANDLE_DROP, events_task_what,
				      id << 8 | WEFT_D_COMPLETE),
			 1);
}

/* Aborted before its first poll it runs all the same, and at shutdown too. */
static void test_cleanup_at_shutdown(void **state)
{
	uint32_t started = 0;

	(void)state;
	assert_int_equal(weft_spawn(rt, outer, ((struct outer){ .started = &started })), 0);
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	assert_true(started);
	assert_string_equal(order, "123ba");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_set_get_replace),
		T(test_beside_a_name),
		T(test_order_of_cancellation),
		T(test_cleanup_at_shutdown),
	};

	return flavours_run("runtime/local", tests, sizeof(tests) / sizeof(tests[0]));
}
