/* SPDX-License-Identifier: MIT */
/* Batches of a lane: pieces in their turn, cut into records; what is missing becomes a gap. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/decode_internal.h"
#include "collector/decode_wire.h"

#define JITTER_NS 1000 /* two clock pieces may disagree by this much where they meet */
#define MAX_TIME  ((uint64_t)INT64_MAX)

static const struct weft_ev_batch *batch_of(const struct weft_ev *ev)
{
	return (const struct weft_ev_batch *)(ev + 1);
}

struct cut {
	struct process *p;
	struct lane *l;
	struct account_process *account;
	const struct weft_ev *ev;
	struct wire_context wire;
	uint64_t start_t;
};

/* Time of a record; a lane's own order is true, so a small step back where two clock pieces meet is levelled. */
static inline uint64_t record_time(struct cut *c, uint64_t word)
{
	struct lane *l = c->l;
	uint64_t stamp = clock_map_full(&c->p->clock, l->last_stamp, word & WEFT_STAMP_MASK), t;

	if (stamp < c->wire.clock->stamp || stamp >= c->wire.clock->end)
		c->wire.clock = clock_map_at(&c->p->clock, stamp);
	t = wire_since(&c->wire, clock_piece_ns(c->wire.clock, stamp));
	if (t > MAX_TIME)
		t = MAX_TIME;
	if (t < l->last_t && (stamp >= l->last_stamp || l->last_t - t <= JITTER_NS))
		t = l->last_t;
	l->last_stamp = stamp;
	return t;
}

/* A record out of its lane's order goes beside the run. Returns whether the slot was used. */
static inline bool settle_record(struct decode *d, struct cut *c, struct record *r)
{
	if (r->t_ns >= c->l->last_t) {
		c->l->last_t = r->t_ns;
		return true;
	}
	d->stats.odd++;
	decode_put(d, r);
	return false;
}

/* Fills task and a..d, and the text of the kinds that have one. Returns the words of the record, 0 = makes no sense. */
static inline unsigned cut_fields(struct decode *d, const struct cut *c, const uint64_t *w,
				  size_t room, struct record *r)
{
	unsigned words;
	bool fits;

	if (r->kind == WEFT_K_TASK_POLL && room >= WIRE_POLL_WORDS) {
		words = WIRE_POLL_WORDS;
		fits = wire_poll(&c->wire, w, r);
	} else if (r->kind == WEFT_K_TASK_WAKE && room >= WIRE_WAKE_WORDS) {
		words = WIRE_WAKE_WORDS;
		fits = wire_wake(&c->wire, w, r);
	} else {
		words = wire_words(w, r->kind, (unsigned)room);
		if (!words)
			return 0;
		fits = wire_fields(&c->wire, w, r->kind, r);
		if (decode_has_text(r->kind))
			r->ev = decode_wrap(r, d->start_ns, w, words);
	}
	d->stats.odd += !fits;
	return words;
}

/* Cuts [w, end) into records. */
static int cut_records(struct decode *d, struct cut *c, const uint64_t *w, const uint64_t *end)
{
	struct lane *l = c->l;
	struct record *at = order_room(d->out.order, l->run, (size_t)(end - w) / 2 + 1);
	size_t n = 0;
	const struct record common = {
		.process = c->ev->process,
		.lane = (uint16_t)batch_of(c->ev)->lane,
		.flags = c->ev->flags & WEFT_EVF_TAIL ? RECORD_TAIL : 0,
		.tid = l->tid,
	};

	if (!at)
		return -ENOMEM;
	while (w < end) {
		struct record *r = &at[n];
		unsigned kind = (unsigned)(*w >> WEFT_STAMP_BITS), words;
		uint64_t stamp = l->last_stamp;

		*r = common;
		r->kind = (uint16_t)kind;
		r->t_ns = record_time(c, *w);
		words = cut_fields(d, c, w, (size_t)(end - w), r);
		if (!words) {
			l->last_stamp = stamp;
			d->stats.unknown_kinds +=
				kind < WEFT_MAX_KINDS && accounts_kind_name(kind) ? 0 : 1;
			break;
		}
		c->account->decoded[kind]++;
		l->records++;
		if (settle_record(d, c, r))
			n++;
		w += words;
	}
	d->stats.records += n;
	order_filled(d->out.order, l->run, n);
	return w < end ? -EBADMSG : 0;
}

static void emit_gap(struct decode *d, uint32_t process, uint32_t lane, uint32_t from, uint32_t to)
{
	struct lane *l = d->process[process]->lane[lane];
	struct weft_ev_gap gap = {
		.lane = lane, .seq_from = from, .seq_to = to, .reason = WEFT_GAP_RING_FULL
	};
	struct weft_ev *ev = calloc(1, sizeof(*ev) + sizeof(gap));
	struct account_process *account = accounts_of(d->out.accounts, process);
	struct record r;

	if (!ev)
		return;
	*ev = (struct weft_ev){ .size = sizeof(*ev) + sizeof(gap),
				.kind = WEFT_EV_GAP,
				.process = process,
				.tid = l->tid,
				.time_ns = d->start_ns + l->last_t };
	memcpy(ev + 1, &gap, sizeof(gap));
	decode_flat(ev, d->start_ns, &r);
	account->decoded[WEFT_EV_GAP]++;
	d->stats.gaps++;
	decode_put(d, &r);
}

/* The header of the batch in hand says how many came before it: what should have been there is missing. */
static void header_known(struct decode *d, const struct weft_ev *ev, struct lane *l,
			 uint64_t emitted)
{
	struct account_process *account = accounts_of(d->out.accounts, ev->process);
	uint32_t lane = batch_of(ev)->lane;

	if (l->known)
		return;
	l->known = true;
	l->emitted = emitted;
	if (!l->expect)
		return;
	l->expect = false;
	if (emitted > l->expected) {
		account->gap_records += emitted - l->expected;
		if (l->told_to != l->seq) {
			account->gaps++;
			emit_gap(d, ev->process, lane, l->seq - 1, l->seq);
			l->told_to = l->seq;
		}
	} else if (emitted < l->expected) {
		d->stats.odd++;
	}
}

/* Checks the page's own header when the piece has one. */
static bool header_fits(const struct weft_ev_batch *b, const struct weft_batch *page)
{
	return b->bytes >= sizeof(*page) && page->magic == WEFT_BATCH_MAGIC &&
	       page->lane == b->lane && page->seq == b->seq;
}

static int take_piece(struct decode *d, const struct weft_ev *ev, struct process *p, struct lane *l)
{
	const struct weft_ev_batch *b = batch_of(ev);
	const struct weft_batch *page = (const struct weft_batch *)(b + 1);
	uint32_t from = b->offset ? b->offset : (uint32_t)sizeof(*page), to = b->offset + b->bytes;
	struct cut c = {
		.p = p, .l = l, .ev = ev, .account = accounts_of(d->out.accounts, ev->process)
	};
	int rc = 0;

	if (!b->offset)
		header_known(d, ev, l, page->emitted);
	if (ev->tid)
		l->tid = ev->tid;
	if (from < l->have)
		from = l->have;
	if (from < to) {
		c.wire.start_ns = d->start_ns;
		c.wire.task_base = (uint64_t)ev->process << WEFT_TASK_PROCESS_SHIFT;
		if (!b->offset && !l->last_stamp)
			l->last_stamp = page->first_stamp;
		c.wire.clock = clock_map_at(&p->clock, l->last_stamp);
		rc = cut_records(d, &c, (const uint64_t *)(b + 1) + (from - b->offset) / 8,
				 (const uint64_t *)(b + 1) + b->bytes / 8);
		l->have = to;
	} else if (b->offset) {
		d->stats.duplicates++;
	}
	/* What came through the flush probe ends its batch, also when its head had been read from the mapping before. */
	if (!b->offset || b->hit_ns)
		l->whole = true;
	if (rc == -EBADMSG) {
		d->stats.malformed++;
		c.account->gaps++;
		emit_gap(d, ev->process, b->lane, l->seq, l->seq + 1);
		c.account->gap_open = true;
	}
	return rc;
}

/* Moves on to batch `seq`; what is missing before it is a gap, of a size that its header tells. */
static void next_batch(struct decode *d, const struct weft_ev *ev, struct lane *l, uint32_t seq)
{
	const struct weft_ev_batch *b = batch_of(ev);
	struct account_process *account = accounts_of(d->out.accounts, ev->process);
	uint32_t first_missing = l->whole ? l->seq + 1 : l->seq;
	bool sure = l->known && l->from_start;

	if (l->expect)
		account->gap_open = true; /* no header ever told the size of the gap before */
	l->expect = l->seen && sure;
	l->hole = l->seen && first_missing != seq;
	l->expected = l->emitted + l->records;
	if (l->seen && first_missing != seq && (seq - l->seq > 1 || !sure)) {
		account->gaps++;
		account->gap_open |= !sure;
		if ((int32_t)(l->told_to - seq) < 0)
			emit_gap(d, ev->process, b->lane, first_missing, seq);
		l->told_to = seq;
	}
	l->seen = true;
	l->seq = seq;
	l->have = b->offset > sizeof(struct weft_batch) ? b->offset
							: (uint32_t)sizeof(struct weft_batch);
	l->from_start = b->offset <= sizeof(struct weft_batch);
	l->records = 0;
	l->known = l->whole = false;
}

static bool in_turn(const struct lane *l, const struct weft_ev_batch *b)
{
	if (!l->seen)
		return true;
	if (b->seq == l->seq)
		return b->offset <= l->have;
	return b->seq == l->seq + 1 && l->whole && b->offset <= sizeof(struct weft_batch);
}

static int take_in_turn(struct decode *d, const struct weft_ev *ev, struct process *p,
			struct lane *l)
{
	const struct weft_ev_batch *b = batch_of(ev);

	if (!l->seen || b->seq != l->seq)
		next_batch(d, ev, l, b->seq);
	return take_piece(d, ev, p, l);
}

static void drop_held(struct process *p, struct lane *l, unsigned i)
{
	p->held--;
	free(l->held[i]);
	l->nheld--;
	memmove(&l->held[i], &l->held[i + 1], (l->nheld - i) * sizeof(l->held[0]));
}

/* A hole inside a batch: its header can't tell the size any more. */
static void take_after_hole(struct decode *d, const struct weft_ev *ev, struct process *p,
			    struct lane *l)
{
	struct account_process *account = accounts_of(d->out.accounts, ev->process);

	account->gaps++;
	account->gap_open = true;
	emit_gap(d, ev->process, batch_of(ev)->lane, l->seq, l->seq + 1);
	l->from_start = false;
	l->have = batch_of(ev)->offset;
	take_piece(d, ev, p, l);
}

/* What waited and whose turn has come; force = the first one is taken with the gap before it. */
static void release_held(struct decode *d, struct process *p, struct lane *l, bool force)
{
	while (l->nheld) {
		const struct weft_ev *ev = l->held[0];
		const struct weft_ev_batch *b = batch_of(ev);

		if ((int32_t)(b->seq - l->seq) < 0) {
			d->stats.duplicates++;
		} else if (in_turn(l, b) || (force && b->seq != l->seq)) {
			force &= in_turn(l, b);
			take_in_turn(d, ev, p, l);
		} else if (force) {
			force = false;
			take_after_hole(d, ev, p, l);
		} else {
			return;
		}
		drop_held(p, l, 0);
	}
}

/* When its first record was made, CLOCK_MONOTONIC. */
static uint64_t piece_time(const struct process *p, const struct lane *l, const struct weft_ev *ev)
{
	const struct weft_ev_batch *b = batch_of(ev);
	const uint64_t *w =
		(const uint64_t *)(b + 1) + (b->offset ? 0 : sizeof(struct weft_batch) / 8);
	uint64_t stamp;

	if (b->bytes < (b->offset ? 8 : sizeof(struct weft_batch) + 8))
		return 0;
	stamp = clock_map_full(&p->clock, l->last_stamp, *w & WEFT_STAMP_MASK);
	return clock_piece_ns(clock_map_at(&p->clock, stamp), stamp);
}

void decode_release(struct decode *d, struct process *p, uint64_t before)
{
	for (unsigned i = 0; p->held && i < WEFT_MAX_LANES; i++) {
		struct lane *l = p->lane[i];

		while (l && l->nheld && piece_time(p, l, l->held[0]) < before)
			release_held(d, p, l, true);
	}
}

void decode_last(struct decode *d, uint32_t process)
{
	struct process *p = d->process[process];

	decode_release(d, p, UINT64_MAX);
	/* The end of a lane is read from the mapping, without a header: what is missing just before it has no size. */
	for (unsigned i = 0; i < WEFT_MAX_LANES; i++)
		if (p->lane[i] && p->lane[i]->expect && p->lane[i]->hole)
			accounts_of(d->out.accounts, process)->gap_open = true;
}

static int hold(struct decode *d, const struct weft_ev *ev, struct process *p, struct lane *l)
{
	const struct weft_ev_batch *b = batch_of(ev);
	struct weft_ev *copy = malloc(ev->size);
	unsigned i;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, ev, ev->size);
	if (l->nheld == MAX_HELD)
		release_held(d, p, l, true);
	for (i = l->nheld; i > 0; i--) {
		const struct weft_ev_batch *at = batch_of(l->held[i - 1]);

		if ((int32_t)(at->seq - b->seq) < 0 ||
		    (at->seq == b->seq && at->offset <= b->offset))
			break;
	}
	memmove(&l->held[i + 1], &l->held[i], (l->nheld - i) * sizeof(l->held[0]));
	l->held[i] = copy;
	l->nheld++;
	p->held++;
	return 0;
}

int decode_batch(struct decode *d, const struct weft_ev *ev)
{
	const struct weft_ev_batch *b = batch_of(ev);
	struct process *p = decode_process(d, ev->process);
	struct lane *l;
	int rc;

	if (!p || ev->size < sizeof(*ev) + sizeof(*b) + (uint64_t)b->bytes || b->bytes % 8 ||
	    b->offset % 8 || (uint64_t)b->offset + b->bytes > WEFT_BATCH_BYTES ||
	    (b->offset && b->offset < sizeof(struct weft_batch)) ||
	    (!b->offset && !header_fits(b, (const struct weft_batch *)(b + 1))))
		return -EBADMSG;
	l = decode_lane(d, p, b->lane);
	if (!l)
		return b->lane < WEFT_MAX_LANES ? -ENOMEM : -EBADMSG;
	if (l->seen && (int32_t)(b->seq - l->seq) < 0) {
		d->stats.duplicates++;
		return 0;
	}
	if (!in_turn(l, b))
		return hold(d, ev, p, l);
	rc = take_in_turn(d, ev, p, l);
	if (l->nheld)
		release_held(d, p, l, false);
	return rc == -EBADMSG ? 0 : rc;
}
