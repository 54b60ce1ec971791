/* SPDX-License-Identifier: MIT */
#include "runtime/sync/blocks.h"

#include <errno.h>

#include "runtime/base/memory.h"

/* Messages of no size still need places that differ. */
static size_t step(size_t bytes)
{
	return bytes ? bytes : 1;
}

void weft_blocks_init(struct weft_blocks *b, size_t bytes, uint32_t spares_max)
{
	*b = (struct weft_blocks){ .bytes = step(bytes), .spares_max = spares_max };
}

struct weft_block *weft_blocks_alloc(size_t bytes)
{
	return weft_memory_alloc(sizeof(struct weft_block) + WEFT_BLOCK_MESSAGES * step(bytes));
}

int weft_blocks_reserve(struct weft_blocks *b, uint32_t n)
{
	while (b->spares < n) {
		struct weft_block *block = weft_blocks_alloc(b->bytes);

		if (!block)
			return -ENOMEM;
		weft_blocks_give(b, block);
	}
	return 0;
}

static void free_list(struct weft_block *block)
{
	while (block) {
		struct weft_block *next = block->next;

		weft_memory_free(block);
		block = next;
	}
}

void weft_blocks_done(struct weft_blocks *b)
{
	free_list(b->first);
	free_list(b->spare);
}

bool weft_blocks_extend(struct weft_blocks *b)
{
	struct weft_block *block = b->spare;

	if (!block)
		return false;
	b->spare = block->next;
	b->spares--;
	block->next = NULL;
	b->in = block->data;
	b->in_end = block->data + WEFT_BLOCK_MESSAGES * b->bytes;
	if (b->last)
		b->last->next = block;
	if (!b->first) {
		b->first = block;
		b->out = b->in;
		b->out_end = b->in_end;
	}
	b->last = block;
	return true;
}

struct weft_block *weft_blocks_shrink(struct weft_blocks *b)
{
	struct weft_block *block = b->first, *next = block->next;

	b->first = next;
	if (next) {
		b->out = next->data;
		b->out_end = next->data + WEFT_BLOCK_MESSAGES * b->bytes;
	} else {
		b->last = NULL;
		b->in = b->in_end = b->out = b->out_end = NULL;
	}
	if (b->spares >= b->spares_max)
		return block;
	weft_blocks_give(b, block);
	return NULL;
}
