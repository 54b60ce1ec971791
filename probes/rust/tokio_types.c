// SPDX-License-Identifier: MIT
/*
 * A task's vtable (tokio/src/runtime/task/raw.rs, 1.23 to 1.5x): seven functions, then the offsets of trailer,
 * scheduler and id from the header. The header (core.rs, repr(C)): state, queue_next, vtable, owner_id.
 */
#include "probes/rust/tokio.h"

#define MAX_TASK      (1u << 26)
#define MAX_TYPES     (1u << 18)
#define HEADER_VTABLE 16

struct shape {
	uint64_t slot[RUST_TOKIO_SLOTS];
	uint64_t trailer, scheduler, id;
};

static bool offsets_fit(const struct shape *s)
{
	return s->scheduler >= 24 && s->scheduler <= 512 && s->id >= s->scheduler &&
	       s->id <= s->scheduler + 128 && s->trailer > s->id && s->trailer < MAX_TASK &&
	       s->trailer % 8 == 0 && s->scheduler % 8 == 0 && s->id % 8 == 0;
}

/* Offsets first: most words of read-only data fail there at once. */
static bool read_shape(const struct rust_image *image, uint64_t at, struct shape *ret)
{
	uint64_t value;

	if (!rust_image_word(image, at + 56, &ret->trailer) ||
	    !rust_image_word(image, at + 64, &ret->scheduler) ||
	    !rust_image_word(image, at + 72, &ret->id) || !offsets_fit(ret))
		return false;
	for (unsigned i = 7; i < 10; i++)
		if (rust_image_pointer(image, at + 8 * i, &value))
			return false;
	for (unsigned i = 0; i < RUST_TOKIO_SLOTS; i++)
		if (!rust_image_code_pointer(image, at + 8 * i, &ret->slot[i]))
			return false;
	for (unsigned i = 0; i < RUST_TOKIO_SLOTS; i++)
		if (!rust_image_begins(image, ret->slot[i]))
			return false;
	return true;
}

static void add(struct rust_builder *b, uint64_t vtable, const struct shape *s)
{
	struct rust_type *type = rust_builder_type(b);

	if (!type)
		return;
	type->vtable = vtable;
	type->poll = s->slot[RUST_TOKIO_POLL];
	type->family = RUST_TOKIO;
	type->id_offset = (int32_t)s->id;
	type->trailer_offset = (int32_t)s->trailer;
}

static void search(struct rust_builder *b, const struct rust_segment *s)
{
	struct shape shape;

	for (uint64_t at = (8 - s->address % 8) % 8; at + 80 <= s->bytes; at += 8) {
		if (b->rc < 0 || b->plan->n_types >= MAX_TYPES)
			return;
		if (!read_shape(b->image, s->address + at, &shape))
			continue;
		add(b, s->address + at, &shape);
		at += 72;
	}
}

void rust_tokio_types(struct rust_builder *b)
{
	for (size_t i = 0; i < b->image->n; i++) {
		const struct rust_segment *s = &b->image->segment[i];

		if (!(s->flags & PF_X) && (b->image->fixed || s->pointers))
			search(b, s);
	}
	if (b->plan->n_types > 0)
		b->plan->layout[RUST_TOKIO] = (struct rust_layout){
			.state = 0, .queue_next = 8, .vtable = HEADER_VTABLE, .owner = 24
		};
}
