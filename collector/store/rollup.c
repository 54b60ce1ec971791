/* SPDX-License-Identifier: MIT */
#include "collector/store/rollup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD     16 /* tasks looked up in advance: the table is larger than the caches */
#define MAX_SITES 8192

/* One task in the second in hand. 64 bytes: one line. */
struct entry {
	uint64_t task; /* 0 = free */
	uint64_t busy_ns, poll_max_ns;
	uint64_t blocked_ns, runnable_ns;
	uint32_t site, polls, wakes;
	bool ended, active;
};

struct table {
	struct entry *at;
	size_t n;
	unsigned bits;
};

struct rollup {
	struct table now, spare;
	uint64_t second;
	bool begun;
	struct rollup_site site[MAX_SITES],
		brief[MAX_SITES]; /* by hash of (process, site); site 0 takes what doesn't fit */
	uint32_t used[MAX_SITES], nused, brief_used[MAX_SITES], nbrief;
};

static size_t slot(const struct table *t, uint64_t task)
{
	return (size_t)((task * 0x9e3779b97f4a7c15ull) >> (64 - t->bits));
}

static int table_init(struct table *t, unsigned bits)
{
	struct entry *at = calloc((size_t)1 << bits, sizeof(*at));

	if (!at)
		return -ENOMEM;
	free(t->at);
	*t = (struct table){ at, 0, bits };
	return 0;
}

int rollup_new(struct rollup **ret)
{
	struct rollup *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	if (table_init(&r->now, 12)) {
		free(r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

struct rollup *rollup_free(struct rollup *r)
{
	if (!r)
		return NULL;
	free(r->now.at);
	free(r->spare.at);
	free(r);
	return NULL;
}

static struct entry *find(struct table *t, uint64_t task)
{
	size_t mask = ((size_t)1 << t->bits) - 1, i = slot(t, task);

	while (t->at[i].task && t->at[i].task != task)
		i = (i + 1) & mask;
	return &t->at[i];
}

static bool grow(struct table *t)
{
	struct table more = { 0 };

	if (table_init(&more, t->bits + 1))
		return false;
	for (size_t i = 0; i < (size_t)1 << t->bits; i++)
		if (t->at[i].task)
			*find(&more, t->at[i].task) = t->at[i];
	more.n = t->n;
	free(t->at);
	*t = more;
	return true;
}

/* NULL = no memory: the task's sums go missing from the rollup, not from the chunks. */
static struct entry *entry_of(struct table *t, uint64_t task)
{
	struct entry *e = find(t, task);

	if (e->task)
		return e;
	if (t->n >= ((size_t)1 << t->bits) / 2) {
		if (!grow(t))
			return NULL;
		e = find(t, task);
	}
	t->n++;
	e->task = task;
	return e;
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

static void add_short(struct rollup *r, const struct chunk_task *t)
{
	struct rollup_sum sum = sum_of(t);
	struct rollup_site *s;

	add_site(r, t->task, t->site, &sum, 1, 1);
	s = site_of(r->brief, r->brief_used, &r->nbrief,
		    (uint32_t)(t->task >> WEFT_TASK_PROCESS_SHIFT), t->site);
	add_sum(&s->sum, &sum);
	s->spawned++;
	s->ended += t->life_ns;
}

static void add_task(struct rollup *r, const struct chunk_task *t)
{
	struct rollup_sum none = { 0 };
	struct entry *e = entry_of(&r->now, t->task);

	if (!e)
		return;
	if (t->spawned)
		e->site = t->site;
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
	struct entry *e = entry_of(&r->now, task);

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

/* The tasks that live on with a known place go over into a fresh table. */
static void carry_over(struct rollup *r)
{
	size_t n = 0;
	unsigned bits = 12;

	for (size_t i = 0; i < (size_t)1 << r->now.bits; i++)
		n += r->now.at[i].task && !r->now.at[i].ended && r->now.at[i].site;
	while ((size_t)1 << bits < n * 3)
		bits++;
	if (r->spare.at && r->spare.bits == bits)
		memset(r->spare.at, 0, sizeof(struct entry) << bits);
	else if (table_init(&r->spare, bits))
		return;
	r->spare.n = 0;
	for (size_t i = 0; i < (size_t)1 << r->now.bits; i++) {
		const struct entry *e = &r->now.at[i];

		if (!e->task || e->ended || !e->site)
			continue;
		*find(&r->spare, e->task) = (struct entry){ .task = e->task, .site = e->site };
		r->spare.n++;
	}
	struct table swap = r->now;

	r->now = r->spare;
	r->spare = swap;
}

void rollup_flush(struct rollup *r, const struct rollup_sink *sink)
{
	if (!r->begun)
		return;
	for (size_t i = 0; i < (size_t)1 << r->now.bits; i++)
		if (r->now.at[i].task)
			give_task(r, &r->now.at[i], sink);
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

static void look_ahead(const struct table *t, const struct chunk_task *tasks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		__builtin_prefetch(&t->at[slot(t, tasks[i].task)], 1);
}

void rollup_add(struct rollup *r, uint64_t second, const struct chunk_task *tasks, size_t n,
		const struct rollup_sink *sink)
{
	if (r->begun && second != r->second)
		rollup_flush(r, sink);
	r->second = second;
	r->begun = true;
	for (size_t i = 0; i < n; i++) {
		const struct chunk_task *t = &tasks[i];

		if (i % AHEAD == 0)
			look_ahead(&r->now, t, n - i < AHEAD ? n - i : AHEAD);
		if (!t->task)
			continue;
		if (t->spawned && t->ended)
			add_short(r, t);
		else if (t->count)
			add_task(r, t);
	}
}
