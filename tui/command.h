/* SPDX-License-Identifier: MIT */
/*
 * A command is one const struct: its options table is what the parser, --help, the man page and the
 * shell completion are made of. Plug-in family: commands/NAME.c + one line in commands/commands.h.
 *
 * Exit codes: 0 fine, 1 findings or "no", 2 usage or environment, 3 not everything could be checked.
 */
#ifndef WEFT_COMMAND_H
#define WEFT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifndef WEFT_VERSION
#define WEFT_VERSION "0.1.0"
#endif

enum command_exit { COMMAND_OK, COMMAND_FINDINGS, COMMAND_FAILED, COMMAND_UNCHECKED };

/* What an option's value is, and the type of the field that takes it. */
enum command_value {
	COMMAND_FLAG,     /* bool */
	COMMAND_TEXT,     /* const char * */
	COMMAND_DURATION, /* uint64_t ns: 30, 30s, 500ms, 2m, 1h */
	COMMAND_SIZE,     /* uint64_t bytes: 512K, 100M, 2G */
	COMMAND_SHARE,    /* double: 0.05 or 5% */
	COMMAND_FACTOR,   /* double above 0 */
	COMMAND_CHOICE,   /* int: place in `arg`, "a|b|c" */
	COMMAND_LIST,     /* struct command_list: may be given again */
};

#define COMMAND_LIST_MAX 32
struct command_list {
	const char *item[COMMAND_LIST_MAX + 1]; /* NULL terminated */
	size_t n;
};

struct command_option {
	const char *name; /* long name without dashes; NULL ends a table */
	char letter;      /* 0 = none */
	uint8_t value;    /* enum command_value */
	size_t offset;    /* of the field in the command's args */
	const char *arg;  /* what the value is called; of COMMAND_CHOICE the choices */
	const char *help;
};

struct command_target {
	const char *pids, *name, *unit, *container;
	bool as_root, follow;
	char **child; /* -- CMD ARGS; NULL = none */
};

#define COMMAND_OPERANDS 4
/* Every command's args begin with this. */
struct command_input {
	struct command_target target;
	const char *operand[COMMAND_OPERANDS];
	size_t operands;
	uint64_t given; /* bit i: option i of the command's own table is on the command line */
};

enum command_takes { COMMAND_TAKES_TARGET = 1, COMMAND_TAKES_FILE = 2 };

struct command {
	const char *name;
	const char *summary;  /* one line, no full stop */
	const char *usage;    /* after the name; lines separated by \n */
	const char *about;    /* a paragraph or two for --help and the man page */
	const char *examples; /* "command # what for", lines separated by \n */
	const struct command_option *options;
	unsigned takes; /* enum command_takes */
	size_t max_operands;
	size_t args_size; /* of the struct that `options` point into; zeroed, then `init`, then parsed */
	void (*init)(void *args);
	int (*run)(const struct command *self, void *args);
	/* Takes the arguments as they are, unless the first is --help; the fields from `options` on stay blank. */
	int (*raw)(const struct command *self, int argc, char **argv);
};

extern const struct command_option command_target_options[];

/* argv[0] is the command's name. COMMAND_OK, COMMAND_FAILED after an error line, or -1: help was printed. */
int command_parse(const struct command *self, int argc, char **argv, void *args);
/* Parses and runs: an exit code. */
int command_main(const struct command *self, int argc, char **argv);

/*
 * COMMAND_FAILED after an error line if one of the options `names`, long ones separated by |, was given:
 * they mean nothing with `what`.
 */
int command_refuse(const struct command *self, const struct command_input *in, const char *names,
		   const char *what);

/* One line on stderr, "weft NAME: ...", made safe for a terminal. Returns COMMAND_FAILED. */
int command_error(const struct command *self, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* "" unless a name of the table is near `word`: then ", did you mean X?" in static memory. */
const char *command_did_you_mean(const char *word, const char *(*name)(size_t i));

#endif
