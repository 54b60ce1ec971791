// SPDX-License-Identifier: MIT
/*
 * Flat events of a hostile session through decode, order and model. The input is a list: kind, size,
 * flags, process, time step, payload; sizes are made plausible so that payloads are reached.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/model/model.h"
#include "collector/pipeline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct cursor {
	const uint8_t *p, *end;
};

static uint8_t take(struct cursor *c)
{
	return c->p < c->end ? *c->p++ : 0;
}

static void fill(struct cursor *c, void *to, size_t bytes)
{
	size_t n = (size_t)(c->end - c->p) < bytes ? (size_t)(c->end - c->p) : bytes;

	memcpy(to, c->p, n);
	c->p += n;
}

static void batch(void *ctx, struct record *records, size_t n)
{
	model_apply_all(ctx, records, n);
}

static void tick(void *ctx, uint64_t now_ns, bool idle)
{
	(void)idle;
	model_tick(ctx, now_ns);
}

/* A batch page whose header fits, so that its records are read. */
static size_t batch_payload(struct cursor *c, uint8_t *payload, size_t room)
{
	struct weft_ev_batch b = { .lane = take(c) & 7, .seq = take(c) };
	struct weft_batch page = { .magic = WEFT_BATCH_MAGIC,
				   .lane = (__u16)b.lane,
				   .abi = WEFT_ABI_VERSION,
				   .seq = b.seq,
				   .level = take(c) & 3,
				   .emitted = take(c) };
	size_t records = take(c) * 8;

	b.bytes = (__u32)(sizeof(page) + records);
	b.hit_ns = take(c) * 1000000ull;
	memcpy(payload, &b, sizeof(b));
	memcpy(payload + sizeof(b), &page, sizeof(page));
	memset(payload + sizeof(b) + sizeof(page), 0, records);
	fill(c, payload + sizeof(b) + sizeof(page), records);
	return sizeof(b) + sizeof(page) + records <= room ? sizeof(b) + sizeof(page) + records : 0;
}

static size_t flat_payload(struct cursor *c, unsigned kind, uint8_t *payload, size_t room)
{
	int need = decode_size(kind);
	size_t bytes = (need < 0 ? 16 : (size_t)need) + (take(c) & 15) * 8u;

	bytes = (bytes < room ? bytes : room) & ~7ull;
	memset(payload, 0, bytes);
	fill(c, payload, bytes);
	return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct {
		struct weft_ev ev;
		uint8_t payload[8192];
	} e;
	struct cursor c = { data, data + size };
	struct pipeline_options options = { .max_records = 4096 };
	struct engine_consumer consumer = { .batch = batch, .tick = tick };
	struct pipeline *p;
	struct model *m;
	uint64_t now = 0;

	if (model_new(&m) || accounts_new(&options.accounts))
		abort();
	consumer.ctx = m;
	options.consumer = &consumer;
	if (pipeline_new(&options, &p))
		abort();
	while (c.p < c.end) {
		unsigned kind = take(&c), flags = take(&c), process = take(&c) & 3;

		now += (uint64_t)take(&c) << (take(&c) & 31);
		e.ev = (struct weft_ev){ .kind = (__u16)kind,
					 .flags = (__u16)flags,
					 .process = process,
					 .tid = 100 + process,
					 .time_ns = now };
		e.ev.size =
			(__u32)(sizeof(e.ev) +
				(kind == WEFT_EV_BATCH && !(flags & 128)
					 ? batch_payload(&c, e.payload, sizeof(e.payload))
					 : flat_payload(&c, kind, e.payload, sizeof(e.payload))));
		pipeline_event(p, &e.ev);
	}
	pipeline_finish(p, 0);
	accounts_settle(options.accounts);
	pipeline_free(p);
	accounts_free(options.accounts);
	model_free(m);
	return 0;
}
