/* SPDX-License-Identifier: MIT */
#ifndef WEFT_DEMANGLE_H
#define WEFT_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Readable form of a symbol: Rust (legacy, without its hash, and v0) and C++ (Itanium). What is neither is copied.
 * A result that does not fit ends in "..."; work and memory are bounded whatever the symbol says.
 * Returns true when the symbol was mangled. Thread-safe.
 */
bool demangle(const char *symbol, char *ret, size_t size);

#endif
