/* SPDX-License-Identifier: MIT */
/*
 * Where futures are defined, in stripped files too: the function of an async fn or block hands the place of its
 * definition to the panic "`async fn` resumed after completion".
 */
#ifndef WEFT_RUST_PLACES_H
#define WEFT_RUST_PLACES_H

#include "probes/rust/builder.h"
#include "probes/rust/graph.h"
#include "probes/rust/location.h"

struct rust_places;

int rust_places_new(struct rust_builder *b, struct rust_places **ret);
struct rust_places *rust_places_free(struct rust_places *p);

/* That of the coroutine whose function this is. False = it is none, or does not tell. */
bool rust_places_of(const struct rust_places *p, uint64_t function, struct rust_location *ret);

#endif
