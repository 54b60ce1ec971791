/* SPDX-License-Identifier: MIT */
/* The matrix symptom x runtime x level: whole, the same in the README, and what `checked` says by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/detect/coverage.h"
#include "tests/support/verdict.h"

static void every_cell_says_why(void **state)
{
	(void)state;
	for (int s = 0; s < SYMPTOMS; s++)
		for (unsigned c = 0; c < COVERAGE_COLUMNS; c++) {
			const char *why;
			enum coverage is = coverage_of((enum symptom)s, c, &why);

			if ((is == COVERAGE_WORKS) == !why[0])
				continue;
			fail_msg("%s, column %u: \"%s\"", symptom_id((enum symptom)s), c, why);
		}
}

/* What works at normal is not better seen at light. */
static void light_is_no_more_than_normal(void **state)
{
	const char *why;

	(void)state;
	for (int s = 0; s < SYMPTOMS; s++)
		for (int kind = WEFT_RT_WEFT; kind <= WEFT_RT_SMOL; kind++)
			assert_true(
				coverage_of((enum symptom)s, coverage_column(kind, false), &why) >=
				coverage_of((enum symptom)s, coverage_column(kind, true), &why));
}

static void row_text(enum symptom s, char *to, size_t size)
{
	static const char *const word[] = { "yes", "partly", "no", "-" };
	int n = snprintf(to, size, "| `%s` |", symptom_id(s));

	for (unsigned c = 0; c < COVERAGE_COLUMNS; c++) {
		const char *why;

		n += snprintf(to + n, size - (size_t)n, " %s |", word[coverage_of(s, c, &why)]);
	}
}

static void the_readme_shows_it(void **state)
{
	static char text[65536];
	FILE *f = fopen("collector/detect/README.md", "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	char row[256];
	int missing = 0;

	(void)state;
	assert_true(n);
	fclose(f);
	for (int s = 0; s < SYMPTOMS; s++) {
		row_text((enum symptom)s, row, sizeof(row));
		if (strstr(text, row))
			continue;
		fprintf(stderr, "%s\n", row);
		missing++;
	}
	if (missing)
		fail_msg("the README's matrix lacks these %d rows", missing);
}

/* ---- checked ---- */

static const char *why_of(struct feed *f, const char *id)
{
	static struct live_checked rows[32];
	int n = live_checked(f->l, rows, 32);

	for (int i = 0; i < n && i < 32; i++)
		if (!strcmp(rows[i].id, id))
			return rows[i].why;
	return "";
}

static void watch(struct feed *f)
{
	for (uint64_t t = T0; t < T0 + 8 * S; t += STEP) {
		verdict_calm(f, t, 0);
		verdict_calm(f, t + US, 1);
		feed_poll(f, t + 2 * US, 0, 7, US);
	}
}

static void what_tokio_never_tells(void **state)
{
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	watch(f);
	assert_string_equal(feed_verdict(f, "wait-cycle"), "not-checked"); /* no walk came */
	assert_string_equal(feed_verdict(f, "not-send"), "not-applicable");
	assert_string_equal(feed_verdict(f, "queue-backlog"), "clean");
	assert_string_equal(feed_verdict(f, "large-future"), "clean");
	assert_non_null(strstr(why_of(f, "large-future"), "16 KiB"));
}

/* The probes' self-test failed: no task proves anything then. What the kernel tells of threads and processes does. */
static void what_the_probes_doubt(void **state)
{
	struct weft_ev_cannot_see odd = { .what = "states of tasks", .why = "9 headers" };
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	feed_event(f, T0, WEFT_EV_CANNOT_SEE, &odd, sizeof(odd));
	watch(f);
	assert_string_equal(feed_verdict(f, "busy-loop"), "clean");
	feed_flagged(f, T0 + 8 * S, WEFT_EV_CANNOT_SEE, WEFT_EVF_DOUBT, &odd, sizeof(odd));
	assert_string_equal(feed_verdict(f, "busy-loop"), "not-checked");
	assert_string_equal(why_of(f, "busy-loop"), "states of tasks: 9 headers");
	assert_string_equal(feed_verdict(f, "queue-backlog"), "not-checked");
	assert_string_equal(feed_verdict(f, "cpu-starved"), "clean");
}

static void what_smol_does_not_show(void **state)
{
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_SMOL);
	watch(f);
	assert_string_equal(feed_verdict(f, "timer-stall"), "not-checked");
	assert_non_null(strstr(why_of(f, "timer-stall"), "no single timer was seen"));
	assert_string_equal(feed_verdict(f, "queue-backlog"), "clean");
	assert_string_equal(why_of(f, "queue-backlog"), "");
}

static void what_light_does_not_show(void **state)
{
	struct feed *f = *state;

	feed_level(f, 5 * MS, WEFT_LEVEL_LIGHT);
	for (uint64_t t = T0; t < T0 + 8 * S; t += STEP) {
		verdict_calm(f, t, 0);
		verdict_calm(f, t + US, 1);
	}
	assert_string_equal(feed_verdict(f, "timer-stall"), "not-checked");
	assert_string_equal(feed_verdict(f, "busy-loop"), "clean");
	assert_non_null(strstr(why_of(f, "busy-loop"), "level light: pairs"));
	assert_string_equal(feed_verdict(f, "cpu-starved"), "clean");
	assert_string_equal(why_of(f, "cpu-starved"), "");
}

/* As tasks do at the level in force from `from` to `to`, seconds after the start. */
static void watch_at(struct feed *f, uint64_t from, uint64_t to, uint32_t level)
{
	feed_level(f, from * S + US, level);
	for (uint64_t t = from * S + STEP; t < to * S; t += STEP) {
		verdict_calm(f, t, 0);
		verdict_calm(f, t + US, 1);
		if (level != WEFT_LEVEL_LIGHT)
			feed_poll(f, t + 2 * US, 0, 7, US);
	}
}

/* The level at the end is no more than that of any other second. */
static void how_long_it_was_seen(void **state)
{
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_SMOL);
	watch_at(f, 1, 56, WEFT_LEVEL_LIGHT);
	watch_at(f, 56, 60, WEFT_LEVEL_NORMAL);
	assert_string_equal(feed_verdict(f, "queue-backlog"), "not-checked");
	assert_string_equal(feed_verdict(f, "worker-imbalance"), "not-checked");
	assert_non_null(strstr(why_of(f, "queue-backlog"), "level light"));
	watch_at(f, 60, 66, WEFT_LEVEL_NORMAL);
	assert_string_equal(feed_verdict(f, "queue-backlog"), "clean");
	assert_non_null(strstr(why_of(f, "queue-backlog"), "level light for most of the time"));
	assert_string_equal(why_of(f, "cpu-starved"), "");
	watch_at(f, 66, 126, WEFT_LEVEL_NORMAL);
	watch_at(f, 126, 130, WEFT_LEVEL_LIGHT);
	assert_string_equal(feed_verdict(f, "queue-backlog"), "clean");
	assert_string_equal(why_of(f, "queue-backlog"), "");
}

static void light_at_the_end(void **state)
{
	struct feed *f = *state;

	watch_at(f, 1, 38, WEFT_LEVEL_NORMAL);
	watch_at(f, 38, 40, WEFT_LEVEL_LIGHT);
	assert_string_equal(feed_verdict(f, "timer-stall"), "clean");
	assert_string_equal(why_of(f, "timer-stall"), "");
	watch_at(f, 40, 100, WEFT_LEVEL_LIGHT);
	assert_string_equal(feed_verdict(f, "timer-stall"), "clean");
	assert_non_null(strstr(why_of(f, "timer-stall"), "38.0 s of 100 s"));
	watch_at(f, 100, 360, WEFT_LEVEL_LIGHT);
	assert_string_equal(feed_verdict(f, "timer-stall"), "not-checked");
}

/* One that shows it is enough to look; what the other lacks is told. */
static void two_kinds_in_one_process(void **state)
{
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	feed_runtime(f, 2, WEFT_RT_SMOL);
	watch(f);
	assert_string_equal(feed_verdict(f, "large-future"), "clean");
	assert_non_null(strstr(why_of(f, "large-future"), "async-std and smol"));
	assert_string_equal(feed_verdict(f, "not-send"), "not-applicable");
}

/* What can't be there counts neither as checked nor as open. */
static void counted_in_the_text(void **state)
{
	struct feed *f = *state;
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	watch(f);
	out = open_memstream(&text, &size);
	assert_non_null(out);
	assert_int_equal(live_report_text(f->l, out), 0);
	fclose(out);
	assert_non_null(strstr(text, " of 17 checked\n"));
	assert_non_null(strstr(text,
			       "\nnot applicable (shows in the compiler's output: weft diagnose "
			       "--cargo FILE): not-send"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_says_why),
		cmocka_unit_test(light_is_no_more_than_normal),
		cmocka_unit_test(the_readme_shows_it),
		VERDICT_TEST(what_tokio_never_tells),
		VERDICT_TEST(what_the_probes_doubt),
		VERDICT_TEST(what_smol_does_not_show),
		VERDICT_TEST(what_light_does_not_show),
		VERDICT_TEST(how_long_it_was_seen),
		VERDICT_TEST(light_at_the_end),
		VERDICT_TEST(two_kinds_in_one_process),
		VERDICT_TEST(counted_in_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
