/* SPDX-License-Identifier: MIT */
#include "collector/model/await.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PLACES (64u << 10)
#define MAX_CHAINS MODEL_MAX_TASKS

struct place {
	uint32_t line;
	char *func, *file; /* NULL = not known */
};

/* Found through the task's slot; counts only while it names that task. */
struct chain {
	uint64_t task, t_ns;
	uint32_t on, places, polls;
	bool complete;
	uint32_t place[WEFT_AWAIT_DEPTH]; /* leaf first */
};

/* Counts only while it names that task, and in the walk in which it was seen. */
struct edge {
	uint64_t by, task;
	uint32_t walk;
};

struct pair {
	uint64_t by, task;
};

struct await_store {
	uint32_t walk;
	uint64_t walk_ns;    /* since when */
	struct place *place; /* by number */
	uint32_t nplaces;
	struct chain *chain;
	uint32_t nchains, room;
	uint32_t *of_slot; /* by model_task.slot: chain + 1, 0 = none */
	uint32_t nslots;
	struct edge *edge; /* by model_task.slot of the one that waits */
	uint32_t nedges;
	struct pair *pair; /* of the walk that goes on */
	uint32_t npairs, pairs_room;
};

int await_store_new(struct await_store **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

struct await_store *await_store_free(struct await_store *s)
{
	if (!s)
		return NULL;
	for (uint32_t i = 0; i < s->nplaces; i++) {
		free(s->place[i].func);
		free(s->place[i].file);
	}
	free(s->place);
	free(s->chain);
	free(s->of_slot);
	free(s->edge);
	free(s->pair);
	free(s);
	return NULL;
}

/* Makes room for entry i of an array; new ones are zero. NULL = no memory. */
static void *grown(void *array, uint32_t *n, uint32_t i, size_t size)
{
	uint32_t want = *n ? *n : 64;
	char *more;

	while (want <= i)
		want *= 2;
	if (want == *n)
		return array;
	more = realloc(array, want * size);
	if (!more)
		return NULL;
	memset(more + *n * size, 0, (want - *n) * size);
	*n = want;
	return more;
}

/* ---- places ---- */

static struct place *place_slot(struct await_store *s, uint32_t number)
{
	struct place *more =
		number < MAX_PLACES ? grown(s->place, &s->nplaces, number, sizeof(*more)) : NULL;

	if (!more)
		return NULL;
	s->place = more;
	return &more[number];
}

bool await_store_place(struct await_store *s, const struct record *r)
{
	const struct weft_ev_place *e = (const struct weft_ev_place *)(r->ev + 1);
	struct place *p = place_slot(s, e->place);

	if (!p)
		return false;
	free(p->func);
	free(p->file);
	p->line = e->line;
	p->func = strndup(e->func, sizeof(e->func));
	p->file = strndup(e->file, sizeof(e->file));
	return p->func && p->file;
}

/* ---- chains ---- */

static struct chain *chain_of(const struct await_store *s, const struct model_task *t)
{
	uint32_t at = t->slot < s->nslots ? s->of_slot[t->slot] : 0;

	return at && at <= s->nchains && s->chain[at - 1].task == t->id ? &s->chain[at - 1] : NULL;
}

static struct chain *chain_new(struct await_store *s, const struct model_task *t)
{
	uint32_t *of_slot = grown(s->of_slot, &s->nslots, t->slot, sizeof(*of_slot));
	struct chain *more = NULL;

	if (of_slot)
		s->of_slot = of_slot;
	if (of_slot && s->nchains < MAX_CHAINS)
		more = grown(s->chain, &s->room, s->nchains, sizeof(*more));
	if (!more)
		return NULL;
	s->chain = more;
	s->of_slot[t->slot] = ++s->nchains;
	return &more[s->nchains - 1];
}

bool await_store_put(struct await_store *s, const struct record *r, const struct model_task *t)
{
	const struct weft_ev_await *e = (const struct weft_ev_await *)(r->ev + 1);
	bool fits = e->places <= WEFT_AWAIT_DEPTH &&
		    r->ev->size >= sizeof(*r->ev) + sizeof(*e) + e->places * sizeof(__u32);
	struct chain *c = fits ? chain_of(s, t) : NULL;

	if (fits && !c)
		c = chain_new(s, t);
	if (!c)
		return false;
	*c = (struct chain){ .task = t->id,
			     .t_ns = r->t_ns,
			     .on = e->on,
			     .places = e->places,
			     .polls = e->polls,
			     .complete = e->complete };
	memcpy(c->place, e + 1, e->places * sizeof(*c->place));
	return true;
}

bool await_store_awaited(struct await_store *s, uint64_t by, uint64_t task)
{
	struct pair *more = s->npairs < MAX_CHAINS
				    ? grown(s->pair, &s->pairs_room, s->npairs, sizeof(*more))
				    : NULL;

	if (!more)
		return false;
	s->pair = more;
	more[s->npairs++] = (struct pair){ by, task };
	return true;
}

bool await_store_next(struct await_store *s, uint64_t *ret_by, uint64_t *ret_task)
{
	if (!s->npairs)
		return false;
	s->npairs--;
	*ret_by = s->pair[s->npairs].by;
	*ret_task = s->pair[s->npairs].task;
	return true;
}

bool await_store_waits(struct await_store *s, const struct model_task *by, uint64_t task)
{
	struct edge *more = grown(s->edge, &s->nedges, by->slot, sizeof(*more));

	if (!more)
		return false;
	s->edge = more;
	more[by->slot] = (struct edge){ .by = by->id, .task = task, .walk = s->walk };
	return true;
}

uint64_t await_store_waits_for(const struct await_store *s, const struct model_task *by)
{
	const struct edge *e = by->slot < s->nedges ? &s->edge[by->slot] : NULL;

	return e && e->by == by->id && e->walk == s->walk ? e->task : 0;
}

void await_store_clear(struct await_store *s, uint64_t t_ns)
{
	s->walk_ns = t_ns;
	s->nchains = s->npairs = 0;
	s->walk++;
}

/* ---- reading ---- */

static const char *wait_text(uint32_t on)
{
	static const char *const text[] = {
#define X(name, code, word) [WEFT_WAIT_##name] = word,
		WEFT_WAITS(X)
#undef X
	};

	return on < sizeof(text) / sizeof(*text) ? text[on] : text[WEFT_WAIT_UNKNOWN];
}

static void place_text(const struct await_store *s, uint32_t number, struct live_place *ret)
{
	const struct place *p = number < s->nplaces ? &s->place[number] : NULL;

	if (!p || !p->func || !p->file) {
		snprintf(ret->func, sizeof(ret->func), "?");
		return;
	}
	snprintf(ret->func, sizeof(ret->func), "%s", p->func);
	snprintf(ret->location, sizeof(ret->location), "%s:%u", p->file, p->line);
}

uint64_t await_store_when(const struct await_store *s, const struct model_task *t, bool *ret_mute)
{
	const struct chain *c = chain_of(s, t);

	*ret_mute = c && c->complete && c->places && !strcmp(wait_text(c->on), "?");
	return c ? c->t_ns : 0;
}

bool await_store_get(const struct await_store *s, const struct model_task *t,
		     struct live_await *ret)
{
	const struct chain *c = chain_of(s, t);
	uint64_t other = await_store_waits_for(s, t) & ((1ull << WEFT_TASK_PROCESS_SHIFT) - 1);

	if (!c && !other)
		return false;
	*ret = (struct live_await){ .t_ns = s->walk_ns, .task = other };
	if (!c)
		return true;
	ret->t_ns = c->t_ns;
	ret->polls = c->polls;
	ret->complete = c->complete;
	ret->places = c->places;
	if (c->places)
		snprintf(ret->on, sizeof(ret->on), "%s", wait_text(c->on));
	for (uint32_t i = 0; i < c->places; i++)
		place_text(s, c->place[i], &ret->place[i]);
	return true;
}
