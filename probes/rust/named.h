/* SPDX-License-Identifier: MIT */
/* What only names tell: ABORT, PANIC, STEAL, PARK, UNPARK, DRIVER, TIMERS, TIMER_ARM. */
#ifndef WEFT_RUST_NAMED_H
#define WEFT_RUST_NAMED_H

#include "probes/rust/builder.h"

void rust_named_find(struct rust_builder *b);

#endif
