/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tui/commands/commands.h"
#include "tui/commands/list.h"
#include "tui/commands/user_config.h"
#include "tui/commands/watch.h"
#include "tui/format.h"
#include "tui/script.h"
#include "tui/terminal.h"
#include "tui/user.h"

/* Without a terminal and without a script: what a person would look at first. */
#define SNAPSHOT        "wait:4s; key:1; snap; key:2; snap; key:3; snap"
#define PICKER_SNAPSHOT "snap"

struct top_args {
	struct command_input in;
	const char *script, *size, *raise, *config_path;
	struct user_config config;
	double max_overhead, speed;
	int level, theme;
	bool ascii, no_mouse, theme_given;
};

#define FIELD(name) offsetof(struct top_args, name)
static const struct command_option options[] = {
	{ "level", 'l', COMMAND_CHOICE, FIELD(level), WATCH_LEVELS,
	  "how much is traced; auto follows --max-overhead" },
	{ "max-overhead", 0, COMMAND_SHARE, FIELD(max_overhead), "SHARE",
	  "of the target's CPU, half a core at least, that tracing may cost (5%)" },
	{ "raise", 0, COMMAND_TEXT, FIELD(raise), "TEXT",
	  "at light, all polls of task types with this in name or place" },
	{ "config", 0, COMMAND_TEXT, FIELD(config_path), "FILE",
	  "thresholds, only, ignore; m keeps mutes there (or $WEFT_CONFIG)" },
	{ "speed", 0, COMMAND_FACTOR, FIELD(speed), "N", "of a replay (1)" },
	{ "theme", 0, COMMAND_CHOICE, FIELD(theme), "auto|" THEME_NAMES,
	  "colours; NO_COLOR is obeyed" },
	{ "ascii", 0, COMMAND_FLAG, FIELD(ascii), NULL, "no characters beyond ASCII" },
	{ "no-mouse", 0, COMMAND_FLAG, FIELD(no_mouse), NULL, "leave the mouse to the terminal" },
	{ "script", 0, COMMAND_TEXT, FIELD(script), "STEPS",
	  "no terminal: wait:2s; key:2; until:TEXT; type:TEXT; size:WxH; snap" },
	{ "size", 0, COMMAND_TEXT, FIELD(size), "WxH", "of the screen for --script (80x24)" },
	{ 0 },
};

/* ---- the picker ---- */

struct candidates {
	struct screen_candidate *rows;
	size_t n, max;
};

static void add_candidate(void *ctx, const struct session_process *p)
{
	struct candidates *c = ctx;
	struct screen_candidate *r;

	if (c->n == c->max)
		return;
	r = &c->rows[c->n++];
	*r = (struct screen_candidate){ .pid = p->pid };
	format_clean(r->name, sizeof(r->name), p->comm);
	format_clean(r->can_see, sizeof(r->can_see), p->can_see);
	format_clean(r->cannot_see, sizeof(r->cannot_see), p->cannot_see);
	list_user(p->uid, r->user, sizeof(r->user));
	list_runtimes(p, r->runtime, sizeof(r->runtime));
}

static int candidates(void *ctx, struct screen_candidate *rows, size_t max)
{
	struct candidates c = { .rows = rows, .max = max };
	int rc = session_list(add_candidate, &c);

	(void)ctx;
	return rc < 0 ? rc : (int)c.n;
}

/* ---- showing ---- */

static int run_script(const struct command *self, const struct top_args *a, struct app *app,
		      const char *script)
{
	struct script_error error;
	int width = APP_LEAST_WIDTH, height = APP_LEAST_HEIGHT, rc;
	char rest;

	if (a->size && (sscanf(a->size, "%dx%d%c", &width, &height, &rest) != 2 || width < 1 ||
			height < 1 || width > 1000 || height > 1000))
		return command_error(self, "--size can't be '%s': it takes WxH such as 120x40",
				     a->size);
	if (app_resize(app, width, height) < 0)
		return command_error(self, "out of memory");
	rc = script_run(app, script, stdout, watch_asked_to_stop, &error);
	if (rc == -EINVAL || rc == -ETIMEDOUT)
		return command_error(self, "--script: %s", error.text);
	return rc == -ENOMEM ? command_error(self, "out of memory") : COMMAND_OK;
}

static int run_terminal(const struct command *self, const struct top_args *a, struct app *app)
{
	struct terminal_options o = { .scheme = a->theme - 1,
				      .mouse = !a->no_mouse,
				      .stop = watch_asked_to_stop };
	int rc = terminal_run(app, &o);

	if (rc == -EINVAL)
		return command_error(self, "the terminal '%s' is not known here: set TERM",
				     getenv("TERM") ? getenv("TERM") : "");
	if (rc < 0 && rc != -EIO)
		return command_error(self, "the terminal can't be used: %s", strerror(-rc));
	return COMMAND_OK;
}

static bool interactive(const struct top_args *a)
{
	return !a->script && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

/* Shows it until the user leaves; *ret_pid = what was picked, 0 = nothing. */
static int show(const struct command *self, const struct top_args *a, const struct app_options *o,
		uint64_t *ret_pid)
{
	const char *otherwise = o->live ? SNAPSHOT : PICKER_SNAPSHOT;
	struct app *app = app_new(o);
	int rc;

	if (!app)
		return command_error(self, "out of memory");
	rc = interactive(a) ? run_terminal(self, a, app)
			    : run_script(self, a, app, a->script ? a->script : otherwise);
	*ret_pid = app_picked(app);
	app_free(app);
	return rc;
}

static int show_live(struct watch *w, struct top_args *a, const char *notice)
{
	struct app_options o = { .live = w->live,
				 .notice = notice,
				 .mute = user_config_mute,
				 .mute_ctx = &a->config,
				 .speed = a->speed,
				 .follow = a->in.target.follow,
				 .ascii = a->ascii || !terminal_utf8() };
	uint64_t nothing;
	int rc;

	a->config.live = w->live;
	live_mutes(w->live, a->config.mutes);
	rc = show(w->self, a, &o, &nothing);

	/* What was shown is not all there was, or not what is now: said once the screen is free for it. */
	return rc == COMMAND_OK && live_failed(w->live) ? watch_stop(w) : rc;
}

static int watch_target(struct watch *w, const struct command *self, struct top_args *a,
			const struct command_target *target, bool quiet)
{
	struct watch_options o = { .level = (enum weft_level)a->level,
				   .max_overhead = a->max_overhead,
				   .raise = a->raise,
				   .only = a->config.config.only,
				   .ignore = a->config.config.ignore,
				   .thresholds = a->config.config.item,
				   .child_log = true,
				   .screen = true,
				   .quiet = quiet };
	char notice[320] = "";
	int rc = watch_open(w, self, target, &o);

	if (rc != COMMAND_OK)
		return rc;
	if (*w->log)
		snprintf(notice, sizeof(notice), "the output of the command goes to %s", w->log);
	rc = show_live(w, a, *notice ? notice : NULL);
	watch_close(w);
	return rc;
}

/* The picker comes back with the reason when what was picked can't be watched. */
static int pick(const struct command *self, struct top_args *a)
{
	struct app_options o = { .candidates = candidates, .ascii = a->ascii || !terminal_utf8() };
	struct command_target target = { 0 };
	struct watch w = { 0 };
	char pid_text[24];
	uint64_t pid = 0;
	int rc;

	for (;;) {
		rc = show(self, a, &o, &pid);
		if (rc != COMMAND_OK || !pid)
			return rc;
		snprintf(pid_text, sizeof(pid_text), "%llu", (unsigned long long)pid);
		target.pids = pid_text;
		rc = watch_target(&w, self, a, &target, true);
		if (rc == COMMAND_OK || a->script)
			return rc;
		o.trouble = w.error;
	}
}

static int replay(const struct command *self, struct top_args *a)
{
	struct watch_options o = { .only = a->config.config.only,
				   .ignore = a->config.config.ignore,
				   .thresholds = a->config.config.item };
	char notice[320];
	struct watch w = { 0 };
	bool whole = !interactive(a) && a->speed == 0;
	int rc = watch_replay(&w, self, a->in.operand[0],
			      whole          ? 0
			      : a->speed > 0 ? a->speed
					     : 1,
			      &o);

	if (rc != COMMAND_OK)
		return rc;
	if (whole)
		watch_run(&w, 0, NULL, NULL);
	else if (a->speed == 0)
		a->speed = 1;
	snprintf(notice, sizeof(notice), "replay of %s", a->in.operand[0]);
	rc = show_live(&w, a, notice);
	watch_close(&w);
	return rc;
}

static int look(const struct command *self, struct top_args *a)
{
	struct watch w = { 0 };

	watch_catch_signals();
	if (a->in.operands)
		return replay(self, a);
	if (target_given(&a->in.target))
		return watch_target(&w, self, a, &a->in.target, false);
	return pick(self, a);
}

static int run(const struct command *self, void *args)
{
	struct top_args *a = args;
	int rc;

	if (target_given(&a->in.target) && a->in.operands)
		return command_error(self, "both a target and a recording: give one of them");
	if (a->in.operands ? command_refuse(self, &a->in, "level|max-overhead|raise", "a recording")
			   : command_refuse(self, &a->in, "speed", "a process"))
		return COMMAND_FAILED;
	user_begin();
	rc = user_config_open(self, a->config_path, true, &a->config);
	user_done();
	if (rc == COMMAND_OK)
		rc = look(self, a);
	user_config_close(&a->config);
	return rc;
}

const struct command top_command = {
	.name = "top",
	.summary = "Show a process live: tasks, workers, findings",
	.usage = "[TARGET]\nFILE.db [--speed N]",
	.about =
		"The console. Without a target it lists what runs here. A recording is replayed.\n"
		"Keys are explained by ?. Without a terminal it prints its screens as text. In Findings m mutes the\n"
		"one under the cursor by id and place: a line mute = ID PLACE in the config file, which is --config,\n"
		"else $WEFT_CONFIG, else ~/.config/weft/weft.conf, made with mode 0600. It is then marked, comes last\n"
		"and is counted apart, here and in weft diagnose; m again takes that back. e writes its evidence into\n"
		"two new files, text and JSON, in the current folder or else in weft/ of $XDG_STATE_HOME.",
	.examples = "weft top -n orders-svc\n"
		    "weft top run.db --speed 4\n"
		    "weft top -p 4711 --script 'wait:2s; key:3; snap' --size 120x40",
	.options = options,
	.takes = COMMAND_TAKES_TARGET | COMMAND_TAKES_FILE,
	.max_operands = 1,
	.args_size = sizeof(struct top_args),
	.run = run,
};
