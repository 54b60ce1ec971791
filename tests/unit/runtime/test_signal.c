/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <signal.h>

#include <cmocka.h>

#include "runtime/task.h"
#include "tests/support/net_runtime.h"

struct waiter {
	WEFT_FRAME;
	struct weft_signal signal;
	struct weft_sleep limit;
	int number, n, i;
};

static weft_poll_t waiter(struct weft_cx *cx, struct waiter *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < f->n; f->i++) {
		weft_await(f, weft_signal_wait(cx, &f->signal, f->number));
		if (f->rc)
			return f->rc;
	}
	weft_async_end(f, f->i);
}

static void wait_suspended(struct weft_join *join)
{
	while (weft_task_state((struct weft_task *)(void *)join) &
	       (WEFT_T_NOTIFIED | WEFT_T_RUNNING))
		usleep(200);
}

static void wait_done(struct weft_join *join)
{
	while (!weft_join_done(join))
		usleep(200);
	weft_join_detach(join);
}

/* Each waiter gets each signal. */
static void test_several_waiters(void **state)
{
	struct weft_join *join[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(weft_spawn(rt, waiter,
					    ((struct waiter){ .number = SIGUSR1, .n = 1 }),
					    .join = &join[i]),
				 0);
	for (int i = 0; i < 3; i++)
		wait_suspended(join[i]);
	kill(getpid(), SIGUSR1);
	for (int i = 0; i < 3; i++)
		wait_done(join[i]);
}

/* What comes while the task does something else is there at the next wait. */
static weft_poll_t between(struct weft_cx *cx, struct waiter *f)
{
	weft_async_begin(f);
	weft_await(f,
		   weft_timeout(cx, &f->limit, 5 * MS, weft_signal_wait(cx, &f->signal, SIGUSR2)));
	if (f->rc != -ETIMEDOUT)
		return -1;
	kill(getpid(), SIGUSR2);
	weft_await(f, weft_sleep(cx, &f->limit, 20 * MS));
	weft_await(f, weft_timeout(cx, &f->limit, 5000 * MS,
				   weft_signal_wait(cx, &f->signal, SIGUSR2)));
	if (f->rc)
		return -2;
	weft_await(f,
		   weft_timeout(cx, &f->limit, 5 * MS, weft_signal_wait(cx, &f->signal, SIGUSR2)));
	weft_async_end(f, f->rc);
}

static void test_between_waits(void **state)
{
	struct waiter f = { .n = 0 };

	(void)state;
	assert_int_equal(weft_block_on(rt, between, &f), -ETIMEDOUT);
}

/* Two kinds, the second added while the first is waited for. */
static void test_two_kinds(void **state)
{
	struct weft_join *one, *two;

	(void)state;
	assert_int_equal(weft_spawn(rt, waiter, ((struct waiter){ .number = SIGUSR1, .n = 1 }),
				    .join = &one),
			 0);
	wait_suspended(one);
	assert_int_equal(weft_spawn(rt, waiter, ((struct waiter){ .number = SIGUSR2, .n = 1 }),
				    .join = &two),
			 0);
	wait_suspended(two);
	kill(getpid(), SIGUSR2);
	wait_done(two);
	assert_false(weft_join_done(one));
	kill(getpid(), SIGUSR1);
	wait_done(one);
}

static void test_wrong_use(void **state)
{
	struct waiter f = { .number = SIGHUP, .n = 1 }; /* not blocked */
	const int bad[] = { 999, 0 };

	(void)state;
	assert_int_equal(weft_block_on(rt, waiter, &f), -EPERM);
	f = (struct waiter){ .number = 65, .n = 1 };
	assert_int_equal(weft_block_on(rt, waiter, &f), -EINVAL);
	assert_int_equal(weft_signal_block(bad), -EINVAL);
}

static uint32_t staying;

/* A thread that is only just being made blocks everything for a moment: hence the word. */
static void *stay(void *arg)
{
	__atomic_store_n(&staying, 1, __ATOMIC_RELEASE);
	pthread_mutex_lock(arg);
	pthread_mutex_unlock(arg);
	return NULL;
}

/* One thread that doesn't block it is enough for the default action to end the process. */
static void test_one_thread_does_not_block(void **state)
{
	struct waiter f = { .number = SIGWINCH, .n = 1 };
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	const int winch[] = { SIGWINCH, 0 };
	pthread_t thread;
	sigset_t old;

	(void)state;
	pthread_sigmask(SIG_BLOCK, NULL, &old);
	pthread_mutex_lock(&lock);
	__atomic_store_n(&staying, 0, __ATOMIC_RELEASE);
	pthread_create(&thread, NULL, stay, &lock);
	while (!__atomic_load_n(&staying, __ATOMIC_ACQUIRE))
		usleep(200);
	assert_int_equal(weft_signal_block(winch), 0);
	assert_int_equal(weft_block_on(rt, waiter, &f), -EPERM);
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

int main(void)
{
	const int signals[] = { SIGUSR1, SIGUSR2, 0 };
	const struct CMUnitTest tests[] = {
		T(test_several_waiters),
		T(test_between_waits),
		T(test_two_kinds),
		T(test_wrong_use),
		T(test_one_thread_does_not_block),
	};

	weft_signal_block(signals);
	return flavours_run_io("runtime/signal", tests, sizeof(tests) / sizeof(tests[0]));
}
