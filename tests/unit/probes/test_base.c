// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "probes/base/number.h"
#include "probes/base/priority.h"
#include "probes/base/safe_text.h"

static void test_number(void **state)
{
	static const char *const bad[] = { "",   " ", "-1",  "+1",   "1 ",  " 1", "0x",
					   "1x", "a", "12a", "0x1g", "1.5", "1e3" };
	uint64_t v = 7;
	pid_t pid = 7;

	(void)state;
	assert_int_equal(number_parse("0", &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(number_parse("18446744073709551615", &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(number_parse("0xfF", &v), 0);
	assert_int_equal(v, 255);
	assert_int_equal(number_parse("010", &v), 0);
	assert_int_equal(v, 10);
	assert_int_equal(number_parse("18446744073709551616", &v), -ERANGE);
	assert_int_equal(number_parse("99999999999999999999999", &v), -ERANGE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(number_parse(bad[i], &v), -EINVAL);
	assert_int_equal(v, 10);
	assert_int_equal(number_parse_pid("2147483647", &pid), 0);
	assert_int_equal(pid, INT32_MAX);
	assert_int_equal(number_parse_pid("2147483648", &pid), -ERANGE);
	assert_int_equal(number_parse_pid("0", &pid), -EINVAL);
	assert_int_equal(number_parse_pid("-1", &pid), -EINVAL);
}

static uint64_t size_of(const char *text)
{
	uint64_t v = 0;

	assert_int_equal(number_parse_size(text, &v), 0);
	return v;
}

static uint64_t ns_of(const char *text)
{
	uint64_t v = 0;

	assert_int_equal(number_parse_duration(text, &v), 0);
	return v;
}

static void test_units(void **state)
{
	(void)state;
	assert_int_equal(size_of("4096"), 4096);
	assert_int_equal(size_of("64K"), 65536);
	assert_int_equal(size_of("1.5GiB"), 1610612736);
	assert_int_equal(size_of("0"), 0);
	assert_true(size_of("16777215T") == 16777215ull << 40);
}

static void test_unit_errors(void **state)
{
	uint64_t v;
	double share = 0;

	(void)state;
	assert_int_equal(number_parse_size("", &v), -EINVAL);
	assert_int_equal(number_parse_size("K", &v), -EINVAL);
	assert_int_equal(number_parse_size("1KB ", &v), -EINVAL);
	assert_int_equal(number_parse_size("1.", &v), -EINVAL);
	assert_int_equal(number_parse_size("16777216T", &v), -ERANGE);
	assert_true(ns_of("10") == 10000000000ull);
	assert_true(ns_of("1.5s") == 1500000000ull);
	assert_true(ns_of("250ms") == 250000000ull);
	assert_true(ns_of("3us") == 3000ull);
	assert_true(ns_of("0.0000000019s") == 1);
	assert_true(ns_of("2m") == 120000000000ull);
	assert_int_equal(number_parse_duration("1d", &v), -EINVAL);
	assert_int_equal(number_parse_duration("99999999999h", &v), -ERANGE);
	assert_int_equal(number_parse_share("5%", &share), 0);
	assert_true(share > 0.0499 && share < 0.0501);
	assert_int_equal(number_parse_share("0.05", &share), 0);
	assert_int_equal(number_parse_share("2", &share), -ERANGE);
	assert_int_equal(number_parse_share("nan", &share), -EINVAL);
}

static void check(const char *text, const char *want)
{
	char ret[256];
	size_t n = safe_text_copy(ret, sizeof(ret), text, (size_t)-1);

	assert_string_equal(ret, want);
	assert_int_equal(n, strlen(want));
}

static void test_text(void **state)
{
	(void)state;
	check("", "");
	check("plain name", "plain name");
	check("gr\xc3\xbc\xc3\x9f \xe4\xb8\xad \xf0\x9f\xa6\x80",
	      "gr\xc3\xbc\xc3\x9f \xe4\xb8\xad \xf0\x9f\xa6\x80");
	check("a\tb\nc\rd\x7f\x01", "a b c?d??");
	check("\x1b[31mred\x1b[0m", "?red?");
	check("\x1b]0;title\x07next", "?next");
	check("\x1b]8;;http://x\x1b\\link", "?link");
	check("\x1b]never ends", "?never ends");
	check("\x1bPdcs\x1b\\x\x1b"
	      "cy\x1b",
	      "?x?y?");
	check("\x1b[1;2", "?");
	check("\xc2\x9b"
	      "31m",
	      "?31m");
}

static void test_invalid_utf8(void **state)
{
	(void)state;
	check("\xff\xfe", "??");
	check("\xc0\x80", "??");
	check("\xe0\x80\x80", "???");
	check("\xed\xa0\x80", "???");
	check("\xf4\x90\x80\x80", "????");
	check("\xe4\xb8", "??");
	check("\x80x", "?x");
	check("\xc3(", "?(");
}

static void test_invisible(void **state)
{
	(void)state;
	check("a\xe2\x80\xae"
	      "b",
	      "a?b"); /* right-to-left override */
	check("a\xe2\x80\x8b"
	      "b",
	      "a?b"); /* zero width space */
	check("a\xe2\x81\xa6"
	      "b",
	      "a?b"); /* isolate */
	check("a\xe2\x80\xa8"
	      "b",
	      "a?b"); /* line separator */
	check("\xef\xbb\xbf"
	      "b",
	      "?b");
	check("a\xf3\xa0\x81\xa1", "a?"); /* tag */
}

static void test_bounds(void **state)
{
	char ret[4] = "xyz";

	(void)state;
	assert_int_equal(safe_text_copy(ret, 0, "abc", 3), 0);
	assert_string_equal(ret, "xyz");
	assert_int_equal(safe_text_copy(ret, 4, "ab\xc3\xbc", (size_t)-1), 2);
	assert_string_equal(ret, "ab");
	assert_int_equal(safe_text_copy(ret, 4, "abcdef", 2), 2);
	assert_int_equal(safe_text_copy(ret, 1, "abc", 3), 0);
	/* the input ends inside a character and is not terminated */
	assert_int_equal(safe_text_copy(ret, 4, "a\xe4\xb8\xad", 2), 2);
	assert_string_equal(ret, "a?");
}

static void test_noise(void **state)
{
	uint64_t x = 88172645463325252ull;
	char in[64], out[200];

	(void)state;
	for (int round = 0; round < 50000; round++) {
		size_t n;

		for (size_t i = 0; i < sizeof(in); i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			in[i] = x & 1 ? (char)(x >> 8) : "\x1b[]P\\\x07;m"[(x >> 8) & 7];
		}
		n = safe_text_copy(out, 1 + round % 199, in, sizeof(in));
		assert_int_equal(n, strlen(out));
		for (size_t i = 0; i < n; i++)
			assert_true((unsigned char)out[i] >= 0x20 && out[i] != 0x7f);
		/* what was made safe stays as it is */
		memcpy(in, out, n < sizeof(in) ? n : sizeof(in) - 1);
		in[n < sizeof(in) ? n : sizeof(in) - 1] = '\0';
		if (n < sizeof(in)) {
			assert_int_equal(safe_text_copy(out, sizeof(out), in, (size_t)-1), n);
			assert_string_equal(out, in);
		}
	}
}

static int nice_now(void)
{
	return getpriority(PRIO_PROCESS, 0);
}

/* With the right to raise it and without. */
static void test_priority(void **state)
{
	int own = nice_now();

	(void)state;
	{
		auto_priority int before = priority_raise();
		int raised = nice_now();

		assert_int_equal(before, own);
		assert_true(raised == -20 || raised == own);
		{
			auto_priority int placing = priority_rest();

			assert_int_equal(placing, raised);
			assert_int_equal(nice_now(), own);
		}
		assert_int_equal(nice_now(), raised);
		{
			auto_priority int again = priority_raise();

			assert_int_equal(again, raised);
		}
		assert_int_equal(nice_now(), raised);
	}
	assert_int_equal(nice_now(), own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_number),       cmocka_unit_test(test_units),
		cmocka_unit_test(test_unit_errors),  cmocka_unit_test(test_text),
		cmocka_unit_test(test_invalid_utf8), cmocka_unit_test(test_invisible),
		cmocka_unit_test(test_bounds),       cmocka_unit_test(test_noise),
		cmocka_unit_test(test_priority),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
