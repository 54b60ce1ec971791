/* SPDX-License-Identifier: MIT */
/* Reports for people. Text of targets is made safe for a terminal. */
#include "collector/report.h"

#include <errno.h>
#include <string.h>

#include "probes/base/safe_text.h"

struct safe {
	char text[420];
};

static struct safe safe(const char *s)
{
	struct safe out;

	safe_text_copy(out.text, sizeof(out.text), s, (size_t)-1);
	return out;
}

static struct safe duration(double seconds)
{
	struct safe out;

	if (seconds < 1)
		snprintf(out.text, sizeof(out.text), "%.0f ms", seconds * 1e3);
	else if (seconds < 120)
		snprintf(out.text, sizeof(out.text), "%.2f s", seconds);
	else
		snprintf(out.text, sizeof(out.text), "%.0fm%02.0fs",
			 (seconds - (double)((long)seconds % 60)) / 60,
			 (double)((long)seconds % 60));
	return out;
}

static double since(const struct live_finding *f)
{
	return f->last_ns > f->first_ns ? (double)(f->last_ns - f->first_ns) / 1e9 : 0;
}

/* ---- one finding ---- */

static void subject_line(const struct live_finding *f, FILE *out)
{
	bool numbered = !strcmp(f->subject_kind, "task");

	fprintf(out, "%s ", safe(f->subject_kind).text);
	if (numbered)
		fprintf(out, "%llu ", (unsigned long long)f->subject_id);
	fputs(safe(f->subject_name).text, out);
}

static void stack_lines(const struct live_finding *f, FILE *out)
{
	for (uint32_t i = 0; i < f->stack_n; i++)
		fprintf(out, "  %-9s %s%s\n", i ? "" : "stack", f->stack[i].kernel ? "k:" : "",
			safe(f->stack[i].text).text);
}

/* What a source or a thread is found at is the place itself. */
static bool is_spawned(const struct live_finding *f)
{
	return strcmp(f->subject_kind, "source") && strcmp(f->subject_kind, "thread");
}

static int full_text(const struct live_finding *f, FILE *out)
{
	bool in_source = !strcmp(f->subject_kind, "source");

	fprintf(out, "%s  %s  ", report_severity(f->severity), safe(f->id).text);
	subject_line(f, out);
	fprintf(out, "\n  %-9s %s\n", "cause", safe(f->cause).text);
	if (f->location[0])
		fprintf(out, "  %-9s %s\n", is_spawned(f) ? "spawned" : "at",
			safe(f->location).text);
	if (!in_source)
		fprintf(out, "  %-9s %s after watching began, %s%s\n", "since",
			duration((double)f->first_ns / 1e9).text,
			f->resolved ? "over after " : "for ", duration(since(f)).text);
	for (uint32_t i = 0; i < f->evidence_n; i++)
		fprintf(out, "  %-9s %s\n", i ? "" : "proof", safe(f->evidence[i].text).text);
	if (f->harm_task_ms > 0)
		fprintf(out, "  %-9s %.0f task-ms of other tasks\n", "harm", f->harm_task_ms);
	stack_lines(f, out);
	fprintf(out, "  %-9s %s\n", "advice", safe(f->advice).text);
	fprintf(out, "  %-9s %s, confidence %.2f%s%s\n", "id", f->fingerprint,
		(double)f->confidence, f->known ? "; known: it is in the baseline" : "",
		f->muted ? "; muted by the config file" : "");
	return ferror(out) ? -EIO : 0;
}

/* First frame of the program's own: the place to look at. */
static const char *where(const struct live_finding *f)
{
	for (uint32_t i = 0; i < f->stack_n; i++)
		if (!f->stack[i].kernel && strchr(f->stack[i].text, ':'))
			return f->stack[i].text;
	return f->location;
}

/* Six lines: target, build id, what, where, since, proof. */
static int brief_text(const struct live_finding *f, FILE *out)
{
	fprintf(out, "target %s[%u]\n", safe(f->target).text, f->pid);
	fprintf(out, "build  %s\n", f->build_id[0] ? safe(f->build_id).text : "?");
	fprintf(out, "what   %s %s ", report_severity(f->severity), safe(f->id).text);
	subject_line(f, out);
	fprintf(out, ": %s\n", safe(f->cause).text);
	fprintf(out, "where  %s%s%s\n", safe(where(f)).text,
		!f->location[0] ? ""
		: is_spawned(f) ? ", spawned at "
				: ", at ",
		safe(f->location).text);
	fprintf(out, "since  %s%s, harm %.0f task-ms\n", duration(since(f)).text,
		f->resolved ? " (resolved)" : "", f->harm_task_ms);
	if (f->evidence_n)
		fprintf(out, "proof  %s\n", safe(f->evidence[0].text).text);
	else
		fprintf(out, "proof  confidence %.2f\n", (double)f->confidence);
	return ferror(out) ? -EIO : 0;
}

int live_finding_text(const struct live_finding *f, bool brief, FILE *out)
{
	return brief ? brief_text(f, out) : full_text(f, out);
}

/* ---- the report ---- */

static void target_lines(const struct report *r, FILE *out)
{
	for (uint32_t i = 0; i < r->targets; i++) {
		const struct live_header *h = &r->target[i];

		fprintf(out, "%s[%u]", safe(h->info.comm).text, h->info.pid);
		for (uint32_t k = 0;
		     k < h->runtimes && k < sizeof(h->all_runtimes) / sizeof(*h->all_runtimes);
		     k++) {
			const struct weft_ev_runtime *rt = &h->all_runtimes[k];

			fprintf(out, "%s %s %s %s", k ? "," : "", report_runtime_kind(rt->kind),
				safe(rt->version).text, report_flavour(rt->flavour));
		}
		fprintf(out, ", %u workers, level %s%s\n", h->workers, report_level(h->level),
			h->gone ? ", gone" : "");
	}
	fprintf(out, "watched %s, %llu events, %llu lost\n\n", duration(r->window_s).text,
		(unsigned long long)r->produced, (unsigned long long)r->lost);
}

static bool is_skipped(const struct live_checked *c)
{
	return !strcmp(c->verdict, "not-checked") || !strcmp(c->verdict, "not-applicable");
}

/* Not checked or not applicable, and no one before it for the same reason. */
static bool first_skipped_for(const struct report *r, int at)
{
	if (!is_skipped(&r->checked[at]))
		return false;
	for (int i = 0; i < at; i++)
		if (is_skipped(&r->checked[i]) && !strcmp(r->checked[i].why, r->checked[at].why))
			return false;
	return true;
}

/* One reason, and all that was left out for it. */
static void skipped_line(const struct report *r, int at, FILE *out)
{
	fprintf(out, "%s (%s):",
		strcmp(r->checked[at].verdict, "not-checked") ? "not applicable" : "not checked",
		safe(r->checked[at].why).text);
	for (int i = at, n = 0; i < r->nchecked; i++)
		if (is_skipped(&r->checked[i]) && !strcmp(r->checked[i].why, r->checked[at].why))
			fprintf(out, "%s%s", n++ ? ", " : " ", safe(r->checked[i].id).text);
	fputc('\n', out);
}

static void checked_lines(const struct report *r, FILE *out)
{
	int done = 0, asked = 0;

	for (int i = 0; i < r->nchecked; i++) {
		asked += strcmp(r->checked[i].verdict, "not-applicable") != 0;
		done += !is_skipped(&r->checked[i]);
		if (!strcmp(r->checked[i].verdict, "clean"))
			fprintf(out, "clean  %s%s%s\n", safe(r->checked[i].id).text,
				r->checked[i].why[0] ? ": " : "", safe(r->checked[i].why).text);
	}
	fprintf(out, "%d of %d checked", done, asked);
	fputc('\n', out);
	for (int i = 0; i < r->nchecked; i++)
		if (first_skipped_for(r, i))
			skipped_line(r, i, out);
}

static void build_line(const struct report_build *b, FILE *out)
{
	fprintf(out, "build: %u errors, %u warnings; %u errors explained", b->errors, b->warnings,
		b->explained);
	if (b->explained < b->errors)
		fprintf(out, ", %u not ours: not about an async runtime", b->errors - b->explained);
	fputs("\n\n", out);
}

/* Told in short, so that nothing is silent. */
static void muted_lines(const struct report *r, FILE *out)
{
	size_t n = 0;

	for (size_t i = 0; i < r->findings; i++)
		n += r->finding[i].muted;
	if (!n)
		return;
	fprintf(out, "%zu muted by the config file:\n", n);
	for (size_t i = 0; i < r->findings; i++) {
		const struct live_finding *f = &r->finding[i];

		if (!f->muted)
			continue;
		fprintf(out, "  %s  %s  ", report_severity(f->severity), safe(f->id).text);
		subject_line(f, out);
		fprintf(out, "  %s\n", safe(f->location).text);
	}
	fputc('\n', out);
}

int report_text(const struct report *r, FILE *out)
{
	if (r->build.is)
		build_line(&r->build, out);
	else
		target_lines(r, out);
	for (size_t i = 0; i < r->findings; i++) {
		if (r->finding[i].muted)
			continue;
		full_text(&r->finding[i], out);
		fputc('\n', out);
	}
	muted_lines(r, out);
	for (int i = 0; i < r->ncannot_see; i++)
		fprintf(out, "not seen: %s: %s\n", safe(r->cannot_see[i].what).text,
			safe(r->cannot_see[i].why).text);
	fprintf(out, "verdict: %s\n", r->verdict);
	checked_lines(r, out);
	return ferror(out) ? -EIO : 0;
}

int live_report_text(struct live *l, FILE *out)
{
	struct report r;
	int rc = report_take(l, &r);

	if (!rc)
		rc = report_text(&r, out);
	report_done(&r);
	return rc;
}
