// SPDX-License-Identifier: MIT
#include "probes/rust/sights.h"

#include <stdio.h>
#include <string.h>

#include "probes/rust/code.h"
#include "probes/rust/library.h"

#define OLDEST_TOKIO "1.23.0"

/* A runtime whose layout is not known is said, not left out. */
static bool is_too_old(const struct rust_plan *plan)
{
	for (uint32_t i = 0; i < plan->n_libraries; i++)
		if (plan->libraries[i].family == RUST_TOKIO && plan->libraries[i].version[0] &&
		    rust_library_compare(plan->libraries[i].version, OLDEST_TOKIO) < 0)
			return true;
	return false;
}

/* Panics are both's. */
static bool has_probe(const struct rust_plan *plan, uint8_t family, uint8_t kind)
{
	for (uint32_t i = 0; i < plan->n_probes; i++) {
		const struct rust_probe *at = &plan->probes[i];

		if (at->kind == kind && (at->family == family || kind == RUST_PANIC) &&
		    rust_plan_is_placed(at))
			return true;
	}
	return false;
}

/* ---- single timers ---- */

static bool has_all(const struct rust_plan *plan, uint8_t family, uint32_t kinds)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < plan->n_probes; i++) {
		const struct rust_probe *at = &plan->probes[i];

		if (at->family == family && at->emulated)
			found |= 1u << at->kind;
	}
	return (found & kinds) == kinds;
}

bool rust_plan_arms_by_deadline(const struct rust_plan *plan)
{
	bool any = false;

	for (uint32_t i = 0; i < plan->n_probes; i++) {
		const struct rust_probe *at = &plan->probes[i];

		if (at->kind != RUST_TIMER_ARM || at->family != RUST_TOKIO || !at->emulated)
			continue;
		if (at->reg == RUST_NO_REG)
			return false;
		any = true;
	}
	return any;
}

/* async-io: without the ends of turns any later wake would be a timer's. */
bool rust_plan_has_timers(const struct rust_plan *plan, uint8_t family)
{
	uint32_t kinds = 1u << RUST_TIMER_ARM | 1u << RUST_TIMERS_BEGIN;

	if (family == RUST_ASYNC_TASK)
		kinds |= 1u << RUST_TIMER_DROP | 1u << RUST_DRIVER_BEGIN | 1u << RUST_DRIVER_END;
	return has_all(plan, family, kinds);
}

/* async-io wakes what IO and timers call for together, so only what is known of its timers tells them apart. */
static bool tells_wakes(const struct rust_plan *plan, uint8_t family)
{
	if (family == RUST_ASYNC_TASK)
		return rust_plan_has_timers(plan, family);
	return has_probe(plan, family, RUST_TIMERS_BEGIN) &&
	       has_probe(plan, family, RUST_DRIVER_BEGIN);
}

/* By what the kernel and the scheduler's handle tell, in any build. */
static bool is_tokio(const struct rust_plan *plan, uint8_t family)
{
	(void)plan;
	return family == RUST_TOKIO;
}

/* ---- what is seen, and why it is not ---- */

static const struct sight {
	const char *what;
	uint8_t kind; /* a probe of it is enough, or */
	bool (*seen)(const struct rust_plan *plan, uint8_t family); /* NULL with no kind: never */
	/* By family; NULL = nothing to say. */
	const char *why[RUST_ASYNC_TASK + 1], *stripped[RUST_ASYNC_TASK + 1]; /* NULL: the same */
} sights[] = {
	{ "late drivers",
	  .seen = is_tokio }, /* async-io waits for a timerfd: its wait has no end */
	{ "queue depths", .seen = is_tokio,
	  .why = { [RUST_ASYNC_TASK] =
			   "its executors' queues are not read; normal counts the tasks that are runnable" } },
	{ "spawns", RUST_SPAWN,
	  .why = { [RUST_TOKIO] = "the code that builds tasks was not recognised",
		   [RUST_ASYNC_TASK] = "the code that builds tasks was not recognised" } },
	{ "wakes", RUST_WAKE,
	  .why = { [RUST_TOKIO] = "the wakers were not recognised",
		   [RUST_ASYNC_TASK] = "the wakers were not recognised" } },
	{ "ends of tasks", RUST_COMPLETE,
	  .why = { [RUST_TOKIO] = "built into each poll, but the task's state after it tells most",
		   [RUST_ASYNC_TASK] =
			   "built into each poll, but the task's state after it tells most" } },
	{ "panics", RUST_PANIC,
	  .why = { [RUST_TOKIO] = "no panic function in it: it aborts",
		   [RUST_ASYNC_TASK] = "no panic function in it: it aborts" } },
	/* Of no build: who pays for a probe in the search of each worker? */
	{ "steals",
	  .why = { [RUST_TOKIO] = "only by what follows: that a task moves to another worker",
		   [RUST_ASYNC_TASK] =
			   "only by what follows: that a task is polled by another worker than before" } },
	{ "aborts", RUST_ABORT,
	  .why = { [RUST_TOKIO] =
			   "built into other functions; who aborts a task is seen where that makes it runnable",
		   [RUST_ASYNC_TASK] =
			   "built into other functions; who aborts a task is seen where that makes it runnable" },
	  .stripped = { [RUST_TOKIO] =
				"its functions have no names; who aborts a task is seen where that makes it runnable" } },
	{ "timers being set", .seen = rust_plan_has_timers,
	  .why = { [RUST_TOKIO] =
			   "built into other functions; seen is what the driver is told to wait until, no timer that comes due in a poll",
		   [RUST_ASYNC_TASK] =
			   "built into other functions, and its driver waits for a timerfd, which does not tell" },
	  .stripped = { [RUST_TOKIO] =
				"its functions have no names; seen is what the driver is told to wait until, no timer that comes due in a poll",
			[RUST_ASYNC_TASK] =
				"its functions have no names, and its driver waits for a timerfd, which does not tell" } },
	{ "which wakes timers and IO cause", .seen = tells_wakes,
	  .why = { [RUST_TOKIO] = "built into other functions",
		   [RUST_ASYNC_TASK] = "its reactor wakes for both together" },
	  .stripped = { [RUST_TOKIO] = "its functions have no names" } },
};

static bool has_gap(const struct rust_plan *plan, const char *what)
{
	for (uint32_t i = 0; i < plan->n_gaps; i++)
		if (strcmp(plan->gaps[i].what, what) == 0)
			return true;
	return false;
}

static bool has_other(const struct rust_plan *plan, uint8_t family)
{
	return rust_plan_has_types(plan, family == RUST_TOKIO ? RUST_ASYNC_TASK : RUST_TOKIO);
}

/* Where two runtimes are in the file, whose it is. NULL = no memory. */
static const char *what_of(struct rust_builder *b, const char *what, uint8_t family)
{
	char text[96];
	int n;

	if (!has_other(b->plan, family))
		return what;
	n = snprintf(text, sizeof(text), "%s (%s)", what,
		     family == RUST_TOKIO ? "Tokio" : "async-task");
	return rust_builder_text(b, text, (size_t)n);
}

static void gap(struct rust_builder *b, const struct sight *s, uint8_t family)
{
	const char *why = s->why[family], *what;

	if (b->plan->stripped && s->stripped[family])
		why = s->stripped[family];
	what = why ? what_of(b, s->what, family) : NULL;
	if (what)
		rust_builder_gap(b, what, why);
}

static void judge_family(struct rust_builder *b, uint8_t family)
{
	for (size_t i = 0; i < sizeof(sights) / sizeof(sights[0]); i++) {
		const struct sight *s = &sights[i];

		if (has_gap(b->plan, s->what))
			continue;
		if (s->seen ? s->seen(b->plan, family)
			    : s->kind && has_probe(b->plan, family, s->kind))
			rust_builder_can_see(b, s->what);
		else
			gap(b, s, family);
	}
}

/* Tokio's spawns carry their place in every build, those of async-task in none. */
static void judge_places(struct rust_builder *b)
{
	if (b->plan->n_spawn_places > 0)
		rust_builder_can_see(b, "where tasks are spawned");
	else
		rust_builder_gap(b, "where tasks are spawned",
				 "neither its code nor lines nor names tell");
}

void rust_sights_judge(struct rust_builder *b)
{
	bool tokio = rust_plan_has_types(b->plan, RUST_TOKIO);

	if (is_too_old(b->plan))
		rust_builder_gap(b, tokio ? "tasks of the older Tokio" : "tasks",
				 "Tokio before 1.23 lays its tasks out in another way");
	if (b->plan->n_types == 0)
		return;
	rust_builder_can_see(b, "tasks");
	/* By what threads do in the kernel, so in any build. */
	rust_builder_can_see(b, "workers parking");
	if (rust_plan_has_polls(b->plan))
		rust_builder_can_see(b, "polls");
	else
		rust_builder_gap(b, "polls", "the code that polls tasks was not recognised");
	for (unsigned family = RUST_TOKIO; family <= RUST_ASYNC_TASK; family++)
		if (rust_plan_has_types(b->plan, (uint8_t)family))
			judge_family(b, (uint8_t)family);
	judge_places(b);
}
