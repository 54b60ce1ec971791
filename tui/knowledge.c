/* SPDX-License-Identifier: MIT */
#include "tui/knowledge.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "knowledge_md.h"

#define TOPICS (sizeof(embedded_topics) / sizeof(embedded_topics[0]))

static const char *line_end(const char *at)
{
	return strchrnul(at, '\n');
}

const struct knowledge_topic *knowledge_topic(size_t i)
{
	static struct knowledge_topic topics[TOPICS];
	struct knowledge_topic *t;

	if (i >= TOPICS)
		return NULL;
	t = &topics[i];
	t->name = embedded_topics[i].name;
	t->text = embedded_topics[i].text;
	snprintf(t->title, sizeof(t->title), "%.*s", (int)(line_end(t->text) - t->text - 2),
		 t->text + 2);
	return t;
}

const struct knowledge_topic *knowledge_find(const char *name)
{
	for (size_t i = 0; i < TOPICS; i++)
		if (!strcmp(embedded_topics[i].name, name))
			return knowledge_topic(i);
	return NULL;
}

/* ---- parts ---- */

/* A line of # outside of code. */
static bool is_heading(const char *line, const char *mark)
{
	return !strncmp(line, mark, strlen(mark));
}

static const char *after(const char *line)
{
	line = line_end(line);
	return *line ? line + 1 : line;
}

static void name_from(const char *line, size_t skip, char *buf, size_t size)
{
	snprintf(buf, size, "%.*s", (int)(line_end(line) - line - (ptrdiff_t)skip), line + skip);
}

bool knowledge_part_next(const struct knowledge_topic *t, struct knowledge_part *part)
{
	const char *at = part->to ? part->to : after(t->text);
	bool code = false;

	while (*at && !is_heading(at, "## ") && !is_heading(at, "### "))
		at = after(at);
	if (!*at)
		return false;
	part->runtime[0] = 0;
	if (is_heading(at, "## "))
		name_from(at, 3, part->section, sizeof(part->section));
	else
		name_from(at, 4, part->runtime, sizeof(part->runtime));
	part->from = at = after(at);
	for (; *at; at = after(at)) {
		code ^= is_heading(at, "```");
		if (!code && (is_heading(at, "## ") || is_heading(at, "### ")))
			break;
	}
	part->to = at;
	return true;
}

bool knowledge_part_find(const struct knowledge_topic *t, const char *section, const char *runtime,
			 struct knowledge_part *ret)
{
	struct knowledge_part part = { .from = NULL };

	while (knowledge_part_next(t, &part)) {
		if (strcmp(part.section, section) != 0 || strcmp(part.runtime, runtime) != 0)
			continue;
		*ret = part;
		return true;
	}
	return false;
}

/* ---- lines ---- */

static void fence(const char *at, struct knowledge_line *line)
{
	line->code = !line->code;
	line->block += line->code;
	at += 3;
	snprintf(line->language, sizeof(line->language), "%.*s", (int)strcspn(at, " \n"), at);
	at += strcspn(at, " \n");
	at += *at == ' ';
	snprintf(line->word, sizeof(line->word), "%.*s", (int)strcspn(at, "\n"), at);
}

bool knowledge_line_next(const struct knowledge_part *part, struct knowledge_line *line)
{
	const char *at = line->next ? line->next : part->from;

	for (; at < part->to; at = after(at)) {
		if (is_heading(at, "```")) {
			fence(at, line);
			continue;
		}
		if (line->code && (is_heading(at, "# ") || is_heading(at, "#\n")))
			continue;
		line->text = at;
		line->length = (int)(line_end(at) - at);
		line->next = after(at);
		return true;
	}
	return false;
}

/* ---- errors ---- */

/* Like strcasestr, for a piece that ends at its length. */
static bool occurs(const char *text, const char *piece, size_t n)
{
	for (; *text; text++)
		if (!strncasecmp(text, piece, n))
			return true;
	return false;
}

const struct knowledge_topic *knowledge_by_error(const char *text, const char **ret_piece,
						 int *ret_length)
{
	const struct knowledge_topic *best = NULL, *t;
	int longest = 0;

	for (size_t i = 0; (t = knowledge_topic(i)); i++) {
		struct knowledge_line line = { .text = NULL };
		struct knowledge_part part;

		if (!knowledge_part_find(t, "texts", "", &part))
			continue;
		while (knowledge_line_next(&part, &line)) {
			if (line.length <= longest || !occurs(text, line.text, (size_t)line.length))
				continue;
			best = t;
			longest = line.length;
			*ret_piece = line.text;
			*ret_length = line.length;
		}
	}
	return best;
}
