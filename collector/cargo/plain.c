/* SPDX-License-Identifier: MIT */
#include "collector/cargo/plain.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MOST 400
#define MARKS     8 /* underlines of one line of source */
#define SPANS     64

/* One underline whose label may stand on a later line, below its first column. */
struct mark {
	json_t *span; /* borrowed */
	int column;
};

struct reader {
	json_t *message; /* being built */
	json_t *part;    /* the message itself, or the note or help that came last; borrowed */
	char file[200], source[LINE_MOST];
	int at_line, at_column; /* that the arrow names, until an underline there was seen */
	int line, gutter;       /* of source; column at which the text of source lines begins */
	struct mark mark[MARKS];
	int marks;
};

/* ---- lines ---- */

static const char *take_line(const char *at, char *buf)
{
	size_t n = strcspn(at, "\n");

	snprintf(buf, LINE_MOST, "%.*s", (int)(n < LINE_MOST ? n : LINE_MOST - 1), at);
	return at[n] ? at + n + 1 : at + n;
}

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " ");
}

static void set_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, json_string(text));
}

/* "error[E0277]: text" -> level, code, text. */
static bool head(const char *line, const char *level, char *code, const char **ret_text)
{
	size_t n = strlen(level);

	if (strncmp(line, level, n) != 0)
		return false;
	line += n;
	code[0] = 0;
	if (*line == '[') {
		size_t len = strcspn(line + 1, "]");

		snprintf(code, 48, "%.*s", (int)(len < 47 ? len : 47), line + 1);
		line += 1 + len + (line[1 + len] == ']');
	}
	if (line[0] != ':' || line[1] != ' ')
		return false;
	*ret_text = line + 2;
	return true;
}

static bool begins_message(const char *line, char *level, char *code, const char **ret_text)
{
	static const char *const levels[] = { "error", "warning" };

	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
		if (!head(line, levels[i], code, ret_text))
			continue;
		strcpy(level, levels[i]);
		return true;
	}
	return false;
}

/* Lints have no code in the text; the first of a kind has a note that says which it is, the others only their words. */
static const char *lint_code(const char *text)
{
	static const struct {
		const char *begin, *part, *code;
	} lints[] = {
		{ "unused ", "must be used", "unused_must_use" },
		{ "this `", "Guard` is held across an await point", "clippy::await_holding_lock" },
	};

	for (size_t i = 0; i < sizeof(lints) / sizeof(*lints); i++)
		if (!strncmp(text, lints[i].begin, strlen(lints[i].begin)) &&
		    strstr(text, lints[i].part))
			return lints[i].code;
	return "";
}

/* ---- the parts of a message ---- */

static json_t *new_part(const char *level, const char *code, const char *text)
{
	json_t *part = json_object();

	set_text(part, "level", level);
	set_text(part, "message", text);
	json_object_set_new(part, "code", *code ? json_pack("{s:s}", "code", code) : json_null());
	json_object_set_new(part, "spans", json_array());
	json_object_set_new(part, "children", json_array());
	return part;
}

static void add_child(struct reader *r, const char *level, const char *text)
{
	json_t *child = new_part(level, "", text);

	json_array_append_new(json_object_get(r->message, "children"), child);
	r->part = child;
	r->file[0] = 0;
	r->marks = 0;
}

/* A line that goes on with the text of a note: "    the trait `X` ..." beneath "= note:". */
static void add_text(struct reader *r, const char *text)
{
	const char *before = json_string_value(json_object_get(r->part, "message"));
	char joined[2 * LINE_MOST];

	snprintf(joined, sizeof(joined), "%.*s\n%s", LINE_MOST, before ? before : "", text);
	set_text(r->part, "message", joined);
}

/* "src/main.rs:12" -> "src/main.rs", 12 */
static int cut_number(char *place)
{
	char *colon = strrchr(place, ':');

	if (!colon || colon == place)
		return 0;
	*colon = 0;
	return atoi(colon + 1);
}

/* "  --> src/main.rs:12:18", or "  ::: src/x.rs:3:1" */
static bool arrow(struct reader *r, const char *line)
{
	const char *s = skip_blanks(line);

	if (strncmp(s, "--> ", 4) != 0 && strncmp(s, "::: ", 4) != 0)
		return false;
	s += 4;
	snprintf(r->file, sizeof(r->file), "%s", s);
	r->at_column = cut_number(r->file);
	r->at_line = cut_number(r->file);
	r->marks = 0;
	return true;
}

/* "12 |     let x = 1;": the number, the source, and where it begins. */
static bool source_line(struct reader *r, const char *line)
{
	const char *s = skip_blanks(line), *bar;

	if (!isdigit((unsigned char)*s))
		return false;
	bar = s + strspn(s, "0123456789");
	bar = skip_blanks(bar);
	if (*bar != '|' && *bar != '+' && *bar != '~')
		return false;
	r->line = atoi(s);
	r->gutter = (int)(bar - line) + 2;
	snprintf(r->source, sizeof(r->source), "%s", bar[1] ? bar + 2 : "");
	r->marks = 0;
	return true;
}

static json_t *add_span(struct reader *r, const char *text, int from, int to)
{
	json_t *spans = json_object_get(r->part, "spans");
	bool primary = memchr(text + from, '^', (size_t)(to - from)) != NULL;
	/*
	 * The arrow has the true place: a long line is shown without its beginning, and what reaches over several lines has
	 * a bar beside it down to its last.
	 */
	bool lines = text[0] == '|';
	bool named = primary && r->at_column && (r->line == r->at_line || lines);
	json_t *span = json_pack("{s:s, s:i, s:i, s:b, s:s, s:[{s:s, s:i, s:i}]}", "file_name",
				 r->file, "line_start", named ? r->at_line : r->line,
				 "column_start", named ? r->at_column : from + 1, "is_primary",
				 primary, "label", "", "text", "text", r->source, "highlight_start",
				 from + 1, "highlight_end", to + 1);

	if (!span || json_array_size(spans) >= SPANS) {
		json_decref(span);
		return NULL;
	}
	if (named)
		r->at_column = 0;
	json_array_append_new(spans, span);
	return span;
}

/* The text after the last underline is its label; those further left have theirs on lines below. */
static void underlines(struct reader *r, const char *text)
{
	const char *s = text, *last = NULL;

	r->marks = 0;
	while (*(s += strcspn(s, "^-"))) {
		size_t n = strspn(s, "^-");
		int from = (int)(s - text);
		json_t *span = r->marks < MARKS && (*s == '^' || n > 1 || s[n] == ' ' || !s[n])
				       ? add_span(r, text, from, from + (int)n)
				       : NULL;

		s += n;
		if (!span)
			break;
		r->mark[r->marks++] = (struct mark){ span, from };
		last = s;
		if (*skip_blanks(s) && !strchr("^-", *skip_blanks(s)))
			break;
	}
	if (!last || !r->marks)
		return;
	last = skip_blanks(last);
	set_text(r->mark[r->marks - 1].span, "label", last);
	if (*last)
		r->marks--;
}

/* "   |     |   the label", below the underline at that column. */
static void label_below(struct reader *r, const char *text)
{
	int column = (int)strspn(text, " |");

	for (int i = 0; text[column] && i < r->marks; i++)
		if (r->mark[i].column == column)
			set_text(r->mark[i].span, "label", text + column);
}

/* "   |   ..." beneath a source line. */
static bool bar_line(struct reader *r, const char *line)
{
	const char *s = skip_blanks(line);
	const char *text;

	if (*s != '|' || !r->gutter)
		return false;
	text = (int)strlen(line) > r->gutter ? line + r->gutter : "";
	if (text[strspn(text, " |_")] == '^' || text[strspn(text, " |_")] == '-')
		underlines(r, text);
	else
		label_below(r, text);
	return true;
}

/* "   = note: text", "note: text", "help: text" */
static bool child(struct reader *r, const char *line)
{
	static const char *const levels[] = { "note", "help", "warning" };
	const char *s = skip_blanks(line), *text;
	char code[48];

	if (*s == '=')
		s = skip_blanks(s + 1);
	else if (s != line)
		return false;
	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
		if (!head(s, levels[i], code, &text) || (s == line && i == 2))
			continue;
		add_child(r, levels[i], text);
		return true;
	}
	return false;
}

static void one_line(struct reader *r, const char *line)
{
	const char *s = skip_blanks(line);

	if (child(r, line) || arrow(r, line) || source_line(r, line) || bar_line(r, line))
		return;
	if (r->part != r->message && *s && s > line + 2)
		add_text(r, s);
}

/* "this error originates in the macro `tokio::select`": JSON has it in the spans, as where they are expanded. */
static void note_macro(json_t *message)
{
	static const char mark[] = "originates in the macro `";
	json_t *value, *copy;
	const char *at = NULL;
	char name[64];
	size_t i;

	json_array_foreach(json_object_get(message, "children"), i, value) {
		const char *text = json_string_value(json_object_get(value, "message"));

		at = at ? at : text ? strstr(text, mark) : NULL;
	}
	if (!at)
		return;
	at += strlen(mark);
	snprintf(name, sizeof(name), "%.*s!", (int)strcspn(at, "`"), at);
	json_array_foreach(json_object_get(message, "spans"), i, value) {
		copy = json_copy(value);
		json_object_set_new(value, "expansion",
				    json_pack("{s:s, s:o}", "macro_decl_name", name, "span", copy));
	}
}

static bool find_head(const char **at, char *level, char *code, char *line, const char **ret_text)
{
	while (**at) {
		*at = take_line(*at, line);
		if (begins_message(line, level, code, ret_text))
			return true;
	}
	return false;
}

json_t *plain_next(const char **at)
{
	char line[LINE_MOST], level[16], code[48];
	struct reader r = { .gutter = 0 };
	const char *text, *next;

	if (!find_head(at, level, code, line, &text))
		return NULL;
	r.message = r.part = new_part(level, *code ? code : lint_code(text), text);
	while (**at) {
		next = take_line(*at, line);
		if (begins_message(line, level, code, &text))
			break;
		one_line(&r, line);
		*at = next;
	}
	note_macro(r.message);
	return r.message;
}
