/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/arch.h"
#include "runtime/base/clock.h"
#include "runtime/executor/parker.h"

#define ROUNDS 2000000u
#define LAST_NS \
	20000000000ull /* for fewer rounds, on a machine so busy that each waits for a processor */
#define DELAYS  64u
#define LOOKS   10000u
#define LOST_NS 10000000000ull /* asleep for so long beside something to do: nobody will come */

static struct weft_parker parker;
static uint32_t given, taken; /* calls, and what the sleeper has seen of them */
static bool over;

static void call_once(void)
{
	/* Relaxed, as all here: the parker is what orders them. */
	__atomic_store_n(&given, given + 1, __ATOMIC_RELAXED);
	weft_parker_unpark(&parker, NULL);
}

/*
 * Two calls, the second at all times after the first: also when the sleeper takes the first back. Then nobody
 * calls until both were seen: one that is lost stays lost.
 */
static void *call(void *arg)
{
	uint64_t until = weft_clock_ns() + LAST_NS;

	(void)arg;
	for (uint32_t i = 0; i < ROUNDS && weft_clock_ns() < until; i++) {
		call_once();
		for (unsigned n = i % DELAYS; n; n--)
			arch_relax();
		call_once();
		for (unsigned n = 1; __atomic_load_n(&taken, __ATOMIC_RELAXED) != given; n++) {
			if (n % 1024 == 0)
				sched_yield();
			arch_relax();
		}
	}
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	weft_parker_unpark(&parker, NULL);
	return NULL;
}

/* A while awake, as a worker that expects to be called. */
static void linger(void)
{
	for (unsigned n = LOOKS; n; n--) {
		if (__atomic_load_n(&parker.state, __ATOMIC_RELAXED) == WEFT_PARKER_NOTIFIED)
			return;
		arch_relax();
	}
}

static void test_no_call_is_lost(void **state)
{
	uint32_t lost = 0, refused = 0;
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, call, NULL);
	for (;;) {
		uint64_t from;

		__atomic_store_n(&taken, __atomic_load_n(&given, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
		if (__atomic_load_n(&over, __ATOMIC_RELAXED))
			break;
		linger();
		if (!weft_parker_sleep(&parker, WEFT_PARKER_ON_FUTEX)) {
			refused++;
			continue;
		}
		from = weft_clock_ns();
		weft_parker_wait(&parker, LOST_NS);
		/* Not one that came late, on a machine that is busy: it has ended the sleep, or isn't given yet. */
		lost += weft_clock_ns() - from > LOST_NS / 2 &&
			__atomic_load_n(&parker.state, __ATOMIC_RELAXED) == WEFT_PARKER_ON_FUTEX &&
			__atomic_load_n(&given, __ATOMIC_RELAXED) != taken;
		weft_parker_awake(&parker);
	}
	pthread_join(thread, NULL);
	assert_int_equal(lost, 0);
	assert_true(refused > 0);
}

static void test_a_call_before_the_sleep(void **state)
{
	struct weft_parker p = { .state = WEFT_PARKER_EMPTY };

	(void)state;
	weft_parker_unpark(&p, NULL);
	weft_parker_unpark(&p, NULL);
	assert_false(weft_parker_sleep(&p, WEFT_PARKER_ON_FUTEX));
	assert_true(weft_parker_sleep(&p, WEFT_PARKER_ON_FUTEX)); /* both were one */
	weft_parker_awake(&p);
	assert_int_equal(p.state, WEFT_PARKER_EMPTY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_call_before_the_sleep),
		cmocka_unit_test(test_no_call_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
