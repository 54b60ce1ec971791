/* SPDX-License-Identifier: MIT */
/*
 * never-runs, of the tests that `cargo test` runs: a #[tokio::test] is the future of a block_on, so it is no task that a walk
 * could meet. Its thread waits for a wake, and no thread of the process has run for a time: there is nobody left who would wake
 * it, unless from outside (sockets, a child), where more patience is due. Its stack names the test.
 */
#include <stdio.h>
#include <string.h>

#include "collector/detect/advice.h"
#include "collector/detect/detector.h"

enum { TEST_MS, OUTSIDE_MS };

static const struct detector_option options[] = {
	[TEST_MS] = { "never.test_ms", 5000, "ms",
		      "a test waits, and no thread of its process has run for so long" },
	[OUTSIDE_MS] = { "never.outside_ms", 20000, "ms",
			 "the same where sockets or a child may wake it" },
	{ NULL, 0, NULL, NULL },
};

struct state {
	uint64_t cursor;
};

#define HARNESS "test::__rust_begin_short_backtrace"

static const struct model_frame *frame_at(const struct detect_run *run, const struct model_stack *k,
					  uint32_t i)
{
	return stack_store_frame(model_stacks(run->model), k->frame[i]);
}

static bool begins(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/* The test's own function, outermost of the program's under libtest's; NULL: it is no test's thread. */
static const struct model_frame *test_of(const struct detect_run *run, const struct model_stack *k)
{
	uint32_t i = k->kernel;
	const struct model_frame *f;

	while (i < k->nframes && !((f = frame_at(run, k, i)) && begins(f->func, HARNESS)))
		i++;
	if (i == k->nframes)
		return NULL;
	while (i-- > k->kernel) {
		f = frame_at(run, k, i);
		/* A test is a plain function: `<F as FnOnce>::call_once` and the like only call it. */
		if (f && f->origin == FRAME_PROGRAM && f->func[0] && f->func[0] != '<' &&
		    !begins(f->func, "test::"))
			return f;
	}
	return NULL;
}

/* As libtest calls it: without the crate, and without what the compiler puts around it. */
static void name_of(const struct model_frame *test, char *to, size_t size)
{
	const char *name = strstr(test->func, "::");
	size_t n;

	name = name && name[2] && name[2] != '{' ? name + 2 : test->func;
	n = strcspn(name, "{<");
	while (n > 0 && name[n - 1] == ':')
		n--;
	snprintf(to, size, "%.*s", (int)n, n ? name : test->func);
}

/* A block is inside of a future's poll; else the test's function is in block_on. */
static void tell_place(struct live_finding *f, const struct model_frame *at)
{
	if (!strchr(at->func, '{'))
		detect_evidence(f, 1, "place", "what it awaits is not ready, and nobody wakes it");
	else if (at->line)
		detect_evidence(f, 1, "place", "waits in %.90s (%.100s:%u)", at->func, at->file,
				at->line);
	else
		detect_evidence(f, 1, "place", "waits in %.160s", at->func);
}

static void raise_test(struct detect_run *run, const struct model_stack *k,
		       const struct model_frame *test)
{
	const struct model_frame *at = stack_store_culprit(model_stacks(run->model), k);
	char name[128], place[160] = "", text[24];
	struct live_finding *f;

	name_of(test, name, sizeof(name));
	if (test->file[0] && test->line)
		snprintf(place, sizeof(place), "%.140s:%u", test->file, test->line);
	f = detect_raise(
		run,
		&(struct detect_subject){ .kind = "thread",
					  .id = k->tid,
					  .process = k->process,
					  .name = name,
					  .location = place },
		&(struct detect_verdict){
			.cause = "the test hangs: it waits, and nothing in its process runs",
			.severity = LIVE_CRIT,
			.confidence = k->poll_seq ? 0.7f : 0.9f,
			.first_ns = k->t_ns > k->open_ns ? k->t_ns - k->open_ns : 0 });
	if (!f)
		return;
	detect_evidence(f, (double)k->open_ns / 1e6, "ms", "no thread has run for %s",
			detect_duration(k->open_ns, text));
	if (at)
		tell_place(f, at);
	if (k->poll_seq)
		detect_evidence(f, 1, "company",
				"the process has sockets or a child, which might still wake it");
	detect_stack(run, f, k);
	detect_advice(
		f,
		"Somebody must wake what it waits for: look for a sender that stays alive, a lock that is taken twice, a "
		"notification before the wait; a time limit around the await makes such a test fail instead.");
}

static void tick(struct detect_run *run)
{
	struct state *s = run->state;
	const struct model_stack *k;

	while ((k = stack_store_next(model_stacks(run->model), s->cursor))) {
		double limit_ms = run->value[k->poll_seq ? OUTSIDE_MS : TEST_MS];
		const struct model_frame *test;

		s->cursor = k->number;
		if (k->why != WEFT_STACK_WAITING || (double)k->open_ns < limit_ms * 1e6)
			continue;
		test = test_of(run, k);
		if (test)
			raise_test(run, k, test);
	}
}

const struct detector hanging_test_detector = {
	.id = "never-runs",
	.symptom = SYMPTOM_NEVER_RUNS,
	.options = options,
	.state_bytes = sizeof(struct state),
	.hold_ns = 10000000000ull,
	.tick = tick,
};
