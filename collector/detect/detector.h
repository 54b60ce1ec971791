/* SPDX-License-Identifier: MIT */
/*
 * What a detector is and what it may use. A detector reads the model at each tick (20 a second), judges, and
 * raises findings; the engine (detect.c) does the rest: thresholds by name, dedupe, hysteresis, verdicts.
 * README.md says how to add one.
 */
#ifndef WEFT_DETECTOR_H
#define WEFT_DETECTOR_H

#include "collector/detect/detect.h"

struct detector_option {
	const char *name; /* "blocking.warn_ms" */
	double value;     /* default */
	const char *unit, *help;
};

#define DETECTOR_OPTIONS 12

/* What a detector works on during one tick. */
struct detect_run {
	struct detect *detect;
	struct model *model;
	void *state;         /* its own, zeroed at the start */
	const double *value; /* of its options, in their order */
	uint64_t now_ns;
	bool new_second; /* first tick of a second */
	bool new_look;   /* first tick of a quarter of one: for what has to be known soon */
	double lost;
};

struct detector {
	const char *id;
	enum symptom symptom;
	const struct detector_option *options; /* ends with a NULL name */
	size_t state_bytes;
	uint64_t hold_ns; /* a finding not raised again for so long is resolved */
	void (*tick)(struct detect_run *run);
	void (*done)(void *state); /* frees what the state points at; NULL = nothing */
	/* Can't be judged (so far), beside what coverage.c says of its runtime? Then true, and why. `why` may be filled on false as well: clean, but. */
	bool (*blind)(const struct detect_run *run, char *why, size_t size);
};

extern const struct detector busy_loop_detector, blocking_call_detector, task_leak_detector,
	never_runs_detector, timer_stall_detector, handle_dropped_detector, mixed_runtimes_detector,
	not_send_detector, not_unpin_detector, missing_feature_detector, long_poll_detector,
	lost_waker_detector, worker_imbalance_detector, queue_backlog_detector,
	cpu_starved_detector, wait_cycle_detector, timer_late_detector, detached_panic_detector,
	large_future_detector, worker_count_detector, hanging_test_detector;
extern const struct detector *const detect_registry[]; /* registry.c; ends with NULL */

/* ---- raising ---- */

struct detect_subject {
	const char *kind; /* "task", "task_type", ... */
	uint64_t id;      /* of the recording; shown as the runtime's own number */
	uint32_t process;
	const char *name, *location;
};

struct detect_verdict {
	const char *cause; /* one line */
	enum live_severity severity;
	float confidence;
	double harm_task_ms;
	uint64_t first_ns; /* when the trouble began; 0 = now */
};

struct detect_subject detect_subject_task(const struct model *m, const struct model_task *t);
struct detect_subject detect_subject_type(const struct model_type *t);

/*
 * The finding of this symptom, name and place, made or found again. Evidence and stack are blank, to be
 * filled by the caller; cause, confidence and harm are taken over; severity only grows while it is open. NULL =
 * too many findings.
 */
struct live_finding *detect_raise(struct detect_run *run, const struct detect_subject *subject,
				  const struct detect_verdict *verdict);
/* Another task than the subject is to blame: findings about that one are related. Once after each detect_raise(). */
void detect_blame(const struct detect_run *run, struct live_finding *f, uint64_t task);
__attribute__((format(printf, 4, 5))) void detect_evidence(struct live_finding *f, double value,
							   const char *unit, const char *text, ...);
void detect_stack(const struct detect_run *run, struct live_finding *f,
		  const struct model_stack *stack);
__attribute__((format(printf, 2, 3))) void detect_advice(struct live_finding *f, const char *text,
							 ...);

/* Ask for the stack, or cpu samples, of a lane's thread; not more often than it makes sense. */
void detect_want(struct detect_run *run, const struct model_lane *l, enum session_want_kind kind);

/* Ask for a walk over all tasks of a process; `chains`: and where each of them waits. */
void detect_want_walk(struct detect_run *run, uint32_t process, bool chains);

/*
 * Something is suspected that only level normal tells: where the level is automatic it rises for a short time. How often that may be
 * the session decides. Only what sound programs hardly ever show is a suspicion.
 */
void detect_want_closer(struct detect_run *run, uint32_t process);

/* ---- what several detectors need ---- */

/* Calls fn for each worker lane of each process that is watched and alive. */
void detect_each_worker(struct detect_run *run,
			void (*fn)(struct detect_run *run, const struct model_lane *l));
/*
 * Calls fn for each long poll of a worker that ended at least settle_ns ago (so that its victims are known) and was
 * not shown before. *cursor belongs to the detector: one number per lane, made on first use.
 */
struct detect_cursor;
void detect_each_long_poll(struct detect_run *run, struct detect_cursor **cursor,
			   uint64_t settle_ns,
			   void (*fn)(struct detect_run *run, const struct model_lane *l,
				      const struct lane_poll *p));
struct detect_cursor *detect_cursor_free(struct detect_cursor *cursor);
bool detect_is_worker(const struct model_lane *l);
/* A place in the source that was told; NULL = it was not. */
const struct model_site *detect_site(const struct detect_run *run, uint32_t process, uint32_t site);
enum weft_runtime_kind detect_runtime_kind(const struct model *m, uint32_t process,
					   uint32_t runtime);
/* All that is watched runs on Rust runtimes. */
bool detect_only_rust(const struct detect_run *run);
/* What the caller has met of timers: single ones that a task waited for, and drivers that came back for some timer. */
struct detect_timers {
	uint64_t singles, drivers;
};
/* Single timers can't be seen: why. */
bool detect_timers_blind(const struct detect_run *run, const struct detect_timers *met, char *why,
			 size_t size);
/* On Rust runtimes a figure about timers has one of two grades, which this adds: of each timer, or of the driver for whatever it had to wait for. */
void detect_timer_grade(const struct detect_run *run, struct live_finding *f, uint32_t process,
			bool of_driver);
/* Full seconds in which shares of some worker's time were known, of all that were watched. */
uint32_t detect_seconds_known(const struct detect_run *run, uint32_t *ret_all);
/* Our own attach, or a change of level, disturbs a target for a moment. */
bool detect_disturbed(const struct detect_run *run, uint32_t process, uint64_t start_ns);
/* A finding of that id on the same subject is there, open or resolved: it says more, and this one is left out. */
bool detect_is_found(const struct detect_run *run, const char *id,
		     const struct detect_subject *subject);
/*
 * The process has, or had within the last 20 s, a finding of a poll that keeps a worker (busy-loop, blocking-call, timer-stall,
 * never-runs): what is late or waits because of that is no finding of its own.
 */
bool detect_is_held_up(const struct detect_run *run, uint32_t process);
/*
 * A poll that has ended may have waited for a CPU without a word of it: switches were lost, or its thread lost its CPU between
 * two polls, where the C runtime takes one stamp for the end of one and the begin of the next.
 */
bool detect_poll_is_torn(const struct detect_run *run, const struct model_lane *l,
			 const struct lane_poll *p);
/* ... the first of the two. */
bool detect_poll_is_lost(const struct detect_run *run, const struct model_lane *l,
			 const struct lane_poll *p);
/* The kernel has told what of a poll that has ended was on the CPU. */
bool detect_poll_is_split(const struct detect_run *run, const struct model_lane *l,
			  const struct lane_poll *p);
/* CPU time of a poll that has ended: by the kernel, by samples, else in the measure of its lane in the last second. */
double detect_poll_cpu(const struct detect_run *run, const struct model_lane *l,
		       const struct lane_poll *p);
/* The stack is inside a block_in_place of Tokio's or libweft's: another thread has taken over what the worker had to do. */
bool detect_is_in_place(const struct detect_run *run, const struct model_stack *k);
/* Ask where one task waits; the answer is model_task_await(). */
void detect_want_await(struct detect_run *run, uint32_t process, uint64_t task);
/* Calls fn for each runtime of each process that is watched and alive. */
void detect_each_runtime(struct detect_run *run,
			 void (*fn)(struct detect_run *run, const struct model_process *p,
				    const struct model_runtime *rt));
/* "12 ms", "1.84 s": into buf, for causes and evidence. Returns buf. */
char *detect_duration(uint64_t ns, char buf[24]);

#endif
