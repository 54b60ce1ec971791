// SPDX-License-Identifier: MIT
/*
 * Rights after the last attach: the invoking user, with only those capabilities that a running session needs.
 * Capabilities belong to a thread: call it before threads are made.
 */
#include <cap-ng.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "probes/session_internal.h"
#include "probes/source_sched.h"

#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif
#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40
#endif

#define FILES 65536u

static const struct kept {
	unsigned cap;
	const char *name, *cost;
} kept[] = {
	{ CAP_BPF, "CAP_BPF", "no stacks and no change of level" },
	{ CAP_PERFMON, "CAP_PERFMON", "no stacks and no change of level" },
	{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE",
	  "no task census and no symbols of other users' processes" },
	{ CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "no symbols of other users' files" },
	{ CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE",
	  "no following of exec for services that close the mapping's fd" },
};

int session_no_right(struct session *s, int err, pid_t pid)
{
	static const struct {
		unsigned cap;
		const char *name;
	} needed[] = { { CAP_BPF, "CAP_BPF" },
		       { CAP_PERFMON, "CAP_PERFMON" },
		       { CAP_SYS_PTRACE, "CAP_SYS_PTRACE" } };
	char missing[64] = "";

	if (capng_get_caps_process() == 0)
		for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
			if (!capng_have_capability(CAPNG_EFFECTIVE, needed[i].cap))
				snprintf(missing + strlen(missing),
					 sizeof(missing) - strlen(missing), "%s%s",
					 *missing ? ", " : "", needed[i].name);
	if (*missing)
		return session_fail(
			s, err,
			"cannot trace process %d: no right to place probes, %s is missing; "
			"run as root, or with it",
			pid, missing);
	return session_fail(s, err,
			    "cannot trace process %d: the kernel refuses it though no right is "
			    "missing: the process is protected, by a container or a security module",
			    pid);
}

void session_more_files(struct session *s)
{
	struct rlimit more;

	if (getrlimit(RLIMIT_NOFILE, &more))
		return;
	s->files = more;
	more.rlim_cur = more.rlim_max < FILES ? more.rlim_max : FILES;
	if (more.rlim_cur <= s->files.rlim_cur || setrlimit(RLIMIT_NOFILE, &more))
		s->files.rlim_max = 0;
}

int session_drop_rights(struct session *s)
{
	const struct session_options *o = &s->options;

	source_sched_pause(s); /* its helper thread would keep all rights */
	if (capng_get_caps_process())
		return session_fail(
			s, -EPERM,
			"cannot read the capabilities of this process; is /proc mounted?");
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (!capng_have_capability(CAPNG_EFFECTIVE, kept[i].cap))
			session_cannot_see(s, WEFT_EV_ALL, kept[i].name,
					   "this capability is missing: %s", kept[i].cost);
	if (!o->run_as_uid || geteuid() != 0)
		return 0;
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, kept[i].cap);
	if (capng_change_id((int)o->run_as_uid, (int)o->run_as_gid,
			    CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING))
		return session_fail(s, -EPERM,
				    "cannot become user %u: %s; run it as root, or with --as-root",
				    o->run_as_uid, strerror(errno));
	/* Not dumpable: or the user's other processes could take these capabilities by ptrace. */
	prctl(PR_SET_DUMPABLE, 0);
	return 0;
}
