/* SPDX-License-Identifier: MIT */
#include "collector/decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/decode_internal.h"
#include "collector/decode_wire.h"

int decode_new(const struct decode_output *out, struct decode **ret)
{
	struct decode *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->out = *out;
	*ret = d;
	return 0;
}

static void lane_free(struct lane *l)
{
	for (unsigned i = 0; l && i < l->nheld; i++)
		free(l->held[i]);
	free(l);
}

struct decode *decode_free(struct decode *d)
{
	if (!d)
		return NULL;
	for (uint32_t p = 0; p < d->top; p++) {
		for (unsigned l = 0; d->process[p] && l < WEFT_MAX_LANES; l++)
			lane_free(d->process[p]->lane[l]);
		free(d->process[p]);
	}
	free(d);
	return NULL;
}

const struct decode_stats *decode_stats(const struct decode *d)
{
	return &d->stats;
}

struct process *decode_process(struct decode *d, uint32_t index)
{
	if (index >= ACCOUNTS_MAX_PROCESSES)
		return NULL;
	if (!d->process[index]) {
		struct process *p = calloc(1, sizeof(*p));

		if (!p)
			return NULL;
		clock_map_init(&p->clock);
		p->last_lane = WEFT_NO_LANE;
		d->process[index] = p;
		if (index >= d->top)
			d->top = index + 1;
	}
	return d->process[index];
}

struct lane *decode_lane(struct decode *d, struct process *p, uint32_t index)
{
	int run;

	if (index >= WEFT_MAX_LANES || p->lane[index])
		return index < WEFT_MAX_LANES ? p->lane[index] : NULL;
	run = order_run(d->out.order);
	if (run < 0)
		return NULL;
	p->lane[index] = calloc(1, sizeof(struct lane));
	if (p->lane[index])
		p->lane[index]->run = (unsigned)run;
	return p->lane[index];
}

/* ---- records into the order ---- */

static struct weft_ev *copy_event(const struct weft_ev *ev)
{
	struct weft_ev *copy = malloc(ev->size);

	if (!copy)
		return NULL;
	memcpy(copy, ev, ev->size);
	decode_terminate(copy);
	return copy;
}

/* TASK_NAME and LABEL: a flat event whose payload is the record from w1 on. */
struct weft_ev *decode_wrap(const struct record *r, uint64_t start_ns, const uint64_t *w,
			    unsigned words)
{
	struct weft_ev *ev = malloc(sizeof(*ev) + (words - 1) * 8ull);

	if (!ev)
		return NULL;
	*ev = (struct weft_ev){ .size = (uint32_t)(sizeof(*ev) + (words - 1) * 8ull),
				.kind = r->kind,
				.process = r->process,
				.tid = r->tid,
				.time_ns = start_ns + r->t_ns };
	memcpy(ev + 1, w + 1, (words - 1) * 8ull);
	return ev;
}

bool decode_has_text(unsigned kind)
{
	return kind == WEFT_K_TASK_NAME || kind == WEFT_K_LABEL;
}

int decode_put(struct decode *d, struct record *r)
{
	int rc = order_put(d->out.order, r);

	if (rc)
		free((void *)r->ev);
	return rc;
}

/* ---- flat events ---- */

static uint16_t lane_of_tid(struct process *p, uint32_t tid)
{
	if (tid == p->last_tid && tid)
		return p->last_lane;
	p->last_tid = tid;
	p->last_lane = WEFT_NO_LANE;
	for (unsigned l = 0; tid && l < WEFT_MAX_LANES; l++)
		if (p->lane[l] && p->lane[l]->tid == tid)
			p->last_lane = (uint16_t)l;
	return p->last_lane;
}

/* A wire kind as an event of its own (Rust sources): times and ticks are ns. */
static int decode_single(struct decode *d, const struct weft_ev *ev)
{
	static const struct clock_piece identity = { .mult = 1ull << 32 };
	struct process *p = decode_process(d, ev->process);
	const uint64_t *w = (const uint64_t *)(ev + 1) - 1;
	unsigned room = (unsigned)((ev->size - sizeof(*ev)) / 8 + 1),
		 words = wire_words(w, ev->kind, room);
	struct wire_context wire = { &identity, d->start_ns,
				     (uint64_t)ev->process << WEFT_TASK_PROCESS_SHIFT };
	struct record r = { .process = ev->process, .tid = ev->tid };

	if (!p || !words)
		return -EBADMSG;
	r.t_ns = wire_since(&wire, ev->time_ns);
	r.lane = lane_of_tid(p, ev->tid);
	if (ev->flags & WEFT_EVF_TAIL)
		r.flags |= RECORD_TAIL;
	if (ev->flags & WEFT_EVF_SNAPSHOT)
		r.flags |= RECORD_SNAPSHOT;
	if (!wire_fields(&wire, w, ev->kind, &r))
		d->stats.odd++;
	if (decode_has_text(ev->kind))
		r.ev = decode_wrap(&r, d->start_ns, w, words);
	accounts_of(d->out.accounts, ev->process)->decoded[ev->kind]++;
	d->stats.records++;
	return decode_put(d, &r);
}

static void pass_watermark(struct decode *d, uint64_t time_ns)
{
	order_watermark(d->out.order, time_ns > d->start_ns ? time_ns - d->start_ns : 0);
}

/* The session's own moves the time on only while no process is there that would. */
static void take_session_watermark(struct decode *d, uint64_t time_ns)
{
	for (uint32_t i = 0; i < d->top; i++)
		if (d->process[i] && !d->process[i]->gone)
			return;
	pass_watermark(d, time_ns);
}

/* The watermark is the least over the processes that have one and are there. */
static void take_watermark(struct decode *d, const struct weft_ev *ev)
{
	struct process *own = decode_process(d, ev->process);
	uint64_t least = UINT64_MAX;

	if (!own)
		return;
	own->has_watermark = true;
	own->gone = ev->flags & WEFT_EVF_LAST;
	if (ev->time_ns > own->watermark)
		own->watermark = ev->time_ns;
	for (uint32_t i = 0; i < d->top; i++) {
		struct process *p = d->process[i];

		if (p)
			decode_release(d, p, own->watermark);
		if (p && p->has_watermark && !p->gone && p->watermark < least)
			least = p->watermark;
	}
	pass_watermark(d, least == UINT64_MAX ? own->watermark : least);
}

static void take_definition(struct decode *d, const struct weft_ev *ev)
{
	struct process *p = decode_process(d, ev->process);

	if (ev->kind == WEFT_EV_SESSION && !d->started) {
		d->started = true;
		d->start_ns = ev->time_ns;
	} else if (ev->kind == WEFT_EV_LANE && p) {
		const struct weft_ev_lane *head = (const struct weft_ev_lane *)(ev + 1);
		struct lane *l = decode_lane(d, p, head->lane);

		if (l && ev->tid)
			l->tid = ev->tid;
		p->last_tid = 0;
	}
}

static void take_counts(struct decode *d, const struct weft_ev *ev)
{
	struct account_process *a = accounts_of(d->out.accounts, ev->process);

	if (ev->kind == WEFT_EV_COUNTS) {
		memcpy(&a->counts, ev + 1, sizeof(a->counts));
		a->counted = true;
		a->final |= (ev->flags & WEFT_EVF_LAST) != 0;
	} else if (ev->kind == WEFT_EV_LOST) {
		memcpy(&a->kernel, ev + 1, sizeof(a->kernel));
	}
}

/* Returns false when the same gap was found here before. */
static bool take_gap(struct decode *d, const struct weft_ev *ev)
{
	const struct weft_ev_gap *gap = (const struct weft_ev_gap *)(ev + 1);
	struct process *p = decode_process(d, ev->process);
	struct lane *l = p && gap->lane < WEFT_MAX_LANES ? decode_lane(d, p, gap->lane) : NULL;

	accounts_of(d->out.accounts, ev->process)->gaps++;
	if (!l)
		return true;
	if (l->told_to == gap->seq_to && l->told_to)
		return false;
	l->told_to = gap->seq_to;
	return true;
}

static int decode_session(struct decode *d, const struct weft_ev *ev)
{
	struct record r;
	struct weft_ev *copy;
	int rc = decode_flat(ev, d->start_ns, &r);

	if (rc)
		return rc;
	take_counts(d, ev);
	if (ev->kind == WEFT_EV_PROCESS_EXIT && decode_process(d, ev->process))
		d->process[ev->process]->gone = true; /* its watermark holds nobody back */
	if (ev->kind == WEFT_EV_GAP && !take_gap(d, ev))
		return 0;
	copy = copy_event(ev);
	if (!copy)
		return -ENOMEM;
	r.ev = copy;
	accounts_of(d->out.accounts, ev->process)->decoded[ev->kind]++;
	if (!decode_is_definition(ev->kind))
		return decode_put(d, &r);
	d->out.define(d->out.ctx, &r);
	free(copy);
	return 0;
}

static int dispatch(struct decode *d, const struct weft_ev *ev)
{
	struct process *p;

	if (!d->started && ev->kind != WEFT_EV_SESSION) {
		d->started = true; /* no start was told: the first event is it */
		d->start_ns = ev->time_ns;
	}
	if (ev->kind < WEFT_MAX_KINDS)
		return decode_single(d, ev);
	if (decode_size(ev->kind) < 0 || ev->size < sizeof(*ev) + (size_t)decode_size(ev->kind))
		return -EBADMSG;
	switch (ev->kind) {
	case WEFT_EV_BATCH:
		return decode_batch(d, ev);
	case WEFT_EV_WATERMARK:
		take_watermark(d, ev);
		return 0;
	case WEFT_EV_CLOCK:
		p = decode_process(d, ev->process);
		if (p)
			clock_map_add(&p->clock, (const struct weft_ev_clock *)(ev + 1));
		return 0;
	default:
		take_definition(d, ev);
		return decode_session(d, ev);
	}
}

/* Of no process: what can't be seen at all is booked under the first one. */
static int decode_of_session(struct decode *d, const struct weft_ev *ev)
{
	struct {
		struct weft_ev ev;
		struct weft_ev_cannot_see body;
	} first;

	if (ev->kind == WEFT_EV_WATERMARK) {
		take_session_watermark(d, ev->time_ns);
		return 0;
	}
	if (ev->kind != WEFT_EV_CANNOT_SEE || ev->size < sizeof(first) ||
	    !accounts_of(d->out.accounts, 0))
		return -EBADMSG;
	memcpy(&first, ev, sizeof(first));
	first.ev.process = 0;
	first.ev.size = sizeof(first);
	return dispatch(d, &first.ev);
}

int decode_event(struct decode *d, const struct weft_ev *ev)
{
	int rc = -EBADMSG;

	d->stats.events++;
	if (ev->size < sizeof(*ev) || ev->size % 8 != 0)
		rc = -EBADMSG;
	else if (ev->process == WEFT_EV_ALL)
		rc = decode_of_session(d, ev);
	else if (accounts_of(d->out.accounts, ev->process))
		rc = dispatch(d, ev);
	if (rc == -EBADMSG)
		d->stats.malformed++;
	return rc;
}

void decode_finish(struct decode *d)
{
	for (uint32_t i = 0; i < d->top; i++)
		if (d->process[i])
			decode_last(d, i);
}
