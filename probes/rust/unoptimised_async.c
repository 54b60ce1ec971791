// SPDX-License-Identifier: MIT
/*
 * Runnable::run holds the indirect call, with the vtable loaded from the header and the function from that, and the
 * end of the poll behind it: one instance for each crate that runs tasks. The begins are at the tasks' own functions; where
 * one of them has no place for a probe (a crate that is not the executor's caller, mostly), nothing is believed.
 */
#include <errno.h>
#include <string.h>

#include "probes/rust/async_task.h"
#include "probes/rust/blocking.h"
#include "probes/rust/named.h"
#include "probes/rust/unoptimised.h"

#define MAX_HEADER 32 /* bytes of a header that may hold vtable and state */
#define MAX_BEFORE 4  /* instructions between where a field is named and the call that reads it */

/* `mov D(%rdi), A; mov 8*RUN(A), B; call *B`: D, -1 = it is none. */
static int32_t vtable_at(const struct rust_code *code, size_t call)
{
	const struct rust_insn *function = call > 1 ? &code->insn[call - 1] : NULL,
			       *vtable = call > 1 ? &code->insn[call - 2] : NULL;

	if (!function || code->insn[call].op != RUST_OP_CALL || code->insn[call].memory ||
	    function->op != RUST_OP_LOAD || function->reg != code->insn[call].reg ||
	    function->disp != 8 * RUST_ASYNC_RUN || function->indexed || function->leader ||
	    code->insn[call].leader)
		return -1;
	if (vtable->op != RUST_OP_LOAD || vtable->reg != function->base ||
	    vtable->base != RUST_RDI || vtable->indexed || vtable->disp < 0 ||
	    vtable->disp > MAX_HEADER)
		return -1;
	return vtable->disp;
}

struct callers {
	struct rust_builder *b;
	bool pool, others;
};

static int on_caller(void *ctx, const struct rust_code *code, size_t i, uint32_t value)
{
	struct callers *c = ctx;
	uint64_t start;
	const char *name = symbol_table_find(c->b->image->symbols, code->low, &start);
	bool pool = name && rust_blocking_names_pool(name);

	(void)i;
	(void)value;
	c->pool |= pool;
	c->others |= !pool;
	return 0;
}

/* Whether the pool's threads call this instance, or others do. */
static struct callers callers_of(struct rust_builder *b, uint64_t run)
{
	struct callers c = { .b = b };
	struct rust_targets *targets = NULL;
	int rc = rust_targets_new(&targets);

	if (rc == 0)
		rc = rust_targets_add(targets, run, 0);
	if (rc == 0)
		rc = rust_unoptimised_calls(b, targets, on_caller, &c);
	c.others |= rc > 0;
	rust_targets_free(targets);
	if (rc < 0 && b->rc == 0)
		b->rc = rc;
	return c;
}

/* The end. False: the function is not of that shape. */
static bool add_run(struct rust_builder *b, uint64_t run, int32_t *vtable)
{
	struct rust_probe probe = { .kind = RUST_POLL_END,
				    .family = RUST_ASYNC_TASK,
				    .reg = RUST_NO_REG,
				    .type = UINT32_MAX };
	uint32_t before = b->plan->n_probes;
	const struct rust_code *code;
	struct callers callers = callers_of(b, run);

	if (b->rc < 0 ||
	    (callers.pool && callers.others)) /* ends of jobs would be taken for those of tasks */
		return false;
	probe.poller = callers.pool ? RUST_BY_BLOCKING_POOL : RUST_BY_OTHER;
	code = rust_decoder_at(b->decoder, run);
	for (size_t i = 0; code && code->low == run && i < code->n; i++) {
		int32_t at = vtable_at(code, i);

		if (at < 0 || (*vtable >= 0 && *vtable != at))
			continue;
		*vtable = at;
		rust_unoptimised_behind(b, code, i, probe);
		return b->plan->n_probes > before;
	}
	return false;
}

/* Has each async task's poll function a place for a probe? */
static bool begins_stand(struct rust_builder *b)
{
	for (uint32_t i = 0; i < b->plan->n_types; i++) {
		const struct rust_type *type = &b->plan->types[i];
		const struct rust_code *code = type->family == RUST_ASYNC_TASK && !type->blocking
						       ? rust_decoder_at(b->decoder, type->poll)
						       : NULL;
		struct rust_place place;

		if (code && !(rust_code_move(code, 0, RUST_RDI, &place) && place.emulated))
			return false;
	}
	return true;
}

void rust_unoptimised_async_polls(struct rust_builder *b)
{
	uint32_t before = b->plan->n_probes;
	int32_t vtable = -1;
	bool all = begins_stand(b), any = false;
	const char *name;
	uint64_t address;

	for (size_t i = 0; all && (name = symbol_table_at(b->image->symbols, i, &address)); i++)
		if (rust_named_is(name, "10async_task", "Runnable", "3run")) {
			any = true;
			all = add_run(b, address, &vtable);
		}
	if (any && all) {
		b->unoptimised = true;
		b->plan->layout[RUST_ASYNC_TASK].vtable = vtable;
	} else {
		b->plan->n_probes = before;
	}
}

/* `add $N, %rdi`: N; 0: the instruction is another one. */
static int32_t added(struct rust_builder *b, const struct rust_insn *insn)
{
	static const uint8_t add_rdi[] = { 0x48, 0x83, 0xc7 };
	const uint8_t *bytes = rust_image_bytes(b->image, insn->address, 4);

	return insn->size == 4 && bytes && !memcmp(bytes, add_rdi, sizeof(add_rdi)) ? bytes[3] : 0;
}

int32_t rust_unoptimised_state(struct rust_builder *b, uint64_t wake_by_ref)
{
	const struct rust_code *code = rust_decoder_at(b->decoder, wake_by_ref);

	for (size_t i = 0; code && i < code->n; i++) {
		uint64_t start, to = code->insn[i].op == RUST_OP_CALL
					     ? rust_code_target(b->image, &code->insn[i])
					     : 0;
		const char *name = to ? symbol_table_find(b->image->symbols, to, &start) : NULL;

		if (!name || start != to || !rust_named_is(name, "4core", "AtomicUsize", "4load"))
			continue;
		for (size_t back = 1; back <= MAX_BEFORE && back <= i; back++) {
			int32_t at = added(b, &code->insn[i - back]);

			if (at > 0)
				return at <= MAX_HEADER ? at : -1;
		}
		return 0;
	}
	return -1;
}
