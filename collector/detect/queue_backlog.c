/* SPDX-License-Identifier: MIT */
/*
 * queue-backlog: the workers do all they can, and still more is runnable than they poll: for seconds on end a task waits in the queue
 * for long before its turn. The wait follows from the queue's length and the rate of polls (Little's law). Workers that stand
 * still inside one poll, or have no CPU, are other detectors' matter.
 */
#include <stdio.h>

#include "collector/detect/advice.h"
#include "collector/detect/load.h"

enum { DELAY_MS, CRIT_MS, TASKS, BUSY, SECONDS };

static const struct detector_option options[] = {
	[DELAY_MS] = { "backlog.delay_ms", 50, "ms", "mean wait in the queue: warn" },
	[CRIT_MS] = { "backlog.crit_ms", 500, "ms", "the same: crit" },
	[TASKS] = { "backlog.tasks", 16, "tasks", "runnable per worker, at least" },
	[BUSY] = { "backlog.busy", 0.8, "", "share of their time that the workers are busy" },
	[SECONDS] = { "backlog.s", 3, "s", "without a break" },
	{ NULL, 0, NULL, NULL },
};

struct state {
	struct detect_streaks streaks;
};

static void raise_runtime(struct detect_run *run, const struct model_process *p,
			  const struct model_runtime *rt, const struct detect_load *load,
			  const struct detect_streak *k, double delay_ms)
{
	struct detect_subject subject = detect_subject_runtime(p, rt);
	struct live_finding *f =
		detect_raise(run, &subject,
			     &(struct detect_verdict){
				     .cause = "more becomes runnable than the workers can poll",
				     .severity = delay_ms >= run->value[CRIT_MS] ? LIVE_CRIT
										 : LIVE_WARN,
				     .confidence = 0.9f,
				     .harm_task_ms = k->sum,
				     .first_ns = k->first_ns });

	if (!f)
		return;
	detect_evidence(f, (double)load->queued, "tasks", "%llu tasks are runnable and wait",
			(unsigned long long)load->queued);
	detect_evidence(f, delay_ms, "ms", "a wait of %.0f ms in the queue, for %u s by now",
			delay_ms, (unsigned)((k->until_ns - k->first_ns) / 1000000000));
	detect_evidence(f, load->busy, "", "%u workers, busy for %.0f %% of their time",
			load->workers, 100 * load->busy);
	detect_advice(f, "%s", advice_text(ADVICE_QUEUE, (enum weft_runtime_kind)rt->info.kind));
}

/* At light the queue of a current-thread runtime is not read; but the last walk has met many that were runnable. */
static void suspect(struct detect_run *run, const struct model_process *p,
		    const struct model_runtime *rt, uint32_t workers)
{
	if (!model_sees_polls(run->model, p->index) &&
	    (double)rt->ready >= run->value[TASKS] * workers)
		detect_want_closer(run, p->index);
}

static void look(struct detect_run *run, const struct model_process *p,
		 const struct model_runtime *rt)
{
	struct state *s = run->state;
	struct model_rates rates;
	struct detect_streak *k;
	struct detect_load load;
	double delay_ms = 0;
	bool known = detect_load_of(run, p, rt, false, &load), holds;

	process_rates(p, run->now_ns, &rates);
	if (known && rates.polls > 0)
		delay_ms = (double)load.queued / rates.polls * 1e3;
	holds = known && !detect_is_held_up(run, p->index) && load.busy >= run->value[BUSY] &&
		load.runnable < 0.2 && (double)load.queued >= run->value[TASKS] * load.workers &&
		delay_ms >= run->value[DELAY_MS];
	if (known && load.busy >= run->value[BUSY])
		suspect(run, p, rt, load.workers);
	k = detect_streak_step(&s->streaks, p, rt->info.runtime, &load,
			       holds   ? DETECT_HOLDS
			       : known ? DETECT_HOLDS_NOT
				       : DETECT_HOLDS_UNKNOWN);
	if (!k)
		return;
	k->sum += (double)load.queued * (double)k->step_ns / 1e6;
	if (detect_streak_proves(k, run->value[SECONDS]))
		raise_runtime(run, p, rt, &load, k, delay_ms);
}

static void tick(struct detect_run *run)
{
	if (run->new_look)
		detect_each_runtime(run, look);
}

const struct detector queue_backlog_detector = {
	.id = "queue-backlog",
	.symptom = SYMPTOM_QUEUE_BACKLOG,
	.options = options,
	.state_bytes = sizeof(struct state),
	.hold_ns = 5000000000ull,
	.tick = tick,
	.blind = detect_shares_blind,
};
