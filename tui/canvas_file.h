/* SPDX-License-Identifier: MIT */
#ifndef WEFT_CANVAS_FILE_H
#define WEFT_CANVAS_FILE_H

#include "tui/canvas.h"

/* Into a new text file in the current folder, named after the time (UTC). Says in `ret_said` how that went: one line. */
void canvas_save(const struct canvas *c, char *ret_said, size_t size);

#endif
