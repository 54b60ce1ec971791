/* SPDX-License-Identifier: MIT */
/* Walking an executor's tasks, over blocks that this process laid out as async-executor does. The real one: tests/e2e. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "probes/rust/executor_walk.h"

#define TASKS 1000u

/* A block: vtable, state, awaiter, the scheduler's Arc. */
enum { VTABLE, STATE, AWAITER, SCHEDULE = 5, WORDS = 8 };

static uint64_t vtable[8], waker_vtable[4];
static struct rust_type type;
static struct rust_plan plan;
static uint64_t block[TASKS][WORDS], entry[TASKS][2], state[256];
static unsigned char found[TASKS];
static unsigned strangers;
static int waker_first;

static uint64_t address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static struct rust_walk_target target(void)
{
	return (struct rust_walk_target){ .pid = getpid(), .plan = &plan };
}

static void put(unsigned i)
{
	entry[i][!waker_first] = address(waker_vtable);
	entry[i][waker_first] = address(block[i]);
}

/* The slab in word `at` of the state, its vector's words as this or that compiler orders them. */
static void lay_out(unsigned at, bool capacity_first)
{
	memset(state, 0, sizeof(state));
	state[at + capacity_first] = address(entry);
	state[at + !capacity_first] = TASKS;
	state[at + 2] = TASKS;
	state[at + 3] = TASKS;
	state[at + 4] = TASKS;
}

static int setup(void **ctx)
{
	(void)ctx;
	type = (struct rust_type){ .vtable = address(vtable),
				   .family = RUST_ASYNC_TASK,
				   .schedule_offset = 8 * SCHEDULE };
	plan = (struct rust_plan){ .types = &type, .n_types = 1 };
	plan.layout[RUST_ASYNC_TASK] = (struct rust_layout){ .state = 8 * STATE, .vtable = 0 };
	memset(found, 0, sizeof(found));
	strangers = 0;
	waker_first = 0;
	for (unsigned i = 0; i < TASKS; i++) {
		memset(block[i], 0, sizeof(block[i]));
		block[i][VTABLE] = address(vtable);
		block[i][STATE] = 1ull << RUST_ASYNC_REF_SHIFT | RUST_ASYNC_SCHEDULED;
		block[i][SCHEDULE] = address(state);
		put(i);
	}
	lay_out(40, true);
	return 0;
}

static void on_task(void *ctx, const struct rust_walk_task *t)
{
	uint64_t i = (t->header - address(block)) / sizeof(block[0]);

	(void)ctx;
	if (t->header < address(block) || i >= TASKS)
		strangers++;
	else
		found[i]++;
}

static unsigned walk(void)
{
	struct rust_walk_target t = target();
	struct rust_walk_result result;
	struct rust_executor e;
	unsigned n = 0;

	assert_int_equal(rust_executor_of(&t, address(block[0]), &e), 0);
	assert_int_equal(rust_executor_walk(&t, &e, TASKS, on_task, NULL, &result), 0);
	assert_true(result.whole);
	for (unsigned i = 0; i < TASKS; i++)
		n += found[i] == 1;
	assert_int_equal(n, result.tasks);
	assert_int_equal(strangers, 0);
	return n;
}

static void test_all(void **ctx)
{
	(void)ctx;
	assert_int_equal(walk(), TASKS);
}

static void test_orders(void **ctx)
{
	for (unsigned i = 0; i < 4; i++) {
		setup(ctx);
		waker_first = i & 1;
		for (unsigned k = 0; k < TASKS; k++)
			put(k);
		lay_out(17 + i, i & 2);
		assert_int_equal(walk(), TASKS);
	}
}

/* Places that are free: the vtable's word is 0, the other is the next free one. */
static void test_free_places(void **ctx)
{
	(void)ctx;
	for (unsigned i = 1; i < TASKS; i += 2) {
		entry[i][1] = 0;
		entry[i][0] = i < 900 ? i + 2 : 0;
	}
	state[43] = TASKS / 2;
	assert_int_equal(walk(), TASKS / 2);
}

/* Only the last one is left; what is searched for first is free. */
static void test_one_far_away(void **ctx)
{
	struct rust_walk_target t = target();
	struct rust_executor e;

	(void)ctx;
	for (unsigned i = 0; i + 1 < TASKS; i++)
		entry[i][0] = entry[i][1] = 0;
	state[43] = 1;
	assert_int_equal(rust_executor_of(&t, address(block[TASKS - 1]), &e), 0);
	assert_int_equal(walk(), 1);
}

/* The executor is gone, and its memory something else. */
static void test_gone(void **ctx)
{
	struct rust_walk_target t = target();
	struct rust_walk_result result;
	struct rust_executor e;

	(void)ctx;
	assert_int_equal(rust_executor_find(&t, address(state), &e), 0);
	memset(entry, 0x5a, sizeof(entry));
	assert_int_equal(rust_executor_walk(&t, &e, TASKS, on_task, NULL, &result), -ESRCH);
	state[41] = 8; /* unmapped */
	assert_int_equal(rust_executor_walk(&t, &e, TASKS, on_task, NULL, &result), -ESRCH);
	assert_int_equal(rust_executor_find(&t, address(state), &e), -ENOENT);
	assert_int_equal(rust_executor_find(&t, 8, &e), -ESRCH);
	assert_int_equal(rust_executor_find(&t, address(state) + 4, &e), -ESRCH);
}

/* Numbers that a hostile target would like us to believe. */
static void test_nonsense(void **ctx)
{
	struct rust_walk_target t = target();
	struct rust_executor e;

	(void)ctx;
	state[40] = state[42] = UINT64_MAX;
	assert_int_equal(rust_executor_find(&t, address(state), &e), -ENOENT);
	state[40] = state[42] = 1ull << 40;
	assert_int_equal(rust_executor_find(&t, address(state), &e), -ENOENT);
	lay_out(40, true);
	state[44] = TASKS + 1;
	assert_int_equal(rust_executor_find(&t, address(state), &e), -ENOENT);
	lay_out(40, true);
	type.schedule_offset = 0;
	assert_int_equal(rust_executor_of(&t, address(block[0]), &e), -ESRCH);
	plan.layout[RUST_ASYNC_TASK].state = 4096;
	assert_int_equal(rust_executor_find(&t, address(state), &e), -ENOENT);
}

static void test_limit(void **ctx)
{
	struct rust_walk_target t = target();
	struct rust_walk_result result;
	struct rust_executor e;

	(void)ctx;
	assert_int_equal(rust_executor_of(&t, address(block[0]), &e), 0);
	assert_int_equal(rust_executor_walk(&t, &e, 10, on_task, NULL, &result), 0);
	assert_int_equal(result.tasks, 10);
	assert_false(result.whole);
}

/* A queue has tasks, too, each beside a count of rounds, and sizes of its own: it lies before the slab. */
static void test_queue_before(void **ctx)
{
	static uint64_t slot[64][2];

	(void)ctx;
	for (unsigned i = 0; i < 64; i++) {
		slot[i][0] = 128 * 64 + 8 * i;
		slot[i][1] = address(block[i % 3]);
	}
	state[20] = 512;
	state[21] = address(slot);
	state[22] = state[23] = state[24] = 64;
	assert_int_equal(walk(), TASKS);
}

/* The waker of who awaits it lies in the header, as that one's header and a table, in either order. */
static void test_awaiter(void **ctx)
{
	struct rust_walk_task of = { address(block[5]), 0, RUST_ASYNC_AWAITER, 0, &type }, by;
	struct rust_walk_target t = target();

	(void)ctx;
	assert_false(rust_executor_awaiter(&t, &of, &by));
	for (unsigned data = 0; data < 2; data++) {
		block[5][AWAITER + data] = address(block[9]);
		block[5][AWAITER + !data] = address(waker_vtable);
		assert_true(rust_executor_awaiter(&t, &of, &by));
		assert_int_equal(by.header, address(block[9]));
	}
	of.state = 0;
	assert_false(rust_executor_awaiter(&t, &of, &by));
	of.state = RUST_ASYNC_AWAITER;
	block[5][AWAITER] = block[5][AWAITER + 1] = address(block[9]) + 8;
	assert_false(rust_executor_awaiter(&t, &of, &by));
	block[5][AWAITER] = ~7ull;
	assert_false(rust_executor_awaiter(&t, &of, &by));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_all, setup),
		cmocka_unit_test_setup(test_orders, setup),
		cmocka_unit_test_setup(test_free_places, setup),
		cmocka_unit_test_setup(test_one_far_away, setup),
		cmocka_unit_test_setup(test_gone, setup),
		cmocka_unit_test_setup(test_nonsense, setup),
		cmocka_unit_test_setup(test_limit, setup),
		cmocka_unit_test_setup(test_queue_before, setup),
		cmocka_unit_test_setup(test_awaiter, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
