/* SPDX-License-Identifier: MIT */
/* What the shells complete, made from the tables of the commands. */
#include "tui/command_completion.h"

#include <string.h>

/* ---- bash ---- */

static void completion_words(const struct command_option *o, FILE *out)
{
	for (; o && o->name; o++)
		fprintf(out, " --%s", o->name);
}

static void completion_command(const struct command *c, FILE *out)
{
	fprintf(out, "\t%s) words=\"--help", c->name);
	completion_words(c->options, out);
	if (c->takes & COMMAND_TAKES_TARGET) {
		completion_words(command_target_options, out);
		fputs(" -p -n", out);
	}
	fprintf(out, "\" files=%d ;;\n", c->takes & COMMAND_TAKES_FILE ? 1 : 0);
}

/* Values of an option that is one of a few. */
static void completion_choices(const struct command *c, FILE *out)
{
	for (const struct command_option *o = c->options; o && o->name; o++) {
		if (o->value != COMMAND_CHOICE)
			continue;
		fprintf(out, "\t%s,--%s", c->name, o->name);
		if (o->letter)
			fprintf(out, "|%s,-%c", c->name, o->letter);
		fputs(") choices=\"", out);
		for (const char *p = o->arg; *p; p++)
			fputc(*p == '|' ? ' ' : *p, out);
		fputs("\" ;;\n", out);
	}
}

static void bash(const struct command *const *all, FILE *out)
{
	const struct command *const *c;

	fputs("# bash completion for weft; made by: weft help --completion bash\n_weft()\n{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	      "\tlocal words= files=0 choices=\n"
	      "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n\t\tCOMPREPLY=($(compgen -W \"",
	      out);
	for (c = all; *c; c++)
		fprintf(out, "%s ", (*c)->name);
	fputs("--version\" -- \"$cur\"))\n\t\treturn\n\tfi\n\tcase \"${COMP_WORDS[1]},$prev\" in\n",
	      out);
	for (c = all; *c; c++)
		completion_choices(*c, out);
	fputs("\tesac\n\tif [ -n \"$choices\" ]; then\n"
	      "\t\tCOMPREPLY=($(compgen -W \"$choices\" -- \"$cur\"))\n\t\treturn\n\tfi\n"
	      "\tcase \"${COMP_WORDS[1]}\" in\n",
	      out);
	for (c = all; *c; c++)
		completion_command(*c, out);
	fputs("\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	      "\tif [ $files = 1 ]; then COMPREPLY+=($(compgen -f -- \"$cur\")); fi\n}\n"
	      "complete -F _weft weft\n",
	      out);
}

/* ---- fish and zsh: the texts too ---- */

/* Within single quotes; `special` characters get a backslash. */
static void quoted(const char *text, const char *special, const char *quote, FILE *out)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs(quote, out);
		else if (strchr(special, *text))
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
}

static void choices(const char *arg, FILE *out)
{
	for (; *arg; arg++)
		fputc(*arg == '|' ? ' ' : *arg, out);
}

static bool names_a_file(const struct command_option *o)
{
	return o->value == COMMAND_TEXT && o->arg &&
	       (strstr(o->arg, "FILE") || strstr(o->arg, ".lock"));
}

static void fish_options(const struct command *c, const struct command_option *o, FILE *out)
{
	for (; o && o->name; o++) {
		fprintf(out, "complete -c weft -n '__fish_seen_subcommand_from %s' -l %s", c->name,
			o->name);
		if (o->letter)
			fprintf(out, " -s %c", o->letter);
		if (o->value == COMMAND_CHOICE) {
			fputs(" -x -a '", out);
			choices(o->arg, out);
			fputs("'", out);
		} else if (o->value != COMMAND_FLAG) {
			fputs(names_a_file(o) ? " -r -F" : " -x", out);
		}
		fputs(" -d '", out);
		quoted(o->help, "\\", "\\'", out);
		fputs("'\n", out);
	}
}

static void fish(const struct command *const *all, FILE *out)
{
	fputs("# fish completion for weft; made by: weft help --completion fish\ncomplete -c weft -f\n"
	      "complete -c weft -n __fish_use_subcommand -l version -d 'Print the version'\n",
	      out);
	for (; *all; all++) {
		const struct command *c = *all;

		fprintf(out, "complete -c weft -n __fish_use_subcommand -a %s -d '", c->name);
		quoted(c->summary, "\\", "\\'", out);
		fputs("'\n", out);
		fprintf(out,
			"complete -c weft -n '__fish_seen_subcommand_from %s' -l help -d 'Explain it'\n",
			c->name);
		fish_options(c, c->options, out);
		if (c->takes & COMMAND_TAKES_TARGET)
			fish_options(c, command_target_options, out);
		if (c->takes & COMMAND_TAKES_FILE)
			fprintf(out, "complete -c weft -n '__fish_seen_subcommand_from %s' -F\n",
				c->name);
	}
}

static void zsh_option(const struct command_option *o, bool letter, FILE *out)
{
	fputs(" \\\n\t\t\t'", out);
	if (letter)
		fprintf(out, "-%c", o->letter);
	else
		fprintf(out, "--%s", o->name);
	fputs("[", out);
	quoted(o->help, "[]\\", "'\\''", out);
	fputs("]", out);
	if (o->value == COMMAND_CHOICE) {
		fputs(":value:(", out);
		choices(o->arg, out);
		fputs(")", out);
	} else if (o->value != COMMAND_FLAG) {
		fputs(names_a_file(o) ? ":file:_files" : ":value:", out);
	}
	fputs("'", out);
}

static void zsh_options(const struct command_option *o, FILE *out)
{
	for (; o && o->name; o++) {
		zsh_option(o, false, out);
		if (o->letter)
			zsh_option(o, true, out);
	}
}

static void zsh(const struct command *const *all, FILE *out)
{
	const struct command *const *c;

	fputs("#compdef weft\n# made by: weft help --completion zsh\n_weft()\n{\n\tlocal -a commands\n"
	      "\tcommands=(",
	      out);
	for (c = all; *c; c++) {
		fprintf(out, "\n\t\t'%s:", (*c)->name);
		quoted((*c)->summary, "\\", "'\\''", out);
		fputs("'", out);
	}
	fputs("\n\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n"
	      "\tlocal command=$words[2]\n\tshift words\n\t(( CURRENT-- ))\n\tcase $command in\n",
	      out);
	for (c = all; *c; c++) {
		fprintf(out, "\t%s)\n\t\t_arguments '--help[explain it]'", (*c)->name);
		zsh_options((*c)->options, out);
		if ((*c)->takes & COMMAND_TAKES_TARGET)
			zsh_options(command_target_options, out);
		fputs((*c)->takes & COMMAND_TAKES_FILE ? " \\\n\t\t\t'*:file:_files'" : "", out);
		fputs("\n\t\t;;\n", out);
	}
	fputs("\tesac\n}\n_weft \"$@\"\n", out);
}

void command_completion(enum command_shell shell, const struct command *const *all, FILE *out)
{
	static void (*const print[])(const struct command *const *all, FILE *out) = { bash, zsh,
										      fish };

	print[shell](all, out);
}
