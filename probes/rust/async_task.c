// SPDX-License-Identifier: MIT
/*
 * A task's vtable (async-task/src/raw.rs): seven functions and a pointer to its layout. Its RawWakerVTable begins
 * with the same clone_waker, which also tells a vtable from other data of that shape. The header is not repr(C):
 * where it holds vtable and state is read off the code.
 */
#include "probes/rust/async_task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/rust/polls.h"
#include "probes/rust/scan.h"
#include "probes/rust/unoptimised.h"

#define MAX_TASK    (1u << 26)
#define MAX_ALIGN   4096
#define MAX_TYPES   (1u << 18)
#define WAKER_WORDS 4

struct shape {
	uint64_t slot[RUST_ASYNC_SLOTS];
	uint64_t size, schedule;
};

static bool is_align(uint64_t value)
{
	return value > 0 && value <= MAX_ALIGN && (value & (value - 1)) == 0;
}

/* TaskLayout: size and align in either order, offsets of scheduler, future and output; `Some` of it in older releases. */
static bool read_layout(const struct rust_image *image, uint64_t at, uint64_t *ret_size,
			uint64_t *ret_schedule)
{
	uint64_t word[5], pointer, align;

	for (unsigned i = 0; i < 5; i++)
		if (rust_image_pointer(image, at + 8 * i, &pointer) ||
		    !rust_image_word(image, at + 8 * i, &word[i]))
			return false;
	align = is_align(word[0]) && word[0] >= 8 && word[1] >= 24 ? word[0] : word[1];
	*ret_size = align == word[0] ? word[1] : word[0];
	if (!is_align(align) || align < 8 || *ret_size < 24 || *ret_size > MAX_TASK ||
	    *ret_size % align != 0)
		return false;
	/* The scheduler comes first, whatever their order here. */
	*ret_schedule = word[2];
	for (unsigned i = 2; i < 5; i++) {
		if (word[i] < 16 || word[i] > *ret_size)
			return false;
		if (word[i] < *ret_schedule)
			*ret_schedule = word[i];
	}
	return true;
}

static bool read_shape(const struct rust_image *image, uint64_t at, struct shape *ret)
{
	uint64_t layout;

	if (!rust_image_pointer(image, at + 8 * RUST_ASYNC_SLOTS, &layout) ||
	    rust_image_is_code(image, layout))
		return false;
	for (unsigned i = 0; i < RUST_ASYNC_SLOTS; i++)
		if (!rust_image_code_pointer(image, at + 8 * i, &ret->slot[i]))
			return false;
	for (unsigned i = 0; i < RUST_ASYNC_SLOTS; i++)
		if (!rust_image_begins(image, ret->slot[i]))
			return false;
	return read_layout(image, layout, &ret->size, &ret->schedule);
}

typedef int (*word_fn)(void *ctx, uint64_t address);

/* Each aligned word of data. */
static int each_word(struct rust_builder *b, word_fn fn, void *ctx)
{
	int rc = 0;

	for (size_t i = 0; i < b->image->n; i++) {
		const struct rust_segment *s = &b->image->segment[i];

		if ((s->flags & PF_X) || (!b->image->fixed && !s->pointers))
			continue;
		for (uint64_t at = (8 - s->address % 8) % 8; at + 8 <= s->bytes && rc == 0; at += 8)
			rc = fn(ctx, s->address + at);
	}
	return rc;
}

struct candidates {
	struct rust_builder *b;
	struct rust_targets
		*clones; /* clone_waker functions of candidates; then of those that have a waker */
	struct rust_targets *seen;
	bool adding;
};

static int collect(void *ctx, uint64_t address)
{
	struct candidates *c = ctx;
	struct shape shape;

	if (!read_shape(c->b->image, address, &shape))
		return 0;
	return rust_targets_add(c->clones, shape.slot[RUST_ASYNC_CLONE_WAKER], 0);
}

static bool is_waker(const struct rust_image *image, const struct rust_targets *clones,
		     uint64_t address, uint64_t ret[WAKER_WORDS])
{
	uint64_t pointer;
	uint32_t unused;

	for (unsigned i = 0; i < WAKER_WORDS; i++)
		if (!rust_image_code_pointer(image, address + 8 * i, &ret[i]))
			return false;
	/* the last slots of a vtable are one such function and a pointer to data */
	return rust_targets_find(clones, ret[0], &unused) &&
	       rust_image_code_pointer(image, address, &pointer);
}

static int collect_wakers(void *ctx, uint64_t address)
{
	struct candidates *c = ctx;
	uint64_t word[WAKER_WORDS];

	return is_waker(c->b->image, c->clones, address, word)
		       ? rust_targets_add(c->seen, word[0], 0)
		       : 0;
}

static int add_type(void *ctx, uint64_t address)
{
	struct candidates *c = ctx;
	struct rust_type *type;
	struct shape shape;
	uint32_t unused;

	if (c->b->plan->n_types >= MAX_TYPES || !read_shape(c->b->image, address, &shape) ||
	    !rust_targets_find(c->seen, shape.slot[RUST_ASYNC_CLONE_WAKER], &unused))
		return 0;
	type = rust_builder_type(c->b);
	if (!type)
		return c->b->rc;
	type->vtable = address;
	type->poll = shape.slot[RUST_ASYNC_RUN];
	type->family = RUST_ASYNC_TASK;
	type->size = (uint32_t)shape.size;
	type->schedule_offset = (int32_t)shape.schedule;
	return 0;
}

void rust_async_task_types(struct rust_builder *b)
{
	struct candidates c = { .b = b };
	int rc = rust_targets_new(&c.clones);

	if (rc == 0)
		rc = rust_targets_new(&c.seen);
	if (rc == 0)
		rc = each_word(b, collect, &c);
	if (rc == 0)
		rc = each_word(b, collect_wakers, &c);
	if (rc == 0)
		rc = each_word(b, add_type, &c);
	if (rc < 0 && b->rc == 0)
		b->rc = rc;
	rust_targets_free(c.clones);
	rust_targets_free(c.seen);
}

static void add_probe(struct rust_builder *b, uint64_t function, uint8_t kind)
{
	struct rust_probe probe = {
		.kind = kind, .family = RUST_ASYNC_TASK, .reg = RUST_RDI, .type = UINT32_MAX
	};

	rust_builder_entry(b, function, probe);
}

/* In some builds wake() ends in wake_by_ref(): one hit is enough. */
static bool leads_to(struct rust_builder *b, uint64_t from, uint64_t to)
{
	uint64_t reached[16];
	size_t n = b->graph ? rust_graph_reach(b->graph, from, 1, reached, 16) : 0;

	for (size_t i = 1; i < n; i++)
		if (reached[i] == to)
			return true;
	return false;
}

static int add_wakes(void *ctx, uint64_t address)
{
	struct candidates *c = ctx;
	uint64_t word[WAKER_WORDS];

	if (!is_waker(c->b->image, c->clones, address, word))
		return 0;
	if (!leads_to(c->b, word[1], word[2]))
		add_probe(c->b, word[1], RUST_WAKE);
	add_probe(c->b, word[2], RUST_WAKE);
	return c->b->rc;
}

/* wake_by_ref begins with a load of the state. */
static int find_state(void *ctx, uint64_t address)
{
	struct candidates *c = ctx;
	struct rust_layout *layout = &c->b->plan->layout[RUST_ASYNC_TASK];
	uint64_t word[WAKER_WORDS];
	const struct rust_code *code;

	if (layout->state >= 0 || !is_waker(c->b->image, c->clones, address, word))
		return 0;
	code = rust_decoder_at(c->b->decoder, word[2]);
	for (size_t i = 0; code && i < code->n && i < 32; i++) {
		const struct rust_insn *insn = &code->insn[i];

		if (insn->op == RUST_OP_CALL)
			break;
		if (insn->op != RUST_OP_LOAD || insn->base != RUST_RDI || insn->indexed ||
		    insn->disp == layout->vtable || insn->disp < 0 || insn->disp > 32)
			continue;
		layout->state = insn->disp;
		return 0;
	}
	if (c->b->unoptimised)
		layout->state = rust_unoptimised_state(c->b, word[2]);
	return 0;
}

static void add_slots(struct candidates *c, struct rust_type *type)
{
	static const struct {
		unsigned slot;
		uint8_t kind;
	} wanted[] = {
		{ RUST_ASYNC_SCHEDULE, RUST_SCHEDULE },
		{ RUST_ASYNC_DROP_FUTURE, RUST_SHUTDOWN },
		{ RUST_ASYNC_DESTROY, RUST_DEALLOC },
	};
	uint64_t function;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (rust_image_code_pointer(c->b->image, type->vtable + 8ull * wanted[i].slot,
					    &function))
			add_probe(c->b, function, wanted[i].kind);
}

void rust_async_task_tasks(struct rust_builder *b)
{
	struct candidates c = { .b = b };
	struct rust_layout *layout = &b->plan->layout[RUST_ASYNC_TASK];
	int rc = rust_targets_new(&c.clones);
	bool any = false;
	uint64_t clone;

	for (uint32_t i = 0; rc == 0 && i < b->plan->n_types; i++) {
		struct rust_type *type = &b->plan->types[i];

		if (type->family != RUST_ASYNC_TASK)
			continue;
		any = true;
		if (rust_image_code_pointer(b->image, type->vtable + 8ull * RUST_ASYNC_CLONE_WAKER,
					    &clone))
			rc = rust_targets_add(c.clones, clone, 0);
		add_slots(&c, type);
	}
	if (rc == 0 && any) {
		rust_polls_find(b, RUST_ASYNC_TASK, RUST_ASYNC_RUN, &layout->vtable);
		if (layout->vtable < 0)
			rust_unoptimised_async_polls(b);
		rc = each_word(b, add_wakes, &c);
	}
	if (rc == 0 && any)
		rc = each_word(b, find_state, &c);
	if (rc < 0 && b->rc == 0)
		b->rc = rc;
	rust_targets_free(c.clones);
}
