/* SPDX-License-Identifier: MIT */
#include "collector/cargo/cargo.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/cargo/lockfile.h"
#include "collector/cargo/plain.h"
#include "collector/cargo/rules.h"
#include "collector/detect/coverage.h"
#include "collector/detect/finding.h"
#include "collector/report.h"
#include "probes/base/cleanup.h"

#define MOST_FINDINGS 200
#define LOCK_FINDINGS 16
#define PARENTS       32

struct found {
	struct live_finding row;
	enum symptom symptom;
	char crate[48], features[64];
};

struct cargo_run {
	bool asked[SYMPTOMS];
	struct found found[MOST_FINDINGS];
	struct live_finding rows[MOST_FINDINGS]; /* by rank, for the report */
	uint32_t n;
	struct report_build build;
	const struct baseline *baseline;
	const struct mutes *mutes;
	bool with_lock, has_lock, messages;
	struct lock_built built;
	char lock_path[PATH_MAX], manifest[PATH_MAX];
	json_t *line;
};

int cargo_run_new(const struct cargo_options *options, struct cargo_run **ret, char *error,
		  size_t size)
{
	int rc = symptom_check_list(options->only, error, size);
	struct cargo_run *run;

	if (!rc)
		rc = symptom_check_list(options->ignore, error, size);
	if (rc)
		return rc;
	run = calloc(1, sizeof(*run));
	if (!run) {
		snprintf(error, size, "out of memory");
		return -ENOMEM;
	}
	for (int s = 0; s < SYMPTOMS; s++)
		run->asked[s] = symptom_asked((enum symptom)s, options->only, options->ignore);
	run->build.is = true;
	run->baseline = options->baseline;
	run->mutes = options->mutes;
	run->with_lock = options->with_lock || options->lock_path;
	if (options->lock_path)
		snprintf(run->lock_path, sizeof(run->lock_path), "%s", options->lock_path);
	*ret = run;
	return 0;
}

struct cargo_run *cargo_run_free(struct cargo_run *run)
{
	if (run)
		json_decref(run->line);
	free(run);
	return NULL;
}

/* ---- one message ---- */

static bool same_line(const char *a, const char *b)
{
	const char *end = strrchr(a, ':');

	return end && !strncmp(a, b, (size_t)(end - a) + 1);
}

/*
 * A message about what is found already: the same thing on the same line (rustc reports some two or three times), or,
 * of what a feature or a dependency mends, the same cure.
 */
static struct found *known(struct cargo_run *run, const struct found *f)
{
	for (uint32_t i = 0; i < run->n; i++) {
		struct found *k = &run->found[i];

		if (k->symptom != f->symptom)
			continue;
		if (!strcmp(k->row.subject_name, f->row.subject_name) &&
		    same_line(k->row.location, f->row.location))
			return k;
		if (f->symptom == SYMPTOM_MISSING_FEATURE && !strcmp(k->features, f->features) &&
		    !strcmp(k->crate, f->crate) &&
		    (f->crate[0] || !strcmp(k->row.advice, f->row.advice)))
			return k;
	}
	return NULL;
}

static void also(struct found *known, const struct found *f)
{
	struct live_finding *row = &known->row;
	struct live_evidence *e = &row->evidence[row->evidence_n];

	if (same_line(row->location, f->row.location) ||
	    row->evidence_n == sizeof(row->evidence) / sizeof(*row->evidence))
		return;
	snprintf(e->text, sizeof(e->text), "also `%.80s` at %.100s", f->row.subject_name,
		 f->row.location);
	e->value = 1;
	row->evidence_n++;
}

static void finish(struct cargo_run *run, struct found *f)
{
	snprintf(f->row.id, sizeof(f->row.id), "%s", symptom_id(f->symptom));
	snprintf(f->row.subject_kind, sizeof(f->row.subject_kind), "source");
	snprintf(f->row.fingerprint, sizeof(f->row.fingerprint), "%016llx",
		 (unsigned long long)finding_hash(f->row.id, f->row.subject_name, f->row.location));
	f->row.key = ++run->n;
}

static bool is_at(const struct found *f, const char *place)
{
	char line[200];
	const char *end = strrchr(place, ':');

	snprintf(line, sizeof(line), "%.*s:", end ? (int)(end - place) : 0, place);
	if (same_line(place, f->row.location))
		return true;
	for (uint32_t i = 0; i < f->row.evidence_n; i++)
		if (strstr(f->row.evidence[i].text, line))
			return true;
	return false;
}

/*
 * What rustc says on top of a missing item: an entry macro that isn't there leaves `async fn main` behind; a module behind a
 * gate has a private namesake inside its crate, a constructor that is gone one with other arguments.
 */
static bool follows(const struct cargo_run *run, const struct diag *d)
{
	bool entry = !strcmp(d->code, "E0752");
	bool private = (!strcmp(d->code, "E0603") && !strncmp(d->text, "module `", 8)) ||
		       !strcmp(d->code, "E0061");
	struct diag_place at;
	char place[200];

	if ((!entry && !private) || !diag_place(d, 0, &at))
		return false;
	diag_place_text(&at, place, sizeof(place));
	for (uint32_t i = 0; i < run->n; i++) {
		const struct found *f = &run->found[i];

		if (f->symptom == SYMPTOM_MISSING_FEATURE &&
		    (entry ? strstr(f->row.subject_name, "::main") ||
				     strstr(f->row.subject_name, "::test")
			   : is_at(f, place)))
			return true;
	}
	return false;
}

/* The rule that explains it; its finding is new (returned), or joins another. */
static const struct live_finding *explain(struct cargo_run *run, const struct diag *d,
					  bool *ret_explained)
{
	bool error = !strcmp(d->level, "error");

	*ret_explained = follows(run, d);
	for (size_t i = 0; cargo_rules[i] && !*ret_explained && run->n < MOST_FINDINGS; i++) {
		struct found *f = &run->found[run->n], *before;
		struct cargo_found making = { .row = &f->row };

		*f = (struct found){ .symptom = cargo_rules[i]->symptom };
		f->row.severity = error ? LIVE_CRIT : LIVE_WARN;
		f->row.confidence = 0.99f;
		if (!run->asked[f->symptom] || !cargo_rules[i]->match(d, &making))
			continue;
		memcpy(f->crate, making.crate, sizeof(f->crate));
		memcpy(f->features, making.features, sizeof(f->features));
		finding_more(&f->row, symptom_id(f->symptom));
		*ret_explained = true;
		before = known(run, f);
		if (before) {
			also(before, f);
			return NULL;
		}
		finish(run, f);
		return &f->row;
	}
	return NULL;
}

static void one_message(struct cargo_run *run, const struct diag *d, struct cargo_told *ret)
{
	bool explained;
	const struct live_finding *f = explain(run, d, &explained);

	ret->finding = ret->finding ? ret->finding : f;
	ret->explained |= explained;
}

static void message(struct cargo_run *run, const struct diag *d, struct cargo_told *ret)
{
	bool error = !strcmp(d->level, "error");
	struct diag part;
	json_t *split;

	ret->rendered = json_string_value(json_object_get(d->message, "rendered"));
	run->messages = true;
	if (!strncmp(d->text, "aborting due to", 15))
		return;
	run->build.errors += error;
	run->build.warnings += !strcmp(d->level, "warning");
	if (!diag_is_plural(d))
		one_message(run, d, ret);
	for (unsigned i = 0; diag_is_plural(d) && (split = diag_split(d, i)); i++) {
		if (diag_read(split, &part))
			one_message(run, &part, ret);
		json_decref(split);
	}
	run->build.explained += error && ret->explained;
}

/* Cargo.lock lies beside Cargo.toml, or above it in a workspace. Packages of the registry have none that counts. */
static void note_manifest(struct cargo_run *run)
{
	const char *path = json_string_value(json_object_get(run->line, "manifest_path"));
	const char *id = json_string_value(json_object_get(run->line, "package_id"));

	if (path && id && !run->manifest[0] && strstr(id, "path+file"))
		snprintf(run->manifest, sizeof(run->manifest), "%s", path);
}

static void note_crate(struct cargo_run *run)
{
	const char *reason = json_string_value(json_object_get(run->line, "reason"));
	const json_t *target = json_object_get(run->line, "target");
	const char *name = json_string_value(json_object_get(target, "name"));

	if (reason && name && !strcmp(reason, "compiler-artifact"))
		lock_built_note(&run->built, name);
}

enum cargo_line cargo_run_line(struct cargo_run *run, const char *line, size_t n,
			       struct cargo_told *ret)
{
	struct diag d;

	*ret = (struct cargo_told){ .rendered = NULL };
	while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		n--;
	if (!n || line[0] != '{')
		return CARGO_OTHER;
	json_decref(run->line);
	run->line = json_loadb(line, n, 0, NULL);
	if (!json_is_object(run->line))
		return CARGO_OTHER;
	if (diag_read(run->line, &d)) {
		note_manifest(run);
		message(run, &d, ret);
		return CARGO_MESSAGE;
	}
	if (!json_object_get(run->line, "reason") && !json_object_get(run->line, "$message_type"))
		return CARGO_OTHER;
	note_manifest(run);
	note_crate(run);
	run->messages = true;
	return CARGO_NOTE;
}

int cargo_run_text(struct cargo_run *run, const char *text)
{
	struct cargo_told told;
	struct diag d;
	int n = 0;

	while (true) {
		json_decref(run->line);
		run->line = plain_next(&text);
		if (!run->line)
			return n;
		told = (struct cargo_told){ .rendered = NULL };
		if (diag_read(run->line, &d)) {
			message(run, &d, &told);
			n++;
		}
	}
}

int cargo_run_read(struct cargo_run *run, FILE *in)
{
	struct cargo_told told;
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int rc;

	while ((n = getline(&line, &size, in)) > 0)
		cargo_run_line(run, line, (size_t)n, &told);
	rc = ferror(in) ? -EIO : run->messages ? 0 : -ENODATA;
	free(line);
	cargo_run_end(run);
	return rc;
}

/* ---- the end ---- */

static void find_lock(struct cargo_run *run)
{
	char dir[PATH_MAX];

	if (run->lock_path[0] || !run->manifest[0])
		return;
	snprintf(dir, sizeof(dir), "%s", run->manifest);
	for (int i = 0; i < PARENTS; i++) {
		char *slash = strrchr(dir, '/');

		if (!slash)
			return;
		*slash = 0;
		if (snprintf(run->lock_path, sizeof(run->lock_path), "%s/Cargo.lock", dir) <
			    (int)sizeof(run->lock_path) &&
		    access(run->lock_path, R_OK) == 0)
			return;
	}
	run->lock_path[0] = 0;
}

static void judge_lock(struct cargo_run *run)
{
	auto_free struct live_finding *rows = calloc(LOCK_FINDINGS, sizeof(*rows));
	int n;

	if (!rows || !run->with_lock || !run->asked[SYMPTOM_MIXED_RUNTIMES])
		return;
	find_lock(run);
	n = run->lock_path[0] ? lockfile_judge(run->lock_path, &run->built, rows, LOCK_FINDINGS)
			      : -ENOENT;
	run->has_lock = n >= 0;
	for (int i = 0; i < n && run->n < MOST_FINDINGS; i++) {
		struct found *f = &run->found[run->n];

		*f = (struct found){ .row = rows[i], .symptom = SYMPTOM_MIXED_RUNTIMES };
		finding_more(&f->row, symptom_id(f->symptom));
		finish(run, f);
	}
}

static bool has_feature(const char *list, const char *name, size_t n)
{
	for (; *list; list += strcspn(list, ",") + (list[strcspn(list, ",")] == ','))
		if (strcspn(list, ",") == n && !strncmp(list, name, n))
			return true;
	return false;
}

static void add_features(char *list, size_t size, const char *more)
{
	while (*more) {
		size_t n = strcspn(more, ","), have = strlen(list);

		if (!has_feature(list, more, n) && have + n + 2 < size)
			snprintf(list + have, size - have, "%s%.*s", have ? "," : "", (int)n, more);
		more += n + (more[n] == ',');
	}
}

/* One command for all features of a crate: each finding names the whole of it. */
static void join_features(struct cargo_run *run)
{
	for (uint32_t i = 0; i < run->n; i++) {
		struct found *f = &run->found[i];
		/* a copy: sanitized builds take both ends of the printing for one object otherwise (gcc 12) */
		char all[160] = "", crate[sizeof(f->crate)];

		if (!f->features[0])
			continue;
		memcpy(crate, f->crate, sizeof(crate));
		for (uint32_t k = 0; k < run->n; k++)
			if (!strcmp(run->found[k].crate, f->crate))
				add_features(all, sizeof(all), run->found[k].features);
		snprintf(f->row.advice, sizeof(f->row.advice), "cargo add %s --features %s", crate,
			 all);
		finding_more(&f->row, f->row.id);
	}
}

void cargo_run_end(struct cargo_run *run)
{
	judge_lock(run);
	join_features(run);
}

const struct live_finding *cargo_run_finding(const struct cargo_run *run, size_t i)
{
	return i < run->n ? &run->found[i].row : NULL;
}

/* ---- the report ---- */

static bool is_found(const struct cargo_run *run, enum symptom s)
{
	for (uint32_t i = 0; i < run->n; i++)
		if (run->found[i].symptom == s)
			return true;
	return false;
}

static const char *judge(const struct cargo_run *run, enum symptom s, const char **ret_why)
{
	*ret_why = "";
	if (!run->asked[s]) {
		*ret_why = "not asked for";
		return "not-checked";
	}
	if (is_found(run, s))
		return "found";
	if (coverage_of(s, COVERAGE_BUILD, ret_why) == COVERAGE_NONE)
		return "not-applicable";
	switch (s) {
	case SYMPTOM_MIXED_RUNTIMES:
		*ret_why = run->has_lock ? "" : "no Cargo.lock was found: name it with --lock";
		return run->has_lock ? "clean" : "not-checked";
	case SYMPTOM_NOT_SEND:
	case SYMPTOM_NOT_UNPIN:
	case SYMPTOM_HANDLE_DROPPED:
		*ret_why =
			run->build.errors
				? "the compiler stops at other errors before it looks: mend them first"
				: "";
		return run->build.errors ? "not-checked" : "clean";
	default:
		return "clean";
	}
}

static int by_severity(const void *a, const void *b)
{
	const struct live_finding *x = a, *y = b;

	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	return x->key < y->key ? -1 : 1;
}

static void report_fill(struct cargo_run *run, struct report *ret)
{
	*ret = (struct report){ .build = run->build, .finding = run->rows, .findings = run->n };
	for (uint32_t i = 0; i < run->n; i++) {
		run->rows[i] = run->found[i].row;
		run->rows[i].known = baseline_has(run->baseline, run->rows[i].fingerprint);
		run->rows[i].muted = mutes_has(run->mutes, &run->rows[i]);
	}
	qsort(run->rows, run->n, sizeof(*run->rows), by_severity);
	for (int s = 0; s < SYMPTOMS; s++) {
		struct live_checked *c = &ret->checked[ret->nchecked++];
		const char *why;

		snprintf(c->id, sizeof(c->id), "%s", symptom_id((enum symptom)s));
		c->verdict = judge(run, (enum symptom)s, &why);
		snprintf(c->why, sizeof(c->why), "%s", why);
	}
	ret->verdict = report_verdict(ret);
}

int cargo_report_json(struct cargo_run *run, FILE *out)
{
	struct report r;

	report_fill(run, &r);
	return report_json(&r, out);
}

int cargo_report_text(struct cargo_run *run, FILE *out)
{
	struct report r;

	report_fill(run, &r);
	return report_text(&r, out);
}

int cargo_exit_code(struct cargo_run *run, enum live_severity fail_on)
{
	struct report r;

	report_fill(run, &r);
	return report_exit_code(&r, fail_on);
}
