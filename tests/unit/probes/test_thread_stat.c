/* SPDX-License-Identifier: MIT */
/* Whether a thread waits for a wake alone, by what /proc tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probes/thread_stat.h"

static bool endless(long nr, unsigned op, unsigned third, unsigned fourth)
{
	char text[160];

	snprintf(text, sizeof(text), "%ld 0x7f00 0x%x 0x%x 0x%x 0x0 0x0 0x7ffd 0x7f01\n", nr, op,
		 third, fourth);
	return thread_stat_is_endless(text);
}

static void waits_without_a_limit(void **state)
{
	(void)state;
	assert_true(endless(SYS_futex, 0x80, 2, 0));  /* a lock */
	assert_true(endless(SYS_futex, 0x189, 0, 0)); /* a condition, clock said */
	assert_true(endless(SYS_epoll_pwait, 0x7000, 1024, 0xffffffff));
	assert_true(endless(SYS_epoll_pwait2, 0x7000, 1024, 0));
}

static void waits_with_a_limit(void **state)
{
	(void)state;
	assert_false(endless(SYS_futex, 0x189, 0, 0x7000));
	assert_false(endless(SYS_futex, 0x81, 1, 0)); /* wakes others */
	assert_false(endless(SYS_epoll_pwait, 0x7000, 1024, 500));
	assert_false(endless(SYS_epoll_pwait2, 0x7000, 1024, 0x7000));
	assert_false(endless(SYS_clock_nanosleep, 0, 0x7000, 0));
	assert_false(endless(SYS_read, 0x7000, 64, 0));
	assert_false(thread_stat_is_endless("running\n"));
	assert_false(thread_stat_is_endless("-1 0x7ffd 0x7f01\n"));
	assert_false(thread_stat_is_endless(""));
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t tid;

static void *take(void *arg)
{
	__atomic_store_n(&tid, (uint32_t)gettid(), __ATOMIC_RELEASE);
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	return arg;
}

static void a_thread_behind_a_lock(void **state)
{
	pthread_t thread;

	(void)state;
	pthread_mutex_lock(&lock);
	assert_int_equal(pthread_create(&thread, NULL, take, NULL), 0);
	while (!__atomic_load_n(&tid, __ATOMIC_ACQUIRE) ||
	       !thread_stat_waits_for_wake(getpid(), tid))
		usleep(1000);
	assert_false(thread_stat_waits_for_wake(getpid(), (uint32_t)getpid()));
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	assert_false(thread_stat_waits_for_wake(getpid(), tid));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_without_a_limit),
		cmocka_unit_test(waits_with_a_limit),
		cmocka_unit_test(a_thread_behind_a_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
