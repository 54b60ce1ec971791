/* SPDX-License-Identifier: MIT */
/*
 * What a register holds at one place of a function, where that can be told for sure: an address, or what came in as an
 * argument. Followed backwards through moves and spills, on every way to the place.
 */
#ifndef WEFT_RUST_VALUES_H
#define WEFT_RUST_VALUES_H

#include "probes/rust/flow.h"

enum rust_value_kind { RUST_VALUE_UNKNOWN, RUST_VALUE_ADDRESS, RUST_VALUE_ARGUMENT };

struct rust_value {
	uint8_t kind;
	uint8_t reg;      /* ARGUMENT: which register it came in */
	uint64_t address; /* ADDRESS */
};

/* Before instruction `i`. Uses the flow's search. */
struct rust_value rust_value_at(struct rust_flow *f, size_t i, uint8_t reg);

#endif
