/* SPDX-License-Identifier: MIT */
/* Walks over all tasks of a process: who is there, who is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/feed.h"

static int setup(void **state)
{
	struct feed *f = feed_new(&(struct live_options){ 0 });

	feed_worker(f, 0, 0);
	feed_site(f, 1, "session", "svc.c", 42);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	feed_free(*state);
	return 0;
}

static void a_walk_finds_tasks_and_misses_the_gone(void **state)
{
	struct feed *f = *state;
	struct weft_ev_snapshot_task tasks[] = {
		{ .task = 1,
		  .age_ns = 50 * MS,
		  .site = 1,
		  .polls = 10,
		  .bytes = 300,
		  .runtime = 1,
		  .wake_age_ns = ~0ull },
		{ .task = 2,
		  .age_ns = ~0ull,
		  .site = 1,
		  .polls = 7,
		  .bytes = 300,
		  .runtime = 1,
		  .state = WEFT_T_NOTIFIED,
		  .wake_age_ns = MS,
		  .name = "two" },
	};

	struct live_task_detail d;

	feed_walk(f, 100 * MS, tasks, 2);
	assert_int_equal(model_tasks_alive(f->m), 2);
	assert_int_equal(model_task(f->m, 1)->spawn_ns, 50 * MS);
	assert_int_equal(model_task(f->m, 2)->spawn_ns, LIVE_UNKNOWN);
	assert_int_equal(model_task_state(f->m, model_task(f->m, 2)), LIVE_READY);
	assert_string_equal(model_task_name(f->m, model_task(f->m, 2)), "two");
	assert_string_equal(model_task_name(f->m, model_task(f->m, 1)), "session");
	feed_walk(f, 200 * MS, tasks, 1);
	assert_int_equal(model_tasks_alive(f->m), 2); /* a walk is not atomic: once is not enough */
	feed_walk(f, 300 * MS, tasks, 1);
	assert_int_equal(model_tasks_alive(f->m), 1);
	/* One that is older than the recording: how old is known, when it was born as a time of it is not. */
	tasks[0].age_ns = 7 * S;
	feed_walk(f, 350 * MS, tasks, 1);
	assert_int_equal((int64_t)model_task(f->m, 1)->spawn_ns,
			 350 * (int64_t)MS - 7 * (int64_t)S);
	assert_int_equal(live_task_detail(f->l, 1, &d), 0);
	assert_int_equal(d.task.spawn_ns, LIVE_UNKNOWN);
	assert_in_range(d.task.age_ns, 7 * S, 7 * S + 100 * MS);
	/* It was alive after all: its next poll brings it back. */
	feed_poll(f, 400 * MS, 0, 2, MS);
	assert_int_equal(model_tasks_alive(f->m), 2);
	/* And so does the next walk that meets it. */
	feed_walk(f, 500 * MS, tasks, 1);
	feed_walk(f, 600 * MS, tasks, 1);
	assert_int_equal(model_tasks_alive(f->m), 1);
	feed_walk(f, 700 * MS, tasks, 2);
	assert_int_equal(model_tasks_alive(f->m), 2);
	assert_int_equal(model_type(f->m, model_task(f->m, 2)->type)->alive, 2);
	/* But not one that was seen to end. */
	feed_end(f, 800 * MS, 2, WEFT_E_DONE);
	feed_walk(f, 900 * MS, tasks, 2);
	assert_int_equal(model_tasks_alive(f->m), 1);
}

static void a_walk_counts_held_tasks(void **state)
{
	struct feed *f = *state;
	struct weft_ev_snapshot_task held = { .task = 1,
					      .site = 1,
					      .state = WEFT_T_COMPLETE | WEFT_T_JOIN_INTEREST };
	const struct model_type *type;

	feed_spawn(f, 1 * MS, 1, 1, 100);
	feed_end(f, 2 * MS, 1, WEFT_E_DONE);
	feed_walk(f, 100 * MS, &held, 1);
	type = model_type(f->m, model_task(f->m, 1)->type);
	assert_int_equal(type->held, 1);
	assert_int_equal(type->alive, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_walk_finds_tasks_and_misses_the_gone),
		T(a_walk_counts_held_tasks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
