/* SPDX-License-Identifier: MIT */
/*
 * Tests of runtime/sync. Most poll by hand, with a context that has no task, as a blocking call
 * does: each step of a race can be put where it hurts. The others run tasks, on one worker and
 * again on three, of each flavour.
 */
#ifndef WEFT_SYNC_TEST_H
#define WEFT_SYNC_TEST_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/executor/executor.h"
#include "runtime/trace.h"
#include "runtime/trace_map.h"
#include "runtime/weft.h"
#include "tests/support/flavours.h"

#define MS 1000000ull

static struct weft_runtime *rt;
static struct weft_cx hand = { .budget = UINT32_MAX }, cancel = { .cancelled = 1 };

static uint32_t sync_flavour = WEFT_MULTI_THREAD; /* of the group that runs */

static int setup_workers(uint32_t workers)
{
	struct weft_config config = { .size = sizeof(config), .workers = workers, .name = "sync" };
	void *flavour = (void *)(uintptr_t)sync_flavour;

	return flavours_start(&flavour, &config, &rt);
}

static inline int setup_one(void **state)
{
	(void)state;
	return setup_workers(1);
}

static inline int setup_three(void **state)
{
	(void)state;
	return setup_workers(3);
}

static inline int teardown(void **state)
{
	struct weft_runtime_stats stats;

	(void)state;
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	weft_runtime_stats(rt, &stats);
	assert_int_equal(stats.alive, 0);
	assert_int_equal(stats.timers, 0);
	flavours_end(rt);
	return 0;
}

static inline void wait_for(const uint32_t *word, uint32_t value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
		usleep(200);
}

/* The context of a poll may count refusals; each hand-made one starts over. */
static inline struct weft_cx *cancelled(void)
{
	cancel.cancelled = 1;
	return &cancel;
}

/* As a watcher at level full, with an empty batch on this thread; and gone again. */
static inline void watch_begin(void)
{
	static const struct weft_trace_role role = { WEFT_LANE_FOREIGN, 0, UINT32_MAX };
	static bool begun;

	if (!begun)
		weft_trace_thread_begin(&role, "test");
	begun = true;
	__atomic_store_n(&weft_sema_flush_full, 1, __ATOMIC_SEQ_CST);
	weft_trace_flush();
}

static inline void watch_end(void)
{
	__atomic_store_n(&weft_sema_flush_full, 0, __ATOMIC_SEQ_CST);
}

/* The next record of this thread's batch, NULL at its end; *at begins at 0. */
static inline const uint64_t *next_record(uint32_t *at)
{
	const uint64_t *record;
	unsigned words;

	*at = *at ? *at : (uint32_t)sizeof(struct weft_batch);
	if (*at >= (uint32_t)weft_trace_thread.lane->commit)
		return NULL;
	record = (const void *)((const char *)weft_trace_thread.batch + *at);
	words = weft_map_header()->kind_words[record[0] >> WEFT_STAMP_BITS];
	*at += words ? words * 8 : (uint32_t)(record[1] & 0xffff);
	return record;
}

/* MISUSE events of this thread since watch_begin(). */
static inline unsigned misuses(void)
{
	const uint64_t *record;
	unsigned n = 0;

	for (uint32_t at = 0; (record = next_record(&at));)
		n += record[0] >> WEFT_STAMP_BITS == WEFT_K_MISUSE;
	return n;
}

/* The same of LOCK_WAIT, a letter each: wait, acquired, released, left. */
static inline void lock_waits(const void *resource, char *text, size_t cap)
{
	const uint64_t *record;
	size_t n = 0;

	for (uint32_t at = 0; (record = next_record(&at)) && n + 1 < cap;)
		if (record[0] >> WEFT_STAMP_BITS == WEFT_K_LOCK_WAIT &&
		    record[1] == (uintptr_t)resource)
			text[n++] = "warl"[record[2] >> 48 & 3];
	text[n] = 0;
}

static inline const char *sync_group(const char *workers)
{
	static char name[64];

	snprintf(name, sizeof(name), "%s, %s", weft_flavour_name(sync_flavour), workers);
	return name;
}

#define SYNC_MAIN(tests)                                                                          \
	int main(void)                                                                            \
	{                                                                                         \
		int failed = 0;                                                                   \
                                                                                                  \
		for (sync_flavour = 1; sync_flavour <= WEFT_EXECUTOR; sync_flavour++)             \
			failed += cmocka_run_group_tests_name(sync_group("one worker"), tests,    \
							      setup_one, teardown) +              \
				  cmocka_run_group_tests_name(sync_group("three workers"), tests, \
							      setup_three, teardown);             \
		return failed;                                                                    \
	}

#endif
