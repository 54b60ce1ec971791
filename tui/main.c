/* SPDX-License-Identifier: MIT */
#include <locale.h>
#include <string.h>

#include "tui/command_help.h"
#include "tui/commands/commands.h"

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "help", *self = argc ? strrchr(argv[0], '/') : NULL;
	const struct command *c;

	setlocale(LC_CTYPE, "");
	/* `cargo weft build` runs the program cargo-weft, a link to this one, with the arguments "weft build". */
	if (argc > 1 && !strcmp(self ? self + 1 : argv[0], "cargo-weft"))
		return command_main(commands_find("cargo"), argc - (strcmp(name, "weft") == 0),
				    argv + (strcmp(name, "weft") == 0));
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
		puts("weft " WEFT_VERSION);
		return COMMAND_OK;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	c = commands_find(name);
	if (!c)
		return command_error(NULL, "unknown command '%s'%s; see weft help", name,
				     command_did_you_mean(name, commands_name));
	return command_main(c, argc > 1 ? argc - 1 : 1, argc > 1 ? argv + 1 : argv);
}
