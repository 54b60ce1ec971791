/* SPDX-License-Identifier: MIT */
/* PANIC where names don't tell: the function that starts to unwind is known by the text it prints when it can't. */
#ifndef WEFT_RUST_PANICS_H
#define WEFT_RUST_PANICS_H

#include "probes/rust/builder.h"

/* Nothing where a probe for it is there already. */
void rust_panics_find(struct rust_builder *b);

#endif
