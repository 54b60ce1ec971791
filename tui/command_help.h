/* SPDX-License-Identifier: MIT */
/* Help and man page, made from a command's table. */
#ifndef WEFT_COMMAND_HELP_H
#define WEFT_COMMAND_HELP_H

#include "tui/command.h"

void command_help(const struct command *c, FILE *out);
void command_help_man(const struct command *c, FILE *out);
/* weft.1 itself: of all commands, NULL terminated. */
void command_help_overview(const struct command *const *all, FILE *out);
void command_help_man_overview(const struct command *const *all, FILE *out);

#endif
