/* SPDX-License-Identifier: MIT */
/* What a plan's types are called, where they are defined, how large they are. */
#ifndef WEFT_RUST_NAMES_H
#define WEFT_RUST_NAMES_H

#include "probes/rust/builder.h"

/* name, brief, place of all types. Call it when types and probes are complete. */
void rust_names_add(struct rust_builder *b);
/* size of all types. */
void rust_sizes_add(struct rust_builder *b);

#endif
