/* SPDX-License-Identifier: MIT */
/*
 * busy-loop: CPU is used and nothing comes of it. Four forms:
 *   spin       one open poll uses the CPU on and on; judged while it is open, by CPU time
 *   crunch     one task takes half a CPU or more through polls of 10 ms and longer, or uses it again and again as long
 *              as a spin: its worker may be blocked by others half the time
 *   storm      a task wakes itself again and again, each poll too short to have done anything
 *   ping-pong  two tasks wake each other and nobody else has a part in it
 * Everything is judged by CPU time: a task that is runnable on a machine that others overload uses none.
 */
#include "collector/detect/busy_internal.h"
#include "collector/detect/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct detector_option options[] = {
	[SPIN_MS] = { "busy.spin_ms", 100, "ms", "CPU time in one open poll: warn" },
	[SPIN_CRIT_MS] = { "busy.spin_crit_ms", 1000, "ms", "CPU time in one open poll: crit" },
	[SPIN_SHARE] = { "busy.spin_share", 0.8, "",
			 "of the poll's CPU and blocked time, on the CPU at least this part" },
	[SPIN_TIMES] = { "busy.spin_times", 3, "polls",
			 "ended ones of one task with as much CPU time, within 10 s" },
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
#define BUCKET_NS 250000000ull
#define BUCKETS   8u
#define SPINS     16u
#define SPINS_NS  10000000000ull

#define SAMPLE_NS 250000000ull /* CPU time, in which a sample that was asked for comes, if at all */
#define ASKED_NS  1000000000ull /* the same where polls are shorter */
#define FRESH_NS  10000000000ull

struct cruncher {
	uint64_t task, last_bucket, asked_ns;
	uint64_t cpu_ns[BUCKETS], first_ns;
	uint64_t spin_seq,
		spin_cpu_ns; /* open poll whose samples were asked for; its CPU time then */
	uint32_t polls, spins;
	uint64_t spun_ns[SPINS]; /* [spins % SPINS] ends of the polls as long as a spin */
};

struct state {
	struct busy_storms storms; /* first: busy_storm.c knows no more of it */
	struct detect_cursor *cursor;
	struct cruncher cruncher[CRUNCHERS];
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

struct live_finding *busy_loop_raise(struct detect_run *run, const struct model_task *t,
				     const struct busy_charge *c)
{
	const struct model_stack *k =
		stack_store_last(model_stacks(run->model), t->id, WEFT_STACK_ON_CPU, LIVE_UNKNOWN);
	struct detect_subject subject = detect_subject_task(run->model, t);
	uint32_t hits, samples;
	const struct model_frame *hot = hot_frame(run, t->id, &k, &hits, &samples);
	struct live_finding *f;
	char cause[96];

	if (hot && hot->line)
		snprintf(cause, sizeof(cause), "%.40s in %.50s", c->form, hot->func);
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
		detect_evidence(f, 100.0 * hits / samples, "%",
				"%.0f %% of %u samples are in %.60s (%.60s:%u)",
				100.0 * hits / samples, samples, hot->func, hot->file, hot->line);
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

/*
 * What computes in block_in_place keeps no worker. Only samples tell, most of the fresh ones; *ret_known = there are some. seq: of
 * that poll, of which old ones tell, too, where none is fresh; LIVE_UNKNOWN = of any.
 */
static bool is_in_place(const struct detect_run *run, const struct model_task *t, uint64_t seq,
			bool *ret_known)
{
	const struct stack_store *s = model_stacks(run->model);
	uint32_t in_place = 0, all = 0;
	bool fresh = false;

	for (const struct model_stack *k = stack_store_next(s, 0); k;
	     k = stack_store_next(s, k->number)) {
		bool is_fresh = k->t_ns + FRESH_NS >= run->now_ns;

		if (k->task != t->id || k->why != WEFT_STACK_ON_CPU ||
		    (seq == LIVE_UNKNOWN ? !is_fresh : k->poll_seq != seq))
			continue;
		if (is_fresh && !fresh)
			in_place = all = 0;
		fresh |= is_fresh;
		all++;
		in_place += detect_is_in_place(run, k);
	}
	*ret_known = all;
	return all && in_place * 2 >= all;
}

static bool may_be_in_place(const struct detect_run *run, const struct model_lane *l)
{
	return detect_runtime_kind(run->model, l->process, l->runtime) == WEFT_RT_TOKIO;
}

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

/* Is the open poll in block_in_place, or may samples that were asked for still tell so? Others may have pushed out those that there were. */
static bool spins_in_place(struct detect_run *run, const struct model_lane *l,
			   const struct model_task *t, uint64_t cpu_ns)
{
	struct cruncher *c = cruncher_of(run->state, t->id, run->now_ns / BUCKET_NS);
	bool known, in_place = is_in_place(run, t, l->open.seq, &known);

	if (known) {
		c->spin_cpu_ns = 0;
		return in_place;
	}
	detect_want(run, l, SESSION_WANT_SAMPLES);
	if (c->spin_seq != l->open.seq || !c->spin_cpu_ns) {
		c->spin_seq = l->open.seq;
		c->spin_cpu_ns = cpu_ns;
	}
	return may_be_in_place(run, l) && cpu_ns < c->spin_cpu_ns + SAMPLE_NS;
}

static void spin(struct detect_run *run, const struct model_lane *l)
{
	const struct lane_open *o = &l->open;
	struct model_task *t = o->task ? model_task(run->model, o->task) : NULL;
	struct busy_charge c = { .form = "spins in one poll", .advice = ADVICE_SPIN };
	uint64_t cpu = t ? open_cpu(o, run->now_ns, &c.confidence) : 0;
	struct live_finding *f;
	double share;
	char text[24];

	if (!t || (double)cpu < run->value[SPIN_MS] * 1e6 ||
	    (double)cpu < run->value[SPIN_SHARE] * (double)(cpu + o->blocked_ns))
		return;
	if (spins_in_place(run, l, t, cpu))
		return;
	share = 100.0 * (double)cpu / (double)(cpu + o->blocked_ns);
	c.severity = (double)cpu >= run->value[SPIN_CRIT_MS] * 1e6 ? LIVE_CRIT : LIVE_WARN;
	c.first_ns = o->start_ns == LIVE_UNKNOWN ? o->seen_ns : o->start_ns;
	f = busy_loop_raise(run, t, &c);
	if (!f)
		return;
	detect_evidence(f, (double)cpu / 1e6, "ms", "%s of CPU time in the poll that is open now",
			detect_duration(cpu, text));
	detect_evidence(f, share, "%",
			"%.0f %% of that poll on the CPU, not counting the waits for one", share);
	if (o->runq_ns > 10000000)
		detect_evidence(f, (double)o->runq_ns / 1e6, "ms",
				"%s more it waited for a CPU that others had",
				detect_duration(o->runq_ns, text));
	if (o->behind_ns)
		detect_evidence(f, (double)o->behind_ns / 1e6, "task-ms",
				"%.4g task-ms that runnable tasks have waited behind it by now",
				(double)o->behind_ns / 1e6);
	if ((double)o->behind_ns / 1e6 > f->harm_task_ms)
		f->harm_task_ms = (double)o->behind_ns / 1e6;
}

/* ---- crunch: long polls that have ended ---- */

static void crunch_raise(struct detect_run *run, const struct model_task *t,
			 const struct cruncher *c, double share)
{
	struct busy_charge charge = { .form = "takes the CPU through long polls",
				      .advice = ADVICE_CRUNCH,
				      .confidence = 0.9f };
	struct live_finding *f;

	charge.severity = share > 0.9 ? LIVE_CRIT : LIVE_WARN;
	charge.first_ns = c->first_ns;
	f = busy_loop_raise(run, t, &charge);
	if (f)
		detect_evidence(f, 100 * share, "% of a CPU",
				"%.0f %% of one CPU over 2 s, through polls of %.0f ms and longer",
				100 * share, run->value[CRUNCH_POLL_MS]);
}

/* By how many polls with as much CPU time as a spin, this one the last, within 10 s: 0 = too few. Only where that time is exact. */
static uint32_t spins(struct detect_run *run, const struct model_lane *l, struct cruncher *c,
		      const struct lane_poll *p)
{
	uint32_t n = 0;

	if ((double)p->busy_ns < run->value[SPIN_MS] * 1e6 || !detect_poll_is_split(run, l, p))
		return 0;
	c->spun_ns[c->spins++ % SPINS] = p->end_ns;
	for (uint32_t i = 0; i < SPINS && i < c->spins; i++)
		n += c->spun_ns[i] + SPINS_NS > p->end_ns;
	return (double)n >= run->value[SPIN_TIMES] ? n : 0;
}

static void spins_raise(struct detect_run *run, const struct model_task *t,
			const struct lane_poll *p, uint32_t n)
{
	struct busy_charge charge = { .form = "takes the CPU through long polls",
				      .advice = ADVICE_CRUNCH,
				      .severity = LIVE_WARN,
				      .confidence = 0.9f,
				      .first_ns = p->start_ns };
	struct live_finding *f = busy_loop_raise(run, t, &charge);
	char text[24];

	if (f)
		detect_evidence(f, n, "polls",
				"%u polls within 10 s, the last one with %s of CPU time", n,
				detect_duration(p->busy_ns, text));
}

static double crunch_share(const struct detect_run *run, struct cruncher *c,
			   const struct lane_poll *p, double cpu)
{
	uint64_t bucket = p->end_ns / BUCKET_NS, sum = 0, from;

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
	if (c->polls < 5 || c->first_ns > from + BUCKET_NS ||
	    (double)sum / 2e9 < run->value[CRUNCH_SHARE])
		return 0;
	return (double)sum / 2e9;
}

/* One of the polls, or all of them as far as samples tell; where none does yet, the next ones shall be sampled first. */
static bool crunches_in_place(struct detect_run *run, const struct model_lane *l,
			      const struct model_task *t, struct cruncher *c)
{
	bool known, in_place = is_in_place(run, t, LIVE_UNKNOWN, &known);

	if (known || !may_be_in_place(run, l))
		return in_place;
	detect_want(run, l, SESSION_WANT_SAMPLES);
	c->asked_ns = c->asked_ns ? c->asked_ns : run->now_ns;
	return run->now_ns < c->asked_ns + ASKED_NS;
}

static void crunch(struct detect_run *run, const struct model_lane *l, const struct lane_poll *p)
{
	struct model_task *t = model_task(run->model, p->task);
	double cpu = detect_poll_cpu(run, l, p), share;
	struct cruncher *c;
	uint32_t n;

	if (!t || cpu < run->value[CRUNCH_POLL_MS] * 1e6)
		return;
	c = cruncher_of(run->state, p->task, p->end_ns / BUCKET_NS);
	n = spins(run, l, c, p);
	share = crunch_share(run, c, p, cpu);
	if ((share > 0 || n) && crunches_in_place(run, l, t, c))
		return;
	if (share > 0)
		crunch_raise(run, t, c, share);
	else if (n)
		spins_raise(run, t, p, n);
}

/* ---- the detector ---- */

static void tick(struct detect_run *run)
{
	struct state *s = run->state;

	detect_each_worker(run, spin);
	detect_each_long_poll(run, &s->cursor, 0, crunch);
	busy_storm_suspect(run);
	if (!run->new_second)
		return;
	busy_storm_tick(run);
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
	if (detect_load_scant(run, why, size))
		return true;
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
