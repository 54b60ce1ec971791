/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* A thread's registers and its own stack, as its own hit finds them. */
#ifndef WEFT_BPF_STACK_H
#define WEFT_BPF_STACK_H

#include "probes/bpf/core.h"
#include "probes/layout.h"

static __always_inline void copy_regs(struct weft_raw_stack *out, const struct pt_regs *regs)
{
	const __u64 dwarf[17] = { regs->ax,  regs->dx,  regs->cx,  regs->bx,  regs->si,  regs->di,
				  regs->bp,  regs->sp,  regs->r8,  regs->r9,  regs->r10, regs->r11,
				  regs->r12, regs->r13, regs->r14, regs->r15, regs->ip };

	__builtin_memcpy(out->regs, dwarf, sizeof(dwarf));
	out->syscall = regs->orig_ax;
	out->args[0] = regs->di;
	out->args[1] = regs->si;
	out->args[2] = regs->dx;
}

static __always_inline void copy_own_stack(struct weft_raw_stack *out)
{
	__u64 sp = out->regs[7];
	__u32 n = 0;

	for (__u32 i = 0;
	     i < WEFT_STACK_COPY / WEFT_STACK_STEP && n <= WEFT_STACK_COPY - WEFT_STACK_STEP; i++) {
		if (bpf_probe_read_user(out->stack + n, WEFT_STACK_STEP, (void *)(sp + n)))
			break;
		n += WEFT_STACK_STEP;
	}
	out->stack_bytes = n;
}

#endif
