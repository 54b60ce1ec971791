// SPDX-License-Identifier: MIT
#include "probes/symbols/eh_expr.h"

#include <dwarf.h>

#include "probes/symbols/eh_reader.h"

#define DEPTH 32
#define STEPS 256 /* a branch may go back */

struct machine {
	const struct cfi_frame *frame;
	struct eh_reader code;
	const uint8_t *begin;
	unsigned n;
	uint64_t at[DEPTH];
};

static bool push(struct machine *m, uint64_t value)
{
	if (m->n == DEPTH || m->code.bad)
		return false;
	m->at[m->n++] = value;
	return true;
}

static bool push_register(struct machine *m, uint64_t reg)
{
	uint64_t offset = (uint64_t)eh_reader_sleb(&m->code);

	return reg < EH_REGS && (m->frame->valid & 1u << reg) &&
	       push(m, m->frame->reg[reg] + offset);
}

static bool binary(unsigned op, uint64_t a, uint64_t b, uint64_t *ret)
{
	switch (op) {
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

static bool jump(struct machine *m, bool taken)
{
	int64_t by = eh_reader_signed(&m->code, 2);

	if (!taken || m->code.bad)
		return !m->code.bad;
	if (by < m->begin - m->code.p || by > m->code.end - m->code.p)
		return false;
	m->code.p += by;
	return true;
}

static bool run_constant(struct machine *m, unsigned op)
{
	struct eh_reader *c = &m->code;

	switch (op) {
	case DW_OP_const1u:
		return push(m, eh_reader_fixed(c, 1));
	case DW_OP_const1s:
		return push(m, (uint64_t)eh_reader_signed(c, 1));
	case DW_OP_const2u:
		return push(m, eh_reader_fixed(c, 2));
	case DW_OP_const2s:
		return push(m, (uint64_t)eh_reader_signed(c, 2));
	case DW_OP_const4u:
		return push(m, eh_reader_fixed(c, 4));
	case DW_OP_const4s:
		return push(m, (uint64_t)eh_reader_signed(c, 4));
	case DW_OP_const8u:
	case DW_OP_const8s:
		return push(m, eh_reader_fixed(c, 8));
	case DW_OP_constu:
		return push(m, eh_reader_uleb(c));
	case DW_OP_consts:
		return push(m, (uint64_t)eh_reader_sleb(c));
	default:
		return false;
	}
}

/* Operations on what is on the stack, at least one value. */
static bool run_stack(struct machine *m, unsigned op)
{
	uint64_t top = m->at[m->n - 1], value;

	switch (op) {
	case DW_OP_dup:
		return push(m, top);
	case DW_OP_drop:
		m->n--;
		return true;
	case DW_OP_pick:
		value = eh_reader_fixed(&m->code, 1);
		return value < m->n && push(m, m->at[m->n - 1 - value]);
	case DW_OP_over:
		return m->n > 1 && push(m, m->at[m->n - 2]);
	case DW_OP_deref:
		return deref(m, 8);
	case DW_OP_deref_size:
		return deref(m, eh_reader_fixed(&m->code, 1));
	case DW_OP_plus_uconst:
		m->at[m->n - 1] = top + eh_reader_uleb(&m->code);
		return true;
	case DW_OP_neg:
		m->at[m->n - 1] = -top;
		return true;
	case DW_OP_not:
		m->at[m->n - 1] = ~top;
		return true;
	case DW_OP_bra:
		m->n--;
		return jump(m, top != 0);
	default:
		break;
	}
	if (m->n < 2)
		return false;
	if (op == DW_OP_swap) {
		m->at[m->n - 1] = m->at[m->n - 2];
		m->at[m->n - 2] = top;
		return true;
	}
	if (!binary(op, m->at[m->n - 2], top, &value))
		return false;
	m->at[--m->n - 1] = value;
	return true;
}

static bool run_op(struct machine *m, unsigned op)
{
	if (op >= DW_OP_lit0 && op <= DW_OP_lit31)
		return push(m, op - DW_OP_lit0);
	if (op >= DW_OP_breg0 && op <= DW_OP_breg31)
		return push_register(m, op - DW_OP_breg0);
	if (op == DW_OP_bregx)
		return push_register(m, eh_reader_uleb(&m->code));
	if (op == DW_OP_nop)
		return true;
	if (op == DW_OP_skip)
		return jump(m, true);
	if (op >= DW_OP_const1u && op <= DW_OP_consts)
		return run_constant(m, op);
	return m->n > 0 && run_stack(m, op);
}

bool eh_expr_run(struct eh_expr e, const struct cfi_frame *frame, const uint64_t *start,
		 uint64_t *ret)
{
	struct machine m = { .frame = frame,
			     .begin = e.at,
			     .code = { .p = e.at, .end = e.at + e.bytes } };

	if (start)
		push(&m, *start);
	for (int i = 0; m.code.p < m.code.end; i++)
		if (i == STEPS || !run_op(&m, (unsigned)eh_reader_fixed(&m.code, 1)) || m.code.bad)
			return false;
	if (m.n == 0)
		return false;
	*ret = m.at[m.n - 1];
	return true;
}
