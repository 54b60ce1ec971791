// SPDX-License-Identifier: MIT
#include "probes/rust/code.h"

#include <capstone/capstone.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FUNCTION (1u << 20)
#define MAX_TABLE    4096   /* entries of a jump table */
#define CALL_CHANGES 0x0f37 /* rax rdx rcx rsi rdi r8..r11 */
#define MAX_FINAL    512u   /* bytes of a function that is asked whether it returns */
#define MAX_DEPTH    4u     /* of functions that end in a jump to one that never returns */

struct rust_decoder {
	const struct rust_image *image;
	csh handle;
	cs_insn *scratch;
	size_t room;
	struct rust_code code;
};

int rust_decoder_new(const struct rust_image *image, struct rust_decoder **ret)
{
	struct rust_decoder *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->image = image;
	if (cs_open(CS_ARCH_X86, CS_MODE_64, &d->handle) != CS_ERR_OK) {
		free(d);
		return -ENOMEM;
	}
	cs_option(d->handle, CS_OPT_DETAIL, CS_OPT_ON);
	d->scratch = cs_malloc(d->handle);
	if (!d->scratch) {
		rust_decoder_free(d);
		return -ENOMEM;
	}
	*ret = d;
	return 0;
}

struct rust_decoder *rust_decoder_free(struct rust_decoder *d)
{
	if (!d)
		return NULL;
	if (d->scratch)
		cs_free(d->scratch, 1);
	cs_close(&d->handle);
	free(d->code.insn);
	free(d);
	return NULL;
}

/* DWARF number of a general register of any width. */
static uint8_t number_of(x86_reg reg)
{
	static const x86_reg name[16][5] = {
		{ X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL, X86_REG_AH },
		{ X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL, X86_REG_DH },
		{ X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL, X86_REG_CH },
		{ X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL, X86_REG_BH },
		{ X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL, 0 },
		{ X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL, 0 },
		{ X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL, 0 },
		{ X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL, 0 },
		{ X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B, 0 },
		{ X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B, 0 },
		{ X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B, 0 },
		{ X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B, 0 },
		{ X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B, 0 },
		{ X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B, 0 },
		{ X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B, 0 },
		{ X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B, 0 },
	};

	if (reg == X86_REG_RIP)
		return RUST_RIP;
	for (uint8_t i = 0; reg != X86_REG_INVALID && i < 16; i++)
		for (int width = 0; width < 5; width++)
			if (name[i][width] == reg)
				return i;
	return RUST_NO_REG;
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

static int add(struct rust_decoder *d, const cs_insn *from)
{
	struct rust_code *code = &d->code;
	struct rust_insn *insn;

	if (code->n == d->room) {
		size_t room = d->room ? d->room * 2 : 1024;
		struct rust_insn *grown = reallocarray(code->insn, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		code->insn = grown;
		d->room = room;
	}
	insn = &code->insn[code->n++];
	*insn = (struct rust_insn){ .address = from->address,
				    .size = (uint8_t)from->size,
				    .reg = RUST_NO_REG,
				    .base = RUST_NO_REG };
	classify(from, insn);
	note_registers(d->handle, from, insn);
	insn->emulated = is_emulated(from->bytes, from->size);
	insn->refused = !insn->emulated && is_refused(from);
	return 0;
}

static void lead(struct rust_code *code, uint64_t address)
{
	size_t i = rust_code_index(code, address, false);

	if (i != SIZE_MAX)
		code->insn[i].leader = true;
}

/* Entries of 32 bits, relative to the table, as long as they lead into the function. Taken for any rip-relative address. */
static void lead_from_table(const struct rust_image *image, struct rust_code *code, uint64_t table)
{
	for (uint64_t i = 0; i < MAX_TABLE; i++) {
		const uint8_t *at = rust_image_bytes(image, table + 4 * i, 4);
		int32_t entry;
		uint64_t target;

		if (!at || rust_image_is_code(image, table))
			return;
		memcpy(&entry, at, 4);
		target = table + (uint64_t)(int64_t)entry;
		if (target < code->low || target >= code->high)
			return;
		lead(code, target);
	}
}

/* Linked to one address: tables of whole addresses. */
static void lead_from_words(const struct rust_image *image, struct rust_code *code, uint64_t table)
{
	uint64_t target;

	for (uint64_t i = 0; i < MAX_TABLE; i++) {
		if (!rust_image_word(image, table + 8 * i, &target) || target < code->low ||
		    target >= code->high)
			return;
		lead(code, target);
	}
}

static void find_leaders(const struct rust_image *image, struct rust_code *code)
{
	bool computed = false;

	for (size_t i = 0; i < code->n; i++) {
		const struct rust_insn *insn = &code->insn[i];
		bool jump = insn->op == RUST_OP_JUMP || insn->op == RUST_OP_BRANCH;

		if (jump && !insn->memory && insn->target)
			lead(code, insn->target);
		else if (insn->op == RUST_OP_JUMP && !insn->target)
			computed = true;
	}
	for (size_t i = 0; computed && i < code->n; i++) {
		const struct rust_insn *insn = &code->insn[i];

		if (insn->op == RUST_OP_LEA && insn->target)
			lead_from_table(image, code, insn->target);
		if (insn->op == RUST_OP_JUMP && insn->memory && insn->disp > 0)
			lead_from_words(image, code, (uint64_t)insn->disp);
	}
}

/*
 * What follows a call of a panic is another block's code: taken for its continuation it makes loops that are none. Small functions
 * without a return and without a way out of them; of others it is not asked.
 */
static bool never_returns(struct rust_decoder *d, uint64_t function, unsigned depth)
{
	uint64_t low, high, address = function;
	const uint8_t *at;
	size_t left;

	if (depth == MAX_DEPTH || !rust_image_function(d->image, function, &low, &high) ||
	    low != function || high - low > MAX_FINAL)
		return false;
	left = (size_t)(high - low);
	at = rust_image_bytes(d->image, low, left);
	if (!at || memchr(at, 0xc3, left))
		return false;
	while (left > 0 && cs_disasm_iter(d->handle, &at, &left, &address, d->scratch)) {
		struct rust_insn insn = { .address = d->scratch->address };
		bool inside;

		classify(d->scratch, &insn);
		inside = !insn.memory && insn.target >= low && insn.target < high;
		if (d->scratch->id == X86_INS_RET || (insn.op == RUST_OP_BRANCH && !inside) ||
		    (insn.op == RUST_OP_JUMP && !inside &&
		     (insn.memory || !never_returns(d, insn.target, depth + 1))))
			return false;
	}
	return left == 0;
}

static void find_final(struct rust_decoder *d)
{
	struct rust_code *code = &d->code;

	for (size_t i = 0; i < code->n; i++) {
		struct rust_insn *insn = &code->insn[i];

		insn->final = insn->op == RUST_OP_CALL && !insn->memory && insn->target &&
			      never_returns(d, insn->target, 0);
	}
}

/* -ENOEXEC: bytes that are no code. */
static int decode(struct rust_decoder *d, uint64_t low, uint64_t high)
{
	const uint8_t *at = rust_image_bytes(d->image, low, high - low);
	size_t left = (size_t)(high - low);
	uint64_t address = low;
	int rc = 0;

	d->code.n = 0;
	d->code.low = low;
	d->code.high = high;
	if (!at || left > MAX_FUNCTION)
		return -ENOEXEC;
	while (rc == 0 && left > 0 && cs_disasm_iter(d->handle, &at, &left, &address, d->scratch))
		rc = add(d, d->scratch);
	if (rc < 0 || d->code.n == 0)
		return rc < 0 ? rc : -ENOEXEC;
	find_leaders(d->image, &d->code);
	find_final(d);
	return 0;
}

const struct rust_code *rust_decoder_at(struct rust_decoder *d, uint64_t address)
{
	uint64_t low, high;

	if (d->code.n > 0 && address >= d->code.low && address < d->code.high)
		return &d->code;
	if (!rust_image_function(d->image, address, &low, &high) || decode(d, low, high) < 0) {
		d->code.n = 0;
		return NULL;
	}
	return &d->code;
}

size_t rust_code_index(const struct rust_code *code, uint64_t address, bool inside)
{
	size_t low = 0, high = code->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (code->insn[mid].address <= address)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return SIZE_MAX;
	low--;
	if (code->insn[low].address == address)
		return low;
	return inside && address - code->insn[low].address < code->insn[low].size ? low : SIZE_MAX;
}

uint64_t rust_code_target(const struct rust_image *image, const struct rust_insn *insn)
{
	uint64_t target;

	if (insn->op != RUST_OP_CALL && insn->op != RUST_OP_JUMP && insn->op != RUST_OP_BRANCH)
		return 0;
	if (!insn->memory)
		return insn->target;
	if (insn->indexed || !insn->target ||
	    !rust_image_code_pointer(image, insn->target, &target))
		return 0;
	return target;
}

static void follow(const struct rust_insn *insn, uint16_t *live)
{
	bool copies = insn->op == RUST_OP_MOVE && insn->base < 16 && (*live >> insn->base & 1);

	*live &= (uint16_t)~insn->writes;
	if (copies && insn->reg < 16)
		*live |= (uint16_t)(1u << insn->reg);
}

static uint8_t any_of(uint16_t live, uint8_t preferred)
{
	if (preferred < 16 && (live >> preferred & 1))
		return preferred;
	for (uint8_t reg = 0; reg < 16; reg++)
		if (live >> reg & 1)
			return reg;
	return RUST_NO_REG;
}

bool rust_code_slide(const struct rust_code *code, size_t i, uint8_t reg, struct rust_place *ret)
{
	uint16_t live = reg < 16 ? (uint16_t)(1u << reg) : 1u << RUST_RSP;
	bool found = false;

	for (size_t start = i; i < code->n && live; i++) {
		const struct rust_insn *insn = &code->insn[i];

		if (i > start && insn->leader)
			break;
		if (insn->emulated || (!found && !insn->refused)) {
			*ret = (struct rust_place){ insn->address, RUST_NO_REG, insn->emulated };
			if (reg < 16)
				ret->reg = any_of(live, reg);
			found = true;
		}
		if (insn->emulated || insn->op == RUST_OP_CALL || insn->op == RUST_OP_JUMP ||
		    insn->op == RUST_OP_BRANCH || insn->op == RUST_OP_END)
			break;
		if (reg < 16)
			follow(insn, &live);
	}
	return found;
}
