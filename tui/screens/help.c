/* SPDX-License-Identifier: MIT */
/* Made from the list of actions and the columns of Tasks; nothing is written down twice. */
#include <stdio.h>
#include <stdlib.h>

#include "tui/format.h"
#include "tui/screens/screens.h"
#include "tui/screens/tasks.h"
#include "tui/widgets/lines.h"

#define KEY_COLUMN  17 /* where the words begin, also on further lines */
#define HELP_COLUMN 17
#define SIGN_COLUMN 6

static void add_keys(struct lines *l, int width)
{
	char text[160];

	lines_add(l, ROLE_TITLE, "Keys");
	for (int i = 1; i < ACTION_COUNT; i++) {
		snprintf(text, sizeof(text), "  %-14s %s", actions[i].keys, actions[i].help);
		lines_fold(l, ROLE_TEXT, width, KEY_COLUMN, text);
	}
}

static void add_columns(struct lines *l, int width)
{
	char text[192];

	static const struct {
		const char *title, *help;
		char key;
	} rows[] = {
#define X(name, title, key, sort, width, from, right, help) { title, help, key },
		TASKS_COLUMNS(X)
#undef X
	};

	lines_add(l, ROLE_TITLE,
		  "Columns of Tasks, and the key that sorts by each (again: the other way)");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		snprintf(text, sizeof(text), "  %c  %-11s %s", rows[i].key ? rows[i].key : ' ',
			 rows[i].title, rows[i].help);
		lines_fold(l, ROLE_TEXT, width, HELP_COLUMN, text);
	}
}

static void add_worker_columns(struct lines *l, int width)
{
	static const char *const rows[][2] = {
		{ "BUSY", "per cent of the last second on the CPU inside polls" },
		{ "BLOCK", "inside a poll, off the CPU in a system call" },
		{ "RUNQ", "inside a poll, waiting for a CPU" },
		{ "OWN", "the runtime's own work" },
		{ "PARK", "asleep, nothing to do; with the four before it 100" },
		{ "QUEUE", "tasks in the worker's own queue" },
		{ "STEALS", "times it took from another worker's queue / tasks taken" },
		{ "PARK/s", "times it went to sleep in a second" },
		{ "LAST 60 s", "how busy it was, the newest second at the right" },
	};
	char text[160];

	lines_add(l, ROLE_TITLE, "Columns of Workers");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		snprintf(text, sizeof(text), "     %-11s %s", rows[i][0], rows[i][1]);
		lines_fold(l, ROLE_TEXT, width, HELP_COLUMN, text);
	}
}

static void add_signs(struct lines *l, int width)
{
	lines_add(l, ROLE_TITLE, "Signs");
	lines_add(l, ROLE_BAR_BUSY, "  |   busy: on the CPU inside a poll");
	lines_add(l, ROLE_BAR_BLOCKED,
		  "  !   blocked: inside a poll, off the CPU in a system call");
	lines_fold(
		l, ROLE_BAR_RUNNABLE, width, SIGN_COLUMN,
		"  ~   runnable: inside a poll, waiting for a CPU; before a figure: events lost, or an estimate");
	lines_add(l, ROLE_BAR_OWN, "  :   the runtime's own work");
	lines_add(l, ROLE_TEXT,
		  "      blank: parked   ? can't be known   >3m12s older than the attach");
}

static void *help_open(struct view *v, uint64_t arg)
{
	(void)v;
	(void)arg;
	return calloc(1, sizeof(struct lines));
}

static void help_close(void *state)
{
	lines_done(state);
	free(state);
}

static void help_refresh(void *state, struct view *v, int height)
{
	(void)state;
	(void)v;
	(void)height;
}

/* Built anew for each drawing, to its width. */
static void build(struct lines *l, int width)
{
	lines_reset(l);
	add_signs(l, width);
	lines_add(l, ROLE_TEXT, "%s", "");
	add_keys(l, width);
	lines_add(l, ROLE_TEXT, "%s", "");
	add_columns(l, width);
	lines_add(l, ROLE_TEXT, "%s", "");
	add_worker_columns(l, width);
}

static void help_draw(void *state, const struct view *v, struct canvas *c, int y, int height)
{
	(void)v;
	build(state, c->width - 2);
	lines_draw(state, c, y, height);
}

static struct intent help_act(void *state, struct view *v, const struct screen_input *in)
{
	(void)v;
	if (in->action == ACTION_BACK || in->action == ACTION_HELP)
		return (struct intent){ .kind = INTENT_BACK };
	return (struct intent){ .kind = lines_act(state, in->action) ? INTENT_DONE
								     : INTENT_IGNORED };
}

const struct screen_ops help_screen = {
	.context = IN_HELP,
	.bare = true,
	.open = help_open,
	.close = help_close,
	.refresh = help_refresh,
	.draw = help_draw,
	.act = help_act,
};
