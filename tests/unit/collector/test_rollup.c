/* SPDX-License-Identifier: MIT */
/* What rollups make of the tasks of one chunk after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "collector/store/chunk.h"
#include "collector/store/rollup.h"

struct told {
	uint64_t tasks, life_ns, brief_polls, site_polls, spawned, ended;
};

static void task_told(void *ctx, uint64_t second, uint64_t task, const struct rollup_sum *sum)
{
	(void)ctx;
	(void)second;
	(void)task;
	(void)sum;
}

static void site_told(void *ctx, uint64_t second, const struct rollup_site *site)
{
	struct told *t = ctx;

	(void)second;
	t->site_polls += site->sum.polls;
	t->spawned += site->spawned;
	t->ended += site->ended;
}

static void brief_told(void *ctx, const struct rollup_site *site)
{
	struct told *t = ctx;

	assert_int_equal(site->site, 2);
	t->tasks += site->spawned;
	t->life_ns += site->ended;
	t->brief_polls += site->sum.polls;
}

/* The last poll of a task that was born and ended in the chunk before comes late: it counts, and no task more. */
static void late_of_a_short_task(void **state)
{
	struct chunk_task first = { .task = 5,
				    .site = 2,
				    .spawned = true,
				    .ended = true,
				    .count = 6,
				    .polls = 4,
				    .life_ns = 1000 };
	struct chunk_task late = { .task = 5, .count = 1, .polls = 1 };
	struct told told = { 0 };
	const struct rollup_sink sink = { task_told, site_told, brief_told, &told };
	struct rollup *r = NULL;

	(void)state;
	assert_int_equal(rollup_new(&r), 0);
	rollup_add(r, 1, &first, 1, &sink);
	rollup_add(r, 1, &late, 1, &sink);
	rollup_flush(r, &sink);
	assert_int_equal(late.site, 2);
	assert_int_equal(told.tasks, 1);
	assert_int_equal(told.life_ns, 1000);
	assert_int_equal(told.brief_polls, 5);
	assert_int_equal(told.site_polls, 5);
	assert_int_equal(told.spawned, 1);
	assert_int_equal(told.ended, 1);
	rollup_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(late_of_a_short_task) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
