/* SPDX-License-Identifier: MIT */
/* A recording replayed gives the consumer what it got when it was made: every record, every tick, in the same order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/scenario.h"
#include "tests/support/trace.h"

static int replay(const char *path, const char *store, double speed, struct trace *t,
		  struct engine_account *rows, int *n)
{
	struct engine_consumer c = trace_consumer(t);
	struct engine_options options = { .replay_path = path,
					  .store_path = store,
					  .replay_speed = speed };
	struct engine *e;
	int rc = engine_open(&options, &c, &e);

	if (rc)
		return rc;
	while (!engine_done(e))
		usleep(1000);
	rc = engine_stop(e);
	if (rows)
		*n = engine_accounts(e, rows, (size_t)*n);
	engine_close(e);
	return rc;
}

static void same_again(void **state)
{
	struct synth *s = scenario_new(60000, 20000);
	struct trace live = { 0 }, again = { 0 }, third = { 0 };
	struct engine_consumer c = trace_consumer(&live);
	struct engine_account rows[200], back[200];
	char path[64], copy[64];
	int n = 200, m = 200;

	(void)state;
	scenario_path(path, "replay");
	scenario_path(copy, "replay-copy");
	assert_int_equal(scenario_record(s, path, 0, &c, rows, &n), 0);
	assert_int_equal(replay(path, copy, 0, &again, back, &m), 0);
	assert_int_equal(again.records, live.records);
	assert_int_equal(again.ticks, live.ticks);
	assert_int_equal(again.digest, live.digest);
	assert_int_equal(m, n);
	assert_true(scenario_exact(back, m));
	for (int i = 0; i < n; i++) {
		assert_int_equal(back[i].stored, rows[i].stored);
		assert_int_equal(back[i].lost, rows[i].lost);
		assert_int_equal(back[i].filtered, rows[i].filtered);
	}
	/* A recording of the replay is the same recording. */
	assert_int_equal(replay(copy, NULL, 0, &third, NULL, NULL), 0);
	assert_int_equal(third.digest, live.digest);
	scenario_unlink(path);
	scenario_unlink(copy);
	synth_free(s);
}

/* What the oldest chunks held is gone, but who and where is still known. */
static void after_expiry(void **state)
{
	struct synth *s = scenario_new(300000, 0);
	struct trace t = { 0 };
	struct engine_account rows[200];
	char path[64];
	uint64_t expired = 0;
	int n = 200;

	(void)state;
	scenario_path(path, "replay-expired");
	assert_int_equal(scenario_record(s, path, 3 << 20, &(struct engine_consumer){ 0 }, NULL,
					 NULL),
			 0);
	assert_int_equal(replay(path, NULL, 0, &t, rows, &n), 0);
	assert_true(scenario_exact(rows, n));
	for (int i = 0; i < n; i++)
		expired += rows[i].expired;
	assert_true(expired > 0);
	assert_int_equal(t.kind[WEFT_EV_PROCESS], 2);
	assert_int_equal(t.kind[WEFT_EV_SITE], 4);
	scenario_unlink(path);
	synth_free(s);
}

static void at_its_own_pace(void **state)
{
	struct synth *s = scenario_new(40000, 0);
	struct trace live = { 0 }, again = { 0 };
	struct engine_consumer c = trace_consumer(&live);
	struct timespec a, b;
	char path[64];
	double seconds;

	(void)state;
	scenario_path(path, "replay-pace");
	assert_int_equal(scenario_record(s, path, 0, &c, NULL, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(replay(path, NULL, 0.5, &again, NULL, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	seconds = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	assert_int_equal(again.records, live.records);
	assert_int_equal(again.ticks, live.ticks);
	assert_true(seconds >= (double)live.last_ns / 1e9 * 1.8);
	scenario_unlink(path);
	synth_free(s);
}

static void paused(void **state)
{
	struct synth *s = scenario_new(20000, 0);
	struct trace t = { 0 };
	struct engine_consumer c = trace_consumer(&t);
	struct engine_options options = { .replay_speed = 0.01 };
	struct engine *e;
	char path[64];

	(void)state;
	scenario_path(path, "replay-paused");
	assert_int_equal(scenario_record(s, path, 0, &(struct engine_consumer){ 0 }, NULL, NULL),
			 0);
	options.replay_path = path;
	assert_int_equal(engine_open(&options, &c, &e), 0);
	engine_replay_control(e, true, 1);
	usleep(50000);
	assert_false(engine_done(e));
	engine_replay_control(e, false, 0);
	while (!engine_done(e))
		usleep(1000);
	assert_int_equal(engine_stop(e), 0);
	engine_close(e);
	assert_true(t.records > 40000);
	scenario_unlink(path);
	synth_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_again),
		cmocka_unit_test(after_expiry),
		cmocka_unit_test(at_its_own_pace),
		cmocka_unit_test(paused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
