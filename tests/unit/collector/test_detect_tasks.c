/* SPDX-License-Identifier: MIT */
/* large-future, detached-panic, lost-waker, wait-cycle: what is wrong with single tasks, and what only looks so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "tests/support/verdict.h"

/* ---- large-future ---- */

static void many(struct feed *f, uint64_t n, uint32_t bytes)
{
	for (uint64_t id = 100; id < 100 + n; id++)
		feed_spawn(f, T0 + id * US, id, 1, bytes);
	feed_tick_to(f, T0 + 3 * S);
}

static void a_thousand_of_16_kib(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	many(f, 1000, 16384);
	row = verdict_found(f, "large-future", LIVE_WARN, "query");
	assert_string_equal(row->subject_kind, "task_type");
	assert_in_range(row->evidence[0].value, 16300, 16384);
	assert_in_range(row->evidence[1].value, 15, 16);
}

static void small_ones_or_few(void **state)
{
	struct feed *f = *state;

	many(f, 4000, 4096);
	assert_null(feed_finding(f, "large-future"));
	verdict_teardown(state);
	verdict_setup(state);
	f = *state;
	many(f, 20, 65536);
	assert_null(feed_finding(f, "large-future"));
	assert_string_equal(feed_verdict(f, "large-future"), "clean");
}

/* Of a process of so many MiB. */
static struct feed *many_in(void **state, uint64_t n, uint32_t bytes, uint64_t rss_mib)
{
	struct feed *f;

	verdict_teardown(state);
	verdict_setup(state);
	f = *state;
	feed_rss(f, T0 - 500 * MS, rss_mib << 20);
	for (uint64_t id = 100; id < 100 + n; id++)
		feed_spawn(f, T0 + id * US, id, 1, bytes);
	feed_rss(f, T0 + (100 + n) * US, rss_mib << 20);
	feed_tick_to(f, T0 + (100 + n) * US + 3 * S);
	return f;
}

/* Kilobytes each, as is common, but so many that they are much of the process; a large server's 10,000 connections are not. */
static void a_hundred_thousand_of_4_kib(void **state)
{
	static const struct {
		uint64_t n;
		uint32_t bytes;
		uint64_t rss_mib;
		bool found;
	} at[] = {
		{ 100000, 4096, 600, true },  { 100000, 4096, 2000, false },
		{ 10000, 4096, 100, false },  { 140000, 1024, 400, true },
		{ 200000, 1000, 400, false }, { 100000, 1200, 400, false },
		{ 100000, 4096, 0, false }, /* how large the process is, is not known */
		{ 1, 2048, 100, false },
	};

	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
		struct feed *f = many_in(state, at[i].n, at[i].bytes, at[i].rss_mib);

		if (at[i].found)
			verdict_found(f, "large-future", LIVE_WARN, "query");
		else
			assert_null(feed_finding(f, "large-future"));
	}
}

/* ---- detached-panic ---- */

static void detached(struct feed *f, uint64_t t, uint64_t id, uint64_t flags, unsigned error)
{
	struct record r = { .t_ns = t,
			    .kind = WEFT_K_TASK_SPAWN,
			    .task = id,
			    .b = 1,
			    .c = 256,
			    .d = flags << 32 | 1 };

	feed_record(f, &r);
	feed_end(f, t + 10 * MS, id, WEFT_E_ERROR | error << 8);
}

static void an_error_that_nobody_sees(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	detached(f, T0, 100, WEFT_S_DETACHED, EIO);
	feed_tick_to(f, T0 + S);
	row = verdict_found(f, "detached-panic", LIVE_WARN, "query");
	assert_non_null(strstr(row->evidence[1].text, "-EIO"));
}

/* A peer went away; somebody has the handle; nothing is known of the error. */
static void errors_that_are_none(void **state)
{
	struct feed *f = *state;

	detached(f, T0, 100, WEFT_S_DETACHED, ECONNRESET);
	detached(f, T0 + 50 * MS, 101, WEFT_S_DETACHED, EPIPE);
	detached(f, T0 + 100 * MS, 102, 0, EIO);
	detached(f, T0 + 150 * MS, 103, WEFT_S_DETACHED, 0);
	feed_tick_to(f, T0 + S);
	verdict_nothing(f);
}

/* ---- walks ---- */

static void await(struct feed *f, uint64_t t, uint64_t task, uint32_t on, uint32_t polls)
{
	struct {
		struct weft_ev_await head;
		uint32_t place[2];
	} e = { { .task = task, .on = on, .places = 1, .complete = 1, .polls = polls }, { 1, 0 } };

	feed_event(f, t, WEFT_EV_AWAIT, &e, sizeof(e));
}

static void place(struct feed *f)
{
	struct weft_ev_place e = { .place = 1, .line = 12, .func = "leaf", .file = "svc.c" };

	feed_event(f, T0 - 100 * MS, WEFT_EV_PLACE, &e, sizeof(e));
}

static uint32_t more_polls; /* of each task from walk to walk */

/* A walk over tasks 7, 8 and 9; each waits; refs: of task 7. by[i]: who awaits 7 + i, 0 = nobody. */
static void walk(struct feed *f, uint64_t t, uint64_t refs, const uint64_t by[3])
{
	struct weft_ev_snapshot e = { .snapshot = 1 };

	feed_flagged(f, t, WEFT_EV_SNAPSHOT_BEGIN, WEFT_EVF_CHAINS, &e, sizeof(e));
	for (uint64_t i = 0; i < 3; i++) {
		struct weft_ev_snapshot_task task = { .task = 7 + i,
						      .site = i ? 2 : 1,
						      .polls = 3 + more_polls * (uint32_t)(t / S),
						      .runtime = 1,
						      .wake_age_ns = UINT64_MAX,
						      .age_ns = t - (i + 1) * MS };
		struct weft_ev_awaited awaited = { .task = 7 + i, .by = by ? by[i] : 0 };

		task.state = (i ? 2 : refs) << WEFT_TASK_REF_SHIFT;
		feed_event(f, t, WEFT_EV_SNAPSHOT_TASK, &task, sizeof(task));
		if (by)
			await(f, t, 7 + i, WEFT_WAIT_JOIN, 3);
		if (by && by[i])
			feed_event(f, t, WEFT_EV_AWAITED, &awaited, sizeof(awaited));
	}
	e.tasks = 3;
	feed_flagged(f, t, WEFT_EV_SNAPSHOT_END, WEFT_EVF_CHAINS, &e, sizeof(e));
}

static void last_polls(struct feed *f)
{
	place(f);
	for (uint64_t id = 7; id <= 9; id++)
		feed_poll(f, T0 - 50 * MS + id * MS, 0, id, US);
}

/* ---- lost-waker ---- */

/* Walks and answers as a session gives them: task 7 with so many references, and what its chain says. */
static void waits(struct feed *f, uint64_t refs, uint32_t on, bool polled)
{
	last_polls(f);
	for (uint64_t t = T0 + S; t < T0 + 12 * S; t += S) {
		if (t % (5 * S) == 0)
			walk(f, t, refs, NULL);
		if (polled)
			feed_poll(f, t + 10 * MS, 0, 7, US);
		await(f, t + 500 * MS, 7, on, polled ? (uint32_t)(t / S) : 3);
		verdict_calm(f, t + 600 * MS, 0);
	}
}

static void nobody_can_wake_it(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	waits(f, 1, WEFT_WAIT_UNKNOWN, false);
	row = verdict_found(f, "lost-waker", LIVE_CRIT, "query");
	assert_int_equal(row->subject_id, 7);
	assert_non_null(strstr(row->evidence[2].text, "leaf (svc.c:12)"));
}

static void it_can_be_woken(void **state)
{
	static const struct {
		uint64_t refs;
		uint32_t on;
		bool polled;
	} healthy[] = {
		{ 2, WEFT_WAIT_UNKNOWN, false }, /* somebody holds a waker */
		{ 1, WEFT_WAIT_SLEEP, false },   /* the timer wheel knows it without one */
		{ 1, WEFT_WAIT_UNKNOWN, true },  /* it goes on */
		{ 0, WEFT_WAIT_UNKNOWN, false }, /* a runtime that does not count */
	};

	for (size_t i = 0; i < sizeof(healthy) / sizeof(*healthy); i++) {
		struct feed *f = *state;

		waits(f, healthy[i].refs, healthy[i].on, healthy[i].polled);
		assert_null(feed_finding(f, "lost-waker"));
		verdict_teardown(state);
		verdict_setup(state);
	}
}

/* Two hundred tasks sleep, each alone with its timer; task 7 has a later place in the table than all of them. */
static void it_is_one_of_many(void **state)
{
	struct weft_ev_snapshot e = { .snapshot = 1 };
	struct feed *f = *state;

	feed_end(f, 10 * MS, 7, WEFT_E_DONE);
	for (uint64_t id = 100; id <= 300; id++)
		feed_spawn(f, 20 * MS + id * US, id, id == 300 ? 1 : 2, 256);
	place(f);
	for (uint64_t t = T0 + 100 * MS; t < T0 + 12 * S; t += S) {
		feed_flagged(f, t, WEFT_EV_SNAPSHOT_BEGIN, WEFT_EVF_CHAINS, &e, sizeof(e));
		for (uint64_t id = 100; id <= 300; id++) {
			struct weft_ev_snapshot_task task = { .task = id,
							      .site = id == 300 ? 1 : 2,
							      .polls = 1,
							      .runtime = 1,
							      .wake_age_ns = UINT64_MAX,
							      .state = 1 << WEFT_TASK_REF_SHIFT };

			feed_event(f, t, WEFT_EV_SNAPSHOT_TASK, &task, sizeof(task));
			await(f, t, id, id == 300 ? WEFT_WAIT_UNKNOWN : WEFT_WAIT_SLEEP, 1);
		}
		feed_flagged(f, t, WEFT_EV_SNAPSHOT_END, WEFT_EVF_CHAINS, &e, sizeof(e));
		verdict_calm(f, t + 600 * MS, 0);
	}
	assert_int_equal(verdict_found(f, "lost-waker", LIVE_CRIT, "query")->subject_id, 300);
}

/* As a session tells it, each look as soon as it is asked for: after two seconds, of which the looks take their part. */
static void it_is_told_after_two_seconds(void **state)
{
	struct feed *f = *state;

	last_polls(f);
	walk(f, T0, 1, NULL);
	for (uint64_t t = T0 + 1100 * MS; t <= T0 + 2200 * MS; t += 1100 * MS) {
		assert_null(feed_finding(f, "lost-waker"));
		await(f, t, 7, WEFT_WAIT_UNKNOWN, 3);
	}
	feed_tick_to(f, T0 + 2600 * MS);
	verdict_found(f, "lost-waker", LIVE_CRIT, "query");
	verdict_teardown(state);
	verdict_setup(state);
	f = *state;
	feed_runtime(f, 1, WEFT_RT_TOKIO);
	last_polls(f);
	walk(f, T0 + 100 * MS, 1, NULL);
	walk(f, T0 + 1100 * MS, 1, NULL);
	feed_tick_to(f, T0 + 1900 * MS);
	assert_null(feed_finding(f, "lost-waker"));
	feed_tick_to(f, T0 + 2500 * MS);
	verdict_found(f, "lost-waker", LIVE_WARN, "query");
}

/* Between the looks it is polled, or somebody has a waker again. */
static void it_is_only_between_two_polls(void **state)
{
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	last_polls(f);
	for (uint64_t t = T0; t < T0 + 12 * S; t += 1100 * MS) {
		walk(f, t, 1, NULL);
		feed_poll(f, t + 300 * MS, 0, 7, US);
	}
	assert_null(feed_finding(f, "lost-waker"));
	verdict_teardown(state);
	verdict_setup(state);
	f = *state;
	last_polls(f);
	for (uint64_t t = T0; t < T0 + 12 * S; t += 500 * MS) {
		walk(f, t, 1, NULL);
		await(f, t + MS, 7, WEFT_WAIT_UNKNOWN, (uint32_t)(t / S));
		if (t % S)
			feed_poll(f, t + 400 * MS, 0, 7, US);
	}
	assert_null(feed_finding(f, "lost-waker"));
}

static void it_is_watched_for_two_seconds(void **state)
{
	struct feed *f = *state;

	assert_string_equal(feed_verdict(f, "lost-waker"), "not-checked");
	feed_tick_to(f, 2 * S);
	walk(f, 2 * S, 1, NULL);
	assert_string_equal(feed_verdict(f, "lost-waker"), "not-checked");
	feed_tick_to(f, 4 * S);
	assert_string_equal(feed_verdict(f, "lost-waker"), "clean");
	for (uint64_t id = 100; id < 20100; id++)
		feed_spawn(f, 4 * S + id * US, id, 2, 64);
	assert_string_equal(feed_verdict(f, "lost-waker"), "not-checked");
}

/* Of a Rust task the count is all that there is; one that is nothing but pending() waits on purpose. */
static void nobody_can_wake_a_rust_task(void **state)
{
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	waits(f, 1, WEFT_WAIT_UNKNOWN, false);
	verdict_found(f, "lost-waker", LIVE_WARN, "query");
	verdict_teardown(state);
	verdict_setup(state);
	f = *state;
	feed_runtime(f, 1, WEFT_RT_TOKIO);
	feed_site(f, 1, "core::future::pending::Pending", "src/tasks.rs", 39);
	waits(f, 1, WEFT_WAIT_UNKNOWN, false);
	assert_null(feed_finding(f, "lost-waker"));
}

/* ---- wait-cycle ---- */

static void circle(struct feed *f, const uint64_t by[3], bool polled)
{
	last_polls(f);
	for (uint64_t t = T0 + 5 * S; t < T0 + 20 * S; t += 5 * S) {
		if (polled)
			feed_poll(f, t - 2500 * MS, 0, 8, US);
		walk(f, t, 2, by);
		feed_tick_to(f, t + 2 * S);
	}
}

static void three_in_a_circle(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	circle(f, (uint64_t[]){ 9, 7, 8 }, false);
	row = verdict_found(f, "wait-cycle", LIVE_CRIT, "query");
	assert_non_null(strstr(row->cause, "3 tasks"));
	assert_int_equal(row->evidence_n, 4);
	assert_non_null(strstr(row->evidence[1].text, "query (7) awaits ticker at svc.c:12"));
}

static void a_task_that_awaits_itself(void **state)
{
	struct feed *f = *state;

	circle(f, (uint64_t[]){ 7, 0, 0 }, false);
	assert_non_null(
		strstr(verdict_found(f, "wait-cycle", LIVE_CRIT, "query")->cause, "its own end"));
}

/* 7 awaits 8, 8 awaits 9, and 9 awaits nobody; or one of the circle still runs now and then; or the joiner is nonsense. */
static void no_circle(void **state)
{
	static const struct {
		uint64_t by[3];
		bool polled;
	} healthy[] = { { { 0, 7, 8 }, false },
			{ { 9, 7, 8 }, true },
			{ { 12345678, 1, 2 }, false } };

	for (size_t i = 0; i < sizeof(healthy) / sizeof(*healthy); i++) {
		struct feed *f = *state;

		circle(f, healthy[i].by, healthy[i].polled);
		if (feed_finding(f, "wait-cycle"))
			fail_msg("a circle in case %zu", i);
		verdict_teardown(state);
		verdict_setup(state);
	}
}

/* Two tasks that take mutexes of each other, in order: walks, which take their time, see a circle, and light tells no short poll. */
static void they_go_on_at_light(void **state)
{
	struct feed *f = *state;

	feed_level(f, T0 - 500 * MS, WEFT_LEVEL_LIGHT);
	more_polls = 1;
	circle(f, (uint64_t[]){ 9, 7, 8 }, false);
	more_polls = 0;
	assert_null(feed_finding(f, "wait-cycle"));
	verdict_teardown(state);
	verdict_setup(state);
	f = *state;
	feed_level(f, T0 - 500 * MS, WEFT_LEVEL_LIGHT);
	circle(f, (uint64_t[]){ 9, 7, 8 }, false);
	verdict_found(f, "wait-cycle", LIVE_CRIT, "query");
}

#define AWAITED_HANDLE (WEFT_T_JOIN_INTEREST | WEFT_T_JOIN_WAKER)

/* As a walk over a Rust runtime tells them: who awaits whose handle, and how many references to the one with number 8 there are. */
static void rust_walks(struct feed *f, const uint64_t by[3], uint64_t refs, uint32_t handle)
{
	struct weft_ev_snapshot e = { .tasks = 3 };

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	last_polls(f);
	for (uint64_t t = T0 + 3 * S; t < T0 + 9 * S; t += 2 * S) {
		feed_flagged(f, t, WEFT_EV_SNAPSHOT_BEGIN, WEFT_EVF_CHAINS, &e, sizeof(e));
		for (uint64_t i = 0; i < 3; i++) {
			struct weft_ev_snapshot_task task = { .task = 7 + i,
							      .site = i ? 2 : 1,
							      .runtime = 1,
							      .wake_age_ns = UINT64_MAX,
							      .age_ns = UINT64_MAX };
			struct weft_ev_awaited awaited = { .task = 7 + i, .by = by[i] };

			task.state = (i == 1 ? refs : 3) << WEFT_TASK_REF_SHIFT |
				     (i == 1 ? handle : AWAITED_HANDLE);
			feed_event(f, t, WEFT_EV_SNAPSHOT_TASK, &task, sizeof(task));
			if (by[i])
				feed_event(f, t, WEFT_EV_AWAITED, &awaited, sizeof(awaited));
		}
		feed_flagged(f, t, WEFT_EV_SNAPSHOT_END, WEFT_EVF_CHAINS, &e, sizeof(e));
		verdict_calm(f, t + 1500 * MS, 0);
	}
}

static void rust_tasks_await_each_other(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	rust_walks(f, (uint64_t[]){ 9, 7, 8 }, 3, AWAITED_HANDLE);
	row = verdict_found(f, "wait-cycle", LIVE_CRIT, "query");
	assert_non_null(strstr(row->cause, "3 tasks await each other"));
	assert_non_null(strstr(row->evidence[1].text, "is left of each"));
}

/* A waker is left behind by a select that chose another branch; no handle; being polled; no circle. */
static void rust_tasks_that_can_be_woken(void **state)
{
	static const struct {
		uint64_t by[3], refs;
		uint32_t state;
	} healthy[] = {
		{ { 9, 7, 8 }, 4, AWAITED_HANDLE },
		{ { 9, 7, 8 }, 3, WEFT_T_JOIN_INTEREST },
		{ { 9, 7, 8 }, 3, AWAITED_HANDLE | WEFT_T_NOTIFIED },
		{ { 9, 7, 8 }, 3, AWAITED_HANDLE | WEFT_T_RUNNING },
		{ { 0, 7, 8 }, 3, AWAITED_HANDLE },
	};

	for (size_t i = 0; i < sizeof(healthy) / sizeof(*healthy); i++) {
		struct feed *f = *state;

		rust_walks(f, healthy[i].by, healthy[i].refs, healthy[i].state);
		if (feed_finding(f, "wait-cycle"))
			fail_msg("a circle in case %zu", i);
		assert_string_equal(feed_verdict(f, "wait-cycle"), "clean");
		verdict_teardown(state);
		verdict_setup(state);
	}
}

/* Without a walk nothing is known; where none can be stuck, those that come anyway are enough. */
static void no_walk_is_not_clean(void **state)
{
	struct weft_ev_snapshot e = { .snapshot = 1 };
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	last_polls(f);
	verdict_calm(f, T0 + 100 * MS, 0);
	feed_tick_to(f, T0 + 2 * S);
	assert_string_equal(feed_verdict(f, "wait-cycle"), "not-checked");
	feed_event(f, T0 + 2 * S, WEFT_EV_SNAPSHOT_BEGIN, &e, sizeof(e));
	feed_event(f, T0 + 2 * S, WEFT_EV_SNAPSHOT_END, &e, sizeof(e));
	feed_tick_to(f, T0 + 4 * S);
	assert_string_equal(feed_verdict(f, "wait-cycle"), "clean");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(rust_tasks_await_each_other),
		VERDICT_TEST(rust_tasks_that_can_be_woken),
		VERDICT_TEST(no_walk_is_not_clean),
		VERDICT_TEST(nobody_can_wake_a_rust_task),
		VERDICT_TEST(a_thousand_of_16_kib),
		VERDICT_TEST(small_ones_or_few),
		VERDICT_TEST(a_hundred_thousand_of_4_kib),
		VERDICT_TEST(an_error_that_nobody_sees),
		VERDICT_TEST(errors_that_are_none),
		VERDICT_TEST(nobody_can_wake_it),
		VERDICT_TEST(it_can_be_woken),
		VERDICT_TEST(three_in_a_circle),
		VERDICT_TEST(a_task_that_awaits_itself),
		VERDICT_TEST(it_is_one_of_many),
		VERDICT_TEST(it_is_told_after_two_seconds),
		VERDICT_TEST(it_is_only_between_two_polls),
		VERDICT_TEST(it_is_watched_for_two_seconds),
		VERDICT_TEST(no_circle),
		VERDICT_TEST(they_go_on_at_light),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
