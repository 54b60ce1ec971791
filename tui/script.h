/* SPDX-License-Identifier: MIT */
/*
 * The console without a terminal: a list of steps, separated by ';'.
 *
 *   wait:2s      go on refreshing for this long
 *   until:TEXT   ... until TEXT is on the screen, at most 30 s
 *   key:NAME     press a key: 2, Enter, Esc, Down, F4, ^L ...; several with blanks between
 *   type:TEXT    press the keys of TEXT
 *   click:X,Y    the mouse, from 0,0 in the corner
 *   size:WxH     resize
 *   snap         print the screen
 */
#ifndef WEFT_SCRIPT_H
#define WEFT_SCRIPT_H

#include "tui/app.h"

struct script_error {
	char text[160];
};

/* 0; -EINVAL: a step makes no sense; -ETIMEDOUT: `until` didn't come true; -ECANCELED: `stop` said so. */
int script_run(struct app *a, const char *script, FILE *out, bool (*stop)(void),
	       struct script_error *ret);

#endif
