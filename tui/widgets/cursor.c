/* SPDX-License-Identifier: MIT */
#include "tui/widgets/cursor.h"

static void keep_visible(struct cursor *k)
{
	size_t height = k->height > 0 ? (size_t)k->height : 1;

	if (k->at >= k->n)
		k->at = k->n ? k->n - 1 : 0;
	if (k->top > k->at)
		k->top = k->at;
	if (k->at >= k->top + height)
		k->top = k->at - height + 1;
}

void cursor_set(struct cursor *k, size_t n, int height)
{
	k->n = n;
	k->height = height;
	keep_visible(k);
}

bool cursor_act(struct cursor *k, enum action action)
{
	size_t page = k->height > 1 ? (size_t)k->height - 1 : 1;

	switch (action) {
	case ACTION_UP:
		k->at -= k->at > 0;
		break;
	case ACTION_DOWN:
		k->at++;
		break;
	case ACTION_PAGE_UP:
		k->at -= k->at < page ? k->at : page;
		break;
	case ACTION_PAGE_DOWN:
		k->at += page;
		break;
	case ACTION_HOME:
		k->at = 0;
		break;
	case ACTION_END:
		k->at = k->n;
		break;
	default:
		return false;
	}
	keep_visible(k);
	return true;
}

bool cursor_click(struct cursor *k, int row)
{
	if (row < 0 || row >= k->height || k->top + (size_t)row >= k->n)
		return false;
	k->at = k->top + (size_t)row;
	return true;
}
