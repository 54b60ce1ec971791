// SPDX-License-Identifier: MIT
#include "probes/cgroup_quota.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "probes/base/cleanup.h"

#define DEPTH 32
#define PATH  4096

static bool read_text(const char *path, char *to, size_t size)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, to, size - 1);

	to[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static bool read_file(const char *group, const char *name, char *to, size_t size)
{
	char path[PATH + 64];

	return snprintf(path, sizeof(path), "%s/%s", group, name) < (int)sizeof(path) &&
	       read_text(path, to, size);
}

/* The number behind "KEY " in cpu.stat; 0 = it is not there. */
static uint64_t stat_value(const char *group, const char *key)
{
	unsigned long long n = 0;
	char text[1024];
	const char *at = read_file(group, "cpu.stat", text, sizeof(text)) ? text : NULL;

	for (; at; at = strchr(at, '\n'), at = at ? at + 1 : NULL)
		if (!strncmp(at, key, strlen(key)) && at[strlen(key)] == ' ')
			return sscanf(at + strlen(key), " %llu", &n) == 1 ? n : 0;
	return 0;
}

static void keep_tightest(struct cgroup_quota *ret, unsigned long long quota,
			  unsigned long long period, uint64_t throttled_ns)
{
	if (!period || (ret->period_us && (double)quota * (double)ret->period_us >=
						  (double)ret->quota_us * (double)period))
		return;
	*ret = (struct cgroup_quota){ quota, period, throttled_ns };
}

static void look_v2(const char *group, struct cgroup_quota *ret)
{
	unsigned long long quota, period;
	char text[64];

	if (read_file(group, "cpu.max", text, sizeof(text)) &&
	    sscanf(text, "%llu %llu", &quota, &period) == 2)
		keep_tightest(ret, quota, period, stat_value(group, "throttled_usec") * 1000);
}

/* No quota is -1 there. */
static void look_v1(const char *group, struct cgroup_quota *ret)
{
	unsigned long long period;
	long long quota;
	char text[64];

	if (!read_file(group, "cpu.cfs_quota_us", text, sizeof(text)) ||
	    sscanf(text, "%lld", &quota) != 1 || quota <= 0 ||
	    !read_file(group, "cpu.cfs_period_us", text, sizeof(text)) ||
	    sscanf(text, "%llu", &period) != 1)
		return;
	keep_tightest(ret, (unsigned long long)quota, period, stat_value(group, "throttled_time"));
}

/* From the group up to the root of its hierarchy, which inside a container is the container's own group. */
static void look_up(const char *mount, const char *path,
		    void (*look)(const char *group, struct cgroup_quota *ret),
		    struct cgroup_quota *ret)
{
	char group[PATH];
	int n = snprintf(group, sizeof(group), "%s%s", mount, strcmp(path, "/") ? path : "");

	if (n < 0 || n >= (int)sizeof(group))
		return;
	for (int i = 0; i < DEPTH && strlen(group) >= strlen(mount); i++) {
		char *slash = strrchr(group, '/');

		look(group, ret);
		if (!slash)
			return;
		*slash = '\0';
	}
}

static bool names_cpu(const char *controllers)
{
	for (const char *c = controllers; *c; c += strcspn(c, ","), c += *c == ',')
		if (strcspn(c, ",") == 3 && !strncmp(c, "cpu", 3))
			return true;
	return false;
}

/* Mounted by the names of its controllers, in whatever order; systemd adds a link for each. */
static void look_at_v1(const char *root, const char *controllers, const char *path,
		       struct cgroup_quota *ret)
{
	char mount[PATH];

	if (snprintf(mount, sizeof(mount), "%s/cpu", root) >= (int)sizeof(mount))
		return;
	if (access(mount, X_OK) &&
	    snprintf(mount, sizeof(mount), "%s/%s", root, controllers) >= (int)sizeof(mount))
		return;
	look_up(mount, path, look_v1, ret);
}

void cgroup_quota_read(const char *membership, const char *root, struct cgroup_quota *ret)
{
	char text[4096], *rest = text, *line;

	*ret = (struct cgroup_quota){ 0 };
	if (!read_text(membership, text, sizeof(text)))
		return;
	/* NUMBER:CONTROLLERS:PATH; version 2 has the number 0 and no controllers. */
	while ((line = strsep(&rest, "\n"))) {
		char *controllers = strchr(line, ':');
		char *path = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!path || path[1] != '/')
			continue;
		*path++ = '\0';
		controllers++;
		if (names_cpu(controllers))
			look_at_v1(root, controllers, path, ret);
		else if (!strncmp(line, "0:", 2) && !*controllers)
			look_up(root, path, look_v2, ret);
	}
}
