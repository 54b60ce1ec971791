/* SPDX-License-Identifier: MIT */
#ifndef WEFT_CFI_EXPR_H
#define WEFT_CFI_EXPR_H

#include <elfutils/libdw.h>

#include "probes/symbols/cfi_rules.h"

/*
 * DWARF expressions of call frame information. Without branches and calls: neither PLT entries nor
 * signal trampolines, their only users in practice, have any.
 */
struct cfi_expr *cfi_expr_new(const Dwarf_Op *ops, size_t n);
struct cfi_expr *cfi_expr_free(struct cfi_expr *e);
bool cfi_expr_run(const struct cfi_expr *e, const struct cfi_frame *frame, uint64_t cfa,
		  uint64_t *ret);

#endif
