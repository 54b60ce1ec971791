/* SPDX-License-Identifier: MIT */
/*
 * How a process's CPU time is split between user mode and the kernel: an alarm on the CPU clock of each of its
 * threads notes which of them it interrupted. The kernel's own split is taken by the tick, which at 100 to 1,000 a
 * second sees too little of a second, and none of what runs in step with it.
 */
#ifndef WEFT_BENCH_SPLIT_H
#define WEFT_BENCH_SPLIT_H

#include <sys/types.h>

struct split;

/*
 * From now on, of the threads that the process has now. NULL: not allowed (kernel.perf_event_paranoid 2 and no
 * CAP_PERFMON), or the process is gone.
 */
struct split *split_start(pid_t pid);
/* Frees it. 0 to 1: user mode's part of what was sampled; negative: nothing was. */
double split_end(struct split *split);

#endif
