/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/order.h"

static struct record at(uint64_t t)
{
	return (struct record){ .t_ns = t, .kind = WEFT_K_TASK_POLL };
}

static void fill(struct order *o, unsigned run, uint64_t from, uint64_t step, size_t n)
{
	struct record *r = order_room(o, run, n);

	for (size_t i = 0; i < n; i++)
		r[i] = at(from + i * step);
	order_filled(o, run, n);
}

static size_t take_all(struct order *o, uint64_t until, uint64_t *last, size_t *late)
{
	struct record out[100];
	size_t n, all = 0;

	while ((n = order_take(o, until, out, 100))) {
		for (size_t i = 0; i < n; i++) {
			if (out[i].flags & RECORD_LATE)
				(*late)++;
			else
				assert_true(out[i].t_ns >= *last);
			if (out[i].t_ns > *last)
				*last = out[i].t_ns;
		}
		all += n;
	}
	return all;
}

static void merges_runs(void **state)
{
	struct order *o;
	uint64_t last = 0;
	size_t late = 0;

	(void)state;
	assert_int_equal(order_new(0, &o), 0);
	for (unsigned i = 0; i < 20; i++)
		fill(o, (unsigned)order_run(o), i, 7 + i, 500);
	order_watermark(o, 1000);
	assert_true(take_all(o, UINT64_MAX, &last, &late) > 0);
	assert_true(last < 1000);
	order_watermark(o, 100000);
	take_all(o, UINT64_MAX, &last, &late);
	assert_int_equal(order_pending(o), 0);
	assert_int_equal(late, 0);
	order_free(o);
}

static void stops_at_until(void **state)
{
	struct order *o;
	uint64_t last = 0;
	size_t late = 0;

	(void)state;
	assert_int_equal(order_new(0, &o), 0);
	fill(o, (unsigned)order_run(o), 0, 10, 100);
	order_watermark(o, 5000);
	assert_int_equal(take_all(o, 500, &last, &late), 50);
	assert_int_equal(last, 490);
	order_free(o);
}

/* What comes unsorted is sorted, whatever it takes. */
static void takes_unsorted(void **state)
{
	struct order *o;
	uint64_t last = 0;
	size_t late = 0;
	unsigned seed = 1;

	(void)state;
	assert_int_equal(order_new(0, &o), 0);
	for (unsigned i = 0; i < 2000; i++) {
		struct record r;

		seed = seed * 1103515245u + 12345u;
		r = at(seed >> 12);
		assert_int_equal(order_put(o, &r), 0);
	}
	order_watermark(o, UINT64_MAX);
	assert_int_equal(take_all(o, UINT64_MAX, &last, &late), 2000);
	assert_int_equal(late, 0);
	order_free(o);
}

static void flags_late(void **state)
{
	struct order *o;
	struct record r = at(10);
	uint64_t last = 0;
	size_t late = 0;

	(void)state;
	assert_int_equal(order_new(0, &o), 0);
	fill(o, (unsigned)order_run(o), 0, 10, 100);
	order_watermark(o, 600);
	take_all(o, UINT64_MAX, &last, &late);
	assert_int_equal(order_put(o, &r), 0);
	assert_int_equal(take_all(o, UINT64_MAX, &last, &late), 1);
	assert_int_equal(late, 1);
	order_free(o);
}

/* No watermark ever: memory stays bounded, nothing is dropped. */
static void bounded(void **state)
{
	struct order *o;
	uint64_t last = 0;
	size_t late = 0, got = 0;
	unsigned run;

	(void)state;
	assert_int_equal(order_new(1000, &o), 0);
	run = (unsigned)order_run(o);
	for (unsigned i = 0; i < 100; i++) {
		fill(o, run, i * 1000, 10, 100);
		got += take_all(o, UINT64_MAX, &last, &late);
		assert_true(order_pending(o) <= 1000);
	}
	order_watermark(o, UINT64_MAX);
	got += take_all(o, UINT64_MAX, &last, &late);
	assert_int_equal(got, 10000);
	assert_int_equal(late, 0);
	order_free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merges_runs),    cmocka_unit_test(stops_at_until),
		cmocka_unit_test(takes_unsorted), cmocka_unit_test(flags_late),
		cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
