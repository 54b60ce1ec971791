/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/query.h"
#include "tui/commands/commands.h"
#include "tui/commands/query_print.h"
#include "tui/commands/watch.h"
#include "tui/format.h"
#include "tui/names.h"
#include "tui/user.h"

struct report_args {
	struct command_input in;
	int format;
};

static const struct command_option options[] = {
	{ "format", 0, COMMAND_CHOICE, offsetof(struct report_args, format), "text|json",
	  "of the result; json: as weft diagnose gives it" },
	{ 0 },
};

/* What comes from the recording's own queries: title, name of the query. */
static const struct {
	const char *title, *query;
} sections[] = {
	{ "Types of task", "types" },
	{ "Tasks that were busy longest", "top-tasks" },
	{ "Workers", "workers" },
	{ "Where events are missing", "gaps" },
};

static void file_lines(const char *path, const struct query_info *i)
{
	char weft[64];

	format_clean(weft, sizeof(weft), i->weft);
	printf("%s  %s, weft %s, %s\n", path, format_bytes((double)i->bytes).s, *weft ? weft : "?",
	       i->clean ? "closed cleanly" : "not closed: the recorder was killed, or still runs");
	printf("recorded    %s, %s\n", format_stamp(i->start_realtime_ns).s,
	       format_ns(i->duration_ns).s);
	printf("events      %s in %s chunks, %s gap%s\n", format_count(i->events).s,
	       format_count(i->chunks).s, format_count(i->gaps).s, i->gaps == 1 ? "" : "s");
}

static void end_text(const struct live_header *h, char *text, size_t size)
{
	if (!h->gone)
		snprintf(text, size, "still ran at the end");
	else if (h->exit_signal > 0)
		snprintf(text, size, "killed by signal %d", h->exit_signal);
	else if (h->exit_code >= 0)
		snprintf(text, size, "ended with exit code %d", h->exit_code);
	else
		snprintf(text, size, "ended, exit code not known");
}

static void process_lines(const struct live_header *h)
{
	char name[96], exe[512], version[64], end[64];

	format_clean(name, sizeof(name), h->info.comm);
	format_clean(exe, sizeof(exe), h->info.exe);
	format_clean(version, sizeof(version), h->runtime.version);
	end_text(h, end, sizeof(end));
	printf("\n%s[%u]  %s\n", name, h->info.pid, exe);
	printf("runtime     %s %s %s, %u workers, level %s; %s\n", names_runtime(h->runtime.kind),
	       version, names_flavour(h->runtime.flavour), h->workers, names_level(h->level), end);
	printf("tasks       %s alive at the end: idle %s ready %s running %s blocked %s\n",
	       format_count(h->alive).s, format_count(h->idle).s, format_count(h->ready).s,
	       format_count(h->running).s, format_count(h->blocked).s);
	printf("accounting  produced %s = stored %s + lost %s + filtered %s + expired %s\n",
	       format_count(h->produced).s, format_count(h->stored).s, format_count(h->lost).s,
	       format_count(h->filtered).s, format_count(h->expired).s);
}

static void all_processes(struct live *l)
{
	struct live_header h;

	for (uint32_t i = 0; live_header(l, i, &h) == 0; i++)
		process_lines(&h);
}

#define MOST_ROWS 12

/* Hands the first rows on and counts the rest. */
struct some_rows {
	struct query_print *print;
	uint64_t rows;
};

static int print_some(void *ctx, int n, const char *const *columns,
		      const struct query_value *values)
{
	struct some_rows *s = ctx;

	if (values && ++s->rows > MOST_ROWS)
		return 0;
	return query_print_row(s->print, n, columns, values);
}

static int section(const struct command *self, struct query *q, const char *title, const char *name)
{
	const struct query_named *named = query_find(name);
	struct some_rows s = { .print = named ? query_print_new(QUERY_PRINT_TABLE, stdout) : NULL };
	int rc;

	if (!s.print)
		return COMMAND_OK;
	printf("\n%s\n", title);
	rc = query_run(q, named->sql, print_some, &s);
	query_print_free(s.print);
	if (s.rows > MOST_ROWS)
		printf("and %s more: weft query FILE.db --named %s\n",
		       format_count(s.rows - MOST_ROWS).s, name);
	return rc < 0 ? command_error(self, "%s", query_error(q)) : COMMAND_OK;
}

static int from_file(const struct command *self, const char *path, struct live *l)
{
	const char *warning = NULL;
	struct query_info info;
	struct query *q;
	int rc;

	user_begin();
	rc = query_open(path, &q, &warning);
	user_done();
	if (rc < 0)
		return command_error(self, "%s", query_error(NULL));
	if (warning)
		command_error(self, "%s", warning);
	rc = query_info(q, &info) < 0 ? command_error(self, "%s", query_error(q)) : COMMAND_OK;
	if (rc == COMMAND_OK) {
		file_lines(path, &info);
		all_processes(l);
	}
	for (size_t i = 0; rc == COMMAND_OK && i < sizeof(sections) / sizeof(*sections); i++)
		if (info.gaps || strcmp(sections[i].query, "gaps") != 0)
			rc = section(self, q, sections[i].title, sections[i].query);
	query_close(q);
	return rc;
}

static int report(struct watch *w, const struct report_args *a)
{
	int rc;

	watch_run(w, 0, NULL, NULL);
	rc = watch_stop(w);
	if (rc == COMMAND_OK && a->format == 0)
		rc = from_file(w->self, a->in.operand[0], w->live);
	if (rc != COMMAND_OK)
		return rc;
	if (a->format == 0)
		printf("\nFindings\n");
	rc = (a->format == 0 ? live_report_text : live_report_json)(w->live, stdout);
	return rc < 0 ? command_error(w->self, "the report can't be made: %s", strerror(-rc))
		      : COMMAND_OK;
}

static int run(const struct command *self, void *args)
{
	struct report_args *a = args;
	struct watch_options o = { 0 };
	struct watch w = { 0 };
	int rc;

	if (a->in.operands == 0)
		return command_error(self, "no recording: give FILE.db (weft record makes one)");
	rc = watch_replay(&w, self, a->in.operand[0], 0, &o);
	if (rc != COMMAND_OK)
		return rc;
	rc = report(&w, a);
	watch_close(&w);
	return rc;
}

const struct command report_command = {
	.name = "report",
	.summary = "Sum up a recording",
	.usage = "FILE.db [--format text|json]",
	.about =
		"What was recorded and how completely, the processes in it, where the time went, what is\n"
		"wrong and how it is proven, and what is missing.",
	.examples = "weft report run.db",
	.options = options,
	.takes = COMMAND_TAKES_FILE,
	.max_operands = 1,
	.args_size = sizeof(struct report_args),
	.run = run,
};
