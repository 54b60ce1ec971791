/* SPDX-License-Identifier: MIT */
/*
 * Reader of a BPF ring buffer. Unlike libbpf's it can stop at a position, so that one call has bounded
 * work and a caller can tell that all records up to a moment have been seen. One reader per ring.
 */
#ifndef WEFT_RING_H
#define WEFT_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;

int ring_open(int map_fd, size_t bytes, struct ring **ret);
struct ring *ring_close(struct ring *r); /* takes NULL, returns NULL */

/* Position behind the newest record, reserved or complete. */
uint64_t ring_head(const struct ring *r);

/*
 * Hands out complete records before position `until`, at most `max`, each 8-aligned and valid during the
 * call. True: all before `until` have been handed out; false: max was reached or a record is still being written.
 */
typedef void (*ring_fn)(void *ctx, const void *record, size_t bytes);
bool ring_read(struct ring *r, uint64_t until, unsigned max, ring_fn fn, void *ctx);

#endif
