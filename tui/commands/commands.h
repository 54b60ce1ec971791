/* SPDX-License-Identifier: MIT */
/* All commands, in the order of the help. A new one is its file and a line here. */
#ifndef WEFT_COMMANDS_H
#define WEFT_COMMANDS_H

#include "tui/command.h"

#define COMMANDS(X) \
	X(top)      \
	X(record)   \
	X(diagnose) X(cargo) X(dump) X(query) X(report) X(list) X(check) X(explain) X(help)

#define X(name) extern const struct command name##_command;
COMMANDS(X)
#undef X

extern const struct command *const commands_all[];     /* NULL terminated */
const struct command *commands_find(const char *name); /* NULL = there is none */
const char *commands_name(size_t i);                   /* for command_did_you_mean */

#endif
