// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "probes/symbols/demangle.h"

static void check(const char *symbol, bool mangled, const char *want)
{
	char text[160];

	assert_int_equal(demangle(symbol, text, sizeof(text)), mangled);
	assert_string_equal(text, want);
}

static void test_rust_legacy(void **state)
{
	(void)state;
	check("_ZN4core3fmt9Formatter9write_str17h0123456789abcdefE", true,
	      "core::fmt::Formatter::write_str");
	check("_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar17h0123456789abcdefE",
	      true, "<Test + 'static as foo::Bar<Test>>::bar");
	check("_ZN5tokio7runtime4task4core17Core$LT$T$C$S$GT$4poll17h0123456789abcdefE", true,
	      "tokio::runtime::task::core::Core<T,S>::poll");
	check("_ZN3foo3bar28_$u7b$$u7b$closure$u7d$$u7d$17h05af221e174051e9E.llvm.1234567890", true,
	      "foo::bar::{{closure}}");
}

static void test_rust_v0(void **state)
{
	(void)state;
	check("_RNvCs1234_7mycrate3foo", true, "mycrate::foo");
	check("_RNCNvC5krate4main0", true, "krate::main::{closure#0}");
	check("_RINvNtC3std3mem8align_ofjE", true, "std::mem::align_of::<usize>");
	check("_RNvC5krate3foo.llvm.99", true, "krate::foo");
}

static void test_cpp(void **state)
{
	(void)state;
	check("_ZN3foo3barEi", true, "foo::bar(int)");
	check("_ZNSt6vectorIiSaIiEE9push_backERKi", true,
	      "std::vector<int, std::allocator<int> >::push_back(int const&)");
	check("_ZN3fooC1Ev", true, "foo::foo()");
}

static void test_plain(void **state)
{
	char text[8];

	(void)state;
	check("main", false, "main");
	check("", false, "");
	check("_Z", false, "_Z");
	check("_R", false, "_R");
	check("_ZN", false, "_ZN");
	check("_Zomething_else", false, "_Zomething_else");
	assert_false(demangle("longer_than_that", text, sizeof(text)));
	assert_string_equal(text, "long...");
	assert_true(demangle("_ZN3foo3barEi", text, sizeof(text)));
	assert_string_equal(text, "foo:...");
	assert_false(demangle("x", text, 1));
	assert_string_equal(text, "");
	assert_false(demangle("x", text, 0));
}

/* Every level doubles the text: 2^40 characters if somebody wrote them all. */
static void test_explosive(void **state)
{
	char symbol[4096] = "_Z1fI1AIiiE", text[160];
	struct timespec a, b;

	(void)state;
	for (int i = 0; i < 40; i++) {
		char part[32];

		snprintf(part, sizeof(part), i < 10 ? "S_IS%d_S%d_E" : "S_IS%c_S%c_E",
			 i < 10 ? i : 'A' + i - 10, i < 10 ? i : 'A' + i - 10);
		strcat(symbol, part);
	}
	strcat(symbol, "Evv");
	clock_gettime(CLOCK_MONOTONIC, &a);
	demangle(symbol, text, sizeof(text));
	for (int i = 0; i < 2000; i++) {
		memset(symbol, 'S', sizeof(symbol) - 1);
		memcpy(symbol, "_RINvC1a1b", 10);
		for (int k = 10; k + 8 < 2000; k += 8)
			memcpy(symbol + k, "TB8_B8_E", 8);
		symbol[1990] = '\0';
		demangle(symbol, text, sizeof(text));
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true(b.tv_sec - a.tv_sec < 20);
}

static void test_noise(void **state)
{
	static const char letters[] = "_ZNRCIKLE0123456789STJabcijvs$.u";
	uint64_t x = 88172645463325252ull;
	char symbol[300], text[160];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t n = 2 + round % 290;

		for (size_t i = 2; i < n; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			symbol[i] = letters[x % (sizeof(letters) - 1)];
		}
		memcpy(symbol, round % 2 ? "_Z" : "_R", 2);
		symbol[n] = '\0';
		demangle(symbol, text, 1 + round % 160);
		assert_true(strlen(text) < 160);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rust_legacy), cmocka_unit_test(test_rust_v0),
		cmocka_unit_test(test_cpp),         cmocka_unit_test(test_plain),
		cmocka_unit_test(test_explosive),   cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("demangle", tests, NULL, NULL);
}
