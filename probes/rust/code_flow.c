// SPDX-License-Identifier: MIT
/*
 * Places outside of a basic block that are passed exactly when the block is: one dominates the other, which in
 * turn lies on every way to a return, and in a loop they take turns. Ways that end in a panic or abort don't count.
 */
#include <stdlib.h>
#include <string.h>

#include "probes/rust/code.h"

#define MAX_BLOCKS 512
#define MAX_AWAY   64 /* blocks */
#define NONE       UINT16_MAX

struct block {
	uint32_t from, to;     /* instructions [from, to) */
	uint16_t next, target; /* NONE = none */
	bool leaves;           /* returns, or jumps out of the function */
	bool computed;         /* goes on where a jump table leads */
	bool tabled;           /* one leads here */
	uint16_t live;         /* registers that hold what is wanted, at its beginning */
};

struct flow {
	const struct rust_code *code;
	bool backwards; /* what is before the instruction will do too */
	uint16_t n;
	struct block block[MAX_BLOCKS];
};

static bool ends_block(const struct rust_insn *insn)
{
	return insn->op == RUST_OP_JUMP || insn->op == RUST_OP_BRANCH || insn->op == RUST_OP_END ||
	       insn->final;
}

static uint16_t block_of(const struct flow *f, size_t insn)
{
	uint16_t low = 0, high = f->n;

	while (low < high) {
		uint16_t mid = (uint16_t)((low + high) / 2);

		if (f->block[mid].to <= insn)
			low = (uint16_t)(mid + 1);
		else
			high = mid;
	}
	return low < f->n ? low : NONE;
}

static void connect(struct flow *f, struct block *b, bool is_last)
{
	const struct rust_insn *insn = &f->code->insn[b->to - 1];
	bool inside = insn->target >= f->code->low && insn->target < f->code->high;
	size_t to = insn->target && !insn->memory && inside
			    ? rust_code_index(f->code, insn->target, false)
			    : SIZE_MAX;

	b->next = b->target = NONE;
	if (!is_last && insn->op != RUST_OP_JUMP && insn->op != RUST_OP_END && !insn->final)
		b->next = (uint16_t)(b - f->block + 1);
	if (insn->op == RUST_OP_JUMP || insn->op == RUST_OP_BRANCH) {
		if (to != SIZE_MAX)
			b->target = block_of(f, to);
		else
			b->leaves = true;
		b->computed = insn->op == RUST_OP_JUMP && !insn->target &&
			      (!insn->memory || insn->indexed);
	}
	if (insn->op == RUST_OP_END) /* ret is c3, or c2 with a count */
		b->leaves = !insn->refused;
}

static bool build(struct flow *f, const struct rust_code *code)
{
	bool any_table = false;

	f->code = code;
	f->n = 0;
	for (size_t i = 0; i < code->n; i++) {
		bool begins = i == 0 || code->insn[i].leader || ends_block(&code->insn[i - 1]);

		if (begins && f->n == MAX_BLOCKS)
			return false;
		if (begins)
			f->block[f->n++] = (struct block){ .from = (uint32_t)i };
		f->block[f->n - 1].to = (uint32_t)i + 1;
		f->block[f->n - 1].tabled |= code->insn[i].tabled;
		any_table |= code->insn[i].tabled;
	}
	for (uint16_t i = 0; i < f->n; i++) {
		f->block[i].tabled |= !any_table; /* none was found: it may be any block */
		connect(f, &f->block[i], i + 1 == f->n);
	}
	return true;
}

static void push(bool *seen, uint16_t *stack, unsigned *n, uint16_t block)
{
	if (block == NONE || seen[block])
		return;
	seen[block] = true;
	stack[(*n)++] = block;
}

/* What can be reached from the successors of `from` without passing `without` (NONE = anything may be passed). */
static void reach(const struct flow *f, uint16_t from, uint16_t without, bool *ret_seen)
{
	uint16_t stack[MAX_BLOCKS];
	unsigned n = 0;
	uint16_t at = from;

	memset(ret_seen, 0, f->n);
	if (without != NONE)
		ret_seen[without] = true;
	for (;;) {
		const struct block *b = &f->block[at];

		push(ret_seen, stack, &n, b->next);
		push(ret_seen, stack, &n, b->target);
		for (uint16_t i = 0; b->computed && i < f->n; i++)
			if (f->block[i].tabled)
				push(ret_seen, stack, &n, i);
		if (n == 0)
			break;
		at = stack[--n];
	}
	if (without != NONE)
		ret_seen[without] = false;
}

static bool dominates(const struct flow *f, uint16_t a, uint16_t b)
{
	bool seen[MAX_BLOCKS];

	if (a == 0 || a == b)
		return true;
	if (b == 0)
		return false;
	reach(f, 0, a, seen);
	return !seen[b];
}

/* Every way from `a` to an exit, or to `a` again, passes `b`. */
static bool is_passed(const struct flow *f, uint16_t a, uint16_t b)
{
	bool seen[MAX_BLOCKS];

	if (f->block[a].leaves)
		return false;
	reach(f, a, b, seen);
	if (seen[a])
		return false;
	for (uint16_t i = 0; i < f->n; i++)
		if (seen[i] && i != b && f->block[i].leaves)
			return false;
	/* Where every way ends in a panic, all blocks would do, those of the unwinder first of all. */
	reach(f, a, NONE, seen);
	return seen[b];
}

/* Each `a` is followed by one `b`, and there is no `b` without an `a` before it. */
static bool in_step(const struct flow *f, uint16_t a, uint16_t b)
{
	bool seen[MAX_BLOCKS];

	if (!dominates(f, a, b) || !is_passed(f, a, b))
		return false;
	reach(f, b, a, seen);
	return !seen[b];
}

static uint16_t through(const struct rust_code *code, size_t from, size_t to, uint16_t live)
{
	for (; from < to; from++) {
		const struct rust_insn *insn = &code->insn[from];
		bool copies = insn->op == RUST_OP_MOVE && insn->base < 16 &&
			      (live >> insn->base & 1);

		live &= (uint16_t)~insn->writes;
		if (copies && insn->reg < 16)
			live |= (uint16_t)(1u << insn->reg);
	}
	return live;
}

static bool narrow(struct flow *f, uint16_t block, uint16_t live)
{
	uint16_t before;

	if (block == NONE)
		return false;
	before = f->block[block].live;
	f->block[block].live &= live;
	return f->block[block].live != before;
}

/* Registers that hold the value on every way from instruction `i` on. */
static void find_live(struct flow *f, size_t i, uint8_t reg)
{
	uint16_t start = block_of(f, i);
	bool seen[MAX_BLOCKS], changed = true;

	reach(f, start, start, seen);
	for (uint16_t b = 0; b < f->n; b++)
		f->block[b].live = UINT16_MAX;
	for (unsigned round = 0; changed && round < MAX_BLOCKS; round++) {
		changed = false;
		for (uint16_t b = 0; b < f->n; b++) {
			const struct block *block = &f->block[b];
			uint16_t live;

			if (b != start && !seen[b])
				continue;
			live = b == start ? through(f->code, i, block->to, (uint16_t)(1u << reg))
					  : through(f->code, block->from, block->to, block->live);
			changed |= narrow(f, block->next, live);
			changed |= narrow(f, block->target, live);
			for (uint16_t other = 0; block->computed && other < f->n; other++)
				if (f->block[other].tabled)
					changed |= narrow(f, other, live);
		}
	}
}

/* The first emulated instruction of a block, with the value still there. */
static bool first_in(const struct flow *f, uint16_t block, uint8_t reg, struct rust_place *ret)
{
	const struct block *b = &f->block[block];
	uint16_t live = reg < 16 ? b->live : 1;

	for (uint32_t i = b->from; i < b->to && live; i++) {
		const struct rust_insn *insn = &f->code->insn[i];

		if (insn->emulated) {
			*ret = (struct rust_place){ insn->address, RUST_NO_REG, true };
			for (uint8_t r = 0; reg < 16 && r < 16; r++)
				if (live >> r & 1)
					ret->reg = r;
			if (reg < 16 && (live >> reg & 1))
				ret->reg = reg;
			return true;
		}
		if (insn->op == RUST_OP_CALL) /* it may not return */
			return false;
		if (reg < 16)
			live = through(f->code, i, i + 1, live);
	}
	return false;
}

/* The branch that ends a block: what is behind the calls in it is not passed when one of them does not return. */
static bool last_in(const struct flow *f, uint16_t block, struct rust_place *ret)
{
	const struct rust_insn *insn = &f->code->insn[f->block[block].to - 1];

	if (!insn->emulated || insn->op == RUST_OP_CALL)
		return false;
	*ret = (struct rust_place){ insn->address, RUST_NO_REG, true };
	return true;
}

/* A place in block `b` that is passed as often as `here`. */
static bool try_block(const struct flow *f, uint16_t here, uint16_t b, uint8_t reg,
		      struct rust_place *ret)
{
	struct rust_place place;

	if (b >= f->n)
		return false;
	if (first_in(f, b, reg, &place) &&
	    (b == here ? f->backwards
		       : in_step(f, here, b) || (f->backwards && in_step(f, b, here)))) {
		*ret = place;
		return true;
	}
	if (b == here || !f->backwards || !last_in(f, b, &place) || !in_step(f, b, here))
		return false;
	*ret = place;
	return true;
}

/* The nearest. */
static bool search(struct flow *f, size_t i, uint8_t reg, struct rust_place *ret)
{
	uint16_t here = block_of(f, i);

	if (here == NONE)
		return false;
	if (try_block(f, here, here, reg, ret))
		return true;
	if (reg < 16)
		find_live(f, i, reg);
	for (uint16_t distance = 1; distance < f->n && distance < MAX_AWAY; distance++)
		if ((here >= distance &&
		     try_block(f, here, (uint16_t)(here - distance), reg, ret)) ||
		    try_block(f, here, (uint16_t)(here + distance), reg, ret))
			return true;
	return false;
}

static bool move(const struct rust_code *code, size_t i, uint8_t reg, bool backwards,
		 struct rust_place *ret)
{
	bool found = rust_code_slide(code, i, reg, ret);
	struct flow *f;

	if (found && ret->emulated)
		return true;
	f = malloc(sizeof(*f));
	if (f && build(f, code)) {
		f->backwards = backwards;
		found |= search(f, i, reg, ret);
	}
	free(f);
	return found;
}

bool rust_code_move(const struct rust_code *code, size_t i, uint8_t reg, struct rust_place *ret)
{
	return move(code, i, reg, false, ret);
}

bool rust_code_move_any(const struct rust_code *code, size_t i, struct rust_place *ret)
{
	return move(code, i, RUST_NO_REG, true, ret);
}

static bool changes(const struct rust_code *code, size_t from, size_t to)
{
	for (; from < to; from++)
		if (code->insn[from].locked || code->insn[from].op == RUST_OP_CALL)
			return true;
	return false;
}

bool rust_code_changes_before(const struct rust_code *code, size_t i)
{
	struct flow *f = malloc(sizeof(*f));
	bool before[MAX_BLOCKS], behind[MAX_BLOCKS], found = true;
	uint16_t here = NONE;

	if (f && build(f, code))
		here = block_of(f, i);
	if (here != NONE) {
		found = changes(code, f->block[here].from, i);
		reach(f, 0, here, before);
		before[0] = here != 0;
	}
	for (uint16_t b = 0; here != NONE && b < f->n && !found; b++) {
		if (b == here || !before[b] || !changes(code, f->block[b].from, f->block[b].to))
			continue;
		reach(f, b, NONE, behind); /* a panic's call does not come back */
		found = behind[here];
	}
	free(f);
	return found;
}
