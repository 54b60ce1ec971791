/* SPDX-License-Identifier: MIT */
/*
 * worker-count: more workers than CPUs that the process may use, and they do harm: they take the CPUs from each other, or use a
 * quota up together. More workers that idle are no fault. Neighbours that have some of the CPUs excuse a few workers too many, no crowd.
 */
#include <stdio.h>

#include "collector/detect/advice.h"
#include "collector/detect/load.h"

enum { FACTOR, WAIT, OWN, CROWD, SECONDS };

static const struct detector_option options[] = {
	[FACTOR] = { "workers.factor", 1.5, "", "workers for each CPU, more than this" },
	[WAIT] = { "workers.wait", 0.3, "", "share of their time that they wait for a CPU" },
	[OWN] = { "workers.own", 0.7, "",
		  "share of the CPUs that the process itself uses, or its quota stops it" },
	[CROWD] = { "workers.crowd", 4, "",
		    "workers that want a CPU for each of them: half of that share is enough" },
	[SECONDS] = { "workers.s", 4, "s",
		      "without a break; three quarters where it is twice as bad" },
	{ NULL, 0, NULL, NULL },
};

struct state {
	struct detect_streaks streaks;
};

static void raise_runtime(struct detect_run *run, const struct model_process *p,
			  const struct model_runtime *rt, const struct detect_load *load,
			  const struct detect_streak *k)
{
	struct detect_subject subject = detect_subject_runtime(p, rt);
	double cpus = process_cpus(p), throttled = process_throttled(p);
	struct live_finding *f =
		detect_raise(run, &subject,
			     &(struct detect_verdict){
				     .cause = "more workers than CPUs: they wait for each other",
				     .severity = LIVE_WARN,
				     .confidence = 0.9f,
				     .harm_task_ms = k->sum,
				     .first_ns = k->first_ns });

	if (!f)
		return;
	detect_evidence(f, load->workers, "workers", "%u workers on %.3g CPUs", load->workers,
			cpus);
	detect_evidence(f, load->runnable, "", "they wait for a CPU for %.0f %% of the time",
			100 * load->runnable);
	detect_evidence(f, process_own_share(p), "",
			"the process uses %.0f %% of the CPUs that it may use",
			100 * process_own_share(p));
	if (throttled > 0)
		detect_evidence(f, throttled, "", "stopped by its quota for %.0f %% of the time",
				100 * throttled);
	detect_advice(f, "%s", advice_text(ADVICE_WORKERS, (enum weft_runtime_kind)rt->info.kind));
}

/* It is the process itself that its workers wait for. */
static bool is_own_fault(const struct detect_run *run, const struct model_process *p,
			 const struct detect_load *load)
{
	double share = process_own_share(p), want = (load->busy + load->runnable) * load->workers;
	bool crowd = want >= run->value[CROWD] * process_cpus(p);

	return share >= run->value[OWN] * (crowd ? 0.5 : 1) || process_throttled(p) >= 0.1;
}

static enum detect_holds holding(const struct detect_run *run, const struct model_process *p,
				 const struct detect_load *load)
{
	double cpus = process_cpus(p), factor = run->value[FACTOR], wait = run->value[WAIT];

	if (!p->cpu_share)
		return DETECT_HOLDS_UNKNOWN; /* before its second sample */
	if (!cpus || load->workers <= factor * cpus || load->workers < cpus + 1 ||
	    load->runnable < wait || !is_own_fault(run, p, load))
		return DETECT_HOLDS_NOT;
	return load->workers > 2 * factor * cpus && load->runnable >= 2 * wait
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
		raise_runtime(run, p, rt, &load, k);
}

static void tick(struct detect_run *run)
{
	if (run->new_look)
		detect_each_runtime(run, look);
}

/* Without the number of CPUs (older recordings) it is clean, with a word on why. */
static bool blind(const struct detect_run *run, char *why, size_t size)
{
	bool known = false;

	if (detect_shares_blind(run, why, size))
		return true;
	for (uint32_t i = 0; i < model_processes(run->model); i++) {
		const struct model_process *p = model_process(run->model, i);

		known |= p && p->cpus_ns;
	}
	if (!known)
		snprintf(why, size, "the CPUs that it may use are not known");
	return false;
}

const struct detector worker_count_detector = {
	.id = "worker-count",
	.symptom = SYMPTOM_WORKER_COUNT,
	.options = options,
	.state_bytes = sizeof(struct state),
	.hold_ns = 5000000000ull,
	.tick = tick,
	.blind = blind,
};
