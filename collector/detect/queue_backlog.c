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

#define LOOKS 5u /* that are remembered: a second */

/* The polls of one of several runtimes in a process, as of the last looks. */
struct polled {
	struct detect_owner of;
	uint32_t looks;
	uint64_t t_ns[LOOKS], polls[LOOKS];
};

struct state {
	struct detect_streaks streaks;
	struct polled polled[DETECT_STREAKS];
	uint32_t n;
};

static struct polled *polled_of(const struct detect_run *run, const struct model_process *p,
				const struct model_runtime *rt)
{
	struct state *s = run->state;

	return detect_entry_of(run, p, rt, s->polled, sizeof(s->polled[0]), &s->n);
}

/* Of all lanes, whatever they are by now: none takes its polls with it. */
static uint64_t polls_of(const struct model_process *p, uint32_t runtime)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < p->nlanes; i++)
		if (p->lanes[i] && p->lanes[i]->runtime == runtime)
			n += p->lanes[i]->polls;
	return n;
}

/* Polls per second of the runtime's tasks. 0 = none, or not known. */
static double rate_of(const struct detect_run *run, const struct model_process *p,
		      const struct model_runtime *rt)
{
	struct polled *k = p->nruntimes > 1 ? polled_of(run, p, rt) : NULL;
	uint64_t now = run->now_ns, polls;
	struct model_rates rates;
	uint32_t oldest, last;

	if (!k) {
		process_rates(p, now, &rates);
		return rates.polls;
	}
	polls = polls_of(p, rt->info.runtime);
	last = k->looks++ % LOOKS;
	k->t_ns[last] = now;
	k->polls[last] = polls;
	oldest = k->looks < LOOKS ? 0 : k->looks % LOOKS;
	if (k->t_ns[oldest] >= now || k->polls[oldest] >= polls)
		return 0;
	return (double)(polls - k->polls[oldest]) * 1e9 / (double)(now - k->t_ns[oldest]);
}

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
	double rate = rate_of(run, p, rt), delay_ms = 0;
	struct detect_streak *k;
	struct detect_load load;
	bool known = detect_load_of(run, p, rt, false, &load), holds;

	if (known && rate > 0)
		delay_ms = (double)load.queued / rate * 1e3;
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
