/* SPDX-License-Identifier: MIT */
/*
 * wait-cycle: tasks each of which awaits the end of the next, or a mutex that the next one holds, back to the first. Who awaits whom
 * comes with a walk that reads await chains; a circle counts when two walks show it and none of its tasks was polled between.
 * Circles through read locks, semaphores and channels are not seen: they don't say who would have to let go.
 * A Rust task does not say what it waits for; the task whose end it awaits has its waker. A select leaves wakers behind, too: so each task of the
 * circle has to have one waker in all, that one, and then nothing but the circle can ever wake it.
 */
#include <stdio.h>
#include <string.h>

#include "collector/detect/advice.h"
#include "collector/detect/load.h"

enum { IDLE_S, EVERY_S, TASKS };

static const struct detector_option options[] = {
	[IDLE_S] = { "cycle.idle_s", 2, "s", "its tasks have not been polled for so long" },
	[EVERY_S] = { "cycle.every_s", 3, "s", "between two walks that read what tasks wait for" },
	[TASKS] = { "cycle.tasks", 20000, "tasks", "with more of them no walk is asked for" },
	{ NULL, 0, NULL, NULL },
};

#define SOON_NS  900000000ull
#define GONE_NS  20000000000ull
#define LONGEST  16u
#define CIRCLES  16u
#define FOLLOWED 4096u /* tasks that wait for another, in one look */

struct circle {
	uint64_t task; /* the one with the least number */
	uint64_t first_walk_ns, seen_ns, polled_ns;
	uint32_t length;
	uint32_t polls; /* of its tasks together, by their own count: light tells no short ones */
};

struct state {
	uint64_t asked_ns[MODEL_MAX_PROCESSES];
	uint64_t walk_ns[MODEL_MAX_PROCESSES]; /* of the walk that was looked at last */
	bool suspect[MODEL_MAX_PROCESSES]; /* a circle was seen once: the next walk comes soon */
	bool may_be[MODEL_MAX_PROCESSES];  /* tasks were there that may be part of one */
	struct circle circle[CIRCLES];
	uint32_t n;
};

static bool is_rust(const struct detect_run *run, uint32_t process)
{
	enum weft_runtime_kind kind = detect_runtime_kind(run->model, process, MODEL_NONE);

	return kind == WEFT_RT_TOKIO || kind == WEFT_RT_ASYNC_STD || kind == WEFT_RT_SMOL;
}

static bool is_idle(const struct detect_run *run, const struct model_task *t)
{
	return task_alive(t) && !t->ready_ns &&
	       (double)run->now_ns >= (double)t->poll_ns + run->value[IDLE_S] * 1e9;
}

/* From `t` from one to the next back to it: members in ret, returns how many. 0 = it leads elsewhere. */
static uint32_t follow(const struct detect_run *run, struct model_task *t,
		       struct model_task *ret[LONGEST])
{
	bool rust = is_rust(run, t->process);
	struct model_task *at = t;

	for (uint32_t n = 0; n < LONGEST; n++) {
		uint64_t next = model_task_waits_for(run->model, at);

		if (!is_idle(run, at) || (rust && !at->stuck_on_one))
			return 0;
		ret[n] = at;
		at = next ? model_task(run->model, next) : NULL;
		if (!at)
			return 0;
		if (at == t)
			return n + 1;
	}
	return 0;
}

/* One that was seen once only, long ago, gives way: a walk takes its time, and tasks go on meanwhile. */
static struct circle *circle_of(struct state *s, uint64_t task, uint64_t now_ns)
{
	struct circle *c = s->n < CIRCLES ? &s->circle[s->n] : NULL;

	for (uint32_t i = 0; i < s->n; i++) {
		if (s->circle[i].task == task)
			return &s->circle[i];
		if (!c && s->circle[i].seen_ns + GONE_NS < now_ns)
			c = &s->circle[i];
	}
	if (!c)
		return NULL;
	s->n += c == &s->circle[s->n];
	*c = (struct circle){ .task = task };
	return c;
}

static bool by_mutex(const struct detect_run *run, const struct model_task *t)
{
	struct live_await chain;

	return model_task_await(run->model, t, &chain) && !strcmp(chain.on, "mutex");
}

static void say_cause(const struct detect_run *run, struct model_task *const member[], uint32_t n,
		      char *cause, size_t size)
{
	uint32_t mutexes = 0;

	for (uint32_t i = 0; i < n; i++)
		mutexes += by_mutex(run, member[i]);
	if (n == 1)
		snprintf(cause, size,
			 mutexes ? "it waits for a mutex that it holds itself"
				 : "it awaits its own end");
	else if (!mutexes)
		snprintf(cause, size, "%u tasks await each other's end in a circle", n);
	else
		snprintf(cause, size,
			 mutexes == n
				 ? "%u tasks wait in a circle for mutexes that the next one holds"
				 : "%u tasks wait for each other in a circle of joins and mutexes",
			 n);
}

static void raise_circle(struct detect_run *run, struct model_task *const member[], uint32_t n,
			 const struct circle *c)
{
	struct detect_subject subject = detect_subject_task(run->model, member[0]);
	struct live_await chain;
	struct live_finding *f;
	char cause[96];

	say_cause(run, member, n, cause, sizeof(cause));
	f = detect_raise(run, &subject,
			 &(struct detect_verdict){ .cause = cause,
						   .severity = LIVE_CRIT,
						   .confidence = 0.97f,
						   .first_ns = c->polled_ns });
	if (!f)
		return;
	detect_evidence(f, n, "tasks", "the same circle at two walks, none of them polled between");
	if (is_rust(run, member[0]->process))
		detect_evidence(f, 1, "wakers",
				"is left of each: the one that the end of the next would use");
	for (uint32_t i = 0; i < n && i < 6; i++) {
		bool known = model_task_await(run->model, member[i], &chain) && chain.places;

		detect_evidence(f, 1, "task", "%.50s (%llu) awaits %s%.50s%s%.80s",
				model_task_name(run->model, member[i]),
				(unsigned long long)(member[i]->id &
						     ((1ull << WEFT_TASK_PROCESS_SHIFT) - 1)),
				by_mutex(run, member[i]) ? "a mutex of " : "",
				model_task_name(run->model, member[(i + 1) % n]),
				known ? " at " : "", known ? chain.place[0].location : "");
	}
	detect_advice(f, "%s",
		      advice_text(ADVICE_CYCLE,
				  detect_runtime_kind(run->model, member[0]->process, MODEL_NONE)));
}

static void judge(struct detect_run *run, struct model_task *t, uint64_t walk_ns)
{
	struct model_task *member[LONGEST];
	uint32_t n = follow(run, t, member);
	uint64_t polled_ns = 0;
	uint32_t polls = 0;
	struct circle *c;

	for (uint32_t i = 0; i < n; i++) {
		if (member[i]->id < t->id)
			return; /* found from that one */
		polls += member[i]->census_polls;
		polled_ns = member[i]->poll_ns > polled_ns ? member[i]->poll_ns : polled_ns;
	}
	/* Who awaits whom is as old as the walk: a task that was polled since may wait for something else by now. */
	c = n && polled_ns < walk_ns ? circle_of(run->state, t->id, run->now_ns) : NULL;
	if (!c)
		return;
	c->seen_ns = run->now_ns;
	if (!c->first_walk_ns || c->length != n || c->polled_ns != polled_ns || c->polls != polls) {
		c->first_walk_ns = walk_ns;
		c->length = n;
		c->polled_ns = polled_ns;
		c->polls = polls;
	}
	if (walk_ns > c->first_walk_ns)
		raise_circle(run, member, n, c);
	else
		((struct state *)run->state)->suspect[t->process] = true;
}

static void look(struct detect_run *run, const struct model_process *p)
{
	uint32_t cursor = 0, followed = 0;
	bool rust = is_rust(run, p->index);
	struct state *s = run->state;
	struct model_task *t;

	/* Of Rust's tasks the walks that come anyway tell whether one more is worth while. */
	s->suspect[p->index] = false;
	s->may_be[p->index] = !rust && p->alive >= 2;
	while (followed < FOLLOWED && (t = model_task_each(run->model, &cursor))) {
		if (t->process != p->index || !task_alive(t))
			continue;
		s->may_be[p->index] |= rust && t->stuck_on_one && is_idle(run, t);
		if (!p->chain_walks || !model_task_waits_for(run->model, t))
			continue;
		followed++;
		judge(run, t, p->walk_ns);
	}
}

static void tick(struct detect_run *run)
{
	uint64_t every_ns = (uint64_t)(run->value[EVERY_S] * 1e9);
	struct state *s = run->state;

	for (uint32_t i = 0; i < model_processes(run->model); i++) {
		const struct model_process *p = model_process(run->model, i);

		if (!p || p->gone || !p->nruntimes ||
		    (!run->new_second && p->walk_done_ns == s->walk_ns[i] && !s->suspect[i]))
			continue;
		if (run->new_second || p->walk_done_ns != s->walk_ns[i])
			look(run, p);
		s->walk_ns[i] = p->walk_done_ns;
		if (!s->may_be[i] || (double)p->alive > run->value[TASKS] ||
		    run->now_ns < s->asked_ns[i] + (s->suspect[i] ? SOON_NS : every_ns) ||
		    run->now_ns < p->attached_ns + 1000000000ull)
			continue;
		s->asked_ns[i] = run->now_ns;
		detect_want_walk(run, i, true);
	}
}

static bool blind(const struct detect_run *run, char *why, size_t size)
{
	const struct state *s = run->state;
	bool walked = false;

	if (detect_load_blind(run, why, size))
		return true;
	for (uint32_t i = 0; i < model_processes(run->model); i++) {
		const struct model_process *p = model_process(run->model, i);

		if (!p)
			continue;
		walked |= s->may_be[i] ? p->chain_walks > s->suspect[i] : p->walks > 0;
	}
	if (!walked)
		snprintf(why, size, "no walk yet that reads what tasks wait for");
	return !walked;
}

const struct detector wait_cycle_detector = {
	.id = "wait-cycle",
	.symptom = SYMPTOM_WAIT_CYCLE,
	.options = options,
	.state_bytes = sizeof(struct state),
	.hold_ns = 30000000000ull,
	.tick = tick,
	.blind = blind,
};
