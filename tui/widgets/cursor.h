/* SPDX-License-Identifier: MIT */
/* A cursor in a short list that is in memory as a whole. */
#ifndef WEFT_CURSOR_H
#define WEFT_CURSOR_H

#include "tui/screen.h"

struct cursor {
	size_t at, top, n;
	int height;
};

void cursor_set(struct cursor *k, size_t n,
		int height);                           /* the list has n rows, `height` are shown */
bool cursor_act(struct cursor *k, enum action action); /* false = not such an action */
bool cursor_click(struct cursor *k, int row);          /* row on the screen; false = none there */

#endif
