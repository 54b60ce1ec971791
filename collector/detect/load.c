/* SPDX-License-Identifier: MIT */
#include "collector/detect/load.h"

#include <stdio.h>
#include <string.h>

/* Below that a program was hardly seen, or hardly ran. */
#define SCANT_NS   1e9
#define SCANT_PART 0.5
#define WANTS      0.2
#define STARVED    0.95
#define POLLS_S    20.0 /* of a worker */
#define CLEAR      0.75
#define LEAST_S    4u /* full seconds; what is judged by them needs so many in a row */

static bool counts(const struct model_lane *l, uint32_t runtime, bool bound)
{
	if (!l || l->runtime != runtime)
		return false;
	return detect_is_worker(l) || (bound && l->role == WEFT_LANE_FOREIGN);
}

static void add_lane(const struct detect_run *run, const struct model_lane *l,
		     struct detect_load *to)
{
	struct lane_parts parts;
	double span, busy, want;

	if (!lane_shares(l, run->now_ns, &parts))
		return;
	span = (double)parts.span;
	busy = (double)(parts.busy + parts.own) / span;
	want = busy + (double)parts.runnable / span;
	to->workers++;
	to->until_ns = l->slice_ns > to->until_ns ? l->slice_ns : to->until_ns;
	to->span_ns = parts.span > to->span_ns ? parts.span : to->span_ns;
	to->busy += busy;
	to->blocked += (double)parts.blocked / span;
	to->runnable += (double)parts.runnable / span;
	if (!to->busiest || want > to->most) {
		to->busiest = l;
		to->most = want;
		to->rest = busy; /* taken off below */
	}
}

uint64_t detect_queued(const struct detect_run *run, const struct model_process *p,
		       const struct model_runtime *rt)
{
	uint64_t depth = rt->gauge.inject_depth;

	for (uint32_t i = 0; i < p->nlanes; i++)
		if (counts(p->lanes[i], rt->info.runtime, true))
			depth += p->lanes[i]->local_depth;
	return rt->sure > depth && model_sees_polls(run->model, p->index) ? rt->sure : depth;
}

bool detect_load_of(const struct detect_run *run, const struct model_process *p,
		    const struct model_runtime *rt, bool bound, struct detect_load *ret)
{
	*ret = (struct detect_load){ .workers = 0 };
	for (uint32_t i = 0; i < p->nlanes; i++)
		if (counts(p->lanes[i], rt->info.runtime, bound))
			add_lane(run, p->lanes[i], ret);
	if (!ret->workers)
		return false;
	ret->rest = ret->workers > 1 ? (ret->busy - ret->rest) / (ret->workers - 1) : 0;
	ret->busy /= ret->workers;
	ret->blocked /= ret->workers;
	ret->runnable /= ret->workers;
	ret->queued = detect_queued(run, p, rt);
	return true;
}

static struct detect_streak *streak_of(struct detect_streaks *s, uint32_t process, uint32_t runtime)
{
	struct detect_streak *k = s->streak, *spare = NULL;

	for (; k < s->streak + s->n; k++) {
		if (k->process == process && k->runtime == runtime)
			return k;
		spare = k->until_ns ? spare : k;
	}
	if (s->n < DETECT_STREAKS)
		spare = &s->streak[s->n++];
	if (spare)
		*spare = (struct detect_streak){ .process = process, .runtime = runtime };
	return spare;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

struct detect_streak *detect_streak_step(struct detect_streaks *s, const struct model_process *p,
					 uint32_t runtime, const struct detect_load *load,
					 enum detect_holds holds)
{
	struct detect_streak *k = streak_of(s, p->index, runtime);
	uint64_t now = load->until_ns, begin = now - load->span_ns;

	if (!k)
		return NULL;
	if (holds < DETECT_HOLDS_CLEARLY) {
		k->clear_ns = 0;
		k->doubt_ns = holds == DETECT_HOLDS_UNKNOWN ? k->doubt_ns : now;
	}
	if (holds < DETECT_HOLDS) {
		k->first_ns = k->until_ns = 0;
		k->sum = 0;
		k->not_ns = holds == DETECT_HOLDS_UNKNOWN ? k->not_ns : now;
		return NULL;
	}
	if (!k->until_ns)
		k->first_ns = k->until_ns = later(begin, k->not_ns);
	if (!k->clear_ns && holds == DETECT_HOLDS_CLEARLY)
		k->clear_ns = later(begin, k->doubt_ns);
	k->step_ns = later(now, k->until_ns) - k->until_ns;
	k->until_ns += k->step_ns;
	return k;
}

bool detect_streak_proves(const struct detect_streak *k, double seconds)
{
	return (double)(k->until_ns - k->first_ns) >= seconds * 1e9 ||
	       (k->clear_ns && (double)(k->until_ns - k->clear_ns) >= seconds * 1e9 * CLEAR);
}

void *detect_entry_of(const struct detect_run *run, const struct model_process *p,
		      const struct model_runtime *rt, void *table, size_t bytes, uint32_t *n)
{
	struct detect_owner *k, *spare = NULL;

	for (uint32_t i = 0; i < *n; i++) {
		k = (struct detect_owner *)(void *)((char *)table + i * bytes);
		if (k->process == p->index && k->runtime == rt->info.runtime)
			return k;
		spare = model_runtime(run->model, k->process, k->runtime) ? spare : k;
	}
	if (*n < DETECT_STREAKS)
		spare = (struct detect_owner *)(void *)((char *)table + (*n)++ * bytes);
	if (!spare)
		return NULL;
	memset(spare, 0, bytes);
	*spare = (struct detect_owner){ p->index, rt->info.runtime };
	return spare;
}

struct detect_subject detect_subject_runtime(const struct model_process *p,
					     const struct model_runtime *rt)
{
	return (struct detect_subject){ "runtime", rt->info.runtime, p->index, rt->info.name, "" };
}

struct detect_subject detect_subject_process(const struct model_process *p)
{
	return (struct detect_subject){ "process", p->info.pid, p->index, p->info.comm, "" };
}

/* How long the best watched worker was, and which part of what all of them wanted of the CPUs they got. */
static bool is_scant(const struct model_process *p, char *why, size_t size)
{
	struct lane_parts sum = { 0 };
	double want, longest = 0, all = 0;
	uint64_t polls = 0;

	for (uint32_t k = 0; k < p->nlanes; k++) {
		const struct model_lane *l = p->lanes[k];

		if (!l || !detect_is_worker(l) || !l->sample_ns)
			continue;
		sum.span += l->watched.span;
		polls += l->polls > l->first_polls ? l->polls - l->first_polls : 0;
		sum.runnable += l->watched.runnable;
		sum.busy += l->watched.busy + l->watched.own;
		if ((double)l->watched.span >= longest) {
			longest = (double)l->watched.span;
			all = (double)(p->looked_ns - l->first_ns);
		}
	}
	want = (double)(sum.busy + sum.runnable);
	if (all <= 0 || (p->gone && all < SCANT_NS))
		return false; /* a short life of which more can't be asked */
	if ((longest < SCANT_NS && !p->gone) || longest < all * SCANT_PART) {
		snprintf(why, size, "its workers were looked at for %.1f s of %.1f s only",
			 longest / 1e9, all / 1e9);
		return true;
	}
	if (want < (double)sum.span * WANTS || (double)sum.runnable < want * STARVED ||
	    (double)polls * 1e9 > (double)sum.span * POLLS_S)
		return false;
	snprintf(why, size, "others had the CPUs: it got %.1f %% of what it wanted of them",
		 100 * (double)sum.busy / want);
	return true;
}

bool detect_load_scant(const struct detect_run *run, char *why, size_t size)
{
	char text[96];

	for (uint32_t i = 0; i < model_processes(run->model); i++) {
		const struct model_process *p = model_process(run->model, i);

		if (p && is_scant(p, text, sizeof(text))) {
			snprintf(why, size, "process %u: %s", p->info.pid, text);
			return true;
		}
	}
	return false;
}

bool detect_load_blind(const struct detect_run *run, char *why, size_t size)
{
	for (uint32_t i = 0; i < model_processes(run->model); i++) {
		const struct model_process *p = model_process(run->model, i);

		for (uint32_t k = 0; p && k < p->nlanes; k++)
			if (p->lanes[k] && detect_is_worker(p->lanes[k]))
				return false;
	}
	snprintf(why, size, "no worker was seen at work");
	return true;
}

bool detect_shares_blind(const struct detect_run *run, char *why, size_t size)
{
	uint32_t seconds, known = detect_seconds_known(run, &seconds);

	if (detect_load_blind(run, why, size))
		return true;
	if (known >= LEAST_S && known * 2 >= seconds)
		return false;
	snprintf(why, size, "what the workers did is known of %u of %u s, needs %u s", known,
		 seconds, known < LEAST_S ? LEAST_S : seconds / 2);
	return true;
}
