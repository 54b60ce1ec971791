// SPDX-License-Identifier: MIT
#include "probes/rust/places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/rust/scan.h"

#define LOOK_BACK   40
#define MAX_HELPER  0x200 /* bytes of the function that panics */
#define MAX_STRINGS 16

struct place {
	uint64_t function, location;
};

struct rust_places {
	struct rust_builder *b;
	size_t n, room;
	struct place *place; /* by function, ascending; of one function in order of address */
	struct rust_targets *helpers;
};

static const char *const texts[] = {
	"`async fn` resumed after completion",
	"`async fn` resumed after panicking",
	"`async gen fn` resumed after completion",
	"`async gen fn` resumed after panicking",
};

static int add_texts(const struct rust_image *image, struct rust_targets *ret)
{
	int rc = 0;

	for (size_t i = 0; i < image->n; i++) {
		const struct rust_segment *s = &image->segment[i];

		if (s->flags & PF_W)
			continue;
		for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
			const uint8_t *at = s->data;
			unsigned found = 0;

			while (rc == 0 && found++ < MAX_STRINGS &&
			       (at = memmem(at, s->bytes - (size_t)(at - s->data), texts[t],
					    strlen(texts[t])))) {
				rc = rust_targets_add(ret, s->address + (uint64_t)(at - s->data),
						      0);
				at++;
			}
		}
	}
	return rc;
}

static int add_helper(void *ctx, uint64_t at, uint32_t value)
{
	struct rust_places *p = ctx;
	uint64_t low, high;

	(void)value;
	if (!rust_image_function(p->b->image, at, &low, &high) || high - low > MAX_HELPER)
		return 0;
	return rust_targets_add(p->helpers, low, 0);
}

static int add(struct rust_places *p, uint64_t function, uint64_t location)
{
	if (p->n == p->room) {
		size_t room = p->room ? p->room * 2 : 256;
		struct place *grown = reallocarray(p->place, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		p->place = grown;
		p->room = room;
	}
	p->place[p->n++] = (struct place){ function, location };
	return 0;
}

/* `lea location(%rip), %rdi` right before the call; in a file linked to one address `mov $location, %edi`. */
static bool read_argument(const struct rust_image *image, uint64_t call, uint64_t low,
			  uint64_t *ret)
{
	uint64_t room = call - low < LOOK_BACK ? call - low : LOOK_BACK;
	const uint8_t *end = rust_image_bytes(image, call - room, room);
	struct rust_location location;
	uint32_t word;

	end = end ? end + room : NULL;
	for (uint64_t back = 5; end && back <= room; back++) {
		const uint8_t *at = end - back;

		if (back >= 7 && at[0] == 0x48 && at[1] == 0x8d && at[2] == 0x3d) {
			memcpy(&word, at + 3, 4);
			*ret = call - back + 7 + (uint64_t)(int64_t)(int32_t)word;
		} else if (image->fixed && at[0] == 0xbf) {
			memcpy(&word, at + 1, 4);
			*ret = word;
		} else {
			continue;
		}
		if (rust_location_at(image, *ret, &location))
			return true;
	}
	return false;
}

/* Two panics may share one call: the places are set where the jumps to it are. */
static int add_shared(struct rust_places *p, uint64_t call)
{
	const struct rust_code *code = rust_decoder_at(p->b->decoder, call);
	size_t i = code ? rust_code_index(code, call, false) : SIZE_MAX, from = i;
	struct rust_location location;
	int rc = 0;

	while (from != SIZE_MAX && from > 0 && !code->insn[from].leader)
		from--;
	for (size_t j = 0; from != SIZE_MAX && j < code->n && rc == 0; j++) {
		const struct rust_insn *jump = &code->insn[j];

		if (jump->op != RUST_OP_JUMP || jump->memory ||
		    jump->target != code->insn[from].address)
			continue;
		for (size_t k = j; k > 0 && j - k < 6; k--) {
			const struct rust_insn *insn = &code->insn[k - 1];

			if (insn->op == RUST_OP_LEA && insn->reg == RUST_RDI &&
			    rust_location_at(p->b->image, insn->target, &location)) {
				rc = add(p, code->low, insn->target);
				break;
			}
		}
	}
	return rc;
}

static int on_panic(void *ctx, const struct rust_call *call)
{
	struct rust_places *p = ctx;
	uint64_t low, high, location;
	uint32_t unused;

	if (call->jump || !rust_image_function(p->b->image, call->address, &low, &high) ||
	    rust_targets_find(p->helpers, low, &unused))
		return 0;
	if (read_argument(p->b->image, call->address, low, &location))
		return add(p, low, location);
	return add_shared(p, call->address);
}

int rust_places_new(struct rust_builder *b, struct rust_places **ret)
{
	struct rust_places *p = calloc(1, sizeof(*p));
	struct rust_targets *strings = NULL;
	int rc = p ? rust_targets_new(&strings) : -ENOMEM;

	if (rc == 0) {
		p->b = b;
		rc = rust_targets_new(&p->helpers);
	}
	if (rc == 0)
		rc = add_texts(b->image, strings);
	if (rc == 0)
		rc = rust_targets_add_slots(strings, b->image);
	if (rc == 0)
		rc = rust_scan(b->image, strings, add_helper, p);
	if (rc == 0)
		rc = rust_builder_calls(b, p->helpers, on_panic, p);
	rust_targets_free(strings);
	if (rc < 0) {
		rust_places_free(p);
		return rc;
	}
	*ret = p;
	return 0;
}

struct rust_places *rust_places_free(struct rust_places *p)
{
	if (!p)
		return NULL;
	rust_targets_free(p->helpers);
	free(p->place);
	free(p);
	return NULL;
}

static size_t first_of(const struct rust_places *p, uint64_t function)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (p->place[mid].function < function)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The place that the block at `address` panics with; 0 = it does something else. */
static uint64_t panics_at(const struct rust_places *p, const struct rust_code *code,
			  uint64_t address)
{
	size_t i = rust_code_index(code, address, false);
	struct rust_location location;

	for (size_t end = i + 6; i != SIZE_MAX && i < code->n && i < end; i++) {
		const struct rust_insn *insn = &code->insn[i];

		if ((insn->op == RUST_OP_LEA || insn->op == RUST_OP_CONST) &&
		    insn->reg == RUST_RDI && rust_location_at(p->b->image, insn->target, &location))
			return insn->target;
		if (insn->op == RUST_OP_CALL || insn->op == RUST_OP_END)
			return 0;
	}
	return 0;
}

/* Where entry 1 of a jump table (the state "returned") leads. */
static uint64_t entry_1(const struct rust_image *image, const struct rust_insn *lea)
{
	const uint8_t *entry = rust_image_bytes(image, lea->target + 4, 4);
	int32_t distance;

	if (!entry)
		return 0;
	memcpy(&distance, entry, 4);
	return lea->target + (uint64_t)(int64_t)distance;
}

/*
 * Coroutines that were inlined into this one have their places here too. Each begins with a jump by its state, in
 * the order in which they are entered: the first of them is the outermost's.
 */
static uint64_t outermost(const struct rust_places *p, uint64_t function)
{
	const struct rust_code *code = rust_decoder_at(p->b->decoder, function);
	const struct rust_insn *lea = NULL;
	uint64_t found;

	for (size_t i = 0; code && i < code->n; i++) {
		const struct rust_insn *insn = &code->insn[i];

		if (insn->op == RUST_OP_LEA && insn->base == RUST_RIP)
			lea = insn;
		if (insn->op != RUST_OP_JUMP || insn->target || insn->memory || !lea)
			continue;
		found = panics_at(p, code, entry_1(p->b->image, lea));
		if (found)
			return found;
	}
	return 0;
}

static bool is_foreign(const struct rust_places *p, uint64_t location)
{
	struct rust_location at;

	return !rust_location_at(p->b->image, location, &at) ||
	       rust_location_has(&at, "/registry/src/") ||
	       rust_location_has(&at, "/git/checkouts/") || rust_location_has(&at, "/rustc/");
}

/* One that is inlined is a library's more often than not; of the program's own, the outermost, else the first. */
bool rust_places_of(const struct rust_places *p, uint64_t function, struct rust_location *ret)
{
	size_t first = first_of(p, function), best = first;
	bool several = false;
	uint64_t one;

	if (first == p->n || p->place[first].function != function)
		return false;
	for (size_t i = first; i < p->n && p->place[i].function == function; i++) {
		several |= p->place[i].location != p->place[first].location;
		if (is_foreign(p, p->place[best].location) && !is_foreign(p, p->place[i].location))
			best = i;
	}
	one = several ? outermost(p, function) : 0;
	if (one && (!is_foreign(p, one) || is_foreign(p, p->place[best].location)))
		return rust_location_at(p->b->image, one, ret);
	return rust_location_at(p->b->image, p->place[best].location, ret);
}
