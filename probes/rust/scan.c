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

/* Words of 4 bytes that lie one after the other, and whether one of them may lead to a target. The compiler makes vectors of it. */
#define CHUNK 64
static bool may_refer(const uint8_t *at, uint32_t relative, uint32_t absolute, uint32_t span)
{
	uint32_t word[CHUNK / 4], any = 0;

	memcpy(word, at, sizeof(word));
	for (uint32_t i = 0; i < CHUNK / 4; i++)
		any |= (uint32_t)(word[i] + relative + 4 * i <= span) |
		       (uint32_t)(word[i] - absolute <= span);
	return any;
}

struct scan {
	const struct rust_image *image;
	const struct rust_targets *t;
	rust_scan_fn fn;
	void *ctx;
	const uint8_t *code;
	uint64_t bytes;
};

/* A reference at `i`: relative to the next instruction, or an absolute constant where the image has one address. */
static int check_at(const struct scan *s, uint64_t i)
{
	int32_t word;
	uint32_t value;

	memcpy(&word, s->code + i, 4);
	if (rust_targets_find(s->t, s->image->code + i + 4 + (uint64_t)(int64_t)word, &value) ||
	    (s->image->fixed && word > 0 && rust_targets_find(s->t, (uint32_t)word, &value)))
		return s->fn(s->ctx, s->image->code + i, value);
	return 0;
}

static int check_chunk(const struct scan *s, uint64_t at)
{
	uint32_t span = s->t->high - s->t->low > UINT32_MAX ? UINT32_MAX
							    : (uint32_t)(s->t->high - s->t->low);
	uint32_t absolute = s->image->fixed ? (uint32_t)s->t->low : 0;
	uint32_t relative = (uint32_t)(s->image->code + at + 4 - s->t->low);
	bool phase[4];
	int rc = 0;

	/* without absolute references the second comparison must not be the one that says yes */
	for (uint32_t p = 0; p < 4; p++)
		phase[p] = may_refer(s->code + at + p, relative + p,
				     s->image->fixed ? absolute : 0u - relative - p, span);
	if (!phase[0] && !phase[1] && !phase[2] && !phase[3])
		return 0;
	for (uint64_t i = 0; i < CHUNK && rc >= 0; i++)
		if (phase[i % 4])
			rc = check_at(s, at + i);
	return rc;
}

int rust_scan(const struct rust_image *image, const struct rust_targets *t, rust_scan_fn fn,
	      void *ctx)
{
	struct scan s = { .image = image, .t = t, .fn = fn, .ctx = ctx };
	uint64_t i = 0;
	int rc = 0;

	s.bytes = image->code_end - image->code;
	s.code = rust_image_bytes(image, image->code, s.bytes);
	if (!s.code || t->n == 0)
		return 0;
	for (; i + CHUNK + 3 <= s.bytes && rc >= 0; i += CHUNK)
		rc = check_chunk(&s, i);
	for (; i + 4 <= s.bytes && rc >= 0; i++)
		rc = check_at(&s, i);
	return rc < 0 ? rc : 0;
}
