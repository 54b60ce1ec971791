/* SPDX-License-Identifier: MIT */
#include "collector/detect/coverage.h"
#include "collector/detect/detect_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LOST      0.01
#define TELL_AGAIN_NS 1000000000ull
#define UNSEEN_NS     1500000000ull
#define WHY           sizeof(((struct live_checked *)0)->why)
#define ROWLESS_S     2u
#define ENOUGH_NS     4000000000ull /* at a level, for what takes seconds in a row */

/* ---- options ---- */

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
	int rc = symptom_check_list(o->only, error, size);

	if (!rc)
		rc = symptom_check_list(o->ignore, error, size);
	for (uint32_t k = 0; detect_registry[k]; k++)
		for (uint32_t i = 0; detect_registry[k]->options[i].name; i++)
			d->value[k][i] = detect_registry[k]->options[i].value;
	for (uint32_t i = 0; !rc && o->thresholds && o->thresholds[i]; i++)
		rc = set_threshold(d, o->thresholds[i], error, size);
	for (int s = 0; s < SYMPTOMS; s++)
		d->asked[s] = symptom_asked((enum symptom)s, o->only, o->ignore);
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
	finding_relate(&d->findings, f, &f->row);
	if (d->options.row)
		d->options.row(d->options.ctx, &f->row);
}

static void expire(struct detect *d)
{
	for (uint32_t i = 0; i < d->findings.n; i++) {
		struct finding *f = d->findings.entry[i];

		if (!f->row.resolved && d->now_ns > f->hold_until_ns) {
			f->row.resolved = true;
			f->fresh = true;
			d->findings.version++;
			detect_mark_subject(d, f, false);
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
				    .new_look = d->now_ns / LOOK_NS != d->look,
				    .lost = d->lost };
}

void detect_lost(struct detect *d, double lost)
{
	d->lost = lost;
}

/*
 * Samples come while anybody looks. Taking the probes out may last for many seconds, in which time goes on and nothing is seen:
 * a task that waits then is no finding, nor is one over that was there at the last look.
 */
static bool is_unseen(const struct detect *d, uint64_t now_ns)
{
	bool sampled = false;

	for (uint32_t i = 0; i < model_processes(d->model); i++) {
		const struct model_process *p = model_process(d->model, i);

		if (!p || !p->looked_ns)
			continue;
		if (p->gone || now_ns <= p->looked_ns + UNSEEN_NS)
			return false;
		sampled = true;
	}
	return sampled;
}

static void count_seen(struct detect *d, uint64_t dt)
{
	bool any = false;

	for (uint32_t i = 0; i < model_processes(d->model); i++) {
		const struct model_process *p = model_process(d->model, i);
		bool sees = model_sees_polls(d->model, i);

		any |= sees;
		if (!p || p->gone || (!p->level && !sees)) /* probes are being placed */
			continue;
		d->seen[i].ns += dt;
		d->seen[i].polls_ns += sees ? dt : 0;
	}
	d->polls_ns += any ? dt : 0;
}

static bool is_rowless(const struct detect *d)
{
	for (uint32_t i = 0; i < model_processes(d->model); i++) {
		const struct model_process *p = model_process(d->model, i);

		for (uint32_t k = 0; p && k < p->nlanes; k++) {
			const struct model_lane *l = p->lanes[k];
			struct lane_parts parts;

			if (l && detect_is_worker(l) && l->runtime &&
			    !model_runtime(d->model, i, l->runtime) &&
			    lane_shares(l, d->now_ns, &parts))
				return true;
		}
	}
	return false;
}

/* Where no worker is there just now, that is known. */
static void count_second(struct detect *d)
{
	bool any = false, known = false;
	struct lane_parts parts;

	for (uint32_t i = 0; i < model_processes(d->model); i++) {
		const struct model_process *p = model_process(d->model, i);

		for (uint32_t k = 0; p && k < p->nlanes && !known; k++) {
			if (!p->lanes[k] || !detect_is_worker(p->lanes[k]))
				continue;
			any = true;
			known = lane_shares(p->lanes[k], d->now_ns, &parts);
		}
	}
	d->seconds++;
	d->known += known || !any;
	d->rowless += is_rowless(d);
}

void detect_tick(struct detect *d, uint64_t now_ns, double lost)
{
	struct detect_run run;

	if (!d->started && model_processes(d->model)) {
		d->started = true;
		d->start_ns = now_ns;
	}
	d->lost = lost;
	if (is_unseen(d, now_ns))
		return;
	if (d->now_ns)
		count_seen(d, now_ns - d->now_ns);
	d->now_ns = now_ns;
	if (d->started && now_ns / SECOND_NS != d->second)
		count_second(d);
	for (uint32_t k = 0; detect_registry[k]; k++) {
		if (!d->asked[detect_registry[k]->symptom])
			continue;
		run = run_of(d, k);
		d->current = detect_registry[k];
		d->current->tick(&run);
	}
	d->second = now_ns / SECOND_NS;
	d->look = now_ns / LOOK_NS;
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

/* ---- answers ---- */

void detect_mutes(struct detect *d, const struct mutes *m)
{
	d->findings.mutes = m;
}

size_t detect_findings(const struct detect *d, struct live_finding *rows, size_t offset, size_t max)
{
	uint32_t rank[FINDING_MAX];

	finding_table_rank(&d->findings, rank);
	for (size_t i = offset; i < d->findings.n && i - offset < max; i++) {
		rows[i - offset] = d->findings.entry[rank[i]]->row;
		finding_relate(&d->findings, d->findings.entry[rank[i]], &rows[i - offset]);
		rows[i - offset].muted = mutes_has(d->findings.mutes, &rows[i - offset]);
	}
	return d->findings.n;
}

void detect_count(const struct detect *d, uint32_t process, uint32_t *ret_crit, uint32_t *ret_warn,
		  uint32_t *ret_muted)
{
	*ret_crit = *ret_warn = *ret_muted = 0;
	for (uint32_t i = 0; i < d->findings.n; i++) {
		const struct live_finding *f = &d->findings.entry[i]->row;
		bool muted;

		if (f->resolved || (process != UINT32_MAX && f->process != process))
			continue;
		muted = mutes_has(d->findings.mutes, f);
		*ret_crit += !muted && f->severity == LIVE_CRIT;
		*ret_warn += !muted && f->severity == LIVE_WARN;
		*ret_muted += muted;
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

/*
 * By the level at which the process was for the better part of the watch. What light doesn't show at all was seen at all the same
 * where an eighth of it was above, as after a closer look: clean then, but.
 */
static enum coverage covered_of(const struct detect *d, enum symptom s,
				const struct model_process *p, enum weft_runtime_kind kind,
				char *why, size_t size)
{
	const struct seen *k = &d->seen[p->index];
	bool mostly = k->ns ? k->polls_ns * 2 >= k->ns : model_sees_polls(d->model, p->index);
	const char *text[2];
	enum coverage c[2];

	for (unsigned normal = 0; normal < 2; normal++)
		c[normal] = coverage_of(s, coverage_column(kind, normal), &text[normal]);
	if (mostly || c[false] != COVERAGE_UNSEEN || c[true] == COVERAGE_UNSEEN ||
	    k->polls_ns < k->ns / 8 || k->polls_ns < ENOUGH_NS) {
		snprintf(why, size, "%s", text[mostly]);
		return c[mostly];
	}
	snprintf(why, size, "level light for most of the time: looked for during %.1f s of %.0f s",
		 (double)k->polls_ns / 1e9, (double)k->ns / 1e9);
	return COVERAGE_PARTLY;
}

/* The best of all runtimes that are watched. why: of that one; where it works, of the worst beside it that is not out of the question. */
static enum coverage covered(const struct detect *d, enum symptom s, char *why, size_t size)
{
	enum coverage best = COVERAGE_NONE, worst = COVERAGE_WORKS;
	char of_best[WHY] = "", of_worst[WHY] = "", text[WHY];
	bool any = false;

	for (uint32_t i = 0; i < model_processes(d->model); i++) {
		const struct model_process *p = model_process(d->model, i);

		for (uint32_t k = 0; p && k < p->nruntimes; k++) {
			uint16_t kind = p->runtime[k].info.kind;
			enum coverage c;

			if (!kind || kind > WEFT_RT_SMOL)
				continue;
			c = covered_of(d, s, p, (enum weft_runtime_kind)kind, text, sizeof(text));
			if (!any || c < best) {
				best = c;
				memcpy(of_best, text, sizeof(text));
			}
			if (c > worst && c != COVERAGE_NONE) {
				worst = c;
				memcpy(of_worst, text, sizeof(text));
			}
			any = true;
		}
	}
	snprintf(why, size, "%s", best > COVERAGE_PARTLY ? of_best : of_worst);
	return any ? best : COVERAGE_WORKS;
}

static bool is_out(const struct detect *d, enum symptom s, char *why, size_t size)
{
	if (!d->asked[s])
		snprintf(why, size, "not asked for");
	else if (!detect_registry[detector_of(s)])
		snprintf(why, size, "detector not in this version");
	return why[0];
}

static bool is_unknown(const struct detect *d, char *why, size_t size)
{
	if (!d->started)
		snprintf(why, size, "no process was seen");
	else if (d->lost > MAX_LOST)
		snprintf(why, size, "%.1f %% of the events were lost", d->lost * 100);
	return why[0];
}

/* These look at runtimes, which lack a row where a program has very many at once. */
static bool is_beyond(const struct detect *d, enum symptom s, char *why, size_t size)
{
	bool by_runtime = s == SYMPTOM_NEVER_RUNS || s == SYMPTOM_QUEUE_BACKLOG ||
			  s == SYMPTOM_WORKER_IMBALANCE || s == SYMPTOM_TIMER_STALL;

	if (by_runtime && d->rowless >= ROWLESS_S && d->rowless * 8 >= d->seconds)
		snprintf(why, size,
			 "a process has more runtimes than are told of: not all were looked at");
	return why[0];
}

/* What the probes' self-test found: what was read of its tasks may be anything. Threads and processes are the kernel's word. */
static bool is_doubted(const struct detect *d, enum symptom s, char *why, size_t size)
{
	if (s == SYMPTOM_MIXED_RUNTIMES || s == SYMPTOM_CPU_STARVED || s == SYMPTOM_WORKER_COUNT)
		return false;
	for (uint32_t i = 0; i < model_processes(d->model) && !why[0]; i++) {
		const struct model_process *p = model_process(d->model, i);

		for (uint32_t k = 0; p && k < p->ncannot_see; k++)
			if (p->cannot_see[k].doubt)
				snprintf(why, size, "%s: %s", p->cannot_see[k].what,
					 p->cannot_see[k].why);
	}
	return why[0];
}

static const char *judge(const struct detect *d, enum symptom s, char *why, size_t size)
{
	uint32_t k = detector_of(s);
	enum coverage coverage;
	struct detect_run run;
	char told[WHY];

	why[0] = 0;
	if (is_out(d, s, why, size))
		return "not-checked";
	if (d->found[s])
		return "found";
	coverage = covered(d, s, told, sizeof(told));
	if (coverage == COVERAGE_NONE) {
		snprintf(why, size, "%s", told);
		return "not-applicable";
	}
	if (is_unknown(d, why, size) || is_beyond(d, s, why, size) || is_doubted(d, s, why, size))
		return "not-checked";
	run = run_of(d, k);
	if (coverage != COVERAGE_UNSEEN && detect_registry[k]->blind(&run, why, size))
		return "not-checked";
	if (!why[0])
		snprintf(why, size, "%s", told);
	return coverage == COVERAGE_UNSEEN ? "not-checked" : "clean";
}

size_t detect_checked(const struct detect *d, struct live_checked *rows, size_t max)
{
	for (size_t s = 0; s < SYMPTOMS && s < max; s++) {
		snprintf(rows[s].id, sizeof(rows[s].id), "%s", symptom_id((enum symptom)s));
		rows[s].verdict = judge(d, (enum symptom)s, rows[s].why, sizeof(rows[s].why));
	}
	return SYMPTOMS;
}
