/* SPDX-License-Identifier: MIT */
#include "collector/store/rollup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD     16 /* tasks looked up in advance: the table is larger than the caches */
#define MAX_SITES 8192
#define MAX_GONE  256

/* One task in the second in hand. */
struct entry {
	uint64_t task;
	uint64_t busy_ns, poll_max_ns;
	uint64_t blocked_ns, runnable_ns;
	uint32_t site, polls, wakes;
	bool ended, active;
};

struct gone {
	uint64_t task;
	uint32_t site;
	bool brief; /* born in that chunk, too: it has no row */
};

struct rollup {
	struct gone gone[MAX_GONE],
		going[MAX_GONE]; /* ended in the chunk before and in this one: the last so many */
	size_t ngone, ngoing;
	struct entry *at; /* dense: the next second reuses what stays */
	uint32_t *slot;   /* number of an entry + 1, by hash; 0 = free */
	size_t n, room;
	unsigned bits;
	uint64_t second;
	bool begun;
	struct rollup_site site[MAX_SITES], brief[MAX_SITES]; /* by hash of (process, site) */
	uint32_t used[MAX_SITES], nused, brief_used[MAX_SITES], nbrief;
};

static size_t hash(const struct rollup *r, uint64_t task)
{
	return (size_t)((task * 0x9e3779b97f4a7c15ull) >> (64 - r->bits));
}

static void fill_slots(struct rollup *r)
{
	size_t mask = ((size_t)1 << r->bits) - 1;

	memset(r->slot, 0, (mask + 1) * sizeof(*r->slot));
	for (size_t i = 0; i < r->n; i++) {
		size_t h = hash(r, r->at[i].task);

		while (r->slot[h])
			h = (h + 1) & mask;
		r->slot[h] = (uint32_t)i + 1;
	}
}

static bool grow(struct rollup *r)
{
	unsigned bits = r->bits ? r->bits + 1 : 12;
	struct entry *at = realloc(r->at, sizeof(*at) << (bits - 1));
	uint32_t *slot = malloc(sizeof(*slot) << bits);

	if (at)
		r->at = at;
	if (!at || !slot) {
		free(slot);
		return false;
	}
	free(r->slot);
	r->slot = slot;
	r->bits = bits;
	r->room = (size_t)1 << (bits - 1);
	fill_slots(r);
	return true;
}

int rollup_new(struct rollup **ret)
{
	struct rollup *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	if (!grow(r)) {
		rollup_free(r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

struct rollup *rollup_free(struct rollup *r)
{
	if (!r)
		return NULL;
	free(r->at);
	free(r->slot);
	free(r);
	return NULL;
}

/* NULL = no memory: the task's sums go missing from the rollup, not from the chunks. */
static struct entry *entry_of(struct rollup *r, uint64_t task)
{
	size_t h = hash(r, task), mask = ((size_t)1 << r->bits) - 1;

	while (r->slot[h]) {
		if (r->at[r->slot[h] - 1].task == task)
			return &r->at[r->slot[h] - 1];
		h = (h + 1) & mask;
	}
	if (r->n == r->room)
		return grow(r) ? entry_of(r, task) : NULL;
	r->at[r->n] = (struct entry){ .task = task };
	r->slot[h] = (uint32_t)++r->n;
	return &r->at[r->n - 1];
}

static struct rollup_site *site_of(struct rollup_site *table, uint32_t *used, uint32_t *nused,
				   uint32_t process, uint32_t site)
{
	uint32_t i = (process * 0x9e3779b1u ^ site * 0x85ebca6bu) % MAX_SITES;

	if (*nused > MAX_SITES / 2)
		return &table[used[0]];
	while (table[i].spawned | table[i].ended | table[i].sum.polls | table[i].sum.wakes) {
		if (table[i].process == process && table[i].site == site)
			return &table[i];
		i = (i + 1) % MAX_SITES;
	}
	table[i] = (struct rollup_site){ .process = process, .site = site };
	used[(*nused)++] = i;
	return &table[i];
}

static void add_sum(struct rollup_sum *to, const struct rollup_sum *from)
{
	to->polls += from->polls;
	to->busy_ns += from->busy_ns;
	to->wakes += from->wakes;
	to->self_wakes += from->self_wakes;
	to->blocked_ns += from->blocked_ns;
	to->runnable_ns += from->runnable_ns;
	if (from->poll_max_ns > to->poll_max_ns)
		to->poll_max_ns = from->poll_max_ns;
}

static void add_site(struct rollup *r, uint64_t task, uint32_t site, const struct rollup_sum *sum,
		     unsigned spawned, unsigned ended)
{
	struct rollup_site *s;

	if (!(sum->polls | sum->wakes | spawned | ended))
		return;
	s = site_of(r->site, r->used, &r->nused, (uint32_t)(task >> WEFT_TASK_PROCESS_SHIFT), site);
	add_sum(&s->sum, sum);
	s->spawned += spawned;
	s->ended += ended;
}

static struct rollup_sum sum_of(const struct chunk_task *t)
{
	return (struct rollup_sum){ t->polls,
				    t->busy_ns,
				    t->poll_max_ns,
				    t->wakes,
				    t->self_wakes,
				    t->blocked_us * 1000ull,
				    t->runnable_us * 1000ull };
}

/* A task that was gone by the end of the chunk before: the record of its last poll may come after that of its end. */
static const struct gone *gone_of(const struct rollup *r, uint64_t task)
{
	for (size_t i = 0; i < r->ngone; i++)
		if (r->gone[i].task == task)
			return &r->gone[i];
	return NULL;
}

static void keep_gone(struct rollup *r, const struct chunk_task *t, bool brief)
{
	r->going[r->ngoing++ % MAX_GONE] = (struct gone){ t->task, t->site, brief };
}

/* tasks 0: what came late of one that has been counted. */
static void add_brief(struct rollup *r, const struct chunk_task *t, uint32_t site, unsigned tasks)
{
	struct rollup_sum sum = sum_of(t);
	struct rollup_site *s;

	add_site(r, t->task, site, &sum, tasks, tasks);
	if (!(sum.polls | sum.wakes | tasks))
		return;
	s = site_of(r->brief, r->brief_used, &r->nbrief,
		    (uint32_t)(t->task >> WEFT_TASK_PROCESS_SHIFT), site);
	add_sum(&s->sum, &sum);
	s->spawned += tasks;
	s->ended += tasks ? t->life_ns : 0;
}

static void add_short(struct rollup *r, const struct chunk_task *t)
{
	add_brief(r, t, t->site, 1);
	keep_gone(r, t, true);
}

static void add_task(struct rollup *r, struct chunk_task *t)
{
	struct rollup_sum none = { 0 };
	struct entry *e = entry_of(r, t->task);
	const struct gone *gone = NULL;

	if (!e)
		return;
	if (t->spawned)
		e->site = t->site;
	else if (!e->site && (gone = gone_of(r, t->task)) && gone->brief) {
		t->site = gone->site;
		add_brief(r, t, gone->site, 0);
		return;
	} else if (!e->site && gone)
		e->site = gone->site;
	t->site = e->site;
	if (t->ended)
		keep_gone(r, t, false);
	e->active |= t->polls || t->wakes;
	e->ended |= t->ended;
	e->polls += t->polls;
	e->wakes += t->wakes;
	e->busy_ns += t->busy_ns;
	e->blocked_ns += t->blocked_us * 1000ull;
	e->runnable_ns += t->runnable_us * 1000ull;
	if (t->poll_max_ns > e->poll_max_ns)
		e->poll_max_ns = t->poll_max_ns;
	if (t->spawned || t->ended)
		add_site(r, t->task, e->site, &none, t->spawned, t->ended);
}

void rollup_place(struct rollup *r, uint64_t task, uint32_t site)
{
	struct entry *e = entry_of(r, task);

	if (e && !e->site)
		e->site = site;
}

static void give_task(struct rollup *r, const struct entry *e, const struct rollup_sink *sink)
{
	struct rollup_sum sum = { e->polls, e->busy_ns,    e->poll_max_ns, e->wakes,
				  0,        e->blocked_ns, e->runnable_ns };

	if (!e->active)
		return;
	if (e->busy_ns >= ROLLUP_FLOOR_NS)
		sink->task(sink->ctx, r->second, e->task, &sum);
	else
		add_site(r, e->task, e->site, &sum, 0, 0);
}

/* The tasks that live on with a known place stay. */
static void carry_over(struct rollup *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct entry *e = &r->at[i];

		if (!e->ended && e->site)
			r->at[n++] = (struct entry){ .task = e->task, .site = e->site };
	}
	r->n = n;
	fill_slots(r);
}

void rollup_flush(struct rollup *r, const struct rollup_sink *sink)
{
	if (!r->begun)
		return;
	for (size_t i = 0; i < r->n; i++)
		give_task(r, &r->at[i], sink);
	for (uint32_t i = 0; i < r->nused; i++) {
		sink->site(sink->ctx, r->second, &r->site[r->used[i]]);
		r->site[r->used[i]] = (struct rollup_site){ 0 };
	}
	for (uint32_t i = 0; i < r->nbrief; i++) {
		sink->short_tasks(sink->ctx, &r->brief[r->brief_used[i]]);
		r->brief[r->brief_used[i]] = (struct rollup_site){ 0 };
	}
	r->nused = r->nbrief = 0;
	carry_over(r);
	r->begun = false;
}

/* The table is larger than the caches: slots are fetched far ahead, entries when their slot should be there. */
static void look_ahead(const struct rollup *r, const struct chunk_task *tasks, size_t i, size_t n)
{
	uint32_t slot;

	if (i + 2 * AHEAD < n)
		__builtin_prefetch(&r->slot[hash(r, tasks[i + 2 * AHEAD].task)]);
	if (i + AHEAD >= n)
		return;
	slot = r->slot[hash(r, tasks[i + AHEAD].task)];
	if (slot)
		__builtin_prefetch(&r->at[slot - 1], 1);
}

void rollup_add(struct rollup *r, uint64_t second, struct chunk_task *tasks, size_t n,
		const struct rollup_sink *sink)
{
	if (r->begun && second != r->second)
		rollup_flush(r, sink);
	r->second = second;
	r->begun = true;
	for (size_t i = 0; i < n; i++) {
		struct chunk_task *t = &tasks[i];

		look_ahead(r, tasks, i, n);
		if (!t->task)
			continue;
		if (t->spawned && t->ended)
			add_short(r, t);
		else if (t->count)
			add_task(r, t);
	}
	r->ngone = r->ngoing < MAX_GONE ? r->ngoing : MAX_GONE;
	memcpy(r->gone, r->going, r->ngone * sizeof(r->gone[0]));
	r->ngoing = 0;
}
