/* SPDX-License-Identifier: MIT */
/* blocking-call in front of sick programs and of healthy ones that look alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/verdict.h"

static void block_is_found_while_it_lasts(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;
	uint64_t t;

	verdict_calm(f, T0, 0);
	for (t = T0 + STEP; t <= T0 + 3 * STEP; t += STEP)
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = t == T0 + STEP ? 2 * MS : 0,
						   .task = 7,
						   .open_ns = t - T0 - 5 * MS,
						   .seq = 3,
						   .off_cpu = 2,
						   .syscall = 35,
						   .depth = 4 });
	feed_stack(f, t, 0, 7, 3, WEFT_STACK_BLOCKED, 35);
	feed_tick_to(f, t + STEP);
	row = verdict_found(f, "blocking-call", LIVE_CRIT, "query");
	assert_string_equal(row->subject_kind, "task");
	assert_int_equal(row->subject_id, 7);
	assert_string_equal(row->location, "svc.c:42");
	assert_non_null(strstr(row->cause, "nanosleep in doze at db.c:41"));
	assert_non_null(strstr(row->advice, "weft_sleep"));
	assert_int_equal(row->stack_n, 5);
	assert_true(row->stack[0].kernel);
	assert_string_equal(row->stack[2].text, "doze (src/db.c:41)");
	assert_true(row->harm_task_ms > 100); /* two are runnable, whatever the stale depth says */
	assert_false(row->resolved);
	feed_poll(f, t + 2 * STEP, 0, 7, 240 * MS);
	for (uint64_t to = t + 5 * S; t < to; t += S)
		verdict_calm(f, t + S, 0);
	assert_null(feed_finding(f, "blocking-call"));
	assert_int_equal(feed_findings(f), 1); /* resolved, not forgotten */
}

static void block_of_an_ended_poll(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	feed_offcpu(f, T0 + 29 * MS, 0, 7, 20 * MS, 0, 202);
	feed_poll(f, T0 + 30 * MS, 0, 7, 25 * MS);
	feed_poll_delay(f, T0 + 31 * MS, 0, 8, US, 24 * MS);
	feed_tick_to(f, T0 + 500 * MS);
	row = verdict_found(f, "blocking-call", LIVE_WARN, "query");
	assert_true(row->harm_task_ms > 20);
	assert_non_null(strstr(row->advice, "weft_semaphore"));
}

static void block_of_50_ms_is_critical(void **state)
{
	struct feed *f = *state;

	feed_offcpu(f, T0 + 99 * MS, 0, 7, 60 * MS, 0, 0);
	feed_poll(f, T0 + 100 * MS, 0, 7, 65 * MS);
	feed_tick_to(f, T0 + 500 * MS);
	verdict_found(f, "blocking-call", LIVE_CRIT, "query");
}

/* SIGSTOP, or a debugger, met it inside a poll: it slept without a call, and till somebody woke it. */
static void a_stopped_thread_does_not_block(void **state)
{
	struct {
		struct weft_ev ev;
		struct weft_ev_offcpu body;
	} e = { { .size = sizeof(e), .kind = WEFT_EV_OFFCPU }, { .syscall = -1 } };
	struct feed *f = *state;

	for (uint64_t i = 0; i < 2; i++) {
		uint64_t t = T0 + (i + 1) * 3 * S;
		struct record r = { .t_ns = t - MS,
				    .kind = WEFT_EV_OFFCPU,
				    .task = 7,
				    .a = 2 * S,
				    .c = UINT64_MAX,
				    .ev = &e.ev };

		e.body.prev_state = i ? 0x108 : 0x104;
		feed_record(f, &r);
		feed_poll(f, t, 0, 7, 2 * S + 5 * MS);
		feed_tick_to(f, t + S);
		assert_int_equal(feed_findings(f), 0);
	}
}

static void many_blocks_of_one_type_are_one_finding(void **state)
{
	struct feed *f = *state;

	for (uint64_t i = 0; i < 50; i++) {
		uint64_t t = T0 + i * 100 * MS;

		feed_spawn(f, t, 100 + i, 1, 512);
		feed_offcpu(f, t + 39 * MS, 0, 100 + i, 30 * MS, 0, 35);
		feed_poll(f, t + 40 * MS, 0, 100 + i, 32 * MS);
	}
	feed_tick_to(f, T0 + 6 * S);
	assert_int_equal(feed_findings(f), 1);
}

static void short_blocks_that_delay_others(void **state)
{
	struct feed *f = *state;

	for (uint64_t i = 1; i <= 4; i++) {
		feed_offcpu(f, T0 + i * S - MS, 0, 7, 3 * MS, 0, 35);
		feed_poll(f, T0 + i * S, 0, 7, 5 * MS);
		feed_poll_delay(f, T0 + i * S + 10 * US, 0, 8, US, 4 * MS);
	}
	feed_tick_to(f, T0 + 5 * S);
	verdict_found(f, "blocking-call", LIVE_WARN, "query");
}

static void timers_that_nobody_fires_are_harm(void **state)
{
	struct feed *f = *state;

	feed_offcpu(f, T0 + 79 * MS, 0, 7, 70 * MS, 0, 35);
	feed_poll(f, T0 + 80 * MS, 0, 7, 75 * MS);
	for (uint64_t i = 0; i < 10; i++) {
		struct record r = { .t_ns = T0 + 81 * MS,
				    .kind = WEFT_K_TIMER_FIRE,
				    .task = 8,
				    .a = i,
				    .b = T0 + 20 * MS };

		feed_record(f, &r);
	}
	feed_tick_to(f, T0 + S);
	assert_in_range(verdict_found(f, "blocking-call", LIVE_CRIT, "query")->harm_task_ms, 590,
			610);
}

static void short_blocks_that_harm_nobody(void **state)
{
	struct feed *f = *state;

	for (uint64_t i = 1; i <= 20; i++) {
		feed_offcpu(f, T0 + i * S - MS, 0, 7, 3 * MS, 0, 1);
		feed_poll(f, T0 + i * S, 0, 7, 5 * MS);
	}
	feed_tick_to(f, T0 + 22 * S);
	verdict_nothing(f);
	assert_string_equal(feed_verdict(f, "blocking-call"), "clean");
}

static void preempted_is_not_blocked(void **state)
{
	struct feed *f = *state;

	for (uint64_t i = 1; i <= 40; i++) {
		feed_offcpu(f, T0 + i * 200 * MS - MS, 0, 7, 0, 80 * MS, -1);
		feed_poll(f, T0 + i * 200 * MS, 0, 7, 90 * MS);
		feed_poll_delay(f, T0 + i * 200 * MS + 10 * US, 0, 8, US, 80 * MS);
	}
	feed_tick_to(f, T0 + 10 * S);
	verdict_nothing(f);
}

/* The same, seen by samples only: the poll is open, the thread waits for a CPU that others have. */
static void starved_is_not_blocked(void **state)
{
	struct feed *f = *state;

	verdict_calm(f, T0, 0);
	for (uint64_t t = T0 + STEP; t <= T0 + 2 * S; t += STEP)
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = 2 * MS,
						   .runq = 48 * MS,
						   .task = 7,
						   .open_ns = t - T0 - 5 * MS,
						   .seq = 3,
						   .off_cpu = 1,
						   .depth = 4 });
	verdict_nothing(f);
}

static void pool_threads_may_block(void **state)
{
	struct feed *f = *state;

	feed_lane(f, 2, WEFT_LANE_POOL);
	feed_lane(f, 3, WEFT_LANE_FOREIGN);
	for (uint32_t lane = 2; lane <= 3; lane++) {
		uint64_t t0 = T0 + lane * 10 * S;

		for (uint64_t t = t0; t <= t0 + 2 * S; t += STEP)
			feed_sample(f, t, lane,
				    &(struct feed_sample){ .task = 7,
							   .open_ns = t - t0 + MS,
							   .seq = 3,
							   .off_cpu = 2,
							   .syscall = 0 });
		feed_offcpu(f, t0 + 3 * S, (uint16_t)lane, 7, 2 * S, 0, 0);
		feed_poll(f, t0 + 3 * S, (uint16_t)lane, 7, 2 * S);
		feed_tick_to(f, t0 + 4 * S);
	}
	verdict_nothing(f);
}

static void parked_workers_are_not_blocked(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t <= T0 + 5 * S; t += STEP) {
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .park = STEP,
						   .state = WEFT_WS_PARKED_DRIVER,
						   .off_cpu = 2,
						   .syscall = 232 });
		feed_sample(f, t, 1,
			    &(struct feed_sample){ .park = STEP,
						   .state = WEFT_WS_PARKED_FUTEX,
						   .off_cpu = 2,
						   .syscall = 202 });
	}
	verdict_nothing(f);
}

static void our_own_attach_is_not_their_fault(void **state)
{
	struct feed *f = *state;

	feed_offcpu(f, 99 * MS, 0, 7, 60 * MS, 0, 202);
	feed_poll(f, 100 * MS, 0, 7, 65 * MS);
	feed_tick_to(f, 3 * S);
	verdict_nothing(f);
}

static void page_faults_need_more(void **state)
{
	struct feed *f = *state;

	feed_offcpu(f, T0 + 29 * MS, 0, 7, 20 * MS, 0, -1);
	feed_poll(f, T0 + 30 * MS, 0, 7, 25 * MS);
	feed_tick_to(f, T0 + S);
	verdict_nothing(f);
	feed_offcpu(f, T0 + 2 * S, 0, 7, 80 * MS, 0, -1);
	feed_poll(f, T0 + 2 * S + MS, 0, 7, 85 * MS);
	feed_tick_to(f, T0 + 3 * S);
	verdict_found(f, "blocking-call", LIVE_WARN, "query");
}

/* The runtime's lock, whose holder has lost its CPU to others; held for long it is a fault all the same. */
static void a_lock_of_the_runtime_is_not_the_tasks(void **state)
{
	struct feed *f = *state;

	for (uint64_t i = 1; i <= 2; i++) {
		uint64_t blocked = i == 1 ? 180 * MS : 1500 * MS, t = T0 + i * 3 * S, open;

		verdict_calm(f, t - blocked - 10 * MS, 0);
		for (open = 50 * MS; open < blocked; open += STEP)
			feed_sample(f, t - blocked + open, 0,
				    &(struct feed_sample){ .cpu = MS,
							   .task = 7,
							   .open_ns = open,
							   .seq = i,
							   .off_cpu = 2,
							   .syscall = 202 });
		feed_stack_of_runtime(f, t - blocked + open - STEP, 7, i);
		feed_offcpu(f, t - MS, 0, 7, blocked, 0, 202);
		feed_poll(f, t, 0, 7, blocked + 2 * MS);
		feed_tick_to(f, t + 500 * MS);
		if (i == 1)
			verdict_nothing(f);
	}
	verdict_found(f, "blocking-call", LIVE_CRIT, "query");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(block_is_found_while_it_lasts),
		VERDICT_TEST(block_of_an_ended_poll),
		VERDICT_TEST(block_of_50_ms_is_critical),
		VERDICT_TEST(a_stopped_thread_does_not_block),
		VERDICT_TEST(many_blocks_of_one_type_are_one_finding),
		VERDICT_TEST(short_blocks_that_delay_others),
		VERDICT_TEST(timers_that_nobody_fires_are_harm),
		VERDICT_TEST(short_blocks_that_harm_nobody),
		VERDICT_TEST(preempted_is_not_blocked),
		VERDICT_TEST(starved_is_not_blocked),
		VERDICT_TEST(pool_threads_may_block),
		VERDICT_TEST(parked_workers_are_not_blocked),
		VERDICT_TEST(our_own_attach_is_not_their_fault),
		VERDICT_TEST(page_faults_need_more),
		VERDICT_TEST(a_lock_of_the_runtime_is_not_the_tasks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
