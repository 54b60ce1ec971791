/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "tui/commands/commands.h"
#include "tui/commands/dump_print.h"
#include "tui/commands/watch.h"

struct dump_args {
	struct command_input in;
	uint64_t settle_ns;
	int format;
};

#define FIELD(name) offsetof(struct dump_args, name)
static const struct command_option options[] = {
	{ "format", 0, COMMAND_CHOICE, FIELD(format), "text|json|dot|base64",
	  "of the result; dot is for graphviz" },
	{ "settle", 0, COMMAND_DURATION, FIELD(settle_ns), "S",
	  "watch this long first, so that busy shares and stacks are known (1 s)" },
	{ 0 },
};

#define PAGE_ROWS       512
#define CENSUS_LIMIT_MS 5000

/* Asks for a walk over all tasks and for the stacks of open polls. */
static void ask(struct live *l)
{
	struct session_want want = { .kind = SESSION_WANT_SNAPSHOT };
	struct live_worker *rows = calloc(64, sizeof(*rows));
	struct live_header h;
	int n;

	if (live_header(l, 0, &h) != 0)
		h.processes = 1;
	for (want.process = 0; want.process < h.processes; want.process++)
		live_request(l, &want);
	n = rows ? live_workers(l, UINT32_MAX, rows, 64) : 0;
	for (int i = 0; i < n && i < 64; i++) {
		struct session_want stack = { .kind = SESSION_WANT_STACK,
					      .process = rows[i].process,
					      .tid = rows[i].tid };

		if (rows[i].task)
			live_request(l, &stack);
	}
	free(rows);
}

/* The answer has come when the number of tasks has stood still for a while. */
static void wait_for_answer(struct watch *w)
{
	struct live_header h;
	uint64_t before = UINT64_MAX;
	int still = 0;

	for (int ms = 0; ms < CENSUS_LIMIT_MS && still < 3 && !watch_asked_to_stop(); ms += 100) {
		live_wait(w->live, UINT64_MAX, 100);
		if (live_header(w->live, 0, &h) != 0 || live_done(w->live))
			break;
		still = h.alive == before ? still + 1 : 0;
		before = h.alive;
	}
}

static int print_all(struct watch *w, struct dump_print *p)
{
	struct live_query q = {
		.process = UINT32_MAX, .sort = LIVE_SORT_ID, .tree = true, .count = PAGE_ROWS
	};
	struct live_task *rows = calloc(PAGE_ROWS, sizeof(*rows));
	struct live_page page = { .rows = 1 };
	int rc = rows ? 0 : -1;

	while (rc == 0 && page.rows) {
		rc = live_tasks(w->live, &q, rows, &page);
		for (size_t i = 0; rc == 0 && i < page.rows; i++)
			dump_print_task(p, w->live, &rows[i]);
		q.offset += page.rows;
		if (q.offset >= page.total)
			break;
	}
	free(rows);
	return rc;
}

static int dump(struct watch *w, const struct dump_args *a)
{
	struct live_header h;
	struct dump_print p;
	int rc;

	watch_catch_signals();
	watch_run(w, a->settle_ns ? a->settle_ns : 1000000000, NULL, NULL);
	ask(w->live);
	wait_for_answer(w);
	if (live_header(w->live, 0, &h) != 0)
		return command_error(w->self,
				     "nothing is known of the process yet; try --settle 5");
	dump_print_begin(&p, (enum dump_print_format)a->format, stdout, &h);
	rc = print_all(w, &p);
	dump_print_end(&p);
	return rc ? command_error(w->self, "the tasks can't be read") : COMMAND_OK;
}

static int run(const struct command *self, void *args)
{
	struct dump_args *a = args;
	struct watch_options o = { .child_log = true };
	struct watch w = { 0 };
	int rc;

	if (a->format == DUMP_PRINT_FORMATS)
		return command_error(
			self, "--format base64 is not in this version: use json and base64(1)");
	rc = watch_open(&w, self, &a->in.target, &o);
	if (rc != COMMAND_OK)
		return rc;
	rc = dump(&w, a);
	watch_close(&w);
	return rc;
}

const struct command dump_command = {
	.name = "dump",
	.summary = "Print every task as it is now, as a tree",
	.usage = "TARGET [--format text|json|dot]",
	.about =
		"One line per task: state, where it was spawned, age, polls; for one inside a long poll the\n"
		"stack. What jstack is for threads. The process is not stopped.",
	.examples = "weft dump -n orders-svc\n"
		    "weft dump -p 4711 --format dot | dot -Tsvg > tasks.svg",
	.options = options,
	.takes = COMMAND_TAKES_TARGET,
	.args_size = sizeof(struct dump_args),
	.run = run,
};
