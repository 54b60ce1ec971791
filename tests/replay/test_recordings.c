// SPDX-License-Identifier: MIT
/*
 * Recordings of real runs (scripts/make_recordings.sh), replayed without privileges: the same findings as
 * live, about the same task and place, and nothing about healthy programs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "collector/live.h"

#define MAX_FOUND 2

static const struct run {
	const char *name;
	double seconds; /* at least this long */
	struct expected {
		const char *id, *name,
			*place; /* place: part of the location or of a frame of the stack */
	} found[MAX_FOUND];
} runs[] = {
	{ "busy-loop", 3, { { "busy-loop", "cruncher", "busy_loop.c:" } } },
	{ "busy-storm", 5, { { "busy-loop", "poller", "busy_loop.c:" } } },
	{ "blocking-call", 3, { { "blocking-call", "query_sleep", "blocking_call.c:" } } },
	{ "blocking-mutex", 3, { { "blocking-call", "query_mutex", "blocking_call.c:" } } },
	{ "task-leak", 13, { { "task-leak", "session", "task_leak.c:" } } },
	{ "healthy-busy-loop", 5, { { 0 } } },
	{ "healthy-blocking-call", 5, { { 0 } } },
	{ "healthy-task-leak", 13, { { 0 } } },
	{ "crash", 0.1, { { 0 } } },
};

static void replay(const char *name, struct live **ret)
{
	static const char *const thresholds[] = { "leak.window_s=10", NULL };
	struct live_options options = { .thresholds = thresholds };
	char path[128];

	snprintf(path, sizeof(path), "tests/recordings/%s.db", name);
	options.replay_path = path;
	assert_int_equal(live_open(&options, ret), 0);
	while (!live_done(*ret))
		live_wait(*ret, UINT64_MAX, 50);
	assert_int_equal(live_stop(*ret), 0);
}

static bool names_place(const struct live_finding *f, const char *place)
{
	bool named = strstr(f->location, place) != NULL;

	for (uint32_t i = 0; i < f->stack_n && !named; i++)
		named = strstr(f->stack[i].text, place) != NULL;
	return named;
}

static bool is_expected(const struct live_finding *f, const struct run *r)
{
	for (unsigned i = 0; i < MAX_FOUND && r->found[i].id; i++)
		if (!strcmp(f->id, r->found[i].id) && !strcmp(f->subject_name, r->found[i].name))
			return names_place(f, r->found[i].place) && f->evidence_n && *f->advice;
	return false;
}

static unsigned expected_count(const struct run *r)
{
	unsigned n = 0;

	while (n < MAX_FOUND && r->found[n].id)
		n++;
	return n;
}

static void check(const struct run *r)
{
	static struct live_finding found[16];
	struct live_header h;
	struct live *l;
	int n;

	replay(r->name, &l);
	n = live_findings(l, found, 0, 16);
	if (n != (int)expected_count(r))
		print_error("%s: %d findings\n", r->name, n);
	assert_int_equal(n, expected_count(r));
	for (int i = 0; i < n; i++) {
		if (!is_expected(&found[i], r))
			print_error("%s: %s %s %s\n", r->name, found[i].id, found[i].subject_name,
				    found[i].location);
		assert_true(is_expected(&found[i], r));
	}
	assert_int_equal(live_header(l, 0, &h), 0);
	assert_true((double)h.now_ns >= r->seconds * 1e9);
	assert_int_equal(h.produced, h.stored + h.lost + h.filtered + h.expired);
	assert_int_equal(h.lost, 0);
	live_close(l);
}

static void same_findings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(runs) / sizeof(*runs); i++)
		check(&runs[i]);
}

/* The crash tail names the task that the worker was in, and how the process died. */
static void crash_tail(void **state)
{
	struct live_worker worker[4];
	struct live_header h;
	struct live *l;
	int n;

	(void)state;
	replay("crash", &l);
	n = live_workers(l, 0, worker, 4);
	assert_int_equal(n, 1);
	assert_string_equal(worker[0].task_name, "crasher");
	assert_int_equal(live_header(l, 0, &h), 0);
	assert_true(h.gone);
	assert_int_equal(h.exit_signal, 11);
	live_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_findings),
		cmocka_unit_test(crash_tail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
