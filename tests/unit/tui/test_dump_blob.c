// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tui/commands/dump_blob.h"

static char *packed(const char *text, size_t bytes)
{
	char *blob = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&blob, &size);

	assert_int_equal(dump_blob_write(f, text, bytes), 0);
	fclose(f);
	return blob;
}

static int unpack(const char *blob, char **ret, size_t *ret_bytes)
{
	FILE *in = fmemopen((void *)(uintptr_t)blob, strlen(blob), "r");
	FILE *out = open_memstream(ret, ret_bytes);
	int rc = in ? dump_blob_read(in, out) : -1;

	fclose(out);
	if (in)
		fclose(in);
	return rc;
}

/* There and back for sizes around every edge of the three-byte groups and of the lines. */
static void test_round_trips(void **state)
{
	static char text[70000];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 2654435761u >> 13);
	for (size_t n = 0; n < sizeof(text); n = n < 200 ? n + 1 : n * 3 + 1) {
		char *blob = packed(text, n), *back = NULL;
		size_t bytes = 0;

		assert_int_equal(unpack(blob, &back, &bytes), 0);
		assert_int_equal(bytes, n);
		assert_memory_equal(back, text, n);
		for (const char *line = blob; line; line = strchr(line + 1, '\n'))
			assert_true(strcspn(line + 1, "\n") <= 76);
		free(blob);
		free(back);
	}
}

static void test_quoted_mail(void **state)
{
	static char text[1000], quoted[8000];
	char *blob, *back = NULL;
	size_t bytes = 0, at = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 2654435761u >> 13);
	blob = packed(text, sizeof(text));
	for (char *line = strtok(blob, "\n"); line; line = strtok(NULL, "\n"))
		at += (size_t)snprintf(quoted + at, sizeof(quoted) - at, ">> %s\r\n", line);
	assert_int_equal(unpack(quoted, &back, &bytes), 0);
	assert_memory_equal(back, text, sizeof(text));
	free(blob);
	free(back);
}

static void test_no_blob(void **state)
{
	static const char *const bad[] = { "hello", "AAAA", "====", "\x01\x02", "eJw", "!", "\n" };
	char *blob, *back;
	size_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_true(unpack(bad[i], &back, &bytes) < 0);
		free(back);
	}
	blob = packed("some text that is cut short in a moment", 39);
	blob[20] = '\0';
	assert_true(unpack(blob, &back, &bytes) < 0);
	free(back);
	free(blob);
}

/* What comes from a ticket and goes to a terminal: a dump as it is, anything else not at all. */
static void test_for_a_terminal(void **state)
{
	static const char good[] = "{\n  \"name\": \"caf\xc3\xa9 \\u001b[2J\"\n}\n";
	static const char *const bad[] = { "{}\n\033[2J",
					   "a\rb",
					   "a\tb\n",
					   "\xc2\x9b"
					   "31m",
					   "\xe2\x80\xae",
					   "\xff" };

	(void)state;
	for (size_t i = 0; i <= sizeof(bad) / sizeof(*bad); i++) {
		const char *text = i ? bad[i - 1] : good;
		char *blob = packed(text, strlen(text)), *back = NULL;
		FILE *in = fmemopen(blob, strlen(blob), "r"), *out;
		size_t bytes = 0;

		out = open_memstream(&back, &bytes);
		assert_int_equal(dump_blob_print(in, out), i ? -EBADMSG : 0);
		fclose(out);
		fclose(in);
		assert_string_equal(back, i ? "" : good);
		free(blob);
		free(back);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_quoted_mail),
		cmocka_unit_test(test_no_blob),
		cmocka_unit_test(test_for_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
