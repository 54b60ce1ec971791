/* SPDX-License-Identifier: MIT */
/*
 * Which async libraries a file was built with: cargo's paths of their sources are in the panic messages,
 * ".../tokio-1.53.1/src/runtime/...", in stripped files too.
 */
#ifndef WEFT_RUST_LIBRARY_H
#define WEFT_RUST_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

#include "probes/rust/plan.h"

/* Adds what `bytes` name to ret[*n], each once, up to max. */
void rust_library_find(const void *bytes, size_t n_bytes, struct rust_library *ret, uint32_t max,
		       uint32_t *n);

/* a < b, a == b, a > b as with strcmp, by number; "" is below all. */
int rust_library_compare(const char *a, const char *b);

#endif
