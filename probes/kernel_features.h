/* SPDX-License-Identifier: MIT */
/*
 * What this kernel gives to this process, found out by doing it: versions lie (backports, lockdown,
 * seccomp, containers). Probing takes some 50 ms, most of it reading the kernel's BTF.
 */
#ifndef WEFT_KERNEL_FEATURES_H
#define WEFT_KERNEL_FEATURES_H

#include <stdbool.h>

/*   X(field = name in a mask, what it is) */
#define KERNEL_FEATURES(X)                                                    \
	X(bpf, "loading of BPF programs")                                     \
	X(ringbuf, "BPF ring buffer (5.8)")                                   \
	X(btf, "types of the kernel in /sys/kernel/btf/vmlinux")              \
	X(uprobe_multi, "many probe sites on one link (6.6)")                 \
	X(uprobe_multi_pid, "its pid filter sees every thread (6.10)")        \
	X(uprobe_perf, "probe sites by perf events, with semaphores (4.20)")  \
	X(tp_btf, "typed sched_switch tracepoint")                            \
	X(iter_task, "sleepable task iterator that reads user memory (5.18)") \
	X(perf_clock, "perf cpu-clock samples with BPF")

struct kernel_features {
#define X(field, what) bool field;
	KERNEL_FEATURES(X)
#undef X
	int bpf_error;  /* why the simplest BPF program did not load: negative errno, 0 = it did */
	int perf_error; /* the same of perf_event_open */
};

/*
 * `mask`: comma list of names to report as missing (tests), NULL = none. Returns 0 also when all is
 * missing; -EINVAL: unknown name in the mask. Sets and hits a probe on a site of its own; no other
 * process is touched.
 */
int kernel_features_probe(const char *mask, struct kernel_features *ret);

/* Whether this process numbers processes and threads as BPF programs do: not in a container's own pid namespace. */
bool kernel_features_first_pids(void);

#endif
