/* SPDX-License-Identifier: MIT */
/* The detection engine: verdicts, options, wants; and a healthy service before all detectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/detect/detector.h"
#include "tests/support/verdict.h"

static void every_symptom_has_a_verdict(void **state)
{
	struct feed *f = *state;
	struct live_checked rows[32];

	feed_tick_to(f, 2 * S);
	assert_int_equal(live_checked(f->l, rows, 32), 20);
	for (int i = 0; i < 20; i++)
		assert_true(!strcmp(rows[i].verdict, "clean") || rows[i].why[0]);
	assert_string_equal(feed_verdict(f, "not-send"), "clean");
	assert_string_equal(feed_verdict(f, "never-runs"), "not-checked"); /* no walk yet */
	assert_string_equal(feed_verdict(f, "task-leak"), "not-checked");  /* too short */
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
	verdict_teardown(state);
	verdict_setup(state);
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
	verdict_nothing(f);
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
	verdict_calm(f, T0, 0);
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
	verdict_nothing(f);
	assert_string_equal(feed_verdict(f, "busy-loop"), "clean");
	assert_string_equal(feed_verdict(f, "blocking-call"), "clean");
	assert_string_equal(feed_verdict(f, "task-leak"), "clean");
}

/* Samples of both workers, so often and for so long; `wait` of each stretch they want a CPU in vain. */
static void watch(struct feed *f, uint64_t every, uint64_t until, double wait)
{
	uint64_t polls = wait > 0.8 ? 0 : 10;

	for (uint64_t t = T0; t <= until; t += every) {
		feed_poll(f, t - MS, 0, 8, 10 * US);
		for (uint32_t l = 0; l < 2; l++)
			feed_sample(f, t, l,
				    &(struct feed_sample){ .cpu = every / 100,
							   .runq = (uint64_t)(wait * (double)every),
							   .park = every / 10,
							   .polls = polls,
							   .busy = 10 * US });
	}
	feed_tick_to(f, until + MS);
}

static void little_was_seen(void **state)
{
	static const struct {
		uint64_t every, until;
		double wait;
		const char *verdict, *why;
	} as[] = {
		{ 50 * MS, T0 + 5 * S, 0, "clean", "" },
		{ 50 * MS, T0 + 5 * S, 0.1, "clean", "" },
		{ 50 * MS, T0 + 700 * MS, 0, "not-checked", "looked at for 0.7 s of 0.7 s" },
		{ 900 * MS, T0 + 9 * S, 0, "not-checked", "looked at for 0.0 s of 9.0 s" },
		{ 50 * MS, T0 + 5 * S, 0.8, "clean", "" },
		{ 50 * MS, T0 + 5 * S, 0.85, "not-checked", "others had the CPUs" },
	};
	struct live_checked rows[32];

	for (size_t i = 0; i < sizeof(as) / sizeof(*as); i++) {
		struct feed *f = *state;

		feed_level(f, T0 - 200 * MS, WEFT_LEVEL_NORMAL);
		watch(f, as[i].every, as[i].until, as[i].wait);
		verdict_nothing(f);
		assert_string_equal(feed_verdict(f, "busy-loop"), as[i].verdict);
		assert_string_equal(feed_verdict(f, "blocking-call"), as[i].verdict);
		live_checked(f->l, rows, 32);
		for (size_t k = 0; k < 20; k++)
			if (!strcmp(rows[k].id, "blocking-call"))
				assert_non_null(strstr(rows[k].why, as[i].why));
		feed_free(f);
		verdict_setup(state);
	}
}

/* A program that ended is judged by its life: a second cannot be asked of a shorter one. */
static void little_was_seen_of_one_that_ended(void **state)
{
	static const struct {
		uint64_t every, until;
		double wait;
		const char *verdict;
	} as[] = {
		{ 50 * MS, T0 + 700 * MS, 0, "clean" },
		{ 50 * MS, T0 + 5 * S, 0, "clean" },
		{ 900 * MS, T0 + 9 * S, 0, "not-checked" },
		{ 50 * MS, T0 + 5 * S, 0.85, "not-checked" },
	};

	for (size_t i = 0; i < sizeof(as) / sizeof(*as); i++) {
		struct record ended = { .kind = WEFT_EV_PROCESS_EXIT,
					.t_ns = as[i].until + 2 * MS };
		struct feed *f = *state;

		feed_level(f, T0 - 200 * MS, WEFT_LEVEL_NORMAL);
		watch(f, as[i].every, as[i].until, as[i].wait);
		feed_record(f, &ended);
		feed_tick_to(f, as[i].until + 20 * S);
		assert_string_equal(feed_verdict(f, "busy-loop"), as[i].verdict);
		assert_string_equal(feed_verdict(f, "blocking-call"), as[i].verdict);
		feed_free(f);
		verdict_setup(state);
	}
}

/*
 * Nobody looks while the probes are taken out, however long that lasts: it is no time in which little was seen, nor one in which
 * much was, and nothing that was there at the last look is over.
 */
static void the_probes_are_taken_out_for_20_s(void **state)
{
	struct feed *f = *state;

	feed_level(f, T0 - 200 * MS, WEFT_LEVEL_NORMAL);
	watch(f, 50 * MS, T0 + 15 * S, 0);
	feed_offcpu(f, T0 + 15 * S + 99 * MS, 0, 7, 60 * MS, 0, 0);
	feed_poll(f, T0 + 15 * S + 100 * MS, 0, 7, 65 * MS);
	feed_tick_to(f, T0 + 40 * S);
	assert_non_null(feed_finding(f, "blocking-call"));
	assert_string_equal(feed_verdict(f, "busy-loop"), "clean");
	assert_string_equal(feed_verdict(f, "task-leak"), "not-checked");
}

/* There is no room for one more finding: its symptom is not clean for that. */
static void too_many_findings(void **state)
{
	struct feed *f = *state;
	struct record misuse = { .kind = WEFT_K_MISUSE, .task = 8, .a = WEFT_M_FRAME_MOVED };
	char name[16];

	for (uint32_t i = 0; i < 300; i++) {
		uint64_t t = T0 + i * 3 * MS;

		snprintf(name, sizeof(name), "t%u", i);
		feed_site(f, 10 + i, name, "svc.c", i);
		feed_spawn(f, t, 100 + i, 10 + i, 0);
		feed_offcpu(f, t + MS, 0, 100 + i, 60 * MS, 0, 0);
		feed_poll(f, t + MS + US, 0, 100 + i, 65 * MS);
	}
	feed_tick_to(f, T0 + 2 * S);
	assert_int_equal(feed_findings(f), 256);
	misuse.t_ns = T0 + 2 * S;
	feed_record(f, &misuse);
	feed_tick_to(f, T0 + 2 * S + STEP);
	assert_string_equal(feed_verdict(f, "not-unpin"), "found");
}

/* What was lost up to the end is known after the last tick. */
static void much_was_lost_at_the_end(void **state)
{
	struct feed *f = *state;

	feed_poll(f, T0, 0, 7, US);
	feed_tick_to(f, T0 + 3 * S);
	assert_string_equal(feed_verdict(f, "mixed-runtimes"), "clean");
	detect_lost(f->l->detect, 0.3);
	assert_string_equal(feed_verdict(f, "mixed-runtimes"), "not-checked");
}

static void what_rust_never_tells(void **state)
{
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	feed_poll(f, T0, 0, 7, US);
	feed_tick_to(f, T0 + 3 * S);
	assert_string_equal(feed_verdict(f, "not-send"), "not-applicable");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(wants_the_stack_of_a_block),
		VERDICT_TEST(every_symptom_has_a_verdict),
		VERDICT_TEST(fingerprints_outlive_the_run),
		VERDICT_TEST(options_are_checked),
		VERDICT_TEST(every_option_is_documented),
		VERDICT_TEST(a_healthy_service_for_a_minute),
		VERDICT_TEST(little_was_seen),
		VERDICT_TEST(little_was_seen_of_one_that_ended),
		VERDICT_TEST(the_probes_are_taken_out_for_20_s),
		VERDICT_TEST(too_many_findings),
		VERDICT_TEST(much_was_lost_at_the_end),
		VERDICT_TEST(what_rust_never_tells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
