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

static const struct source runtime = { .name = "runtime",
				       .attach = runtime_attach,
				       .detach = runtime_detach,
				       .level = runtime_level };
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_can_be_left_for_automatic),
		cmocka_unit_test(automatic_is_told_where_nothing_changes),
		cmocka_unit_test(light_asked_for_while_it_is_light),
		cmocka_unit_test(without_a_level_it_is_not_attached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
