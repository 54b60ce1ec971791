// SPDX-License-Identifier: MIT
/* session_check: can this machine trace, and if not, why and what to do. */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

#include "probes/base/capability.h"
#include "probes/check_internal.h"
#include "probes/session.h"

#define ROOT "run as root (sudo), or setcap it on weft"

/* In the order of the answer: the machine, rights, what the kernel gives. */
struct check {
	const char *name;
	bool needed;
	check_fn fn;    /* NULL: capability or feature */
	int capability; /* with `or_else`, when fn is NULL and feature is NULL; -1 = none */
	int or_else;    /* a capability that stands in for it, -1 = none */
	const char *feature;
	const char *cost, *remedy; /* of its absence */
};

/* clang-format off */
#define FACT(n, need, f, c, r)        { n, need, f, -1, -1, NULL, c, r }
#define RIGHT(n, need, cap, or, c, r) { n, need, NULL, cap, or, NULL, c, r }
#define FEATURE(f, need, c, r)        { NULL, need, NULL, -1, -1, #f, c, r }
/* clang-format on */

static const struct check checks[] = {
	FACT("architecture", true, check_architecture,
	     "no attaching: probe placement and unwinding know x86-64 only",
	     "record on an x86-64 machine; recordings open everywhere"),
	FACT("kernel", true, check_kernel, "older than what is tested",
	     "use Linux 5.15 or newer, best 6.10 or newer"),
	FACT("user namespace", true, check_container,
	     "capabilities of an inner user namespace don't count for BPF",
	     "run on the host, or in a container with --privileged and without its own user namespace"),
	FACT("pid namespace", false, check_pid_namespace,
	     "thread ids of the kernel's events differ from those seen here",
	     "run on the host, or in a container with --pid=host"),
	FACT("clock", false, check_clock, "time stamps by clock_gettime: 13 ns more for each event",
	     "boot with clocksource=tsc where the machine's TSC is sound"),
	RIGHT("CAP_BPF", true, CAP_BPF, CAP_SYS_ADMIN, "no BPF programs: nothing can be attached",
	      ROOT),
	RIGHT("CAP_PERFMON", true, CAP_PERFMON, CAP_SYS_ADMIN, "no probes and no samples", ROOT),
	RIGHT("CAP_SYS_PTRACE", false, CAP_SYS_PTRACE, -1,
	      "processes of other users: no maps, no trace mapping, no stacks", ROOT),
	RIGHT("CAP_DAC_READ_SEARCH", false, CAP_DAC_READ_SEARCH, -1,
	      "executables that only others may read can't be probed or named", ROOT),
	RIGHT("CAP_CHECKPOINT_RESTORE", false, CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN,
	      "no map_files: a daemon's trace mapping and deleted libraries can't be opened", ROOT),
	FACT("bpf", true, check_bpf, "nothing can be attached",
	     "run as root outside of a sandbox; see unprivileged_bpf_disabled and lockdown"),
	FEATURE(ringbuf, true, "no way to bring events out", "use Linux 5.8 or newer"),
	FEATURE(btf, true, "BPF programs can't be fitted to this kernel",
		"use a kernel built with CONFIG_DEBUG_INFO_BTF"),
	FEATURE(uprobe_multi, false,
		"level light at most, a dozen probe sites, and detaching takes 0.1 s for each",
		"use Linux 6.6 or newer"),
	FEATURE(uprobe_multi_pid, false, "other processes of the same program pay for each hit too",
		"use Linux 6.10 or newer"),
	FEATURE(uprobe_perf, false, "no way back where uprobe_multi is missing",
		"use a kernel with CONFIG_UPROBE_EVENTS"),
	FEATURE(tp_btf, false, "polls are not split into on CPU, waiting for a CPU and blocked",
		"use a kernel with BTF, 5.5 or newer"),
	FEATURE(iter_task, false, "no stack of a blocked poll: blocking-call names no place",
		"use Linux 5.18 or newer"),
	FEATURE(perf_clock, false, "no samples of long polls: busy-loop names no hot frame",
		"set kernel.perf_event_paranoid to 2 or less, or run as root"),
	FACT("perf events", false, check_perf_paranoid, "no samples of long polls",
	     "set kernel.perf_event_paranoid to 2 or less, or run as root"),
	FACT("kernel symbols", false, check_kernel_symbols, "kernel frames of stacks have no names",
	     "set kernel.kptr_restrict to 0 or 1 and run as root"),
};

/*
 * One table of names for masks, fields and texts: KERNEL_FEATURES. Where bpf() itself is refused nothing is
 * known of what needs it.
 */
static bool feature_of(const struct kernel_features *f, const char *name, char *ret_detail,
		       size_t size)
{
	const char *unknown =
		f->bpf || strcmp(name, "uprobe_perf") == 0 ? "" : "not known without bpf(): ";

#define X(field, what)                                             \
	if (strcmp(name, #field) == 0) {                           \
		snprintf(ret_detail, size, "%s%s", unknown, what); \
		return f->field;                                   \
	}
	KERNEL_FEATURES(X)
#undef X
	return false;
}

static bool capability_of(const struct check *check, char *ret_detail, size_t size)
{
	if (capability_has(check->capability)) {
		snprintf(ret_detail, size, "held");
		return true;
	}
	if (check->or_else >= 0 && capability_has(check->or_else)) {
		snprintf(ret_detail, size, "CAP_SYS_ADMIN is held, which includes it");
		return true;
	}
	snprintf(ret_detail, size, "not held");
	return false;
}

static bool run(const struct check *check, const struct check_facts *facts, char *ret_detail,
		size_t size)
{
	if (check->fn)
		return check->fn(facts, ret_detail, size);
	if (check->feature)
		return feature_of(&facts->features, check->feature, ret_detail, size);
	return capability_of(check, ret_detail, size);
}

/*
 * Without uprobe_multi only a few sites can be probed: light. Splitting polls and taking stacks is what
 * normal and full are for.
 */
static enum weft_level highest(const struct kernel_features *f)
{
	if (!f->bpf || !f->ringbuf || !f->btf || (!f->uprobe_multi && !f->uprobe_perf))
		return WEFT_LEVEL_OFF;
	if (!f->uprobe_multi)
		return WEFT_LEVEL_LIGHT;
	return f->tp_btf && f->iter_task ? WEFT_LEVEL_FULL : WEFT_LEVEL_NORMAL;
}

int session_check(const char *mask_features, session_check_fn fn, void *ctx)
{
	struct check_facts facts;
	int rc = kernel_features_probe(mask_features, &facts.features);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
		const struct check *check = &checks[i];
		struct session_check c = { .name = check->name ? check->name : check->feature,
					   .needed = check->needed };

		c.ok = run(check, &facts, c.detail, sizeof(c.detail));
		if (!c.ok) {
			snprintf(c.cost, sizeof(c.cost), "%s", check->cost);
			snprintf(c.remedy, sizeof(c.remedy), "%s", check->remedy);
		}
		fn(ctx, &c);
	}
	return (int)highest(&facts.features);
}
