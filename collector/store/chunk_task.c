/* SPDX-License-Identifier: MIT */
/*
 * The events of one task in a chunk. Its place in the dictionary is known; where its number occurs in the column of tasks is found
 * without reading the other numbers, eight bytes at a time, and the times between are skipped with the marks.
 */
#include <stdlib.h>
#include <string.h>

#include "collector/store/chunk_reader_internal.h"
#include "collector/store/varint.h"

#define ONES 0x0101010101010101ull
#define HIGH 0x8080808080808080ull

/* ---- where the task occurs ---- */

static bool push_hit(struct chunk_reader *c, uint32_t event)
{
	if (event >= c->n)
		return false;
	c->hit[c->nhits++] = event;
	return true;
}

/* Whether the number that ends at p, in a column that begins at `start`, is the one of `bytes` bytes at `number`. */
static bool is_number(const uint8_t *start, const uint8_t *p, const uint8_t *number, size_t bytes)
{
	if ((size_t)(p - start) + 1 < bytes || memcmp(p + 1 - bytes, number, bytes) != 0)
		return false;
	p -= bytes;
	return p < start || *p < 128;
}

static unsigned ends_in(uint64_t x)
{
	return (unsigned)(((~x & HIGH) >> 7) * ONES >> 56);
}

/* Plain indices: the bytes are looked at for the last one of the number. */
static bool find_plain(struct chunk_reader *c, const struct chunk_column *col, uint32_t index)
{
	uint8_t number[VARINT_ROOM];
	size_t bytes = (size_t)(varint_put(number, index) - number);
	const uint8_t *p = col->p;
	uint32_t event = 0;

	for (; col->end - p >= 8; p += 8) {
		uint64_t x, y, same;

		memcpy(&x, p, 8);
		y = x ^ number[bytes - 1] * ONES;
		same = ~(((y & ~HIGH) + ~HIGH) | y) & HIGH;
		for (; same; same &= same - 1) {
			unsigned at = (unsigned)__builtin_ctzll(same) / 8;
			uint64_t before = at ? x | ~0ull << 8 * at : ~0ull;

			if (is_number(col->p, p + at, number, bytes) &&
			    !push_hit(c, event + ends_in(before)))
				return false;
		}
		event += ends_in(x);
	}
	for (; p < col->end; p++) {
		if (is_number(col->p, p, number, bytes) && !push_hit(c, event))
			return false;
		event += *p < 128;
	}
	return event == c->n;
}

static bool find_differences(struct chunk_reader *c, struct chunk_column col, uint32_t index)
{
	uint64_t v = 0, at = 0;

	for (uint32_t i = 0; i < c->n; i++) {
		col.p = col.p ? varint_get(col.p, col.end, &v) : NULL;
		if (!col.p)
			return false;
		at += (uint64_t)varint_unzigzag(v);
		if (at == index && !push_hit(c, i))
			return false;
	}
	return true;
}

bool chunk_read_task(struct chunk_reader *c, const struct chunk_bytes *tasks,
		     const struct chunk_bytes *data, uint32_t index, uint64_t task)
{
	const uint8_t *p = tasks->at;
	struct chunk_column col;
	uint64_t mode = 0;

	c->one = true;
	c->one_task = task;
	c->one_wake = UINT64_MAX;
	c->nhits = c->next_hit = c->ntasks = 0;
	c->dictionary = *tasks;
	if (!chunk_read_head(c, data) || !p || !varint_get(p, p + tasks->bytes, &mode))
		return false;
	if (c->n > c->hit_room) {
		if (!chunk_reader_room(&c->hit, c->n, sizeof(*c->hit)))
			return false;
		c->hit_room = c->n;
	}
	col = c->column[CHUNK_COL_TASK];
	if (!c->n)
		return true;
	return col.p && (mode ? find_differences(c, col, index) : find_plain(c, &col, index));
}

/* ---- the way there ---- */

/* The marks up to event `to`: whole blocks of times are passed at once. */
static void use_marks(struct chunk_reader *c, uint32_t to)
{
	struct chunk_column *time = &c->column[CHUNK_COL_TIME], *mark = &c->column[CHUNK_COL_MARK];

	while (mark->p && (mark->at + 1) * CHUNK_MARK <= to) {
		const uint8_t *p = mark->p;
		uint64_t bytes = 0, ns = 0;

		p = varint_get(p, mark->end, &bytes);
		p = p ? varint_get(p, mark->end, &ns) : NULL;
		if (!p || bytes > (uint64_t)(time->end - c->marked_p) ||
		    c->marked_t + ns > INT64_MAX) {
			mark->p = NULL;
			return;
		}
		c->marked_p += bytes;
		c->marked_t += ns;
		mark->p = p;
		mark->at++;
	}
	if (mark->at * CHUNK_MARK <= c->next)
		return;
	c->next = mark->at * CHUNK_MARK;
	time->p = c->marked_p;
	c->now = c->marked_t;
}

/* In locals: most events are passed over. */
static bool pass_over(struct chunk_reader *c, uint32_t to)
{
	struct chunk_column *time = &c->column[CHUNK_COL_TIME];
	const uint8_t *p = time->p;
	uint64_t now = c->now, v;
	uint32_t i = c->next;

	for (; p && i < to; i++) {
		/* Shapes that are left as they are may name none that there is. */
		if (c->any_late && chunk_shape_at(c, i) >= c->nshapes)
			return false;
		p = varint_get(p, time->end, &v);
		if (p && !(c->any_late && c->shape[chunk_shape_at(c, i)].flags & RECORD_LATE))
			now += v;
		else if (p && now - (uint64_t)varint_unzigzag(v) > INT64_MAX)
			p = NULL;
		if (now > INT64_MAX)
			p = NULL;
	}
	time->p = p;
	c->now = now;
	c->next = i;
	return p || i == c->n;
}

bool chunk_step_task(struct chunk_reader *c)
{
	const struct chunk_shape *s = c->next ? &c->shape[chunk_shape_at(c, c->next - 1)] : NULL;
	uint32_t to;

	if (c->next_hit && s && s->kind == WEFT_K_TASK_WAKE && s->value[2] &&
	    !(s->flags & RECORD_LATE))
		c->one_wake = c->event_t;
	if (c->damaged || c->next_hit == c->nhits)
		return false;
	to = c->hit[c->next_hit++];
	use_marks(c, to);
	if (chunk_shape_at(c, to) >= c->nshapes || !pass_over(c, to)) {
		c->damaged = true;
		return false;
	}
	return chunk_pass_event(c);
}
