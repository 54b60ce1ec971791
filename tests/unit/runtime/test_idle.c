/* SPDX-License-Identifier: MIT */
/* Who may search and who is woken; that no wake-up is lost is for test_interleave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/executor/idle.h"

static unsigned searchers(struct weft_idle *idle)
{
	unsigned n = 0;

	while (weft_idle_search(idle))
		n++;
	return n;
}

static void test_at_most_half_search(void **state)
{
	static const uint32_t half[] = { 0, 1, 1, 2, 2, 3, 3, 4, 4 };
	struct weft_idle idle = { 0 };

	(void)state;
	for (uint32_t workers = 1; workers <= 8; workers++) {
		assert_int_equal(weft_idle_init(&idle, workers, workers), 0);
		assert_int_equal(searchers(&idle), half[workers]);
		for (uint32_t i = half[workers]; i > 1; i--)
			assert_false(weft_idle_search_end(&idle));
		assert_int_equal(searchers(&idle), half[workers] - 1);
		while (!weft_idle_search_end(&idle))
			;
		assert_int_equal(searchers(&idle), half[workers]);
		weft_idle_done(&idle);
	}
}

/* One at a time: whoever searches wakes the next when it has found something. */
static void test_woken_one_by_one(void **state)
{
	struct weft_idle idle = { 0 };

	(void)state;
	assert_int_equal(weft_idle_init(&idle, 4, 4), 0);
	assert_int_equal(weft_idle_pick(&idle), -1); /* all are awake */
	for (uint32_t i = 0; i < 3; i++)
		assert_false(weft_idle_park(&idle, i, false));
	assert_int_equal(weft_idle_pick(&idle), 2); /* the one whose caches are warmest */
	assert_false(weft_idle_parked(&idle, 2));
	assert_int_equal(weft_idle_pick(&idle), -1); /* one searches already */
	assert_true(weft_idle_search_end(&idle));
	assert_int_equal(weft_idle_pick(&idle), 1);
	assert_true(weft_idle_park(&idle, 1, true)); /* the last searcher looks again */
	assert_true(weft_idle_unpark(&idle, 0));     /* by itself */
	assert_false(weft_idle_unpark(&idle, 0));
	weft_idle_done(&idle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_most_half_search),
		cmocka_unit_test(test_woken_one_by_one),
	};

	return cmocka_run_group_tests_name("runtime/idle", tests, NULL, NULL);
}
