/* SPDX-License-Identifier: MIT */
/*
 * Raw stacks to STACK events, in a thread of its own: reading a module's symbols and call frame
 * information for the first time takes long. Names frames and modules (ids per session) with FRAME and MODULE events
 * that come before the first STACK that uses them. Raw copies of stacks stay in memory and end here.
 *
 * One user; the thread starts at the first job, with the rights its user has then.
 */
#ifndef WEFT_UNWINDER_H
#define WEFT_UNWINDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "probes/layout.h"

struct unwinder;

struct unwind_job {
	struct weft_ev ev;         /* of the STACK: process, tid, time */
	struct weft_ev_stack head; /* frames and complete are filled in */
	pid_t pid;
};

int unwinder_new(struct unwinder **ret);
struct unwinder *unwinder_free(
	struct unwinder *u); /* takes NULL, returns NULL; jobs in the queue are dropped */

/* Copies both. False: too many wait. raw NULL: only read the process's mappings, so that names outlive it. */
bool unwinder_submit(struct unwinder *u, const struct unwind_job *job,
		     const struct weft_raw_stack *raw);

/* The process has ended: frees its symbols once its jobs are done. Ends the thread. */
void unwinder_forget(struct unwinder *u, uint32_t process);

/* Ends the thread when its queue is empty; the next job starts another. */
void unwinder_pause(struct unwinder *u);

typedef void (*unwinder_fn)(void *ctx, struct weft_ev ev, const void *payload, size_t bytes);
void unwinder_deliver(struct unwinder *u, unwinder_fn fn, void *ctx);

/* Time of the oldest job not delivered; false = none. */
bool unwinder_oldest(struct unwinder *u, uint64_t *ret_ns);

#endif
