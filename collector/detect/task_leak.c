/* SPDX-License-Identifier: MIT */
/*
 * task-leak: the number of tasks of one type grows and goes on growing. Slopes are Theil-Sen (the median of the slopes
 * between all pairs of seconds; P. K. Sen, 1968), so bursts and single steps do not count. Not a leak: a ramp
 * that has come to its plateau; tasks that each hold an open connection, or each wait for a timer, for as long as such things
 * may take to level out.
 */
#include "collector/detect/advice.h"
#include "collector/detect/detector.h"
#include "collector/detect/load.h"
#include "collector/detect/waits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW_S, MIN_GROWTH, MIN_PART, NET_PART, PATIENCE_S, OLD_FACTOR, CRIT_BYTES, CRIT_RATE };

static const struct detector_option options[] = {
	[WINDOW_S] = { "leak.window_s", 30, "s", "window over which growth is judged (10..100)" },
	[MIN_GROWTH] = { "leak.min_growth", 10, "tasks", "least growth in the window" },
	[MIN_PART] = { "leak.min_part", 0.02, "",
		       "least growth, as a part of the number at the window's start, where many end" },
	[NET_PART] = { "leak.net_part", 0.8, "",
		       "part of the growth that spawns minus ends must account for" },
	[PATIENCE_S] = { "leak.patience_s", 100, "s",
			 "growth that goes with open connections or armed timers must last so long" },
	[OLD_FACTOR] = { "leak.old_factor", 3, "x",
			 "older than so many times the usual life (p95) is past it" },
	[CRIT_BYTES] = { "leak.crit_bytes_s", 1048576, "B/s", "task memory growing faster: crit" },
	[CRIT_RATE] = { "leak.crit_rate", 100, "1/s", "tasks growing faster: crit" },
	{ NULL, 0, NULL, NULL },
};

#define MAX_WINDOW    100u
#define FIRST_SECONDS 2u /* after the attach: the first walk brings tasks that were there before */
#define RECENT_NS     5000000000ull
#define MIN_ENDED     20u /* ends before a usual life is known */
#define CHAINS_NS     5000000000ull
#define CHAINS_TASKS  20000u /* with more of them no walk that reads what all wait for */

struct state {
	uint64_t longest_s; /* longest history met: for the verdict */
	bool unsure; /* at the last look something grew by no more than ends may have been lost */
	uint64_t asked_ns[MODEL_MAX_PROCESSES]; /* for what its tasks wait for */
	uint32_t waits_type;                    /* what was known of it last: a walk begins anew */
	struct detect_waits waits;
	double slopes[MAX_WINDOW * (MAX_WINDOW + 1) / 2];
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Slopes per second between all pairs of n + 1 points, in order. Returns how many. */
static uint32_t all_slopes(double *slopes, const double *v, uint32_t n)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = i + 1; j <= n; j++)
			slopes[k++] = (v[j] - v[i]) / (j - i);
	qsort(slopes, k, sizeof(*slopes), by_value);
	return k;
}

static double median_slope(double *slopes, const double *v, uint32_t n)
{
	uint32_t k = all_slopes(slopes, v, n);

	return k ? slopes[k / 2] : 0;
}

/* One type over the window. */
struct growth {
	uint32_t window; /* s */
	double alive[MAX_WINDOW + 1], held[MAX_WINDOW + 1];
	double by, slope, low_slope,
		last_slope; /* tasks; per second: median, lower quartile, median of the last third */
	double spawns, ends;
	double held_by, held_slope;
};

static bool load(const struct model_type *t, uint32_t window, struct growth *g)
{
	uint64_t last = t->last_second;
	const struct model_type_sample *from, *to;

	if (t->first_second == UINT64_MAX || last < t->first_second + window + FIRST_SECONDS ||
	    window > MAX_WINDOW)
		return false;
	g->window = window;
	for (uint32_t i = 0; i <= window; i++) {
		g->alive[i] = t->history[(last - window + i) % MODEL_SECONDS].alive;
		g->held[i] = t->history[(last - window + i) % MODEL_SECONDS].held;
	}
	from = &t->history[(last - window) % MODEL_SECONDS];
	to = &t->history[last % MODEL_SECONDS];
	g->spawns = (double)(to->spawned - from->spawned);
	g->ends = (double)(to->ended - from->ended);
	g->by = g->alive[window] - g->alive[0];
	g->held_by = g->held[window] - g->held[0];
	return true;
}

static bool grows(const struct detect_run *run, struct growth *g)
{
	struct state *s = run->state;
	uint32_t third = g->window / 3, n;

	if (g->by < run->value[MIN_GROWTH])
		return false;
	/* A plateau breathes by a part of its size; tasks of which few end are none, however many there are by now. */
	if (g->by < run->value[MIN_PART] * g->alive[0] && g->ends * 2 > g->spawns)
		return false;
	if (g->spawns - g->ends < run->value[NET_PART] * g->by)
		return false;
	n = all_slopes(s->slopes, g->alive, g->window);
	g->slope = s->slopes[n / 2];
	g->low_slope = s->slopes[n / 4];
	g->last_slope = median_slope(s->slopes, g->alive + g->window - third, third);
	return g->low_slope > 0 && g->slope * g->window >= 0.5 * g->by &&
	       g->last_slope >= 0.3 * g->slope;
}

static bool held_grow(const struct detect_run *run, struct growth *g)
{
	struct state *s = run->state;
	uint32_t third = g->window / 3;

	if (g->held_by < run->value[MIN_GROWTH])
		return false;
	g->held_slope = median_slope(s->slopes, g->held, g->window);
	return g->held_slope > 0 && g->held[g->window] > g->held[g->window - third];
}

/* ---- ages ---- */

struct ages {
	uint64_t usual_ns;          /* p95 of the lives that ended, 0 = too few ended */
	uint64_t old;               /* alive tasks that are past it */
	uint64_t ready;             /* that are runnable and wait for a worker */
	uint64_t oldest_ns, moving; /* older than RECENT_NS, and polled or woken since */
	uint64_t sample;            /* a task that is old */
};

static void look_at_ages(const struct detect_run *run, const struct model_type *type,
			 struct ages *a)
{
	struct model_task *t;
	uint32_t cursor = 0;
	uint64_t limit;

	*a = (struct ages){ 0 };
	if (hist_count(&type->life_hist) >= MIN_ENDED)
		a->usual_ns = hist_quantile(&type->life_hist, 0.95, UINT64_MAX);
	limit = (uint64_t)(run->value[OLD_FACTOR] * (double)a->usual_ns);
	while ((t = model_task_each(run->model, &cursor))) {
		uint64_t age, last = t->poll_ns > t->wake_ns ? t->poll_ns : t->wake_ns;

		if (t->type != type->id || !task_alive(t))
			continue;
		age = task_age(t, run->now_ns);
		if (age == LIVE_UNKNOWN)
			age = run->now_ns;
		a->ready += t->ready_ns != 0;
		a->moving += age > RECENT_NS && last && last + RECENT_NS > run->now_ns;
		if (age > a->oldest_ns) {
			a->oldest_ns = age;
			a->sample = t->id;
		}
		a->old += age > limit && age > 1000000000;
	}
}

/* ---- what else grows with the tasks ---- */

static double gauge_growth(const struct model_process *p, const struct growth *g, uint64_t second)
{
	double most = 0;

	for (uint32_t i = 0; i < p->nruntimes; i++) {
		const struct model_runtime *rt = &p->runtime[i];
		double fds = (double)rt->fds[second % MODEL_SECONDS] -
			     rt->fds[(second - g->window) % MODEL_SECONDS];
		double timers = (double)rt->timers[second % MODEL_SECONDS] -
				rt->timers[(second - g->window) % MODEL_SECONDS];

		most = fmax(most, fmax(fds, timers));
	}
	return most;
}

/* Part of the growth of resident memory that the tasks' blocks account for; < 0 = memory does not grow or was not seen. */
static double explains(const struct detect_run *run, const struct model_process *p,
		       const struct growth *g, double bytes, uint64_t second, double *ret_rss_s)
{
	struct state *s = run->state;
	double rss[MAX_WINDOW + 1];

	for (uint32_t i = 0; i <= g->window; i++) {
		rss[i] = (double)p->rss[(second - g->window + i) % MODEL_SECONDS];
		if (rss[i] <= 0)
			return -1;
	}
	*ret_rss_s = median_slope(s->slopes, rss, g->window);
	return *ret_rss_s > 0 ? fmin(g->slope * bytes / *ret_rss_s, 1) : -1;
}

/* They would end, but others have the CPUs, and they wait in the queue: more of them than the half of the growth. */
static bool is_queue(const struct detect_run *run, const struct model_process *p,
		     const struct growth *g, const struct ages *a)
{
	uint64_t ready = model_sees_polls(run->model, p->index) ? a->ready : 0;
	bool starved = false;
	struct lane_parts parts;

	for (uint32_t i = 0; i < p->nlanes; i++)
		starved |= p->lanes[i] && detect_is_worker(p->lanes[i]) &&
			   lane_shares(p->lanes[i], run->now_ns, &parts) &&
			   parts.runnable * 5 > parts.span;
	for (uint32_t i = 0; i < p->nruntimes && starved; i++)
		if (detect_queued(run, p, &p->runtime[i]) > ready &&
		    !model_sees_polls(run->model, p->index))
			ready = detect_queued(run, p, &p->runtime[i]);
	return starved && (double)ready >= 0.5 * g->by;
}

/* ---- what they wait for ---- */

static const char *waits_on(const struct detect_waits *w)
{
	return !strcmp(w->on, "?")      ? "what does not say what it is"
	       : !strcmp(w->on, "join") ? "the end of another task"
					: w->on;
}

/* Of the C runtime's tasks a walk is asked for, or, where there are too many, one of them. */
static void look_at_waits(struct detect_run *run, const struct model_type *t, const struct ages *a,
			  struct detect_waits *ret)
{
	const struct model_process *p = model_process(run->model, t->process);
	struct state *s = run->state;
	uint64_t *asked_ns = &s->asked_ns[t->process];

	if (detect_waits_of_type(run, t, ret)) {
		s->waits_type = t->id;
		s->waits = *ret;
	} else if (s->waits_type == t->id) {
		*ret = s->waits;
	}
	if (detect_runtime_kind(run->model, t->process, t->runtime) != WEFT_RT_WEFT ||
	    (*asked_ns && run->now_ns < *asked_ns + CHAINS_NS))
		return;
	*asked_ns = run->now_ns;
	if (p->alive <= CHAINS_TASKS)
		detect_want_walk(run, t->process, true);
	else if (a->sample)
		detect_want_await(run, t->process, a->sample);
}

/* ---- raising ---- */

static void evidence(struct detect_run *run, struct live_finding *f, const struct model_type *t,
		     const struct growth *g, const struct ages *a, const struct detect_waits *w)
{
	const struct model_process *p = model_process(run->model, t->process);
	double bytes = t->spawned ? (double)t->bytes / (double)t->spawned : 0, rss_s = 0, part;
	char text[24];

	detect_evidence(f, g->slope, "tasks/s",
			"%.1f tasks more each second: from %.0f to %.0f alive within %u s",
			g->slope, g->alive[0], g->alive[g->window], g->window);
	detect_evidence(f, g->spawns / g->window, "1/s",
			"%.1f are spawned each second, and %.1f end", g->spawns / g->window,
			g->ends / g->window);
	if (a->usual_ns)
		detect_evidence(
			f, (double)a->old, "tasks",
			"%llu are older than %.0f times the usual life of this type (95 %% end within %s)",
			(unsigned long long)a->old, run->value[OLD_FACTOR],
			detect_duration(a->usual_ns, text));
	if (model_sees_polls(run->model, t->process))
		detect_evidence(
			f, (double)a->moving, "tasks",
			"%llu of those older than 5 s were polled or woken since; the oldest is %s old",
			(unsigned long long)a->moving, detect_duration(a->oldest_ns, text));
	if (w->tasks)
		detect_evidence(f, w->tasks, "tasks",
				"%u of %u looked at wait for %s%s%.50s%s%.80s%s", w->tasks, w->of,
				waits_on(w), w->place.func[0] ? " in " : "", w->place.func,
				w->place.func[0] ? " (" : "", w->place.location,
				w->place.func[0] ? ")" : "");
	part = explains(run, p, g, bytes, t->last_second, &rss_s);
	if (bytes > 0)
		detect_evidence(f, g->slope * bytes, "B/s",
				"%.1f KiB a second of task blocks, %.0f bytes each, %.0f KiB now",
				g->slope * bytes / 1024, bytes, bytes * t->alive / 1024);
	if (part >= 0)
		detect_evidence(f, part * 100, "%",
				"%.0f %% of what resident memory grows by, %.0f KiB a second",
				part * 100, rss_s / 1024);
}

static void raise_leak(struct detect_run *run, const struct model_type *t, const struct growth *g,
		       const struct ages *a)
{
	struct detect_subject subject = detect_subject_type(t);
	double bytes = t->spawned ? (double)t->bytes / (double)t->spawned : 0;
	struct detect_verdict v = { .severity = LIVE_WARN,
				    .confidence = a->usual_ns ? 0.9f : 0.85f };
	struct detect_waits w;
	struct live_finding *f;
	char cause[96];
	int n;

	if (g->slope >= run->value[CRIT_RATE] || g->slope * bytes >= run->value[CRIT_BYTES])
		v.severity = LIVE_CRIT;
	if (a->moving * 10 > t->alive)
		v.confidence -= 0.15f;
	look_at_waits(run, t, a, &w);
	n = snprintf(cause, sizeof(cause), "%s: %+.1f/s, %u alive",
		     g->ends ? "more are spawned than end" : "none of them ends", g->slope,
		     t->alive);
	if (w.tasks * 2 > w.of && strcmp(w.on, "?"))
		snprintf(cause + n, sizeof(cause) - (size_t)n, ", waiting for %s", waits_on(&w));
	v.cause = cause;
	v.first_ns = run->now_ns > g->window * 1000000000ull
			     ? run->now_ns - g->window * 1000000000ull
			     : 0;
	f = detect_raise(run, &subject, &v);
	if (!f)
		return;
	evidence(run, f, t, g, a, &w);
	if (a->sample)
		detect_stack(run, f,
			     stack_store_last(model_stacks(run->model), a->sample, 0,
					      LIVE_UNKNOWN));
	detect_advice(f, "%s",
		      advice_text(ADVICE_LEAK,
				  detect_runtime_kind(run->model, t->process, t->runtime)));
}

static void raise_held(struct detect_run *run, const struct model_type *t, const struct growth *g)
{
	struct detect_subject subject = detect_subject_type(t);
	struct live_finding *f;
	char cause[96];

	snprintf(cause, sizeof(cause), "completed, but their handles are held: %+.1f/s, %u kept",
		 g->held_slope, t->held);
	f = detect_raise(run, &subject,
			 &(struct detect_verdict){
				 .cause = cause, .severity = LIVE_WARN, .confidence = 0.95f });
	if (!f)
		return;
	detect_evidence(
		f, g->held_by, "tasks",
		"%.0f more are kept than %u s ago: from %.0f to %.0f, by the walks over all tasks",
		g->held_by, g->window, g->held[0], g->held[g->window]);
	detect_evidence(f, g->ends / g->window, "1/s", "%.1f of this type end each second",
			g->ends / g->window);
	detect_advice(f, "%s",
		      advice_text(ADVICE_HELD,
				  detect_runtime_kind(run->model, t->process, t->runtime)));
}

static void judge(struct detect_run *run, const struct model_type *t, uint32_t window)
{
	const struct model_process *p = model_process(run->model, t->process);
	struct growth g;
	struct ages a;

	if (!load(t, window, &g))
		return;
	if (held_grow(run, &g))
		raise_held(run, t, &g);
	if (!grows(run, &g))
		return;
	if (window < run->value[PATIENCE_S] && gauge_growth(p, &g, t->last_second) >= 0.8 * g.by) {
		judge(run, t, (uint32_t)fmin(run->value[PATIENCE_S], MAX_WINDOW));
		return;
	}
	look_at_ages(run, t, &a);
	if ((a.usual_ns && (double)a.old < 0.5 * g.by) || is_queue(run, p, &g, &a))
		return;
	/* Among what was lost are ends, and no walk that is torn says which. */
	if (g.by < 2 * run->lost * g.spawns) {
		((struct state *)run->state)->unsure = true;
		return;
	}
	raise_leak(run, t, &g, &a);
}

static uint32_t window_of(const double *value)
{
	return (uint32_t)fmax(10, fmin(value[WINDOW_S], MAX_WINDOW));
}

static void tick(struct detect_run *run)
{
	struct state *s = run->state;

	if (!run->new_second)
		return;
	s->unsure = false;
	for (uint32_t i = 0; i < model_types(run->model); i++) {
		const struct model_type *t = model_type(run->model, i);
		const struct model_process *p = model_process(run->model, t->process);

		if (t->first_second != UINT64_MAX &&
		    t->last_second - t->first_second > s->longest_s)
			s->longest_s = t->last_second - t->first_second;
		if (p && !p->gone && run->lost <= 0.01)
			judge(run, t, window_of(run->value));
	}
}

static bool blind(const struct detect_run *run, char *why, size_t size)
{
	const struct state *s = run->state;
	uint32_t window = window_of(run->value);
	uint64_t watched = detect_watched_ns(run->detect) / 1000000000;

	if (s->unsure) {
		snprintf(why, size, "tasks grow in number, or the ends of some were lost");
		return true;
	}
	if (model_types(run->model) && s->longest_s >= window + FIRST_SECONDS)
		return false;
	if (watched >= window + FIRST_SECONDS && !model_types(run->model)) {
		snprintf(why, size, "no tasks");
		return false;
	}
	snprintf(why, size, "watched for %llu s, needs %u s", (unsigned long long)watched,
		 window + FIRST_SECONDS);
	return true;
}

const struct detector task_leak_detector = {
	.id = "task-leak",
	.symptom = SYMPTOM_TASK_LEAK,
	.options = options,
	.state_bytes = sizeof(struct state),
	.hold_ns = 10000000000ull,
	.tick = tick,
	.blind = blind,
};
