/* SPDX-License-Identifier: MIT */
#include "tests/support/trace.h"

static void mix(struct trace *t, uint64_t v)
{
	t->digest = (t->digest ^ v) * 0x100000001b3ull;
}

static void one(struct trace *t, const struct record *r)
{
	const uint64_t v[] = { r->t_ns,    r->task, r->a,    r->b,     r->c,  r->d,
			       r->process, r->kind, r->lane, r->flags, r->tid };

	for (unsigned i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		mix(t, v[i]);
	if (r->ev) {
		const uint64_t *word = (const uint64_t *)(r->ev + 1);

		for (uint32_t i = 0; i < (r->ev->size - sizeof(*r->ev)) / 8; i++)
			mix(t, word[i]);
	}
	t->records++;
	t->kind[r->kind]++;
	t->late += r->flags & RECORD_LATE;
	t->unsorted += r->t_ns < t->last_ns && !(r->flags & RECORD_LATE);
	t->last_ns = r->t_ns > t->last_ns ? r->t_ns : t->last_ns;
}

static void batch(void *ctx, struct record *records, size_t n)
{
	for (size_t i = 0; i < n; i++)
		one(ctx, &records[i]);
}

static void tick(void *ctx, uint64_t now_ns, bool idle)
{
	struct trace *t = ctx;

	(void)idle;
	mix(t, now_ns);
	t->ticks++;
}

struct engine_consumer trace_consumer(struct trace *t)
{
	return (struct engine_consumer){ .batch = batch, .tick = tick, .ctx = t };
}
