/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tui/commands/commands.h"
#include "tui/commands/watch.h"
#include "tui/format.h"
#include "tui/user.h"

struct record_args {
	struct command_input in;
	const char *output, *raise;
	uint64_t duration_ns, max_bytes;
	double max_overhead;
	int level;
	bool force;
};

#define FIELD(name) offsetof(struct record_args, name)
static const struct command_option options[] = {
	{ "output", 'o', COMMAND_TEXT, FIELD(output), "FILE.db",
	  "the recording to write (needed)" },
	{ "duration", 'd', COMMAND_DURATION, FIELD(duration_ns), "S", "stop after this time" },
	{ "level", 'l', COMMAND_CHOICE, FIELD(level), WATCH_LEVELS,
	  "how much is traced; auto follows --max-overhead" },
	{ "max-overhead", 0, COMMAND_SHARE, FIELD(max_overhead), "SHARE",
	  "of the target's CPU, half a core at least, that tracing may cost (5%)" },
	{ "raise", 0, COMMAND_TEXT, FIELD(raise), "TEXT",
	  "at light, all polls of task types with this in name or place" },
	{ "max-size", 0, COMMAND_SIZE, FIELD(max_bytes), "SIZE",
	  "bound of the file; the oldest events go first" },
	{ "force", 'f', COMMAND_FLAG, FIELD(force), NULL,
	  "write over a file that is already there" },
	{ 0 },
};

/* Before anything is attached or started. The file that is there goes when the target is known to be fine: watch_open. */
static int try_output(const struct command *self, const struct record_args *a)
{
	struct stat st;
	int fd;

	if (stat(a->output, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			return command_error(self, "can't write %s: it is not a plain file",
					     a->output);
		if (!a->force)
			return command_error(self,
					     "can't write %s: it is already there; choose another "
					     "name, or --force to write over it",
					     a->output);
		return faccessat(AT_FDCWD, a->output, W_OK, AT_EACCESS) == 0
			       ? COMMAND_OK
			       : command_error(self, "can't write over %s: %s", a->output,
					       strerror(errno));
	}
	fd = open(a->output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return command_error(self, "can't write %s: %s", a->output, strerror(errno));
	close(fd);
	unlink(a->output);
	return COMMAND_OK;
}

static int check_output(const struct command *self, const struct record_args *a)
{
	int rc;

	if (!a->output)
		return command_error(self, "no file to write: give -o FILE.db");
	user_begin();
	rc = try_output(self, a);
	user_done();
	return rc;
}

/* Of all processes that were watched. */
struct totals {
	uint64_t produced, stored, lost, filtered, expired;
	uint32_t processes;
	double seconds;
};

static void add_up(struct live *l, struct totals *t)
{
	struct live_header h;

	for (uint32_t i = 0; live_header(l, i, &h) == 0; i++) {
		double seconds = h.now_ns > h.attached_ns ? (double)(h.now_ns - h.attached_ns) / 1e9
							  : 0;

		t->produced += h.produced;
		t->stored += h.stored;
		t->lost += h.lost;
		t->filtered += h.filtered;
		t->expired += h.expired;
		t->seconds = seconds > t->seconds ? seconds : t->seconds;
		t->processes++;
	}
}

static void closing_line(const struct command *self, const struct record_args *a,
			 const struct totals *t)
{
	struct stat st = { 0 };

	(void)!stat(a->output, &st);
	if (t->processes == 0) {
		fprintf(stderr,
			"weft %s: nothing to record: no process with a runtime that Weft knows came up; "
			"%s holds no events\n",
			self->name, a->output);
		return;
	}
	fprintf(stderr, "weft %s: %.1f s: produced %s = stored %s + lost %s + filtered %s",
		self->name, t->seconds, format_count(t->produced).s, format_count(t->stored).s,
		format_count(t->lost).s, format_count(t->filtered).s);
	if (t->expired)
		fprintf(stderr, " + expired %s", format_count(t->expired).s);
	fprintf(stderr, "; %s, %s. Next: weft report %s\n", a->output,
		format_bytes((double)st.st_size).s, a->output);
}

static int run(const struct command *self, void *args)
{
	struct record_args *a = args;
	struct watch_options o = { .level = (enum weft_level)a->level,
				   .max_overhead = a->max_overhead,
				   .raise = a->raise,
				   .store_path = a->output,
				   .replace = a->force,
				   .max_bytes = a->max_bytes };
	struct totals totals = { 0 };
	struct watch w = { 0 };
	int rc = check_output(self, a);

	if (rc == COMMAND_OK)
		rc = watch_open(&w, self, &a->in.target, &o);
	if (rc != COMMAND_OK)
		return rc;
	watch_run(&w, a->duration_ns, NULL, NULL);
	rc = watch_stop(&w);
	add_up(w.live, &totals);
	watch_close(&w);
	user_own_file(a->output);
	closing_line(self, a, &totals);
	return rc == COMMAND_OK && w.has_child ? watch_child_code(&w) : rc;
}

const struct command record_command = {
	.name = "record",
	.summary = "Record what a process does into a file",
	.usage = "TARGET -o FILE.db [--duration S] [--level LEVEL] [--max-size SIZE]",
	.about =
		"Writes all events to an SQLite file that weft report, query, diagnose and top read.\n"
		"Ctrl-C stops cleanly. The file belongs to the invoking user, also under sudo.\n"
		"With -- CMD it ends when CMD ends, with CMD's status; a CMD that still runs when\n"
		"--duration is over is ended.",
	.examples = "weft record -n orders-svc -o orders.db --duration 30s\n"
		    "weft record -o test.db -- ./service --port 8080",
	.options = options,
	.takes = COMMAND_TAKES_TARGET | COMMAND_TAKES_FILE,
	.args_size = sizeof(struct record_args),
	.run = run,
};
