/* SPDX-License-Identifier: MIT */
/* What the loader would write into an image where it is loaded at 0: RELA, RELR, and names it defines itself. */
#ifndef WEFT_RUST_RELOCATIONS_H
#define WEFT_RUST_RELOCATIONS_H

#include "probes/rust/image.h"

/* A damaged table is applied as far as it makes sense. -ENOMEM */
int rust_relocations_apply(struct rust_image *image);

#endif
