/* SPDX-License-Identifier: MIT */
#include "tui/command_help.h"

#include <string.h>

/* Calls fn for each line of `text` (may be NULL). */
static void each_line(const char *text, FILE *out, void (*fn)(FILE *out, const char *line, int len))
{
	while (text && *text) {
		const char *end = strchrnul(text, '\n');

		fn(out, text, (int)(end - text));
		text = *end ? end + 1 : end;
	}
}

static void label(const struct command_option *o, char *buf, size_t size)
{
	const char *arg = o->arg ? o->arg : "";

	if (o->letter)
		snprintf(buf, size, "-%c, --%s%s%s", o->letter, o->name, o->arg ? " " : "", arg);
	else
		snprintf(buf, size, "    --%s%s%s", o->name, o->arg ? " " : "", arg);
}

static void help_option(const struct command_option *o, FILE *out)
{
	char left[96];

	label(o, left, sizeof(left));
	if (strlen(left) > 27)
		fprintf(out, "  %s\n%31s%s\n", left, "", o->help);
	else
		fprintf(out, "  %-28s %s\n", left, o->help);
}

static void help_options(const char *title, const struct command_option *o, FILE *out)
{
	if (!o || !o->name)
		return;
	fprintf(out, "\n%s\n", title);
	for (; o->name; o++)
		help_option(o, out);
}

static void indented(FILE *out, const char *line, int len)
{
	fprintf(out, len ? "  %.*s\n" : "%.*s\n", len, line);
}

static void help_usage(const struct command *c, FILE *out)
{
	const char *text = c->usage;

	for (const char *lead = "Usage: "; *text; lead = "       ") {
		const char *end = strchrnul(text, '\n');

		fprintf(out, "%sweft %s %.*s\n", lead, c->name, (int)(end - text), text);
		text = *end ? end + 1 : end;
	}
	if (!*c->usage)
		fprintf(out, "Usage: weft %s\n", c->name);
}

void command_help(const struct command *c, FILE *out)
{
	help_usage(c, out);
	fprintf(out, "\n%s.\n", c->summary);
	if (c->about) {
		fputc('\n', out);
		each_line(c->about, out, indented);
	}
	help_options("Options", c->options, out);
	if (c->takes & COMMAND_TAKES_TARGET) {
		help_options("Target (one of)", command_target_options, out);
		fprintf(out, "  %-28s %s\n", "-- CMD ARGS", "start this command and watch it");
	}
	if (c->examples) {
		fputs("\nExamples\n", out);
		each_line(c->examples, out, indented);
	}
}

void command_help_overview(const struct command *const *all, FILE *out)
{
	fputs("Usage: weft COMMAND [OPTIONS]\n\nSees inside async runtimes: tasks, polls, wakes, "
	      "workers, and what is wrong with them.\n\nCommands\n",
	      out);
	for (; *all; all++)
		fprintf(out, "  %-10s %s\n", (*all)->name, (*all)->summary);
	fputs("\nTARGET = -p PID[,PID...] | -n NAME | --unit UNIT | --container ID | -- CMD ARGS\n"
	      "weft COMMAND --help tells more; weft --version prints the version.\n",
	      out);
}

/* ---- man ---- */

/* roff takes lines that begin with . or ' as requests, and \ and - as its own. */
static void roff(FILE *out, const char *text, int len)
{
	if (len && (*text == '.' || *text == '\''))
		fputs("\\&", out);
	for (int i = 0; i < len; i++) {
		if (text[i] == '\\')
			fputs("\\e", out);
		else if (text[i] == '-')
			fputs("\\-", out);
		else
			fputc(text[i], out);
	}
}

static void roff_line(FILE *out, const char *line, int len)
{
	if (len == 0)
		fputs(".PP", out);
	roff(out, line, len);
	fputc('\n', out);
}

static void roff_example(FILE *out, const char *line, int len)
{
	roff(out, line, len);
	fputs("\n.br\n", out);
}

static void roff_text(FILE *out, const char *text)
{
	roff(out, text, (int)strlen(text));
}

static void man_options(const struct command_option *o, FILE *out)
{
	for (; o && o->name; o++) {
		fputs(".TP\n.B ", out);
		if (o->letter)
			fprintf(out, "\\-%c, ", o->letter);
		fputs("\\-\\-", out);
		roff_text(out, o->name);
		if (o->arg) {
			fputs(" \\fI", out);
			roff_text(out, o->arg);
			fputs("\\fR", out);
		}
		fputc('\n', out);
		roff_line(out, o->help, (int)strlen(o->help));
	}
}

static void man_usage(const struct command *c, FILE *out)
{
	const char *text = *c->usage ? c->usage : " ";

	fputs(".SH SYNOPSIS\n", out);
	while (*text) {
		const char *end = strchrnul(text, '\n');

		fprintf(out, ".B weft %s\n", c->name);
		roff(out, text, (int)(end - text));
		fputs("\n.br\n", out);
		text = *end ? end + 1 : end;
	}
}

static void man_title(const char *name, const char *summary, FILE *out)
{
	const char *dash = *name ? "\\-" : "";

	fprintf(out, ".\\\" made by: weft help --man\n.TH WEFT%s", dash);
	for (const char *c = name; *c; c++)
		fputc(*c >= 'a' && *c <= 'z' ? *c - 32 : *c, out);
	fprintf(out, " 1 \"\" \"Weft " WEFT_VERSION "\"\n.SH NAME\nweft%s%s \\- ", dash, name);
	roff_text(out, summary);
	fputc('\n', out);
}

static void man_exit_codes(FILE *out)
{
	fputs(".SH EXIT STATUS\n0 fine; 1 findings, or a question answered no; 2 usage or environment "
	      "error; 3 nothing found, but an id asked for could not be checked, or more than 1 % of the "
	      "events was lost.\n",
	      out);
}

void command_help_man(const struct command *c, FILE *out)
{
	man_title(c->name, c->summary, out);
	man_usage(c, out);
	if (c->about) {
		fputs(".SH DESCRIPTION\n", out);
		each_line(c->about, out, roff_line);
	}
	if (c->options && c->options->name) {
		fputs(".SH OPTIONS\n", out);
		man_options(c->options, out);
	}
	if (c->takes & COMMAND_TAKES_TARGET) {
		fputs(".SH TARGET\n", out);
		man_options(command_target_options, out);
		fputs(".TP\n.B \\-\\- \\fICMD ARGS\\fR\nStart this command and watch it.\n", out);
	}
	if (c->examples) {
		fputs(".SH EXAMPLES\n", out);
		each_line(c->examples, out, roff_example);
	}
	man_exit_codes(out);
	fputs(".SH SEE ALSO\n.BR weft (1)\n", out);
}

void command_help_man_overview(const struct command *const *all, FILE *out)
{
	man_title("", "see inside async runtimes", out);
	fputs(".SH SYNOPSIS\n.B weft\n.I COMMAND\n[\\fIOPTIONS\\fR]\n.SH DESCRIPTION\nWeft answers, for a "
	      "service that runs now or was recorded: which tasks exist, what each one is doing, who woke "
	      "it, which worker is stuck and on what, and which of the well\\-known troubles it has.\n"
	      ".SH COMMANDS\n",
	      out);
	for (; *all; all++) {
		fprintf(out, ".TP\n.BR weft\\-%s (1)\n", (*all)->name);
		roff_line(out, (*all)->summary, (int)strlen((*all)->summary));
	}
	man_exit_codes(out);
	fputs(".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nNo colour in the console when set and not empty.\n"
	      ".TP\n.B SUDO_UID, SUDO_GID\nThe invoking user: runs \\-\\- CMD and owns what is written.\n",
	      out);
}
