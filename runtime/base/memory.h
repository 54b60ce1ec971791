/* SPDX-License-Identifier: MIT */
/*
 * All memory of the library comes from here, so that weft_set_allocator() reaches all of it.
 * Nothing else in runtime/ calls malloc and its kin (a test looks).
 */
#ifndef WEFT_RUNTIME_BASE_MEMORY_H
#define WEFT_RUNTIME_BASE_MEMORY_H

#include <stddef.h>

#pragma GCC visibility push(hidden)
/* Zeroed, aligned to 16 or to `align` (a power of two). NULL: no memory. */
void *weft_memory_alloc(size_t bytes);
void *weft_memory_aligned(size_t align, size_t bytes);
char *weft_memory_strdup(const char *text);
void weft_memory_free(void *block); /* NULL is fine */
/* Zeroed, page-aligned, kept until the process ends. NULL: no memory. */
void *weft_memory_pages(size_t bytes);
#pragma GCC visibility pop

#endif
