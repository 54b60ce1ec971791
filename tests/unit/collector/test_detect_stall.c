/* SPDX-License-Identifier: MIT */
/* timer-stall in front of late timers of all kinds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/support/verdict.h"

static void fire(struct feed *f, uint64_t t, uint64_t task, uint64_t deadline)
{
	struct record r = {
		.t_ns = t, .kind = WEFT_K_TIMER_FIRE, .lane = 0, .task = task, .a = 1, .b = deadline
	};

	feed_record(f, &r);
}

/* Task 7 is polled for 300 ms on each of `lanes` workers, three times; a timer of task 8 is due in the middle of each. */
static void late_from(struct feed *f, uint64_t from, uint32_t lanes, uint64_t runnable)
{
	for (uint64_t t = from; t < from + 3 * S; t += S) {
		for (uint32_t lane = 0; lane < lanes; lane++) {
			if (runnable)
				feed_offcpu(f, t + 299 * MS, (uint16_t)lane, 7, 0, runnable, -1);
			feed_poll(f, t + 300 * MS, (uint16_t)lane, 7, 300 * MS);
		}
		fire(f, t + 300 * MS + 10 * US, 8, t + 100 * MS);
		feed_poll(f, t + 300 * MS + 30 * US, 0, 8, 5 * US);
	}
	feed_tick_to(f, from + 6 * S);
}

static void late(struct feed *f, uint32_t lanes, uint64_t runnable)
{
	late_from(f, T0, lanes, runnable);
}

static void polls_hold_the_driver(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	late(f, 2, 0);
	row = verdict_found(f, "timer-stall", LIVE_WARN, "query");
	assert_in_range(row->evidence[0].value, 199, 202);
	assert_int_equal(row->evidence[1].value, 3);
	assert_non_null(strstr(row->evidence[2].text, "ticker"));
}

static const struct live_evidence *graded(const struct live_finding *row)
{
	for (uint32_t i = 0; i < row->evidence_n; i++)
		if (strcmp(row->evidence[i].unit, "grade") == 0)
			return &row->evidence[i];
	return NULL;
}

/* Of a Rust service it is said of what kind its figures are. */
static void of_rust_the_grade_is_told(void **state)
{
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	late(f, 2, 0);
	assert_string_equal(graded(verdict_found(f, "timer-stall", LIVE_WARN, "query"))->text,
			    "per timer: the deadline of each one");
}

static void of_the_c_runtime_there_is_one_grade(void **state)
{
	struct feed *f = *state;

	late(f, 2, 0);
	assert_null(graded(verdict_found(f, "timer-stall", LIVE_WARN, "query")));
}

/* No single timer is seen: the driver, told to wait for 100 ms of each poll, comes back behind it. */
static void drivers_that_are_late(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	feed_level(f, T0 - 500 * MS, WEFT_LEVEL_NORMAL);
	for (uint64_t t = T0; t < T0 + 3 * S; t += S) {
		struct record r = { .t_ns = t + 300 * MS + 20 * US,
				    .kind = WEFT_K_TIMER_FIRE,
				    .a = WEFT_TIMER_OF_DRIVER | 10 * US,
				    .b = t + 100 * MS };

		for (uint16_t lane = 0; lane < 2; lane++)
			feed_poll(f, t + 300 * MS, lane, 7, 300 * MS);
		feed_record(f, &r);
	}
	feed_tick_to(f, T0 + 6 * S);
	row = verdict_found(f, "timer-stall", LIVE_WARN, "query");
	assert_non_null(strstr(row->evidence[0].text, "a driver came 200 ms after"));
	assert_int_equal(graded(row)->value, 2);
	assert_non_null(strstr(graded(row)->text, "per driver"));
}

/* More types hold the driver once than there is room for, then one does it three times. */
static void many_types_hold_it(void **state)
{
	struct feed *f = *state;
	char name[16];

	for (uint32_t i = 0; i < 40; i++) {
		uint64_t t = 100 * MS + i * 20 * MS;

		snprintf(name, sizeof(name), "job %u", i);
		feed_site(f, 10 + i, name, "svc.c", 100 + i);
		feed_spawn(f, t, 2000 + i, 10 + i, 256);
	}
	for (uint32_t i = 0; i < 40; i++) {
		uint64_t t = T0 + i * 100 * MS;

		feed_poll(f, t + 80 * MS, 0, 2000 + i, 80 * MS);
		feed_poll(f, t + 80 * MS, 1, 2000 + i, 80 * MS);
		fire(f, t + 80 * MS + 10 * US, 8, t + 2 * MS);
		feed_poll(f, t + 80 * MS + 30 * US, 0, 8, 5 * US);
	}
	assert_null(feed_finding(f, "timer-stall"));
	late_from(f, T0 + 5 * S, 2, 0);
	verdict_found(f, "timer-stall", LIVE_WARN, "query");
}

/* One worker was free to fire it: why it did not is not known, so nobody is blamed. */
static void one_worker_was_free(void **state)
{
	struct feed *f = *state;

	late(f, 1, 0);
	assert_null(feed_finding(f, "timer-stall"));
}

/* The polls lasted because others had the CPUs. */
static void the_machine_was_overloaded(void **state)
{
	struct feed *f = *state;

	late(f, 2, 280 * MS);
	assert_null(feed_finding(f, "timer-stall"));
}

/* The same: the workers lost their CPUs before they had told that the polls began, but for the last millisecond. */
static void they_waited_before_they_began(void **state)
{
	struct feed *f = *state;
	struct feed_sample waits = { .cpu = 2 * MS, .runq = 48 * MS };

	feed_level(f, T0 - 500 * MS, WEFT_LEVEL_NORMAL);
	for (uint64_t t = T0; t < T0 + 3 * S; t += S) {
		for (uint64_t at = t; at <= t + 300 * MS; at += STEP)
			for (uint32_t lane = 0; lane < 2; lane++)
				feed_sample(f, at, lane, &waits);
		for (uint16_t lane = 0; lane < 2; lane++) {
			feed_offcpu(f, t + 301 * MS, lane, 7, 0, MS, -1);
			feed_poll(f, t + 302 * MS, lane, 7, 300 * MS);
		}
		fire(f, t + 302 * MS + 10 * US, 8, t + 100 * MS);
		feed_poll(f, t + 302 * MS + 30 * US, 0, 8, 5 * US);
	}
	feed_tick_to(f, T0 + 6 * S);
	assert_null(feed_finding(f, "timer-stall"));
}

/* The same, but what said so was lost. */
static void the_records_were_lost(void **state)
{
	struct feed *f = *state;

	feed_level(f, T0 - 500 * MS, WEFT_LEVEL_NORMAL);
	feed_lost(f, T0 - 10 * MS, 100);
	late(f, 2, 0);
	assert_null(feed_finding(f, "timer-stall"));
	assert_string_equal(feed_verdict(f, "timer-stall"), "not-checked");
}

static void timers_on_time(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t < T0 + 5 * S; t += 20 * MS) {
		fire(f, t, 8, t - 80 * US);
		feed_poll(f, t + 20 * US, 0, 8, 5 * US);
	}
	assert_null(feed_finding(f, "timer-stall"));
	assert_string_equal(feed_verdict(f, "timer-stall"), "clean");
}

/* The same polls; the timers fire in time, by a thread that does nothing else, and their task waits for a worker. */
static void late_polls(struct feed *f, uint16_t kind, uint16_t flavour, uint32_t lanes)
{
	struct weft_ev_runtime e = { .runtime = 1, .kind = kind, .flavour = flavour, .workers = 2 };

	feed_event(f, T0 - 500 * MS, WEFT_EV_RUNTIME, &e, sizeof(e));
	for (uint64_t t = T0; t < T0 + 3 * S; t += S) {
		fire(f, t + 100 * MS + 10 * US, 8, t + 100 * MS);
		for (uint32_t lane = 0; lane < lanes; lane++)
			feed_poll(f, t + 300 * MS, (uint16_t)lane, 7, 300 * MS);
		feed_poll(f, t + 300 * MS + 30 * US, 0, 8, 5 * US);
	}
	feed_tick_to(f, T0 + 6 * S);
}

static void polls_hold_those_whose_timers_fired(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	late_polls(f, WEFT_RT_WEFT, WEFT_F_REACTOR_POOL, 2);
	row = verdict_found(f, "timer-stall", LIVE_WARN, "query");
	assert_non_null(strstr(row->cause, "have fired"));
	assert_in_range(row->evidence[0].value, 199, 202);
}

/* Polls of 60 ms on both workers, of which they lack a CPU for so long; a timer is due when each has begun. */
static void polls_of_60_ms(struct feed *f, uint64_t runnable)
{
	for (uint64_t t = T0; t < T0 + 5 * S; t += S) {
		for (uint16_t lane = 0; lane < 2; lane++) {
			feed_offcpu(f, t + 59 * MS, lane, 7, 0, runnable, -1);
			feed_poll(f, t + 60 * MS, lane, 7, 60 * MS);
		}
		fire(f, t + 60 * MS + 10 * US, 8, t + MS);
		feed_poll(f, t + 60 * MS + 30 * US, 0, 8, 5 * US);
	}
	feed_tick_to(f, T0 + 8 * S);
}

static void long_by_their_own_doing(void **state)
{
	polls_of_60_ms(*state, 5 * MS);
	verdict_found(*state, "timer-stall", LIVE_WARN, "query");
}

static void long_for_want_of_a_cpu(void **state)
{
	polls_of_60_ms(*state, 20 * MS);
	assert_null(feed_finding(*state, "timer-stall"));
}

/* Polls of `poll` in a row on two workers, the other's a tenth of a poll later, `gap` between them; what waits for 240 ms waits behind several. */
static void polls_in_a_row(struct feed *f, uint64_t poll, uint64_t gap)
{
	struct weft_ev_runtime e = {
		.runtime = 1, .kind = WEFT_RT_WEFT, .flavour = WEFT_F_REACTOR_POOL, .workers = 2
	};
	uint64_t wait = 0;

	feed_event(f, T0 - 500 * MS, WEFT_EV_RUNTIME, &e, sizeof(e));
	for (uint64_t t = T0; t < T0 + 3 * S; t += poll + gap) {
		feed_poll(f, t, 1, 7, poll);
		feed_poll(f, t + poll / 10, 0, 7, poll);
		if (wait && t + poll / 10 - wait >= 240 * MS) {
			feed_poll(f, t + poll / 10 + 5 * US, 0, 8, 5 * US);
			wait = 0;
		} else if (!wait) {
			wait = t + poll / 10 + 20 * US;
			fire(f, wait, 8, wait - 10 * US);
		}
	}
	feed_tick_to(f, T0 + 6 * S);
}

static void polls_hold_them_together(void **state)
{
	polls_in_a_row(*state, 150 * MS, 100 * US);
	assert_non_null(strstr(verdict_found(*state, "timer-stall", LIVE_WARN, "query")->cause,
			       "have fired"));
}

/* So does a busy service: that is a backlog, nobody's stall. */
static void short_polls_in_a_row(void **state)
{
	polls_in_a_row(*state, 5 * MS, 0);
	assert_null(feed_finding(*state, "timer-stall"));
}

static void workers_were_free_between(void **state)
{
	polls_in_a_row(*state, 150 * MS, 60 * MS);
	assert_null(feed_finding(*state, "timer-stall"));
}

static void a_worker_was_free_for_them(void **state)
{
	struct feed *f = *state;

	late_polls(f, WEFT_RT_WEFT, WEFT_F_REACTOR_POOL, 1);
	assert_null(feed_finding(f, "timer-stall"));
}

/* As of async-std and smol: async-io has a thread for that. */
static void polls_of_smol_hold_them(void **state)
{
	struct feed *f = *state;

	late_polls(f, WEFT_RT_SMOL, WEFT_F_EXECUTOR, 2);
	assert_non_null(
		strstr(verdict_found(f, "timer-stall", LIVE_WARN, "query")->cause, "have fired"));
}

static void a_worker_of_smol_was_free(void **state)
{
	struct feed *f = *state;

	late_polls(f, WEFT_RT_SMOL, WEFT_F_EXECUTOR, 1);
	assert_null(feed_finding(f, "timer-stall"));
}

/* Where workers turn the driver themselves, a timer that fires in time says that one of them was free. */
static void timers_fired_by_a_worker(void **state)
{
	struct feed *f = *state;

	late_polls(f, WEFT_RT_WEFT, WEFT_F_MULTI_THREAD, 2);
	assert_null(feed_finding(f, "timer-stall"));
}

/* The level rises at the very end, and before that nobody saw a timer. */
static void the_level_was_light(void **state)
{
	struct feed *f = *state;

	feed_level(f, 100 * MS, WEFT_LEVEL_LIGHT);
	feed_level(f, 30 * S, WEFT_LEVEL_NORMAL);
	feed_tick_to(f, 33 * S);
	assert_string_equal(feed_verdict(f, "timer-stall"), "not-checked");
	assert_string_equal(feed_verdict(f, "timer-late"), "not-checked");
	feed_tick_to(f, 40 * S);
	assert_string_equal(feed_verdict(f, "timer-stall"), "clean");
}

/* Timers are armed, and no thread drives the runtime for so long. */
static void undriven(struct feed *f, uint64_t ns)
{
	struct weft_ev_runtime_sample e = { .runtime = 1,
					    .timers = 3,
					    .driver_worker = UINT32_MAX };

	feed_lane(f, 0, WEFT_LANE_FOREIGN);
	feed_lane(f, 1, WEFT_LANE_FOREIGN);
	for (uint64_t t = T0; t <= T0 + ns; t += STEP)
		feed_event(f, t, WEFT_EV_RUNTIME_SAMPLE, &e, sizeof(e));
}

static void nobody_drives(void **state)
{
	struct feed *f = *state;

	undriven(f, 4 * S);
	assert_non_null(feed_finding(f, "timer-stall"));
}

/* It comes back at it soon; but nobody looks any more. */
static void nobody_drives_for_a_second(void **state)
{
	struct feed *f = *state;

	undriven(f, S);
	feed_tick_to(f, T0 + 10 * S);
	assert_null(feed_finding(f, "timer-stall"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(polls_hold_the_driver),
		VERDICT_TEST(of_rust_the_grade_is_told),
		VERDICT_TEST(of_the_c_runtime_there_is_one_grade),
		VERDICT_TEST(drivers_that_are_late),
		VERDICT_TEST(many_types_hold_it),
		VERDICT_TEST(one_worker_was_free),
		VERDICT_TEST(polls_hold_those_whose_timers_fired),
		VERDICT_TEST(long_by_their_own_doing),
		VERDICT_TEST(long_for_want_of_a_cpu),
		VERDICT_TEST(polls_hold_them_together),
		VERDICT_TEST(short_polls_in_a_row),
		VERDICT_TEST(workers_were_free_between),
		VERDICT_TEST(a_worker_was_free_for_them),
		VERDICT_TEST(polls_of_smol_hold_them),
		VERDICT_TEST(a_worker_of_smol_was_free),
		VERDICT_TEST(timers_fired_by_a_worker),
		VERDICT_TEST(the_machine_was_overloaded),
		VERDICT_TEST(they_waited_before_they_began),
		VERDICT_TEST(the_records_were_lost),
		VERDICT_TEST(timers_on_time),
		VERDICT_TEST(the_level_was_light),
		VERDICT_TEST(nobody_drives),
		VERDICT_TEST(nobody_drives_for_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
