/* SPDX-License-Identifier: MIT */
/*
 * What is around the library's own source, in all orders within small bounds: a step before each atomic
 * operation (relaxed ones only where slots are at stake), x86's memory (interleave.h), and a model of the
 * kernel's two waits. Time never passes, if it isn't told to, so nothing that looks again later helps. Included by a test, once,
 * before the sources.
 */
#ifndef WEFT_TEST_INTERLEAVE_WORLD_H
#define WEFT_TEST_INTERLEAVE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/interleave.h"

static bool step_relaxed;
#define step_if(order) ((order) == __ATOMIC_RELAXED && !step_relaxed ? (void)0 : step())
static void step(void);

#include "tests/support/interleave_atomics.h"

#include "runtime/base/futex.h"
#include "runtime/base/memory.h"
#include "runtime/executor/duty.h"
#include "runtime/executor/root.h"
#include "runtime/trace.h"

#include "runtime/io/driver.c"

/* ---- the model of what is around the source ---- */

/* All threads of the model are one: each has its own thread-local variables between two steps. */
struct own {
	struct weft_thread thread;
	void *also;
};

static void **own_also; /* a variable of a source, a pointer */

static struct own own_save(void)
{
	return (struct own){ weft_thread, own_also ? *own_also : NULL };
}

static void own_restore(const struct own *own)
{
	weft_thread = own->thread;
	if (own_also)
		*own_also = own->also;
}

static void step(void)
{
	struct own own = own_save();

	interleave_step();
	own_restore(&own);
}

static void wait_until(bool (*ready)(const void *arg), const void *arg)
{
	struct own own = own_save();

	interleave_wait(ready, arg);
	own_restore(&own);
}

static void wait_timed(bool (*ready)(const void *arg), const void *arg)
{
	struct own own = own_save();

	interleave_wait_timed(ready, arg);
	own_restore(&own);
}

static struct weft_runtime model_rt;
static struct weft_task items[6];
static unsigned polled[6], unfinished, driver_wakes, turning;

static bool is_unlocked(const void *mutex)
{
	return *(const int *)mutex == 0;
}

static void model_lock(pthread_mutex_t *mutex)
{
	step();
	interleave_fence();
	if (*(int *)(void *)mutex)
		wait_until(is_unlocked, mutex);
	*(int *)(void *)mutex = 1;
}

static void model_unlock(pthread_mutex_t *mutex)
{
	struct own own = own_save();

	interleave_arrive();
	own_restore(&own);
	*(int *)(void *)mutex = 0;
}

static bool time_passes; /* where nobody can go any more */

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

static void model_wait(const uint32_t *word, uint32_t is, uint64_t ns)
{
	const struct asleep asleep = { word, is };

	if (time_passes && ns != UINT64_MAX)
		wait_timed(has_changed, &asleep);
	else
		wait_until(has_changed, &asleep);
}

static bool is_woken(const void *unused)
{
	(void)unused;
	return driver_wakes != 0;
}

static inline void model_turn(struct weft_runtime *of, uint32_t worker, bool block)
{
	(void)of, (void)worker;
	if (block) {
		turning++;
		wait_until(is_woken, NULL);
		turning--;
	}
	driver_wakes = 0;
}

static enum weft_task_next model_poll(struct weft_cx *cx, struct weft_task *what);

#define pthread_mutex_lock            model_lock
#define pthread_mutex_unlock          model_unlock
#define weft_task_poll                model_poll
#define weft_duty_turn                model_turn
#define weft_duty_park(...)           ((void)0)
#define weft_duty_unpark(...)         ((void)0)
#define weft_duty_depth(...)          ((void)0)
#define weft_duty_begin(rt, at, name) ((void)(rt))
#define weft_duty_end(duty, rt, ...)  ((void)(rt))
#define weft_futex_wait(word, is, ns) model_wait(word, is, ns)
#define weft_futex_wake(word, n)      ((void)0)
#define weft_driver_wake(driver)      ((void)(driver), driver_wakes++)

static void reset_world(unsigned tasks)
{
	static struct weft_runtime_entry entry;
	static const struct weft_driver_ops ops;

	model_rt = (struct weft_runtime){ .inject_interval = 61,
					  .driver_interval = 61,
					  .no_spin = true };
	model_rt.driver.ops = &ops;
	model_rt.driver.owner = -1;
	model_rt.entry = &entry;
	driver_wakes = turning = 0;
	unfinished = tasks;
	memset(polled, 0, sizeof(polled));
	memset(items, 0, sizeof(items));
}

static inline bool all_once(unsigned tasks)
{
	for (unsigned i = 0; i < tasks; i++)
		if (polled[i] != 1)
			return false;
	return unfinished == 0;
}

static void try_all(const char *what, const struct interleave *spec)
{
	uint64_t n = interleave_run(spec);

	printf("%s: %llu orders\n", what, (unsigned long long)n);
	assert_true(n > 0);
}

static int setup(void **state)
{
	struct weft_trace_role role = { WEFT_LANE_FOREIGN, 1, UINT32_MAX };

	(void)state;
	weft_trace_thread_begin(&role, NULL);
	return 0;
}

#endif
