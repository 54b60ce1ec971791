/* SPDX-License-Identifier: MIT */
/* What detectors call: raising findings, asking for more, going through workers and their long polls. */
#include "collector/detect/detect_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WANT_AGAIN_NS 250000000ull
/* What is judged by seconds in a row, or over four, has its time. */
#define CLOSER_SECONDS 6u
#define DISTURBED_NS   200000000ull
#define HELD_UP_NS     20000000000ull

struct detect_cursor {
	uint64_t *number[MODEL_MAX_PROCESSES]; /* [lane]: last long poll that was shown */
};

/* ---- raising ---- */

void detect_mark_subject(struct detect *d, const struct finding *f, bool on)
{
	struct model_task *t = NULL;

	if (!strcmp(f->row.subject_kind, "task"))
		t = model_task(d->model, (uint64_t)f->row.process << WEFT_TASK_PROCESS_SHIFT |
						 f->row.subject_id);
	if (t)
		t->flags = (uint8_t)(on ? t->flags | MODEL_T_FINDING : t->flags & ~MODEL_T_FINDING);
}

static void title(const struct detect *d, struct live_finding *row, const char *id,
		  const struct detect_subject *s)
{
	const struct model_process *p = model_process(d->model, s->process);

	snprintf(row->id, sizeof(row->id), "%s", id);
	snprintf(row->subject_kind, sizeof(row->subject_kind), "%s", s->kind);
	snprintf(row->subject_name, sizeof(row->subject_name), "%.*s",
		 (int)sizeof(row->subject_name) - 1, s->name);
	snprintf(row->location, sizeof(row->location), "%.*s", (int)sizeof(row->location) - 1,
		 s->location);
	row->process = s->process;
	row->resolved = true;
	if (!p)
		return;
	row->pid = p->info.pid;
	snprintf(row->target, sizeof(row->target), "%s", p->info.comm);
	snprintf(row->build_id, sizeof(row->build_id), "%s", p->info.build_id);
}

static void open_again(struct detect *d, struct finding *f, const struct detect_verdict *v)
{
	f->row.resolved = false;
	f->row.severity = v->severity;
	f->row.first_ns = f->row.first_ns && f->row.last_ns ? f->row.first_ns
			  : v->first_ns                     ? v->first_ns
							    : d->now_ns;
	f->fresh = true;
	d->findings.version++;
}

/* A worker, a runtime and a process have to do with all that is found in them. */
static bool has_place(const struct detect_subject *s)
{
	return !strcmp(s->kind, "task") || !strcmp(s->kind, "task_type") ||
	       !strcmp(s->kind, "thread");
}

struct live_finding *detect_raise(struct detect_run *run, const struct detect_subject *s,
				  const struct detect_verdict *v)
{
	struct detect *d = run->detect;
	uint64_t hash = finding_hash(d->current->id, s->name, s->location);
	uint64_t native = s->id & ((1ull << WEFT_TASK_PROCESS_SHIFT) - 1);
	struct finding *f = finding_table_find(&d->findings, hash, s->process);

	d->found[d->current->symptom] = true; /* also where there is no room to say more */
	if (!f) {
		f = finding_table_add(&d->findings, hash);
		if (!f)
			return NULL;
		title(d, &f->row, d->current->id, s);
		f->place = has_place(s) ? finding_hash("", s->name, s->location) : 0;
	}
	if (f->row.resolved)
		open_again(d, f, v);
	if (v->severity > f->row.severity) {
		f->row.severity = v->severity;
		f->fresh = true;
		d->findings.version++;
	}
	if (f->row.subject_id != native)
		detect_mark_subject(d, f, false);
	f->row.subject_id = native;
	detect_mark_subject(d, f, true);
	snprintf(f->row.cause, sizeof(f->row.cause), "%s", v->cause);
	f->row.confidence = v->confidence;
	if (v->harm_task_ms > f->row.harm_task_ms)
		f->row.harm_task_ms = v->harm_task_ms;
	f->row.last_ns = d->now_ns;
	f->row.evidence_n = f->row.stack_n = 0;
	f->culprit = 0;
	f->hold_until_ns = d->now_ns + d->current->hold_ns;
	return &f->row;
}

void detect_blame(const struct detect_run *run, struct live_finding *f, uint64_t task)
{
	const struct model_task *t = task ? model_task(run->model, task) : NULL;

	if (t)
		((struct finding *)f)->culprit = finding_hash("", model_task_name(run->model, t),
							      model_task_location(run->model, t));
}

void detect_evidence(struct live_finding *f, double value, const char *unit, const char *text, ...)
{
	struct live_evidence *e = &f->evidence[f->evidence_n];
	va_list args;

	if (f->evidence_n == sizeof(f->evidence) / sizeof(*f->evidence))
		return;
	f->evidence_n++;
	e->value = value;
	snprintf(e->unit, sizeof(e->unit), "%s", unit);
	va_start(args, text);
	vsnprintf(e->text, sizeof(e->text), text, args);
	va_end(args);
}

void detect_stack(const struct detect_run *run, struct live_finding *f,
		  const struct model_stack *stack)
{
	if (stack)
		f->stack_n = stack_store_text(model_stacks(run->model), stack, f->stack,
					      sizeof(f->stack) / sizeof(*f->stack));
}

void detect_advice(struct live_finding *f, const char *text, ...)
{
	va_list args;

	va_start(args, text);
	vsnprintf(f->advice, sizeof(f->advice), text, args);
	va_end(args);
	finding_more(f, f->id);
}

void detect_want(struct detect_run *run, const struct model_lane *l, enum session_want_kind kind)
{
	struct detect *d = run->detect;
	struct session_want want = { .kind = kind, .process = l->process, .tid = l->tid };

	if (!d->options.want || !l->tid)
		return;
	for (uint32_t i = 0; i < WANTS; i++) {
		struct wanted *w = &d->wanted[i];

		if (w->tid == l->tid && w->process == l->process && w->kind == kind &&
		    d->now_ns < w->t_ns + WANT_AGAIN_NS)
			return;
	}
	d->wanted[d->nwanted++ % WANTS] = (struct wanted){
		.process = l->process, .tid = l->tid, .kind = kind, .t_ns = d->now_ns
	};
	d->options.want(d->options.ctx, &want);
}

void detect_want_walk(struct detect_run *run, uint32_t process, bool chains)
{
	struct session_want want = { .kind = SESSION_WANT_SNAPSHOT,
				     .process = process,
				     .value = chains };

	if (run->detect->options.want)
		run->detect->options.want(run->detect->options.ctx, &want);
}

void detect_want_closer(struct detect_run *run, uint32_t process)
{
	struct detect *d = run->detect;
	const struct model_process *p = model_process(run->model, process);
	struct session_want want = { .kind = SESSION_WANT_CLOSER,
				     .process = process,
				     .value = CLOSER_SECONDS };

	if (!d->options.want || !p || p->gone || !p->level_auto || p->level != WEFT_LEVEL_LIGHT)
		return;
	for (uint32_t i = 0; i < WANTS; i++)
		if (d->wanted[i].kind == want.kind && d->wanted[i].process == process &&
		    d->now_ns < d->wanted[i].t_ns + SECOND_NS)
			return;
	d->wanted[d->nwanted++ % WANTS] =
		(struct wanted){ .process = process, .kind = want.kind, .t_ns = d->now_ns };
	d->options.want(d->options.ctx, &want);
}

void detect_want_await(struct detect_run *run, uint32_t process, uint64_t task)
{
	struct session_want want = { .kind = SESSION_WANT_AWAIT,
				     .process = process,
				     .task = task & ((1ull << WEFT_TASK_PROCESS_SHIFT) - 1) };

	if (run->detect->options.want)
		run->detect->options.want(run->detect->options.ctx, &want);
}

/* ---- what several detectors need ---- */

bool detect_is_found(const struct detect_run *run, const char *id, const struct detect_subject *s)
{
	uint64_t hash = finding_hash(id, s->name, s->location);

	return finding_table_find(&run->detect->findings, hash, s->process) != NULL;
}

bool detect_is_held_up(const struct detect_run *run, uint32_t process)
{
	static const char *const ids[] = { "busy-loop", "blocking-call", "timer-stall",
					   "never-runs" };
	const struct finding_table *t = &run->detect->findings;

	for (uint32_t i = 0; i < t->n; i++) {
		const struct live_finding *f = &t->entry[i]->row;

		if (f->process != process || f->last_ns + HELD_UP_NS < run->now_ns)
			continue;
		for (size_t k = 0; k < sizeof(ids) / sizeof(*ids); k++)
			if (!strcmp(f->id, ids[k]))
				return true;
	}
	return false;
}

bool detect_poll_is_lost(const struct detect_run *run, const struct model_lane *l,
			 const struct lane_poll *p)
{
	const struct model_process *process = model_process(run->model, l->process);

	return process && p->start_ns < process->unsure_ns;
}

bool detect_poll_is_torn(const struct detect_run *run, const struct model_lane *l,
			 const struct lane_poll *p)
{
	uint64_t least, most;

	if (detect_poll_is_lost(run, l, p))
		return true;
	/* The watcher lacks CPUs itself: what the thread did is not known yet. */
	if (!p->split && l->sample_ns && l->sample_ns < p->end_ns)
		return true;
	lane_waited(l, p->start_ns, p->end_ns, &least, &most);
	/* Where switches are told of the poll, what is told counts in doubt. */
	return (p->split || p->proven ? least : most) * 2 >= p->end_ns - p->start_ns;
}

bool detect_poll_is_split(const struct detect_run *run, const struct model_lane *l,
			  const struct lane_poll *p)
{
	const struct model_process *process = model_process(run->model, l->process);

	if (detect_poll_is_torn(run, l, p))
		return false;
	return p->split || (process && process->offcpu_ns && p->start_ns >= process->offcpu_ns &&
			    p->start_ns >= l->met_ns);
}

double detect_poll_cpu(const struct detect_run *run, const struct model_lane *l,
		       const struct lane_poll *p)
{
	struct lane_parts parts;
	double in_poll;

	if (p->proven || detect_poll_is_split(run, l, p))
		return (double)p->busy_ns;
	if (!lane_shares(l, run->now_ns, &parts))
		return 0;
	in_poll = (double)(parts.busy + parts.blocked + parts.runnable);
	return in_poll > 0 ? (double)(p->busy_ns) * (double)parts.busy / in_poll : 0;
}

bool detect_is_in_place(const struct detect_run *run, const struct model_stack *k)
{
	for (uint32_t i = k ? k->kernel : 0; k && i < k->nframes; i++) {
		const struct model_frame *f =
			stack_store_frame(model_stacks(run->model), k->frame[i]);

		if (f && f->origin == FRAME_RUNTIME && strstr(f->func, "block_in_place"))
			return true;
		if (f && (strstr(f->func, "runtime::task::") || !strcmp(f->func, "weft_task_poll")))
			return false;
	}
	return false;
}

void detect_each_runtime(struct detect_run *run,
			 void (*fn)(struct detect_run *run, const struct model_process *p,
				    const struct model_runtime *rt))
{
	for (uint32_t i = 0; i < model_processes(run->model); i++) {
		const struct model_process *p = model_process(run->model, i);

		for (uint32_t k = 0; p && !p->gone && k < p->nruntimes; k++)
			fn(run, p, &p->runtime[k]);
	}
}

struct detect_subject detect_subject_task(const struct model *m, const struct model_task *t)
{
	return (struct detect_subject){ .kind = "task",
					.id = t->id,
					.process = t->process,
					.name = model_task_name(m, t),
					.location = model_task_location(m, t) };
}

struct detect_subject detect_subject_type(const struct model_type *t)
{
	return (struct detect_subject){ .kind = "task_type",
					.id = t->id,
					.process = t->process,
					.name = t->name,
					.location = t->location };
}

bool detect_is_worker(const struct model_lane *l)
{
	return l->role == WEFT_LANE_WORKER;
}

void detect_each_worker(struct detect_run *run,
			void (*fn)(struct detect_run *run, const struct model_lane *l))
{
	for (uint32_t i = 0; i < model_processes(run->model); i++) {
		const struct model_process *p = model_process(run->model, i);

		for (uint32_t k = 0; p && !p->gone && k < p->nlanes; k++)
			if (p->lanes[k] && detect_is_worker(p->lanes[k]))
				fn(run, p->lanes[k]);
	}
}

static uint64_t *cursor_of(struct detect_cursor **cursor, const struct model_lane *l)
{
	if (!*cursor)
		*cursor = calloc(1, sizeof(**cursor));
	if (!*cursor)
		return NULL;
	if (!(*cursor)->number[l->process])
		(*cursor)->number[l->process] = calloc(WEFT_MAX_LANES, sizeof(uint64_t));
	return (*cursor)->number[l->process] ? &(*cursor)->number[l->process][l->lane] : NULL;
}

struct detect_cursor *detect_cursor_free(struct detect_cursor *cursor)
{
	for (uint32_t i = 0; cursor && i < MODEL_MAX_PROCESSES; i++)
		free(cursor->number[i]);
	free(cursor);
	return NULL;
}

void detect_each_long_poll(struct detect_run *run, struct detect_cursor **cursor,
			   uint64_t settle_ns,
			   void (*fn)(struct detect_run *run, const struct model_lane *l,
				      const struct lane_poll *p))
{
	for (uint32_t i = 0; i < model_processes(run->model); i++) {
		const struct model_process *p = model_process(run->model, i);

		for (uint32_t k = 0; p && k < p->nlanes; k++) {
			const struct model_lane *l = p->lanes[k];
			uint64_t *last =
				l && l->npolls && detect_is_worker(l) ? cursor_of(cursor, l) : NULL;

			if (last && *last + LANE_LONG_POLLS < l->npolls)
				*last = l->npolls - LANE_LONG_POLLS;
			while (last && *last < l->npolls) {
				const struct lane_poll *poll =
					&l->poll[(*last + 1) % LANE_LONG_POLLS];

				if (poll->end_ns + settle_ns > run->now_ns)
					break;
				++*last;
				fn(run, l, poll);
			}
		}
	}
}

const struct model_site *detect_site(const struct detect_run *run, uint32_t process, uint32_t site)
{
	const struct model_process *p = model_process(run->model, process);
	const struct model_site *s = p && site && site < p->nsites ? &p->sites[site] : NULL;

	return s && s->known ? s : NULL;
}

enum weft_runtime_kind detect_runtime_kind(const struct model *m, uint32_t process,
					   uint32_t runtime)
{
	const struct model_process *p = model_process(m, process);
	const struct model_runtime *rt = model_runtime(m, process, runtime);

	if (!rt && p && p->nruntimes)
		rt = &p->runtime[0];
	return rt && rt->info.kind ? (enum weft_runtime_kind)rt->info.kind : WEFT_RT_WEFT;
}

static bool all_kinds(const struct detect_run *run, bool (*fits)(enum weft_runtime_kind kind))
{
	bool any = false;

	for (uint32_t i = 0; i < model_processes(run->model); i++) {
		if (!fits(detect_runtime_kind(run->model, i, MODEL_NONE)))
			return false;
		any = true;
	}
	return any;
}

static bool is_async_task(enum weft_runtime_kind kind)
{
	return kind == WEFT_RT_ASYNC_STD || kind == WEFT_RT_SMOL;
}

static bool is_rust(enum weft_runtime_kind kind)
{
	return kind == WEFT_RT_TOKIO || is_async_task(kind);
}

bool detect_only_rust(const struct detect_run *run)
{
	return all_kinds(run, is_rust);
}

bool detect_timers_blind(const struct detect_run *run, const struct detect_timers *met, char *why,
			 size_t size)
{
	uint64_t for_ns = run->detect->polls_ns, watched = detect_watched_ns(run->detect);

	if (for_ns < watched / 8)
		snprintf(why, size,
			 "level light for most of the time: single timers were seen for %.1f s",
			 (double)for_ns / 1e9);
	else if (!met->singles && detect_only_rust(run))
		snprintf(why, size,
			 "no single timer was seen%s: not every build lets Weft read them",
			 met->drivers ? ", only how late drivers were" : "");
	else
		return false;
	return true;
}

void detect_timer_grade(const struct detect_run *run, struct live_finding *f, uint32_t process,
			bool of_driver)
{
	if (!is_rust(detect_runtime_kind(run->model, process, MODEL_NONE)))
		return;
	detect_evidence(
		f, of_driver ? 2 : 1, "grade",
		of_driver
			? "per driver: what it was told to wait until against when it came back; single timers are not seen here"
			: "per timer: the deadline of each one");
}

uint32_t detect_seconds_known(const struct detect_run *run, uint32_t *ret_all)
{
	*ret_all = run->detect->seconds;
	return run->detect->known;
}

bool detect_disturbed(const struct detect_run *run, uint32_t process, uint64_t start_ns)
{
	const struct model_process *p = model_process(run->model, process);

	return p && start_ns < p->quiet_ns + DISTURBED_NS &&
	       run->now_ns < p->quiet_ns + 2 * SECOND_NS;
}

char *detect_duration(uint64_t ns, char buf[24])
{
	if (ns < 1000000)
		snprintf(buf, 24, "%.0f us", (double)ns / 1e3);
	else if (ns < SECOND_NS)
		snprintf(buf, 24, ns < 10000000 ? "%.1f ms" : "%.0f ms", (double)ns / 1e6);
	else
		snprintf(buf, 24, ns < 100 * SECOND_NS ? "%.2f s" : "%.0f s", (double)ns / 1e9);
	return buf;
}
