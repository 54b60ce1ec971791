// SPDX-License-Identifier: MIT
#include "probes/symbols/frame_cache.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES    32768u /* power of two; at most 3/4 are used */
#define TEXTS      32768u
#define MAX_FRAMES 65536u
#define TEXT_BYTES (8u << 20)

struct stored {
	uint32_t func, file; /* offsets in text */
	uint32_t line, inlined;
};

struct entry {
	uint64_t address;
	uint32_t module;
	uint32_t first : 24, n : 7, used : 1;
};

struct frame_cache {
	size_t entries, frames, texts, text_bytes, text_room, frame_room;
	struct entry *entry;
	uint32_t *text_at; /* hash -> offset + 1, 0 = free */
	struct stored *frame;
	char *text;
};

struct frame_cache *frame_cache_new(void)
{
	struct frame_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->entry = calloc(ENTRIES, sizeof(*c->entry));
	c->text_at = calloc(TEXTS, sizeof(*c->text_at));
	return c->entry && c->text_at ? c : frame_cache_free(c);
}

struct frame_cache *frame_cache_free(struct frame_cache *c)
{
	if (c) {
		free(c->entry);
		free(c->text_at);
		free(c->frame);
		free(c->text);
		free(c);
	}
	return NULL;
}

static void clear(struct frame_cache *c)
{
	memset(c->entry, 0, ENTRIES * sizeof(*c->entry));
	memset(c->text_at, 0, TEXTS * sizeof(*c->text_at));
	c->entries = c->frames = c->texts = c->text_bytes = 0;
}

/* Finaliser of splitmix64. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static struct entry *slot(struct frame_cache *c, uint32_t module, uint64_t address)
{
	uint64_t at = mix(address ^ (uint64_t)module << 48);

	for (;; at++) {
		struct entry *e = &c->entry[at & (ENTRIES - 1)];

		if (!e->used || (e->address == address && e->module == module))
			return e;
	}
}

int frame_cache_get(struct frame_cache *c, uint32_t module, uint64_t address,
		    struct resolver_frame *ret, size_t max)
{
	const struct entry *e = slot(c, module, address);

	if (!e->used)
		return -1;
	for (size_t i = 0; i < e->n && i < max; i++) {
		const struct stored *s = &c->frame[e->first + i];

		/* texts came from these very fields, so they fit */
		strcpy(ret[i].func, c->text + s->func);
		strcpy(ret[i].file, c->text + s->file);
		ret[i].line = s->line;
		ret[i].inlined = s->inlined;
		ret[i].offset = address;
		ret[i].module = module;
	}
	return e->n;
}

static bool grow(void **p, size_t *room, size_t want, size_t size)
{
	size_t bigger = *room ? *room * 2 : 4096;
	void *grown;

	if (want <= *room)
		return true;
	grown = reallocarray(*p, bigger, size);
	if (!grown)
		return false;
	*p = grown;
	*room = bigger;
	return true;
}

static bool keep_text(struct frame_cache *c, const char *text, uint32_t *ret)
{
	size_t n = strlen(text) + 1;
	uint64_t at = 14695981039346656037ull; /* FNV-1a */
	void *p = c->text;

	for (const char *s = text; *s; s++)
		at = (at ^ (unsigned char)*s) * 1099511628211ull;
	for (at = mix(at); c->text_at[at & (TEXTS - 1)]; at++) {
		*ret = c->text_at[at & (TEXTS - 1)] - 1;
		if (strcmp(c->text + *ret, text) == 0)
			return true;
	}
	if (c->texts >= TEXTS / 4 * 3 || c->text_bytes + n > TEXT_BYTES ||
	    !grow(&p, &c->text_room, c->text_bytes + n, 1))
		return false;
	c->text = p;
	memcpy(c->text + c->text_bytes, text, n);
	*ret = (uint32_t)c->text_bytes;
	c->text_bytes += n;
	c->texts++;
	c->text_at[at & (TEXTS - 1)] = *ret + 1;
	return true;
}

static bool keep_frames(struct frame_cache *c, const struct resolver_frame *frames, size_t n)
{
	void *p = c->frame;

	if (c->frames + n > MAX_FRAMES ||
	    !grow(&p, &c->frame_room, c->frames + n, sizeof(*c->frame)))
		return false;
	c->frame = p;
	for (size_t i = 0; i < n; i++) {
		struct stored *s = &c->frame[c->frames + i];

		if (!keep_text(c, frames[i].func, &s->func) ||
		    !keep_text(c, frames[i].file, &s->file))
			return false;
		s->line = frames[i].line;
		s->inlined = frames[i].inlined;
	}
	return true;
}

void frame_cache_put(struct frame_cache *c, uint32_t module, uint64_t address,
		     const struct resolver_frame *frames, size_t n)
{
	struct entry *e;

	if (n > 64)
		return;
	if (c->entries >= ENTRIES / 4 * 3 || !keep_frames(c, frames, n)) {
		clear(c);
		if (!keep_frames(c, frames, n))
			return;
	}
	e = slot(c, module, address);
	if (e->used)
		return;
	*e = (struct entry){ .address = address,
			     .module = module,
			     .first = (uint32_t)c->frames & 0xffffff,
			     .n = (unsigned)n & 127,
			     .used = 1 };
	c->frames += n;
	c->entries++;
}
