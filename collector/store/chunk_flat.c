/* SPDX-License-Identifier: MIT */
/* Reading what in a chunk is no column: flat events with their zeros cut, and the counts per kind. */
#include "collector/store/chunk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/store/varint.h"

#define MAX_EVENTS (1u << 16)
#define MAX_EVENT  (64u << 10)

const uint8_t *chunk_unpack_event(const uint8_t *p, const uint8_t *end, struct weft_ev **ret)
{
	uint32_t size = 0;
	struct weft_ev *ev;
	size_t words, i = 0;

	p = varint_get_u32(p, end, MAX_EVENT, &size);
	if (!p || size < sizeof(*ev) || size % 8)
		return NULL;
	ev = calloc(1, size);
	words = size / 8;
	while (ev && p && i < words) {
		uint32_t zeros = 0, kept = 0;

		p = varint_get_u32(p, end, words - i, &zeros);
		i += zeros;
		p = varint_get_u32(p, end, words - i, &kept);
		if (!p || (size_t)(end - p) < kept * 8ull || !(zeros + kept)) {
			p = NULL;
			break;
		}
		memcpy((uint64_t *)ev + i, p, kept * 8ull);
		p += kept * 8ull;
		i += kept;
	}
	if (!p || !ev || ev->size != size) {
		free(ev);
		return NULL;
	}
	*ret = ev;
	return p;
}

int chunk_next_flat(const uint8_t **p, const uint8_t *end, uint64_t base, struct chunk_flat *io)
{
	const uint8_t *at = *p;
	uint32_t pos = 0, flags = 0;
	uint64_t t = 0;

	io->ev = NULL;
	if (!at || at >= end)
		return -ENODATA;
	at = varint_get_u32(at, end, MAX_EVENTS, &pos);
	at = at ? varint_get(at, end, &t) : NULL;
	at = varint_get_u32(at, end, UINT16_MAX, &flags);
	at = at ? chunk_unpack_event(at, end, &io->ev) : NULL;
	*p = at;
	if (!at)
		return -EBADMSG;
	io->pos += pos;
	io->t_ns = base + (uint64_t)varint_unzigzag(t);
	io->flags = (uint16_t)flags;
	return 0;
}

size_t chunk_read_counts(const uint8_t *p, size_t bytes, struct chunk_count *ret, size_t max)
{
	const uint8_t *end = p + bytes;
	size_t n = 0;

	while (p && p < end && n < max) {
		struct chunk_count c = { 0 };

		p = varint_get_u32(p, end, UINT32_MAX, &c.process);
		p = varint_get_u32(p, end, WEFT_EV_KINDS - 1, &c.kind);
		p = p ? varint_get(p, end, &c.n) : NULL;
		if (p)
			ret[n++] = c;
	}
	return n;
}
