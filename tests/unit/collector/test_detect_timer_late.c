/* SPDX-License-Identifier: MIT */
/* timer-late in front of timers that are late, and of those whose lateness belongs to other detectors or to nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/support/verdict.h"

static void fire(struct feed *f, uint64_t t, uint64_t deadline, uint64_t polled)
{
	struct record r = {
		.t_ns = t, .kind = WEFT_K_TIMER_FIRE, .lane = 0, .task = 8, .a = 1, .b = deadline
	};

	feed_record(f, &r);
	feed_poll(f, polled + 5 * US, 0, 8, 5 * US);
}

/* A timer of task 8 each 50 ms, fired and polled so late; the workers, busy for so long, wait for a CPU for so long. */
static void timers_until(struct feed *f, uint64_t ms, uint64_t fired, uint64_t queued,
			 uint64_t runq, uint64_t busy)
{
	for (uint64_t t = f->now < T0 ? T0 : (f->now / STEP + 1) * STEP; t < T0 + ms * MS;
	     t += STEP) {
		fire(f, t + fired, t, t + fired + queued);
		for (uint32_t lane = 0; lane < 2; lane++)
			feed_sample(f, t + 45 * MS + lane * US, lane,
				    &(struct feed_sample){ .cpu = busy,
							   .runq = runq,
							   .park = STEP - busy - runq,
							   .polls = 5,
							   .busy = busy });
	}
}

static void timers_of(struct feed *f, uint64_t fired, uint64_t queued, uint64_t runq, uint64_t busy)
{
	timers_until(f, 10000, fired, queued, runq, busy);
	feed_tick_to(f, T0 + 11 * S);
}

static void timers(struct feed *f, uint64_t fired, uint64_t queued, uint64_t runq)
{
	timers_of(f, fired, queued, runq, 20 * MS);
}

static void it_waits_in_the_queue(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	timers(f, MS, 25 * MS, 0);
	row = verdict_found(f, "timer-late", LIVE_WARN, "ticker");
	assert_non_null(strstr(row->cause, "waits in the queue"));
	assert_true(row->evidence[0].value <= 1); /* of all timers, once they have stopped, too */
	assert_in_range(row->evidence[1].value, 25, 27);
}

static void the_driver_is_turned_late(void **state)
{
	struct feed *f = *state;

	timers(f, 25 * MS, MS, 0);
	assert_non_null(
		strstr(verdict_found(f, "timer-late", LIVE_WARN, "ticker")->cause, "driver"));
}

/* Where all of them are late it is told sooner than where half of them are. */
static void late_for_how_long(void **state)
{
	struct feed *f = *state;

	timers_until(f, 2800, MS, 25 * MS, 0, 20 * MS);
	assert_null(feed_finding(f, "timer-late"));
	timers_until(f, 3800, MS, 25 * MS, 0, 20 * MS);
	assert_non_null(feed_finding(f, "timer-late"));
	verdict_teardown(state);
	verdict_setup(state);
	f = *state;
	for (uint64_t ms = 0; ms < 5000; ms += 250) {
		if (ms < 3900)
			assert_null(feed_finding(f, "timer-late"));
		timers_until(f, ms + 150, MS, 25 * MS, 0, 20 * MS);
		timers_until(f, ms + 250, MS, MS, 0, 20 * MS);
	}
	assert_non_null(feed_finding(f, "timer-late"));
}

/* A second and a half of it in five, whenever it begins; and what begins between two windows is told as soon as anything else. */
static void they_are_late_for_a_while(void **state)
{
	struct feed *f = *state;

	for (uint64_t ms = 0; ms < 25000; ms += 5100) {
		timers_until(f, ms + 3600, MS, MS, 0, 20 * MS);
		timers_until(f, ms + 5100, MS, 25 * MS, 0, 20 * MS);
	}
	timers_until(f, 29000, MS, MS, 0, 20 * MS);
	assert_null(feed_finding(f, "timer-late"));
	timers_until(f, 32600, MS, 25 * MS, 0, 20 * MS);
	verdict_found(f, "timer-late", LIVE_WARN, "ticker");
}

static void a_few_milliseconds_are_fine(void **state)
{
	struct feed *f = *state;

	timers(f, 2 * MS, 4 * MS, 0);
	verdict_nothing(f);
	assert_string_equal(feed_verdict(f, "timer-late"), "clean");
}

static void the_workers_have_no_cpu(void **state)
{
	struct feed *f = *state;

	timers(f, 25 * MS, 10 * MS, 25 * MS);
	assert_null(feed_finding(f, "timer-late"));
}

/* In all for little of the time; but it has little to do, and whenever a timer is due it is that. */
static void an_idle_worker_waits_for_a_cpu(void **state)
{
	struct feed *f = *state;

	timers_of(f, 10 * MS, 2 * MS, 6 * MS, MS);
	assert_null(feed_finding(f, "timer-late"));
}

static void a_busy_worker_waits_for_less(void **state)
{
	struct feed *f = *state;

	timers(f, 10 * MS, 2 * MS, 6 * MS);
	verdict_found(f, "timer-late", LIVE_WARN, "ticker");
}

/*
 * A thousand timers in each tenth of a second, all at once; the worker that has the driver is 13 ms without a CPU just then, and
 * the sample that tells so comes later.
 */
static void many_at_once_while_it_waits(void **state)
{
	struct feed *f = *state;

	for (uint64_t id = 1000; id < 2000; id++)
		feed_spawn(f, 500 * MS + id * US, id, 2, 64);
	for (uint64_t t = T0; t < T0 + 10 * S; t += 2 * STEP) {
		for (uint32_t lane = 0; lane < 2; lane++)
			verdict_calm(f, t + lane * US, lane);
		for (uint64_t id = 1000; id < 2000; id++) {
			struct record r = { .t_ns = t + 33 * MS + id * US,
					    .kind = WEFT_K_TIMER_FIRE,
					    .task = id,
					    .a = id,
					    .b = t + 20 * MS };

			feed_record(f, &r);
			feed_poll(f, t + 33 * MS + id * US, 0, id, 0);
		}
		feed_sample(f, t + STEP, 0,
			    &(struct feed_sample){ .cpu = 10 * MS,
						   .runq = 13 * MS,
						   .park = 27 * MS,
						   .polls = 1000,
						   .busy = 5 * MS });
		verdict_calm(f, t + STEP + US, 1);
	}
	assert_null(feed_finding(f, "timer-late"));
}

/* A second of it, from T0 + `second`: of the CPU time it uses, `cpu`, so large a part is what watching takes. */
static void watched(struct feed *f, uint64_t second, uint64_t cpu, double part)
{
	static struct weft_ev_process_sample e;

	if (second == 0)
		e = (struct weft_ev_process_sample){ .cpu_user_ns = 0 };
	e.cpu_user_ns += cpu;
	e.own_target_ns += (uint64_t)((double)cpu * part);
	feed_event(f, T0 + second * S + 10 * US, WEFT_EV_PROCESS_SAMPLE, &e, sizeof(e));
}

/* A timer that fires in time waits for 25 ms behind others. */
static void timers_watched(struct feed *f, uint64_t cpu, double part)
{
	for (uint64_t s = 0; s <= 10; s++) {
		watched(f, s, cpu, part);
		timers_until(f, (s + 1) * 1000, MS, 25 * MS, 0, 20 * MS);
	}
	feed_tick_to(f, T0 + 12 * S);
}

static void watching_makes_them_late(void **state)
{
	struct feed *f = *state;

	timers_watched(f, 400 * MS, 0.9);
	assert_null(feed_finding(f, "timer-late"));
}

static void watching_is_a_part_of_it(void **state)
{
	struct feed *f = *state;

	timers_watched(f, 400 * MS, 0.4);
	verdict_found(f, "timer-late", LIVE_WARN, "ticker");
}

/* 200 timers that are due together once in 5 s are late by 15 ms on average, 4 ms a second of watching. */
static void watching_makes_a_rare_burst_late(void **state)
{
	struct feed *f = *state;

	for (uint64_t id = 1000; id < 1200; id++)
		feed_spawn(f, 500 * MS + id * US, id, 2, 64);
	for (uint64_t s = 0; s <= 20; s++) {
		watched(f, s, s % 5 == 1 ? 30 * MS : 0, 0.9);
		for (uint64_t id = 1000; s % 5 == 0 && id < 1200; id++) {
			struct record r = { .t_ns = T0 + s * S + 15 * MS + id * US,
					    .kind = WEFT_K_TIMER_FIRE,
					    .task = id,
					    .a = id,
					    .b = T0 + s * S };

			feed_record(f, &r);
			feed_poll(f, T0 + s * S + 15 * MS + id * US, 0, id, 0);
		}
		for (uint64_t at = STEP; at < S; at += STEP) {
			verdict_calm(f, T0 + s * S + at, 0);
			verdict_calm(f, T0 + s * S + at + US, 1);
		}
	}
	assert_null(feed_finding(f, "timer-late"));
}

/* The process does next to nothing: 18 ms of watching in a second can't make 20 timers late by 25 ms each. */
static void watching_takes_too_little_for_that(void **state)
{
	struct feed *f = *state;

	timers_watched(f, 20 * MS, 0.9);
	verdict_found(f, "timer-late", LIVE_WARN, "ticker");
}

/* Two looks at normal, of 8 s, at which watching takes 90 % and makes timers late; at light no timers are told. */
static void looks_make_them_late(void **state)
{
	struct feed *f = *state;

	feed_level(f, T0, WEFT_LEVEL_LIGHT);
	for (uint64_t s = 0; s < 60; s++) {
		bool close = s % 30 >= 10 && s % 30 < 18;

		if (s % 30 == 10 || s % 30 == 18)
			feed_level(f, T0 + s * S, close ? WEFT_LEVEL_NORMAL : WEFT_LEVEL_LIGHT);
		watched(f, s, close ? 400 * MS : 40 * MS, close ? 0.9 : 0.1);
		if (close)
			timers_until(f, (s + 1) * 1000, MS, 25 * MS, 0, 20 * MS);
		feed_tick_to(f, T0 + (s + 1) * S);
		assert_null(feed_finding(f, "timer-late"));
	}
}

/* 400 of one type fire together in each fifth of a second, in time; of another, of 4 timers a second, all are late. */
static void few_among_many(void **state)
{
	struct feed *f = *state;

	for (uint64_t id = 1000; id < 1400; id++)
		feed_spawn(f, 500 * MS + id * US, id, 2, 64);
	feed_spawn(f, 500 * MS, 900, 1, 64);
	for (uint64_t t = T0, n = 0; t < T0 + 10 * S; t += 200 * MS, n++) {
		verdict_calm(f, t, 0);
		verdict_calm(f, t + US, 1);
		for (uint64_t id = 1000; id < 1400; id++) {
			struct record r = { .t_ns = t + id * US,
					    .kind = WEFT_K_TIMER_FIRE,
					    .task = id,
					    .a = id,
					    .b = t + id * US - 500 * US };

			feed_record(f, &r);
			feed_poll(f, t + id * US, 0, id, 0);
			if (id == 1200) {
				struct record late = { .t_ns = t + id * US + US / 2,
						       .kind = WEFT_K_TIMER_FIRE,
						       .task = 900,
						       .a = 1,
						       .b = t + id * US - 40 * MS };

				feed_record(f, &late);
				feed_poll(f, t + id * US + US / 2, 0, 900, 0);
			}
		}
	}
	feed_tick_to(f, T0 + 11 * S);
	verdict_found(f, "timer-late", LIVE_WARN, "query");
}

/* It waits for 390 ms on end, which is told when that is over; in the samples until then it does nothing. */
static void it_waits_over_several_samples(void **state)
{
	const struct feed_sample ran = { .cpu = 10 * MS, .park = 40 * MS, .polls = 2, .busy = MS };
	struct feed_sample waited = ran;
	struct feed *f = *state;

	waited.runq = 390 * MS;
	for (uint64_t t = T0; t < T0 + 12 * S; t += S) {
		for (uint64_t k = 1; k < 8; k++) {
			feed_sample(f, t + k * STEP, 0, &(struct feed_sample){ 0 });
			verdict_calm(f, t + k * STEP + US, 1);
		}
		for (uint64_t k = 0; k < 8; k++)
			fire(f, t + 400 * MS + k * MS, t + k * STEP + 10 * MS,
			     t + 400 * MS + k * MS);
		feed_sample(f, t + 410 * MS, 0, &waited);
		verdict_calm(f, t + 410 * MS + US, 1);
		for (uint64_t k = 9; k < 20; k++) {
			if (k < 13)
				fire(f, t + k * STEP, t + k * STEP - MS, t + k * STEP);
			feed_sample(f, t + k * STEP + 10 * MS, 0, &ran);
			verdict_calm(f, t + k * STEP + 10 * MS + US, 1);
		}
	}
	assert_null(feed_finding(f, "timer-late"));
}

/* SIGSTOP for a second and a half in each two; then a timer that ticks each 50 ms makes up for what it has missed. */
static void the_process_is_stopped_now_and_then(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t < T0 + 12 * S; t += STEP) {
		uint64_t at = (t - T0) % (2 * S);
		bool stopped = at < 1500 * MS;

		for (uint64_t due = t - 1500 * MS; at == 1500 * MS && due < t; due += STEP)
			fire(f, t + (due + 1500 * MS - t) / 1000, due,
			     t + (due + 1500 * MS - t) / 1000);
		if (!stopped)
			fire(f, t + 10 * MS, t + 9 * MS, t + 10 * MS);
		for (uint32_t lane = 0; lane < 2; lane++)
			if (stopped)
				feed_sample(f, t + 45 * MS + lane * US, lane,
					    &(struct feed_sample){ 0 });
			else
				verdict_calm(f, t + 45 * MS + lane * US, lane);
	}
	assert_null(feed_finding(f, "timer-late"));
}

/* A poll of task 8 that ends at t and arms its timer. */
static void arm(struct feed *f, uint64_t t, uint64_t deadline)
{
	struct record r = {
		.t_ns = t - US, .kind = WEFT_K_TIMER_ARM, .lane = 0, .task = 8, .a = 1, .b = deadline
	};

	feed_record(f, &r);
	feed_poll(f, t, 0, 8, 2 * US);
}

/* A ticker of 50 ms whose body takes 3 s of each 4: it makes up for the ticks that it has missed, each of them due when it is armed. */
static void it_catches_up(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t < T0 + 16 * S; t += STEP) {
		uint64_t at = (t - T0) % (4 * S), k = 0;

		for (uint64_t due = t - 3 * S; at == 3 * S && due < t; due += STEP, k += 10 * US) {
			arm(f, t + 5 * US + k, due);
			fire(f, t + 7 * US + k, due, t + 7 * US + k);
		}
		if (at >= 3 * S) {
			arm(f, t + 5 * MS, t + 9 * MS);
			fire(f, t + 10 * MS, t + 9 * MS, t + 10 * MS);
		}
		for (uint32_t lane = 0; lane < 2; lane++)
			verdict_calm(f, t + 45 * MS + lane * US, lane);
	}
	verdict_nothing(f);
}

/* What comes after the arming is late all the same: it is fired 25 ms later, with or without a poll for another reason meanwhile. */
static void due_when_armed_and_fired_late(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t < T0 + 10 * S; t += STEP) {
		arm(f, t + MS, t - 100 * MS);
		if (t % (2 * STEP))
			feed_poll(f, t + 20 * MS, 0, 8, 2 * US);
		fire(f, t + 26 * MS, t - 100 * MS, t + 26 * MS);
		for (uint32_t lane = 0; lane < 2; lane++)
			verdict_calm(f, t + 45 * MS + lane * US, lane);
	}
	assert_in_range(verdict_found(f, "timer-late", LIVE_WARN, "ticker")->evidence[1].value, 24,
			26);
}

/* Its task is polled for another reason while its timer is overdue: late as if it were not. */
static void polled_while_it_is_late(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t < T0 + 10 * S; t += STEP) {
		arm(f, t + MS, t + 5 * MS);
		feed_poll(f, t + 24 * MS, 0, 8, 2 * US);
		fire(f, t + 30 * MS, t + 5 * MS, t + 30 * MS);
		for (uint32_t lane = 0; lane < 2; lane++)
			verdict_calm(f, t + 45 * MS + lane * US, lane);
	}
	verdict_found(f, "timer-late", LIVE_WARN, "ticker");
}

/* Nobody waits for the polls of task 7: the timer that was due before them is armed after them. */
static void armed_after_the_poll(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t < T0 + 12 * S; t += 250 * MS) {
		feed_poll(f, t + 20 * MS, 0, 7, 20 * MS);
		arm(f, t + 21 * MS, t - MS);
		fire(f, t + 21 * MS + 2 * US, t - MS, t + 21 * MS + 2 * US);
	}
	feed_tick_to(f, T0 + 13 * S);
	assert_null(feed_finding(f, "long-poll"));
}

/* A poll that ends with the arming of its own timer, due meanwhile, has no victim. */
static void armed_at_its_end(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t < T0 + 12 * S; t += 250 * MS) {
		struct record r = { .t_ns = t + 20 * MS - US,
				    .kind = WEFT_K_TIMER_ARM,
				    .task = 8,
				    .a = 1,
				    .b = t + MS };

		feed_record(f, &r);
		feed_poll(f, t + 20 * MS, 0, 8, 20 * MS);
		fire(f, t + 20 * MS + 2 * US, t + MS, t + 20 * MS + 2 * US);
	}
	feed_tick_to(f, T0 + 13 * S);
	assert_null(feed_finding(f, "long-poll"));
}

/* One task keeps a worker, and the timers are late because of that: one finding. */
static void a_busy_task_makes_them_late(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t < T0 + 10 * S; t += STEP) {
		fire(f, t + 25 * MS, t, t + 26 * MS);
		feed_poll(f, t + 45 * MS, 1, 7, 40 * MS);
	}
	feed_tick_to(f, T0 + 11 * S);
	assert_non_null(feed_finding(f, "busy-loop"));
	assert_null(feed_finding(f, "timer-late"));
}

/* Polls of 20 ms that begin at T and after it, every 250 ms, for 12 s. Nothing but polls comes: they ran, unless records are lost. */
static void bare_polls(struct feed *f, uint64_t from)
{
	for (uint64_t t = from; t < from + 12 * S; t += 250 * MS) {
		feed_poll(f, t, 0, 7, 20 * MS);
		feed_poll_delay(f, t + 10 * US, 0, 8, US, 20 * MS);
	}
	feed_tick_to(f, from + 13 * S);
}

static void their_records_are_lost(void **state)
{
	struct feed *f = *state;

	feed_level(f, T0, WEFT_LEVEL_NORMAL);
	feed_offcpu(f, T0 + MS, 0, 7, MS / 2, 0, 0);
	feed_poll(f, T0 + 2 * MS, 0, 7, 2 * MS);
	feed_lost(f, T0 + 10 * MS, 100);
	bare_polls(f, T0 + S);
	assert_null(feed_finding(f, "long-poll"));
	feed_lost(f, f->now, 100); /* no more than before: it is over */
	bare_polls(f, f->now + S);
	verdict_found(f, "long-poll", LIVE_WARN, "query");
}

/* A few of them all the time, of many: nothing tells whether those polls ran or waited. */
static void some_records_are_lost_all_the_time(void **state)
{
	struct feed *f = *state;
	uint64_t lost = 0;

	feed_level(f, T0, WEFT_LEVEL_NORMAL);
	feed_offcpu(f, T0 + MS, 0, 7, MS / 2, 0, 0);
	feed_poll(f, T0 + 2 * MS, 0, 7, 2 * MS);
	for (uint64_t t = T0 + S; t < T0 + 13 * S; t += STEP) {
		verdict_calm(f, t, 0);
		verdict_calm(f, t, 1);
		feed_lost(f, t + MS, ++lost);
		if (t % (250 * MS))
			continue;
		feed_poll(f, t + 30 * MS, 0, 7, 20 * MS);
		feed_poll_delay(f, t + 31 * MS, 0, 8, US, 20 * MS);
	}
	feed_tick_to(f, f->now + S);
	assert_null(feed_finding(f, "long-poll"));
	assert_string_equal(feed_verdict(f, "long-poll"), "not-checked");
}

/* The worker lost its CPU just before each poll, and the poll's stamp is from before that: the kernel says that it waited. */
static void they_wait_before_they_begin(void **state)
{
	struct feed *f = *state;

	feed_level(f, T0, WEFT_LEVEL_NORMAL);
	feed_offcpu(f, T0 + MS, 0, 7, MS / 2, 0, 0);
	feed_poll(f, T0 + 2 * MS, 0, 7, 2 * MS);
	for (uint64_t t = T0 + S; t < T0 + 13 * S; t += 250 * MS) {
		verdict_calm(f, t - STEP, 0);
		feed_poll(f, t - 10 * MS, 0, 7, 20 * MS);
		feed_poll_delay(f, t - 9 * MS, 0, 8, US, 20 * MS);
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = 2 * MS,
						   .runq = 20 * MS,
						   .polls = 2,
						   .busy = 20 * MS,
						   .park = 28 * MS,
						   .state = WEFT_WS_PARKED_FUTEX });
	}
	feed_tick_to(f, T0 + 14 * S);
	assert_null(feed_finding(f, "long-poll"));
}

/* A sample met the poll at its begin, on the CPU: that says little of the other 18 ms. */
static void a_sample_of_their_begin(void **state)
{
	struct feed *f = *state;

	feed_level(f, T0, WEFT_LEVEL_LIGHT);
	for (uint64_t t = T0 + S; t < T0 + 13 * S; t += 250 * MS) {
		verdict_calm(f, t - STEP, 0);
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = STEP,
						   .task = 7,
						   .open_ns = 2 * MS,
						   .seq = t / MS,
						   .depth = 2 });
		feed_poll(f, t + 18 * MS, 0, 7, 20 * MS);
		feed_poll_delay(f, t + 18 * MS + 10 * US, 0, 8, US, 18 * MS);
	}
	feed_tick_to(f, T0 + 14 * S);
	assert_null(feed_finding(f, "long-poll"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(their_records_are_lost),
		VERDICT_TEST(some_records_are_lost_all_the_time),
		VERDICT_TEST(they_wait_before_they_begin),
		VERDICT_TEST(a_sample_of_their_begin),
		VERDICT_TEST(it_waits_in_the_queue),
		VERDICT_TEST(the_driver_is_turned_late),
		VERDICT_TEST(late_for_how_long),
		VERDICT_TEST(they_are_late_for_a_while),
		VERDICT_TEST(a_few_milliseconds_are_fine),
		VERDICT_TEST(the_workers_have_no_cpu),
		VERDICT_TEST(an_idle_worker_waits_for_a_cpu),
		VERDICT_TEST(a_busy_worker_waits_for_less),
		VERDICT_TEST(many_at_once_while_it_waits),
		VERDICT_TEST(watching_makes_them_late),
		VERDICT_TEST(watching_is_a_part_of_it),
		VERDICT_TEST(watching_makes_a_rare_burst_late),
		VERDICT_TEST(watching_takes_too_little_for_that),
		VERDICT_TEST(looks_make_them_late),
		VERDICT_TEST(few_among_many),
		VERDICT_TEST(it_waits_over_several_samples),
		VERDICT_TEST(the_process_is_stopped_now_and_then),
		VERDICT_TEST(it_catches_up),
		VERDICT_TEST(due_when_armed_and_fired_late),
		VERDICT_TEST(polled_while_it_is_late),
		VERDICT_TEST(armed_after_the_poll),
		VERDICT_TEST(armed_at_its_end),
		VERDICT_TEST(a_busy_task_makes_them_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
