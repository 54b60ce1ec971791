/* SPDX-License-Identifier: MIT */
/*
 * What the test programs have in common: options, a runtime of two workers, and a bounded life.
 *
 * Each prints one line when it is up, for tests/e2e/lib.sh:
 *
 *	ready pid=PID [task=NAME at=FILE:LINE] [key=value ...]
 *
 * (task and at: the subject that a detector should name), runs for --seconds (60), and ends early and in
 * order on SIGTERM or SIGINT. With --wait it starts its work only at SIGUSR1, so that a watcher
 * can be there from the first spawn.
 */
#ifndef WEFT_WORKLOAD_H
#define WEFT_WORKLOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/weft.h"

#define MS     1000000ull
#define SECOND 1000000000ull

struct workload {
	struct weft_runtime *rt;
	bool healthy;
	const char *variant; /* "" = the first */
	uint32_t flavour;
	unsigned drivers; /* threads inside weft_runtime_run, and tasks of theirs */
	unsigned workers;
	uint64_t count; /* what it counts is the program's: tasks, events; 0 = its default */
	double seconds;
	bool wait;
	_Atomic uint64_t end_ns; /* weft_now() at which it ends by itself */
	const char *at_file;
	unsigned at_line;
};

/* Parses options (exits with 2 on a wrong one; `variants` = blank-separated names, first = default) and starts the runtime. */
void workload_begin(struct workload *w, int argc, char **argv, const char *variants);
/* Prints the ready line; `more` is further "key=value" text or NULL. Waits for SIGUSR1 when asked to. */
void workload_ready(struct workload *w, const char *task, const char *more);
/* True while it should go on; cheap enough for loops of tasks. */
bool workload_on(const struct workload *w);
/* Blocks the main thread until the end. */
void workload_rest(const struct workload *w);
/* Shuts the runtime down; returns the exit status. */
int workload_end(struct workload *w);

bool workload_is(const struct workload *w, const char *variant);

/* Spawns as weft_spawn does, and remembers the place as that of the subject. */
#define workload_spawn(w, fn, frame, ...) workload_spawn_on(w, (w)->rt, fn, frame, __VA_ARGS__)
/* The same on another runtime. */
#define workload_spawn_on(w, runtime, fn, frame, ...)      \
	((w)->at_file = __FILE__, (w)->at_line = __LINE__, \
	 weft_spawn(runtime, fn, frame, .detach = true, __VA_ARGS__))

/* n well-behaved tasks "ticker" that do little every 5 ms: the company that suffers. */
void workload_tickers(struct workload *w, unsigned n);

/* Stops the calling thread: blocking, when a task does it. */
void workload_doze(uint64_t ns);

/* Uses the CPU for so long. The frame that a profile should name. */
void workload_burn(uint64_t ns);

#endif
