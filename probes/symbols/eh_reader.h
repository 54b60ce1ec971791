/* SPDX-License-Identifier: MIT */
/* Bounded reading of DWARF's encodings. After the first read past the end `bad` is set and all reads give 0. */
#ifndef WEFT_EH_READER_H
#define WEFT_EH_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct eh_reader {
	const uint8_t *p, *end;
	bool bad;
};

uint64_t eh_reader_fixed(struct eh_reader *r, size_t bytes); /* 1..8, little endian */
int64_t eh_reader_signed(struct eh_reader *r, size_t bytes); /* the same, sign extended */
uint64_t eh_reader_uleb(struct eh_reader *r);
int64_t eh_reader_sleb(struct eh_reader *r);
const uint8_t *eh_reader_skip(struct eh_reader *r, uint64_t bytes); /* where they began */

/* A pointer in a DW_EH_PE encoding; `address`: the runtime-independent address of r->p. Indirect and data relative ones: bad. */
uint64_t eh_reader_pointer(struct eh_reader *r, uint8_t encoding, uint64_t address);

#endif
