/* SPDX-License-Identifier: MIT */
/* Workers of the multi_thread flavour. */
#ifndef WEFT_RUNTIME_WORKER_H
#define WEFT_RUNTIME_WORKER_H

#include <pthread.h>

#include "runtime/executor/deque.h"
#include "runtime/executor/executor.h"
#include "runtime/executor/idle.h"
#include "runtime/executor/inject.h"

struct weft_multi_thread;

struct weft_worker {
	struct weft_deque deque;
	/*
	 * The task this worker woke last runs next. The owner fills it, owner and thieves take it
	 * by exchange; thieves only from a worker that has been inside one poll for a while. It
	 * needs no part in the rules of idle.h: its owner is awake.
	 */
	struct weft_task *lifo __attribute__((aligned(64)));
	uint64_t polls;  /* begun; read by thieves */
	uint32_t parker; /* enum parker_state, futex word */
	uint32_t index;
	struct weft_runtime *rt;
	struct weft_multi_thread *mt;
	struct weft_cx cx;
	uint64_t random;
	uint32_t tick;
	uint32_t lifo_polls; /* in a row */
	bool searching;
	bool turning; /* inside the driver: wake-ups go to the ring, others are told afterwards */
	pthread_t thread;
};

struct weft_multi_thread {
	struct weft_inject inject;
	struct weft_idle idle;
	uint32_t workers;
	uint32_t running; /* worker threads that haven't ended; atomic, futex word of shutdown */
	bool joined;
	uint32_t standby; /* 1: some parked worker looks after an unowned driver. atomic */
	struct weft_worker worker[];
};

#pragma GCC visibility push(hidden)
void *weft_worker_main(void *worker);
/* Queues a task of the worker's own runtime; on its thread. */
void weft_worker_schedule(struct weft_worker *worker, struct weft_task *task, unsigned kind);
void weft_worker_notify(
	struct weft_multi_thread *mt); /* wakes one sleeper if the rules ask for it */
void weft_worker_unpark(struct weft_worker *worker);
#pragma GCC visibility pop

#endif
