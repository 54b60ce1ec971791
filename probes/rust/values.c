// SPDX-License-Identifier: MIT
#include "probes/rust/values.h"

#define MAX_MOVES   8
#define MAX_SETTERS 4
#define ARGUMENTS   0x0336         /* rdi rsi rdx rcx r8 r9 */
#define ENTRY       (SIZE_MAX - 1) /* set before the function began */

/* A register, or a place of the frame that one was spilled to. */
struct where {
	bool spilled;
	uint8_t reg; /* or what the place counts from */
	int32_t at;
};

static bool sets(const struct rust_insn *insn, const struct where *w)
{
	if (!w->spilled)
		return insn->writes >> w->reg & 1;
	return insn->op == RUST_OP_STORE && insn->base == w->reg && !insn->indexed &&
	       insn->disp == w->at;
}

/* What the place counts from is moved: it is another place before. */
static bool moves(const struct rust_insn *insn, const struct where *w)
{
	return w->spilled && insn->writes >> w->reg & 1;
}

/* The instructions that have set it, on all ways to `i`; ENTRY stands for the caller. 0 = not all are known, or too many. */
static size_t setters(struct rust_flow *f, size_t i, const struct where *w, size_t *ret)
{
	const struct rust_code *code = rust_flow_code(f);
	size_t n = 0, at;

	if (!rust_flow_begin(f))
		return 0;
	if (!rust_flow_push_before(f, i) && i > 0)
		return 0;
	if (i == 0)
		ret[n++] = ENTRY;
	while ((at = rust_flow_next(f)) != SIZE_MAX) {
		bool set = sets(&code->insn[at], w);

		if (!set && moves(&code->insn[at], w))
			return 0;
		if (!set && !rust_flow_push_before(f, at) && at > 0)
			return 0;
		if (!set && at > 0)
			continue;
		if (n == MAX_SETTERS)
			return 0;
		ret[n++] = set ? at : ENTRY;
	}
	return n;
}

static bool is_frame(const struct rust_insn *insn)
{
	return !insn->target && !insn->indexed &&
	       (insn->base == RUST_RSP || insn->base == RUST_RBP);
}

/* Goes on with what the instruction has set it from; false = *ret is what it is. */
static bool through(const struct rust_image *image, const struct rust_insn *insn, struct where *w,
		    struct rust_value *ret)
{
	if (w->spilled || insn->op == RUST_OP_MOVE) {
		uint8_t from = w->spilled ? insn->reg : insn->base;
		bool same = w->spilled || insn->reg == w->reg;

		*w = (struct where){ .reg = from };
		return same && from < 16;
	}
	if (insn->reg != w->reg)
		return false;
	if (insn->op == RUST_OP_LOAD && is_frame(insn)) {
		*w = (struct where){ true, insn->base, insn->disp };
		return true;
	}
	if ((insn->op == RUST_OP_LEA && insn->base == RUST_RIP) ||
	    (insn->op == RUST_OP_CONST && image->fixed) ||
	    (insn->op == RUST_OP_LOAD && insn->target &&
	     rust_image_pointer(image, insn->target, &ret->address)))
		ret->kind = RUST_VALUE_ADDRESS;
	if (insn->op != RUST_OP_LOAD)
		ret->address = insn->target;
	return false;
}

static bool is_same(const struct rust_value *a, const struct rust_value *b)
{
	return a->kind == b->kind && a->reg == b->reg && a->address == b->address;
}

static struct rust_value value_of(struct rust_flow *f, size_t i, struct where w, unsigned moves)
{
	const struct rust_code *code = rust_flow_code(f);
	struct rust_value unknown = { .kind = RUST_VALUE_UNKNOWN }, all = unknown;
	size_t set[MAX_SETTERS], n = moves < MAX_MOVES ? setters(f, i, &w, set) : 0;

	for (size_t k = 0; k < n; k++) {
		struct rust_value one = unknown;
		struct where from = w;

		if (set[k] == ENTRY && !w.spilled && (ARGUMENTS >> w.reg & 1))
			one = (struct rust_value){ .kind = RUST_VALUE_ARGUMENT, .reg = w.reg };
		else if (set[k] != ENTRY &&
			 through(rust_flow_callees(f)->image, &code->insn[set[k]], &from, &one))
			one = value_of(f, set[k], from, moves + 1);
		if (one.kind == RUST_VALUE_UNKNOWN || (k > 0 && !is_same(&one, &all)))
			return unknown;
		all = one;
	}
	return all;
}

struct rust_value rust_value_at(struct rust_flow *f, size_t i, uint8_t reg)
{
	return value_of(f, i, (struct where){ .reg = reg }, 0);
}
