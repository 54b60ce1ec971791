/* SPDX-License-Identifier: MIT */
/*
 * A source is one way to learn about a process: a runtime that Weft knows (source_weft.c), or the kernel
 * (source_sched.c). To add one: a file with one `const struct source`, a line in sources.c, a test.
 *
 * Each source has state of its own per session (open/close) and, in process->of_source[id], per process.
 * All calls come from the thread that drains, or attaches while nobody drains. NULL = not of interest.
 */
#ifndef WEFT_SOURCE_H
#define WEFT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "probes/session.h"

#define SOURCES_MAX 8u

enum source_id { SOURCE_WEFT, SOURCE_TOKIO, SOURCE_LIBTEST, SOURCE_SCHED };

struct process;

/* The poll that a thread is in, as its runtime says. task 0 = none. */
struct poll_now {
	uint64_t task, poll_seq;
	uint64_t open_ns; /* for how long it has been open; ~0 = start not seen */
};

/* What a process has written so far, and what it would have written at `normal`. For the automatic level. */
struct source_load {
	uint64_t events, normal_events, normal_bytes;
	uint64_t switches; /* context switches, about */
	/* Where each event is a probe's hit: CPU that they took, and would have taken at `normal`, ns. */
	uint64_t hits_ns, normal_hits_ns;
};

struct source {
	const char *name;

	/* Load what is needed for any process. A failure is fatal only where the comment in sources.c says so. */
	int (*open)(struct session *s, void **ret_state);
	void (*close)(void *state);

	/*
	 * Runtimes: attach to a process; -ENOENT: it does not carry this runtime. exe_fd >= 0: the program that
	 * the process is going to exec; nothing but it can be looked at yet.
	 */
	int (*attach)(void *state, struct process *p, int exe_fd);
	void (*detach)(void *state, struct process *p);
	/* Runtimes: a forked child, not attached to, has started one itself. */
	bool (*own_runtime)(void *state, pid_t pid);
	int (*level)(void *state, struct process *p, enum weft_level level);
	bool (*load)(void *state, struct process *p, struct source_load *ret);

	void (*started)(
		void *state,
		struct process *p); /* its runtime was found; first drain that sees it live */

	/* One round of draining: look, then the ring's records, then settle (only if the ring was read to its end). */
	void (*look)(void *state, struct process *p);
	bool (*record)(void *state, struct process *p, const struct weft_ev *ev,
		       size_t bytes); /* true: was its own */
	void (*settle)(void *state, struct process *p);
	bool (*oldest)(void *state, struct process *p,
		       uint64_t *ret_ns); /* of what is not delivered yet */

	void (*sample)(void *state, struct process *p); /* every 50 ms */
	void (*second)(void *state, struct process *p); /* every second */

	/* The end of a process or of the session: cut, the ring is read to its end, tail. dead: the memory is frozen. */
	void (*cut)(void *state, struct process *p, bool dead);
	void (*tail)(void *state, struct process *p, bool dead);

	/* Where a thread is that may be off the CPU: fills off_cpu and syscall of the sample. */
	void (*off_cpu)(void *state, struct process *p, uint32_t lane,
			struct weft_ev_lane_sample *sample);
	bool (*poll_now)(void *state, struct process *p, uint32_t lane, struct poll_now *ret);
	int (*want)(void *state, struct process *p,
		    const struct session_want *want); /* -EOPNOTSUPP: not mine */

	/*
	 * Threads that a runtime source found (lane, its status page's address in the target, 0 = its row in `rows`), and
	 * lost.
	 */
	void (*thread_begin)(void *state, struct process *p, uint32_t lane, uint32_t tid,
			     uint64_t address);
	void (*thread_end)(void *state, struct process *p, uint32_t lane);
};

extern const struct source *const sources[]; /* by enum source_id, NULL at the end */

#endif
