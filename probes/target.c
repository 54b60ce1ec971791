// SPDX-License-Identifier: MIT
#include "probes/target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "probes/base/number.h"
#include "probes/target_build.h"
#include "probes/target_files.h"

/* One line per traced runtime. */
static const target_detect detectors[] = {
	target_detect_weft,
	target_detect_rust,
};

static void append(char *list, size_t size, const char *separator, const char *entry)
{
	size_t n = strlen(list), more = strlen(entry) + (n ? strlen(separator) : 0);

	if (n + more < size)
		snprintf(list + n, size - n, "%s%s", n ? separator : "", entry);
}

void target_can_see(struct session_process *ret, const char *what)
{
	if (!strstr(ret->can_see, what))
		append(ret->can_see, sizeof(ret->can_see), ", ", what);
}

void target_cannot_see(struct session_process *ret, const char *what, const char *why)
{
	char entry[256];

	snprintf(entry, sizeof(entry), "%s: %s", what, why);
	if (!strstr(ret->cannot_see, entry))
		append(ret->cannot_see, sizeof(ret->cannot_see), "; ", entry);
}

bool target_has_notes(const struct target *t, const char *provider)
{
	const struct proc_map *last = NULL;

	for (size_t i = 0; i < proc_maps_count(t->maps); i++) {
		const struct proc_map *map = proc_maps_at(t->maps, i);

		if (!(map->flags & PROC_MAP_EXEC) || map->inode == 0)
			continue;
		if (last && last->inode == map->inode && last->dev_minor == map->dev_minor)
			continue;
		last = map;
		if (target_files_has_notes(t->files, t->maps, map, provider))
			return true;
	}
	return false;
}

static bool read_line(pid_t pid, const char *name, char *ret, size_t size)
{
	char path[64];
	auto_fclose FILE *file = NULL;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	file = fopen(path, "re");
	if (!file || !fgets(ret, (int)size, file))
		return false;
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

/* "NSpid: 1234 56 7": the last is the innermost namespace's. */
static pid_t ns_pid_of(pid_t pid)
{
	char path[64], line[256];
	auto_fclose FILE *file = NULL;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		char *last = strrchr(line, '\t');

		if (strncmp(line, "NSpid:", 6) == 0 && last)
			return (pid_t)strtol(last, NULL, 10);
	}
	return pid;
}

/* comm and exe; exe stays "" for kernel threads and where it may not be read. */
static int identify(pid_t pid, struct session_process *ret)
{
	char path[64];
	struct stat st;
	ssize_t n;

	memset(ret, 0, sizeof(*ret));
	ret->pid = pid;
	ret->analysed = true;
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (stat(path, &st) < 0 || !read_line(pid, "comm", ret->comm, sizeof(ret->comm)))
		return -ESRCH;
	ret->uid = st.st_uid;
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, ret->exe, sizeof(ret->exe) - 1);
	ret->exe[n > 0 ? n : 0] = '\0';
	return 0;
}

static void describe(struct target *t, struct session_process *ret)
{
	struct target_build build = { 0 };

	if (target_build_read(t->pid, &build) < 0) {
		snprintf(ret->build, sizeof(ret->build), "not readable");
		target_cannot_see(ret, "functions and lines", "no right to read the executable");
		return;
	}
	snprintf(ret->build, sizeof(ret->build), "%s, %s", build.language,
		 build.has_lines     ? "debug info"
		 : build.has_symbols ? "not stripped"
				     : "stripped");
	t->has_symbols = build.has_symbols;
	t->has_lines = build.has_lines;
}

/* After the detectors: these go for every runtime. */
static void add_symbols(const struct target *t, struct session_process *ret)
{
	if (t->has_symbols || t->has_lines)
		target_can_see(ret, "functions");
	if (t->has_lines)
		target_can_see(ret, "lines");
	else if (t->has_symbols)
		target_cannot_see(ret, "lines of stack frames", "built without debug info (-g)");
	else if (strcmp(ret->build, "not readable") != 0)
		target_cannot_see(ret, "functions of stack frames",
				  "stripped; offsets are kept and can be named later");
}

/* 1 = carries a runtime, 0 = none, negative errno = can't tell. */
static int inspect(pid_t pid, struct target_files *files, bool full, struct session_process *ret)
{
	auto_proc_maps struct proc_maps *maps = NULL;
	struct target t = { .pid = pid, .files = files, .full = full };
	int rc = proc_maps_read(pid, &maps), found = 0;

	if (rc < 0)
		return rc;
	if (proc_maps_count(maps) == 0)
		return 0;
	t.maps = maps;
	t.ns_pid = ns_pid_of(pid);
	for (size_t i = 0; i < sizeof(detectors) / sizeof(*detectors); i++) {
		int one = detectors[i](&t, ret);

		if (one > 0)
			found = 1;
		else if (one < 0)
			rc = one;
	}
	if (!found)
		return rc;
	describe(&t, ret);
	add_symbols(&t, ret);
	return 1;
}

/* exe may end in " (deleted)": then its base name is compared without that. */
static bool has_name(const struct session_process *p, const char *name)
{
	const char *base = strrchr(p->exe, '/');
	size_t n = strlen(name);

	if (strcmp(p->comm, name) == 0)
		return true;
	return base && strncmp(base + 1, name, n) == 0 &&
	       (!base[1 + n] || strcmp(base + 1 + n, " (deleted)") == 0);
}

/* Processes may come and go during the walk: one that can't be read any more is no error. */
static int walk(const char *name, bool full, session_process_fn fn, void *ctx)
{
	auto_closedir DIR *proc = opendir("/proc");
	struct target_files *files = target_files_new();
	struct session_process p;
	struct dirent *entry;
	int n = 0;
	pid_t pid;

	if (!proc || !files) {
		target_files_free(files);
		return proc ? -ENOMEM : -errno;
	}
	while ((entry = readdir(proc))) {
		if (number_parse_pid(entry->d_name, &pid) < 0 || identify(pid, &p) < 0 ||
		    !p.exe[0] || (name && !has_name(&p, name)) ||
		    inspect(pid, files, full, &p) <= 0)
			continue;
		n++;
		fn(ctx, &p);
	}
	target_files_free(files);
	return n;
}

int session_list(session_process_fn fn, void *ctx)
{
	return walk(NULL, false, fn, ctx);
}

int session_list_full(session_process_fn fn, void *ctx)
{
	return walk(NULL, true, fn, ctx);
}

int session_inspect(pid_t pid, struct session_process *ret)
{
	struct target_files *files = target_files_new();
	struct session_process p;
	int rc;

	if (!files)
		return -ENOMEM;
	rc = pid > 0 ? identify(pid, &p) : -ESRCH;
	if (rc == 0)
		rc = inspect(pid, files, false, &p);
	target_files_free(files);
	if (rc == -EACCES)
		return -EPERM;
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	*ret = p;
	return 0;
}

struct pids {
	pid_t *at;
	size_t n, max;
};

static void add_pid(void *ctx, const struct session_process *p)
{
	struct pids *pids = ctx;

	if (pids->n < pids->max)
		pids->at[pids->n++] = p->pid;
}

int session_find_name(const char *name, pid_t *pids, size_t max)
{
	struct pids found = { .at = pids, .max = max };

	return walk(name, false, add_pid, &found);
}
