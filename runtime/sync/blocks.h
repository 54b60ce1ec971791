/* SPDX-License-Identifier: MIT */
/*
 * FIFO of messages of one size in blocks of 32. Used blocks are kept for reuse, so a queue of
 * steady length allocates nothing. No locking: the channel's lock covers it.
 */
#ifndef WEFT_RUNTIME_BLOCKS_H
#define WEFT_RUNTIME_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEFT_BLOCK_MESSAGES 32u

struct weft_block {
	struct weft_block *next;
	uint64_t pad; /* messages are aligned to 16 */
	char data[];
};

struct weft_blocks {
	size_t bytes;
	char *in, *out; /* next place to fill, next message */
	char *in_end;   /* of the last block: in == in_end means no room */
	char *out_end;  /* of the first block */
	struct weft_block *first, *last, *spare;
	size_t count;
	uint32_t spares, spares_max;
};

#pragma GCC visibility push(hidden)
/* spares_max: empty blocks to keep. */
void weft_blocks_init(struct weft_blocks *b, size_t bytes, uint32_t spares_max);
/* Without the lock. NULL: no memory. */
struct weft_block *weft_blocks_alloc(size_t bytes);
/* Brings spares to n. -ENOMEM. */
int weft_blocks_reserve(struct weft_blocks *b, uint32_t n);
void weft_blocks_done(struct weft_blocks *b);

/* The slow halves: at the end of a block. False: no spare. */
bool weft_blocks_extend(struct weft_blocks *b);
/* The block, when there are spares enough: the caller frees it once the lock is free. */
struct weft_block *weft_blocks_shrink(struct weft_blocks *b);
#pragma GCC visibility pop

static inline void weft_blocks_give(struct weft_blocks *b, struct weft_block *block)
{
	block->next = b->spare;
	b->spare = block;
	b->spares++;
}

/* True: `in` is a place for one message, to be followed by weft_blocks_pushed. */
static inline bool weft_blocks_room(struct weft_blocks *b)
{
	return __builtin_expect(b->in != b->in_end, 1) || weft_blocks_extend(b);
}

static inline void weft_blocks_pushed(struct weft_blocks *b)
{
	b->in += b->bytes;
	b->count++;
}

/* After the message at `out` was copied. Gives a block to free, mostly NULL. */
static inline struct weft_block *weft_blocks_popped(struct weft_blocks *b)
{
	b->out += b->bytes;
	b->count--;
	return __builtin_expect(b->out == b->out_end, 0) ? weft_blocks_shrink(b) : NULL;
}

#endif
