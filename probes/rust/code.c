// SPDX-License-Identifier: MIT
#include "probes/rust/code.h"

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
