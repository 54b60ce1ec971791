/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The few kernel types the programs read, relocated at load (CO-RE): only the fields named here have to
 * exist, in any place and order. Instead of a dump of the building machine's kernel.
 */
#ifndef WEFT_BPF_CORE_H
#define WEFT_BPF_CORE_H

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

typedef int bool;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live;
	int group_exit_code;
};

struct thread_struct {
	unsigned long fsbase; /* x86-64: thread-local storage lies below it */
};

struct task_struct {
	unsigned int __state; /* since 5.14 */
	unsigned int flags;
	int pid;
	int tgid;
	int exit_code;
	__u64 self_exec_id; /* since 5.7 */
	struct signal_struct *signal;
	struct thread_struct thread;
};

struct bpf_iter_meta;
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

/* x86-64, the order is the system call ABI's: context of uprobe programs, so not relocated. */
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8;
	unsigned long ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};

struct bpf_perf_event_data {
	struct pt_regs regs;
	__u64 sample_period;
	__u64 addr;
};

#endif
