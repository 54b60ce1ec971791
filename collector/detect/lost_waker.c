/* SPDX-License-Identifier: MIT */
/*
 * lost-waker: a task that waits, and nobody is left that could wake it. Proof is the reference count: each waker is a reference, and a
 * walk over the target's memory finds none but the task's own and its handle's. What waits inside the runtime (a timer, a
 * socket, a lock) is linked there without a reference and says so in its await chain: the chain has to say nothing. On async-std and smol
 * whatever wakes a task has cloned its waker, so the count is all. Two looks, nearly a second apart, with no poll between.
 */
#include <stdio.h>
#include <string.h>

#include "collector/detect/advice.h"
#include "collector/detect/load.h"

static const struct detector_option options[] = {
	{ "lost.wait_s", 2, "s", "idle for so long; looked at from half of that on" },
	{ NULL, 0, NULL, NULL },
};

#define SUSPECTS    64u
#define AGAIN_NS    1000000000ull
#define APART_NS    900000000ull /* between the two looks that make a proof */
#define PATIENCE_NS 60000000000ull
#define WALKED      20000u /* tasks; with more of them no walk is asked for */

struct suspect {
	uint64_t task, asked_ns, seen_ns; /* seen: when the chain of the first look was read */
	uint32_t polls;                   /* as of then */
};

struct state {
	struct suspect suspect[SUSPECTS];
	uint32_t n;
	uint32_t process, asked; /* whose chains this look asks for, of how many tasks */
	uint64_t task,
		asked_ns; /* the one among them that waits for longest; when chains were last asked for */
};

static struct suspect *find_suspect(struct state *s, uint64_t task)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->suspect[i].task == task)
			return &s->suspect[i];
	return NULL;
}

static struct suspect *suspect_of(struct state *s, uint64_t task, uint64_t now_ns)
{
	struct suspect *k = find_suspect(s, task);

	for (uint32_t i = 0; i < s->n && !k; i++)
		if (s->suspect[i].asked_ns + PATIENCE_NS < now_ns) {
			s->suspect[i] = (struct suspect){ .task = task };
			return &s->suspect[i];
		}
	if (k || s->n == SUSPECTS)
		return k;
	s->suspect[s->n] = (struct suspect){ .task = task };
	return &s->suspect[s->n++];
}

/* There is room for another one. */
static void clear_suspect(struct state *s, uint64_t task)
{
	struct suspect *k = find_suspect(s, task);

	if (k)
		*k = s->suspect[--s->n];
}

/* again_ns: of the second look. chain NULL: none was needed. */
static void raise_task(struct detect_run *run, const struct model_task *t, const struct suspect *k,
		       uint64_t again_ns, const struct live_await *chain)
{
	struct detect_subject subject = detect_subject_task(run->model, t);
	struct live_finding *f;
	char text[24];

	f = detect_raise(run, &subject,
			 &(struct detect_verdict){
				 .cause = "it waits, and nobody holds a waker of it",
				 .severity = chain ? LIVE_CRIT : LIVE_WARN,
				 .confidence = chain ? 0.95f : 0.85f,
				 .first_ns = t->poll_ns ? t->poll_ns : k->seen_ns });
	if (!f)
		return;
	detect_evidence(f, 0, "wakers",
			"no waker is left: only the task itself and its handle refer to it");
	detect_evidence(f, (double)(run->now_ns - k->seen_ns) / 1e9, "s",
			"the same at two looks, %s apart, with %u polls at both",
			detect_duration(again_ns - k->seen_ns, text), k->polls);
	if (chain)
		detect_evidence(f, 1, "place",
				"it waits in %.60s (%.100s), which does not say on what",
				chain->place[0].func, chain->place[0].location);
	else
		detect_evidence(
			f, 1, "",
			"where it waits is not known: std::future::pending() looks the same");
	detect_advice(f, "%s",
		      advice_text(ADVICE_LOST,
				  detect_runtime_kind(run->model, t->process, MODEL_NONE)));
}

static bool is_counted_whole(const struct detect_run *run, const struct model_task *t)
{
	enum weft_runtime_kind kind = detect_runtime_kind(run->model, t->process, MODEL_NONE);

	return kind == WEFT_RT_ASYNC_STD || kind == WEFT_RT_SMOL || kind == WEFT_RT_TOKIO;
}

/* Nothing but std::future::pending(), or the like of it: meant to wait for good. */
static bool is_endless(const struct detect_run *run, const struct model_task *t)
{
	const char *name = model_task_name(run->model, t);

	return strstr(name, "future::pending::Pending") ||
	       strstr(name, "futures_lite::future::Pending");
}

/* For that part of the time that it takes. */
static bool is_idle(const struct detect_run *run, uint64_t since_ns, double part)
{
	return (double)run->now_ns >= (double)since_ns + part * run->value[0] * 1e9;
}

/* Each walk that meets it, alone, is a look. */
static void look_by_count(struct detect_run *run, const struct model_task *t, struct suspect *k)
{
	const struct model_process *p = model_process(run->model, t->process);

	if (!p || !p->walks || t->walk != (uint8_t)p->walk)
		return;
	if (!k->seen_ns || k->polls != (uint32_t)t->polls) {
		k->seen_ns = p->walk_ns;
		k->polls = (uint32_t)t->polls;
	} else if (p->walk_ns >= k->seen_ns + APART_NS && is_idle(run, k->seen_ns, 1)) {
		raise_task(run, t, k, p->walk_ns, NULL);
		return;
	}
	if (run->now_ns >= k->asked_ns + AGAIN_NS) {
		k->asked_ns = run->now_ns;
		detect_want_walk(run, t->process, false);
	}
}

/* What it waits for was read not long ago, and not polled since. */
static bool is_fresh(const struct detect_run *run, const struct model_task *t, uint64_t read_ns)
{
	return read_ns >= t->poll_ns && read_ns + PATIENCE_NS / 2 > run->now_ns;
}

/* The one that was asked for longest ago. */
static void ask(struct detect_run *run, const struct model_task *t, const struct suspect *k)
{
	struct state *s = run->state;

	if (s->asked && s->process != t->process)
		return; /* the next time */
	if (!s->asked || k->asked_ns < find_suspect(s, s->task)->asked_ns)
		s->task = t->id;
	s->process = t->process;
	s->asked++;
}

/* The session answers for one task at a time: where there are more, a walk that reads all chains does it. */
static void ask_for_all(struct detect_run *run)
{
	struct state *s = run->state;
	const struct model_process *p = model_process(run->model, s->process);
	bool walk = s->asked > 1 && p->alive <= WALKED;

	if (!s->asked || run->now_ns < s->asked_ns + AGAIN_NS) {
		s->asked = 0;
		return;
	}
	s->asked_ns = run->now_ns;
	if (walk)
		detect_want_walk(run, s->process, true);
	else
		detect_want_await(run, s->process, s->task);
	for (uint32_t i = 0; i < s->n; i++)
		if (s->suspect[i].task == s->task ||
		    (walk && s->suspect[i].task >> WEFT_TASK_PROCESS_SHIFT == s->process))
			s->suspect[i].asked_ns = run->now_ns;
	s->asked = 0;
}

static void look_at(struct detect_run *run, const struct model_task *t)
{
	bool whole, mute = false;
	struct live_await chain;
	struct suspect *k;
	uint64_t read_ns;

	if (!task_alive(t) || !t->alone || t->ready_ns || (t->flags & MODEL_T_BLOCK_ON) ||
	    !is_idle(run, t->poll_ns, 0.5))
		return;
	whole = is_counted_whole(run, t);
	read_ns = whole ? 0 : model_task_await_when(run->model, t, &mute);
	if (whole ? is_endless(run, t) : read_ns && !mute && is_fresh(run, t, read_ns)) {
		clear_suspect(run->state, t->id);
		return;
	}
	k = suspect_of(run->state, t->id, run->now_ns);
	if (!k)
		return;
	if (whole) {
		look_by_count(run, t, k);
		return;
	}
	if (mute && read_ns > k->asked_ns && k->asked_ns &&
	    model_task_await(run->model, t, &chain)) {
		if (k->seen_ns && chain.polls == k->polls) {
			if (chain.t_ns >= k->seen_ns + APART_NS && is_idle(run, t->poll_ns, 1))
				raise_task(run, t, k, chain.t_ns, &chain);
		} else {
			k->seen_ns = chain.t_ns;
			k->polls = chain.polls;
		}
	}
	if (run->now_ns >= k->asked_ns + AGAIN_NS)
		ask(run, t, k);
}

static uint64_t tasks(const struct detect_run *run)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < model_processes(run->model); i++)
		n += model_process(run->model, i) ? model_process(run->model, i)->alive : 0;
	return n;
}

/* Four times a second; where there are many only those that are suspected, and the others once. */
static void tick(struct detect_run *run)
{
	struct state *s = run->state;
	const struct model_task *t;
	uint32_t cursor = 0;

	if (!run->new_look)
		return;
	if (run->new_second || tasks(run) <= WALKED) {
		while ((t = model_task_each(run->model, &cursor)))
			look_at(run, t);
	} else {
		for (uint32_t i = s->n; i-- > 0;) /* one that is cleared makes room for the last */
			if ((t = model_task(run->model, s->suspect[i].task)))
				look_at(run, t);
	}
	ask_for_all(run);
}

/* The walks come every few seconds; a recording without any is not judged, and says so. */
static bool blind(const struct detect_run *run, char *why, size_t size)
{
	double needs = run->value[0] * 1e9 + APART_NS;
	uint64_t watched = detect_watched_ns(run->detect);
	bool walked = false, crowded = false;

	if (detect_load_blind(run, why, size))
		return true;
	for (uint32_t i = 0; i < model_processes(run->model); i++) {
		const struct model_process *p = model_process(run->model, i);

		walked |= p && p->walks;
		crowded |= p && p->alive > WALKED &&
			   detect_runtime_kind(run->model, i, MODEL_NONE) == WEFT_RT_WEFT;
	}
	if (!walked)
		snprintf(why, size, "no walk over all tasks yet");
	else if ((double)watched < needs)
		snprintf(why, size, "watched for %.1f s, needs %.1f s", (double)watched / 1e9,
			 needs / 1e9);
	else if (crowded)
		snprintf(why, size, "more than %u tasks: what each waits for is not read", WALKED);
	return !walked || (double)watched < needs || crowded;
}

const struct detector lost_waker_detector = {
	.id = "lost-waker",
	.symptom = SYMPTOM_LOST_WAKER,
	.options = options,
	.state_bytes = sizeof(struct state),
	.hold_ns = 10000000000ull,
	.tick = tick,
	.blind = blind,
};
