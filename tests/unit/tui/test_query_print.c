/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tui/commands/query_print.h"

static const char *const columns[] = { "id", "name" };

static struct query_value number(int64_t i)
{
	return (struct query_value){ .type = QUERY_INT, .i = i };
}

static struct query_value string(const char *s)
{
	return s ? (struct query_value){ .type = QUERY_TEXT, .text = s, .bytes = strlen(s) }
		 : (struct query_value){ .type = QUERY_NULL };
}

static char *print(enum query_print_format format, size_t rows, const char *const *names)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	struct query_print *p = query_print_new(format, f);

	assert_int_equal(query_print_row(p, 2, columns, NULL), 0);
	for (size_t i = 0; i < rows; i++) {
		struct query_value values[] = { number((int64_t)i + 9),
						string(names ? names[i] : "x") };

		assert_int_equal(query_print_row(p, 2, columns, values), 0);
	}
	query_print_free(p);
	fclose(f);
	return text;
}

static void is(char *text, const char *expected)
{
	assert_string_equal(text, expected);
	free(text);
}

static void test_table(void **state)
{
	static const char *const names[] = { "a\033[2Jb", "caf\xc3\xa9", NULL };
	(void)state;
	is(print(QUERY_PRINT_TABLE, 3, names),
	   "id  name\n--  ----\n 9  a?b\n10  caf\xc3\xa9\n11  \n");
	is(print(QUERY_PRINT_TABLE, 0, NULL), "id  name\n--  ----\n");
}

static void test_csv(void **state)
{
	static const char *const names[] = { "a,b", "say \"hi\"", NULL };
	(void)state;
	is(print(QUERY_PRINT_CSV, 3, names),
	   "id,name\r\n9,\"a,b\"\r\n10,\"say \"\"hi\"\"\"\r\n11,\r\n");
}

/* CSV is for programs and has what is there, but a terminal doesn't get what it would obey. */
static void test_csv_on_a_terminal(void **state)
{
	struct query_value v[] = { number(1), string("a\033[2Jb\n,c") };
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave = -1;
	struct query_print *p;
	char text[200] = "";
	size_t n = 0;
	FILE *f;

	(void)state;
	if (master < 0 || grantpt(master) || unlockpt(master) ||
	    (slave = open(ptsname(master), O_RDWR | O_NOCTTY)) < 0)
		skip();
	f = fdopen(slave, "w");
	p = query_print_new(QUERY_PRINT_CSV, f);
	assert_int_equal(query_print_row(p, 2, columns, v), 0);
	query_print_free(p);
	fclose(f);
	for (ssize_t got; n < sizeof(text) - 1; n += (size_t)got)
		if ((got = read(master, text + n, sizeof(text) - 1 - n)) <= 0)
			break;
	close(master);
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "1,\"a?b ,c\""));
	is(print(QUERY_PRINT_CSV, 1, (const char *[]){ "a\033b" }), "id,name\r\n9,a\033b\r\n");
}

static void test_json(void **state)
{
	static const char *const names[] = { "a\"b", NULL };
	(void)state;
	is(print(QUERY_PRINT_JSON, 2, names),
	   "[\n  {\n    \"id\": 9,\n    \"name\": \"a\\\"b\"\n  },\n  {\n    \"id\": 10,\n    \"name\": null\n  }\n]\n");
	is(print(QUERY_PRINT_JSON, 0, NULL), "[]\n");
}

/* More rows than are held for measuring: none is lost, the head comes once. */
static void test_many_rows(void **state)
{
	char *text = print(QUERY_PRINT_TABLE, 2500, NULL);
	size_t lines = 0;

	(void)state;
	for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	assert_int_equal(lines, 2502);
	assert_null(strstr(text + 10, "name"));
	free(text);
}

static void test_two_statements(void **state)
{
	static const char *const other[] = { "n" };
	struct query_value v[] = { number(1), string("x") };
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	struct query_print *p = query_print_new(QUERY_PRINT_TABLE, f);

	(void)state;
	query_print_row(p, 2, columns, v);
	query_print_row(p, 1, other, v);
	query_print_free(p);
	fclose(f);
	is(text, "id  name\n--  ----\n 1  x\n\nn\n-\n1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),          cmocka_unit_test(test_csv),
		cmocka_unit_test(test_json),           cmocka_unit_test(test_many_rows),
		cmocka_unit_test(test_two_statements), cmocka_unit_test(test_csv_on_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
