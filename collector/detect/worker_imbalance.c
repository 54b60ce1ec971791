/* SPDX-License-Identifier: MIT */
/*
 * worker-imbalance: one thread polls nearly without a pause, the others hardly at all, and tasks are runnable nearly whenever one
 * looks: they are bound to that thread, or nobody takes them over. A single busy task is none: then nobody waits.
 */
#include <stdio.h>

#include "collector/detect/advice.h"
#include "collector/detect/load.h"

#define TICKS   20u /* that are remembered: a second */
#define TICK_NS (1000000000u / TICKS)

enum { MOST, REST, TASKS, SECONDS };

static const struct detector_option options[] = {
	[MOST] = { "imbalance.most", 0.8, "",
		   "share of its time that the busiest worker is at it" },
	[REST] = { "imbalance.rest", 0.25, "", "mean share of the others, at most" },
	[TASKS] = { "imbalance.tasks", 2, "tasks",
		    "runnable meanwhile, at four of five looks (20 a second)" },
	[SECONDS] = { "imbalance.s", 4, "s",
		      "without a break; three quarters where nobody else does anything" },
	{ NULL, 0, NULL, NULL },
};

/* The ticks of the last second at which tasks waited, as bits, per process and runtime. */
struct looks {
	struct detect_owner of;
	uint32_t ticks, waiting;
	bool polls; /* by every poll; else by the queues' depths */
};

struct state {
	struct detect_streaks streaks;
	struct looks looks[DETECT_STREAKS];
	uint32_t n;
};

static struct looks *looks_of(const struct detect_run *run, const struct model_process *p,
			      const struct model_runtime *rt)
{
	struct state *s = run->state;

	return detect_entry_of(run, p, rt, s->looks, sizeof(s->looks[0]), &s->n);
}

static void raise_runtime(struct detect_run *run, const struct model_process *p,
			  const struct model_runtime *rt, const struct detect_load *load,
			  const struct detect_streak *k)
{
	const struct model_lane *l = load->busiest;
	struct detect_subject subject = detect_subject_runtime(p, rt);
	bool bound = l && !detect_is_worker(l);
	struct live_finding *f = detect_raise(
		run, &subject,
		&(struct detect_verdict){
			.cause = bound ? "the tasks are bound to one thread, the workers idle"
				       : "one worker is busy, the others idle",
			.severity = LIVE_WARN,
			.confidence = bound ? 0.9f : 0.8f,
			.harm_task_ms = k->sum,
			.first_ns = k->first_ns });

	if (!f)
		return;
	detect_evidence(f, load->most, "", "%s %.32s is at it for %.0f %% of the time",
			bound ? "thread" : "worker", l && l->name[0] ? l->name : "?",
			100 * load->most);
	detect_evidence(f, load->rest, "", "%u others, busy for %.0f %% on average",
			load->workers - 1, 100 * load->rest);
	detect_evidence(f, (double)load->queued, "tasks", "%llu tasks are runnable and wait",
			(unsigned long long)load->queued);
	detect_advice(f, "%s",
		      advice_text(ADVICE_IMBALANCE, (enum weft_runtime_kind)rt->info.kind));
}

/* A queue's depth is told by its owner, and stale while that is in a poll: only where nothing else is known. */
static uint64_t waiting(const struct detect_run *run, const struct model_process *p,
			const struct model_runtime *rt)
{
	return model_sees_polls(run->model, p->index) ? rt->sure : detect_queued(run, p, rt);
}

static void count(struct detect_run *run, const struct model_process *p,
		  const struct model_runtime *rt)
{
	struct looks *k = looks_of(run, p, rt);
	bool polls = model_sees_polls(run->model, p->index);

	if (!k)
		return;
	/* What was not seen to wait at light says nothing of what is seen from now on. */
	if (polls != k->polls)
		k->ticks = k->waiting = 0;
	k->polls = polls;
	k->ticks += k->ticks < TICKS;
	k->waiting = k->waiting << 1 & ((1u << TICKS) - 1);
	k->waiting |= (double)waiting(run, p, rt) >= run->value[TASKS];
}

static enum detect_holds holding(const struct detect_run *run, const struct looks *looks,
				 const struct detect_load *load)
{
	uint32_t waiting = (uint32_t)__builtin_popcount(looks->waiting);
	double most = run->value[MOST], rest = run->value[REST];

	if (looks->ticks < TICKS / 2 || load->workers < 2)
		return DETECT_HOLDS_UNKNOWN;
	if (waiting * 5 < looks->ticks * 4 || load->most < most || load->rest > rest ||
	    load->runnable >= 0.2)
		return DETECT_HOLDS_NOT;
	return waiting * 20 >= looks->ticks * 19 && load->most >= 1 - (1 - most) / 4 &&
			       load->rest <= rest / 4
		       ? DETECT_HOLDS_CLEARLY
		       : DETECT_HOLDS;
}

/* No look says more than for how long it is known what waits. */
static bool load_of(struct detect_run *run, const struct model_process *p,
		    const struct model_runtime *rt, const struct looks *looks,
		    struct detect_load *ret)
{
	if (!looks || detect_is_held_up(run, p->index) || !detect_load_of(run, p, rt, true, ret))
		return false;
	if (ret->span_ns > (uint64_t)looks->ticks * TICK_NS)
		ret->span_ns = (uint64_t)looks->ticks * TICK_NS;
	return true;
}

static void judge(struct detect_run *run, const struct model_process *p,
		  const struct model_runtime *rt)
{
	struct state *s = run->state;
	struct looks *looks = looks_of(run, p, rt);
	struct detect_streak *k;
	struct detect_load load = { 0 };
	enum detect_holds holds = load_of(run, p, rt, looks, &load) ? holding(run, looks, &load)
								    : DETECT_HOLDS_UNKNOWN;

	k = detect_streak_step(&s->streaks, p, rt->info.runtime, &load, holds);
	if (!k)
		return;
	k->sum += (double)waiting(run, p, rt) * (double)k->step_ns / 1e6;
	if (detect_streak_proves(k, run->value[SECONDS]))
		raise_runtime(run, p, rt, &load, k);
}

static void tick(struct detect_run *run)
{
	detect_each_runtime(run, count);
	if (run->new_look)
		detect_each_runtime(run, judge);
}

const struct detector worker_imbalance_detector = {
	.id = "worker-imbalance",
	.symptom = SYMPTOM_WORKER_IMBALANCE,
	.options = options,
	.state_bytes = sizeof(struct state),
	.hold_ns = 5000000000ull,
	.tick = tick,
	.blind = detect_shares_blind,
};
