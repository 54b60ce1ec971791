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
	/* Can't be judged (so far)? Then true, and why. `why` may be filled on false as well: clean, but. */
	bool (*blind)(const struct detect_run *run, char *why, size_t size);
};

extern const struct detector busy_loop_detector, blocking_call_detector, task_leak_detector;
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
__attribute__((format(printf, 4, 5))) void detect_evidence(struct live_finding *f, double value,
							   const char *unit, const char *text, ...);
void detect_stack(const struct detect_run *run, struct live_finding *f,
		  const struct model_stack *stack);
__attribute__((format(printf, 2, 3))) void detect_advice(struct live_finding *f, const char *text,
							 ...);

/* Ask for the stack, or cpu samples, of a lane's thread; not more often than it makes sense. */
void detect_want(struct detect_run *run, const struct model_lane *l, enum session_want_kind kind);

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
enum weft_runtime_kind detect_runtime_kind(const struct model *m, uint32_t process,
					   uint32_t runtime);
/* Our own attach, or a change of level, disturbs a target for a moment. */
bool detect_disturbed(const struct detect_run *run, uint32_t process, uint64_t start_ns);
/* "12 ms", "1.84 s": into buf, for causes and evidence. Returns buf. */
char *detect_duration(uint64_t ns, char buf[24]);

#endif
