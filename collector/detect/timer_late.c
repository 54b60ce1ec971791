/* SPDX-License-Identifier: MIT */
/*
 * timer-late: of the timers of one type of task most take effect late, though no poll holds all workers (that is timer-stall) and
 * the workers have CPUs (else it is cpu-starved), and no other finding says who keeps a worker. Told apart: fired late, as the driver is turned too seldom, or fired in time
 * and polled late, as the task waits in the queue.
 */
#include <stdio.h>

#include "collector/detect/advice.h"
#include "collector/detect/workers.h"
#include "collector/model/timer.h"

enum { LATE_MS, PART, TIMERS, WINDOW_S, WAIT };

static const struct detector_option options[] = {
	[LATE_MS] = { "late.ms", 10, "ms", "from the deadline to the poll of its task" },
	[PART] = { "late.part", 0.5, "", "of a type's timers so late" },
	[TIMERS] = { "late.timers", 10, "timers", "at least so many of them in the window" },
	[WINDOW_S] = { "late.window_s", 4, "s", "over which they are counted" },
	[WAIT] = { "late.wait", 0.15, "",
		   "a worker that waits for a CPU for more than this share excuses the window" },
	{ NULL, 0, NULL, NULL },
};

#define PLACES 64u

struct place {
	uint32_t process, type;
	uint64_t window_ns, first_ns;   /* of the window; of the trouble */
	uint64_t timers, late, excused; /* excused: a poll held all workers, or they had no CPU */
	uint64_t fire_ns, queue_ns, worst_ns, worst_task;
};

struct state {
	uint64_t timers, singles;                 /* read so far; those that a task waited for */
	uint64_t starved_ns[MODEL_MAX_PROCESSES]; /* when a worker last waited for a CPU */
	struct place place[PLACES];
};

static struct place *place_of(struct state *s, const struct detect_run *run, uint32_t process,
			      uint32_t type)
{
	struct place *oldest = &s->place[0];

	for (uint32_t i = 0; i < PLACES; i++) {
		struct place *p = &s->place[i];

		if (p->window_ns && p->process == process && p->type == type)
			return p;
		if (p->window_ns < oldest->window_ns)
			oldest = p;
	}
	*oldest = (struct place){ .process = process, .type = type, .window_ns = run->now_ns };
	return oldest;
}

static bool is_excused(const struct detect_run *run, const struct timer_fired *t, uint32_t process)
{
	struct detect_workers w;

	detect_workers_of(run, process, t->runtime, (uint64_t)t->deadline_ns, t->poll_ns, &w);
	return !w.n || w.held == w.n || w.starved;
}

static void take(struct detect_run *run, const struct timer_fired *fired)
{
	uint32_t process = (uint32_t)(fired->task >> WEFT_TASK_PROCESS_SHIFT);
	struct model_task *t = model_task(run->model, fired->task);
	uint64_t deadline = fired->deadline_ns > 0 ? (uint64_t)fired->deadline_ns : 0, late;
	struct place *p;

	if (!t || fired->poll_ns == UINT64_MAX || fired->deadline_ns <= 0 ||
	    detect_disturbed(run, process, deadline))
		return;
	p = place_of(run->state, run, process, t->type);
	late = fired->poll_ns > deadline ? fired->poll_ns - deadline : 0;
	p->timers++;
	if ((double)late < run->value[LATE_MS] * 1e6)
		return;
	if (is_excused(run, fired, process)) {
		p->excused++;
		return;
	}
	p->late++;
	p->fire_ns += fired->fire_ns > deadline ? fired->fire_ns - deadline : 0;
	p->queue_ns += fired->poll_ns > fired->fire_ns ? fired->poll_ns - fired->fire_ns : 0;
	if (late > p->worst_ns) {
		p->worst_ns = late;
		p->worst_task = t->id;
	}
}

static void raise_place(struct detect_run *run, const struct place *p)
{
	struct model_task *t = model_task(run->model, p->worst_task);
	bool queue = p->queue_ns > p->fire_ns;
	struct detect_subject subject;
	struct live_finding *f;
	char text[24];

	if (!t)
		return;
	subject = detect_subject_task(run->model, t);
	f = detect_raise(run, &subject,
			 &(struct detect_verdict){
				 .cause = queue ? "its timers fire, and it waits in the queue"
						: "the driver is turned too seldom for its timers",
				 .severity = LIVE_WARN,
				 .confidence = 0.9f,
				 .harm_task_ms = (double)(p->fire_ns + p->queue_ns) / 1e6,
				 .first_ns = p->first_ns });
	if (!f)
		return;
	detect_evidence(f, (double)p->late / (double)p->timers, "",
			"%llu of %llu timers were late by %.0f ms and more",
			(unsigned long long)p->late, (unsigned long long)p->timers,
			run->value[LATE_MS]);
	detect_evidence(f, (double)p->worst_ns / 1e6, "ms", "the worst by %s",
			detect_duration(p->worst_ns, text));
	detect_evidence(f, (double)p->fire_ns / 1e6 / (double)p->late, "ms",
			"on average fired %.1f ms late and polled %.1f ms after that",
			(double)p->fire_ns / 1e6 / (double)p->late,
			(double)p->queue_ns / 1e6 / (double)p->late);
	detect_advice(f, "%s",
		      advice_text(queue ? ADVICE_LATE_QUEUE : ADVICE_LATE_DRIVER,
				  detect_runtime_kind(run->model, p->process, MODEL_NONE)));
}

/* At the end of its window. */
static void judge(struct detect_run *run, struct place *p)
{
	const struct state *s = run->state;
	bool late = (double)p->timers >= run->value[TIMERS] &&
		    (double)p->late >= run->value[PART] * (double)p->timers;

	if (detect_is_held_up(run, p->process) || s->starved_ns[p->process] >= p->window_ns)
		late = false;
	if (late)
		p->first_ns = p->first_ns ? p->first_ns : p->window_ns;
	if (late)
		raise_place(run, p);
	*p = (struct place){ .process = p->process,
			     .type = p->type,
			     .window_ns = run->now_ns,
			     .first_ns = late ? p->first_ns : 0 };
}

static void note_starved(struct detect_run *run, const struct model_lane *l)
{
	struct state *s = run->state;
	struct lane_parts parts;

	if (lane_shares(l, run->now_ns, &parts) &&
	    (double)parts.runnable > run->value[WAIT] * (double)parts.span)
		s->starved_ns[l->process] = run->now_ns;
}

static void tick(struct detect_run *run)
{
	struct state *s = run->state;
	struct timer_fired fired;

	if (run->new_second)
		detect_each_worker(run, note_starved);
	while (model_timer_next(run->model, &s->timers, &fired)) {
		s->singles += fired.task != 0;
		take(run, &fired);
	}
	for (uint32_t i = 0; run->new_second && i < PLACES; i++)
		if (s->place[i].window_ns &&
		    (double)(run->now_ns - s->place[i].window_ns) >= run->value[WINDOW_S] * 1e9)
			judge(run, &s->place[i]);
}

static bool blind(const struct detect_run *run, char *why, size_t size)
{
	return detect_timers_blind(run, ((const struct state *)run->state)->singles, why, size);
}

const struct detector timer_late_detector = {
	.id = "timer-late",
	.symptom = SYMPTOM_TIMER_LATE,
	.options = options,
	.state_bytes = sizeof(struct state),
	.hold_ns = 10000000000ull,
	.tick = tick,
	.blind = blind,
};
