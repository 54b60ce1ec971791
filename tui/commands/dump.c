/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tui/commands/commands.h"
#include "tui/commands/dump_blob.h"
#include "tui/commands/dump_print.h"
#include "tui/commands/watch.h"
#include "tui/user.h"

enum { FORMAT_BASE64 = DUMP_PRINT_DOT + 1 }; /* the JSON, packed */

struct dump_args {
	struct command_input in;
	uint64_t settle_ns;
	int format;
	const char *decode, *task;
};

#define FIELD(name) offsetof(struct dump_args, name)
static const struct command_option options[] = {
	{ "format", 0, COMMAND_CHOICE, FIELD(format), "text|json|dot|base64",
	  "of the result; dot is for graphviz, base64 a packed json for tickets" },
	{ "task", 0, COMMAND_TEXT, FIELD(task), "FINGERPRINT|ID",
	  "of this task only, as a line of a log or another dump names it" },
	{ "decode", 0, COMMAND_TEXT, FIELD(decode), "FILE|-",
	  "print the json that is in such a base64 text; needs no TARGET" },
	{ "settle", 0, COMMAND_DURATION, FIELD(settle_ns), "S",
	  "watch this long first, so that busy shares and stacks are known (1 s)" },
	{ 0 },
};

#define FINGERPRINT_DIGITS 16
#define TASK_ID_BITS       40
#define PAGE_ROWS          512
#define CENSUS_LIMIT_MS    5000
#define ANSWER_STEP_MS     100

/* The task that --task names; text NULL = all of them. */
struct task_name {
	const char *text;
	uint64_t fingerprint, id; /* one of them is not 0 */
};

static bool task_name_parse(const char *text, struct task_name *ret)
{
	char *end;
	uint64_t v;

	*ret = (struct task_name){ .text = text };
	if (strspn(text, "0123456789abcdefABCDEF") != strlen(text))
		return false;
	v = strtoull(text, &end, strlen(text) == FINGERPRINT_DIGITS ? 16 : 10);
	if (strlen(text) == FINGERPRINT_DIGITS)
		ret->fingerprint = v;
	else
		ret->id = v;
	return v && !*end && strlen(text) <= FINGERPRINT_DIGITS;
}

static bool task_name_fits(const struct task_name *name, const struct live_task *t)
{
	return !name->text ||
	       (name->fingerprint ? t->fingerprint == name->fingerprint : t->native_id == name->id);
}

/* Asks for a walk over all tasks with their await chains, and for the stacks of open polls. */
static void ask(struct live *l)
{
	struct session_want want = { .kind = SESSION_WANT_SNAPSHOT, .value = 1 };
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

/* Nothing to come from: a process that is gone, or whose runtime has not started. */
static bool answered(struct live *l)
{
	struct live_header h = { .processes = 1 };

	for (uint32_t p = 0; p < h.processes; p++)
		if (live_header(l, p, &h) == 0 && !h.gone && h.runtimes && !h.chain_walks)
			return false;
	return true;
}

/* Stacks come while the walk goes on. */
static void wait_for_answer(struct watch *w)
{
	for (int ms = 0; ms < CENSUS_LIMIT_MS && !watch_asked_to_stop() && !live_done(w->live);
	     ms += ANSWER_STEP_MS) {
		live_wait(w->live, UINT64_MAX, ANSWER_STEP_MS);
		if (answered(w->live))
			break;
	}
}

static int print_tasks(struct watch *w, struct dump_print *p, const struct task_name *only)
{
	struct live_query q = {
		.process = p->head.process, .sort = LIVE_SORT_ID, .tree = true, .count = PAGE_ROWS
	};
	struct live_task *rows = calloc(PAGE_ROWS, sizeof(*rows));
	struct live_page page = { .rows = 1 };
	int rc = rows ? 0 : -1;

	while (rc == 0 && page.rows) {
		rc = live_tasks(w->live, &q, rows, &page);
		for (size_t i = 0; rc == 0 && i < page.rows; i++)
			if (task_name_fits(only, &rows[i]))
				dump_print_task(p, w->live, &rows[i]);
		q.offset += page.rows;
		if (q.offset >= page.total)
			break;
	}
	free(rows);
	return rc;
}

/* Why, as far as its number tells. */
static int say_not_there(const struct command *self, const struct live_header *heads, size_t n,
			 const struct task_name *name)
{
	for (size_t i = 0; name->fingerprint && i < n; i++) {
		for (uint32_t k = 0; k < heads[i].runtimes && k < 8; k++) {
			uint64_t base = heads[i].all_runtimes[k].fingerprint;
			uint64_t id = base ? name->fingerprint ^ base : 0;

			if (id && !(id >> TASK_ID_BITS))
				return command_error(self,
						     "task %llu of process %u is not there any "
						     "more; a recording of its time knows it",
						     (unsigned long long)id, heads[i].info.pid);
		}
	}
	return command_error(self,
			     name->fingerprint
				     ? "%s: of no task that is there; it is another process's, or "
				       "of this service before its last start"
				     : "there is no task %s",
			     name->text);
}

/* One for each process; owned. NULL = no memory. */
static struct live_header *heads_of(struct live *l, size_t *ret_n)
{
	struct live_header h, *heads;

	*ret_n = 0;
	(void)live_header(l, 0, &h);
	heads = calloc(h.processes + 1, sizeof(*heads));
	for (uint32_t i = 0; heads && i < h.processes; i++)
		*ret_n += live_header(l, i, &heads[*ret_n]) == 0;
	return heads;
}

static int print(struct watch *w, enum dump_print_format format, const struct task_name *only,
		 FILE *out)
{
	struct dump_print p;
	size_t n;
	struct live_header *heads = heads_of(w->live, &n);
	int rc = 0;

	if (!heads || !n) {
		free(heads);
		return command_error(w->self,
				     "nothing is known of the process yet; try --settle 5");
	}
	dump_print_begin(&p, format, out, heads, n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		dump_print_process(&p, &heads[i]);
		rc = print_tasks(w, &p, only);
	}
	dump_print_end(&p);
	rc = rc ? command_error(w->self, "the tasks can't be read") : COMMAND_OK;
	if (rc == COMMAND_OK && only->text && !p.tasks)
		rc = say_not_there(w->self, heads, n, only);
	free(heads);
	return rc;
}

static int print_packed(struct watch *w, const struct task_name *only)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *f = open_memstream(&text, &bytes);
	int rc;

	if (!f)
		return command_error(w->self, "the dump can't be packed: out of memory");
	rc = print(w, DUMP_PRINT_JSON, only, f);
	if (fclose(f) || (rc == COMMAND_OK && dump_blob_write(stdout, text, bytes)))
		rc = command_error(w->self, "the dump can't be packed: out of memory");
	free(text);
	return rc;
}

static int dump(struct watch *w, const struct dump_args *a, const struct task_name *only)
{
	watch_run(w, a->settle_ns ? a->settle_ns : 1000000000, NULL, NULL);
	ask(w->live);
	wait_for_answer(w);
	return a->format == FORMAT_BASE64
		       ? print_packed(w, only)
		       : print(w, (enum dump_print_format)a->format, only, stdout);
}

static int decode(const struct command *self, const char *path)
{
	FILE *in = stdin;
	int rc;

	if (strcmp(path, "-") != 0) {
		user_begin();
		in = fopen(path, "re");
		rc = errno;
		user_done();
		if (!in)
			return command_error(self, "can't read %s: %s", path, strerror(rc));
	}
	rc = dump_blob_print(in, stdout);
	if (in != stdin)
		fclose(in);
	return rc ? command_error(self,
				  "%s: no dump in base64 (weft dump --format base64 makes them)",
				  path)
		  : COMMAND_OK;
}

static int run(const struct command *self, void *args)
{
	struct dump_args *a = args;
	/* Since when tasks wait is seen from `normal` up; this short it costs little. */
	struct watch_options o = { .child_log = true, .level = WEFT_LEVEL_NORMAL };
	struct task_name only = { 0 };
	struct watch w = { 0 };
	int rc;

	if (a->decode && target_given(&a->in.target))
		return command_error(self,
				     "--decode prints a dump taken earlier: it takes no target");
	if (a->decode && command_refuse(self, &a->in, "format|settle|task", "--decode"))
		return COMMAND_FAILED;
	if (a->decode)
		return decode(self, a->decode);
	if (a->in.target.follow)
		return command_error(self,
				     "--follow does not go with a dump: it shows what is now");
	if (a->task && !task_name_parse(a->task, &only))
		return command_error(self,
				     "--task %s: neither a fingerprint (16 hex digits) nor the id "
				     "of a task",
				     a->task);
	rc = watch_open(&w, self, &a->in.target, &o);
	if (rc != COMMAND_OK)
		return rc;
	rc = dump(&w, a, &only);
	watch_close(&w);
	return rc;
}

const struct command dump_command = {
	.name = "dump",
	.summary = "Print every task as it is now, as a tree",
	.usage = "TARGET [--format text|json|dot|base64] [--task FINGERPRINT|ID]\n--decode FILE|-",
	.about =
		"Each task: state, age, polls, where it was spawned; below it what it waits for, and where: the\n"
		"function that awaits, who awaits that one, and so on; for one inside a long poll the stack.\n"
		"At its end its fingerprint, as the service's own log has it (weft explain fingerprint).\n"
		"What jstack is for threads. The process is not stopped. With -- CMD its output goes to a file,\n"
		"whose name is told at the end.",
	.examples = "weft dump -n orders-svc\n"
		    "weft dump -n orders-svc --task 5d1c09e77a3b0e52\n"
		    "weft dump -p 4711 --format dot | dot -Tsvg > tasks.svg",
	.options = options,
	.takes = COMMAND_TAKES_TARGET,
	.args_size = sizeof(struct dump_args),
	.run = run,
};
