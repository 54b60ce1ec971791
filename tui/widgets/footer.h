/* SPDX-License-Identifier: MIT */
/* The last line: keys of the screen (from the list of actions), a message, or a line being typed. */
#ifndef WEFT_FOOTER_H
#define WEFT_FOOTER_H

#include "tui/screen.h"

void footer_draw(const struct view *v, struct canvas *c, unsigned context, const char *prompt,
		 const char *typed); /* prompt NULL = none is open */

#endif
