/* SPDX-License-Identifier: MIT */
/* What at level light is suspicious enough for a closer look at level normal, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/verdict.h"

static unsigned wanted;

static void count(void *ctx, const struct session_want *w)
{
	(void)ctx;
	wanted += w->kind == SESSION_WANT_CLOSER && w->process == 0 && w->value >= 4;
}

static void set_level(struct feed *f, uint32_t level, uint32_t automatic)
{
	struct weft_ev_level e = { .level = level, .automatic = automatic };

	feed_event(f, T0 - 900 * MS, WEFT_EV_LEVEL_SET, &e, sizeof(e));
}

static struct detect *detectors(struct feed *f)
{
	struct detect_options options = { .want = count };
	struct detect *d = NULL;
	char error[100];

	wanted = 0;
	assert_int_equal(detect_new(f->m, &options, &d, error, sizeof(error)), 0);
	return d;
}

/* In each 50 ms of 3 s the lane does so. */
static void run(struct feed *f, const struct feed_sample *habit)
{
	struct detect *d = detectors(f);

	for (uint64_t t = T0; t < T0 + 3 * S; t += STEP) {
		feed_sample(f, t, 0, habit);
		detect_tick(d, t + US, 0);
	}
	detect_free(d);
}

/* Every 250 ms for 3 s a poll ends that had so much of the CPU, or was blocked, or waited for a CPU. */
static void poll(struct feed *f, uint64_t cpu, uint64_t blocked, uint64_t runnable)
{
	struct detect *d = detectors(f);
	uint64_t dur = cpu + blocked + runnable;

	for (uint64_t t = T0; t < T0 + 3 * S; t += 250 * MS) {
		verdict_calm(f, t, 0);
		if (blocked || runnable)
			feed_offcpu(f, t + dur, 0, 7, blocked, runnable, blocked ? 35 : -1);
		feed_poll(f, t + dur + US, 0, 7, dur);
		for (uint64_t at = t + dur + 2 * US; at < t + 250 * MS; at += STEP)
			detect_tick(d, at, 0);
	}
	detect_free(d);
}

static const struct feed_sample crowd = {
	.cpu = 40 * MS, .busy = 5 * MS, .polls = 5000, .park = 10 * MS
};

static void many_polls_that_do_nothing(void **state)
{
	set_level(*state, WEFT_LEVEL_LIGHT, 1);
	run(*state, &crowd);
	assert_in_range(wanted, 1, 4); /* asked for again, but not at each tick */
}

/* The same, where others have most of the CPU. */
static void many_polls_on_a_busy_machine(void **state)
{
	const struct feed_sample few = {
		.cpu = 8 * MS, .busy = 4 * MS, .polls = 2000, .runq = 40 * MS, .park = 2 * MS
	};

	set_level(*state, WEFT_LEVEL_LIGHT, 1);
	run(*state, &few);
	assert_in_range(wanted, 1, 4);
}

/* A saturated service: each of its polls works. */
static void many_polls_that_work(void **state)
{
	const struct feed_sample works = {
		.cpu = 49 * MS, .busy = 20 * MS, .polls = 2500, .park = MS
	};
	const struct feed_sample idles = {
		.cpu = 2 * MS, .busy = MS, .polls = 400, .park = 48 * MS
	};

	set_level(*state, WEFT_LEVEL_LIGHT, 1);
	run(*state, &works);
	assert_int_equal(wanted, 0);
	run(*state, &idles);
	assert_int_equal(wanted, 0);
}

static void a_poll_that_computes(void **state)
{
	set_level(*state, WEFT_LEVEL_LIGHT, 1);
	poll(*state, 20 * MS, 0, 0);
	assert_in_range(wanted, 1, 4);
}

static void a_poll_that_blocks(void **state)
{
	set_level(*state, WEFT_LEVEL_LIGHT, 1);
	poll(*state, 0, 100 * MS, 0);
	assert_in_range(wanted, 1, 4);
}

static void polls_as_they_should_be(void **state)
{
	set_level(*state, WEFT_LEVEL_LIGHT, 1);
	poll(*state, 4 * MS, 2 * MS, 0);
	assert_int_equal(wanted, 0);
}

/* Others have the CPU. */
static void a_poll_that_waits_for_a_cpu(void **state)
{
	set_level(*state, WEFT_LEVEL_LIGHT, 1);
	poll(*state, 4 * MS, 0, 150 * MS);
	assert_int_equal(wanted, 0);
}

/* A walk meets so many tasks, or none of them, runnable, while the worker computes. */
static void crowd_waits(struct feed *f, uint64_t state, uint64_t cpu)
{
	struct feed_sample habit = { .cpu = cpu, .busy = cpu, .polls = 20, .park = STEP - cpu };
	struct weft_ev_snapshot_task task[60];

	for (uint32_t i = 0; i < 60; i++)
		task[i] = (struct weft_ev_snapshot_task){ .task = 100 + i,
							  .site = 1,
							  .state = state,
							  .runtime = 1,
							  .wake_age_ns = UINT64_MAX,
							  .age_ns = MS };
	set_level(f, WEFT_LEVEL_LIGHT, 1);
	feed_walk(f, T0 - MS, task, 60);
	run(f, &habit);
}

static void many_wait_while_the_workers_are_busy(void **state)
{
	crowd_waits(*state, WEFT_T_NOTIFIED, 49 * MS);
	assert_in_range(wanted, 1, 4);
}

static void nobody_waits_or_there_is_time(void **state)
{
	crowd_waits(*state, 0, 49 * MS);
	assert_int_equal(wanted, 0);
	verdict_teardown(state);
	verdict_setup(state);
	crowd_waits(*state, WEFT_T_NOTIFIED, 10 * MS);
	assert_int_equal(wanted, 0);
}

static void a_level_that_was_asked_for_stays(void **state)
{
	set_level(*state, WEFT_LEVEL_LIGHT, 0);
	run(*state, &crowd);
	assert_int_equal(wanted, 0);
}

static void nothing_more_is_to_be_seen(void **state)
{
	set_level(*state, WEFT_LEVEL_NORMAL, 1);
	run(*state, &crowd);
	assert_int_equal(wanted, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(many_polls_that_do_nothing),
		VERDICT_TEST(many_polls_on_a_busy_machine),
		VERDICT_TEST(many_polls_that_work),
		VERDICT_TEST(a_poll_that_computes),
		VERDICT_TEST(a_poll_that_blocks),
		VERDICT_TEST(polls_as_they_should_be),
		VERDICT_TEST(a_poll_that_waits_for_a_cpu),
		VERDICT_TEST(many_wait_while_the_workers_are_busy),
		VERDICT_TEST(nobody_waits_or_there_is_time),
		VERDICT_TEST(a_level_that_was_asked_for_stays),
		VERDICT_TEST(nothing_more_is_to_be_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
