// SPDX-License-Identifier: MIT
/* Levels as the console's key asks for them: each is told, and each can be left again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/session_internal.h"

static enum weft_level placed;
static int refusal;
static unsigned attached, detached;

static int runtime_attach(void *state, struct process *p, int exe_fd)
{
	(void)state;
	(void)p;
	(void)exe_fd;
	attached++;
	return 0;
}

static void runtime_detach(void *state, struct process *p)
{
	(void)state;
	(void)p;
	detached++;
}

static int runtime_level(void *state, struct process *p, enum weft_level level)
{
	(void)state;
	(void)p;
	placed = level;
	return refusal;
}

static uint64_t normal_ns = 200000000,
		real_ns = 200000000; /* what a second at normal is thought to cost, and does */

static bool runtime_load(void *state, struct process *p, struct source_load *ret)
{
	static struct source_load load;

	(void)state;
	p->cpu_ns += 500000000;
	load.hits_ns += p->level == WEFT_LEVEL_NORMAL ? real_ns : 1000000;
	load.normal_hits_ns += normal_ns;
	*ret = load;
	return true;
}

static const struct source runtime = { .name = "runtime",
				       .attach = runtime_attach,
				       .detach = runtime_detach,
				       .level = runtime_level,
				       .load = runtime_load };
/* In place of those of sources.c. */
const struct source *const sources[] = { &runtime, NULL };

struct watched {
	struct session session;
	struct process process;
	struct weft_follow follow;
	unsigned told;
	struct weft_ev_level last;
};

static void sink(void *ctx, const struct weft_ev *ev)
{
	struct watched *t = ctx;

	if (ev->kind != WEFT_EV_LEVEL_SET)
		return;
	t->told++;
	memcpy(&t->last, ev + 1, sizeof(t->last));
}

static struct watched *watch(enum weft_level asked)
{
	struct watched *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->session.options.max_overhead = 0.05;
	t->session.level = asked;
	t->session.follow = &t->follow;
	t->session.sink = sink;
	t->session.sink_ctx = t;
	t->session.processes = &t->process;
	t->process.session = &t->session;
	t->process.runtime = &runtime;
	t->process.state = PROCESS_LIVE;
	assert_int_equal(session_level_start(&t->process), 0);
	return t;
}

static void done(struct watched *t)
{
	free(t->process.window);
	free(t);
}

static void full_can_be_left_for_automatic(void **state)
{
	struct watched *t = watch(WEFT_LEVEL_FULL);

	(void)state;
	assert_int_equal(placed, WEFT_LEVEL_FULL);
	assert_int_equal(session_level_want(&t->session, WEFT_LEVEL_OFF), 0);
	assert_int_equal(placed, WEFT_LEVEL_NORMAL);
	assert_int_equal(t->last.level, WEFT_LEVEL_NORMAL);
	assert_int_equal(t->last.automatic, 1);
	done(t);
}

static void automatic_is_told_where_nothing_changes(void **state)
{
	struct watched *t = watch(WEFT_LEVEL_NORMAL);

	(void)state;
	assert_int_equal(t->last.automatic, 0);
	assert_int_equal(session_level_want(&t->session, WEFT_LEVEL_OFF), 0);
	assert_int_equal(t->last.level, WEFT_LEVEL_NORMAL);
	assert_int_equal(t->last.automatic, 1);
	done(t);
}

/* The console asks for light first: while that was not told it asked for it again and again. */
static void light_asked_for_while_it_is_light(void **state)
{
	struct watched *t = watch(WEFT_LEVEL_OFF);

	(void)state;
	assert_int_equal(t->last.level, WEFT_LEVEL_LIGHT);
	assert_int_equal(t->last.automatic, 1);
	assert_int_equal(session_level_want(&t->session, WEFT_LEVEL_LIGHT), 0);
	assert_int_equal(t->told, 2);
	assert_int_equal(t->last.level, WEFT_LEVEL_LIGHT);
	assert_int_equal(t->last.automatic, 0);
	done(t);
}

/* Processes of a command's tree are tried again and again: nothing of a try that failed may stay. */
static void without_a_level_it_is_not_attached(void **state)
{
	struct watched *t = watch(WEFT_LEVEL_NORMAL);

	(void)state;
	t->session.source_state[0] = t;
	t->process.level = WEFT_LEVEL_OFF;
	refusal = -EMFILE;
	assert_int_equal(process_attach(&t->process, -1), -EMFILE);
	assert_int_equal(attached, 1);
	assert_int_equal(detached, 1);
	assert_null(t->process.runtime);
	refusal = 0;
	assert_int_equal(process_attach(&t->process, -1), 0);
	assert_int_equal(detached, 1);
	done(t);
}

static void seconds(struct watched *t, unsigned n)
{
	while (n--) {
		session_level_count(&t->process);
		session_level_second(&t->process);
	}
}

/* For some seconds it may cost what it will, then the cost counts again. */
static void a_closer_look_ends(void **state)
{
	struct watched *t = watch(WEFT_LEVEL_OFF);

	(void)state;
	seconds(t, 5);
	assert_int_equal(t->process.level, WEFT_LEVEL_LIGHT);
	assert_int_equal(session_level_closer(&t->process, 6), 0);
	assert_int_equal(t->process.level, WEFT_LEVEL_NORMAL);
	assert_int_equal(t->last.automatic, 1);
	seconds(t, 6);
	assert_int_equal(t->process.level, WEFT_LEVEL_NORMAL);
	seconds(t, 2);
	assert_int_equal(t->process.level, WEFT_LEVEL_LIGHT);
	done(t);
}

/* Seconds that it stays at normal, where it costs more than was thought. */
static unsigned stays(uint64_t cost_ns)
{
	struct watched *t = watch(WEFT_LEVEL_OFF);
	unsigned n = 0;

	normal_ns = 1000000;
	real_ns = cost_ns;
	for (unsigned i = 0; i < 20; i++, n += t->process.level == WEFT_LEVEL_NORMAL)
		seconds(t, 1);
	normal_ns = real_ns = 200000000;
	done(t);
	return n;
}

static void a_rise_that_was_a_mistake(void **state)
{
	(void)state;
	assert_in_range(stays(10000000), 17, 20); /* 2 %: none */
	assert_in_range(stays(40000000), 6, 8);   /* 8 %, where 5 % are allowed */
	assert_in_range(stays(100000000), 3, 4);  /* 20 % */
}

static void closer_looks_become_rare(void **state)
{
	struct watched *t = watch(WEFT_LEVEL_OFF);
	unsigned looks[4] = { 0 };

	(void)state;
	for (unsigned s = 0; s < 960; s++) {
		bool light = t->process.level == WEFT_LEVEL_LIGHT;

		assert_int_equal(session_level_closer(&t->process, 6), 0);
		looks[s / 240] += light && t->process.level == WEFT_LEVEL_NORMAL;
		seconds(t, 1);
	}
	assert_in_range(looks[0], 2, 3);
	assert_in_range(looks[0] + looks[1] + looks[2] + looks[3], 3, 5);
	done(t);
}

/* So many of 300 s at normal, and none of the first ones. */
static unsigned looked_at(bool looks, uint64_t cost_ns)
{
	struct watched *t = watch(WEFT_LEVEL_OFF);
	unsigned n = 0;

	t->session.options.looks = looks;
	normal_ns = real_ns = cost_ns;
	for (unsigned i = 0; i < 300; i++) {
		seconds(t, 1);
		n += t->process.level == WEFT_LEVEL_NORMAL;
		assert_true(i >= 8 || n == 0);
	}
	normal_ns = real_ns = 200000000;
	done(t);
	return n;
}

/* Of half a core: 20 %, so it is rests that keep them apart; 60 %, after half a minute, then each two; 200 %, once; 400 %, not yet. */
static void looks_without_a_suspicion(void **state)
{
	(void)state;
	assert_int_equal(looked_at(false, 100000000), 0);
	assert_in_range(looked_at(true, 100000000), 24, 27);
	assert_in_range(looked_at(true, 300000000), 16, 27);
	assert_in_range(looked_at(true, 1000000000), 8, 9);
	assert_int_equal(looked_at(true, 2000000000), 0);
}

/* Of several at once they would take too much together. */
static void no_looks_at_one_of_several(void **state)
{
	struct watched *t = watch(WEFT_LEVEL_OFF);
	struct process other = { .state = PROCESS_LIVE };

	(void)state;
	t->session.options.looks = true;
	t->process.next = &other;
	seconds(t, 100);
	assert_int_equal(t->process.level, WEFT_LEVEL_LIGHT);
	other.state = PROCESS_ENDED;
	seconds(t, 1);
	assert_int_equal(t->process.level, WEFT_LEVEL_NORMAL);
	done(t);
}

/* What a routine look has taken is not the suspicion's. */
static void a_suspicion_after_a_look(void **state)
{
	struct watched *t = watch(WEFT_LEVEL_OFF);

	(void)state;
	t->session.options.looks = true;
	for (unsigned i = 0; t->process.level == WEFT_LEVEL_LIGHT; i++) {
		assert_true(i < 30);
		seconds(t, 1);
	}
	seconds(t, 12);
	assert_int_equal(t->process.level, WEFT_LEVEL_LIGHT);
	assert_int_equal(session_level_closer(&t->process, 6), 0);
	assert_int_equal(t->process.level, WEFT_LEVEL_NORMAL);
	done(t);
}

/* An hour at light is no reason to take ten times its CPU for once. */
static void what_is_saved_has_an_end(void **state)
{
	struct watched *t = watch(WEFT_LEVEL_OFF);

	(void)state;
	t->session.options.looks = true;
	normal_ns = real_ns = 5000000000;
	for (unsigned i = 0; i < 3600; i++) {
		seconds(t, 1);
		assert_int_equal(t->process.level, WEFT_LEVEL_LIGHT);
	}
	normal_ns = real_ns = 200000000;
	done(t);
}

static void no_closer_look_where_a_level_was_asked_for(void **state)
{
	struct watched *t = watch(WEFT_LEVEL_LIGHT);

	(void)state;
	assert_int_equal(session_level_closer(&t->process, 6), 0);
	assert_int_equal(t->process.level, WEFT_LEVEL_LIGHT);
	done(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_can_be_left_for_automatic),
		cmocka_unit_test(automatic_is_told_where_nothing_changes),
		cmocka_unit_test(light_asked_for_while_it_is_light),
		cmocka_unit_test(without_a_level_it_is_not_attached),
		cmocka_unit_test(a_closer_look_ends),
		cmocka_unit_test(a_rise_that_was_a_mistake),
		cmocka_unit_test(closer_looks_become_rare),
		cmocka_unit_test(looks_without_a_suspicion),
		cmocka_unit_test(no_looks_at_one_of_several),
		cmocka_unit_test(a_suspicion_after_a_look),
		cmocka_unit_test(what_is_saved_has_an_end),
		cmocka_unit_test(no_closer_look_where_a_level_was_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
