/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/executor/executor.h"
#include "runtime/time/sleep.h"
#include "runtime/time/timer_wheel.h"

#define N  3000
#define MS 1000000ull

static struct weft_timer_wheel wheel;
static struct weft_sleep entry[N];
static struct weft_task task;
static struct weft_runtime rt;

/* A task that is RUNNING: notify never asks for scheduling. */
static int setup(void **state)
{
	(void)state;
	memset(entry, 0, sizeof(entry));
	memset(&task, 0, sizeof(task));
	task.head.id = 1;
	task.head.state = WEFT_T_RUNNING | WEFT_TASK_REF;
	task.rt = &rt;
	weft_timer_wheel_init(&wheel, 5 * MS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weft_timer_wheel_done(&wheel);
	return 0;
}

static void arm(struct weft_sleep *e, uint64_t deadline)
{
	e->deadline = deadline;
	e->task = &task;
	weft_timer_wheel_insert(&wheel, e);
}

static unsigned advance(uint64_t now)
{
	struct weft_task *first;
	unsigned tasks;

	return weft_timer_wheel_advance(&wheel, now, &first, &tasks);
}

static void test_exact_inside_a_slot(void **state)
{
	(void)state;
	arm(&entry[0], 10 * MS + 3000);
	arm(&entry[1], 10 * MS + 1000);
	arm(&entry[2], 10 * MS + 2000);
	assert_int_equal(weft_timer_wheel_next(&wheel, false), 10 * MS + 1000);
	assert_int_equal(advance(10 * MS + 999), 0);
	assert_int_equal(advance(10 * MS + 1000), 1);
	assert_int_equal(entry[1].state, WEFT_SLEEP_FIRED);
	assert_int_equal(weft_timer_wheel_next(&wheel, false), 10 * MS + 2000);
	assert_int_equal(advance(10 * MS + 2500), 1);
	assert_int_equal(advance(10 * MS + 3000), 1);
	assert_true(weft_timer_wheel_next(&wheel, false) == UINT64_MAX);
}

static void test_past_far_and_removed(void **state)
{
	(void)state;
	arm(&entry[0], 1);              /* long past */
	arm(&entry[1], UINT64_MAX - 1); /* the end of time */
	arm(&entry[2], 3600000 * MS);
	assert_int_equal(weft_timer_wheel_next(&wheel, false), 1);
	assert_int_equal(advance(5 * MS), 1);
	assert_true(weft_timer_wheel_remove(&wheel, &entry[2]));
	assert_false(weft_timer_wheel_remove(&wheel, &entry[2]));
	assert_int_equal(advance(4000000 * MS), 0);
	assert_true(weft_timer_wheel_next(&wheel, false) == UINT64_MAX - 1);
	assert_int_equal(wheel.armed, 1);
	assert_int_equal(advance(UINT64_MAX), 1);
}

static void test_wake_of_the_parked_driver(void **state)
{
	(void)state;
	entry[0] = (struct weft_sleep){ .task = &task, .deadline = 50 * MS };
	entry[1] = (struct weft_sleep){ .task = &task, .deadline = 60 * MS };
	entry[2] = (struct weft_sleep){ .task = &task, .deadline = 40 * MS };
	assert_false(weft_timer_wheel_insert(&wheel, &entry[0])); /* nobody is parked */
	assert_int_equal(weft_timer_wheel_next(&wheel, true), 50 * MS);
	assert_false(weft_timer_wheel_insert(&wheel, &entry[1]));
	assert_true(weft_timer_wheel_insert(&wheel, &entry[2]));
	weft_timer_wheel_unpark(&wheel);
	advance(100 * MS);
}

/*
 * Against brute force: each fires in the first advance at or after its deadline, and `next` is
 * the minimum.
 */
static void test_random(void **state)
{
	uint64_t now = 5 * MS;

	(void)state;
	srand(7);
	for (int i = 0; i < N; i++) {
		uint64_t span = 1ull << (10 + rand() % 34);

		arm(&entry[i], now + (uint64_t)rand() * 31 % span);
	}
	while (wheel.armed) {
		uint64_t first = UINT64_MAX;

		for (int i = 0; i < N; i++)
			if (entry[i].state == WEFT_SLEEP_ARMED && entry[i].deadline < first)
				first = entry[i].deadline;
		assert_true(weft_timer_wheel_next(&wheel, false) == first);
		now = first + (rand() % 2 ? 0 : (uint64_t)rand() % (1u << rand() % 30));
		advance(now);
		for (int i = 0; i < N; i++) {
			assert_int_equal(entry[i].state == WEFT_SLEEP_FIRED,
					 entry[i].deadline <= now);
			if (entry[i].state == WEFT_SLEEP_ARMED && rand() % 500 == 0) {
				assert_true(weft_timer_wheel_remove(&wheel, &entry[i]));
				arm(&entry[i], entry[i].deadline + (uint64_t)rand() % MS);
			}
		}
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000 * MS + (uint64_t)ts.tv_nsec;
}

/* CPU time of many looks for the next deadline. */
static uint64_t looks(void)
{
	uint64_t from = cpu_ns();

	for (int i = 0; i < 20000; i++)
		assert_true(weft_timer_wheel_next(&wheel, true) != UINT64_MAX);
	return cpu_ns() - from;
}

/* Limits of idle connections: far away and all in one slot. A driver looks each time before it sleeps. */
static void test_many_in_a_slot(void **state)
{
	uint64_t base, few, late;

	(void)state;
	__atomic_store_n(&weft_clock_fake, 1ull << 50, __ATOMIC_RELAXED);
	advance(1ull << 50);
	base = (1ull << 50) + 30000 * MS;
	for (int i = 0; i < 10; i++)
		arm(&entry[i], base + (uint64_t)i);
	few = looks();
	for (int i = 10; i < N; i++)
		arm(&entry[i], base + (uint64_t)i);
	assert_true(looks() < 20 * few);

	assert_int_equal(weft_timer_wheel_next(&wheel, true), base);
	for (int i = 0; i < 5; i++)
		weft_timer_wheel_remove(&wheel, &entry[i]);
	/* Early, not past, and exact once that time has come. */
	assert_in_range(weft_timer_wheel_next(&wheel, true), (1ull << 50) + 1, base + 5);
	late = base + 3;
	__atomic_store_n(&weft_clock_fake, late, __ATOMIC_RELAXED);
	assert_int_equal(advance(late), 0);
	assert_int_equal(weft_timer_wheel_next(&wheel, true), base + 5);
	assert_int_equal(advance(base + 5), 1);
	assert_int_equal(advance(base + N), N - 6);
	assert_true(weft_timer_wheel_next(&wheel, true) == UINT64_MAX);
	__atomic_store_n(&weft_clock_fake, 0, __ATOMIC_RELAXED);
}

static void test_purge(void **state)
{
	struct weft_task *block = calloc(1, 4096);
	struct weft_sleep *inside = (struct weft_sleep *)(void *)(block->frame + 64);

	(void)state;
	block->head.bytes = 4096;
	*inside = (struct weft_sleep){ .task = &task, .deadline = 70 * MS };
	weft_timer_wheel_insert(&wheel, inside);
	arm(&entry[0], 70 * MS);
	assert_int_equal(weft_timer_wheel_purge(&wheel, block), 1);
	free(block);
	assert_int_equal(advance(80 * MS), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_exact_inside_a_slot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_past_far_and_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wake_of_the_parked_driver, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_in_a_slot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_purge, setup, teardown),
	};

	return cmocka_run_group_tests_name("runtime/timer_wheel", tests, NULL, NULL);
}
