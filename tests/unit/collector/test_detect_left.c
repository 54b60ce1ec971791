/* SPDX-License-Identifier: MIT */
/* Tokio's current-thread runtime, when its thread has left it: timer-stall of timers that are due, never-runs of tasks that were woken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/support/verdict.h"

/* Task 7 arms a timer in its poll at T0, due 100 ms later; the thread waits in the driver from then on. */
static void arm(struct feed *f, uint64_t due)
{
	struct weft_ev_runtime rt = {
		.runtime = 1, .kind = WEFT_RT_TOKIO, .flavour = WEFT_F_CURRENT_THREAD, .workers = 1
	};
	struct weft_ev_snapshot_task task = { .task = 7, .age_ns = S, .site = 1, .runtime = 1 };
	struct record r = {
		.t_ns = T0 - 10 * US, .kind = WEFT_K_TIMER_ARM, .task = 7, .a = 1, .b = due
	};

	feed_event(f, T0 - 800 * MS, WEFT_EV_RUNTIME, &rt, sizeof(rt));
	feed_level(f, T0 - 700 * MS, WEFT_LEVEL_NORMAL);
	feed_walk(f, T0 - 600 * MS, &task, 1);
	feed_record(f, &r);
	feed_poll(f, T0, 0, 7, 20 * US);
}

static void park(struct feed *f, uint64_t from, uint64_t to)
{
	struct record r = {
		.t_ns = from, .kind = WEFT_K_WORKER_PARK, .tid = 100, .b = 1, .c = WEFT_PARK_DRIVER
	};

	feed_record(f, &r);
	if (!to)
		return;
	r.t_ns = to;
	r.kind = WEFT_K_WORKER_UNPARK;
	r.c = to - from;
	feed_record(f, &r);
}

/* The thread does this much in each 50 ms; the worker of another runtime nothing. */
static void go_on(struct feed *f, uint64_t from, uint64_t to, uint64_t cpu)
{
	struct feed_sample s = { .cpu = cpu };

	for (uint64_t t = from; t <= to; t += STEP)
		feed_sample(f, t, 0, &s);
}

static void due_and_nobody_drives(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	feed_lane(f, 1, WEFT_LANE_FOREIGN);
	arm(f, T0 + 100 * MS);
	park(f, T0 + 10 * US, T0 + 50 * MS);
	go_on(f, T0 + 60 * MS, T0 + 4 * S, 100 * US);
	row = verdict_found(f, "timer-stall", LIVE_CRIT, "query");
	assert_non_null(strstr(row->cause, "no thread drives"));
	assert_int_equal(row->first_ns, T0 + 100 * MS);
}

/* It is in the driver: the timer was put off, or taken away by somebody else. */
static void the_thread_is_in_the_driver(void **state)
{
	struct feed *f = *state;

	feed_lane(f, 1, WEFT_LANE_FOREIGN);
	arm(f, T0 + 100 * MS);
	park(f, T0 + 10 * US, 0);
	go_on(f, T0 + 60 * MS, T0 + 4 * S, 100 * US);
	verdict_nothing(f);
}

static void it_came_back_to_the_driver(void **state)
{
	struct feed *f = *state;

	feed_lane(f, 1, WEFT_LANE_FOREIGN);
	arm(f, T0 + 100 * MS);
	park(f, T0 + 10 * US, T0 + 150 * MS);
	go_on(f, T0 + 160 * MS, T0 + 4 * S, 100 * US);
	verdict_nothing(f);
}

static void it_is_not_due(void **state)
{
	struct feed *f = *state;

	feed_lane(f, 1, WEFT_LANE_FOREIGN);
	arm(f, T0 + 3600 * S);
	park(f, T0 + 10 * US, T0 + 50 * MS);
	go_on(f, T0 + 60 * MS, T0 + 6 * S, 100 * US);
	verdict_nothing(f);
}

/* A later poll of the task armed none: it waits for something else by now. */
static void the_task_was_polled_again(void **state)
{
	struct feed *f = *state;

	feed_lane(f, 1, WEFT_LANE_FOREIGN);
	arm(f, T0 + 100 * MS);
	feed_poll(f, T0 + 20 * MS, 0, 7, 20 * US);
	park(f, T0 + 21 * MS, T0 + 50 * MS);
	go_on(f, T0 + 60 * MS, T0 + 4 * S, 100 * US);
	verdict_nothing(f);
}

/* By a signal or a debugger: nobody runs. */
static void the_process_is_stopped(void **state)
{
	struct feed *f = *state;

	feed_lane(f, 1, WEFT_LANE_FOREIGN);
	arm(f, T0 + 100 * MS);
	park(f, T0 + 10 * US, T0 + 50 * MS);
	go_on(f, T0 + 60 * MS, T0 + 4 * S, 0);
	verdict_nothing(f);
}

/* What happened meanwhile nobody has seen. */
static void the_level_was_light_meanwhile(void **state)
{
	struct feed *f = *state;

	feed_lane(f, 1, WEFT_LANE_FOREIGN);
	arm(f, T0 + 100 * MS);
	park(f, T0 + 10 * US, T0 + 50 * MS);
	feed_level(f, T0 + 60 * MS, WEFT_LEVEL_LIGHT);
	feed_level(f, T0 + 80 * MS, WEFT_LEVEL_NORMAL);
	go_on(f, T0 + 90 * MS, T0 + 5 * S, 100 * US);
	assert_null(feed_finding(f, "timer-stall"));
}

static void woken(struct feed *f, uint64_t cpu)
{
	struct weft_ev_snapshot_task task = { .task = 7,
					      .age_ns = 2 * S,
					      .state = WEFT_T_NOTIFIED,
					      .wake_age_ns = UINT64_MAX,
					      .site = 1,
					      .runtime = 1 };

	feed_lane(f, 1, WEFT_LANE_FOREIGN);
	arm(f, T0 + 3600 * S);
	park(f, T0 + 10 * US, T0 + 50 * MS);
	feed_wake(f, T0 + 100 * MS, WEFT_NO_LANE, 7, 0, WEFT_W_FOREIGN);
	go_on(f, T0 + 110 * MS, T0 + 1200 * MS, cpu);
	feed_walk(f, T0 + 1300 * MS, &task, 1);
	go_on(f, T0 + 1350 * MS, T0 + 3 * S, cpu);
}

static void woken_and_nobody_drives(void **state)
{
	struct feed *f = *state;

	woken(f, 100 * US);
	assert_non_null(strstr(verdict_found(f, "never-runs", LIVE_CRIT, "query")->cause,
			       "no thread drives"));
}

static void woken_and_stopped(void **state)
{
	struct feed *f = *state;

	woken(f, 0);
	verdict_nothing(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(due_and_nobody_drives),
		VERDICT_TEST(the_thread_is_in_the_driver),
		VERDICT_TEST(it_came_back_to_the_driver),
		VERDICT_TEST(it_is_not_due),
		VERDICT_TEST(the_task_was_polled_again),
		VERDICT_TEST(the_process_is_stopped),
		VERDICT_TEST(the_level_was_light_meanwhile),
		VERDICT_TEST(woken_and_nobody_drives),
		VERDICT_TEST(woken_and_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
