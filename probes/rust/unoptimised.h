/* SPDX-License-Identifier: MIT */
/*
 * Tokio and async-task built without optimisation (`cargo build`, `cargo test`): each step is a function of its own, with a name, and
 * none has the shape that polls.c and tokio_wakes.c look for.
 */
#ifndef WEFT_RUST_UNOPTIMISED_H
#define WEFT_RUST_UNOPTIMISED_H

#include "probes/rust/builder.h"
#include "probes/rust/scan.h"

typedef int (*rust_unoptimised_call_fn)(void *ctx, const struct rust_code *code, size_t i,
					uint32_t value);
/*
 * All calls of the targets, also of an address that is loaded first. 1: an address of one goes elsewhere, too. < 0 ends it and is
 * returned. Adds the words that hold an address to the targets.
 */
int rust_unoptimised_calls(struct rust_builder *b, struct rust_targets *targets,
			   rust_unoptimised_call_fn fn, void *ctx);

/* POLL_END, for all places or none; the begins are at the poll functions in any build. */
void rust_unoptimised_polls(struct rust_builder *b);
/* Adds a probe that needs no register behind a call: calls in between are passed, as hardly any instruction is emulated. */
void rust_unoptimised_behind(struct rust_builder *b, const struct rust_code *code, size_t call,
			     struct rust_probe probe);
/* SPAWN: a type's vtable is named in a function of its own that does nothing else; where that is called. */
void rust_unoptimised_spawns(struct rust_builder *b);
/* COMPLETE, where the function that completes a task is called: it has the header for its argument. */
void rust_unoptimised_completions(struct rust_builder *b);
/* The same of async-task: POLL_END, and where a header holds its vtable. */
void rust_unoptimised_async_polls(struct rust_builder *b);
/* Where a header holds its state, told by a waker's wake_by_ref; -1 = it does not tell. */
int32_t rust_unoptimised_state(struct rust_builder *b, uint64_t wake_by_ref);
/* WAKE. */
void rust_unoptimised_wakes(struct rust_builder *b);

#endif
