/* SPDX-License-Identifier: MIT */
/* The questions of screens: order, windows, filters, trees, numbers that are not known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/feed.h"

#define N 3000

static int setup(void **state)
{
	struct feed *f = feed_new(&(struct live_options){ 0 });

	feed_worker(f, 0, 0);
	feed_worker(f, 1, 1);
	feed_site(f, 1, "session", "src/session.c", 42);
	feed_site(f, 2, "Pump", "src/pump.c", 7);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	feed_free(*state);
	return 0;
}

/* N tasks with different numbers each. */
static void populate(struct feed *f)
{
	srand(11);
	for (uint64_t id = 1; id <= N; id++)
		feed_child(f, id * 100 * US, id, id > 10 ? 1 + (uint64_t)rand() % (id - 1) : 0,
			   1 + id % 2);
	for (uint64_t i = 0; i < 3 * N; i++) {
		uint64_t t = 400 * MS + i * 100 * US, id = 1 + (uint64_t)rand() % N;

		feed_wake(f, t, 0, id, 0, WEFT_W_IO);
		feed_poll_delay(f, t + 90 * US, 0, id, (uint64_t)(1 + rand() % 80) * US,
				(uint64_t)rand() % MS);
	}
	feed_tick_to(f, 1300 * MS);
}

/* ---- order ---- */

static double value(const struct live_task *r, enum live_sort sort)
{
	uint64_t unknown_last = 0;

	switch (sort) {
	case LIVE_SORT_BUSY:
		return r->busy;
	case LIVE_SORT_POLLS:
		return r->polls_s;
	case LIVE_SORT_P99:
		unknown_last = r->poll_p99_ns;
		break;
	case LIVE_SORT_DELAY:
		unknown_last = r->delay_p99_ns;
		break;
	case LIVE_SORT_AGE:
		return -(double)r->spawn_ns;
	case LIVE_SORT_POLL_MAX:
		return (double)r->poll_max_ns;
	case LIVE_SORT_WAKES:
		return (double)r->wakes;
	case LIVE_SORT_BYTES:
		return r->bytes;
	default:
		return -(double)r->id;
	}
	return unknown_last == LIVE_UNKNOWN ? -1 : (double)unknown_last;
}

static void every_order_is_right(void **state)
{
	static const enum live_sort sorts[] = {
		LIVE_SORT_ID,  LIVE_SORT_BUSY,     LIVE_SORT_POLLS, LIVE_SORT_P99,  LIVE_SORT_DELAY,
		LIVE_SORT_AGE, LIVE_SORT_POLL_MAX, LIVE_SORT_WAKES, LIVE_SORT_BYTES
	};
	struct feed *f = *state;
	struct live_task *rows = calloc(N, sizeof(*rows));
	struct live_page page;

	populate(f);
	for (size_t s = 0; s < sizeof(sorts) / sizeof(*sorts); s++) {
		for (int reverse = 0; reverse < 2; reverse++) {
			struct live_query q = { .process = UINT32_MAX,
						.sort = sorts[s],
						.reverse = reverse,
						.count = N };

			assert_int_equal(live_tasks(f->l, &q, rows, &page), 0);
			assert_int_equal(page.total, N);
			assert_int_equal(page.rows, N);
			for (size_t i = 1; i < N; i++) {
				double a = value(&rows[i - 1], sorts[s]),
				       b = value(&rows[i], sorts[s]);

				assert_true(reverse ? a <= b + 1e-3 : a >= b - 1e-3);
			}
		}
	}
	free(rows);
}

/* Any window is a piece of the whole, and the pinned row's index is its place there. */
static void windows_are_pieces_of_the_whole(void **state)
{
	struct feed *f = *state;
	struct live_task *all = calloc(N, sizeof(*all)), *part = calloc(N, sizeof(*part));
	struct live_query q = { .process = UINT32_MAX, .sort = LIVE_SORT_WAKES, .count = N };
	struct live_page page;

	populate(f);
	live_tasks(f->l, &q, all, &page);
	for (int k = 0; k < 50; k++) {
		size_t pin = (size_t)rand() % N;

		q.offset = (size_t)rand() % (N + 100);
		q.count = (size_t)rand() % 60;
		q.pinned = all[pin].id;
		assert_int_equal(live_tasks(f->l, &q, part, &page), 0);
		assert_int_equal(page.pinned_index, pin);
		assert_int_equal(page.total, N);
		assert_int_equal(page.rows, q.offset >= N            ? 0
					    : q.count < N - q.offset ? q.count
								     : N - q.offset);
		for (size_t i = 0; i < page.rows; i++)
			assert_int_equal(part[i].id, all[q.offset + i].id);
	}
	q.pinned = 99999;
	live_tasks(f->l, &q, part, &page);
	assert_true(page.pinned_index == SIZE_MAX);
	free(all);
	free(part);
}

static void names_are_in_order(void **state)
{
	struct feed *f = *state;
	struct live_task rows[20];
	struct live_query q = { .process = UINT32_MAX, .sort = LIVE_SORT_NAME, .count = 20 };
	struct live_page page;

	for (uint64_t id = 1; id <= 10; id++)
		feed_spawn(f, id * MS, id, 1 + id % 2, 100);
	live_tasks(f->l, &q, rows, &page);
	assert_string_equal(rows[0].name, "Pump"); /* whatever the case */
	assert_string_equal(rows[9].name, "session");
	q.reverse = true;
	live_tasks(f->l, &q, rows, &page);
	assert_string_equal(rows[0].name, "session");
	assert_string_equal(rows[9].name, "Pump");
}

static void filters_by_name_and_place(void **state)
{
	struct feed *f = *state;
	struct live_task rows[20];
	struct live_query q = { .process = UINT32_MAX, .count = 20, .filter = "PUMP" };
	struct live_page page;

	for (uint64_t id = 1; id <= 9; id++)
		feed_spawn(f, id * MS, id, 1 + id % 2, 100);
	live_tasks(f->l, &q, rows, &page);
	assert_int_equal(page.total, 5);
	q.filter = "session.c:4";
	live_tasks(f->l, &q, rows, &page);
	assert_int_equal(page.total, 4);
	q.filter = "nothing";
	live_tasks(f->l, &q, rows, &page);
	assert_int_equal(page.total, 0);
	q.filter = NULL;
	q.process = 1;
	live_tasks(f->l, &q, rows, &page);
	assert_int_equal(page.total, 0);
}

static void ended_tasks_on_demand(void **state)
{
	struct feed *f = *state;
	struct live_task rows[4];
	struct live_query q = { .process = UINT32_MAX, .count = 4 };
	struct live_page page;

	feed_spawn(f, 1 * MS, 1, 1, 100);
	feed_spawn(f, 2 * MS, 2, 1, 100);
	feed_end(f, 3 * MS, 1, WEFT_E_ERROR);
	live_tasks(f->l, &q, rows, &page);
	assert_int_equal(page.total, 1);
	assert_int_equal(rows[0].end_ns, LIVE_UNKNOWN);
	q.ended = true;
	live_tasks(f->l, &q, rows, &page);
	assert_int_equal(page.total, 2);
	assert_int_equal(rows[0].state, LIVE_FAILED);
	assert_int_equal(rows[0].end_ns, 3 * MS);
}

/* ---- trees ---- */

static void parents_come_before_children(void **state)
{
	struct feed *f = *state;
	struct live_task *rows = calloc(N, sizeof(*rows));
	struct live_query q = { .process = 0, .tree = true, .count = N };
	struct live_page page;
	uint64_t chain[N];

	populate(f);
	assert_int_equal(live_tasks(f->l, &q, rows, &page), 0);
	assert_int_equal(page.total, N);
	for (size_t i = 0; i < N; i++) {
		assert_true(rows[i].depth < N);
		chain[rows[i].depth] = rows[i].id;
		if (rows[i].depth)
			assert_int_equal(rows[i].parent, chain[rows[i].depth - 1]);
		else
			assert_int_equal(rows[i].parent, 0);
	}
	free(rows);
}

static void a_tree_follows_births_and_ends(void **state)
{
	struct feed *f = *state;
	struct live_task rows[4];
	struct live_query q = { .process = 0, .tree = true, .count = 4, .pinned = 3 };
	struct live_page page;

	feed_child(f, 1 * MS, 1, 0, 1);
	feed_child(f, 2 * MS, 2, 0, 1);
	feed_child(f, 3 * MS, 3, 1, 1);
	live_tasks(f->l, &q, rows, &page);
	assert_int_equal(page.total, 3);
	assert_int_equal(page.pinned_index, 1);
	feed_end(f, 4 * MS, 1, WEFT_E_DONE);
	feed_tick_to(f, 2 * S);
	live_tasks(f->l, &q, rows, &page);
	assert_int_equal(page.total, 2); /* the child of a task that ended is a root */
	assert_int_equal(rows[1].id, 3);
	assert_int_equal(rows[1].depth, 0);
}

static void hostile_parents(void **state)
{
	struct feed *f = *state;
	struct live_task rows[8];
	struct live_query q = { .process = 0, .tree = true, .count = 8 };
	struct live_page page;

	feed_child(f, 1 * MS, 1, 2, 1); /* a circle */
	feed_child(f, 2 * MS, 2, 1, 1);
	feed_child(f, 3 * MS, 3, 3, 1); /* its own parent */
	live_tasks(f->l, &q, rows, &page);
	assert_int_equal(page.total, 3);
}

/* ---- numbers ---- */

static void parts_sum_to_totals(void **state)
{
	struct feed *f = *state;
	struct live_task rows[3];
	struct live_query q = { .process = 0, .count = 3 };
	struct live_page page;
	struct live_header h;

	feed_spawn(f, 1 * MS, 1, 1, 100);
	feed_spawn(f, 1 * MS, 2, 1, 100);
	feed_spawn(f, 1 * MS, 3, 1, 100);
	feed_poll(f, 3 * MS, 0, 3, MS);
	feed_offcpu(f, 100 * MS, 0, 1, 30 * MS, 10 * MS, 0);
	feed_poll(f, 110 * MS, 0, 1, 90 * MS);
	feed_sample(f, 150 * MS, 0, &(struct feed_sample){ .cpu = 40 * MS });
	feed_sample(f, 200 * MS, 0,
		    &(struct feed_sample){
			    .cpu = 10 * MS, .task = 1, .open_ns = 40 * MS, .seq = 4, .off_cpu = 2 });
	live_tasks(f->l, &q, rows, &page);
	assert_int_equal(rows[0].state, LIVE_BLOCKED);
	assert_int_equal(rows[0].busy_ns + rows[0].blocked_ns + rows[0].runnable_ns,
			 90 * MS + rows[0].open_ns);
	assert_int_equal(rows[0].open_ns, 40 * MS);
	assert_true(rows[0].busy + rows[0].blocked <= 1.0f && rows[0].blocked > 0.05f);
	live_header(f->l, 0, &h);
	assert_int_equal(h.alive, 3);
	assert_int_equal(h.blocked, 1);
	assert_int_equal(h.ready, 1);
	assert_int_equal(h.idle, 1);
	assert_int_equal(h.bars, 2);
	assert_true(h.bar[0].busy + h.bar[0].blocked + h.bar[0].runnable + h.bar[0].own +
			    h.bar[0].parked <=
		    1.0001f);
}

static void what_light_does_not_show_is_unknown(void **state)
{
	struct feed *f = *state;
	struct weft_ev_snapshot_task walk = { .task = 1,
					      .site = 1,
					      .polls = 1000,
					      .runtime = 1,
					      .age_ns = ~0ull,
					      .wake_age_ns = ~0ull };
	struct live_task row;
	struct live_query q = { .process = 0, .count = 1 };
	struct live_page page;
	struct live_header h;

	feed_level(f, 0, WEFT_LEVEL_LIGHT);
	feed_spawn(f, 1 * MS, 1, 1, 100);
	for (uint64_t t = 50 * MS; t <= 2 * S; t += 50 * MS)
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = 20 * MS,
						   .park = 30 * MS,
						   .polls = 500,
						   .busy = 19 * MS,
						   .wakes = 510 });
	live_tasks(f->l, &q, &row, &page);
	assert_int_equal(row.polls, LIVE_UNKNOWN);
	assert_int_equal(row.wakes, LIVE_UNKNOWN);
	assert_int_equal(row.poll_p99_ns, LIVE_UNKNOWN);
	assert_true(row.polls_s < 0);
	assert_true(row.busy < 0);
	assert_int_equal(row.state, LIVE_IDLE);
	live_header(f->l, 0, &h);
	assert_in_range(h.polls_s, 9500, 10500); /* lanes add up what is not seen one by one */
	assert_in_range(h.wakes_s, 9700, 10700);
	assert_int_equal(h.poll_p99_ns, LIVE_UNKNOWN);
	walk.polls = 0; /* as those of Rust runtimes, which don't count them */
	feed_walk(f, 2 * S, &walk, 1);
	live_tasks(f->l, &q, &row, &page);
	assert_int_equal(row.polls, LIVE_UNKNOWN);
	assert_true(row.polls_s < 0);
	walk.polls = 1000;
	feed_walk(f, 2 * S + 1, &walk, 1);
	walk.polls = 6000;
	feed_walk(f, 7 * S, &walk, 1);
	live_tasks(f->l, &q, &row, &page);
	assert_int_equal(row.polls, 6000);
	assert_in_range(row.polls_s, 999, 1001);
}

static void details_of_a_task(void **state)
{
	struct feed *f = *state;
	struct live_task_detail d;
	uint64_t polls = 0;

	feed_spawn(f, 1 * MS, 1, 2, 100);
	feed_child(f, 2 * MS, 2, 1, 1);
	for (uint64_t i = 0; i < 100; i++) {
		feed_wake(f, 10 * MS + i * MS, 0, 2, i % 3 ? 1 : 0,
			  i % 3 ? WEFT_W_TASK : WEFT_W_TIMER);
		feed_poll_delay(f, 10 * MS + i * MS + 50 * US, 0, 2, 30 * US, 20 * US);
	}
	feed_stack(f, 200 * MS, 0, 2, 4, WEFT_STACK_BLOCKED, 35);
	assert_int_equal(live_task_detail(f->l, 99, &d), -ENOENT);
	assert_int_equal(live_task_detail(f->l, 2, &d), 0);
	assert_string_equal(d.parent_name, "Pump");
	assert_string_equal(d.spawn_func, "session");
	assert_int_equal(d.nwakers, 2);
	assert_int_equal(d.wakers[0].task, 1);
	assert_string_equal(d.wakers[0].name, "Pump");
	assert_true(d.wakers[0].count > d.wakers[1].count);
	for (unsigned i = 0; i < LIVE_HIST; i++)
		polls += d.poll_hist[i];
	assert_in_range(polls, 92, 100);
	assert_int_equal(d.poll_p50_ns, 30 * US);
	assert_int_equal(d.nstack, 5);
	assert_string_equal(d.stack_why, "blocked");
	assert_true(d.syscall[0]);
}

static void workers_and_their_minute(void **state)
{
	struct feed *f = *state;
	struct live_worker w[4];
	int seen = 0;

	feed_spawn(f, 1 * MS, 1, 1, 100);
	for (uint64_t t = 50 * MS; t <= 10 * S; t += 50 * MS)
		feed_sample(f, t, 0,
			    &(struct feed_sample){
				    .cpu = 30 * MS, .park = 20 * MS, .polls = 10, .busy = 25 * MS });
	feed_sample(f, 10 * S + 50 * MS, 0,
		    &(struct feed_sample){ .cpu = MS,
					   .task = 1,
					   .open_ns = 45 * MS,
					   .seq = 3,
					   .off_cpu = 2,
					   .syscall = 35,
					   .depth = 3 });
	assert_int_equal(live_workers(f->l, 0, w, 4), 2);
	assert_true(w[0].blocked);
	assert_int_equal(w[0].task, 1);
	assert_string_equal(w[0].task_name, "session");
	assert_int_equal(w[0].local_depth, 3);
	assert_true(w[0].busy + w[0].blocked_share + w[0].runnable + w[0].own + w[0].parked <=
		    1.0001f);
	for (int i = 0; i < 60; i++) {
		seen += w[0].last_60s[i] >= 0;
		if (w[0].last_60s[i] >= 0)
			assert_in_range(w[0].last_60s[i] * 100, 48, 52);
	}
	assert_in_range(seen, 9, 10);
	assert_true(w[1].last_60s[59] < 0);
}

static uint64_t fingerprint_of(struct feed *f, uint64_t id)
{
	struct live_query q = { .sort = LIVE_SORT_ID, .count = 8 };
	struct live_task rows[8];
	struct live_page page;

	assert_int_equal(live_tasks(f->l, &q, rows, &page), 0);
	for (size_t i = 0; i < page.rows; i++)
		if (rows[i].native_id == id)
			return rows[i].fingerprint;
	fail_msg("no task %llu", (unsigned long long)id);
	return 0;
}

static void spawn_on(struct feed *f, uint64_t t, uint64_t id, uint64_t runtime)
{
	struct record r = {
		.t_ns = t, .kind = WEFT_K_TASK_SPAWN, .task = id, .b = 1, .c = 64, .d = runtime
	};

	feed_record(f, &r);
	feed_tick_to(f, t + MS);
}

/* Of its runtime; nobody knows whose it is: when all of the process agree. */
static void fingerprints_by_runtime(void **state)
{
	const uint64_t base = 0x9f2c33a1b7d00000ull;
	struct weft_ev_runtime e = { .runtime = 1, .kind = WEFT_RT_TOKIO };
	const size_t before = offsetof(struct weft_ev_runtime, fingerprint);
	struct feed *f = *state;

	/* Of a Weft that told none. */
	feed_event(f, MS, WEFT_EV_RUNTIME, &e, before);
	spawn_on(f, 2 * MS, 5, 1);
	assert_true(fingerprint_of(f, 5) == 0);
	e.fingerprint = base;
	feed_event(f, 10 * MS, WEFT_EV_RUNTIME, &e, sizeof(e));
	assert_true(fingerprint_of(f, 5) == (base | 5));
	e.runtime = 2;
	feed_event(f, 20 * MS, WEFT_EV_RUNTIME, &e, sizeof(e));
	spawn_on(f, 21 * MS, 6, 99);
	assert_true(fingerprint_of(f, 6) == (base | 6));
	/* Beside it one whose tasks have no ids of their own. */
	e = (struct weft_ev_runtime){ .runtime = 3, .kind = WEFT_RT_SMOL };
	feed_event(f, 30 * MS, WEFT_EV_RUNTIME, &e, sizeof(e));
	spawn_on(f, 31 * MS, 7, 3);
	assert_true(fingerprint_of(f, 7) == 0);
	assert_true(fingerprint_of(f, 6) == 0);
	assert_true(fingerprint_of(f, 5) == (base | 5));
}

static void no_process_yet(void **state)
{
	struct live *l = NULL;
	struct live_header h;
	struct live_task row;
	struct live_page page;

	(void)state;
	assert_int_equal(live_make(&(struct live_options){ 0 }, &l), 0);
	assert_int_equal(live_header(l, 0, &h), -ENOENT);
	assert_int_equal(h.processes, 0);
	assert_int_equal(live_tasks(l, &(struct live_query){ .count = 1 }, &row, &page), 0);
	assert_int_equal(page.total, 0);
	assert_int_equal(live_workers(l, 0, NULL, 0), 0);
	assert_int_equal(live_findings(l, NULL, 0, 0), 0);
	live_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(every_order_is_right),
		T(windows_are_pieces_of_the_whole),
		T(names_are_in_order),
		T(filters_by_name_and_place),
		T(ended_tasks_on_demand),
		T(parents_come_before_children),
		T(a_tree_follows_births_and_ends),
		T(hostile_parents),
		T(parts_sum_to_totals),
		T(what_light_does_not_show_is_unknown),
		T(details_of_a_task),
		T(workers_and_their_minute),
		T(fingerprints_by_runtime),
		T(no_process_yet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
