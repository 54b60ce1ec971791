/* SPDX-License-Identifier: MIT */
#include "collector/cargo/diag.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MACRO_DEPTH 64

static const char *text_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

bool diag_read(const json_t *line, struct diag *ret)
{
	const json_t *message = json_object_get(line, "message");

	if (json_is_string(message))
		message = line; /* rustc's own form */
	if (!json_is_object(message) || !json_is_string(json_object_get(message, "message")) ||
	    !json_is_array(json_object_get(message, "spans")))
		return false;
	*ret = (struct diag){
		.message = message,
		.level = text_of(message, "level"),
		.code = text_of(json_object_get(message, "code"), "code"),
		.text = text_of(message, "message"),
	};
	return true;
}

bool diag_is_plural(const struct diag *d)
{
	return !strncmp(d->text, "unresolved imports `", 20);
}

static json_t *primary_span(const struct diag *d, size_t i)
{
	json_t *spans = json_object_get(d->message, "spans"), *span;
	size_t k;

	json_array_foreach(spans, k, span)
		if (json_is_true(json_object_get(span, "is_primary")) && i-- == 0)
			return span;
	return NULL;
}

json_t *diag_split(const struct diag *d, unsigned i)
{
	json_t *span = primary_span(d, i), *copy;
	char item[160], text[200];

	if (!span || !diag_quoted(d->text, i, item, sizeof(item)))
		return NULL;
	copy = json_copy((json_t *)d->message); /* shallow: what is replaced below is not shared */
	snprintf(text, sizeof(text), "unresolved import `%s`", item);
	json_object_set_new(copy, "message", json_string(text));
	json_object_set_new(copy, "spans", json_pack("[O]", span));
	json_object_set_new(copy, "weft_part", json_true());
	return copy;
}

bool diag_is_part(const struct diag *d)
{
	return json_is_true(json_object_get(d->message, "weft_part"));
}

static void place_fill(const json_t *span, struct diag_place *ret)
{
	const json_t *line = json_array_get(json_object_get(span, "text"), 0);

	ret->file = text_of(span, "file_name");
	ret->line = (int)json_integer_value(json_object_get(span, "line_start"));
	ret->column = (int)json_integer_value(json_object_get(span, "column_start"));
	ret->source = text_of(line, "text");
	ret->from = (int)json_integer_value(json_object_get(line, "highlight_start"));
	ret->to = (int)json_integer_value(json_object_get(line, "highlight_end"));
}

/* Walks from a place inside macros to the outermost call. */
static void place_of(const json_t *span, struct diag_place *ret)
{
	const json_t *expansion;

	*ret = (struct diag_place){ .label = text_of(span, "label"), .macro = "" };
	for (int i = 0; i < MACRO_DEPTH; i++) {
		expansion = json_object_get(span, "expansion");
		if (!json_is_object(expansion) ||
		    !json_is_object(json_object_get(expansion, "span")))
			break;
		if (!strstr(text_of(expansion, "macro_decl_name"), "desugaring"))
			ret->macro = text_of(expansion, "macro_decl_name");
		span = json_object_get(expansion, "span");
	}
	place_fill(span, ret);
}

bool diag_place(const struct diag *d, size_t i, struct diag_place *ret)
{
	const json_t *span = primary_span(d, i);

	if (span)
		place_of(span, ret);
	return span != NULL;
}

bool diag_span(const json_t *message, size_t i, struct diag_place *ret)
{
	const json_t *span = json_array_get(json_object_get(message, "spans"), i);

	if (!span)
		return false;
	place_of(span, ret);
	return true;
}

void diag_place_text(const struct diag_place *p, char *buf, size_t size)
{
	snprintf(buf, size, "%s:%d:%d", p->file ? p->file : "?", p->line, p->column);
}

const json_t *diag_child(const struct diag *d, const char *part)
{
	const json_t *children = json_object_get(d->message, "children"), *child;
	size_t i;

	json_array_foreach((json_t *)children, i, child)
		if (strstr(text_of(child, "message"), part))
			return child;
	return NULL;
}

/* `word` stands in the line on its own. */
static bool names(const char *line, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = line; n && (at = strstr(at, word)); at += n)
		if ((at == line || !(isalnum((unsigned char)at[-1]) || at[-1] == '_')) &&
		    !(isalnum((unsigned char)at[n]) || at[n] == '_'))
			return true;
	return false;
}

const json_t *diag_note_of_gate(const struct diag *d, const char *item)
{
	const json_t *children = json_object_get(d->message, "children"), *child;
	struct diag_place p;
	size_t i;

	json_array_foreach((json_t *)children, i, child) {
		if (!strstr(text_of(child, "message"), "configured out"))
			continue;
		for (size_t k = 0; diag_span(child, k, &p); k++)
			if (names(p.source, item) && !strstr(p.label, "gated"))
				return child;
	}
	return NULL;
}

const char *diag_child_text(const json_t *child)
{
	return child ? text_of(child, "message") : "";
}

bool diag_child_span(const json_t *child, const char *part, struct diag_place *ret)
{
	for (size_t i = 0; diag_span(child, i, ret); i++)
		if (strstr(ret->label, part))
			return true;
	return false;
}

bool diag_quoted(const char *text, unsigned n, char *buf, size_t size)
{
	const char *end;

	for (;; n--) {
		text = strchr(text, '`');
		end = text ? strchr(text + 1, '`') : NULL;
		if (!end)
			return false;
		if (n == 0)
			break;
		text = end + 1;
	}
	snprintf(buf, size, "%.*s", (int)(end - text - 1), text + 1);
	return true;
}

static bool in_path(int c)
{
	return isalnum(c) || c == '_' || c == ':';
}

/* Columns count characters, so this is right up to the first character beyond ASCII only; then it finds nothing. */
void diag_path(const struct diag_place *p, char *buf, size_t size)
{
	int length = (int)strlen(p->source), from = p->from - 1, to = p->to - 1;

	buf[0] = 0;
	if (from < 0 || to > length || from >= to)
		return;
	while (from > 0 && in_path((unsigned char)p->source[from - 1]))
		from--;
	while (to < length && in_path((unsigned char)p->source[to]))
		to++;
	snprintf(buf, size, "%.*s", to - from, p->source + from);
	for (char *c = buf; *c; c++)
		if (!in_path((unsigned char)*c))
			*c = 0;
}
