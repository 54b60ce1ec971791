/* SPDX-License-Identifier: MIT */
#include "tests/bench/support/process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static FILE *open_proc(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	return fopen(path, "re");
}

int process_cpu(pid_t pid, struct process_cpu *ret)
{
	clockid_t clock;
	struct timespec ts;
	unsigned long user, sys;
	char line[1024], *after;
	FILE *f;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &ts))
		return -ESRCH;
	f = open_proc(pid, "stat");
	if (!f)
		return -errno;
	after = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
	fclose(f);
	/* Fields 14 and 15; the name before may hold anything. */
	if (!after || sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
			     &user, &sys) != 2)
		return -EPROTO;
	ret->cpu_ns = (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
	ret->user_s = (double)user / (double)sysconf(_SC_CLK_TCK);
	ret->sys_s = (double)sys / (double)sysconf(_SC_CLK_TCK);
	return 0;
}

int process_memory(pid_t pid, struct process_memory *ret)
{
	unsigned long rss = 0, anonymous = 0;
	char line[256];
	int found = 0;
	FILE *f = open_proc(pid, "smaps_rollup");

	if (!f)
		return -errno;
	while (fgets(line, sizeof line, f)) {
		found += sscanf(line, "Rss: %lu kB", &rss) == 1;
		found += sscanf(line, "Anonymous: %lu kB", &anonymous) == 1;
	}
	fclose(f);
	if (found != 2)
		return -EPROTO;
	*ret = (struct process_memory){ (double)anonymous * 1024, (double)rss * 1024 };
	return 0;
}
