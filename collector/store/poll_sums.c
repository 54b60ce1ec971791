/* SPDX-License-Identifier: MIT */
#include "collector/store/poll_sums.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/store/chunk_internal.h"
#include "collector/store/poll_bucket.h"
#include "collector/store/varint.h"

#define PLACES     4096u
#define PLACE_BITS 13

struct place {
	uint32_t process, site;
	uint64_t busy_ns, max_ns;
	uint32_t bucket[POLL_BUCKETS];
};

struct poll_sums {
	struct place *place[PLACES]; /* allocated once used, kept */
	uint32_t n;
	uint16_t slot[1 << PLACE_BITS]; /* number of a place + 1, by hash; 0 = free */
	int64_t first, last;
	uint64_t t0, t1;
	uint32_t chunks;
	bool spoilt;
	uint16_t of_task[MAX_TASKS];
	bool counts[CHUNK_ROOM]; /* by shape: polls of known length */
};

int poll_sums_new(struct poll_sums **ret)
{
	struct poll_sums *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	*ret = p;
	return 0;
}

struct poll_sums *poll_sums_free(struct poll_sums *p)
{
	for (uint32_t i = 0; p && i < PLACES; i++)
		free(p->place[i]);
	free(p);
	return NULL;
}

/* PLACES = no room. */
static uint32_t place_of(struct poll_sums *p, uint32_t process, uint32_t site)
{
	uint32_t h = (process * 0x9e3779b1u ^ site * 0x85ebca6bu) >> (32 - PLACE_BITS), i;
	struct place *place;

	for (; (i = p->slot[h]); h = (h + 1) & ((1u << PLACE_BITS) - 1))
		if (p->place[i - 1]->site == site && p->place[i - 1]->process == process)
			return i - 1;
	if (p->n == PLACES)
		return PLACES;
	if (!p->place[p->n])
		p->place[p->n] = malloc(sizeof(struct place));
	place = p->place[p->n];
	if (!place)
		return PLACES;
	*place = (struct place){ .process = process, .site = site };
	p->slot[h] = (uint16_t)++p->n;
	return p->n - 1;
}

static void add_task(struct poll_sums *p, uint32_t local, const struct chunk_task *t)
{
	uint32_t i = place_of(p, (uint32_t)(t->task >> WEFT_TASK_PROCESS_SHIFT), t->site);

	if (i == PLACES) {
		p->spoilt = true;
		return;
	}
	p->of_task[local] = (uint16_t)i;
	p->place[i]->busy_ns += t->busy_ns;
	if (t->poll_max_ns > p->place[i]->max_ns)
		p->place[i]->max_ns = t->poll_max_ns;
}

void poll_sums_add(struct poll_sums *p, const struct chunk_writer *w)
{
	for (uint32_t i = 0; i < w->ntasks && !p->spoilt; i++)
		if (w->task[i].polls)
			add_task(p, i, &w->task[i]);
	if (p->spoilt)
		return;
	for (uint32_t i = 0; i < w->nshapes; i++)
		p->counts[i] = w->shape[i].kind == WEFT_K_TASK_POLL &&
			       w->shape[i].how[0] != CHUNK_ONES;
	for (uint32_t i = 0; i < w->n; i++)
		if (p->counts[w->shapes[i]])
			p->place[p->of_task[w->tasks[i]]]->bucket[w->buckets[i]]++;
}

void poll_sums_closed(struct poll_sums *p, int64_t chunk, uint64_t t0, uint64_t t1)
{
	if (!p->chunks++) {
		p->first = chunk;
		p->t0 = t0;
		p->t1 = t1;
	}
	p->last = chunk;
	p->t0 = t0 < p->t0 ? t0 : p->t0;
	p->t1 = t1 > p->t1 ? t1 : p->t1;
}

bool poll_sums_full(const struct poll_sums *p)
{
	return p->chunks >= POLL_SUMS_CHUNKS;
}

void poll_sums_spoil(struct poll_sums *p)
{
	p->spoilt = true;
}

static void give_place(const struct poll_sums *p, const struct place *place, poll_sums_sink sink,
		       void *ctx)
{
	uint8_t hist[POLL_BUCKETS * 8 + VARINT_ROOM], *at = hist;
	struct poll_sum sum = { .first = p->first,
				.last = p->last,
				.t0 = p->t0,
				.t1 = p->t1,
				.process = place->process,
				.site = place->site,
				.busy_ns = place->busy_ns,
				.max_ns = place->max_ns };
	unsigned empty = 0;

	for (unsigned i = 0; i < POLL_BUCKETS; i++) {
		if (!place->bucket[i]) {
			empty++;
			continue;
		}
		at = varint_put(varint_put(at, empty), place->bucket[i]);
		sum.polls += place->bucket[i];
		empty = 0;
	}
	sum.hist = (struct chunk_bytes){ hist, (size_t)(at - hist) };
	sink(ctx, &sum);
}

void poll_sums_flush(struct poll_sums *p, poll_sums_sink sink, void *ctx)
{
	for (uint32_t i = 0; i < p->n && p->chunks && !p->spoilt; i++)
		give_place(p, p->place[i], sink, ctx);
	memset(p->slot, 0, sizeof(p->slot));
	p->n = p->chunks = 0;
	p->spoilt = false;
}
