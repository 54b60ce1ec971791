/* SPDX-License-Identifier: MIT */
/*
 * The task list: one pass over all tasks computes a sort key each, a selection finds the window that was
 * asked for, and only its rows are filled in. O(tasks) with a small constant, no sort of all, no copy of rows.
 */
#include "collector/live_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ull

/* ---- one row ---- */

/* What a task did in the second that ends now: all of this one and the rest of the one before, in proportion. */
struct model_second live_last_second(const struct model_task *t, uint64_t now_ns)
{
	uint64_t second = now_ns / SECOND;
	double rest = 1.0 - (double)(now_ns % SECOND) / 1e9;
	struct model_second here = { 0 }, before = { 0 };

	if (t->second == second) {
		here = t->now;
		before = t->before;
	} else if ((uint64_t)t->second + 1 == second) {
		before = t->now;
	}
	return (struct model_second){ .busy = here.busy + (uint32_t)(rest * before.busy),
				      .blocked = here.blocked + (uint32_t)(rest * before.blocked),
				      .polls = here.polls + (uint32_t)(rest * before.polls),
				      .wakes = here.wakes + (uint32_t)(rest * before.wakes),
				      .self_wakes = here.self_wakes +
						    (uint32_t)(rest * before.self_wakes) };
}

struct shares {
	double busy, blocked;
};

/* The open poll's parts so far, by what is proven of it; what is not goes by its present state. */
static struct shares open_parts(const struct model_lane *l, uint64_t open_ns)
{
	const struct lane_open *o = &l->open;
	double known = (double)(o->cpu_ns + o->blocked_ns + o->runq_ns), scale;
	double rest = (double)open_ns > known ? (double)open_ns - known : 0;
	struct shares s;

	scale = known > (double)open_ns && known > 0 ? (double)open_ns / known : 1;
	s.busy = (double)o->cpu_ns * scale + (o->state == 0 || o->state == 3 ? rest : 0);
	s.blocked = (double)o->blocked_ns * scale + (o->state == 2 ? rest : 0);
	return s;
}

/* Shares of the last second, the open poll counted up to now. */
static struct shares shares_of(const struct live *l, const struct model_task *t)
{
	uint64_t now = model_now(l->model), open_ns, window;
	struct model_second last = live_last_second(t, now);
	const struct model_lane *lane = model_task_lane(l->model, t);
	struct shares s = { (double)last.busy / 1e9, (double)last.blocked / 1e9 }, open;

	if (lane) {
		open_ns = lane_open_ns(lane, now);
		if (open_ns == UINT64_MAX)
			open_ns = now - lane->open.seen_ns;
		open = open_parts(lane, open_ns);
		window = open_ns > SECOND ? SECOND : open_ns;
		s.busy += open_ns ? open.busy / (double)open_ns * (double)window / 1e9 : 0;
		s.blocked += open_ns ? open.blocked / (double)open_ns * (double)window / 1e9 : 0;
	}
	if (s.busy + s.blocked > 1) {
		double sum = s.busy + s.blocked;

		s.busy /= sum;
		s.blocked /= sum;
	}
	return s;
}

static double polls_per_second(const struct live *l, const struct model_task *t)
{
	if (model_sees_task(l->model, t))
		return live_last_second(t, model_now(l->model)).polls;
	return model_walks_tell_polls(l->model, t) ? (double)t->census_rate : -1;
}

static uint64_t poll_p99(const struct live *l, const struct model_task *t)
{
	if (!model_sees_task(l->model, t) || !t->polls)
		return LIVE_UNKNOWN;
	return t->hot ? hist_quantile(&t->hot->polls, 0.99, t->poll_max_ns) : t->poll_max_ns;
}

static uint64_t delay_p99(const struct model_task *t)
{
	return t->hot ? hist_quantile(&t->hot->delays, 0.99, LIVE_UNKNOWN) : LIVE_UNKNOWN;
}

static uint64_t idle_ns(const struct model_task *t, uint64_t now_ns, bool open)
{
	uint64_t last = t->poll_ns > t->wake_ns ? t->poll_ns : t->wake_ns;

	if (open)
		return 0;
	return last ? (now_ns > last ? now_ns - last : 0) : LIVE_UNKNOWN;
}

static void fill_counts(const struct live *l, const struct model_task *t, struct live_task *row)
{
	bool seen = model_sees_polls(l->model, t->process);

	row->polls = model_sees_task(l->model, t)          ? t->polls
		     : model_walks_tell_polls(l->model, t) ? t->census_polls
							   : LIVE_UNKNOWN;
	row->wakes = seen ? t->wakes : LIVE_UNKNOWN;
	row->self_wakes = seen ? t->self_wakes : LIVE_UNKNOWN;
	row->busy_ns = t->busy_ns;
	row->blocked_ns = t->blocked_ns;
	row->runnable_ns = t->runnable_ns;
	row->poll_max_ns = t->poll_max_ns;
	row->polls_s = polls_per_second(l, t);
	row->poll_p99_ns = poll_p99(l, t);
	row->delay_p99_ns = delay_p99(t);
}

static void fill_open(const struct live *l, const struct model_task *t, struct live_task *row)
{
	const struct model_lane *lane = model_task_lane(l->model, t);
	const struct model_lane *last = model_lane(l->model, t->process, t->lane);
	struct shares parts;

	row->worker = last && last->role == WEFT_LANE_WORKER ? last->worker : UINT32_MAX;
	row->open_ns = lane ? lane_open_ns(lane, model_now(l->model)) : 0;
	row->idle_ns = idle_ns(t, model_now(l->model), lane);
	if (!lane || row->open_ns == LIVE_UNKNOWN)
		return;
	parts = open_parts(lane, row->open_ns);
	row->busy_ns += (uint64_t)parts.busy;
	row->blocked_ns += (uint64_t)parts.blocked;
	row->runnable_ns += row->open_ns - (uint64_t)(parts.busy + parts.blocked);
	if (row->open_ns > row->poll_max_ns)
		row->poll_max_ns = row->open_ns;
}

/* A task of which nobody knows whose it is has one when all runtimes of the process agree. */
uint64_t live_fingerprint(const struct live *l, const struct model_task *t)
{
	const struct model_process *p = model_process(l->model, t->process);
	uint64_t native = t->id & ((1ull << WEFT_TASK_PROCESS_SHIFT) - 1), base = 0;
	bool of_one = t->runtime < p->nruntimes && p->runtime[t->runtime].info.kind;

	if (of_one)
		base = p->runtime[t->runtime].info.fingerprint;
	for (uint32_t i = 0; !of_one && i < p->nruntimes; i++) {
		const struct weft_ev_runtime *rt = &p->runtime[i].info;

		if (rt->kind && base && rt->fingerprint != base)
			return 0;
		if (rt->kind)
			base = rt->fingerprint;
		if (rt->kind && !base)
			return 0;
	}
	return base ? base ^ native : 0;
}

void live_task_fill(struct live *l, const struct model_task *t, struct live_task *row)
{
	const struct model_process *p = model_process(l->model, t->process);
	struct shares s = shares_of(l, t);
	uint32_t site = model_type(l->model, t->type)->site;

	*row = (struct live_task){
		.id = t->id,
		.native_id = t->id & ((1ull << WEFT_TASK_PROCESS_SHIFT) - 1),
		.parent = t->parent,
		.process = t->process,
		.runtime = t->runtime < p->nruntimes ? p->runtime[t->runtime].info.runtime
						     : UINT32_MAX,
		.type = t->type,
		.state = model_task_state(l->model, t),
		.busy = (float)s.busy,
		.blocked = (float)s.blocked,
		.spawn_ns = task_born_here(t) ? t->spawn_ns : LIVE_UNKNOWN,
		.age_ns = task_age(t, task_alive(t) ? model_now(l->model) : t->end_ns),
		.end_ns = task_alive(t) ? LIVE_UNKNOWN : t->end_ns,
		.bytes = t->bytes,
		.finding = t->flags & MODEL_T_FINDING,
		.raised = model_task_raised(l->model, t),
		.site = site < WEFT_MAX_SITES ? site : UINT32_MAX,
		.fingerprint = live_fingerprint(l, t)
	};
	fill_counts(l, t, row);
	fill_open(l, t, row);
	if (!model_sees_task(l->model, t) && !row->open_ns && s.busy <= 0 && s.blocked <= 0 &&
	    !t->polls)
		row->busy = -1;
	snprintf(row->name, sizeof(row->name), "%.127s", model_task_name(l->model, t));
	snprintf(row->location, sizeof(row->location), "%s", model_task_location(l->model, t));
}

/* ---- keys ---- */

/* The first 8 bytes, lower case, the first one highest. */
static uint64_t name_key(const char *name)
{
	uint64_t key = 0;

	for (unsigned i = 0; i < 8; i++) {
		unsigned char c = (unsigned char)*name;

		key = key << 8 | (c >= 'A' && c <= 'Z' ? c + 32u : c);
		name += c != 0;
	}
	return key;
}

static uint64_t known(uint64_t v)
{
	return v == LIVE_UNKNOWN ? 0 : v + 1;
}

static uint64_t state_key(const struct live *l, const struct model_task *t)
{
	static const uint8_t rank[] = {
		[LIVE_BLOCKED] = 6, [LIVE_RUNNING] = 5,   [LIVE_READY] = 4, [LIVE_IDLE] = 3,
		[LIVE_FAILED] = 2,  [LIVE_CANCELLED] = 1, [LIVE_DONE] = 0
	};

	return rank[model_task_state(l->model, t)];
}

static uint64_t trouble_key(const struct live *l, const struct model_task *t)
{
	struct shares s = shares_of(l, t);

	return (t->flags & MODEL_T_FINDING ? 1ull << 62 : 0) +
	       (uint64_t)((2 * s.blocked + s.busy) * 1e9);
}

/* Greatest first, so ids and names (smallest first) are turned round. */
static uint64_t key_of(const struct live *l, const struct model_task *t, enum live_sort sort)
{
	switch (sort) {
	case LIVE_SORT_STATE:
		return state_key(l, t);
	case LIVE_SORT_BUSY:
		return (uint64_t)(shares_of(l, t).busy * 1e9);
	case LIVE_SORT_BLOCKED:
		return (uint64_t)(shares_of(l, t).blocked * 1e9);
	case LIVE_SORT_POLLS:
		return (uint64_t)((polls_per_second(l, t) + 1) * 1e3);
	case LIVE_SORT_P99:
		return known(poll_p99(l, t));
	case LIVE_SORT_DELAY:
		return known(delay_p99(t));
	case LIVE_SORT_AGE:
		return t->spawn_ns == LIVE_UNKNOWN ? UINT64_MAX : (1ull << 63) - 1 - t->spawn_ns;
	case LIVE_SORT_NAME:
		return ~name_key(model_task_name(l->model, t));
	case LIVE_SORT_POLL_MAX:
		return t->poll_max_ns;
	case LIVE_SORT_WAKES:
		return t->wakes;
	case LIVE_SORT_BYTES:
		return t->bytes;
	case LIVE_SORT_TROUBLE:
		return trouble_key(l, t);
	default:
		return ~t->id;
	}
}

/* ---- which tasks ---- */

struct filter {
	const char *text; /* NULL = all */
	uint8_t *type;    /* by type: 0 not looked at, 1 no, 2 name, 3 location */
};

static bool type_matches(struct live *l, struct filter *f, const struct model_task *t)
{
	const struct model_type *type = model_type(l->model, t->type);
	uint8_t *known_match = &f->type[t->type];

	if (!*known_match)
		*known_match = strcasestr(type->location, f->text) ? 3
			       : strcasestr(type->name, f->text)   ? 2
								   : 1;
	return *known_match == 3 || (*known_match == 2 && !t->name);
}

static bool wanted(struct live *l, const struct live_query *q, struct filter *f,
		   const struct model_task *t)
{
	if (!q->ended && !task_alive(t))
		return false;
	if (q->process != UINT32_MAX && t->process != q->process)
		return false;
	if (!f->text)
		return true;
	return type_matches(l, f, t) || (t->name && strcasestr(t->name, f->text));
}

static int make_room(struct live *l, size_t n)
{
	size_t room = l->room ? l->room : 1024;
	struct live_ranked *r;

	while (room < n)
		room *= 2;
	if (room == l->room)
		return 0;
	r = realloc(l->ranked, room * sizeof(*r));
	if (!r)
		return -ENOMEM;
	l->ranked = r;
	l->room = room;
	return 0;
}

/* ---- order ---- */

struct order {
	struct live *l;
	enum live_sort sort;
	bool reverse;
};

static bool comes_before(const struct order *o, const struct live_ranked *a,
			 const struct live_ranked *b)
{
	int names;

	if (a->key != b->key)
		return o->reverse ? a->key < b->key : a->key > b->key;
	if (o->sort == LIVE_SORT_NAME) {
		const char *x = model_task_name(o->l->model, a->task),
			   *y = model_task_name(o->l->model, b->task);

		names = x == y ? 0 : strcasecmp(x, y);
		if (names)
			return o->reverse ? names > 0 : names < 0;
	}
	return a->task->id < b->task->id;
}

static void swap(struct live_ranked *a, struct live_ranked *b)
{
	struct live_ranked t = *a;

	*a = *b;
	*b = t;
}

/* Hoare's selection with a random pivot: what belongs before position k comes before it. */
static void select_at(const struct order *o, struct live_ranked *v, size_t n, size_t k)
{
	size_t low = 0, high = n;
	uint64_t random = 0x9e3779b97f4a7c15ull ^ n;

	while (high - low > 1) {
		struct live_ranked pivot;
		size_t i = low, j = low;

		random ^= random << 13, random ^= random >> 7, random ^= random << 17;
		swap(&v[low + random % (high - low)], &v[high - 1]);
		pivot = v[high - 1];
		for (; i < high - 1; i++)
			if (comes_before(o, &v[i], &pivot))
				swap(&v[i], &v[j++]);
		swap(&v[j], &v[high - 1]);
		if (j == k)
			return;
		if (j < k)
			low = j + 1;
		else
			high = j;
	}
}

static int compare(const void *a, const void *b, void *ctx)
{
	return comes_before(ctx, a, b) ? -1 : comes_before(ctx, b, a) ? 1 : 0;
}

/* Puts [offset, offset + count) of the order in place. */
static void arrange(const struct order *o, size_t n, size_t offset, size_t count)
{
	size_t end = offset + count < n ? offset + count : n;

	if (offset >= n)
		return;
	if (offset)
		select_at(o, o->l->ranked, n, offset);
	if (end < n)
		select_at(o, o->l->ranked + offset, n - offset, end - offset);
	qsort_r(o->l->ranked + offset, end - offset, sizeof(*o->l->ranked), compare, (void *)o);
}

static size_t rank_of(const struct order *o, size_t n, uint64_t task)
{
	const struct live_ranked *mine = NULL;
	size_t before = 0;

	for (size_t i = 0; i < n && !mine; i++)
		if (o->l->ranked[i].task->id == task)
			mine = &o->l->ranked[i];
	for (size_t i = 0; mine && i < n; i++)
		before += comes_before(o, &o->l->ranked[i], mine);
	return mine ? before : SIZE_MAX;
}

/* ---- queries ---- */

static int flat_page(struct live *l, const struct live_query *q, struct filter *f,
		     struct live_task *rows, struct live_page *ret)
{
	struct order o = { l, q->sort, q->reverse };
	struct model_task *t;
	uint32_t cursor = 0;
	size_t n = 0;

	if (make_room(l, (size_t)model_tasks_alive(l->model) + MODEL_KEEP_ENDED + 1) < 0)
		return -ENOMEM;
	while ((t = model_task_each(l->model, &cursor)))
		if (wanted(l, q, f, t))
			l->ranked[n++] = (struct live_ranked){ key_of(l, t, q->sort), t };
	ret->total = n;
	if (q->pinned)
		ret->pinned_index = rank_of(&o, n, q->pinned);
	arrange(&o, n, ret->first, q->count);
	for (size_t i = ret->first; i < n && ret->rows < q->count; i++)
		live_task_fill(l, l->ranked[i].task, &rows[ret->rows++]);
	return 0;
}

static int tree_page(struct live *l, const struct live_query *q, struct filter *f,
		     struct live_task *rows, struct live_page *ret)
{
	const struct live_tree *tree = live_tree_get(l, q->process, q->ended);

	if (!tree)
		return -ENOMEM;
	for (size_t i = 0; i < tree->n; i++) {
		struct model_task *t = model_task(l->model, tree->row[i].id);

		if (!t || !wanted(l, q, f, t))
			continue;
		if (t->id == q->pinned)
			ret->pinned_index = ret->total;
		if (ret->total >= ret->first && ret->rows < q->count) {
			live_task_fill(l, t, &rows[ret->rows]);
			rows[ret->rows++].depth = tree->row[i].depth;
		}
		ret->total++;
	}
	return 0;
}

int live_tasks(struct live *l, const struct live_query *query, struct live_task *rows,
	       struct live_page *ret)
{
	struct filter f = { .text = query->filter && *query->filter ? query->filter : NULL };
	int rc = 0;

	*ret = (struct live_page){ .first = query->offset, .pinned_index = SIZE_MAX };
	pthread_mutex_lock(&l->lock);
	if (f.text) {
		f.type = calloc(model_types(l->model) + 1, 1);
		rc = f.type ? 0 : -ENOMEM;
	}
	if (!rc)
		rc = query->tree ? tree_page(l, query, &f, rows, ret)
				 : flat_page(l, query, &f, rows, ret);
	pthread_mutex_unlock(&l->lock);
	free(f.type);
	return rc;
}

void live_tasks_done(struct live *l)
{
	free(l->ranked);
	free(l->tree.row);
}
