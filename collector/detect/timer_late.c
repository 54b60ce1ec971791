/* SPDX-License-Identifier: MIT */
/*
 * timer-late: of the timers of one type of task most take effect late, though no poll holds all workers (that is timer-stall), the
 * workers have CPUs (else it is cpu-starved), no other finding says who keeps a worker, and it is not the watching that makes them late.
 * Told apart: fired late, as the driver is turned too seldom, or fired in time and polled late, as the task waits in the queue.
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
	[WINDOW_S] = { "late.window_s", 4, "s",
		       "over which they are counted; three quarters where most of twice as many are late" },
	[WAIT] = { "late.wait", 0.15, "",
		   "a worker that waits for a CPU for more than this share excuses the window" },
	{ NULL, 0, NULL, NULL },
};

#define PLACES        64u
#define PENDING       1024u
#define LOOKED_AT     64u /* of a type in one look; of more each second, third ... counts for so many */
#define SLICES        16u           /* of the window */
#define KEPT          (SLICES + 1)  /* the last of them runs */
#define CLEAR         12u           /* of them are enough where it is clear */
#define WATCHING_MOST 0.95          /* of a process's CPU time */
#define WATCHING_NS   1250000000ull /* later it is known what it took */
#define SETTLE_NS     200000000ull  /* what threads did is told by samples, which come after it */

/* late: no poll held all workers, and they had CPUs. */
struct sums {
	uint64_t timers, late, fire_ns, queue_ns, worst_ns, worst_task;
	uint32_t slices, oldest; /* in which some were; of them, how many slices ago */
};

struct place {
	uint32_t process, type;
	uint64_t since_ns, last_ns, first_ns; /* its first and last timer; begin of the trouble */
	uint64_t slice;                       /* that slot[slice % KEPT] is for */
	uint32_t look;                        /* timers since the last look */
	struct sums slot[KEPT];
};

struct state {
	uint64_t timers; /* read so far */
	struct detect_timers met;
	uint64_t starved_ns[MODEL_MAX_PROCESSES]; /* when a worker last waited for a CPU */
	struct place place[PLACES];
	struct {
		struct timer_fired fired;
		uint32_t weight;
	} pending[PENDING]; /* late ones, of which it is not known yet who had the CPUs */
	uint32_t n_pending;
};

static uint64_t slices_ns(const struct detect_run *run, uint32_t slices)
{
	double window_s = run->value[WINDOW_S] > 0.1 ? run->value[WINDOW_S] : 0.1;

	return (uint64_t)(window_s * 1e9 * slices / SLICES);
}

static uint64_t slice_of(const struct detect_run *run)
{
	return run->now_ns / slices_ns(run, 1);
}

static struct place *place_of(struct state *s, const struct detect_run *run, uint32_t process,
			      uint32_t type)
{
	struct place *oldest = &s->place[0];

	for (uint32_t i = 0; i < PLACES; i++) {
		struct place *p = &s->place[i];

		if (p->since_ns && p->process == process && p->type == type)
			return p;
		if (p->last_ns < oldest->last_ns)
			oldest = p;
	}
	*oldest = (struct place){
		.process = process, .type = type, .since_ns = run->now_ns, .slice = slice_of(run)
	};
	return oldest;
}

/* Where it counts now; what is older than the window is forgotten. */
static struct sums *slot_of(const struct detect_run *run, struct place *p)
{
	uint64_t now = slice_of(run);

	if (now > p->slice + KEPT)
		p->slice = now - KEPT;
	while (p->slice < now)
		p->slot[++p->slice % KEPT] = (struct sums){ 0 };
	return &p->slot[p->slice % KEPT];
}

/* Of the last n slices before the one that runs. */
static struct sums sum_of(const struct place *p, uint32_t n)
{
	struct sums sum = { 0 };

	for (uint32_t i = 1; i <= n; i++) {
		const struct sums *s = &p->slot[(p->slice - i) % KEPT];

		sum.timers += s->timers;
		sum.late += s->late;
		sum.slices += s->late != 0;
		sum.oldest = s->late ? i : sum.oldest;
		sum.fire_ns += s->fire_ns;
		sum.queue_ns += s->queue_ns;
		if (s->worst_ns > sum.worst_ns) {
			sum.worst_ns = s->worst_ns;
			sum.worst_task = s->worst_task;
		}
	}
	return sum;
}

/* One of the workers waited for a CPU for half of the time in which it had something to do. */
static bool is_starved(const struct detect_run *run, const struct timer_fired *t, uint32_t process)
{
	const struct model_process *p = model_process(run->model, process);

	for (uint32_t i = 0; p && i < p->nlanes; i++) {
		const struct model_lane *l = p->lanes[i];

		if (l && detect_is_worker(l) && l->runtime == t->runtime &&
		    lane_waiting(l, (uint64_t)t->deadline_ns, t->poll_ns) >= 0.5)
			return true;
	}
	return false;
}

/* None of the workers did anything: somebody has stopped the process, or the machine stood still. */
static bool is_stopped(const struct detect_run *run, const struct timer_fired *t, uint32_t process)
{
	const struct model_process *p = model_process(run->model, process);
	bool any = false;

	for (uint32_t i = 0; p && i < p->nlanes; i++) {
		const struct model_lane *l = p->lanes[i];

		if (!l || !detect_is_worker(l) || l->runtime != t->runtime)
			continue;
		if (!lane_stood_still(l, (uint64_t)t->deadline_ns, t->poll_ns))
			return false;
		any = true;
	}
	return any;
}

static bool is_excused(const struct detect_run *run, const struct timer_fired *t, uint32_t process)
{
	struct detect_workers w;

	detect_workers_of(run, process, t->runtime, (uint64_t)t->deadline_ns, t->poll_ns, 0, &w);
	return !w.n || w.held == w.n || w.starved || is_starved(run, t, process) ||
	       is_stopped(run, t, process);
}

static uint32_t process_of(const struct timer_fired *t)
{
	return (uint32_t)(t->task >> WEFT_TASK_PROCESS_SHIFT);
}

static uint64_t late_ns(const struct timer_fired *t)
{
	uint64_t deadline = (uint64_t)t->deadline_ns;

	return t->poll_ns > deadline ? t->poll_ns - deadline : 0;
}

static void count_late(struct detect_run *run, const struct timer_fired *t, uint32_t weight)
{
	uint64_t deadline = (uint64_t)t->deadline_ns;
	struct model_task *task = model_task(run->model, t->task);
	struct sums *p;

	if (!task)
		return;
	p = slot_of(run, place_of(run->state, run, process_of(t), task->type));
	p->timers += weight; /* here, too: what is late is a part of them */
	if (is_excused(run, t, process_of(t)))
		return;
	p->late += weight;
	p->fire_ns += weight * (t->fire_ns > deadline ? t->fire_ns - deadline : 0);
	p->queue_ns += weight * (t->poll_ns > t->fire_ns ? t->poll_ns - t->fire_ns : 0);
	if (late_ns(t) > p->worst_ns) {
		p->worst_ns = late_ns(t);
		p->worst_task = t->task;
	}
}

static void settle(struct detect_run *run)
{
	struct state *s = run->state;
	uint32_t left = 0;

	for (uint32_t i = 0; i < s->n_pending; i++)
		if (s->pending[i].fired.poll_ns + SETTLE_NS > run->now_ns)
			s->pending[left++] = s->pending[i];
		else
			count_late(run, &s->pending[i].fired, s->pending[i].weight);
	s->n_pending = left;
}

/* For how many of its type it counts; 0 = another does. */
static uint32_t weight_of(struct place *p)
{
	uint32_t n = p->look++, step = 1 + n / LOOKED_AT;

	return n % step ? 0 : step;
}

static void take(struct detect_run *run, const struct timer_fired *fired)
{
	struct model_task *t = model_task(run->model, fired->task);
	struct state *s = run->state;
	struct place *p;
	uint32_t weight;

	if (!t || fired->poll_ns == UINT64_MAX || fired->deadline_ns <= 0 ||
	    detect_disturbed(run, process_of(fired), (uint64_t)fired->deadline_ns))
		return;
	p = place_of(s, run, process_of(fired), t->type);
	p->last_ns = run->now_ns;
	weight = weight_of(p);
	if ((double)late_ns(fired) < run->value[LATE_MS] * 1e6) {
		slot_of(run, p)->timers += weight;
	} else if (weight && s->n_pending < PENDING) {
		/* Of very many types at once some find no room: those are neither late nor in time. */
		s->pending[s->n_pending].fired = *fired;
		s->pending[s->n_pending++].weight = weight;
	}
}

static void raise_place(struct detect_run *run, const struct place *at, const struct sums *p)
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
				 .first_ns = at->first_ns });
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
	detect_timer_grade(run, f, at->process, false);
	detect_advice(f, "%s",
		      advice_text(queue ? ADVICE_LATE_QUEUE : ADVICE_LATE_DRIVER,
				  detect_runtime_kind(run->model, at->process, MODEL_NONE)));
}

/*
 * A poll of a microsecond takes several while all is told of it, and thousands that are due at once wait for each other: without
 * what watching takes they would not be late. It can't make them wait for longer than it takes, in the slices in which they do. Also true
 * where that is not known yet, and where the timers are of a level that is over.
 */
static bool are_late_by_watching(const struct detect_run *run, const struct place *p,
				 const struct sums *sum, uint64_t span_ns)
{
	const struct model_process *process = model_process(run->model, p->process);
	double mean = (double)(sum->fire_ns + sum->queue_ns) / (double)sum->late, part, rate;

	if (!process || process->gone ||
	    (process->level == WEFT_LEVEL_LIGHT && process->quiet_ns &&
	     run->now_ns < process->quiet_ns + span_ns + 1000000000ull) ||
	    slices_ns(run, sum->oldest) < WATCHING_NS ||
	    !process_watching(process, run->now_ns - span_ns, &part, &rate))
		return true;
	if (part > WATCHING_MOST)
		part = WATCHING_MOST;
	return mean * (1 - part) < run->value[LATE_MS] * 1e6 &&
	       mean * sum->slices < rate * (double)span_ns;
}

/* Of as many slices, all watched, so many timers, and so large a part of them late. */
static bool are_late(struct detect_run *run, struct place *p, uint32_t slices, double timers,
		     double part)
{
	const struct state *s = run->state;
	uint64_t span_ns = slices_ns(run, slices);
	struct sums sum;

	if (run->now_ns < p->since_ns + span_ns ||
	    s->starved_ns[p->process] + span_ns >= run->now_ns)
		return false;
	sum = sum_of(p, slices);
	if ((double)sum.timers < timers || (double)sum.late < part * (double)sum.timers ||
	    !sum.late || are_late_by_watching(run, p, &sum, span_ns))
		return false;
	p->first_ns = p->first_ns ? p->first_ns : run->now_ns - span_ns;
	raise_place(run, p, &sum);
	return true;
}

static void judge(struct detect_run *run, struct place *p)
{
	double timers = run->value[TIMERS], part = run->value[PART];

	slot_of(run, p);
	p->look = 0;
	if (detect_is_held_up(run, p->process) ||
	    (!are_late(run, p, SLICES, timers, part) &&
	     !are_late(run, p, CLEAR, 2 * timers, (1 + part) / 2)))
		p->first_ns = 0;
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

	if (run->new_look)
		detect_each_worker(run, note_starved);
	while (model_timer_next(run->model, &s->timers, &fired)) {
		s->met.singles += fired.task != 0;
		s->met.drivers += !fired.task;
		take(run, &fired);
	}
	settle(run);
	for (uint32_t i = 0; run->new_look && i < PLACES; i++)
		if (s->place[i].since_ns)
			judge(run, &s->place[i]);
}

static bool blind(const struct detect_run *run, char *why, size_t size)
{
	return detect_timers_blind(run, &((const struct state *)run->state)->met, why, size);
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
