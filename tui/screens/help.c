/* SPDX-License-Identifier: MIT */
/* Made from the list of actions and the columns of Tasks; nothing is written down twice. */
#include <stdlib.h>

#include "tui/format.h"
#include "tui/screens/screens.h"
#include "tui/screens/tasks.h"
#include "tui/widgets/lines.h"

static void add_keys(struct lines *l)
{
	lines_add(l, ROLE_TITLE, "Keys");
	for (int i = 1; i < ACTION_COUNT; i++)
		lines_add(l, ROLE_TEXT, "  %-14s %s", actions[i].keys, actions[i].help);
}

static void add_columns(struct lines *l)
{
	static const struct {
		const char *title, *help;
		char key;
	} rows[] = {
#define X(name, title, key, sort, width, from, right, help) { title, help, key },
		TASKS_COLUMNS(X)
#undef X
	};

	lines_add(l, ROLE_TITLE,
		  "Columns of Tasks, and the key that sorts by each (again: the other way round)");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		lines_add(l, ROLE_TEXT, "  %c  %-11s %s", rows[i].key ? rows[i].key : ' ',
			  rows[i].title, rows[i].help);
}

static void add_signs(struct lines *l)
{
	lines_add(l, ROLE_TITLE, "Signs");
	lines_add(l, ROLE_BAR_BUSY, "  |   busy: on the CPU inside a poll");
	lines_add(l, ROLE_BAR_BLOCKED,
		  "  !   blocked: inside a poll, off the CPU in a system call");
	lines_add(
		l, ROLE_BAR_RUNNABLE,
		"  ~   runnable: inside a poll, waiting for a CPU; before a rate: events were lost");
	lines_add(l, ROLE_BAR_OWN, "  :   the runtime's own work");
	lines_add(
		l, ROLE_TEXT,
		"      blank: parked        ?  can't be known        >3m12s  older than the attach");
}

static void *help_open(struct view *v, uint64_t arg)
{
	struct lines *l = calloc(1, sizeof(*l));

	(void)v;
	(void)arg;
	if (!l)
		return NULL;
	add_signs(l);
	lines_add(l, ROLE_TEXT, "%s", "");
	add_keys(l);
	lines_add(l, ROLE_TEXT, "%s", "");
	add_columns(l);
	return l;
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

static void help_draw(void *state, const struct view *v, struct canvas *c, int y, int height)
{
	(void)v;
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
