/* SPDX-License-Identifier: MIT */
/* SPAWN of all types: the address of a type's vtable is taken nowhere but where a task of that type is built. */
#ifndef WEFT_RUST_SPAWNS_H
#define WEFT_RUST_SPAWNS_H

#include "probes/rust/builder.h"

void rust_spawns_find(struct rust_builder *b);

#endif
