/* SPDX-License-Identifier: MIT */
/*
 * What all operations of `micro` share: runtimes, clocks, running a frame as a task.
 *
 * The same operations, counts and output lines as tests/bench/peers/shared/micro.rs, so that a row
 * of figures compares like with like. A change here is a change there.
 */
#ifndef WEFT_BENCH_MICRO_H
#define WEFT_BENCH_MICRO_H

#include "runtime/weft.h"

struct micro {
	uint32_t flavour, workers;
	uint64_t precise_ns; /* 0 = timers as by default */
	struct weft_runtime *rt;
};

/* ns per operation; cpu is the whole process's. */
struct micro_cost {
	double wall, cpu;
};

struct micro_clock {
	uint64_t wall, cpu;
};

/* One operation: cost is measured in batches, late gives n values in microseconds. */
struct micro_op {
	const char *name;
	struct micro_cost (*cost)(const struct micro *m, uint64_t n);
	void (*late)(const struct micro *m, uint64_t n, double *us);
};
/* A family ends with an operation that has no name. */
extern const struct micro_op micro_task_ops[], micro_wake_ops[], micro_queue_ops[],
	micro_time_ops[];

struct micro_clock micro_clock_start(void);
struct micro_cost micro_clock_stop(const struct micro_clock *since, uint64_t operations);

int micro_runtime_new(struct micro *m);
void *micro_alloc(size_t bytes);           /* zeroed, or the program ends */
void micro_must(int rc, const char *what); /* ends the program on an error */

/* Blocks until the task has ended. Gives the handle back. */
void micro_wait(struct weft_runtime *rt, struct weft_join *task);
#define micro_run(runtime, fn, frame)                                                    \
	do {                                                                             \
		struct weft_join *micro_task_ = NULL;                                    \
		micro_must(weft_spawn((runtime), fn, frame, .join = &micro_task_), #fn); \
		micro_wait((runtime), micro_task_);                                      \
	} while (0)

/* n handles; room for a task that spawns and joins many. */
struct micro_handles {
	struct weft_join **at;
	uint64_t n, next;
};
void micro_handles_init(struct micro_handles *h, uint64_t n);
/* Joins all, in order; zeroed frame before first use. */
struct micro_join_all {
	WEFT_FRAME;
	uint64_t i;
};
weft_poll_t micro_join_all(struct weft_cx *cx, struct micro_join_all *f, struct micro_handles *h);

#endif
