/* SPDX-License-Identifier: MIT */
/*
 * Walk over all tasks of a C runtime from outside: whole slabs by process_vm_readv, twice, since the
 * target runs on; a slot counts when its id is the same in both reads and its site exists. Works in
 * steps, so that no drain takes long. Slab addresses and sizes are the target's word: the kernel checks the
 * reads, this file the sizes.
 */
#ifndef WEFT_CENSUS_H
#define WEFT_CENSUS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "probes/target_map.h"

struct census;

struct census_task {
	struct weft_task_head head;
	char name[64]; /* "" = the site's */
};

struct census_out {
	void *ctx;
	void (*task)(void *ctx, const struct census_task *task);
	void (*end)(void *ctx, uint32_t tasks, uint32_t torn, uint32_t missed);
};

/* Borrows the map. */
int census_new(pid_t pid, const struct target_map *map, struct census **ret);
struct census *census_free(struct census *c); /* takes NULL, returns NULL */

bool census_running(const struct census *c);
void census_begin(struct census *c); /* a running walk goes on as it is */

/* Works until the walk is over or `until_ns` (CLOCK_MONOTONIC) has passed. */
void census_step(struct census *c, uint64_t until_ns, const struct census_out *out);

#endif
