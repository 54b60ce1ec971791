/* SPDX-License-Identifier: MIT */
/* long-poll in front of what it is for, and of what belongs to other detectors or to nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/support/verdict.h"

/* Every `every` ns for 12 s task 7 is polled for `cpu` ns of CPU time (and `blocked`), and task 8 waits behind it. */
static void polls(struct feed *f, uint64_t every, uint64_t cpu, uint64_t blocked, bool waits)
{
	uint64_t dur = cpu + blocked;

	for (uint64_t t = T0; t < T0 + 12 * S; t += every) {
		if (waits)
			feed_wake(f, t, 0, 8, 0, WEFT_W_FOREIGN);
		feed_offcpu(f, t + dur, 0, 7, blocked, 0, blocked ? 35 : -1);
		feed_poll(f, t + dur + US, 0, 7, dur);
		if (waits)
			feed_poll_delay(f, t + dur + 10 * US, 0, 8, US, dur);
	}
	feed_tick_to(f, T0 + 13 * S);
}

static void polls_of_20_ms_while_others_wait(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	polls(f, 250 * MS, 20 * MS, 0, true);
	row = verdict_found(f, "long-poll", LIVE_WARN, "query");
	assert_int_equal(row->subject_id, 7);
	assert_in_range(row->evidence[0].value, 19, 21);
	assert_true(row->harm_task_ms > 100);
}

static void polls_of_60_ms_are_critical(void **state)
{
	struct feed *f = *state;

	polls(f, 400 * MS, 60 * MS, 0, true);
	verdict_found(f, "long-poll", LIVE_CRIT, "query");
}

static void nobody_waits(void **state)
{
	struct feed *f = *state;

	polls(f, 250 * MS, 20 * MS, 0, false);
	assert_null(feed_finding(f, "long-poll"));
}

static void they_are_rare(void **state)
{
	struct feed *f = *state;

	polls(f, 3 * S, 20 * MS, 0, true);
	assert_null(feed_finding(f, "long-poll"));
}

/* The same task blocks, too: one finding, not two. */
static void blocking_says_more(void **state)
{
	struct feed *f = *state;

	polls(f, 250 * MS, 20 * MS, 15 * MS, true);
	verdict_found(f, "blocking-call", LIVE_WARN, "query");
	assert_null(feed_finding(f, "long-poll"));
}

/* At light nobody says whether a poll of 20 ms ran or had lost its CPU, though off-CPU records came at normal before. */
static void polls_of_20_ms_at_light(void **state)
{
	struct feed *f = *state;

	feed_level(f, T0, WEFT_LEVEL_NORMAL);
	feed_offcpu(f, T0 + MS, 0, 7, MS / 2, 0, 0);
	feed_poll(f, T0 + 2 * MS, 0, 7, 2 * MS);
	feed_level(f, T0 + S, WEFT_LEVEL_LIGHT);
	for (uint64_t t = T0 + 2 * S; t < T0 + 14 * S; t += 250 * MS) {
		feed_poll(f, t, 0, 7, 20 * MS);
		feed_poll_delay(f, t + 10 * US, 0, 8, US, 20 * MS);
	}
	feed_tick_to(f, T0 + 15 * S);
	assert_null(feed_finding(f, "long-poll"));
}

/* It takes the whole worker: busy-loop, and that alone. */
static void busy_says_more(void **state)
{
	struct feed *f = *state;

	polls(f, 25 * MS, 20 * MS, 0, true);
	assert_non_null(feed_finding(f, "busy-loop"));
	assert_null(feed_finding(f, "long-poll"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(polls_of_20_ms_while_others_wait),
		VERDICT_TEST(polls_of_60_ms_are_critical),
		VERDICT_TEST(nobody_waits),
		VERDICT_TEST(they_are_rare),
		VERDICT_TEST(blocking_says_more),
		VERDICT_TEST(busy_says_more),
		VERDICT_TEST(polls_of_20_ms_at_light),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
