/* SPDX-License-Identifier: MIT */
#include "tui/command_completion.h"
#include "tui/command_help.h"
#include "tui/commands/commands.h"

struct help_args {
	struct command_input in;
	bool man;
	int shell; /* enum command_shell; -1 = no completion */
};

static const struct command_option options[] = {
	{ "man", 0, COMMAND_FLAG, offsetof(struct help_args, man), NULL,
	  "print it as a man page (roff)" },
	{ "completion", 0, COMMAND_CHOICE, offsetof(struct help_args, shell), COMMAND_SHELLS,
	  "print the completion for a shell" },
	{ 0 },
};

static void init(void *args)
{
	((struct help_args *)args)->shell = -1;
}

static int run(const struct command *self, void *args)
{
	const struct help_args *a = args;
	const struct command *c;

	if (a->shell >= 0) {
		command_completion((enum command_shell)a->shell, commands_all, stdout);
		return COMMAND_OK;
	}
	if (a->in.operands == 0) {
		(a->man ? command_help_man_overview : command_help_overview)(commands_all, stdout);
		return COMMAND_OK;
	}
	c = commands_find(a->in.operand[0]);
	if (!c)
		return command_error(self, "unknown command '%s'%s", a->in.operand[0],
				     command_did_you_mean(a->in.operand[0], commands_name));
	(a->man ? command_help_man : command_help)(c, stdout);
	return COMMAND_OK;
}

const struct command help_command = {
	.name = "help",
	.summary = "Explain a command",
	.usage = "[COMMAND]",
	.examples = "weft help record\n"
		    "weft help --completion bash > /etc/bash_completion.d/weft",
	.options = options,
	.max_operands = 1,
	.args_size = sizeof(struct help_args),
	.init = init,
	.run = run,
};
