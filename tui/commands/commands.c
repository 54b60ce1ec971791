/* SPDX-License-Identifier: MIT */
#include "tui/commands/commands.h"

#include <string.h>

const struct command *const commands_all[] = {
#define X(name) &name##_command,
	COMMANDS(X)
#undef X
		NULL,
};

const struct command *commands_find(const char *name)
{
	for (const struct command *const *c = commands_all; *c; c++)
		if (strcmp((*c)->name, name) == 0)
			return *c;
	return NULL;
}

const char *commands_name(size_t i)
{
	return i < sizeof(commands_all) / sizeof(*commands_all) - 1 ? commands_all[i]->name : NULL;
}
