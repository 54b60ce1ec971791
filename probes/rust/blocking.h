/* SPDX-License-Identifier: MIT */
/* Which types are jobs of a blocking pool, not async tasks. */
#ifndef WEFT_RUST_BLOCKING_H
#define WEFT_RUST_BLOCKING_H

#include <stdbool.h>

#include "probes/rust/builder.h"

void rust_blocking_mark(struct rust_builder *b);

/* Is this symbol, mangled, one of a pool's queue? */
bool rust_blocking_names_pool(const char *name);

#endif
