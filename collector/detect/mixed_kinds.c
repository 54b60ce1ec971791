/* SPDX-License-Identifier: MIT */
/*
 * Two kinds of runtime, or two versions of one, that both drive tasks of one program: twice the threads, two clocks, two reactors. Kinds
 * are told apart by what polls, so a runtime that is only linked, a LocalSet, a runtime for each worker and any number of
 * runtimes of one kind are none of that. What it costs is said beside it: wakes that go across and how long the woken
 * wait, and workers that wait for CPUs which the others have.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/detect/load.h"
#include "collector/detect/mixed_internal.h"
#include "collector/report.h"

#define LAST_SECONDS 10u
#define CROSSINGS    20u /* fewer wakes across are no habit */
/* As worker-count has them, for the workers of all kinds together. */
#define MANY_WORKERS 1.5
#define MANY_WAIT    0.3
#define MANY_OWN     0.7

char *mixed_name(const struct model_runtime *rt, char buf[48])
{
	snprintf(buf, 48, "%s%s%s", report_runtime_kind(rt->info.kind),
		 rt->info.version[0] ? " " : "", rt->info.version);
	return buf;
}

bool mixed_differ(const struct model_runtime *a, const struct model_runtime *b)
{
	return a->info.kind != b->info.kind || (a->info.version[0] && b->info.version[0] &&
						strcmp(a->info.version, b->info.version) != 0);
}

/* ---- who polls ---- */

static uint64_t polls_of(const struct model_process *p, uint32_t runtime)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < p->nlanes; i++)
		if (p->lanes[i] && detect_is_worker(p->lanes[i]) && p->lanes[i]->runtime == runtime)
			n += p->lanes[i]->polls;
	return n;
}

static bool drives(const struct detect_run *run, const struct mixed_process *m, uint32_t i)
{
	return __builtin_popcount(m->seconds[i]) >= run->value[MIXED_S];
}

static void count(const struct detect_run *run, const struct model_process *p,
		  struct mixed_process *m)
{
	for (uint32_t i = 0; i < p->nruntimes; i++) {
		uint64_t polls = polls_of(p, p->runtime[i].info.runtime);
		/* A thread that has ended takes its polls with it; what is first seen began before. */
		uint64_t fresh =
			m->known && m->polls[i] && polls > m->polls[i] ? polls - m->polls[i] : 0;

		m->last[i] = fresh > UINT32_MAX ? UINT32_MAX : (uint32_t)fresh;
		m->seconds[i] = (uint16_t)(m->seconds[i] << 1 & ((1u << LAST_SECONDS) - 1));
		m->seconds[i] |= (double)fresh >= run->value[MIXED_POLLS];
		m->polls[i] = polls;
	}
	m->known = true;
}

/* The first two that differ and both drive tasks. */
static bool find_pair(const struct detect_run *run, const struct model_process *p,
		      const struct mixed_process *m, uint32_t pair[2])
{
	for (pair[0] = 0; pair[0] < p->nruntimes; pair[0]++)
		for (pair[1] = pair[0] + 1; pair[1] < p->nruntimes; pair[1]++)
			if (drives(run, m, pair[0]) && drives(run, m, pair[1]) &&
			    mixed_differ(&p->runtime[pair[0]], &p->runtime[pair[1]]))
				return true;
	return false;
}

bool mixed_kinds_drive(const struct detect_run *run, const struct mixed_kinds *kinds,
		       uint32_t process)
{
	const struct model_process *p = model_process(run->model, process);
	const struct mixed_process *m = process < MODEL_MAX_PROCESSES ? kinds->process[process]
								      : NULL;
	uint32_t pair[2];

	return p && m && find_pair(run, p, m, pair);
}

/* ---- what goes across ---- */

/* wakes[0]: tasks of the pair's first runtime by tasks of the second, or of another that differs. */
struct crossings {
	uint64_t wakes[2];
	struct hist delays; /* of tasks that are mostly woken so */
	double harm_ns;     /* they waited, at least */
};

static uint64_t add_wakers(const struct detect_run *run, const struct model_process *p,
			   const struct model_task *t, uint64_t *ret_all)
{
	uint64_t across = 0;

	*ret_all = 0;
	for (uint32_t i = 0; i < t->hot->nwakers; i++) {
		const struct model_waker *w = &t->hot->waker[i];
		const struct model_task *by = w->kind == WEFT_W_TASK && w->task != t->id
						      ? model_task(run->model, w->task)
						      : NULL;

		*ret_all += w->count;
		if (by && by->process == t->process && by->runtime < p->nruntimes &&
		    mixed_differ(&p->runtime[by->runtime], &p->runtime[t->runtime]))
			across += w->count;
	}
	return across;
}

static void add_delays(struct crossings *to, const struct hist *delays)
{
	hist_merge(&to->delays, delays);
	for (uint32_t i = 1; i < LIVE_HIST; i++)
		to->harm_ns += (double)delays->n[i] * (double)hist_bounds[i - 1];
}

static void cross(const struct detect_run *run, const struct model_process *p,
		  const uint32_t pair[2], struct crossings *ret)
{
	struct model_task *t;
	uint32_t cursor = 0;

	*ret = (struct crossings){ .harm_ns = 0 };
	while ((t = model_task_each(run->model, &cursor))) {
		uint64_t across, all;

		if (t->process != p->index || !t->hot || t->runtime >= p->nruntimes)
			continue;
		across = add_wakers(run, p, t, &all);
		ret->wakes[mixed_differ(&p->runtime[t->runtime], &p->runtime[pair[0]])] += across;
		if (across * 2 > all)
			add_delays(ret, &t->hot->delays);
	}
}

/* ---- too many workers for the CPUs ---- */

struct crowd {
	uint32_t workers;
	double waiting; /* mean share of their time */
};

static bool is_crowded(struct detect_run *run, const struct model_process *p,
		       const struct mixed_process *m, struct crowd *ret)
{
	double cpus = process_cpus(p), sum = 0;

	*ret = (struct crowd){ .workers = 0 };
	for (uint32_t i = 0; i < p->nruntimes; i++) {
		struct detect_load load;

		if (!drives(run, m, i) || !detect_load_of(run, p, &p->runtime[i], false, &load))
			continue;
		ret->workers += load.workers;
		sum += load.runnable * load.workers;
	}
	ret->waiting = ret->workers ? sum / ret->workers : 0;
	return cpus > 0 && ret->workers > MANY_WORKERS * cpus && ret->waiting >= MANY_WAIT &&
	       (process_own_share(p) >= MANY_OWN || process_throttled(p) >= 0.1);
}

/* ---- raising ---- */

static void tell_sides(struct live_finding *f, const struct model_process *p,
		       const struct mixed_process *m, const uint32_t pair[2])
{
	char name[48];

	for (uint32_t k = 0; k < 2; k++) {
		const struct model_runtime *rt = &p->runtime[pair[k]];
		uint32_t workers = 0;

		for (uint32_t i = 0; i < p->nlanes; i++)
			workers += p->lanes[i] && detect_is_worker(p->lanes[i]) &&
				   p->lanes[i]->runtime == rt->info.runtime;
		detect_evidence(f, m->last[pair[k]], "polls/s",
				"%s %s: %u %s, %u polls of its tasks in the last second",
				mixed_name(rt, name), report_flavour(rt->info.flavour), workers,
				workers == 1 ? "worker" : "workers", m->last[pair[k]]);
	}
}

static void tell_crossings(struct live_finding *f, const struct model_process *p,
			   const uint32_t pair[2], const struct crossings *c)
{
	char name[2][48], half[24], most[24];
	uint64_t p50 = hist_quantile(&c->delays, 0.5, UINT64_MAX),
		 p99 = hist_quantile(&c->delays, 0.99, UINT64_MAX);

	for (uint32_t k = 0; k < 2; k++)
		mixed_name(&p->runtime[pair[k]], name[k]);
	for (uint32_t k = 0; k < 2; k++)
		if (c->wakes[k])
			detect_evidence(f, (double)c->wakes[k], "wakes",
					"%llu wakes of tasks of %s by tasks of %s",
					(unsigned long long)c->wakes[k], name[k], name[!k]);
	if (p50 != LIVE_UNKNOWN)
		detect_evidence(
			f, (double)p50 / 1e6, "ms",
			"tasks that are woken so wait for their poll: half of them up to %s, 99 %% up to %s",
			detect_duration(p50, half), detect_duration(p99, most));
}

static void raise_process(struct detect_run *run, const struct model_process *p,
			  const struct mixed_process *m, const uint32_t pair[2])
{
	struct detect_subject subject = detect_subject_process(p);
	char name[2][48], cause[sizeof(((struct live_finding *)0)->cause)];
	struct crossings c;
	struct crowd crowd;
	bool crowded = is_crowded(run, p, m, &crowd), crosses;
	struct live_finding *f;

	cross(run, p, pair, &c);
	crosses = c.wakes[0] + c.wakes[1] >= CROSSINGS;
	snprintf(cause, sizeof(cause), "%.22s and %.22s both drive tasks%s",
		 mixed_name(&p->runtime[pair[0]], name[0]),
		 mixed_name(&p->runtime[pair[1]], name[1]),
		 crowded   ? ", on too few CPUs"
		 : crosses ? ", which wake each other"
			   : "");
	f = detect_raise(run, &subject,
			 &(struct detect_verdict){ .cause = cause,
						   .severity = LIVE_WARN,
						   .confidence = crosses || crowded ? 0.97f : 0.9f,
						   .harm_task_ms = crosses ? c.harm_ns / 1e6 : 0,
						   .first_ns = m->first_ns });
	if (!f)
		return;
	tell_sides(f, p, m, pair);
	if (crosses)
		tell_crossings(f, p, pair, &c);
	if (crowded)
		detect_evidence(
			f, crowd.waiting, "",
			"%u workers of both on %.3g CPUs wait for one for %.0f %% of the time",
			crowd.workers, process_cpus(p), 100 * crowd.waiting);
	detect_advice(f, "%s",
		      advice_text(ADVICE_MIXED,
				  detect_runtime_kind(run->model, p->index, MODEL_NONE)));
}

static struct mixed_process *mixed_of(struct mixed_kinds *kinds, const struct model_process *p)
{
	struct mixed_process **m = &kinds->process[p->index];

	if (!*m && p->nruntimes > 1)
		*m = calloc(1, sizeof(**m));
	return *m;
}

void mixed_kinds_tick(struct detect_run *run, struct mixed_kinds *kinds)
{
	for (uint32_t i = 0; i < model_processes(run->model) && i < MODEL_MAX_PROCESSES; i++) {
		const struct model_process *p = model_process(run->model, i);
		struct mixed_process *m = p && !p->gone ? mixed_of(kinds, p) : NULL;
		uint32_t pair[2];

		if (!m)
			continue;
		count(run, p, m);
		if (!find_pair(run, p, m, pair))
			continue;
		m->first_ns = m->first_ns ? m->first_ns : run->now_ns;
		raise_process(run, p, m, pair);
	}
}

void mixed_kinds_done(struct mixed_kinds *kinds)
{
	for (uint32_t i = 0; i < MODEL_MAX_PROCESSES; i++)
		free(kinds->process[i]);
}
