/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/baseline.h"
#include "collector/cargo/cargo.h"
#include "tui/commands/commands.h"
#include "tui/commands/user_config.h"
#include "tui/commands/watch.h"
#include "tui/format.h"
#include "tui/names.h"
#include "tui/user.h"

enum { FORMAT_TEXT, FORMAT_JSON };
#define DEFAULT_NS    40000000000ull /* a shorter window leaves task-leak unchecked */
#define MOST_FINDINGS 64
#define FAIL_ON       "warn|crit|info|never"
#define OF_PROCESS    "duration|level|max-overhead|raise" /* options that go with live ones only */

struct diagnose_args {
	struct command_input in;
	uint64_t duration_ns;
	double max_overhead;
	const char *only, *ignore, *raise, *cargo, *lock, *baseline_path, *config_path;
	struct command_list set;
	struct user_config config;
	struct baseline *baseline;
	const char *values[CONFIG_ITEMS + COMMAND_LIST_MAX + 1]; /* of the config, then --set */
	int format, fail_on, level;
	bool thresholds;
};

#define FIELD(name) offsetof(struct diagnose_args, name)
static const struct command_option options[] = {
	{ "duration", 'd', COMMAND_DURATION, FIELD(duration_ns), "S",
	  "how long to watch (40 s; less leaves task-leak unchecked)" },
	{ "format", 0, COMMAND_CHOICE, FIELD(format), "text|json", "of the result" },
	{ "only", 0, COMMAND_TEXT, FIELD(only), "IDS",
	  "check these symptoms only, comma separated" },
	{ "ignore", 0, COMMAND_TEXT, FIELD(ignore), "IDS", "leave these symptoms out" },
	{ "fail-on", 0, COMMAND_CHOICE, FIELD(fail_on), FAIL_ON,
	  "least severity that makes the exit code 1 (warn)" },
	{ "baseline", 0, COMMAND_TEXT, FIELD(baseline_path), "FILE",
	  "findings of this earlier JSON report are known: no failure" },
	{ "config", 0, COMMAND_TEXT, FIELD(config_path), "FILE",
	  "thresholds, options and mutes, name = value (or $WEFT_CONFIG)" },
	{ "set", 0, COMMAND_LIST, FIELD(set), "NAME=VALUE", "a threshold; may be given again" },
	{ "thresholds", 0, COMMAND_FLAG, FIELD(thresholds), NULL,
	  "list the thresholds, their defaults and what they mean" },
	{ "cargo", 0, COMMAND_TEXT, FIELD(cargo), "FILE|-",
	  "a build instead: what cargo --message-format=json prints" },
	{ "lock", 0, COMMAND_TEXT, FIELD(lock), "Cargo.lock",
	  "with --cargo: this file, not the one beside Cargo.toml" },
	{ "level", 'l', COMMAND_CHOICE, FIELD(level), WATCH_LEVELS,
	  "how much is traced; auto follows --max-overhead" },
	{ "max-overhead", 0, COMMAND_SHARE, FIELD(max_overhead), "SHARE",
	  "of the target's CPU, half a core at least, that tracing may cost (5%)" },
	{ "raise", 0, COMMAND_TEXT, FIELD(raise), "TEXT",
	  "at light, all polls of task types with this in name or place" },
	{ 0 },
};

/* Findings as they appear: one line each, in the text form. */
struct progress {
	struct live *live;
	uint64_t told[MOST_FINDINGS];
	size_t n;
	struct live_finding rows[MOST_FINDINGS];
};

static bool is_new(struct progress *p, uint64_t key)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->told[i] == key)
			return false;
	if (p->n == MOST_FINDINGS)
		return false;
	p->told[p->n++] = key;
	return true;
}

static void tell(const struct live_finding *f)
{
	char subject[256], cause[192];

	format_clean(subject, sizeof(subject), f->subject_name);
	format_clean(cause, sizeof(cause), f->cause);
	printf("%6.1f s  %-4s %-14s %s %s%s%s\n", (double)f->first_ns / 1e9,
	       names_severity(f->severity), f->id, f->subject_kind, subject, *cause ? ": " : "",
	       cause);
}

static void tell_new(void *ctx)
{
	struct progress *p = ctx;
	int n = live_findings(p->live, p->rows, 0, MOST_FINDINGS);

	for (int i = 0; i < n && i < MOST_FINDINGS; i++)
		if (!p->rows[i].muted && is_new(p, p->rows[i].key))
			tell(&p->rows[i]);
	fflush(stdout);
}

/* In the order of FAIL_ON. */
static enum live_severity least_severity(const struct diagnose_args *a)
{
	static const int least[] = { LIVE_WARN, LIVE_CRIT, LIVE_INFO, LIVE_CRIT + 1 };

	return (enum live_severity)least[a->fail_on > 0 ? a->fail_on : 0];
}

static int watch_it(struct watch *w, const struct diagnose_args *a)
{
	struct progress *p = calloc(1, sizeof(*p));
	uint64_t duration = a->duration_ns ? a->duration_ns : DEFAULT_NS;
	int rc;

	if (!p)
		return command_error(w->self, "out of memory");
	p->live = w->live;
	live_baseline(w->live, a->baseline);
	live_mutes(w->live, a->config.mutes);
	watch_run(w, w->session ? duration : 0, a->format == FORMAT_TEXT ? tell_new : NULL, p);
	if (p->n)
		putchar('\n');
	free(p);
	rc = watch_stop(w);
	if (rc != COMMAND_OK)
		return rc;
	rc = (a->format == FORMAT_JSON ? live_report_json : live_report_text)(w->live, stdout);
	if (rc < 0)
		return command_error(w->self, "the report can't be made: %s", strerror(-rc));
	return live_exit_code(w->live, least_severity(a));
}

/* ---- a build's output ---- */

static int report_build(const struct command *self, const struct diagnose_args *a,
			struct cargo_run *run, FILE *in)
{
	int rc = cargo_run_read(run, in);

	if (rc == -ENODATA)
		return command_error(
			self,
			"%s has no message of a compiler: give what cargo build --message-format=json prints on stdout",
			a->cargo);
	if (rc)
		return command_error(self, "%s can't be read: %s", a->cargo, strerror(-rc));
	rc = (a->format == FORMAT_JSON ? cargo_report_json : cargo_report_text)(run, stdout);
	if (rc < 0)
		return command_error(self, "the report can't be made: %s", strerror(-rc));
	return cargo_exit_code(run, least_severity(a));
}

static int diagnose_build(const struct command *self, const struct diagnose_args *a)
{
	struct cargo_options o = { .only = a->only,
				   .ignore = a->ignore,
				   .lock_path = a->lock,
				   .baseline = a->baseline,
				   .mutes = a->config.mutes,
				   .with_lock = true };
	bool piped = !strcmp(a->cargo, "-");
	struct cargo_run *run = NULL;
	char error[160];
	FILE *in;
	int rc;

	if (target_given(&a->in.target) || a->in.operands)
		return command_error(self,
				     "--cargo reads a build: it takes no target or recording");
	if (command_refuse(self, &a->in, OF_PROCESS "|set", "--cargo") != COMMAND_OK)
		return COMMAND_FAILED;
	in = piped ? stdin : fopen(a->cargo, "re");
	if (!in)
		return command_error(self, "%s can't be opened: %s", a->cargo, strerror(errno));
	rc = cargo_run_new(&o, &run, error, sizeof(error)) ? command_error(self, "%s", error)
							   : report_build(self, a, run, in);
	cargo_run_free(run);
	if (!piped)
		fclose(in);
	return rc;
}

static int check_usage(const struct command *self, const struct diagnose_args *a)
{
	if (target_given(&a->in.target) == (a->in.operands > 0))
		return command_error(
			self,
			a->in.operands
				? "both a target and a recording: give one of them"
				: "nothing to look at: give -p PID, -n NAME, -- CMD or FILE.db");
	if (command_refuse(self, &a->in, "lock", a->in.operands ? "a recording" : "a process") ||
	    (a->in.operands && command_refuse(self, &a->in, OF_PROCESS, "a recording")))
		return COMMAND_FAILED;
	for (size_t i = 0; i < a->set.n; i++)
		if (!strchr(a->set.item[i], '=') || *a->set.item[i] == '=')
			return command_error(self, "--set can't be '%s': it takes NAME=VALUE",
					     a->set.item[i]);
	return COMMAND_OK;
}

/* "crit" -> its place in FAIL_ON, -1 = none. */
static int fail_on_place(const char *word)
{
	const char *at = FAIL_ON;

	for (int i = 0; *at; i++) {
		size_t n = strcspn(at, "|");

		if (strlen(word) == n && !strncmp(at, word, n))
			return i;
		at += n + (at[n] == '|');
	}
	return -1;
}

/* What the config says and the command line does not; then the baseline. */
static int read_config(const struct command *self, struct diagnose_args *a)
{
	const struct config *c = &a->config.config;
	char error[300];
	size_t n = 0;
	int rc = user_config_open(self, a->config_path, false, &a->config);

	if (rc != COMMAND_OK)
		return rc;
	for (size_t i = 0; i < c->n; i++)
		a->values[n++] = c->item[i];
	for (size_t i = 0; i < a->set.n; i++)
		a->values[n++] = a->set.item[i];
	a->only = a->only ? a->only : c->only;
	a->ignore = a->ignore ? a->ignore : c->ignore;
	a->baseline_path = a->baseline_path ? a->baseline_path : c->baseline;
	if (a->fail_on < 0 && c->fail_on) {
		a->fail_on = fail_on_place(c->fail_on);
		if (a->fail_on < 0)
			return command_error(self, "config %s: fail-on is one of %s",
					     a->config.path, FAIL_ON);
	}
	if (a->baseline_path &&
	    baseline_open(a->baseline_path, &a->baseline, error, sizeof(error)) != 0)
		return command_error(self, "%s", error);
	return COMMAND_OK;
}

static int list_thresholds(void)
{
	struct live_threshold t;

	for (size_t i = 0; live_threshold(i, &t); i++)
		printf("%-22s %10g %-6s %s\n", t.name, t.value, t.unit, t.help);
	return COMMAND_OK;
}

static int look(const struct command *self, struct diagnose_args *a)
{
	struct watch_options o = { .level = (enum weft_level)a->level,
				   .max_overhead = a->max_overhead,
				   .raise = a->raise,
				   .looks = true,
				   .only = a->only,
				   .ignore = a->ignore,
				   .thresholds = a->values[0] ? a->values : NULL,
				   .child_log = a->format == FORMAT_JSON };
	struct watch w = { 0 };
	int rc = check_usage(self, a);

	if (rc == COMMAND_OK)
		rc = a->in.operands ? watch_replay(&w, self, a->in.operand[0], 0, &o)
				    : watch_open(&w, self, &a->in.target, &o);
	if (rc != COMMAND_OK)
		return rc;
	rc = watch_it(&w, a);
	watch_close(&w);
	return rc;
}

static void init(void *args)
{
	((struct diagnose_args *)args)->fail_on = -1; /* not said */
}

static int run(const struct command *self, void *args)
{
	struct diagnose_args *a = args;
	int rc;

	if (a->thresholds)
		return list_thresholds();
	user_begin();
	rc = read_config(self, a);
	if (rc == COMMAND_OK && a->cargo)
		rc = diagnose_build(self, a);
	user_done();
	if (rc == COMMAND_OK && !a->cargo)
		rc = look(self, a);
	baseline_close(a->baseline);
	user_config_close(&a->config);
	return rc;
}

const struct command diagnose_command = {
	.name = "diagnose",
	.summary = "Say what is wrong with a process or a recording",
	.usage = "TARGET [--duration S] [OPTIONS]\nFILE.db [OPTIONS]\n--cargo FILE|- [OPTIONS]",
	.about =
		"Watches for a while, prints findings as they appear, then the proof of each, what was\n"
		"checked and what could not be seen. Exit code 0: all that was asked for was checked and\n"
		"is clean; 1: findings; 2: error; 3: nothing found, but not everything could be checked.\n"
		"Findings of a baseline are told, and change nothing of that. What the config file mutes, by lines\n"
		"mute = ID PLACE as the key m of weft top writes them, is counted and listed in short, and changes\n"
		"nothing either. That file is --config, else $WEFT_CONFIG (empty: none), else\n"
		"~/.config/weft/weft.conf where there is one. With --format json and -- CMD the\n"
		"output of CMD goes to a file, whose name is told at the end. The time counts from the start of\n"
		"CMD: build first (cargo test --no-run). When it is over, what CMD has started is ended, too.",
	.examples = "weft diagnose -n orders-svc\n"
		    "weft diagnose -p 4711 --only blocking-call --set blocking.warn_ms=20\n"
		    "weft diagnose --duration 20 -- cargo test\n"
		    "weft diagnose run.db --format json --fail-on crit\n"
		    "weft diagnose -n orders-svc --format json > known.json\n"
		    "weft diagnose -n orders-svc --baseline known.json\n"
		    "cargo build --message-format=json | weft diagnose --cargo -",
	.options = options,
	.takes = COMMAND_TAKES_TARGET | COMMAND_TAKES_FILE,
	.max_operands = 1,
	.args_size = sizeof(struct diagnose_args),
	.init = init,
	.run = run,
};
