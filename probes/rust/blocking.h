/* SPDX-License-Identifier: MIT */
/* Which types are jobs of a blocking pool, not async tasks. */
#ifndef WEFT_RUST_BLOCKING_H
#define WEFT_RUST_BLOCKING_H

#include "probes/rust/builder.h"

void rust_blocking_mark(struct rust_builder *b);

#endif
