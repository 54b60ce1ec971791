/* SPDX-License-Identifier: MIT */
/* One function's instructions, as far as probe placement and pattern search ask for them. x86-64, by capstone. */
#ifndef WEFT_RUST_CODE_H
#define WEFT_RUST_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/rust/image.h"

/* Registers have their DWARF numbers. */
#define RUST_RDX    1
#define RUST_RSI    4
#define RUST_RDI    5
#define RUST_RBP    6
#define RUST_RSP    7
#define RUST_RIP    16
#define RUST_NO_REG 255

enum rust_op {
	RUST_OP_OTHER,
	RUST_OP_CALL,
	RUST_OP_JUMP,
	RUST_OP_BRANCH, /* conditional */
	RUST_OP_END,    /* ret, ud2 and what else is not passed */
	RUST_OP_LOAD,   /* 64-bit register from memory */
	RUST_OP_STORE,  /* any move to memory */
	RUST_OP_LEA,
	RUST_OP_MOVE,  /* 64-bit register to register */
	RUST_OP_CONST, /* register from a constant */
};

struct rust_insn {
	uint64_t address;
	uint64_t target; /* direct branch, rip-relative address, or constant; 0 = none */
	int32_t disp;    /* of a memory operand with a base register */
	uint16_t writes; /* a bit for each general register; a call: all that it may change */
	uint16_t reads;  /* likewise; not told of calls */
	uint8_t size, op;
	uint8_t reg; /* written by LOAD, LEA, MOVE, CONST; of an indirect CALL or JUMP through a register */
	uint8_t base; /* of a memory operand; of MOVE: the source */
	/* Bits: a large program has millions of these in memory. */
	bool memory : 1;   /* CALL, JUMP: the target is in memory */
	bool indexed : 1;  /* memory operand with an index register */
	bool emulated : 1; /* the kernel emulates it under a probe; else it is single-stepped */
	bool refused : 1;  /* the kernel refuses a probe, or must not get one */
	bool leader : 1;   /* something may jump here */
	bool tabled : 1;   /* by a jump table */
	bool final : 1;    /* a call of a function that never returns */
	bool locked : 1;   /* changes memory that threads share, at once */
};

struct rust_code {
	uint64_t low, high; /* of the function */
	size_t n;
	struct rust_insn *insn;
};

struct rust_decoder; /* decoder.c */

int rust_decoder_new(const struct rust_image *image, struct rust_decoder **ret);
struct rust_decoder *rust_decoder_free(struct rust_decoder *d);

/*
 * The function around `address`, decoded once, as long as there is room to keep it; sure to be there until another one is
 * asked for. NULL = none there, or it does not decode.
 */
const struct rust_code *rust_decoder_at(struct rust_decoder *d, uint64_t address);
/* The same for a function that is looked at while another one is in use: what rust_decoder_at() has given stays. */
const struct rust_code *rust_decoder_beside(struct rust_decoder *d, uint64_t address);
/*
 * Is it a call or a jump that is at the address? The same answer as by rust_decoder_at(), but a function that was not decoded
 * yet is only walked through, and no further than to there. *ret_low: where the function begins, if it is.
 */
bool rust_decoder_leaves(struct rust_decoder *d, uint64_t address, uint64_t *ret_low);

/* Index of the instruction that starts at, or (with `inside`) covers the address; SIZE_MAX = none. */
size_t rust_code_index(const struct rust_code *code, uint64_t address, bool inside);

/* Where a call or jump leads when that can be told (directly, or through a relocated word); 0 = not. */
uint64_t rust_code_target(const struct rust_image *image, const struct rust_insn *insn);

/* A place in a basic block where `reg` still holds what is wanted. */
struct rust_place {
	uint64_t address;
	uint8_t reg;
	bool emulated;
};

/*
 * The first instruction from index `i` on, in the same basic block, that the kernel emulates, while a copy of
 * `reg` is live (RUST_NO_REG: none is wanted); else the first that may be probed at all. False = none.
 */
bool rust_code_slide(const struct rust_code *code, size_t i, uint8_t reg, struct rust_place *ret);

/* The same; where the block has none that is emulated, one behind it, in another block that runs exactly as often. */
bool rust_code_move(const struct rust_code *code, size_t i, uint8_t reg, struct rust_place *ret);
/* Or before it: for what need not have happened yet, and needs no register. */
bool rust_code_move_any(const struct rust_code *code, size_t i, struct rust_place *ret);

/* Does something shared change, or may it inside a call, between the function's first instruction and the `i`th? */
bool rust_code_changes_before(const struct rust_code *code, size_t i);

#endif
