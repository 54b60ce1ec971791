/* SPDX-License-Identifier: MIT */
/*
 * Sleeps that no executor's queue ends, in all orders: that of a thread inside weft_block_on which only polls its
 * root and the tasks bound to it, and that of the driver until the next timer.
 */
#include "tests/unit/runtime/interleave_world.h"

#include "runtime/bound.c"
#include "runtime/executor/root.c"
#include "runtime/time/timer_wheel.c"

/* ---- the root's thread ---- */

static struct weft_task root;
static struct weft_bound bound;
static struct {
	struct weft_task task;
	struct weft_bound_tail tail[2]; /* room for one at whatever place */
} local;
static bool root_polled, local_polled;

/* The root ends once the task that is bound to its thread was polled, which wakes it then. */
static enum weft_task_next model_poll(struct weft_cx *cx, struct weft_task *what)
{
	(void)cx;
	if (what == &root) {
		root_polled = true;
		return local_polled ? WEFT_TASK_ENDED : WEFT_TASK_IDLE;
	}
	local_polled = true;
	if (root_polled)
		weft_root_wake(&root);
	return WEFT_TASK_IDLE;
}

static void reset_root(void)
{
	reset_world(0);
	root_polled = local_polled = false;
	memset(&root, 0, sizeof(root));
	memset(&local, 0, sizeof(local));
	root.rt = &model_rt;
	root.head.state = local.task.head.state = 9 * WEFT_TASK_REF;
	local.task.head.bytes = sizeof(local);
	here = NULL;
	weft_bound_begin(&bound, &root);
	memset(&bound.lock, 0, sizeof(bound.lock));
	weft_bound_enter(&bound, &local.task);
}

static void sleep_and_wake(unsigned me)
{
	weft_thread = (struct weft_thread){ .rt = NULL };
	here = me == 0 ? &bound : NULL;
	if (me == 0)
		weft_root_run(&model_rt, &root);
	else if (me == 1)
		weft_bound_schedule(&local.task);
	else
		weft_root_wake(&root);
}

static bool both_polled(void)
{
	return root_polled && local_polled;
}

static void test_root_sleeps(void **state)
{
	const struct interleave spec = { 3, 4, 4, reset_root, sleep_and_wake, both_polled };

	(void)state;
	own_also = (void **)(void *)&here;
	try_all("a root and a bound task", &spec);
	own_also = NULL;
	here = NULL;
}

/* ---- the driver and its timers ---- */

#define START (1ull << 30)
#define LATER (1ull << 40)

static struct weft_timer_wheel wheel;
static struct weft_sleep timer[2];
static uint64_t sleeps_until; /* the driver, at present */

static void reset_wheel(void)
{
	reset_world(0);
	memset(timer, 0, sizeof(timer));
	weft_timer_wheel_init(&wheel, START);
	memset(&wheel.lock, 0, sizeof(wheel.lock));
}

/* Ends in time: the earliest timer's. */
static bool is_called(const void *unused)
{
	(void)unused;
	return driver_wakes || sleeps_until == START + LATER;
}

static void turn_until_the_first(void)
{
	do {
		sleeps_until = weft_timer_wheel_next(&wheel, true);
		wait_until(is_called, NULL);
		driver_wakes = 0;
		weft_timer_wheel_unpark(&wheel);
	} while (sleeps_until != START + LATER);
}

static void turn_or_arm(unsigned me)
{
	if (me == 0) {
		turn_until_the_first();
		return;
	}
	timer[me - 1].deadline = START + LATER * me;
	if (weft_timer_wheel_insert(&wheel, &timer[me - 1]))
		driver_wakes++;
}

static bool has_woken(void)
{
	return sleeps_until == START + LATER;
}

static void test_driver_sleeps(void **state)
{
	const struct interleave one = { 2,           INTERLEAVE_UNBOUNDED, 4,
					reset_wheel, turn_or_arm,          has_woken };
	const struct interleave two = { 3, 4, 4, reset_wheel, turn_or_arm, has_woken };

	(void)state;
	try_all("the driver and a timer", &one);
	try_all("the driver and two timers", &two);
}

static int teardown(void **state)
{
	(void)state;
	weft_trace_thread_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root_sleeps),
		cmocka_unit_test(test_driver_sleeps),
	};

	return cmocka_run_group_tests_name("runtime/interleave_sleep", tests, setup, teardown);
}
