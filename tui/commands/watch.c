/* SPDX-License-Identifier: MIT */
#include "tui/commands/watch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "probes/session.h"
#include "tui/commands/child.h"
#include "tui/user.h"

static volatile sig_atomic_t asked_to_stop;

static void on_signal(int number)
{
	(void)number;
	asked_to_stop = 1;
}

void watch_catch_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigaction(numbers[i], &sa, NULL);
}

bool watch_asked_to_stop(void)
{
	return asked_to_stop;
}

/* ---- open ---- */

static int failed(struct watch *w, const char *why)
{
	snprintf(w->error, sizeof(w->error), "%s", why);
	return w->quiet ? COMMAND_FAILED : command_error(w->self, "%s", why);
}

static int session_failed(struct watch *w, const char *doing)
{
	const char *why = session_error(w->session);

	return failed(w, why && *why ? why : doing);
}

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int open_session(struct watch *w, const struct command_target *target,
			const struct watch_options *o)
{
	struct session_options so = {
		.level = o->level,
		.max_overhead = o->max_overhead,
		.raise = o->raise,
		.looks = o->looks,
		.stay = target->follow,
	};

	w->opened_ns = monotonic_ns();
	if (!target->as_root && !user_invoking(&so.run_as_uid, &so.run_as_gid))
		so.run_as_uid = so.run_as_gid = 0;
	if (session_open(&so, &w->session) != 0)
		return session_failed(w, "tracing can't be set up; weft check says why");
	return COMMAND_OK;
}

static void name_log(struct watch *w, const char *program)
{
	const char *base = strrchr(program, '/') ? strrchr(program, '/') + 1 : program;
	time_t now = time(NULL);
	char stamp[24];
	struct tm tm;

	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", gmtime_r(&now, &tm));
	snprintf(w->log, sizeof(w->log), "weft-%.64s-%s-%d.log", base, stamp, (int)getpid());
}

static int spawn(struct watch *w, const struct command_target *target, bool log)
{
	int rc;

	if (log)
		name_log(w, target->child[0]);
	rc = session_spawn(w->session, target->child, log ? w->log : NULL, &w->child);
	if (rc < 0)
		return session_failed(w, "can't start the command");
	w->has_child = true;
	return COMMAND_OK;
}

/* With --follow one that is not there yet is waited for. */
static int find(struct watch *w, const struct command_target *target, const struct watch_options *o,
		pid_t *pids)
{
	int n;

	if (!target->follow || target->pids)
		return target_pids(w->self, target, pids);
	n = target_check(w->self, target) ? target_look(target, pids) : -1;
	if (n == 0 && !o->screen)
		fprintf(stderr, "weft %s: nothing to watch there yet; waiting for it\n",
			w->self->name);
	return n;
}

/* One that can't be watched doesn't keep the others from it. */
static int attach(struct watch *w, const struct command_target *target,
		  const struct watch_options *o)
{
	pid_t pids[TARGET_MAX];
	int n = find(w, target, o, pids), attached = n == 0;

	for (int i = 0; i < n; i++) {
		if (session_attach(w->session, pids[i]) == 0)
			attached++;
		else
			session_failed(w, "can't attach to the process");
	}
	return attached ? COMMAND_OK : COMMAND_FAILED;
}

static int open_live(struct watch *w, const struct live_options *lo)
{
	const char *why;

	/* The first chunk may be in the file before this returns: from there on an end is one in order. */
	watch_catch_signals();
	if (live_open(lo, &w->live) == 0)
		return COMMAND_OK;
	why = live_error(NULL);
	return failed(w, why && *why ? why : "the engine can't be started");
}

/* The recording that the new one replaces. */
static int make_room(struct watch *w, const char *path)
{
	char text[400];
	int err;

	user_begin();
	err = unlink(path) == 0 ? 0 : errno;
	user_done();
	if (err == 0 || err == ENOENT)
		return COMMAND_OK;
	snprintf(text, sizeof(text), "can't write over %.300s: %s", path, strerror(err));
	return failed(w, text);
}

static int start_follow(struct watch *w, const struct watch_options *o)
{
	return follow_start(w->follow, w->live, !o->screen) == 0
		       ? COMMAND_OK
		       : failed(w, "--follow can't start its thread");
}

static struct live_options live_options(const struct watch_options *o)
{
	return (struct live_options){ .store_path = o->store_path,
				      .max_bytes = o->max_bytes,
				      .only = o->only,
				      .ignore = o->ignore,
				      .thresholds = o->thresholds };
}

int watch_open(struct watch *w, const struct command *self, const struct command_target *target,
	       const struct watch_options *o)
{
	struct live_options lo = live_options(o);
	int rc;

	*w = (struct watch){ .self = self, .quiet = o->quiet };
	if (!target_given(target))
		return command_error(
			self, "no target: give -p PID, -n NAME, --unit UNIT, --container ID or "
			      "-- CMD; weft list shows what runs here");
	rc = target->follow && follow_new(self, target, &w->follow) != 0
		     ? COMMAND_FAILED
		     : open_session(w, target, o);
	if (rc == COMMAND_OK)
		rc = target->child ? spawn(w, target, o->child_log) : attach(w, target, o);
	if (rc == COMMAND_OK && session_drop_rights(w->session) != 0)
		rc = session_failed(w, "can't give up the rights that are no longer needed");
	lo.session = w->session;
	if (rc == COMMAND_OK && o->replace)
		rc = make_room(w, o->store_path);
	if (rc == COMMAND_OK)
		rc = open_live(w, &lo);
	if (rc == COMMAND_OK && w->follow)
		rc = start_follow(w, o);
	if (rc != COMMAND_OK)
		watch_close(w);
	return rc;
}

int watch_replay(struct watch *w, const struct command *self, const char *path, double speed,
		 const struct watch_options *o)
{
	struct live_options lo = live_options(o);
	int rc;

	*w = (struct watch){ .self = self, .quiet = o->quiet };
	lo.replay_path = path;
	lo.replay_speed = speed;
	user_begin();
	rc = open_live(w, &lo);
	user_done();
	return rc;
}

/* ---- run ---- */

static bool child_ended(struct watch *w)
{
	if (w->child && waitpid(w->child, &w->child_status, WNOHANG) == w->child)
		w->child = 0;
	return w->has_child && !w->child;
}

static uint64_t engine_now(struct live *l)
{
	struct live_header h;

	return live_header(l, 0, &h) == 0 ? h.now_ns : 0;
}

/*
 * The time counts from now, when the probes are in, which may be long after the session's zero. Engine time runs behind
 * a little; wall time bounds a target that produces nothing at all.
 */
void watch_run(struct watch *w, uint64_t duration_ns, void (*each)(void *ctx), void *ctx)
{
	uint64_t start = monotonic_ns(), slack = 2000000000ull;
	uint64_t limit = duration_ns ? start - w->opened_ns + duration_ns : UINT64_MAX;

	while (!asked_to_stop && !live_done(w->live) && !live_failed(w->live) && !child_ended(w)) {
		if (w->session && duration_ns &&
		    (engine_now(w->live) >= limit || monotonic_ns() - start >= duration_ns + slack))
			break;
		live_wait(w->live, limit, 100);
		if (each)
			each(ctx);
	}
	if (each)
		each(ctx);
}

/* ---- stop ---- */

static void end_child(struct watch *w)
{
	if (child_ended(w) || !w->child)
		return;
	child_end(w->child, &w->child_status);
	w->child = 0;
	if (WIFSIGNALED(w->child_status))
		w->child_status = 0;
}

int watch_stop(struct watch *w)
{
	const char *why;
	int rc;

	w->follow = follow_free(w->follow);
	rc = live_stop(w->live);
	why = rc ? live_error(w->live) : NULL;
	end_child(w);
	if (rc == 0)
		return COMMAND_OK;
	return failed(w, why && *why ? why : strerror(-rc));
}

void watch_close(struct watch *w)
{
	w->follow = follow_free(w->follow);
	w->live = live_close(w->live);
	end_child(w);
	w->session = session_close(w->session);
	if (w->has_child && *w->log)
		fprintf(stderr, "weft %s: the output of the command is in %s\n", w->self->name,
			w->log);
	*w->log = 0;
}

int watch_child_code(const struct watch *w)
{
	if (WIFSIGNALED(w->child_status))
		return 128 + WTERMSIG(w->child_status);
	return WIFEXITED(w->child_status) ? WEXITSTATUS(w->child_status) : 0;
}
