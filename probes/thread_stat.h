/* SPDX-License-Identifier: MIT */
/* What /proc tells of one thread of a watched process. */
#ifndef WEFT_THREAD_STAT_H
#define WEFT_THREAD_STAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "probes/event.h"

/* A thread's id in the init pid namespace, from that in its own. 0 = not found. */
uint32_t thread_stat_host_tid(pid_t pid, pid_t ns_pid, uint32_t tid);

/* A descriptor for thread_stat_read, or -1. */
int thread_stat_open(pid_t pid, uint32_t tid);
bool thread_stat_read(int fd, uint64_t *ret_cpu_ns, uint64_t *ret_runq_ns);
/* slices: grows whenever the thread is put on a CPU. */
bool thread_stat_read_slices(int fd, uint64_t *ret_cpu_ns, uint64_t *ret_runq_ns,
			     uint64_t *ret_slices);

/*
 * A thread whose switches are not watched (level light), or that left the CPU before they were: /proc tells whether
 * it is blocked. still: it used no CPU time since the last sample. Fills off_cpu and syscall.
 */
void thread_stat_look(pid_t pid, uint32_t tid, bool still, struct weft_ev_lane_sample *e);

/* It sleeps in a wait for a wake, or for a file, without a limit of time. A thread that is stopped does not. */
bool thread_stat_waits_for_wake(pid_t pid, uint32_t tid);
/* The same by the text of /proc/PID/task/TID/syscall. */
bool thread_stat_is_endless(const char *syscall);
bool thread_stat_has_children(pid_t pid);

#endif
