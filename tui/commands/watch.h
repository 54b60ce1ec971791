/* SPDX-License-Identifier: MIT */
/*
 * What top, record, diagnose and dump have in common: a session on a TARGET with an engine over it, or
 * an engine over a recording. All say what went wrong themselves, in one line, and return an exit code.
 */
#ifndef WEFT_WATCH_H
#define WEFT_WATCH_H

#include "collector/live.h"
#include "tui/commands/follow.h"
#include "tui/commands/target.h"

struct watch_options {
	enum weft_level level; /* OFF = auto */
	double max_overhead;   /* 0 = default */
	const char *raise;     /* NULL = nothing */
	bool looks;            /* auto: see session_options */
	const char *store_path;
	bool replace; /* the file that is there, once the target is attached to */
	uint64_t max_bytes;
	const char *only, *ignore;
	const char *const *thresholds;
	bool child_log; /* output of -- CMD goes to a log, whose name is in watch.log */
	bool quiet;     /* why it failed is told in watch.error only */
	bool screen;    /* the terminal is a screen: nothing is said while it runs */
};

struct watch {
	const struct command *self;
	struct session *session; /* NULL = replay */
	struct live *live;
	uint64_t opened_ns;    /* monotonic clock at the session's zero */
	struct follow *follow; /* --follow */
	pid_t child;           /* of -- CMD; 0 = none or already waited for */
	int child_status;      /* as from waitpid, once child is 0 */
	bool has_child;
	bool quiet;
	char log[256], error[512];
};

#define WATCH_LEVELS "auto|light|normal|full" /* in the order of enum weft_level */

int watch_open(struct watch *w, const struct command *self, const struct command_target *target,
	       const struct watch_options *options);
int watch_replay(struct watch *w, const struct command *self, const char *path, double speed,
		 const struct watch_options *options);
/* The final cut; then a -- CMD that still runs is ended, with its descendants (child.h). First error met as exit code. */
int watch_stop(struct watch *w);
/* After watch_stop or instead of it; twice does no harm. Tells where the log of -- CMD is. */
void watch_close(struct watch *w);

/* Exit status of -- CMD as a shell gives it: 128 + signal. What watch_stop ended counts as 0. */
int watch_child_code(const struct watch *w);

/* SIGINT, SIGTERM and SIGHUP ask to stop; from here on the flag tells. watch_open and watch_replay do it, too, before the engine starts. */
void watch_catch_signals(void);
bool watch_asked_to_stop(void);

/*
 * Until `duration_ns` of engine time went by (0 = no limit), all targets are gone, -- CMD ended, the store failed, or a signal came. `each` (may be
 * NULL) is called at least every 100 ms.
 */
void watch_run(struct watch *w, uint64_t duration_ns, void (*each)(void *ctx), void *ctx);

#endif
