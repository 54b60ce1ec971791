/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/executor/executor.h"

#define US 1000ull
#define MS 1000000ull

/* The lead follows the lateness of waits of that length, and no other. */
static void test_lead_is_learnt(void **state)
{
	struct weft_precise p;
	uint64_t other;

	(void)state;
	weft_precise_init(&p, 200 * US);
	assert_int_equal(weft_precise_sleep(&p, 5 * MS, 5 * MS), 0);
	assert_int_equal(weft_precise_sleep(&p, 5 * MS, 6 * MS), 0);
	assert_int_equal(weft_precise_sleep(&p, 5 * MS + 150 * US, 5 * MS), 0);
	assert_int_equal(weft_precise_sleep(&p, 6 * MS, 5 * MS), 800 * US);
	other = weft_precise_sleep(&p, 50 * MS, 0);
	for (int i = 0; i < 200; i++)
		weft_precise_learn(&p, 900 * US, 940 * US);
	assert_in_range(1 * MS - weft_precise_sleep(&p, 6 * MS, 5 * MS), 45 * US, 55 * US);
	for (int i = 0; i < 20; i++)
		weft_precise_learn(&p, 900 * US, 1000 * US);
	assert_in_range(1 * MS - weft_precise_sleep(&p, 6 * MS, 5 * MS), 120 * US, 126 * US);
	for (int i = 0; i < 20; i++)
		weft_precise_learn(&p, 900 * US, 9000 * US);
	assert_int_equal(weft_precise_sleep(&p, 6 * MS, 5 * MS),
			 800 * US); /* never above the limit */
	assert_int_equal(weft_precise_sleep(&p, 50 * MS, 0), other);
	weft_precise_learn(&p, 1, 1);
	weft_precise_learn(&p, UINT64_MAX, UINT64_MAX);
}

struct sleeper {
	WEFT_FRAME;
	struct weft_sleep sleep;
	uint64_t deadline, early;
	int i, n;
};

static weft_poll_t sleeper(struct weft_cx *cx, struct sleeper *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < f->n; f->i++) {
		f->deadline = weft_now() + 1 * MS;
		weft_await(f, weft_sleep_until(cx, &f->sleep, f->deadline));
		f->early += weft_now() < f->deadline;
	}
	weft_async_end(f, 0);
}

static void test_never_early(void **state)
{
	struct weft_config config = { .size = sizeof(config),
				      .workers = 2,
				      .precise_timers_ns = 200 * US };
	struct weft_runtime *rt;
	struct sleeper f = { .n = 50 };

	(void)state;
	assert_int_equal(weft_runtime_new(&config, &rt), 0);
	assert_int_equal(weft_block_on(rt, sleeper, &f), 0);
	assert_int_equal(f.early, 0);
	weft_runtime_free(rt);
}

struct woken {
	WEFT_FRAME;
	struct weft_sleep sleep;
	struct weft_semaphore *s;
	struct weft_acquire acquire;
	uint32_t waiting;
};

static weft_poll_t long_sleep(struct weft_cx *cx, struct woken *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->sleep, 100000 * MS));
	weft_async_end(f, 0);
}

static weft_poll_t woken(struct weft_cx *cx, struct woken *f)
{
	weft_async_begin(f);
	weft_await(f, weft_semaphore_acquire(cx, f->s, &f->acquire));
	weft_async_end(f, f->rc);
}

/* With a limit this absurd the only worker spins at once and for long: other work must get in. */
static void test_work_ends_the_spin(void **state)
{
	struct weft_config config = { .size = sizeof(config),
				      .workers = 1,
				      .precise_timers_ns = 200000 * MS };
	struct woken f = { .waiting = 0 };
	struct weft_join *spin, *join;
	struct weft_runtime *rt;

	(void)state;
	assert_int_equal(weft_runtime_new(&config, &rt), 0);
	assert_int_equal(weft_semaphore_new(0, &f.s), 0);
	assert_int_equal(weft_spawn(rt, long_sleep, f, .join = &spin), 0);
	assert_int_equal(weft_spawn(rt, woken, f, .join = &join), 0);
	usleep(20000);
	assert_false(weft_join_done(join));
	weft_semaphore_release(f.s, 1);
	while (!weft_join_done(join))
		usleep(200);
	assert_false(weft_join_done(spin));
	weft_join_detach(join);
	weft_join_detach(spin);
	weft_runtime_free(rt);
	weft_semaphore_free(f.s);
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* CPU spent over the first 10 waits of 1 ms, when nothing has been learnt. */
static uint64_t cost(uint64_t precise_ns)
{
	struct weft_config config = { .size = sizeof(config),
				      .workers = 1,
				      .precise_timers_ns = precise_ns };
	struct sleeper f = { .n = 10 };
	struct weft_runtime *rt;
	uint64_t from;

	assert_int_equal(weft_runtime_new(&config, &rt), 0);
	from = cpu_ns();
	assert_int_equal(weft_block_on(rt, sleeper, &f), 0);
	from = cpu_ns() - from;
	weft_runtime_free(rt);
	return from;
}

/*
 * Off unless asked for: a wait that spins most of its 1 ms costs many times one that sleeps. (Under ThreadSanitizer its own
 * work costs more than both.)
 */
static void test_default_does_not_spin(void **state)
{
	(void)state;
#ifndef __SANITIZE_THREAD__
	assert_true(cost(0) * 2 < cost(900 * US));
#else
	assert_true(cost(0) && cost(900 * US));
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lead_is_learnt),
		cmocka_unit_test(test_never_early),
		cmocka_unit_test(test_work_ends_the_spin),
		cmocka_unit_test(test_default_does_not_spin),
	};

	return cmocka_run_group_tests_name("runtime/precise", tests, NULL, NULL);
}
