// SPDX-License-Identifier: MIT
/* Tokio, async-std and smol: known by what the files that a process runs were built with. */
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

#include "probes/base/capability.h"
#include "probes/kernel_features.h"
#include "probes/rust/plan.h"
#include "probes/target.h"
#include "probes/target_files.h"

static void add_runtime(struct session_process *ret, uint16_t kind, const char *version,
			uint16_t flavour)
{
	struct weft_ev_runtime *r;

	for (uint32_t i = 0; i < ret->runtimes; i++)
		if (ret->runtime[i].kind == kind && strcmp(ret->runtime[i].version, version) == 0)
			return;
	if (ret->runtimes == sizeof(ret->runtime) / sizeof(ret->runtime[0]))
		return;
	r = &ret->runtime[ret->runtimes++];
	memset(r, 0, sizeof(*r));
	r->kind = kind;
	r->flavour = flavour;
	snprintf(r->version, sizeof(r->version), "%s", version);
}

static const struct rust_library *find(const struct rust_library *library, uint32_t n,
				       const char *crate)
{
	for (uint32_t i = 0; i < n; i++)
		if (strcmp(library[i].crate, crate) == 0)
			return &library[i];
	return NULL;
}

/* A file that holds the loop of one flavour only runs that. */
static uint16_t flavour_of(const struct rust_plan *plan)
{
	bool workers = false, current = false;

	for (uint32_t i = 0; i < plan->n_probes; i++) {
		workers |= plan->probes[i].poller == RUST_BY_WORKER;
		current |= plan->probes[i].poller == RUST_BY_CURRENT_THREAD;
	}
	if (workers == current)
		return 0;
	return workers ? WEFT_F_MULTI_THREAD : WEFT_F_CURRENT_THREAD;
}

/* async-std and smol share async-task; whose runtime it is tells the library on top of it. */
static void add_runtimes(struct session_process *ret, const struct rust_library *library,
			 uint32_t n, const struct rust_plan *plan)
{
	const struct rust_library *async_std = find(library, n, "async-std"),
				  *smol = find(library, n, "smol");
	bool known = plan && plan->n_types > 0;

	for (uint32_t i = 0; i < n; i++)
		if (library[i].family == RUST_TOKIO &&
		    (!known || rust_plan_has_types(plan, RUST_TOKIO)))
			add_runtime(ret, WEFT_RT_TOKIO, library[i].version,
				    known ? flavour_of(plan) : 0);
	if (known ? !rust_plan_has_types(plan, RUST_ASYNC_TASK)
		  : !find(library, n, "async-task") && !find(library, n, "async-executor"))
		return;
	if (async_std)
		add_runtime(ret, WEFT_RT_ASYNC_STD, async_std->version, 0);
	else
		add_runtime(ret, WEFT_RT_SMOL, smol ? smol->version : "", 0);
}

static void describe(struct session_process *ret, const struct rust_plan *plan)
{
	for (uint32_t i = 0; i < plan->n_can_see; i++)
		target_can_see(ret, plan->can_see[i]);
	for (uint32_t i = 0; i < plan->n_gaps; i++)
		target_cannot_see(ret, plan->gaps[i].what, plan->gaps[i].why);
	if (!capability_has(CAP_BPF) && !capability_has(CAP_SYS_ADMIN))
		target_cannot_see(ret, "events",
				  "attaching needs CAP_BPF and CAP_PERFMON; run as root");
}

/* What was only glanced at may turn out to be a library that uses Tokio's channels, not its runtime. */
static bool detect_in(const struct target *t, const struct proc_map *map,
		      struct session_process *ret)
{
	const struct rust_library *library = NULL;
	const struct rust_plan *plan = NULL;
	uint32_t n = target_files_libraries(t->files, t->maps, map, &library);
	uint32_t before = ret->runtimes;

	if (n == 0)
		return false;
	if (t->full) {
		plan = target_files_plan(t->files, t->maps, map);
		if (!plan)
			return false;
	}
	add_runtimes(ret, library, n, plan);
	if (ret->runtimes == before)
		return false;
	if (plan)
		describe(ret, plan);
	else
		ret->analysed = false;
	return true;
}

int target_detect_rust(const struct target *t, struct session_process *ret)
{
	const struct proc_map *last = NULL;
	bool found = false;

	for (size_t i = 0; i < proc_maps_count(t->maps); i++) {
		const struct proc_map *map = proc_maps_at(t->maps, i);

		if (!(map->flags & PROC_MAP_EXEC) || map->inode == 0)
			continue;
		if (last && last->inode == map->inode && last->dev_minor == map->dev_minor)
			continue;
		last = map;
		found |= detect_in(t, map, ret);
	}
	if (found && !kernel_features_first_pids())
		target_cannot_see(ret, "events", "weft runs in a pid namespace of its own");
	return found;
}
