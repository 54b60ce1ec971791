/* SPDX-License-Identifier: MIT */
/*
 * A screen: ops table + state of its own. Handlers change that state and return an intent; app.c
 * carries it out and is the one place that draws. Plug-in family: screens/NAME.c + one line in screens/screens.h.
 */
#ifndef WEFT_SCREEN_H
#define WEFT_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

#include "collector/live.h"
#include "tui/actions.h"
#include "tui/canvas.h"

#define SCREEN_TOP_FINDINGS 4

/* One process that the picker offers. */
struct screen_candidate {
	int pid;
	char name[64], user[33], runtime[96], can_see[256], cannot_see[256];
};

/* Another watched process, for its line in the header. */
struct view_other {
	struct live_header head;
	bool known;
};
#define SCREEN_OTHERS 3 /* most lines of them; Tab reaches all */

/* What all screens look at; filled by app.c before each refresh. */
struct view {
	struct live *live; /* NULL in the picker */
	bool paused, ascii, follow;
	uint32_t process;
	struct live_header head;
	bool head_known;                        /* something is known of the process yet */
	struct view_other other[SCREEN_OTHERS]; /* those that come next with Tab */
	uint32_t others;
	bool done; /* all targets are gone, or the replay is at its end */
	struct live_finding top[SCREEN_TOP_FINDINGS]; /* open ones, worst first */
	uint32_t tops;
	double speed; /* of a replay */
	/* the picker's */
	int (*candidates)(void *ctx, struct screen_candidate *rows,
			  size_t max); /* how many, or negative errno */
	void *candidates_ctx;
	/* Mutes the finding (1) or no longer (0), or fails (< 0), and says so; NULL = can't be done here. */
	int (*mute)(void *ctx, const struct live_finding *f, char *ret_said, size_t size);
	void *mute_ctx;
	const char *trouble; /* why the last choice failed, NULL = it didn't */
	char status[200];    /* what the footer says once; set by handlers */
};

struct screen_input {
	enum action action;
	uint32_t key; /* as pressed; 0 with the mouse */
	bool mouse, doubled;
	int x, row; /* of a click: row counts from the top of the screen's body */
};

enum screen_prompt { SCREEN_PROMPT_NONE, SCREEN_PROMPT_SEARCH, SCREEN_PROMPT_FILTER };

enum intent_kind {
	INTENT_IGNORED, /* not mine */
	INTENT_DONE,
	INTENT_BACK,   /* leave this screen */
	INTENT_OPEN,   /* `screen` on top of this one, with `arg` */
	INTENT_PROMPT, /* ask for a line of text: `prompted` gets it */
	INTENT_PICK,   /* the picker's answer: pid in `arg` */
};

struct screen_ops;
struct intent {
	enum intent_kind kind;
	enum screen_prompt prompt;
	const struct screen_ops *screen;
	uint64_t arg;
};

struct screen_ops {
	const char *tab;  /* in the tab line; NULL = opened by another screen */
	unsigned context; /* enum action_context, one bit */
	bool bare;        /* no header above it */
	void *(*open)(struct view *v, uint64_t arg); /* NULL = no memory */
	void (*close)(void *state);
	/* Reads what will be shown in `height` rows. Called 4 times a second, not while paused. */
	void (*refresh)(void *state, struct view *v, int height);
	/* Into rows y .. y + height - 1. */
	void (*draw)(void *state, const struct view *v, struct canvas *c, int y, int height);
	struct intent (*act)(void *state, struct view *v, const struct screen_input *in);
	void (*prompted)(void *state, struct view *v, enum screen_prompt which, const char *text);
	const char *(*prompt_text)(void *state,
				   enum screen_prompt which); /* what the line begins with */
};

#endif
