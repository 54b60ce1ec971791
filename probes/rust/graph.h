/* SPDX-License-Identifier: MIT */
/* Which functions call which, told by bytes alone: direct calls and jumps, and those through a relocated word. */
#ifndef WEFT_RUST_GRAPH_H
#define WEFT_RUST_GRAPH_H

#include "probes/rust/scan.h"

struct rust_graph;

/* -ENOENT functions can't be told apart in it, -ENOMEM. */
int rust_graph_new(const struct rust_image *image, struct rust_graph **ret);
struct rust_graph *rust_graph_free(struct rust_graph *g);

/*
 * The functions that can be reached from `function` by at most `depth` calls, itself first, nearer ones before
 * farther ones, each in order of the calls. Returns how many, up to max.
 */
size_t rust_graph_reach(const struct rust_graph *g, uint64_t function, unsigned depth,
			uint64_t *ret, size_t max);

/* A call of a function, or a jump to it. */
struct rust_call {
	uint64_t address, next; /* of the instruction and of the one behind it */
	uint32_t value;         /* of the target */
	bool jump;
};

/* All calls of the targets, in order of address. < 0 ends it and is returned. */
typedef int (*rust_call_fn)(void *ctx, const struct rust_call *call);
int rust_graph_calls(const struct rust_graph *g, const struct rust_targets *t, rust_call_fn fn,
		     void *ctx);

#endif
