// SPDX-License-Identifier: MIT
/*
 * The bytes of a task's block: a constant that is handed to the allocator where it is freed, or, where that does
 * not take a size, where it is built. Known by its range: the block ends soon behind its trailer.
 */
#include "probes/rust/names.h"
#include "probes/rust/tokio.h"

#define MAX_TRAILER 256 /* with padding up to two cache lines */
#define MIN_TRAILER 32

static uint32_t find_size(const struct rust_code *code, const struct rust_type *type)
{
	uint64_t low = (uint64_t)type->trailer_offset + MIN_TRAILER;
	uint64_t high = (uint64_t)type->trailer_offset + MAX_TRAILER;

	for (size_t i = 0; code && i < code->n; i++) {
		const struct rust_insn *insn = &code->insn[i];

		if (insn->op == RUST_OP_CONST && insn->target % 8 == 0 && insn->target >= low &&
		    insn->target <= high && (insn->reg == RUST_RDI || insn->reg == RUST_RSI))
			return (uint32_t)insn->target;
	}
	return 0;
}

static void by_dealloc(struct rust_builder *b, struct rust_type *type)
{
	uint64_t function;

	if (rust_image_code_pointer(b->image, type->vtable + 8 * RUST_TOKIO_DEALLOC, &function))
		type->size = find_size(rust_decoder_at(b->decoder, function), type);
}

void rust_sizes_add(struct rust_builder *b)
{
	for (uint32_t i = 0; i < b->plan->n_types; i++)
		if (b->plan->types[i].family == RUST_TOKIO)
			by_dealloc(b, &b->plan->types[i]);
	for (uint32_t i = 0; i < b->plan->n_probes; i++) {
		const struct rust_probe *probe = &b->plan->probes[i];
		struct rust_type *type = probe->kind == RUST_SPAWN ? &b->plan->types[probe->type]
								   : NULL;

		if (type && type->family == RUST_TOKIO && type->size == 0)
			type->size = find_size(rust_decoder_at(b->decoder, probe->address), type);
	}
}
