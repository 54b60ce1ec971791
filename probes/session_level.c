// SPDX-License-Identifier: MIT
/*
 * The level of each process. Automatic: starts at light, rises to normal while the estimated cost there
 * stays under max_overhead of the target's CPU time (half a core's, where it uses less), falls back when the real one does not. Who suspects what only normal
 * tells (SESSION_WANT_CLOSER) gets it for some seconds at any cost, but not again soon. Where options.looks says so a look comes
 * without a suspicion, too, for what light does not show at all: on average over some minutes max_overhead holds all the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "probes/session_internal.h"

#define WINDOW     10    /* seconds */
#define EVENT_NS   15.0  /* one record in the runtime, measured */
#define SWITCH_NS  200.0 /* one context switch under the scheduler's programs, measured */
#define RISE_SHARE 0.8   /* of the allowed overhead */
#define IDLE_SHARE \
	0.5 /* a target's CPU is taken for at least this share of a core: 5 % of next to nothing would see nothing */
#define STAY_SECONDS \
	6 /* at normal, where it costs a little too much: what is judged there takes as long */
#define FAR_TOO_MUCH 3   /* times what is allowed */
#define REST_SECONDS 30  /* after a fall */
#define CLOSER_MAX   10u /* seconds */
#define CLOSER_REST  60u /* before the next time; twice as long after each */
#define CLOSER_RESTS 960u
#define LOOK_SECONDS 8u  /* of one without a suspicion; */
#define LOOK_AFTER   10u /* so many at least after the begin, */
#define LOOK_CREDIT  60  /* and those of which the allowance may be spent in advance, */
#define LOOK_SAVED   300 /* or saved */

struct level_second {
	uint64_t cpu_ns;
	double cost_ns, normal_ns; /* at the level in force; if it were normal */
};

struct level_window {
	struct level_second second[WINDOW];
	unsigned filled, at, rest;
	unsigned closer;                 /* seconds of a look that are left */
	unsigned closer_rest, look_rest; /* before the next one: on a suspicion, and without */
	unsigned closer_next, look_next; /* the rest after that */
	unsigned watched;
	double light,
		saved; /* what light cost last; of what is allowed, in seconds of the target's CPU */
	bool primed;
	struct source_load load;
	uint64_t hits, cpu_ns;
};

static const char *const level_names[] = { "off", "light", "normal", "full" };

static void tell(struct process *p, bool automatic, const char *why)
{
	struct weft_ev_level e = { .level = p->level, .automatic = automatic };

	session_text(e.why, sizeof(e.why), why);
	session_emit(p->session,
		     (struct weft_ev){ .kind = WEFT_EV_LEVEL_SET,
				       .process = p->index,
				       .tid = (uint32_t)p->pid,
				       .time_ns = clock_pair_now_ns() },
		     &e, sizeof(e));
}

static int set(struct process *p, enum weft_level level, bool automatic, const char *why)
{
	struct session *s = p->session;
	int err = 0;

	if (!p->runtime || level == p->level)
		return 0;
	if (p->runtime->level)
		err = p->runtime->level(s->source_state[process_source_id(p->runtime)], p, level);
	if (err)
		return err;
	p->level = level;
	for (unsigned i = 0; sources[i]; i++)
		if (sources[i] != p->runtime && sources[i]->level && s->source_state[i])
			sources[i]->level(s->source_state[i], p, level);
	tell(p, automatic, why);
	return 0;
}

static int set_asked(struct process *p, enum weft_level level)
{
	int err;

	/* Where it was by itself already, from now on it does not change by itself: that is told, too. */
	if (level == p->level) {
		tell(p, false, "asked for");
		return 0;
	}
	err = set(p, level, false, "asked for");
	if (err != -ENOTSUP)
		return err;
	session_cannot_see(
		p->session, p->index, level_names[level],
		"this kernel has no usable uprobe_multi links: level light only; Linux 6.10 or newer has them");
	return set(p, WEFT_LEVEL_LIGHT, false, "the kernel allows no more");
}

int session_level_start(struct process *p)
{
	if (!p->window)
		p->window = calloc(1, sizeof(*p->window));
	if (!p->window)
		return session_fail(p->session, -ENOMEM, "out of memory");
	if (p->session->level)
		return set_asked(p, p->session->level);
	return set(p, WEFT_LEVEL_LIGHT, true, "automatic: the cost is measured first");
}

/* From where it is, but full is never chosen by cost. */
static int set_automatic(struct process *p)
{
	if (p->window)
		p->window->filled = p->window->at = p->window->rest = 0;
	if (p->level > WEFT_LEVEL_NORMAL)
		return set(p, WEFT_LEVEL_NORMAL, true, "automatic: full comes on demand only");
	tell(p, true, "automatic: by what it costs");
	return 0;
}

int session_level_want(struct session *s, enum weft_level level)
{
	int err = 0;

	if (level > WEFT_LEVEL_FULL)
		return session_fail(s, -EINVAL, "no such level: %u", level);
	s->level = level;
	for (struct process *p = s->processes; p && !err; p = p->next)
		if (p->state != PROCESS_ENDED && p->runtime)
			err = level ? set_asked(p, level) : set_automatic(p);
	return err;
}

static int look_closer(struct process *p, struct level_window *w, unsigned seconds,
		       const char *what)
{
	char why[112];
	int err;

	snprintf(why, sizeof(why), "automatic: %s, for %u s", what, seconds);
	err = set(p, WEFT_LEVEL_NORMAL, true, why);
	if (err)
		return err;
	w->filled = w->at = 0;
	w->closer = seconds + 1; /* this second is not whole */
	return 0;
}

/* Also where the look is refused. next: of the two, its own. */
static unsigned rest_after(const struct level_window *w, unsigned *next)
{
	unsigned rest = *next ? *next : CLOSER_REST;

	*next = rest * 2 < CLOSER_RESTS ? rest * 2 : CLOSER_RESTS;
	return w->closer + rest;
}

int session_level_closer(struct process *p, unsigned seconds)
{
	struct level_window *w = p->window;
	int err;

	if (!w || p->session->level || p->level != WEFT_LEVEL_LIGHT || w->closer_rest)
		return 0;
	err = look_closer(p, w, seconds < CLOSER_MAX ? seconds : CLOSER_MAX,
			  "a closer look at a suspicion");
	w->closer_rest = rest_after(w, &w->closer_next);
	return err;
}

/* ---- automatic ---- */

static bool read_load(struct process *p, struct source_load *load)
{
	struct session *s = p->session;

	return p->runtime && p->runtime->load &&
	       p->runtime->load(s->source_state[process_source_id(p->runtime)], p, load);
}

/* What light takes there is no way around: half of what is allowed is for looks, whatever light leaves of it. */
static double spare(double now, double allowed)
{
	return allowed - now > allowed / 2 ? allowed - now : allowed / 2;
}

static double above(double now, double allowed)
{
	return now > allowed ? now : allowed;
}

static void save(struct level_window *w, const struct level_second *now, enum weft_level level,
		 double allowed)
{
	double cpu = (double)now->cpu_ns > IDLE_SHARE * 1e9 ? (double)now->cpu_ns
							    : IDLE_SHARE * 1e9;
	double share = now->cost_ns / cpu;

	w->watched++;
	if (level == WEFT_LEVEL_LIGHT)
		w->light = share;
	w->saved += level == WEFT_LEVEL_LIGHT ? spare(share, allowed)
					      : above(w->light, allowed) - share;
	if (w->saved > LOOK_SAVED * allowed)
		w->saved = LOOK_SAVED * allowed;
}

static void add_second(struct process *p, struct level_window *w)
{
	struct session *s = p->session;
	uint64_t hits = __atomic_load_n(&s->follow->entry[p->follow].hits, __ATOMIC_RELAXED);
	struct level_second *now = &w->second[w->at];
	struct source_load load;
	double events, switches, normal;

	if (!read_load(p, &load))
		return;
	events = (double)(load.events - w->load.events);
	switches = (double)(load.switches - w->load.switches);
	normal = (double)(load.normal_events - w->load.normal_events);
	now->cpu_ns = p->cpu_ns - w->cpu_ns;
	now->cost_ns = (double)(hits - w->hits) * s->hit_ns + events * EVENT_NS +
		       (double)(load.hits_ns - w->load.hits_ns) +
		       (p->level > WEFT_LEVEL_LIGHT ? switches * SWITCH_NS : 0);
	now->normal_ns =
		(double)(load.normal_bytes - w->load.normal_bytes) / WEFT_BATCH_BYTES * s->hit_ns +
		normal * EVENT_NS + (double)(load.normal_hits_ns - w->load.normal_hits_ns) +
		switches * SWITCH_NS;
	if (w->primed) {
		p->target_ns += (uint64_t)now->cost_ns;
		save(w, now, p->level, s->options.max_overhead);
		w->at = (w->at + 1) % WINDOW;
		w->filled += w->filled < WINDOW;
	}
	w->primed = true;
	w->load = load;
	w->hits = hits;
	w->cpu_ns = p->cpu_ns;
}

static void shares(const struct level_window *w, double *now, double *normal)
{
	double cpu = 0, cost = 0, would = 0;

	for (unsigned i = 0; i < w->filled; i++) {
		cpu += (double)w->second[i].cpu_ns;
		cost += w->second[i].cost_ns;
		would += w->second[i].normal_ns;
	}
	if (cpu < w->filled * IDLE_SHARE * 1e9)
		cpu = w->filled * IDLE_SHARE * 1e9;
	*now = cpu > 0 ? cost / cpu : 0;
	*normal = cpu > 0 ? would / cpu : 0;
}

static bool is_too_dear(const struct level_window *w, double now, double allowed)
{
	if (w->closer || w->filled < 3)
		return false;
	return now > allowed * (w->filled < STAY_SECONDS ? FAR_TOO_MUCH : 1);
}

/* Looks at several at once would take too much together, and lose events of all. */
static bool is_alone(const struct session *s)
{
	unsigned live = 0;

	for (const struct process *p = s->processes; p; p = p->next)
		live += p->state == PROCESS_LIVE;
	return live < 2;
}

/* At light, which shows some things not at all: is it time for a look without a suspicion? */
static bool may_look(const struct process *p, const struct level_window *w, double now,
		     double normal)
{
	const double allowed = p->session->options.max_overhead;

	return p->session->options.looks && is_alone(p->session) && !w->rest && !w->look_rest &&
	       w->watched >= LOOK_AFTER && w->filled >= 3 &&
	       LOOK_SECONDS * (normal - above(now, allowed)) <=
		       w->saved + LOOK_CREDIT * spare(now, allowed);
}

static void decide(struct process *p, struct level_window *w)
{
	const double allowed = p->session->options.max_overhead;
	double now, normal;
	char why[112];

	w->rest -= w->rest > 0;
	w->closer_rest -= w->closer_rest > 0;
	w->look_rest -= w->look_rest > 0;
	w->closer -= w->closer > 0;
	if (!w->filled)
		return;
	shares(w, &now, &normal);
	if (p->level == WEFT_LEVEL_LIGHT && !w->rest && normal < allowed * RISE_SHARE) {
		snprintf(why, sizeof(why),
			 "automatic: normal costs about %.1f %% of its CPU, %.1f %% are allowed",
			 normal * 100, allowed * 100);
		set(p, WEFT_LEVEL_NORMAL, true, why);
		w->filled = w->at = 0;
	} else if (p->level == WEFT_LEVEL_NORMAL && is_too_dear(w, now, allowed)) {
		snprintf(why, sizeof(why),
			 "automatic: normal costs %.1f %% of its CPU, %.1f %% are allowed",
			 now * 100, allowed * 100);
		set(p, WEFT_LEVEL_LIGHT, true, why);
		w->filled = w->at = 0;
		w->rest = REST_SECONDS;
	} else if (p->level == WEFT_LEVEL_LIGHT && may_look(p, w, now, normal)) {
		look_closer(p, w, LOOK_SECONDS, "a look at what light does not show");
		w->look_rest = rest_after(w, &w->look_next);
	}
}

void session_level_count(struct process *p)
{
	if (p->window)
		add_second(p, p->window);
}

void session_level_second(struct process *p)
{
	if (p->window && !p->session->level)
		decide(p, p->window);
}
