/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "collector/model/timer.h"
#include "tests/support/feed.h"

static int setup(void **state)
{
	struct feed *f = feed_new(&(struct live_options){ 0 });

	feed_worker(f, 0, 0);
	feed_worker(f, 1, 1);
	feed_site(f, 1, "session", "svc.c", 42);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	feed_free(*state);
	return 0;
}

/* ---- polls ---- */

static void splits_polls_by_offcpu_records(void **state)
{
	struct feed *f = *state;
	struct model_task *t;

	feed_spawn(f, 1 * MS, 7, 1, 512);
	feed_offcpu(f, 6 * MS, 0, 7, 3 * MS, 1 * MS, 35);
	feed_poll(f, 10 * MS, 0, 7, 8 * MS);
	assert_int_equal(f->last.d, 3000ull << 32 | 1000);
	t = model_task(f->m, 7);
	assert_non_null(t);
	assert_int_equal(t->blocked_ns, 3 * MS);
	assert_int_equal(t->runnable_ns, 1 * MS);
	assert_int_equal(t->busy_ns, 4 * MS);
	/* The next poll begins with a clean slate. */
	feed_poll(f, 20 * MS, 0, 7, 2 * MS);
	assert_int_equal(f->last.d, 0);
	assert_int_equal(t->busy_ns, 6 * MS);
}

static void nested_polls_keep_their_own_time(void **state)
{
	struct feed *f = *state;

	feed_spawn(f, 1 * MS, 7, 1, 0);
	feed_spawn(f, 1 * MS, 8, 1, 0);
	feed_offcpu(f, 4 * MS, 0, 7, 1 * MS, 0, 35);
	feed_offcpu(f, 8 * MS, 0, 8, 2 * MS, 0, 35);
	feed_poll(f, 9 * MS, 0, 8, 3 * MS);
	assert_int_equal(f->last.d, 2000ull << 32);
	feed_poll(f, 10 * MS, 0, 7, 8 * MS);
	assert_int_equal(f->last.d, 1000ull << 32);
}

static void old_offcpu_does_not_leak_into_later_polls(void **state)
{
	struct feed *f = *state;

	feed_spawn(f, 1 * MS, 7, 1, 0);
	feed_offcpu(f, 5 * MS, 0, 7, 3 * MS, 0, 35); /* its poll's record was lost */
	feed_poll(f, 50 * MS, 0, 7, 1 * MS);
	assert_int_equal(f->last.d, 0);
}

/* Nor does it hide what belongs to them. */
static void old_offcpu_does_not_stand_for_later_polls(void **state)
{
	struct feed *f = *state;

	feed_spawn(f, 1 * MS, 7, 1, 0);
	for (uint64_t i = 1; i <= 2; i++) {
		struct record r = { .t_ns = i * 50 * MS,
				    .kind = WEFT_EV_OFFCPU,
				    .task = 7,
				    .a = 3 * MS,
				    .c = 35,
				    .d = i };

		feed_record(f, &r);
	}
	feed_poll(f, 101 * MS, 0, 7, 8 * MS); /* the record of the first poll was lost */
	assert_int_equal(f->last.d, 3000ull << 32);
}

static void offcpu_is_never_more_than_the_poll(void **state)
{
	struct feed *f = *state;
	struct model_task *t;

	feed_spawn(f, 1 * MS, 7, 1, 0);
	feed_offcpu(f, 9 * MS, 0, 7, 500 * MS, 500 * MS, 35);
	feed_poll(f, 10 * MS, 0, 7, 8 * MS);
	t = model_task(f->m, 7);
	assert_int_equal(t->busy_ns + t->blocked_ns + t->runnable_ns, 8 * MS);
}

/* What a wait was longer than the time since the last sample belongs to the time before; but for the last one, which may be read late. */
static void waits_over_several_samples(void **state)
{
	static const unsigned flags[] = { 0, WEFT_EVF_LAST };
	static const uint64_t waited[] = { 190 * MS, 50 * MS };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct weft_ev_lane_sample e = { .cpu_ns = 1, .runq_ns = 1 };
		struct feed *f = feed_new(&(struct live_options){ 0 });
		const struct model_lane *l;

		feed_worker(f, 0, 0);
		for (uint64_t k = 1; k <= 5; k++) {
			feed_event(f, S + k * 50 * MS, WEFT_EV_LANE_SAMPLE, &e, sizeof(e));
			e.cpu_ns += k == 1 ? 10 * MS : 0;
		}
		e.runq_ns += 190 * MS;
		feed_flagged(f, S + 300 * MS, WEFT_EV_LANE_SAMPLE, flags[i], &e, sizeof(e));
		l = model_lane(f->m, 0, 0);
		assert_int_equal(l->watched.runnable, waited[i]);
		assert_int_equal(l->watched.runnable + l->watched.parked + 10 * MS, 250 * MS);
		feed_free(f);
	}
}

/* ---- states ---- */

static void states_follow_wakes_and_polls(void **state)
{
	struct feed *f = *state;
	struct model_task *t;

	feed_spawn(f, 1 * MS, 7, 1, 0);
	t = model_task(f->m, 7);
	assert_int_equal(model_task_state(f->m, t), LIVE_READY);
	feed_poll(f, 3 * MS, 0, 7, 1 * MS);
	assert_int_equal(model_task_state(f->m, t), LIVE_IDLE);
	feed_wake(f, 4 * MS, 0, 7, 0, WEFT_W_IO);
	assert_int_equal(model_task_state(f->m, t), LIVE_READY);
	/* Woken while it was polled: runnable again at the end. */
	feed_wake(f, 6 * MS, 0, 7, 7, WEFT_W_TASK);
	feed_poll(f, 7 * MS, 0, 7, 2 * MS);
	assert_int_equal(model_task_state(f->m, t), LIVE_READY);
	feed_poll(f, 9 * MS, 0, 7, 1 * MS);
	assert_int_equal(model_task_state(f->m, t), LIVE_IDLE);
	feed_end(f, 9 * MS, 7, WEFT_E_CANCELLED);
	assert_int_equal(model_task_state(f->m, t), LIVE_CANCELLED);
	assert_int_equal(model_tasks_alive(f->m), 0);
}

static void open_polls_show_from_samples(void **state)
{
	struct feed *f = *state;
	struct live_header h;
	struct model_task *t;

	feed_spawn(f, 1 * MS, 7, 1, 0);
	feed_sample(f, 50 * MS, 0, &(struct feed_sample){ .cpu = 1 * MS });
	feed_sample(f, 100 * MS, 0,
		    &(struct feed_sample){
			    .cpu = 50 * MS, .task = 7, .open_ns = 40 * MS, .seq = 5 });
	t = model_task(f->m, 7);
	assert_int_equal(model_task_state(f->m, t), LIVE_RUNNING);
	feed_sample(f, 150 * MS, 0,
		    &(struct feed_sample){
			    .task = 7, .open_ns = 90 * MS, .seq = 5, .off_cpu = 2, .syscall = 35 });
	assert_int_equal(model_task_state(f->m, t), LIVE_BLOCKED);
	assert_int_equal(live_header(f->l, 0, &h), 0);
	assert_int_equal(h.alive, h.idle + h.ready + h.running + h.blocked);
	assert_int_equal(h.blocked, 1);
	feed_poll(f, 160 * MS, 0, 7, 100 * MS);
	assert_int_equal(model_task_state(f->m, t), LIVE_IDLE);
}

/* ---- shares ---- */

static void check_shares(struct feed *f, uint32_t lane)
{
	struct lane_parts p;

	assert_true(lane_shares(model_lane(f->m, 0, lane), model_now(f->m), &p));
	assert_true(p.busy + p.blocked + p.runnable + p.own + p.parked <= p.span);
}

static void shares_sum_to_the_whole(void **state)
{
	struct feed *f = *state;
	struct lane_parts p;

	/* 60 % in polls on the CPU, 10 % own work, 10 % waiting for a CPU, 20 % parked. */
	for (uint64_t t = 50 * MS; t <= 2 * S; t += 50 * MS)
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = 35 * MS,
						   .runq = 5 * MS,
						   .park = 10 * MS,
						   .polls = 30,
						   .busy = 30 * MS });
	check_shares(f, 0);
	lane_shares(model_lane(f->m, 0, 0), model_now(f->m), &p);
	assert_int_equal(p.busy * 100 / p.span, 60);
	assert_int_equal(p.own * 100 / p.span, 10);
	assert_int_equal(p.runnable * 100 / p.span, 10);
	assert_int_equal(p.parked * 100 / p.span, 20);
	assert_int_equal(p.busy + p.blocked + p.runnable + p.own + p.parked, p.span);
}

static void a_blocked_worker_is_blocked_up_to_now(void **state)
{
	struct feed *f = *state;
	struct lane_parts p;

	feed_spawn(f, 1 * MS, 7, 1, 0);
	for (uint64_t t = 50 * MS; t <= 2 * S; t += 50 * MS)
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .task = 7,
						   .open_ns = t - 10 * MS,
						   .seq = 9,
						   .off_cpu = 2,
						   .syscall = 35 });
	check_shares(f, 0);
	lane_shares(model_lane(f->m, 0, 0), model_now(f->m), &p);
	assert_int_equal(p.blocked * 100 / p.span, 100);
}

static void shares_without_samples_come_from_records(void **state)
{
	struct feed *f = *state;
	struct lane_parts p;

	feed_spawn(f, 1 * MS, 7, 1, 0);
	for (uint64_t t = 10 * MS; t <= 3 * S; t += 10 * MS)
		feed_poll(f, t, 0, 7, 4 * MS);
	check_shares(f, 0);
	lane_shares(model_lane(f->m, 0, 0), model_now(f->m), &p);
	assert_in_range(p.busy * 100 / p.span, 38, 42);
}

static void hostile_samples_stay_in_bounds(void **state)
{
	struct feed *f = *state;
	struct weft_ev_lane_sample e;

	srand(7);
	for (uint64_t t = 50 * MS; t <= 5 * S; t += 50 * MS) {
		for (size_t i = 0; i < sizeof(e); i++)
			((unsigned char *)&e)[i] = (unsigned char)rand();
		e.lane = (uint32_t)rand() % 3;
		if (rand() % 2)
			e.cpu_ns = (uint64_t)rand();
		feed_event(f, t, WEFT_EV_LANE_SAMPLE, &e, sizeof(e));
		for (uint32_t lane = 0; lane < 3; lane++)
			if (model_lane(f->m, 0, lane) && model_lane(f->m, 0, lane)->nslices)
				check_shares(f, lane);
	}
}

/* ---- tables ---- */

static void finds_tasks_among_many(void **state)
{
	struct feed *f = *state;
	uint32_t cursor = 0, n = 0;

	for (uint64_t id = 1; id <= 50000; id++)
		feed_spawn(f, id * US, id, 1, 100);
	for (uint64_t id = 1; id <= 50000; id += 2)
		feed_end(f, 60 * MS + id * US, id, WEFT_E_DONE);
	assert_int_equal(model_tasks_alive(f->m), 25000);
	for (uint64_t id = 2; id <= 50000; id += 2)
		assert_int_equal(model_task(f->m, id)->id, id);
	while (model_task_each(f->m, &cursor))
		n++;
	assert_int_equal(n, 25000 + MODEL_KEEP_ENDED);
	assert_null(model_task(f->m, 1));
	assert_non_null(model_task(f->m, 49999));
}

/* Places in the index go by the low bits of the id: ids that share them must not crowd a part of it. */
static void finds_tasks_of_a_regular_pattern(void **state)
{
	struct feed *f = *state;
	const uint64_t n = 40000;

	for (uint64_t i = 1; i <= n; i++)
		feed_spawn(f, i * US, i * 64, 1, 100);
	for (uint64_t i = 1; i <= n; i++)
		if (i % 3)
			feed_end(f, n * US + i * US, i * 64, WEFT_E_DONE);
	for (uint64_t i = 3; i <= n; i += 3)
		assert_int_equal(model_task(f->m, i * 64)->id, i * 64);
	assert_null(model_task(f->m, 64));
	assert_null(model_task(f->m, n * 64 + 1));
	for (uint64_t i = 1; i <= n; i++) /* the gaps they left hide nobody */
		feed_spawn(f, 3 * n * US, n * 64 + i, 1, 100);
	for (uint64_t i = 3; i <= n; i += 3)
		assert_non_null(model_task(f->m, i * 64));
	for (uint64_t i = 1; i <= n; i++)
		assert_int_equal(model_task(f->m, n * 64 + i)->id, n * 64 + i);
}

static void types_add_up(void **state)
{
	struct feed *f = *state;
	const struct model_type *type = NULL;

	for (uint64_t id = 1; id <= 10; id++)
		feed_spawn(f, id * MS, id, 1, 100);
	for (uint64_t id = 1; id <= 4; id++)
		feed_end(f, 20 * MS + id * MS, id, WEFT_E_DONE);
	for (uint32_t i = 0; i < model_types(f->m); i++)
		if (!strcmp(model_type(f->m, i)->name, "session"))
			type = model_type(f->m, i);
	assert_non_null(type);
	assert_string_equal(type->location, "svc.c:42");
	assert_int_equal(type->alive, 6);
	assert_int_equal(type->spawned, 10);
	assert_int_equal(type->ended, 4);
	assert_int_equal(type->bytes, 1000);
	assert_int_equal(hist_count(&type->life_hist), 4);
}

static void old_ids_do_not_come_back(void **state)
{
	struct feed *f = *state;

	for (uint64_t id = 1; id <= 6000; id++) {
		feed_spawn(f, id * US, id, 1, 0);
		feed_end(f, id * US, id, WEFT_E_DONE);
	}
	/* Long forgotten, woken late: not a new task. */
	feed_wake(f, 10 * MS, 0, 5, 0, WEFT_W_IO);
	feed_poll(f, 11 * MS, 0, 5, US);
	assert_int_equal(model_tasks_alive(f->m), 0);
}

static void a_task_that_was_there_before_is_found(void **state)
{
	struct feed *f = *state;

	feed_spawn(f, 1 * MS, 100, 1, 0);
	feed_poll(f, 5 * MS, 0, 12, MS);
	assert_non_null(model_task(f->m, 12));
	assert_int_equal(model_task(f->m, 12)->spawn_ns, LIVE_UNKNOWN);
	assert_int_equal(model_tasks_alive(f->m), 2);
}

/* ---- the rest ---- */

static void counts_wakers(void **state)
{
	struct feed *f = *state;
	struct model_task *t;

	feed_spawn(f, 1 * MS, 7, 1, 0);
	for (int i = 0; i < 100; i++)
		feed_wake(f, 2 * MS + (uint64_t)i * US, 0, 7, i % 4 ? 0 : 9,
			  i % 4 ? WEFT_W_IO : WEFT_W_TASK);
	for (uint64_t i = 0; i < 50; i++)
		feed_wake(f, 3 * MS + i * US, 0, 7, 1000 + i, WEFT_W_TASK);
	t = model_task(f->m, 7);
	assert_int_equal(t->wakes, 150);
	assert_int_equal(t->self_wakes, 0);
	assert_int_equal(t->hot->nwakers, MODEL_WAKERS);
	assert_true(t->hot->waker[0].count >= 68);
}

static void wake_to_poll_delay(void **state)
{
	struct feed *f = *state;
	struct live_task_detail d;

	feed_spawn(f, 1 * MS, 7, 1, 0);
	for (uint64_t i = 0; i < 20; i++) {
		feed_wake(f, 10 * MS * (i + 1), 0, 7, 0, WEFT_W_IO);
		feed_poll(f, 10 * MS * (i + 1) + 2 * MS, 0, 7, MS);
	}
	assert_int_equal(live_task_detail(f->l, 7, &d), 0);
	assert_in_range(d.delay_p50_ns, 1 * MS, 1800 * US);
	assert_in_range(d.poll_p50_ns, 1 * MS, 1 * MS); /* at most the longest */
}

static void victims_of_a_long_poll(void **state)
{
	struct feed *f = *state;
	const struct model_lane *l;

	feed_spawn(f, 1 * MS, 7, 1, 0);
	feed_spawn(f, 1 * MS, 8, 1, 0);
	feed_poll(f, 100 * MS, 0, 7, 80 * MS);
	feed_poll_delay(f, 101 * MS, 0, 8, MS / 2, 50 * MS);
	l = model_lane(f->m, 0, 0);
	assert_int_equal(l->npolls, 1);
	assert_int_equal(l->poll[1].victims, 1);
	assert_in_range(l->poll[1].harm_ns, 49 * MS, 50 * MS);
	/* Made runnable after the long poll: no victim of it. */
	feed_poll_delay(f, 130 * MS, 0, 8, MS / 2, 20 * MS);
	assert_int_equal(l->poll[1].victims, 1);
}

static void timers_wait_for_their_poll(void **state)
{
	struct feed *f = *state;
	struct record r = {
		.t_ns = 12 * MS, .kind = WEFT_K_TIMER_FIRE, .task = 7, .a = 3, .b = 10 * MS
	};
	uint64_t one = 0, two = 0;
	struct timer_fired fired;

	feed_spawn(f, 1 * MS, 7, 1, 0);
	feed_record(f, &r);
	assert_false(model_timer_next(f->m, &one, &fired));
	feed_poll(f, 15 * MS, 0, 7, MS);
	assert_true(model_timer_next(f->m, &one, &fired));
	assert_false(model_timer_next(f->m, &one, &fired));
	/* Each reader gets it: a detector takes none from the store. */
	assert_true(model_timer_next(f->m, &two, &fired));
	assert_int_equal(fired.poll_ns, 14 * MS);
	assert_int_equal(fired.deadline_ns, 10 * MS);
}

/* More than the ring holds at once: those still there find their poll, the others are gone, and it is no endless walk. */
static void timers_more_than_are_kept(void **state)
{
	struct feed *f = *state;
	struct record r = { .kind = WEFT_K_TIMER_FIRE };
	struct timer_fired fired;
	uint64_t cursor = 0, n = 0;

	for (r.task = 1; r.task <= 2ull * TIMER_LOG; r.task++) {
		feed_spawn(f, MS, r.task, 1, 0);
		r.t_ns = 12 * MS;
		r.b = 10 * MS;
		feed_record(f, &r);
	}
	for (uint64_t task = 1; task <= 2ull * TIMER_LOG; task++)
		feed_poll(f, 15 * MS + task * US, 0, task, US);
	while (model_timer_next(f->m, &cursor, &fired)) {
		assert_int_equal(fired.task, TIMER_LOG + ++n);
		assert_int_equal(fired.poll_ns, 15 * MS + (fired.task - 1) * US);
	}
	assert_int_equal(n, TIMER_LOG);
}

static void exec_ends_all_tasks(void **state)
{
	struct feed *f = *state;
	struct weft_ev_exec e = { .exe = "/bin/other" };

	feed_spawn(f, 1 * MS, 7, 1, 0);
	feed_event(f, 2 * MS, WEFT_EV_PROCESS_EXEC, &e, sizeof(e));
	assert_int_equal(model_tasks_alive(f->m), 0);
	feed_spawn(f, 3 * MS, 7, 1, 0); /* ids begin again */
	assert_int_equal(model_tasks_alive(f->m), 1);
	assert_int_equal(model_task(f->m, 7)->spawn_ns, 3 * MS);
}

static void nonsense_never_crashes(void **state)
{
	struct feed *f = *state;
	unsigned char payload[600];

	srand(42);
	for (int i = 0; i < 200000; i++) {
		struct record r = { .t_ns = (uint64_t)i * US,
				    .kind = (uint16_t)(rand() % 256),
				    .lane = (uint16_t)(rand() % 4 ? rand() % 3 : rand()) };

		r.process = rand() % 16 ? 0 : (uint32_t)rand() % 5000;
		r.task = rand() % 3 ? (uint64_t)rand() % 50
				    : (uint64_t)rand() << 33 | (uint64_t)rand();
		if (rand() % 3)
			r.task = (uint64_t)r.process << WEFT_TASK_PROCESS_SHIFT |
				 (r.task & ((1ull << WEFT_TASK_PROCESS_SHIFT) - 1));
		r.a = rand() % 2 ? (uint64_t)rand() % 1000000
				 : (uint64_t)rand() << 33 ^ (uint64_t)rand() << 3;
		r.b = rand() % 2 ? (uint64_t)rand() % 8 : ~0ull;
		r.c = rand() % 2 ? (uint64_t)rand() : ~0ull;
		r.d = (uint64_t)rand() << 32 | (uint64_t)rand();
		if (rand() % 3 || r.kind < 128) {
			feed_record(f, &r);
			continue;
		}
		for (size_t k = 0; k < sizeof(payload); k++)
			payload[k] = (unsigned char)(rand() % 4 ? 0 : rand());
		feed_event(f, r.t_ns, r.kind, payload, (size_t)rand() % sizeof(payload));
	}
	assert_true(model_oddities(f->m) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(splits_polls_by_offcpu_records),
		T(nested_polls_keep_their_own_time),
		T(old_offcpu_does_not_leak_into_later_polls),
		T(old_offcpu_does_not_stand_for_later_polls),
		cmocka_unit_test(waits_over_several_samples),
		T(offcpu_is_never_more_than_the_poll),
		T(states_follow_wakes_and_polls),
		T(open_polls_show_from_samples),
		T(shares_sum_to_the_whole),
		T(a_blocked_worker_is_blocked_up_to_now),
		T(shares_without_samples_come_from_records),
		T(hostile_samples_stay_in_bounds),
		T(finds_tasks_among_many),
		T(finds_tasks_of_a_regular_pattern),
		T(types_add_up),
		T(old_ids_do_not_come_back),
		T(a_task_that_was_there_before_is_found),
		T(counts_wakers),
		T(wake_to_poll_delay),
		T(victims_of_a_long_poll),
		T(timers_wait_for_their_poll),
		T(timers_more_than_are_kept),
		T(exec_ends_all_tasks),
		T(nonsense_never_crashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
