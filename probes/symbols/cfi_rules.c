// SPDX-License-Identifier: MIT
#include "probes/symbols/cfi_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/symbols/eh_expr.h"

#define ROWS 4096u /* power of two; a row that collides takes the place */

struct cached {
	uint64_t pc;
	bool used, known; /* known false: this pc has no call frame information */
	struct eh_row row;
};

struct cfi_rules {
	struct cached at[ROWS];
};

struct cfi_rules *cfi_rules_new(void)
{
	return calloc(1, sizeof(struct cfi_rules));
}

void cfi_rules_clear(struct cfi_rules *c)
{
	for (size_t i = 0; i < ROWS; i++)
		c->at[i].used = false;
}

struct cfi_rules *cfi_rules_free(struct cfi_rules *c)
{
	free(c);
	return NULL;
}

const struct eh_row *cfi_rules_at(struct cfi_rules *c, struct elf_module *elf, uint64_t pc,
				  uint64_t address)
{
	struct cached *e = &c->at[(pc * 0x9e3779b97f4a7c15ull) >> 52 & (ROWS - 1)];

	if (!e->used || e->pc != pc) {
		const struct eh_frame *f = elf ? elf_module_eh_frame(elf) : NULL;

		e->pc = pc;
		e->used = true;
		e->known = f && eh_frame_row(f, address, &e->row);
	}
	return e->known ? &e->row : NULL;
}

static bool evaluate(const struct eh_rule *rule, const struct cfi_frame *f, unsigned reg,
		     uint64_t cfa, uint64_t *ret)
{
	uint64_t where;

	switch (rule->kind) {
	case EH_SAME:
		*ret = f->reg[reg];
		return f->valid & 1u << reg;
	case EH_REGISTER:
		*ret = f->reg[rule->offset];
		return f->valid & 1u << rule->offset;
	case EH_IS_CFA:
		*ret = cfa + (uint64_t)rule->offset;
		return true;
	case EH_AT_CFA:
		return f->read(f->ctx, cfa + (uint64_t)rule->offset, ret);
	case EH_IS_EXPR:
		return eh_expr_run(rule->expr, f, &cfa, ret);
	case EH_AT_EXPR:
		return eh_expr_run(rule->expr, f, &cfa, &where) && f->read(f->ctx, where, ret);
	case EH_UNDEFINED:
		break;
	}
	return false;
}

int cfi_rules_step(const struct eh_row *row, const struct cfi_frame *f, struct cfi_frame *ret)
{
	uint64_t cfa;

	if (row->cfa.bytes > 0) {
		if (!eh_expr_run(row->cfa, f, NULL, &cfa))
			return -ENODATA;
	} else {
		if (!(f->valid & 1u << row->cfa_reg))
			return -ENODATA;
		cfa = f->reg[row->cfa_reg] + (uint64_t)row->cfa_offset;
	}
	*ret = (struct cfi_frame){ .read = f->read, .ctx = f->ctx };
	for (unsigned i = 0; i < EH_REGS; i++)
		if (evaluate(&row->rule[i], f, i, cfa, &ret->reg[i]))
			ret->valid |= 1u << i;
	if (row->rule[EH_RIP].kind != EH_UNDEFINED && !(ret->valid & 1u << EH_RIP))
		return -ENODATA;
	return 0;
}
