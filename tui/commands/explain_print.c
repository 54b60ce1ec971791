/* SPDX-License-Identifier: MIT */
#include "tui/commands/explain_print.h"

#include <stdlib.h>
#include <string.h>

#include "collector/detect/symptoms.h"
#include "tui/command.h"
#include "tui/format.h"
#include "tui/json_out.h"

#define CELL  12
#define WIDTH 92

static const char *const runtimes[] = { "weft", "tokio", "async-std", "smol" };
#define RUNTIMES (sizeof(runtimes) / sizeof(*runtimes))

/* ---- which parts ---- */

static bool is_shown(const struct knowledge_topic *t, const struct knowledge_part *p,
		     const struct explain_filter *filter)
{
	struct knowledge_part other;

	if (!strcmp(p->section, "texts"))
		return false;
	if (filter->section && strcmp(p->section, filter->section) != 0)
		return false;
	if (!filter->from)
		return true;
	if (!strcmp(p->section, "see"))
		return true;
	if (!strcmp(p->section, "leaving"))
		return !strcmp(p->runtime, filter->from) || !p->runtime[0];
	if (!strcmp(p->section, "arriving"))
		return !strcmp(p->runtime, filter->to) || !p->runtime[0];
	if (p->runtime[0])
		return !strcmp(p->runtime, filter->from) || !strcmp(p->runtime, filter->to);
	return knowledge_part_find(t, p->section, filter->from, &other) &&
	       knowledge_part_find(t, p->section, filter->to, &other);
}

/* Parts in the order of the file; of a move: what is left first. */
static bool next_shown(const struct knowledge_topic *t, const struct explain_filter *filter,
		       struct knowledge_part *p)
{
	while (knowledge_part_next(t, p))
		if (is_shown(t, p, filter))
			return true;
	return false;
}

/* ---- text ---- */

/* A paragraph is filled anew to WIDTH columns; points and what names a recommendation or symptom begin on a line of their own. */
struct fill {
	FILE *out;
	int column; /* 0 = at the beginning of a line */
};

static void fill_end(struct fill *f)
{
	if (f->column)
		fputc('\n', f->out);
	f->column = 0;
}

static void fill_word(struct fill *f, const char *word, int n)
{
	if (f->column && f->column + 1 + n > WIDTH)
		fill_end(f);
	fprintf(f->out, "%s%.*s", f->column ? " " : "  ", n, word);
	f->column += (f->column ? 1 : 2) + n;
}

static bool begins_line(const struct knowledge_line *l)
{
	return (l->text[0] >= '0' && l->text[0] <= '9' && l->text[1] == '.') ||
	       !strncmp(l->text, "recommendation: ", 16) || !strncmp(l->text, "symptom: ", 9);
}

static void fill_line(struct fill *f, const struct knowledge_line *l)
{
	const char *end = l->text + l->length;

	if (begins_line(l))
		fill_end(f);
	for (const char *s = l->text; s < end;) {
		int n = (int)strcspn(s, " \n");

		if (s + n > end)
			n = (int)(end - s);
		if (n)
			fill_word(f, s, n);
		s += n + 1;
	}
}

static void caption(const struct knowledge_line *l, FILE *out)
{
	static const struct {
		const char *word, *text;
	} captions[] = { { "fails", "  refused:\n" }, { "warns", "  with a warning:\n" } };

	fputc('\n', out);
	for (size_t i = 0; i < sizeof(captions) / sizeof(*captions); i++)
		if (!strcmp(l->word, captions[i].word))
			fputs(captions[i].text, out);
}

static void print_part(const struct knowledge_part *p, FILE *out)
{
	struct knowledge_line line = { .text = NULL };
	struct fill f = { .out = out };
	int block = 0;

	while (knowledge_line_next(p, &line)) {
		if (line.code) {
			fill_end(&f);
			if (line.block != block)
				caption(&line, out);
			block = line.block;
			fprintf(out, line.length ? "      %.*s\n" : "%.*s\n", line.length,
				line.text);
		} else if (line.length) {
			if (!f.column && block) {
				fputc('\n', out);
				block = 0;
				line.block = 0;
			}
			fill_line(&f, &line);
		}
	}
	fill_end(&f);
}

static const char *shown_runtime(const char *name)
{
	return strcmp(name, "weft") ? name : "weft (C)";
}

static bool is_empty(const struct knowledge_part *p)
{
	struct knowledge_line line = { .text = NULL };

	while (knowledge_line_next(p, &line))
		if (line.length)
			return false;
	return true;
}

static void print_moved(const struct knowledge_topic *t, const struct explain_filter *filter,
			const char *section, FILE *out)
{
	const char *order[] = { filter->from, filter->to };
	struct knowledge_part p;

	for (int i = 0; i < 2; i++) {
		if (!knowledge_part_find(t, section, order[i], &p) || !is_shown(t, &p, filter))
			continue;
		fprintf(out, "\n  %s\n", shown_runtime(order[i]));
		print_part(&p, out);
	}
}

void explain_print_topic(const struct knowledge_topic *t, const struct explain_filter *filter,
			 FILE *out)
{
	struct knowledge_part p = { .from = NULL };

	if (filter->from)
		fprintf(out, "%s to %s\n", filter->from, filter->to);
	else
		fprintf(out, "%s: %s\n", t->name, t->title);
	while (next_shown(t, filter, &p)) {
		if (!p.runtime[0]) {
			fprintf(out, "\n%s\n", p.section);
			print_part(&p, out);
			if (filter->from)
				print_moved(t, filter, p.section, out);
		} else if (!filter->from && !is_empty(&p)) {
			fprintf(out, "\n  %s\n", shown_runtime(p.runtime));
			print_part(&p, out);
		}
	}
}

static void print_row(const char *name, const char *title, FILE *out)
{
	fprintf(out, "  %-17s %s\n", name, title);
}

static bool is_symptom(const char *name)
{
	for (int s = 0; s < SYMPTOMS; s++)
		if (!strcmp(name, symptom_id((enum symptom)s)))
			return true;
	return false;
}

void explain_print_list(FILE *out)
{
	const struct knowledge_topic *t;

	fputs("What weft diagnose finds\n", out);
	for (int s = 0; s < SYMPTOMS; s++) {
		t = knowledge_find(symptom_id((enum symptom)s));
		if (t)
			print_row(t->name, t->title, out);
	}
	fputs("\nGuides\n", out);
	for (size_t i = 0; (t = knowledge_topic(i)); i++)
		if (!is_symptom(t->name))
			print_row(t->name, t->title, out);
	fputs("\nweft explain TOPIC tells more; migrate takes two of weft, tokio, async-std, smol; compat a library.\n"
	      "weft explain -- 'error text' finds the topic of an error, weft explain - reads it from stdin.\n",
	      out);
}

/* "yes: with hyper-util" -> "yes" */
static void verdict_of(const struct knowledge_part *p, char *buf, size_t size)
{
	snprintf(buf, size, "%.*s", (int)strcspn(p->from, ":\n"), p->from);
}

void explain_print_table(const struct knowledge_topic *t, FILE *out)
{
	struct knowledge_part p = { .from = NULL }, cell;
	char verdict[CELL];

	fprintf(out, "%s\n\n%-14s", t->title, "");
	for (size_t i = 0; i < RUNTIMES; i++)
		fprintf(out, "%-*s", i + 1 < RUNTIMES ? CELL : 0, runtimes[i]);
	fputc('\n', out);
	while (knowledge_part_next(t, &p)) {
		if (p.runtime[0] || !strcmp(p.section, "see"))
			continue;
		fprintf(out, "%-14s", p.section);
		for (size_t i = 0; i < RUNTIMES; i++) {
			if (knowledge_part_find(t, p.section, runtimes[i], &cell))
				verdict_of(&cell, verdict, sizeof(verdict));
			else
				strcpy(verdict, "?");
			fprintf(out, "%-*s", i + 1 < RUNTIMES ? CELL : 0, verdict);
		}
		fputc('\n', out);
	}
	fputs("\nadapter: works with a small crate between the two. weft explain compat LIBRARY shows how.\n",
	      out);
}

static void labelled(const char *label, const char *text, FILE *out)
{
	char clean[480];

	format_clean(clean, sizeof(clean), text);
	fprintf(out, "  %-9s %s\n", label, clean);
}

void explain_print_finding(const struct live_finding *f, FILE *out)
{
	fprintf(out, "%s\n", f->id);
	labelled("cause", f->cause, out);
	if (f->location[0])
		labelled("at", f->location, out);
	for (uint32_t i = 0; i < f->evidence_n; i++)
		labelled(i ? "" : "proof", f->evidence[i].text, out);
	labelled("advice", f->advice, out);
	fputc('\n', out);
}

/* ---- JSON ---- */

static void json_begin(struct json_out *j, FILE *out)
{
	json_out_init(j, out);
	json_out_begin(j, NULL, '{');
	json_out_text(j, "weft", WEFT_VERSION);
	json_out_integer(j, "schema", 1);
}

void explain_json_list(FILE *out)
{
	const struct knowledge_topic *t;
	struct json_out j;

	json_begin(&j, out);
	json_out_begin(&j, "topics", '[');
	for (size_t i = 0; (t = knowledge_topic(i)); i++) {
		json_out_begin(&j, NULL, '{');
		json_out_text(&j, "topic", t->name);
		json_out_text(&j, "kind", is_symptom(t->name) ? "finding" : "guide");
		json_out_text(&j, "title", t->title);
		json_out_end(&j, '}');
	}
	json_out_end(&j, ']');
	json_out_end(&j, '}');
}

/* The lines of one kind and block, joined. */
static char *joined(const struct knowledge_part *p, int block)
{
	struct knowledge_line line = { .text = NULL };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int n = 0;

	while (out && knowledge_line_next(p, &line))
		if (block ? line.code && line.block == block : !line.code && line.length)
			fprintf(out, "%s%.*s", n++ ? "\n" : "", line.length, line.text);
	if (out)
		fclose(out);
	return text;
}

static void json_codes(struct json_out *j, const struct knowledge_part *p)
{
	struct knowledge_line line = { .text = NULL };
	int block = 0;

	json_out_begin(j, "code", '[');
	while (knowledge_line_next(p, &line)) {
		char *text;

		if (!line.code || line.block == block)
			continue;
		block = line.block;
		text = joined(p, block);
		json_out_begin(j, NULL, '{');
		json_out_text(j, "language", line.language);
		json_out_text(j, "text", text);
		json_out_end(j, '}');
		free(text);
	}
	json_out_end(j, ']');
}

static void json_part(struct json_out *j, const struct knowledge_part *p)
{
	char *text = joined(p, 0);

	json_out_begin(j, NULL, '{');
	json_out_text(j, "section", p->section);
	json_out_text(j, "runtime", p->runtime[0] ? p->runtime : NULL);
	json_out_text(j, "text", text);
	json_codes(j, p);
	json_out_end(j, '}');
	free(text);
}

static void json_finding(struct json_out *j, const struct live_finding *f)
{
	json_out_begin(j, "finding", '{');
	json_out_text(j, "id", f->id);
	json_out_text(j, "cause", f->cause);
	json_out_text(j, "name", f->subject_name);
	json_out_text(j, "location", f->location);
	json_out_text(j, "advice", f->advice);
	json_out_end(j, '}');
}

void explain_json_topic(const struct knowledge_topic *t, const struct explain_filter *filter,
			const struct live_finding *finding, FILE *out)
{
	struct knowledge_part p = { .from = NULL };
	struct json_out j;

	json_begin(&j, out);
	json_out_text(&j, "topic", t->name);
	json_out_text(&j, "title", t->title);
	if (finding)
		json_finding(&j, finding);
	json_out_begin(&j, "parts", '[');
	while (next_shown(t, filter, &p))
		json_part(&j, &p);
	json_out_end(&j, ']');
	json_out_end(&j, '}');
}
