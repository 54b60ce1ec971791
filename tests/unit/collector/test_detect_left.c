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

/* The thread does this much in each 50 ms; the worker of another runtime nothing. Once a second who is in block_on is told. */
static void go_on_with(struct feed *f, uint64_t from, uint64_t to, uint64_t cpu,
		       struct weft_ev_block_on e)
{
	struct feed_sample s = { .cpu = cpu };

	for (uint64_t t = from, told = from; t <= to; t += STEP) {
		feed_sample(f, t, 0, &s);
		if (!e.doing || t < told + S)
			continue;
		told = t;
		e.for_ns = t - from;
		feed_block_on(f, t, e);
	}
}

static const struct weft_ev_block_on nobody = { .doing = WEFT_BLOCK_ON_NOBODY, .syscall = -1 },
				     blocked = { .doing = WEFT_BLOCK_ON_BLOCKED,
						 .syscall = 230 /* clock_nanosleep */ },
				     computes = { .doing = WEFT_BLOCK_ON_COMPUTES, .syscall = -1 },
				     not_told = { .doing = 0 };

static void go_on(struct feed *f, uint64_t from, uint64_t to, uint64_t cpu)
{
	go_on_with(f, from, to, cpu, nobody);
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

static void due_and_driven_by(struct feed *f, struct weft_ev_block_on e)
{
	feed_lane(f, 1, WEFT_LANE_FOREIGN);
	arm(f, T0 + 100 * MS);
	park(f, T0 + 10 * US, T0 + 50 * MS);
	go_on_with(f, T0 + 60 * MS, T0 + 4 * S, 100 * US, e);
}

static void due_and_the_root_blocks(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	due_and_driven_by(f, blocked);
	row = verdict_found(f, "timer-stall", LIVE_CRIT, "query");
	assert_non_null(strstr(row->cause, "the future given to block_on blocks its thread"));
	assert_non_null(strstr(row->evidence[1].text, "in clock_nanosleep"));
}

static void due_and_the_root_computes(void **state)
{
	struct feed *f = *state;

	due_and_driven_by(f, computes);
	assert_non_null(strstr(verdict_found(f, "timer-stall", LIVE_CRIT, "query")->cause,
			       "keeps its thread busy"));
}

/* It was due for long when it was armed, as the ticks are that a ticker makes up for; the root blocks for 1.2 s only. */
static void due_before_it_was_armed(void **state)
{
	struct feed *f = *state;

	feed_lane(f, 1, WEFT_LANE_FOREIGN);
	arm(f, T0 - 900 * MS);
	park(f, T0 + 10 * US, T0 + 50 * MS);
	go_on_with(f, T0 + 60 * MS, T0 + 1260 * MS, 100 * US, blocked);
	feed_wake(f, T0 + 1270 * MS, 0, 7, 0, WEFT_W_TIMER);
	feed_poll(f, T0 + 1280 * MS, 0, 7, 20 * US);
	feed_tick_to(f, T0 + 4 * S);
	verdict_nothing(f);
}

/* Where it can't be told who drives it nothing is said. */
static void due_and_not_told_who_drives(void **state)
{
	struct feed *f = *state;

	due_and_driven_by(f, not_told);
	verdict_nothing(f);
}

/* What was found in the runtime's memory: armed before the watch began, 5 s before this. */
static void read_and(struct feed *f, struct weft_ev_block_on e, uint64_t overdue, uint64_t to)
{
	struct weft_ev_runtime rt = { .runtime = 1,
				      .kind = WEFT_RT_TOKIO,
				      .flavour = WEFT_F_CURRENT_THREAD };
	struct weft_ev_snapshot_task task = { .task = 7, .age_ns = S, .site = 1, .runtime = 1 };

	feed_lane(f, 0, WEFT_LANE_FOREIGN);
	feed_lane(f, 1, WEFT_LANE_FOREIGN);
	feed_event(f, T0, WEFT_EV_RUNTIME, &rt, sizeof(rt));
	feed_level(f, T0, WEFT_LEVEL_NORMAL);
	feed_walk(f, T0, &task, 1);
	e.due = 3;
	e.due_task = 7;
	e.overdue_ns = overdue;
	go_on_with(f, T0 + 60 * MS, to, 100 * US, e);
}

static void read_and_nobody_drives(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	read_and(f, nobody, 5 * S, T0 + 3 * S);
	row = verdict_found(f, "timer-stall", LIVE_CRIT, "query");
	assert_non_null(strstr(row->cause, "no thread drives"));
	assert_non_null(strstr(row->evidence[1].text, "3 tasks wait so"));
}

static void read_and_the_root_blocks(void **state)
{
	struct feed *f = *state;

	read_and(f, blocked, 5 * S, T0 + 3 * S);
	assert_non_null(strstr(verdict_found(f, "timer-stall", LIVE_CRIT, "query")->cause,
			       "blocks its thread"));
}

static void read_and_hardly_due(void **state)
{
	struct feed *f = *state;

	read_and(f, blocked, S, T0 + 3 * S);
	verdict_nothing(f);
}

/* The thread has come back since: nothing more is told of it. */
static void read_long_ago(void **state)
{
	struct feed *f = *state;
	struct weft_ev_block_on e = blocked;

	read_and(f, not_told, 0, T0 + S);
	e.due = 1;
	e.due_task = 7;
	e.overdue_ns = 1900 * MS;
	feed_block_on(f, T0 + 1010 * MS, e);
	go_on_with(f, T0 + 1050 * MS, T0 + 6 * S, 100 * US, not_told);
	verdict_nothing(f);
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

static void woken_with(struct feed *f, uint64_t cpu, struct weft_ev_block_on e)
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
	go_on_with(f, T0 + 110 * MS, T0 + 1200 * MS, cpu, e);
	feed_walk(f, T0 + 1300 * MS, &task, 1);
	go_on_with(f, T0 + 1350 * MS, T0 + 3 * S, cpu, e);
}

static void woken(struct feed *f, uint64_t cpu)
{
	woken_with(f, cpu, nobody);
}

static void woken_and_nobody_drives(void **state)
{
	struct feed *f = *state;

	woken(f, 100 * US);
	assert_non_null(strstr(verdict_found(f, "never-runs", LIVE_CRIT, "query")->cause,
			       "no thread drives"));
}

static void woken_and_the_root_blocks(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	woken_with(f, 100 * US, blocked);
	row = verdict_found(f, "never-runs", LIVE_CRIT, "query");
	assert_non_null(strstr(row->cause, "the future given to block_on blocks its thread"));
	assert_non_null(strstr(row->advice, "spawn_blocking"));
}

/* It was before the wake; since then the thread may have come back. */
static void woken_after_the_root_blocked(void **state)
{
	struct feed *f = *state;

	feed_block_on(f, T0 - 900 * MS, blocked);
	woken_with(f, 100 * US, not_told);
	verdict_nothing(f);
}

static void woken_and_not_told_who_drives(void **state)
{
	struct feed *f = *state;

	woken_with(f, 100 * US, not_told);
	verdict_nothing(f);
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
		VERDICT_TEST(due_and_the_root_blocks),
		VERDICT_TEST(due_and_the_root_computes),
		VERDICT_TEST(due_before_it_was_armed),
		VERDICT_TEST(due_and_not_told_who_drives),
		VERDICT_TEST(read_and_nobody_drives),
		VERDICT_TEST(read_and_the_root_blocks),
		VERDICT_TEST(read_and_hardly_due),
		VERDICT_TEST(read_long_ago),
		VERDICT_TEST(the_thread_is_in_the_driver),
		VERDICT_TEST(it_came_back_to_the_driver),
		VERDICT_TEST(it_is_not_due),
		VERDICT_TEST(the_task_was_polled_again),
		VERDICT_TEST(the_process_is_stopped),
		VERDICT_TEST(the_level_was_light_meanwhile),
		VERDICT_TEST(woken_and_nobody_drives),
		VERDICT_TEST(woken_and_the_root_blocks),
		VERDICT_TEST(woken_after_the_root_blocked),
		VERDICT_TEST(woken_and_not_told_who_drives),
		VERDICT_TEST(woken_and_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
