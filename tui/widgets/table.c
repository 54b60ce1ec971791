/* SPDX-License-Identifier: MIT */
#include "tui/widgets/table.h"

#define LEAST_REST 10

static int rest_of(const struct table_column *columns, int n, int width)
{
	int rest = width;

	for (int i = 0; i < n; i++)
		if (columns[i].from <= width)
			rest -= columns[i].width + 1;
	return rest + 1 > LEAST_REST ? rest + 1 : LEAST_REST;
}

void table_layout(const struct table_column *columns, int n, int width, struct table_slot *slots)
{
	int rest = rest_of(columns, n, width), x = 0;

	for (int i = 0; i < n; i++) {
		slots[i] = (struct table_slot){ x, 0 };
		if (columns[i].from > width)
			continue;
		slots[i].width = columns[i].width ? columns[i].width : rest;
		x += slots[i].width + 1;
	}
}

void table_cell(struct canvas *c, int y, const struct table_column *column,
		const struct table_slot *slot, enum theme_role role, const char *text)
{
	if (!slot->width)
		return;
	if (column->right)
		canvas_right(c, slot->x, y, slot->width, role, text);
	else
		canvas_text(c, slot->x, y, slot->width, role, text);
}

void table_head(struct canvas *c, int y, const struct table_column *columns, int n,
		const struct table_slot *slots, int sorted)
{
	canvas_paint(c, 0, y, c->width, ROLE_HEAD);
	for (int i = 0; i < n; i++)
		table_cell(c, y, &columns[i], &slots[i], i == sorted ? ROLE_HEAD_SORT : ROLE_HEAD,
			   columns[i].title);
	if (sorted >= 0)
		canvas_paint(c, slots[sorted].x, y, slots[sorted].width, ROLE_HEAD_SORT);
}

int table_at(const struct table_slot *slots, int n, int x)
{
	for (int i = 0; i < n; i++)
		if (slots[i].width && x >= slots[i].x && x < slots[i].x + slots[i].width)
			return i;
	return -1;
}
