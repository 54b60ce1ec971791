/* SPDX-License-Identifier: MIT */
/* never-runs in front of tasks that wait and of healthy ones that look alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/support/verdict.h"

static bool counts; /* the polls of task 7 */
static bool full;   /* the machine */
static bool loaded; /* the workers that are not held */
static const char *const
	*holder; /* the stack of the poll that holds a worker, once a second; NULL = none comes */

/* A walk that meets tasks 7 to 9; `state` is that of task 7. */
static void walk(struct feed *f, uint64_t t, uint64_t state)
{
	struct weft_ev_snapshot_task tasks[3] = {
		{ .task = 7,
		  .site = 1,
		  .state = state,
		  .runtime = 1,
		  .polls = counts ? (uint32_t)(t / MS) : 0,
		  .wake_age_ns = UINT64_MAX,
		  .age_ns = t - MS },
		{ .task = 8,
		  .site = 2,
		  .runtime = 1,
		  .wake_age_ns = UINT64_MAX,
		  .age_ns = t - 2 * MS },
		{ .task = 9,
		  .site = 2,
		  .runtime = 1,
		  .wake_age_ns = UINT64_MAX,
		  .age_ns = t - 3 * MS },
	};

	feed_walk(f, t, tasks, 3);
}

static void goes_on(struct feed *f, uint64_t t, uint32_t lane)
{
	if (loaded)
		feed_sample(f, t, lane,
			    &(struct feed_sample){
				    .cpu = STEP, .polls = 500, .busy = STEP - 5 * MS });
	else
		verdict_calm(f, t, lane);
}

/* Tickers poll, task 7 has polled once and is woken at T0. `held`: workers that stay inside one poll of 8 or 9 from T0 on. */
static void run(struct feed *f, uint64_t seconds, unsigned held, uint64_t state, bool walks)
{
	for (uint64_t id = 7; id <= 9; id++)
		feed_poll(f, T0 - 100 * MS + id * MS, 0, id, US);
	feed_wake(f, T0, 0, 7, 0, WEFT_W_FOREIGN);
	for (uint64_t t = T0 + STEP; t < T0 + seconds * S; t += STEP) {
		for (uint32_t lane = 0; lane < 2; lane++) {
			struct feed_sample busy = { .cpu = full ? 100 * US : STEP,
						    .runq = full ? STEP - 100 * US : 0,
						    .task = 8 + lane,
						    .open_ns = t - T0,
						    .seq = 3 };

			if (lane < held) {
				feed_sample(f, t, lane, &busy);
				if (holder && (t - T0) % S == STEP)
					feed_sample_named(f, t, 8 + lane, 3, holder);
			} else {
				feed_poll(f, t, (uint16_t)lane, 8 + lane, 10 * US);
				goes_on(f, t + MS, lane);
			}
		}
		if (walks && (t - T0) % (2 * S) == 0)
			walk(f, t + 2 * MS, state);
	}
}

static void every_worker_is_held(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	run(f, 5, 2, WEFT_T_NOTIFIED, true);
	row = verdict_found(f, "never-runs", LIVE_CRIT, "query");
	assert_non_null(strstr(row->cause, "every worker is inside one poll"));
	assert_non_null(strstr(row->cause, "woken, but not polled"));
	assert_int_equal(row->subject_id, 7);
}

static void it_is_stranded_behind_one_worker(void **state)
{
	struct feed *f = *state;

	run(f, 5, 1, WEFT_T_NOTIFIED, true);
	assert_non_null(
		strstr(verdict_found(f, "never-runs", LIVE_CRIT, "query")->cause, "stranded"));
}

static bool is_related(const struct live_finding *a, const struct live_finding *b)
{
	for (uint32_t i = 0; i < a->related_n; i++)
		if (!strcmp(a->related[i], b->fingerprint))
			return true;
	return false;
}

/* What is found of the task that holds the workers has to do with it; what another one died of has not. */
static void who_holds_the_workers_is_related(void **state)
{
	struct record died = { .t_ns = 900 * MS,
			       .kind = WEFT_K_TASK_SPAWN,
			       .task = 100,
			       .b = 3,
			       .c = 256,
			       .d = (uint64_t)WEFT_S_DETACHED << 32 | 1 };
	static struct live_finding waits, holds, other;
	struct feed *f = *state;

	feed_site(f, 3, "other", "svc.c", 99);
	feed_record(f, &died);
	feed_end(f, 901 * MS, 100, WEFT_E_ERROR | 5 << 8);
	run(f, 5, 2, WEFT_T_NOTIFIED, true);
	waits = *verdict_found(f, "never-runs", LIVE_CRIT, "query");
	holds = *verdict_found(f, "busy-loop", LIVE_CRIT, "ticker");
	other = *verdict_found(f, "detached-panic", LIVE_WARN, "other");
	assert_true(is_related(&waits, &holds));
	assert_true(is_related(&holds, &waits));
	assert_int_equal(other.related_n, 0);
	assert_false(is_related(&waits, &other));
}

/* ---- where it stands ---- */

static void stands(struct feed *f, uint64_t t, uint32_t places)
{
	struct weft_ev_place place = { .place = 1, .line = 12, .func = "recv", .file = "src/svc.c" };
	struct {
		struct weft_ev_await head;
		uint32_t place[2];
	} e = { { .task = 7, .on = WEFT_WAIT_RECV, .places = places, .complete = 1, .polls = 1 },
		{ 1, 2 } };

	feed_event(f, t, WEFT_EV_PLACE, &place, sizeof(place));
	place.place = 2;
	place.line = 30;
	strcpy(place.func, "query");
	feed_event(f, t, WEFT_EV_PLACE, &place, sizeof(place));
	feed_event(f, t, WEFT_EV_AWAIT, &e, sizeof(e));
	feed_tick_to(f, t + S);
}

static const char *told(const struct live_finding *row)
{
	for (uint32_t i = 0; i < row->evidence_n; i++)
		if (strstr(row->evidence[i].text, "stands"))
			return row->evidence[i].text;
	return "";
}

static void where_it_stands_is_told(void **state)
{
	struct feed *f = *state;

	run(f, 5, 2, WEFT_T_NOTIFIED, true);
	assert_string_equal(told(verdict_found(f, "never-runs", LIVE_CRIT, "query")), "");
	stands(f, f->now + MS, 2);
	assert_string_equal(
		told(verdict_found(f, "never-runs", LIVE_CRIT, "query")),
		"it stands where it awaits channel recv: recv (svc.c:12) < query (svc.c:30)");
}

/* Before it became runnable it may have stood elsewhere; one that has not started stands nowhere. */
static void it_may_stand_nowhere(void **state)
{
	struct feed *f = *state;

	stands(f, T0 - 150 * MS, 2);
	run(f, 5, 2, WEFT_T_NOTIFIED, true);
	assert_string_equal(told(verdict_found(f, "never-runs", LIVE_CRIT, "query")), "");
	stands(f, f->now + MS, 0);
	assert_string_equal(told(verdict_found(f, "never-runs", LIVE_CRIT, "query")), "");
}

static unsigned awaits;

static void count(void *ctx, const struct session_want *w)
{
	(void)ctx;
	awaits += w->kind == SESSION_WANT_AWAIT && w->task == 7;
}

/* Asked for once a second, until it is known; of a Rust task nobody asks. */
static void where_it_stands_is_asked(void **state)
{
	for (unsigned rust = 0; rust < 2; rust++) {
		struct detect_options options = { .want = count, .only = "never-runs" };
		struct feed *f = *state;
		struct detect *d = NULL;
		char error[100];

		awaits = 0;
		if (rust)
			feed_runtime(f, 1, WEFT_RT_TOKIO);
		assert_int_equal(detect_new(f->m, &options, &d, error, sizeof(error)), 0);
		run(f, 5, 2, WEFT_T_NOTIFIED, true);
		for (uint64_t t = f->now + STEP; t < T0 + 8 * S; t += STEP) {
			for (uint32_t lane = 0; lane < 2; lane++)
				feed_sample(f, t, lane,
					    &(struct feed_sample){ .cpu = STEP,
								   .task = 8 + lane,
								   .open_ns = t - T0,
								   .seq = 3 });
			detect_tick(d, t, 0);
		}
		if (rust)
			assert_int_equal(awaits, 0);
		else
			assert_in_range(awaits, 2, 4);
		detect_free(d);
		verdict_teardown(state);
		verdict_setup(state);
	}
}

/* Of the other worker nothing was seen so far: it has nothing to do. */
static void the_other_worker_has_not_been_met(void **state)
{
	struct feed *f = *state;

	feed_lane(f, 1, WEFT_LANE_DEAD);
	run(f, 5, 2, WEFT_T_NOTIFIED, true);
	assert_non_null(
		strstr(verdict_found(f, "never-runs", LIVE_CRIT, "query")->cause, "stranded"));
}

/* Two seconds after it became runnable at the latest, where the walk that was asked for comes at once. */
static void it_is_told_soon(void **state)
{
	struct feed *f = *state;

	run(f, 1, 1, WEFT_T_NOTIFIED, false);
	for (uint64_t t = T0 + S; t <= T0 + 1350 * MS; t += STEP) {
		struct feed_sample busy = { .cpu = STEP, .task = 8, .open_ns = t - T0, .seq = 3 };

		feed_sample(f, t, 0, &busy);
		verdict_calm(f, t, 1);
		if (t == T0 + 1050 * MS)
			walk(f, t, WEFT_T_NOTIFIED);
	}
	verdict_found(f, "never-runs", LIVE_CRIT, "query");
}

/* Their workers are inside one poll, and wait for CPUs that others have. */
static void every_worker_waits_for_a_cpu(void **state)
{
	struct feed *f = *state;

	full = true;
	run(f, 5, 2, WEFT_T_NOTIFIED, true);
	full = false;
	assert_null(feed_finding(f, "never-runs"));
}

static void others_go_first_for_long(void **state)
{
	struct feed *f = *state;

	run(f, 5, 0, WEFT_T_NOTIFIED, true);
	assert_null(feed_finding(f, "never-runs"));
	feed_free(f);
	verdict_setup(state);
	f = *state;
	run(f, 8, 0, WEFT_T_NOTIFIED, true);
	verdict_found(f, "never-runs", LIVE_WARN, "query");
}

/* Its poll was lost: the walk finds it idle. */
static void a_lost_poll_is_no_finding(void **state)
{
	struct feed *f = *state;

	run(f, 8, 1, 0, true);
	assert_null(feed_finding(f, "never-runs"));
	assert_string_equal(feed_verdict(f, "never-runs"), "clean");
}

/* A ticker of Tokio's at a load that the machine can't take: each walk meets it runnable, and nobody tells of its polls. */
static void it_is_runnable_again_and_again(void **state)
{
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	feed_level(f, T0 - 200 * MS, WEFT_LEVEL_LIGHT);
	run(f, 8, 0, WEFT_T_NOTIFIED, true);
	assert_null(feed_finding(f, "never-runs"));
	feed_free(f);
	verdict_setup(state);
	f = *state;
	feed_runtime(f, 1, WEFT_RT_TOKIO);
	feed_level(f, T0 - 200 * MS, WEFT_LEVEL_NORMAL);
	run(f, 8, 0, WEFT_T_NOTIFIED, true);
	verdict_found(f, "never-runs", LIVE_WARN, "query");
}

/* The same, and batches are missing. */
static void its_polls_may_be_lost(void **state)
{
	struct weft_ev_gap gap = { .seq_from = 1, .seq_to = 2, .reason = WEFT_GAP_RING_FULL };
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	feed_level(f, T0 - 200 * MS, WEFT_LEVEL_NORMAL);
	run(f, 4, 0, WEFT_T_NOTIFIED, true);
	feed_event(f, f->now, WEFT_EV_GAP, &gap, sizeof(gap));
	for (uint64_t t = f->now + STEP; t < T0 + 8 * S; t += STEP) {
		feed_poll(f, t, 0, 8, 10 * US);
		verdict_calm(f, t + MS, 0);
		if ((t - T0) % S == 0)
			walk(f, t + 2 * MS, WEFT_T_NOTIFIED);
	}
	assert_null(feed_finding(f, "never-runs"));
}

/* Tokio at light: nobody tells of the polls of task 7. */
static void run_light(struct feed *f, unsigned held)
{
	feed_runtime(f, 1, WEFT_RT_TOKIO);
	feed_level(f, T0 - 200 * MS, WEFT_LEVEL_LIGHT);
	run(f, 8, held, WEFT_T_NOTIFIED, true);
}

/* What is in block_in_place holds no worker: another thread has taken over what the worker had to do. */
static void a_worker_is_in_place(void **state)
{
	static const char *const in_place[] = {
		"svc::crunch", "tokio::runtime::scheduler::multi_thread::worker::block_in_place",
		"svc::query", "tokio::runtime::task::raw::poll", NULL
	};
	struct feed *f = *state;

	holder = in_place;
	run_light(f, 1);
	holder = NULL;
	assert_null(feed_finding(f, "never-runs"));
}

/* The same, and no stack came; the others have more to do than they can. One that has time would have polled it. */
static void one_is_held_and_the_others_are_loaded(void **state)
{
	struct feed *f = *state;

	loaded = true;
	run_light(f, 1);
	loaded = false;
	assert_null(feed_finding(f, "never-runs"));
	feed_free(f);
	verdict_setup(state);
	f = *state;
	run_light(f, 1);
	assert_non_null(
		strstr(verdict_found(f, "never-runs", LIVE_CRIT, "query")->cause, "stranded"));
}

/* From there on polls are told: none of task 7, as a second walk tells. */
static void a_closer_look_tells(void **state)
{
	struct feed *f = *state;
	uint64_t closer;

	loaded = true;
	run_light(f, 1);
	closer = f->now;
	feed_level(f, closer, WEFT_LEVEL_NORMAL);
	for (uint64_t t = closer + STEP; t < closer + 3 * S; t += STEP) {
		struct feed_sample busy = { .cpu = STEP, .task = 8, .open_ns = t - T0, .seq = 3 };

		feed_sample(f, t, 0, &busy);
		goes_on(f, t + MS, 1);
		if ((t - closer) % (1200 * MS) == 0)
			walk(f, t + 2 * MS, WEFT_T_NOTIFIED);
	}
	loaded = false;
	assert_non_null(
		strstr(verdict_found(f, "never-runs", LIVE_CRIT, "query")->cause, "stranded"));
}

/* The C runtime counts the polls of each task: that of task 7 goes up from walk to walk. */
static void its_count_of_polls_grows(void **state)
{
	struct feed *f = *state;

	feed_level(f, T0 - 200 * MS, WEFT_LEVEL_LIGHT);
	counts = true;
	run(f, 12, 0, WEFT_T_NOTIFIED, true);
	counts = false;
	assert_null(feed_finding(f, "never-runs"));
}

/* The same with the usual time between walks, and at a level that falls just as the task was woken. */
static void its_count_grows_between_rare_walks(void **state)
{
	static const uint64_t falls[] = { T0 - 200 * MS, T0 + 3 * S + 500 * MS };

	for (size_t i = 0; i < 2; i++) {
		struct feed *f = *state;
		bool light = false;

		for (uint64_t id = 7; id <= 9; id++)
			feed_poll(f, T0 - 400 * MS + id * MS, 0, id, US);
		counts = true;
		for (uint64_t t = T0 - 200 * MS; t < T0 + 16 * S; t += STEP) {
			if (!light && t >= falls[i]) {
				if (t > T0)
					feed_wake(f, t, 0, 7, 0, WEFT_W_FOREIGN);
				feed_level(f, t, WEFT_LEVEL_LIGHT);
				light = true;
			}
			for (uint32_t lane = 0; lane < 2; lane++)
				verdict_calm(f, t + MS, lane);
			if (t >= T0 && (t - T0) % (3 * S) == 0)
				walk(f, t + 2 * MS, light ? WEFT_T_NOTIFIED : 0);
		}
		counts = false;
		assert_int_equal(feed_findings(f), 0);
		feed_free(f);
		verdict_setup(state);
	}
}

/* SIGSTOP for eight seconds, while one worker looked for work and the other one slept. */
static void the_process_is_stopped(void **state)
{
	struct feed *f = *state;

	for (uint64_t id = 7; id <= 9; id++)
		feed_poll(f, T0 - 100 * MS + id * MS, 0, id, US);
	verdict_calm(f, T0 - STEP, 0);
	verdict_calm(f, T0 - STEP, 1);
	feed_wake(f, T0, 0, 7, 0, WEFT_W_FOREIGN);
	for (uint64_t t = T0 + STEP; t < T0 + 8 * S; t += STEP) {
		feed_sample(f, t, 0, &(struct feed_sample){ 0 });
		feed_sample(f, t, 1, &(struct feed_sample){ .state = WEFT_WS_PARKED_FUTEX });
		if ((t - T0) % (2 * S) == 0)
			walk(f, t + 2 * MS, WEFT_T_NOTIFIED);
	}
	assert_null(feed_finding(f, "never-runs"));
}

/* The walk at the attach alone can't tell: a task has to be runnable for a second. */
static void it_is_watched_for_a_second(void **state)
{
	struct feed *f = *state;

	walk(f, 100 * MS, 0);
	feed_tick_to(f, S);
	assert_string_equal(feed_verdict(f, "never-runs"), "not-checked");
	feed_tick_to(f, 3 * S);
	assert_string_equal(feed_verdict(f, "never-runs"), "clean");
}

static void nothing_is_said_without_a_walk(void **state)
{
	struct feed *f = *state;

	run(f, 8, 0, WEFT_T_NOTIFIED, false);
	assert_null(feed_finding(f, "never-runs"));
	assert_string_equal(feed_verdict(f, "never-runs"), "not-checked");
}

/* ---- tests that hang ---- */

#define HARNESS "test::__rust_begin_short_backtrace::<fn()>"

static const char *const in_root[] = { "syscall",
				       "std::sys::pal::unix::futex::futex_wait",
				       "tokio::runtime::park::Inner::park",
				       "svc::hangs::on_mail",
				       "svc::hangs::on_mail::{{closure}}",
				       "core::ops::function::FnOnce::call_once",
				       "<fn() -> T as core::ops::function::FnOnce<()>>::call_once",
				       HARNESS,
				       NULL };

static void a_test_hangs(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	feed_stack_waiting(f, 5 * S, 4 * S, false, in_root);
	feed_tick_to(f, 6 * S);
	assert_null(feed_finding(f, "never-runs"));
	feed_stack_waiting(f, 7 * S, 6 * S, false, in_root);
	feed_tick_to(f, 7 * S + STEP);
	row = verdict_found(f, "never-runs", LIVE_CRIT, "hangs::on_mail");
	assert_string_equal(row->subject_kind, "thread");
	assert_string_equal(row->location, "src/lib.rs:14");
	assert_non_null(strstr(row->evidence[1].text, "nobody wakes it"));
}

static void a_test_locks_in_a_task(void **state)
{
	static const char *const stack[] = { "std::sync::poison::mutex::Mutex<T>::lock",
					     "svc::hangs::locks::{{closure}}::{{closure}}",
					     "tokio::runtime::task::raw::poll",
					     "svc::hangs::locks",
					     "svc::hangs::locks::{closure#0}",
					     HARNESS,
					     NULL };
	struct feed *f = *state;
	const struct live_finding *row;

	feed_stack_waiting(f, 7 * S, 6 * S, false, stack);
	feed_tick_to(f, 7 * S + STEP);
	row = verdict_found(f, "never-runs", LIVE_CRIT, "hangs::locks");
	assert_non_null(strstr(row->evidence[1].text,
			       "svc::hangs::locks::{{closure}}::{{closure}} (src/lib.rs:11)"));
}

/* It may be a service elsewhere that takes its time. */
static void a_test_with_sockets_has_longer(void **state)
{
	struct feed *f = *state;

	feed_stack_waiting(f, 19 * S, 18 * S, true, in_root);
	feed_tick_to(f, 19 * S + STEP);
	assert_null(feed_finding(f, "never-runs"));
	feed_stack_waiting(f, 23 * S, 22 * S, true, in_root);
	feed_tick_to(f, 23 * S + STEP);
	verdict_found(f, "never-runs", LIVE_CRIT, "hangs::on_mail");
}

/* The main thread of libtest, and threads of the runtime. */
static void no_thread_of_a_test_is_accused(void **state)
{
	static const char *const stack[] = { "syscall",
					     "std::sys::backtrace::__rust_begin_short_backtrace",
					     "svc::main", NULL };
	struct feed *f = *state;

	feed_stack_waiting(f, 60 * S, 59 * S, false, stack);
	feed_tick_to(f, 60 * S + STEP);
	assert_null(feed_finding(f, "never-runs"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(every_worker_is_held),
		VERDICT_TEST(it_is_stranded_behind_one_worker),
		VERDICT_TEST(who_holds_the_workers_is_related),
		VERDICT_TEST(where_it_stands_is_told),
		VERDICT_TEST(it_may_stand_nowhere),
		VERDICT_TEST(where_it_stands_is_asked),
		VERDICT_TEST(the_other_worker_has_not_been_met),
		VERDICT_TEST(it_is_told_soon),
		VERDICT_TEST(every_worker_waits_for_a_cpu),
		VERDICT_TEST(others_go_first_for_long),
		VERDICT_TEST(a_lost_poll_is_no_finding),
		VERDICT_TEST(it_is_runnable_again_and_again),
		VERDICT_TEST(its_polls_may_be_lost),
		VERDICT_TEST(a_worker_is_in_place),
		VERDICT_TEST(one_is_held_and_the_others_are_loaded),
		VERDICT_TEST(a_closer_look_tells),
		VERDICT_TEST(its_count_of_polls_grows),
		VERDICT_TEST(its_count_grows_between_rare_walks),
		VERDICT_TEST(it_is_watched_for_a_second),
		VERDICT_TEST(the_process_is_stopped),
		VERDICT_TEST(nothing_is_said_without_a_walk),
		VERDICT_TEST(a_test_hangs),
		VERDICT_TEST(a_test_locks_in_a_task),
		VERDICT_TEST(a_test_with_sockets_has_longer),
		VERDICT_TEST(no_thread_of_a_test_is_accused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
