/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/pipeline.h"
#include "tests/support/scenario.h"
#include "tests/support/trace.h"

struct outcome {
	struct engine_account row[200];
	struct engine_account_error error[16];
	int rows, errors;
};

static struct engine_account *find(struct outcome *o, uint32_t process, uint32_t kind)
{
	for (int i = 0; i < o->rows; i++)
		if (o->row[i].process == process && o->row[i].kind == kind)
			return &o->row[i];
	return NULL;
}

/* Delivers the list, but for event `leave_out`, and with `twist` done to a copy of each. */
static void run(const struct synth *s, size_t leave_out, void (*twist)(struct weft_ev *ev),
		struct outcome *o)
{
	struct accounts *accounts;
	struct pipeline_options options = { 0 };
	struct pipeline *p;

	assert_int_equal(accounts_new(&accounts), 0);
	options.accounts = accounts;
	assert_int_equal(pipeline_new(&options, &p), 0);
	for (size_t i = 0; i < synth_count(s); i++) {
		const struct weft_ev *ev = synth_at(s, i);
		struct weft_ev *copy = malloc(ev->size);

		memcpy(copy, ev, ev->size);
		if (twist)
			twist(copy);
		if (i != leave_out)
			pipeline_event(p, copy);
		free(copy);
	}
	pipeline_finish(p, 0);
	accounts_settle(accounts);
	accounts_publish(accounts);
	o->rows = accounts_rows(accounts, o->row, 200);
	o->errors = accounts_errors(accounts, o->error, 16);
	pipeline_free(p);
	accounts_free(accounts);
}

static void nothing_lost(void **state)
{
	struct synth *s = scenario_new(5000, 0);
	struct outcome o;

	(void)state;
	run(s, SIZE_MAX, NULL, &o);
	assert_true(scenario_exact(o.row, o.rows));
	assert_int_equal(o.errors, 0);
	assert_int_equal(find(&o, 0, WEFT_K_TASK_POLL)->lost, 0);
	assert_int_equal(find(&o, 0, WEFT_K_TASK_WAKE)->filtered, 12345);
	assert_int_equal(find(&o, 1, WEFT_K_TASK_POLL)->produced,
			 synth_emitted(s, 1, WEFT_K_TASK_POLL));
	assert_null(find(&o, 0, 0));
	synth_free(s);
}

static void lost_batch(void **state)
{
	struct synth *s = scenario_new(5000, 2500);
	struct outcome o;
	uint64_t lost = 0;

	(void)state;
	run(s, SIZE_MAX, NULL, &o);
	assert_true(scenario_exact(o.row, o.rows));
	assert_int_equal(o.errors, 0);
	for (int i = 0; i < o.rows; i++)
		lost += o.row[i].lost;
	assert_true(lost > 0);
	assert_int_equal(find(&o, 0, WEFT_K_TASK_POLL)->produced,
			 synth_emitted(s, 0, WEFT_K_TASK_POLL));
	synth_free(s);
}

/* The last batch of a lane goes missing: no later header tells, so it shows and is not absorbed. */
static void silent_loss_is_told(void **state)
{
	struct synth *s = scenario_new(3000, 0);
	struct outcome o;
	size_t last = 0;

	(void)state;
	for (size_t i = 0; i < synth_count(s); i++)
		if (synth_at(s, i)->kind == WEFT_EV_BATCH)
			last = i;
	run(s, last, NULL, &o);
	assert_false(scenario_exact(o.row, o.rows));
	assert_true(o.errors > 0);
	synth_free(s);
}

static void claim_less(struct weft_ev *ev)
{
	if (ev->kind == WEFT_EV_COUNTS && ev->flags & WEFT_EVF_LAST)
		((struct weft_ev_counts *)(ev + 1))->emitted[WEFT_K_TASK_POLL] -= 10;
}

static void more_than_emitted_is_told(void **state)
{
	struct synth *s = scenario_new(3000, 0);
	struct outcome o;

	(void)state;
	run(s, SIZE_MAX, claim_less, &o);
	assert_false(scenario_exact(o.row, o.rows));
	assert_true(o.errors > 0);
	synth_free(s);
}

static void without_lane(struct weft_ev *ev)
{
	if (ev->kind == WEFT_EV_COUNTS)
		((struct weft_ev_counts *)(ev + 1))->emitted[0] = 7;
}

/* Nobody knows of which kind they were. */
static void events_of_threads_without_a_lane_are_lost(void **state)
{
	struct synth *s = scenario_new(3000, 0);
	struct outcome o;

	(void)state;
	run(s, SIZE_MAX, without_lane, &o);
	assert_true(scenario_exact(o.row, o.rows));
	assert_int_equal(o.errors, 0);
	assert_non_null(find(&o, 0, 0));
	assert_int_equal(find(&o, 0, 0)->lost, 7);
	assert_int_equal(find(&o, 0, 0)->produced, 7);
	synth_free(s);
}

static void not_last(struct weft_ev *ev)
{
	if (ev->kind == WEFT_EV_COUNTS)
		ev->flags = 0;
}

/* No last counts (the collector ended early): what is known to be missing waits in the row without a kind. */
static void unsettled(void **state)
{
	struct synth *s = scenario_new(5000, 2500);
	struct outcome o;

	(void)state;
	run(s, SIZE_MAX, not_last, &o);
	assert_true(scenario_exact(o.row, o.rows));
	assert_int_equal(o.errors, 0);
	assert_true(find(&o, 0, 0)->lost > 0);
	assert_int_equal(find(&o, 0, WEFT_K_TASK_POLL)->lost, 0);
	synth_free(s);
}

static void kernel_losses(void **state)
{
	struct synth *s = scenario_new(500, 0);
	struct weft_ev_lost lost = { 0 };
	struct outcome o;

	(void)state;
	run(s, SIZE_MAX, NULL, &o);
	lost.lost[WEFT_EV_OFFCPU - 128] = 4;
	lost.produced[WEFT_EV_OFFCPU - 128] =
		find(&o, 0, WEFT_EV_OFFCPU)->stored + find(&o, 1, WEFT_EV_OFFCPU)->stored + 4;
	synth_event(s, 0, synth_now(s), WEFT_EV_LOST, &lost, sizeof(lost));
	run(s, SIZE_MAX, NULL, &o);
	assert_int_equal(find(&o, 0, WEFT_EV_OFFCPU)->lost, 4);
	assert_true(scenario_exact(o.row, o.rows));
	assert_int_equal(o.errors, 0);
	synth_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_lost),
		cmocka_unit_test(lost_batch),
		cmocka_unit_test(silent_loss_is_told),
		cmocka_unit_test(more_than_emitted_is_told),
		cmocka_unit_test(silent_loss_is_told),
		cmocka_unit_test(events_of_threads_without_a_lane_are_lost),
		cmocka_unit_test(unsettled),
		cmocka_unit_test(kernel_losses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
