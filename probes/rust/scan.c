// SPDX-License-Identifier: MIT
#include "probes/rust/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TARGETS (1u << 22)

struct entry {
	uint64_t address; /* 0 = free */
	uint32_t value;
};

/* Open addressing; `filter` has a bit for each entry's hash and fits the first level cache. */
struct rust_targets {
	size_t n, room; /* room: a power of two */
	struct entry *entry;
	uint64_t low, high;
	uint64_t filter[1024];
};

static size_t hash(uint64_t address)
{
	return (size_t)(address * 0x9e3779b97f4a7c15ull >> 24);
}

int rust_targets_new(struct rust_targets **ret)
{
	struct rust_targets *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->room = 1024;
	t->low = UINT64_MAX;
	t->entry = calloc(t->room, sizeof(*t->entry));
	if (!t->entry) {
		free(t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

struct rust_targets *rust_targets_free(struct rust_targets *t)
{
	if (t)
		free(t->entry);
	free(t);
	return NULL;
}

static struct entry *slot_of(struct entry *entry, size_t room, uint64_t address)
{
	size_t i = hash(address) & (room - 1);

	while (entry[i].address && entry[i].address != address)
		i = (i + 1) & (room - 1);
	return &entry[i];
}

static int grow(struct rust_targets *t)
{
	struct entry *grown = calloc(t->room * 2, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	for (size_t i = 0; i < t->room; i++)
		if (t->entry[i].address)
			*slot_of(grown, t->room * 2, t->entry[i].address) = t->entry[i];
	free(t->entry);
	t->entry = grown;
	t->room *= 2;
	return 0;
}

int rust_targets_add(struct rust_targets *t, uint64_t address, uint32_t value)
{
	struct entry *e;
	size_t bit = hash(address) & 0xffff;

	if (address == 0)
		return 0;
	if (t->n == MAX_TARGETS)
		return -E2BIG;
	if (t->n * 2 >= t->room && grow(t) < 0)
		return -ENOMEM;
	e = slot_of(t->entry, t->room, address);
	if (e->address)
		return 0;
	*e = (struct entry){ address, value };
	t->n++;
	t->low = address < t->low ? address : t->low;
	t->high = address > t->high ? address : t->high;
	t->filter[bit / 64] |= 1ull << (bit % 64);
	return 0;
}

bool rust_targets_find(const struct rust_targets *t, uint64_t address, uint32_t *ret_value)
{
	size_t bit = hash(address) & 0xffff;
	const struct entry *e;

	if (address < t->low || address > t->high || !(t->filter[bit / 64] >> (bit % 64) & 1))
		return false;
	e = slot_of(t->entry, t->room, address);
	if (!e->address)
		return false;
	*ret_value = e->value;
	return true;
}

bool rust_targets_next(const struct rust_targets *t, size_t *at, uint64_t *ret_address,
		       uint32_t *ret_value)
{
	while (*at < t->room) {
		const struct entry *e = &t->entry[(*at)++];

		if (!e->address)
			continue;
		*ret_address = e->address;
		*ret_value = e->value;
		return true;
	}
	return false;
}

int rust_targets_add_slots(struct rust_targets *t, const struct rust_image *image)
{
	struct rust_targets *slots = NULL;
	uint64_t value;
	uint32_t id;
	int rc = rust_targets_new(&slots);

	for (size_t i = 0; rc == 0 && i < image->n; i++) {
		const struct rust_segment *s = &image->segment[i];

		for (uint64_t at = (8 - s->address % 8) % 8;
		     s->pointers && rc == 0 && at + 8 <= s->bytes; at += 8)
			if (rust_image_pointer(image, s->address + at, &value) &&
			    rust_targets_find(t, value, &id))
				rc = rust_targets_add(slots, s->address + at, id);
	}
	for (size_t i = 0; rc == 0 && i < slots->room; i++)
		rc = rust_targets_add(t, slots->entry[i].address, slots->entry[i].value);
	rust_targets_free(slots);
	return rc;
}

/* Targets lie apart: texts before the code, functions in it, tables behind it. One range around all of them would take in all calls. */
enum { BEFORE, INSIDE, BEHIND, SPANS };
struct span {
	uint64_t low, high;
};

struct scan {
	const struct rust_image *image;
	const struct rust_targets *t;
	rust_scan_fn fn;
	void *ctx;
	bool operands;
	const uint8_t *code;
	uint64_t bytes;
	size_t n;
	struct span span[SPANS]; /* those that hold targets */
};

static void find_spans(struct scan *s)
{
	struct span all[SPANS];

	for (size_t k = 0; k < SPANS; k++)
		all[k] = (struct span){ UINT64_MAX, 0 };
	for (size_t i = 0; i < s->t->room; i++) {
		uint64_t address = s->t->entry[i].address;
		struct span *in = &all[address < s->image->code                ? BEFORE
				       : rust_image_is_code(s->image, address) ? INSIDE
									       : BEHIND];

		if (!address)
			continue;
		in->low = address < in->low ? address : in->low;
		in->high = address > in->high ? address : in->high;
	}
	for (size_t k = 0; k < SPANS; k++)
		if (all[k].low <= all[k].high)
			s->span[s->n++] = all[k];
}

/* Words of 4 bytes that lie one after the other: may one of them lead to a target? The compiler makes vectors of it. */
#define CHUNK 64
static bool may_refer(const uint8_t *at, uint32_t relative, uint32_t span)
{
	uint32_t word[CHUNK / 4], any = 0;

	memcpy(word, at, sizeof(word));
	for (uint32_t i = 0; i < CHUNK / 4; i++)
		any |= (uint32_t)(word[i] + relative + 4 * i <= span);
	return any;
}

/* Is one of them a target's address? */
static bool may_hold(const uint8_t *at, uint32_t low, uint32_t span)
{
	uint32_t word[CHUNK / 4], any = 0;

	memcpy(word, at, sizeof(word));
	for (uint32_t i = 0; i < CHUNK / 4; i++)
		any |= (uint32_t)(word[i] - low <= span);
	return any;
}

/* The bytes before it say so: a ModRM with mod 0, r/m 5, and before that not `ff` with /2 or /4, a call or a jump. */
static bool is_operand(const uint8_t *code, uint64_t i)
{
	if (i == 0 || (code[i - 1] & 0xc7) != 0x05)
		return false;
	return i == 1 || code[i - 2] != 0xff || (code[i - 1] != 0x15 && code[i - 1] != 0x25);
}

/* A reference at `i`: relative to the next instruction, or an absolute constant where the image has one address. */
static int check_at(const struct scan *s, uint64_t i)
{
	bool relative = !s->operands || is_operand(s->code, i);
	int32_t word;
	uint32_t value;

	if (!relative && !s->image->fixed)
		return 0;
	memcpy(&word, s->code + i, 4);
	if ((relative &&
	     rust_targets_find(s->t, s->image->code + i + 4 + (uint64_t)(int64_t)word, &value)) ||
	    (s->image->fixed && word > 0 && rust_targets_find(s->t, (uint32_t)word, &value)))
		return s->fn(s->ctx, s->image->code + i, value);
	return 0;
}

/* In which of the four phases a word of the chunk may refer to the span. */
static void look_at(const struct scan *s, uint64_t at, const struct span *in, bool phase[4])
{
	uint32_t span = in->high - in->low > UINT32_MAX ? UINT32_MAX
							: (uint32_t)(in->high - in->low);
	uint32_t relative = (uint32_t)(s->image->code + at + 4 - in->low);

	for (uint32_t p = 0; p < 4; p++)
		phase[p] |= may_refer(s->code + at + p, relative + p, span);
	for (uint32_t p = 0; s->image->fixed && p < 4; p++)
		phase[p] |= may_hold(s->code + at + p, (uint32_t)in->low, span);
}

static int check_chunk(const struct scan *s, uint64_t at)
{
	bool phase[4] = { false };
	int rc = 0;

	for (size_t k = 0; k < s->n; k++)
		look_at(s, at, &s->span[k], phase);
	if (!phase[0] && !phase[1] && !phase[2] && !phase[3])
		return 0;
	for (uint64_t i = 0; i < CHUNK && rc >= 0; i++)
		if (phase[i % 4] &&
		    (!s->operands || s->image->fixed || is_operand(s->code, at + i)))
			rc = check_at(s, at + i);
	return rc;
}

static int scan(struct scan *s)
{
	uint64_t i = 0;
	int rc = 0;

	s->bytes = s->image->code_end - s->image->code;
	s->code = rust_image_bytes(s->image, s->image->code, s->bytes);
	if (!s->code || s->t->n == 0)
		return 0;
	find_spans(s);
	for (; i + CHUNK + 3 <= s->bytes && rc >= 0; i += CHUNK)
		rc = check_chunk(s, i);
	for (; i + 4 <= s->bytes && rc >= 0; i++)
		rc = check_at(s, i);
	return rc < 0 ? rc : 0;
}

int rust_scan(const struct rust_image *image, const struct rust_targets *t, rust_scan_fn fn,
	      void *ctx)
{
	struct scan s = { .image = image, .t = t, .fn = fn, .ctx = ctx };

	return scan(&s);
}

int rust_scan_operands(const struct rust_image *image, const struct rust_targets *t,
		       rust_scan_fn fn, void *ctx)
{
	struct scan s = { .image = image, .t = t, .fn = fn, .ctx = ctx, .operands = true };

	return scan(&s);
}
