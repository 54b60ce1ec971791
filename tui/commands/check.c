/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "probes/session.h"
#include "tui/commands/commands.h"
#include "tui/format.h"
#include "tui/names.h"

struct check_args {
	struct command_input in;
	const char *mask;
};

static const struct command_option options[] = {
	{ "mask", 0, COMMAND_TEXT, offsetof(struct check_args, mask), "FEATURES",
	  "treat these as missing, comma separated (to see what would be left)" },
	{ 0 },
};

struct tally {
	unsigned missing, needed;
};

static void print_check(void *ctx, const struct session_check *c)
{
	struct tally *t = ctx;
	char text[512];

	format_clean(text, sizeof(text), c->detail);
	printf("%-8s %-24s %s\n", c->ok ? "ok" : c->needed ? "MISSING" : "missing", c->name, text);
	if (c->ok)
		return;
	t->missing++;
	t->needed += c->needed;
	if (*c->cost)
		printf("%8s %-24s costs: %s\n", "", "", c->cost);
	if (*c->remedy)
		printf("%8s %-24s to do: %s\n", "", "", c->remedy);
}

static int run(const struct command *self, void *args)
{
	const struct check_args *a = args;
	struct tally t = { 0 };
	int level = session_check(a->mask, print_check, &t);

	if (level == -EINVAL && a->mask)
		return command_error(self,
				     "--mask can't be '%s': it takes features as weft check names "
				     "them, such as uprobe_multi or tp_btf,iter_task",
				     a->mask);
	if (level < 0)
		return command_error(self, "the checks can't be run: %s",
				     session_error(NULL) && *session_error(NULL)
					     ? session_error(NULL)
					     : strerror(-level));
	if (level == 0 || t.needed)
		printf("\nThis machine can't trace as things are: %u needed %s missing.\n",
		       t.needed, t.needed == 1 ? "thing is" : "things are");
	else
		printf("\nThis machine can trace, up to level %s%s.\n",
		       names_level((uint32_t)level),
		       t.missing ? "; what is missing above only costs what it says" : "");
	return level == 0 || t.needed ? COMMAND_FINDINGS : COMMAND_OK;
}

const struct command check_command = {
	.name = "check",
	.summary = "Say whether this machine can trace, and if not, why and what to do",
	.usage = "",
	.about =
		"Tries every capability: for each missing one, what it costs and what to do about it.\n"
		"Exit code 0: tracing works; 1: something that is needed is missing.",
	.options = options,
	.args_size = sizeof(struct check_args),
	.run = run,
};
