/* SPDX-License-Identifier: MIT */
/*
 * The library's own source of the crew, in all orders within small bounds: with a step before each atomic
 * operation (relaxed ones only where slots are at stake), and with a model of the kernel's two waits and of
 * the pool. Time never passes, so the standby of worker.c, which would find a lost wake-up 10 ms later, doesn't
 * help. Included by a test, once.
 */
#ifndef WEFT_TEST_INTERLEAVE_MODEL_H
#define WEFT_TEST_INTERLEAVE_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/interleave.h"

#define WEFT_DEQUE_SIZE 4u /* so that a few tasks fill it and go round */

static bool step_relaxed;
#define step_if(order) ((order) == __ATOMIC_RELAXED && !step_relaxed ? (void)0 : step())
static void step(void);

#define __atomic_load_n(at, order)         (step_if(order), __atomic_load_n(at, order))
#define __atomic_store_n(at, value, order) (step_if(order), __atomic_store_n(at, value, order))
#define __atomic_exchange_n(at, value, order) \
	(step_if(order), __atomic_exchange_n(at, value, order))
#define __atomic_fetch_add(at, value, order) (step_if(order), __atomic_fetch_add(at, value, order))
#define __atomic_fetch_sub(at, value, order) (step_if(order), __atomic_fetch_sub(at, value, order))
#define __atomic_compare_exchange_n(at, expected, value, weak, order, failure) \
	(step_if(order), __atomic_compare_exchange_n(at, expected, value, false, order, failure))

#include "runtime/base/futex.h"
#include "runtime/base/memory.h"
#include "runtime/executor/crew.h"
#include "runtime/executor/root.h"
#include "runtime/trace.h"

/* ---- the model of what is around the source ---- */

/* All threads of the model are one: each has its own weft_thread between two steps. */
static void step(void)
{
	struct weft_thread own = weft_thread;

	interleave_step();
	weft_thread = own;
}

static void wait_until(bool (*ready)(const void *arg), const void *arg)
{
	struct weft_thread own = weft_thread;

	interleave_wait(ready, arg);
	weft_thread = own;
}

static struct weft_runtime model_rt;
static struct weft_task items[6];
static unsigned polled[6], unfinished, driver_wakes;

static bool is_unlocked(const void *mutex)
{
	return *(const int *)mutex == 0;
}

static void model_lock(pthread_mutex_t *mutex)
{
	step();
	if (*(int *)(void *)mutex)
		wait_until(is_unlocked, mutex);
	*(int *)(void *)mutex = 1;
}

static void model_unlock(pthread_mutex_t *mutex)
{
	*(int *)(void *)mutex = 0;
}

struct asleep {
	const uint32_t *word;
	uint32_t is;
};

/* A waiter looks at its word: nobody has to wake it. */
static bool has_changed(const void *arg)
{
	const struct asleep *asleep = arg;

	return *asleep->word != asleep->is;
}

static void model_wait(const uint32_t *word, uint32_t is)
{
	const struct asleep asleep = { word, is };

	wait_until(has_changed, &asleep);
}

static bool is_woken(const void *unused)
{
	(void)unused;
	return driver_wakes != 0;
}

static void model_turn(struct weft_runtime *of, uint32_t worker, bool block)
{
	(void)of, (void)worker;
	if (block)
		wait_until(is_woken, NULL);
	driver_wakes = 0;
}

static enum weft_task_next model_poll(struct weft_cx *cx, struct weft_task *what);
static int model_submit(struct weft_job *job);

#define pthread_mutex_lock            model_lock
#define pthread_mutex_unlock          model_unlock
#define weft_task_poll                model_poll
#define weft_duty_turn                model_turn
#define weft_duty_park(...)           ((void)0)
#define weft_duty_unpark(...)         ((void)0)
#define weft_duty_depth(...)          ((void)0)
#define weft_duty_begin(rt, at, name) ((void)(rt))
#define weft_duty_end(duty, rt, ...)  ((void)(rt))
#define weft_pool_submit(rt, job)     model_submit(job)
#define weft_futex_wait(word, is, ns) ((void)(ns), model_wait(word, is))
#define weft_futex_wake(word, n)      ((void)0)
#define weft_driver_wake(driver)      ((void)(driver), driver_wakes++)
#define weft_driver_take(driver, who) (step(), weft_driver_take(driver, who))
#define weft_driver_give(driver)      (step(), weft_driver_give(driver))
#include "runtime/executor/deque.c"
#include "runtime/executor/idle.c"
#include "runtime/executor/inject.c"
#include "runtime/executor/parker.c"
#include "runtime/executor/worker.c"
#include "runtime/executor/crew.c"
#define drive stand_in_drive
#define take  stand_in_take
#include "runtime/executor/stand_in.c"
#undef drive
#undef take

static struct weft_crew *crew;
static void (*on_poll)(struct weft_worker *worker, unsigned number);

/* The last task ends it: its worker stops the others, as a shutdown does. */
static enum weft_task_next model_poll(struct weft_cx *cx, struct weft_task *what)
{
	struct weft_worker *worker = weft_thread.worker;
	unsigned number = (unsigned)(what - items);

	(void)cx;
	polled[number]++;
	if (on_poll)
		on_poll(worker, number);
	step();
	if (--unfinished == 0) {
		model_rt.state = WEFT_RT_STOPPING;
		weft_crew_unpark_all(crew);
	}
	return WEFT_TASK_ENDED;
}

static void reset_with(uint32_t size, uint32_t active, bool lifo, unsigned tasks)
{
	static struct weft_runtime_entry entry;

	if (model_rt.executor)
		weft_crew_free(&model_rt);
	model_rt = (struct weft_runtime){ .inject_interval = 61,
					  .driver_interval = 61,
					  .no_spin = true };
	model_rt.driver.owner = -1;
	model_rt.entry = &entry;
	driver_wakes = 0;
	unfinished = tasks;
	memset(polled, 0, sizeof(polled));
	memset(items, 0, sizeof(items));
	if (weft_crew_new(&model_rt, size, active))
		abort();
	crew = model_rt.executor;
	crew->lifo = lifo;
	memset(&crew->lock, 0, sizeof(crew->lock));
	memset(&crew->idle.lock, 0, sizeof(crew->idle.lock));
	memset(&crew->inject.lock, 0, sizeof(crew->inject.lock));
}

static bool all_once(unsigned tasks)
{
	for (unsigned i = 0; i < tasks; i++)
		if (polled[i] != 1)
			return false;
	return unfinished == 0;
}

static void push_from_outside(unsigned number)
{
	weft_inject_push_chain(&crew->inject, &items[number], &items[number], 1);
	weft_worker_notify(crew);
}

static void work(struct weft_worker *worker)
{
	weft_thread = (struct weft_thread){ .rt = &model_rt, .worker = worker };
	weft_worker_drive(worker, NULL);
}

static void try_all(const char *what, const struct interleave *spec)
{
	uint64_t n = interleave_run(spec);

	printf("%s: %llu orders\n", what, (unsigned long long)n);
	assert_true(n > 0);
}

static struct weft_job *submitted;

static int model_submit(struct weft_job *job)
{
	step();
	if (submitted)
		abort(); /* the job is in the queue already */
	submitted = job;
	return 0;
}

static int setup(void **state)
{
	struct weft_trace_role role = { WEFT_LANE_FOREIGN, 1, UINT32_MAX };

	(void)state;
	weft_trace_thread_begin(&role, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weft_crew_free(&model_rt);
	weft_trace_thread_end();
	return 0;
}

#endif
