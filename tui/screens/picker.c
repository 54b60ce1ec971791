/* SPDX-License-Identifier: MIT */
/* What runs here and can be watched: the console without a target. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tui/screens/screens.h"
#include "tui/widgets/cursor.h"
#include "tui/widgets/table.h"

#define MOST  256
#define EVERY 8 /* refreshes between two looks around: /proc is walked each time */

enum { PID, USER, NAME, RUNTIME, SEES, COLUMNS };

static const struct table_column columns[COLUMNS] = {
	[PID] = { "PID", 8, 0, true },       [USER] = { "USER", 10, 0, false },
	[NAME] = { "NAME", 16, 0, false },   [RUNTIME] = { "RUNTIME", 24, 0, false },
	[SEES] = { "CAN SEE", 0, 0, false },
};

struct picker {
	struct screen_candidate *rows;
	struct cursor cursor;
	int n, refreshes;
};

static void *picker_open(struct view *v, uint64_t arg)
{
	struct picker *s = calloc(1, sizeof(*s));

	(void)v;
	(void)arg;
	if (s)
		s->rows = calloc(MOST, sizeof(*s->rows));
	if (s && !s->rows) {
		free(s);
		return NULL;
	}
	return s;
}

static void picker_close(void *state)
{
	struct picker *s = state;

	free(s->rows);
	free(s);
}

/* The cursor stays on its process when others come and go. */
static void keep_cursor(struct picker *s, int pid)
{
	for (int i = 0; i < s->n; i++)
		if (s->rows[i].pid == pid)
			s->cursor.at = (size_t)i;
}

static void picker_refresh(void *state, struct view *v, int height)
{
	struct picker *s = state;
	int pid = s->n > 0 ? s->rows[s->cursor.at].pid : 0;

	if (s->refreshes++ % EVERY == 0) {
		s->n = v->candidates ? v->candidates(v->candidates_ctx, s->rows, MOST) : 0;
		keep_cursor(s, pid);
	}
	cursor_set(&s->cursor, s->n > 0 ? (size_t)s->n : 0, height > 6 ? height - 5 : 1);
}

/* ---- drawing ---- */

static void draw_empty(const struct picker *s, struct canvas *c, int y)
{
	if (s->n == -ENOTSUP)
		canvas_text(
			c, 1, y, c->width - 2, ROLE_WARN,
			"This is the offline build: it replays recordings and can't look at processes.");
	else if (s->n < 0)
		canvas_printf(c, 1, y, c->width - 2, ROLE_WARN,
			      "The processes here can't be looked at: %s", strerror(-s->n));
	else
		canvas_text(c, 1, y, c->width - 2, ROLE_TEXT,
			    "No process here has a runtime that Weft knows.");
	canvas_text(
		c, 1, y + 2, c->width - 2, ROLE_DIM,
		"Looked for: programs with libweft; Rust programs with Tokio, async-std or smol.");
	if (geteuid() != 0)
		canvas_text(c, 1, y + 3, c->width - 2, ROLE_DIM,
			    "Processes of other users, and attaching, need root: sudo weft top");
	canvas_text(c, 1, y + 4, c->width - 2, ROLE_DIM,
		    "weft check: what this machine can do. weft top FILE.db: replays a recording.");
}

static void draw_row(struct canvas *c, int y, const struct table_slot *slots,
		     const struct screen_candidate *r)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", r->pid);
	table_cell(c, y, &columns[PID], &slots[PID], ROLE_TEXT, pid);
	table_cell(c, y, &columns[USER], &slots[USER], ROLE_DIM, r->user);
	table_cell(c, y, &columns[NAME], &slots[NAME], ROLE_TITLE, r->name);
	table_cell(c, y, &columns[RUNTIME], &slots[RUNTIME], ROLE_TEXT, r->runtime);
	table_cell(c, y, &columns[SEES], &slots[SEES], ROLE_GOOD, r->can_see);
}

static void picker_draw(void *state, const struct view *v, struct canvas *c, int y, int height)
{
	struct picker *s = state;
	struct table_slot slots[COLUMNS];
	const char *hidden = s->n > 0 ? s->rows[s->cursor.at].cannot_see : "";

	canvas_text(c, 0, y, c->width, ROLE_TITLE,
		    "weft  which process? Enter attaches; it runs on during and after");
	if (v->trouble)
		canvas_text(c, 0, y + 1, c->width, ROLE_CRIT, v->trouble);
	table_layout(columns, COLUMNS, c->width, slots);
	table_head(c, y + 2, columns, COLUMNS, slots, -1);
	if (s->n <= 0)
		draw_empty(s, c, y + 4);
	for (int i = 0; s->n > 0 && i < s->cursor.height && s->cursor.top + (size_t)i < s->cursor.n;
	     i++) {
		size_t at = s->cursor.top + (size_t)i;

		draw_row(c, y + 3 + i, slots, &s->rows[at]);
		if (at == s->cursor.at)
			canvas_select(c, y + 3 + i, c->width, ROLE_SELECTED);
	}
	if (*hidden)
		canvas_printf(c, 0, y + height - 1, c->width, ROLE_DIM, "not: %s", hidden);
}

/* ---- keys ---- */

static struct intent picker_act(void *state, struct view *v, const struct screen_input *in)
{
	struct picker *s = state;
	bool clicked = in->mouse && cursor_click(&s->cursor, in->row - 3);

	(void)v;
	if (s->n > 0 && (in->action == ACTION_OPEN || (clicked && in->doubled)))
		return (struct intent){ .kind = INTENT_PICK,
					.arg = (uint64_t)s->rows[s->cursor.at].pid };
	if (clicked || cursor_act(&s->cursor, in->action))
		return (struct intent){ .kind = INTENT_DONE };
	return (struct intent){ .kind = INTENT_IGNORED };
}

const struct screen_ops picker_screen = {
	.context = IN_PICKER,
	.bare = true,
	.open = picker_open,
	.close = picker_close,
	.refresh = picker_refresh,
	.draw = picker_draw,
	.act = picker_act,
};
