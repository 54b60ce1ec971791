/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tui/format.h"

static void test_ns(void **state)
{
	(void)state;
	assert_string_equal(format_ns(0).s, "0 ns");
	assert_string_equal(format_ns(41000).s, "41 us");
	assert_string_equal(format_ns(2100000).s, "2.1 ms");
	assert_string_equal(format_ns(610000).s, "610 us");
	assert_string_equal(format_ns(1840000000).s, "1.84 s");
	assert_string_equal(format_ns(999999999).s, "1.00 s");
	assert_string_equal(format_ns(UINT64_MAX).s, "?");
	for (uint64_t ns = 1; ns < 999000000000ull; ns = ns * 11 / 10 + 1)
		assert_true(strlen(format_ns(ns).s) <= 6);
}

static void test_age(void **state)
{
	(void)state;
	assert_string_equal(format_age(58000000000ull).s, "58s");
	assert_string_equal(format_age(192000000000ull).s, "3m12s");
	assert_string_equal(format_age(7500000000000ull).s, "2h05m");
	assert_string_equal(format_age(97ull * 3600 * 1000000000).s, "4d01h");
	assert_string_equal(format_at_least(192000000000ull).s, ">3m12s");
	assert_string_equal(format_at_least(UINT64_MAX).s, "?");
}

static void test_numbers(void **state)
{
	(void)state;
	assert_string_equal(format_count(1204).s, "1,204");
	assert_string_equal(format_count(999).s, "999");
	assert_string_equal(format_count(12345678).s, "12,345,678");
	assert_string_equal(format_count(UINT64_MAX).s, "?");
	assert_string_equal(format_short(41200).s, "41.2k");
	assert_string_equal(format_short(410).s, "410");
	assert_string_equal(format_short(0.5).s, "0.5");
	assert_string_equal(format_short(3).s, "3");
	assert_string_equal(format_short(999.7).s, "1.0k");
	assert_string_equal(format_short(NAN).s, "?");
	assert_string_equal(format_bytes(812.0 * 1024 * 1024).s, "812M");
	assert_string_equal(format_bytes(960).s, "960B");
	assert_string_equal(format_bytes((double)UINT64_MAX).s, "?");
	assert_string_equal(format_per_s(4).s, "+4/s");
	assert_string_equal(format_per_s(-1200).s, "-1.2k/s");
	assert_string_equal(format_per_s(0).s, "");
	assert_string_equal(format_clock(7447000000000ull).s, "02:04:07Z");
	assert_string_equal(format_clock(0).s, "?");
}

static void clean_is(const char *in, const char *out)
{
	char text[64];

	assert_int_equal(format_clean(text, sizeof(text), in), strlen(out));
	assert_string_equal(text, out);
}

static void test_clean(void **state)
{
	(void)state;
	clean_is("plain", "plain");
	clean_is("\033[2J\a\n\t\177", "??  ?");
	clean_is("\xc3\xa4\xe2\x82\xac", "\xc3\xa4\xe2\x82\xac");
	clean_is("\xc2\x9b"
		 "31m",
		 "?31m"); /* C1 CSI as UTF-8 */
	clean_is("\x9b"
		 "31m",
		 "?31m"); /* and as a byte */
	clean_is("a\xe2\x80\xae"
		 "b",
		 "a?b");                                /* right-to-left override */
	clean_is("\xff\xc0\x80\xed\xa0\x80", "??????"); /* no UTF-8, overlong, surrogate */
	clean_is("\xe2\x82", "??");                     /* cut short */
	clean_is("\xf3\xa0\x80\x81", "?");              /* invisible tag */
}

static void test_clean_cuts_at_a_character(void **state)
{
	char text[6];

	(void)state;
	assert_int_equal(format_clean(text, sizeof(text), "\xe2\x82\xac\xe2\x82\xac"), 3);
	assert_string_equal(text, "\xe2\x82\xac");
	assert_int_equal(format_clean(text, 1, "x"), 0);
}

/* No byte sequence brings a control character out. */
static void test_clean_of_anything(void **state)
{
	char in[257], out[1024];
	uint32_t x = 12345;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		for (size_t i = 0; i < sizeof(in) - 1; i++) {
			x = x * 1664525 + 1013904223;
			in[i] = (char)(x >> 24);
		}
		in[sizeof(in) - 1] = 0;
		format_clean(out, sizeof(out), in);
		for (const unsigned char *p = (const unsigned char *)out; *p; p++) {
			assert_true(*p >= 0x20 && *p != 0x7f);
			assert_false(*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ns),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_clean_cuts_at_a_character),
		cmocka_unit_test(test_clean_of_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
