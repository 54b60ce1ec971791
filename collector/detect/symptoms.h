/* SPDX-License-Identifier: MIT */
/*
 * The ten symptoms, in the order of the troubleshooting table. One list for ids, verdicts and reports.
 *
 *   X(ENUM, "id", "what the user sees", where it shows on Rust runtimes: RUN, or BUILD = in the compiler's output only)
 */
#ifndef WEFT_DETECT_SYMPTOMS_H
#define WEFT_DETECT_SYMPTOMS_H

#define WEFT_SYMPTOMS(X)                                                                  \
	X(NOT_SEND, "not-send", "cannot be sent between threads safely", BUILD)           \
	X(HANDLE_DROPPED, "handle-dropped", "work silently stops", RUN)                   \
	X(NEVER_RUNS, "never-runs", "a task is stuck", RUN)                               \
	X(BUSY_LOOP, "busy-loop", "CPU 100 %, no output", RUN)                            \
	X(BLOCKING_CALL, "blocking-call", "a worker stands still", RUN)                   \
	X(MISSING_FEATURE, "missing-feature", "unresolved import", BUILD)                 \
	X(MIXED_RUNTIMES, "mixed-runtimes", "panics, odd stalls, twice the threads", RUN) \
	X(TIMER_STALL, "timer-stall", "timers late or never", RUN)                        \
	X(TASK_LEAK, "task-leak", "memory grows", RUN)                                    \
	X(NOT_UNPIN, "not-unpin", "cannot be unpinned", BUILD)

enum symptom_source { SYMPTOM_RUN, SYMPTOM_BUILD };

enum symptom {
#define X(name, id, title, source) SYMPTOM_##name,
	WEFT_SYMPTOMS(X)
#undef X
		SYMPTOMS
};

#endif
