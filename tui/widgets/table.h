/* SPDX-License-Identifier: MIT */
/* Columns that keep their width. Widths and places depend on the size of the screen only, never on what is shown. */
#ifndef WEFT_TABLE_H
#define WEFT_TABLE_H

#include "tui/canvas.h"

struct table_column {
	const char *title;
	int width; /* 0 = what is left, at least 10 */
	int from;  /* shown on screens of at least this width */
	bool right;
};

struct table_slot {
	int x, width; /* width 0 = not shown */
};

void table_layout(const struct table_column *columns, int n, int width, struct table_slot *slots);
/* sorted: index of the column that orders the rows, -1 = none */
void table_head(struct canvas *c, int y, const struct table_column *columns, int n,
		const struct table_slot *slots, int sorted);
void table_cell(struct canvas *c, int y, const struct table_column *column,
		const struct table_slot *slot, enum theme_role role, const char *text);
int table_at(const struct table_slot *slots, int n, int x); /* column under x, -1 = none */

#endif
