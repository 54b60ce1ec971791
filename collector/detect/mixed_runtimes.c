/* SPDX-License-Identifier: MIT */
/*
 * mixed-runtimes: several runtimes alone are no fault. What is: two kinds that drive one program (mixed_kinds.c), and block_on
 * inside a task: libweft refuses it; on Rust runtimes the worker stands still in it.
 */
#include <stdio.h>
#include <string.h>

#include "collector/detect/load.h"
#include "collector/detect/mixed_internal.h"
#include "collector/model/notable.h"

static const struct detector_option options[] = {
	[MIXED_POLLS] = { "mixed.polls", 5, "1/s",
			  "polls of its tasks in a second, from which on a runtime drives some" },
	[MIXED_S] = { "mixed.s", 2, "s", "so many such seconds, of the last 10, of both runtimes" },
	[MIXED_BLOCK_MS] = { "mixed.block_ms", 10, "ms",
			     "blocked in a block_on of another runtime, inside one poll" },
	{ NULL, 0, NULL, NULL },
};

#define SETTLE_NS 100000000ull
#define SHORT_NS  3000000000ull /* of a watch */

struct state {
	uint64_t cursor, times;
	struct mixed_kinds kinds;
	struct detect_cursor *polls;
	uint64_t blocked, blocked_ns, worst_ns; /* workers that stood still in a block_on */
};

/* ---- libweft's own word ---- */

static void raise_refused(struct detect_run *run, const struct notable *n)
{
	struct state *s = run->state;
	const struct model_process *p = model_process(run->model, n->process);
	const struct model_type *type = model_type(run->model, n->type);
	struct model_task *t = n->task ? model_task(run->model, n->task) : NULL;
	struct detect_subject subject;
	struct live_finding *f;

	if (!type || !p)
		return;
	subject = t ? detect_subject_task(run->model, t) : detect_subject_type(type);
	f = detect_raise(run, &subject,
			 &(struct detect_verdict){ .cause = "block_on inside a task",
						   .severity = LIVE_WARN,
						   .confidence = 1,
						   .first_ns = n->t_ns });
	if (!f)
		return;
	detect_evidence(f, (double)s->times, "times",
			"refused %llu %s by the runtime: it would block the worker",
			(unsigned long long)s->times, s->times == 1 ? "time" : "times");
	if (p->nruntimes > 1)
		detect_evidence(f, p->nruntimes, "runtimes", "%u runtimes in this process",
				p->nruntimes);
	detect_advice(f, "%s",
		      advice_text(ADVICE_NESTED,
				  detect_runtime_kind(run->model, n->process, MODEL_NONE)));
}

static void look_at_misuse(struct detect_run *run)
{
	struct state *s = run->state;
	struct notable n;

	while (model_notable_next(run->model, &s->cursor, &n)) {
		if (n.kind != NOTABLE_MISUSE || n.code != WEFT_M_NESTED_BLOCK_ON)
			continue;
		s->times++;
		raise_refused(run, &n);
	}
}

/* ---- workers that stand still in a block_on ---- */

/*
 * The function between what blocks and the poll of the task it was called from. smol's and futures-lite's may be built into the caller:
 * what they wait in is told then, unless an event-listener waits in it, as a lock or a channel does. NULL = none.
 */
static const struct model_frame *block_on_of(const struct detect_run *run,
					     const struct model_stack *k)
{
	const struct model_frame *parked = NULL;

	for (uint32_t i = k->kernel; i < k->nframes; i++) {
		const struct model_frame *f =
			stack_store_frame(model_stacks(run->model), k->frame[i]);

		if (!f)
			continue;
		if (strstr(f->func, "runtime::task::") || strstr(f->func, "async_task::"))
			return parked;
		if (strstr(f->func, "event_listener::") || strstr(f->func, "_blocking"))
			return NULL;
		if (strstr(f->func, "block_on"))
			return f;
		if (strstr(f->func, "parking::"))
			parked = f;
	}
	return NULL; /* the poll was not met: the thread's own block_on */
}

static void tell_runtimes(const struct detect_run *run, struct live_finding *f,
			  const struct model_task *t)
{
	const struct model_process *p = model_process(run->model, t->process);
	const struct model_runtime *own = t->runtime < p->nruntimes ? &p->runtime[t->runtime]
								    : NULL;
	char name[48];

	if (!own)
		return;
	detect_evidence(f, own->info.workers, "workers", "%s polls this task",
			mixed_name(own, name));
	for (uint32_t i = 0; i < p->nruntimes; i++)
		if (mixed_differ(own, &p->runtime[i]))
			detect_evidence(f, p->runtime[i].info.workers, "workers",
					"%s polls others of this program",
					mixed_name(&p->runtime[i], name));
}

static void raise_blocked(struct detect_run *run, const struct model_task *t,
			  const struct model_stack *k, const struct model_frame *waits_in)
{
	const struct state *s = run->state;
	struct detect_subject subject = detect_subject_task(run->model, t);
	struct live_finding *f;
	char text[24];

	f = detect_raise(run, &subject,
			 &(struct detect_verdict){
				 .cause = "a worker stands still in a block_on inside a task",
				 .severity = LIVE_WARN,
				 .confidence = strstr(waits_in->func, "block_on") ? 0.95f : 0.85f,
				 .first_ns = k->t_ns });
	if (!f)
		return;
	detect_evidence(f, (double)s->worst_ns / 1e6, "ms", "%s in the worst poll",
			detect_duration(s->worst_ns, text));
	if (s->blocked)
		detect_evidence(f, (double)s->blocked, "polls", "%llu %s so, %s together",
				(unsigned long long)s->blocked, s->blocked == 1 ? "poll" : "polls",
				detect_duration(s->blocked_ns, text));
	detect_evidence(f, 1, "", "the thread waits in %.80s", waits_in->func);
	tell_runtimes(run, f, t);
	detect_stack(run, f, k);
	detect_advice(f, "%s",
		      advice_text(ADVICE_NESTED,
				  detect_runtime_kind(run->model, t->process, MODEL_NONE)));
}

static void judge(struct detect_run *run, const struct model_lane *l, uint64_t task, uint64_t seq,
		  uint64_t blocked_ns, bool ended)
{
	struct state *s = run->state;
	struct model_task *t;
	const struct model_stack *k;
	const struct model_frame *f;

	if ((double)blocked_ns < run->value[MIXED_BLOCK_MS] * 1e6 ||
	    !mixed_kinds_drive(run, &s->kinds, l->process))
		return;
	t = model_task(run->model, task);
	k = t ? stack_store_last(model_stacks(run->model), t->id, WEFT_STACK_BLOCKED, seq) : NULL;
	f = k && !detect_is_in_place(run, k) ? block_on_of(run, k) : NULL;
	if (!f)
		return;
	s->blocked += ended;
	s->blocked_ns += ended ? blocked_ns : 0;
	s->worst_ns = blocked_ns > s->worst_ns ? blocked_ns : s->worst_ns;
	raise_blocked(run, t, k, f);
}

static void ended(struct detect_run *run, const struct model_lane *l, const struct lane_poll *poll)
{
	judge(run, l, poll->task, poll->seq, poll->blocked_ns, true);
}

static void lasting(struct detect_run *run, const struct model_lane *l)
{
	if (l->open.task && l->open.off_cpu)
		judge(run, l, l->open.task, l->open.seq, l->open.blocked_ns, false);
}

/* ---- */

static void tick(struct detect_run *run)
{
	struct state *s = run->state;

	look_at_misuse(run);
	if (run->new_second)
		mixed_kinds_tick(run, &s->kinds);
	detect_each_long_poll(run, &s->polls, SETTLE_NS, ended);
	detect_each_worker(run, lasting);
}

static void done(void *state)
{
	struct state *s = state;

	mixed_kinds_done(&s->kinds);
	detect_cursor_free(s->polls);
}

/* libweft tells of each misuse; who polls takes a while to be known. */
static bool blind(const struct detect_run *run, char *why, size_t size)
{
	uint32_t most = 0;

	if (detect_only_rust(run) && detect_load_blind(run, why, size))
		return true;
	if (detect_only_rust(run) && detect_watched_ns(run->detect) < SHORT_NS) {
		snprintf(why, size, "watched for %.1f s, needs 3 s",
			 (double)detect_watched_ns(run->detect) / 1e9);
		return true;
	}
	for (uint32_t i = 0; i < model_processes(run->model); i++) {
		const struct model_process *p = model_process(run->model, i);

		most = p && p->nruntimes > most ? p->nruntimes : most;
	}
	if (most > 1)
		snprintf(why, size, "%u runtimes in one process: alone no fault", most);
	return false;
}

const struct detector mixed_runtimes_detector = {
	.id = "mixed-runtimes",
	.symptom = SYMPTOM_MIXED_RUNTIMES,
	.options = options,
	.state_bytes = sizeof(struct state),
	.hold_ns = 60000000000ull,
	.tick = tick,
	.done = done,
	.blind = blind,
};
