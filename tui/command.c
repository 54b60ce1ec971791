/* SPDX-License-Identifier: MIT */
#include "tui/command.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/number.h"
#include "tui/command_help.h"
#include "tui/format.h"

#define TARGET(field) offsetof(struct command_input, target.field)

const struct command_option command_target_options[] = {
	{ "pid", 'p', COMMAND_TEXT, TARGET(pids), "PID[,PID...]", "these processes" },
	{ "name", 'n', COMMAND_TEXT, TARGET(name), "NAME",
	  "all processes of this name that have a runtime" },
	{ "unit", 0, COMMAND_TEXT, TARGET(unit), "UNIT", "the processes of a systemd unit" },
	{ "container", 0, COMMAND_TEXT, TARGET(container), "ID",
	  "the processes of a container, by the beginning of its id" },
	{ "follow", 0, COMMAND_FLAG, TARGET(follow), NULL,
	  "wait for it if need be, and attach again after a restart" },
	{ "as-root", 0, COMMAND_FLAG, TARGET(as_root), NULL,
	  "run -- CMD as root, not as the user who called sudo" },
	{ 0 },
};

int command_error(const struct command *self, const char *format, ...)
{
	char raw[1024], clean[2048];
	va_list ap;

	va_start(ap, format);
	vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	format_clean(clean, sizeof(clean), raw);
	if (self)
		fprintf(stderr, "weft %s: %s\n", self->name, clean);
	else
		fprintf(stderr, "weft: %s\n", clean);
	return COMMAND_FAILED;
}

static bool factor(const char *text, double *ret)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !isfinite(v) || v <= 0)
		return false;
	*ret = v;
	return true;
}

/* Place of `text` among "a|b|c", -1 = not there. */
static int choice(const char *choices, const char *text)
{
	size_t len = strlen(text);

	for (int i = 0; choices; i++) {
		const char *end = strchrnul(choices, '|');

		if ((size_t)(end - choices) == len && memcmp(choices, text, len) == 0)
			return i;
		choices = *end ? end + 1 : NULL;
	}
	return -1;
}

/* ---- options ---- */

static bool add_item(struct command_list *list, const char *text)
{
	if (list->n == COMMAND_LIST_MAX)
		return false;
	list->item[list->n++] = text;
	return true;
}

static bool store(const struct command_option *o, void *field, const char *text)
{
	int i;

	switch (o->value) {
	case COMMAND_FLAG:
		*(bool *)field = true;
		return true;
	case COMMAND_TEXT:
		*(const char **)field = text;
		return *text != 0;
	case COMMAND_DURATION:
		return number_parse_duration(text, field) == 0 && *(uint64_t *)field > 0;
	case COMMAND_SIZE:
		return number_parse_size(text, field) == 0 && *(uint64_t *)field > 0;
	case COMMAND_SHARE:
		return number_parse_share(text, field) == 0;
	case COMMAND_FACTOR:
		return factor(text, field);
	case COMMAND_LIST:
		return add_item(field, text);
	default:
		i = choice(o->arg, text);
		if (i >= 0)
			*(int *)field = i;
		return i >= 0;
	}
}

/* Goes through the command's own options, then the shared ones of TARGET. */
static const struct command_option *option_at(const struct command *self, size_t i)
{
	const struct command_option *o = self->options;

	for (; o && o->name; o++, i--)
		if (i == 0)
			return o;
	if (!(self->takes & COMMAND_TAKES_TARGET))
		return NULL;
	for (o = command_target_options; o->name; o++, i--)
		if (i == 0)
			return o;
	return NULL;
}

static const struct command_option *find_option(const struct command *self, const char *name,
						size_t len, char letter)
{
	const struct command_option *o;

	for (size_t i = 0; (o = option_at(self, i)) != NULL; i++) {
		if (letter ? o->letter == letter
			   : strlen(o->name) == len && !memcmp(o->name, name, len))
			return o;
	}
	return NULL;
}

/* Where the parser stands. */
struct parse {
	const struct command *self;
	char **argv;
	int argc, at;
	void *args;
};

static int bad_value(const struct parse *p, const struct command_option *o, const char *text)
{
	static const char *const wants[] = {
		[COMMAND_TEXT] = "a value that is not empty",
		[COMMAND_DURATION] = "a duration above zero, such as 30s, 500ms or 2m",
		[COMMAND_SIZE] = "a size above zero, such as 512K, 100M or 2G",
		[COMMAND_SHARE] = "a share such as 0.05 or 5%",
		[COMMAND_FACTOR] = "a number above zero",
		[COMMAND_LIST] = "at most 32 values",
	};
	if (o->value == COMMAND_CHOICE)
		return command_error(p->self, "--%s can't be '%s': it is one of %s", o->name, text,
				     o->arg);
	return command_error(p->self, "--%s can't be '%s': it takes %s", o->name, text,
			     wants[o->value]);
}

static void note_given(const struct parse *p, const struct command_option *o)
{
	struct command_input *in = p->args;

	for (size_t i = 0; i < 64 && p->self->options && p->self->options[i].name; i++)
		if (o == &p->self->options[i])
			in->given |= UINT64_C(1) << i;
}

/* `value` = given in the same word, NULL = the next word is it. */
static int take_option(struct parse *p, const struct command_option *o, const char *value)
{
	void *field = (char *)p->args + o->offset;

	if (o->value == COMMAND_FLAG && value)
		return command_error(p->self, "--%s takes no value, but got '%s'", o->name, value);
	if (o->value != COMMAND_FLAG && !value) {
		if (p->at + 1 >= p->argc)
			return command_error(p->self, "--%s needs a value: %s", o->name, o->arg);
		value = p->argv[++p->at];
	}
	note_given(p, o);
	return store(o, field, value) ? COMMAND_OK : bad_value(p, o, value);
}

/* Names of the command whose options command_did_you_mean goes through; one thread parses. */
static const struct command *suggesting;

static const char *option_name(size_t i)
{
	const struct command_option *o = option_at(suggesting, i);

	return o ? o->name : NULL;
}

static int take_long(struct parse *p, const char *word)
{
	const char *equals = strchrnul(word, '=');
	const struct command_option *o = find_option(p->self, word, (size_t)(equals - word), 0);

	if (!o) {
		suggesting = p->self;
		return command_error(p->self, "unknown option --%s%s; see weft %s --help", word,
				     command_did_you_mean(word, option_name), p->self->name);
	}
	return take_option(p, o, *equals ? equals + 1 : NULL);
}

/* -abc VALUE, -aVALUE */
static int take_letters(struct parse *p, const char *word)
{
	for (; *word; word++) {
		const struct command_option *o = find_option(p->self, NULL, 0, *word);

		if (!o)
			return command_error(p->self, "unknown option -%c; see weft %s --help",
					     *word, p->self->name);
		if (o->value != COMMAND_FLAG)
			return take_option(p, o, word[1] ? word + 1 : NULL);
		take_option(p, o, NULL);
	}
	return COMMAND_OK;
}

static int take_operand(struct parse *p, const char *word)
{
	struct command_input *in = p->args;

	if (in->operands >= p->self->max_operands)
		return command_error(p->self, "unexpected '%s'%s; see weft %s --help", word,
				     p->self->takes & COMMAND_TAKES_TARGET
					     ? " (a command to run comes after --)"
					     : "",
				     p->self->name);
	in->operand[in->operands++] = word;
	return COMMAND_OK;
}

static int take_child(struct parse *p)
{
	struct command_input *in = p->args;

	if (!(p->self->takes & COMMAND_TAKES_TARGET)) {
		while (++p->at < p->argc)
			if (take_operand(p, p->argv[p->at]) != COMMAND_OK)
				return COMMAND_FAILED;
		return COMMAND_OK;
	}
	in->target.child = p->argv + p->at + 1;
	if (!*in->target.child)
		return command_error(p->self, "nothing to run: a command must come after --");
	p->at = p->argc;
	return COMMAND_OK;
}

static int take_word(struct parse *p)
{
	const char *word = p->argv[p->at];

	if (strcmp(word, "--") == 0)
		return take_child(p);
	if (strncmp(word, "--", 2) == 0)
		return take_long(p, word + 2);
	if (word[0] == '-' && word[1])
		return take_letters(p, word + 1);
	return take_operand(p, word);
}

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

/* -p, -n, --unit, --container and -- exclude each other. */
static int check_target(const struct command *self, const struct command_target *t)
{
	int given = !!t->pids + !!t->name + !!t->unit + !!t->container + !!t->child;

	if (given > 1)
		return command_error(self, "more than one target: give one of -p PID, -n NAME, "
					   "--unit UNIT, --container ID or -- CMD");
	if (t->follow && (t->child || !given))
		return command_error(self, "--follow goes with -p PID, -n NAME, --unit UNIT or "
					   "--container ID: nothing else can come back");
	return COMMAND_OK;
}

int command_parse(const struct command *self, int argc, char **argv, void *args)
{
	struct parse p = { .self = self, .argv = argv, .argc = argc, .args = args };

	if (asks_for_help(argc, argv)) {
		command_help(self, stdout);
		return -1;
	}
	for (p.at = 1; p.at < argc; p.at++) {
		int rc = take_word(&p);

		if (rc != COMMAND_OK)
			return rc;
	}
	return check_target(self, &((struct command_input *)args)->target);
}

int command_refuse(const struct command *self, const struct command_input *in, const char *names,
		   const char *what)
{
	const struct command_option *o = self->options;

	for (size_t i = 0; i < 64 && o[i].name; i++)
		if ((in->given >> i & 1) && choice(names, o[i].name) >= 0)
			return command_error(self, "--%s means nothing with %s: leave it out",
					     o[i].name, what);
	return COMMAND_OK;
}

static int parse_and_run(const struct command *self, int argc, char **argv, void *args)
{
	int rc;

	if (self->init)
		self->init(args);
	rc = command_parse(self, argc, argv, args);
	if (rc == COMMAND_OK)
		rc = self->run(self, args);
	return rc < 0 ? COMMAND_OK : rc;
}

static int run_raw(const struct command *self, int argc, char **argv)
{
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		command_help(self, stdout);
		return COMMAND_OK;
	}
	return self->raw(self, argc, argv);
}

int command_main(const struct command *self, int argc, char **argv)
{
	void *args = calloc(1, self->args_size + 1);
	int rc;

	if (!args)
		return command_error(self, "out of memory");
	rc = self->raw ? run_raw(self, argc, argv) : parse_and_run(self, argc, argv, args);
	free(args);
	if (fflush(stdout) != 0 || ferror(stdout))
		return command_error(self, "can't write the output: %s", strerror(errno));
	return rc;
}

/* ---- nearest name ---- */

static int least(int a, int b, int c)
{
	int m = a < b ? a : b;

	return m < c ? m : c;
}

/* Edits between two words (Levenshtein, one row); long words count as far. */
static int distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	int row[33];

	if (la > 32 || lb > 32)
		return 99;
	for (size_t j = 0; j <= lb; j++)
		row[j] = (int)j;
	for (size_t i = 1; i <= la; i++) {
		int corner = row[0];

		row[0] = (int)i;
		for (size_t j = 1; j <= lb; j++) {
			int up = row[j];

			row[j] = least(up + 1, row[j - 1] + 1, corner + (a[i - 1] != b[j - 1]));
			corner = up;
		}
	}
	return row[lb];
}

const char *command_did_you_mean(const char *word, const char *(*name)(size_t i))
{
	static char text[64];
	const char *best = NULL, *n;
	int best_distance = 3;

	for (size_t i = 0; (n = name(i)) != NULL; i++) {
		int d = strlen(word) >= 2 && strncmp(n, word, strlen(word)) == 0
				? 0
				: distance(word, n);

		if (d < best_distance && d < (int)strlen(n)) {
			best = n;
			best_distance = d;
		}
	}
	if (!best)
		return "";
	snprintf(text, sizeof(text), ", did you mean %.40s?", best);
	return text;
}
