/* SPDX-License-Identifier: MIT */
/*
 * busy-loop: CPU is used and nothing comes of it. Four forms:
 *   spin       one open poll uses the CPU on and on; judged while it is open, by CPU time
 *   crunch     one task takes half a CPU or more through polls of 10 ms and longer
 *   storm      a task wakes itself again and again, each poll too short to have done anything
 *   ping-pong  two tasks wake each other and nobody else has a part in it
 * Everything is judged by CPU time: a task that is runnable on a machine that others overload uses none.
 */
#include "collector/detect/advice.h"
#include "collector/detect/detector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SPIN_MS,
	SPIN_CRIT_MS,
	SPIN_SHARE,
	CRUNCH_SHARE,
	CRUNCH_POLL_MS,
	STORM_WAKES,
	STORM_SELF,
	STORM_SHARE,
	STORM_POLL_US,
	STORM_S
};

static const struct detector_option options[] = {
	[SPIN_MS] = { "busy.spin_ms", 100, "ms", "CPU time in one open poll: warn" },
	[SPIN_CRIT_MS] = { "busy.spin_crit_ms", 1000, "ms", "CPU time in one open poll: crit" },
	[SPIN_SHARE] = { "busy.spin_share", 0.8, "",
			 "of the poll's CPU and blocked time, on the CPU at least this part" },
	[CRUNCH_SHARE] = { "busy.crunch_share", 0.5, "cpu",
			   "one task's share of a CPU through long polls, over 2 s" },
	[CRUNCH_POLL_MS] = { "busy.crunch_poll_ms", 10, "ms",
			     "polls from this length on are long" },
	[STORM_WAKES] = { "busy.storm_wakes", 100, "1/s",
			  "wakes a second before they are a storm" },
	[STORM_SELF] = { "busy.storm_self", 0.5, "",
			 "part of its wakes that the task does itself" },
	[STORM_SHARE] = { "busy.storm_share", 0.25, "cpu",
			  "share of a CPU, the runtime's own work for it counted" },
	[STORM_POLL_US] = { "busy.storm_poll_us", 10, "us",
			    "mean poll below this: the task only looks, it does not work" },
	[STORM_S] = { "busy.storm_s", 2, "s", "full seconds in a row" },
	{ NULL, 0, NULL, NULL },
};

#define CRUNCHERS 256u
#define PAIRS     64u
#define STORMS    64u
#define LANES     1024u
#define BUCKET_NS 250000000ull
#define BUCKETS   8u

struct cruncher {
	uint64_t task, last_bucket;
	uint64_t cpu_ns[BUCKETS], first_ns;
	uint32_t polls;
};

/* A task whose last seconds looked like a storm. */
struct storm {
	uint64_t task, second, first_ns;
	uint32_t seconds;
};

struct pair {
	uint64_t a, b, second, first_ns; /* a < b */
	uint64_t wakes_a, wakes_b, by_b, by_a, cpu_a, cpu_b, polls;
	uint32_t seconds;
};

/* Cumulative numbers of a lane one second ago, for levels at which single wakes are not seen. */
struct lane_past {
	uint32_t process, lane, seconds;
	uint64_t polls, wakes, self_wakes, first_ns;
};

struct state {
	struct detect_cursor *cursor;
	struct cruncher cruncher[CRUNCHERS];
	struct storm storm[STORMS];
	struct pair pair[PAIRS];
	struct lane_past past[LANES];
	uint32_t npast;
};

/* ---- proof and raising ---- */

/* The program's function that most samples of the task were in. */
static const struct model_frame *hot_frame(const struct detect_run *run, uint64_t task,
					   const struct model_stack **ret_stack, uint32_t *ret_hits,
					   uint32_t *ret_samples)
{
	const struct stack_store *s = model_stacks(run->model);
	const struct model_frame *seen[16], *best = NULL;
	const struct model_stack *stack[16];
	uint32_t hits[16] = { 0 }, n = 0, most = 0;

	*ret_samples = 0;
	for (const struct model_stack *k = stack_store_next(s, 0); k;
	     k = stack_store_next(s, k->number)) {
		const struct model_frame *f = k->task == task && k->why != WEFT_STACK_BLOCKED
						      ? stack_store_culprit(s, k)
						      : NULL;
		uint32_t i = 0;

		*ret_samples += k->task == task && k->why != WEFT_STACK_BLOCKED;
		while (f && i < n && strcmp(seen[i]->func, f->func) != 0)
			i++;
		if (!f || i == 16)
			continue;
		seen[i] = f;
		stack[i] = k;
		n += i == n;
		if (++hits[i] >= most) {
			most = hits[i];
			best = f;
			*ret_stack = stack[i];
		}
	}
	*ret_hits = most;
	return best;
}

struct charge {
	const char *form; /* for the cause */
	enum advice advice;
	enum live_severity severity;
	float confidence;
	uint64_t first_ns;
};

static struct live_finding *raise(struct detect_run *run, const struct model_task *t,
				  const struct charge *c)
{
	const struct model_stack *k =
		stack_store_last(model_stacks(run->model), t->id, WEFT_STACK_ON_CPU, LIVE_UNKNOWN);
	struct detect_subject subject = detect_subject_task(run->model, t);
	uint32_t hits, samples;
	const struct model_frame *hot = hot_frame(run, t->id, &k, &hits, &samples);
	struct live_finding *f;
	char cause[96];

	if (hot && hot->line)
		snprintf(cause, sizeof(cause), "%.30s in %.60s", c->form, hot->func);
	else
		snprintf(cause, sizeof(cause), "%s", c->form);
	f = detect_raise(run, &subject,
			 &(struct detect_verdict){ .cause = cause,
						   .severity = c->severity,
						   .confidence = c->confidence,
						   .first_ns = c->first_ns });
	if (!f)
		return NULL;
	if (hot)
		detect_evidence(f, (double)hits / samples, "of samples",
				"%u of %u samples in %.60s (%.60s:%u)", hits, samples, hot->func,
				hot->file, hot->line);
	detect_stack(run, f, k);
	detect_advice(f, "%s",
		      advice_text(c->advice,
				  detect_runtime_kind(run->model, t->process, MODEL_NONE)));
	return f;
}

/* ---- spin ---- */

/* CPU time of an open poll that is proven, and how sure that is. 0 = not proven. */
static uint64_t open_cpu(const struct lane_open *o, uint64_t now_ns, float *ret_confidence)
{
	*ret_confidence = 0.97f;
	if (o->cpu_ns)
		return o->cpu_ns;
	/* No CPU clock of the thread: every sample of a long open poll found it on the CPU. */
	*ret_confidence = 0.75f;
	if (o->samples < 4 || o->on_cpu != o->samples)
		return 0;
	return o->sample_ns - o->seen_ns < now_ns ? o->sample_ns - o->seen_ns : 0;
}

static void spin(struct detect_run *run, const struct model_lane *l)
{
	const struct lane_open *o = &l->open;
	struct model_task *t = o->task ? model_task(run->model, o->task) : NULL;
	struct charge c = { .form = "spins in one poll", .advice = ADVICE_SPIN };
	uint64_t cpu = t ? open_cpu(o, run->now_ns, &c.confidence) : 0;
	struct live_finding *f;
	char text[24];

	if ((double)cpu < run->value[SPIN_MS] * 1e6 ||
	    (double)cpu < run->value[SPIN_SHARE] * (double)(cpu + o->blocked_ns))
		return;
	if (!stack_store_last(model_stacks(run->model), t->id, WEFT_STACK_ON_CPU, o->seq))
		detect_want(run, l, SESSION_WANT_SAMPLES);
	c.severity = (double)cpu >= run->value[SPIN_CRIT_MS] * 1e6 ? LIVE_CRIT : LIVE_WARN;
	c.first_ns = o->start_ns == LIVE_UNKNOWN ? o->seen_ns : o->start_ns;
	f = raise(run, t, &c);
	if (!f)
		return;
	detect_evidence(f, (double)cpu / 1e6, "ms", "CPU time in the poll that is open now: %s",
			detect_duration(cpu, text));
	detect_evidence(f, (double)cpu / (double)(cpu + o->blocked_ns), "share",
			"on the CPU, of the time it was not waiting for one");
	if (o->runq_ns > 10000000)
		detect_evidence(f, (double)o->runq_ns / 1e6, "ms",
				"it also waited for a CPU: the machine is busy with others");
	if (o->behind_ns)
		detect_evidence(f, (double)o->behind_ns / 1e6, "task-ms",
				"runnable tasks wait behind it");
	if ((double)o->behind_ns / 1e6 > f->harm_task_ms)
		f->harm_task_ms = (double)o->behind_ns / 1e6;
}

/* ---- crunch: long polls that have ended ---- */

static struct cruncher *cruncher_of(struct state *s, uint64_t task, uint64_t bucket)
{
	struct cruncher *oldest = &s->cruncher[0];

	for (uint32_t i = 0; i < CRUNCHERS; i++) {
		struct cruncher *c = &s->cruncher[i];

		if (c->task == task)
			return c;
		if (c->last_bucket < oldest->last_bucket)
			oldest = c;
	}
	*oldest = (struct cruncher){ .task = task, .last_bucket = bucket };
	return oldest;
}

/* CPU time of a poll that has ended: by the kernel, by samples, else in the measure of its lane in the last second. */
static double poll_cpu(const struct detect_run *run, const struct model_lane *l,
		       const struct lane_poll *p)
{
	const struct model_process *process = model_process(run->model, l->process);
	struct lane_parts parts;
	double in_poll;

	if (p->split || (process && process->sees_offcpu))
		return (double)p->busy_ns;
	if (!lane_shares(l, run->now_ns, &parts))
		return 0;
	in_poll = (double)(parts.busy + parts.blocked + parts.runnable);
	return in_poll > 0 ? (double)(p->busy_ns) * (double)parts.busy / in_poll : 0;
}

static void crunch_raise(struct detect_run *run, const struct model_task *t,
			 const struct cruncher *c, double share)
{
	struct charge charge = { .form = "takes the CPU through long polls",
				 .advice = ADVICE_CRUNCH,
				 .confidence = 0.9f };
	struct live_finding *f;

	charge.severity = share > 0.9 ? LIVE_CRIT : LIVE_WARN;
	charge.first_ns = c->first_ns;
	f = raise(run, t, &charge);
	if (f)
		detect_evidence(f, share, "cpu",
				"share of one CPU over 2 s, through polls of %.0f ms and longer",
				run->value[CRUNCH_POLL_MS]);
}

static void crunch(struct detect_run *run, const struct model_lane *l, const struct lane_poll *p)
{
	struct model_task *t = model_task(run->model, p->task);
	uint64_t bucket = p->end_ns / BUCKET_NS, sum = 0, from;
	double cpu = poll_cpu(run, l, p);
	struct cruncher *c;

	if (!t || cpu < run->value[CRUNCH_POLL_MS] * 1e6)
		return;
	c = cruncher_of(run->state, p->task, bucket);
	if (bucket > c->last_bucket + BUCKETS || !c->first_ns) {
		memset(c->cpu_ns, 0, sizeof(c->cpu_ns));
		c->first_ns = p->start_ns;
		c->polls = 0;
		c->last_bucket = bucket;
	}
	for (; c->last_bucket < bucket; c->last_bucket++)
		c->cpu_ns[(c->last_bucket + 1) % BUCKETS] = 0;
	c->cpu_ns[bucket % BUCKETS] += (uint64_t)cpu;
	c->polls++;
	for (uint32_t i = 0; i < BUCKETS; i++)
		sum += c->cpu_ns[i];
	from = (bucket - (bucket < BUCKETS ? bucket : BUCKETS - 1)) * BUCKET_NS;
	if (c->polls >= 5 && c->first_ns <= from + BUCKET_NS &&
	    (double)sum / 2e9 >= run->value[CRUNCH_SHARE])
		crunch_raise(run, t, c, (double)sum / 2e9);
}

/* ---- storms, where single wakes are seen ---- */

/* The runtime's own time for one poll in this process, ns: what it costs to queue, find and leave a task. */
static double own_per_poll(const struct model_process *p, uint64_t now_ns)
{
	double own = 0, polls;
	struct lane_parts parts;
	struct model_rates rates;

	for (uint32_t i = 0; i < p->nlanes; i++)
		if (p->lanes[i] && detect_is_worker(p->lanes[i]) &&
		    lane_shares(p->lanes[i], now_ns, &parts))
			own += (double)parts.own / ((double)parts.span / 1e9);
	process_rates(p, now_ns, &rates);
	polls = rates.polls;
	return polls > 100 ? own / polls : 0;
}

static struct storm *storm_of(struct state *s, uint64_t task, uint64_t second)
{
	struct storm *oldest = &s->storm[0];

	for (uint32_t i = 0; i < STORMS; i++) {
		if (s->storm[i].task == task)
			return &s->storm[i];
		if (s->storm[i].second < oldest->second)
			oldest = &s->storm[i];
	}
	*oldest = (struct storm){ .task = task, .second = second };
	return oldest;
}

static void storm_raise(struct detect_run *run, const struct model_task *t, const struct storm *s,
			const struct model_second *w, double cpu)
{
	struct charge c = { .form = "wakes itself without end",
			    .advice = ADVICE_STORM,
			    .confidence = 0.9f,
			    .first_ns = s->first_ns };
	const struct model_lane *l = model_lane(run->model, t->process, t->lane);
	struct live_finding *f;

	c.severity = cpu > 0.7 ? LIVE_CRIT : LIVE_WARN;
	if (l &&
	    !stack_store_last(model_stacks(run->model), t->id, WEFT_STACK_ON_CPU, LIVE_UNKNOWN))
		detect_want(run, l, SESSION_WANT_SAMPLES);
	f = raise(run, t, &c);
	if (!f)
		return;
	detect_evidence(f, w->self_wakes, "1/s", "wakes of itself in a second, of %u in all",
			w->wakes);
	detect_evidence(f, cpu, "cpu", "share of one CPU, the runtime's work for it counted");
	detect_evidence(f, w->polls ? (double)w->busy / 1e3 / w->polls : 0, "us",
			"mean poll: it looks and goes, %u times a second", w->polls);
}

/* The full second that a task's window holds; NULL = it was not active then. */
static const struct model_second *last_second(const struct model_task *t, uint64_t second)
{
	if (t->second == second)
		return &t->before;
	return t->second + 1 == second ? &t->now : NULL;
}

static double task_cpu(const struct model_second *w, double own)
{
	return ((double)w->busy + own * w->polls) / 1e9;
}

static bool looks_idle(const struct detect_run *run, const struct model_second *w)
{
	return w->polls && (double)w->busy / w->polls < run->value[STORM_POLL_US] * 1e3;
}

static void storm(struct detect_run *run, const struct model_task *t, const struct model_second *w,
		  double own)
{
	uint64_t second = run->now_ns / 1000000000;
	double cpu = task_cpu(w, own);
	struct storm *s;

	if (w->self_wakes < run->value[STORM_SELF] * w->wakes || cpu < run->value[STORM_SHARE] ||
	    !looks_idle(run, w))
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

static struct pair *pair_of(struct state *s, uint64_t a, uint64_t b)
{
	struct pair *oldest = &s->pair[0];

	for (uint32_t i = 0; i < PAIRS; i++) {
		if (s->pair[i].a == a && s->pair[i].b == b)
			return &s->pair[i];
		if (s->pair[i].second < oldest->second)
			oldest = &s->pair[i];
	}
	*oldest = (struct pair){ .a = a, .b = b };
	return oldest;
}

static void pair_raise(struct detect_run *run, const struct model_task *a,
		       const struct model_task *b, const struct pair *p, double rate, double cpu)
{
	struct charge c = { .form = "ping-pong of two tasks",
			    .advice = ADVICE_PINGPONG,
			    .confidence = 0.8f,
			    .first_ns = p->first_ns };
	struct live_finding *f;

	c.severity = cpu > 0.9 ? LIVE_CRIT : LIVE_WARN;
	f = raise(run, a, &c);
	if (!f)
		return;
	detect_evidence(f, rate, "1/s", "wakes by task %llu %s, and back",
			(unsigned long long)(b->id & ((1ull << WEFT_TASK_PROCESS_SHIFT) - 1)),
			model_task_name(run->model, b));
	detect_evidence(f, cpu, "cpu",
			"share of one CPU for both, the runtime's work for them counted");
}

static void pair_judge(struct detect_run *run, const struct model_task *a,
		       const struct model_task *b, const struct model_second *w, double own)
{
	uint64_t second = run->now_ns / 1000000000, mutual, wakes, polls;
	const struct model_waker *by_b = top_waker(a), *by_a = top_waker(b);
	struct pair now = { .a = a->id, .b = b->id, .second = second }, *p;
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
	cpu = ((double)(now.cpu_a + now.cpu_b - p->cpu_a - p->cpu_b) + own * (double)polls) / 1e9;
	if (p->second + 1 == second && (double)mutual > 0.95 * (double)wakes &&
	    (double)wakes >= 2 * run->value[STORM_WAKES] && cpu >= run->value[STORM_SHARE])
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
		      const struct model_second *w, double own)
{
	const struct model_waker *top;
	const struct model_task *other;

	if (w->self_wakes * 10 > w->wakes || !looks_idle(run, w))
		return;
	top = top_waker(t);
	other = top ? model_task(run->model, top->task) : NULL;
	if (other && t->id < other->id)
		pair_judge(run, t, other, w, own);
}

static void scan_tasks(struct detect_run *run)
{
	double own[64];
	uint64_t second = run->now_ns / 1000000000;
	struct model_task *t;
	uint32_t cursor = 0;

	for (uint32_t i = 0; i < 64; i++) {
		const struct model_process *p = model_process(run->model, i);

		own[i] = p ? own_per_poll(p, run->now_ns) : 0;
	}
	while ((t = model_task_each(run->model, &cursor))) {
		const struct model_second *w = last_second(t, second);

		if (!w || w->wakes < run->value[STORM_WAKES] || !task_alive(t))
			continue;
		storm(run, t, w, own[t->process % 64]);
		ping_pong(run, t, w, own[t->process % 64]);
	}
}

/* ---- storms at `light`: what the lanes add up, and the task that samples meet there ---- */

static struct lane_past *past_of(struct state *s, const struct model_lane *l)
{
	for (uint32_t i = 0; i < s->npast; i++)
		if (s->past[i].process == l->process && s->past[i].lane == l->lane)
			return &s->past[i];
	if (s->npast == LANES)
		return NULL;
	s->past[s->npast] = (struct lane_past){ .process = l->process, .lane = l->lane };
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
			const struct lane_past *past, const struct lane_parts *parts)
{
	struct model_task *t = met_task(run, l);
	double cpu = (double)(parts->busy + parts->own) / (double)parts->span;
	struct charge c = { .form = "wakes itself without end",
			    .advice = ADVICE_STORM,
			    .confidence = 0.75f,
			    .first_ns = past->first_ns };
	struct live_finding *f;

	if (!t)
		return;
	c.severity = cpu > 0.7 ? LIVE_CRIT : LIVE_WARN;
	detect_want(run, l, SESSION_WANT_SAMPLES);
	f = raise(run, t, &c);
	if (!f)
		return;
	detect_evidence(f, (double)(l->self_wakes - past->self_wakes), "1/s",
			"self-wakes on this worker, of %llu wakes",
			(unsigned long long)(l->wakes - past->wakes));
	detect_evidence(f, cpu, "cpu",
			"share of a CPU that this worker uses; samples meet this task there");
}

static void light_storm(struct detect_run *run, const struct model_lane *l)
{
	struct lane_past *past = model_sees_polls(run->model, l->process) ? NULL
									  : past_of(run->state, l),
			 old;
	struct lane_parts parts;
	uint64_t polls, wakes;

	if (!past)
		return;
	old = *past;
	polls = l->polls - old.polls;
	wakes = l->wakes - old.wakes;
	past->polls = l->polls;
	past->wakes = l->wakes;
	past->self_wakes = l->self_wakes;
	if (!old.polls || !polls || !lane_shares(l, run->now_ns, &parts) ||
	    (double)wakes < run->value[STORM_WAKES] ||
	    (double)(l->self_wakes - old.self_wakes) < run->value[STORM_SELF] * (double)wakes ||
	    (double)(parts.busy + parts.own) < run->value[STORM_SHARE] * (double)parts.span ||
	    (double)parts.busy / (double)parts.span * 1e9 / (double)polls >=
		    run->value[STORM_POLL_US] * 1e3) {
		past->seconds = 0;
		past->first_ns = run->now_ns;
		return;
	}
	if (++past->seconds >= run->value[STORM_S])
		light_raise(run, l, &old, &parts);
}

/* ---- the detector ---- */

static void tick(struct detect_run *run)
{
	struct state *s = run->state;

	detect_each_worker(run, spin);
	detect_each_long_poll(run, &s->cursor, 0, crunch);
	if (!run->new_second)
		return;
	scan_tasks(run);
	detect_each_worker(run, light_storm);
}

static void done(void *state)
{
	struct state *s = state;

	detect_cursor_free(s->cursor);
}

static bool blind(const struct detect_run *run, char *why, size_t size)
{
	bool samples = false, polls = false;

	for (uint32_t i = 0; i < model_processes(run->model); i++) {
		const struct model_process *p = model_process(run->model, i);

		for (uint32_t k = 0; p && k < p->nlanes; k++)
			samples |= p->lanes[k] && p->lanes[k]->sample_ns;
		polls |= p && model_sees_polls(run->model, i);
	}
	if (!samples && !polls)
		snprintf(why, size, "no worker was seen at work");
	else if (!polls)
		snprintf(why, size,
			 "level light: pairs of tasks that wake each other are not seen");
	return !samples && !polls;
}

const struct detector busy_loop_detector = {
	.id = "busy-loop",
	.symptom = SYMPTOM_BUSY_LOOP,
	.options = options,
	.state_bytes = sizeof(struct state),
	.hold_ns = 3000000000ull,
	.tick = tick,
	.done = done,
	.blind = blind,
};
