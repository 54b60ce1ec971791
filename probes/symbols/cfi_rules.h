/* SPDX-License-Identifier: MIT */
/*
 * How to step from a pc to its caller: rows of .eh_frame in a form that takes tens of ns to apply,
 * cached by pc in a table of fixed size.
 */
#ifndef WEFT_CFI_RULES_H
#define WEFT_CFI_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "probes/symbols/elf_module.h"

#define CFI_REGS 17 /* rax rdx rcx rbx rsi rdi rbp rsp r8..r15 rip: DWARF order */
#define CFI_RSP  7
#define CFI_RBP  6
#define CFI_RIP  16

struct cfi_expr;
struct cfi_rules;

enum cfi_kind {
	CFI_UNDEFINED, /* lost; of rip: there is no caller */
	CFI_SAME,
	CFI_AT_CFA,   /* saved at CFA + offset */
	CFI_IS_CFA,   /* is CFA + offset */
	CFI_REGISTER, /* in register `offset` */
	CFI_AT_EXPR,
	CFI_IS_EXPR,
};

struct cfi_rule {
	enum cfi_kind kind;
	union {
		int64_t offset;
		struct cfi_expr *expr;
	};
};

struct cfi_row {
	uint64_t pc;
	bool used, known; /* known false: this pc has no call frame information */
	bool signal;      /* a signal trampoline: the caller's pc is exact, not a return address */
	uint8_t cfa_reg;
	int64_t cfa_offset;
	struct cfi_expr *cfa; /* NULL: cfa_reg + cfa_offset */
	struct cfi_rule rule[CFI_REGS];
};

/* Registers of one frame and the memory that expressions may read. */
struct cfi_frame {
	uint64_t reg[CFI_REGS];
	uint32_t valid; /* bit per register */
	bool (*read)(void *ctx, uint64_t address, uint64_t *ret);
	void *ctx;
};

struct cfi_rules *cfi_rules_new(void);
struct cfi_rules *cfi_rules_free(struct cfi_rules *c);
void cfi_rules_clear(struct cfi_rules *c);

/* Row for runtime address pc, which is `address` in the file. Valid until the next call; NULL = none. */
const struct cfi_row *cfi_rules_at(struct cfi_rules *c, struct elf_module *elf, uint64_t pc,
				   uint64_t address);

/* Caller's registers, -ENODATA when something needed is not there; rip is not valid in *ret when there is no caller. */
int cfi_rules_step(const struct cfi_row *row, const struct cfi_frame *frame, struct cfi_frame *ret);

#endif
