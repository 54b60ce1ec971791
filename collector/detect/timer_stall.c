/* SPDX-License-Identifier: MIT */
/*
 * timer-stall: timers fire late because nobody turned the driver, and why nobody did: every worker was inside a poll (the task
 * that held the driver is named), the future given to block_on has the thread that would, or no thread drives the runtime. A timer whose workers only waited for CPUs is late by
 * the machine's fault and no finding.
 */
#include <stdio.h>

#include "collector/detect/advice.h"
#include "collector/detect/driver.h"
#include "collector/detect/workers.h"
#include "collector/model/notable.h"
#include "collector/model/timer.h"

enum { WARN_MS, CRIT_MS, TIMES, IDLE_S };

static const struct detector_option options[] = {
	[WARN_MS] = { "stall.warn_ms", 50, "ms",
		      "a timer so late, while polls held all workers: warn" },
	[CRIT_MS] = { "stall.crit_ms", 1000, "ms", "the same: crit" },
	[TIMES] = { "stall.times", 3, "timers", "so many of them within 10 s, below crit" },
	[IDLE_S] = { "stall.undriven_s", 2, "s",
		     "timers armed, and no thread that drives the runtime" },
	{ NULL, 0, NULL, NULL },
};

#define PLACES    32u
#define DUES      32u
#define RECENT_NS 10000000000ull

/* By the task type that held the driver. */
struct place {
	uint32_t process, type;
	uint64_t used_ns, times, first_ns, window_ns, worst_ns, worst_task, late_ns, victim;
	bool fires;     /* the timers themselves are in time */
	bool of_driver; /* the worst is no single timer, but what a driver had to wait for */
};

/* A current-thread runtime of Tokio with timers past their deadlines, as of the last look. */
struct due {
	uint32_t process, runtime;       /* runtime: its index */
	uint64_t timers, first_ns, task; /* first_ns: the earliest deadline; whose it is */
	uint64_t before_ns;              /* so much earlier: before the watch began */
	bool read;                       /* in the runtime's memory */
};

struct state {
	struct detect_cursor *polls;
	uint64_t cursor, timers; /* read so far of the notable events, of the timers */
	struct detect_timers met;
	uint64_t untold; /* late ones, of whose workers' polls records were lost */
	struct place place[PLACES];
	uint32_t n;
	uint64_t undriven_ns[MODEL_MAX_PROCESSES][MODEL_RUNTIMES]; /* since when, 0 = driven */
};

/* Where there is no room the one that was not used for longest gives way. */
static struct place *place_of(struct detect_run *run, uint32_t process, uint32_t type)
{
	struct state *s = run->state;
	struct place *p = &s->place[0];

	for (uint32_t i = 0; i < s->n; i++) {
		struct place *at = &s->place[i];

		if (at->process == process && at->type == type) {
			at->used_ns = run->now_ns;
			return at;
		}
		if (at->used_ns < p->used_ns)
			p = at;
	}
	if (s->n < PLACES)
		p = &s->place[s->n++];
	*p = (struct place){ .process = process, .type = type, .used_ns = run->now_ns };
	return p;
}

static const char *worst_text(const struct place *p, char text[96])
{
	char duration[24];

	detect_duration(p->worst_ns, duration);
	if (p->fires)
		snprintf(text, 96, "a task was polled %s after its deadline", duration);
	else if (p->of_driver)
		snprintf(text, 96, "a driver came %s after what it was told to wait until",
			 duration);
	else
		snprintf(text, 96, "a timer fired %s late", duration);
	return text;
}

static void raise_held(struct detect_run *run, const struct place *p)
{
	struct model_task *t = model_task(run->model, p->worst_task);
	struct model_task *victim = model_task(run->model, p->victim);
	struct detect_subject subject;
	struct live_finding *f;
	char text[96];

	if (!t)
		return;
	subject = detect_subject_task(run->model, t);
	f = detect_raise(
		run, &subject,
		&(struct detect_verdict){
			.cause = p->fires ? "its polls keep tasks waiting whose timers have fired"
					  : "its polls keep the timers from being fired",
			.severity = (double)p->worst_ns >= run->value[CRIT_MS] * 1e6 ? LIVE_CRIT
										     : LIVE_WARN,
			.confidence = 0.9f,
			.harm_task_ms = (double)p->late_ns / 1e6,
			.first_ns = p->first_ns });
	if (!f)
		return;
	detect_evidence(f, (double)p->worst_ns / 1e6, "ms", "%s, all workers being inside polls",
			worst_text(p, text));
	detect_evidence(f, (double)p->times, "timers", "%llu timers late, %s together",
			(unsigned long long)p->times, detect_duration(p->late_ns, text));
	if (victim)
		detect_evidence(f, 1, "task", "the latest was one of task %s",
				model_task_name(run->model, victim));
	detect_timer_grade(run, f, p->process, p->of_driver);
	detect_advice(f, "%s",
		      advice_text(ADVICE_STALL,
				  detect_runtime_kind(run->model, p->process, MODEL_NONE)));
}

/* A thread of its own turns the driver: it fires timers in time however long the workers are held. */
static bool has_reactor(const struct detect_run *run, const struct timer_fired *fired)
{
	const struct model_process *p = model_process(run->model, fired->process);

	for (uint32_t i = 0; p && i < p->nruntimes; i++) {
		const struct weft_ev_runtime *info = &p->runtime[i].info;

		if (info->runtime == fired->runtime)
			return info->kind == WEFT_RT_ASYNC_STD || info->kind == WEFT_RT_SMOL ||
			       (info->kind == WEFT_RT_WEFT && info->flavour == WEFT_F_REACTOR_POOL);
	}
	return false;
}

static void late_timer(struct detect_run *run, const struct timer_fired *fired)
{
	bool fires = has_reactor(run, fired);
	uint64_t until = fires && fired->poll_ns != UINT64_MAX ? fired->poll_ns : fired->fire_ns;
	uint32_t process = fired->process;
	uint64_t from = fired->deadline_ns > 0 ? (uint64_t)fired->deadline_ns : 0, late;
	struct detect_workers w;
	struct model_task *holder;
	struct place *p;

	if (until <= from)
		return;
	late = until - from;
	if ((double)late < run->value[WARN_MS] * 1e6 || detect_disturbed(run, process, from))
		return;
	detect_workers_of(run, process, fired->runtime, from, until,
			  (uint64_t)(run->value[WARN_MS] * 1e6), &w);
	((struct state *)run->state)->untold += w.lost && w.held + w.lost == w.n;
	holder = w.n && w.held == w.n ? model_task(run->model, w.task) : NULL;
	p = holder ? place_of(run, process, holder->type) : NULL;
	if (!p)
		return;
	if (p->window_ns + RECENT_NS < run->now_ns) {
		p->window_ns = run->now_ns;
		p->times = p->late_ns = p->worst_ns = 0;
	}
	p->first_ns = p->first_ns ? p->first_ns : from;
	p->fires = fires;
	p->times++;
	p->late_ns += late;
	if (late > p->worst_ns) {
		p->worst_ns = late;
		p->worst_task = holder->id;
		p->victim = fired->task;
		p->of_driver = !fired->task;
	}
	if ((double)p->times >= run->value[TIMES] ||
	    (double)p->worst_ns >= run->value[CRIT_MS] * 1e6)
		raise_held(run, p);
}

/* Flavours that a thread of the program drives: none does, and timers are armed. */
static void undriven(struct detect_run *run, const struct model_process *p,
		     const struct model_runtime *rt)
{
	struct state *s = run->state;
	uint64_t *since = &s->undriven_ns[p->index][rt - p->runtime];
	struct detect_workers w;
	struct live_finding *f;
	char text[24];

	detect_workers_of(run, p->index, rt->info.runtime, run->now_ns, run->now_ns, 0, &w);
	if (w.n || !rt->gauge.timers || rt->ended || rt->gauge.driver_worker != UINT32_MAX ||
	    !rt->sample_ns || p->gone) {
		*since = 0;
		return;
	}
	/* Up to the last look at the runtime. */
	if (!*since)
		*since = rt->sample_ns;
	if ((double)(rt->sample_ns - *since) < run->value[IDLE_S] * 1e9)
		return;
	f = detect_raise(run,
			 &(struct detect_subject){ "runtime", rt->info.runtime, p->index,
						   rt->info.name, "" },
			 &(struct detect_verdict){
				 .cause = "timers are armed, but no thread drives the runtime",
				 .severity = LIVE_CRIT,
				 .confidence = 0.95f,
				 .first_ns = *since });
	if (!f)
		return;
	detect_evidence(f, (double)rt->gauge.timers, "timers", "%llu timers are armed",
			(unsigned long long)rt->gauge.timers);
	detect_evidence(f, (double)(rt->sample_ns - *since) / 1e9, "s",
			"nobody has turned the driver for %s",
			detect_duration(rt->sample_ns - *since, text));
	detect_advice(f, "%s",
		      advice_text(ADVICE_NOT_DRIVEN, (enum weft_runtime_kind)rt->info.kind));
}

static struct due *due_of(struct due *due, uint32_t *n, const struct model_task *t)
{
	for (uint32_t i = 0; i < *n; i++)
		if (due[i].process == t->process && due[i].runtime == t->runtime)
			return &due[i];
	if (*n == DUES)
		return NULL;
	due[*n] = (struct due){ t->process, t->runtime, 0, UINT64_MAX, 0, 0, false };
	return &due[(*n)++];
}

/* By what is known of its threads, or by the runtime's memory: then nobody armed them under watch. */
static bool is_unturned(const struct detect_run *run, const struct due *d,
			const struct model_task *t, uint32_t *ret_threads)
{
	*ret_threads = 0;
	switch (detect_driver_of(run, d->process, d->runtime, d->first_ns)) {
	case DETECT_DRIVER_HELD:
		return true;
	case DETECT_DRIVER_NOBODY:
		return d->read || detect_is_left(run, t, d->first_ns, ret_threads);
	default:
		return false;
	}
}

static void tell_unturned(const struct detect_run *run, struct live_finding *f, const struct due *d,
			  uint32_t threads)
{
	char text[24];

	uint64_t late = run->now_ns - d->first_ns + d->before_ns;

	detect_evidence(f, (double)late / 1e6, "ms", "due for %s by now",
			detect_duration(late, text));
	if (d->timers > 1)
		detect_evidence(f, (double)d->timers, "timers", "%llu tasks wait so",
				(unsigned long long)d->timers);
	if (detect_driver_of(run, d->process, d->runtime, d->first_ns) == DETECT_DRIVER_HELD)
		detect_driver_evidence(run, f, d->process, d->runtime);
	else if (threads)
		detect_evidence(f, threads, "threads",
				"of %u that drove it, none has come back to its driver since",
				threads);
	else
		detect_evidence(f, 0, "threads", "no thread is in its block_on");
}

static void raise_unturned(struct detect_run *run, const struct due *d)
{
	struct model_task *t = model_task(run->model, d->task);
	struct detect_subject subject;
	struct live_finding *f;
	char cause[96];
	uint32_t threads;
	bool held;

	if (!t || !is_unturned(run, d, t, &threads))
		return;
	held = detect_driver_of(run, d->process, d->runtime, d->first_ns) == DETECT_DRIVER_HELD;
	snprintf(cause, sizeof(cause), "its timer is due, but %s",
		 held ? detect_driver_cause(run, d->process, d->runtime)
		      : "no thread drives the runtime");
	subject = detect_subject_task(run->model, t);
	f = detect_raise(run, &subject,
			 &(struct detect_verdict){
				 .cause = cause,
				 .severity = LIVE_CRIT,
				 .confidence = 0.95f,
				 .harm_task_ms = (double)(run->now_ns - d->first_ns) / 1e6,
				 .first_ns = d->first_ns });
	if (!f)
		return;
	tell_unturned(run, f, d, threads);
	detect_timer_grade(run, f, d->process, false);
	detect_advice(f, "%s", advice_text(held ? ADVICE_ROOT : ADVICE_NOT_DRIVEN, WEFT_RT_TOKIO));
}

/* What the session read in the runtime's memory. */
static void add_read(const struct detect_run *run, struct due *due, uint32_t *n,
		     const struct model_process *p, uint32_t runtime)
{
	const struct model_block_on *b = &p->runtime[runtime].block_on;
	struct model_task *t;
	struct due *d;

	if (!b->t_ns || !b->e.due || (double)b->e.overdue_ns < run->value[IDLE_S] * 1e9)
		return;
	t = model_task(run->model, b->due_task);
	d = t && t->runtime == runtime ? due_of(due, n, t) : NULL;
	if (!d)
		return;
	d->read = true;
	if (b->e.due > d->timers)
		d->timers = b->e.due;
	if (d->first_ns != UINT64_MAX && b->t_ns >= b->e.overdue_ns + d->first_ns)
		return;
	d->first_ns = b->t_ns > b->e.overdue_ns ? b->t_ns - b->e.overdue_ns : 0;
	d->before_ns = b->t_ns > b->e.overdue_ns ? 0 : b->e.overdue_ns - b->t_ns;
	d->task = t->id;
}

/* Flavours that a thread of the program drives: a timer is due, and nobody turns the driver. */
static void unturned(struct detect_run *run)
{
	struct due due[DUES];
	struct timer_armed a;
	struct model_task *t;
	uint32_t cursor = 0, n = 0;

	while ((t = model_timer_due(run->model, &cursor, &a))) {
		struct due *d = (double)(run->now_ns - a.deadline_ns) >= run->value[IDLE_S] * 1e9
					? due_of(due, &n, t)
					: NULL;

		if (!d)
			continue;
		d->timers++;
		if (a.deadline_ns >= d->first_ns)
			continue;
		d->first_ns = a.deadline_ns;
		d->task = t->id;
	}
	for (uint32_t i = 0; i < model_processes(run->model); i++) {
		const struct model_process *p = model_process(run->model, i);

		for (uint32_t k = 0; p && !p->gone && k < p->nruntimes; k++)
			add_read(run, due, &n, p, k);
	}
	for (uint32_t i = 0; i < n; i++)
		raise_unturned(run, &due[i]);
}

static void disabled(struct detect_run *run, const struct notable *n)
{
	struct model_task *t = n->task ? model_task(run->model, n->task) : NULL;
	const struct model_type *type = model_type(run->model, n->type);
	struct detect_subject subject;
	struct live_finding *f;

	if (n->code != WEFT_M_TIME_OFF || !type)
		return;
	subject = t ? detect_subject_task(run->model, t) : detect_subject_type(type);
	f = detect_raise(run, &subject,
			 &(struct detect_verdict){ .cause = "timers are off in this runtime",
						   .severity = LIVE_CRIT,
						   .confidence = 1,
						   .first_ns = n->t_ns });
	if (!f)
		return;
	detect_evidence(f, 1, "times", "a sleep was refused: the runtime was built without timers");
	detect_advice(f, "%s",
		      advice_text(ADVICE_TIME_OFF,
				  detect_runtime_kind(run->model, n->process, MODEL_NONE)));
}

/* At light no timer is seen: behind a poll so long there may be late ones. */
static void suspect(struct detect_run *run, const struct model_lane *l,
		    const struct lane_poll *poll)
{
	uint64_t ran = poll->end_ns - poll->start_ns - poll->runnable_ns;

	if (poll->end_ns >= poll->start_ns + poll->runnable_ns &&
	    (double)ran >= run->value[WARN_MS] * 1e6 && !model_sees_polls(run->model, l->process) &&
	    !detect_disturbed(run, l->process, poll->start_ns))
		detect_want_closer(run, l->process);
}

static void tick(struct detect_run *run)
{
	struct state *s = run->state;
	struct timer_fired fired;
	struct notable n;

	detect_each_long_poll(run, &s->polls, 0, suspect);
	while (model_timer_next(run->model, &s->timers, &fired)) {
		s->met.singles += fired.task != 0;
		s->met.drivers += !fired.task;
		late_timer(run, &fired);
	}
	while (model_notable_next(run->model, &s->cursor, &n))
		if (n.kind == NOTABLE_MISUSE)
			disabled(run, &n);
	if (run->new_look)
		unturned(run);
	for (uint32_t i = 0; run->new_second && i < model_processes(run->model); i++) {
		const struct model_process *p = model_process(run->model, i);

		for (uint32_t k = 0; p && k < p->nruntimes; k++)
			if (p->runtime[k].info.kind == WEFT_RT_WEFT)
				undriven(run, p, &p->runtime[k]);
	}
}

static void done(void *state)
{
	struct state *s = state;

	detect_cursor_free(s->polls);
}

static bool blind(const struct detect_run *run, char *why, size_t size)
{
	const struct state *s = run->state;

	if ((double)s->untold >= run->value[TIMES])
		snprintf(why, size,
			 "of the polls that %llu late timers waited for, records were lost",
			 (unsigned long long)s->untold);
	return why[0] || detect_timers_blind(run, &s->met, why, size);
}

const struct detector timer_stall_detector = {
	.id = "timer-stall",
	.symptom = SYMPTOM_TIMER_STALL,
	.options = options,
	.state_bytes = sizeof(struct state),
	.hold_ns = 15000000000ull,
	.tick = tick,
	.done = done,
	.blind = blind,
};
