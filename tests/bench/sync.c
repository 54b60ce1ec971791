/* SPDX-License-Identifier: MIT */
/*
 * What waiting for each other costs on one worker: CPU ns.
 *
 *   sync.mutex_ns           lock + unlock, nobody else there
 *   sync.mpsc_ns            per message, channel of 128, one sender, one receiver
 *   sync.mpsc_unbounded_ns  per message, unbounded
 *
 *   sync [--quick]
 *
 * Beside a locked add of the same round, because the machine's speed drifts.
 */
#include <string.h>
#include <time.h>

#include "tests/bench/support/row.h"
#include "tests/bench/support/sync_loop.h"

#define LOOPS 1000000u

static double locked_add(void)
{
	static uint64_t word;
	struct timespec a, b;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	for (unsigned i = 0; i < LOOPS; i++)
		__atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / LOOPS;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 && !strcmp(argv[1], "--quick") ? 5 : 31;
	struct weft_config config = { .size = sizeof(config), .workers = 1, .name = "bench" };
	struct row rows[] = {
		{ .name = "sync.mutex_ns", .unit = "ns", .against = "locked_add" },
		{ .name = "sync.mpsc_ns", .unit = "ns", .against = "locked_add" },
		{ .name = "sync.mpsc_unbounded_ns", .unit = "ns", .against = "locked_add" },
	};
	struct weft_runtime *rt;

	if (weft_runtime_new(&config, &rt))
		return 1;
	for (unsigned i = 0; i < rounds; i++) {
		double add = locked_add();

		row_add(&rows[0], sync_loop_mutex(rt, LOOPS), add);
		row_add(&rows[1], sync_loop_mpsc(rt, LOOPS, 128), add);
		row_add(&rows[2], sync_loop_mpsc(rt, LOOPS, 0), add);
	}
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		row_print(&rows[i]);
	weft_runtime_free(rt);
	return 0;
}
