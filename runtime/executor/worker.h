/* SPDX-License-Identifier: MIT */
/* One worker of a crew (crew.h): its queue, its loop, how it searches and sleeps. */
#ifndef WEFT_RUNTIME_WORKER_H
#define WEFT_RUNTIME_WORKER_H

#include <pthread.h>

#include "runtime/executor/deque.h"
#include "runtime/executor/duty.h"
#include "runtime/executor/idle.h"
#include "runtime/executor/inject.h"
#include "runtime/executor/pace.h"
#include "runtime/executor/parker.h"
#include "runtime/executor/spin.h"
#include "runtime/executor/stand_in.h"

struct weft_crew;

struct weft_worker {
	struct weft_deque deque;
	/*
	 * The task this worker woke last runs next. The owner fills it, owner and thieves take it
	 * by exchange; thieves only from a worker that has been inside one poll for a while. It
	 * needs no part in the rules of idle.h: its owner is awake.
	 */
	struct weft_task *lifo __attribute__((aligned(64)));
	uint64_t polls; /* begun; read by thieves */
	struct weft_parker parker;
	uint32_t index;
	struct weft_duty duty;
	struct weft_runtime *rt;
	struct weft_crew *crew;
	uint64_t random;
	uint32_t until_inject, until_driver; /* polls */
	struct weft_pace pace;
	uint32_t lifo_polls;    /* in a row */
	struct weft_task *root; /* of a thread inside weft_block_on that drives; else NULL */
	uint32_t root_after;    /* 0, or 1 + polls of others before the root that has yielded */
	struct weft_spin spin;  /* of a crew's only worker */
	bool taken;             /* by a thread that came; under the crew's lock */
	bool searching;
	bool turning; /* inside the driver: wake-ups go to the ring, others are told afterwards */
	struct weft_stand_in stand_in; /* its first words are looked at in each turn of the loop */
	pthread_t thread;
};

#pragma GCC visibility push(hidden)
/*
 * Works until the runtime stops, its own thread wants the worker back, or, weft_thread.worker being
 * NULL then, this thread has lost it (stand_in.h). With a root, which only this thread polls, until
 * that has ended: true then. Sets weft_thread.cx.
 */
bool weft_worker_drive(struct weft_worker *worker, struct weft_task *root);
/* Queues a task of the worker's own runtime; on its thread. */
void weft_worker_schedule(struct weft_worker *worker, struct weft_task *task, unsigned kind);
void weft_worker_notify(struct weft_crew *crew); /* wakes one sleeper if the rules ask for it */
/* Its thread is about to block and nobody stands in for it: what waits for it goes to others. */
void weft_worker_shed(struct weft_worker *worker);
bool weft_worker_any_work(const struct weft_crew *crew);
#pragma GCC visibility pop

#endif
