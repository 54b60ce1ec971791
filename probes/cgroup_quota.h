/* SPDX-License-Identifier: MIT */
/*
 * The CPU quota of a process's control group, the tightest from it up to the root, and for how long it was stopped by it. Both
 * hierarchies: cpu.max and cpu.stat of version 2, cpu.cfs_* and cpu.stat of version 1's cpu controller; where both are
 * mounted, the tighter quota counts. Read from files; what makes no sense is no quota.
 */
#ifndef WEFT_CGROUP_QUOTA_H
#define WEFT_CGROUP_QUOTA_H

#include <stdint.h>

struct cgroup_quota {
	uint64_t quota_us, period_us; /* period 0 = none */
	uint64_t throttled_ns;        /* of the group that has the quota, cumulative */
};

/* membership: /proc/PID/cgroup. root: where the hierarchies are mounted, /sys/fs/cgroup. */
void cgroup_quota_read(const char *membership, const char *root, struct cgroup_quota *ret);

#endif
