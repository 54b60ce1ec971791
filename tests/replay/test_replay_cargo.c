/* SPDX-License-Identifier: MIT */
/*
 * The findings of stored builds: for each NAME.json in tests/replay/cargo (real output of cargo or rustc) what is found must be
 * NAME.expect, word by word; with NAME.lock beside it as its Cargo.lock. With a file as argument it prints that text.
 */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "collector/cargo/cargo.h"

#define DIRECTORY "tests/replay/cargo"
#define MOST      200

static void print_finding(const struct live_finding *f, FILE *out)
{
	static const char *const severity[] = { "info", "warn", "crit" };

	fprintf(out, "%s %s | %s | %s\n\tcause: %s\n", severity[f->severity], f->id,
		f->subject_name, f->location, f->cause);
	for (uint32_t i = 0; i < f->evidence_n; i++)
		fprintf(out, "\tproof: %s\n", f->evidence[i].text);
	fprintf(out, "\tadvice: %s\n", f->advice);
}

/* The text of a build: its findings, and what became of the rest. */
static char *text_of(const char *path)
{
	struct cargo_options o = { .lock_path = NULL };
	struct cargo_run *run = NULL;
	const struct live_finding *f;
	char error[160], lock[300], *text = NULL;
	size_t size = 0;
	FILE *in = fopen(path, "re"), *out = open_memstream(&text, &size), *check;

	assert_non_null(in);
	snprintf(lock, sizeof(lock), "%.*s.lock", (int)(strlen(path) - 5), path);
	check = fopen(lock, "re");
	if (check) {
		o.lock_path = lock;
		fclose(check);
	}
	assert_int_equal(cargo_run_new(&o, &run, error, sizeof(error)), 0);
	assert_int_equal(cargo_run_read(run, in), 0);
	for (size_t i = 0; (f = cargo_run_finding(run, i)); i++)
		print_finding(f, out);
	fprintf(out, "exit code %d\n", cargo_exit_code(run, LIVE_WARN));
	fclose(out);
	fclose(in);
	cargo_run_free(run);
	return text;
}

static char *expected(const char *path)
{
	char name[300], *text = calloc(1, 65536);
	FILE *f;

	snprintf(name, sizeof(name), "%.*s.expect", (int)(strlen(path) - 5), path);
	f = fopen(name, "re");
	assert_non_null(f);
	assert_true(fread(text, 1, 65535, f) > 0);
	fclose(f);
	return text;
}

static void test_one(void **state)
{
	const char *path = *state;
	char *got = text_of(path), *want = expected(path);

	if (strcmp(got, want) != 0)
		fprintf(stderr, "%s: found\n%sbut expected\n%s", path, got, want);
	assert_string_equal(got, want);
	free(got);
	free(want);
}

static int is_build(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 5 && !strcmp(e->d_name + n - 5, ".json");
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[MOST];
	struct dirent **names;
	int n;

	if (argc > 1) {
		fputs(text_of(argv[1]), stdout);
		return 0;
	}
	n = scandir(DIRECTORY, &names, is_build, alphasort);
	if (n < 10 || n > MOST) {
		fprintf(stderr, "no stored builds in %s (run from the root of the tree)\n",
			DIRECTORY);
		return 1;
	}
	for (int i = 0; i < n; i++) {
		char *path = NULL;

		if (asprintf(&path, "%s/%s", DIRECTORY, names[i]->d_name) < 0)
			return 1;
		tests[i] = (struct CMUnitTest){ names[i]->d_name, test_one, NULL, NULL, path };
	}
	n = _cmocka_run_group_tests("cargo", tests, (size_t)n, NULL, NULL);
	for (size_t i = 0; i < MOST && tests[i].name; i++) {
		free(tests[i].initial_state);
		free(names[i]);
	}
	free(names);
	return n;
}
