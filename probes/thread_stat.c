// SPDX-License-Identifier: MIT
#include "probes/thread_stat.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probes/base/cleanup.h"

static uint32_t innermost_pid(const char *status)
{
	auto_fclose FILE *f = fopen(status, "re");
	char line[256];
	uint32_t last = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "NSpid:", 6))
			continue;
		for (char *at = line + 6, *end;
		     (last = (uint32_t)strtoul(at, &end, 10), *end == '\t'); at = end)
			;
		break;
	}
	return last;
}

uint32_t thread_stat_host_tid(pid_t pid, pid_t ns_pid, uint32_t tid)
{
	char path[64 + 256];
	auto_closedir DIR *dir = NULL;
	struct dirent *e;

	if (pid == ns_pid)
		return tid;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, e->d_name);
		if (e->d_name[0] != '.' && innermost_pid(path) == tid)
			return (uint32_t)strtoul(e->d_name, NULL, 10);
	}
	return 0;
}

int thread_stat_open(pid_t pid, uint32_t tid)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%d/task/%u/schedstat", pid, tid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Fields: ns on a CPU, ns waiting for one, time slices. */
bool thread_stat_read_slices(int fd, uint64_t *cpu_ns, uint64_t *runq_ns, uint64_t *slices)
{
	unsigned long cpu, runq, n_slices;
	char text[96];
	ssize_t n = fd >= 0 ? pread(fd, text, sizeof(text) - 1, 0) : -1;

	if (n <= 0)
		return false;
	text[n] = '\0';
	if (sscanf(text, "%lu %lu %lu", &cpu, &runq, &n_slices) != 3)
		return false;
	*cpu_ns = cpu;
	*runq_ns = runq;
	*slices = n_slices;
	return true;
}

bool thread_stat_read(int fd, uint64_t *cpu_ns, uint64_t *runq_ns)
{
	uint64_t slices;

	return thread_stat_read_slices(fd, cpu_ns, runq_ns, &slices);
}

static size_t read_file(pid_t pid, uint32_t tid, const char *name, char text[512])
{
	auto_close int fd = -1;
	char path[96];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%u/%s", pid, tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? pread(fd, text, 511, 0) : 0;
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

void thread_stat_look(pid_t pid, uint32_t tid, bool still, struct weft_ev_lane_sample *e)
{
	char text[512], *state;
	int nr;

	if (!read_file(pid, tid, "stat", text))
		return;
	state = strrchr(text, ')');
	if (!state || !state[1])
		return;
	if (state[2] == 'R' && still)
		e->off_cpu = 1; /* it would have used some: it waits for one */
	if (state[2] != 'S' && state[2] != 'D')
		return;
	e->off_cpu = 2;
	if (read_file(pid, tid, "syscall", text) && sscanf(text, "%d", &nr) == 1)
		e->syscall = nr;
}

/* Number, then six arguments. */
bool thread_stat_is_endless(const char *text)
{
	unsigned long long a[6];
	int nr;

	if (sscanf(text, "%d %llx %llx %llx %llx %llx %llx", &nr, &a[0], &a[1], &a[2], &a[3], &a[4],
		   &a[5]) != 7)
		return false;
	switch (nr) {
	case SYS_futex: /* FUTEX_WAIT, FUTEX_WAIT_BITSET */
		return ((a[1] & 0x7f) == 0 || (a[1] & 0x7f) == 9) && !a[3];
#ifdef SYS_epoll_wait
	case SYS_epoll_wait:
#endif
	case SYS_epoll_pwait:
		return (int)a[3] < 0;
	case SYS_epoll_pwait2:
		return !a[3];
#ifdef SYS_poll
	case SYS_poll:
		return (int)a[2] < 0;
#endif
	case SYS_ppoll:
		return !a[2];
	default:
		return false;
	}
}

bool thread_stat_waits_for_wake(pid_t pid, uint32_t tid)
{
	char text[512], *state;

	if (!read_file(pid, tid, "stat", text))
		return false;
	state = strrchr(text, ')');
	return state && state[1] && state[2] == 'S' && read_file(pid, tid, "syscall", text) &&
	       thread_stat_is_endless(text);
}

bool thread_stat_has_children(pid_t pid)
{
	char path[64 + 256];
	auto_closedir DIR *dir = NULL;
	char text[512];
	struct dirent *e;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (read_file(pid, (uint32_t)strtoul(e->d_name, NULL, 10), "children", text))
			return true;
	return false;
}
