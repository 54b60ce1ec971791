/* SPDX-License-Identifier: MIT */
/* The document of `weft diagnose --format json`; its keys are a contract. Text of targets is made safe: valid UTF-8, no controls. */
#include "collector/report.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "probes/base/safe_text.h"

#ifndef WEFT_VERSION
#define WEFT_VERSION "0.1.0"
#endif
#define SCHEMA 1

static json_t *text(const char *s)
{
	char clean[1024];

	safe_text_copy(clean, sizeof(clean), s, (size_t)-1);
	return json_string(clean);
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)(n < INT64_MAX ? n : INT64_MAX));
}

static double seconds(uint64_t ns)
{
	return (double)(ns - ns % 1000000) / 1e9;
}

/* Numbers that people read: six digits say enough. */
static json_t *real(double v)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%.6g", v);
	return json_real(strtod(buf, NULL));
}

static json_t *runtime_json(const struct weft_ev_runtime *rt, uint32_t workers)
{
	return json_pack("{s:s, s:o, s:s, s:o}", "kind", report_runtime_kind(rt->kind), "version",
			 text(rt->version), "flavour", report_flavour(rt->flavour), "workers",
			 number(rt->workers ? rt->workers : workers));
}

static json_t *target_json(const struct live_header *h)
{
	json_t *runtimes = json_array();

	for (uint32_t i = 0;
	     i < h->runtimes && i < sizeof(h->all_runtimes) / sizeof(*h->all_runtimes); i++)
		json_array_append_new(runtimes, runtime_json(&h->all_runtimes[i], h->workers));
	return json_pack("{s:o, s:o, s:o, s:o}", "pid", number(h->info.pid), "name",
			 text(h->info.comm), "build_id", text(h->info.build_id), "runtimes",
			 runtimes);
}

static json_t *targets_json(const struct report *r)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < r->targets; i++)
		json_array_append_new(all, target_json(&r->target[i]));
	return all;
}

static json_t *cannot_see_json(const struct report *r)
{
	json_t *all = json_array();

	for (int i = 0; i < r->ncannot_see; i++)
		json_array_append_new(all,
				      json_pack("{s:o, s:o}", "what", text(r->cannot_see[i].what),
						"why", text(r->cannot_see[i].why)));
	return all;
}

static json_t *checked_json(const struct report *r)
{
	json_t *all = json_array();

	for (int i = 0; i < r->nchecked; i++) {
		json_t *row = json_pack("{s:o, s:s}", "id", text(r->checked[i].id), "verdict",
					r->checked[i].verdict);

		if (r->checked[i].why[0])
			json_object_set_new(row, "why", text(r->checked[i].why));
		json_array_append_new(all, row);
	}
	return all;
}

static json_t *evidence_json(const struct live_finding *f)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < f->evidence_n && i < sizeof(f->evidence) / sizeof(*f->evidence);
	     i++)
		json_array_append_new(all, json_pack("{s:o, s:o, s:o}", "text",
						     text(f->evidence[i].text), "value",
						     real(f->evidence[i].value), "unit",
						     text(f->evidence[i].unit)));
	return all;
}

static json_t *related_json(const struct live_finding *f)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < f->related_n; i++)
		json_array_append_new(all, text(f->related[i]));
	return all;
}

static json_t *stack_json(const struct live_finding *f)
{
	json_t *all = json_array();
	char frame[340];

	for (uint32_t i = 0; i < f->stack_n && i < sizeof(f->stack) / sizeof(*f->stack); i++) {
		snprintf(frame, sizeof(frame), "%s%s", f->stack[i].kernel ? "k:" : "",
			 f->stack[i].text);
		json_array_append_new(all, text(frame));
	}
	return all;
}

static json_t *subject_json(const struct report *r, const struct live_finding *f)
{
	json_t *s = json_pack("{s:o, s:o, s:o, s:o}", "kind", text(f->subject_kind), "id",
			      number(f->subject_id), "name", text(f->subject_name), "location",
			      text(f->location));

	for (uint32_t i = 0; i < r->targets; i++)
		if (r->target[i].process == f->process)
			json_object_set_new(s, "pid", number(r->target[i].info.pid));
	return s;
}

static json_t *finding_json(const struct report *r, const struct live_finding *f)
{
	return json_pack(
		"{s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:o}",
		"fingerprint", text(f->fingerprint), "id", text(f->id), "cause", text(f->cause),
		"severity", report_severity(f->severity), "confidence", real(f->confidence),
		"subject", subject_json(r, f), "evidence", evidence_json(f), "related",
		related_json(f), "stack", stack_json(f), "harm_task_ms", real(f->harm_task_ms),
		"first_s", real(seconds(f->first_ns)), "last_s", real(seconds(f->last_ns)),
		"resolved", f->resolved, "known", f->known, "muted", f->muted, "advice",
		text(f->advice));
}

/* One finding by itself, as it stands in a report. */
int live_finding_json(const struct live_finding *f, FILE *out)
{
	struct report none = { 0 };
	json_t *doc = finding_json(&none, f);
	int rc;

	if (!doc)
		return -ENOMEM;
	json_object_set_new(doc, "target",
			    json_pack("{s:o, s:o, s:o}", "pid", number(f->pid), "name",
				      text(f->target), "build_id", text(f->build_id)));
	rc = json_dumpf(doc, out, JSON_INDENT(2)) < 0 || fputc('\n', out) == EOF ? -EIO : 0;
	json_decref(doc);
	return rc;
}

static json_t *findings_json(const struct report *r)
{
	json_t *all = json_array();

	for (size_t i = 0; i < r->findings; i++)
		json_array_append_new(all, finding_json(r, &r->finding[i]));
	return all;
}

static json_t *report_document(const struct report *r)
{
	const struct live_header *first = r->targets ? &r->target[0] : NULL;

	return json_pack(
		"{s:s, s:i, s:o, s:o, s:{s:o, s:o, s:o, s:o, s:o}, s:s, s:o, s:o, s:s, s:o, s:o}",
		"weft", WEFT_VERSION, "schema", SCHEMA, "target",
		first ? target_json(first) : json_null(), "window_s", real(r->window_s), "events",
		"produced", number(r->produced), "stored", number(r->stored), "lost",
		number(r->lost), "filtered", number(r->filtered), "expired", number(r->expired),
		"level", report_level(first ? first->level : 0), "cannot_see", cannot_see_json(r),
		"checked", checked_json(r), "verdict", r->verdict, "targets", targets_json(r),
		"findings", findings_json(r));
}

static json_t *build_json(const struct report_build *b)
{
	return json_pack("{s:i, s:i, s:i}", "errors", (int)b->errors, "warnings", (int)b->warnings,
			 "explained", (int)b->explained);
}

int report_json(const struct report *r, FILE *out)
{
	json_t *doc = report_document(r);
	int rc;

	if (!doc)
		return -ENOMEM;
	if (r->build.is)
		json_object_set_new(doc, "build", build_json(&r->build));
	rc = json_dumpf(doc, out, JSON_INDENT(2)) < 0 || fputc('\n', out) == EOF ? -EIO : 0;
	json_decref(doc);
	return rc;
}

int live_report_json(struct live *l, FILE *out)
{
	struct report r;
	int rc = report_take(l, &r);

	if (!rc)
		rc = report_json(&r, out);
	report_done(&r);
	return rc;
}
