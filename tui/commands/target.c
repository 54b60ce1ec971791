/* SPDX-License-Identifier: MIT */
#include "tui/commands/target.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/cleanup.h"
#include "probes/session.h"

bool target_given(const struct command_target *t)
{
	return t->pids || t->name || t->unit || t->container || t->child;
}

static int from_pids(const struct command *self, const char *text, pid_t *pids)
{
	int n = 0;

	for (const char *p = text;; p++) {
		char *end;
		long pid = strtol(p, &end, 10);

		if (end == p || !isdigit((unsigned char)*p) || pid <= 0 || pid > 4194304 ||
		    (*end && *end != ','))
			return command_error(
				       self,
				       "-p can't be '%s': it takes process ids such as 4711 or "
				       "4711,4712",
				       text),
			       -1;
		if (n == TARGET_MAX)
			return command_error(self, "-p names too many processes: at most %d",
					     TARGET_MAX),
			       -1;
		pids[n++] = (pid_t)pid;
		p = end;
		if (!*p)
			return n;
	}
}

static int from_name(const struct command *self, const char *name, pid_t *pids)
{
	int n = session_find_name(name, pids, TARGET_MAX);

	if (n < 0)
		return command_error(self, "can't look for processes named '%s': %s", name,
				     session_error(NULL)),
		       -1;
	if (n == 0)
		return command_error(
			       self,
			       "no process named '%s' with a runtime that Weft knows; weft list "
			       "shows what runs here",
			       name),
		       -1;
	return n < TARGET_MAX ? n : TARGET_MAX;
}

/* ---- by cgroup ---- */

static bool unit_matches(const char *component, size_t len, const char *unit)
{
	size_t n = strlen(unit);

	if (strncmp(component, unit, n) != 0 || n > len)
		return false;
	return len == n ||
	       (!strchr(unit, '.') && len == n + 8 && !memcmp(component + n, ".service", 8));
}

/* docker-ID.scope, cri-containerd-ID.scope, /docker/ID, /kubepods/.../ID; an id may be cut short from the right. */
static bool container_matches(const char *component, size_t len, const char *id)
{
	size_t n = strlen(id);

	for (size_t i = 0; i + n <= len; i++) {
		bool starts = i == 0 || component[i - 1] == '-' || component[i - 1] == ':';

		if (starts && memcmp(component + i, id, n) == 0)
			return true;
	}
	return false;
}

bool target_in_cgroup(const char *path, const struct command_target *t)
{
	const char *unit = t->unit, *container = t->container;

	while (*path) {
		size_t len = strcspn(path, "/\n");

		if (len && ((unit && unit_matches(path, len, unit)) ||
			    (container && container_matches(path, len, container))))
			return true;
		path += len + (path[len] != 0);
	}
	return false;
}

static bool in_cgroup(pid_t pid, const struct command_target *t)
{
	auto_fclose FILE *f = NULL;
	char name[64], line[4096];

	snprintf(name, sizeof(name), "/proc/%d/cgroup", (int)pid);
	f = fopen(name, "re");
	while (f && fgets(line, sizeof(line), f)) {
		/* "id:controllers:path"; a path may hold colons itself (cri-containerd:...). */
		const char *colon = strchr(line, ':'),
			   *path = colon ? strchr(colon + 1, ':') : NULL;

		if (path && target_in_cgroup(path + 1, t))
			return true;
	}
	return false;
}

/* *ret_seen: processes of the cgroup, whatever they run. */
static int look_in_cgroup(const struct command_target *t, pid_t *pids, int *ret_seen)
{
	auto_closedir DIR *proc = opendir("/proc");
	struct session_process info;
	struct dirent *e;
	int n = 0;

	*ret_seen = 0;
	while (proc && (e = readdir(proc)) != NULL && n < TARGET_MAX) {
		pid_t pid = isdigit((unsigned char)*e->d_name) ? atoi(e->d_name) : 0;

		if (!pid || !in_cgroup(pid, t))
			continue;
		++*ret_seen;
		if (session_inspect(pid, &info) == 0 && info.runtimes)
			pids[n++] = pid;
	}
	return n;
}

bool target_check(const struct command *self, const struct command_target *t)
{
	if (t->container && strlen(t->container) < 6)
		return command_error(
			       self,
			       "--container '%s' is too short: give at least 6 characters of the "
			       "id",
			       t->container),
		       false;
	return true;
}

static int from_cgroup(const struct command *self, const struct command_target *t, pid_t *pids)
{
	const char *what = t->unit ? "unit" : "container", *id = t->unit ? t->unit : t->container;
	int n, seen;

	if (!target_check(self, t))
		return -1;
	n = look_in_cgroup(t, pids, &seen);
	if (n)
		return n;
	command_error(
		self,
		seen ? "no process of %s '%s' has a runtime that Weft knows; weft list shows what "
		       "runs here"
		     : "no process here belongs to %s '%s'; check the name, and that it runs on "
		       "this machine",
		what, id);
	return -1;
}

int target_pids(const struct command *self, const struct command_target *t, pid_t pids[TARGET_MAX])
{
	if (t->pids)
		return from_pids(self, t->pids, pids);
	if (t->name)
		return from_name(self, t->name, pids);
	return from_cgroup(self, t, pids);
}

int target_look(const struct command_target *t, pid_t pids[TARGET_MAX])
{
	int seen, n = t->name ? session_find_name(t->name, pids, TARGET_MAX)
			      : look_in_cgroup(t, pids, &seen);

	return n < 0 ? 0 : n < TARGET_MAX ? n : TARGET_MAX;
}
