/* SPDX-License-Identifier: MIT */
/*
 * Stores of one thread of interleave.h that other threads don't see yet, the oldest first, as x86 keeps them
 * (Sewell et al., x86-TSO, CACM 2010). While its thread runs they are laid over the memory, so that this thread
 * reads them, plainly as well; while another one runs they are lifted.
 */
#ifndef WEFT_TEST_STORE_BUFFER_H
#define WEFT_TEST_STORE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_BUFFER_SIZE 32u

struct store_buffer {
	unsigned n;
	struct store {
		void *at;
		size_t size;
		uint64_t value, under; /* under: what others read there, while it is laid */
	} entry[STORE_BUFFER_SIZE];
};

/* With the buffer laid: the thread that runs stores something. Full, the oldest arrives. */
void store_buffer_push(struct store_buffer *buffer, void *at, const void *value, size_t size);
/* With the buffer laid: all arrive. */
void store_buffer_drain(struct store_buffer *buffer);
void store_buffer_lay(struct store_buffer *buffer);
/* What its thread has written plainly over an entry since has arrived, and that entry with it. */
void store_buffer_lift(struct store_buffer *buffer);
/* With no buffer laid: the n oldest arrive. */
void store_buffer_arrive(struct store_buffer *buffer, unsigned n);
/* The n oldest have to arrive for the first store to this address to; 0 = there is none. */
unsigned store_buffer_find(const struct store_buffer *buffer, const void *at);

#endif
