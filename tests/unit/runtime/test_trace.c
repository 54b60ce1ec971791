/* SPDX-License-Identifier: MIT */
/* Stamps of polls: one that begins where the last one ended shares its stamp, any other does not. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/trace.h"

static struct weft_task task = { .head = { .id = 7 } };

static void light(bool on)
{
	__atomic_store_n(&weft_sema_flush_light, on, __ATOMIC_SEQ_CST);
}

static struct weft_trace_poll one_poll(weft_poll_t rc)
{
	struct weft_trace_poll poll;

	weft_trace_poll_open(&poll, &task);
	weft_trace_poll_close(&poll, &task, rc);
	return poll;
}

/* Begins a poll after one that ended with rc; true: it took the stamp of that end. */
static bool shares(void)
{
	uint64_t before = weft_clock_stamp();

	return one_poll(WEFT_PENDING).start < before;
}

struct answers {
	bool next, ended, stale, woken, untraced, afterwards;
};

/* Cmocka's assertions belong to the main thread. */
static void *worker(void *arg)
{
	struct weft_trace_role role = { WEFT_LANE_WORKER, 1, 0 };
	struct answers *a = arg;

	weft_trace_thread_begin(&role, NULL);
	light(true);
	one_poll(WEFT_PENDING);
	a->next = shares();
	one_poll(WEFT_READY);
	a->ended = shares();
	weft_trace_stale();
	a->stale = shares();
	task.head.wake_stamp = weft_clock_stamp();
	a->woken = shares();
	light(false);
	one_poll(WEFT_PENDING);
	light(true);
	a->untraced = shares();
	a->afterwards = shares();
	light(false);
	weft_trace_thread_end();
	return NULL;
}

static void test_polls_share_a_stamp(void **state)
{
	struct answers a;
	pthread_t thread;

	(void)state;
	memset(&a, 0, sizeof(a));
	assert_int_equal(pthread_create(&thread, NULL, worker, &a), 0);
	pthread_join(thread, NULL);
	assert_true(a.next);
	assert_false(a.ended);
	assert_false(a.stale);
	assert_false(a.woken);
	assert_false(a.untraced);
	assert_true(a.afterwards);
}

static void test_other_threads_never_share(void **state)
{
	struct weft_trace_role role = { WEFT_LANE_FOREIGN, 1, UINT32_MAX };

	(void)state;
	weft_trace_thread_begin(&role, NULL);
	light(true);
	one_poll(WEFT_PENDING);
	assert_false(shares());
	light(false);
	weft_trace_thread_end();
}

/* What the level leaves out costs a count and nothing else. */
static void test_filtered_is_counted_in_place(void **state)
{
	struct weft_lane *lane;
	uint64_t commit, filtered;

	(void)state;
	weft_trace_thread_begin(&(struct weft_trace_role){ WEFT_LANE_FOREIGN, 1, UINT32_MAX },
				NULL);
	light(true);
	one_poll(WEFT_PENDING);
	lane = weft_trace_thread.lane;
	commit = lane->commit;
	filtered = lane->filtered[WEFT_K_IO_READY];
	for (unsigned i = 0; i < 1000; i++)
		WEFT_EMIT(IO_READY, i, 0, 0);
	light(false);
	WEFT_EMIT(IO_READY, 0, 0, 0);
	assert_int_equal(lane->filtered[WEFT_K_IO_READY], filtered + 1000);
	assert_int_equal(lane->commit, commit);
	weft_trace_thread_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_polls_share_a_stamp),
		cmocka_unit_test(test_other_threads_never_share),
		cmocka_unit_test(test_filtered_is_counted_in_place),
	};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
