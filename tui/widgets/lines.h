/* SPDX-License-Identifier: MIT */
/* A text of lines with roles, scrolled: details, proof, help, notes. */
#ifndef WEFT_LINES_H
#define WEFT_LINES_H

#include "tui/screen.h"

struct lines {
	struct lines_line {
		char *text;
		uint8_t role, label; /* the first `label` columns are drawn as a label */
	} * line;
	size_t n, capacity;
	size_t top; /* first one shown; kept over lines_reset */
	int height; /* of the last drawing */
};

void lines_done(struct lines *l);
void lines_reset(struct lines *l); /* drops the lines, not the place */
void lines_add(struct lines *l, enum theme_role role, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A word in front in the colour of labels, in a column of 8. */
void lines_label(struct lines *l, const char *label, enum theme_role role, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Adds `text`, wrapped at `width`; further lines are indented. Newlines of the text are kept. */
void lines_wrap(struct lines *l, const char *label, enum theme_role role, int width,
		const char *text);
/* Adds one line as it is; what doesn't fit in `width` goes on below, `indent` columns in. */
void lines_fold(struct lines *l, enum theme_role role, int width, int indent, const char *text);
void lines_draw(struct lines *l, struct canvas *c, int y, int height);
bool lines_act(struct lines *l, enum action action); /* scrolls; false = not such an action */

#endif
