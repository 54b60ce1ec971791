/* SPDX-License-Identifier: MIT */
/* Closing a chunk: the task dictionary, the index columns, and the blobs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/store/chunk_internal.h"
#include "collector/store/varint.h"

#define HOT       120 /* at most so many ids in front: their index is one byte */
#define HOT_LEAST 4   /* and only those that occur as often */
#define RADIX     11
#define SAMPLE    1024u /* events looked at to tell which way to write the tasks is shorter */

/* Room that stays: blobs of this size would come from and go back to the kernel each time. */
static int scratch_room(struct chunk_writer *w, size_t bytes)
{
	if (bytes <= w->packed_room)
		return 0;
	free(w->packed);
	w->packed = malloc(bytes);
	w->packed_room = w->packed ? bytes : 0;
	return w->packed ? 0 : -ENOMEM;
}

/* ---- the dictionary ---- */

/* Occurrences a task needs to be among the HOT most frequent. */
static uint32_t hot_threshold(const struct chunk_writer *w)
{
	uint32_t histogram[256] = { 0 }, above = 0;
	int c;

	for (uint32_t i = 0; i < w->ntasks; i++)
		histogram[w->task[i].count > 255 ? 255 : w->task[i].count]++;
	for (c = 255; c >= HOT_LEAST && above + histogram[c] <= HOT; c--)
		above += histogram[c];
	return (uint32_t)c + 1;
}

static void sort_by_id(struct chunk_writer *w, uint32_t *ids, uint32_t n, uint64_t least,
		       uint64_t greatest)
{
	uint32_t *from = ids, *to = ids == w->order[0] ? w->order[1] : w->order[0];

	for (unsigned shift = 0; shift < 64 && (greatest - least) >> shift; shift += RADIX) {
		uint32_t at[(1 << RADIX) + 1] = { 0 };
		uint32_t *swap = from;

		for (uint32_t i = 0; i < n; i++)
			at[((w->task[from[i]].task - least) >> shift & ((1 << RADIX) - 1)) + 1]++;
		for (unsigned k = 0; k < 1 << RADIX; k++)
			at[k + 1] += at[k];
		for (uint32_t i = 0; i < n; i++)
			to[at[(w->task[from[i]].task - least) >> shift & ((1 << RADIX) - 1)]++] =
				from[i];
		from = to;
		to = swap;
	}
	if (from != ids)
		memcpy(ids, from, n * sizeof(*ids));
}

/* Few: insertion is enough. */
static void sort_by_count(struct chunk_writer *w, uint32_t *ids, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		uint32_t id = ids[i], k = i;

		for (; k && w->task[ids[k - 1]].count < w->task[id].count; k--)
			ids[k] = ids[k - 1];
		ids[k] = id;
	}
}

/* Fills index[local] and order[0] (locals by index); returns how many are hot. */
static uint32_t index_tasks(struct chunk_writer *w, struct chunk_blobs *ret)
{
	uint32_t threshold = w->ntasks > 128 ? hot_threshold(w) : UINT32_MAX, hot = 0, rest = 0;
	uint32_t *order = w->order[0], *others = w->order[1];
	uint64_t least = UINT64_MAX, greatest = 0;

	for (uint32_t i = 0; i < w->ntasks; i++) {
		uint64_t id = w->task[i].task;

		least = id < least ? id : least;
		greatest = id > greatest ? id : greatest;
		if (w->task[i].count >= threshold)
			order[hot++] = i;
		else
			w->scratch[rest++] = i;
	}
	sort_by_count(w, order, hot);
	memcpy(w->index, order, hot * sizeof(*order)); /* the sort below uses both halves */
	memcpy(others, w->scratch, rest * sizeof(*others));
	sort_by_id(w, others, rest, least, greatest);
	memcpy(w->scratch, others, rest * sizeof(*others));
	memcpy(order, w->index, hot * sizeof(*order));
	memcpy(order + hot, w->scratch, rest * sizeof(*order));
	for (uint32_t i = 0; i < w->ntasks; i++)
		w->index[order[i]] = i;
	ret->task0 = w->ntasks ? least : 0;
	ret->task1 = greatest;
	return hot;
}

/* Whether differences of indices take less room than the indices, as far as the first events show. */
static bool differences_win(const struct chunk_writer *w)
{
	uint32_t plain = 0, diff = 0, before = 0;

	if (w->ntasks <= 128)
		return false;
	for (uint32_t i = 0; i < w->n && i < SAMPLE; i++) {
		uint32_t at = w->index[w->tasks[i]];

		plain += at >= 128;
		diff += (uint32_t)((int32_t)(at - before) + 64) >= 128;
		before = at;
	}
	return diff < plain;
}

static int pack_tasks(struct chunk_writer *w, uint32_t hot, bool differences,
		      struct chunk_bytes *ret)
{
	uint64_t before = 0;
	uint8_t *p;

	if (scratch_room(w, (w->ntasks + 4ull) * VARINT_ROOM))
		return -ENOMEM;
	p = varint_put(w->packed, differences);
	p = varint_put(p, hot);
	for (uint32_t i = 0; i < w->ntasks; i++) {
		uint64_t id = w->task[w->order[0][i]].task;

		p = varint_put(p, i < hot ? id : id - before);
		before = i < hot ? 0 : id;
	}
	ret->bytes = (size_t)(p - w->packed);
	ret->at = malloc(ret->bytes);
	if (ret->at)
		memcpy(ret->at, w->packed, ret->bytes);
	return ret->at ? 0 : -ENOMEM;
}

/* ---- columns ---- */

static uint8_t *put_task_column(const struct chunk_writer *w, bool differences, uint8_t *p)
{
	uint32_t before = 0;

	for (uint32_t i = 0; i < w->n && !differences; i++)
		p = varint_put_small(p, w->index[w->tasks[i]]);
	for (uint32_t i = 0; i < w->n && differences; i++) {
		uint32_t at = w->index[w->tasks[i]];

		p = varint_put_small(p, (uint32_t)varint_zigzag((int32_t)(at - before)));
		before = at;
	}
	return p;
}

static uint8_t *put_references(const struct chunk_writer *w, const struct chunk_stream *s,
			       uint8_t *p)
{
	for (size_t i = 0; i < s->used; i += 2) {
		uint16_t local;

		memcpy(&local, s->at + i, 2);
		p = varint_put_small(p, w->index[local]);
	}
	return p;
}

/* More shapes than fit a byte: the frequent ones get the short numbers. rank[local shape] = number. */
static void rank_shapes(struct chunk_writer *w, uint32_t *rank)
{
	uint32_t *by_shape = w->scratch, at[258] = { 0 };

	if (w->nshapes <= 128) {
		for (uint32_t i = 0; i < w->nshapes; i++)
			rank[i] = i;
		return;
	}
	memset(by_shape, 0, w->nshapes * sizeof(*by_shape));
	for (uint32_t i = 0; i < w->n; i++)
		by_shape[w->shapes[i]]++;
	for (uint32_t i = 0; i < w->nshapes; i++)
		at[256 - (by_shape[i] > 255 ? 255 : by_shape[i])]++;
	for (unsigned k = 0; k < 257; k++)
		at[k + 1] += at[k];
	for (uint32_t i = 0; i < w->nshapes; i++)
		rank[i] = at[255 - (by_shape[i] > 255 ? 255 : by_shape[i])]++;
}

static uint8_t *put_shape(const struct chunk_shape *s, uint8_t *p)
{
	p = varint_put(p, s->kind);
	p = varint_put(p, s->flags);
	p = varint_put(p, s->lane);
	p = varint_put(p, s->process);
	p = varint_put(p, s->tid);
	p = varint_put(p, s->how[0] | s->how[1] << 2 | s->how[2] << 4 | s->how[3] << 6);
	for (unsigned f = 0; f < 4; f++)
		if (chunk_fields[s->kind][f] == CHUNK_SHAPE)
			p = varint_put(p, s->value[f]);
	return p;
}

static uint8_t *put_shapes(struct chunk_writer *w, const uint32_t *rank, uint8_t *p)
{
	uint32_t *by_rank = w->scratch;

	for (uint32_t i = 0; i < w->nshapes; i++)
		by_rank[rank[i]] = i;
	for (uint32_t i = 0; i < w->nshapes; i++)
		p = put_shape(&w->shape[by_rank[i]], p);
	return p;
}

/* One byte each when there are few, in the order in which they came. */
static uint8_t *put_shape_column(const struct chunk_writer *w, const uint32_t *rank, uint8_t *p)
{
	if (w->nshapes <= 128) {
		for (uint32_t i = 0; i < w->n; i++)
			p[i] = (uint8_t)w->shapes[i];
		return p + w->n;
	}
	for (uint32_t i = 0; i < w->n; i++)
		p = varint_put_small(p, rank[w->shapes[i]]);
	return p;
}

/* Columns into `p`, their ids and lengths into `dir`; *ret_columns = how many. */
static uint8_t *put_columns(struct chunk_writer *w, const uint32_t *rank, bool differences,
			    uint8_t *p, uint8_t **dir, uint32_t *ret_columns)
{
	uint8_t *start = p;

	for (unsigned c = 0; c < CHUNK_COLS; c++) {
		const struct chunk_stream *s = c == CHUNK_COL_TIME ? &w->time : &w->column[c];

		if (c == CHUNK_COL_SHAPE) {
			p = put_shape_column(w, rank, p);
		} else if (c == CHUNK_COL_TASK) {
			p = put_task_column(w, differences, p);
		} else if (c == CHUNK_COL_MARK && w->marks_used) {
			memcpy(p, w->marks, w->marks_used);
			p += w->marks_used;
		} else if (!s->used) {
			continue;
		} else if (s->references) {
			p = put_references(w, s, p);
		} else {
			memcpy(p, s->at, s->used);
			p += s->used;
		}
		*dir = varint_put(varint_put(*dir, c), (uint64_t)(p - start));
		start = p;
		(*ret_columns)++;
	}
	return p;
}

static size_t columns_room(const struct chunk_writer *w)
{
	size_t room = w->time.used + w->marks_used + (size_t)w->n * 6 + VARINT_ROOM;

	for (unsigned c = 0; c < CHUNK_COLS; c++)
		room += w->column[c].used * (w->column[c].references ? 2 : 1);
	return room + VARINT_ROOM;
}

static int pack_data(struct chunk_writer *w, bool differences, struct chunk_bytes *ret)
{
	uint32_t *rank = w->order[1], columns = 0;
	size_t head_room = ((size_t)w->nshapes * 12 + 8) * VARINT_ROOM, head_bytes, body_bytes;
	uint8_t directory[CHUNK_COLS * 8], *dir = directory, *head, *p;

	if (scratch_room(w, head_room + sizeof(directory) + columns_room(w)))
		return -ENOMEM;
	rank_shapes(w, rank);
	head = w->packed + columns_room(w);
	body_bytes =
		(size_t)(put_columns(w, rank, differences, w->packed, &dir, &columns) - w->packed);
	p = varint_put(head, w->t0);
	p = varint_put(p, w->n);
	p = varint_put(p, w->nshapes);
	p = put_shapes(w, rank, p);
	p = varint_put(p, columns);
	memcpy(p, directory, (size_t)(dir - directory));
	p += dir - directory;
	head_bytes = (size_t)(p - head);
	ret->at = malloc(head_bytes + body_bytes);
	if (!ret->at)
		return -ENOMEM;
	memcpy(ret->at, head, head_bytes);
	memcpy(ret->at + head_bytes, w->packed, body_bytes);
	ret->bytes = head_bytes + body_bytes;
	return 0;
}

static int pack_counts(const struct chunk_writer *w, struct chunk_bytes *ret)
{
	uint8_t *p = malloc((size_t)(w->ncounts + 1) * 3 * VARINT_ROOM);

	if (!p)
		return -ENOMEM;
	ret->at = p;
	for (uint32_t i = 0; i < w->ncounts; i++) {
		p = varint_put(p, w->counts[i].process);
		p = varint_put(p, w->counts[i].kind);
		p = varint_put(p, w->counts[i].n);
	}
	ret->bytes = (size_t)(p - ret->at);
	return 0;
}

void chunk_blobs_free(struct chunk_blobs *b)
{
	free(b->counts.at);
	free(b->tasks.at);
	free(b->data.at);
	free(b->flat.at);
	*b = (struct chunk_blobs){ 0 };
}

int chunk_close(struct chunk_writer *w, struct chunk_blobs *ret)
{
	bool differences;
	uint32_t hot;
	int rc;

	*ret = (struct chunk_blobs){ .t0 = w->low ? w->low - 1 : w->t0,
				     .t1 = w->t1,
				     .n = w->n + w->nflat };
	hot = index_tasks(w, ret);
	differences = differences_win(w);
	rc = pack_tasks(w, hot, differences, &ret->tasks);
	if (!rc)
		rc = pack_data(w, differences, &ret->data);
	if (!rc)
		rc = pack_counts(w, &ret->counts);
	if (!rc && w->flat.used) {
		ret->flat.at = malloc(w->flat.used);
		if (ret->flat.at) {
			memcpy(ret->flat.at, w->flat.at, w->flat.used);
			ret->flat.bytes = w->flat.used;
		}
		rc = ret->flat.at ? 0 : -ENOMEM;
	}
	chunk_restart(w);
	if (rc)
		chunk_blobs_free(ret);
	return rc;
}

/* ---- flat events ---- */

/* varint size, then pairs of (zero words, words that follow), the words as they are. */
size_t chunk_pack_event(const struct weft_ev *ev, uint8_t *out)
{
	const uint64_t *word = (const uint64_t *)ev;
	size_t words = ev->size / 8, i = 0;
	uint8_t *p = varint_put(out, ev->size);

	while (i < words) {
		size_t zeros = 0, kept = 0;

		while (i + zeros < words && !word[i + zeros])
			zeros++;
		i += zeros;
		while (i + kept < words && word[i + kept])
			kept++;
		p = varint_put(p, zeros);
		p = varint_put(p, kept);
		memcpy(p, word + i, kept * 8);
		p += kept * 8;
		i += kept;
	}
	return (size_t)(p - out);
}
