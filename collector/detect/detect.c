/* SPDX-License-Identifier: MIT */
#include "collector/detect/detect.h"
#include "collector/detect/detector.h"
#include "collector/detect/finding.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DETECTORS 32u
#define MAX_LOST      0.01
#define WANTS         64u
#define WANT_AGAIN_NS 250000000ull
#define TELL_AGAIN_NS 1000000000ull
#define DISTURBED_NS  200000000ull
#define SECOND_NS     1000000000ull

struct wanted {
	uint32_t process, tid, kind;
	uint64_t t_ns;
};

struct detect {
	struct model *model;
	struct detect_options options;
	void *state[MAX_DETECTORS];
	double value[MAX_DETECTORS][DETECTOR_OPTIONS];
	bool asked[SYMPTOMS], found[SYMPTOMS];
	const struct detector *current; /* whose tick runs */
	struct finding_table findings;
	struct wanted wanted[WANTS];
	uint32_t nwanted;
	uint64_t start_ns, now_ns, second;
	bool started;
	double lost;
};

struct detect_cursor {
	uint64_t *number[MODEL_MAX_PROCESSES]; /* [lane]: last long poll that was shown */
};

static const struct {
	const char *id;
	enum symptom_source source;
} symptoms[SYMPTOMS] = {
#define X(name, id, title, source) { id, SYMPTOM_##source },
	WEFT_SYMPTOMS(X)
#undef X
};

/* ---- options ---- */

static bool id_in_list(const char *list, const char *id, size_t n)
{
	while (list && *list) {
		size_t len = strcspn(list, ",");

		if (len == n && !strncmp(list, id, n))
			return true;
		list += len + (list[len] == ',');
	}
	return false;
}

static int check_ids(const char *list, char *error, size_t size)
{
	while (list && *list) {
		size_t len = strcspn(list, ",");
		bool known = len == 0;

		for (int s = 0; s < SYMPTOMS; s++)
			known |= strlen(symptoms[s].id) == len &&
				 !strncmp(list, symptoms[s].id, len);
		if (!known) {
			snprintf(error, size,
				 "unknown symptom \"%.*s\"; the ids are listed by: weft explain",
				 (int)len, list);
			return -EINVAL;
		}
		list += len + (list[len] == ',');
	}
	return 0;
}

static double *value_by_name(struct detect *d, const char *name, size_t n)
{
	for (uint32_t k = 0; detect_registry[k]; k++)
		for (uint32_t i = 0; detect_registry[k]->options[i].name; i++)
			if (strlen(detect_registry[k]->options[i].name) == n &&
			    !strncmp(detect_registry[k]->options[i].name, name, n))
				return &d->value[k][i];
	return NULL;
}

static int set_threshold(struct detect *d, const char *text, char *error, size_t size)
{
	size_t n = strcspn(text, "=");
	double *value = value_by_name(d, text, n), v;
	char *end;

	if (!value) {
		snprintf(error, size, "unknown threshold \"%.*s\"", (int)n, text);
		return -EINVAL;
	}
	v = text[n] ? strtod(text + n + 1, &end) : 0;
	if (!text[n] || end == text + n + 1 || *end || !(v >= 0)) {
		snprintf(error, size, "threshold \"%.64s\": needs a number of 0 or more", text);
		return -EINVAL;
	}
	*value = v;
	return 0;
}

static int set_options(struct detect *d, char *error, size_t size)
{
	const struct detect_options *o = &d->options;
	int rc = check_ids(o->only, error, size);

	if (!rc)
		rc = check_ids(o->ignore, error, size);
	for (uint32_t k = 0; detect_registry[k]; k++)
		for (uint32_t i = 0; detect_registry[k]->options[i].name; i++)
			d->value[k][i] = detect_registry[k]->options[i].value;
	for (uint32_t i = 0; !rc && o->thresholds && o->thresholds[i]; i++)
		rc = set_threshold(d, o->thresholds[i], error, size);
	for (int s = 0; s < SYMPTOMS; s++) {
		size_t n = strlen(symptoms[s].id);

		d->asked[s] = (!o->only || !*o->only || id_in_list(o->only, symptoms[s].id, n)) &&
			      !id_in_list(o->ignore, symptoms[s].id, n);
	}
	return rc;
}

const struct detector_option *detect_option(size_t i)
{
	for (uint32_t k = 0; detect_registry[k]; k++)
		for (uint32_t j = 0; detect_registry[k]->options[j].name; j++)
			if (i-- == 0)
				return &detect_registry[k]->options[j];
	return NULL;
}

int detect_new(struct model *m, const struct detect_options *options, struct detect **ret,
	       char *error, size_t size)
{
	struct detect *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return -ENOMEM;
	d->model = m;
	d->options = *options;
	rc = set_options(d, error, size);
	for (uint32_t k = 0; !rc && detect_registry[k]; k++) {
		d->state[k] = calloc(1, detect_registry[k]->state_bytes + 1);
		rc = d->state[k] ? 0 : -ENOMEM;
	}
	/* The lists belong to the caller and are not read again. */
	d->options.only = d->options.ignore = NULL;
	d->options.thresholds = NULL;
	if (rc) {
		detect_free(d);
		return rc;
	}
	*ret = d;
	return 0;
}

struct detect *detect_free(struct detect *d)
{
	if (!d)
		return NULL;
	for (uint32_t k = 0; k < MAX_DETECTORS; k++) {
		if (d->state[k] && detect_registry[k]->done)
			detect_registry[k]->done(d->state[k]);
		free(d->state[k]);
	}
	finding_table_done(&d->findings);
	free(d);
	return NULL;
}

/* ---- ticks ---- */

static void tell_row(struct detect *d, struct finding *f)
{
	if (!f->fresh && (f->row.resolved || d->now_ns < f->told_ns + TELL_AGAIN_NS))
		return;
	f->fresh = false;
	f->told_ns = d->now_ns;
	if (d->options.row)
		d->options.row(d->options.ctx, &f->row);
}

static void mark_subject(struct detect *d, const struct finding *f, bool on)
{
	struct model_task *t = NULL;

	if (!strcmp(f->row.subject_kind, "task"))
		t = model_task(d->model, (uint64_t)f->row.process << WEFT_TASK_PROCESS_SHIFT |
						 f->row.subject_id);
	if (t)
		t->flags = (uint8_t)(on ? t->flags | MODEL_T_FINDING : t->flags & ~MODEL_T_FINDING);
}

static void expire(struct detect *d)
{
	for (uint32_t i = 0; i < d->findings.n; i++) {
		struct finding *f = d->findings.entry[i];

		if (!f->row.resolved && d->now_ns > f->hold_until_ns) {
			f->row.resolved = true;
			f->fresh = true;
			d->findings.version++;
			mark_subject(d, f, false);
		}
		tell_row(d, f);
	}
}

static struct detect_run run_of(const struct detect *d, uint32_t k)
{
	return (struct detect_run){ .detect = (struct detect *)d,
				    .model = d->model,
				    .state = d->state[k],
				    .value = d->value[k],
				    .now_ns = d->now_ns,
				    .new_second = d->now_ns / SECOND_NS != d->second,
				    .lost = d->lost };
}

void detect_tick(struct detect *d, uint64_t now_ns, double lost)
{
	struct detect_run run;

	if (!d->started && model_processes(d->model)) {
		d->started = true;
		d->start_ns = now_ns;
	}
	d->now_ns = now_ns;
	d->lost = lost;
	for (uint32_t k = 0; detect_registry[k]; k++) {
		if (!d->asked[detect_registry[k]->symptom])
			continue;
		run = run_of(d, k);
		d->current = detect_registry[k];
		d->current->tick(&run);
	}
	d->second = now_ns / SECOND_NS;
	expire(d);
}

uint64_t detect_version(const struct detect *d)
{
	return d->findings.version;
}

uint64_t detect_watched_ns(const struct detect *d)
{
	return d->started ? d->now_ns - d->start_ns : 0;
}

/* ---- raising ---- */

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
		mark_subject(d, f, false);
	f->row.subject_id = native;
	mark_subject(d, f, true);
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

/* ---- answers ---- */

size_t detect_findings(const struct detect *d, struct live_finding *rows, size_t offset, size_t max)
{
	uint32_t rank[FINDING_MAX];

	finding_table_rank(&d->findings, rank);
	for (size_t i = offset; i < d->findings.n && i - offset < max; i++)
		rows[i - offset] = d->findings.entry[rank[i]]->row;
	return d->findings.n;
}

void detect_count(const struct detect *d, uint32_t process, uint32_t *ret_crit, uint32_t *ret_warn)
{
	*ret_crit = *ret_warn = 0;
	for (uint32_t i = 0; i < d->findings.n; i++) {
		const struct live_finding *f = &d->findings.entry[i]->row;

		if (f->resolved || (process != UINT32_MAX && f->process != process))
			continue;
		*ret_crit += f->severity == LIVE_CRIT;
		*ret_warn += f->severity == LIVE_WARN;
	}
}

bool detect_asked(const struct detect *d, enum symptom s)
{
	return d->asked[s];
}

static uint32_t detector_of(enum symptom s)
{
	uint32_t k = 0;

	while (detect_registry[k] && detect_registry[k]->symptom != s)
		k++;
	return k;
}

/* Symptoms that only a compiler shows on Rust runtimes. */
static bool only_rust(const struct model *m)
{
	bool rust = false;

	for (uint32_t i = 0; i < model_processes(m); i++) {
		const struct model_process *p = model_process(m, i);

		for (uint32_t k = 0; p && k < p->nruntimes; k++) {
			if (p->runtime[k].info.kind == WEFT_RT_WEFT)
				return false;
			rust = true;
		}
	}
	return rust;
}

static const char *judge(const struct detect *d, enum symptom s, char *why, size_t size)
{
	uint32_t k = detector_of(s);
	struct detect_run run;

	why[0] = 0;
	if (!d->asked[s]) {
		snprintf(why, size, "not asked for");
		return "not-checked";
	}
	if (symptoms[s].source == SYMPTOM_BUILD && only_rust(d->model)) {
		snprintf(why, size, "shows in the compiler's output: weft diagnose --cargo FILE");
		return "not-applicable";
	}
	if (!detect_registry[k]) {
		snprintf(why, size, "detector not in this version");
		return "not-checked";
	}
	if (d->found[s])
		return "found";
	if (!d->started) {
		snprintf(why, size, "no process was seen");
		return "not-checked";
	}
	if (d->lost > MAX_LOST) {
		snprintf(why, size, "%.1f %% of the events were lost", d->lost * 100);
		return "not-checked";
	}
	run = run_of(d, k);
	return detect_registry[k]->blind(&run, why, size) ? "not-checked" : "clean";
}

size_t detect_checked(const struct detect *d, struct live_checked *rows, size_t max)
{
	for (size_t s = 0; s < SYMPTOMS && s < max; s++) {
		snprintf(rows[s].id, sizeof(rows[s].id), "%s", symptoms[s].id);
		rows[s].verdict = judge(d, (enum symptom)s, rows[s].why, sizeof(rows[s].why));
	}
	return SYMPTOMS;
}
