// SPDX-License-Identifier: MIT
/* What is said to be seen of a runtime is what probes are placed for: names alone are no sight, and of two runtimes each has its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probes/rust/plan_internal.h"
#include "probes/rust/sights.h"

#define MAX_PROBES 16

static struct {
	struct rust_plan_box *box;
	struct rust_builder b;
	struct rust_type type[2];
	struct rust_probe probe[MAX_PROBES];
} f;

static int start(void **state)
{
	(void)state;
	memset(&f, 0, sizeof(f));
	f.box = calloc(1, sizeof(*f.box));
	assert_non_null(f.box);
	f.b.plan = &f.box->plan;
	f.b.plan->types = f.type;
	f.b.plan->probes = f.probe;
	return 0;
}

static int finish(void **state)
{
	(void)state;
	f.b.plan->types = NULL;
	f.b.plan->probes = NULL;
	rust_plan_destroy(f.b.plan);
	return 0;
}

static struct rust_probe *probe(uint8_t family, uint8_t kind)
{
	struct rust_probe *at = &f.probe[f.b.plan->n_probes++];

	*at = (struct rust_probe){ .kind = kind, .family = family, .reg = 255, .emulated = true };
	return at;
}

static void type(uint8_t family)
{
	f.type[f.b.plan->n_types++].family = family;
}

static bool sees(const char *what)
{
	for (uint32_t i = 0; i < f.b.plan->n_can_see; i++)
		if (strcmp(f.b.plan->can_see[i], what) == 0)
			return true;
	return false;
}

/* Why not; NULL = it is not said. */
static const char *gap(const char *what)
{
	for (uint32_t i = 0; i < f.b.plan->n_gaps; i++)
		if (strcmp(f.b.plan->gaps[i].what, what) == 0)
			return f.b.plan->gaps[i].why;
	return NULL;
}

static void timers_of_tokio(void)
{
	type(RUST_TOKIO);
	probe(RUST_TOKIO, RUST_TIMERS_BEGIN);
	probe(RUST_TOKIO, RUST_DRIVER_BEGIN);
}

static void timers_of_async_io(void)
{
	type(RUST_ASYNC_TASK);
	probe(RUST_ASYNC_TASK, RUST_TIMER_ARM);
	probe(RUST_ASYNC_TASK, RUST_TIMER_DROP);
	probe(RUST_ASYNC_TASK, RUST_TIMERS_BEGIN);
	probe(RUST_ASYNC_TASK, RUST_DRIVER_BEGIN);
}

static void test_tokio(void **state)
{
	(void)state;
	timers_of_tokio();
	probe(RUST_TOKIO, RUST_TIMER_ARM);
	rust_sights_judge(&f.b);
	assert_true(sees("timers being set"));
	assert_true(sees("which wakes timers and IO cause"));
	assert_true(sees("late drivers"));
	assert_true(sees("queue depths"));
	assert_null(gap("timers being set"));
}

/* A place that the kernel would step is not placed. */
static void test_timer_that_is_not_placed(void **state)
{
	(void)state;
	timers_of_tokio();
	probe(RUST_TOKIO, RUST_TIMER_ARM)->emulated = false;
	rust_sights_judge(&f.b);
	assert_false(sees("timers being set"));
	assert_non_null(strstr(gap("timers being set"), "what the driver is told to wait until"));
	assert_true(sees("which wakes timers and IO cause"));
}

/* Where both are there, the one that takes a tick: it has fewer hits. */
static void test_deadlines(void **state)
{
	(void)state;
	timers_of_tokio();
	probe(RUST_TOKIO, RUST_TIMER_ARM)->reg = 5;
	assert_true(rust_plan_has_timers(f.b.plan, RUST_TOKIO));
	assert_true(rust_plan_arms_by_deadline(f.b.plan));
	probe(RUST_TOKIO, RUST_TIMER_ARM);
	assert_false(rust_plan_arms_by_deadline(f.b.plan));
}

/* That the function has a name is of no use: no program is placed there. */
static void test_steals(void **state)
{
	(void)state;
	type(RUST_ASYNC_TASK);
	type(RUST_TOKIO);
	probe(RUST_ASYNC_TASK, RUST_STEAL);
	probe(RUST_TOKIO, RUST_STEAL);
	rust_sights_judge(&f.b);
	assert_false(sees("steals"));
	assert_non_null(gap("steals (Tokio)"));
	assert_non_null(gap("steals (async-task)"));
}

static void test_smol(void **state)
{
	(void)state;
	timers_of_async_io();
	probe(RUST_ASYNC_TASK, RUST_DRIVER_END);
	probe(RUST_TOKIO, RUST_PANIC);
	rust_sights_judge(&f.b);
	assert_true(sees("timers being set"));
	assert_true(sees("which wakes timers and IO cause"));
	assert_true(sees("workers parking"));
	assert_true(sees("panics"));
	assert_false(sees("late drivers"));
	assert_false(sees("queue depths"));
	assert_non_null(gap("queue depths"));
	assert_null(gap("late drivers"));
	assert_null(gap("panics"));
}

/* Without the ends of its turns async-io's timers are not told, and then nothing tells its wakes apart. */
static void test_smol_in_part(void **state)
{
	(void)state;
	timers_of_async_io();
	f.b.plan->stripped = true;
	rust_sights_judge(&f.b);
	assert_false(sees("timers being set"));
	assert_non_null(strstr(gap("timers being set"), "timerfd"));
	assert_false(sees("which wakes timers and IO cause"));
	assert_non_null(gap("which wakes timers and IO cause"));
}

static void test_both(void **state)
{
	(void)state;
	timers_of_tokio();
	probe(RUST_TOKIO, RUST_TIMER_ARM);
	timers_of_async_io();
	rust_sights_judge(&f.b);
	assert_true(sees("timers being set"));
	assert_null(gap("timers being set (Tokio)"));
	assert_non_null(gap("timers being set (async-task)"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tokio, start, finish),
		cmocka_unit_test_setup_teardown(test_timer_that_is_not_placed, start, finish),
		cmocka_unit_test_setup_teardown(test_deadlines, start, finish),
		cmocka_unit_test_setup_teardown(test_steals, start, finish),
		cmocka_unit_test_setup_teardown(test_smol, start, finish),
		cmocka_unit_test_setup_teardown(test_smol_in_part, start, finish),
		cmocka_unit_test_setup_teardown(test_both, start, finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
