// SPDX-License-Identifier: MIT
#include "probes/rust/spawns.h"

#include <stdlib.h>

#include "probes/rust/scan.h"

#define NEAR 8 /* probes added last that may stand at the same place */

struct spawns {
	struct rust_builder *b;
	const struct rust_targets *targets;
};

/* Does the instruction take the address of what `at` bytes in it refer to? */
static bool takes_address(struct spawns *s, const struct rust_insn *insn, uint32_t type)
{
	uint64_t vtable = s->b->plan->types[type].vtable, value;

	switch (insn->op) {
	case RUST_OP_LEA:
	case RUST_OP_CONST:
		return insn->target == vtable;
	case RUST_OP_STORE:
		return s->b->image->fixed && insn->target == vtable;
	case RUST_OP_LOAD:
		return insn->target && rust_image_pointer(s->b->image, insn->target, &value) &&
		       value == vtable;
	default:
		return false;
	}
}

/* Two types may be told apart by their places only. */
static bool is_taken(const struct rust_plan *plan, uint64_t address)
{
	for (uint32_t i = plan->n_probes, n = 0; i > 0 && n < NEAR; i--, n++)
		if (plan->probes[i - 1].kind == RUST_SPAWN &&
		    plan->probes[i - 1].address == address)
			return true;
	return false;
}

static bool find_place(const struct rust_plan *plan, const struct rust_code *code, size_t i,
		       struct rust_place *ret)
{
	if (rust_code_move_any(code, i, ret) && !is_taken(plan, ret->address))
		return true;
	*ret = (struct rust_place){ code->insn[i].address, RUST_NO_REG, false };
	return !code->insn[i].refused && !is_taken(plan, ret->address);
}

static int on_reference(void *ctx, uint64_t at, uint32_t type)
{
	struct spawns *s = ctx;
	const struct rust_code *code = rust_decoder_at(s->b->decoder, at);
	size_t i = code ? rust_code_index(code, at, true) : SIZE_MAX;
	struct rust_probe probe = { .kind = RUST_SPAWN,
				    .family = s->b->plan->types[type].family,
				    .reg = RUST_NO_REG,
				    .type = type,
				    .reference = at };
	struct rust_place place;

	if (i == SIZE_MAX || !takes_address(s, &code->insn[i], type) ||
	    !find_place(s->b->plan, code, i, &place))
		return s->b->rc;
	probe.address = place.address;
	probe.emulated = place.emulated;
	rust_builder_probe(s->b, &probe);
	return s->b->rc;
}

void rust_spawns_find(struct rust_builder *b)
{
	struct rust_targets *targets = NULL;
	int rc = rust_targets_new(&targets);
	struct spawns s = { b, targets };

	for (uint32_t i = 0; rc == 0 && i < b->plan->n_types; i++)
		rc = rust_targets_add(targets, b->plan->types[i].vtable, i);
	if (rc == 0)
		rc = rust_targets_add_slots(targets, b->image);
	if (rc == 0)
		rc = rust_scan(b->image, targets, on_reference, &s);
	if (rc < 0 && b->rc == 0)
		b->rc = rc;
	rust_targets_free(targets);
}
