// SPDX-License-Identifier: MIT
#include "probes/symbols/cfi_expr.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPS 64
#define DEPTH   32

struct cfi_expr {
	size_t n;
	Dwarf_Op op[];
};

struct machine {
	const struct cfi_frame *frame;
	uint64_t cfa;
	unsigned n;
	uint64_t at[DEPTH];
};

struct cfi_expr *cfi_expr_new(const Dwarf_Op *ops, size_t n)
{
	struct cfi_expr *e = n <= MAX_OPS ? malloc(sizeof(*e) + n * sizeof(*ops)) : NULL;

	if (!e)
		return NULL;
	e->n = n;
	memcpy(e->op, ops, n * sizeof(*ops));
	return e;
}

struct cfi_expr *cfi_expr_free(struct cfi_expr *e)
{
	free(e);
	return NULL;
}

static bool push(struct machine *m, uint64_t value)
{
	if (m->n == DEPTH)
		return false;
	m->at[m->n++] = value;
	return true;
}

static bool push_register(struct machine *m, uint64_t reg, uint64_t offset)
{
	if (reg >= CFI_REGS || !(m->frame->valid & 1u << reg))
		return false;
	return push(m, m->frame->reg[reg] + offset);
}

static bool binary(unsigned atom, uint64_t a, uint64_t b, uint64_t *ret)
{
	switch (atom) {
	case DW_OP_plus:
		*ret = a + b;
		return true;
	case DW_OP_minus:
		*ret = a - b;
		return true;
	case DW_OP_mul:
		*ret = a * b;
		return true;
	case DW_OP_and:
		*ret = a & b;
		return true;
	case DW_OP_or:
		*ret = a | b;
		return true;
	case DW_OP_xor:
		*ret = a ^ b;
		return true;
	case DW_OP_shl:
		*ret = b < 64 ? a << b : 0;
		return true;
	case DW_OP_shr:
		*ret = b < 64 ? a >> b : 0;
		return true;
	case DW_OP_shra:
		*ret = (uint64_t)((int64_t)a >> (b < 64 ? b : 63));
		return true;
	case DW_OP_eq:
		*ret = a == b;
		return true;
	case DW_OP_ne:
		*ret = a != b;
		return true;
	case DW_OP_ge:
		*ret = (int64_t)a >= (int64_t)b;
		return true;
	case DW_OP_gt:
		*ret = (int64_t)a > (int64_t)b;
		return true;
	case DW_OP_le:
		*ret = (int64_t)a <= (int64_t)b;
		return true;
	case DW_OP_lt:
		*ret = (int64_t)a < (int64_t)b;
		return true;
	default:
		return false;
	}
}

static bool deref(struct machine *m, uint64_t bytes)
{
	uint64_t *top = &m->at[m->n - 1], value;

	if (bytes == 0 || bytes > 8 || !m->frame->read(m->frame->ctx, *top, &value))
		return false;
	*top = bytes == 8 ? value : value & ((1ull << bytes * 8) - 1);
	return true;
}

/* Operations on what is on the stack already. */
static bool run_stack(struct machine *m, const Dwarf_Op *op)
{
	uint64_t top, value;

	if (m->n == 0)
		return false;
	top = m->at[m->n - 1];
	switch (op->atom) {
	case DW_OP_dup:
		return push(m, top);
	case DW_OP_drop:
		m->n--;
		return true;
	case DW_OP_pick:
		return op->number < m->n && push(m, m->at[m->n - 1 - op->number]);
	case DW_OP_over:
		return m->n > 1 && push(m, m->at[m->n - 2]);
	case DW_OP_deref:
		return deref(m, 8);
	case DW_OP_deref_size:
		return deref(m, op->number);
	case DW_OP_plus_uconst:
		m->at[m->n - 1] = top + op->number;
		return true;
	case DW_OP_neg:
		m->at[m->n - 1] = -top;
		return true;
	case DW_OP_not:
		m->at[m->n - 1] = ~top;
		return true;
	default:
		break;
	}
	if (m->n < 2)
		return false;
	if (op->atom == DW_OP_swap) {
		m->at[m->n - 1] = m->at[m->n - 2];
		m->at[m->n - 2] = top;
		return true;
	}
	if (!binary(op->atom, m->at[m->n - 2], top, &value))
		return false;
	m->at[--m->n - 1] = value;
	return true;
}

static bool run_op(struct machine *m, const Dwarf_Op *op)
{
	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
		return push(m, op->atom - DW_OP_lit0);
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31)
		return push_register(m, op->atom - DW_OP_breg0, op->number);
	switch (op->atom) {
	case DW_OP_bregx:
		return push_register(m, op->number, op->number2);
	case DW_OP_call_frame_cfa:
		return push(m, m->cfa);
	case DW_OP_const1u:
	case DW_OP_const1s:
	case DW_OP_const2u:
	case DW_OP_const2s:
	case DW_OP_const4u:
	case DW_OP_const4s:
	case DW_OP_const8u:
	case DW_OP_const8s:
	case DW_OP_constu:
	case DW_OP_consts:
		return push(m, op->number);
	case DW_OP_stack_value:
	case DW_OP_nop:
		return true;
	default:
		return run_stack(m, op);
	}
}

bool cfi_expr_run(const struct cfi_expr *e, const struct cfi_frame *frame, uint64_t cfa,
		  uint64_t *ret)
{
	struct machine m = { .frame = frame, .cfa = cfa };

	for (size_t i = 0; i < e->n; i++)
		if (!run_op(&m, &e->op[i]))
			return false;
	if (m.n == 0)
		return false;
	*ret = m.at[m.n - 1];
	return true;
}
