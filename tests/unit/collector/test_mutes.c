/* SPDX-License-Identifier: MIT */
/* Which findings a line "ID PLACE" mutes, and where they stand then. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "collector/detect/finding.h"
#include "collector/mutes.h"

static struct live_finding finding(const char *id, const char *name, const char *location)
{
	struct live_finding f = { .severity = LIVE_WARN };

	snprintf(f.id, sizeof(f.id), "%s", id);
	snprintf(f.subject_kind, sizeof(f.subject_kind), "task");
	snprintf(f.subject_name, sizeof(f.subject_name), "%s", name);
	snprintf(f.location, sizeof(f.location), "%s", location);
	return f;
}

static struct mutes *made(const char *line)
{
	const char *const lines[] = { "busy-loop other.c:1", line, NULL };
	struct mutes *m = NULL;
	size_t wrong;

	assert_int_equal(mutes_new(lines, &m, &wrong), 0);
	assert_int_equal(mutes_count(m), 2);
	return m;
}

static void test_by_id_and_place(void **state)
{
	struct live_finding f = finding("task-leak", "session", "src/main.rs:4");
	struct mutes *m = made("  task-leak \t src/main.rs:4 ");

	(void)state;
	assert_true(mutes_has(m, &f));
	assert_false(mutes_has(NULL, &f));
	strcpy(f.location, "src/main.rs:41");
	assert_false(mutes_has(m, &f));
	strcpy(f.location, "src/main.rs:4");
	strcpy(f.id, "busy-loop");
	assert_false(mutes_has(m, &f));
	mutes_free(m);
}

/* What a finding's own line says mutes it, whatever is in its names. */
static void test_own_line(void **state)
{
	static const char *const names[] = { "session::{async_fn#0}", "50%",         " x ", "",
					     "a\nmute = b\033[2J",    "\xff\xc2\x9b" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		for (int located = 0; located < 2; located++) {
			struct live_finding f = finding("long-poll", located ? "t" : names[i],
							located ? names[i] : "");
			char line[MUTES_LINE];
			struct mutes *m;

			mutes_line(&f, line);
			for (const char *s = line; *s; s++)
				assert_true((unsigned char)*s >= ' ' && *s != '#' && *s != 0x7f);
			m = made(line);
			assert_true(mutes_has(m, &f));
			mutes_free(m);
		}
	for (size_t n = 0; n < 160; n++) {
		struct live_finding f = finding("worker-imbalance", "", "");
		char line[MUTES_LINE];

		memset(f.location, '%', n);
		mutes_line(&f, line);
		assert_int_equal(strlen(line), 17 + (n ? 3 * n : 4));
	}
}

static void test_wrong_lines(void **state)
{
	static const char *const wrong[] = { "", "task-leak", "task-leak  ", "no-such-id a.c:1",
					     "a.c:1 task-leak" };
	struct mutes *m = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		const char *const lines[] = { "task-leak a.c:1", wrong[i], NULL };
		size_t at = 9;

		assert_int_equal(mutes_new(lines, &m, &at), -EINVAL);
		assert_int_equal(at, 1);
		assert_null(m);
	}
	assert_int_equal(mutes_new(NULL, &m, NULL), 0);
	assert_int_equal(mutes_count(m), 0);
	mutes_free(m);
}

/* The worst one comes last once it is muted. */
static void test_muted_are_last(void **state)
{
	struct finding_table t = { .n = 0 };
	struct mutes *m = made("blocking-call b.c:2");
	uint32_t rank[FINDING_MAX];

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		struct live_finding *f = &finding_table_add(&t, i)->row;
		uint64_t key = f->key;

		*f = finding("blocking-call", "t", i == 1 ? "b.c:2" : "a.c:1");
		f->key = key;
		f->severity = i == 1 ? LIVE_CRIT : LIVE_WARN;
		f->resolved = i == 0;
	}
	finding_table_rank(&t, rank);
	assert_int_equal(rank[0], 1);
	t.mutes = m;
	finding_table_rank(&t, rank);
	assert_int_equal(rank[0], 2);
	assert_int_equal(rank[1], 0);
	assert_int_equal(rank[2], 1);
	finding_table_done(&t);
	mutes_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_id_and_place),
		cmocka_unit_test(test_own_line),
		cmocka_unit_test(test_wrong_lines),
		cmocka_unit_test(test_muted_are_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
