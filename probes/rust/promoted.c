// SPDX-License-Identifier: MIT
/*
 * `cmp F, R` with a branch behind it, F in the global offset table, or loaded from it before the loop. What is built in begins
 * with a load of the task's state through the header, changes it with `lock cmpxchg`, and looks for `schedule` in the vtable.
 */
#include "probes/rust/promoted.h"

#include <string.h>

#include "probes/rust/scan.h"

#define MAX_BEFORE 6  /* instructions until the state is loaded */
#define MAX_BODY   48 /* until it has been changed, and the vtable loaded */

struct promoted {
	struct rust_builder *b;
	struct rust_targets *wake; /* the function, and the words that hold its address */
	uint64_t function;
	bool unseen, parking;
};

/* The instruction that is next when both are equal; SIZE_MAX: that is no such branch. */
static size_t equal_side(const struct promoted *p, const struct rust_code *code, size_t branch)
{
	const struct rust_insn *insn = branch < code->n ? &code->insn[branch] : NULL;
	const uint8_t *bytes = insn && insn->op == RUST_OP_BRANCH && insn->size >= 2
				       ? rust_image_bytes(p->b->image, insn->address, insn->size)
				       : NULL;
	uint8_t condition = !bytes ? 0 : (bytes[0] == 0x0f ? bytes[1] : bytes[0]) & 0x0f;

	if (condition == 0x4)
		return rust_code_index(code, insn->target, false);
	return condition == 0x5 && branch + 1 < code->n ? branch + 1 : SIZE_MAX;
}

/* Is the task in register `header` woken from `i` on? */
static bool is_wake(const struct promoted *p, const struct rust_code *code, size_t i,
		    uint8_t header)
{
	int32_t vtable = p->b->plan->layout[RUST_TOKIO].vtable;
	bool changed = false, looked = false;

	for (size_t end = i + MAX_BODY; i < end && i < code->n && !(changed && looked); i++) {
		const struct rust_insn *insn = &code->insn[i];

		if (insn->base != header || insn->indexed)
			continue;
		changed |= insn->locked && insn->disp == 0;
		looked |= insn->op == RUST_OP_LOAD && insn->disp == vtable;
	}
	return changed && looked;
}

/* The branch on the state that was read: passed once more for each time that another thread was faster. */
static size_t branch_on_state(const struct rust_code *code, size_t i, uint8_t header)
{
	for (; i < code->n; i++) {
		const struct rust_insn *insn = &code->insn[i];

		if (insn->op == RUST_OP_BRANCH && insn->emulated)
			return i;
		if (insn->op == RUST_OP_CALL || insn->op == RUST_OP_JUMP ||
		    insn->op == RUST_OP_END || insn->locked || (insn->writes >> header & 1))
			break;
	}
	return SIZE_MAX;
}

/* The state is loaded by instruction `load`. */
static bool place(struct promoted *p, const struct rust_code *code, size_t load, uint8_t header)
{
	struct rust_probe probe = { .kind = RUST_WAKE, .family = RUST_TOKIO, .type = UINT32_MAX };
	struct rust_place at;
	size_t i;

	if (rust_code_move(code, load, header, &at) && at.emulated) {
		i = rust_code_index(code, at.address, false);
		probe.late = i < load;
		for (size_t k = load; k < i; k++)
			probe.late |= code->insn[k].locked;
	} else {
		i = branch_on_state(code, load, header);
		if (i == SIZE_MAX)
			return false;
		at = (struct rust_place){ code->insn[i].address, header, true };
	}
	probe.address = at.address;
	probe.reg = at.reg;
	probe.emulated = true;
	rust_builder_probe(p->b, &probe);
	return true;
}

/* False: what is there is something else. */
static bool add_wake(struct promoted *p, const struct rust_code *code, size_t i)
{
	for (size_t end = i + MAX_BEFORE; i < end && i < code->n; i++) {
		const struct rust_insn *insn = &code->insn[i];

		if (insn->op == RUST_OP_CALL)
			return rust_code_target(p->b->image, insn) == p->function;
		if (insn->op == RUST_OP_END || insn->op == RUST_OP_BRANCH)
			return false;
		if (insn->op == RUST_OP_LOAD && insn->disp == 0 && insn->base < 16 &&
		    !insn->indexed && is_wake(p, code, i, insn->base))
			return place(p, code, i, insn->base);
	}
	return false;
}

/* Where a driver's turn is built into what parks a thread, its wakes do not pass its own function. */
static bool is_parking(const struct promoted *p, const struct rust_code *code)
{
	uint64_t start;
	const char *name = symbol_table_find(p->b->image->symbols, code->low, &start);

	return name && strstr(name, "5tokio7runtime") &&
	       (strstr(name, "4park") || strstr(name, "12park_timeout") ||
		strstr(name, "13park_internal"));
}

static void on_compare(struct promoted *p, const struct rust_code *code, size_t i)
{
	size_t equal = equal_side(p, code, i + 1);

	if (equal == SIZE_MAX)
		return;
	p->unseen |= !add_wake(p, code, equal);
	p->parking |= is_parking(p, code);
}

/* A comparison of registers, `reg` being one of them. */
static bool compares(const struct promoted *p, const struct rust_insn *insn, uint8_t reg)
{
	const uint8_t *bytes = insn->size == 3 && !insn->writes && (insn->reads >> reg & 1)
				       ? rust_image_bytes(p->b->image, insn->address, 3)
				       : NULL;

	return bytes && (bytes[0] & 0xf8) == 0x48 && (bytes[1] == 0x39 || bytes[1] == 0x3b) &&
	       bytes[2] >= 0xc0;
}

static int on_reference(void *ctx, uint64_t at, uint32_t value)
{
	struct promoted *p = ctx;
	const struct rust_code *code = rust_decoder_at(p->b->decoder, at);
	size_t i = code ? rust_code_index(code, at, true) : SIZE_MAX;
	const struct rust_insn *insn = i == SIZE_MAX ? NULL : &code->insn[i];
	uint32_t unused;

	(void)value;
	if (!insn || !rust_targets_find(p->wake, insn->target, &unused))
		return 0;
	if (insn->op == RUST_OP_OTHER && !insn->writes)
		on_compare(p, code, i);
	else if ((insn->op == RUST_OP_LOAD || insn->op == RUST_OP_LEA) && insn->reg < 16)
		for (size_t k = i + 1; k < code->n; k++)
			if (compares(p, &code->insn[k], insn->reg))
				on_compare(p, code, k);
	return p->b->rc;
}

void rust_promoted_wakes(struct rust_builder *b, uint64_t wake)
{
	struct promoted p = { .b = b, .function = wake };
	int rc = rust_targets_new(&p.wake);

	if (rc == 0)
		rc = rust_targets_add(p.wake, wake, 0);
	if (rc == 0)
		rc = rust_targets_add_slots(p.wake, b->image);
	if (rc == 0)
		rc = rust_scan_operands(b->image, p.wake, on_reference, &p);
	if (p.unseen)
		rust_builder_gap(
			b, "wakes",
			"some are built into other functions by profile-guided optimisation");
	if (p.parking)
		rust_builder_gap(b, "which wakes timers and IO cause",
				 "built into other functions by profile-guided optimisation");
	if (rc < 0 && b->rc == 0)
		b->rc = rc;
	rust_targets_free(p.wake);
}
