// SPDX-License-Identifier: MIT
#include "probes/rust/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COUNTING 0x80 /* bytes of a function that does nothing else */
#define LOOK_BACK    8
#define BUDGET       (256u << 20)

struct jump {
	uint32_t to, from;
};

struct rust_flow {
	struct rust_callees *callees;
	const struct rust_code *code;
	bool computed;     /* it has jumps whose targets are not known */
	bool *stops;       /* what stands behind it is not reached from it */
	struct jump *jump; /* by target */
	size_t n_jumps;
	uint32_t *seen; /* by which search */
	uint32_t *todo; /* instructions, each once per search */
	size_t n_todo, done;
	uint32_t search;
};

/* ---- functions that are called ---- */

int rust_callees_init(struct rust_callees *c, const struct rust_image *image,
		      struct rust_decoder *decoder)
{
	c->image = image;
	c->decoder = decoder;
	c->budget = BUDGET;
	return rust_targets_new(&c->known);
}

void rust_callees_done(struct rust_callees *c)
{
	rust_targets_free(c->known);
}

static bool is_global(const struct rust_code *code, size_t i)
{
	uint8_t base = code->insn[i].base;

	for (size_t back = i; base < 16 && back > 0 && i - back < LOOK_BACK; back--) {
		const struct rust_insn *insn = &code->insn[back - 1];

		if (insn->writes >> base & 1)
			return (insn->op == RUST_OP_LEA || insn->op == RUST_OP_LOAD) &&
			       insn->base == RUST_RIP;
	}
	return base == RUST_RIP || (base == RUST_NO_REG && code->insn[i].target);
}

bool rust_takes_number(const struct rust_image *image, const struct rust_code *code, size_t i)
{
	const struct rust_insn *insn = &code->insn[i];
	const uint8_t *b = rust_image_bytes(image, insn->address, insn->size);
	size_t at = 1;

	if (!b || insn->size < 5 || b[0] != 0xf0)
		return false;
	at += (b[at] & 0xf0) == 0x40;
	return b[at] == 0x0f && b[at + 1] == 0xc1 && is_global(code, i);
}

/* Up to its end; bytes that are no instruction end it before that. */
static bool is_whole(const struct rust_code *code)
{
	const struct rust_insn *last = &code->insn[code->n - 1];

	return last->address + last->size == code->high;
}

static unsigned look_at(struct rust_callees *c, uint64_t function)
{
	const struct rust_code *code = rust_decoder_beside(c->decoder, function);
	unsigned found = code && is_whole(code) ? RUST_CALLEE_ENDS : 0;

	for (size_t i = 0; code && i < code->n; i++) {
		const struct rust_insn *insn = &code->insn[i];
		bool away =
			(insn->op == RUST_OP_JUMP || insn->op == RUST_OP_BRANCH) &&
			(insn->memory || insn->target < code->low || insn->target >= code->high);

		if (away || (insn->op == RUST_OP_END && !insn->refused))
			found &= ~(unsigned)RUST_CALLEE_ENDS;
		if (code->high - code->low <= MAX_COUNTING && rust_takes_number(c->image, code, i))
			found |= RUST_CALLEE_COUNTS;
	}
	return found;
}

unsigned rust_callees_of(struct rust_callees *c, const struct rust_insn *call)
{
	uint64_t function = rust_code_target(c->image, call);
	uint32_t found;

	if (!function)
		return 0;
	if (!rust_targets_find(c->known, function, &found)) {
		found = look_at(c, function);
		rust_targets_add(c->known, function, found);
	}
	return found;
}

/* ---- the graph ---- */

static int by_target(const void *a, const void *b)
{
	const struct jump *x = a, *y = b;

	if (x->to != y->to)
		return x->to < y->to ? -1 : 1;
	return x->from < y->from ? -1 : x->from > y->from;
}

static void add_jump(struct rust_flow *f, size_t from)
{
	const struct rust_insn *insn = &f->code->insn[from];
	size_t to = insn->memory ? SIZE_MAX : rust_code_index(f->code, insn->target, false);

	if (insn->op == RUST_OP_JUMP && !rust_code_target(f->callees->image, insn))
		f->computed = true;
	if (to != SIZE_MAX)
		f->jump[f->n_jumps++] = (struct jump){ (uint32_t)to, (uint32_t)from };
}

static void build(struct rust_flow *f)
{
	for (size_t i = 0; i < f->code->n; i++) {
		const struct rust_insn *insn = &f->code->insn[i];

		f->stops[i] = insn->op == RUST_OP_JUMP || insn->op == RUST_OP_END;
		if (insn->op == RUST_OP_JUMP || insn->op == RUST_OP_BRANCH)
			add_jump(f, i);
		else if (insn->op == RUST_OP_CALL)
			f->stops[i] = rust_callees_of(f->callees, insn) & RUST_CALLEE_ENDS;
	}
	if (f->n_jumps > 1)
		qsort(f->jump, f->n_jumps, sizeof(*f->jump), by_target);
}

int rust_flow_new(struct rust_callees *callees, const struct rust_code *code,
		  struct rust_flow **ret)
{
	struct rust_flow *f = calloc(1, sizeof(*f));

	if (f) {
		f->callees = callees;
		f->code = code;
		f->stops = calloc(code->n, sizeof(*f->stops));
		f->jump = calloc(code->n, sizeof(*f->jump));
		f->seen = calloc(code->n, sizeof(*f->seen));
		f->todo = calloc(code->n, sizeof(*f->todo));
	}
	if (!f || !f->stops || !f->jump || !f->seen || !f->todo) {
		rust_flow_free(f);
		return -ENOMEM;
	}
	build(f);
	*ret = f;
	return 0;
}

struct rust_flow *rust_flow_free(struct rust_flow *f)
{
	if (!f)
		return NULL;
	free(f->stops);
	free(f->jump);
	free(f->seen);
	free(f->todo);
	free(f);
	return NULL;
}

const struct rust_code *rust_flow_code(const struct rust_flow *f)
{
	return f->code;
}

struct rust_callees *rust_flow_callees(const struct rust_flow *f)
{
	return f->callees;
}

static size_t first_jump(const struct rust_flow *f, size_t to)
{
	size_t low = 0, high = f->n_jumps;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (f->jump[mid].to < to)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

size_t rust_flow_before(const struct rust_flow *f, size_t i, size_t *state)
{
	size_t k;

	if (*state == 0) {
		*state = first_jump(f, i) + 1;
		if (i > 0 && !f->stops[i - 1])
			return i - 1;
	}
	k = *state - 1;
	if (k >= f->n_jumps || f->jump[k].to != i)
		return SIZE_MAX;
	++*state;
	return f->jump[k].from;
}

/* ---- searches ---- */

bool rust_flow_begin(struct rust_flow *f)
{
	f->search++;
	f->n_todo = f->done = 0;
	return f->callees->budget > 0;
}

void rust_flow_push(struct rust_flow *f, size_t i)
{
	if (f->seen[i] == f->search)
		return;
	f->seen[i] = f->search;
	f->todo[f->n_todo++] = (uint32_t)i;
	if (f->callees->budget > 0)
		f->callees->budget--;
}

size_t rust_flow_next(struct rust_flow *f)
{
	return f->done < f->n_todo ? f->todo[f->done++] : SIZE_MAX;
}

bool rust_flow_push_before(struct rust_flow *f, size_t i)
{
	size_t state = 0, from, n = 0;

	while ((from = rust_flow_before(f, i, &state)) != SIZE_MAX) {
		rust_flow_push(f, from);
		n++;
	}
	if (i == 0 || f->callees->budget == 0)
		return false;
	return n > 0 || !f->computed;
}
