/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/query.h"
#include "probes/base/cleanup.h"
#include "tui/commands/commands.h"
#include "tui/commands/query_print.h"
#include "tui/format.h"
#include "tui/user.h"

struct query_args {
	struct command_input in;
	const char *named;
	bool list;
	int format;
};

#define FIELD(name) offsetof(struct query_args, name)
static const struct command_option options[] = {
	{ "named", 0, COMMAND_TEXT, FIELD(named), "NAME",
	  "one of the queries that come with Weft" },
	{ "list", 0, COMMAND_FLAG, FIELD(list), NULL, "show those queries" },
	{ "format", 0, COMMAND_CHOICE, FIELD(format), "table|json|csv", "of the result" },
	{ 0 },
};

static const char *query_name(size_t i)
{
	const struct query_named *q = query_named(i);

	return q ? q->name : NULL;
}

static int list_queries(void)
{
	const struct query_named *q;

	for (size_t i = 0; (q = query_named(i)) != NULL; i++)
		printf("%-20s %s\n", q->name, q->description);
	return COMMAND_OK;
}

/* All of stdin, NUL terminated; NULL after an error line. */
static char *read_sql(const struct command *self)
{
	size_t size = 0, len = 0, n;
	auto_free char *text = NULL;
	char *keep;

	do {
		char *more = size - len > 4096 ? text : realloc(text, size += 65536);

		if (!more || size > (8u << 20))
			return command_error(self, "the SQL on stdin is larger than 8 MiB"), NULL;
		text = more;
		n = fread(text + len, 1, size - len - 1, stdin);
		len += n;
		text[len] = 0;
	} while (n > 0);
	keep = text;
	text = NULL;
	return keep;
}

/* *ret is borrowed or, with *owned, to be freed. */
static int find_sql(const struct command *self, const struct query_args *a, const char **ret,
		    char **owned)
{
	const char *sql = a->in.operands > 1 ? a->in.operand[1] : NULL;
	const struct query_named *named;

	if (a->named && sql)
		return command_error(self, "both --named and SQL: give one of them");
	if (a->named) {
		named = query_find(a->named);
		if (!named)
			return command_error(self,
					     "no query named '%s'%s; weft query --list shows all",
					     a->named, command_did_you_mean(a->named, query_name));
		*ret = named->sql;
		return COMMAND_OK;
	}
	if (!sql)
		return command_error(self,
				     "no question: give SQL, - to read it from stdin, or --named "
				     "NAME; weft query --list shows the names");
	if (strcmp(sql, "-") == 0) {
		*owned = read_sql(self);
		sql = *owned;
	}
	*ret = sql;
	return sql ? COMMAND_OK : COMMAND_FAILED;
}

static int answer(const struct command *self, struct query *q, const char *sql, int format)
{
	struct query_print *p = query_print_new((enum query_print_format)format, stdout);
	int rc;

	if (!p)
		return command_error(self, "out of memory");
	rc = query_run(q, sql, query_print_row, p);
	query_print_free(p);
	if (rc < 0)
		return command_error(self, "%s", query_error(q));
	return COMMAND_OK;
}

static int run(const struct command *self, void *args)
{
	const struct query_args *a = args;
	const char *sql = NULL, *warning = NULL;
	auto_free char *owned = NULL;
	struct query *q;
	int rc;

	if (a->list)
		return list_queries();
	if (a->in.operands == 0)
		return command_error(self, "no recording: give FILE.db (weft record makes one)");
	rc = find_sql(self, a, &sql, &owned);
	if (rc != COMMAND_OK)
		return rc;
	user_begin();
	rc = query_open(a->in.operand[0], &q, &warning);
	user_done();
	if (rc < 0)
		return command_error(self, "%s", query_error(NULL));
	if (warning)
		command_error(self, "%s", warning);
	rc = answer(self, q, sql, a->format);
	query_close(q);
	return rc;
}

const struct command query_command = {
	.name = "query",
	.summary = "Ask a recording in SQL",
	.usage = "FILE.db SQL [--format table|json|csv]\nFILE.db --named NAME\n--list",
	.about =
		"A recording is an SQLite file; it is opened read-only. Besides its tables and views there\n"
		"is the table 'events', all events as rows. SQL '-' is read from stdin.",
	.examples = "weft query run.db 'select * from tasks order by busy_ns desc limit 10'\n"
		    "weft query run.db --named top-tasks --format csv",
	.options = options,
	.takes = COMMAND_TAKES_FILE,
	.max_operands = 2,
	.args_size = sizeof(struct query_args),
	.run = run,
};
