/* SPDX-License-Identifier: MIT */
/* Where tasks are polled: POLL_BEGIN and POLL_END. */
#ifndef WEFT_RUST_POLLS_H
#define WEFT_RUST_POLLS_H

#include "probes/rust/builder.h"

/* `slot`: of the vtable's poll function; *vtable: where the header holds the vtable, -1: to be found. */
void rust_polls_find(struct rust_builder *b, uint8_t family, unsigned slot, int32_t *vtable);

/* Which loop it is that polls in the function: enum rust_poller. */
uint8_t rust_polls_poller(struct rust_builder *b, const struct rust_code *code);

#endif
