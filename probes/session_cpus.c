// SPDX-License-Identifier: MIT
/* CPUS: what the process may use of the machine's CPUs, and how much of the machine is in use. Files of /proc and of cgroup v2. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "probes/session_internal.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define DEPTH       32

static bool read_text(const char *path, char *to, size_t size)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, to, size - 1);

	to[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* Path of the process in the unified hierarchy, below its root. */
static bool cgroup_of(pid_t pid, char *to, size_t size)
{
	char path[64], text[4096], *at;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (!read_text(path, text, sizeof(text)))
		return false;
	at = strncmp(text, "0::", 3) ? strstr(text, "\n0::") : text;
	if (!at)
		return false;
	at = strstr(at, "0::") + 3;
	at[strcspn(at, "\n")] = '\0';
	return snprintf(to, size, "%s%s", CGROUP_ROOT, at) < (int)size;
}

static uint64_t throttled_ns(const char *group)
{
	unsigned long long us;
	char path[4200], text[1024];
	const char *at;

	snprintf(path, sizeof(path), "%s/cpu.stat", group);
	at = read_text(path, text, sizeof(text)) ? strstr(text, "throttled_usec ") : NULL;
	return at && sscanf(at, "throttled_usec %llu", &us) == 1 ? us * 1000 : 0;
}

/* The tightest quota from the process's group up to the root. */
static void read_quota(pid_t pid, struct weft_ev_cpus *e)
{
	char group[4096], path[4200], text[64];
	unsigned long long quota, period;

	if (!cgroup_of(pid, group, sizeof(group)))
		return;
	for (int i = 0; i < DEPTH && strlen(group) > strlen(CGROUP_ROOT); i++) {
		snprintf(path, sizeof(path), "%s/cpu.max", group);
		if (read_text(path, text, sizeof(text)) &&
		    sscanf(text, "%llu %llu", &quota, &period) == 2 && period &&
		    (!e->period_us || quota * e->period_us < e->quota_us * period)) {
			e->quota_us = quota;
			e->period_us = period;
			e->throttled_ns = throttled_ns(group);
		}
		*strrchr(group, '/') = '\0';
	}
}

/* First line of /proc/stat: user nice system idle iowait irq softirq steal. */
static void read_machine(struct weft_ev_cpus *e)
{
	const uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	unsigned long long t[8] = { 0 }, total = 0;
	char text[512];

	if (!read_text("/proc/stat", text, sizeof(text)) ||
	    sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3],
		   &t[4], &t[5], &t[6], &t[7]) < 4)
		return;
	for (int i = 0; i < 8; i++)
		total += t[i];
	e->total_ns = total * tick_ns;
	e->busy_ns = (total - t[3] - t[4]) * tick_ns;
}

void process_sample_cpus(struct process *p)
{
	struct weft_ev_cpus e = { .cpus = 0 };
	cpu_set_t set;

	if (sched_getaffinity(p->pid, sizeof(set), &set) == 0)
		e.cpus = (uint32_t)CPU_COUNT(&set);
	if (!e.cpus)
		return; /* more CPUs than the set holds, or gone */
	read_quota(p->pid, &e);
	read_machine(&e);
	session_emit(p->session,
		     (struct weft_ev){ .kind = WEFT_EV_CPUS,
				       .process = p->index,
				       .tid = (uint32_t)p->pid,
				       .time_ns = p->session->now_ns },
		     &e, sizeof(e));
}
