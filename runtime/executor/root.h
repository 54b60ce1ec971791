/* SPDX-License-Identifier: MIT */
/*
 * The task of weft_block_on, its root: polled by the thread inside that call and by no other.
 *
 * Its wake_word says how that thread is reached. NOTIFIED goes with the task's notification: set
 * by its owner, cleared by the thread before it polls. A thread that drives the executor while it
 * waits sleeps as the executor's workers do; another one sleeps on the word itself.
 */
#ifndef WEFT_RUNTIME_ROOT_H
#define WEFT_RUNTIME_ROOT_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/task.h"

enum weft_root_bit {
	WEFT_ROOT_NOTIFIED = 1,
	WEFT_ROOT_LOOK = 2, /* the executor wants the thread's attention */
	WEFT_ROOT_ON_FUTEX = 4,
	WEFT_ROOT_DRIVING = 8, /* as the worker in the upper bits */
};
#define WEFT_ROOT_WORKER_SHIFT 8

#pragma GCC visibility push(hidden)
/* By the owner of the root's notification. Any thread. */
void weft_root_wake(struct weft_task *root);

/* The rest by the root's own thread. Polls it, which must be due; true: it has ended. */
bool weft_root_poll(struct weft_cx *cx, struct weft_task *root);
/* Sleeps on the word until the root is due or LOOK is set; takes LOOK and returns it. */
bool weft_root_sleep(struct weft_task *root);
void weft_root_look(struct weft_task *root); /* any thread, while the root can't end */
void weft_root_drives(struct weft_task *root, uint32_t worker);
void weft_root_drives_not(struct weft_task *root);
/* A whole weft_block_on for flavours that have threads of their own. */
void weft_root_run(struct weft_runtime *rt, struct weft_task *root);
#pragma GCC visibility pop

/* Or tasks bound to its thread are (bound.h), which weft_root_poll() polls as well. */
static inline bool weft_root_due(const struct weft_task *root)
{
	/* Acquire: what the waker did before is visible to the poll. */
	return __atomic_load_n(&root->wake_word, __ATOMIC_ACQUIRE) & WEFT_ROOT_NOTIFIED ||
	       __atomic_load_n(&root->bound_due, __ATOMIC_ACQUIRE);
}

#endif
