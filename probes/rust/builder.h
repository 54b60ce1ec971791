/* SPDX-License-Identifier: MIT */
/* A plan while it is made. Growing lists, and texts that live as long as the plan. */
#ifndef WEFT_RUST_BUILDER_H
#define WEFT_RUST_BUILDER_H

#include "probes/rust/code.h"
#include "probes/rust/graph.h"
#include "probes/rust/plan.h"

struct rust_builder {
	struct rust_plan *plan;
	struct rust_image *image;
	struct rust_decoder *decoder;
	struct rust_graph *graph; /* made when first asked for, rust_builder_calls */
	size_t room_libraries, room_types, room_probes, room_gaps, room_can_see, room_spawn_places;
	bool unoptimised; /* each step is a function of its own: unoptimised.h */
	int rc;           /* the first error; adding goes on without effect after it */
};

int rust_builder_init(struct rust_builder *b, int fd);
void rust_builder_done(struct rust_builder *b); /* frees what was not taken */
/* Sorted and complete. */
struct rust_plan *rust_builder_take(struct rust_builder *b);

struct rust_type *rust_builder_type(struct rust_builder *b); /* new, zeroed; NULL = no memory */
/* Refused and double ones are left out. Fills offset. */
void rust_builder_probe(struct rust_builder *b, const struct rust_probe *probe);
void rust_builder_library(struct rust_builder *b, const struct rust_library *library);
void rust_builder_spawn_place(struct rust_builder *b, uint64_t probe, uint64_t caller,
			      const char *place); /* a text of the plan's */
void rust_builder_gap(struct rust_builder *b, const char *what, const char *why); /* literals */
void rust_builder_can_see(struct rust_builder *b, const char *what);
const char *rust_builder_text(struct rust_builder *b, const char *text,
			      size_t n); /* NULL = no memory */

/* rust_graph_calls; nothing where functions can't be told apart. */
int rust_builder_calls(struct rust_builder *b, const struct rust_targets *t, rust_call_fn fn,
		       void *ctx);

/* Adds a probe for instruction `i` of `code`, moved (rust_code_move). False = no place there. */
bool rust_builder_place(struct rust_builder *b, const struct rust_code *code, size_t i,
			struct rust_probe probe);
/* The same for the first instruction of a function, `reg` being an argument; decodes only if it has to. */
bool rust_builder_entry(struct rust_builder *b, uint64_t function, struct rust_probe probe);

#endif
