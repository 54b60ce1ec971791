/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/executor/deque.h"
#include "runtime/executor/inject.h"
#include "runtime/task.h"

#define TASKS 2000

static struct weft_task *task_array(void)
{
	return calloc(TASKS, sizeof(struct weft_task));
}

static void test_fifo(void **state)
{
	struct weft_deque *d = aligned_alloc(64, sizeof(*d));
	struct weft_inject inject;
	struct weft_task *tasks = task_array();

	(void)state;
	*d = (struct weft_deque){ .head = 0 };
	weft_inject_init(&inject);
	for (int round = 0; round < 10; round++) { /* wraps the ring */
		for (int i = 0; i < 100; i++)
			weft_deque_push(d, &tasks[i], &inject);
		assert_int_equal(weft_deque_length(d), 100);
		for (int i = 0; i < 100; i++)
			assert_ptr_equal(weft_deque_pop(d), &tasks[i]);
		assert_null(weft_deque_pop(d));
	}
	assert_int_equal(weft_inject_length(&inject), 0);
	weft_inject_done(&inject);
	free(tasks);
	free(d);
}

static void test_overflow_moves_the_older_half(void **state)
{
	struct weft_deque *d = aligned_alloc(64, sizeof(*d));
	struct weft_inject inject;
	struct weft_task *tasks = task_array(), *chain;
	uint64_t n;

	(void)state;
	*d = (struct weft_deque){ .head = 0 };
	weft_inject_init(&inject);
	for (unsigned i = 0; i < WEFT_DEQUE_SIZE + 1; i++)
		weft_deque_push(d, &tasks[i], &inject);
	assert_int_equal(weft_inject_length(&inject), WEFT_DEQUE_SIZE / 2 + 1);
	assert_int_equal(weft_deque_length(d), WEFT_DEQUE_SIZE / 2);
	chain = weft_inject_pop(&inject, 1000, &n);
	assert_int_equal(n, WEFT_DEQUE_SIZE / 2 + 1);
	for (unsigned i = 0; i < WEFT_DEQUE_SIZE / 2; i++, chain = chain->next)
		assert_ptr_equal(chain, &tasks[i]);
	assert_ptr_equal(chain, &tasks[WEFT_DEQUE_SIZE]);
	assert_null(chain->next);
	assert_ptr_equal(weft_deque_pop(d), &tasks[WEFT_DEQUE_SIZE / 2]);
	weft_inject_done(&inject);
	free(tasks);
	free(d);
}

static void test_steal_takes_half(void **state)
{
	struct weft_deque *from = aligned_alloc(64, sizeof(*from)),
			  *to = aligned_alloc(64, sizeof(*to));
	struct weft_inject inject;
	struct weft_task *tasks = task_array();
	unsigned n = 0;

	(void)state;
	*from = (struct weft_deque){ .head = 0 };
	*to = (struct weft_deque){ .head = 0 };
	weft_inject_init(&inject);
	assert_null(weft_deque_steal(from, to, &n));
	for (int i = 0; i < 9; i++)
		weft_deque_push(from, &tasks[i], &inject);
	assert_ptr_equal(weft_deque_steal(from, to, &n), &tasks[4]);
	assert_int_equal(n, 5);
	assert_int_equal(weft_deque_length(to), 4);
	assert_int_equal(weft_deque_length(from), 4);
	assert_ptr_equal(weft_deque_pop(to), &tasks[0]);
	assert_ptr_equal(weft_deque_pop(from), &tasks[5]);
	weft_inject_done(&inject);
	free(tasks);
	free(from);
	free(to);
}

struct thief {
	struct weft_deque *from, own;
	struct weft_inject inject;
	uint32_t *stop;
	uint32_t seen[TASKS];
	struct weft_task *tasks;
};

static void *thief_main(void *arg)
{
	struct thief *t = arg;
	struct weft_task *task;
	unsigned n;

	while (!__atomic_load_n(t->stop, __ATOMIC_ACQUIRE)) {
		task = weft_deque_steal(t->from, &t->own, &n);
		while (task) {
			t->seen[task - t->tasks]++;
			task = weft_deque_pop(&t->own);
		}
	}
	return NULL;
}

/* Each push is popped, stolen or overflows exactly once. */
static void test_thieves(void **state)
{
	struct weft_deque *d = aligned_alloc(64, sizeof(*d));
	struct thief *thief = aligned_alloc(64, sizeof(*thief));
	struct weft_task *tasks = task_array(), *task, *chain;
	static uint32_t mine[TASKS];
	uint32_t stop = 0;
	uint64_t n;
	pthread_t thread;

	(void)state;
	memset(thief, 0, sizeof(*thief));
	memset(mine, 0, sizeof(mine));
	*d = (struct weft_deque){ .head = 0 };
	thief->from = d;
	thief->stop = &stop;
	thief->tasks = tasks;
	weft_inject_init(&thief->inject);
	pthread_create(&thread, NULL, thief_main, thief);
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < TASKS; i++) {
			weft_deque_push(d, &tasks[i], &thief->inject);
			if (i % 3 == 0 && (task = weft_deque_pop(d)))
				mine[task - tasks]++;
		}
		while ((task = weft_deque_pop(d)))
			mine[task - tasks]++;
		for (chain = weft_inject_pop(&thief->inject, UINT64_MAX, &n); chain;
		     chain = chain->next)
			mine[chain - tasks]++;
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	for (int i = 0; i < TASKS; i++)
		assert_int_equal(mine[i] + thief->seen[i], 200);
	weft_inject_done(&thief->inject);
	free(tasks);
	free(thief);
	free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fifo),
		cmocka_unit_test(test_overflow_moves_the_older_half),
		cmocka_unit_test(test_steal_takes_half),
		cmocka_unit_test(test_thieves),
	};

	return cmocka_run_group_tests_name("runtime/deque", tests, NULL, NULL);
}
