/* SPDX-License-Identifier: MIT */
/* What chunk_reader.c and chunk_task.c share. */
#ifndef WEFT_CHUNK_READER_INTERNAL_H
#define WEFT_CHUNK_READER_INTERNAL_H

#include "collector/store/chunk.h"

/* Grows an array of the reader; *at is kept on failure. */
bool chunk_reader_room(void *at, uint32_t n, size_t each);
/* The head of `data` and where its columns lie; nothing of the events yet. */
bool chunk_read_head(struct chunk_reader *c, const struct chunk_bytes *data);
/* Passes one event. */
bool chunk_pass_event(struct chunk_reader *c);

/* While one task is walked the shapes are left as they are: a byte each. */
static inline unsigned chunk_shape_at(const struct chunk_reader *c, uint32_t i)
{
	return c->shape_bytes ? c->shape_bytes[i] : c->shapes[i];
}

#endif
