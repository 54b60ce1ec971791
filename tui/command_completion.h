/* SPDX-License-Identifier: MIT */
/* Shell completion, made from the tables of all commands (NULL terminated). */
#ifndef WEFT_COMMAND_COMPLETION_H
#define WEFT_COMMAND_COMPLETION_H

#include "tui/command.h"

#define COMMAND_SHELLS "bash|zsh|fish"
enum command_shell { COMMAND_BASH, COMMAND_ZSH, COMMAND_FISH };

void command_completion(enum command_shell shell, const struct command *const *all, FILE *out);

#endif
