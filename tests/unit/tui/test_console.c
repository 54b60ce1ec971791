/* SPDX-License-Identifier: MIT */
/* What the console shows: sizes, numbers, troubles. */
/* The engine of tests/support is linked, too; of its live_* the fake ones, coming first, win. */
/* ldflags: -Wl,--allow-multiple-definition */
#include "tests/unit/tui/console.h"

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
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	for (int i = 0; i < 100; i++)
		app_draw(con->app);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
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
		TEST(test_picker),
		TEST(test_picker_empty),
		TEST(test_wrong_scripts),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
