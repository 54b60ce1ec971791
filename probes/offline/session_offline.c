// SPDX-License-Identifier: MIT
/* The session of a build without libbpf: recordings can be read, nothing can be traced. */
#include "probes/session.h"

#include <errno.h>
#include <stdio.h>

static const char text[] = "this weft was built offline (without eBPF): it reads recordings only; "
			   "build it with `make`, after scripts/install_deps.sh, to trace";

int session_open(const struct session_options *options, struct session **ret)
{
	(void)options;
	(void)ret;
	return -ENOTSUP;
}

struct session *session_close(struct session *s)
{
	(void)s;
	return NULL;
}

const char *session_error(const struct session *s)
{
	(void)s;
	return text;
}

int session_attach(struct session *s, pid_t pid)
{
	(void)s;
	(void)pid;
	return -ENOTSUP;
}

int session_spawn(struct session *s, char *const argv[], const char *output_file, pid_t *ret_pid)
{
	(void)s;
	(void)argv;
	(void)output_file;
	(void)ret_pid;
	return -ENOTSUP;
}

int session_drop_rights(struct session *s)
{
	(void)s;
	return -ENOTSUP;
}

int session_drain(struct session *s, session_sink sink, void *ctx)
{
	(void)s;
	(void)sink;
	(void)ctx;
	return -ENOTSUP;
}

bool session_alive(const struct session *s)
{
	(void)s;
	return false;
}

int session_finish(struct session *s, session_sink sink, void *ctx)
{
	(void)s;
	(void)sink;
	(void)ctx;
	return -ENOTSUP;
}

int session_request(struct session *s, const struct session_want *want)
{
	(void)s;
	(void)want;
	return -ENOTSUP;
}

int session_list(session_process_fn fn, void *ctx)
{
	(void)fn;
	(void)ctx;
	return -ENOTSUP;
}

int session_list_full(session_process_fn fn, void *ctx)
{
	(void)fn;
	(void)ctx;
	return -ENOTSUP;
}

int session_inspect(pid_t pid, struct session_process *ret)
{
	(void)pid;
	(void)ret;
	return -ENOTSUP;
}

int session_find_name(const char *name, pid_t *pids, size_t max)
{
	(void)name;
	(void)pids;
	(void)max;
	return -ENOTSUP;
}

int session_check(const char *mask_features, session_check_fn fn, void *ctx)
{
	struct session_check c = { .name = "eBPF", .needed = true };

	(void)mask_features;
	snprintf(c.detail, sizeof(c.detail), "not in this build");
	snprintf(c.cost, sizeof(c.cost), "nothing can be traced; recordings can be read");
	snprintf(c.remedy, sizeof(c.remedy), "build with `make`, after scripts/install_deps.sh");
	fn(ctx, &c);
	return WEFT_LEVEL_OFF;
}
