/* SPDX-License-Identifier: MIT */
/* task-leak in front of sick programs and of healthy ones that look alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/verdict.h"

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
	row = verdict_found(f, "task-leak", LIVE_WARN, "query");
	assert_string_equal(row->subject_kind, "task_type");
	assert_string_equal(row->location, "svc.c:42");
	assert_in_range(row->evidence[0].value * 10, 95, 105);
	assert_non_null(strstr(row->evidence[row->evidence_n - 1].text, "resident"));
	assert_in_range(row->evidence[row->evidence_n - 1].value, 45, 55);
}

static bool is_found(struct detect *d, const char *id)
{
	static struct live_finding rows[8];
	size_t n = detect_findings(d, rows, 0, 8);

	for (size_t i = 0; i < n && i < 8; i++)
		if (!strcmp(rows[i].id, id))
			return true;
	return false;
}

/* ---- what they wait for ---- */

static void await(struct feed *f, uint64_t t, uint64_t task, uint32_t on)
{
	struct {
		struct weft_ev_await head;
		uint32_t place[2];
	} e = { { .task = task, .on = on, .places = 1, .complete = 1, .polls = 1 }, { 1, 0 } };

	feed_event(f, t, WEFT_EV_AWAIT, &e, sizeof(e));
}

/* A leak of 10 a second, as a walk finds its tasks after 36 s: `waiting` of 360 in one place, the others nobody knows where. */
static const struct live_finding *leak_of(struct feed *f, uint32_t waiting, uint32_t on)
{
	struct weft_ev_place place = { .place = 1, .line = 12, .func = "heard", .file = "/svc.c" };
	uint64_t now;

	feed_event(f, 1 * MS, WEFT_EV_PLACE, &place, sizeof(place));
	spawns(f, 36, 10, 0, 1200);
	now = f->now;
	for (uint32_t i = 0; i < waiting; i++)
		await(f, now, 1000 + i, on);
	feed_tick_to(f, now + 2 * S);
	return verdict_found(f, "task-leak", LIVE_WARN, "query");
}

static bool says(const struct live_finding *row, const char *text)
{
	for (uint32_t i = 0; i < row->evidence_n; i++)
		if (strstr(row->evidence[i].text, text))
			return true;
	return false;
}

static void what_they_wait_for_is_told(void **state)
{
	const struct live_finding *row = leak_of(*state, 300, WEFT_WAIT_NOTIFY);

	assert_non_null(strstr(row->cause, "361 alive, waiting for notify"));
	assert_true(says(row, "300 of 360 looked at wait for notify in heard (/svc.c:12)"));
}

/* Of fewer than half it is no cause; of none there is nothing to say; a place that does not say on what is one all the same. */
static void what_they_wait_for_is_not_known_of_most(void **state)
{
	const struct live_finding *row = leak_of(*state, 100, WEFT_WAIT_RECV);

	assert_null(strstr(row->cause, "waiting"));
	assert_true(says(row, "100 of 360 looked at wait for channel recv in heard"));
	verdict_teardown(state);
	verdict_setup(state);
	row = leak_of(*state, 0, WEFT_WAIT_RECV);
	assert_null(strstr(row->cause, "waiting"));
	assert_false(says(row, "looked at"));
	verdict_teardown(state);
	verdict_setup(state);
	row = leak_of(*state, 360, WEFT_WAIT_UNKNOWN);
	assert_null(strstr(row->cause, "waiting"));
	assert_true(
		says(row, "360 of 360 looked at wait for what does not say what it is in heard"));
}

static unsigned walks, awaits;

static void count(void *ctx, const struct session_want *w)
{
	(void)ctx;
	walks += w->kind == SESSION_WANT_SNAPSHOT && w->value == 1;
	awaits += w->kind == SESSION_WANT_AWAIT;
}

/* Once in five seconds while it lasts, not before; a Rust task could not tell. */
static void what_they_wait_for_is_asked(void **state)
{
	static const char *const only = "task-leak";

	for (unsigned rust = 0; rust < 2; rust++) {
		struct detect_options options = { .want = count, .only = only };
		struct feed *f = *state;
		struct detect *d = NULL;
		char error[100];
		uint64_t next = 1000;

		walks = awaits = 0;
		if (rust)
			feed_runtime(f, 1, WEFT_RT_TOKIO);
		assert_int_equal(detect_new(f->m, &options, &d, error, sizeof(error)), 0);
		for (uint64_t t = T0; t < T0 + 45 * S; t += STEP) {
			feed_spawn(f, t, next++, 1, 600);
			detect_tick(d, t, 0);
			if (t == T0 + 30 * S)
				assert_int_equal(walks, 0);
		}
		assert_true(is_found(d, "task-leak"));
		if (rust)
			assert_int_equal(walks + awaits, 0);
		else
			assert_in_range(walks, 2, 3);
		detect_free(d);
		verdict_teardown(state);
		verdict_setup(state);
	}
}

/* For 20 s each is polled at once, and ends; then others take the CPUs, and of 20 a second 10 are. */
static void they_wait_for_a_cpu(void **state)
{
	struct feed *f = *state;
	uint64_t next = 1000, first = next;

	for (uint64_t t = T0; t < T0 + 60 * S; t += STEP) {
		bool calm = t < T0 + 20 * S;

		for (uint64_t i = 0; i < (calm ? 50 : 1); i++)
			feed_spawn(f, t, next++, 1, 600);
		for (uint64_t i = 0; i < (calm ? 50 : (t - T0) / STEP % 2); i++) {
			feed_poll(f, t + US, 0, first, 5 * US);
			feed_end(f, t + 2 * US, first++, WEFT_E_DONE);
		}
		feed_sample(f, t + 3 * US, 0,
			    &(struct feed_sample){ .cpu = 12 * MS,
						   .runq = calm ? 0 : 38 * MS,
						   .park = calm ? 38 * MS : 0,
						   .polls = 1,
						   .busy = 5 * US });
	}
	assert_null(feed_finding(f, "task-leak"));
}

static const char *verdict_of(struct detect *d, const char *id)
{
	static struct live_checked rows[32];
	size_t n = detect_checked(d, rows, 32);

	for (size_t i = 0; i < n && i < 32; i++)
		if (!strcmp(rows[i].id, id))
			return rows[i].verdict;
	return "";
}

/* Of every two hundred ends one is lost, and half a percent of all else. Or that many tasks do not end, and next to nothing is lost. */
static void their_ends_are_lost(void **state)
{
	struct feed *f = *state;
	struct detect_options options = { 0 };
	struct detect *lossy = NULL, *sure = NULL;
	uint64_t next = 1000;
	char error[100];

	assert_int_equal(detect_new(f->m, &options, &lossy, error, sizeof(error)), 0);
	assert_int_equal(detect_new(f->m, &options, &sure, error, sizeof(error)), 0);
	for (uint64_t t = T0; t < T0 + 40 * S; t += STEP) {
		for (uint64_t i = 0; i < 5; i++, next++) {
			feed_spawn(f, t, next, 1, 600);
			feed_poll(f, t + US, 0, next, 5 * US);
			if (next % 200)
				feed_end(f, t + 2 * US, next, WEFT_E_DONE);
		}
		detect_tick(lossy, t, 0.005);
		detect_tick(sure, t, 0.0001);
	}
	assert_false(is_found(lossy, "task-leak"));
	assert_string_equal(verdict_of(lossy, "task-leak"), "not-checked");
	assert_true(is_found(sure, "task-leak"));
	detect_free(lossy);
	detect_free(sure);
}

static void a_fast_leak_is_critical(void **state)
{
	struct feed *f = *state;

	spawns(f, 36, 200, 0, 600);
	verdict_found(f, "task-leak", LIVE_CRIT, "query");
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
	verdict_found(f, "task-leak", LIVE_WARN, "query");
}

static void steady_spawns_that_end(void **state)
{
	struct feed *f = *state;

	spawns(f, 60, 50, 2 * S, 0);
	verdict_nothing(f);
	assert_string_equal(feed_verdict(f, "task-leak"), "clean");
}

static void connections_ramp_up_to_a_plateau(void **state)
{
	struct feed *f = *state;

	spawns(f, 25, 400, 0, 600);
	for (uint64_t t = T0 + 25 * S; t < T0 + 70 * S; t += S)
		feed_rss(f, t, 200 << 20);
	verdict_nothing(f);
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
	verdict_nothing(f);
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
	verdict_nothing(f);
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
	verdict_nothing(f);
}

/* Whoever attaches late meets thousands of them: their number is no excuse. */
static void an_old_leak_is_still_one(void **state)
{
	struct feed *f = *state;
	struct weft_ev_snapshot_task *tasks = calloc(30000, sizeof(*tasks));

	for (uint32_t i = 0; i < 30000; i++)
		tasks[i] = (struct weft_ev_snapshot_task){ .task = 100000 + i,
							   .age_ns = 1000 * S,
							   .wake_age_ns = ~0ull,
							   .site = 1,
							   .bytes = 600,
							   .runtime = 1 };
	feed_walk(f, T0, tasks, 30000);
	free(tasks);
	for (uint64_t i = 0; i < 10 * 37; i++)
		feed_spawn(f, T0 + S + i * 100 * MS, 200000 + i, 1, 600);
	verdict_found(f, "task-leak", LIVE_WARN, "query");
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
	row = verdict_found(f, "task-leak", LIVE_WARN, "query");
	assert_non_null(strstr(row->cause, "handles are held"));
}

static void a_short_window_is_not_clean(void **state)
{
	struct feed *f = *state;

	spawns(f, 10, 20, 0, 0);
	verdict_nothing(f);
	assert_string_equal(feed_verdict(f, "task-leak"), "not-checked");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(leak),
		VERDICT_TEST(what_they_wait_for_is_told),
		VERDICT_TEST(what_they_wait_for_is_not_known_of_most),
		VERDICT_TEST(what_they_wait_for_is_asked),
		VERDICT_TEST(they_wait_for_a_cpu),
		VERDICT_TEST(their_ends_are_lost),
		VERDICT_TEST(a_fast_leak_is_critical),
		VERDICT_TEST(a_leak_beside_tasks_that_end),
		VERDICT_TEST(steady_spawns_that_end),
		VERDICT_TEST(connections_ramp_up_to_a_plateau),
		VERDICT_TEST(a_slow_ramp_of_open_connections),
		VERDICT_TEST(bursts_that_end),
		VERDICT_TEST(tasks_found_by_a_walk_are_no_growth),
		VERDICT_TEST(an_old_leak_is_still_one),
		VERDICT_TEST(held_handles_are_told_apart),
		VERDICT_TEST(a_short_window_is_not_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
