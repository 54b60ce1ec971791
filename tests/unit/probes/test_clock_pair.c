// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "probes/clock_pair.h"
#include "runtime/probe_points.h"

static void test_converts_both_ways_from_the_pair(void **state)
{
	const struct clock_pair c = { .stamp = 1000,
				      .mono_ns = 5000,
				      .mult = 1ull << 31 }; /* 0.5 ns per tick */

	(void)state;
	assert_int_equal(clock_pair_to_ns(&c, 1000), 5000);
	assert_int_equal(clock_pair_to_ns(&c, 3000), 6000);
	assert_int_equal(clock_pair_to_ns(&c, 0), 4500);
}

static void test_far_stamps_do_not_overflow(void **state)
{
	const struct clock_pair c = { .stamp = 0, .mono_ns = 0, .mult = 1ull << 31 };

	(void)state;
	assert_int_equal(clock_pair_to_ns(&c, 1ull << 60), 1ull << 59);
}

/* Records carry the low 56 bits only. */
static void test_widens_to_the_nearest(void **state)
{
	struct clock_pair c = { .stamp = (3ull << WEFT_STAMP_BITS) + 100 };

	(void)state;
	assert_int_equal(clock_pair_widen(&c, 90), (3ull << WEFT_STAMP_BITS) + 90);
	assert_int_equal(clock_pair_widen(&c, 110), (3ull << WEFT_STAMP_BITS) + 110);
	assert_int_equal(clock_pair_widen(&c, WEFT_STAMP_MASK), (3ull << WEFT_STAMP_BITS) - 1);
	c.stamp = (4ull << WEFT_STAMP_BITS) - 1;
	assert_int_equal(clock_pair_widen(&c, 5), (4ull << WEFT_STAMP_BITS) + 5);
}

static void test_fits_the_real_clock(void **state)
{
	struct clock_pair c;
	uint64_t before, after, ns;

	(void)state;
	clock_pair_init(&c);
	usleep(20000);
	before = clock_pair_now_ns();
	clock_pair_update(&c);
	after = clock_pair_now_ns();
	ns = clock_pair_to_ns(&c, c.stamp);
	assert_in_range(ns, before, after);
	assert_in_range(ns - c.first_ns, 19000000, 5000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_converts_both_ways_from_the_pair),
		cmocka_unit_test(test_far_stamps_do_not_overflow),
		cmocka_unit_test(test_widens_to_the_nearest),
		cmocka_unit_test(test_fits_the_real_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
