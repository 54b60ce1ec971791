/* SPDX-License-Identifier: MIT */
/* Control flow of one function, backwards: what may run right before an instruction. */
#ifndef WEFT_RUST_FLOW_H
#define WEFT_RUST_FLOW_H

#include "probes/rust/code.h"
#include "probes/rust/scan.h"

/* What is shared by all functions that are looked at. */
struct rust_callees {
	const struct rust_image *image;
	struct rust_decoder *decoder; /* borrowed, of functions that are called, too */
	struct rust_targets *known;   /* function -> enum rust_callee */
	uint64_t budget; /* steps that may still be taken; then nothing is found any more */
};
enum rust_callee {
	RUST_CALLEE_ENDS = 1 /* never returns */,
	RUST_CALLEE_COUNTS = 2 /* takes a number from a global counter */
};

int rust_callees_init(struct rust_callees *c, const struct rust_image *image,
		      struct rust_decoder *decoder);
void rust_callees_done(struct rust_callees *c);
unsigned rust_callees_of(struct rust_callees *c,
			 const struct rust_insn *call); /* enum rust_callee, or'ed */
/* `lock xadd` on what is not on the heap. */
bool rust_takes_number(const struct rust_image *image, const struct rust_code *code, size_t i);

struct rust_flow;

/* `code` is borrowed: no other function may be asked of its decoder as long as the flow is used. */
int rust_flow_new(struct rust_callees *callees, const struct rust_code *code,
		  struct rust_flow **ret);
struct rust_flow *rust_flow_free(struct rust_flow *f);

const struct rust_code *rust_flow_code(const struct rust_flow *f);
struct rust_callees *rust_flow_callees(const struct rust_flow *f);

/* One after the other, *state begins as 0; SIZE_MAX = that was all. */
size_t rust_flow_before(const struct rust_flow *f, size_t i, size_t *state);

/*
 * A search backwards, one at a time: begin, push what to start from, then next until SIZE_MAX, adding what is before it. False:
 * the function begins there, or it is not known what runs before. A landing pad is passed over: only the unwinder gets there.
 */
bool rust_flow_begin(struct rust_flow *f); /* false: the budget is used up */
void rust_flow_push(struct rust_flow *f, size_t i);
size_t rust_flow_next(struct rust_flow *f);
bool rust_flow_push_before(struct rust_flow *f, size_t i);

#endif
