/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tui/command.h"
#include "tui/command_completion.h"
#include "tui/command_help.h"

struct args {
	struct command_input in;
	const char *output;
	uint64_t duration, size;
	double share;
	int format;
	bool force, quiet;
	struct command_list set;
};

#define FIELD(name) offsetof(struct args, name)
static const struct command_option options[] = {
	{ "output", 'o', COMMAND_TEXT, FIELD(output), "FILE", "where to" },
	{ "duration", 'd', COMMAND_DURATION, FIELD(duration), "S", "how long" },
	{ "max-size", 0, COMMAND_SIZE, FIELD(size), "SIZE", "how large" },
	{ "max-overhead", 0, COMMAND_SHARE, FIELD(share), "SHARE", "how much" },
	{ "format", 0, COMMAND_CHOICE, FIELD(format), "text|json|csv", "which" },
	{ "force", 'f', COMMAND_FLAG, FIELD(force), NULL, "really" },
	{ "quiet", 'q', COMMAND_FLAG, FIELD(quiet), NULL, "softly" },
	{ "set", 0, COMMAND_LIST, FIELD(set), "NAME=VALUE", "one more" },
	{ 0 },
};
static int ran;

static int run(const struct command *self, void *args)
{
	(void)self;
	(void)args;
	ran++;
	return COMMAND_FINDINGS;
}

static const struct command command = {
	.name = "try",
	.summary = "Try things",
	.usage = "TARGET [FILE]",
	.about = "Does nothing.\n.not a request\n\nSecond - paragraph.",
	.examples = "weft try -p 1",
	.options = options,
	.takes = COMMAND_TAKES_TARGET | COMMAND_TAKES_FILE,
	.max_operands = 1,
	.args_size = sizeof(struct args),
	.run = run
};

static char error[2048];

/* Runs with stderr in `error`. Arguments end with NULL. */
static int parse(struct args *a, ...)
{
	char *argv[32] = { (char *)"try" };
	int argc = 1, saved = dup(2), fd = fileno(tmpfile()), rc;
	va_list ap;
	ssize_t n;

	va_start(ap, a);
	while (argc < 31 && (argv[argc] = va_arg(ap, char *)) != NULL)
		argc++;
	va_end(ap);
	memset(a, 0, sizeof(*a));
	dup2(fd, 2);
	rc = command_parse(&command, argc, argv, a);
	dup2(saved, 2);
	close(saved);
	n = pread(fd, error, sizeof(error) - 1, 0);
	error[n > 0 ? n : 0] = 0;
	close(fd);
	return rc;
}

static void error_has(const char *part)
{
	if (!strstr(error, part))
		fail_msg("'%s' is not in: %s", part, error);
	assert_non_null(strchr(error, '\n'));
	assert_int_equal(strchr(error, '\n') - error, strlen(error) - 1); /* one line */
}

static void test_values(void **state)
{
	struct args a;

	(void)state;
	assert_int_equal(parse(&a, "-o", "x.db", "--duration=1.5", "--max-size", "100M", "--format",
			       "csv", "-fq", "--max-overhead", "5%", "--set", "a=1", "--set=b=2",
			       "file", NULL),
			 0);
	assert_string_equal(a.output, "x.db");
	assert_int_equal(a.duration, 1500000000);
	assert_int_equal(a.size, 100u << 20);
	assert_int_equal(a.format, 2);
	assert_true(a.force && a.quiet);
	assert_true(a.share > 0.0499 && a.share < 0.0501);
	assert_int_equal(a.set.n, 2);
	assert_string_equal(a.set.item[1], "b=2");
	assert_null(a.set.item[2]);
	assert_int_equal(a.in.operands, 1);
	assert_string_equal(a.in.operand[0], "file");
}

static void test_target(void **state)
{
	struct args a;

	(void)state;
	assert_int_equal(parse(&a, "-p", "1,2", NULL), 0);
	assert_string_equal(a.in.target.pids, "1,2");
	assert_int_equal(parse(&a, "-nname", NULL), 0);
	assert_string_equal(a.in.target.name, "name");
	assert_int_equal(parse(&a, "--as-root", "-o", "x", "--", "ls", "-l", "--help", NULL), 0);
	assert_string_equal(a.in.target.child[0], "ls");
	assert_string_equal(a.in.target.child[2], "--help");
	assert_null(a.in.target.child[3]);
	assert_true(a.in.target.as_root);
	assert_int_equal(parse(&a, "-p", "1", "-n", "x", NULL), 2);
	error_has("more than one target");
	assert_int_equal(parse(&a, "--", NULL), 2);
	error_has("nothing to run");
}

static void test_options_that_mean_nothing(void **state)
{
	struct args a;

	(void)state;
	assert_int_equal(parse(&a, "-fo", "x", "--format=csv", NULL), 0);
	assert_int_equal(command_refuse(&command, &a.in, "duration|share|form", "stones"), 0);
	assert_int_equal(command_refuse(&command, &a.in, "duration|force", "stones"), 2);
	assert_int_equal(command_refuse(&command, &a.in, "output", "stones"), 2);
	assert_int_equal(command_refuse(&command, &a.in, "format", "stones"), 2);
}

static void test_errors(void **state)
{
	struct args a;

	(void)state;
	assert_int_equal(parse(&a, "--formt", "json", NULL), 2);
	error_has("did you mean format?");
	assert_int_equal(parse(&a, "--format", "xml", NULL), 2);
	error_has("text|json|csv");
	assert_int_equal(parse(&a, "-d", "soon", NULL), 2);
	error_has("takes a duration");
	assert_int_equal(parse(&a, "-d", "0", NULL), 2);
	assert_int_equal(parse(&a, "-d", "-5", NULL), 2);
	assert_int_equal(parse(&a, "-o", NULL), 2);
	error_has("needs a value");
	assert_int_equal(parse(&a, "-x", NULL), 2);
	error_has("unknown option -x");
	assert_int_equal(parse(&a, "one", "two", NULL), 2);
	error_has("unexpected 'two'");
	assert_int_equal(parse(&a, "--force=yes", NULL), 2);
	error_has("takes no value");
	assert_int_equal(parse(&a, "--\033[2J", NULL), 2);
	assert_null(strchr(error, '\033'));
}

static void test_main(void **state)
{
	char *argv[] = { (char *)"try", (char *)"-f", NULL };

	(void)state;
	ran = 0;
	assert_int_equal(command_main(&command, 2, argv), COMMAND_FINDINGS);
	assert_int_equal(ran, 1);
}

static const char *name(size_t i)
{
	static const char *const names[] = { "top", "record", "diagnose", NULL };
	return names[i];
}

static void test_nearest(void **state)
{
	(void)state;
	assert_string_equal(command_did_you_mean("recrod", name), ", did you mean record?");
	assert_string_equal(command_did_you_mean("diag", name), ", did you mean diagnose?");
	assert_string_equal(command_did_you_mean("zzzzzz", name), "");
	assert_string_equal(command_did_you_mean("", name), "");
}

static char *printed(void (*fn)(const struct command *c, FILE *out))
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fn(&command, f);
	fclose(f);
	return text;
}

static void completed(enum command_shell shell)
{
	const struct command *const all[] = { &command, NULL };
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	command_completion(shell, all, f);
	fclose(f);
	for (const struct command_option *o = options; o->name; o++) {
		char word[64];

		snprintf(word, sizeof(word), "%s%s", shell == COMMAND_FISH ? "-l " : "--", o->name);
		assert_non_null(strstr(text, word));
	}
	assert_non_null(strstr(text, shell == COMMAND_FISH ? "-l container" : "--container"));
	free(text);
}

/* Every option is in help, man page and completion: all are printed from the one table. */
static void test_help_from_the_table(void **state)
{
	char *help = printed(command_help), *man = printed(command_help_man);

	(void)state;
	for (const struct command_option *o = options; o->name; o++) {
		char text[64];

		snprintf(text, sizeof(text), "--%s", o->name);
		assert_non_null(strstr(help, text));
		assert_non_null(strstr(help, o->help));
	}
	for (enum command_shell s = COMMAND_BASH; s <= COMMAND_FISH; s++)
		completed(s);
	assert_non_null(strstr(help, "Usage: weft try TARGET"));
	assert_non_null(strstr(help, "--container ID"));
	assert_non_null(strstr(man, "\\-\\-max\\-size \\fISIZE\\fR"));
	assert_non_null(strstr(man, "\n\\&.not a request\n"));
	for (char *line = help; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		assert_true(strcspn(line, "\n") <= 100);
	free(help);
	free(man);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_target),
		cmocka_unit_test(test_options_that_mean_nothing),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_main),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_help_from_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
