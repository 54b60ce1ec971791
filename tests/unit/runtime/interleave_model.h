/* SPDX-License-Identifier: MIT */
/*
 * The library's own source of the crew in the world of interleave_world.h, with a model of the pool. The standby
 * of worker.c, which would find a lost wake-up 10 ms later, doesn't help. Included by a test, once.
 */
#ifndef WEFT_TEST_INTERLEAVE_MODEL_H
#define WEFT_TEST_INTERLEAVE_MODEL_H

#define WEFT_DEQUE_SIZE 4u /* so that a few tasks fill it and go round */

#include "tests/unit/runtime/interleave_world.h"

#include "runtime/executor/crew.h"

static int model_submit(struct weft_job *job);

#define weft_pool_submit(rt, job) model_submit(job)
#include "runtime/executor/deque.c"
#include "runtime/executor/idle.c"
#include "runtime/executor/inject.c"
#include "runtime/executor/parker.c"
#include "runtime/executor/worker.c"
#include "runtime/executor/crew.c"
#define drive stand_in_drive
#define take  stand_in_take
#include "runtime/executor/stand_in.c"
#undef drive
#undef take

static struct weft_crew *crew;
static void (*on_poll)(struct weft_worker *worker, unsigned number);

/* The last task ends it: its worker stops the others, as a shutdown does. */
static enum weft_task_next model_poll(struct weft_cx *cx, struct weft_task *what)
{
	struct weft_worker *worker = weft_thread.worker;
	unsigned number = (unsigned)(what - items);

	(void)cx;
	polled[number]++;
	if (on_poll)
		on_poll(worker, number);
	step();
	if (--unfinished == 0) {
		model_rt.state = WEFT_RT_STOPPING;
		weft_crew_unpark_all(crew);
	}
	return WEFT_TASK_ENDED;
}

static void reset_with(uint32_t size, uint32_t active, bool lifo, unsigned tasks)
{
	if (model_rt.executor)
		weft_crew_free(&model_rt);
	reset_world(tasks);
	if (weft_crew_new(&model_rt, size, active))
		abort();
	crew = model_rt.executor;
	crew->lifo = lifo;
	memset(&crew->lock, 0, sizeof(crew->lock));
	memset(&crew->idle.lock, 0, sizeof(crew->idle.lock));
	memset(&crew->inject.lock, 0, sizeof(crew->inject.lock));
}

static void push_from_outside(unsigned number)
{
	weft_inject_push_chain(&crew->inject, &items[number], &items[number], 1);
	weft_worker_notify(crew);
}

static void work(struct weft_worker *worker)
{
	weft_thread = (struct weft_thread){ .rt = &model_rt, .worker = worker };
	weft_worker_drive(worker, NULL);
}

static struct weft_job *submitted;

static int model_submit(struct weft_job *job)
{
	step();
	if (submitted)
		abort(); /* the job is in the queue already */
	submitted = job;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weft_crew_free(&model_rt);
	weft_trace_thread_end();
	return 0;
}

#endif
