// SPDX-License-Identifier: MIT
/* The C runtime: known by its memfd (runtime/probe_points.h), before it has started by its USDT notes. */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "probes/base/capability.h"
#include "probes/base/cleanup.h"
#include "probes/target.h"
#include "probes/target_map.h"
#include "runtime/probe_points.h"

_Static_assert(sizeof(((struct weft_ev_runtime *)0)->name) <=
		       sizeof(((struct weft_runtime_entry *)0)->name),
	       "names are copied whole");

/* A first page that is one, of an ABI this build reads, and of this very process. */
static int check_header(const struct weft_map_header *h, pid_t ns_pid)
{
	if (h->magic != WEFT_MAP_MAGIC)
		return -EPROTO;
	if (!target_map_reads_abi(h->abi))
		return -ENOTSUP;
	return (pid_t)h->pid == ns_pid ? 0 : -ECHILD;
}

/* By the file, which needs no right over the process's memory; else by its memory. Copied, never mapped. */
static int read_header(const struct target *t, const struct proc_map *map,
		       struct weft_map_header *ret)
{
	auto_close int fd = proc_maps_open(t->maps, map);
	struct iovec to = { ret, sizeof(*ret) },
		     from = { (void *)(uintptr_t)map->start, sizeof(*ret) };

	if (fd >= 0 && pread(fd, ret, sizeof(*ret), 0) == (ssize_t)sizeof(*ret))
		return check_header(ret, t->ns_pid);
	if (map->end - map->start < sizeof(*ret))
		return -EPROTO;
	if (process_vm_readv(t->pid, &to, 1, &from, 1, 0) == (ssize_t)sizeof(*ret))
		return check_header(ret, t->ns_pid);
	return -EPERM;
}

static void add_runtime(struct session_process *ret, const struct weft_map_header *h,
			const struct weft_runtime_entry *entry)
{
	struct weft_ev_runtime *r;

	if (ret->runtimes == sizeof(ret->runtime) / sizeof(ret->runtime[0]))
		return;
	r = &ret->runtime[ret->runtimes++];
	memset(r, 0, sizeof(*r));
	r->kind = WEFT_RT_WEFT;
	if (h)
		snprintf(r->version, sizeof(r->version), "abi %u", h->abi);
	if (!entry)
		return;
	r->runtime = entry->id;
	r->flavour = (__u16)entry->flavour;
	r->workers = entry->workers;
	memcpy(r->name, entry->name,
	       sizeof(r->name) - 1); /* ends in NUL whatever the target wrote */
}

static void add_runtimes(struct session_process *ret, const struct weft_map_header *h)
{
	uint32_t before = ret->runtimes;

	for (size_t i = 0; i < WEFT_MAX_RUNTIMES; i++)
		if (h->runtime[i].id != 0 && !h->runtime[i].stopped)
			add_runtime(ret, h, &h->runtime[i]);
	if (ret->runtimes == before) {
		add_runtime(ret, h, NULL);
		target_cannot_see(ret, "tasks", "no runtime is running in it now");
	}
}

static void add_rights(struct session_process *ret)
{
	if (!capability_has(CAP_BPF) && !capability_has(CAP_SYS_ADMIN))
		target_cannot_see(ret, "events",
				  "attaching needs CAP_BPF and CAP_PERFMON; run as root");
	else
		target_can_see(ret, "polls, wakes, timers, stacks");
}

/* There, but not to be read: still worth a line that says which right is missing. */
static int report_closed(struct session_process *ret, int rc)
{
	if (rc == -ECHILD || rc == -EPROTO)
		return 0; /* inherited over a fork, or something else of that name */
	add_runtime(ret, NULL, NULL);
	if (rc == -ENOTSUP)
		target_cannot_see(ret, "tasks",
				  "its libweft speaks another version of the trace format");
	else
		target_cannot_see(
			ret, "tasks",
			"reading the trace mapping needs CAP_SYS_PTRACE, or CAP_CHECKPOINT_RESTORE for map_files");
	return 1;
}

int target_detect_weft(const struct target *t, struct session_process *ret)
{
	const struct proc_map *map = proc_maps_find_memfd(t->maps, WEFT_MAP_NAME);
	struct weft_map_header header;
	int rc;

	if (!map) {
		if (!target_has_notes(t, "weft"))
			return 0;
		add_runtime(ret, NULL, NULL);
		target_cannot_see(ret, "tasks", "no runtime has been started in it yet");
		return 1;
	}
	rc = read_header(t, map, &header);
	if (rc < 0)
		return report_closed(ret, rc);
	add_runtimes(ret, &header);
	target_can_see(ret, "tasks");
	add_rights(ret);
	return 1;
}
