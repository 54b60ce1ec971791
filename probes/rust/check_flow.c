// SPDX-License-Identifier: MIT
#include "probes/rust/check_flow.h"

#include <errno.h>
#include <stdlib.h>

#define MANY UINT32_MAX

/* Of one instruction. */
struct node {
	uint32_t panics; /* leads to this panic for sure: index + 1 of the instruction that names it; 0 = none */
	uint32_t check; /* a branch that may lead to it, else not; 0 = none, MANY = several */
	bool takes_id, point;
};

struct check_flow {
	struct rust_flow *flow;
	const struct rust_code *code;
	struct node *node;
};

int check_flow_new(struct rust_flow *flow, struct check_flow **ret)
{
	const struct rust_code *code = rust_flow_code(flow);
	struct rust_callees *callees = rust_flow_callees(flow);
	struct check_flow *f = calloc(1, sizeof(*f));

	if (f) {
		f->flow = flow;
		f->code = code;
		f->node = calloc(code->n, sizeof(*f->node));
	}
	if (!f || !f->node) {
		free(f);
		return -ENOMEM;
	}
	for (size_t i = 0; i < code->n; i++) {
		const struct rust_insn *insn = &code->insn[i];

		f->node[i].takes_id =
			insn->op == RUST_OP_CALL
				? (rust_callees_of(callees, insn) & RUST_CALLEE_COUNTS) != 0
				: rust_takes_number(callees->image, code, i);
	}
	*ret = f;
	return 0;
}

struct check_flow *check_flow_free(struct check_flow *f)
{
	if (!f)
		return NULL;
	free(f->node);
	free(f);
	return NULL;
}

/* ---- panics ---- */

static bool goes_there(const struct check_flow *f, size_t branch, uint32_t panic, bool either)
{
	size_t to = rust_code_index(f->code, f->code->insn[branch].target, false);
	bool next = branch + 1 < f->code->n && f->node[branch + 1].panics == panic,
	     target = to != SIZE_MAX && f->node[to].panics == panic;

	return either ? next || target : next && target;
}

void check_flow_panic(struct check_flow *f, size_t naming)
{
	uint32_t panic = (uint32_t)naming + 1;
	size_t i;

	if (!rust_flow_begin(f->flow) || f->node[naming].panics)
		return;
	f->node[naming].panics = panic;
	rust_flow_push(f->flow, naming);
	while ((i = rust_flow_next(f->flow)) != SIZE_MAX) {
		size_t state = 0, from;

		while ((from = rust_flow_before(f->flow, i, &state)) != SIZE_MAX) {
			if (f->code->insn[from].op == RUST_OP_BRANCH &&
			    !goes_there(f, from, panic, false))
				continue;
			if (!f->node[from].panics)
				f->node[from].panics = panic;
			rust_flow_push(f->flow, from);
		}
	}
	for (i = 0; i < f->code->n; i++) {
		struct node *node = &f->node[i];

		if (f->code->insn[i].op == RUST_OP_BRANCH && node->panics != panic &&
		    goes_there(f, i, panic, true))
			node->check = node->check ? MANY : panic;
	}
}

void check_flow_point(struct check_flow *f, size_t insn)
{
	if (insn < f->code->n)
		f->node[insn].point = true;
}

/* ---- searches ---- */

/* From a point back to the branches that are its check. */
static uint32_t find_check(struct check_flow *f, size_t point)
{
	uint32_t check = 0;
	size_t i;

	if (!rust_flow_begin(f->flow) || !rust_flow_push_before(f->flow, point))
		return 0;
	while ((i = rust_flow_next(f->flow)) != SIZE_MAX) {
		const struct node *node = &f->node[i];

		if (node->check) {
			if (check && check != node->check)
				return 0;
			check = node->check;
			continue;
		}
		if (node->point || node->takes_id || !rust_flow_push_before(f->flow, i))
			return 0;
	}
	return check == MANY ? 0 : check;
}

/* From those branches back to where the id is taken. */
static bool has_id(struct check_flow *f, uint32_t check)
{
	size_t i;

	if (!rust_flow_begin(f->flow))
		return false;
	for (i = 0; i < f->code->n; i++)
		if (f->node[i].check == check)
			rust_flow_push(f->flow, i);
	while ((i = rust_flow_next(f->flow)) != SIZE_MAX) {
		const struct node *node = &f->node[i];

		if (node->takes_id)
			continue;
		if (node->point || (node->check && node->check != check) ||
		    !rust_flow_push_before(f->flow, i))
			return false;
	}
	return true;
}

bool check_flow_find(struct check_flow *f, size_t point, size_t *ret_naming)
{
	uint32_t check = point < f->code->n ? find_check(f, point) : 0;

	if (!check || !has_id(f, check))
		return false;
	*ret_naming = check - 1;
	return true;
}
