/* SPDX-License-Identifier: MIT */
/*
 * The ten symptoms, in the order of the troubleshooting table, and what else is found. One list for ids, verdicts and reports.
 *
 *   X(ENUM, "id", "what the user sees"); where each is found says coverage.c
 */
#ifndef WEFT_DETECT_SYMPTOMS_H
#define WEFT_DETECT_SYMPTOMS_H

#include <stdbool.h>
#include <stddef.h>

#define WEFT_SYMPTOMS(X)                                                             \
	X(NOT_SEND, "not-send", "cannot be sent between threads safely")             \
	X(HANDLE_DROPPED, "handle-dropped", "work silently stops")                   \
	X(NEVER_RUNS, "never-runs", "a task is stuck")                               \
	X(BUSY_LOOP, "busy-loop", "CPU 100 %, no output")                            \
	X(BLOCKING_CALL, "blocking-call", "a worker stands still")                   \
	X(MISSING_FEATURE, "missing-feature", "unresolved import")                   \
	X(MIXED_RUNTIMES, "mixed-runtimes", "panics, odd stalls, twice the threads") \
	X(TIMER_STALL, "timer-stall", "timers late or never")                        \
	X(TASK_LEAK, "task-leak", "memory grows")                                    \
	X(NOT_UNPIN, "not-unpin", "cannot be unpinned")                              \
	X(LONG_POLL, "long-poll", "a poll holds its worker")                         \
	X(LOST_WAKER, "lost-waker", "nobody is left to wake it")                     \
	X(WORKER_IMBALANCE, "worker-imbalance", "one worker does it all")            \
	X(QUEUE_BACKLOG, "queue-backlog", "runnable tasks pile up")                  \
	X(CPU_STARVED, "cpu-starved", "the workers get no CPU")                      \
	X(WAIT_CYCLE, "wait-cycle", "tasks wait for each other")                     \
	X(TIMER_LATE, "timer-late", "timers a little late, always")                  \
	X(DETACHED_PANIC, "detached-panic", "an error that nobody sees")             \
	X(LARGE_FUTURE, "large-future", "futures of many kilobytes")                 \
	X(WORKER_COUNT, "worker-count", "workers do not fit the CPUs")

enum symptom {
#define X(name, id, title) SYMPTOM_##name,
	WEFT_SYMPTOMS(X)
#undef X
		SYMPTOMS
};

const char *symptom_id(enum symptom s);
/* only, ignore: comma lists of ids; NULL or "" = all, none. */
bool symptom_asked(enum symptom s, const char *only, const char *ignore);
/* -EINVAL and one line in `error` when an id of the comma list is none of ours. */
int symptom_check_list(const char *list, char *error, size_t size);

#endif
