/* SPDX-License-Identifier: MIT */
/*
 * The one form in which events travel inside the collector:
 *
 *   input (live ring | recording) -> decode -> order -> model -> detectors -> store
 *
 * decode.c is the only reader of raw bytes; it makes records out of batches and flat events. Times
 * are ns since the start of the recording (EV_SESSION.time_ns). Task ids are unique in the recording:
 * process << WEFT_TASK_PROCESS_SHIFT | id in its process (source-assigned, < 2^40), so the first
 * process's tasks keep the number that the runtime gave them.
 */
#ifndef WEFT_RECORD_H
#define WEFT_RECORD_H

#include <stdint.h>

#include "probes/event.h"

#define WEFT_TASK_PROCESS_SHIFT 40
#define WEFT_NO_LANE            0xffffu

enum record_flag {
	RECORD_LATE = 1,     /* came after its window had been passed on */
	RECORD_TAIL = 2,     /* crash tail */
	RECORD_SNAPSHOT = 4, /* state as found */
};

/*
 * kind: enum weft_kind or enum weft_ev_kind. What a..d mean, by kind (0 where not listed; all ticks are ns by now;
 * ~0 = not known):
 *   TASK_SPAWN   a parent  b site  c bytes        d flags << 32 | runtime
 *   TASK_POLL    t = end   a duration  b wake-to-poll delay  c result << 8 | flags  d blocked << 32 | runnable
 *                          (both in us, saturating; filled in by model_apply from the off-CPU records inside the poll)
 *   TASK_WAKE    a waking task  b waker kind  c 1 = made runnable
 *   TASK_END     a by task  b reason | errno << 8
 *   HANDLE_DROP  a by task  b what
 *   STEAL        a from worker  b to worker  c tasks  d runtime
 *   WORKER_*     a worker  b runtime  c ns parked (UNPARK), park kind (PARK), tid (START, STOP)
 *   TIMER_*      a timer (FIRE without a task: WEFT_TIMER_OF_DRIVER | ns since the driver came back)
 *                b deadline (ns since start of the recording, may be negative as int64_t)
 *   JOB_*        a job  b ns waited (START) or ran (END)
 *   QUEUE_DEPTH  a local  b inject  c runtime  d worker      DRIVER_TURN a io events  b timers  c ns waited
 *   IO_READY     a fd  b events     LOCK_WAIT a resource  b op     MISUSE a code  b site     LEVEL a level
 *   RUNTIME_*    a runtime  b flavour  c workers
 *   OFFCPU       t = back on CPU  a ns blocked  b ns runnable  c syscall (int64_t)  d poll_seq
 *   TASK_NAME, LABEL and session kinds: `ev` holds the flat event (for TASK_NAME and LABEL a synthetic one whose payload
 *                is the record from w1 on)
 * SESSION, PROCESS, RUNTIME, LANE, SITE, MODULE and FRAME come ahead of their time, as soon as they are known: their t_ns is
 * then that of the records around them, ev->time_ns the true one. Payloads in ev are long enough for their struct, and
 * their text fields end with NUL.
 */
struct record {
	uint64_t t_ns;
	uint64_t task; /* 0 = none */
	uint64_t a, b, c, d;
	const struct weft_ev *ev; /* borrowed for the call; NULL for plain wire kinds */
	uint32_t process;
	uint16_t kind;
	uint16_t lane;  /* WEFT_NO_LANE = none */
	uint16_t flags; /* enum record_flag */
	uint16_t pad;
	uint32_t tid;
};
WEFT_ASSERT(record, sizeof(struct record) == 72);

/* A stage of the pipeline hands records on one at a time; the record and its ev are valid during the call. */
typedef void (*record_sink)(void *ctx, struct record *r);

#endif
