// SPDX-License-Identifier: MIT
#include "probes/rust/frame.h"

#include "probes/rust/code.h"

#define FARTHEST (1 << 20)

/* The usual way only: a frame that counts from rsp or rbp, the return address right below it. */
static bool row_at(const struct rust_image *image, uint64_t address, struct eh_row *ret)
{
	return image->cfi && eh_frame_row(image->cfi, address, ret) && ret->cfa.bytes == 0 &&
	       (ret->cfa_reg == EH_RSP || ret->cfa_reg == EH_RBP) &&
	       ret->rule[EH_RIP].kind == EH_AT_CFA && ret->rule[EH_RIP].offset == -8;
}

static void set(struct rust_frame *frame, uint8_t base, int64_t caller, const struct eh_row *row)
{
	bool far = caller < 0 || caller > FARTHEST || caller % 8 != 0;

	frame->base = far ? RUST_NO_REG : base;
	frame->caller = caller;
	frame->rbp = frame->rbp && row->rule[EH_RBP].kind == EH_SAME;
}

void rust_frame_at(const struct rust_image *image, uint64_t address, struct rust_frame *ret)
{
	struct eh_row row;

	*ret = (struct rust_frame){ .base = RUST_NO_REG, .rbp = true };
	if (row_at(image, address, &row))
		set(ret, row.cfa_reg, row.cfa_offset - 8, &row);
}

void rust_frame_up(const struct rust_image *image, uint64_t next, struct rust_frame *frame)
{
	struct eh_row row;

	if (frame->base == RUST_NO_REG)
		return;
	if (!row_at(image, next - 1, &row))
		frame->base = RUST_NO_REG;
	else if (row.cfa_reg ==
		 EH_RSP) /* it is where the frame below ended: above its return address */
		set(frame, frame->base, frame->caller + row.cfa_offset, &row);
	else if (frame->rbp)
		set(frame, EH_RBP, row.cfa_offset - 8, &row);
	else
		frame->base = RUST_NO_REG;
}
