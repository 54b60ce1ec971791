/* SPDX-License-Identifier: MIT */
/* What keys and the mouse do in the console. */
/* The engine of tests/support is linked, too; of its live_* the fake ones, coming first, win. */
/* ldflags: -Wl,--allow-multiple-definition */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/tui/console.h"
#include "tui/keymap.h"
#include "tui/screens/tasks.h"

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
	cursor_is(9, 3);
	con->live.first_alive = 100;
	run("wait:1ms; snap");
	cursor_is(9, 102);
}

/* A key that does something else on Tasks would never sort. */
static void test_sort_keys_are_free(void **state)
{
	static const char keys[] = {
#define X(name, title, key, sort, width, from, right, help) key,
		TASKS_COLUMNS(X)
#undef X
	};

	(void)state;
	for (size_t i = 0; i < sizeof(keys); i++)
		if (keys[i])
			assert_int_equal(keymap_action((uint32_t)keys[i], IN_TASKS), ACTION_NONE);
}

static void test_sort_and_invert(void **state)
{
	(void)state;
	con->live.findings = 0;
	run("key:N; snap");
	cursor_is(7, 1);
	run("key:N; snap");
	cursor_is(7, 1204);
	run("key:I; snap");
	cursor_is(7, 1);
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
	cursor_is(13, 7);
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

/* One line for each of the others; with Tab the next one takes the header. */
static void test_several_processes(void **state)
{
	(void)state;
	con->live.more_processes = 1;
	run("key:1; snap");
	has("orders-svc[4711] 1/2");
	has("2/2 orders-svc[4712]  tasks 1,204  polls 41.2k/s  lost 0  2 findings");
	has("http::serve_conn");
	run("key:Tab; snap");
	has("orders-svc[4712] 2/2");
	has("1/2 orders-svc[4711]  tasks 1,204");
	run("key:3; snap");
	has("[4711] task 7");
	con->live.more_processes = 7;
	run("wait:300ms; snap");
	has("+4, Tab");
}

static void test_details(void **state)
{
	(void)state;
	run("key:1 Enter; snap");
	has("task 7  http::serve_conn");
	has("blocked inside a poll for 1.84 s on W1 in clock_nanosleep");
	has("std::thread::sleep");
	has("advice  std::thread::sleep blocks the worker");
	has("100us   1ms");
	has("before the attach, >3m12s ago");
	has("labels  trace_id=4bf9");
	has("user=ann");
	has_not("\033[2J");
	has("stack   std::thread::sleep < db::retry (db.rs:41)");
	run("key:End; snap");
	has("by task     ingest::pump");
	has("k:hrtimer_nanosleep");
	run("key:Esc; snap");
	has("POLL/s");
}

/* Read when somebody looks, for a task that is not being polled. */
static void test_details_show_what_it_waits_for(void **state)
{
	(void)state;
	con->live.findings = 0;
	run("key:N Enter; wait:300ms; snap");
	assert_int_equal(con->live.want_kind, SESSION_WANT_AWAIT);
	has("waits   sleep at order (demo_service.c:170) < session::run");
	has_not("\033[31m");
	run("key:Esc; snap");
}

/* First the task, then its type, then nothing. */
static void test_raise(void **state)
{
	(void)state;
	con->live.findings = 0;
	run("key:N Down +; snap");
	assert_int_equal(con->live.want_kind, SESSION_WANT_RAISE);
	assert_int_equal(con->live.want_value, 2);
	assert_int_equal(con->live.raised_task, 2);
	has("asked for: all polls of this task");
	run("wait:300ms; snap");
	has("auto light+ cost");
	has("\n+       2 ");
	run("key:Enter; snap");
	has("raised  all polls of this task are told");
	run("key:+; wait:300ms; snap");
	assert_int_equal(con->live.raised_task, 0);
	has("raised  all polls of its type are told");
	run("key:+; snap");
	has("its whole type is raised");
	run("key:-; wait:300ms; snap");
	assert_int_equal(con->live.want_value, UINT32_MAX);
	has_not("raised  ");
	has_not("light+");
	run("key:-; snap");
	has("nothing is raised");
}

static void test_raise_of_a_recording(void **state)
{
	(void)state;
	con->live.replay = true;
	run("key:1 +; snap");
	assert_int_equal(con->live.wants, 0);
	has("a recording keeps what was raised");
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

/* Sick and healthy code from the topics, for the runtime that is watched. */
static void test_proof_has_a_sketch(void **state)
{
	(void)state;
	run("size:120x40; key:3 Enter; snap");
	has("sick      std::thread::sleep(std::time::Duration::from_millis(50));");
	has("healthy   tokio::time::sleep(");
	has_not("weft_sleep(");
	has_not("smol::");
}

static void test_mute(void **state)
{
	(void)state;
	run("key:3 m; snap");
	has("muted here");
	assert_int_equal(con->live.muted, 100);
	run("wait:250ms; snap");
	has("\nmute blocking-call");
	has("1 finding:  task-leak");
	has_not("{async fn} 2m12s  blocking-call"); /* of the header */
	has("1 muted");
	assert_true(strstr(con->text, "warn task-leak") < strstr(con->text, "mute blocking-call"));
	run("key:Enter m; snap"); /* the cursor went with it */
	has("no longer muted here");
	assert_int_equal(con->live.muted, 0);
	run("key:Esc; wait:250ms; snap");
	has("crit blocking-call");
	has_not(" muted");
}

/* Held still, the row says so at once; nothing is said of what can't be done. */
static void test_mute_while_paused(void **state)
{
	(void)state;
	run("key:3 p m; snap");
	has("\nmute blocking-call");
	con->live.findings = 0;
	run("key:p; wait:250ms; key:m; snap; key:e; snap");
	has("there are no findings");
}

/* Two new files; the second time others; none over another. */
static void test_export(void **state)
{
	char dir[] = "/tmp/weft-evidence-XXXXXX", stem[64] = "", name[80], text[4096];
	size_t n;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	for (int i = 0; i < 2; i++) {
		run(i ? "key:e; snap" : "key:3 e; snap");
		has("written to weft-finding-blocking-call-");
		sscanf(strstr(con->text, "weft-finding-"), "%63s", stem);
		stem[strlen(stem) - 4] = 0; /* .txt */
		snprintf(name, sizeof(name), "%s.txt", stem);
		f = fopen(name, "r");
		assert_non_null(f);
		n = fread(text, 1, sizeof(text) - 1, f);
		text[n] = 0;
		fclose(f);
		assert_non_null(strstr(text, "proof   blocked 1.84 s"));
		assert_non_null(strstr(text, "healthy"));
		if (i)
			unlink(name);
		snprintf(name, sizeof(name), "%s.json", stem);
		assert_int_equal(access(name, R_OK), 0);
		if (i)
			unlink(name);
	}
	assert_int_equal(system("test $(ls | wc -l) = 2 && rm *"), 0);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(dir), 0);
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

/* Nothing is read then, but the row under the cursor stays in sight and the list fills the screen. */
static void test_resize_while_paused(void **state)
{
	(void)state;
	con->live.findings = 0;
	run("size:80x50; key:1 p PgDn; snap");
	has("\n> ");
	run("size:80x24; snap");
	has("\n> ");
	run("key:Up; snap");
	has("\n> ");
	run("key:End; size:80x50; snap");
	has("\n> ");
	assert_true(*line(8));
	assert_true(*line(48));
}

/* `w` writes the whole screen or says why not, and leaves no part of one. A limit on file size stands for a full disk. */
static void test_write(void **state)
{
	char dir[] = "/tmp/weft-screens-XXXXXX", name[64] = "";
	struct rlimit before, none;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	con->live.findings = 0;
	run("key:1 w; snap");
	has("written to weft-screen-");
	sscanf(strstr(con->text, "weft-screen-"), "%63s", name);
	assert_int_equal(unlink(name), 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	none = before;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_FSIZE, &none);
	run("key:w; snap");
	setrlimit(RLIMIT_FSIZE, &before);
	has("can't write weft-screen-");
	has(": File too large");
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(dir), 0);
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
	cursor_is(7, 1);
	run("click:20,10; snap");
	cursor_is(10, 4);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_opens_on_what_is_critical),
		TEST(test_stays_on_tasks_when_calm),
		TEST(test_row_keeps_its_place),
		TEST(test_selected_task_ends),
		TEST(test_sort_keys_are_free),
		TEST(test_sort_and_invert),
		TEST(test_filter),
		TEST(test_search),
		TEST(test_tree),
		TEST(test_several_processes),
		TEST(test_details),
		TEST(test_details_show_what_it_waits_for),
		TEST(test_details_of_a_forgotten_task),
		TEST(test_raise),
		TEST(test_raise_of_a_recording),
		TEST(test_proof_and_chat),
		TEST(test_proof_has_a_sketch),
		TEST(test_mute),
		TEST(test_mute_while_paused),
		TEST(test_export),
		TEST(test_nothing_found),
		TEST(test_workers),
		TEST(test_pause),
		TEST(test_resize_while_paused),
		TEST(test_write),
		TEST(test_replay),
		TEST(test_level),
		TEST(test_mouse),
		TEST(test_help_names_every_action),
		TEST(test_ascii),
		TEST(test_quit),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
