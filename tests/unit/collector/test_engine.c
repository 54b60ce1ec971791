/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/scenario.h"
#include "tests/support/trace.h"

static void wait_done(struct engine *e)
{
	while (!engine_done(e))
		usleep(1000);
}

/* Without a store: the consumer gets everything, in order, and it adds up. */
static void consumer_gets_all(void **state)
{
	struct synth *s = scenario_new(20000, 5000);
	struct session *session = fake_session_new(s, 500, false);
	struct trace t = { 0 };
	struct engine_consumer c = trace_consumer(&t);
	struct engine_options options = { .session = session, .session_ops = &fake_session_ops };
	struct engine_account rows[200];
	struct engine *e;
	int n;

	(void)state;
	assert_int_equal(engine_open(&options, &c, &e), 0);
	wait_done(e);
	assert_int_equal(engine_stop(e), 0);
	n = engine_accounts(e, rows, 200);
	assert_true(scenario_exact(rows, n));
	assert_int_equal(engine_account_errors(e, NULL, 0), 0);
	assert_int_equal(t.unsorted, 0);
	for (int i = 0; i < n; i++)
		if (rows[i].process == 1 && rows[i].kind == WEFT_K_TASK_POLL)
			assert_int_equal(rows[i].stored, synth_emitted(s, 1, WEFT_K_TASK_POLL));
	engine_close(e);
	fake_session_free(session);
	synth_free(s);
}

static void wants_reach_the_session(void **state)
{
	struct synth *s = scenario_new(100, 0);
	struct session *session = fake_session_new(s, 500, true);
	struct engine_options options = { .session = session, .session_ops = &fake_session_ops };
	struct session_want want = { SESSION_WANT_SNAPSHOT, 1, 0, 7, 0 }, last = { 0 };
	struct engine_consumer c = { 0 };
	struct engine *e;

	(void)state;
	assert_int_equal(engine_open(&options, &c, &e), 0);
	assert_int_equal(engine_request(e, &want), 0);
	while (!fake_session_wants(session, &last))
		usleep(1000);
	assert_int_equal(last.value, 7);
	assert_false(engine_done(e));
	assert_int_equal(engine_stop(e), 0);
	assert_true(engine_done(e));
	assert_true(engine_request(e, &want) < 0);
	engine_close(e);
	fake_session_free(session);
	synth_free(s);
}

static void slow_batch(void *ctx, struct record *records, size_t n)
{
	struct timespec wait = { .tv_nsec = 3000000 };

	(void)ctx;
	(void)records;
	(void)n;
	nanosleep(&wait, NULL);
}

/* A consumer that can't keep up and a queue of two blocks: dropped, counted, still exact. */
static void full_queue_is_counted(void **state)
{
	struct synth *s = scenario_new(60000, 0);
	struct session *session = fake_session_new(s, 100000, false);
	struct engine_consumer c = { .batch = slow_batch };
	struct engine_options options = { .session = session,
					  .session_ops = &fake_session_ops,
					  .queue_bytes = 1 };
	struct engine_account rows[200];
	struct engine *e;
	uint64_t lost = 0;
	int n;

	(void)state;
	assert_int_equal(engine_open(&options, &c, &e), 0);
	wait_done(e);
	assert_int_equal(engine_stop(e), 0);
	n = engine_accounts(e, rows, 200);
	for (int i = 0; i < n; i++)
		lost += rows[i].lost;
	assert_true(lost > 0);
	assert_true(scenario_exact(rows, n) || engine_account_errors(e, NULL, 0) > 0);
	engine_close(e);
	fake_session_free(session);
	synth_free(s);
}

static void bad_options(void **state)
{
	struct engine_options none = { 0 }, missing = { .replay_path = "/nonexistent/x.db" };
	struct engine_consumer c = { 0 };
	struct engine *e = NULL;

	(void)state;
	assert_true(engine_open(&none, &c, &e) < 0);
	assert_true(engine_open(&missing, &c, &e) == -ENOENT);
	assert_non_null(engine_error(NULL));
	assert_null(e);
}

/* Twenty runs of all that starts and stops threads: for the thread sanitizer. */
static void start_and_stop(void **state)
{
	struct synth *s = scenario_new(200, 0);

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		struct session *session = fake_session_new(s, 50, true);
		struct engine_options options = { .session = session,
						  .session_ops = &fake_session_ops };
		struct trace t = { 0 };
		struct engine_consumer c = trace_consumer(&t);
		struct engine *e;

		assert_int_equal(engine_open(&options, &c, &e), 0);
		if (i % 2)
			usleep(2000);
		assert_null(engine_close(e));
		assert_int_equal(t.unsorted, 0);
		assert_true(t.records > 200);
		fake_session_free(session);
	}
	synth_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(consumer_gets_all),     cmocka_unit_test(wants_reach_the_session),
		cmocka_unit_test(full_queue_is_counted), cmocka_unit_test(bad_options),
		cmocka_unit_test(start_and_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
