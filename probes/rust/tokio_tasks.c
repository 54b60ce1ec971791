// SPDX-License-Identifier: MIT
/* A task's life: the functions of its vtable, which all take the header in rdi. */
#include "probes/rust/tokio.h"

/* What a function does with its argument before its first branch: hands it on, in which register, to whom. */
static bool hands_on(struct rust_builder *b, uint64_t function, uint64_t *ret_to, uint8_t *ret_reg)
{
	const struct rust_code *code = rust_decoder_at(b->decoder, function);
	uint16_t live = 1u << RUST_RDI;
	size_t i = code ? rust_code_index(code, function, false) : SIZE_MAX;

	for (; i != SIZE_MAX && i < code->n && live; i++) {
		const struct rust_insn *insn = &code->insn[i];
		bool copies = insn->op == RUST_OP_MOVE && insn->base < 16 &&
			      (live >> insn->base & 1);

		if (insn->op == RUST_OP_JUMP || insn->op == RUST_OP_CALL) {
			*ret_to = rust_code_target(b->image, insn);
			*ret_reg = live >> RUST_RSI & 1   ? RUST_RSI
				   : live >> RUST_RDI & 1 ? RUST_RDI
							  : RUST_RDX;
			return *ret_to && (live >> *ret_reg & 1);
		}
		if (insn->op == RUST_OP_BRANCH || insn->op == RUST_OP_END)
			return false;
		live &= (uint16_t)~insn->writes;
		if (copies && insn->reg < 16)
			live |= (uint16_t)(1u << insn->reg);
	}
	return false;
}

/* `schedule` of a scheduler mostly ends in an indirect jump to the scheduler's own function: there, if that is cheaper. */
static void add_schedule(struct rust_builder *b, uint64_t function)
{
	struct rust_probe probe = {
		.kind = RUST_SCHEDULE, .family = RUST_TOKIO, .reg = RUST_RDI, .type = UINT32_MAX
	};
	const struct rust_code *code = rust_decoder_at(b->decoder, function);
	struct rust_place here, there;
	bool found = code && rust_code_move(code, 0, RUST_RDI, &here);
	uint64_t to;
	uint8_t reg;

	if (found && !here.emulated && hands_on(b, function, &to, &reg)) {
		code = rust_decoder_at(b->decoder, to);
		if (code && code->low == to && rust_code_move(code, 0, reg, &there) &&
		    there.emulated)
			here = there;
	}
	if (!found)
		return;
	probe.address = here.address;
	probe.reg = here.reg;
	probe.emulated = here.emulated;
	rust_builder_probe(b, &probe);
}

static void add_slot(struct rust_builder *b, const struct rust_type *type, unsigned slot,
		     uint8_t kind)
{
	struct rust_probe probe = {
		.kind = kind, .family = RUST_TOKIO, .reg = RUST_RDI, .type = UINT32_MAX
	};
	uint64_t function;

	if (!rust_image_code_pointer(b->image, type->vtable + 8 * slot, &function))
		return;
	if (kind == RUST_SCHEDULE)
		add_schedule(b, function);
	else
		rust_builder_entry(b, function, probe);
}

/* Slot by slot, so that merged functions are asked for once after the other. */
void rust_tokio_tasks(struct rust_builder *b)
{
	static const struct {
		unsigned slot;
		uint8_t kind;
		bool of_tasks; /* jobs that wait when their pool is shut down are no tasks that end */
	} wanted[] = {
		{ RUST_TOKIO_SCHEDULE, RUST_SCHEDULE, true },
		{ RUST_TOKIO_DEALLOC, RUST_DEALLOC, false },
		{ RUST_TOKIO_HANDLE_DROP, RUST_HANDLE_DROP, false },
		{ RUST_TOKIO_SHUTDOWN, RUST_SHUTDOWN, true },
	};

	for (size_t k = 0; k < sizeof(wanted) / sizeof(wanted[0]); k++)
		for (uint32_t i = 0; i < b->plan->n_types && b->rc == 0; i++) {
			const struct rust_type *type = &b->plan->types[i];

			if (type->family == RUST_TOKIO && !(wanted[k].of_tasks && type->blocking))
				add_slot(b, type, wanted[k].slot, wanted[k].kind);
		}
}
