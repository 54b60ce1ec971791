/* SPDX-License-Identifier: MIT */
/* Sick and healthy code for a finding, as `weft explain` has it, for the runtimes of its process. */
#ifndef WEFT_SKETCH_H
#define WEFT_SKETCH_H

#include <stdio.h>

#include "collector/live.h"

/* kinds: a bit for each runtime, 1 << WEFT_RT_...; 0 = not known: the C runtime's. */
unsigned sketch_kinds(struct live *l, uint32_t process);
/* Lines for people: "  sick      code" in columns as in live_finding_text; nothing where no topic has code. */
void sketch_text(const char *id, unsigned kinds, FILE *out);

#endif
