/* SPDX-License-Identifier: MIT */
/*
 * --follow: what TARGET means is looked up again and again, by a thread beside the engine, and what came up is
 * attached to. By name, unit or container: whatever matches. By pid: once it has ended, one younger process that
 * runs the same file.
 */
#ifndef WEFT_FOLLOW_H
#define WEFT_FOLLOW_H

#include <stdbool.h>

#include "collector/live.h"
#include "tui/commands/target.h"

struct follow;

/* Before the attach: notes what -p PID runs. 0, -ENOMEM, or -EINVAL after an error line. target is borrowed. */
int follow_new(const struct command *self, const struct command_target *target,
	       struct follow **ret);
/* Starts the thread. `live` and the target outlive it; say: a line on stderr for each that came up. */
int follow_start(struct follow *f, struct live *live, bool say);
struct follow *follow_free(struct follow *f); /* ends the thread; takes NULL, returns NULL */

#endif
