/* SPDX-License-Identifier: MIT */
/*
 * The live side of the collector: one engine over a session or a recording, and the questions that
 * screens, reports and commands ask it. Contract between collector/ and tui/.
 *
 * Threads inside: drain (no I/O; only when a session is the input) -> engine (decode, order, model,
 * detectors) -> writer (SQLite; only when a store is asked for). All functions below may be called
 * from any one thread beside them; each answer is consistent in itself (taken under one lock), costs
 * O(rows asked for * log) and never O(all tasks copied). Times are ns since the start of the recording.
 * live_header and live_request may be called from any thread. ~0 = not known. Text is as the target gave it, cut and NUL terminated: sanitise before showing.
 */
#ifndef WEFT_LIVE_H
#define WEFT_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "probes/session.h"

#define LIVE_UNKNOWN UINT64_MAX

struct live;

/* Thresholds of the detectors: SYMPTOMS.md's defaults where 0. Set by name so that a command line and a config file can. */
struct live_options {
	struct session *session;       /* borrowed; NULL = replay */
	const char *replay_path;       /* a recording, when session is NULL */
	double replay_speed;           /* 0 = as fast as it goes */
	const char *store_path;        /* NULL = nothing is stored */
	uint64_t max_bytes;            /* of the store, 0 = no bound */
	const char *only, *ignore;     /* comma lists of symptom ids, NULL = all, none */
	const char *const *thresholds; /* "name=value" strings, NULL terminated; NULL = defaults */
};

int live_open(const struct live_options *options, struct live **ret);
const char *live_error(const struct live *l); /* one line; l may be NULL: of the last failed open */
/* Ask the session for its final cut, let everything through, close the store cleanly. 0 or the first error met. */
int live_stop(struct live *l);
struct live *live_close(struct live *l); /* stops if need be; takes NULL, returns NULL */
bool live_done(struct live *l); /* all targets gone and drained, or the replay is at its end */
/* The store stopped writing (a full disk) or the input failed: live_error tells; what is not stored runs on. */
bool live_failed(struct live *l);
/* Wait until the engine has passed `t_ns`, is done, a finding changed, or timeout_ms went by. */
int live_wait(struct live *l, uint64_t t_ns, int timeout_ms);
int live_request(struct live *l, const struct session_want *want);
/* No effect on a live session. */
void live_replay_control(struct live *l, bool paused, double speed);

/* ---- header ---- */

struct live_worker_bar { /* shares of the last second; they sum to <= 1, the rest is not known */
	uint32_t worker, runtime;
	float busy, blocked, runnable, own, parked;
};

struct live_header {
	uint32_t processes, process; /* how many; which one this is */
	struct weft_ev_process info;
	struct weft_ev_runtime runtime;         /* the first */
	struct weft_ev_runtime all_runtimes[8]; /* the first `runtimes` of them */
	uint32_t runtimes, workers;
	uint64_t now_ns;      /* engine time */
	uint64_t realtime_ns; /* wall clock at now_ns */
	uint64_t attached_ns;
	uint64_t looked_ns; /* last sample of the process, 0 = none: what came later was not looked at */
	bool replay, gone, paused;
	int32_t exit_code, exit_signal; /* when gone; code -1 = not known */
	uint32_t level;
	bool level_auto;
	bool raised;          /* of some types all polls are told at light, too */
	uint64_t raised_task; /* of this task (id) only, 0 = of all of theirs */
	uint64_t alive, idle, ready, running, blocked; /* tasks by state; they sum to alive */
	double alive_per_s;                            /* change over the last 10 s */
	bool estimated; /* rates: polls are watched part of the time */
	double polls_s, wakes_s, steals_s, spawns_s, ends_s;
	uint64_t poll_p99_ns;
	uint64_t rss_bytes;
	double rss_per_s;
	uint64_t produced, stored, lost, filtered, expired;
	double own_cost; /* share of the target's CPU that tracing costs, estimated */
	double self_cpu; /* share of one CPU that this program uses */
	uint64_t inject_depth, pool_threads, pool_busy, pool_queue, timers, fds;
	uint32_t driver_worker;  /* 0xffffffff = nobody */
#define LIVE_REACTOR 0xfffffffeu /* a thread that is no worker */
	uint64_t driver_age_ns;
	uint32_t findings_crit, findings_warn; /* open ones */
	uint32_t findings_muted;               /* of any severity, in neither of the two */
	uint64_t chain_walks; /* walks over all tasks with their await chains, ended */
	uint32_t bars;        /* filled of bar[] */
	struct live_worker_bar bar[64];
};
int live_header(struct live *l, uint32_t process, struct live_header *ret);

/* ---- tasks ---- */

enum live_task_state {
	LIVE_IDLE,
	LIVE_READY,
	LIVE_RUNNING,
	LIVE_BLOCKED,
	LIVE_DONE,
	LIVE_CANCELLED,
	LIVE_FAILED
};

/* busy, blocked: share of the last second, an open poll counted up to now. busy, polls_s < 0 = not known (level `light` shows no
 * single short polls). */
struct live_task {
	uint64_t id, native_id, parent;
	uint32_t process, runtime, type;
	enum live_task_state state;
	float busy, blocked;
	double polls_s;
	uint64_t polls, busy_ns, blocked_ns, runnable_ns, wakes, self_wakes, poll_max_ns,
		poll_p99_ns, delay_p99_ns;
	uint64_t spawn_ns; /* LIVE_UNKNOWN = before the attach */
	uint64_t age_ns;   /* up to its end; LIVE_UNKNOWN = at least now - attached */
	uint64_t end_ns;   /* LIVE_UNKNOWN = alive */
	uint64_t open_ns; /* age of the open poll, 0 = none, LIVE_UNKNOWN = open since an unknown time */
	uint64_t idle_ns; /* since the last poll or wake */
	uint32_t bytes;
	uint32_t worker;               /* where it is or was polled, ~0 = none */
	uint32_t depth;                /* in tree order */
	char name[128], location[160]; /* location "file:line" */
	bool finding;                  /* subject of an open finding */
	bool raised;                   /* all its polls are told at light, too */
	uint32_t site;                 /* of its type, UINT32_MAX = not known */
	uint64_t fingerprint; /* what the process prints of it (runtime/fingerprint.h), 0 = none */
};

/* TROUBLE: subjects of open findings first, then by blocked and busy share of the last second; so what is wrong stays on
 * top also between its polls, when its state is idle. */
enum live_sort {
	LIVE_SORT_ID,
	LIVE_SORT_STATE,
	LIVE_SORT_BUSY,
	LIVE_SORT_BLOCKED,
	LIVE_SORT_POLLS,
	LIVE_SORT_P99,
	LIVE_SORT_DELAY,
	LIVE_SORT_AGE,
	LIVE_SORT_NAME,
	LIVE_SORT_POLL_MAX,
	LIVE_SORT_WAKES,
	LIVE_SORT_BYTES,
	LIVE_SORT_TROUBLE,
	LIVE_SORTS
};

struct live_query {
	uint32_t process; /* UINT32_MAX = all */
	enum live_sort sort;
	bool reverse, tree, ended; /* ended: the recently ended too */
	const char *filter;        /* substring of name or location, case-insensitive; NULL = all */
	uint64_t pinned; /* this task's row index is told even when it is outside the window; 0 = none */
	size_t offset, count;
};
struct live_page {
	size_t total, first, rows;
	size_t pinned_index; /* SIZE_MAX = not among them */
};
int live_tasks(struct live *l, const struct live_query *query, struct live_task *rows,
	       struct live_page *ret);

#define LIVE_HIST \
	48 /* buckets: 4 per factor of 10 from 1 us: upper bound = 1 us * 10^((i + 1) / 4) */
struct live_waker {
	uint32_t kind;
	uint64_t task;
	uint64_t count;
	char name[96];
};
struct live_frame {
	char text[320];
	bool kernel;
};
/*
 * Where a task waited at t_ns, told only after somebody asked (SESSION_WANT_AWAIT, or SNAPSHOT with value 1).
 * No places: being polled then, not readable, or, when complete, not started.
 */
struct live_place {
	char func[64], location[128];
};
struct live_await {
	char on[24]; /* what the innermost one waits for: "sleep", "read" ...; "?" = its code does not say */
	uint32_t places;
	uint32_t polls; /* of the task since its birth, wraps */
	bool complete;  /* else it goes on, but could not be followed */
	uint64_t t_ns;
	uint64_t task; /* whose end or lock it waits for, the task's own id; 0 = not known. Of Rust tasks this is all that there is */
	struct live_place place[WEFT_AWAIT_DEPTH]; /* innermost first */
};
int live_task_await(struct live *l, uint64_t task,
		    struct live_await *ret); /* -ENOENT: not asked for */

struct live_task_detail {
	struct live_task task;
	struct live_await await; /* t_ns LIVE_UNKNOWN = not asked for */
	uint64_t poll_hist[LIVE_HIST], delay_hist[LIVE_HIST];
	uint64_t poll_p50_ns, poll_p90_ns, delay_p50_ns;
	struct live_waker wakers[8];
	uint32_t nwakers; /* most frequent first */
	struct live_frame stack[48];
	uint32_t nstack;
	uint64_t stack_ns;
	char stack_why[32];
	char syscall[32];
	char parent_name[96], spawn_func[96];
	char labels[160]; /* "key=value  key=value", the newest last; "" = none */
};
int live_task_detail(struct live *l, uint64_t task, struct live_task_detail *ret); /* -ENOENT */

/* ---- workers ---- */

struct live_worker {
	uint32_t worker, runtime, process, lane, tid;
	uint32_t state; /* enum weft_worker_state */
	bool blocked;   /* inside a poll and off the CPU past the threshold */
	uint64_t task, open_ns;
	char task_name[128], syscall[32];
	bool estimated; /* busy, blocked, own, polls: polls are watched part of the time */
	float busy, blocked_share, runnable, own, parked;
	uint32_t local_depth;
	uint64_t polls, steals, stolen, parks;
	double parks_s;
	float last_60s[60]; /* busy + blocked share per second, oldest first; < 0 = not seen */
	float last_60s_blocked[60]; /* the blocked part of it */
};
/* Returns how many exist; writes up to max. */
int live_workers(struct live *l, uint32_t process, struct live_worker *rows, size_t max);

/* ---- findings ---- */

enum live_severity { LIVE_INFO, LIVE_WARN, LIVE_CRIT };
struct live_evidence {
	char text[200];
	double value;
	char unit[16];
};
struct live_finding {
	uint64_t key;         /* of this finding in this run */
	char fingerprint[20]; /* hex; the same after a restart */
	char id[24], cause[96];
	enum live_severity severity;
	float confidence;
	char subject_kind[16];
	uint64_t subject_id;
	char subject_name[128], location[160];
	uint32_t process, evidence_n, stack_n;
	struct live_evidence evidence[8];
	struct live_frame stack[48];
	/* Fingerprints of others in its process: about the same place, or about the task that one of the two blames. */
	char related[4][20];
	uint32_t related_n;
	double harm_task_ms;
	uint64_t first_ns, last_ns; /* open while resolved is false */
	bool resolved;
	char advice[400];
	bool known; /* by the baseline */
	bool muted; /* by live_mutes */
	uint32_t pid;
	char target[32], build_id[48]; /* of the process */
};
/* Open ones first, worst first, muted ones last. Returns how many exist; writes up to max from offset on. */
int live_findings(struct live *l, struct live_finding *rows, size_t offset, size_t max);

/* From here on findings that it has are `known`; borrowed until the close. */
struct baseline;
void live_baseline(struct live *l, const struct baseline *b);
/* From here on findings that it has are `muted` and counted by no header; NULL = none. Borrowed until the next call or the close. */
struct mutes;
void live_mutes(struct live *l, const struct mutes *m);

/* Every id, always: what became of it. */
struct live_checked {
	char id[24];
	const char *verdict; /* clean found not-checked not-applicable */
	char why[160];
};
int live_checked(struct live *l, struct live_checked *rows, size_t max);

/* The i-th threshold of the detectors, for live_options.thresholds; false after the last. Needs no live. */
struct live_threshold {
	const char *name, *unit, *help;
	double value; /* default */
};
bool live_threshold(size_t i, struct live_threshold *ret);

/* What can't be seen here, and why. doubt: nor is what is told of the process's tasks to be relied on. */
struct live_cannot_see {
	char what[64], why[192];
	bool doubt;
};
int live_cannot_see(struct live *l, struct live_cannot_see *rows, size_t max);

/* ---- reports (collector/report.c) ---- */

/* The JSON of `weft diagnose --format json` and its text form. `window_s` = how long was watched. */
int live_report_json(struct live *l, FILE *out);
int live_report_text(struct live *l, FILE *out);
/* One finding as text for people (proof, harm, what to do); brief = the six lines for a chat. */
int live_finding_text(const struct live_finding *f, bool brief, FILE *out);
/* The same as JSON: as in `findings` of the report, and `target` (pid, name, build_id). */
int live_finding_json(const struct live_finding *f, FILE *out);
/* diagnose's exit code: 0 clean, 1 findings at or above `fail_on`, 3 nothing found but not all could be checked or > 1 % lost. */
int live_exit_code(struct live *l, enum live_severity fail_on);

#endif
