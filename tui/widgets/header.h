/* SPDX-License-Identifier: MIT */
/* The lines on top of every screen: who is watched, workers, rates, tasks, findings. */
#ifndef WEFT_HEADER_H
#define WEFT_HEADER_H

#include "tui/screen.h"

int header_rows(const struct view *v);
void header_draw(const struct view *v, struct canvas *c);

#endif
