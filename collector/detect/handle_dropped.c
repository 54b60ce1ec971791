/* SPDX-License-Identifier: MIT */
/*
 * handle-dropped: work that stops silently, because its task was taken off before it was done. By the drop of its handle
 * (flavours where that cancels), by an abort that follows the spawn at once, or by a shutdown that comes before its first poll.
 * Each of these is idiomatic where it is meant: so a task type is judged by what becomes of its tasks, not one task.
 */
#include <ctype.h>
#include <string.h>

#include "collector/detect/advice.h"
#include "collector/detect/detector.h"
#include "collector/model/notable.h"

enum { ONCE_MS, TIMES, PART };

static const struct detector_option options[] = {
	[ONCE_MS] = { "dropped.at_once_ms", 10, "ms",
		      "a drop or abort so soon after the spawn is no change of mind" },
	[TIMES] = { "dropped.times", 3, "tasks",
		    "so many aborted at once, or dropped later: warn" },
	[PART] = { "dropped.part", 0.5, "", "part of a type's tasks that must end so" },
	{ NULL, 0, NULL, NULL },
};

#define PLACES    128u
#define COMM_MOST 15u /* of a process's name the kernel keeps so much */

struct place {
	uint32_t process, type, site;
	uint64_t first_ns, last_ns, used_ns;
	uint64_t dropped, dropped_at_once, aborted_at_once, never_ran;
	uint64_t task, by, age_ns;
	struct model_stack stack; /* of who cancelled one of them; number 0 = none */
};

struct state {
	uint64_t cursor, stack_cursor;
	struct place place[PLACES];
	uint32_t n;
};

static struct place *find_place(struct state *s, uint32_t process, uint32_t type)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->place[i].process == process && s->place[i].type == type)
			return &s->place[i];
	return NULL;
}

static struct place *oldest(struct state *s)
{
	struct place *p = &s->place[0];

	for (uint32_t i = 1; i < PLACES; i++)
		if (s->place[i].used_ns < p->used_ns)
			p = &s->place[i];
	return p;
}

/* Where there is no room the one that was not used for longest gives way. */
static struct place *place_of(struct detect_run *run, uint32_t process, uint32_t type)
{
	struct state *s = run->state;
	struct place *p = find_place(s, process, type);

	if (!p) {
		p = s->n < PLACES ? &s->place[s->n++] : oldest(s);
		*p = (struct place){ .process = process, .type = type };
	}
	p->used_ns = run->now_ns;
	return p;
}

/* Stacks of those who cancel, one by one as they come: the store soon forgets them. */
static void keep_stacks(struct detect_run *run)
{
	struct state *s = run->state;
	const struct model_stack *k;

	while ((k = stack_store_next(model_stacks(run->model), s->stack_cursor))) {
		const struct model_task *t =
			k->why == WEFT_STACK_CANCELLER ? model_task(run->model, k->task) : NULL;
		struct place *p = t ? place_of(run, t->process, t->type) : NULL;

		if (p)
			p->stack = *k;
		s->stack_cursor = k->number;
	}
}

/* "/registry/src/index.crates.io-1949cf8c/svc-1.0.0/src/main.rs" is the program svc, as cargo install has built it. */
static bool is_crate_of(const struct model_process *p, const char *registry)
{
	const char *index = registry + strlen("/registry/src/"), *crate = strchr(index, '/');
	size_t n = strlen(p->info.comm);

	if (!crate || !n || strncmp(crate + 1, p->info.comm, n) != 0)
		return false;
	return n == COMM_MOST || (crate[1 + n] == '-' && isdigit((unsigned char)crate[2 + n]));
}

/* "vendor/hyper/src/..." */
static bool is_vendored(const char *location)
{
	const char *at = strstr(location, "vendor/"), *crate;
	size_t n;

	if (!at || (at > location && at[-1] != '/'))
		return false;
	crate = at + strlen("vendor/");
	n = strcspn(crate, "/");
	return n && strncmp(crate, "src/", 4) != 0 && strncmp(crate + n, "/src/", 5) == 0;
}

/* What a library spawns is mostly for itself, as hyper's connection pool does: it goes with its runtime, and nobody waits for it. */
static bool is_of_library(const struct detect_run *run, uint32_t process, uint32_t type)
{
	const struct model_type *t = model_type(run->model, type);
	const struct model_process *p = model_process(run->model, process);
	const char *registry = t ? strstr(t->location, "/registry/src/") : NULL;

	if (!t || !p)
		return false;
	if (registry)
		return !is_crate_of(p, registry);
	return strstr(t->location, "/git/checkouts/") || is_vendored(t->location);
}

/* Aborted by another task or by hand, soon after its spawn; a poll as cancelled is its last. */
static bool count(const struct detect_run *run, struct place *p, const struct notable *n)
{
	bool at_once = (double)n->age_ns < run->value[ONCE_MS] * 1e6;

	switch (n->kind) {
	case NOTABLE_DROPPED:
		p->dropped += n->count;
		p->dropped_at_once += at_once ? n->count : 0;
		return true;
	case NOTABLE_CANCELLED:
		p->aborted_at_once += at_once ? n->count : 0;
		return at_once;
	case NOTABLE_SHUTDOWN:
		/* All its life was seen, and it was polled once only: to be told that it is cancelled. */
		if (!n->whole || n->polls > 1 || is_of_library(run, n->process, n->type))
			return false;
		p->never_ran += n->count;
		return true;
	default:
		return false;
	}
}

/* The first frame of the program's own says where; the rest how it came there. */
static void tell_stack(const struct detect_run *run, struct live_finding *f,
		       const struct model_stack *k)
{
	const struct model_frame *at = stack_store_culprit(model_stacks(run->model), k);

	if (at && at->line)
		detect_evidence(f, 1, "place", "the last by %.90s (%.100s:%u)", at->func, at->file,
				at->line);
	else if (at)
		detect_evidence(f, 1, "place", "the last by %.90s", at->func);
	detect_stack(run, f, k);
}

static void tell_who(const struct detect_run *run, struct live_finding *f,
		     const struct model_task *by)
{
	const char *at = model_task_location(run->model, by);

	detect_evidence(f, 1, "task", "by task %llu %.90s%s%.80s",
			(unsigned long long)(by->id & ((1ull << WEFT_TASK_PROCESS_SHIFT) - 1)),
			model_task_name(run->model, by), *at ? ", spawned at " : "", at);
}

/* The C runtime tells the call itself. */
static void tell_site(const struct detect_run *run, struct live_finding *f, const struct place *p)
{
	const struct model_site *site = detect_site(run, p->process, p->site);

	if (site)
		detect_evidence(f, 1, "place", "the last by %.64s (%.100s:%u)", site->func,
				site->file, site->line);
}

static void raise_place(struct detect_run *run, const struct place *p, const char *cause,
			enum advice advice)
{
	const struct model_type *type = model_type(run->model, p->type);
	struct model_task *t = model_task(run->model, p->task);
	struct model_task *by = p->by ? model_task(run->model, p->by) : NULL;
	struct detect_subject subject = t ? detect_subject_task(run->model, t)
					  : detect_subject_type(type);
	struct live_finding *f;
	char text[24];

	f = detect_raise(run, &subject,
			 &(struct detect_verdict){ .cause = cause,
						   .severity = LIVE_WARN,
						   .confidence = 0.9f,
						   .first_ns = p->first_ns });
	if (!f)
		return;
	if (p->dropped)
		detect_evidence(
			f, (double)p->dropped, "tasks",
			"%llu cancelled by the drop of their handle, %llu of them at once after the spawn",
			(unsigned long long)p->dropped, (unsigned long long)p->dropped_at_once);
	if (p->aborted_at_once)
		detect_evidence(f, (double)p->aborted_at_once, "tasks",
				"%llu aborted at once after the spawn",
				(unsigned long long)p->aborted_at_once);
	if (p->never_ran)
		detect_evidence(
			f, (double)p->never_ran, "tasks",
			"%llu cancelled by the runtime's shutdown before their first poll; none of this type has ended "
			"as done",
			(unsigned long long)p->never_ran);
	if (p->age_ns != UINT64_MAX)
		detect_evidence(f, (double)p->age_ns / 1e6, "ms", "the last one was %s old",
				detect_duration(p->age_ns, text));
	if (by) {
		detect_blame(run, f, by->id);
		tell_who(run, f, by);
	}
	if (p->stack.number)
		tell_stack(run, f, &p->stack);
	else
		tell_site(run, f, p);
	detect_advice(f, "%s",
		      advice_text(advice, detect_runtime_kind(run->model, p->process, MODEL_NONE)));
}

static void judge(struct detect_run *run, const struct place *p)
{
	const struct model_type *type = model_type(run->model, p->type);
	double part = run->value[PART];

	if (!type)
		return;
	if (p->dropped_at_once || ((double)p->dropped >= run->value[TIMES] &&
				   (double)p->dropped >= part * (double)type->ended))
		raise_place(run, p, "cancelled by the drop of its handle", ADVICE_DROPPED);
	else if ((double)p->aborted_at_once >= run->value[TIMES] &&
		 (double)p->aborted_at_once >= part * (double)type->ended)
		raise_place(run, p, "aborted as soon as it is spawned", ADVICE_ABORTED);
	/* Tasks that have ended as done show that the work does get done; a shutdown in the middle of it is one. */
	else if (p->never_ran && type->ended <= type->off)
		raise_place(run, p, "the runtime was shut down before it ran", ADVICE_SHUTDOWN);
}

static void tick(struct detect_run *run)
{
	struct state *s = run->state;
	struct notable n;

	keep_stacks(run);
	while (model_notable_next(run->model, &s->cursor, &n)) {
		struct place *p = n.kind == NOTABLE_MISUSE ? NULL
							   : place_of(run, n.process, n.type);

		if (!p || !count(run, p, &n))
			continue;
		if (!p->first_ns)
			p->first_ns = n.t_ns;
		p->task = n.task;
		/* While the probes are taken out, some are gone before others. */
		if (n.by)
			p->by = n.by;
		if (n.site)
			p->site = n.site;
		if (n.age_ns != UINT64_MAX || !p->age_ns)
			p->age_ns = n.age_ns;
		p->last_ns = run->now_ns;
		judge(run, p);
	}
	/* And again for a while: more of them end, as done or not. */
	for (uint32_t i = 0; run->new_second && i < s->n; i++)
		if (s->place[i].last_ns && s->place[i].last_ns + 3000000000ull > run->now_ns)
			judge(run, &s->place[i]);
}

static bool blind(const struct detect_run *run, char *why, size_t size)
{
	(void)run, (void)why, (void)size;
	return false; /* lifecycle events come at every level */
}

const struct detector handle_dropped_detector = {
	.id = "handle-dropped",
	.symptom = SYMPTOM_HANDLE_DROPPED,
	.options = options,
	.state_bytes = sizeof(struct state),
	.hold_ns = 30000000000ull,
	.tick = tick,
	.blind = blind,
};
