/* SPDX-License-Identifier: MIT */
/* Frames, modules and the most recent stacks, as events brought them. All text is the target's. */
#ifndef WEFT_MODEL_STACK_H
#define WEFT_MODEL_STACK_H

#include "collector/live.h"
#include "collector/record.h"

#define MODEL_STACK_FRAMES 96u
#define MODEL_STACKS       256u /* the most recent ones are kept */

struct model_stack {
	uint64_t number; /* grows by one with each; 0 = none */
	uint64_t t_ns, task, poll_seq, open_ns;
	uint64_t args[3];
	uint32_t process, tid, lane, why; /* enum weft_stack_why */
	int32_t syscall;
	uint32_t nframes, kernel;
	uint32_t frame[MODEL_STACK_FRAMES]; /* ids, leaf first */
};

enum frame_origin { FRAME_PROGRAM, FRAME_RUNTIME, FRAME_SYSTEM, FRAME_KERNEL };

struct model_frame {
	uint32_t id, module, line;
	bool inlined;
	enum frame_origin origin;
	char *func, *file; /* "" = not known */
};

struct stack_store;

int stack_store_new(struct stack_store **ret);
struct stack_store *stack_store_free(struct stack_store *s);
/* FRAME, MODULE and STACK events; what makes no sense is left out: returns false. */
bool stack_store_apply(struct stack_store *s, const struct record *r);
const struct model_frame *stack_store_frame(const struct stack_store *s, uint32_t frame);
/* The most recent stack of a task; why 0 = any; poll_seq LIVE_UNKNOWN = any. NULL = none kept. */
const struct model_stack *stack_store_last(const struct stack_store *s, uint64_t task, uint32_t why,
					   uint64_t poll_seq);
/* Stacks one by one, oldest kept first: the first with a number above `after`. NULL = no more. */
const struct model_stack *stack_store_next(const struct stack_store *s, uint64_t after);
/* First frame from the leaf that is the program's own; NULL = none. */
const struct model_frame *stack_store_culprit(const struct stack_store *s,
					      const struct model_stack *stack);
/* Frames as text, leaf first. Returns how many. */
uint32_t stack_store_text(const struct stack_store *s, const struct model_stack *stack,
			  struct live_frame *rows, uint32_t max);

#endif
