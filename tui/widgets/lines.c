/* SPDX-License-Identifier: MIT */
#include "tui/widgets/lines.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tui/format.h"

#define LABEL_COLUMNS 8

void lines_reset(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->line[i].text);
	l->n = 0;
}

void lines_done(struct lines *l)
{
	lines_reset(l);
	free(l->line);
	*l = (struct lines){ 0 };
}

/* Takes the text over. A line that finds no memory is left out. */
static void append(struct lines *l, char *text, enum theme_role role, int label)
{
	if (l->n == l->capacity) {
		size_t capacity = l->capacity ? 2 * l->capacity : 32;
		void *more = realloc(l->line, capacity * sizeof(*l->line));

		if (!more) {
			free(text);
			return;
		}
		l->line = more;
		l->capacity = capacity;
	}
	if (text)
		l->line[l->n++] = (struct lines_line){ text, (uint8_t)role, (uint8_t)label };
}

void lines_add(struct lines *l, enum theme_role role, const char *format, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	append(l, text, role, 0);
}

void lines_label(struct lines *l, const char *label, enum theme_role role, const char *format, ...)
{
	char *text = NULL, *line = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	if (text && asprintf(&line, "%-*s%s", LABEL_COLUMNS, label, text) < 0)
		line = NULL;
	free(text);
	append(l, line, role, LABEL_COLUMNS);
}

/* Bytes of `text` that go into `width` columns, cut at a blank where there is one. */
static size_t fitting(const char *text, int width)
{
	const char *p = text, *blank = NULL;
	int columns = 0;

	while (*p && *p != '\n') {
		const char *next = p;
		uint32_t c = format_next(&next);

		columns += format_width(c);
		if (columns > width)
			return (size_t)((blank && blank > text ? blank
					 : p > text            ? p
							       : next) -
					text);
		if (c == ' ')
			blank = p;
		p = next;
	}
	return (size_t)(p - text);
}

void lines_wrap(struct lines *l, const char *label, enum theme_role role, int width,
		const char *text)
{
	int room = width - LABEL_COLUMNS > 20 ? width - LABEL_COLUMNS : 20;

	do {
		size_t n = fitting(text, room);

		lines_label(l, label, role, "%.*s", (int)n, text);
		text += n;
		text += *text == '\n' || *text == ' ';
		label = "";
	} while (*text);
}

void lines_fold(struct lines *l, enum theme_role role, int width, int indent, const char *text)
{
	int room = width > 20 ? width : 20, in = 0;

	do {
		size_t n = fitting(text, room - in);

		lines_add(l, role, "%*s%.*s", in, "", (int)n, text);
		text += n;
		text += strspn(text, " ");
		in = indent;
	} while (*text);
}

static size_t last_top(const struct lines *l)
{
	return l->n > (size_t)l->height ? l->n - (size_t)l->height : 0;
}

static void draw_line(const struct lines_line *line, struct canvas *c, int y)
{
	canvas_text(c, 1, y, c->width - 1, (enum theme_role)line->role, line->text);
	if (line->label)
		canvas_paint(c, 1, y, line->label, ROLE_LABEL);
}

void lines_draw(struct lines *l, struct canvas *c, int y, int height)
{
	char more[32];
	int len;

	l->height = height;
	if (l->top > last_top(l))
		l->top = last_top(l);
	for (int i = 0; i < height && l->top + (size_t)i < l->n; i++)
		draw_line(&l->line[l->top + (size_t)i], c, y + i);
	if (l->top >= last_top(l))
		return;
	/* Right-aligned and as wide as it is: nothing of the line below shows behind it. */
	len = snprintf(more, sizeof(more), "  %zu more", l->n - l->top - (size_t)height);
	canvas_text(c, c->width - len, y + height - 1, len, ROLE_DIM, more);
}

bool lines_act(struct lines *l, enum action action)
{
	size_t page = l->height > 1 ? (size_t)l->height - 1 : 1;

	switch (action) {
	case ACTION_UP:
		l->top -= l->top > 0;
		return true;
	case ACTION_DOWN:
		l->top++;
		break;
	case ACTION_PAGE_UP:
		l->top -= l->top < page ? l->top : page;
		return true;
	case ACTION_PAGE_DOWN:
		l->top += page;
		break;
	case ACTION_HOME:
		l->top = 0;
		return true;
	case ACTION_END:
		l->top = l->n;
		break;
	default:
		return false;
	}
	if (l->top > last_top(l))
		l->top = last_top(l);
	return true;
}
