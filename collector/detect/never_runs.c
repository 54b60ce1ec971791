/* SPDX-License-Identifier: MIT */
/*
 * never-runs: a task that is runnable and is not polled. A walk over all tasks that began later confirms it out of the
 * target's memory, so a lost event is no finding. Causes, told apart by what the runtime's workers do meanwhile: there are none
 * (the runtime is not driven), the future given to block_on has the only one, all of them are inside one poll, some are (it is stranded behind one), or they go on and
 * others are polled before it.
 */
#include <stdio.h>

#include "collector/detect/advice.h"
#include "collector/detect/driver.h"
#include "collector/detect/waits.h"
#include "collector/detect/workers.h"

enum { WAIT_MS, QUEUE_MS };

static const struct detector_option options[] = {
	[WAIT_MS] = { "never.wait_ms", 1000, "ms", "runnable for so long and not polled" },
	[QUEUE_MS] = { "never.queue_ms", 5000, "ms",
		       "the same while the workers go on with others" },
	{ NULL, 0, NULL, NULL },
};

#define WALK_AGAIN_NS 2000000000ull
#define CONFIRM_NS    1000000000ull
#define LOOK_NS       250000000ull
#define CHAIN_NS      1000000000ull
#define FEW_TASKS     20000u /* above that a look at all of them once a second */
#define KINDS         64u

/* The worst of one type in this look. */
struct stuck {
	uint32_t process, type, tasks;
	uint64_t ready_ns, task;
	bool polled, found; /* found: it was there before, and its polls are not counted */
};

struct state {
	uint64_t asked_ns;  /* for a walk */
	uint64_t chains_ns; /* for where one stands */
	uint64_t looked_ns;
	struct stuck stuck[KINDS];
	uint32_t n;
};

static void collect(struct state *s, const struct model_task *t)
{
	struct stuck *k = NULL;

	for (uint32_t i = 0; i < s->n && !k; i++)
		if (s->stuck[i].process == t->process && s->stuck[i].type == t->type)
			k = &s->stuck[i];
	if (!k && s->n == KINDS)
		return;
	if (!k) {
		k = &s->stuck[s->n++];
		*k = (struct stuck){ t->process, t->type, 0, UINT64_MAX, 0, false, false };
	}
	k->tasks++;
	if (t->ready_ns >= k->ready_ns)
		return;
	k->ready_ns = t->ready_ns;
	k->task = t->id;
	k->polled = t->polls || t->census_polls;
	k->found = t->flags & MODEL_T_FOUND;
}

static void ask_for_walk(struct detect_run *run, uint32_t process)
{
	struct state *s = run->state;

	if (run->now_ns < s->asked_ns + WALK_AGAIN_NS)
		return;
	s->asked_ns = run->now_ns;
	detect_want_walk(run, process, false);
}

/* A walk that began a second after it became runnable has met it, still runnable: the model clears it otherwise. */
static bool is_confirmed(const struct model_process *p, const struct model_task *t)
{
	return p->walks && p->walk_ns > t->ready_ns + CONFIRM_NS && t->walk == (uint8_t)p->walk;
}

static void look_at(struct detect_run *run, const struct model_task *t)
{
	const struct model_process *p = model_process(run->model, t->process);
	uint64_t wait_ns = (uint64_t)(run->value[WAIT_MS] * 1e6);

	if (!task_alive(t) || !t->ready_ns || run->now_ns < t->ready_ns + wait_ns || !p || p->gone)
		return;
	/* One that its own thread drives, inside block_on, is in no queue. */
	if (t->flags & MODEL_T_BLOCK_ON || model_task_lane(run->model, t))
		return;
	if (is_confirmed(p, t))
		collect(run->state, t);
	else
		ask_for_walk(run, t->process);
}

struct why {
	char cause[112], holder[160];
	enum advice advice;
	enum live_severity severity;
	struct detect_workers workers;
	bool root;     /* the future given to block_on has the thread */
	uint32_t all;  /* workers; those that have not been met do nothing */
	uint32_t left; /* threads that drove the runtime once */
};

static const char *how(const struct detect_run *run, const struct stuck *k)
{
	if (k->polled)
		return "woken, but not polled";
	/* Only the C runtime keeps count of a task's polls itself. */
	if (k->found && detect_runtime_kind(run->model, k->process, MODEL_NONE) != WEFT_RT_WEFT)
		return "runnable, but not polled";
	return "never polled";
}

/*
 * Walks meet a busy task runnable again and again. That it wasn't polled in between is known by its count of polls, which only
 * the C runtime keeps, else where every poll since is told.
 */
static bool was_not_polled(const struct detect_run *run, const struct stuck *k)
{
	return detect_runtime_kind(run->model, k->process, MODEL_NONE) == WEFT_RT_WEFT ||
	       k->ready_ns >= model_polls_since(run->model, k->process);
}

/*
 * The same of what is stranded: a worker that has time would have polled it else; or polls are told by now, and a walk a second later met it
 * still. That may want a closer look.
 */
static bool is_stranded(struct detect_run *run, const struct stuck *k,
			const struct detect_workers *w, uint32_t all)
{
	const struct model_process *p = model_process(run->model, k->process);
	uint64_t told_ns = model_polls_since(run->model, k->process);

	if (was_not_polled(run, k) || w->idle || w->n + w->in_place < all ||
	    (told_ns < UINT64_MAX && p->walk_ns > told_ns + CONFIRM_NS))
		return true;
	if (told_ns == UINT64_MAX)
		detect_want_closer(run, k->process);
	else if (run->now_ns > told_ns + CONFIRM_NS)
		ask_for_walk(run, k->process);
	return false;
}

/* Its workers poll, or have nothing to do. One that does neither was stopped, with all the process. */
static bool goes_on(const struct detect_run *run, const struct model_process *p, uint32_t runtime)
{
	struct model_rates rates;

	process_rates(p, run->now_ns, &rates);
	for (uint32_t i = 0; i < p->nlanes && rates.polls <= 0; i++) {
		const struct model_lane *l = p->lanes[i];

		if (l && detect_is_worker(l) && l->runtime == runtime && l->sample_ns &&
		    l->state < WEFT_WS_PARKED_DRIVER)
			return false;
	}
	return true;
}

/* Of Tokio it is looked up whether a thread is in there; where that can't be, nothing is said. */
static bool nobody_drives(const struct detect_run *run, const struct model_process *p,
			  const struct model_task *t, const struct stuck *k, struct why *w)
{
	if (w->workers.n + w->workers.in_place && !detect_is_left(run, t, k->ready_ns, &w->left))
		return false;
	return p->runtime[t->runtime].info.kind != WEFT_RT_TOKIO ||
	       detect_driver_of(run, k->process, t->runtime, k->ready_ns) == DETECT_DRIVER_NOBODY;
}

/* False: no finding. */
static bool explain(struct detect_run *run, const struct stuck *k, struct why *w)
{
	struct model_task *t = model_task(run->model, k->task);
	const struct model_process *p = model_process(run->model, k->process);
	uint32_t runtime;

	if (!t || t->runtime >= p->nruntimes) /* whose it is, the next walk tells */
		return false;
	runtime = p->runtime[t->runtime].info.runtime;
	detect_workers_of(run, k->process, runtime, k->ready_ns, run->now_ns, 0, &w->workers);
	detect_workers_holder(run, &w->workers, w->holder, sizeof(w->holder));
	w->all = w->workers.n && p->runtime[t->runtime].info.workers > w->workers.n
			 ? p->runtime[t->runtime].info.workers
			 : w->workers.n;
	w->severity = LIVE_CRIT;
	w->root = !w->workers.held &&
		  detect_driver_of(run, k->process, t->runtime, k->ready_ns) == DETECT_DRIVER_HELD;
	if (w->root) {
		snprintf(w->cause, sizeof(w->cause), "%s: %s", how(run, k),
			 detect_driver_cause(run, k->process, t->runtime));
		w->advice = ADVICE_ROOT;
	} else if (nobody_drives(run, p, t, k, w)) {
		snprintf(w->cause, sizeof(w->cause), "%s: no thread drives the runtime",
			 how(run, k));
		w->advice = ADVICE_NOT_DRIVEN;
	} else if (!w->workers.n) {
		return false;
	} else if (w->workers.held == w->all) {
		snprintf(w->cause, sizeof(w->cause), "%s: every worker is inside one poll",
			 how(run, k));
		w->advice = ADVICE_ALL_HELD;
	} else if (w->workers.held) {
		snprintf(w->cause, sizeof(w->cause),
			 "%s: stranded behind a worker that stays in a poll", how(run, k));
		w->advice = ADVICE_STRANDED;
		return is_stranded(run, k, &w->workers, w->all);
	} else {
		snprintf(w->cause, sizeof(w->cause), "%s: others are polled before it",
			 how(run, k));
		w->advice = ADVICE_QUEUE;
		w->severity = LIVE_WARN;
		return run->now_ns > k->ready_ns + (uint64_t)(run->value[QUEUE_MS] * 1e6) &&
		       !w->workers.starved && was_not_polled(run, k) && goes_on(run, p, runtime);
	}
	return true;
}

/* Where it will go on, or would: a task of the C runtime is asked for it, others can't tell. */
static void tell_where(struct detect_run *run, struct live_finding *f, const struct model_task *t,
		       const struct stuck *k)
{
	struct state *s = run->state;

	if (detect_waits_tell(run, f, t, k->ready_ns) || run->now_ns < s->chains_ns + CHAIN_NS ||
	    detect_runtime_kind(run->model, k->process, MODEL_NONE) != WEFT_RT_WEFT)
		return;
	s->chains_ns = run->now_ns;
	detect_want_await(run, k->process, k->task);
}

static void raise_stuck(struct detect_run *run, const struct stuck *k)
{
	struct model_task *t = model_task(run->model, k->task);
	struct detect_subject subject;
	struct live_finding *f;
	struct why w = { .left = 0 };
	char text[24];

	if (!t || !explain(run, k, &w))
		return;
	subject = detect_subject_task(run->model, t);
	f = detect_raise(run, &subject,
			 &(struct detect_verdict){ .cause = w.cause,
						   .severity = w.severity,
						   .confidence = 0.95f,
						   .harm_task_ms =
							   (double)(run->now_ns - k->ready_ns) /
							   1e6 * k->tasks,
						   .first_ns = k->ready_ns });
	if (!f)
		return;
	detect_evidence(f, (double)(run->now_ns - k->ready_ns) / 1e6, "ms",
			"runnable for %s by now", detect_duration(run->now_ns - k->ready_ns, text));
	if (k->tasks > 1)
		detect_evidence(f, k->tasks, "tasks", "%u tasks of this type wait so", k->tasks);
	tell_where(run, f, t, k);
	if (w.root)
		detect_driver_evidence(run, f, k->process, t->runtime);
	else
		detect_evidence(f, w.workers.held, "workers",
				"%u of %u workers inside one poll all that time", w.workers.held,
				w.all);
	if (w.left)
		detect_evidence(f, w.left, "threads",
				"of %u that drove it, none has come back to its driver since",
				w.left);
	if (w.holder[0]) {
		detect_blame(run, f, w.workers.task);
		detect_evidence(f, (double)w.workers.longest_ns / 1e6, "ms",
				"the longest by %s, %s", w.holder,
				detect_duration(w.workers.longest_ns, text));
	}
	detect_advice(f, "%s",
		      advice_text(w.advice,
				  detect_runtime_kind(run->model, k->process, MODEL_NONE)));
}

static bool is_due(const struct detect_run *run)
{
	const struct state *s = run->state;
	uint64_t alive = 0;

	if (run->new_second || run->now_ns < s->looked_ns + LOOK_NS)
		return run->new_second;
	for (uint32_t i = 0; i < model_processes(run->model); i++) {
		const struct model_process *p = model_process(run->model, i);

		alive += p ? p->alive : 0;
	}
	return alive < FEW_TASKS;
}

static void tick(struct detect_run *run)
{
	struct state *s = run->state;
	struct model_task *t;
	uint32_t cursor = 0;
	bool any = false;

	if (!is_due(run))
		return;
	s->looked_ns = run->now_ns;
	for (uint32_t i = 0; i < model_processes(run->model); i++) {
		const struct model_process *p = model_process(run->model, i);

		any |= p && p->ready && !p->gone;
	}
	if (!any)
		return;
	s->n = 0;
	while ((t = model_task_each(run->model, &cursor)))
		look_at(run, t);
	for (uint32_t i = 0; i < s->n; i++)
		raise_stuck(run, &s->stuck[i]);
}

static bool blind(const struct detect_run *run, char *why, size_t size)
{
	double needs = run->value[WAIT_MS] * 1e6 + CONFIRM_NS;
	uint64_t watched = detect_watched_ns(run->detect);
	bool walked = false;

	for (uint32_t i = 0; i < model_processes(run->model); i++)
		walked |= model_process(run->model, i) && model_process(run->model, i)->walks;
	if (!walked)
		snprintf(why, size, "no walk over all tasks was complete");
	else if ((double)watched < needs)
		snprintf(why, size, "watched for %.1f s, needs %.1f s", (double)watched / 1e9,
			 needs / 1e9);
	return !walked || (double)watched < needs;
}

const struct detector never_runs_detector = {
	.id = "never-runs",
	.symptom = SYMPTOM_NEVER_RUNS,
	.options = options,
	.state_bytes = sizeof(struct state),
	.hold_ns = 5000000000ull,
	.tick = tick,
	.blind = blind,
};
