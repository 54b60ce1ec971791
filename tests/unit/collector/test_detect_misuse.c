/* SPDX-License-Identifier: MIT */
/* not-send, not-unpin, missing-feature and mixed-runtimes from misuse events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/support/verdict.h"

static void misuse(struct feed *f, uint64_t t, uint64_t task, unsigned code)
{
	struct record r = {
		.t_ns = t, .kind = WEFT_K_MISUSE, .lane = 0, .task = task, .a = code, .b = 1
	};

	feed_record(f, &r);
	feed_tick_to(f, t + 100 * MS);
}

static void each_code_is_its_symptom(void **state)
{
	static const struct {
		unsigned code;
		const char *id;
	} all[] = {
		{ WEFT_M_WRONG_THREAD, "not-send" },  { WEFT_M_FRAME_MOVED, "not-unpin" },
		{ WEFT_M_IO_OFF, "missing-feature" }, { WEFT_M_TIME_OFF, "missing-feature" },
		{ WEFT_M_TIME_OFF, "timer-stall" },   { WEFT_M_NESTED_BLOCK_ON, "mixed-runtimes" }
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct feed *f = *state;
		const struct live_finding *row;

		misuse(f, T0, 7, all[i].code);
		row = feed_finding(f, all[i].id);
		assert_non_null(row);
		assert_string_equal(row->subject_name, "query");
		assert_string_equal(row->location, "svc.c:42");
		assert_true(row->advice[0] && row->evidence_n);
		verdict_teardown(state);
		verdict_setup(state);
	}
}

static void it_is_counted(void **state)
{
	struct feed *f = *state;

	for (int i = 0; i < 5; i++)
		misuse(f, T0 + (uint64_t)i * S, 7, WEFT_M_FRAME_MOVED);
	assert_int_equal(verdict_found(f, "not-unpin", LIVE_CRIT, "query")->evidence[0].value, 5);
	assert_int_equal(feed_findings(f), 1);
}

/* Known to the runtime, but none of the ten; and a code from a later version. */
static void other_codes_are_left_alone(void **state)
{
	struct feed *f = *state;

	misuse(f, T0, 7, WEFT_M_AFTER_SHUTDOWN);
	misuse(f, T0 + S, 7, 4711);
	misuse(f, T0 + 2 * S, 0, WEFT_M_DOUBLE_AWAIT);
	verdict_nothing(f);
}

/* The call that is refused is somewhere else than the spawn of the task that makes it. */
static void the_call_is_told(void **state)
{
	struct feed *f = *state;
	struct record r = {
		.t_ns = T0, .kind = WEFT_K_MISUSE, .task = 7, .a = WEFT_M_WRONG_THREAD, .b = 9
	};
	const struct live_finding *row;

	feed_site(f, 9, "bound", "ui.c", 77);
	feed_record(f, &r);
	feed_tick_to(f, T0 + 100 * MS);
	row = feed_finding(f, "not-send");
	assert_non_null(row);
	assert_int_equal(row->evidence_n, 2);
	assert_string_equal(row->evidence[1].text, "the last one was to spawn bound at ui.c:77");
	/* Its own place is the subject's: nothing is said twice. */
	misuse(f, T0 + S, 7, WEFT_M_FRAME_MOVED);
	row = feed_finding(f, "not-unpin");
	assert_non_null(row);
	assert_int_equal(row->evidence_n, 1);
}

static void by_a_task_that_is_not_known(void **state)
{
	struct feed *f = *state;

	misuse(f, T0, 0, WEFT_M_IO_OFF);
	assert_non_null(feed_finding(f, "missing-feature"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(each_code_is_its_symptom),
		VERDICT_TEST(it_is_counted),
		VERDICT_TEST(the_call_is_told),
		VERDICT_TEST(other_codes_are_left_alone),
		VERDICT_TEST(by_a_task_that_is_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
