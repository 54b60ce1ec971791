/* SPDX-License-Identifier: MIT */
/*
 * Await chains (runtime/await_chain.h) out of the memory of a process that runs on: root frame -> callee ->
 * callee. Frames inside the task's block come from a copy of it, others and the sites from the process. All
 * of it is hostile: depth, distances and text are bounded, every frame has to carry its own address, the
 * kernel checks the reads. Sites are read once per address. Not thread-safe.
 */
#ifndef WEFT_AWAIT_READER_H
#define WEFT_AWAIT_READER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "probes/event.h"

struct await_reader;

/* Called once per place, before the chain that it is part of is returned. */
typedef void (*await_place_fn)(void *ctx, const struct weft_ev_place *place);

/* A task's block as copied; `address` in the process. */
struct await_block {
	uint64_t address;
	const uint8_t *bytes;
	uint32_t size;
	uint32_t frame; /* offset of the root frame */
};

struct await_chain {
	uint32_t on;                      /* enum weft_wait */
	uint32_t places;                  /* 0 and complete: not started */
	uint32_t place[WEFT_AWAIT_DEPTH]; /* the leaf's first */
	bool complete;
	bool outside; /* a frame was read from the process: it may be newer than the block */
};

int await_reader_new(pid_t pid, await_place_fn fn, void *ctx, struct await_reader **ret);
struct await_reader *await_reader_free(struct await_reader *r); /* takes NULL, returns NULL */
void await_reader_read(struct await_reader *r, const struct await_block *block,
		       struct await_chain *ret);

#endif
