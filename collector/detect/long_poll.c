/* SPDX-License-Identifier: MIT */
/*
 * long-poll: polls that use the CPU for long while others wait, again and again, and are neither a busy-loop nor a blocking call:
 * those say more, and come first. Judged by CPU time, so neither a blocked poll nor a machine that others overload counts.
 */
#include <stdio.h>

#include "collector/detect/advice.h"
#include "collector/detect/load.h"

enum { WARN_MS, CRIT_MS, P99_FACTOR, FLOOR_MS, TIMES, SHARE };

static const struct detector_option options[] = {
	[WARN_MS] = { "long.warn_ms", 10, "ms", "CPU time of one poll while others wait: warn" },
	[CRIT_MS] = { "long.crit_ms", 50, "ms", "the same: crit" },
	[P99_FACTOR] = { "long.p99_factor", 3, "", "or so many times the p99 of its type" },
	[FLOOR_MS] = { "long.floor_ms", 5, "ms", "but not below this" },
	[TIMES] = { "long.times", 5, "polls", "so many within 10 s, over more than 3 s" },
	[SHARE] = { "long.share", 0.5, "cpu", "a type that takes more than this is busy-loop's" },
	{ NULL, 0, NULL, NULL },
};

#define PLACES      64u
#define RECENT_NS   10000000000ull
#define PATIENCE_NS 3000000000ull
#define SETTLE_NS   200000000ull /* until the victims of a poll are known */

struct place {
	uint32_t process, type;
	uint64_t first_ns, last_ns, window_ns; /* of the ten seconds */
	uint64_t times, cpu_ns, harm_ns, victims, worst_ns, worst_task;
};

struct state {
	struct detect_cursor *cursor, *suspects;
	uint64_t judged, untold; /* long polls; those of which records were lost */
	struct place place[PLACES];
};

static struct place *place_of(struct state *s, const struct detect_run *run, uint32_t process,
			      uint32_t type, uint64_t start_ns)
{
	struct place *oldest = &s->place[0];

	for (uint32_t i = 0; i < PLACES; i++) {
		struct place *p = &s->place[i];

		if (p->times && p->process == process && p->type == type &&
		    p->window_ns + RECENT_NS > run->now_ns)
			return p;
		if (p->times && p->process == process && p->type == type) {
			oldest = p;
			break;
		}
		if (p->last_ns < oldest->last_ns)
			oldest = p;
	}
	*oldest = (struct place){
		.process = process, .type = type, .first_ns = start_ns, .window_ns = run->now_ns
	};
	return oldest;
}

static bool is_long(const struct detect_run *run, const struct model_type *type, double cpu_ns)
{
	uint64_t p99 = hist_quantile(&type->poll_hist, 0.99, type->poll_max_ns);

	if (cpu_ns >= run->value[WARN_MS] * 1e6)
		return true;
	return p99 != LIVE_UNKNOWN && cpu_ns >= run->value[FLOOR_MS] * 1e6 &&
	       cpu_ns >= run->value[P99_FACTOR] * (double)p99;
}

static void raise_place(struct detect_run *run, const struct place *p)
{
	const struct model_type *type = model_type(run->model, p->type);
	struct model_task *t = model_task(run->model, p->worst_task);
	struct detect_subject subject;
	struct live_finding *f;
	char text[24];

	if (!type || !t)
		return;
	subject = detect_subject_task(run->model, t);
	if (detect_is_found(run, "busy-loop", &subject) ||
	    detect_is_found(run, "blocking-call", &subject))
		return;
	f = detect_raise(run, &subject,
			 &(struct detect_verdict){
				 .cause = "its polls use the CPU for long while others wait",
				 .severity = (double)p->worst_ns >= run->value[CRIT_MS] * 1e6
						     ? LIVE_CRIT
						     : LIVE_WARN,
				 .confidence = 0.9f,
				 .harm_task_ms = (double)p->harm_ns / 1e6,
				 .first_ns = p->first_ns });
	if (!f)
		return;
	detect_evidence(f, (double)p->worst_ns / 1e6, "ms", "%s of CPU time in the longest poll",
			detect_duration(p->worst_ns, text));
	detect_evidence(f, (double)p->times, "polls", "%llu long polls within 10 s, %s together",
			(unsigned long long)p->times, detect_duration(p->cpu_ns, text));
	detect_evidence(f, (double)p->harm_ns / 1e6, "task-ms",
			"%.4g task-ms that others were runnable behind them",
			(double)p->harm_ns / 1e6);
	detect_stack(run, f,
		     stack_store_last(model_stacks(run->model), t->id, WEFT_STACK_ON_CPU,
				      LIVE_UNKNOWN));
	detect_advice(f, "%s",
		      advice_text(ADVICE_LONG,
				  detect_runtime_kind(run->model, p->process, MODEL_NONE)));
}

/* Without word of the kernel or of samples, a poll that lost its CPU looks like one that used it. */
static bool is_known(const struct detect_run *run, const struct model_lane *l,
		     const struct lane_poll *poll)
{
	const struct model_process *p = model_process(run->model, l->process);

	return poll->proven || detect_poll_is_split(run, l, poll) ||
	       (p && p->level != WEFT_LEVEL_LIGHT && !detect_poll_is_torn(run, l, poll));
}

/* At light most polls are not seen: what one of them did, others may do, and each is seen for some seconds. */
static void suspect(struct detect_run *run, const struct model_lane *l,
		    const struct lane_poll *poll)
{
	double cpu = detect_poll_cpu(run, l, poll);

	if (cpu >= run->value[WARN_MS] * 1e6 && (double)poll->runnable_ns < cpu &&
	    !model_sees_polls(run->model, l->process) &&
	    !detect_disturbed(run, l->process, poll->start_ns))
		detect_want_closer(run, l->process);
}

static void ended(struct detect_run *run, const struct model_lane *l, const struct lane_poll *poll)
{
	struct model_task *t = model_task(run->model, poll->task);
	const struct model_type *type = t ? model_type(run->model, t->type) : NULL;
	double cpu = type ? detect_poll_cpu(run, l, poll) : 0;
	uint64_t harm = poll->harm_ns > poll->behind_ns ? poll->harm_ns : poll->behind_ns;
	struct state *s = run->state;
	struct place *p;

	/* Blocked for longer: a blocking call. Without a CPU for longer: the machine's fault. */
	if (!type || !harm || (double)(poll->blocked_ns + poll->runnable_ns) > cpu ||
	    !is_long(run, type, cpu) || detect_disturbed(run, l->process, poll->start_ns))
		return;
	if (!is_known(run, l, poll)) {
		s->untold += detect_poll_is_lost(run, l, poll);
		return;
	}
	s->judged++;
	p = place_of(s, run, l->process, t->type, poll->start_ns);
	p->last_ns = run->now_ns;
	p->times++;
	p->cpu_ns += (uint64_t)cpu;
	p->harm_ns += harm;
	p->victims += poll->victims;
	if (cpu > (double)p->worst_ns) {
		p->worst_ns = (uint64_t)cpu;
		p->worst_task = t->id;
	}
	if ((double)p->times >= run->value[TIMES] && poll->end_ns > p->first_ns + PATIENCE_NS &&
	    (double)p->cpu_ns <= run->value[SHARE] * (double)(poll->end_ns - p->first_ns))
		raise_place(run, p);
}

static void tick(struct detect_run *run)
{
	struct state *s = run->state;

	detect_each_long_poll(run, &s->suspects, 0, suspect);
	detect_each_long_poll(run, &s->cursor, SETTLE_NS, ended);
}

static void done(void *state)
{
	struct state *s = state;

	detect_cursor_free(s->cursor);
	detect_cursor_free(s->suspects);
}

static bool blind(const struct detect_run *run, char *why, size_t size)
{
	const struct state *s = run->state;

	if (detect_shares_blind(run, why, size))
		return true;
	if ((double)s->untold < run->value[TIMES] || s->untold <= s->judged)
		return false;
	snprintf(why, size, "of %llu long polls records were lost: they may have waited for a CPU",
		 (unsigned long long)s->untold);
	return true;
}

const struct detector long_poll_detector = {
	.id = "long-poll",
	.symptom = SYMPTOM_LONG_POLL,
	.options = options,
	.state_bytes = sizeof(struct state),
	.hold_ns = 10000000000ull,
	.tick = tick,
	.done = done,
	.blind = blind,
};
