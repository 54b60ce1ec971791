/* SPDX-License-Identifier: MIT */
/*
 * Call frame information of one ELF file (.eh_frame). Own reader: libdw grows its tables by the register
 * numbers it finds, so a hostile file could take gigabytes, and libdw 0.188 loses rbx (its ABI defaults name
 * rax instead). Memory is bounded by the section's size.
 */
#ifndef WEFT_EH_FRAME_H
#define WEFT_EH_FRAME_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EH_REGS \
	17 /* rax rdx rcx rbx rsi rdi rbp rsp r8..r15 rip: DWARF order; others are not followed */
#define EH_RBP 6
#define EH_RSP 7
#define EH_RIP 16

enum eh_kind {
	EH_UNDEFINED, /* lost; of rip: there is no caller */
	EH_SAME,
	EH_AT_CFA,   /* saved at CFA + offset */
	EH_IS_CFA,   /* is CFA + offset */
	EH_REGISTER, /* in register `offset` */
	EH_AT_EXPR,  /* saved where the expression says; it starts with the CFA on its stack */
	EH_IS_EXPR,
};

/* DWARF expression, in the section's data. */
struct eh_expr {
	const uint8_t *at;
	size_t bytes;
};

struct eh_rule {
	enum eh_kind kind;
	union {
		int64_t offset;
		struct eh_expr expr;
	};
};

/* How to get from one frame to its caller. */
struct eh_row {
	bool signal; /* a signal trampoline: the caller's pc is exact, not a return address */
	uint8_t cfa_reg;
	int64_t cfa_offset;
	struct eh_expr cfa; /* bytes 0: cfa_reg + cfa_offset */
	struct eh_rule rule[EH_REGS];
};

struct eh_frame;

/* -ENOENT none that can be used, -ENOMEM. The Elf must outlive *ret and all rows. */
int eh_frame_new(Elf *elf, struct eh_frame **ret);
struct eh_frame *eh_frame_free(struct eh_frame *f);

/* False: nothing is known of the link-time address, or what is said of it makes no sense. */
bool eh_frame_row(const struct eh_frame *f, uint64_t address, struct eh_row *ret);

/* Bounds of the function that covers a link-time address; false = none. */
bool eh_frame_find(const struct eh_frame *f, uint64_t address, uint64_t *ret_low,
		   uint64_t *ret_high);

/* All functions, in order of address: how many, and their bounds. */
size_t eh_frame_count(const struct eh_frame *f);
bool eh_frame_at(const struct eh_frame *f, size_t i, uint64_t *ret_low, uint64_t *ret_high);

#endif
