/* SPDX-License-Identifier: MIT */
/* The task that a line of a log names, in a recording. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "collector/engine.h"
#include "collector/query.h"
#include "tests/support/scenario.h"

static char path[64];

static int make_recording(void **state)
{
	struct synth *s = scenario_new(40000, 0);

	(void)state;
	scenario_path(path, "task_of");
	assert_int_equal(scenario_record(s, path, 0, &(struct engine_consumer){ 0 }, NULL, NULL),
			 0);
	synth_free(s);
	return 0;
}

static int drop_recording(void **state)
{
	(void)state;
	scenario_unlink(path);
	return 0;
}

static void alter(const char *sql)
{
	sqlite3 *db;
	char *error = NULL;

	assert_int_equal(sqlite3_open(path, &db), 0);
	if (sqlite3_exec(db, sql, NULL, NULL, &error))
		fail_msg("%s: %s", sql, error);
	sqlite3_close(db);
}

static int take_number(void *ctx, int n, const char *const *columns, const struct query_value *v)
{
	(void)n;
	(void)columns;
	if (v)
		*(int64_t *)ctx = v[0].i;
	return 0;
}

/* Also of a task without a row, and of the second process. */
static void found_by_fingerprint(void **state)
{
	static const char *const holds[] = {
		"SELECT task_of('9f2c33a1b7d00011') = 17",
		"SELECT task_of('9F2C33A1B7D00011') = 17",
		"SELECT task_of('1112131415161719') = (3 << 40) + 1",
		"SELECT count(*) > 0 FROM events WHERE task = task_of('9f2c33a1b7d00007')",
		"SELECT task = 99 FROM tasks WHERE fingerprint = '9f2c33a1b7d00063'",
		"SELECT fingerprint IS NULL FROM tasks WHERE task = 98",
		/* Of another process, of no task, and what is no fingerprint. */
		"SELECT count(task_of(column1)) = 0 FROM (VALUES ('9f2c44a1b7d00011'), ('9f2c33a1b7d00000'),"
		" ('9f2c33a1b7d0001'), ('9f2c33a1b7d000111'), ('9f2c33a1b7d0001g'), (17), (NULL))",
	};
	struct query *q;

	(void)state;
	alter("UPDATE runtime SET fingerprint = 0x9f2c33a1b7d00000 WHERE process = 0;"
	      "INSERT INTO runtime(process, runtime, fingerprint) VALUES(3, 1, 0x1112131415161718);"
	      "INSERT OR REPLACE INTO task_row(task, fingerprint) VALUES(99, 0x9f2c33a1b7d00063), (98, NULL)");
	assert_int_equal(query_open(path, &q, NULL), 0);
	for (unsigned i = 0; i < sizeof(holds) / sizeof(holds[0]); i++) {
		int64_t v = -1;

		if (query_run(q, holds[i], take_number, &v))
			fail_msg("%s: %s", holds[i], query_error(q));
		if (v != 1)
			fail_msg("%s", holds[i]);
	}
	query_close(q);
}

/* As version 2 of the schema had it. */
static void older_recording_says_so(void **state)
{
	struct query *q;
	int64_t v;

	(void)state;
	alter("DROP VIEW tasks; DROP VIEW task_types; ALTER TABLE runtime DROP COLUMN fingerprint;"
	      "PRAGMA user_version = 2");
	assert_int_equal(query_open(path, &q, NULL), 0);
	assert_true(query_run(q, "SELECT task_of('9f2c33a1b7d00011')", take_number, &v) < 0);
	assert_non_null(strstr(query_error(q), "before fingerprints"));
	query_close(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_by_fingerprint),
		cmocka_unit_test(older_recording_says_so),
	};

	return cmocka_run_group_tests(tests, make_recording, drop_recording);
}
