/* SPDX-License-Identifier: MIT */
/* mixed-runtimes: two kinds that drive one program, and programs that only look so. Runtime 1 has lanes 0 and 1, runtime 2 lanes 2 and 3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/support/verdict.h"

#define OTHER 20 /* a task of runtime 2 */

static void runtime(struct feed *f, uint32_t id, uint16_t kind, const char *version)
{
	struct weft_ev_runtime e = {
		.runtime = id, .kind = kind, .flavour = WEFT_F_MULTI_THREAD, .workers = 2
	};

	snprintf(e.version, sizeof(e.version), "%s", version);
	feed_event(f, f->now, WEFT_EV_RUNTIME, &e, sizeof(e));
}

static void second_runtime(struct feed *f, uint16_t kind, const char *version)
{
	struct record spawn = {
		.t_ns = 4 * MS, .kind = WEFT_K_TASK_SPAWN, .task = OTHER, .b = 1, .c = 256, .d = 2
	};

	runtime(f, 1, WEFT_RT_TOKIO, "1.54.1");
	runtime(f, 2, kind, version);
	for (uint32_t lane = 2; lane < 4; lane++) {
		struct weft_ev_lane e = { .lane = lane,
					  .role = WEFT_LANE_WORKER,
					  .runtime = 2,
					  .worker = lane - 2,
					  .ns_tid = 100 + lane };

		feed_event(f, f->now, WEFT_EV_LANE, &e, sizeof(e));
	}
	feed_record(f, &spawn);
}

/* What a worker of each runtime does in each 50 ms. */
struct habit {
	uint64_t cpu, runq, polls;
};

static void work(struct feed *f, uint64_t t, uint32_t lane, const struct habit *h)
{
	feed_sample(f, t, lane,
		    &(struct feed_sample){ .cpu = h->cpu,
					   .runq = h->runq,
					   .park = STEP - h->cpu - h->runq,
					   .polls = h->polls,
					   .busy = h->cpu,
					   .state = WEFT_WS_PARKED_DRIVER });
}

static void run(struct feed *f, uint64_t from, uint64_t seconds, const struct habit *one,
		const struct habit *two)
{
	for (uint64_t t = from; t < from + seconds * S; t += STEP)
		for (uint32_t lane = 0; lane < 4; lane++)
			work(f, t + lane * US, lane, lane < 2 ? one : two);
}

static const struct habit calm = { .cpu = 5 * MS, .polls = 20 }, none = { .cpu = US };

/* ---- two kinds ---- */

static void both_drive_tasks(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	second_runtime(f, WEFT_RT_SMOL, "2.0.2");
	run(f, T0, 5, &calm, &calm);
	row = verdict_found(f, "mixed-runtimes", LIVE_WARN, "svc");
	assert_string_equal(row->cause, "tokio 1.54.1 and smol 2.0.2 both drive tasks");
	assert_string_equal(row->subject_kind, "process");
	assert_non_null(strstr(row->evidence[0].text, "tokio 1.54.1"));
	assert_non_null(strstr(row->evidence[1].text, "smol 2.0.2"));
	assert_true(row->evidence[1].value > 700);
	assert_int_equal(feed_findings(f), 1);
}

static void within_five_seconds(void **state)
{
	struct feed *f = *state;

	second_runtime(f, WEFT_RT_SMOL, "2.0.2");
	run(f, T0, 4, &calm, &calm);
	assert_non_null(feed_finding(f, "mixed-runtimes"));
}

static void two_versions_of_one(void **state)
{
	struct feed *f = *state;

	second_runtime(f, WEFT_RT_TOKIO, "1.24.2");
	run(f, T0, 5, &calm, &calm);
	verdict_found(f, "mixed-runtimes", LIVE_WARN, "svc");
}

/* A runtime for each worker, reqwest::blocking, a LocalSet; and libraries that do not tell their version. */
static void several_of_one_kind(void **state)
{
	struct feed *f = *state;

	second_runtime(f, WEFT_RT_TOKIO, "1.54.1");
	runtime(f, 3, WEFT_RT_TOKIO, "");
	run(f, T0, 8, &calm, &calm);
	verdict_nothing(f);
	assert_string_equal(feed_verdict(f, "mixed-runtimes"), "clean");
}

/* It has threads, and no tasks. */
static void the_other_only_stands_by(void **state)
{
	struct feed *f = *state;

	second_runtime(f, WEFT_RT_SMOL, "2.0.2");
	run(f, T0, 8, &calm, &none);
	verdict_nothing(f);
	assert_string_equal(feed_verdict(f, "mixed-runtimes"), "clean");
}

/* A task of it now and then, as a library's start-up has. */
static void hardly_any_task(void **state)
{
	const struct habit once = { .cpu = MS, .polls = 40 };
	struct feed *f = *state;

	second_runtime(f, WEFT_RT_SMOL, "2.0.2");
	for (uint64_t t = T0; t < T0 + 24 * S; t += STEP)
		for (uint32_t lane = 0; lane < 4; lane++)
			work(f, t + lane * US, lane,
			     lane < 2 ? &calm
			     : t % (12 * S) >= 6 * S && t % S < STEP && t % (12 * S) < 7 * S
				     ? &once
				     : &none);
	verdict_nothing(f);
}

static void watched_too_short(void **state)
{
	struct feed *f = *state;

	second_runtime(f, WEFT_RT_TOKIO, "1.54.1");
	run(f, T0, 1, &calm, &calm);
	assert_string_equal(feed_verdict(f, "mixed-runtimes"), "not-checked");
}

/* ---- what it costs ---- */

static void they_wake_each_other(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;
	const struct live_evidence *waits;

	second_runtime(f, WEFT_RT_SMOL, "2.0.2");
	for (uint64_t t = T0; t < T0 + 5 * S; t += STEP) {
		for (uint32_t lane = 0; lane < 4; lane++)
			work(f, t + lane * US, lane, &calm);
		feed_wake(f, t + 10 * US, 2, 7, OTHER, WEFT_W_TASK);
		feed_poll_delay(f, t + 4 * MS, 0, 7, US, 3 * MS);
		feed_wake(f, t + 5 * MS, 0, OTHER, 7, WEFT_W_TASK);
		feed_poll_delay(f, t + 6 * MS, 2, OTHER, US, 100 * US);
	}
	row = verdict_found(f, "mixed-runtimes", LIVE_WARN, "svc");
	assert_string_equal(row->cause,
			    "tokio 1.54.1 and smol 2.0.2 both drive tasks, which wake each other");
	assert_non_null(
		strstr(row->evidence[2].text, "of tasks of tokio 1.54.1 by tasks of smol 2.0.2"));
	assert_in_range(row->evidence[2].value, 70, 100);
	assert_in_range(row->evidence[3].value, 70, 100);
	waits = &row->evidence[4];
	assert_string_equal(waits->unit, "ms");
	assert_non_null(strstr(waits->text, "wait for their poll"));
	assert_true(row->harm_task_ms > 70 && row->harm_task_ms < 310);
}

/* Wakes within each runtime, and by nobody that is known. */
static void they_leave_each_other_alone(void **state)
{
	struct feed *f = *state;

	second_runtime(f, WEFT_RT_SMOL, "2.0.2");
	for (uint64_t t = T0; t < T0 + 5 * S; t += STEP) {
		for (uint32_t lane = 0; lane < 4; lane++)
			work(f, t + lane * US, lane, &calm);
		feed_wake(f, t + 10 * US, 0, 7, 8, WEFT_W_TASK);
		feed_poll_delay(f, t + 4 * MS, 0, 7, US, 3 * MS);
		feed_wake(f, t + 5 * MS, 2, OTHER, 0, WEFT_W_FOREIGN);
		feed_poll_delay(f, t + 6 * MS, 2, OTHER, US, 100 * US);
	}
	assert_string_equal(verdict_found(f, "mixed-runtimes", LIVE_WARN, "svc")->cause,
			    "tokio 1.54.1 and smol 2.0.2 both drive tasks");
}

static void more_workers_than_cpus(void **state)
{
	const struct habit full = { .cpu = 24 * MS, .runq = 25 * MS, .polls = 50 };
	struct feed *f = *state;

	second_runtime(f, WEFT_RT_SMOL, "2.0.2");
	for (uint64_t t = T0; t < T0 + 5 * S; t += STEP) {
		struct weft_ev_process_sample p = { .rss_bytes = 1 << 20,
						    .cpu_user_ns = 96 * MS * (t / STEP) };
		struct weft_ev_cpus c = { .cpus = 2, .busy_ns = t, .total_ns = t };

		for (uint32_t lane = 0; lane < 4; lane++)
			work(f, t + lane * US, lane, &full);
		feed_event(f, t + 10 * US, WEFT_EV_PROCESS_SAMPLE, &p, sizeof(p));
		feed_event(f, t + 10 * US, WEFT_EV_CPUS, &c, sizeof(c));
	}
	assert_string_equal(verdict_found(f, "mixed-runtimes", LIVE_WARN, "svc")->cause,
			    "tokio 1.54.1 and smol 2.0.2 both drive tasks, on too few CPUs");
}

/* ---- block_on inside a task ---- */

#define TASK_POLL "tokio::runtime::task::harness::Harness<T,S>::poll"

/* Task 7 of Tokio is blocked for 30 ms in these functions. */
static void blocked_in(struct feed *f, const struct habit *other, const char *const *user)
{
	static const char *const kernel[] = { "futex_do_wait", NULL };
	struct record off = { .t_ns = T0 + 4 * S + 35 * MS,
			      .kind = WEFT_EV_OFFCPU,
			      .task = 7,
			      .a = 30 * MS,
			      .c = 202,
			      .d = 1 };

	second_runtime(f, WEFT_RT_SMOL, "2.0.2");
	run(f, T0, 4, &calm, other);
	feed_stack_named(f, T0 + 4 * S + 20 * MS, 7, 1, 202, kernel, user);
	feed_record(f, &off);
	feed_poll(f, T0 + 4 * S + 36 * MS, 0, 7, 31 * MS);
	feed_tick_to(f, T0 + 5 * S);
}

static const struct live_finding *nested(struct feed *f)
{
	static struct live_finding rows[32];
	int n = live_findings(f->l, rows, 0, 32);

	for (int i = 0; i < n; i++)
		if (!strcmp(rows[i].id, "mixed-runtimes") && !strcmp(rows[i].subject_kind, "task"))
			return &rows[i];
	return NULL;
}

static void a_worker_in_a_block_on(void **state)
{
	static const char *const user[] = { "parking::Inner::park",
					    "async_io::driver::block_on::<F>", "svc::handler",
					    TASK_POLL, NULL };
	struct feed *f = *state;
	const struct live_finding *row;

	blocked_in(f, &calm, user);
	row = nested(f);
	assert_non_null(row);
	assert_string_equal(row->subject_name, "query");
	assert_in_range(row->evidence[0].value, 29, 31);
	assert_non_null(strstr(row->evidence[2].text, "async_io::driver::block_on"));
	assert_true(row->stack_n && row->advice[0]);
}

/* smol's was built into the caller. */
static void a_block_on_without_its_frame(void **state)
{
	static const char *const user[] = { "parking::Inner::park", "svc::handler", TASK_POLL,
					    NULL };
	struct feed *f = *state;

	blocked_in(f, &calm, user);
	assert_non_null(nested(f));
}

/* That is blocking-call's. */
static void the_other_drives_nothing(void **state)
{
	static const char *const user[] = { "parking::Inner::park",
					    "async_io::driver::block_on::<F>", "svc::handler",
					    TASK_POLL, NULL };
	struct feed *f = *state;

	blocked_in(f, &none, user);
	assert_null(nested(f));
	assert_non_null(feed_finding(f, "blocking-call"));
}

static void a_lock_that_parks(void **state)
{
	static const char *const user[] = { "parking::Inner::park",
					    "event_listener::InnerListener::wait_internal",
					    "svc::handler", TASK_POLL, NULL };
	struct feed *f = *state;

	blocked_in(f, &calm, user);
	assert_null(nested(f));
}

/* As our own advice has it. */
static void a_block_on_in_place(void **state)
{
	static const char *const user[] = {
		"tokio::runtime::handle::Handle::block_on",
		"tokio::runtime::scheduler::multi_thread::worker::block_in_place", "svc::handler",
		TASK_POLL, NULL
	};
	struct feed *f = *state;

	blocked_in(f, &calm, user);
	assert_null(nested(f));
}

/* Every thread has one at its bottom; a std lock is none. */
static void the_threads_own_block_on(void **state)
{
	static const char *const user[] = { "std::sys::sync::mutex::futex::Mutex::lock_contended",
					    "svc::handler",
					    TASK_POLL,
					    "tokio::runtime::Runtime::block_on",
					    "main",
					    NULL };
	struct feed *f = *state;

	blocked_in(f, &calm, user);
	assert_null(nested(f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(both_drive_tasks),
		VERDICT_TEST(within_five_seconds),
		VERDICT_TEST(two_versions_of_one),
		VERDICT_TEST(several_of_one_kind),
		VERDICT_TEST(the_other_only_stands_by),
		VERDICT_TEST(hardly_any_task),
		VERDICT_TEST(watched_too_short),
		VERDICT_TEST(they_wake_each_other),
		VERDICT_TEST(they_leave_each_other_alone),
		VERDICT_TEST(more_workers_than_cpus),
		VERDICT_TEST(a_worker_in_a_block_on),
		VERDICT_TEST(a_block_on_without_its_frame),
		VERDICT_TEST(the_other_drives_nothing),
		VERDICT_TEST(a_lock_that_parks),
		VERDICT_TEST(a_block_on_in_place),
		VERDICT_TEST(the_threads_own_block_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
