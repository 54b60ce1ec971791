/* SPDX-License-Identifier: MIT */
/*
 * cpu-starved: the workers are runnable and get no CPU for most of the time that they want one. Who has it: a quota of the control
 * group (its throttling grows; warn), or the neighbours (info: not the program's fault). Threads of the program itself that
 * fill all CPUs are worker-count's matter; but not a quota that even as few workers use up.
 */
#include <stdio.h>

#include "collector/detect/advice.h"
#include "collector/detect/load.h"

enum { SHARE, WANT, SECONDS, THROTTLED };

static const struct detector_option options[] = {
	[SHARE] = { "starved.share", 0.6, "",
		    "of the time in which the workers want a CPU they wait for one" },
	[WANT] = { "starved.want", 0.2, "cpu", "a worker wants at least this, on average" },
	[SECONDS] = { "starved.s", 4, "s",
		      "without a break; three quarters where nearly all of it is a wait" },
	[THROTTLED] = { "starved.throttled", 0.1, "",
			"share of the time that the quota stops it, to be the cause" },
	{ NULL, 0, NULL, NULL },
};

struct state {
	struct detect_streaks streaks;
};

static void tell_cpus(struct live_finding *f, const struct model_process *p)
{
	const struct weft_ev_cpus *c = &p->cpus;

	if (!p->cpus_ns)
		return;
	if (c->quota_us && c->period_us)
		detect_evidence(f, (double)c->quota_us / (double)c->period_us, "cpus",
				"its control group may use %.2f CPUs",
				(double)c->quota_us / (double)c->period_us);
	detect_evidence(f, c->cpus, "cpus",
			"%u CPUs that it may run on, %.0f %% of the machine busy", c->cpus,
			100 * process_machine_busy(p));
}

static void raise_process(struct detect_run *run, const struct model_process *p,
			  const struct detect_load *load, const struct detect_streak *k)
{
	struct detect_subject subject = detect_subject_process(p);
	double throttled = process_throttled(p);
	bool quota = throttled >= run->value[THROTTLED];
	struct live_finding *f;

	f = detect_raise(run, &subject,
			 &(struct detect_verdict){
				 .cause = quota        ? "the quota of its control group is used up"
					  : p->cpus_ns ? "others have the CPUs"
						       : "others, or a quota, have the CPUs",
				 .severity = quota ? LIVE_WARN : LIVE_INFO,
				 .confidence = p->cpus_ns ? 0.9f : 0.7f,
				 .harm_task_ms = k->sum,
				 .first_ns = k->first_ns });
	if (!f)
		return;
	detect_evidence(
		f, load->runnable, "",
		"%u workers: on the CPU for %.0f %% of the time, waiting for one for %.0f %%",
		load->workers, 100 * load->busy, 100 * load->runnable);
	if (quota)
		detect_evidence(f, throttled, "", "stopped by the quota for %.0f %% of the time",
				100 * throttled);
	tell_cpus(f, p);
	detect_advice(f, "%s",
		      advice_text(quota ? ADVICE_QUOTA : ADVICE_STARVED,
				  detect_runtime_kind(run->model, p->index, MODEL_NONE)));
}

/* What it waits for it has itself: worker-count's matter, unless it is a quota and the workers are no more than it lets run. */
static bool is_own_doing(const struct detect_run *run, const struct model_process *p,
			 const struct detect_load *load)
{
	return process_own_share(p) >= 0.8 && (process_throttled(p) < run->value[THROTTLED] ||
					       load->workers >= process_cpus(p) + 1);
}

static enum detect_holds holding(const struct detect_run *run, const struct model_process *p,
				 const struct detect_load *load)
{
	double share = run->value[SHARE], want = load->busy + load->runnable;

	if (want < run->value[WANT] || load->runnable < share * want || is_own_doing(run, p, load))
		return DETECT_HOLDS_NOT;
	return want >= 2 * run->value[WANT] && load->runnable >= (1 + share) / 2 * want
		       ? DETECT_HOLDS_CLEARLY
		       : DETECT_HOLDS;
}

static void look(struct detect_run *run, const struct model_process *p,
		 const struct model_runtime *rt)
{
	struct state *s = run->state;
	struct detect_streak *k;
	struct detect_load load;
	enum detect_holds holds = detect_load_of(run, p, rt, false, &load) ? holding(run, p, &load)
									   : DETECT_HOLDS_UNKNOWN;

	k = detect_streak_step(&s->streaks, p, rt->info.runtime, &load, holds);
	if (!k)
		return;
	k->sum += load.runnable * load.workers * (double)k->step_ns / 1e6;
	if (detect_streak_proves(k, run->value[SECONDS]))
		raise_process(run, p, &load, k);
}

static void tick(struct detect_run *run)
{
	if (run->new_look)
		detect_each_runtime(run, look);
}

const struct detector cpu_starved_detector = {
	.id = "cpu-starved",
	.symptom = SYMPTOM_CPU_STARVED,
	.options = options,
	.state_bytes = sizeof(struct state),
	.hold_ns = 5000000000ull,
	.tick = tick,
	.blind = detect_shares_blind,
};
