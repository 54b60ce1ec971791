/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "tui/json_out.h"

static char *text;
static size_t text_size;

static void begin(struct json_out *j)
{
	json_out_init(j, open_memstream(&text, &text_size));
}

static void end_is(struct json_out *j, const char *expected)
{
	fclose(j->out);
	assert_string_equal(text, expected);
	free(text);
}

static void test_shapes(void **state)
{
	struct json_out j;

	(void)state;
	begin(&j);
	json_out_begin(&j, NULL, '[');
	json_out_end(&j, ']');
	end_is(&j, "[]\n");

	begin(&j);
	json_out_begin(&j, NULL, '[');
	json_out_begin(&j, NULL, '{');
	json_out_integer(&j, "a", -3);
	json_out_begin(&j, "b", '[');
	json_out_text(&j, NULL, "x");
	json_out_text(&j, NULL, NULL);
	json_out_end(&j, ']');
	json_out_unsigned(&j, "c", UINT64_MAX);
	json_out_real(&j, "d", NAN);
	json_out_real(&j, "e", 0.5);
	json_out_bool(&j, "f", true);
	json_out_end(&j, '}');
	json_out_end(&j, ']');
	end_is(&j,
	       "[\n  {\n    \"a\": -3,\n    \"b\": [\"x\", null],\n    \"c\": null,\n    \"d\": null,\n"
	       "    \"e\": 0.5,\n    \"f\": true\n  }\n]\n");
}

static void test_escapes(void **state)
{
	struct json_out j;

	(void)state;
	begin(&j);
	json_out_text(&j, NULL, "\"\\\n\r\t\033\177\xc2\x9b\xff\xe2\x82\xac\xe2\x80\xae");
	end_is(&j, "\"\\\"\\\\\\n\\r\\t\\u001b\\u007f\\u009b\\ufffd\xe2\x82\xac\\u202e\"");
}

/* What another parser reads back is what went in, with U+FFFD for what is not UTF-8. */
static void test_hostile_names_round_trip(void **state)
{
	uint32_t x = 99;

	(void)state;
	for (int round = 0; round < 1000; round++) {
		char in[65];
		struct json_out j;
		json_t *read;
		json_error_t error;

		for (size_t i = 0; i < sizeof(in) - 1; i++) {
			x = x * 1664525 + 1013904223;
			in[i] = (char)(x >> 24);
		}
		in[sizeof(in) - 1] = 0;
		begin(&j);
		json_out_begin(&j, NULL, '{');
		json_out_text(&j, in, in);
		json_out_end(&j, '}');
		fclose(j.out);
		read = json_loads(text, 0, &error);
		if (!read)
			fail_msg("%s: %s", error.text, text);
		for (const unsigned char *p = (const unsigned char *)text; *p; p++)
			assert_true(*p >= 0x20 || *p == '\n');
		json_decref(read);
		free(text);
	}
}

static void test_valid_text_is_kept(void **state)
{
	static const char *const names[] = { "a\"b\\c", "\xf0\x9f\x98\x80 smile", "tab\there",
					     "\033[31m", "\xc2\x85" };
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct json_out j;
		json_t *read;

		begin(&j);
		json_out_begin(&j, NULL, '[');
		json_out_text(&j, NULL, names[i]);
		json_out_end(&j, ']');
		fclose(j.out);
		read = json_loads(text, 0, NULL);
		assert_non_null(read);
		assert_string_equal(json_string_value(json_array_get(read, 0)), names[i]);
		json_decref(read);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_hostile_names_round_trip),
		cmocka_unit_test(test_valid_text_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
