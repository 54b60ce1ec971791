/* SPDX-License-Identifier: MIT */
#include "collector/pipeline.h"

#include <errno.h>
#include <stdlib.h>

#define BATCH    512
#define MAX_IDLE (600ull * 1000000000ull) /* a longer jump in time is not ticked through */

struct pipeline {
	struct engine_consumer consumer;
	struct store *store;
	struct accounts *accounts;
	struct order *order;
	struct decode *decode;
	uint64_t now, next_tick, late;
	size_t n; /* collected by pipeline_record */
	bool idle;
	struct record batch[BATCH];
};

static void define(void *ctx, struct record *r);

int pipeline_new(const struct pipeline_options *options, struct pipeline **ret)
{
	struct pipeline *p = calloc(1, sizeof(*p));
	struct decode_output out;

	if (!p)
		return -ENOMEM;
	if (options->consumer)
		p->consumer = *options->consumer;
	p->store = options->store;
	p->accounts = options->accounts;
	p->next_tick = PIPELINE_TICK_NS;
	if (order_new(options->max_records, &p->order)) {
		free(p);
		return -ENOMEM;
	}
	out = (struct decode_output){ p->order, p->accounts, define, p };
	if (decode_new(&out, &p->decode)) {
		pipeline_free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

struct pipeline *pipeline_free(struct pipeline *p)
{
	if (!p)
		return NULL;
	decode_free(p->decode);
	order_free(p->order);
	free(p);
	return NULL;
}

const struct decode_stats *pipeline_stats(const struct pipeline *p)
{
	return decode_stats(p->decode);
}

uint64_t pipeline_now(const struct pipeline *p)
{
	return p->now;
}

uint64_t pipeline_late(const struct pipeline *p)
{
	return p->late;
}

void pipeline_idle(struct pipeline *p, bool idle)
{
	p->idle = idle;
}

/* Consumer first: it fills in what only it knows, and the store keeps it. */
static void hand(struct pipeline *p, struct record *r, size_t n)
{
	struct account_process *a = NULL;
	uint32_t process = 0;

	if (p->consumer.batch)
		p->consumer.batch(p->consumer.ctx, r, n);
	for (size_t i = 0; i < n; i++) {
		if (!a || r[i].process != process) {
			process = r[i].process;
			a = accounts_of(p->accounts, process);
		}
		if (a)
			a->passed[r[i].kind]++;
		p->late += r[i].flags & RECORD_LATE;
	}
	if (p->store) {
		store_put_all(p->store, r, n);
		store_cut(p->store);
	}
}

/* A definition comes ahead of its time; the consumer's clock must not jump, the true time is in ev. */
static void define(void *ctx, struct record *r)
{
	struct pipeline *p = ctx;

	if (r->t_ns > order_passed(p->order))
		r->t_ns = order_passed(p->order);
	hand(p, r, 1);
}

static void tick(struct pipeline *p, uint64_t t_ns)
{
	if (t_ns > p->now)
		p->now = t_ns;
	if (p->store)
		store_tick(p->store, t_ns);
	if (p->consumer.tick)
		p->consumer.tick(p->consumer.ctx, t_ns, p->idle);
}

/* Ticks up to and with t_ns. */
static void tick_until(struct pipeline *p, uint64_t t_ns)
{
	if (t_ns > p->next_tick && t_ns - p->next_tick > MAX_IDLE)
		p->next_tick = t_ns / PIPELINE_TICK_NS * PIPELINE_TICK_NS;
	while (p->next_tick <= t_ns) {
		tick(p, p->next_tick);
		p->next_tick += PIPELINE_TICK_NS;
	}
}

static void release(struct record *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (r[i].ev)
			free((void *)r[i].ev);
}

/* Hands on what the watermark lets through, ticks in between. */
static void drain(struct pipeline *p)
{
	uint64_t limit, first;

	for (;;) {
		size_t n = order_take(p->order, p->next_tick, p->batch, BATCH);

		if (n) {
			hand(p, p->batch, n);
			release(p->batch, n);
		}
		if (n == BATCH)
			continue;
		limit = order_short(p->order) ? UINT64_MAX : order_mark(p->order);
		if (limit < p->next_tick)
			break;
		first = order_first(p->order);
		tick_until(p, first < limit ? first : limit);
	}
	if (order_mark(p->order) > p->now)
		p->now = order_mark(p->order);
}

int pipeline_event(struct pipeline *p, const struct weft_ev *ev)
{
	int rc = decode_event(p->decode, ev);

	if (ev->kind == WEFT_EV_WATERMARK || order_short(p->order))
		drain(p);
	return rc;
}

void pipeline_flush(struct pipeline *p)
{
	if (p->n)
		hand(p, p->batch, p->n);
	p->n = 0;
}

void pipeline_record(struct pipeline *p, const struct record *r)
{
	struct account_process *a = accounts_of(p->accounts, r->process);

	if (a)
		a->decoded[r->kind]++;
	if (r->t_ns >= p->next_tick && !(r->flags & RECORD_LATE)) {
		pipeline_flush(p);
		tick_until(p, r->t_ns);
	}
	p->batch[p->n++] = *r;
	if (!(r->flags & RECORD_LATE) && r->t_ns > p->now)
		p->now = r->t_ns;
	if (p->n == BATCH)
		pipeline_flush(p);
}

void pipeline_advance(struct pipeline *p, uint64_t now_ns)
{
	pipeline_flush(p);
	tick_until(p, now_ns);
	if (now_ns > p->now)
		p->now = now_ns;
}

void pipeline_finish(struct pipeline *p, uint64_t end_ns)
{
	decode_finish(p->decode);
	pipeline_flush(p);
	/* Everything out: no watermark holds back what nobody will precede any more. */
	for (;;) {
		size_t n = order_flush(p->order, p->next_tick, p->batch, BATCH);

		if (n) {
			hand(p, p->batch, n);
			release(p->batch, n);
		} else if (order_pending(p->order)) {
			tick_until(p, order_first(p->order));
		} else {
			break;
		}
	}
	if (!end_ns)
		end_ns = order_passed(p->order) > p->now ? order_passed(p->order) : p->now;
	if (end_ns < p->now)
		end_ns = p->now;
	tick_until(p, end_ns);
	p->idle = true;
	tick(p, end_ns);
	if (p->consumer.end)
		p->consumer.end(p->consumer.ctx);
}
