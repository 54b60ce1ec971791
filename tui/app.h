/* SPDX-License-Identifier: MIT */
/*
 * The console without a terminal: input goes in, a canvas comes out. terminal_loop.c drives it from a
 * real terminal, script.c from a list of keys. One thread.
 */
#ifndef WEFT_APP_H
#define WEFT_APP_H

#include "tui/screen.h"

#define APP_LEAST_WIDTH  80
#define APP_LEAST_HEIGHT 24

struct app;

struct app_options {
	struct live *live;  /* borrowed; NULL = the picker */
	const char *notice; /* said in the footer at first; NULL = nothing */
	double speed;       /* of a replay */
	bool ascii;
	bool follow; /* restarts are attached to: show the new process when the old one is gone */
	int (*candidates)(void *ctx, struct screen_candidate *rows, size_t max);
	void *candidates_ctx;
	const char *trouble; /* borrowed */
	int (*mute)(void *ctx, const struct live_finding *f, char *ret_said, size_t size);
	void *mute_ctx;
};

struct app *app_new(const struct app_options *options); /* NULL = no memory */
struct app *app_free(struct app *a);                    /* takes NULL, returns NULL */

int app_resize(struct app *a, int width, int height); /* -ENOMEM */
void app_refresh(struct app *a);                      /* reads what is shown, unless paused */
const struct canvas *app_draw(struct app *a);         /* valid to the next call */

void app_key(struct app *a, uint32_t key);
void app_click(struct app *a, int x, int y, bool doubled);
void app_show(struct app *a, int tab); /* 0 = the first */

bool app_ended(const struct app *a);      /* quit, or a choice was made */
uint64_t app_picked(const struct app *a); /* pid, 0 = none */
bool app_wants_redraw(struct app *a);     /* once after ^L */

#endif
