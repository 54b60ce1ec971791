/* SPDX-License-Identifier: MIT */
/*
 * Registers and stacks of single threads, taken without stopping them: of one that is off the CPU by a task
 * iterator, now; of one that computes by cpu-clock samples, which come through the ring.
 */
#ifndef WEFT_STACK_CAPTURE_H
#define WEFT_STACK_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "probes/layout.h"

struct stack_capture;
struct sched_bpf;

/* Borrows the loaded skeleton. The programs that are not loaded answer -ENOTSUP. */
int stack_capture_new(struct sched_bpf *skel, bool iter, bool samples, struct stack_capture **ret);
struct stack_capture *stack_capture_free(struct stack_capture *c); /* takes NULL, returns NULL */

/* Some 0.1 ms. The result is valid until the next call. -ESRCH: no such thread. */
int stack_capture_thread(struct stack_capture *c, uint32_t tid, const struct weft_raw_stack **ret);

/* Number of programs that a process has executed, as EXEC records carry it. 0 = not known. */
uint64_t stack_capture_exec_id(struct stack_capture *c, uint32_t pid);

/* Samples of a thread as long as the descriptor is open, only while a poll is open in it. fd or negative errno. */
int stack_capture_sample(struct stack_capture *c, uint32_t tid);

#endif
