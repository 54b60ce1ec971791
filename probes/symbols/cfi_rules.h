/* SPDX-License-Identifier: MIT */
/* Steps from a frame to its caller: rows of .eh_frame, cached by pc in a table of fixed size. */
#ifndef WEFT_CFI_RULES_H
#define WEFT_CFI_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "probes/symbols/eh_frame.h"
#include "probes/symbols/elf_module.h"

struct cfi_rules;

/* Registers of one frame and the memory that rules may read. */
struct cfi_frame {
	uint64_t reg[EH_REGS];
	uint32_t valid; /* bit per register */
	bool (*read)(void *ctx, uint64_t address, uint64_t *ret);
	void *ctx;
};

struct cfi_rules *cfi_rules_new(void);
struct cfi_rules *cfi_rules_free(struct cfi_rules *c);
void cfi_rules_clear(struct cfi_rules *c);

/* Row for runtime address pc, which is `address` in the file. Valid until the next call; NULL = none. */
const struct eh_row *cfi_rules_at(struct cfi_rules *c, struct elf_module *elf, uint64_t pc,
				  uint64_t address);

/* Caller's registers, -ENODATA when something needed is not there; rip is not valid in *ret when there is no caller. */
int cfi_rules_step(const struct eh_row *row, const struct cfi_frame *frame, struct cfi_frame *ret);

#endif
