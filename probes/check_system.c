// SPDX-License-Identifier: MIT
/* What of the machine and its settings decides over tracing. */
#include "probes/check_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "probes/base/cleanup.h"
#include "probes/kernel_features.h"
#include "probes/symbols/kallsyms.h"

bool check_read_line(const char *path, char *ret, size_t size)
{
	auto_fclose FILE *file = fopen(path, "re");

	if (!file || !fgets(ret, (int)size, file))
		return false;
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

/* 5.15 is the oldest kernel that is tested; the features below decide, not the number. */
bool check_kernel(const struct check_facts *f, char *ret_detail, size_t size)
{
	struct utsname u;
	int major = 0, minor = 0;

	(void)f;
	if (uname(&u) < 0)
		return false;
	snprintf(ret_detail, size, "%s %s", u.sysname, u.release);
	return sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
	       (major > 5 || (major == 5 && minor >= 15));
}

bool check_architecture(const struct check_facts *f, char *ret_detail, size_t size)
{
	struct utsname u;

	(void)f;
	if (uname(&u) < 0)
		return false;
	snprintf(ret_detail, size, "%s", u.machine);
	return strcmp(u.machine, "x86_64") == 0;
}

/* uid_map of the first user namespace maps all ids to themselves. */
static bool in_first_user_namespace(void)
{
	char line[128];
	unsigned inside, outside, count;

	return check_read_line("/proc/self/uid_map", line, sizeof(line)) &&
	       sscanf(line, "%u %u %u", &inside, &outside, &count) == 3 && inside == 0 &&
	       outside == 0 && count == 4294967295u;
}

static const char *container_kind(void)
{
	char text[128] = "";

	if (access("/.dockerenv", F_OK) == 0)
		return "docker";
	if (access("/run/.containerenv", F_OK) == 0)
		return "podman";
	if (getenv("KUBERNETES_SERVICE_HOST"))
		return "kubernetes";
	if (check_read_line("/run/systemd/container", text, sizeof(text)))
		return "a container";
	return NULL;
}

/* In a user namespace of its own every capability may be held and still count for nothing. */
bool check_container(const struct check_facts *f, char *ret_detail, size_t size)
{
	const char *kind = container_kind();
	bool first = in_first_user_namespace();

	(void)f;
	snprintf(ret_detail, size, "%s%s, %s user namespace", kind ? "in " : "no container",
		 kind ? kind : "", first ? "the first" : "not the first");
	return first;
}

bool check_pid_namespace(const struct check_facts *f, char *ret_detail, size_t size)
{
	char link[64];
	ssize_t n = readlink("/proc/self/ns/pid", link, sizeof(link) - 1);

	(void)f;
	link[n > 0 ? n : 0] = '\0';
	snprintf(ret_detail, size, "%s", link);
	return kernel_features_first_pids();
}

static bool has_invariant_tsc(void)
{
#if defined(__x86_64__)
	unsigned a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8);
#else
	return false;
#endif
}

bool check_clock(const struct check_facts *f, char *ret_detail, size_t size)
{
	char source[32] = "unknown";
	bool invariant = has_invariant_tsc();

	(void)f;
	check_read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", source,
			sizeof(source));
	snprintf(ret_detail, size, "TSC %s, clock source %s",
		 invariant ? "invariant" : "not invariant", source);
	return invariant && strcmp(source, "tsc") == 0;
}

bool check_perf_paranoid(const struct check_facts *f, char *ret_detail, size_t size)
{
	char line[16] = "?";

	check_read_line("/proc/sys/kernel/perf_event_paranoid", line, sizeof(line));
	if (f->features.perf_error)
		snprintf(ret_detail, size, "perf_event_paranoid = %s, perf_event_open: %s", line,
			 strerror(-f->features.perf_error));
	else
		snprintf(ret_detail, size, "perf_event_paranoid = %s, perf_event_open works", line);
	return f->features.perf_error == 0;
}

bool check_kernel_symbols(const struct check_facts *f, char *ret_detail, size_t size)
{
	struct kallsyms *k = NULL;
	char line[16] = "?";
	int rc = kallsyms_read(&k);

	(void)f;
	kallsyms_free(k);
	check_read_line("/proc/sys/kernel/kptr_restrict", line, sizeof(line));
	snprintf(ret_detail, size, "kptr_restrict = %s, addresses %s", line,
		 rc == 0        ? "shown"
		 : rc == -EPERM ? "hidden"
				: "not available");
	return rc == 0;
}

/* "none [integrity] confidentiality": the word in brackets is in force. */
static bool is_locked_down(void)
{
	char line[128];

	return check_read_line("/sys/kernel/security/lockdown", line, sizeof(line)) &&
	       strstr(line, "[confidentiality]");
}

bool check_bpf(const struct check_facts *f, char *ret_detail, size_t size)
{
	char line[16] = "?";

	check_read_line("/proc/sys/kernel/unprivileged_bpf_disabled", line, sizeof(line));
	if (f->features.bpf)
		snprintf(ret_detail, size, "a program loads");
	else if (f->features.bpf_error == 0)
		snprintf(ret_detail, size, "masked");
	else
		snprintf(ret_detail, size, "bpf(): %s; unprivileged_bpf_disabled = %s%s",
			 strerror(-f->features.bpf_error), line,
			 is_locked_down() ? "; the kernel is locked down (confidentiality)" : "");
	return f->features.bpf;
}
