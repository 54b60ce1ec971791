/* SPDX-License-Identifier: MIT */
/* One instruction of capstone's as the analyser keeps it. */
#ifndef WEFT_RUST_INSN_H
#define WEFT_RUST_INSN_H

#include <capstone/capstone.h>

#include "probes/rust/code.h"

/* Everything but `leader`, `tabled` and `final`, which need the function around it. */
void rust_insn_read(csh handle, const cs_insn *from, struct rust_insn *ret);
/* What it does and to what, without its registers and whether it may be probed. */
void rust_insn_classify(const cs_insn *from, struct rust_insn *ret);

#endif
