/* SPDX-License-Identifier: MIT */
/* The detectors that judge load: queue-backlog, worker-imbalance, cpu-starved, worker-count, each before sick and healthy workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/support/verdict.h"

/* What a worker does in each 50 ms. */
struct habit {
	uint64_t cpu, runq, polls;
	uint32_t depth;
};

static void work(struct feed *f, uint64_t t, uint32_t lane, const struct habit *h)
{
	feed_sample(f, t, lane,
		    &(struct feed_sample){ .cpu = h->cpu,
					   .runq = h->runq,
					   .park = STEP - h->cpu - h->runq,
					   .polls = h->polls,
					   .busy = h->cpu,
					   .depth = h->depth,
					   .state = h->cpu + h->runq < STEP ? WEFT_WS_PARKED_DRIVER
									    : WEFT_WS_RUNNING });
}

/* cpus and quota_pct as EV_CPUS says, 0 = it does not come. own: CPU ns of the process in each 50 ms. throttled: share. */
struct machine {
	uint32_t cpus, quota_pct;
	uint64_t own;
	double throttled;
};

static void machine_second(struct feed *f, uint64_t t, const struct machine *m)
{
	struct weft_ev_process_sample p = { .rss_bytes = 1 << 20,
					    .cpu_user_ns = m->own * (t / STEP) };
	struct weft_ev_cpus c = { .cpus = m->cpus,
				  .quota_us = m->quota_pct * 1000,
				  .period_us = m->quota_pct ? 100000 : 0,
				  .throttled_ns = (uint64_t)(m->throttled * (double)t),
				  .busy_ns = t,
				  .total_ns = t };

	feed_event(f, t, WEFT_EV_PROCESS_SAMPLE, &p, sizeof(p));
	if (m->cpus)
		feed_event(f, t, WEFT_EV_CPUS, &c, sizeof(c));
}

/* From where it is up to `ms` after T0. */
static void run_until(struct feed *f, uint64_t ms, const struct habit h[2], const struct machine *m)
{
	for (uint64_t t = f->now < T0 ? T0 : (f->now / STEP + 1) * STEP; t < T0 + ms * MS;
	     t += STEP) {
		for (uint32_t lane = 0; lane < 2; lane++)
			work(f, t + lane * US, lane, &h[lane]);
		/* 20 a second, so that the model's CPU time is as fine as the lanes'. */
		machine_second(f, t + 10 * US, m);
	}
}

static void run(struct feed *f, uint64_t seconds, const struct habit h[2], const struct machine *m)
{
	run_until(f, seconds * 1000, h, m);
}

/* Before sick workers, after what time: not yet at the first, and found at the second. */
static void found_between(struct feed *f, const char *id, const uint64_t ms[2],
			  const struct habit h[2], const struct machine *m)
{
	run_until(f, ms[0], h, m);
	assert_null(feed_finding(f, id));
	run_until(f, ms[1], h, m);
	assert_non_null(feed_finding(f, id));
}

static const uint64_t clear[] = { 2800, 3800 }, doubtful[] = { 3700, 4800 };

static const struct machine calm = { .cpus = 4, .own = 10 * MS };

/* A thread of which there are no samples: soon, where records tell of nearly all of its time. Else what they leave out may be an open poll. */
static void records_alone(void **state)
{
	struct feed *f = *state;
	struct lane_parts p;

	for (uint64_t t = 10 * MS; t <= 600 * MS; t += 10 * MS)
		feed_poll(f, t, 0, 7, 4 * MS);
	feed_tick_to(f, 650 * MS);
	assert_false(lane_shares(model_lane(f->m, 0, 0), model_now(f->m), &p));
	for (uint64_t t = 700 * MS; t <= 1800 * MS; t += 10 * MS)
		feed_poll(f, t, 0, 7, 10 * MS);
	assert_true(lane_shares(model_lane(f->m, 0, 0), model_now(f->m), &p));
	assert_in_range(p.busy * 100 / p.span, 95, 100);
	assert_in_range(p.span, 700 * MS, 800 * MS);
}

/* At light they tell of the long polls alone: as soon as they tell of all, those before are no part of what the thread did. */
static void records_alone_since_the_level_rose(void **state)
{
	struct feed *f = *state;
	struct lane_parts p;

	feed_level(f, MS, WEFT_LEVEL_LIGHT);
	for (uint64_t t = 10 * MS; t <= 1210 * MS; t += 200 * MS)
		feed_poll(f, t, 0, 7, 2 * MS);
	feed_level(f, 1300 * MS, WEFT_LEVEL_NORMAL);
	for (uint64_t t = 1310 * MS; t <= 1800 * MS; t += 10 * MS)
		feed_poll(f, t, 0, 7, 10 * MS);
	assert_true(lane_shares(model_lane(f->m, 0, 0), model_now(f->m), &p));
	assert_in_range(p.busy * 100 / p.span, 95, 100);
	assert_in_range(p.span, 200 * MS, 500 * MS);
	feed_level(f, 1850 * MS, WEFT_LEVEL_FULL); /* nothing begins anew */
	assert_true(lane_shares(model_lane(f->m, 0, 0), model_now(f->m), &p));
}

/* ---- queue-backlog ---- */

static void more_than_they_can_poll(void **state)
{
	const struct habit full = { .cpu = 49 * MS, .polls = 250, .depth = 500 };
	struct feed *f = *state;
	const struct live_finding *row;

	run(f, 6, (struct habit[]){ full, full }, &(struct machine){ .cpus = 2, .own = 98 * MS });
	row = verdict_found(f, "queue-backlog", LIVE_WARN, "");
	assert_string_equal(row->subject_kind, "runtime");
	assert_in_range(row->evidence[0].value, 1000, 1000);
	assert_in_range(row->evidence[1].value, 80, 120); /* 1,000 tasks, 10,000 polls a second */
	assert_true(row->harm_task_ms > 2e6);
}

/* Another runtime beside it, whose tasks are soon polled, and many more of them. */
static void beside_a_runtime_that_polls_more(void **state)
{
	const struct habit full = { .cpu = 49 * MS, .polls = 250, .depth = 500 };
	const struct habit quick = { .cpu = 10 * MS, .polls = 1250 };
	struct feed *f = *state;

	feed_runtime(f, 2, WEFT_RT_WEFT);
	for (uint32_t lane = 2; lane < 4; lane++)
		feed_event(f, f->now, WEFT_EV_LANE,
			   &(struct weft_ev_lane){
				   .lane = lane, .role = WEFT_LANE_WORKER, .runtime = 2 },
			   sizeof(struct weft_ev_lane));
	for (uint64_t t = T0; t < T0 + 5 * S; t += STEP)
		for (uint32_t lane = 0; lane < 4; lane++)
			work(f, t + lane * US, lane, lane < 2 ? &full : &quick);
	assert_in_range(verdict_found(f, "queue-backlog", LIVE_WARN, "")->evidence[1].value, 80,
			120);
}

/* As many wait, but each is soon polled. */
static void short_waits(void **state)
{
	const struct habit full = { .cpu = 49 * MS, .polls = 5000, .depth = 500 };
	struct feed *f = *state;

	run(f, 6, (struct habit[]){ full, full }, &(struct machine){ .cpus = 2, .own = 98 * MS });
	verdict_nothing(f);
}

/* A burst of two seconds. */
static void a_burst(void **state)
{
	const struct habit full = { .cpu = 49 * MS, .polls = 250, .depth = 500 };
	const struct habit idle = { .cpu = 5 * MS, .polls = 50 };
	struct feed *f = *state;

	for (uint64_t t = T0; t < T0 + 12 * S; t += STEP)
		for (uint32_t lane = 0; lane < 2; lane++)
			work(f, t + lane * US, lane, t % (6 * S) < 2 * S ? &full : &idle);
	verdict_nothing(f);
}

/* ---- worker-imbalance ---- */

/* `waiting` tasks of the three are runnable nearly all the time. */
static void lopsided_for(struct feed *f, uint64_t from, uint64_t to, const struct habit h[2],
			 unsigned waiting)
{
	for (uint64_t t = from; t < to; t += STEP) {
		for (uint32_t lane = 0; lane < 2; lane++)
			work(f, t + lane * US, lane, &h[lane]);
		for (uint64_t id = 7; id < 7 + waiting; id++) {
			feed_poll(f, t + id * 20 * US, 0, id, 10 * US);
			feed_wake(f, t + id * 20 * US + US, 0, id, 0, WEFT_W_FOREIGN);
		}
	}
}

static void lopsided(struct feed *f, const struct habit h[2], unsigned waiting)
{
	for (uint64_t id = 7; id <= 9; id++)
		feed_poll(f, T0 - 100 * MS + id * MS, 0, id, US);
	lopsided_for(f, T0, T0 + 8 * S, h, waiting);
}

static void one_does_it_all(void **state)
{
	const struct habit busy = { .cpu = 48 * MS, .polls = 500, .depth = 3 };
	const struct habit idle = { .cpu = MS, .polls = 2 };
	struct feed *f = *state;

	lopsided(f, (struct habit[]){ busy, idle }, 3);
	verdict_found(f, "worker-imbalance", LIVE_WARN, "");
}

/* One task keeps one worker busy, and nobody waits for it. */
static void one_busy_task(void **state)
{
	const struct habit busy = { .cpu = 48 * MS, .polls = 500 },
			   idle = { .cpu = MS, .polls = 2 };
	struct feed *f = *state;

	lopsided(f, (struct habit[]){ busy, idle }, 1);
	assert_null(feed_finding(f, "worker-imbalance"));
}

static void all_are_busy(void **state)
{
	const struct habit busy = { .cpu = 48 * MS, .polls = 500, .depth = 2 };
	struct feed *f = *state;

	lopsided(f, (struct habit[]){ busy, busy }, 3);
	assert_null(feed_finding(f, "worker-imbalance"));
}

/* At light nobody tells that a task which a walk met runnable was polled. */
static void a_walk_met_them_at_light(void **state)
{
	const struct habit busy = { .cpu = 48 * MS, .polls = 500 };
	const struct habit idle = { .cpu = MS, .polls = 2 };
	struct weft_ev_snapshot_task tasks[3];
	struct feed *f = *state;

	for (uint64_t id = 7; id <= 9; id++)
		feed_poll(f, T0 - 600 * MS + id * MS, 0, id, US);
	feed_level(f, T0 - 500 * MS, WEFT_LEVEL_LIGHT);
	for (uint64_t t = T0; t < T0 + 12 * S; t += STEP) {
		work(f, t, 0, &busy);
		work(f, t + US, 1, &idle);
		for (uint32_t i = 0; i < 3; i++)
			tasks[i] = (struct weft_ev_snapshot_task){ .task = 7 + i,
								   .site = i ? 2 : 1,
								   .state = WEFT_T_NOTIFIED,
								   .polls = (uint32_t)(t / MS),
								   .runtime = 1,
								   .wake_age_ns = UINT64_MAX,
								   .age_ns = UINT64_MAX };
		if (t % (5 * S) == 0)
			feed_walk(f, t + MS, tasks, 3);
	}
	assert_null(feed_finding(f, "worker-imbalance"));
}

static void a_queue_at_light(void **state)
{
	const struct habit busy = { .cpu = 48 * MS, .polls = 500, .depth = 3 };
	const struct habit idle = { .cpu = MS, .polls = 2 };
	struct feed *f = *state;

	feed_level(f, T0 - 500 * MS, WEFT_LEVEL_LIGHT);
	run(f, 8, (struct habit[]){ busy, idle }, &calm);
	verdict_found(f, "worker-imbalance", LIVE_WARN, "");
}

/* Its tasks wait unseen until the level rises; that second counts from there, and neither against it nor for it before. */
static void it_counts_from_where_polls_are_seen(void **state)
{
	const struct habit busy = { .cpu = 50 * MS, .polls = 500 }, idle = { 0 };
	struct feed *f = *state;

	for (uint64_t id = 7; id <= 9; id++)
		feed_poll(f, T0 - 600 * MS + id * MS, 0, id, US);
	feed_level(f, T0 - 500 * MS, WEFT_LEVEL_LIGHT);
	for (uint64_t t = T0; t < T0 + 1400 * MS; t += STEP) {
		work(f, t, 0, &busy);
		work(f, t + US, 1, &idle);
	}
	feed_level(f, T0 + 1400 * MS, WEFT_LEVEL_NORMAL);
	lopsided_for(f, T0 + 1400 * MS, T0 + 4200 * MS, (struct habit[]){ busy, idle }, 3);
	assert_null(feed_finding(f, "worker-imbalance"));
	lopsided_for(f, T0 + 4200 * MS, T0 + 5000 * MS, (struct habit[]){ busy, idle }, 3);
	verdict_found(f, "worker-imbalance", LIVE_WARN, "");
}

static void it_is_told_when_it_is_clear(void **state)
{
	const struct habit full = { .cpu = 50 * MS, .polls = 500, .depth = 3 },
			   most = { .cpu = 42 * MS, .polls = 500, .depth = 3 }, idle = { 0 },
			   little = { .cpu = 8 * MS, .polls = 9 };
	struct feed *f = *state;

	feed_level(f, T0 - 500 * MS, WEFT_LEVEL_LIGHT);
	found_between(f, "worker-imbalance", clear, (struct habit[]){ full, idle }, &calm);
	verdict_teardown(state);
	verdict_setup(state);
	f = *state;
	feed_level(f, T0 - 500 * MS, WEFT_LEVEL_LIGHT);
	found_between(f, "worker-imbalance", doubtful, (struct habit[]){ most, little }, &calm);
}

/* Two and a half seconds of it, whenever they begin; and twice as much of which a moment in each is not. */
static void it_does_not_last(void **state)
{
	const struct habit full = { .cpu = 50 * MS, .polls = 500, .depth = 3 }, idle = { 0 };
	struct feed *f = *state;

	feed_level(f, T0 - 500 * MS, WEFT_LEVEL_LIGHT);
	for (uint64_t ms = 0; ms < 24000; ms += 3700) {
		run_until(f, ms + 2500, (struct habit[]){ full, idle }, &calm);
		run_until(f, ms + 3700, (struct habit[]){ idle, idle }, &calm);
	}
	for (uint64_t ms = 26000; ms < 40000; ms += 2000) {
		run_until(f, ms + 1500, (struct habit[]){ full, idle }, &calm);
		run_until(f, ms + 2000, (struct habit[]){ full, full }, &calm);
	}
	assert_null(feed_finding(f, "worker-imbalance"));
}

/* ---- cpu-starved ---- */

static const struct habit starved = { .cpu = 10 * MS, .runq = 38 * MS, .polls = 100 };

static void neighbours_have_the_cpus(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	run(f, 7, (struct habit[]){ starved, starved }, &calm);
	row = verdict_found(f, "cpu-starved", LIVE_INFO, "svc");
	assert_non_null(strstr(row->cause, "others have the CPUs"));
	assert_string_equal(row->subject_kind, "process");
	verdict_nothing(f); /* not the program's fault */
}

static void starved_for_how_long(void **state)
{
	const struct habit hardly = { .cpu = 3 * MS, .runq = 45 * MS, .polls = 100 },
			   less = { .cpu = 15 * MS, .runq = 30 * MS, .polls = 100 },
			   idle = { .cpu = MS, .polls = 5 };
	struct feed *f = *state;

	found_between(f, "cpu-starved", clear, (struct habit[]){ hardly, hardly }, &calm);
	verdict_teardown(state);
	verdict_setup(state);
	f = *state;
	found_between(f, "cpu-starved", doubtful, (struct habit[]){ less, less }, &calm);
	verdict_teardown(state);
	verdict_setup(state);
	f = *state;
	for (uint64_t ms = 0; ms < 24000; ms += 4000) {
		run_until(f, ms + 2500, (struct habit[]){ hardly, hardly }, &calm);
		run_until(f, ms + 4000, (struct habit[]){ idle, idle }, &calm);
	}
	assert_null(feed_finding(f, "cpu-starved"));
}

static void the_quota_is_used_up(void **state)
{
	struct feed *f = *state;

	run(f, 7, (struct habit[]){ starved, starved },
	    &(struct machine){ .cpus = 4, .quota_pct = 200, .own = 20 * MS, .throttled = 0.6 });
	assert_non_null(strstr(verdict_found(f, "cpu-starved", LIVE_WARN, "svc")->cause, "quota"));
}

/* Its only worker, which nobody can say is one too many: 0.3 CPUs, used up. */
static void one_worker_uses_the_quota_up(void **state)
{
	const struct habit full = { .cpu = 15 * MS, .runq = 35 * MS, .polls = 100 };
	const struct machine limited = {
		.cpus = 8, .quota_pct = 30, .own = 15 * MS, .throttled = 0.7
	};
	struct feed *f = *state;

	for (uint64_t t = T0; t < T0 + 7 * S; t += STEP) {
		work(f, t, 0, &full);
		machine_second(f, t + 10 * US, &limited);
	}
	assert_non_null(strstr(verdict_found(f, "cpu-starved", LIVE_WARN, "svc")->cause, "quota"));
	assert_null(feed_finding(f, "worker-count"));
}

/* They wait now and then, as on any machine that is in use. */
static void some_waits(void **state)
{
	const struct habit some = { .cpu = 30 * MS, .runq = 15 * MS, .polls = 100 };
	struct feed *f = *state;

	run(f, 7, (struct habit[]){ some, some }, &calm);
	assert_null(feed_finding(f, "cpu-starved"));
}

/* ---- worker-count ---- */

static void two_workers_on_one_cpu(void **state)
{
	const struct habit half = { .cpu = 24 * MS, .runq = 25 * MS, .polls = 100 };
	struct feed *f = *state;
	const struct live_finding *row;

	run(f, 7, (struct habit[]){ half, half }, &(struct machine){ .cpus = 1, .own = 49 * MS });
	row = verdict_found(f, "worker-count", LIVE_WARN, "");
	assert_null(feed_finding(f, "cpu-starved"));
	assert_non_null(strstr(row->evidence[0].text, "2 workers on 1 CPUs"));
}

static void two_workers_on_half_a_cpu_of_quota(void **state)
{
	const struct habit half = { .cpu = 12 * MS, .runq = 36 * MS, .polls = 100 };
	struct feed *f = *state;

	run(f, 7, (struct habit[]){ half, half },
	    &(struct machine){ .cpus = 8, .quota_pct = 50, .own = 24 * MS, .throttled = 0.5 });
	verdict_found(f, "worker-count", LIVE_WARN, "");
	assert_null(feed_finding(f, "cpu-starved"));
}

/* `n` workers on one CPU of which neighbours have the other half. */
static void beside_neighbours(struct feed *f, uint32_t n)
{
	const struct habit part = { .cpu = 25 * MS / n, .runq = STEP - 25 * MS / n, .polls = 100 };

	for (uint32_t lane = 2; lane < n; lane++)
		feed_worker(f, lane, lane);
	for (uint64_t t = T0; t < T0 + 7 * S; t += STEP) {
		for (uint32_t lane = 0; lane < n; lane++)
			work(f, t + lane * US, lane, &part);
		machine_second(f, t + 20 * US, &(struct machine){ .cpus = 1, .own = 25 * MS });
	}
}

static void a_crowd_of_workers_beside_neighbours(void **state)
{
	struct feed *f = *state;

	beside_neighbours(f, 8);
	verdict_found(f, "worker-count", LIVE_WARN, "");
	verdict_teardown(state);
	verdict_setup(state);
	f = *state;
	beside_neighbours(f, 3); /* they would wait as well if there were one */
	assert_null(feed_finding(f, "worker-count"));
}

static void too_many_for_how_long(void **state)
{
	const struct habit tenth = { .cpu = 12 * MS, .runq = 36 * MS, .polls = 100 },
			   half = { .cpu = 24 * MS, .runq = 25 * MS, .polls = 100 },
			   idle = { .cpu = MS, .polls = 5 };
	const struct machine quarter = { .cpus = 8,
					 .quota_pct = 50,
					 .own = 24 * MS,
					 .throttled = 0.5 },
			     one = { .cpus = 1, .own = 49 * MS };
	struct feed *f = *state;

	found_between(f, "worker-count", clear, (struct habit[]){ tenth, tenth }, &quarter);
	verdict_teardown(state);
	verdict_setup(state);
	f = *state;
	found_between(f, "worker-count", doubtful, (struct habit[]){ half, half }, &one);
	verdict_teardown(state);
	verdict_setup(state);
	f = *state;
	for (uint64_t ms = 0; ms < 24000; ms += 4000) {
		run_until(f, ms + 2500, (struct habit[]){ tenth, tenth }, &quarter);
		run_until(f, ms + 4000, (struct habit[]){ idle, idle }, &quarter);
	}
	assert_null(feed_finding(f, "worker-count"));
}

/* More workers than CPUs that hardly do anything harm nobody; as many as CPUs that wait for others are not too many. */
static void it_does_no_harm(void **state)
{
	const struct habit idle = { .cpu = 2 * MS, .polls = 10 };
	const struct habit half = { .cpu = 24 * MS, .runq = 25 * MS, .polls = 100 };
	struct feed *f = *state;

	run(f, 7, (struct habit[]){ idle, idle }, &(struct machine){ .cpus = 1, .own = 4 * MS });
	verdict_nothing(f);
	verdict_teardown(state);
	verdict_setup(state);
	f = *state;
	run(f, 7, (struct habit[]){ half, half }, &(struct machine){ .cpus = 2, .own = 48 * MS });
	verdict_nothing(f);
	assert_string_equal(feed_verdict(f, "worker-count"), "clean");
}

/* Too short for as many seconds in a row as they need; or the watcher had no CPU itself, and looked once in three seconds. */
static void little_is_known(void **state)
{
	static const char *const ids[] = { "queue-backlog", "worker-imbalance", "cpu-starved",
					   "worker-count", "long-poll" };
	const struct habit half = { .cpu = 24 * MS, .polls = 100 };
	struct feed *f = *state;

	run(f, 2, (struct habit[]){ half, half }, &calm);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(feed_verdict(f, ids[i]), "not-checked");
	verdict_teardown(state);
	verdict_setup(state);
	f = *state;
	for (uint64_t t = T0; t < T0 + 30 * S; t += 3 * S) {
		work(f, t, 0, &half);
		for (uint64_t k = 0; k < 6; k++)
			machine_second(f, t + k * 500 * MS + US, &calm);
	}
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(feed_verdict(f, ids[i]), "not-checked");
	verdict_teardown(state);
	verdict_setup(state);
	f = *state;
	run(f, 6, (struct habit[]){ half, half }, &calm);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(feed_verdict(f, ids[i]), "clean");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(records_alone),
		VERDICT_TEST(records_alone_since_the_level_rose),
		VERDICT_TEST(more_than_they_can_poll),
		VERDICT_TEST(beside_a_runtime_that_polls_more),
		VERDICT_TEST(short_waits),
		VERDICT_TEST(a_burst),
		VERDICT_TEST(one_does_it_all),
		VERDICT_TEST(one_busy_task),
		VERDICT_TEST(all_are_busy),
		VERDICT_TEST(a_walk_met_them_at_light),
		VERDICT_TEST(a_queue_at_light),
		VERDICT_TEST(it_counts_from_where_polls_are_seen),
		VERDICT_TEST(it_is_told_when_it_is_clear),
		VERDICT_TEST(it_does_not_last),
		VERDICT_TEST(neighbours_have_the_cpus),
		VERDICT_TEST(starved_for_how_long),
		VERDICT_TEST(the_quota_is_used_up),
		VERDICT_TEST(one_worker_uses_the_quota_up),
		VERDICT_TEST(some_waits),
		VERDICT_TEST(two_workers_on_one_cpu),
		VERDICT_TEST(two_workers_on_half_a_cpu_of_quota),
		VERDICT_TEST(a_crowd_of_workers_beside_neighbours),
		VERDICT_TEST(too_many_for_how_long),
		VERDICT_TEST(it_does_no_harm),
		VERDICT_TEST(little_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
