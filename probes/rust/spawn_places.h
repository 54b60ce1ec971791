/* SPDX-License-Identifier: MIT */
/*
 * Where in the source tasks are spawned. From each place where a task is built, up through the functions that call it, to the
 * one that names its place: exact, or nothing.
 */
#ifndef WEFT_RUST_SPAWN_PLACES_H
#define WEFT_RUST_SPAWN_PLACES_H

#include "probes/rust/builder.h"

/* spawned of the types, reg and caller of SPAWN's probes, and spawn_places. Call it when types and probes are complete. */
void rust_spawn_places_add(struct rust_builder *b);

#endif
