/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/executor/executor.h"
#include "runtime/executor/parker.h"
#include "runtime/executor/spin.h"

#define MS 1000000ull

static struct weft_spin spin;
static struct weft_parker parker;
static struct weft_timer_wheel wheel;

static int setup(void **state)
{
	(void)state;
	memset(&spin, 0, sizeof(spin));
	memset(&parker, 0, sizeof(parker));
	spin.on = true;
	weft_timer_wheel_init(&wheel, weft_clock_ns());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weft_timer_wheel_done(&wheel);
	return 0;
}

static bool try(void)
{
	return weft_spin_try(&spin, &parker, &wheel);
}

/* A sleep of so long; called: by another thread. The clock stands still but for that. */
static void sleep_for(uint64_t ns, bool called)
{
	weft_clock_fake = 1000 * MS;
	weft_spin_sleep(&spin);
	if (called)
		weft_spin_call(&spin);
	weft_clock_fake += ns;
	weft_spin_awake(&spin);
	weft_clock_fake = 0;
}

static void sleep_once(bool called)
{
	sleep_for(1000, called);
}

static void learn(void)
{
	/* Of the first it isn't known when it began. */
	for (int i = 0; i < 4; i++) {
		assert_false(try());
		sleep_once(true);
	}
}

/* Whether the next try looks, though nobody calls: that costs more each time. */
static bool looks(void)
{
	uint32_t penalty = spin.penalty;

	assert_false(try());
	return spin.penalty != penalty;
}

static void test_only_after_a_streak(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_false(looks());
		sleep_once(false); /* the driver's doing */
	}
	learn();
	assert_true(looks());
}

static void test_broken_streak(void **state)
{
	(void)state;
	learn();
	sleep_once(false);
	assert_false(looks());
	sleep_for(MS, true); /* too late to have been worth it */
	for (int i = 0; i < 2; i++) {
		assert_false(looks());
		sleep_once(true);
	}
	assert_false(looks());
	sleep_once(true);
	assert_true(looks());
}

static void test_less_often_for_nothing(void **state)
{
	unsigned passed = 0, expect = 1;

	(void)state;
	learn();
	for (unsigned miss = 0; miss < 6; miss++, expect = 2 * expect + 1) {
		assert_true(looks());
		for (passed = 0; spin.pause; passed++)
			assert_false(try());
		assert_int_equal(passed, expect);
	}
	parker.state = WEFT_PARKER_NOTIFIED;
	assert_true(try());
	parker.state = WEFT_PARKER_EMPTY;
	assert_true(looks());
	assert_int_equal(spin.pause, 1); /* forgiven */
}

static void *call_soon(void *unused)
{
	(void)unused;
	__atomic_store_n(&parker.state, WEFT_PARKER_NOTIFIED, __ATOMIC_RELEASE);
	return NULL;
}

static void test_sees_a_call(void **state)
{
	pthread_t thread;

	(void)state;
	learn();
	assert_int_equal(pthread_create(&thread, NULL, call_soon, NULL), 0);
	while (!try())
		spin.pause = 0; /* a loaded machine may need several */
	pthread_join(thread, NULL);
}

static void test_off(void **state)
{
	(void)state;
	learn();
	spin.on = false;
	assert_false(looks());
}

/* The shortest of some looks, ns. */
static uint64_t shortest(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 50; i++) {
		uint64_t from = weft_clock_ns(), took;

		spin.pause = 0;
		assert_true(looks());
		spin.penalty = 0;
		took = weft_clock_ns() - from;
		least = took < least ? took : least;
	}
	return least;
}

static void test_ends_at_a_deadline(void **state)
{
	struct weft_sleep sleep = { .deadline = weft_clock_ns() };

	(void)state;
	learn();
	assert_true(shortest() >= 100000);
	weft_timer_wheel_insert(&wheel, &sleep);
	assert_true(shortest() < 100000);
	weft_timer_wheel_remove(&wheel, &sleep);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_only_after_a_streak), T(test_broken_streak), T(test_less_often_for_nothing),
		T(test_sees_a_call),         T(test_off),           T(test_ends_at_a_deadline),
	};

	return cmocka_run_group_tests_name("runtime/spin", tests, NULL, NULL);
}
