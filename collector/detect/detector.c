/* SPDX-License-Identifier: MIT */
/* What detectors call: raising findings, asking for more, going through workers and their long polls. */
#include "collector/detect/detect_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WANT_AGAIN_NS 250000000ull
#define DISTURBED_NS  200000000ull

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

struct live_finding *detect_raise(struct detect_run *run, const struct detect_subject *s,
				  const struct detect_verdict *v)
{
	struct detect *d = run->detect;
	uint64_t hash = finding_hash(d->current->id, s->name, s->location);
	uint64_t native = s->id & ((1ull << WEFT_TASK_PROCESS_SHIFT) - 1);
	struct finding *f = finding_table_find(&d->findings, hash, s->process);

	if (!f) {
		f = finding_table_add(&d->findings, hash);
		if (!f)
			return NULL;
		title(d, &f->row, d->current->id, s);
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
	f->hold_until_ns = d->now_ns + d->current->hold_ns;
	d->found[d->current->symptom] = true;
	return &f->row;
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

/* ---- what several detectors need ---- */

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

enum weft_runtime_kind detect_runtime_kind(const struct model *m, uint32_t process,
					   uint32_t runtime)
{
	const struct model_process *p = model_process(m, process);
	const struct model_runtime *rt = model_runtime(m, process, runtime);

	if (!rt && p && p->nruntimes)
		rt = &p->runtime[0];
	return rt && rt->info.kind ? (enum weft_runtime_kind)rt->info.kind : WEFT_RT_WEFT;
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
