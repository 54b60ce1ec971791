/* SPDX-License-Identifier: MIT */
/*
 * missing-feature, four causes: behind a feature, moved, not a dependency, wrapped twice. rustc names the gate in a note
 * where it can; paths.c knows the rest.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/cargo/paths.h"
#include "collector/cargo/rules.h"

static bool is_error(const struct diag *d, const char *code)
{
	return !strcmp(d->level, "error") && !strcmp(d->code, code);
}

static bool is_unresolved(const struct diag *d)
{
	return is_error(d, "E0432") || is_error(d, "E0433") || is_error(d, "E0425") ||
	       is_error(d, "E0412") || is_error(d, "E0405") || is_error(d, "E0407") ||
	       is_error(d, "E0603") || is_error(d, "E0624");
}

/* The whole path that wasn't found: from the message, or from the line of source. */
static void path_of(const struct diag *d, const struct diag_place *at, char *buf, size_t size)
{
	if (!strncmp(d->text, "unresolved import", 17) && diag_quoted(d->text, 0, buf, size))
		return;
	diag_path(at, buf, size);
}

/* rustc proposes std's blocking namesake of the item. */
static void warn_of_std(const struct diag *d, const char *path, struct cargo_found *f)
{
	static const char *const blocking[] = { "net", "fs", "thread", "process", "sync::mpsc" };
	const char *last = strrchr(path, ':'), *children;
	char name[160];
	char *json;

	last = last ? last + 1 : path;
	json = json_dumps(json_object_get(d->message, "children"), 0);
	children = json ? json : "";
	for (size_t i = 0; i < sizeof(blocking) / sizeof(*blocking); i++) {
		snprintf(name, sizeof(name), "std::%s%s%s", blocking[i],
			 strcmp(blocking[i], last) ? "::" : "",
			 strcmp(blocking[i], last) ? last : "");
		if (strstr(children, name))
			cargo_proof(f, "not what rustc proposes: %s blocks the thread", name);
	}
	free(json);
}

/* ---- behind a feature ---- */

/* Crate of a file in cargo's registry: .../name-1.2.3/src/... */
static void crate_of_file(const char *file, char *buf, size_t size)
{
	const char *src = strstr(file, "/src/"), *next, *name, *dash;

	buf[0] = 0;
	while (src && (next = strstr(src + 1, "/src/")) && isdigit((unsigned char)next[-1]))
		src = next;
	for (name = src; name && name > file && name[-1] != '/';)
		name--;
	if (!name)
		return;
	for (dash = name; dash < src; dash++)
		if (*dash == '-' && isdigit((unsigned char)dash[1]))
			break;
	if (dash < src)
		snprintf(buf, size, "%.*s", (int)(dash - name), name);
}

static void crate_of_path(const char *path, char *buf, size_t size)
{
	size_t n = strcspn(path, ":");

	snprintf(buf, size, "%.*s", (int)n, path);
	for (char *c = buf; *c; c++)
		if (*c == '_')
			*c = '-';
}

/* What a note of rustc says: the item is gated behind the `net` feature. Older ones say it as a message, newer in a label. */
static bool gate_in_note(const struct diag *d, const json_t *note, struct cargo_found *f)
{
	struct diag_place p;
	const char *gate;

	if (!note)
		return false;
	if (diag_child_span(note, "is gated behind the `", &p) ||
	    diag_child_span(note, "gated here", &p)) {
		crate_of_file(p.file, f->crate, sizeof(f->crate));
		gate = p.label;
	} else {
		gate = diag_child_text(diag_child(d, "is gated behind the `"));
	}
	if (!diag_quoted(gate, 0, f->features, sizeof(f->features)))
		f->features[0] = 0;
	return true;
}

static void tell_gated(const struct diag *d, const char *path, const struct diag_place *at,
		       struct cargo_found *f)
{
	cargo_subject(f, path, at);
	if (!f->features[0]) {
		cargo_cause(f, "left out by a cfg");
		cargo_proof(
			f, "the item is there, but a cfg of its crate leaves it out in this build");
		cargo_advice(
			f,
			"See the crate's documentation for the cfg (RUSTFLAGS=\"--cfg ..\") or target that it needs.");
		return;
	}
	cargo_cause(f, "`%.50s` is behind the feature %.32s", path, f->features);
	cargo_proof(f, "the crate %s leaves it out without the feature %s", f->crate, f->features);
	warn_of_std(d, path, f);
	cargo_advice(f, "cargo add %s --features %s", f->crate, f->features);
}

static bool gate_in_table(const struct diag *d, const char *path, struct cargo_found *f)
{
	const struct cargo_feature *known = cargo_feature_of_path(path);
	char type[160], method[64];

	if (is_error(d, "E0599") && diag_quoted(d->text, 0, method, sizeof(method)) &&
	    diag_quoted(d->text, 1, type, sizeof(type)) && !diag_child(d, "not in scope"))
		known = cargo_feature_of_method(type, method);
	/* What is there but private, is private behind its gate (tokio::sync without `sync`). */
	if (!known || (is_error(d, "E0603") && !strstr(d->text, "module `")))
		return false;
	snprintf(f->crate, sizeof(f->crate), "%s", known->crate);
	snprintf(f->features, sizeof(f->features), "%s", known->features);
	return true;
}

/* A note that names the item; else the tables; else whatever note there is, in a message about one item. */
static bool find_gate(const struct diag *d, const char *path, struct cargo_found *f)
{
	const char *last = strrchr(path, ':');

	if (gate_in_note(d, diag_note_of_gate(d, last ? last + 1 : path), f))
		return true;
	if (!cargo_moved_find(path) && gate_in_table(d, path, f))
		return true;
	return !diag_is_part(d) && gate_in_note(d, diag_child(d, "configured out"), f);
}

static bool match_gated(const struct diag *d, struct cargo_found *f)
{
	struct diag_place at = { .label = "", .source = "" };
	char path[128];

	diag_place(d, 0, &at);
	if (strstr(d->text, "`rt-multi-thread` feature is disabled")) {
		snprintf(f->crate, sizeof(f->crate), "tokio");
		snprintf(f->features, sizeof(f->features), "rt-multi-thread");
		tell_gated(d, "tokio::main", &at, f);
		return true;
	}
	if (!is_unresolved(d) && !is_error(d, "E0599"))
		return false;
	path_of(d, &at, path, sizeof(path));
	if (!find_gate(d, path, f))
		return false;
	if (!f->crate[0])
		crate_of_path(path, f->crate, sizeof(f->crate));
	if (is_error(d, "E0599") && !diag_quoted(d->text, 0, path, sizeof(path)))
		return false;
	tell_gated(d, path, &at, f);
	return true;
}

/* ---- moved ---- */

static bool match_moved(const struct diag *d, struct cargo_found *f)
{
	struct diag_place at = { .label = "", .source = "" };
	const struct cargo_moved *to;
	char path[128], type[160];

	if (!is_unresolved(d) && !is_error(d, "E0599"))
		return false;
	diag_place(d, 0, &at);
	path_of(d, &at, path, sizeof(path));
	to = cargo_moved_find(path);
	if (!to && is_error(d, "E0599") && diag_quoted(d->text, 0, path, sizeof(path)) &&
	    diag_quoted(d->text, 1, type, sizeof(type)))
		to = cargo_moved_method(type, path);
	if (!to)
		return false;
	cargo_subject(f, path, &at);
	cargo_cause(f, "%s", to->cause);
	cargo_proof(f, "the version that is used has no `%s`", path);
	warn_of_std(d, path, f);
	cargo_advice(f, "%s", to->advice);
	return true;
}

/* ---- not a dependency ---- */

static bool match_no_dependency(const struct diag *d, struct cargo_found *f)
{
	static const char *const marks[] = { "unlinked crate `", "undeclared crate or module `",
					     "missing crate `", "undeclared type or module `" };
	struct diag_place at = { .label = "", .source = "" };
	const char *text = NULL, *add;
	char name[64];

	if (!is_unresolved(d))
		return false;
	diag_place(d, 0, &at);
	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks) && !text; i++) {
		text = strstr(at.label, marks[i]);
		text = text ? text : strstr(d->text, marks[i]);
	}
	if (!text || !diag_quoted(text, 0, name, sizeof(name)))
		return false;
	add = cargo_crate_add(name);
	if (!add)
		return false;
	cargo_subject(f, name, &at);
	cargo_cause(f, "the crate %s is not a dependency", name);
	cargo_proof(f, "Cargo.toml of this package does not name it");
	cargo_advice(f, "cargo add %s", add);
	return true;
}

/* ---- wrapped twice ---- */

static bool match_double_wrapped(const struct diag *d, struct cargo_found *f)
{
	struct diag_place at = { .label = "", .source = "" };
	const char *bound = diag_child_text(diag_child(d, "required by a bound in"));
	char type[128];
	bool wrapped = strstr(d->text, "Async<Async<") != NULL;

	if (strcmp(d->level, "error"))
		return false;
	if (!wrapped && is_error(d, "E0277") && strstr(bound, "Async::<T>::new") &&
	    diag_quoted(d->text, 0, type, sizeof(type)))
		wrapped = strstr(type, "smol::net") || strstr(type, "async_net::") ||
			  strstr(type, "async_std::net") || strstr(type, "tokio::net");
	if (!wrapped)
		return false;
	diag_place(d, 0, &at);
	cargo_subject(f, "Async::new", &at);
	cargo_cause(f, "an async stream is wrapped in Async once more");
	cargo_proof(f, "%.180s", d->text);
	cargo_advice(
		f,
		"Use the stream as it is: Async::new is for std's blocking types (std::net, a File descriptor).");
	return true;
}

const struct cargo_rule cargo_rule_gated = { SYMPTOM_MISSING_FEATURE, match_gated };
const struct cargo_rule cargo_rule_moved = { SYMPTOM_MISSING_FEATURE, match_moved };
const struct cargo_rule cargo_rule_no_dependency = { SYMPTOM_MISSING_FEATURE, match_no_dependency };
const struct cargo_rule cargo_rule_double_wrapped = { SYMPTOM_MISSING_FEATURE,
						      match_double_wrapped };
