/* SPDX-License-Identifier: MIT */
/* The console over a fake engine, as text. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/tui/fake_live.h"
#include "tui/format.h"
#include "tui/script.h"

struct console {
	struct live live;
	struct app *app;
	char *text; /* of the last script */
};

static struct console *con;

static int setup(void **state)
{
	(void)state;
	con = calloc(1, sizeof(*con));
	con->live = fake_live();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	app_free(con->app);
	free(con->text);
	free(con);
	return 0;
}

static const char *run(const char *script)
{
	struct app_options o = { .live = &con->live, .speed = 1 };
	struct script_error error;
	size_t size;
	FILE *f;

	if (!con->app) {
		con->app = app_new(&o);
		app_resize(con->app, 80, 24);
	}
	free(con->text);
	f = open_memstream(&con->text, &size);
	assert_int_equal(script_run(con->app, script, f, NULL, &error), 0);
	fclose(f);
	return con->text;
}

static void has(const char *part)
{
	if (!strstr(con->text, part))
		fail_msg("'%s' is not on the screen:\n%s", part, con->text);
}

static void has_not(const char *part)
{
	if (strstr(con->text, part))
		fail_msg("'%s' is on the screen:\n%s", part, con->text);
}

/* Line `n` of the screen, from 0; borrowed until the next call. */
static const char *line(int n)
{
	static char text[1024];
	const char *p = con->text;

	while (n-- > 0 && (p = strchr(p, '\n')) != NULL)
		p++;
	assert_non_null(p);
	snprintf(text, sizeof(text), "%.*s", (int)strcspn(p, "\n"), p);
	return text;
}

static void fits(size_t width, int height)
{
	int lines = 0;

	for (const char *p = con->text; *p; p++) {
		char row[4096];

		snprintf(row, sizeof(row), "%.*s", (int)strcspn(p, "\n"), p);
		assert_true(format_columns(row) <= width);
		p += strcspn(p, "\n");
		lines++;
	}
	assert_int_equal(lines, height + 1); /* snap ends with an empty line */
}

/* ---- sizes ---- */

static void test_tasks_80x24(void **state)
{
	(void)state;
	run("key:1; snap");
	fits(80, 24);
	has("weft orders-svc[4711] tokio 1.53");
	has("cost 0.8%");
	has("tasks 1,204: idle 1,180 ready 21 running 2 blocked 1");
	has("lost 0");
	has("2 findings:  blocking-call http::serve_conn");
	has("!blocked");
	has(">3m12s");
	has("F1Help");
	assert_non_null(strstr(line(0), "02:03:12Z"));
}

static void test_tasks_120x40(void **state)
{
	(void)state;
	run("size:140x40; key:1; snap");
	fits(140, 40);
	has("SPAWNED AT");
	has("src/main.rs:7");
}

static void test_too_small(void **state)
{
	(void)state;
	run("size:60x15; snap; key:Down Enter 2; snap");
	has("weft needs 80x24");
	has("this is 60x15");
	run("size:80x24; key:1; snap");
	has("STATE");
	run("size:1x1; snap");
	run("size:20x3; snap");
}

static void test_every_size_holds(void **state)
{
	char script[128];

	(void)state;
	con->live.workers = 70;
	for (int w = 78; w < 200; w += 13)
		for (int h = 22; h < 60; h += 9) {
			snprintf(script, sizeof(script),
				 "size:%dx%d; key:1; snap; key:2; key:3 Enter Esc ?; key:Esc", w,
				 h);
			run(script);
			fits((size_t)w, h);
		}
}

/* ---- how many ---- */

static void test_no_tasks(void **state)
{
	(void)state;
	con->live.tasks = 0;
	con->live.findings = 0;
	run("key:1 Down End Enter t; snap");
	has("No tasks are alive");
	has("no findings");
	has("tasks 0: idle 0");
}

static void test_200000_tasks(void **state)
{
	struct timespec from, to;

	(void)state;
	con->live.tasks = 200000;
	con->live.findings = 0;
	run("key:1 End; snap");
	has("tasks 200,000:");
	has("200000");
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < 100; i++)
		app_draw(con->app);
	clock_gettime(CLOCK_MONOTONIC, &to);
	/* Drawing knows the rows on the screen only: far under 10 ms a frame, also with sanitizers. */
	assert_true((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000 <
		    1000);
}

static void test_many_workers(void **state)
{
	(void)state;
	con->live.workers = 4;
	run("key:1; snap");
	has("W3  [");
	con->live.workers = 9;
	run("snap");
	has("all ");
	assert_memory_equal(line(1), "W1  [!!!", 8); /* the worst comes first */
	has_not("W8  [");
	con->live.workers = 70;
	run("snap; key:2; snap");
	has(" +6");
}

static void test_unknown_values(void **state)
{
	(void)state;
	con->live.unknown = true;
	run("key:1; snap");
	has("rss ?");
	has("p99 ?");
	has("     ?     ?");
	has_not("18446744073709551615");
	has_not(" nan");
	has_not("-1");
	run("key:Enter; snap; key:Esc 2; snap");
	has_not("18446744073709551615");
	has_not(" nan");
	has("driver nobody");
}

static void test_nothing_known_yet(void **state)
{
	(void)state;
	con->live.early = true;
	con->live.tasks = 0;
	con->live.findings = 0;
	run("snap; key:2; snap; key:3; snap");
	has("waiting for the first events");
}

/* ---- trouble ---- */

static void test_escape_sequences_in_names(void **state)
{
	static const char part[] = "\033]0;x\a\033[2J\x9b"
				   "31m\r\n\xff";
	char *name = malloc(4097);

	(void)state;
	for (size_t i = 0; i < 4096; i++)
		name[i] = part[i % (sizeof(part) - 1)];
	name[4096] = 0;
	con->live.hostile = name;
	con->live.findings = 0;
	run("key:1; snap; key:Enter; snap");
	fits(80, 49);
	for (const unsigned char *p = (const unsigned char *)con->text; *p; p++)
		assert_true(*p == '\n' || (*p >= 0x20 && *p != 0x7f && *p != 0x9b));
	free(name);
}

static void test_target_gone(void **state)
{
	(void)state;
	con->live.gone = true;
	con->live.exit_signal = 9;
	run("key:1; snap");
	has("target gone: killed by signal 9 (KILL)");
	has("w:save");
	has("!blocked"); /* the last state stays */
}

static void test_lost_events(void **state)
{
	(void)state;
	con->live.lost = 12345;
	run("key:1; snap");
	has("lost 12.3k 1.2%");
	has("polls ~41.2k/s");
}

/* ---- moving ---- */

static void test_opens_on_what_is_critical(void **state)
{
	(void)state;
	run("snap");
	has("crit blocking-call");
	run("key:1; snap");
	run("wait:250ms; snap"); /* once the user has chosen, it stays */
	has("POLL/s");
}

static void test_stays_on_tasks_when_calm(void **state)
{
	(void)state;
	con->live.calm = true;
	run("snap");
	has("POLL/s");
}

/* The cursor's task keeps its line while the order changes around it. */
static void test_row_keeps_its_place(void **state)
{
	char before[128];

	(void)state;
	con->live.findings = 0;
	run("key:P Down Down Down; snap");
	snprintf(before, sizeof(before), "%.8s", line(10));
	assert_int_equal(before[0], '>');
	for (uint64_t i = 1; i < 20; i++) {
		con->live.rotated = i * 7919;
		run("wait:1ms; snap");
		if (strncmp(line(10), before, 8) != 0 && strncmp(con->text, before, 8) != 0) {
			/* Only nearer to the top of the list than its line may it move up. */
			has(before);
		}
	}
}

/* A task that has gone lets the cursor go, not the screen jump away. */
static void test_selected_task_ends(void **state)
{
	(void)state;
	con->live.findings = 0;
	run("key:N Down Down; snap");
	assert_memory_equal(line(9), ">     3", 7);
	con->live.first_alive = 100;
	run("wait:1ms; snap");
	assert_memory_equal(line(9), ">   102", 7);
}

static void test_sort_and_invert(void **state)
{
	(void)state;
	con->live.findings = 0;
	run("key:N; snap");
	assert_memory_equal(line(7), ">     1", 7);
	run("key:N; snap");
	assert_memory_equal(line(7), ">  1204", 7);
	run("key:I; snap");
	assert_memory_equal(line(7), ">     1", 7);
	run("key:>; snap"); /* next column: state */
	assert_non_null(strstr(line(7), "!blocked"));
}

static void test_filter(void **state)
{
	(void)state;
	con->live.findings = 0;
	run("key:\\; type:serve; snap");
	has("Filter: serve_");
	has("http::serve_conn");
	has_not("ingest::pump");
	run("key:Enter; snap");
	has("\\serve");
	run("key:Esc; snap");
	has("ingest::pump");
	run("key:F4; type:nothing like it; key:Enter; snap");
	has("No task has 'nothing like it'");
}

static void test_search(void **state)
{
	(void)state;
	con->live.findings = 0;
	run("key:N /; type:serve; key:Enter; snap");
	assert_memory_equal(line(13), ">     7", 7);
	run("key:n; snap");
	has("this is the only task with 'serve'");
	run("key:/; type:pump; key:Enter; snap; key:n; snap");
	run("key:/; type:zzz; key:Enter; snap");
	has("no task has 'zzz'");
}

static void test_tree(void **state)
{
	(void)state;
	con->live.findings = 0;
	run("key:t; key:End; snap");
	has("`-");
	has("tree");
}

static void test_details(void **state)
{
	(void)state;
	run("key:1 Enter; snap");
	has("task 7  http::serve_conn");
	has("blocked inside a poll for 1.84 s on W1 in clock_nanosleep");
	has("std::thread::sleep");
	has("k:hrtimer_nanosleep");
	has("advice  std::thread::sleep blocks the worker");
	has("100us   1ms");
	has("? (before the attach");
	run("key:End; snap");
	has("by task     ingest::pump");
	run("key:Esc; snap");
	has("POLL/s");
}

static void test_details_of_a_forgotten_task(void **state)
{
	(void)state;
	con->live.findings = 0;
	run("key:N Enter; snap");
	con->live.first_alive = 50;
	run("wait:1ms; snap");
	has("this is what was last seen");
}

static void test_proof_and_chat(void **state)
{
	(void)state;
	run("key:3 Enter; snap");
	has("proof   blocked 1.84 s in clock_nanosleep");
	run("key:y; snap");
	has_not("weft orders");
	has("blocking-call");
	run("key:Esc Esc; snap");
	has("crit blocking-call");
}

static void test_nothing_found(void **state)
{
	(void)state;
	con->live.findings = 0;
	run("key:3 Enter y; snap");
	has("Looked for:");
	has("not-checked");
	has("needs 30 s");
}

static void test_workers(void **state)
{
	(void)state;
	run("key:2; snap");
	has("!blocked 1.84 s http::serve_conn");
	has("pool 4 threads 2 busy");
	run("key:Down Enter; snap");
	has("task 7  http::serve_conn");
}

static void test_pause(void **state)
{
	unsigned reads;

	(void)state;
	con->live.findings = 0;
	run("key:1 p; snap");
	has("PAUSED at 02:03:12Z");
	reads = con->live.task_reads;
	con->live.now_ns += 60000000000ull;
	run("wait:2ms; key:Down PgDn; snap");
	has("PAUSED at 02:03:12Z");
	has("02:03:12Z att 3m12s");
	assert_int_equal(con->live.task_reads, reads); /* moving within what was held asks nobody */
	run("key:p; snap");
	has("att 4m12s");
	has("live");
}

static void test_replay(void **state)
{
	(void)state;
	con->live.replay = true;
	run("key:1 ] ] p; snap");
	assert_true(con->live.held);
	assert_true(con->live.speed > 3.9 && con->live.speed < 4.1);
	run("key:p L; snap");
	has("a recording keeps the level");
	con->live.done = true;
	run("wait:1ms; key:Up; snap");
	has("at the end");
}

static void test_level(void **state)
{
	(void)state;
	run("key:L; snap");
	assert_int_equal(con->live.wants, 1);
	assert_int_equal(con->live.want_kind, SESSION_WANT_LEVEL);
	assert_int_equal(con->live.want_value, WEFT_LEVEL_LIGHT);
	has("level asked for: light");
}

static void test_mouse(void **state)
{
	(void)state;
	con->live.findings = 0;
	run("key:1; click:4,6; snap"); /* head of ID */
	assert_memory_equal(line(7), ">     1", 7);
	run("click:20,10; snap");
	assert_memory_equal(line(10), ">     4", 7);
	run("click:10,5; snap"); /* tab Workers */
	has("LAST 60 s");
	run("click:500,500; click:0,0; snap");
}

static void test_help_names_every_action(void **state)
{
	(void)state;
	run("size:120x100; key:?; snap");
	for (int i = 1; i < ACTION_COUNT; i++)
		has(actions[i].help);
	has("MAX");
	run("key:?; snap");
	has_not("Signs");
}

static void test_ascii(void **state)
{
	struct app_options o = { .live = &con->live, .ascii = true };

	(void)state;
	con->app = app_new(&o);
	app_resize(con->app, 80, 24);
	run("snap; key:1 Enter; snap; key:Esc 2; snap; key:3; snap; key:?; snap");
	for (const char *p = con->text; *p; p++)
		assert_true((unsigned char)*p < 0x80);
}

static void test_quit(void **state)
{
	(void)state;
	run("key:q; snap");
	assert_true(app_ended(con->app));
	assert_int_equal(app_picked(con->app), 0);
}

/* ---- picker ---- */

static int candidates(void *ctx, struct screen_candidate *rows, size_t max)
{
	int n = *(int *)ctx;

	for (int i = 0; i < n && (size_t)i < max; i++)
		rows[i] = (struct screen_candidate){ .pid = 4711 + i,
						     .name = "orders-svc",
						     .user = "app",
						     .runtime = "tokio 1.53 multi x2",
						     .can_see = "polls, wakes",
						     .cannot_see = "names: stripped" };
	return n;
}

static void test_picker(void **state)
{
	int n = 2;
	struct app_options o = { .candidates = candidates, .candidates_ctx = &n };

	(void)state;
	con->app = app_new(&o);
	app_resize(con->app, 80, 24);
	run("snap; key:1 p 3; snap");
	has("orders-svc");
	has("not: names: stripped");
	run("key:Down Enter");
	assert_true(app_ended(con->app));
	assert_int_equal(app_picked(con->app), 4712);
}

static void test_picker_empty(void **state)
{
	int n = 0;
	struct app_options o = { .candidates = candidates,
				 .candidates_ctx = &n,
				 .trouble = "no rights" };

	(void)state;
	con->app = app_new(&o);
	app_resize(con->app, 80, 24);
	run("key:Enter; snap");
	has("No process here has a runtime");
	has("Looked for:");
	has("no rights");
	assert_false(app_ended(con->app));
}

static void test_wrong_scripts(void **state)
{
	static const char *const scripts[] = { "key:Nope", "jump",    "wait:x",
					       "size:0x5", "size:80", "click:x" };
	struct script_error error;

	(void)state;
	run("snap");
	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
		assert_int_equal(script_run(con->app, scripts[i], stdout, NULL, &error), -EINVAL);
		assert_non_null(strstr(error.text, "is not a step"));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tasks_80x24),
		TEST(test_tasks_120x40),
		TEST(test_too_small),
		TEST(test_every_size_holds),
		TEST(test_no_tasks),
		TEST(test_200000_tasks),
		TEST(test_many_workers),
		TEST(test_unknown_values),
		TEST(test_nothing_known_yet),
		TEST(test_escape_sequences_in_names),
		TEST(test_target_gone),
		TEST(test_lost_events),
		TEST(test_opens_on_what_is_critical),
		TEST(test_stays_on_tasks_when_calm),
		TEST(test_row_keeps_its_place),
		TEST(test_selected_task_ends),
		TEST(test_sort_and_invert),
		TEST(test_filter),
		TEST(test_search),
		TEST(test_tree),
		TEST(test_details),
		TEST(test_details_of_a_forgotten_task),
		TEST(test_proof_and_chat),
		TEST(test_nothing_found),
		TEST(test_workers),
		TEST(test_pause),
		TEST(test_replay),
		TEST(test_level),
		TEST(test_mouse),
		TEST(test_help_names_every_action),
		TEST(test_ascii),
		TEST(test_quit),
		TEST(test_picker),
		TEST(test_picker_empty),
		TEST(test_wrong_scripts),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
