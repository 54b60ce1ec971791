/* SPDX-License-Identifier: MIT */
/*
 * Frames already found, by (module, address): a second look-up is one hash hit. Texts are kept once. Bounded: when
 * it is full everything is dropped and it starts anew.
 */
#ifndef WEFT_FRAME_CACHE_H
#define WEFT_FRAME_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "probes/symbols/resolver.h"

struct frame_cache;

struct frame_cache *frame_cache_new(void); /* NULL: no memory */
struct frame_cache *frame_cache_free(struct frame_cache *c);

/* How many frames were stored (at most max are copied), -1 = not cached. offset and module are set from the key. */
int frame_cache_get(struct frame_cache *c, uint32_t module, uint64_t address,
		    struct resolver_frame *ret, size_t max);

/* Also n = 0: that there is no name is worth remembering. Best effort: without memory nothing is kept. */
void frame_cache_put(struct frame_cache *c, uint32_t module, uint64_t address,
		     const struct resolver_frame *frames, size_t n);

#endif
