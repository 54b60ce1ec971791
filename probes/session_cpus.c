// SPDX-License-Identifier: MIT
/* CPUS: what the process may use of the machine's CPUs, and how much of the machine is in use. Files of /proc and of control groups. */
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "probes/cgroup_quota.h"
#include "probes/session_internal.h"

static void read_quota(pid_t pid, struct weft_ev_cpus *e)
{
	struct cgroup_quota q;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	cgroup_quota_read(path, "/sys/fs/cgroup", &q);
	e->quota_us = q.quota_us;
	e->period_us = q.period_us;
	e->throttled_ns = q.throttled_ns;
}

/* First line of /proc/stat: user nice system idle iowait irq softirq steal. */
static void read_machine(struct weft_ev_cpus *e)
{
	const uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	unsigned long long t[8] = { 0 }, total = 0;
	auto_fclose FILE *f = fopen("/proc/stat", "re");
	char text[512];

	if (!f || !fgets(text, sizeof(text), f) ||
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
