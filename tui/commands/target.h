/* SPDX-License-Identifier: MIT */
/* TARGET = -p PID[,PID...] | -n NAME | --unit UNIT | --container ID, as process ids. */
#ifndef WEFT_TARGET_H
#define WEFT_TARGET_H

#include <sys/types.h>

#include "tui/command.h"

#define TARGET_MAX 64

bool target_given(const struct command_target *t); /* -- CMD counts */
/* How many pids were written (1..TARGET_MAX), or -1 after an error line. Not for -- CMD. */
int target_pids(const struct command *self, const struct command_target *t, pid_t pids[TARGET_MAX]);

bool target_check(const struct command *self,
		  const struct command_target *t); /* false after an error line */
/* The path of a process in a cgroup hierarchy is that of the unit or of the container. */
bool target_in_cgroup(const char *path, const struct command_target *t);
/* By name, unit or container, without a word when there is none. */
int target_look(const struct command_target *t, pid_t pids[TARGET_MAX]);

#endif
