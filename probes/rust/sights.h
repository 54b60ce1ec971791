/* SPDX-License-Identifier: MIT */
/* What can be seen of the runtimes in a file, and what can't and why: of each by the probes that are placed. */
#ifndef WEFT_RUST_SIGHTS_H
#define WEFT_RUST_SIGHTS_H

#include "probes/rust/builder.h"

void rust_sights_judge(struct rust_builder *b); /* once all probes and places of spawns are there */

#endif
