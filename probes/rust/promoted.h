/* SPDX-License-Identifier: MIT */
/*
 * Profile-guided optimisation compares the function that is about to be called with the one it mostly was, and builds that one
 * in behind the comparison: what runs there does not pass the function itself.
 */
#ifndef WEFT_RUST_PROMOTED_H
#define WEFT_RUST_PROMOTED_H

#include "probes/rust/builder.h"

/* WAKE, where `wake`, a function of Tokio's waker, is built in. Says so where it is and no place was found. */
void rust_promoted_wakes(struct rust_builder *b, uint64_t wake);

#endif
