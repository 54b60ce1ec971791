/* SPDX-License-Identifier: MIT */
/*
 * One message of rustc, as `--error-format=json` writes it (alone, or inside a cargo message). Views only: all
 * strings are borrowed from the JSON. Text is as the compiler wrote it: sanitise before showing.
 */
#ifndef WEFT_CARGO_DIAG_H
#define WEFT_CARGO_DIAG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct diag {
	const json_t *message;
	const char *level, *code, *text; /* never NULL; code "" = none */
};

struct diag_place {
	const char *file; /* NULL = nowhere */
	int line, column;
	const char *label;  /* never NULL */
	const char *macro;  /* outermost macro that the place is in; "" = none */
	const char *source; /* the line of source; "" = not known */
	int from, to;       /* highlighted columns of it, 1-based, `to` excluded */
};

/* `line`: a cargo message or a rustc message. False: neither has a diagnostic. */
bool diag_read(const json_t *line, struct diag *ret);

/* "unresolved imports `a`, `b`": one message about several items, a primary span each. */
bool diag_is_plural(const struct diag *d);
/* The message about the i-th of them alone; a new reference, NULL = there is none. */
json_t *diag_split(const struct diag *d, unsigned i);

bool diag_is_part(const struct diag *d); /* it is one of those: its notes may be about the others */

/* The i-th primary span, in the user's own source: out of the macros that it is in. */
bool diag_place(const struct diag *d, size_t i, struct diag_place *ret);
/* The i-th span of any kind. */
bool diag_span(const json_t *message, size_t i, struct diag_place *ret);
/* "src/x.rs:12:5" */
void diag_place_text(const struct diag_place *p, char *buf, size_t size);

/* The note on what was left out of the build whose code names `item`, NULL = none. */
const json_t *diag_note_of_gate(const struct diag *d, const char *item);
/* First child (note, help) whose text contains `part`, NULL = none. */
const json_t *diag_child(const struct diag *d, const char *part);
const char *diag_child_text(const json_t *child); /* "" for NULL */
/* Its first span whose label contains `part`. */
bool diag_child_span(const json_t *child, const char *part, struct diag_place *ret);

/* The n-th `quoted` part of a text (from 0), without generic arguments of more than `size`. False: there is none. */
bool diag_quoted(const char *text, unsigned n, char *buf, size_t size);
/* The path (a::b::C) that a place's highlight is part of, from the line of source. "" = none. */
void diag_path(const struct diag_place *p, char *buf, size_t size);

#endif
