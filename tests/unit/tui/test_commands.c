/* SPDX-License-Identifier: MIT */
/* The tables of the real commands: complete, free of clashes, and the manual pages made from them. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tui/command_help.h"
#include "tui/commands/commands.h"

static const struct command_option *next(const struct command *c, size_t i)
{
	const struct command_option *o;

	for (o = c->options; o && o->name; o++)
		if (i-- == 0)
			return o;
	if (!(c->takes & COMMAND_TAKES_TARGET))
		return NULL;
	for (o = command_target_options; o->name; o++)
		if (i-- == 0)
			return o;
	return NULL;
}

static void test_tables(void **state)
{
	(void)state;
	for (const struct command *const *c = commands_all; *c; c++) {
		const struct command_option *o, *other;

		assert_ptr_equal(commands_find((*c)->name), *c);
		assert_non_null((*c)->summary);
		assert_non_null((*c)->usage);
		assert_true(!(*c)->run == !!(*c)->raw);
		assert_true((*c)->raw || (*c)->args_size >= sizeof(struct command_input));
		assert_true((*c)->max_operands <= COMMAND_OPERANDS);
		for (size_t i = 0; (o = next(*c, i)) != NULL; i++) {
			assert_true(o->value == COMMAND_FLAG || o->arg);
			assert_true(o->offset < (*c)->args_size);
			assert_true(strlen(o->help) > 0 && strlen(o->help) < 70);
			for (size_t k = 0; k < i; k++) {
				other = next(*c, k);
				assert_string_not_equal(o->name, other->name);
				assert_true(!o->letter || o->letter != other->letter);
			}
		}
	}
}

static char *printed(const struct command *c, void (*fn)(const struct command *c, FILE *out))
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (c)
		fn(c, f);
	else
		command_help_man_overview(commands_all, f);
	fclose(f);
	return text;
}

static void test_help_fits_a_terminal(void **state)
{
	(void)state;
	for (const struct command *const *c = commands_all; *c; c++) {
		char *help = printed(*c, command_help);

		for (const char *p = help; *p; p += strcspn(p, "\n") + 1)
			if (strcspn(p, "\n") > 104)
				fail_msg("weft %s --help has a long line: %.120s", (*c)->name, p);
		free(help);
	}
}

static void page_is_fresh(const char *name, char *made)
{
	char path[128], *page;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "tui/man/weft%s%s.1", *name ? "-" : "", name);
	f = fopen(path, "re");
	if (!f)
		fail_msg("%s is missing: weft help --man %s > %s", path, name, path);
	page = calloc(1, 65536);
	n = fread(page, 1, 65535, f);
	fclose(f);
	if (n != strlen(made) || memcmp(page, made, n) != 0)
		fail_msg("%s is not what the table says now: weft help --man %s > %s", path, name,
			 path);
	free(page);
	free(made);
}

static void test_man_pages(void **state)
{
	(void)state;
	page_is_fresh("", printed(NULL, NULL));
	for (const struct command *const *c = commands_all; *c; c++)
		page_is_fresh((*c)->name, printed(*c, command_help_man));
}

static void test_nearest(void **state)
{
	(void)state;
	assert_null(commands_find("recrod"));
	assert_string_equal(command_did_you_mean("recrod", commands_name),
			    ", did you mean record?");
	assert_string_equal(command_did_you_mean("diagnos", commands_name),
			    ", did you mean diagnose?");
}

/* A file of root's, under sudo: named by the user, so his rights count. */
static void test_files_are_opened_as_the_user(void **state)
{
	static const char *const options[] = { "--cargo", "--config", "--baseline" };
	static const char done[] = "{\"reason\":\"build-finished\",\"success\":true}\n";
	char open_path[] = "/tmp/weft-build-XXXXXX", own_path[] = "/tmp/weft-own-XXXXXX";
	int fd = mkstemp(open_path), own = mkstemp(own_path);

	(void)state;
	assert_int_equal(write(fd, done, sizeof(done) - 1), sizeof(done) - 1);
	assert_int_equal(fchmod(fd, 0644), 0);
	close(fd);
	close(own);
	setenv("SUDO_UID", "65534", 1);
	setenv("SUDO_GID", "65534", 1);
	for (int i = 0; i < 3 && geteuid() == 0; i++) {
		char *argv[] = { "diagnose",         "--cargo", open_path,
				 (char *)options[i], own_path,  NULL };

		assert_true(command_main(commands_find("diagnose"), 3, argv) != COMMAND_FAILED);
		assert_int_equal(command_main(commands_find("diagnose"), 5, argv), COMMAND_FAILED);
		assert_int_equal(geteuid(), 0);
	}
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	unlink(open_path);
	unlink(own_path);
}

/* Runs it and returns what it wrote to stdout, owned. */
static char *output_of(const char *name, int argc, char **argv, int *ret_rc)
{
	char *text = calloc(1, 4096);
	FILE *f = tmpfile();
	int out = dup(STDOUT_FILENO);

	fflush(stdout);
	dup2(fileno(f), STDOUT_FILENO);
	*ret_rc = command_main(commands_find(name), argc, argv);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	close(out);
	rewind(f);
	text[fread(text, 1, 4095, f)] = 0;
	fclose(f);
	return text;
}

/* After the build all lines are a program's own, also those that look like cargo's or rustc's. */
static void test_cargo_passes_json_on(void **state)
{
	static const char script[] =
		"#!/bin/sh\n"
		"echo '{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"x\"}}'\n"
		"echo '{\"reason\":\"build-finished\",\"success\":true}'\n"
		"echo '{\"level\":\"warn\",\"reason\":\"timeout\"}'\n"
		"echo '{\"message\":\"m\",\"level\":\"error\",\"spans\":[],\"rendered\":\"r\"}'\n"
		"exit 7\n";
	char path[] = "/tmp/weft-cargo-XXXXXX", *text;
	char *argv[] = { "cargo", "test", NULL };
	int fd = mkstemp(path), rc;

	(void)state;
	assert_int_equal(write(fd, script, sizeof(script) - 1), sizeof(script) - 1);
	assert_int_equal(fchmod(fd, 0755), 0);
	close(fd);
	setenv("CARGO", path, 1);
	text = output_of("cargo", 2, argv, &rc);
	unsetenv("CARGO");
	unlink(path);
	assert_int_equal(rc, 7);
	assert_string_equal(
		text, "{\"level\":\"warn\",\"reason\":\"timeout\"}\n"
		      "{\"message\":\"m\",\"level\":\"error\",\"spans\":[],\"rendered\":\"r\"}\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_help_fits_a_terminal),
		cmocka_unit_test(test_man_pages),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_files_are_opened_as_the_user),
		cmocka_unit_test(test_cargo_passes_json_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
