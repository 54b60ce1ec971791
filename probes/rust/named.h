/* SPDX-License-Identifier: MIT */
/* What only names tell: ABORT, PANIC, STEAL, PARK, UNPARK, DRIVER, TIMERS, TIMER_ARM. */
#ifndef WEFT_RUST_NAMED_H
#define WEFT_RUST_NAMED_H

#include "probes/rust/builder.h"

void rust_named_find(struct rust_builder *b);
/* Is `last` the last component of a mangled name, in a crate's name and behind `within`? All but `name` with their lengths: "4poll". */
bool rust_named_is(const char *name, const char *crate, const char *within, const char *last);

#endif
