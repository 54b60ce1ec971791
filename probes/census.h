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
	/* The slot as copied, valid during the call. */
	uint64_t address;
	const uint8_t *slot;
	uint32_t slot_bytes;
	bool still; /* between two polls, and the same in both reads: what is in the slot belongs together */
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
/* The same for one task only: looks first where it found that task before, and stops when it is found. */
void census_begin_one(struct census *c, uint64_t id);

/* Is the task still as it was in that walk's copy: no poll since? For what was read after the copy. */
bool census_unmoved(const struct census *c, const struct census_task *task);

/* Works until the walk is over or `until_ns` (CLOCK_MONOTONIC) has passed. */
void census_step(struct census *c, uint64_t until_ns, const struct census_out *out);

#endif
