// SPDX-License-Identifier: MIT
#include "probes/lanes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/event.h"

#define HEAD       ((uint32_t)sizeof(struct weft_batch))
#define BASE_TRIES 64

struct lane_base {
	struct weft_lane status;
	uint64_t emitted[WEFT_MAX_KINDS];
};

struct lane {
	uint32_t seq, offset;         /* first position not delivered */
	uint32_t word_seq, word_head; /* commit word of the last look */
	uint64_t pending_since; /* something undelivered was seen at the last settle; 0 = nothing */
	struct lane_base *base; /* NULL = zero */
	uint64_t delivered[WEFT_MAX_KINDS];
	struct lane_copy *cut;
	bool unreadable;
};

struct lanes {
	const struct target_map *map;
	uint32_t count;
	struct lane *lane;     /* of the mapping's max_lanes */
	struct lane_copy copy; /* scratch */
};

int lanes_new(const struct target_map *map, struct lanes **ret)
{
	struct lanes *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->map = map;
	l->lane = calloc(target_map_shape(map)->max_lanes, sizeof(*l->lane));
	if (!l->lane) {
		free(l);
		return -ENOMEM;
	}
	*ret = l;
	return 0;
}

struct lanes *lanes_free(struct lanes *l)
{
	if (!l)
		return NULL;
	for (uint32_t i = 0; i < l->count; i++) {
		free(l->lane[i].base);
		free(l->lane[i].cut);
	}
	free(l->lane);
	free(l);
	return NULL;
}

uint32_t lanes_count(const struct lanes *l)
{
	return l->count;
}

/* seq wraps after 2^32 batches. */
static int32_t seq_diff(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

/* Adds the records in [from, to) of a batch page; the kind is the top byte of a record's first word. */
static void add_records(const struct target_map *map, const uint8_t *page, uint32_t from,
			uint32_t to, uint64_t *count)
{
	uint32_t bytes;

	for (uint32_t at = from < HEAD ? HEAD : from; at < to; at += bytes) {
		bytes = target_map_record_bytes(map, page, at, to);
		if (!bytes)
			return;
		count[page[at + 7] & (WEFT_MAX_KINDS - 1)]++;
	}
}

static void count_records(const struct target_map *map, const struct lane_copy *c,
			  uint64_t *emitted)
{
	memcpy(emitted, c->status.emitted[c->seq & 1], sizeof(c->status.emitted[0]));
	add_records(map, c->batch, HEAD, c->head, emitted);
}

static int copy_lane(const struct lanes *l, uint32_t i, struct lane_copy *ret)
{
	int err = -EAGAIN;

	for (int n = 0; n < BASE_TRIES && err == -EAGAIN; n++)
		err = target_map_copy_lane(l->map, i, ret);
	return err;
}

static int take_base(struct lanes *l, uint32_t i)
{
	struct lane *lane = &l->lane[i];
	struct lane_base *base = calloc(1, sizeof(*base));
	int err;

	if (!base)
		return -ENOMEM;
	err = copy_lane(l, i, &l->copy);
	if (err) {
		free(base);
		return err;
	}
	base->status = l->copy.status;
	count_records(l->map, &l->copy, base->emitted);
	lane->seq = l->copy.seq;
	lane->offset = l->copy.head;
	lane->word_seq = lane->seq;
	lane->word_head = lane->offset;
	lane->base = base;
	return 0;
}

static void begin_lane(struct lane *lane)
{
	memset(lane, 0, sizeof(*lane));
	lane->offset = HEAD;
}

int lanes_base(struct lanes *l)
{
	uint32_t n = target_map_lanes(l->map);

	for (; l->count < n; l->count++) {
		int err;

		begin_lane(&l->lane[l->count]);
		err = take_base(l, l->count);
		if (err)
			return err;
	}
	return 0;
}

/*
 * New lanes, without their commit words: a word may be read only before the ring's end is looked up, or
 * batches that are behind that end would be taken for lost.
 */
static void add_lanes(struct lanes *l)
{
	uint32_t n = target_map_lanes(l->map);

	for (; l->count < n; l->count++)
		begin_lane(&l->lane[l->count]);
}

void lanes_look(struct lanes *l)
{
	add_lanes(l);
	for (uint32_t i = 0; i < l->count; i++) {
		struct lane *lane = &l->lane[i];

		if (!lane->cut)
			lane->unreadable =
				!target_map_commit(l->map, i, &lane->word_seq, &lane->word_head);
	}
}

static void skip_to(struct lane *lane, uint32_t seq, uint32_t offset)
{
	lane->seq = seq;
	lane->offset = offset;
	lane->pending_since = 0;
}

static void report_gap(struct lane *lane, uint32_t i, uint32_t to, const struct lanes_out *out)
{
	out->gap(out->ctx, i, lane->seq, to);
	skip_to(lane, to, HEAD);
}

bool lanes_batch(struct lanes *l, const struct weft_ev_batch *batch, const struct lanes_out *out,
		 uint32_t *from, uint32_t *to)
{
	struct lane *lane;
	bool past_cut;

	if (batch->lane >= l->count)
		add_lanes(l);
	if (batch->lane >= l->count)
		return false;
	lane = &l->lane[batch->lane];
	if (seq_diff(batch->seq, lane->seq) < 0 ||
	    (lane->cut && seq_diff(batch->seq, lane->cut->seq) > 0))
		return false;
	if (seq_diff(batch->seq, lane->seq) > 0)
		report_gap(lane, batch->lane, batch->seq, out);
	past_cut = lane->cut && batch->seq == lane->cut->seq;
	*from = lane->offset > HEAD ? lane->offset : 0;
	*to = past_cut && lane->cut->head < batch->bytes ? lane->cut->head : batch->bytes;
	skip_to(lane, past_cut ? batch->seq : batch->seq + 1, past_cut ? *to : HEAD);
	if (*to <= *from || *to <= HEAD)
		return false;
	add_records(l->map, (const uint8_t *)(batch + 1), *from, *to, lane->delivered);
	return true;
}

static void deliver_piece(struct lanes *l, uint32_t i, const struct lane_copy *c,
			  const struct lanes_out *out)
{
	struct lane *lane = &l->lane[i];

	if (c->head > lane->offset) {
		out->piece(out->ctx, i, c->seq, lane->offset, c->batch + lane->offset,
			   c->head - lane->offset);
		add_records(l->map, c->batch, lane->offset, c->head, lane->delivered);
	}
	skip_to(lane, c->seq, c->head > lane->offset ? c->head : lane->offset);
}

/* A copy of another batch than the word's means that the flush is on its way: it will bring the bytes. */
static void settle_lane(struct lanes *l, uint32_t i, uint64_t now_ns, uint64_t age_ns,
			const struct lanes_out *out)
{
	struct lane *lane = &l->lane[i];

	if (seq_diff(lane->word_seq, lane->seq) > 0)
		report_gap(lane, i, lane->word_seq, out);
	if (lane->word_seq != lane->seq || lane->word_head <= lane->offset) {
		lane->pending_since = 0;
		return;
	}
	if (!lane->pending_since)
		lane->pending_since = now_ns;
	if (now_ns - lane->pending_since < age_ns)
		return;
	if (!target_map_copy_lane(l->map, i, &l->copy) && l->copy.seq == lane->seq)
		deliver_piece(l, i, &l->copy, out);
}

void lanes_settle(struct lanes *l, uint64_t now_ns, uint64_t age_ns, const struct lanes_out *out)
{
	for (uint32_t i = 0; i < l->count; i++)
		if (!l->lane[i].cut && !l->lane[i].unreadable)
			settle_lane(l, i, now_ns, age_ns, out);
}

static bool oldest_of(const struct lanes *l, uint32_t i, uint64_t *ret)
{
	const struct lane *lane = &l->lane[i];
	uint64_t word, at = target_map_lane_offset(l->map, i) + WEFT_PAGE + lane->offset;
	uint32_t seq, head;

	if (lane->unreadable || lane->word_seq != lane->seq || lane->word_head <= lane->offset)
		return false;
	if (!target_map_load64(l->map, at, &word) || !target_map_commit(l->map, i, &seq, &head) ||
	    seq != lane->seq)
		return false;
	*ret = word & WEFT_STAMP_MASK;
	return true;
}

bool lanes_oldest(const struct lanes *l, uint64_t *ret_stamp)
{
	bool any = false;
	uint64_t stamp;

	for (uint32_t i = 0; i < l->count; i++)
		if (oldest_of(l, i, &stamp) && (!any || stamp < *ret_stamp)) {
			*ret_stamp = stamp;
			any = true;
		}
	return any;
}

int lanes_cut(struct lanes *l)
{
	int err = 0;

	lanes_look(l);
	for (uint32_t i = 0; i < l->count; i++) {
		struct lane_copy *c = calloc(1, sizeof(*c));
		int now = c ? copy_lane(l, i, c) : -ENOMEM;

		if (now) {
			free(c);
			err = now;
		} else {
			l->lane[i].cut = c;
		}
	}
	return err;
}

void lanes_tail(struct lanes *l, const struct lanes_out *out)
{
	for (uint32_t i = 0; i < l->count; i++) {
		struct lane *lane = &l->lane[i];

		if (!lane->cut)
			continue;
		if (seq_diff(lane->cut->seq, lane->seq) > 0)
			report_gap(lane, i, lane->cut->seq, out);
		if (lane->cut->seq == lane->seq)
			deliver_piece(l, i, lane->cut, out);
	}
}

static void add_lane_counts(struct lanes *l, uint32_t i, __u64 *emitted, __u64 *filtered)
{
	const struct lane *lane = &l->lane[i];
	const struct lane_copy *c = lane->cut;
	uint64_t now[WEFT_MAX_KINDS];

	if (!c && !copy_lane(l, i, &l->copy))
		c = &l->copy;
	if (!c) {
		for (unsigned k = 1; k < WEFT_MAX_KINDS; k++)
			emitted[k] += lane->delivered[k];
		return;
	}
	count_records(l->map, c, now);
	for (unsigned k = 1; k < WEFT_MAX_KINDS; k++) {
		emitted[k] += now[k] - (lane->base ? lane->base->emitted[k] : 0);
		filtered[k] +=
			c->status.filtered[k] - (lane->base ? lane->base->status.filtered[k] : 0);
	}
}

void lanes_counts(struct lanes *l, __u64 *emitted, __u64 *filtered)
{
	memset(emitted, 0, WEFT_MAX_KINDS * sizeof(*emitted));
	memset(filtered, 0, WEFT_MAX_KINDS * sizeof(*filtered));
	for (uint32_t i = 0; i < l->count; i++)
		add_lane_counts(l, i, emitted, filtered);
}

bool lanes_status(const struct lanes *l, uint32_t lane, struct weft_lane *ret)
{
	if (lane >= l->count)
		return false;
	if (l->lane[lane].cut) {
		*ret = l->lane[lane].cut->status;
		return true;
	}
	return target_map_copy(l->map, target_map_lane_offset(l->map, lane), ret, sizeof(*ret));
}

const struct weft_lane *lanes_status_base(const struct lanes *l, uint32_t lane)
{
	static const struct weft_lane zero;

	return lane < l->count && l->lane[lane].base ? &l->lane[lane].base->status : &zero;
}
