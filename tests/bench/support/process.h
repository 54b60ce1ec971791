/* SPDX-License-Identifier: MIT */
/* What a process has used so far, from outside. Negative errno; results only on success. */
#ifndef WEFT_BENCH_PROCESS_H
#define WEFT_BENCH_PROCESS_H

#include <sys/types.h>

/* cpu_ns is exact; user and sys are sampled by the kernel's tick (1 to 10 ms). */
struct process_cpu {
	double cpu_ns, user_s, sys_s;
};
int process_cpu(pid_t pid, struct process_cpu *ret);

/* Bytes. anonymous: heap, stacks, what a program has written; rss: that and mapped files. */
struct process_memory {
	double anonymous, rss;
};
int process_memory(pid_t pid, struct process_memory *ret);

#endif
