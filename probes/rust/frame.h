/* SPDX-License-Identifier: MIT */
/* Where a return address lies, told by call frame information alone: from a place in a function up through its callers. */
#ifndef WEFT_RUST_FRAME_H
#define WEFT_RUST_FRAME_H

#include "probes/rust/image.h"

struct rust_frame {
	uint8_t base; /* DWARF number of the register that the place counts from: rsp or rbp; RUST_NO_REG = can't be told */
	int64_t caller; /* the return address is at base + this */
	bool rbp;       /* the caller's rbp is still in the register */
};

/* Of the function that `address` is in, as it stands before that instruction. */
void rust_frame_at(const struct rust_image *image, uint64_t address, struct rust_frame *ret);
/* Of the one that is returned to at `next`. */
void rust_frame_up(const struct rust_image *image, uint64_t next, struct rust_frame *frame);

#endif
