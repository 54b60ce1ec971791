/* SPDX-License-Identifier: MIT */
/*
 * Task blocks: size classes, a cache per thread, slabs that are never unmapped.
 *
 * A block keeps its first 16 bytes (id, state) at zero while it is free, and a slab stays where
 * it is until the process ends: a stale pointer or an outside reader finds "no task", never
 * foreign memory. Slabs double in size per class, so that the slab table covers millions of tasks.
 */
#ifndef WEFT_RUNTIME_BASE_SLAB_H
#define WEFT_RUNTIME_BASE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)
/* *ret_bytes: of the slot. Only the first 64 bytes are known to be zero. NULL: no memory. */
void *weft_slab_alloc(size_t bytes, uint32_t *ret_bytes);
/* slot_bytes as alloc gave it. The caller has stored id = 0 and state = 0 (release). */
void weft_slab_free(void *block, uint32_t slot_bytes);
/*
 * Blocks that are too big for a slab lie in no table. The next one after `block`, which the caller
 * holds (NULL: the first), that `hold` takes: called under a lock, true = it isn't freed until the
 * caller lets go of it.
 */
void *weft_slab_huge_next(void *block, bool (*hold)(void *block));
#pragma GCC visibility pop

#endif
