// SPDX-License-Identifier: MIT
#include "probes/rust/insn.h"

#define CALL_CHANGES 0x0f37 /* rax rdx rcx rsi rdi r8..r11 */

/* DWARF number of a general register of any width. */
static uint8_t number_of(x86_reg reg)
{
#define NUMBER(n, a, b, c, d)                                                      \
	[X86_REG_##a] = (n) + 1, [X86_REG_##b] = (n) + 1, [X86_REG_##c] = (n) + 1, \
	[X86_REG_##d] = (n) + 1
	static const uint8_t number[X86_REG_ENDING] = {
		NUMBER(0, RAX, EAX, AX, AL),
		NUMBER(1, RDX, EDX, DX, DL),
		NUMBER(2, RCX, ECX, CX, CL),
		NUMBER(3, RBX, EBX, BX, BL),
		NUMBER(4, RSI, ESI, SI, SIL),
		NUMBER(5, RDI, EDI, DI, DIL),
		NUMBER(6, RBP, EBP, BP, BPL),
		NUMBER(7, RSP, ESP, SP, SPL),
		NUMBER(8, R8, R8D, R8W, R8B),
		NUMBER(9, R9, R9D, R9W, R9B),
		NUMBER(10, R10, R10D, R10W, R10B),
		NUMBER(11, R11, R11D, R11W, R11B),
		NUMBER(12, R12, R12D, R12W, R12B),
		NUMBER(13, R13, R13D, R13W, R13B),
		NUMBER(14, R14, R14D, R14W, R14B),
		NUMBER(15, R15, R15D, R15W, R15B),
		[X86_REG_AH] = 1,
		[X86_REG_DH] = 2,
		[X86_REG_CH] = 3,
		[X86_REG_BH] = 4,
		[X86_REG_RIP] = RUST_RIP + 1,
	};
#undef NUMBER

	/* 0, less one: RUST_NO_REG */
	return reg < X86_REG_ENDING ? (uint8_t)(number[reg] - 1) : RUST_NO_REG;
}

static uint16_t bit_of(x86_reg reg)
{
	uint8_t number = number_of(reg);

	return number < 16 ? (uint16_t)(1u << number) : 0;
}

static void note_registers(csh handle, const cs_insn *from, struct rust_insn *insn)
{
	cs_regs read, written;
	uint8_t reads = 0, writes = 0;

	if (insn->op == RUST_OP_CALL) {
		insn->writes = CALL_CHANGES;
		return;
	}
	if (cs_regs_access(handle, from, read, &reads, written, &writes) != CS_ERR_OK) {
		insn->writes = UINT16_MAX;
		return;
	}
	for (uint8_t i = 0; i < writes; i++)
		insn->writes |= bit_of(written[i]);
	for (uint8_t i = 0; i < reads; i++)
		insn->reads |= bit_of(read[i]);
}

static void note_memory(const cs_insn *from, const cs_x86_op *op, struct rust_insn *insn)
{
	insn->base = number_of(op->mem.base);
	insn->indexed = op->mem.index != X86_REG_INVALID || op->mem.segment != X86_REG_INVALID;
	insn->disp = (int32_t)op->mem.disp;
	if (insn->base == RUST_RIP)
		insn->target = from->address + from->size + (uint64_t)op->mem.disp;
	else if (insn->base == RUST_NO_REG &&
		 op->mem.disp > 0) /* absolute, linked to one address */
		insn->target = (uint64_t)op->mem.disp;
}

static void note_branch(const cs_insn *from, const cs_x86_op *op, struct rust_insn *insn)
{
	if (op->type == X86_OP_IMM) {
		insn->target = (uint64_t)op->imm;
	} else if (op->type == X86_OP_MEM) {
		insn->memory = true;
		note_memory(from, op, insn);
	} else if (op->type == X86_OP_REG) {
		insn->reg = number_of(op->reg);
	}
}

static void note_move(const cs_insn *from, const cs_x86 *x, struct rust_insn *insn)
{
	const cs_x86_op *to = &x->operands[0], *what = &x->operands[1];

	if (to->type == X86_OP_MEM) {
		insn->op = RUST_OP_STORE;
		note_memory(from, to, insn);
		if (what->type == X86_OP_REG)
			insn->reg = number_of(what->reg);
		else if (what->type == X86_OP_IMM && !insn->target)
			insn->target = (uint64_t)what->imm;
		return;
	}
	if (to->type != X86_OP_REG || number_of(to->reg) > 15)
		return;
	insn->reg = number_of(to->reg);
	if (what->type == X86_OP_MEM) {
		insn->op = from->id == X86_INS_LEA ? RUST_OP_LEA
			   : to->size == 8         ? RUST_OP_LOAD
						   : RUST_OP_OTHER;
		note_memory(from, what, insn);
	} else if (what->type == X86_OP_REG && to->size == 8) {
		insn->op = RUST_OP_MOVE;
		insn->base = number_of(what->reg);
	} else if (what->type == X86_OP_IMM) {
		insn->op = RUST_OP_CONST;
		insn->target = (uint64_t)what->imm;
	}
}

static bool is_end(unsigned id)
{
	return id == X86_INS_RET || id == X86_INS_UD2 || id == X86_INS_INT3 || id == X86_INS_HLT;
}

static void classify(const cs_insn *from, struct rust_insn *insn)
{
	const cs_x86 *x = &from->detail->x86;

	if (from->id == X86_INS_CALL)
		insn->op = RUST_OP_CALL;
	else if (from->id == X86_INS_JMP)
		insn->op = RUST_OP_JUMP;
	else if (is_end(from->id))
		insn->op = RUST_OP_END;
	else if (from->id >= X86_INS_JAE && from->id <= X86_INS_JS)
		insn->op = RUST_OP_BRANCH;
	if (insn->op == RUST_OP_CALL || insn->op == RUST_OP_JUMP || insn->op == RUST_OP_BRANCH)
		note_branch(from, &x->operands[0], insn);
	else if (x->op_count == 2 &&
		 (from->id == X86_INS_LEA || from->id == X86_INS_MOV || from->id == X86_INS_MOVABS))
		note_move(from, x, insn);
	else
		for (uint8_t i = 0; i < x->op_count; i++)
			if (x->operands[i].type == X86_OP_MEM)
				note_memory(from, &x->operands[i], insn);
}

/*
 * As arch/x86/kernel/uprobes.c: push of a register, nop, jmp, jcc and call with a relative target, none with an
 * operand size prefix. Multi-byte nops are emulated by some kernels only.
 */
static bool is_emulated(const uint8_t *b, size_t n)
{
	if (n == 1)
		return b[0] == 0x90 || (b[0] >= 0x50 && b[0] <= 0x57);
	if (n == 2 && b[0] == 0x41)
		return b[1] >= 0x50 && b[1] <= 0x57;
	if (n == 2)
		return b[0] == 0xeb || (b[0] >= 0x70 && b[0] <= 0x7f);
	if (n == 5)
		return b[0] == 0xe8 || b[0] == 0xe9;
	return n == 6 && b[0] == 0x0f && (b[1] & 0xf0) == 0x80;
}

/*
 * LOCK and some segment prefixes are refused, VEX and EVEX encodings by some kernels. Nops of 5 and 10 bytes get
 * a call that writes below the stack pointer (6.18). The far and privileged rest does not occur in services.
 */
static bool is_refused(const cs_insn *from)
{
	const uint8_t *b = from->bytes;

	if (from->id == X86_INS_NOP && from->size > 1)
		return true;
	if (is_end(from->id) && from->id != X86_INS_RET)
		return true;
	for (size_t i = 0; i < from->size && i < 4; i++) {
		if (b[i] == 0xf0 || b[i] == 0x2e || b[i] == 0x36 || b[i] == 0x3e || b[i] == 0x26)
			return true;
		if (b[i] != 0x66 && b[i] != 0xf2 && b[i] != 0xf3 && (b[i] < 0x64 || b[i] > 0x65))
			return b[i] == 0xc4 || b[i] == 0xc5 || b[i] == 0x62 || b[i] == 0xf1 ||
			       b[i] == 0xcd || b[i] == 0xce;
	}
	return true;
}

void rust_insn_classify(const cs_insn *from, struct rust_insn *ret)
{
	*ret = (struct rust_insn){ .address = from->address,
				   .size = (uint8_t)from->size,
				   .reg = RUST_NO_REG,
				   .base = RUST_NO_REG };
	classify(from, ret);
}

void rust_insn_read(csh handle, const cs_insn *from, struct rust_insn *ret)
{
	rust_insn_classify(from, ret);
	note_registers(handle, from, ret);
	ret->emulated = is_emulated(from->bytes, from->size);
	ret->refused = !ret->emulated && is_refused(from);
	ret->locked = from->detail->x86.prefix[0] == X86_PREFIX_LOCK;
}
