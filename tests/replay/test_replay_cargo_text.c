/* SPDX-License-Identifier: MIT */
/*
 * The stored builds once more, from rustc's text as a person pastes it (the `rendered` of each message): what is found, where, and
 * what to do has to be what the JSON gives. With a file as argument it prints both.
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

static struct cargo_run *new_run(void)
{
	struct cargo_options o = { .with_lock = false };
	struct cargo_run *run = NULL;
	char error[160];

	assert_int_equal(cargo_run_new(&o, &run, error, sizeof(error)), 0);
	return run;
}

static char *findings_of(struct cargo_run *run)
{
	const struct live_finding *f;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	cargo_run_end(run);
	/* By line: the column of a label is not in the text where rustc shortens the line. */
	for (size_t i = 0; (f = cargo_run_finding(run, i)); i++)
		fprintf(out, "%d %s | %s | %.*s\n\t%s\n\t%s\n", (int)f->severity, f->id,
			f->subject_name,
			(int)(strchrnul(f->location, ':') - f->location +
			      strcspn(strchrnul(f->location, ':') + 1, ":") + 1),
			f->location, f->cause, f->advice);
	fclose(out);
	cargo_run_free(run);
	return text;
}

/* From the JSON; ret_rendered: rustc's own text, colours aside. */
static char *from_json(const char *path, char **ret_rendered)
{
	struct cargo_run *run = new_run();
	struct cargo_told told;
	FILE *in = fopen(path, "re"), *out;
	char *line = NULL;
	size_t size = 0, bytes;
	ssize_t n;

	assert_non_null(in);
	out = open_memstream(ret_rendered, &bytes);
	while ((n = getline(&line, &size, in)) > 0) {
		cargo_run_line(run, line, (size_t)n, &told);
		if (told.rendered)
			fprintf(out, "%s\n", told.rendered);
	}
	fclose(out);
	fclose(in);
	free(line);
	return findings_of(run);
}

static char *from_text(const char *text)
{
	struct cargo_run *run = new_run();

	cargo_run_text(run, text);
	return findings_of(run);
}

static void test_one(void **state)
{
	const char *path = *state;
	char *text, *want = from_json(path, &text), *got = from_text(text);

	if (strcmp(got, want) != 0)
		fprintf(stderr, "%s: from the text\n%sbut from the JSON\n%s", path, got, want);
	assert_string_equal(got, want);
	free(text);
	free(got);
	free(want);
}

/* A paste may begin and end anywhere, and hold anything: nothing but findings, or none, comes of it. */
static void test_damaged(void **state)
{
	static const char junk[] = "|^-`:\n [=>\t\033";
	char *text, *want = from_json(*state, &text);
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i += n / 40 + 1) {
		char byte = text[i], *got = from_text(text + i);

		free(got);
		text[i] = junk[i % (sizeof(junk) - 1)];
		free(from_text(text));
		text[i] = 0;
		free(from_text(text));
		text[i] = byte;
	}
	free(text);
	free(want);
}

static int is_build(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 5 && !strcmp(e->d_name + n - 5, ".json");
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[MOST + 3];
	struct dirent **names;
	char *text;
	int n;

	if (argc > 1) {
		fputs(from_json(argv[1], &text), stdout);
		puts("----");
		fputs(from_text(text), stdout);
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
	tests[n++] = (struct CMUnitTest){ "damaged: select", test_damaged, NULL, NULL,
					  strdup(DIRECTORY "/unpin_select.json") };
	tests[n++] = (struct CMUnitTest){ "damaged: moved", test_damaged, NULL, NULL,
					  strdup(DIRECTORY "/moved_smol.json") };
	n = _cmocka_run_group_tests("cargo_text", tests, (size_t)n, NULL, NULL);
	for (size_t i = 0; tests[i].name; i++) {
		free(tests[i].initial_state);
		if (tests[i].test_func == test_one)
			free(names[i]);
	}
	free(names);
	return n;
}
