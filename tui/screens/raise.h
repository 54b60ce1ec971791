/* SPDX-License-Identifier: MIT */
/* The keys + and -: of one task, or of its type, all polls are told while the rest stays at light. */
#ifndef WEFT_RAISE_H
#define WEFT_RAISE_H

#include "tui/screen.h"

/* t: the task under the cursor, NULL = none. False: it is another key. */
bool raise_act(struct view *v, const struct live_task *t, enum action action);

#endif
