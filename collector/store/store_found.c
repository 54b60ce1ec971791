/* SPDX-License-Identifier: MIT */
/* Rows that the model and the detectors hand over. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/store/store_internal.h"

static const char *state_name(uint32_t state)
{
	static const char *const names[] = { "idle", "ready",     "running", "blocked",
					     "done", "cancelled", "failed" };

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : NULL;
}

static const char *reason_name(uint32_t reason)
{
	static const char *const names[] = { NULL, "done", "cancelled", "error", "shutdown" };

	return reason < sizeof(names) / sizeof(names[0]) ? names[reason] : NULL;
}

static void reference(struct rows *r, uint64_t id)
{
	if (id)
		rows_known(r, id);
	else
		rows_null(r);
}

void store_put_task(struct store *s, const struct store_task *t)
{
	struct rows *r = store_rows(s);
	const uint64_t sums[] = { t->polls, t->busy_ns,    t->blocked_ns, t->runnable_ns,
				  t->wakes, t->self_wakes, t->poll_max_ns };

	rows_begin(r, STORE_TASK);
	rows_int(r, (int64_t)t->id);
	rows_known(r, t->native_id);
	rows_int(r, t->process);
	rows_int(r, t->runtime);
	rows_int(r, t->type);
	rows_text(r, t->name);
	rows_text(r, t->location);
	reference(r, t->parent);
	rows_text(r, state_name(t->state));
	rows_known(r, t->spawn_ns);
	rows_known(r, t->end_ns);
	rows_text(r, reason_name(t->end_reason));
	for (unsigned i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
		rows_known(r, sums[i]);
	reference(r, t->bytes);
	if (t->fingerprint)
		rows_int(r, (int64_t)t->fingerprint);
	else
		rows_null(r);
}

void store_put_type(struct store *s, const struct store_type *t)
{
	struct rows *r = store_rows(s);

	rows_begin(r, STORE_TYPE);
	rows_int(r, t->id);
	rows_int(r, t->process);
	rows_int(r, t->runtime);
	rows_text(r, t->name);
	rows_text(r, t->location);
	rows_int(r, t->bytes);
}

void store_put_wake(struct store *s, uint32_t kind, uint64_t waker, uint64_t task, uint64_t count,
		    uint64_t first_ns, uint64_t last_ns)
{
	struct rows *r = store_rows(s);
	const uint64_t v[] = { kind, waker, task, count, first_ns, last_ns };

	rows_begin(r, STORE_WAKE);
	for (unsigned i = 0; i < 6; i++)
		rows_int(r, (int64_t)v[i]);
}

void store_put_timer(struct store *s, const struct store_timer *t)
{
	struct rows *r = store_rows(s);

	rows_begin(r, STORE_TIMER);
	reference(r, t->task);
	reference(r, t->runtime);
	rows_int(r, t->deadline_ns);
	rows_known(r, t->fire_ns);
	rows_known(r, t->poll_ns);
	if (t->lateness_ns == INT64_MAX)
		rows_null(r);
	else
		rows_int(r, t->lateness_ns);
}

/* ---- findings: the nested parts as JSON, as `weft diagnose --format json` prints them ---- */

static void take_json(struct rows *r, json_t *j)
{
	char *text = j ? json_dumps(j, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	rows_text(r, text);
	free(text);
	json_decref(j);
}

/* Text of a target may be no UTF-8; jansson refuses that, '?' stands for it. */
static json_t *text_of(const char *text)
{
	struct rows r = { 0 };
	json_t *j;

	rows_text(&r, text);
	j = r.failed ? json_null() : json_string((const char *)r.at + 5);
	rows_done(&r);
	return j;
}

static json_t *subject(const struct live_finding *f)
{
	return json_pack("{s:o, s:I, s:o, s:o}", "kind", text_of(f->subject_kind), "id",
			 (json_int_t)f->subject_id, "name", text_of(f->subject_name), "location",
			 text_of(f->location));
}

static json_t *evidence(const struct live_finding *f)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < f->evidence_n && i < sizeof(f->evidence) / sizeof(f->evidence[0]);
	     i++)
		json_array_append_new(list, json_pack("{s:o, s:f, s:o}", "text",
						      text_of(f->evidence[i].text), "value",
						      f->evidence[i].value, "unit",
						      text_of(f->evidence[i].unit)));
	return list;
}

static json_t *related(const struct live_finding *f)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < f->related_n; i++)
		json_array_append_new(list, text_of(f->related[i]));
	return list;
}

static json_t *stack(const struct live_finding *f)
{
	json_t *list = json_array();
	char text[340];

	for (uint32_t i = 0; i < f->stack_n && i < sizeof(f->stack) / sizeof(f->stack[0]); i++) {
		snprintf(text, sizeof(text), "%s%s", f->stack[i].kernel ? "k:" : "",
			 f->stack[i].text);
		json_array_append_new(list, text_of(text));
	}
	return list;
}

void store_put_finding(struct store *s, const struct live_finding *f)
{
	static const char *const severities[] = { "info", "warn", "crit" };
	struct rows *r = store_rows(s);

	rows_begin(r, STORE_FINDING);
	rows_int(r, (int64_t)f->key);
	rows_text(r, f->fingerprint);
	rows_text(r, f->id);
	rows_text(r, f->cause);
	rows_text(r, severities[f->severity <= LIVE_CRIT ? f->severity : LIVE_INFO]);
	rows_real(r, round((double)f->confidence * 1000) / 1000); /* it is a float */
	take_json(r, subject(f));
	take_json(r, evidence(f));
	take_json(r, related(f));
	take_json(r, stack(f));
	rows_real(r, f->harm_task_ms);
	rows_real(r, (double)f->first_ns / 1e9);
	rows_real(r, (double)f->last_ns / 1e9);
	rows_text(r, f->advice);
	rows_int(r, f->process);
	rows_int(r, f->resolved);
}
