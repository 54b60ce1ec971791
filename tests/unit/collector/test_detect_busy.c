/* SPDX-License-Identifier: MIT */
/* busy-loop in front of sick programs and of healthy ones that look alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/verdict.h"

/* ---- spin ---- */

static const char *const here[] = { "svc::crunch", "svc::query", "tokio::runtime::task::raw::poll",
				    NULL },
			 *const in_place[] = {
				 "svc::crunch",
				 "tokio::runtime::scheduler::multi_thread::worker::block_in_place",
				 "svc::query", "tokio::runtime::task::raw::poll", NULL
			 };

/* One poll of Tokio that computes for so long; `where`: the stack of its samples, NULL = none comes. */
static void computes(struct feed *f, uint64_t for_ns, const char *const *where)
{
	feed_runtime(f, 1, WEFT_RT_TOKIO);
	verdict_calm(f, T0, 0);
	for (uint64_t t = T0 + STEP; t <= T0 + for_ns; t += STEP) {
		feed_sample(f, t, 0,
			    &(struct feed_sample){
				    .cpu = STEP, .task = 7, .open_ns = t - T0 - MS, .seq = 3 });
		if (where)
			feed_sample_named(f, t + MS, 7, 3, where);
	}
	feed_tick_to(f, T0 + for_ns + STEP);
}

static void spin_on_tokio(void **state)
{
	computes(*state, 300 * MS, here);
	verdict_found(*state, "busy-loop", LIVE_WARN, "query");
}

static void spin_that_no_sample_shows(void **state)
{
	computes(*state, 600 * MS, NULL);
	verdict_found(*state, "busy-loop", LIVE_WARN, "query");
}

/* Another thread has taken over what the worker had to do. */
static void computing_in_place(void **state)
{
	computes(*state, 3 * S, in_place);
	verdict_nothing(*state);
}

/* Only its first second was sampled: then others had all samples, or it was stopped, or it waits. */
static void computing_in_place_for_long(void **state)
{
	struct feed *f = *state;

	computes(f, S, in_place);
	for (uint64_t t = T0 + S + 2 * STEP; t <= T0 + 13 * S; t += STEP)
		feed_sample(f, t, 0,
			    &(struct feed_sample){
				    .cpu = STEP, .task = 7, .open_ns = t - T0 - MS, .seq = 3 });
	verdict_nothing(f);
}

/* It is blocked for a moment, still in place; meanwhile samples of another task replace its own. */
static void computing_in_place_beside_others(void **state)
{
	struct feed *f = *state;
	uint64_t t = T0 + 5 * S + 2 * STEP;

	computes(f, 5 * S, in_place);
	for (; t <= T0 + 6 * S; t += STEP) {
		feed_sample(f, t, 0,
			    &(struct feed_sample){
				    .task = 7, .open_ns = t - T0 - MS, .seq = 3, .off_cpu = 2 });
		for (unsigned i = 0; i < 20; i++)
			feed_sample_named(f, t + MS, 8, 4, in_place);
	}
	for (; t <= T0 + 6 * S + 4 * STEP; t += STEP)
		feed_sample(f, t, 0,
			    &(struct feed_sample){
				    .cpu = STEP, .task = 7, .open_ns = t - T0 - MS, .seq = 3 });
	verdict_nothing(f);
}

static void spin_is_found_while_it_lasts(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;
	uint64_t t;

	verdict_calm(f, T0, 0);
	for (t = T0 + STEP; t <= T0 + 2 * S; t += STEP) {
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = 49 * MS,
						   .runq = MS,
						   .task = 7,
						   .open_ns = t - T0 - MS,
						   .seq = 3,
						   .depth = 2 });
		feed_stack(f, t, 0, 7, 3, WEFT_STACK_ON_CPU, -1);
	}
	row = verdict_found(f, "busy-loop", LIVE_CRIT, "query");
	assert_non_null(strstr(row->cause, "burn"));
	assert_non_null(strstr(row->evidence[0].text, "burn (src/hot.c:7)"));
	assert_int_equal(row->stack_n, 3);
	assert_true(row->harm_task_ms > 1000);
	assert_null(feed_finding(f, "blocking-call"));
}

static void spin_from_before_the_attach(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t <= T0 + 2 * S; t += STEP)
		feed_sample(f, t, 0,
			    &(struct feed_sample){
				    .cpu = STEP, .task = 7, .open_ns = UINT64_MAX, .seq = 3 });
	verdict_found(f, "busy-loop", LIVE_CRIT, "query");
}

static void spin_on_a_machine_that_others_overload(void **state)
{
	struct feed *f = *state;

	verdict_calm(f, T0, 0);
	for (uint64_t t = T0 + STEP; t <= T0 + 3 * S; t += STEP)
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = 10 * MS,
						   .runq = 40 * MS,
						   .task = 7,
						   .open_ns = t - T0 - MS,
						   .seq = 3,
						   .off_cpu = 1 });
	verdict_found(f, "busy-loop", LIVE_WARN,
		      "query"); /* it did use 600 ms of CPU in one poll */
}

static void starved_is_not_busy(void **state)
{
	struct feed *f = *state;

	verdict_calm(f, T0, 0);
	for (uint64_t t = T0 + STEP; t <= T0 + 3 * S; t += STEP)
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = MS,
						   .runq = 49 * MS,
						   .task = 7,
						   .open_ns = t - T0 - MS,
						   .seq = 3,
						   .off_cpu = 1 });
	verdict_nothing(f);
}

static void full_load_of_short_polls(void **state)
{
	struct feed *f = *state;
	uint64_t t = T0;

	while (t < T0 + 12 * S) {
		for (int i = 0; i < 200; i++, t += 250 * US) {
			uint64_t task = 7 + (uint64_t)i % 3;

			feed_wake(f, t, 0, task, 0, WEFT_W_IO);
			feed_poll_delay(f, t + 200 * US, 0, task, 190 * US, 10 * US);
		}
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = 45 * MS,
						   .runq = 5 * MS,
						   .polls = 200,
						   .busy = 38 * MS,
						   .wakes = 200,
						   .task = 8,
						   .open_ns = 100 * US,
						   .seq = t / US });
	}
	verdict_nothing(f);
	assert_string_equal(feed_verdict(f, "busy-loop"), "clean");
}

/* ---- crunch ---- */

static void crunch_through_long_polls(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t < T0 + 4 * S; t += 50 * MS) {
		feed_offcpu(f, t + 5 * MS, 0, 7, 0, 10 * US, -1);
		feed_poll(f, t + 40 * MS, 0, 7, 40 * MS);
	}
	verdict_found(f, "busy-loop", LIVE_WARN, "query");
}

/* Polls of 80 ms, of a task of Tokio that is sampled in these functions once. */
static void crunches(struct feed *f, const char *const *where)
{
	feed_runtime(f, 1, WEFT_RT_TOKIO);
	for (uint64_t i = 0; i < 60; i++) {
		uint64_t t = T0 + i * 100 * MS;

		verdict_calm(f, t, 1);
		feed_poll(f, t + 80 * MS, 0, 7, 80 * MS);
		feed_sample(f, t + 81 * MS, 0,
			    &(struct feed_sample){ .cpu = 80 * MS, .polls = 1, .busy = 80 * MS });
		if (i == 5)
			feed_sample_named(f, t + 82 * MS, 7, 3, where);
	}
	feed_tick_to(f, T0 + 7 * S);
}

static void crunch_on_tokio(void **state)
{
	crunches(*state, here);
	assert_non_null(feed_finding(*state, "busy-loop"));
}

static void crunch_in_place(void **state)
{
	crunches(*state, in_place);
	assert_null(feed_finding(*state, "busy-loop"));
}

static void long_polls_now_and_then(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t < T0 + 10 * S; t += 200 * MS) {
		feed_offcpu(f, t + 5 * MS, 0, 7, 0, 10 * US, -1);
		feed_poll(f, t + 40 * MS, 0, 7, 40 * MS);
	}
	verdict_nothing(f);
}

/* 120 ms of CPU at a time, but another task blocks the only worker in between: a third of a CPU in all. */
static void spins_between_the_blocks_of_others(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t < T0 + 4 * S; t += 360 * MS) {
		feed_offcpu(f, t + 5 * MS, 0, 7, 0, 10 * US, -1);
		feed_poll(f, t + 120 * MS, 0, 7, 120 * MS);
	}
	verdict_found(f, "busy-loop", LIVE_WARN, "query");
}

/*
 * Four workers, each with one poll of 120 ms, in which who watches gets to know its thread: nobody told whether it slept. Of threads
 * that were known the same is three spins.
 */
static void starts_of_workers(struct feed *f, uint64_t met)
{
	feed_offcpu(f, T0, 0, 7, 0, 10 * US, -1);
	feed_poll(f, T0 + US, 0, 7, 20 * US);
	for (uint32_t i = 1; i < 5; i++) {
		uint64_t t = T0 + i * S;

		f->now = t + met;
		feed_worker(f, i, i);
		feed_poll(f, t + 120 * MS, (uint16_t)i, 7, 120 * MS);
	}
	feed_tick_to(f, T0 + 6 * S);
}

static void first_polls_of_threads(void **state)
{
	starts_of_workers(*state, 2 * MS);
	verdict_nothing(*state);
}

static void first_polls_of_known_threads(void **state)
{
	starts_of_workers(*state, 0);
	verdict_found(*state, "busy-loop", LIVE_WARN, "query");
}

/* As long by the clock, but a neighbour had the CPU: no spins. And a long one now and then is none either. */
static void long_by_the_clock_only(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t < T0 + 10 * S; t += 360 * MS) {
		feed_offcpu(f, t + 110 * MS, 0, 7, 0, 60 * MS, -1);
		feed_poll(f, t + 120 * MS, 0, 7, 120 * MS);
	}
	verdict_nothing(f);
	for (uint64_t t = T0 + 10 * S; t < T0 + 40 * S; t += 6 * S)
		feed_poll(f, t + 120 * MS, 0, 7, 120 * MS);
	verdict_nothing(f);
}

/* ---- storms ---- */

static uint64_t waits; /* for a CPU, between two samples */

/* One second of a task that wakes itself `n` times and is polled for `poll` each time. */
static void self_wakes(struct feed *f, uint64_t t, uint64_t n, uint64_t poll, uint64_t own)
{
	uint64_t step = S / n;

	for (uint64_t i = 0; i < n; i++) {
		feed_wake(f, t + i * step + poll / 2, 0, 7, 7, WEFT_W_TASK);
		feed_poll(f, t + i * step + poll, 0, 7, poll);
		if (i % (n / 20) == n / 20 - 1)
			feed_sample(f, t + i * step + poll, 0,
				    &(struct feed_sample){ .cpu = n / 20 * (poll + own),
							   .runq = waits,
							   .polls = n / 20,
							   .busy = n / 20 * poll,
							   .wakes = n / 20,
							   .self_wakes = n / 20 });
	}
}

static void self_wake_storm(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	for (uint64_t s = 0; s < 5; s++)
		self_wakes(f, T0 + s * S, 20000, 5 * US, 40 * US);
	row = verdict_found(f, "busy-loop", LIVE_CRIT, "query");
	assert_non_null(strstr(row->cause, "wakes itself"));
	assert_non_null(strstr(row->advice, "weft_sleep"));
}

/* Of a CPU that it shares with many others: it takes all that it can get. */
static void storm_on_a_machine_that_others_overload(void **state)
{
	struct feed *f = *state;

	waits = 40 * MS;
	for (uint64_t s = 0; s < 5; s++)
		self_wakes(f, T0 + s * S, 4000, 5 * US, 40 * US);
	waits = 0;
	verdict_found(f, "busy-loop", LIVE_WARN, "query");
}

/* 3 % of a CPU in yields, for which it waits ten times as long; then it is done, and its worker parks. */
static void yields_on_a_machine_that_others_overload(void **state)
{
	struct feed *f = *state;

	waits = 15 * MS;
	for (uint64_t s = 0; s < 5; s++)
		self_wakes(f, T0 + s * S, 3000, 8 * US, 2 * US);
	waits = 0;
	verdict_nothing(f);
}

static void yields_that_make_progress(void **state)
{
	struct feed *f = *state;

	for (uint64_t s = 0; s < 8; s++)
		self_wakes(f, T0 + s * S, 5000, 150 * US, 2 * US);
	verdict_nothing(f);
}

static void a_few_self_wakes(void **state)
{
	struct feed *f = *state;

	for (uint64_t s = 0; s < 8; s++)
		self_wakes(f, T0 + s * S, 60, 5 * US, 1 * US);
	verdict_nothing(f);
}

static void storm_at_level_light(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	feed_level(f, T0, WEFT_LEVEL_LIGHT);
	for (uint64_t t = T0 + STEP; t <= T0 + 6 * S; t += STEP)
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = 49 * MS,
						   .polls = 20000,
						   .busy = 20 * MS,
						   .wakes = 20000,
						   .self_wakes = 19990,
						   .task = 7,
						   .open_ns = 300,
						   .seq = t });
	row = verdict_found(f, "busy-loop", LIVE_CRIT, "query");
	assert_true(row->confidence < 0.9f);
}

static void ping_pong(struct feed *f, uint64_t seconds, uint64_t poll, bool outside)
{
	for (uint64_t t = T0; t < T0 + seconds * S; t += 50 * US) {
		uint64_t me = t / (50 * US) % 2 ? 8 : 9, other = 17 - me;

		feed_wake(f, t + poll / 2, 0, other, me, WEFT_W_TASK);
		feed_poll(f, t + poll, 0, me, poll);
		if (outside && t / (50 * US) % 5 == 0)
			feed_wake(f, t + poll, 0, 8, 0, WEFT_W_IO);
		if (t % STEP == 0)
			feed_sample(f, t + poll, 0,
				    &(struct feed_sample){ .cpu = 48 * MS,
							   .polls = 1000,
							   .busy = 1000 * poll,
							   .wakes = 1000 });
	}
}

static void ping_pong_of_two_tasks(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	ping_pong(f, 6, US, false);
	row = verdict_found(f, "busy-loop", LIVE_CRIT, "ticker");
	assert_non_null(strstr(row->cause, "ping-pong"));
	assert_int_equal(feed_findings(f), 1);
}

static void a_channel_that_io_feeds(void **state)
{
	struct feed *f = *state;

	ping_pong(f, 6, US, true);
	verdict_nothing(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(spin_is_found_while_it_lasts),
		VERDICT_TEST(spin_on_tokio),
		VERDICT_TEST(spin_that_no_sample_shows),
		VERDICT_TEST(computing_in_place),
		VERDICT_TEST(computing_in_place_for_long),
		VERDICT_TEST(computing_in_place_beside_others),
		VERDICT_TEST(crunch_on_tokio),
		VERDICT_TEST(crunch_in_place),
		VERDICT_TEST(spin_from_before_the_attach),
		VERDICT_TEST(spin_on_a_machine_that_others_overload),
		VERDICT_TEST(starved_is_not_busy),
		VERDICT_TEST(full_load_of_short_polls),
		VERDICT_TEST(crunch_through_long_polls),
		VERDICT_TEST(long_polls_now_and_then),
		VERDICT_TEST(spins_between_the_blocks_of_others),
		VERDICT_TEST(first_polls_of_threads),
		VERDICT_TEST(first_polls_of_known_threads),
		VERDICT_TEST(long_by_the_clock_only),
		VERDICT_TEST(self_wake_storm),
		VERDICT_TEST(storm_on_a_machine_that_others_overload),
		VERDICT_TEST(yields_on_a_machine_that_others_overload),
		VERDICT_TEST(yields_that_make_progress),
		VERDICT_TEST(a_few_self_wakes),
		VERDICT_TEST(storm_at_level_light),
		VERDICT_TEST(ping_pong_of_two_tasks),
		VERDICT_TEST(a_channel_that_io_feeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
