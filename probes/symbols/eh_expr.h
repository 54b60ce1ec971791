/* SPDX-License-Identifier: MIT */
#ifndef WEFT_EH_EXPR_H
#define WEFT_EH_EXPR_H

#include "probes/symbols/cfi_rules.h"

/*
 * Value of a DWARF expression of call frame information; `start`: pushed first, NULL = nothing. Bounded in steps
 * and depth. False: damaged, an operation that makes no sense here, or memory or a register that isn't there.
 */
bool eh_expr_run(struct eh_expr e, const struct cfi_frame *frame, const uint64_t *start,
		 uint64_t *ret);

#endif
