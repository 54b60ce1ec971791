/* SPDX-License-Identifier: MIT */
/*
 * A screen in memory: cells of one character and its role. Drawn by screens and widgets, shown by
 * terminal.c or written as text. Everything is clipped; text is made safe on the way in (format_clean).
 */
#ifndef WEFT_CANVAS_H
#define WEFT_CANVAS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tui/theme.h"

struct canvas_cell {
	uint32_t c; /* 0 = right half of a wide character */
	uint8_t role;
};

struct canvas {
	int width, height;
	bool ascii; /* only ASCII may come out */
	struct canvas_cell *cells;
};

int canvas_init(struct canvas *c, int width, int height, bool ascii); /* -ENOMEM */
void canvas_done(struct canvas *c);
void canvas_clear(struct canvas *c);

/* All of these take at most `width` columns from (x, y) on and return how many were used. */
int canvas_text(struct canvas *c, int x, int y, int width, enum theme_role role, const char *text);
int canvas_right(struct canvas *c, int x, int y, int width, enum theme_role role, const char *text);
int canvas_printf(struct canvas *c, int x, int y, int width, enum theme_role role,
		  const char *format, ...) __attribute__((format(printf, 6, 7)));
void canvas_put(struct canvas *c, int x, int y, enum theme_role role, uint32_t glyph);
void canvas_paint(struct canvas *c, int x, int y, int width, enum theme_role role); /* roles only */

/* The row under a cursor: painted, and marked in the first column (seen without colours, too). */
void canvas_select(struct canvas *c, int y, int width, enum theme_role role);

/* Lines without trailing blanks. */
void canvas_write(const struct canvas *c, FILE *out);

#endif
