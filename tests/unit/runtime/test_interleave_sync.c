/* SPDX-License-Identifier: MIT */
/*
 * Locks and bells that their last user frees, in all orders: whoever was woken, or has let go, may be the one
 * that frees, so nobody may touch the object, or a waiter that was told, any more. The library's own source,
 * with a step before each atomic operation that isn't relaxed; freed memory is overwritten, and looked at in the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/interleave.h"

#define WEFT_WAKES_MAX 2 /* so that three waiters are two batches */

static void step(void);

#define step_if(order) ((order) == __ATOMIC_RELAXED ? (void)0 : step())
#include "tests/support/interleave_atomics.h"

#include "runtime/base/arch.h"
#include "runtime/base/futex.h"
#include "runtime/sync/permits.h"

static unsigned running, moves, own[INTERLEAVE_THREADS];

static void arrive(void)
{
	unsigned me = running;

	interleave_arrive();
	running = me;
}

static void step(void)
{
	unsigned me = running;

	moves++;
	own[me]++;
	interleave_step();
	running = me;
}

struct asleep {
	const uint32_t *word;
	uint32_t is;
};

static bool has_changed(const void *arg)
{
	const struct asleep *asleep = arg;

	return *asleep->word != asleep->is;
}

/* A thread that sleeps wakes as soon as its word has changed: sooner than any kernel lets it. */
static void model_wait(const uint32_t *word, uint32_t is)
{
	const struct asleep asleep = { word, is };
	unsigned me = running;

	interleave_wait(has_changed, &asleep);
	running = me;
}

static uint64_t seen[INTERLEAVE_THREADS];

/* What another thread did, or a store of it that came late. */
static uint64_t news(unsigned me)
{
	return moves - own[me] + interleave_arrived(me);
}

static bool others_moved(const void *which)
{
	unsigned me = (unsigned)(uintptr_t)which;

	return news(me) != seen[me];
}

/* Who spins goes on when somebody else has moved since its last round. */
static void model_pause(void)
{
	unsigned me = running;

	if (!others_moved((void *)(uintptr_t)me))
		interleave_wait(others_moved, (void *)(uintptr_t)me);
	running = me;
	seen[me] = news(me);
}

#define weft_futex_wait(word, is, ns) model_wait(word, is)
#define weft_futex_wake(word, n)      ((void)(word))
#define arch_relax()                  model_pause()
#include "runtime/sync/waiters.c"
#include "runtime/sync/permits.c"
#include "runtime/sync/mutex.c"
#include "runtime/sync/notify.c"
#include "runtime/sync/semaphore.c"

static struct shared {
	struct weft_mutex mutex;
	struct weft_semaphore semaphore;
	struct weft_notify bell;
	unsigned refs;
} shared;
static unsigned freed, passed;

static void reset(void)
{
	moves = 0;
	memset(own, 0, sizeof(own));
	memset(seen, 0, sizeof(seen));
	memset(&shared, 0, sizeof(shared));
	weft_semaphore_init(&shared.semaphore, 0);
	shared.refs = 3;
	freed = passed = 0;
}

static void overwrite(void *at, size_t bytes)
{
	arrive();
	memset(at, 0xee, bytes);
}

static bool is_overwritten(const void *at, size_t bytes)
{
	const unsigned char *byte = at;

	for (size_t i = 0; i < bytes; i++)
		if (byte[i] != 0xee)
			return false;
	return true;
}

/* Counted by something locked, as users do. */
static void unref(void)
{
	arrive();
	if (--shared.refs)
		return;
	freed++;
	overwrite(&shared, sizeof(shared));
}

static bool is_freed_once(void)
{
	return freed == 1 && is_overwritten(&shared, sizeof(shared));
}

static void (*body)(unsigned me);

/* Who spins may wait for the last thing that another did. */
static void run(unsigned me)
{
	running = me;
	body(me);
	moves++;
}

static void try_all(const char *name, const struct interleave *what)
{
	struct interleave spec = *what;
	uint64_t n;

	body = what->body;
	spec.body = run;
	n = interleave_run(&spec);
	print_message("%s: %llu orders\n", name, (unsigned long long)n);
	assert_true(n > 1);
}

/* References counted under the mutex that they keep. */
static void lock_and_unref(unsigned me)
{
	bool last;

	(void)me;
	if (weft_mutex_blocking_lock(&shared.mutex))
		return;
	last = --shared.refs == 0;
	weft_mutex_unlock(&shared.mutex);
	if (last) {
		freed++;
		overwrite(&shared, sizeof(shared));
	}
}

static void test_mutex(void **state)
{
	const struct interleave spec = { 3, 3, 2, reset, lock_and_unref, is_freed_once };

	(void)state;
	try_all("mutex", &spec);
}

static int wait_bell(struct weft_waiter *f)
{
	struct weft_cx context = WEFT_WAITER_CONTEXT;

	return WEFT_WAITER_BLOCK(f, weft_notify_wait(&context, &shared.bell, f));
}

/* One rings, one waits: the second frees. */
static void ring_or_wait(unsigned me)
{
	struct weft_waiter f = { .task = NULL };

	if (me == 0) {
		weft_notify_one(&shared.bell);
		return;
	}
	wait_bell(&f);
	shared.refs = 1;
	unref();
}

static void test_notify(void **state)
{
	const struct interleave spec = { 2,     INTERLEAVE_UNBOUNDED, 2,
					 reset, ring_or_wait,         is_freed_once };

	(void)state;
	try_all("notify", &spec);
}

/* One gives two permits at once and is no user of the semaphore any more then; of the two that take them the last frees. */
static void give_or_take(unsigned me)
{
	if (me == 0) {
		weft_semaphore_release(&shared.semaphore, 2);
		return;
	}
	if (weft_permits_block(&shared.semaphore.waiters, 1, WEFT_WAIT_SEMAPHORE) == 0) {
		arrive();
		passed++;
	}
	if (passed == 2) {
		shared.refs = 1;
		unref();
	}
}

static void test_semaphore(void **state)
{
	const struct interleave spec = { 3, 3, 2, reset, give_or_take, is_freed_once };

	(void)state;
	try_all("semaphore", &spec);
}

/*
 * Three wait, in two batches; the third gives up, whether it was woken or not. Each waiter is overwritten as
 * soon as its wait is over, the bell with the last of them.
 */
static struct weft_waiter waiters[3];

static void over(unsigned i)
{
	overwrite(&waiters[i], sizeof(waiters[i]));
	unref();
}

static void reset_three(void)
{
	struct weft_cx context = WEFT_WAITER_CONTEXT;

	reset();
	memset(waiters, 0, sizeof(waiters));
	for (unsigned i = 0; i < 3; i++)
		weft_notify_wait(&context, &shared.bell, &waiters[i]);
}

static void ring_all_or_leave(unsigned me)
{
	struct weft_cx gone = { .cancelled = 1, .budget = UINT32_MAX };

	if (me == 0) {
		weft_notify_waiters(&shared.bell);
	} else if (me == 1) {
		for (unsigned i = 0; i < 2; i++) {
			wait_bell(&waiters[i]);
			over(i);
		}
	} else {
		weft_notify_wait(&gone, &shared.bell, &waiters[2]);
		over(2);
	}
}

static bool all_are_gone(void)
{
	return is_freed_once() && is_overwritten(waiters, sizeof(waiters));
}

static void test_wake_all(void **state)
{
	const struct interleave spec = { 3, 3, 2, reset_three, ring_all_or_leave, all_are_gone };

	(void)state;
	try_all("wake all", &spec);
}

/* The first in the queue gives up while it is handed the mutex: the second gets it. */
static struct weft_acquire leaver;

static void reset_held(void)
{
	struct weft_cx context = WEFT_WAITER_CONTEXT;

	reset();
	memset(&leaver, 0, sizeof(leaver));
	weft_mutex_try_lock(&shared.mutex);
	weft_mutex_lock(&context, &shared.mutex, &leaver);
}

static void hand_over_or_leave(unsigned me)
{
	struct weft_cx gone = { .cancelled = 1, .budget = UINT32_MAX };

	if (me == 0) {
		weft_mutex_unlock(&shared.mutex);
	} else if (me == 1) {
		weft_mutex_lock(&gone, &shared.mutex, &leaver);
		overwrite(&leaver, sizeof(leaver));
	} else if (weft_mutex_blocking_lock(&shared.mutex) == 0) {
		passed++;
		weft_mutex_unlock(&shared.mutex);
	}
}

static bool second_had_it(void)
{
	return passed == 1 && shared.mutex.waiters.word == 0 &&
	       is_overwritten(&leaver, sizeof(leaver));
}

static void test_leave(void **state)
{
	const struct interleave spec = { 3, 3, 2, reset_held, hand_over_or_leave, second_had_it };

	(void)state;
	try_all("leave", &spec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mutex),     cmocka_unit_test(test_notify),
		cmocka_unit_test(test_semaphore), cmocka_unit_test(test_wake_all),
		cmocka_unit_test(test_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
