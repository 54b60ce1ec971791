// SPDX-License-Identifier: MIT
#include "probes/symbols/cfi_rules.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/cleanup.h"
#include "probes/symbols/cfi_expr.h"

#define ROWS 4096u /* power of two; a row that collides takes the place */

struct cfi_rules {
	struct cfi_row row[ROWS];
};

struct cfi_rules *cfi_rules_new(void)
{
	return calloc(1, sizeof(struct cfi_rules));
}

static void row_clear(struct cfi_row *row)
{
	if (!row->used)
		return;
	cfi_expr_free(row->cfa);
	for (size_t i = 0; i < CFI_REGS; i++)
		if (row->rule[i].kind >= CFI_AT_EXPR)
			cfi_expr_free(row->rule[i].expr);
	memset(row, 0, sizeof(*row));
}

void cfi_rules_clear(struct cfi_rules *c)
{
	for (size_t i = 0; i < ROWS; i++)
		row_clear(&c->row[i]);
}

struct cfi_rules *cfi_rules_free(struct cfi_rules *c)
{
	if (c)
		cfi_rules_clear(c);
	free(c);
	return NULL;
}

/* libdw writes every rule as an expression; the common ones are taken apart again. */
static bool take_simple(struct cfi_rule *rule, const Dwarf_Op *ops, size_t n)
{
	bool is_value = n > 1 && ops[n - 1].atom == DW_OP_stack_value;

	n -= is_value;
	if (n == 1 && ops[0].atom == DW_OP_regx && ops[0].number < CFI_REGS) {
		*rule = (struct cfi_rule){ .kind = CFI_REGISTER, .offset = (int64_t)ops[0].number };
		return true;
	}
	if (ops[0].atom != DW_OP_call_frame_cfa || n > 2 ||
	    (n == 2 && ops[1].atom != DW_OP_plus_uconst))
		return false;
	rule->kind = is_value ? CFI_IS_CFA : CFI_AT_CFA;
	rule->offset = n == 2 ? (int64_t)ops[1].number : 0;
	return true;
}

/* No operations: `ops` itself says whether the register is unchanged (NULL) or lost. */
static bool take_rule(struct cfi_rule *rule, Dwarf_Frame *frame, int reg)
{
	Dwarf_Op memory[3], *ops;
	size_t n;

	if (dwarf_frame_register(frame, reg, memory, &ops, &n) != 0)
		return false;
	if (n == 0) {
		rule->kind = ops ? CFI_UNDEFINED : CFI_SAME;
		return true;
	}
	if (take_simple(rule, ops, n))
		return true;
	rule->expr = cfi_expr_new(ops, n);
	if (!rule->expr)
		return false;
	rule->kind = ops[n - 1].atom == DW_OP_stack_value ? CFI_IS_EXPR : CFI_AT_EXPR;
	return true;
}

static bool take_cfa(struct cfi_row *row, Dwarf_Frame *frame)
{
	Dwarf_Op *ops;
	size_t n;

	if (dwarf_frame_cfa(frame, &ops, &n) != 0 || n == 0)
		return false;
	if (n == 1 && ops[0].atom == DW_OP_bregx && ops[0].number < CFI_REGS) {
		row->cfa_reg = (uint8_t)ops[0].number;
		row->cfa_offset = (int64_t)ops[0].number2;
		return true;
	}
	row->cfa = cfi_expr_new(ops, n);
	return row->cfa;
}

static void fill(struct cfi_row *row, struct elf_module *elf, uint64_t address)
{
	Dwarf_CFI *cfi = elf ? elf_module_cfi(elf) : NULL;
	auto_free Dwarf_Frame *frame = NULL;
	bool good;

	if (!cfi || dwarf_cfi_addrframe(cfi, address, &frame) != 0)
		return;
	good = dwarf_frame_info(frame, NULL, NULL, &row->signal) == CFI_RIP && take_cfa(row, frame);
	for (int i = 0; good && i < CFI_REGS; i++)
		good = take_rule(&row->rule[i], frame, i);
	row->known = good;
}

const struct cfi_row *cfi_rules_at(struct cfi_rules *c, struct elf_module *elf, uint64_t pc,
				   uint64_t address)
{
	struct cfi_row *row = &c->row[(pc * 0x9e3779b97f4a7c15ull) >> 52 & (ROWS - 1)];

	if (!row->used || row->pc != pc) {
		row_clear(row);
		row->pc = pc;
		row->used = true;
		fill(row, elf, address);
	}
	return row->known ? row : NULL;
}

static bool evaluate(const struct cfi_rule *rule, const struct cfi_frame *f, unsigned reg,
		     uint64_t cfa, uint64_t *ret)
{
	uint64_t where;

	switch (rule->kind) {
	case CFI_SAME:
		*ret = f->reg[reg];
		return f->valid & 1u << reg;
	case CFI_REGISTER:
		*ret = f->reg[rule->offset];
		return f->valid & 1u << rule->offset;
	case CFI_IS_CFA:
		*ret = cfa + (uint64_t)rule->offset;
		return true;
	case CFI_AT_CFA:
		return f->read(f->ctx, cfa + (uint64_t)rule->offset, ret);
	case CFI_IS_EXPR:
		return cfi_expr_run(rule->expr, f, cfa, ret);
	case CFI_AT_EXPR:
		return cfi_expr_run(rule->expr, f, cfa, &where) && f->read(f->ctx, where, ret);
	case CFI_UNDEFINED:
		break;
	}
	return false;
}

int cfi_rules_step(const struct cfi_row *row, const struct cfi_frame *f, struct cfi_frame *ret)
{
	uint64_t cfa;

	if (row->cfa) {
		if (!cfi_expr_run(row->cfa, f, 0, &cfa))
			return -ENODATA;
	} else {
		if (!(f->valid & 1u << row->cfa_reg))
			return -ENODATA;
		cfa = f->reg[row->cfa_reg] + (uint64_t)row->cfa_offset;
	}
	*ret = (struct cfi_frame){ .read = f->read, .ctx = f->ctx };
	for (unsigned i = 0; i < CFI_REGS; i++)
		if (evaluate(&row->rule[i], f, i, cfa, &ret->reg[i]))
			ret->valid |= 1u << i;
	if (row->rule[CFI_RIP].kind != CFI_UNDEFINED && !(ret->valid & 1u << CFI_RIP))
		return -ENODATA;
	return 0;
}
