/* SPDX-License-Identifier: MIT */
/* Reading a build: what is no message, hostile messages, verdicts, Cargo.lock. Whole builds: tests/replay/test_replay_cargo.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "collector/cargo/cargo.h"

static struct cargo_run *begin(const struct cargo_options *o)
{
	struct cargo_run *run = NULL;
	char error[160];

	assert_int_equal(cargo_run_new(o, &run, error, sizeof(error)), 0);
	return run;
}

static enum cargo_line feed(struct cargo_run *run, const char *line, struct cargo_told *ret)
{
	return cargo_run_line(run, line, strlen(line), ret);
}

#define HELD                                                                                                   \
	"{\"reason\":\"compiler-message\",\"message\":{\"message\":\"future cannot be sent between "           \
	"threads safely\",\"code\":null,\"level\":\"error\",\"rendered\":\"error: as it is\\n\",\"spans\":[{"  \
	"\"file_name\":\"src/a.rs\",\"line_start\":9,\"column_start\":5,\"is_primary\":true,\"label\":\"not "  \
	"Send\",\"text\":[]}],\"children\":[{\"message\":\"future is not `Send` as this value is used across " \
	"an await\",\"spans\":[{\"file_name\":\"src/a.rs\",\"line_start\":4,\"column_start\":13,\"label\":"    \
	"\"await occurs here, with `x` maybe used later\"},{\"file_name\":\"src/a.rs\",\"line_start\":3,"      \
	"\"column_start\":9,\"label\":\"has type `Rc<u32>` which is not `Send`\"}]}]}}"

static void test_message_is_told_with_its_finding(void **state)
{
	struct cargo_run *run = begin(&(struct cargo_options){ .only = NULL });
	struct cargo_told told;

	(void)state;
	assert_int_equal(feed(run, HELD "\n", &told), CARGO_MESSAGE);
	assert_string_equal(told.rendered, "error: as it is\n");
	assert_non_null(told.finding);
	assert_string_equal(told.finding->id, "not-send");
	assert_string_equal(told.finding->location, "src/a.rs:3:9");
	assert_true(told.explained);
	/* The same once more: explained, but nothing new. */
	feed(run, HELD, &told);
	assert_null(told.finding);
	assert_true(told.explained);
	assert_null(cargo_run_finding(run, 1));
	assert_int_equal(cargo_exit_code(run, LIVE_WARN), 1);
	cargo_run_free(run);
}

static void test_other_output_is_left_alone(void **state)
{
	static const char *const lines[] = {
		"", "running 3 tests", "{", "{\"reason\":", "{\"reason\": 1", "[1,2]", "{}"
	};
	struct cargo_run *run = begin(&(struct cargo_options){ .only = NULL });
	struct cargo_told told;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		assert_int_equal(feed(run, lines[i], &told), CARGO_OTHER);
		assert_null(told.rendered);
		assert_null(told.finding);
	}
	assert_int_equal(feed(run, "{\"reason\":\"build-finished\",\"success\":true}", &told),
			 CARGO_NOTE);
	cargo_run_free(run);
}

/* Fields that are missing, of another type, or beyond all bounds. */
static void test_hostile_messages(void **state)
{
	static const char *const lines[] = {
		"{\"message\":null}",
		"{\"message\":{\"message\":1,\"spans\":[]}}",
		"{\"message\":{\"message\":\"x\",\"spans\":{}}}",
		"{\"message\":\"future cannot be sent between threads safely\",\"level\":\"error\",\"spans\":[]}",
		"{\"message\":\"`\",\"level\":\"error\",\"code\":{\"code\":\"E0277\"},\"spans\":[{}]}",
		"{\"message\":\"x cannot be unpinned\",\"level\":\"error\",\"code\":{\"code\":\"E0277\"},\"spans\":[null,3],"
		"\"children\":[null,{\"message\":7,\"spans\":7}]}",
		"{\"message\":\"unresolved imports `\",\"level\":\"error\",\"code\":{\"code\":\"E0432\"},\"spans\":[{\"is_primary\":"
		"true}]}",
		"{\"message\":\"unresolved import `tokio::net`\",\"level\":\"error\",\"code\":{\"code\":\"E0432\"},\"spans\":[{"
		"\"is_primary\":true,\"text\":[{\"text\":\"use\",\"highlight_start\":-5,\"highlight_end\":99999}]}],\"children\":[{"
		"\"message\":\"found an item that was configured out\",\"spans\":[{\"file_name\":\"/src/\",\"label\":\"is gated "
		"behind the `\"}]}]}",
		"{\"message\":\"no method named `x` found for struct `y`\",\"level\":\"error\",\"code\":{\"code\":\"E0599\"},"
		"\"spans\":[]}",
	};
	struct cargo_run *run = begin(&(struct cargo_options){ .only = NULL });
	struct cargo_told told;
	char *deep = malloc(200001), *text = NULL;
	size_t size = 0;
	FILE *out;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		feed(run, lines[i], &told);
	memset(deep, '[', 200000);
	deep[0] = '{';
	deep[200000] = 0;
	assert_int_equal(feed(run, deep, &told), CARGO_OTHER);
	out = open_memstream(&text, &size);
	assert_int_equal(cargo_report_json(run, out), 0);
	fclose(out);
	assert_non_null(strstr(text, "\"findings\""));
	free(text);
	free(deep);
	cargo_run_free(run);
}

/* Macro expansions that never end, and more findings than are kept. */
static void test_bounds(void **state)
{
	struct cargo_run *run = begin(&(struct cargo_options){ .only = NULL });
	struct cargo_told told;
	char line[1024];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line),
			 "{\"message\":\"`T%d` cannot be unpinned\",\"level\":\"error\",\"code\":{\"code\":\"E0277\"},\"spans\":[{"
			 "\"is_primary\":true,\"file_name\":\"f.rs\",\"line_start\":%d}]}",
			 i, i);
		assert_int_equal(feed(run, line, &told), CARGO_MESSAGE);
	}
	assert_non_null(cargo_run_finding(run, 100));
	assert_null(cargo_run_finding(run, 999));
	assert_int_equal(cargo_exit_code(run, LIVE_WARN), 1);
	cargo_run_free(run);
}

static char *report_of(struct cargo_run *run)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(cargo_report_text(run, out), 0);
	fclose(out);
	return text;
}

/* An error that isn't ours hides what the compiler would have looked at next. */
static void test_verdicts(void **state)
{
	struct cargo_run *run = begin(&(struct cargo_options){ .only = "not-send,not-unpin" });
	struct cargo_told told;
	char *text;

	(void)state;
	feed(run, "{\"reason\":\"build-finished\",\"success\":true}", &told);
	assert_int_equal(cargo_exit_code(run, LIVE_WARN), 0);
	feed(run,
	     "{\"message\":\"mismatched types\",\"level\":\"error\",\"code\":{\"code\":\"E0308\"},\"spans\":[]}",
	     &told);
	assert_false(told.explained);
	assert_int_equal(cargo_exit_code(run, LIVE_WARN), 3);
	text = report_of(run);
	assert_non_null(strstr(text, "1 errors, 0 warnings; 0 errors explained, 1 not ours"));
	free(text);
	cargo_run_free(run);
}

static void test_unknown_id_is_refused(void **state)
{
	struct cargo_run *run = NULL;
	char error[160] = "";

	(void)state;
	assert_int_not_equal(cargo_run_new(&(struct cargo_options){ .only = "not-sent" }, &run,
					   error, sizeof(error)),
			     0);
	assert_non_null(strstr(error, "not-sent"));
}

static void test_empty_input_is_no_build(void **state)
{
	struct cargo_run *run = begin(&(struct cargo_options){ .only = NULL });
	char text[] = "Compiling x\n";
	FILE *in = fmemopen(text, strlen(text), "r");

	(void)state;
	assert_int_equal(cargo_run_read(run, in), -ENODATA);
	fclose(in);
	cargo_run_free(run);
}

/* ---- Cargo.lock ---- */

#define PACKAGE(name, version, source, deps) \
	"[[package]]\nname = \"" name "\"\nversion = \"" version "\"\n" source deps "\n"
#define CRATE        "source = \"registry+https://example.invalid/index\"\n"
#define DEPS_1(a)    "dependencies = [\n \"" a "\",\n]\n"
#define DEPS_2(a, b) "dependencies = [\n \"" a "\",\n \"" b "\",\n]\n"

static struct cargo_run *judge(const char *lock, const char *built)
{
	char path[] = "/tmp/weft-test-lock-XXXXXX", line[200];
	int fd = mkstemp(path);
	struct cargo_run *run = begin(&(struct cargo_options){ .lock_path = path });
	struct cargo_told told;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, lock, strlen(lock)), (ssize_t)strlen(lock));
	close(fd);
	while (*built) {
		size_t n = strcspn(built, " ");

		snprintf(line, sizeof(line),
			 "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"%.*s\"}}",
			 (int)n, built);
		feed(run, line, &told);
		built += n + (built[n] == ' ');
	}
	cargo_run_end(run);
	unlink(path);
	return run;
}

static void expect_lock(const char *lock, const char *built, const char *cause)
{
	struct cargo_run *run = judge(lock, built);
	const struct live_finding *f = cargo_run_finding(run, 0);

	if (cause) {
		assert_non_null(f);
		assert_string_equal(f->cause, cause);
		assert_string_equal(f->id, "mixed-runtimes");
	} else {
		assert_null(f);
	}
	cargo_run_free(run);
}

static void test_lock_two_kinds_in_one_program(void **state)
{
	static const char lock[] = PACKAGE("app", "0.1.0", "", DEPS_2("smol", "tokio"))
		PACKAGE("smol", "2.0.2", CRATE, "") PACKAGE("tokio", "1.54.1", CRATE, "");

	(void)state;
	expect_lock(lock, "", "Tokio and smol in one program");
	/* Of the two only one is compiled: the other is for tests or another target. */
	expect_lock(lock, "smol", NULL);
}

static void test_lock_two_programs_in_one_workspace(void **state)
{
	(void)state;
	expect_lock(PACKAGE("a", "0.1.0", "", DEPS_1("smol"))
			    PACKAGE("b", "0.1.0", "", DEPS_1("tokio"))
				    PACKAGE("smol", "2.0.2", CRATE, "")
					    PACKAGE("tokio", "1.54.1", CRATE, ""),
		    "", NULL);
	/* Unless one uses the other. */
	expect_lock(PACKAGE("a", "0.1.0", "", DEPS_2("b", "smol"))
			    PACKAGE("b", "0.1.0", "", DEPS_1("tokio"))
				    PACKAGE("smol", "2.0.2", CRATE, "")
					    PACKAGE("tokio", "1.54.1", CRATE, ""),
		    "", "Tokio and smol in one program");
}

static void test_lock_two_versions(void **state)
{
	(void)state;
	expect_lock(PACKAGE("app", "0.1.0", "", DEPS_2("old", "tokio 1.54.1"))
			    PACKAGE("old", "0.3.0", CRATE, DEPS_1("tokio 0.2.25"))
				    PACKAGE("tokio", "0.2.25", CRATE, "")
					    PACKAGE("tokio", "1.54.1", CRATE, ""),
		    "", "Tokio 0.2.25 and 1.54.1 in one program");
	expect_lock(PACKAGE("app", "0.1.0", "", DEPS_1("tokio"))
			    PACKAGE("tokio", "1.54.1", CRATE, ""),
		    "", NULL);
}

static void test_lock_tokio_only_crate(void **state)
{
	(void)state;
	expect_lock(PACKAGE("app", "0.1.0", "", DEPS_2("reqwest", "smol"))
			    PACKAGE("reqwest", "0.12.0", CRATE, DEPS_1("tokio"))
				    PACKAGE("smol", "2.0.2", CRATE, "")
					    PACKAGE("tokio", "1.54.1", CRATE, ""),
		    "", "reqwest works on Tokio only, the program runs on smol");
}

static void test_lock_garbage(void **state)
{
	struct cargo_run *run = judge("\n[[package\nname = \"\n \"\n", "");

	(void)state;
	assert_null(cargo_run_finding(run, 0));
	cargo_run_free(run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message_is_told_with_its_finding),
		cmocka_unit_test(test_other_output_is_left_alone),
		cmocka_unit_test(test_hostile_messages),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_unknown_id_is_refused),
		cmocka_unit_test(test_empty_input_is_no_build),
		cmocka_unit_test(test_lock_two_kinds_in_one_program),
		cmocka_unit_test(test_lock_two_programs_in_one_workspace),
		cmocka_unit_test(test_lock_two_versions),
		cmocka_unit_test(test_lock_tokio_only_crate),
		cmocka_unit_test(test_lock_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
