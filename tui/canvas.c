/* SPDX-License-Identifier: MIT */
#include "tui/canvas.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "tui/format.h"

int canvas_init(struct canvas *c, int width, int height, bool ascii)
{
	*c = (struct canvas){ .width = width, .height = height, .ascii = ascii };
	c->cells = calloc((size_t)width * (size_t)height + 1, sizeof(*c->cells));
	if (!c->cells)
		return -ENOMEM;
	canvas_clear(c);
	return 0;
}

void canvas_done(struct canvas *c)
{
	free(c->cells);
	*c = (struct canvas){ 0 };
}

void canvas_clear(struct canvas *c)
{
	for (int i = 0; i < c->width * c->height; i++)
		c->cells[i] = (struct canvas_cell){ ' ', ROLE_TEXT };
}

static struct canvas_cell *cell_at(struct canvas *c, int x, int y)
{
	if (x < 0 || y < 0 || x >= c->width || y >= c->height)
		return NULL;
	return &c->cells[y * c->width + x];
}

void canvas_put(struct canvas *c, int x, int y, enum theme_role role, uint32_t glyph)
{
	struct canvas_cell *cell = cell_at(c, x, y);

	if (cell)
		*cell = (struct canvas_cell){ glyph, (uint8_t)role };
}

#define TEXT_BYTES 4096 /* more than any screen is wide */

/* Draws clean text. */
static int draw(struct canvas *c, int x, int y, int width, enum theme_role role, const char *text)
{
	int used = 0, w;
	uint32_t glyph;

	while ((glyph = format_next(&text)) != 0) {
		if (c->ascii && glyph >= 0x7f)
			glyph = '?';
		w = format_width(glyph);
		if (used + w > width || x + used + w > c->width)
			break;
		if (w == 0)
			continue;
		canvas_put(c, x + used, y, role, glyph);
		if (w == 2)
			canvas_put(c, x + used + 1, y, role, 0);
		used += w;
	}
	return used;
}

int canvas_text(struct canvas *c, int x, int y, int width, enum theme_role role, const char *text)
{
	char clean[TEXT_BYTES];

	format_clean(clean, sizeof(clean), text);
	return draw(c, x, y, width, role, clean);
}

int canvas_right(struct canvas *c, int x, int y, int width, enum theme_role role, const char *text)
{
	char clean[TEXT_BYTES];
	int columns;

	format_clean(clean, sizeof(clean), text);
	columns = (int)format_columns(clean);
	return draw(c, columns < width ? x + width - columns : x, y, width, role, clean);
}

int canvas_printf(struct canvas *c, int x, int y, int width, enum theme_role role,
		  const char *format, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return canvas_text(c, x, y, width, role, text);
}

void canvas_paint(struct canvas *c, int x, int y, int width, enum theme_role role)
{
	struct canvas_cell *cell;

	for (int i = 0; i < width; i++)
		if ((cell = cell_at(c, x + i, y)) != NULL)
			cell->role = (uint8_t)role;
}

void canvas_select(struct canvas *c, int y, int width, enum theme_role role)
{
	struct canvas_cell *first = cell_at(c, 0, y);

	canvas_paint(c, 0, y, width, role);
	if (first && (first->c == ' ' || first->c == '!'))
		first->c = '>';
}

void canvas_write(const struct canvas *c, FILE *out)
{
	char utf8[5];

	for (int y = 0; y < c->height; y++) {
		const struct canvas_cell *row = c->cells + y * c->width;
		int last = c->width;

		while (last > 0 && row[last - 1].c == ' ')
			last--;
		for (int x = 0; x < last; x++)
			if (row[x].c)
				fwrite(utf8, 1, format_utf8(row[x].c, utf8), out);
		fputc('\n', out);
	}
}
