/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

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

static void place(struct feed *f, uint32_t number, const char *func, const char *file)
{
	struct weft_ev_place e = { .place = number, .line = number * 10 };

	strncpy(e.func, func, sizeof(e.func) - 1);
	strncpy(e.file, file, sizeof(e.file) - 1);
	feed_event(f, 1 * MS, WEFT_EV_PLACE, &e, sizeof(e));
}

struct chain_event {
	struct weft_ev_await head;
	__u32 place[WEFT_AWAIT_DEPTH + 2];
};

static void await(struct feed *f, uint64_t t, const struct chain_event *e)
{
	feed_event(f, t, WEFT_EV_AWAIT, e, sizeof(e->head) + (e->head.places + 1) / 2 * 8);
}

static void chains_are_told_innermost_first(void **state)
{
	struct feed *f = *state;
	struct chain_event e = {
		{ .task = 7, .on = WEFT_WAIT_SLEEP, .places = 3, .complete = 1, .polls = 12 },
		{ 2, 1, 99 }
	};
	struct live_await a;

	feed_spawn(f, 1 * MS, 7, 1, 512);
	assert_int_equal(live_task_await(f->l, 7, &a), -ENOENT);
	place(f, 1, "outer", "a.c");
	place(f, 2, "inner", "b.c");
	await(f, 5 * MS, &e);
	assert_int_equal(live_task_await(f->l, 7, &a), 0);
	assert_string_equal(a.on, "sleep");
	assert_int_equal(a.places, 3);
	assert_int_equal(a.polls, 12);
	assert_int_equal(a.t_ns, 5 * MS);
	assert_true(a.complete);
	assert_string_equal(a.place[0].func, "inner");
	assert_string_equal(a.place[0].location, "b.c:20");
	assert_string_equal(a.place[1].func, "outer");
	assert_string_equal(a.place[2].func, "?"); /* never told */
}

/* A walk with chains begins anew; so does the id that another task gets. */
static void chains_do_not_outlive_their_walk(void **state)
{
	struct feed *f = *state;
	struct chain_event e = { { .task = 7, .places = 1, .complete = 1 }, { 1 } };
	struct weft_ev_snapshot walk = { .snapshot = 1 };
	struct live_header h;
	struct live_await a;

	feed_spawn(f, 1 * MS, 7, 1, 512);
	feed_spawn(f, 1 * MS, 8, 1, 512);
	await(f, 5 * MS, &e);
	assert_int_equal(live_task_await(f->l, 8, &a), -ENOENT);
	feed_walk(f, 6 * MS, NULL, 0);
	assert_int_equal(live_task_await(f->l, 7, &a), 0);
	feed_flagged(f, 7 * MS, WEFT_EV_SNAPSHOT_BEGIN, WEFT_EVF_CHAINS, &walk, sizeof(walk));
	assert_int_equal(live_task_await(f->l, 7, &a), -ENOENT);
	e.head.task = 8;
	await(f, 8 * MS, &e);
	assert_int_equal(live_task_await(f->l, 7, &a), -ENOENT);
	assert_int_equal(live_task_await(f->l, 8, &a), 0);
	live_header(f->l, 0, &h);
	assert_int_equal(h.chain_walks, 0);
	feed_flagged(f, 9 * MS, WEFT_EV_SNAPSHOT_END, WEFT_EVF_CHAINS, &walk, sizeof(walk));
	live_header(f->l, 0, &h);
	assert_int_equal(h.chain_walks, 1);
}

static void hostile_chains_are_left_out(void **state)
{
	struct feed *f = *state;
	struct chain_event e = { { .task = 7, .on = 4000, .places = WEFT_AWAIT_DEPTH + 1 }, { 0 } };
	struct weft_ev_place far = { .place = UINT32_MAX, .line = 1 };
	struct live_await a;

	feed_spawn(f, 1 * MS, 7, 1, 512);
	await(f, 5 * MS, &e);
	e.head.places = 3; /* more than the event holds */
	feed_event(f, 5 * MS, WEFT_EV_AWAIT, &e, sizeof(e.head) + 8);
	feed_event(f, 5 * MS, WEFT_EV_PLACE, &far, sizeof(far));
	assert_int_equal(live_task_await(f->l, 7, &a), -ENOENT);
	e.head.task = 12345; /* not a task */
	e.head.places = 1;
	await(f, 5 * MS, &e);
	e.head.task = 7;
	await(f, 6 * MS, &e);
	assert_int_equal(live_task_await(f->l, 7, &a), 0);
	assert_string_equal(a.on, "?");
	assert_string_equal(a.place[0].func, "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(chains_are_told_innermost_first),
		T(chains_do_not_outlive_their_walk),
		T(hostile_chains_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
