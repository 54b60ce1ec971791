/* SPDX-License-Identifier: MIT */
/* busy-loop through many short polls: storms of self-wakes and pairs of tasks that only wake each other. */
#include "collector/detect/busy_internal.h"

#include <stdio.h>
#include <string.h>

/* ---- storms, where single wakes are seen ---- */

/* What the polls of one process cost. */
struct price {
	double own_ns; /* the runtime's own time for one: to queue, find and leave a task */
	double stretch; /* its workers wanted so many times the CPU that they got: others had the rest */
};

/* Of a CPU, wanted by all workers: below that each of them came to the end of its work, only later. */
#define SATED 0.6

static struct price price_of(const struct model_process *p, uint64_t now_ns)
{
	double own = 0, had = 0, waited = 0;
	struct price price = { 0, 1 };
	struct lane_parts parts;
	struct model_rates rates;

	for (uint32_t i = 0; i < p->nlanes; i++) {
		if (!p->lanes[i] || !detect_is_worker(p->lanes[i]) ||
		    !lane_shares(p->lanes[i], now_ns, &parts))
			continue;
		own += (double)parts.own / ((double)parts.span / 1e9);
		had += (double)(parts.own + parts.busy) / (double)parts.span;
		waited += (double)parts.runnable / (double)parts.span;
	}
	process_rates(p, now_ns, &rates);
	if (rates.polls > 100)
		price.own_ns = own / rates.polls;
	if (had > 0.02 && had + waited >= SATED)
		price.stretch = (had + waited) / had;
	return price;
}

static struct busy_storm *storm_of(struct busy_storms *s, uint64_t task, uint64_t second)
{
	struct busy_storm *oldest = &s->storm[0];

	for (uint32_t i = 0; i < BUSY_STORMS; i++) {
		if (s->storm[i].task == task)
			return &s->storm[i];
		if (s->storm[i].second < oldest->second)
			oldest = &s->storm[i];
	}
	*oldest = (struct busy_storm){ .task = task, .second = second };
	return oldest;
}

static void storm_raise(struct detect_run *run, const struct model_task *t,
			const struct busy_storm *s, const struct model_second *w, double cpu)
{
	struct busy_charge c = { .form = "wakes itself without end",
				 .advice = ADVICE_STORM,
				 .confidence = 0.9f,
				 .first_ns = s->first_ns };
	const struct model_lane *l = model_lane(run->model, t->process, t->lane);
	double poll_us = w->polls ? (double)w->busy / 1e3 / w->polls : 0;
	struct live_finding *f;

	c.severity = cpu > 0.7 ? LIVE_CRIT : LIVE_WARN;
	if (l &&
	    !stack_store_last(model_stacks(run->model), t->id, WEFT_STACK_ON_CPU, LIVE_UNKNOWN))
		detect_want(run, l, SESSION_WANT_SAMPLES);
	f = busy_loop_raise(run, t, &c);
	if (!f)
		return;
	detect_evidence(f, w->self_wakes, "1/s", "it woke itself %u times in a second, of %u wakes",
			w->self_wakes, w->wakes);
	detect_evidence(f, 100 * cpu, "% of a CPU",
			"%.0f %% of one CPU, the runtime's work for it counted", 100 * cpu);
	detect_evidence(f, poll_us, "us", "%.2g us in a mean poll: it looks and goes, %u times",
			poll_us, w->polls);
}

/* The full second that a task's window holds; NULL = it was not active then. */
static const struct model_second *last_second(const struct model_task *t, uint64_t second)
{
	if (t->second == second)
		return &t->before;
	return t->second + 1 == second ? &t->now : NULL;
}

static double task_cpu(const struct model_second *w, struct price price)
{
	return ((double)w->busy + price.own_ns * w->polls) / 1e9;
}

static bool looks_idle(const struct detect_run *run, const struct model_second *w)
{
	return w->polls && (double)w->busy / w->polls < run->value[STORM_POLL_US] * 1e3;
}

static void storm(struct detect_run *run, const struct model_task *t, const struct model_second *w,
		  struct price price)
{
	uint64_t second = run->now_ns / 1000000000;
	double cpu = task_cpu(w, price);
	struct busy_storm *s;

	if (w->self_wakes < run->value[STORM_SELF] * w->wakes ||
	    cpu * price.stretch < run->value[STORM_SHARE] || !looks_idle(run, w))
		return;
	s = storm_of(run->state, t->id, second);
	if (s->second + 1 < second || !s->seconds) {
		s->seconds = 0;
		s->first_ns = run->now_ns - 1000000000;
	}
	s->seconds += s->second != second || !s->seconds;
	s->second = second;
	if (s->seconds >= run->value[STORM_S])
		storm_raise(run, t, s, w, cpu);
}

/* ---- ping-pong ---- */

static const struct model_waker *top_waker(const struct model_task *t)
{
	const struct model_waker *top = NULL;

	for (uint32_t i = 0; t->hot && i < t->hot->nwakers; i++)
		if (!top || t->hot->waker[i].count > top->count)
			top = &t->hot->waker[i];
	return top && top->task && top->task != t->id ? top : NULL;
}

static struct busy_pair *pair_of(struct busy_storms *s, uint64_t a, uint64_t b)
{
	struct busy_pair *oldest = &s->pair[0];

	for (uint32_t i = 0; i < BUSY_PAIRS; i++) {
		if (s->pair[i].a == a && s->pair[i].b == b)
			return &s->pair[i];
		if (s->pair[i].second < oldest->second)
			oldest = &s->pair[i];
	}
	*oldest = (struct busy_pair){ .a = a, .b = b };
	return oldest;
}

static void pair_raise(struct detect_run *run, const struct model_task *a,
		       const struct model_task *b, const struct busy_pair *p, double rate,
		       double cpu)
{
	struct busy_charge c = { .form = "ping-pong of two tasks",
				 .advice = ADVICE_PINGPONG,
				 .confidence = 0.8f,
				 .first_ns = p->first_ns };
	struct live_finding *f;

	c.severity = cpu > 0.9 ? LIVE_CRIT : LIVE_WARN;
	f = busy_loop_raise(run, a, &c);
	if (!f)
		return;
	detect_evidence(f, rate, "1/s",
			"%.0f times a second task %llu %s wakes it, and it that one", rate,
			(unsigned long long)(b->id & ((1ull << WEFT_TASK_PROCESS_SHIFT) - 1)),
			model_task_name(run->model, b));
	detect_evidence(f, 100 * cpu, "% of a CPU",
			"%.0f %% of one CPU for both, the runtime's work for them counted",
			100 * cpu);
}

static void pair_judge(struct detect_run *run, const struct model_task *a,
		       const struct model_task *b, const struct model_second *w, struct price price)
{
	uint64_t second = run->now_ns / 1000000000, mutual, wakes, polls;
	const struct model_waker *by_b = top_waker(a), *by_a = top_waker(b);
	struct busy_pair now = { .a = a->id, .b = b->id, .second = second }, *p;
	double cpu;

	if (!by_b || !by_a || by_b->task != b->id || by_a->task != a->id)
		return;
	p = pair_of(run->state, a->id, b->id);
	now.wakes_a = a->wakes;
	now.wakes_b = b->wakes;
	now.by_b = by_b->count;
	now.by_a = by_a->count;
	now.cpu_a = a->busy_ns;
	now.cpu_b = b->busy_ns;
	now.polls = a->polls + b->polls;
	now.seconds = p->seconds;
	now.first_ns = p->first_ns ? p->first_ns : run->now_ns;
	mutual = now.by_a + now.by_b - p->by_a - p->by_b;
	wakes = now.wakes_a + now.wakes_b - p->wakes_a - p->wakes_b;
	polls = now.polls - p->polls;
	cpu = ((double)(now.cpu_a + now.cpu_b - p->cpu_a - p->cpu_b) +
	       price.own_ns * (double)polls) /
	      1e9;
	if (p->second + 1 == second && (double)mutual > 0.95 * (double)wakes &&
	    (double)wakes >= 2 * run->value[STORM_WAKES] &&
	    cpu * price.stretch >= run->value[STORM_SHARE])
		now.seconds++;
	else if (p->second != second)
		now.seconds = 0, now.first_ns = run->now_ns;
	if (p->second == second)
		return;
	*p = now;
	if (now.seconds >= run->value[STORM_S] && w->polls)
		pair_raise(run, a, b, &now, (double)wakes / 2, cpu);
}

static void ping_pong(struct detect_run *run, const struct model_task *t,
		      const struct model_second *w, struct price price)
{
	const struct model_waker *top;
	const struct model_task *other;

	if (w->self_wakes * 10 > w->wakes || !looks_idle(run, w))
		return;
	top = top_waker(t);
	other = top ? model_task(run->model, top->task) : NULL;
	if (other && t->id < other->id)
		pair_judge(run, t, other, w, price);
}

static void scan_tasks(struct detect_run *run)
{
	struct price price[64];
	uint64_t second = run->now_ns / 1000000000;
	struct model_task *t;
	uint32_t cursor = 0;

	for (uint32_t i = 0; i < 64; i++) {
		const struct model_process *p = model_process(run->model, i);

		price[i] = p ? price_of(p, run->now_ns) : (struct price){ 0, 1 };
	}
	while ((t = model_task_each(run->model, &cursor))) {
		const struct model_second *w = last_second(t, second);

		if (!w || w->wakes < run->value[STORM_WAKES] || !task_alive(t))
			continue;
		storm(run, t, w, price[t->process % 64]);
		ping_pong(run, t, w, price[t->process % 64]);
	}
}

/* Polls of a worker in a second, as a service hardly has them that works in each. */
#define CROWD    30000.0
#define HASTY    0.5 /* of the mean poll below which it looks and goes: a small request takes longer */
#define LEAST_NS 200000000ull /* of sight */
#define LOOK_NS  200000000ull

/* ---- storms at `light`: what the lanes add up, and the task that samples meet there ---- */

static struct busy_past *past_of(struct busy_storms *s, const struct model_lane *l)
{
	for (uint32_t i = 0; i < s->npast; i++)
		if (s->past[i].process == l->process && s->past[i].lane == l->lane)
			return &s->past[i];
	if (s->npast == BUSY_LANES)
		return NULL;
	s->past[s->npast] = (struct busy_past){ .process = l->process, .lane = l->lane };
	return &s->past[s->npast++];
}

/* The task that samples of the lane met most in the last second; NULL = none in half of them. */
static struct model_task *met_task(struct detect_run *run, const struct model_lane *l)
{
	uint64_t second = run->now_ns / 1000000000;
	struct model_task *t, *best = NULL;
	uint32_t cursor = 0, most = 0;

	while ((t = model_task_each(run->model, &cursor))) {
		const struct model_second *w = t->process == l->process && t->lane == l->lane
						       ? last_second(t, second)
						       : NULL;

		if (w && w->busy > most) {
			most = w->busy;
			best = t;
		}
	}
	return most >= 300000000 ? best : NULL;
}

static void light_raise(struct detect_run *run, const struct model_lane *l,
			const struct busy_past *past, const struct lane_parts *parts)
{
	struct model_task *t = met_task(run, l);
	double cpu = (double)(parts->busy + parts->own) / (double)parts->span;
	struct busy_charge c = { .form = "wakes itself without end",
				 .advice = ADVICE_STORM,
				 .confidence = 0.75f,
				 .first_ns = past->first_ns };
	struct live_finding *f;

	if (!t)
		return;
	c.severity = cpu > 0.7 ? LIVE_CRIT : LIVE_WARN;
	detect_want(run, l, SESSION_WANT_SAMPLES);
	f = busy_loop_raise(run, t, &c);
	if (!f)
		return;
	detect_evidence(f, (double)(l->self_wakes - past->self_wakes), "1/s",
			"%llu times in a second tasks of this worker woke themselves, of %llu wakes",
			(unsigned long long)(l->self_wakes - past->self_wakes),
			(unsigned long long)(l->wakes - past->wakes));
	detect_evidence(f, 100 * cpu, "% of a CPU",
			"%.0f %% of one CPU for this worker; samples meet this task there",
			100 * cpu);
}

/* Single wakes are not seen at light, so a pair that wakes each other can't be: so many polls that do nothing are what it leaves there. */
static void light_suspect(struct detect_run *run, const struct model_lane *l)
{
	const struct busy_past *old =
		model_sees_polls(run->model, l->process) ? NULL : past_of(run->state, l);
	uint64_t from, polls;
	struct lane_parts parts;
	double rate;

	if (!old)
		return;
	from = old->at_ns ? old->at_ns : l->first_ns;
	if (run->now_ns < from + LEAST_NS || !lane_shares(l, run->now_ns, &parts))
		return;
	polls = l->polls - (old->at_ns ? old->polls : l->first_polls);
	rate = (double)polls * 1e9 / (double)(run->now_ns - from);
	if (rate < CROWD ||
	    (double)(parts.busy + parts.own + parts.runnable) <
		    run->value[STORM_SHARE] * (double)parts.span ||
	    (double)parts.busy / (double)parts.span * 1e9 >=
		    HASTY * run->value[STORM_POLL_US] * 1e3 * rate)
		return;
	detect_want_closer(run, l->process);
}

static void light_storm(struct detect_run *run, const struct model_lane *l)
{
	struct busy_past *past = model_sees_polls(run->model, l->process) ? NULL
									  : past_of(run->state, l),
			 old;
	struct lane_parts parts;
	uint64_t polls, wakes;

	if (!past)
		return;
	old = *past;
	polls = l->polls - old.polls;
	wakes = l->wakes - old.wakes;
	past->at_ns = run->now_ns;
	past->polls = l->polls;
	past->wakes = l->wakes;
	past->self_wakes = l->self_wakes;
	if (!old.polls || !polls || !lane_shares(l, run->now_ns, &parts) ||
	    (double)wakes < run->value[STORM_WAKES] ||
	    (double)(l->self_wakes - old.self_wakes) < run->value[STORM_SELF] * (double)wakes ||
	    (double)(parts.busy + parts.own + parts.runnable) <
		    run->value[STORM_SHARE] * (double)parts.span ||
	    (double)parts.busy / (double)parts.span * 1e9 / (double)polls >=
		    run->value[STORM_POLL_US] * 1e3) {
		past->seconds = 0;
		past->first_ns = run->now_ns;
		return;
	}
	if (++past->seconds >= run->value[STORM_S])
		light_raise(run, l, &old, &parts);
}

void busy_storm_suspect(struct detect_run *run)
{
	struct busy_storms *s = run->state;

	if (run->now_ns < s->suspect_ns + LOOK_NS)
		return;
	s->suspect_ns = run->now_ns;
	detect_each_worker(run, light_suspect);
}

void busy_storm_tick(struct detect_run *run)
{
	scan_tasks(run);
	detect_each_worker(run, light_storm);
}
