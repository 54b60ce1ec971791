/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "collector/engine.h"
#include "collector/query.h"
#include "tests/support/scenario.h"

static char recording[64];

static int make_recording(void **state)
{
	struct synth *s = scenario_new(40000, 0);

	(void)state;
	scenario_path(recording, "query");
	assert_int_equal(scenario_record(s, recording, 0, &(struct engine_consumer){ 0 }, NULL,
					 NULL),
			 0);
	synth_free(s);
	return 0;
}

static int drop_recording(void **state)
{
	(void)state;
	scenario_unlink(recording);
	return 0;
}

static int take_number(void *ctx, int n, const char *const *columns, const struct query_value *v)
{
	(void)n;
	(void)columns;
	if (v)
		*(int64_t *)ctx = v[0].i;
	return 0;
}

static int64_t ask(struct query *q, const char *sql)
{
	int64_t v = -1;

	if (query_run(q, sql, take_number, &v))
		fail_msg("%s: %s", sql, query_error(q));
	return v;
}

/* What is pushed down gives the same rows as what SQLite sifts itself (+column hides it from the table). */
static void pushed_down(void **state)
{
	static const char *const where[] = {
		"task = 7",
		"task = 1001",
		"task = 99999999",
		"kind = 'task-wake'",
		"kind = 'no such'",
		"kind_id = 9",
		"t_ns BETWEEN 20000000 AND 30000000",
		"t_ns < 1000000",
		"t_ns >= 60000000 AND kind = 'task-poll' AND task = 9",
		"t_ns = 1000",
		"kind = 'off-cpu' AND task = 3",
		"t_ns > -5 AND t_ns < 1e15",
		"kind = 'process'",
		"task = 5 AND task = 6",
		"kind = 'stack'",
		"task IS NULL",
	};
	struct query *q;

	(void)state;
	assert_int_equal(query_open(recording, &q, NULL), 0);
	for (unsigned i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
		char sql[400], plain[200] = "", *p = plain;

		for (const char *c = where[i]; *c; c++) {
			if (!strncmp(c, "task", 4) && (c == where[i] || c[-1] == ' '))
				*p++ = '+';
			else if ((!strncmp(c, "kind", 4) || !strncmp(c, "t_ns", 4)) &&
				 (c == where[i] || c[-1] == ' '))
				*p++ = '+';
			*p++ = *c;
		}
		snprintf(sql, sizeof(sql),
			 "SELECT (SELECT count(*) || '/' || total(a + b + t_ns) FROM events WHERE %s) ="
			 " (SELECT count(*) || '/' || total(a + b + t_ns) FROM events WHERE %s)",
			 where[i], plain);
		if (ask(q, sql) != 1)
			fail_msg("%s", where[i]);
	}
	query_close(q);
}

static void functions_agree(void **state)
{
	struct query *q;

	(void)state;
	assert_int_equal(query_open(recording, &q, NULL), 0);
	assert_int_equal(ask(q, "SELECT sum(polls) FROM task_stats"),
			 ask(q, "SELECT count(*) FROM events WHERE kind = 'task-poll'"));
	assert_int_equal(
		ask(q, "SELECT sum(busy_ns) FROM task_stats(20000000, 50000000)"),
		ask(q,
		    "SELECT sum(dur_ns) FROM events WHERE kind = 'task-poll' AND t_ns BETWEEN 20000000 AND 50000000"));
	assert_int_equal(
		ask(q, "SELECT sum(polls) FROM poll_histogram(0, 30000000)"),
		ask(q,
		    "SELECT count(*) FROM events WHERE kind = 'task-poll' AND t_ns <= 30000000"));
	assert_int_equal(ask(q, "SELECT sum(polls) FROM poll_percentiles"),
			 ask(q, "SELECT sum(polls) FROM task_stats"));
	assert_int_equal(
		ask(q,
		    "SELECT count(*) FROM poll_percentiles WHERE p50_ns > p99_ns OR p99_ns > max_ns"),
		0);
	assert_int_equal(ask(q, "SELECT count(*) FROM short_tasks"),
			 ask(q, "SELECT sum(tasks) FROM short_total"));
	assert_int_equal(ask(q, "SELECT sum(busy_ns) FROM short_tasks"),
			 ask(q, "SELECT sum(busy_ns) FROM short_total"));
	assert_true(ask(q, "SELECT count(*) FROM short_tasks") > 6000);
	assert_int_equal(
		ask(q,
		    "SELECT sum(polls) FROM (SELECT polls FROM rollup_task UNION ALL SELECT polls FROM rollup_site)"),
		ask(q, "SELECT sum(polls) FROM task_stats"));
	query_close(q);
}

static int ignore(void *ctx, int n, const char *const *columns, const struct query_value *v)
{
	(void)ctx;
	(void)columns;
	(void)v;
	assert_true(n > 0);
	return 0;
}

static void named_queries_run(void **state)
{
	struct query *q;
	struct query_info info;
	size_t n;

	(void)state;
	assert_int_equal(query_open(recording, &q, NULL), 0);
	for (n = 0; query_named(n); n++) {
		assert_true(strlen(query_named(n)->description) > 5);
		assert_ptr_equal(query_find(query_named(n)->name), query_named(n));
		if (query_run(q, query_named(n)->sql, ignore, NULL))
			fail_msg("%s: %s", query_named(n)->name, query_error(q));
	}
	assert_true(n >= 12);
	assert_null(query_find("no such"));
	assert_int_equal(query_info(q, &info), 0);
	assert_true(info.clean && info.events > 90000 && info.chunks > 10);
	query_close(q);
}

static void read_only(void **state)
{
	static const char *const sql[] = {
		"ATTACH '/tmp/x.db' AS x",    "CREATE TABLE x(y)",
		"DELETE FROM chunk",          "PRAGMA journal_mode=DELETE",
		"SELECT load_extension('x')", "UPDATE sqlite_master SET sql='x'",
		"CREATE TEMP TABLE x(y)",     "PRAGMA writable_schema=1",
		"VACUUM INTO '/tmp/x.db'",    "SELECT",
		"SELECT * FROM nowhere",
	};
	struct query *q;

	(void)state;
	assert_int_equal(query_open(recording, &q, NULL), 0);
	for (unsigned i = 0; i < sizeof(sql) / sizeof(sql[0]); i++) {
		assert_true(query_run(q, sql[i], ignore, NULL) < 0);
		assert_true(strlen(query_error(q)) > 5);
		assert_null(strchr(query_error(q), '\n'));
	}
	query_close(q);
}

/* ---- files that are something else ---- */

static void refused(const char *path, int rc, const char *word)
{
	struct query *q = NULL;

	assert_int_equal(query_open(path, &q, NULL), rc);
	if (!strstr(query_error(NULL), word))
		fail_msg("\"%s\" lacks \"%s\"", query_error(NULL), word);
	assert_null(strchr(query_error(NULL), '\n'));
}

static void write_file(const char *path, const void *at, size_t bytes)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(at, 1, bytes, f), bytes);
	fclose(f);
}

static char *read_file(const char *path, size_t *bytes)
{
	struct stat st;
	FILE *f = fopen(path, "r");
	char *at;

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	at = malloc((size_t)st.st_size);
	*bytes = fread(at, 1, (size_t)st.st_size, f);
	fclose(f);
	return at;
}

/* Ways to write a path that mean something else in a URI. */
static void odd_paths(void **state)
{
	static const char *const names[] = { "?x", "#x", "%41", " x" };
	char path[64], odd[96], *good;
	struct query *q;
	size_t bytes;

	(void)state;
	snprintf(odd, sizeof(odd), "/%s", recording);
	assert_int_equal(query_open(odd, &q, NULL), 0);
	query_close(q);
	good = read_file(recording, &bytes);
	scenario_path(path, "odd");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(odd, sizeof(odd), "%s%s", path, names[i]);
		write_file(odd, good, bytes);
		assert_int_equal(query_open(odd, &q, NULL), 0);
		assert_true(ask(q, "SELECT count(*) FROM chunk") > 0);
		query_close(q);
		unlink(odd);
	}
	free(good);
	scenario_unlink(path);
}

static void other_files(void **state)
{
	char path[64], *good, garbage[5000];
	size_t bytes;
	sqlite3 *db;

	(void)state;
	scenario_path(path, "hostile");
	refused("/nonexistent.db", -ENOENT, "No such file");
	refused("/tmp", -EINVAL, "not a file");
	assert_int_equal(mkfifo(path, 0600), 0);
	refused(path, -EINVAL, "not a file"); /* and not waited for */
	unlink(path);
	write_file(path, "", 0);
	refused(path, -EINVAL, "empty");
	memset(garbage, 'x', sizeof(garbage));
	write_file(path, garbage, sizeof(garbage));
	refused(path, -EINVAL, "not a Weft recording");
	unlink(path);
	assert_int_equal(sqlite3_open(path, &db), 0);
	sqlite3_exec(db, "CREATE TABLE x(y)", NULL, NULL, NULL);
	sqlite3_close(db);
	refused(path, -EINVAL, "not a Weft recording");
	good = read_file(recording, &bytes);
	write_file(path, good, bytes / 2);
	refused(path, -EINVAL, "cut short");
	good[63] = 99; /* user_version */
	write_file(path, good, bytes);
	refused(path, -EINVAL, "newer");
	free(good);
	scenario_unlink(path);
}

/* Pages changed at random: an error or rows, never a crash; nothing is read twice as much as there is. */
static void damaged_pages(void **state)
{
	char path[64], *good;
	size_t bytes;
	unsigned seed = 3;

	(void)state;
	scenario_path(path, "damaged");
	good = read_file(recording, &bytes);
	for (unsigned round = 0; round < 30; round++) {
		char *bad = malloc(bytes);
		struct query *q;
		int64_t n = 0;

		memcpy(bad, good, bytes);
		for (unsigned k = 0; k < 200; k++) {
			seed = seed * 1103515245u + 12345u;
			bad[100 + (seed >> 4) % (bytes - 100)] ^= (char)(seed >> 20);
		}
		write_file(path, bad, bytes);
		free(bad);
		if (query_open(path, &q, NULL))
			continue;
		query_run(q, "SELECT count(*) FROM events", take_number, &n);
		query_run(q, "SELECT sum(polls) FROM poll_percentiles", take_number, &n);
		query_run(q, "SELECT count(*) FROM task_stats", take_number, &n);
		query_run(q, "SELECT count(*) FROM short_tasks", take_number, &n);
		query_close(q);
	}
	free(good);
	scenario_unlink(path);
}

/* Makes the last leaf of a table's tree no page at all. */
static void smash(const char *path, const char *table)
{
	char sql[120], *file, *page;
	int64_t root = -1, bytes = -1;
	size_t size;
	struct query *q;

	assert_int_equal(query_open(path, &q, NULL), 0);
	snprintf(sql, sizeof(sql), "SELECT rootpage FROM sqlite_master WHERE name = '%s'", table);
	root = ask(q, sql);
	bytes = ask(q, "PRAGMA page_size");
	query_close(q);
	file = read_file(path, &size);
	page = file + (root - 1) * bytes;
	if (*page == 5) { /* of the inner ones, where the last child is named */
		const unsigned char *child = (unsigned char *)page + 8;

		page = file +
		       ((child[0] << 24 | child[1] << 16 | child[2] << 8 | child[3]) - 1) * bytes;
	}
	memset(page, 0xff, (size_t)bytes);
	write_file(path, file, size);
	free(file);
}

/* Pages that can't be read are told: neither a query nor a replay takes what is left for all there was. */
static void lost_pages(void **state)
{
	static const char *const tables[] = { "definition", "chunk", "account" };
	static const char all[] =
		"SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM account)";
	struct engine_consumer nobody = { 0 };
	char path[64], *good;
	size_t bytes;

	(void)state;
	scenario_path(path, "lost");
	good = read_file(recording, &bytes);
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		struct engine_options options = { .replay_path = path };
		struct engine *e;
		struct query *q;
		int64_t n;

		write_file(path, good, bytes);
		smash(path, tables[i]);
		assert_int_equal(query_open(path, &q, NULL), 0);
		assert_int_equal(query_run(q, all, take_number, &n), -EINVAL);
		query_close(q);
		assert_int_equal(engine_open(&options, &nobody, &e), 0);
		while (!engine_done(e))
			usleep(1000);
		assert_int_equal(engine_stop(e), -EIO);
		assert_non_null(strstr(engine_error(e), path));
		engine_close(e);
	}
	free(good);
	scenario_unlink(path);
}

/* A chunk that makes no sense is one row that says so; the others are all there. */
static void damaged_chunk(void **state)
{
	char path[64], *good;
	size_t bytes;
	sqlite3 *db;
	struct query *q;
	int64_t all, rest;

	(void)state;
	scenario_path(path, "chunk");
	good = read_file(recording, &bytes);
	write_file(path, good, bytes);
	free(good);
	assert_int_equal(query_open(path, &q, NULL), 0);
	all = ask(q, "SELECT count(*) FROM events");
	rest = ask(
		q,
		"SELECT count(*) FROM events WHERE chunk <> 3 OR kind IN ('site', 'lane', 'process', 'runtime', 'session', 'frame')");
	query_close(q);
	assert_int_equal(sqlite3_open(path, &db), 0);
	assert_int_equal(
		sqlite3_exec(db,
			     "UPDATE chunk SET data = x'ffffffffffffffffffffffff' WHERE chunk = 3",
			     NULL, NULL, NULL),
		0);
	sqlite3_close(db);
	assert_int_equal(query_open(path, &q, NULL), 0);
	assert_int_equal(ask(q,
			     "SELECT count(*) FROM events WHERE kind = 'damaged-chunk' AND a = 3"),
			 1);
	assert_int_equal(ask(q, "SELECT count(*) FROM events WHERE kind <> 'damaged-chunk'"), rest);
	assert_true(rest < all);
	query_close(q);
	scenario_unlink(path);
}

static int take_text(void *ctx, int n, const char *const *columns, const struct query_value *v)
{
	(void)n;
	(void)columns;
	if (v && v[0].text)
		*(char **)ctx = strdup(v[0].text);
	return 0;
}

/* All that poll_histogram and poll_percentiles tell of a range, as text. */
static char *told(const char *path, const char *range)
{
	struct query *q;
	char sql[900], *text = NULL;

	snprintf(
		sql, sizeof(sql),
		"SELECT group_concat(r, ' ') FROM (SELECT r FROM ("
		"SELECT format('%%d/%%d/%%s/%%s/%%d/%%d', process, type, name, location, low_ns, polls) AS r FROM poll_histogram%s"
		" UNION ALL "
		"SELECT format('%%d/%%d/%%s/%%s/%%d/%%d/%%d/%%d', process, type, name, location, polls, busy_ns, p99_ns, max_ns)"
		" FROM poll_percentiles%s) ORDER BY r)",
		range, range);
	assert_int_equal(query_open(path, &q, NULL), 0);
	if (query_run(q, sql, take_text, &text))
		fail_msg("%s", query_error(q));
	query_close(q);
	assert_non_null(text);
	return text;
}

/*
 * 2 s of polls by tasks whose birth was seen, some of them short; in one stretch (a hole in the sums) by one more whose birth was
 * not.
 */
static struct synth *busy_tasks(void)
{
	struct synth *s = synth_new();
	unsigned seed = 7;
	uint64_t t = 1000;

	synth_process(s, 0, "service");
	synth_runtime(s, 0, 1, WEFT_RT_WEFT, 1);
	synth_worker(s, 0, 0, 1, 0);
	synth_site(s, 0, 1, "accept", "svc.c", 10);
	synth_site(s, 0, 2, "echo", "svc.c", 20);
	for (uint64_t task = 1; task <= 50; task++, t += 100)
		synth_spawn(s, 0, 0, t, task, 0, 1 + task % 2);
	for (unsigned i = 1; i <= 1400000; i++) {
		uint64_t task = 1 + rand_r(&seed) % 50, dur = 300 + rand_r(&seed) % 1000;

		if (i % 9 == 0) {
			task = 1000 + i;
			synth_spawn(s, 0, 0, t, task, 1, 1 + i % 2);
		}
		if (i / 1000 == 700 && i % 7 == 0)
			task = 99;
		t += dur + 10;
		synth_poll_delay(s, 0, 0, t, task, dur, false, UINT64_MAX);
		if (i % 9 == 0)
			synth_end(s, 0, 0, t + 1, task, WEFT_E_DONE);
		t += 100;
		if (i % 500 == 0)
			synth_piece(s, 0, 0);
	}
	synth_finish(s);
	return s;
}

static void alter(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), 0);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), 0);
	sqlite3_close(db);
}

/*
 * Sums of polls over runs of chunks say what the chunks say, for ranges that begin and end anywhere; and a recording of
 * version 1, which has none, is read as before.
 */
static void sums_and_chunks_agree(void **state)
{
	static const char *const ranges[] = { "", "(100000000, 1000000000)", "(0, 900000000)",
					      "(700000001, 700900000)" };
	char with[64], without[64];
	struct synth *s = busy_tasks();
	struct query *q;
	size_t bytes;
	char *file;

	(void)state;
	scenario_path(with, "sums");
	scenario_path(without, "nosums");
	assert_int_equal(scenario_record(s, with, 0, &(struct engine_consumer){ 0 }, NULL, NULL),
			 0);
	synth_free(s);
	alter(with,
	      "INSERT INTO type_row VALUES(1, 0, 1, 'accept', 'svc.c:10', 1), (2, 0, 1, 'echo', 'svc.c:20', 1);"
	      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)"
	      " INSERT INTO task_row(task, type) SELECT i, 1 + i % 2 FROM n");
	file = read_file(with, &bytes);
	write_file(without, file, bytes);
	free(file);
	assert_int_equal(query_open(with, &q, NULL), 0);
	assert_true(ask(q, "SELECT count(DISTINCT last) FROM poll_sum") > 2);
	assert_int_equal(ask(q, "SELECT sum(polls) FROM poll_sum"),
			 ask(q, "SELECT count(*) FROM events WHERE kind = 'task-poll'"));
	query_close(q);
	alter(without, "DROP TABLE poll_sum; PRAGMA user_version=1");
	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		char *a = told(with, ranges[i]), *b = told(without, ranges[i]);

		assert_string_equal(a, b);
		free(a);
		free(b);
	}
	/* And they are what is read: the chunks would not change with them. */
	alter(with, "UPDATE poll_sum SET busy_ns = busy_ns + 1");
	for (unsigned i = 0; i < 3; i += 2) {
		char *a = told(with, ranges[i]), *b = told(without, ranges[i]);

		assert_string_not_equal(a, b);
		free(a);
		free(b);
	}
	scenario_unlink(with);
	scenario_unlink(without);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pushed_down),       cmocka_unit_test(functions_agree),
		cmocka_unit_test(named_queries_run), cmocka_unit_test(read_only),
		cmocka_unit_test(other_files),       cmocka_unit_test(damaged_pages),
		cmocka_unit_test(odd_paths),         cmocka_unit_test(lost_pages),
		cmocka_unit_test(damaged_chunk),     cmocka_unit_test(sums_and_chunks_agree),
	};

	return cmocka_run_group_tests(tests, make_recording, drop_recording);
}
