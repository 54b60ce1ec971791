/* SPDX-License-Identifier: MIT */
/*
 * Finding processes that carry a runtime, for the "looking around" part of probes/session.h. Each traced
 * runtime brings one target_detect function, listed in target.c. Nothing here stops or changes a process.
 */
#ifndef WEFT_TARGET_H
#define WEFT_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "probes/session.h"
#include "probes/symbols/proc_maps.h"

struct target_files;

/* What was gathered about one process; borrowed for the call. */
struct target {
	pid_t pid, ns_pid;            /* ns_pid: as the process itself knows it */
	const struct proc_maps *maps; /* at least one mapping */
	struct target_files *files;   /* what is known of mapped files, shared by one walk */
	bool has_symbols, has_lines;  /* of the main executable */
	bool full;                    /* analyse what takes time */
};

/*
 * Adds the runtimes it knows to *ret, and what can and can't be seen of them. 0 = carries none, 1 = carries
 * some (also when rights forbid a closer look), negative errno = can't tell.
 */
typedef int (*target_detect)(const struct target *t, struct session_process *ret);

int target_detect_weft(const struct target *t, struct session_process *ret);
int target_detect_rust(const struct target *t, struct session_process *ret);

/* True when an executable mapping's file holds USDT notes of the provider. Remembered per file. */
bool target_has_notes(const struct target *t, const char *provider);

/* Append to the lists of *ret; an entry that is there already or does not fit is left out. */
void target_can_see(struct session_process *ret, const char *what);
void target_cannot_see(struct session_process *ret, const char *what, const char *why);

#endif
