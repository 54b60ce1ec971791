/* SPDX-License-Identifier: MIT */
/* A worker whose thread blocks in place, and that changes hands (stand_in.h), in all orders. */
#include "tests/unit/runtime/interleave_model.h"

static bool has_work_or_end(const void *unused)
{
	(void)unused;
	return submitted || unfinished == 0;
}

/* The pool's thread. */
static void pool(void)
{
	struct weft_job *job;

	for (;;) {
		wait_until(has_work_or_end, NULL);
		job = submitted;
		if (!job)
			return;
		submitted = NULL;
		job->fn(job->arg);
	}
}

static bool is_polled(const void *which)
{
	return polled[(uintptr_t)which] != 0;
}

static bool awaited; /* the call waits for task 1 */

/* Tasks 0 and 2 block; 1 and 3 come from outside. */
static void block_in_place(struct weft_worker *worker, unsigned number)
{
	struct weft_thread saved = weft_thread;

	(void)worker;
	if (number % 2)
		return;
	weft_stand_in_lend(&model_rt);
	weft_thread = (struct weft_thread){ .rt = &model_rt };
	if (awaited && number == 0)
		wait_until(is_polled, (void *)1);
	else
		step();
	weft_thread = saved;
	weft_stand_in_regain(&model_rt);
}

/* 0: the worker's own thread, as in crew.c; 1: of the pool; 2: brings tasks. */
static void lend_and_regain(unsigned me)
{
	struct weft_worker *worker = &crew->worker[0];

	weft_thread = (struct weft_thread){ .rt = NULL };
	if (me == 1) {
		pool();
	} else if (me == 2) {
		for (unsigned i = 0; i < (awaited ? 2 : 3); i++)
			push_from_outside(i);
	} else {
		work(worker);
		while (!weft_thread.worker) {
			weft_stand_in_wait(worker);
			work(worker);
		}
	}
}

static void reset_awaited(void)
{
	reset_with(1, 1, true, 2);
	submitted = NULL;
	awaited = true;
}

static void reset_twice(void)
{
	reset_with(1, 1, true, 3);
	submitted = NULL;
	awaited = false;
}

static bool two_once_and_given_back(void)
{
	return all_once(2) && !crew->worker[0].stand_in.offered && !crew->worker[0].stand_in.back;
}

static bool three_once_and_given_back(void)
{
	return all_once(3) && !crew->worker[0].stand_in.offered && !crew->worker[0].stand_in.back;
}

static void test_block_in_place(void **state)
{
	const struct interleave wait = {
		3, 3, 2, reset_awaited, lend_and_regain, two_once_and_given_back
	};
	const struct interleave twice = {
		3, 3, 2, reset_twice, lend_and_regain, three_once_and_given_back
	};

	(void)state;
	on_poll = block_in_place;
	try_all("a call that waits for another task", &wait);
	try_all("two calls", &twice);
	on_poll = NULL;
}

/* The check itself: a pool that takes the job and never runs it leaves the task waiting. */
static void no_stand_in(unsigned me)
{
	if (me != 1)
		lend_and_regain(me);
}

static void test_a_lost_stand_in_is_found(void **state)
{
	const struct interleave spec = { 3,           1,
					 2,           reset_awaited,
					 no_stand_in, two_once_and_given_back };

	(void)state;
	on_poll = block_in_place;
	assert_int_equal(interleave_run(&spec), 0);
	on_poll = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block_in_place),
		cmocka_unit_test(test_a_lost_stand_in_is_found),
	};

	return cmocka_run_group_tests_name("runtime/interleave_in_place", tests, setup, teardown);
}
