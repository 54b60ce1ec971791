/* SPDX-License-Identifier: MIT */
/* Programs with more runtimes than the model has rows for, one after another and at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/support/verdict.h"

static void run(struct feed *f, uint64_t seconds, const struct feed_sample *both)
{
	for (uint64_t t = T0; t < T0 + seconds * S; t += STEP)
		for (uint32_t lane = 0; lane < 2; lane++)
			feed_sample(f, t + lane * US, lane, both);
}

static void worker_of(struct feed *f, uint32_t lane, uint32_t runtime)
{
	struct weft_ev_lane e = {
		.lane = lane, .role = WEFT_LANE_WORKER, .runtime = runtime, .ns_tid = 100 + lane
	};

	feed_event(f, f->now, WEFT_EV_LANE, &e, sizeof(e));
}

static void stop_runtime(struct feed *f, uint32_t runtime)
{
	struct record r = { .t_ns = f->now, .kind = WEFT_K_RUNTIME_STOP, .a = runtime };

	feed_record(f, &r);
}

static const char *why_of(struct feed *f, const char *id)
{
	static struct live_checked rows[32];
	int n = live_checked(f->l, rows, 32);

	for (int i = 0; i < n && i < 32; i++)
		if (!strcmp(rows[i].id, id))
			return rows[i].why;
	return "";
}

/* A hundred runtimes that come and go; the last one has more than it can poll. */
static void one_runtime_after_another(void **state)
{
	const struct feed_sample full = {
		.cpu = 49 * MS, .busy = 49 * MS, .park = MS, .polls = 250, .depth = 500
	};
	struct feed *f = *state;

	for (uint32_t id = 2; id < 102; id++) {
		feed_runtime(f, id, WEFT_RT_WEFT);
		feed_tick_to(f, f->now + 2 * MS);
		stop_runtime(f, id - 1);
	}
	feed_runtime(f, 102, WEFT_RT_WEFT);
	worker_of(f, 0, 102);
	worker_of(f, 1, 102);
	assert_int_equal(model_task(f->m, 7)->runtime, MODEL_NO_RUNTIME);
	for (uint32_t id = 60; id <= 102; id++)
		assert_true(!model_runtime(f->m, 0, id) || !model_runtime(f->m, 0, id)->ready);
	run(f, 5, &full);
	assert_int_equal(verdict_found(f, "queue-backlog", LIVE_WARN, "")->subject_id, 102);
	assert_string_equal(feed_verdict(f, "worker-imbalance"), "clean");
}

/* A hundred that were each looked at for a moment, more than detectors have entries for; in the last one a worker does it all. */
static void the_last_one_is_lopsided(void **state)
{
	struct feed *f = *state;

	feed_level(f, 10 * MS, WEFT_LEVEL_LIGHT);
	for (uint32_t id = 2; id < 102; id++) {
		feed_runtime(f, id, WEFT_RT_WEFT);
		feed_tick_to(f, f->now + 2 * STEP);
		stop_runtime(f, id - 1);
	}
	feed_runtime(f, 102, WEFT_RT_WEFT);
	worker_of(f, 0, 102);
	worker_of(f, 1, 102);
	for (uint64_t t = f->now + STEP, to = t + 6 * S; t < to; t += STEP) {
		feed_sample(f, t, 0,
			    &(struct feed_sample){
				    .cpu = STEP, .busy = STEP, .polls = 500, .depth = 3 });
		feed_sample(f, t + US, 1,
			    &(struct feed_sample){ .park = STEP, .state = WEFT_WS_PARKED_FUTEX });
	}
	assert_int_equal(verdict_found(f, "worker-imbalance", LIVE_WARN, "")->subject_id, 102);
}

/* As many as a test program has with a thread for each test: all of them are looked at. */
static void fifty_at_once(void **state)
{
	const struct feed_sample half = {
		.cpu = 24 * MS, .busy = 24 * MS, .park = 26 * MS, .polls = 100
	};
	struct feed *f = *state;

	for (uint32_t id = 2; id < 52; id++)
		feed_runtime(f, id, WEFT_RT_WEFT);
	worker_of(f, 0, 51);
	run(f, 6, &half);
	assert_int_equal(model_process(f->m, 0)->nruntimes, 51);
	assert_null(strstr(why_of(f, "never-runs"), "more runtimes"));
	assert_string_equal(feed_verdict(f, "queue-backlog"), "clean");
}

/* A hundred at once: of the last nothing is known but what its threads do. */
static void more_runtimes_than_are_kept(void **state)
{
	const struct feed_sample half = {
		.cpu = 24 * MS, .busy = 24 * MS, .park = 26 * MS, .polls = 100
	};
	struct feed *f = *state;

	for (uint32_t id = 2; id < 102; id++)
		feed_runtime(f, id, WEFT_RT_WEFT);
	worker_of(f, 0, 101);
	run(f, 6, &half);
	assert_string_equal(feed_verdict(f, "queue-backlog"), "not-checked");
	assert_string_equal(feed_verdict(f, "worker-imbalance"), "not-checked");
	assert_non_null(strstr(why_of(f, "never-runs"), "more runtimes"));
	assert_string_equal(feed_verdict(f, "cpu-starved"), "clean");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(one_runtime_after_another),
		VERDICT_TEST(the_last_one_is_lopsided),
		VERDICT_TEST(fifty_at_once),
		VERDICT_TEST(more_runtimes_than_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
