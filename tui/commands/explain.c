/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/cargo/cargo.h"
#include "probes/base/cleanup.h"
#include "tui/commands/commands.h"
#include "tui/commands/explain_print.h"
#include "tui/format.h"

#define MOST_BYTES (1u << 20) /* of an error on stdin */

enum { FORMAT_TEXT, FORMAT_JSON };

struct explain_args {
	struct command_input in;
	int format;
};

static const struct command_option options[] = {
	{ "format", 0, COMMAND_CHOICE, offsetof(struct explain_args, format), "text|json",
	  "of the answer" },
	{ 0 },
};

static const char *const runtimes[] = { "weft", "tokio", "async-std", "smol", NULL };

static const char *topic_name(size_t i)
{
	const struct knowledge_topic *t = knowledge_topic(i);

	return t ? t->name : NULL;
}

static const char *runtime_name(size_t i)
{
	return runtimes[i];
}

static bool is_runtime(const char *name)
{
	for (size_t i = 0; runtimes[i]; i++)
		if (!strcmp(runtimes[i], name))
			return true;
	return false;
}

static int show(const struct explain_args *a, const struct knowledge_topic *t,
		const struct explain_filter *filter)
{
	if (a->format == FORMAT_JSON)
		explain_json_topic(t, filter, NULL, stdout);
	else
		explain_print_topic(t, filter, stdout);
	return COMMAND_OK;
}

static int migrate(const struct command *self, const struct explain_args *a)
{
	struct explain_filter filter = { .from = a->in.operand[1], .to = a->in.operand[2] };

	if (a->in.operands != 3)
		return command_error(
			self,
			"migrate takes two runtimes, from and to: weft, tokio, async-std, smol");
	for (int i = 1; i <= 2; i++)
		if (!is_runtime(a->in.operand[i]))
			return command_error(self,
					     "unknown runtime '%s'%s: weft, tokio, async-std, smol",
					     a->in.operand[i],
					     command_did_you_mean(a->in.operand[i], runtime_name));
	if (!strcmp(filter.from, filter.to))
		return command_error(self, "nothing to do: both are %s", filter.to);
	return show(a, knowledge_find("migrate"), &filter);
}

static const struct knowledge_topic *sections_of;

static const char *section_name(size_t i)
{
	static struct knowledge_part p;

	p = (struct knowledge_part){ .from = NULL };
	while (knowledge_part_next(sections_of, &p))
		if (!p.runtime[0] && i-- == 0)
			return p.section;
	return NULL;
}

/* A section of a guide by its name: a library of compat, a scenario of choose. */
static int section(const struct command *self, const struct explain_args *a,
		   const struct knowledge_topic *t)
{
	struct explain_filter filter = { .section = a->in.operand[1] };
	struct knowledge_part p;

	if (a->in.operands > 2)
		return command_error(self, "unexpected '%s'; see weft explain --help",
				     a->in.operand[2]);
	sections_of = t;
	if (!knowledge_part_find(t, filter.section, "", &p))
		return command_error(self, "%s has nothing on '%s'%s", t->name, filter.section,
				     command_did_you_mean(filter.section, section_name));
	return show(a, t, &filter);
}

/* ---- errors ---- */

/* Colours, and what else moves a cursor, are taken out; carriage returns too. */
static void strip(char *text)
{
	char *to = text;

	for (const char *s = text; *s; s++) {
		if (*s == '\033' && s[1] == '[') {
			s += 2 + strcspn(s + 2, "ABCDEFGHJKSTfhlmnsu");
			if (!*s)
				break;
		} else if (*s != '\r') {
			*to++ = *s;
		}
	}
	*to = 0;
}

static int show_found(const struct explain_args *a, const struct knowledge_topic *t,
		      const struct live_finding *f)
{
	static const struct explain_filter all;

	if (a->format == FORMAT_JSON) {
		explain_json_topic(t, &all, f, stdout);
		return COMMAND_OK;
	}
	if (f)
		explain_print_finding(f, stdout);
	explain_print_topic(t, &all, stdout);
	return COMMAND_OK;
}

/* A message of rustc is judged by its rules, any other text by the pieces that the topics know. */
static int by_text(const struct command *self, const struct explain_args *a, char *text)
{
	struct cargo_options o = { .with_lock = false };
	const struct knowledge_topic *t = NULL;
	const struct live_finding *f = NULL;
	struct cargo_run *run = NULL;
	const char *piece;
	char error[160];
	int length, rc;

	strip(text);
	if (cargo_run_new(&o, &run, error, sizeof(error)) != 0)
		return command_error(self, "%s", error);
	cargo_run_text(run, text);
	cargo_run_end(run);
	f = cargo_run_finding(run, 0);
	t = f ? knowledge_find(f->id) : knowledge_by_error(text, &piece, &length);
	if (t)
		rc = show_found(a, t, f);
	else
		rc = command_error(self, "no topic knows this text; weft explain lists them all");
	cargo_run_free(run);
	return t ? rc : COMMAND_FINDINGS;
}

static int by_stdin(const struct command *self, const struct explain_args *a)
{
	auto_free char *text = malloc(MOST_BYTES + 1);
	size_t n;

	if (!text)
		return command_error(self, "out of memory");
	n = fread(text, 1, MOST_BYTES, stdin);
	if (ferror(stdin))
		return command_error(self, "stdin can't be read: %s", strerror(errno));
	for (size_t i = 0; i < n; i++)
		text[i] = text[i] ? text[i] : ' ';
	text[n] = 0;
	return by_text(self, a, text);
}

static int list(const struct explain_args *a)
{
	(a->format == FORMAT_JSON ? explain_json_list : explain_print_list)(stdout);
	return COMMAND_OK;
}

/* `weft explain < FILE`; a pipe or terminal is read when `-` says so. */
static bool stdin_is_file(void)
{
	struct stat st;

	return fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
}

static int run(const struct command *self, void *args)
{
	const struct explain_args *a = args;
	const char *name = a->in.operand[0];
	const struct knowledge_topic *t;
	auto_free char *copy = NULL;

	if (!a->in.operands)
		return stdin_is_file() ? by_stdin(self, a) : list(a);
	if (!strcmp(name, "-"))
		return by_stdin(self, a);
	t = knowledge_find(name);
	if (t && !strcmp(name, "migrate"))
		return migrate(self, a);
	if (t && a->in.operands > 1)
		return section(self, a, t);
	if (t && !strcmp(name, "compat") && a->format == FORMAT_TEXT) {
		explain_print_table(t, stdout);
		return COMMAND_OK;
	}
	if (t)
		return show(a, t, &(struct explain_filter){ .section = NULL });
	if (!strpbrk(name, " \n:`"))
		return command_error(self, "unknown topic '%s'%s; weft explain lists them", name,
				     command_did_you_mean(name, topic_name));
	copy = strdup(name);
	return copy ? by_text(self, a, copy) : command_error(self, "out of memory");
}

const struct command explain_command = {
	.name = "explain",
	.summary = "Tell what a finding or an error means and what to do about it",
	.usage = "[TOPIC]\nmigrate FROM TO\ncompat [LIBRARY]\n-- 'ERROR TEXT'\n-",
	.about =
		"The knowledge behind the verdicts: each finding as symptom, cause, method and fix, with short\n"
		"code for the C runtime, Tokio, async-std and smol; which runtime to choose; how to move from\n"
		"one to another; which library works on which; what goes wrong most. Alone it lists the topics.\n"
		"An error message, of rustc or of a running program, is led to its topic: as an argument, or\n"
		"with - from stdin. Exit code 1: no topic knows it.",
	.examples = "weft explain blocking-call\n"
		    "weft explain migrate async-std smol\n"
		    "weft explain compat hyper\n"
		    "weft explain -- 'there is no reactor running'\n"
		    "cargo check 2>&1 | weft explain -",
	.options = options,
	.max_operands = 3,
	.args_size = sizeof(struct explain_args),
	.run = run,
};
