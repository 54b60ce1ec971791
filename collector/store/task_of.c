/* SPDX-License-Identifier: MIT */
/*
 * task_of('FINGERPRINT'): the id in this recording of the task that a line of a log names (runtime/fingerprint.h), NULL = of
 * none of its processes. Also of one that has no row in `tasks`, as it lived for a moment only: `events` tells of it.
 */
#include <stddef.h>

#include "collector/record.h"
#include "collector/store/vtab.h"

static int hex_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 0 = not one. */
static uint64_t parse(const unsigned char *text)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 16; i++) {
		int digit = text ? hex_digit(text[i]) : -1;

		if (digit < 0)
			return 0;
		v = v << 4 | (unsigned)digit;
	}
	return text[16] ? 0 : v;
}

static int find(sqlite3_stmt *s, uint64_t fingerprint, sqlite3_int64 *ret)
{
	int rc;

	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		uint64_t id = fingerprint ^ (uint64_t)sqlite3_column_int64(s, 1);

		if (!id || id >> WEFT_TASK_PROCESS_SHIFT)
			continue;
		*ret = sqlite3_column_int64(s, 0) << WEFT_TASK_PROCESS_SHIFT | (sqlite3_int64)id;
		return SQLITE_ROW;
	}
	return rc;
}

static void task_of(sqlite3_context *x, int n, sqlite3_value **values)
{
	uint64_t fingerprint = parse(sqlite3_value_text(values[0]));
	sqlite3_stmt *s = NULL;
	sqlite3_int64 task;
	int rc;

	(void)n;
	if (!fingerprint)
		return;
	if (sqlite3_prepare_v2(sqlite3_context_db_handle(x),
			       "SELECT process, fingerprint FROM runtime"
			       " WHERE fingerprint IS NOT NULL ORDER BY process",
			       -1, &s, NULL)) {
		sqlite3_result_error(x, "this recording is of a Weft before fingerprints", -1);
		return;
	}
	rc = find(s, fingerprint, &task);
	sqlite3_finalize(s);
	if (rc == SQLITE_ROW)
		sqlite3_result_int64(x, task);
	else if (rc != SQLITE_DONE)
		sqlite3_result_error_code(x, rc);
}

int task_of_register(sqlite3 *db)
{
	return sqlite3_create_function(db, "task_of", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL,
				       task_of, NULL, NULL);
}
