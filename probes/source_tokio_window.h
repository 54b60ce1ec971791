/* SPDX-License-Identifier: MIT */
/* What the files source_tokio_{window,current}.c keep: per process, per thread. Part of source_tokio_internal.h. */
#ifndef WEFT_SOURCE_TOKIO_WINDOW_H
#define WEFT_SOURCE_TOKIO_WINDOW_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Where Tokio keeps the current task's id in thread-local storage, learnt from polls that the probes see. */
#define TOKIO_TLS_BYTES 4096u /* below the thread pointer */
#define TOKIO_TLS_WORDS (TOKIO_TLS_BYTES / 8)

struct tokio_current {
	bool known, given_up;
	uint32_t at;                    /* word below the thread pointer, by index into the copy */
	uint64_t last[TOKIO_TLS_WORDS]; /* id that the word was found equal to last */
	uint16_t changes[TOKIO_TLS_WORDS]; /* how often that was another than before */
	uint32_t looks, right, wrong;
};

/* Counters of a row that are extrapolated. */
enum tokio_count { TOKIO_N_POLLS, TOKIO_N_BUSY, TOKIO_N_WAKES, TOKIO_N_SELF_WAKES, TOKIO_N };

struct tokio_estimate {
	uint64_t seen[TOKIO_N]; /* of the row, when looked at last */
	uint64_t seen_ns, seen_cpu_ns, seen_hits;
	double told[TOKIO_N];
	double in_windows[TOKIO_N], windows_cpu_ns; /* recent windows weigh most */
};

/* What successive looks tell of a thread between windows. */
struct tokio_look {
	uint64_t rest; /* the word's value outside of polls: a worker is a job with an id of its own */
	uint32_t rests;                          /* times it was seen in a row */
	uint64_t task, since_ns, cpu_ns, slices; /* task 0 = in no poll */
	uint32_t computes;                       /* looks in a row */
	bool asleep;
};

/* A poll that is open and was not seen to begin. */
struct tokio_unseen {
	uint64_t task; /* 0 = none */
	uint64_t since_ns, hits, seq;
	bool confirmed; /* a walk met this task, and it is being polled */
};

#define TOKIO_MET_IDS 16384u

enum tokio_window_state {
	TOKIO_OPEN,
	TOKIO_CLOSING,
	TOKIO_CLOSED,
	TOKIO_OPENING,
};

struct tokio_window {
	enum tokio_window_state state;
	bool used;              /* polls were not watched all the time */
	bool threaded, arrived; /* of the thread that attaches or detaches */
	int err;
	pthread_t thread;
	uint64_t opened_ns, close_ns, next_ns, look_ns, check_ns;
	uint64_t not_before_ns;     /* it could not be opened */
	uint64_t self_wakes, wakes; /* of all threads, when looked for a storm last */
	uint32_t patience;          /* computing looks before a window is opened for them */
	bool for_computing, trouble;
	uint64_t random;
	uint64_t asked_ns;           /* for a walk */
	uint64_t met[TOKIO_MET_IDS]; /* ids of tasks, no jobs among them; by id % TOKIO_MET_IDS */
};

#endif
