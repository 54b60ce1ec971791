/* SPDX-License-Identifier: MIT */
/* Each detector in front of sick programs and of healthy ones that look alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/detect/detector.h"
#include "tests/support/feed.h"

#define STEP (50 * MS)
#define T0   (1 * S) /* well after the attach */

static int setup(void **state)
{
	struct feed *f = feed_new(&(struct live_options){ 0 });

	feed_worker(f, 0, 0);
	feed_worker(f, 1, 1);
	feed_site(f, 1, "query", "svc.c", 42);
	feed_site(f, 2, "ticker", "svc.c", 80);
	feed_spawn(f, 1 * MS, 7, 1, 512);
	feed_spawn(f, 2 * MS, 8, 2, 256);
	feed_spawn(f, 3 * MS, 9, 2, 256);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	feed_free(*state);
	return 0;
}

static void assert_nothing(struct feed *f)
{
	static struct live_finding row;

	if (feed_findings(f)) {
		live_findings(f->l, &row, 0, 1);
		live_finding_text(&row, false, stderr);
	}
	assert_int_equal(feed_findings(f), 0);
}

static const struct live_finding *assert_found(struct feed *f, const char *id,
					       enum live_severity severity, const char *name)
{
	const struct live_finding *row = feed_finding(f, id);

	assert_non_null(row);
	assert_int_equal(row->severity, severity);
	assert_string_equal(row->subject_name, name);
	assert_true(row->advice[0] && row->evidence_n);
	assert_string_equal(feed_verdict(f, id), "found");
	return row;
}

/* A worker that idles along. */
static void calm(struct feed *f, uint64_t t, uint32_t lane)
{
	feed_sample(f, t, lane,
		    &(struct feed_sample){ .cpu = 5 * MS,
					   .park = 45 * MS,
					   .polls = 20,
					   .busy = 4 * MS,
					   .state = WEFT_WS_PARKED_DRIVER });
}

/* ---- blocking-call ---- */

static void block_is_found_while_it_lasts(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;
	uint64_t t;

	calm(f, T0, 0);
	for (t = T0 + STEP; t <= T0 + 3 * STEP; t += STEP)
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = t == T0 + STEP ? 2 * MS : 0,
						   .task = 7,
						   .open_ns = t - T0 - 5 * MS,
						   .seq = 3,
						   .off_cpu = 2,
						   .syscall = 35,
						   .depth = 4 });
	feed_stack(f, t, 0, 7, 3, WEFT_STACK_BLOCKED, 35);
	feed_tick_to(f, t + STEP);
	row = assert_found(f, "blocking-call", LIVE_CRIT, "query");
	assert_string_equal(row->subject_kind, "task");
	assert_int_equal(row->subject_id, 7);
	assert_string_equal(row->location, "svc.c:42");
	assert_non_null(strstr(row->cause, "nanosleep in doze at db.c:41"));
	assert_non_null(strstr(row->advice, "weft_sleep"));
	assert_int_equal(row->stack_n, 5);
	assert_true(row->stack[0].kernel);
	assert_string_equal(row->stack[2].text, "doze (src/db.c:41)");
	assert_true(row->harm_task_ms > 100); /* two are runnable, whatever the stale depth says */
	assert_false(row->resolved);
	feed_poll(f, t + 2 * STEP, 0, 7, 240 * MS);
	feed_tick_to(f, t + 5 * S);
	assert_null(feed_finding(f, "blocking-call"));
	assert_int_equal(feed_findings(f), 1); /* resolved, not forgotten */
}

static void block_of_an_ended_poll(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	feed_offcpu(f, T0 + 29 * MS, 0, 7, 20 * MS, 0, 202);
	feed_poll(f, T0 + 30 * MS, 0, 7, 25 * MS);
	feed_poll_delay(f, T0 + 31 * MS, 0, 8, US, 24 * MS);
	feed_tick_to(f, T0 + 500 * MS);
	row = assert_found(f, "blocking-call", LIVE_WARN, "query");
	assert_true(row->harm_task_ms > 20);
	assert_non_null(strstr(row->advice, "weft_mutex"));
}

static void block_of_50_ms_is_critical(void **state)
{
	struct feed *f = *state;

	feed_offcpu(f, T0 + 99 * MS, 0, 7, 60 * MS, 0, 0);
	feed_poll(f, T0 + 100 * MS, 0, 7, 65 * MS);
	feed_tick_to(f, T0 + 500 * MS);
	assert_found(f, "blocking-call", LIVE_CRIT, "query");
}

static void many_blocks_of_one_type_are_one_finding(void **state)
{
	struct feed *f = *state;

	for (uint64_t i = 0; i < 50; i++) {
		uint64_t t = T0 + i * 100 * MS;

		feed_spawn(f, t, 100 + i, 1, 512);
		feed_offcpu(f, t + 39 * MS, 0, 100 + i, 30 * MS, 0, 35);
		feed_poll(f, t + 40 * MS, 0, 100 + i, 32 * MS);
	}
	feed_tick_to(f, T0 + 6 * S);
	assert_int_equal(feed_findings(f), 1);
}

static void short_blocks_that_delay_others(void **state)
{
	struct feed *f = *state;

	for (uint64_t i = 1; i <= 4; i++) {
		feed_offcpu(f, T0 + i * S - MS, 0, 7, 3 * MS, 0, 35);
		feed_poll(f, T0 + i * S, 0, 7, 5 * MS);
		feed_poll_delay(f, T0 + i * S + 10 * US, 0, 8, US, 4 * MS);
	}
	feed_tick_to(f, T0 + 5 * S);
	assert_found(f, "blocking-call", LIVE_WARN, "query");
}

static void timers_that_nobody_fires_are_harm(void **state)
{
	struct feed *f = *state;

	feed_offcpu(f, T0 + 79 * MS, 0, 7, 70 * MS, 0, 35);
	feed_poll(f, T0 + 80 * MS, 0, 7, 75 * MS);
	for (uint64_t i = 0; i < 10; i++) {
		struct record r = { .t_ns = T0 + 81 * MS,
				    .kind = WEFT_K_TIMER_FIRE,
				    .task = 8,
				    .a = i,
				    .b = T0 + 20 * MS };

		feed_record(f, &r);
	}
	feed_tick_to(f, T0 + S);
	assert_in_range(assert_found(f, "blocking-call", LIVE_CRIT, "query")->harm_task_ms, 590,
			610);
}

static void short_blocks_that_harm_nobody(void **state)
{
	struct feed *f = *state;

	for (uint64_t i = 1; i <= 20; i++) {
		feed_offcpu(f, T0 + i * S - MS, 0, 7, 3 * MS, 0, 1);
		feed_poll(f, T0 + i * S, 0, 7, 5 * MS);
	}
	feed_tick_to(f, T0 + 22 * S);
	assert_nothing(f);
	assert_string_equal(feed_verdict(f, "blocking-call"), "clean");
}

static void preempted_is_not_blocked(void **state)
{
	struct feed *f = *state;

	for (uint64_t i = 1; i <= 40; i++) {
		feed_offcpu(f, T0 + i * 200 * MS - MS, 0, 7, 0, 80 * MS, -1);
		feed_poll(f, T0 + i * 200 * MS, 0, 7, 90 * MS);
		feed_poll_delay(f, T0 + i * 200 * MS + 10 * US, 0, 8, US, 80 * MS);
	}
	feed_tick_to(f, T0 + 10 * S);
	assert_nothing(f);
}

/* The same, seen by samples only: the poll is open, the thread waits for a CPU that others have. */
static void starved_is_not_blocked(void **state)
{
	struct feed *f = *state;

	calm(f, T0, 0);
	for (uint64_t t = T0 + STEP; t <= T0 + 2 * S; t += STEP)
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = 2 * MS,
						   .runq = 48 * MS,
						   .task = 7,
						   .open_ns = t - T0 - 5 * MS,
						   .seq = 3,
						   .off_cpu = 1,
						   .depth = 4 });
	assert_nothing(f);
}

static void pool_threads_may_block(void **state)
{
	struct feed *f = *state;

	feed_lane(f, 2, WEFT_LANE_POOL);
	feed_lane(f, 3, WEFT_LANE_FOREIGN);
	for (uint32_t lane = 2; lane <= 3; lane++) {
		uint64_t t0 = T0 + lane * 10 * S;

		for (uint64_t t = t0; t <= t0 + 2 * S; t += STEP)
			feed_sample(f, t, lane,
				    &(struct feed_sample){ .task = 7,
							   .open_ns = t - t0 + MS,
							   .seq = 3,
							   .off_cpu = 2,
							   .syscall = 0 });
		feed_offcpu(f, t0 + 3 * S, (uint16_t)lane, 7, 2 * S, 0, 0);
		feed_poll(f, t0 + 3 * S, (uint16_t)lane, 7, 2 * S);
		feed_tick_to(f, t0 + 4 * S);
	}
	assert_nothing(f);
}

static void parked_workers_are_not_blocked(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t <= T0 + 5 * S; t += STEP) {
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .park = STEP,
						   .state = WEFT_WS_PARKED_DRIVER,
						   .off_cpu = 2,
						   .syscall = 232 });
		feed_sample(f, t, 1,
			    &(struct feed_sample){ .park = STEP,
						   .state = WEFT_WS_PARKED_FUTEX,
						   .off_cpu = 2,
						   .syscall = 202 });
	}
	assert_nothing(f);
}

static void our_own_attach_is_not_their_fault(void **state)
{
	struct feed *f = *state;

	feed_offcpu(f, 99 * MS, 0, 7, 60 * MS, 0, 202);
	feed_poll(f, 100 * MS, 0, 7, 65 * MS);
	feed_tick_to(f, 3 * S);
	assert_nothing(f);
}

static void page_faults_need_more(void **state)
{
	struct feed *f = *state;

	feed_offcpu(f, T0 + 29 * MS, 0, 7, 20 * MS, 0, -1);
	feed_poll(f, T0 + 30 * MS, 0, 7, 25 * MS);
	feed_tick_to(f, T0 + S);
	assert_nothing(f);
	feed_offcpu(f, T0 + 2 * S, 0, 7, 80 * MS, 0, -1);
	feed_poll(f, T0 + 2 * S + MS, 0, 7, 85 * MS);
	feed_tick_to(f, T0 + 3 * S);
	assert_found(f, "blocking-call", LIVE_WARN, "query");
}

static void wants_the_stack_of_a_block(void **state);

/* ---- busy-loop: spin ---- */

static void spin_is_found_while_it_lasts(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;
	uint64_t t;

	calm(f, T0, 0);
	for (t = T0 + STEP; t <= T0 + 2 * S; t += STEP) {
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = 49 * MS,
						   .runq = MS,
						   .task = 7,
						   .open_ns = t - T0 - MS,
						   .seq = 3,
						   .depth = 2 });
		feed_stack(f, t, 0, 7, 3, WEFT_STACK_ON_CPU, -1);
	}
	row = assert_found(f, "busy-loop", LIVE_CRIT, "query");
	assert_non_null(strstr(row->cause, "burn"));
	assert_non_null(strstr(row->evidence[0].text, "burn (src/hot.c:7)"));
	assert_int_equal(row->stack_n, 3);
	assert_true(row->harm_task_ms > 1000);
	assert_null(feed_finding(f, "blocking-call"));
}

static void spin_from_before_the_attach(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t <= T0 + 2 * S; t += STEP)
		feed_sample(f, t, 0,
			    &(struct feed_sample){
				    .cpu = STEP, .task = 7, .open_ns = UINT64_MAX, .seq = 3 });
	assert_found(f, "busy-loop", LIVE_CRIT, "query");
}

static void spin_on_a_machine_that_others_overload(void **state)
{
	struct feed *f = *state;

	calm(f, T0, 0);
	for (uint64_t t = T0 + STEP; t <= T0 + 3 * S; t += STEP)
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = 10 * MS,
						   .runq = 40 * MS,
						   .task = 7,
						   .open_ns = t - T0 - MS,
						   .seq = 3,
						   .off_cpu = 1 });
	assert_found(f, "busy-loop", LIVE_WARN, "query"); /* it did use 600 ms of CPU in one poll */
}

static void starved_is_not_busy(void **state)
{
	struct feed *f = *state;

	calm(f, T0, 0);
	for (uint64_t t = T0 + STEP; t <= T0 + 3 * S; t += STEP)
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = MS,
						   .runq = 49 * MS,
						   .task = 7,
						   .open_ns = t - T0 - MS,
						   .seq = 3,
						   .off_cpu = 1 });
	assert_nothing(f);
}

static void full_load_of_short_polls(void **state)
{
	struct feed *f = *state;
	uint64_t t = T0;

	while (t < T0 + 12 * S) {
		for (int i = 0; i < 200; i++, t += 250 * US) {
			uint64_t task = 7 + (uint64_t)i % 3;

			feed_wake(f, t, 0, task, 0, WEFT_W_IO);
			feed_poll_delay(f, t + 200 * US, 0, task, 190 * US, 10 * US);
		}
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = 45 * MS,
						   .runq = 5 * MS,
						   .polls = 200,
						   .busy = 38 * MS,
						   .wakes = 200,
						   .task = 8,
						   .open_ns = 100 * US,
						   .seq = t / US });
	}
	assert_nothing(f);
	assert_string_equal(feed_verdict(f, "busy-loop"), "clean");
}

/* ---- busy-loop: crunch ---- */

static void crunch_through_long_polls(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t < T0 + 4 * S; t += 50 * MS) {
		feed_offcpu(f, t + 5 * MS, 0, 7, 0, 10 * US, -1);
		feed_poll(f, t + 40 * MS, 0, 7, 40 * MS);
	}
	assert_found(f, "busy-loop", LIVE_WARN, "query");
}

static void long_polls_now_and_then(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t < T0 + 10 * S; t += 200 * MS) {
		feed_offcpu(f, t + 5 * MS, 0, 7, 0, 10 * US, -1);
		feed_poll(f, t + 40 * MS, 0, 7, 40 * MS);
	}
	assert_nothing(f);
}

/* ---- busy-loop: storms ---- */

/* One second of a task that wakes itself `n` times and is polled for `poll` each time. */
static void self_wakes(struct feed *f, uint64_t t, uint64_t n, uint64_t poll, uint64_t own)
{
	uint64_t step = S / n;

	for (uint64_t i = 0; i < n; i++) {
		feed_wake(f, t + i * step + poll / 2, 0, 7, 7, WEFT_W_TASK);
		feed_poll(f, t + i * step + poll, 0, 7, poll);
		if (i % (n / 20) == n / 20 - 1)
			feed_sample(f, t + i * step + poll, 0,
				    &(struct feed_sample){ .cpu = n / 20 * (poll + own),
							   .polls = n / 20,
							   .busy = n / 20 * poll,
							   .wakes = n / 20,
							   .self_wakes = n / 20 });
	}
}

static void self_wake_storm(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	for (uint64_t s = 0; s < 5; s++)
		self_wakes(f, T0 + s * S, 20000, 5 * US, 40 * US);
	row = assert_found(f, "busy-loop", LIVE_CRIT, "query");
	assert_non_null(strstr(row->cause, "wakes itself"));
	assert_non_null(strstr(row->advice, "weft_sleep"));
}

static void yields_that_make_progress(void **state)
{
	struct feed *f = *state;

	for (uint64_t s = 0; s < 8; s++)
		self_wakes(f, T0 + s * S, 5000, 150 * US, 2 * US);
	assert_nothing(f);
}

static void a_few_self_wakes(void **state)
{
	struct feed *f = *state;

	for (uint64_t s = 0; s < 8; s++)
		self_wakes(f, T0 + s * S, 60, 5 * US, 1 * US);
	assert_nothing(f);
}

static void storm_at_level_light(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	feed_level(f, T0, WEFT_LEVEL_LIGHT);
	for (uint64_t t = T0 + STEP; t <= T0 + 6 * S; t += STEP)
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = 49 * MS,
						   .polls = 20000,
						   .busy = 20 * MS,
						   .wakes = 20000,
						   .self_wakes = 19990,
						   .task = 7,
						   .open_ns = 300,
						   .seq = t });
	row = assert_found(f, "busy-loop", LIVE_CRIT, "query");
	assert_true(row->confidence < 0.9f);
}

static void ping_pong(struct feed *f, uint64_t seconds, uint64_t poll, bool outside)
{
	for (uint64_t t = T0; t < T0 + seconds * S; t += 50 * US) {
		uint64_t me = t / (50 * US) % 2 ? 8 : 9, other = 17 - me;

		feed_wake(f, t + poll / 2, 0, other, me, WEFT_W_TASK);
		feed_poll(f, t + poll, 0, me, poll);
		if (outside && t / (50 * US) % 5 == 0)
			feed_wake(f, t + poll, 0, 8, 0, WEFT_W_IO);
		if (t % STEP == 0)
			feed_sample(f, t + poll, 0,
				    &(struct feed_sample){ .cpu = 48 * MS,
							   .polls = 1000,
							   .busy = 1000 * poll,
							   .wakes = 1000 });
	}
}

static void ping_pong_of_two_tasks(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	ping_pong(f, 6, US, false);
	row = assert_found(f, "busy-loop", LIVE_CRIT, "ticker");
	assert_non_null(strstr(row->cause, "ping-pong"));
	assert_int_equal(feed_findings(f), 1);
}

static void a_channel_that_io_feeds(void **state)
{
	struct feed *f = *state;

	ping_pong(f, 6, US, true);
	assert_nothing(f);
}

/* ---- task-leak ---- */

/* `per_s` tasks a second are born, each lives `life` (0 = for ever). */
static void spawns(struct feed *f, uint64_t seconds, uint64_t per_s, uint64_t life,
		   uint32_t rss_each)
{
	uint64_t next = 1000, first = next, step = S / per_s, rss = 100 << 20;

	for (uint64_t t = T0; t < T0 + seconds * S; t += step) {
		feed_spawn(f, t, next, 1, 600);
		feed_poll(f, t + US, 0, next, 5 * US);
		next++;
		rss += rss_each;
		if (life && t >= T0 + life)
			feed_end(f, t + 2 * US, first++, WEFT_E_DONE);
		if ((t - T0) / step % (per_s > 4 ? per_s / 4 : 1) == 0)
			feed_rss(f, t + 3 * US, rss);
	}
}

static void leak(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	spawns(f, 36, 10, 0, 1200);
	row = assert_found(f, "task-leak", LIVE_WARN, "query");
	assert_string_equal(row->subject_kind, "task_type");
	assert_string_equal(row->location, "svc.c:42");
	assert_in_range(row->evidence[0].value * 10, 95, 105);
	assert_non_null(strstr(row->evidence[row->evidence_n - 1].text, "resident"));
	assert_in_range(row->evidence[row->evidence_n - 1].value, 45, 55);
}

static void a_fast_leak_is_critical(void **state)
{
	struct feed *f = *state;

	spawns(f, 36, 200, 0, 600);
	assert_found(f, "task-leak", LIVE_CRIT, "query");
}

static void a_leak_beside_tasks_that_end(void **state)
{
	struct feed *f = *state;
	uint64_t next = 1000;

	/* 20 a second live for 100 ms, every tenth stays for ever. */
	for (uint64_t t = T0; t < T0 + 37 * S; t += 50 * MS, next++) {
		feed_spawn(f, t, next, 1, 600);
		if (next % 10 && next > 1002)
			feed_end(f, t + MS, next - 2 - ((next - 2) % 10 == 0), WEFT_E_DONE);
	}
	assert_found(f, "task-leak", LIVE_WARN, "query");
}

static void steady_spawns_that_end(void **state)
{
	struct feed *f = *state;

	spawns(f, 60, 50, 2 * S, 0);
	assert_nothing(f);
	assert_string_equal(feed_verdict(f, "task-leak"), "clean");
}

static void connections_ramp_up_to_a_plateau(void **state)
{
	struct feed *f = *state;

	spawns(f, 25, 400, 0, 600);
	for (uint64_t t = T0 + 25 * S; t < T0 + 70 * S; t += S)
		feed_rss(f, t, 200 << 20);
	assert_nothing(f);
}

static void a_slow_ramp_of_open_connections(void **state)
{
	struct feed *f = *state;
	uint64_t next = 1000;

	for (uint64_t t = T0; t < T0 + 60 * S; t += 100 * MS) {
		feed_spawn(f, t, next++, 1, 600);
		feed_gauge(f, t, 3, 10 + (uint32_t)(next - 1000));
	}
	for (uint64_t t = T0 + 60 * S; t < T0 + 140 * S; t += S)
		feed_gauge(f, t, 3, 610);
	assert_nothing(f);
}

static void bursts_that_end(void **state)
{
	struct feed *f = *state;
	uint64_t next = 1000;

	for (uint64_t burst = 0; burst < 10; burst++) {
		uint64_t t = T0 + burst * 7 * S;

		for (uint64_t i = 0; i < 500; i++)
			feed_spawn(f, t + i * MS, next + i, 1, 600);
		for (uint64_t i = 0; i < 500; i++)
			feed_end(f, t + 3 * S + i * MS, next + i, WEFT_E_DONE);
		next += 500;
	}
	assert_nothing(f);
}

static void tasks_found_by_a_walk_are_no_growth(void **state)
{
	struct feed *f = *state;
	struct weft_ev_snapshot_task *tasks = calloc(500, sizeof(*tasks));

	/* The walks meet more and more of what has been there all along. */
	for (uint32_t i = 0; i < 500; i++)
		tasks[i] = (struct weft_ev_snapshot_task){ .task = 20000 + i,
							   .age_ns = ~0ull,
							   .wake_age_ns = ~0ull,
							   .site = 1,
							   .bytes = 600,
							   .runtime = 1 };
	for (uint32_t k = 1; k <= 10; k++)
		feed_walk(f, T0 + k * 5 * S, tasks, k * 50);
	free(tasks);
	feed_tick_to(f, T0 + 60 * S);
	assert_nothing(f);
}

static void held_handles_are_told_apart(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;
	static struct weft_ev_snapshot_task held[2000];
	uint64_t next = 1000;
	uint32_t n = 0;

	for (uint64_t t = T0; t < T0 + 45 * S; t += 100 * MS) {
		feed_spawn(f, t, next, 1, 600);
		feed_end(f, t + MS, next, WEFT_E_DONE);
		held[n++] = (struct weft_ev_snapshot_task){
			.task = next++, .site = 1, .state = WEFT_T_COMPLETE | WEFT_T_JOIN_INTEREST
		};
		if (n % 50 == 0)
			feed_walk(f, t + 2 * MS, held, n);
	}
	row = assert_found(f, "task-leak", LIVE_WARN, "query");
	assert_non_null(strstr(row->cause, "handles are held"));
}

static void a_short_window_is_not_clean(void **state)
{
	struct feed *f = *state;

	spawns(f, 10, 20, 0, 0);
	assert_nothing(f);
	assert_string_equal(feed_verdict(f, "task-leak"), "not-checked");
}

/* ---- the engine ---- */

static void every_symptom_has_a_verdict(void **state)
{
	struct feed *f = *state;
	struct live_checked rows[16];

	feed_tick_to(f, 2 * S);
	assert_int_equal(live_checked(f->l, rows, 16), 10);
	for (int i = 0; i < 10; i++)
		assert_true(!strcmp(rows[i].verdict, "clean") || rows[i].why[0]);
	assert_string_equal(feed_verdict(f, "not-send"), "not-checked");
	assert_string_equal(feed_verdict(f, "never-runs"), "not-checked");
	assert_string_equal(feed_verdict(f, "blocking-call"), "clean");
}

static void fingerprints_outlive_the_run(void **state)
{
	struct feed *f = *state;
	char first[20];

	feed_offcpu(f, T0 + 99 * MS, 0, 7, 60 * MS, 0, 0);
	feed_poll(f, T0 + 100 * MS, 0, 7, 65 * MS);
	feed_tick_to(f, T0 + 500 * MS);
	strcpy(first, feed_finding(f, "blocking-call")->fingerprint);
	teardown(state);
	setup(state);
	f = *state;
	feed_spawn(f, 900 * MS, 70, 1, 512);
	feed_offcpu(f, T0 + 99 * MS, 1, 70, 90 * MS, 0, 0);
	feed_poll(f, T0 + 100 * MS, 1, 70, 95 * MS);
	feed_tick_to(f, T0 + 500 * MS);
	assert_string_equal(feed_finding(f, "blocking-call")->fingerprint, first);
}

static void options_are_checked(void **state)
{
	const char *bad[] = { "blocking.warn_ms=x", NULL }, *unknown[] = { "nothing=3", NULL },
		   *good[] = { "blocking.warn_ms=100", "blocking.crit_ms=500", NULL };
	struct live *l = NULL;
	struct feed *f;

	(void)state;
	assert_int_equal(live_make(&(struct live_options){ .thresholds = bad }, &l), -22);
	assert_non_null(strstr(live_error(NULL), "blocking.warn_ms"));
	assert_int_equal(live_make(&(struct live_options){ .thresholds = unknown }, &l), -22);
	assert_int_equal(live_make(&(struct live_options){ .only = "busy-loop,nonsense" }, &l),
			 -22);
	f = feed_new(&(struct live_options){ .thresholds = good, .ignore = "task-leak" });
	feed_worker(f, 0, 0);
	feed_spawn(f, MS, 7, 1, 0);
	feed_offcpu(f, T0 + 99 * MS, 0, 7, 60 * MS, 0, 0);
	feed_poll(f, T0 + 100 * MS, 0, 7, 65 * MS);
	feed_tick_to(f, T0 + 500 * MS);
	assert_nothing(f);
	assert_string_equal(feed_verdict(f, "task-leak"), "not-checked");
	feed_free(f);
}

static void every_option_is_documented(void **state)
{
	const struct detector_option *o;
	size_t n = 0;

	(void)state;
	for (; (o = detect_option(n)); n++)
		assert_true(strchr(o->name, '.') && o->help[0]);
	assert_true(n >= 20);
}

static int wanted_stacks, wanted_samples;

static void count_wants(void *ctx, const struct session_want *w)
{
	(void)ctx;
	wanted_stacks += w->kind == SESSION_WANT_STACK && w->tid == 100;
	wanted_samples += w->kind == SESSION_WANT_SAMPLES && w->tid == 100;
}

static void wants_the_stack_of_a_block(void **state)
{
	struct feed *f = *state;
	struct detect_options options = { .want = count_wants };
	struct detect *d = NULL;
	char error[100];

	wanted_stacks = wanted_samples = 0;
	assert_int_equal(detect_new(f->m, &options, &d, error, sizeof(error)), 0);
	calm(f, T0, 0);
	for (uint64_t t = T0 + STEP; t <= T0 + S; t += STEP) {
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .task = 7,
						   .open_ns = t - T0 - 5 * MS,
						   .seq = 3,
						   .off_cpu = 2,
						   .syscall = 35 });
		detect_tick(d, t, 0);
	}
	assert_in_range(wanted_stacks, 2, 6); /* not at every tick */
	assert_int_equal(wanted_samples, 0);
	detect_free(d);
}

static void a_healthy_service_for_a_minute(void **state)
{
	struct feed *f = *state;
	uint64_t next = 1000, t = T0;

	/* Requests come and go, two workers at 90 %, some preemption, short writes that block for 100 us, GC of idle connections. */
	srand(3);
	for (; t < T0 + 60 * S; t += 500 * US) {
		uint64_t id = next++, dur = (uint64_t)(20 + rand() % 400) * US;
		uint16_t lane = (uint16_t)(id % 2);

		feed_child(f, t, id, 8, 1);
		if (id % 7 == 0)
			feed_offcpu(f, t + dur - US, lane, id, 100 * US < dur ? 100 * US : 0, 0, 1);
		if (id % 50 == 0)
			feed_offcpu(f, t + dur - US, lane, id, 0, dur / 2, -1);
		feed_poll_delay(f, t + dur, lane, id, dur, 50 * US);
		if (id > 1000 + 200)
			feed_end(f, t + dur, id - 200, WEFT_E_DONE);
		if ((t - T0) % STEP == 0)
			for (uint32_t l = 0; l < 2; l++)
				feed_sample(f, t + dur, l,
					    &(struct feed_sample){ .cpu = 42 * MS,
								   .runq = 3 * MS,
								   .park = 5 * MS,
								   .polls = 50,
								   .busy = 35 * MS,
								   .wakes = 60,
								   .self_wakes = 2 });
	}
	assert_nothing(f);
	assert_string_equal(feed_verdict(f, "busy-loop"), "clean");
	assert_string_equal(feed_verdict(f, "blocking-call"), "clean");
	assert_string_equal(feed_verdict(f, "task-leak"), "clean");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(block_is_found_while_it_lasts),
		T(block_of_an_ended_poll),
		T(block_of_50_ms_is_critical),
		T(many_blocks_of_one_type_are_one_finding),
		T(short_blocks_that_delay_others),
		T(timers_that_nobody_fires_are_harm),
		T(short_blocks_that_harm_nobody),
		T(preempted_is_not_blocked),
		T(starved_is_not_blocked),
		T(pool_threads_may_block),
		T(parked_workers_are_not_blocked),
		T(our_own_attach_is_not_their_fault),
		T(page_faults_need_more),
		T(wants_the_stack_of_a_block),
		T(spin_is_found_while_it_lasts),
		T(spin_from_before_the_attach),
		T(spin_on_a_machine_that_others_overload),
		T(starved_is_not_busy),
		T(full_load_of_short_polls),
		T(crunch_through_long_polls),
		T(long_polls_now_and_then),
		T(self_wake_storm),
		T(yields_that_make_progress),
		T(a_few_self_wakes),
		T(storm_at_level_light),
		T(ping_pong_of_two_tasks),
		T(a_channel_that_io_feeds),
		T(leak),
		T(a_fast_leak_is_critical),
		T(a_leak_beside_tasks_that_end),
		T(steady_spawns_that_end),
		T(connections_ramp_up_to_a_plateau),
		T(a_slow_ramp_of_open_connections),
		T(bursts_that_end),
		T(tasks_found_by_a_walk_are_no_growth),
		T(held_handles_are_told_apart),
		T(a_short_window_is_not_clean),
		T(every_symptom_has_a_verdict),
		T(fingerprints_outlive_the_run),
		T(options_are_checked),
		T(every_option_is_documented),
		T(a_healthy_service_for_a_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
